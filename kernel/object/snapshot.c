#include "kernel/object/snapshot.h"

#include "kernel/object/guest.h"
#include "kernel/object/mapping.h"
#include "kernel/object/process_private.h"

#define PAGES_PER_WASM_PAGE (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE)

void kp_snapshot_release(kp_snapshot_t *snapshot)
{
    /* A chain of clones of clones is freed by a loop. */
    while (snapshot &&
           atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) == 1) {
        kp_snapshot_t *parent = snapshot->parent;
        kp_machine_snapshot_destroy(&snapshot->machine);
        kp_mapping_list_free(snapshot->mappings);
        kp_quota_refund(snapshot->quota, KP_QUOTA_PAGES,
                        (uint64_t)snapshot->memory_pages * PAGES_PER_WASM_PAGE);
        kp_quota_release(snapshot->quota);
        kp_kfree(snapshot);
        snapshot = parent;
    }
}

kp_snapshot_t *kp_process_snapshot(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    kp_snapshot_t *snapshot =
        process->state == KP_PROCESS_FROZEN && process->exit_reason == KP_EXIT_NONE
            ? process->snapshot
            : NULL;
    if (snapshot)
        atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    kp_spin_unlock(process->object.lock);
    return snapshot;
}

/* Does the process hold nothing that a clone could not hold too? */
static bool may_freeze(kp_process_t *process)
{
    kp_spin_lock(process->object.lock);
    bool may = process->thread_count == 1 && process->threads[0] &&
               kp_capability_is_empty(&process->startup) && process->code_mapping_count == 0;
    kp_spin_unlock(process->object.lock);
    may = may && !kp_guests_exist(process);
    for (const kp_mapping_t *mapping = process->mappings; mapping && may; mapping = mapping->next)
        may = !mapping->writable && kp_vmo_is_constant(mapping->vmo);
    return may && kp_handle_table_is_empty(&process->handles);
}

kp_status_t kp_process_freeze(kp_process_t *process)
{
    if (!may_freeze(process))
        return KP_ERR_BAD_STATE;
    kp_snapshot_t *snapshot = kp_kalloc(sizeof(*snapshot));
    if (!snapshot)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_machine_space_freeze(&process->space, &snapshot->machine);
    if (status != KP_OK) {
        kp_kfree(snapshot);
        return status;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->parent = process->origin;
    snapshot->image = process->image;
    snapshot->mappings = process->mappings;
    snapshot->memory_pages = atomic_exchange(&process->memory_pages, 0);
    snapshot->memory_maximum = process->memory_maximum;
    snapshot->has_threads = process->has_threads;
    snapshot->quota = kp_quota_acquire(process->quota);
    process->origin = NULL;
    process->mappings = NULL;

    kp_spin_lock(process->object.lock);
    process->snapshot = snapshot;
    kp_spin_unlock(process->object.lock);
    kp_process_threads_kill(process);
    return KP_OK;
}

kp_status_t kp_snapshot_clone_space(kp_snapshot_t *snapshot, kp_process_t *process)
{
    kp_status_t status = kp_mapping_list_copy(snapshot->mappings, &process->mappings);
    if (status != KP_OK)
        return status;
    status = kp_machine_space_clone(&process->space, &snapshot->machine, snapshot->image,
                                    process->mappings);
    if (status != KP_OK)
        kp_mapping_clear(process);
    return status;
}
