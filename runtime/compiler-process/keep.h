/* The whole of a module that runs lazily, compiled and stored in the cache meanwhile: by a thread of its own, which has a
   lower priority, and by a process of its own where the lazy code comes from one. Host code (Linux). */
#ifndef KP_RUNTIME_COMPILER_PROCESS_KEEP_H
#define KP_RUNTIME_COMPILER_PROCESS_KEEP_H

#include "runtime/compiler-process/obtain.h"

typedef struct kp_code_keeper kp_code_keeper_t;

/* Begins. options->cache is not used by another thread than the caller's. The module outlives the keeper. NULL: memory,
   threads or descriptors are short. */
kp_code_keeper_t *kp_code_keeper_start(const kp_code_options_t *options,
                                       const kp_wasm_module_t *module, const kp_code_key_t *key);
/* Waits for it. What became of it: errors as kp_code_obtain's and kp_code_cache_store's. */
kp_status_t kp_code_keeper_finish(kp_code_keeper_t *keeper);
/* Gives up what is not done, and frees. NULL is allowed. */
void kp_code_keeper_end(kp_code_keeper_t *keeper);

#endif
