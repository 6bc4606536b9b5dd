/* Parts of a module, handed out to threads in order. */
#include "runtime/compile/work.h"

#include <string.h>

enum { PARTS_MAX = 4 * KP_WASM_JOBS_MAX };

typedef struct kp_part_slot {
    uint32_t first, count;
    kp_wasm_part_t *part;
    kp_status_t status;
    kp_wasm_error_t error;
} kp_part_slot_t;

struct kp_wasm_work {
    const kp_wasm_module_t *module;
    const kp_wasm_compile_options_t *options; /* NULL: only validate */
    kp_wasm_allocator_t allocator;
    uint32_t count;
    uint32_t next; /* atomic: the next slot to be done */
    uint32_t bad;  /* atomic: the lowest slot that failed; later ones need not be done */
    kp_part_slot_t slots[PARTS_MAX];
};

static kp_status_t validate(kp_wasm_work_t *work, kp_part_slot_t *slot)
{
    const kp_wasm_module_t *module = work->module;
    kp_wasm_visitor_t visitor;
    kp_status_t status = KP_OK;
    kp_wasm_visitor_init(&visitor, module, work->allocator);
    for (uint32_t i = 0; i < slot->count && status == KP_OK; i++)
        status = kp_wasm_body_visit(&visitor, slot->first + i + module->imported_function_count,
                                    NULL, NULL, &slot->error);
    kp_wasm_visitor_clear(&visitor);
    return status;
}

void kp_wasm_work_do(kp_wasm_work_t *work)
{
    for (;;) {
        uint32_t i = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
        if (i >= work->count || i > __atomic_load_n(&work->bad, __ATOMIC_RELAXED))
            return;
        kp_part_slot_t *slot = &work->slots[i];
        slot->status = work->options
                           ? kp_wasm_part_compile(work->module, work->options, slot->first,
                                                  slot->count, &slot->part, &slot->error)
                           : validate(work, slot);
        uint32_t bad = __atomic_load_n(&work->bad, __ATOMIC_RELAXED);
        while (slot->status != KP_OK && i < bad &&
               !__atomic_compare_exchange_n(&work->bad, &bad, i, false, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
    }
}

/* More parts than threads, so that none waits long for the last; at most 4 * jobs, as each but the last has its share. */
static void cut(kp_wasm_work_t *work, unsigned jobs)
{
    uint64_t share = work->module->code.size / (4 * jobs) + 1;
    uint32_t bytes = share > KP_WASM_PART_BYTES ? (uint32_t)share : KP_WASM_PART_BYTES;
    uint32_t first = 0, count;
    while ((count = kp_wasm_compile_split(work->module, first, bytes)) > 0) {
        work->slots[work->count++] = (kp_part_slot_t){.first = first, .count = count};
        first += count;
    }
}

kp_wasm_work_t *kp_wasm_work_create(const kp_wasm_module_t *module,
                                    const kp_wasm_compile_options_t *options,
                                    kp_wasm_allocator_t allocator, unsigned jobs)
{
    kp_wasm_work_t *work = allocator.resize(allocator.context, NULL, 0, sizeof *work);
    if (!work)
        return NULL;
    memset(work, 0, sizeof *work);
    work->module = module;
    work->options = options;
    work->allocator = allocator;
    work->bad = UINT32_MAX;
    cut(work, jobs < 1 ? 1 : jobs > KP_WASM_JOBS_MAX ? KP_WASM_JOBS_MAX : jobs);
    return work;
}

uint32_t kp_wasm_work_parts(const kp_wasm_work_t *work)
{
    return work->count;
}

static kp_status_t join(const kp_wasm_work_t *work, kp_wasm_artefact_t *artefact)
{
    kp_wasm_part_t *parts[PARTS_MAX];
    if (work->count == 0) /* a module without functions */
        return kp_wasm_compile(work->module, work->options, artefact, NULL);
    for (uint32_t i = 0; i < work->count; i++)
        parts[i] = work->slots[i].part;
    return kp_wasm_parts_join(parts, work->count, artefact);
}

kp_status_t kp_wasm_work_finish(kp_wasm_work_t *work, kp_wasm_artefact_t *artefact,
                                kp_wasm_error_t *error)
{
    kp_status_t status = KP_OK;
    if (artefact)
        *artefact = (kp_wasm_artefact_t){0};
    if (work->bad != UINT32_MAX) {
        status = work->slots[work->bad].status;
        if (error)
            *error = work->slots[work->bad].error;
    } else if (artefact) {
        status = join(work, artefact);
    }
    for (uint32_t i = 0; i < work->count; i++)
        kp_wasm_part_free(work->slots[i].part);
    work->allocator.resize(work->allocator.context, work, sizeof *work, 0);
    return status;
}
