/* One module compiled by several threads of a program with threads (runtime/program/thread.h). */
#ifndef KP_SERVICES_COMPILER_PARALLEL_H
#define KP_SERVICES_COMPILER_PARALLEL_H

#include "runtime/compile/work.h"

/* A thread for each so many bytes of code, and no more than so many. There may be fewer processors: what more threads
   cost then is that their parts are copied once. */
enum { KP_COMPILER_THREAD_BYTES = 128 << 10, KP_COMPILER_THREADS_MAX = 4 };

/* Like kp_wasm_compile, and with the same result byte by byte. Threads that cannot be started are done without. */
kp_status_t kp_compiler_parallel(const kp_wasm_module_t *module,
                                 const kp_wasm_compile_options_t *options,
                                 kp_wasm_artefact_t *artefact, kp_wasm_error_t *error);

#endif
