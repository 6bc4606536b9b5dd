/* A snapshot: what a process was when it called process_freeze, from which clones continue. The frozen
   process holds it, and every clone until its space is gone; so it outlives the process if need be,
   and what it takes stays charged to the process's job until then. It never changes. */
#ifndef KP_KERNEL_SNAPSHOT_H
#define KP_KERNEL_SNAPSHOT_H

#include "kernel/object/process.h"

struct kp_snapshot {
    atomic_uint references;
    kp_machine_snapshot_t machine;
    kp_snapshot_t *parent; /* of a clone's own snapshot: whose pages it may show; referenced */
    const kp_image_t *image;
    kp_mapping_t *mappings; /* with their references and counts; of VMOs that never change */
    uint32_t memory_pages;  /* 64 KiB, charged to quota */
    uint32_t memory_maximum;
    bool has_threads;  /* the program may make further ones */
    kp_quota_t *quota; /* the frozen process's; referenced */
};

/* process_freeze, on the process's first thread: ERR_BAD_STATE: it has others, holds handles or mappings
   that may change, or has not taken its startup channel. ERR_NO_MEMORY. When it returns KP_OK, the thread never returns to
   its program; once it has gone, the process says KP_SIGNAL_FROZEN. */
kp_status_t kp_process_freeze(kp_process_t *process);

/* The snapshot of a frozen process with a reference for the caller; NULL: it is not frozen, or has
   ended. */
kp_snapshot_t *kp_process_snapshot(kp_process_t *process);
static inline kp_snapshot_t *kp_snapshot_acquire(kp_snapshot_t *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}
void kp_snapshot_release(kp_snapshot_t *snapshot); /* NULL is allowed. No locks held */

/* For process.c: a clone's space and mappings. ERR_NO_MEMORY. */
kp_status_t kp_snapshot_clone_space(kp_snapshot_t *snapshot, kp_process_t *process);

#endif
