/* The work on a module, shared by POSIX threads. */
#include "runtime/compiler-process/parallel.h"

#include <pthread.h>

static void *work_do(void *work)
{
    kp_wasm_work_do(work);
    return NULL;
}

/* Frees the work. */
static kp_status_t run(kp_wasm_work_t *work, unsigned jobs, kp_wasm_artefact_t *artefact,
                       kp_wasm_error_t *error)
{
    pthread_t threads[KP_WASM_JOBS_MAX];
    unsigned started = 0;
    if (!work)
        return KP_ERR_NO_MEMORY;
    while (started + 1 < jobs && started + 1 < KP_WASM_JOBS_MAX &&
           started + 1 < kp_wasm_work_parts(work) &&
           pthread_create(&threads[started], NULL, work_do, work) == 0)
        started++;
    kp_wasm_work_do(work);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return kp_wasm_work_finish(work, artefact, error);
}

kp_status_t kp_wasm_compile_parallel(const kp_wasm_module_t *module,
                                     const kp_wasm_compile_options_t *options, unsigned jobs,
                                     kp_wasm_artefact_t *artefact, kp_wasm_error_t *error)
{
    if (jobs <= 1 || module->code.size < 2 * KP_WASM_PART_BYTES)
        return kp_wasm_compile(module, options, artefact, error);
    *artefact = (kp_wasm_artefact_t){0};
    return run(kp_wasm_work_create(module, options, options->allocator, jobs), jobs, artefact,
               error);
}

kp_status_t kp_wasm_validate_parallel(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                      unsigned jobs, kp_wasm_error_t *error)
{
    return run(kp_wasm_work_create(module, NULL, allocator, jobs), jobs, NULL, error);
}
