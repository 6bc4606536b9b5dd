/* Between space.c, space_map.c and space_copy.c. */
#ifndef KP_X86_SPACE_PRIVATE_H
#define KP_X86_SPACE_PRIVATE_H

#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/machine/x86_64/vmo.h"
#include "kernel/object/vmo.h"

#define TABLE_SPAN ((uint64_t)1 << 21) /* what one page table maps */
_Static_assert(KP_X86_USER_MEMORY % TABLE_SPAN == 0, "offsets in linear memory tell tables apart");

static inline kp_x86_mapping_t *mapping_of(kp_list_t *item)
{
    return KP_CONTAINER_OF(item, kp_x86_mapping_t, link);
}

/* Forgets the translations of [start, end) of linear memory, on all CPUs. lock is held. */
static inline void space_flush(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    kp_x86_smp_shootdown(space, KP_X86_USER_MEMORY + start, KP_X86_USER_MEMORY + end);
}

/* The space's lock is held for all of these. Offsets are in linear memory. */

/* The first mapping that ends after the offset; the one that shows it. NULL: none. */
kp_x86_mapping_t *kp_x86_mapping_after(const kp_machine_space_t *space, uint64_t offset);
kp_x86_mapping_t *kp_x86_mapping_at(const kp_machine_space_t *space, uint64_t offset);
/* The VMO that shows at the offset, referenced; NULL: none. */
kp_vmo_t *kp_x86_vmo_at(const kp_machine_space_t *space, uint64_t offset);
/* The entry of a page in a table that is this space's own, made or parted from a snapshot's. NULL: no
   memory. */
uint64_t *kp_x86_entry_own_path(kp_machine_space_t *space, uint64_t address);
/* Empties one entry of a table of its own; false: it was empty. The page, if only this space held it,
   goes to *owned: free that list after the flush. */
bool kp_x86_entry_clear(kp_machine_space_t *space, uint64_t *entry, uint32_t *owned);
void kp_x86_owned_free(uint32_t page);
/* A page that no VMO shows: made, or parted from a snapshot's, for such an access. page: page-aligned
   address. ERR_BAD_ADDRESS, ERR_NO_MEMORY. */
kp_status_t kp_x86_commit_private(kp_machine_space_t *space, uint64_t page, bool write);

/* space_code.c: forgets the ranges of code; the tables go with the space. No lock is held. */
void kp_x86_codes_free(kp_machine_space_t *space);

/* With the VMO's lock held and the space's not: the mapping of this VMO at the offset, which stays as it
   is until the VMO's lock is released. NULL: it was taken away meanwhile. */
kp_x86_mapping_t *kp_x86_mapping_of_vmo(kp_machine_space_t *space, const kp_vmo_t *vmo,
                                        uint64_t offset);

#endif
