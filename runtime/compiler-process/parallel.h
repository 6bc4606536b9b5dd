/* One module compiled by several threads. Host code (POSIX threads). */
#ifndef KP_RUNTIME_COMPILER_PROCESS_PARALLEL_H
#define KP_RUNTIME_COMPILER_PROCESS_PARALLEL_H

#include "runtime/compile/work.h"

/* Like kp_wasm_compile, and with the same result byte by byte, by up to `jobs` threads, the caller's among
   them. options->allocator is called by all of them at the same time. When bodies are bad, the error is that of the
   first; threads that cannot be started are done without. */
kp_status_t kp_wasm_compile_parallel(const kp_wasm_module_t *module,
                                     const kp_wasm_compile_options_t *options, unsigned jobs,
                                     kp_wasm_artefact_t *artefact, kp_wasm_error_t *error);
/* Like kp_wasm_module_validate, likewise. */
kp_status_t kp_wasm_validate_parallel(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                      unsigned jobs, kp_wasm_error_t *error);

#endif
