/* The objects of a store, as both tiers and compiled code see them. Compiled code reads these
   structures directly: the offsets at the end of this file are part of the code artefact's version
   (KP_WASM_LAYOUT_VERSION); change one, change the version.

   The names follow the specification's "Runtime Structure": funcinst, tableinst, meminst, ...

   Everything here belongs to its store and lives until the store is destroyed, except meminsts, which
   are counted so that the stores of several threads can share one. A store and its objects belong to
   one thread at a time; only the contents of shared memories, and store.stack_limit and
   store.interrupt, are touched by others.

   Values: i32 and f32 are zero-extended to 64 bits wherever they are held. A reference is a pointer,
   NULL for null: funcref -> kp_wasm_funcinst_t, externref -> whatever the host gave (never NULL for a
   value that is not null), exnref -> kp_wasm_exninst_t. */
#ifndef KP_RUNTIME_INSTANCE_INSTANCE_H
#define KP_RUNTIME_INSTANCE_INSTANCE_H

#include "runtime/instance/trap.h"
#include "runtime/wasm/module.h"

enum { KP_WASM_LAYOUT_VERSION = 1 };

typedef struct kp_wasm_store kp_wasm_store_t;
typedef struct kp_wasm_instance kp_wasm_instance_t;
typedef struct kp_wasm_funcinst kp_wasm_funcinst_t;

typedef union kp_wasm_value {
    uint32_t u32; /* i32, and the bits of f32. Writing one: write u64, so that the rest is zero */
    uint64_t u64; /* i64, and the bits of f64 */
    void *reference;
    uint64_t v128[2];
    uint8_t bytes[16];
} kp_wasm_value_t;

/* ---- functions ---- */

/* Calls with values in a row: arguments in values[0..parameters), results come back in
   values[0..results); the row has room for the larger number. KP_OK, or the call has trapped and the
   trap is recorded in the store (KP_ERR_TRAP), or an exception is pending in it (KP_ERR_EXCEPTION). */
typedef kp_status_t (*kp_wasm_call_fn)(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                                       kp_wasm_value_t *values);

/* Host functions: caller is the instance whose code called, NULL when the host called directly. A
   status other than KP_OK becomes trap HOST with that status; KP_ERR_TRAP and KP_ERR_EXCEPTION say
   that the store holds one already (kp_wasm_store_trap, kp_wasm_store_throw, an inner call's). */
typedef kp_status_t (*kp_wasm_host_fn)(void *context, kp_wasm_instance_t *caller,
                                       kp_wasm_value_t *values);

struct kp_wasm_funcinst {
    /* Entry in the register convention of compiled code (compile/README.md); for functions of other
       tiers and of the host the thunk that goes through `call`. */
    const void *code;
    kp_wasm_instance_t
        *instance;        /* whose code runs; the store's host instance for host functions */
    uint32_t type;        /* store-wide number of its type: equal numbers = equal types */
    uint32_t index;       /* in its module */
    kp_wasm_call_fn call; /* any tier, any caller */
    void *context;        /* the tier's or host function's own */
    kp_wasm_host_fn host; /* NULL for WebAssembly functions */
    const kp_wasm_functype_t *signature;
};

/* ---- memories ---- */

typedef enum kp_wasm_memory_kind {
    /* 32-bit, own reservation of 8 GiB and more: any 32-bit index + 32-bit offset + 16 is inside, and
       what is beyond `size` faults. Code checks nothing. */
    KP_WASM_MEMORY_GUARDED,
    /* Code compares with `size`. Own memory at a fixed address (memory64, no address space to spare),
       or a window in another module's memory, which may move when it grows. */
    KP_WASM_MEMORY_CHECKED,
} kp_wasm_memory_kind_t;

/* Makes room for `size` bytes behind *base, which it may move; keeps the old contents, zeroes the new. */
typedef kp_status_t (*kp_wasm_window_grow_fn)(void *context, uint8_t **base, uint64_t old_size,
                                              uint64_t size);

typedef struct kp_wasm_meminst {
    uint8_t *base;
    uint64_t size;         /* bytes; atomic when shared: it only grows */
    uint64_t page_maximum; /* the lesser of the type's and the host's */
    uint8_t kind;          /* kp_wasm_memory_kind_t */
    kp_wasm_size_range_t type;
    uint32_t references; /* atomic */
    uint64_t reserved;   /* bytes of address space; 0: a window */
    kp_wasm_window_grow_fn grow;
    void *grow_context;
    uint32_t growing;              /* spin lock */
    kp_wasm_allocator_t allocator; /* this structure's */
} kp_wasm_meminst_t;

/* ---- tables, globals, tags, exceptions ---- */

typedef struct kp_wasm_tableinst {
    void **elements;
    uint64_t size; /* elements */
    uint64_t capacity;
    uint64_t maximum;
    kp_wasm_type_t type;
    kp_wasm_size_range_t range;
    struct kp_wasm_tableinst *next; /* of the store's */
} kp_wasm_tableinst_t;

typedef struct kp_wasm_globalinst {
    kp_wasm_value_t *cell; /* in its instance, or behind this structure */
    kp_wasm_type_t type;
    bool mutable;
} kp_wasm_globalinst_t;

typedef struct kp_wasm_taginst {
    const kp_wasm_functype_t *signature;
    uint32_t type; /* store-wide number */
} kp_wasm_taginst_t;

typedef struct kp_wasm_exninst {
    const kp_wasm_taginst_t *tag;
    struct kp_wasm_exninst *next; /* of the store's */
    uint32_t allocated;
    uint32_t held; /* kp_wasm_exception_hold */
    bool escaped;  /* a reference to it was made: it lives until it is collected */
    bool marked;   /* by the collection under way */
    kp_wasm_value_t values[];
} kp_wasm_exninst_t;

typedef struct kp_wasm_extern {
    uint8_t kind; /* kp_wasm_external_t */
    union {
        kp_wasm_funcinst_t *function;
        kp_wasm_tableinst_t *table;
        kp_wasm_meminst_t *memory;
        kp_wasm_globalinst_t *global;
        kp_wasm_taginst_t *tag;
    };
} kp_wasm_extern_t;

/* ---- instances ---- */

/* An element segment that table.init can still read; count 0 once dropped. */
typedef struct kp_wasm_eleminst {
    void **references;
    uint64_t count;
} kp_wasm_eleminst_t;

typedef struct kp_wasm_datainst {
    const uint8_t *bytes; /* in the module's bytes */
    uint64_t size;        /* 0 once dropped */
} kp_wasm_datainst_t;

/* Fixed part; the arrays that compiled code indexes follow it in the same block, at the offsets of
   kp_wasm_instance_layout. */
struct kp_wasm_instance {
    kp_wasm_store_t *store;
    const void *const *helpers;    /* kp_wasm_helper_t -> address; for compiled code */
    kp_wasm_meminst_t *memory0;    /* memories[0], or an empty one */
    const uint32_t *type_numbers;  /* module type index -> store-wide number */
    kp_wasm_funcinst_t *functions; /* the module's own, in order: index - imported_function_count */
    const kp_wasm_module_t *module;
    void *tier_data;               /* the tier's own */
    kp_wasm_globalinst_t *globals; /* the module's own */
    kp_wasm_globalinst_t **imported_globals;
    kp_wasm_eleminst_t *elements;
    kp_wasm_datainst_t *data;
    const struct kp_wasm_tier *tier;
    kp_wasm_instance_t *next; /* of the store's */
    void *host;               /* the embedder's own */
    size_t allocated;
    uint64_t unused;
    /* kp_wasm_meminst_t *memories[]; kp_wasm_tableinst_t *tables[]; kp_wasm_taginst_t *tags[];
       kp_wasm_funcinst_t *imported_functions[]; kp_wasm_value_t *imported_cells[];
       kp_wasm_value_t cells[] (own globals, aligned to 16) */
};

/* As 64-bit code sees them: the compiler may itself be a 32-bit program. */
enum {
    KP_WASM_INSTANCE_ARRAYS = 128, /* sizeof(kp_wasm_instance_t) */
    KP_WASM_FUNCINST_SIZE = 56,
    KP_WASM_EXNINST_ESCAPED = 24,
    KP_WASM_EXNINST_VALUES = 32,
};

/* Byte offsets in the instance; depend on the module's counts only, so they can stand in code. */
typedef struct kp_wasm_instance_layout {
    uint32_t memories, tables, tags, imported_functions, imported_cells, cells;
    uint32_t size;
} kp_wasm_instance_layout_t;

static inline kp_wasm_instance_layout_t kp_wasm_instance_layout(const kp_wasm_module_t *module)
{
    kp_wasm_instance_layout_t layout;
    uint32_t at = KP_WASM_INSTANCE_ARRAYS;
    layout.memories = at;
    at += 8 * module->memory_count;
    layout.tables = at;
    at += 8 * module->table_count;
    layout.tags = at;
    at += 8 * module->tag_count;
    layout.imported_functions = at;
    at += 8 * module->imported_function_count;
    layout.imported_cells = at;
    at += 8 * module->imported_global_count;
    layout.cells = at = (at + 15) & ~15u;
    at += 16 * (module->global_count - module->imported_global_count);
    layout.size = at;
    return layout;
}

#define KP_WASM_INSTANCE_AT(instance, offset, type) ((type *)((char *)(instance) + (offset)))

static inline kp_wasm_meminst_t *kp_wasm_instance_memory(const kp_wasm_instance_t *instance,
                                                         uint32_t index)
{
    return KP_WASM_INSTANCE_AT(instance, KP_WASM_INSTANCE_ARRAYS, kp_wasm_meminst_t *)[index];
}

static inline kp_wasm_tableinst_t *kp_wasm_instance_table(const kp_wasm_instance_t *instance,
                                                          uint32_t index)
{
    return KP_WASM_INSTANCE_AT(instance,
                               KP_WASM_INSTANCE_ARRAYS + 8 * instance->module->memory_count,
                               kp_wasm_tableinst_t *)[index];
}

static inline kp_wasm_taginst_t *kp_wasm_instance_tag(const kp_wasm_instance_t *instance,
                                                      uint32_t index)
{
    return KP_WASM_INSTANCE_AT(instance, kp_wasm_instance_layout(instance->module).tags,
                               kp_wasm_taginst_t *)[index];
}

static inline kp_wasm_funcinst_t *kp_wasm_instance_function(const kp_wasm_instance_t *instance,
                                                            uint32_t index)
{
    uint32_t imported = instance->module->imported_function_count;
    if (index >= imported)
        return &instance->functions[index - imported];
    return KP_WASM_INSTANCE_AT(instance,
                               kp_wasm_instance_layout(instance->module).imported_functions,
                               kp_wasm_funcinst_t *)[index];
}

static inline kp_wasm_globalinst_t *kp_wasm_instance_global(const kp_wasm_instance_t *instance,
                                                            uint32_t index)
{
    uint32_t imported = instance->module->imported_global_count;
    return index >= imported ? &instance->globals[index - imported]
                             : instance->imported_globals[index];
}

/* ---- the store, as far as compiled code knows it ---- */

struct kp_wasm_entry; /* a C-to-code entry on the native stack */

typedef struct kp_wasm_store_head {
    /* Native stack pointers below this trap, at function entries and (if compiled so) loop heads.
       UINT64_MAX while an interruption is asked for; written by other threads, atomically. */
    uint64_t stack_limit;
    int64_t fuel; /* one unit per function entry and loop head passed; below zero: trap FUEL */
    struct kp_wasm_entry *entry; /* innermost */
} kp_wasm_store_head_t;

/* Helpers that compiled code calls through instance->helpers, in the C convention unless noted. Those
   that say "trap" return a kp_wasm_trap_code_t in eax. Indices and sizes are 64 bits, zero-extended. */
typedef enum kp_wasm_helper {
    KP_WASM_HELPER_TRAP,  /* assembler: edi = trap code, called; does not return */
    KP_WASM_HELPER_CHECK, /* assembler: stack limit was passed; keeps all registers, may trap */
    KP_WASM_HELPER_FUEL,  /* assembler: fuel is below zero; the same */
    KP_WASM_HELPER_THROW, /* assembler: rdi = exninst, called; does not return */
    KP_WASM_HELPER_EXCEPTION_NEW, /* (instance, tag index, values) -> exninst, NULL without memory */
    KP_WASM_HELPER_EXCEPTION_FREE, /* (instance, exninst): unless it escaped */
    KP_WASM_HELPER_MEMORY_GROW,    /* (instance, memory, pages) -> old pages, or -1 */
    KP_WASM_HELPER_MEMORY_COPY,    /* (instance, to, from, to_at, from_at, size) -> trap */
    KP_WASM_HELPER_MEMORY_FILL,    /* (instance, memory, at, byte, size) -> trap */
    KP_WASM_HELPER_MEMORY_INIT,    /* (instance, memory, segment, to, from, size) -> trap */
    KP_WASM_HELPER_DATA_DROP,      /* (instance, segment) */
    KP_WASM_HELPER_TABLE_GROW,     /* (instance, table, reference, count) -> old size, or -1 */
    KP_WASM_HELPER_TABLE_COPY,     /* (instance, to, from, to_at, from_at, size) -> trap */
    KP_WASM_HELPER_TABLE_FILL,     /* (instance, table, at, reference, size) -> trap */
    KP_WASM_HELPER_TABLE_INIT,     /* (instance, table, segment, to, from, size) -> trap */
    KP_WASM_HELPER_ELEMENT_DROP,   /* (instance, segment) */
    KP_WASM_HELPER_ATOMIC_NOTIFY,  /* (instance, memory, address, count) -> woken | trap << 32 */
    KP_WASM_HELPER_ATOMIC_WAIT32, /* (instance, memory, address, value, ns) -> result | trap << 32 */
    KP_WASM_HELPER_ATOMIC_WAIT64,
    KP_WASM_HELPER_COUNT
} kp_wasm_helper_t;

extern const void *const kp_wasm_helpers[KP_WASM_HELPER_COUNT];

/* The bulk and table instructions; the interpreter calls these too. Meaning as above; the specification's
   order of checks. */
kp_wasm_trap_code_t kp_wasm_memory_copy(kp_wasm_instance_t *instance, uint32_t to, uint32_t from,
                                        uint64_t to_at, uint64_t from_at, uint64_t size);
kp_wasm_trap_code_t kp_wasm_memory_fill(kp_wasm_instance_t *instance, uint32_t memory, uint64_t at,
                                        uint32_t byte, uint64_t size);
kp_wasm_trap_code_t kp_wasm_memory_init(kp_wasm_instance_t *instance, uint32_t memory,
                                        uint32_t segment, uint64_t to, uint64_t from,
                                        uint64_t size);
void kp_wasm_data_drop(kp_wasm_instance_t *instance, uint32_t segment);
uint64_t kp_wasm_memory_grow(kp_wasm_instance_t *instance, uint32_t memory, uint64_t pages);
uint64_t kp_wasm_table_grow(kp_wasm_instance_t *instance, uint32_t table, void *reference,
                            uint64_t count);
kp_wasm_trap_code_t kp_wasm_table_copy(kp_wasm_instance_t *instance, uint32_t to, uint32_t from,
                                       uint64_t to_at, uint64_t from_at, uint64_t size);
kp_wasm_trap_code_t kp_wasm_table_fill(kp_wasm_instance_t *instance, uint32_t table, uint64_t at,
                                       void *reference, uint64_t size);
kp_wasm_trap_code_t kp_wasm_table_init(kp_wasm_instance_t *instance, uint32_t table,
                                       uint32_t segment, uint64_t to, uint64_t from, uint64_t size);
void kp_wasm_element_drop(kp_wasm_instance_t *instance, uint32_t segment);
uint64_t kp_wasm_atomic_notify(kp_wasm_instance_t *instance, uint32_t memory, uint64_t address,
                               uint32_t count);
uint64_t kp_wasm_atomic_wait32(kp_wasm_instance_t *instance, uint32_t memory, uint64_t address,
                               uint32_t expected, int64_t timeout_ns);
uint64_t kp_wasm_atomic_wait64(kp_wasm_instance_t *instance, uint32_t memory, uint64_t address,
                               uint64_t expected, int64_t timeout_ns);
/* values: one per parameter of the tag. The exception is not pending yet. */
kp_wasm_exninst_t *kp_wasm_exception_new(kp_wasm_instance_t *instance, uint32_t tag,
                                         const kp_wasm_value_t *values);
void kp_wasm_exception_free(kp_wasm_instance_t *instance, kp_wasm_exninst_t *exception);
/* An exnref that the host keeps (from a host function's arguments, a result, store->pending) is valid until
   WebAssembly of its store runs again or its host function returns, unless it is held. Holds are counted. */
void kp_wasm_exception_hold(kp_wasm_exninst_t *exception);
void kp_wasm_exception_release(kp_wasm_exninst_t *exception);

#if UINTPTR_MAX == UINT64_MAX /* only there is compiled code */
#define KP_WASM_AT(type, field, at) _Static_assert(offsetof(type, field) == (at), #type "." #field)
KP_WASM_AT(kp_wasm_funcinst_t, code, 0);
KP_WASM_AT(kp_wasm_funcinst_t, instance, 8);
KP_WASM_AT(kp_wasm_funcinst_t, type, 16);
_Static_assert(sizeof(kp_wasm_funcinst_t) == KP_WASM_FUNCINST_SIZE, "kp_wasm_funcinst_t");
KP_WASM_AT(kp_wasm_meminst_t, base, 0);
KP_WASM_AT(kp_wasm_meminst_t, size, 8);
KP_WASM_AT(kp_wasm_tableinst_t, elements, 0);
KP_WASM_AT(kp_wasm_tableinst_t, size, 8);
KP_WASM_AT(kp_wasm_instance_t, store, 0);
KP_WASM_AT(kp_wasm_instance_t, helpers, 8);
KP_WASM_AT(kp_wasm_instance_t, memory0, 16);
KP_WASM_AT(kp_wasm_instance_t, type_numbers, 24);
KP_WASM_AT(kp_wasm_instance_t, functions, 32);
_Static_assert(sizeof(kp_wasm_instance_t) == KP_WASM_INSTANCE_ARRAYS, "kp_wasm_instance_t");
KP_WASM_AT(kp_wasm_store_head_t, stack_limit, 0);
KP_WASM_AT(kp_wasm_store_head_t, fuel, 8);
KP_WASM_AT(kp_wasm_store_head_t, entry, 16);
KP_WASM_AT(kp_wasm_exninst_t, escaped, KP_WASM_EXNINST_ESCAPED);
KP_WASM_AT(kp_wasm_exninst_t, values, KP_WASM_EXNINST_VALUES);
#undef KP_WASM_AT
#endif

#endif
