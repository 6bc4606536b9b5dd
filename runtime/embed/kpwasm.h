/* What wasm.h lacks: the tier, features, limits, fuel, interruption, WASI. */
#ifndef KP_RUNTIME_EMBED_KPWASM_H
#define KP_RUNTIME_EMBED_KPWASM_H

#include "runtime/embed/wasm.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum kpwasm_tier {
    KPWASM_TIER_COMPILE, /* to x86-64; elsewhere, and in libkpwasm-interpret.a, the same as INTERPRET */
    KPWASM_TIER_INTERPRET, /* no executable memory, no signals */
} kpwasm_tier_t;

/* Of stores: bytes of linear memory and of everything else, table elements, native stack. 0: the default
   (kp_wasm_store_options_init). */
typedef struct kpwasm_limits {
    uint64_t memory_bytes, object_bytes, table_elements, stack_bytes;
} kpwasm_limits_t;

/* Before wasm_engine_new_with_config. */
WASM_API_EXTERN void kpwasm_config_set_tier(wasm_config_t *config, kpwasm_tier_t tier);
/* kp_wasm_features_t (runtime/wasm/types.h); all at first. */
WASM_API_EXTERN void kpwasm_config_set_features(wasm_config_t *config, uint32_t features);
/* Code counts fuel: one unit for each function entry and loop head. Off at first; the interpreter always
   counts. */
WASM_API_EXTERN void kpwasm_config_set_fuel(wasm_config_t *config, bool counted);
WASM_API_EXTERN void kpwasm_config_set_limits(wasm_config_t *config, const kpwasm_limits_t *limits);

/* Where the compiler works. In this process, or (Linux) each module that has to be compiled in a process of its own,
   started for it, which has no files, no network, no memory of this one and limits on memory and time: a
   module that breaks the compiler ends that process, and wasm_module_new says so and returns NULL. Costs half a
   millisecond a module. The process is a child: a host that reaps every child (waitpid(-1)) may take it. Either way
   code is sealed before it is mapped executable; no memory is ever both writable and executable. */
typedef enum kpwasm_compiler {
    KPWASM_COMPILER_IN_PROCESS, /* at first */
    KPWASM_COMPILER_PROCESS,
} kpwasm_compiler_t;
WASM_API_EXTERN void kpwasm_config_set_compiler(wasm_config_t *config, kpwasm_compiler_t compiler);
/* Threads that compile one module, at least 1 (at first), the caller's among them. */
WASM_API_EXTERN void kpwasm_config_set_jobs(wasm_config_t *config, unsigned jobs);
/* Modules are validated when they are made, their functions compiled at their first call. Off at first. */
WASM_API_EXTERN void kpwasm_config_set_lazy(wasm_config_t *config, bool lazy);
/* A folder where compiled code is kept (runtime/cache/cache.h: made if it is missing, its parents are not; it must be
   this user's alone), and most bytes in it; 0: 256 MiB. Whatever is wrong with it or in it, modules are
   compiled then. folder NULL: none, as at first. False: the path is too long. */
WASM_API_EXTERN bool kpwasm_config_set_cache(wasm_config_t *config, const char *folder,
                                             uint64_t bytes);
/* Did the code of this module come from the cache? */
WASM_API_EXTERN bool kpwasm_module_is_cached(const wasm_module_t *module);

/* Fuel left; a call that needs more traps "all fuel consumed". */
WASM_API_EXTERN void kpwasm_store_set_fuel(wasm_store_t *store, int64_t fuel);
WASM_API_EXTERN int64_t kpwasm_store_fuel(const wasm_store_t *store);
/* From any thread: the running call, or else the next, traps "interrupted". */
WASM_API_EXTERN void kpwasm_store_interrupt(wasm_store_t *store);

/* Why the last wasm_module_new or wasm_instance_new with this store returned NULL; "" when it did not.
   Good until the next. */
WASM_API_EXTERN const char *kpwasm_store_error(const wasm_store_t *store);

/* Values of kind WASM_V128: of.ref is not a reference but the vector's own 16 bytes on the heap, little-endian,
   which wasm_val_delete frees and wasm_val_copy copies (kind WASM_V128 without bytes when there is no
   memory). A vector that a callback returns becomes WebAssembly's with the results. new: false without
   memory. The second: false if it is none. */
WASM_API_EXTERN bool kpwasm_val_new_v128(wasm_val_t *out, const uint8_t bytes[16]);
WASM_API_EXTERN bool kpwasm_val_v128(const wasm_val_t *value, uint8_t bytes[16]);

struct kp_wasi;
/* The imports of a WASI preview 1 program: out has an extern for each import that WASI has, NULL for the
   others, which the caller fills. `wasi` (runtime/wasi/wasi.h) must outlive the store's calls. False: out
   of memory. */
WASM_API_EXTERN bool kpwasm_wasi_imports(wasm_store_t *store, struct kp_wasi *wasi,
                                         const wasm_module_t *module, wasm_extern_vec_t *out);

#ifdef __cplusplus
}
#endif

#endif
