/* The lazy tier: a module whose functions are compiled when they are first called, in groups of neighbours.
   Calls within a group are direct, others go through funcinsts, whose code is at first a stub.

   Any number of instances, also of several stores in several threads, may share one kp_wasm_lazy_t: who calls a
   function whose group is being compiled waits for it. */
#ifndef KP_RUNTIME_COMPILE_LAZY_H
#define KP_RUNTIME_COMPILE_LAZY_H

#include "runtime/compile/compile.h"

typedef struct kp_wasm_lazy kp_wasm_lazy_t;

/* Gives code for functions [first, first + count) of the module's own, compiled with KP_WASM_COMPILE_LAZY; or code
   of all functions, after which it is not called any more. Called by one thread at a time, on the stack of
   WebAssembly code: it may use 64 KiB. The code is unloaded with the kp_wasm_lazy_t. */
typedef kp_status_t (*kp_lazy_compile_fn)(void *context, uint32_t first, uint32_t count,
                                          kp_wasm_code_t **code);

/* Groups have `group_bytes` of bodies or a little more; 1: each function is one. The bodies must be
   valid: see kp_wasm_module_validate. guarded: what `compile` makes is for guarded memories. KP_ERR_NO_MEMORY. */
kp_status_t kp_wasm_lazy_create(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                uint32_t group_bytes, bool guarded, kp_lazy_compile_fn compile,
                                void *context, kp_wasm_lazy_t **lazy);
/* NULL is allowed. After the stores of its instances. */
void kp_wasm_lazy_destroy(kp_wasm_lazy_t *lazy);

/* Groups there are, and those that were compiled. */
uint32_t kp_wasm_lazy_groups(const kp_wasm_lazy_t *lazy, uint32_t *compiled);

/* kp_wasm_instance_create's tier_module is the kp_wasm_lazy_t. attach as the compiled tier's. */
extern const kp_wasm_tier_t kp_wasm_lazy_tier;

#endif
