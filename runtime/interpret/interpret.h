/* The interpreter: the tier that runs everywhere and is the reference for the others. A function body is
   translated at its first call, through the validating visitor, into register code whose operands are slots
   of one frame (README.md); calls between WebAssembly functions use no native stack.

   Portable C17; nothing here needs executable memory or signals. */
#ifndef KP_RUNTIME_INTERPRET_INTERPRET_H
#define KP_RUNTIME_INTERPRET_INTERPRET_H

#include "runtime/instance/store.h"

/* The translated functions of one module: kp_wasm_interpreted_tier's tier_module. Any number of instances,
   also of several stores in several threads, may share it; it must outlive those stores. */
typedef struct kp_wasm_interpreted kp_wasm_interpreted_t;

/* Translates nothing yet. The module must outlive it. All memory comes from `allocator`, which several
   threads may call if they share the result. KP_ERR_NO_MEMORY. */
kp_status_t kp_wasm_interpreted_create(const kp_wasm_module_t *module,
                                       kp_wasm_allocator_t allocator,
                                       kp_wasm_interpreted_t **interpreted);
/* NULL is allowed. */
void kp_wasm_interpreted_destroy(kp_wasm_interpreted_t *interpreted);

/* Bytes of translated code and its tables, so far. */
size_t kp_wasm_interpreted_size(const kp_wasm_interpreted_t *interpreted);

/* Nested calls are bounded by options.depth_maximum and by a stack of 4 * options.stack_bytes, which is
   charged to the store's objects. An interruption is noticed within 1024 loop heads and calls; fuel is exact:
   one unit for each function entry and each loop head passed. A body that does not validate traps HOST with
   its status at its first call; one that cannot be translated for want of memory traps OUT_OF_MEMORY. */
extern const kp_wasm_tier_t kp_wasm_interpreted_tier;

#endif
