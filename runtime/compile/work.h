/* The compilation of a module as work that any number of threads share: parts of it, handed out in order. Whoever has
   threads starts them: runtime/compiler-process/parallel.h on Linux, services/compiler/parallel.h on KPIO. */
#ifndef KP_RUNTIME_COMPILE_WORK_H
#define KP_RUNTIME_COMPILE_WORK_H

#include "runtime/compile/compile.h"

enum {
    KP_WASM_JOBS_MAX = 64,
    /* A part of a module is worth a thread from this many bytes of bodies on. */
    KP_WASM_PART_BYTES = 64 << 10,
};

typedef struct kp_wasm_work kp_wasm_work_t;

/* For up to `jobs` threads, all of which call the allocator at the same time. options NULL: bodies are only validated. Module
   and options are borrowed. NULL: no memory. */
kp_wasm_work_t *kp_wasm_work_create(const kp_wasm_module_t *module,
                                    const kp_wasm_compile_options_t *options,
                                    kp_wasm_allocator_t allocator, unsigned jobs);
/* No more threads than this find something to do. */
uint32_t kp_wasm_work_parts(const kp_wasm_work_t *work);
/* Takes parts until none is left, or one of those before is bad. */
void kp_wasm_work_do(kp_wasm_work_t *work);
/* After everybody's kp_wasm_work_do has returned, one's at least: like kp_wasm_compile, and with the same result byte by
   byte; *error is that of the first bad body. artefact NULL: of validation. Frees the work. */
kp_status_t kp_wasm_work_finish(kp_wasm_work_t *work, kp_wasm_artefact_t *artefact,
                                kp_wasm_error_t *error);

#endif
