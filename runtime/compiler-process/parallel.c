/* Parts of a module, handed out to threads in order. */
#include "runtime/compiler-process/parallel.h"

#include <pthread.h>
#include <string.h>

enum { PARTS_MAX = 4 * KP_WASM_JOBS_MAX };

typedef struct kp_part_slot {
    uint32_t first, count;
    kp_wasm_part_t *part;
    kp_status_t status;
    kp_wasm_error_t error;
} kp_part_slot_t;

typedef struct kp_parallel {
    const kp_wasm_module_t *module;
    const kp_wasm_compile_options_t *options; /* NULL: only validate */
    kp_wasm_allocator_t allocator;
    uint32_t count;
    uint32_t next; /* atomic: the next slot to be done */
    uint32_t bad;  /* atomic: the lowest slot that failed; later ones need not be done */
    kp_part_slot_t slots[PARTS_MAX];
} kp_parallel_t;

static kp_status_t validate(kp_parallel_t *parallel, kp_part_slot_t *slot)
{
    const kp_wasm_module_t *module = parallel->module;
    kp_wasm_visitor_t visitor;
    kp_status_t status = KP_OK;
    kp_wasm_visitor_init(&visitor, module, parallel->allocator);
    for (uint32_t i = 0; i < slot->count && status == KP_OK; i++)
        status = kp_wasm_body_visit(&visitor, slot->first + i + module->imported_function_count,
                                    NULL, NULL, &slot->error);
    kp_wasm_visitor_clear(&visitor);
    return status;
}

static void *work(void *context)
{
    kp_parallel_t *parallel = context;
    for (;;) {
        uint32_t i = __atomic_fetch_add(&parallel->next, 1, __ATOMIC_RELAXED);
        if (i >= parallel->count || i > __atomic_load_n(&parallel->bad, __ATOMIC_RELAXED))
            return NULL;
        kp_part_slot_t *slot = &parallel->slots[i];
        slot->status = parallel->options
                           ? kp_wasm_part_compile(parallel->module, parallel->options, slot->first,
                                                  slot->count, &slot->part, &slot->error)
                           : validate(parallel, slot);
        uint32_t bad = __atomic_load_n(&parallel->bad, __ATOMIC_RELAXED);
        while (slot->status != KP_OK && i < bad &&
               !__atomic_compare_exchange_n(&parallel->bad, &bad, i, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
    }
}

/* More parts than threads, so that none waits long for the last; at most 4 * jobs, as each but the last has its share. */
static void cut(kp_parallel_t *parallel, unsigned jobs)
{
    uint64_t share = parallel->module->code.size / (4 * jobs) + 1;
    uint32_t bytes = share > KP_WASM_PART_BYTES ? (uint32_t)share : KP_WASM_PART_BYTES;
    uint32_t first = 0, count;
    while ((count = kp_wasm_compile_split(parallel->module, first, bytes)) > 0) {
        parallel->slots[parallel->count++] = (kp_part_slot_t){.first = first, .count = count};
        first += count;
    }
}

static kp_status_t run(kp_parallel_t *parallel, unsigned jobs, kp_wasm_error_t *error)
{
    pthread_t threads[KP_WASM_JOBS_MAX];
    unsigned started = 0;
    parallel->bad = UINT32_MAX;
    while (started + 1 < jobs && started + 1 < parallel->count &&
           pthread_create(&threads[started], NULL, work, parallel) == 0)
        started++;
    work(parallel);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (parallel->bad == UINT32_MAX)
        return KP_OK;
    const kp_part_slot_t *slot = &parallel->slots[parallel->bad];
    if (error)
        *error = slot->error;
    return slot->status;
}

static kp_parallel_t *begin(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                            unsigned jobs)
{
    kp_parallel_t *parallel = allocator.resize(allocator.context, NULL, 0, sizeof *parallel);
    if (parallel) {
        memset(parallel, 0, sizeof *parallel);
        parallel->module = module;
        parallel->allocator = allocator;
        cut(parallel, jobs);
    }
    return parallel;
}

kp_status_t kp_wasm_compile_parallel(const kp_wasm_module_t *module,
                                     const kp_wasm_compile_options_t *options, unsigned jobs,
                                     kp_wasm_artefact_t *artefact, kp_wasm_error_t *error)
{
    jobs = jobs < KP_WASM_JOBS_MAX ? jobs : KP_WASM_JOBS_MAX;
    if (jobs <= 1 || module->code.size < 2 * KP_WASM_PART_BYTES)
        return kp_wasm_compile(module, options, artefact, error);
    *artefact = (kp_wasm_artefact_t){0};
    kp_parallel_t *parallel = begin(module, options->allocator, jobs);
    if (!parallel)
        return KP_ERR_NO_MEMORY;
    parallel->options = options;
    kp_status_t status = run(parallel, jobs, error);
    kp_wasm_part_t *parts[PARTS_MAX];
    for (uint32_t i = 0; i < parallel->count; i++)
        parts[i] = parallel->slots[i].part;
    if (status == KP_OK)
        status = kp_wasm_parts_join(parts, parallel->count, artefact);
    for (uint32_t i = 0; i < parallel->count; i++)
        kp_wasm_part_free(parts[i]);
    parallel->allocator.resize(parallel->allocator.context, parallel, sizeof *parallel, 0);
    return status;
}

kp_status_t kp_wasm_validate_parallel(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                      unsigned jobs, kp_wasm_error_t *error)
{
    jobs = jobs < KP_WASM_JOBS_MAX ? jobs : KP_WASM_JOBS_MAX;
    kp_parallel_t *parallel = begin(module, allocator, jobs ? jobs : 1);
    if (!parallel)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = run(parallel, jobs, error);
    allocator.resize(allocator.context, parallel, sizeof *parallel, 0);
    return status;
}
