/* The store: WebAssembly at run time, whatever tier runs it. Makes host objects, links and instantiates
   modules, calls functions, reports traps. Both tiers and the embedding API stand on this.

   A store belongs to one thread at a time (kp_wasm_store_interrupt excepted). It owns all objects made
   in it; they live until kp_wasm_store_destroy, as in the specification. The modules of its instances
   must outlive it. All memory of a store is counted against its budget.

   Source: WebAssembly specification, "Execution", "Modules", "Embedding". */
#ifndef KP_RUNTIME_INSTANCE_STORE_H
#define KP_RUNTIME_INSTANCE_STORE_H

#include "runtime/instance/instance.h"

/* What carries out the functions of an instance. attach() sets code, call and context of each of
   instance->functions[] (all else is set) and may set instance->tier_data; it may fail, then nothing
   remains. detach (may be NULL) undoes it when the store ends. `code` of functions without compiled
   code is kp_wasm_thunk_code(). */
typedef struct kp_wasm_tier {
    const char *name;
    kp_status_t (*attach)(kp_wasm_instance_t *instance, void *tier_module);
    void (*detach)(kp_wasm_instance_t *instance);
    /* Of tiers that set `code` to kp_wasm_lazy_code(): gives the function its true code, at its first call.
       Else the call traps, OUT_OF_MEMORY for KP_ERR_NO_MEMORY, HOST with the status for others. */
    kp_status_t (*resolve)(kp_wasm_funcinst_t *function);
} kp_wasm_tier_t;

/* The entry that leads from compiled code to funcinst.call; NULL on machines without compiled code. */
const void *kp_wasm_thunk_code(void);
/* The entry that asks the tier's `resolve` for code, then goes there; likewise. */
const void *kp_wasm_lazy_code(void);

typedef struct kp_wasm_store_options {
    kp_wasm_allocator_t allocator; /* for objects; linear memories come from the platform */
    uint64_t memory_maximum;       /* bytes of all linear memories together */
    uint64_t
        memory_unguarded;   /* bytes of each without guard pages: address space is taken for them */
    uint64_t table_maximum; /* elements of all tables together */
    uint64_t object_maximum; /* bytes of everything else */
    /* Native stack that WebAssembly may use below the outermost entry; the thread must have 128 KiB
       more, which host functions and helpers use. */
    uint64_t stack_bytes;
    uint32_t depth_maximum; /* interpreter: nested calls */
    bool guard_pages;       /* 32-bit memories are GUARDED where the platform can */
    int64_t fuel;           /* at first; INT64_MAX without metering */
    /* When an interruption was asked for: KP_OK goes on, anything else traps INTERRUPTED. NULL traps. */
    kp_status_t (*interrupted)(void *context, kp_wasm_store_t *store);
    void *interrupted_context;
} kp_wasm_store_options_t;

/* 4 GiB of memory, 10 million table elements, 1 GiB of objects, 512 KiB of stack, guard pages, no
   metering. */
kp_wasm_store_options_t kp_wasm_store_options_init(kp_wasm_allocator_t allocator);

struct kp_wasm_store {
    kp_wasm_store_head_t head; /* first: compiled code reads it */
    kp_wasm_store_options_t options;
    uint64_t stack_limit;       /* the true one, while head.stack_limit says UINT64_MAX */
    uint32_t depth;             /* of the interpreter's calls */
    uint32_t calls;             /* of kp_wasm_call, under way */
    uint32_t interrupt;         /* atomic: an interruption is asked for */
    kp_wasm_trap_t trap;        /* of the last call that failed */
    kp_wasm_exninst_t *pending; /* of the call that returned KP_ERR_EXCEPTION */
    uint64_t memory_used, table_used, object_used;

    /* Private. */
    kp_wasm_instance_t *instances;
    kp_wasm_tableinst_t *tables;
    kp_wasm_exninst_t *exceptions;
    uint64_t exception_bytes, exception_count;
    uint64_t exception_fresh; /* bytes of those made since the last collection */
    uint64_t exception_room;  /* of those to be made before the next; 0: none has been */
    bool exception_tried;     /* this outermost call has collected for want of memory */
    uint64_t stack_base;      /* of the native stack, at the outermost call */
    /* The interpreter's stack: references stand from slots to *slots_top; NULL without one. */
    const void *slots;
    uint8_t *const *slots_top;
    struct kp_wasm_block *blocks;
    struct kp_wasm_memory_hold *memories;
    kp_wasm_functype_t *types; /* by number */
    uint32_t *type_hash;
    uint32_t type_count, type_capacity, type_hash_size;
    kp_wasm_instance_t *host_instance; /* what host functions "run" in */
    void *interpreter;                 /* interpret/: its stack, while it has instances here */
};

/* Errors: KP_ERR_NO_MEMORY. */
kp_status_t kp_wasm_store_create(const kp_wasm_store_options_t *options, kp_wasm_store_t **store);
/* NULL is allowed. Not while a call runs. */
void kp_wasm_store_destroy(kp_wasm_store_t *store);

/* Any thread: the running call traps INTERRUPTED (or options.interrupted decides) at the next function
   entry, or at the next loop head of code that checks there. If none runs, the next one does. */
void kp_wasm_store_interrupt(kp_wasm_store_t *store);

/* ---- host objects ----
   Errors: KP_ERR_NO_MEMORY, KP_ERR_QUOTA (over the store's budget), KP_ERR_INVALID_ARGUMENT. */

/* The store-wide number of a type; equal types have equal numbers. */
kp_status_t kp_wasm_store_type(kp_wasm_store_t *store, const kp_wasm_functype_t *type,
                               uint32_t *number);
/* The signature is copied. */
kp_status_t kp_wasm_funcinst_create(kp_wasm_store_t *store, const kp_wasm_functype_t *signature,
                                    kp_wasm_host_fn host, void *context,
                                    kp_wasm_funcinst_t **function);
/* A memory of the platform: GUARDED if it is 32-bit, options.guard_pages and the platform can and has the
   address space; else CHECKED. */
kp_status_t kp_wasm_meminst_create(kp_wasm_store_t *store, const kp_wasm_size_range_t *type,
                                   kp_wasm_meminst_t **memory);
/* A window of type->minimum pages at `base`, whose bytes stay the caller's. Always CHECKED. grow NULL:
   it cannot grow. */
kp_status_t kp_wasm_meminst_create_window(kp_wasm_store_t *store, const kp_wasm_size_range_t *type,
                                          uint8_t *base, kp_wasm_window_grow_fn grow, void *context,
                                          kp_wasm_meminst_t **memory);
/* Another store uses it too (shared memories between threads). */
kp_status_t kp_wasm_store_share(kp_wasm_store_t *store, kp_wasm_meminst_t *memory);
kp_status_t kp_wasm_tableinst_create(kp_wasm_store_t *store, kp_wasm_type_t type,
                                     const kp_wasm_size_range_t *range, void *initial,
                                     kp_wasm_tableinst_t **table);
kp_status_t kp_wasm_globalinst_create(kp_wasm_store_t *store, kp_wasm_type_t type, bool mutable,
                                      kp_wasm_value_t value, kp_wasm_globalinst_t **global);
kp_status_t kp_wasm_taginst_create(kp_wasm_store_t *store, const kp_wasm_functype_t *signature,
                                   kp_wasm_taginst_t **tag);

/* Pages before; UINT64_MAX when it cannot grow by that much. */
uint64_t kp_wasm_meminst_grow(kp_wasm_store_t *store, kp_wasm_meminst_t *memory, uint64_t pages);
uint64_t kp_wasm_meminst_size(const kp_wasm_meminst_t *memory); /* bytes; atomic */
uint64_t kp_wasm_tableinst_grow(kp_wasm_store_t *store, kp_wasm_tableinst_t *table, void *reference,
                                uint64_t count);

/* ---- instances ---- */

/* Links and instantiates a module whose bodies are all valid (or will be before they are called: the
   tier's matter). imports[i] is for module->imports[i]. `start` false: the start function is not run
   (the caller runs it by kp_wasm_call).
   Errors: KP_ERR_INVALID_ARGUMENT: an import is missing or has the wrong type, *bad_import says which
   ("incompatible import type"); KP_ERR_TRAP: an active segment is out of bounds or the start function
   trapped, see store->trap. As the specification wants it, such a half-made instance stays in the store
   and what its segments wrote remains. KP_ERR_EXCEPTION, KP_ERR_NO_MEMORY, KP_ERR_QUOTA, the tier's. */
kp_status_t kp_wasm_instance_create(kp_wasm_store_t *store, const kp_wasm_module_t *module,
                                    const kp_wasm_tier_t *tier, void *tier_module,
                                    const kp_wasm_extern_t *imports, uint32_t import_count,
                                    bool start, kp_wasm_instance_t **instance,
                                    uint32_t *bad_import);

/* What an import is, for a person to read: `import "env" "f" (func (param i32))`, and, when `given` is not NULL, what
   it got: `, given (func (param i64) (result i32))` ("nothing": its pointer is NULL). Types as the text format has them.
   Names are the module's: control characters are written \u{1b}, long ones are cut. Cut at size, ends with NUL; returns
   the length. */
size_t kp_wasm_import_print(const kp_wasm_module_t *module, uint32_t index,
                            const kp_wasm_extern_t *given, char *text, size_t size);

/* What an export is. Its index is that of module->exports. */
kp_wasm_extern_t kp_wasm_instance_export(kp_wasm_instance_t *instance, uint32_t index);
/* False when there is no export of that name. */
bool kp_wasm_instance_find(kp_wasm_instance_t *instance, const char *name, size_t length,
                           kp_wasm_extern_t *found);

/* ---- calls ---- */

/* values as in kp_wasm_call_fn. Clears the store's trap first. KP_OK, KP_ERR_TRAP (store->trap) or
   KP_ERR_EXCEPTION (store->pending). May be used inside host functions. */
kp_status_t kp_wasm_call(kp_wasm_store_t *store, kp_wasm_funcinst_t *function,
                         kp_wasm_value_t *values);

/* Records a trap without frames; returns KP_ERR_TRAP, for host functions and tiers to return. */
kp_status_t kp_wasm_store_trap(kp_wasm_store_t *store, kp_wasm_trap_code_t code);
/* Appends a frame to the backtrace of the recorded trap: tiers call it as they unwind. */
void kp_wasm_store_trap_frame(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                              const kp_wasm_module_t *module, uint32_t function, uint32_t offset);
/* Makes `exception` pending and returns KP_ERR_EXCEPTION. */
kp_status_t kp_wasm_store_throw(kp_wasm_store_t *store, kp_wasm_exninst_t *exception);

/* For tiers, at the entry of a call and (options) at loop heads: true when kp_wasm_store_interrupt was
   called and options.interrupted does not want to go on. */
bool kp_wasm_store_interrupted(kp_wasm_store_t *store);

#endif
