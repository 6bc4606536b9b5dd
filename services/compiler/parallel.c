#include "services/compiler/parallel.h"

#include "runtime/program/thread.h"

#define STACK_BYTES (256u << 10)

static void *work_do(void *work)
{
    kp_wasm_work_do(work);
    return NULL;
}

kp_status_t kp_compiler_parallel(const kp_wasm_module_t *module,
                                 const kp_wasm_compile_options_t *options,
                                 kp_wasm_artefact_t *artefact, kp_wasm_error_t *error)
{
    kp_thread_t *threads[KP_COMPILER_THREADS_MAX];
    uint32_t jobs = module->code.size / KP_COMPILER_THREAD_BYTES, started = 0;
    jobs = jobs < KP_COMPILER_THREADS_MAX ? jobs : KP_COMPILER_THREADS_MAX;
    if (jobs <= 1)
        return kp_wasm_compile(module, options, artefact, error);
    kp_wasm_work_t *work = kp_wasm_work_create(module, options, options->allocator, jobs);
    if (!work)
        return KP_ERR_NO_MEMORY;
    while (started + 1 < jobs && started + 1 < kp_wasm_work_parts(work) &&
           kp_thread_spawn(&threads[started], work_do, work, STACK_BYTES) == KP_OK)
        started++;
    kp_wasm_work_do(work);
    for (uint32_t i = 0; i < started; i++)
        (void)kp_thread_join(threads[i], KP_TIME_INFINITE, NULL);
    return kp_wasm_work_finish(work, artefact, error);
}
