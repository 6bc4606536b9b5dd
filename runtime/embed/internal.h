/* Private to runtime/embed: what the opaque types of wasm.h are. */
#ifndef KP_RUNTIME_EMBED_INTERNAL_H
#define KP_RUNTIME_EMBED_INTERNAL_H

#include "runtime/compiler-process/obtain.h"
#include "runtime/embed/kpwasm.h"
#include "runtime/interpret/interpret.h"

extern const kp_wasm_allocator_t kp_embed_allocator;
/* compiler.c or no_compiler.c. */
extern const bool kp_embed_has_compiler;

/* ---- types: plain values ---- */

struct wasm_valtype_t {
    wasm_valkind_t kind;
};
struct wasm_externtype_t {
    wasm_externkind_t kind;
};
struct wasm_functype_t {
    wasm_externtype_t base;
    wasm_valtype_vec_t params, results;
};
struct wasm_globaltype_t {
    wasm_externtype_t base;
    wasm_valtype_t *content;
    wasm_mutability_t mutability;
};
struct wasm_tabletype_t {
    wasm_externtype_t base;
    wasm_valtype_t *element;
    wasm_limits_t limits;
};
struct wasm_memorytype_t {
    wasm_externtype_t base;
    wasm_limits_t limits;
};
struct wasm_importtype_t {
    wasm_name_t module, name;
    wasm_externtype_t *type;
};
struct wasm_exporttype_t {
    wasm_name_t name;
    wasm_externtype_t *type;
};

kp_wasm_type_t kp_embed_type(wasm_valkind_t kind);
wasm_valkind_t kp_embed_kind(kp_wasm_type_t type);
wasm_externtype_t *kp_embed_functype(const kp_wasm_functype_t *type);
wasm_externtype_t *kp_embed_globaltype(kp_wasm_type_t type, bool mutable);
wasm_externtype_t *kp_embed_tabletype(kp_wasm_type_t type, const kp_wasm_size_range_t *range);
wasm_externtype_t *kp_embed_memorytype(const kp_wasm_size_range_t *range);
wasm_externtype_t *kp_embed_tagtype(void);
kp_wasm_size_range_t kp_embed_range(const wasm_limits_t *limits);

/* ---- engine, store ---- */

struct wasm_config_t {
    kpwasm_tier_t tier;
    uint32_t features;
    bool fuel, lazy;
    kpwasm_compiler_t compiler;
    unsigned jobs;
    kpwasm_limits_t limits;
    uint64_t cache_bytes;
    char cache[1024]; /* empty: none */
};
struct wasm_engine_t {
    wasm_config_t config;
};

/* A decoded module with its code; counted, by handles, shares and the stores that instantiated it. */
typedef struct kp_embed_module {
    uint32_t references; /* atomic */
    uint8_t *bytes;
    size_t size;
    kp_wasm_module_t *module;
    kp_code_source_t code; /* tier NULL: interpreted */
    kp_wasm_interpreted_t *interpreted;
} kp_embed_module_t;
void kp_embed_module_release(kp_embed_module_t *module);

/* A host function's own; freed with the store. */
typedef struct kp_embed_callback {
    struct kp_embed_callback *next;
    wasm_store_t *store;
    wasm_func_callback_t plain;
    wasm_func_callback_with_env_t with_environment;
    void *environment;
    void (*finalizer)(void *environment);
    const kp_wasm_functype_t *signature;
} kp_embed_callback_t;

typedef struct kp_embed_module_hold {
    struct kp_embed_module_hold *next;
    kp_embed_module_t *module;
} kp_embed_module_hold_t;

struct wasm_store_t {
    wasm_config_t config;
    kp_wasm_store_t *store;
    kp_code_cache_t *cache; /* one for each store, as it belongs to one thread */
    kp_embed_callback_t *callbacks;
    kp_embed_module_hold_t *modules;
    struct wasm_ref_t
        *held; /* handles that WebAssembly may hold as externref, one reference each */
    struct wasm_trap_t *host_trap; /* that a callback returned, on its way out */
    char error[512];
};

/* ---- handles ---- */

typedef enum kp_embed_ref_kind {
    KP_EMBED_FUNC = WASM_EXTERN_FUNC,
    KP_EMBED_GLOBAL = WASM_EXTERN_GLOBAL,
    KP_EMBED_TABLE = WASM_EXTERN_TABLE,
    KP_EMBED_MEMORY = WASM_EXTERN_MEMORY,
    KP_EMBED_TAG = WASM_EXTERN_TAG,
    KP_EMBED_INSTANCE,
    KP_EMBED_MODULE,
    KP_EMBED_TRAP,
    KP_EMBED_FOREIGN,
} kp_embed_ref_kind_t;

struct wasm_frame_t {
    wasm_ref_t *instance; /* owned; NULL: not known */
    uint32_t function;
    size_t function_offset, module_offset;
};

/* What every object type of wasm.h is: one counted handle. */
struct wasm_ref_t {
    uint8_t kind;
    bool is_held;
    uint32_t references; /* of one thread, as its store */
    wasm_store_t *store;
    union {
        void *object;
        kp_wasm_funcinst_t *function;
        kp_wasm_globalinst_t *global;
        kp_wasm_tableinst_t *table;
        kp_wasm_meminst_t *memory;
        kp_wasm_taginst_t *tag;
        kp_wasm_instance_t *instance;
        kp_embed_module_t *module;
    };
    void *information;
    void (*finalizer)(void *information);
    wasm_ref_t *next_held;
    /* TRAP only */
    wasm_message_t message;
    wasm_frame_t *frames;
    size_t frame_count;
};

/* A new handle; NULL without memory. */
wasm_ref_t *kp_embed_ref_new(wasm_store_t *store, kp_embed_ref_kind_t kind, void *object);
wasm_extern_t *kp_embed_extern(wasm_store_t *store, const kp_wasm_extern_t *what);

/* Values across the border; references get another owner. False: out of memory. */
bool kp_embed_value_out(wasm_store_t *store, kp_wasm_type_t type, const kp_wasm_value_t *value,
                        wasm_val_t *out);
bool kp_embed_value_in(kp_wasm_type_t type, const wasm_val_t *value, kp_wasm_value_t *out);
bool kp_embed_reference_out(wasm_store_t *store, kp_wasm_type_t type, void *reference,
                            wasm_ref_t **out);
void *kp_embed_reference_in(kp_wasm_type_t type, wasm_ref_t *reference);

/* The trap for a call that ended with `status`: the store's, or what a callback returned. */
wasm_trap_t *kp_embed_trap(wasm_store_t *store, kp_status_t status);

#define KP_EMBED_REF(handle) ((wasm_ref_t *)(void *)(uintptr_t)(handle))

#endif
