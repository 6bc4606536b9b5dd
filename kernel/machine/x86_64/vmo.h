/* VMO pages and their mappings, between vmo.c and space.c.

   A page has a share count (how many chunks name it), and so has a chunk (how many VMOs name it);
   a VMO may write only into a page that no other chunk names, in a chunk that no other VMO names.
   A clone therefore costs one count per 2 MiB, and pages part one by one when either side writes.

   Locks: a VMO's lock comes before a space's lock. Page counts are atomic: whoever finds that it is
   the only one cannot be joined by another but through a VMO whose lock it holds. */
#ifndef KP_X86_VMO_H
#define KP_X86_VMO_H

#include "kernel/machine/machine.h"

/* VMO pages in linear memory: [start, end) shows the VMO from offset. The fields change under both
   locks, so that either is enough to read them. */
typedef struct kp_x86_mapping {
    kp_list_t link;     /* the space's, by address, never overlapping; guarded by its lock */
    kp_list_t vmo_link; /* the VMO's; guarded by its lock */
    kp_machine_space_t *space;
    kp_vmo_t *vmo; /* the core holds the reference */
    uint64_t start, end;
    uint64_t offset;
    bool writable;
} kp_x86_mapping_t;

/* The page at a page-aligned offset, to be read or, with `write`, also written (it is then nobody
   else's, also *exclusive says so). A page that was never written is made, unless `only_present`:
   then *page is NULL. ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED, ERR_NO_MEMORY. vmo->lock is held. */
kp_status_t kp_x86_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset, bool write, bool only_present,
                            void **page, bool *exclusive);

/* Is there no page at the offset yet, but what makes one (kp_machine_vmo_init_filled)? kp_x86_vmo_page does
   so in any case. vmo->lock is held. */
bool kp_x86_vmo_must_fill(const kp_machine_vmo_t *vmo, uint64_t offset);

/* Pages that VMOs hold, with their tables of pages. */
uint64_t kp_x86_vmo_pages(void);

/* space.c: takes the VMO's pages [start, end) out of the mapping's page tables, or, with `protect`,
   only the right to write them. The VMO's lock is held. */
void kp_x86_mapping_clear(kp_x86_mapping_t *mapping, uint64_t start, uint64_t end, bool protect);

#endif
