#include "runtime/compiler-process/keep.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/compiler-process/parallel.h"

/* Below what runs; enough to get on when the machine is busy, for it may be waited for. */
#define NICENESS 5

struct kp_code_keeper {
    kp_code_options_t options;
    const kp_wasm_module_t *module;
    kp_code_key_t key;
    kp_code_cache_t *cache;
    pthread_t thread;
    bool is_joined;
    kp_status_t status; /* the thread's, until it is joined */
    pthread_mutex_t lock;
    kp_compiler_process_t *process; /* guarded by: lock */
    bool is_given_up;               /* guarded by: lock */
};

/* What can be loaded, and is all of the module, is stored. */
static kp_status_t check_and_store(kp_code_keeper_t *keeper, const uint8_t *bytes, size_t size,
                                   bool is_sealed)
{
    kp_wasm_code_t *code = NULL;
    kp_wasm_allocator_t allocator = keeper->options.allocator;
    kp_status_t status = is_sealed && size > KP_WASM_CODE_PAGE
                             ? kp_wasm_code_adopt(bytes, size, bytes + KP_WASM_CODE_PAGE,
                                                  keeper->module, allocator, &code)
                             : kp_wasm_code_load(bytes, size, keeper->module, allocator, &code);
    if (status == KP_OK &&
        (kp_wasm_code_first(code) != 0 ||
         kp_wasm_code_count(code) !=
             keeper->module->function_count - keeper->module->imported_function_count))
        status = KP_ERR_PROTOCOL;
    kp_wasm_code_unload(code);
    return status == KP_OK ? kp_code_cache_store(keeper->cache, &keeper->key, bytes, size) : status;
}

/* False: it was given up before. */
static bool process_show(kp_code_keeper_t *keeper, kp_compiler_process_t *process)
{
    pthread_mutex_lock(&keeper->lock);
    bool goes_on = !keeper->is_given_up;
    keeper->process = goes_on ? process : NULL;
    pthread_mutex_unlock(&keeper->lock);
    return goes_on;
}

static kp_status_t keep_by_process(kp_code_keeper_t *keeper,
                                   const kp_wasm_compile_options_t *compile)
{
    const kp_wasm_module_t *module = keeper->module;
    kp_compiler_process_t *process = NULL;
    kp_compiled_t compiled = {0};
    int file = kp_compiler_module_file(module->bytes, module->size);
    if (file < 0)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_compiler_process_start(
        compile, module->features, &keeper->options.limits, 1, file, module->size, &process, NULL);
    close(file);
    if (status != KP_OK)
        return status;
    status = process_show(keeper, process)
                 ? kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, NULL)
                 : KP_ERR_CANCELLED;
    (void)process_show(keeper, NULL);
    kp_compiler_process_end(process);
    if (status == KP_OK)
        status = check_and_store(keeper, compiled.bytes, compiled.size, true);
    kp_compiled_unmap(&compiled);
    return status;
}

static void *keep(void *context)
{
    kp_code_keeper_t *keeper = context;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(),
                      NICENESS); /* of this thread and what it starts */
    kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(keeper->options.allocator);
    compile.flags = keeper->options.flags & ~(uint32_t)KP_WASM_COMPILE_LAZY;
    if (keeper->options.own_process) {
        keeper->status = keep_by_process(keeper, &compile);
        return NULL;
    }
    kp_wasm_artefact_t artefact = {0};
    keeper->status = kp_wasm_compile_parallel(keeper->module, &compile, 1, &artefact, NULL);
    if (keeper->status == KP_OK)
        keeper->status = check_and_store(keeper, artefact.bytes, artefact.size, false);
    kp_wasm_artefact_free(&artefact);
    return NULL;
}

kp_code_keeper_t *kp_code_keeper_start(const kp_code_options_t *options,
                                       const kp_wasm_module_t *module, const kp_code_key_t *key)
{
    kp_code_keeper_t *keeper = calloc(1, sizeof *keeper);
    if (!keeper || kp_code_cache_share(options->cache, &keeper->cache) != KP_OK) {
        free(keeper);
        return NULL;
    }
    keeper->options = *options;
    keeper->module = module;
    keeper->key = *key;
    pthread_mutex_init(&keeper->lock, NULL);
    /* Signals are the program's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&keeper->thread, NULL, keep, keeper) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        return keeper;
    keeper->is_joined = true;
    kp_code_keeper_end(keeper);
    return NULL;
}

kp_status_t kp_code_keeper_finish(kp_code_keeper_t *keeper)
{
    if (!keeper->is_joined)
        pthread_join(keeper->thread, NULL);
    keeper->is_joined = true;
    return keeper->status;
}

void kp_code_keeper_end(kp_code_keeper_t *keeper)
{
    if (!keeper)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->is_given_up = true;
    if (keeper->process)
        kp_compiler_process_stop(keeper->process);
    pthread_mutex_unlock(&keeper->lock);
    (void)kp_code_keeper_finish(keeper);
    pthread_mutex_destroy(&keeper->lock);
    kp_code_cache_close(keeper->cache);
    free(keeper);
}
