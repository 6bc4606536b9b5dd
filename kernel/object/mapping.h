/* Which VMOs a process has mapped where in its linear memory. The machine has the pages; this list
   holds the references. One thread at a time (process->turn) maps and unmaps. */
#ifndef KP_KERNEL_MAPPING_H
#define KP_KERNEL_MAPPING_H

#include "kernel/object/process.h"

#define KP_MAPPINGS_MAX 8192u /* for each process */

struct kp_mapping {
    kp_mapping_t *next; /* ascending addresses, no overlaps */
    uint64_t address;   /* offset in linear memory */
    uint64_t length;
    uint64_t offset; /* in the VMO */
    kp_vmo_t *vmo;   /* referenced, and counted by kp_vmo_mapping_add */
    bool writable;
};

/* All page-aligned, length > 0, [address, address + length) inside linear memory: the caller has
   checked. ERR_OUT_OF_RANGE and ERR_ACCESS_DENIED by the VMO's size and seals, ERR_NO_MEMORY,
   ERR_QUOTA. */
kp_status_t kp_mapping_map(kp_process_t *process, uint32_t address, kp_vmo_t *vmo, uint64_t offset,
                           uint32_t length, bool writable);
kp_status_t kp_mapping_unmap(kp_process_t *process, uint32_t address, uint32_t length);

/* For snapshots: a copy of a list, counted and referenced; and its end. ERR_NO_MEMORY. */
kp_status_t kp_mapping_list_copy(const kp_mapping_t *list, kp_mapping_t **copy);
void kp_mapping_list_free(kp_mapping_t *list);

#endif
