/* Mapping VMOs into linear memory and taking them out: one thread of the process at a time, so that the
   list is its own to walk. Other threads of the process run meanwhile. */
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space_guest.h"
#include "kernel/machine/x86_64/space_private.h"

/* Makes the tables that pages_clear will change this space's own; the rest of an unmapping cannot
   fail then. */
static kp_status_t tables_own(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    kp_status_t status = KP_OK;
    for (uint64_t at = start; at < end && status == KP_OK; at = (at | (TABLE_SPAN - 1)) + 1) {
        kp_spin_lock(&space->lock);
        if (kp_x86_paging_entry(space->root, KP_X86_USER_MEMORY + at, false, NULL) &&
            !kp_x86_entry_own_path(space, KP_X86_USER_MEMORY + at))
            status = KP_ERR_NO_MEMORY;
        kp_spin_unlock(&space->lock);
    }
    return status;
}

/* Empties the pages of [start, end) of linear memory. lock is held. */
static void pages_clear(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    uint32_t owned = 0;
    bool any = false;
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE) {
        uint64_t *entry = kp_x86_paging_entry(space->root, KP_X86_USER_MEMORY + at, false, NULL);
        if (entry)
            any = kp_x86_entry_clear(space, entry, &owned) || any;
        else /* no table: nothing mapped up to the next 2 MiB */
            at |= TABLE_SPAN - KP_PAGE_SIZE;
    }
    if (any)
        space_flush(space, start, end);
    kp_x86_owned_free(owned);
}

/* Cuts [start, end) out of one mapping that touches it; its pages there are emptied. *spare is used
   when it is split in two. Returns it when nothing is left of it. */
static kp_x86_mapping_t *mapping_cut(kp_x86_mapping_t *mapping, uint64_t start, uint64_t end,
                                     kp_x86_mapping_t **spare)
{
    kp_machine_space_t *space = mapping->space;
    kp_spinlock_t *vmo_lock = &mapping->vmo->machine.lock;
    kp_x86_mapping_t *unused = NULL;
    kp_spin_lock(vmo_lock);
    kp_spin_lock(&space->lock);
    pages_clear(space, KP_MAX(start, mapping->start), KP_MIN(end, mapping->end));
    if (mapping->start < start && mapping->end > end) {
        kp_x86_mapping_t *tail = *spare;
        KP_CHECK(tail); /* a range lies inside one mapping at most */
        *spare = NULL;
        *tail = *mapping;
        tail->start = end;
        tail->offset += end - mapping->start;
        kp_list_append(mapping->link.next, &tail->link); /* before the next: after this one */
        kp_list_append(&mapping->vmo_link, &tail->vmo_link);
        mapping->end = start;
    } else if (mapping->start < start) {
        mapping->end = start;
    } else if (mapping->end > end) {
        mapping->offset += end - mapping->start;
        mapping->start = end;
    } else {
        kp_list_remove(&mapping->link);
        kp_list_remove(&mapping->vmo_link);
        unused = mapping;
    }
    kp_spin_unlock(&space->lock);
    kp_spin_unlock(vmo_lock);
    return unused;
}

/* Into both lists, over pages that no mapping shows. */
static void mapping_link(kp_x86_mapping_t *mapping)
{
    kp_machine_space_t *space = mapping->space;
    kp_machine_vmo_t *vmo = &mapping->vmo->machine;
    kp_spin_lock(&vmo->lock);
    kp_spin_lock(&space->lock);
    pages_clear(space, mapping->start, mapping->end);
    kp_x86_space_promise_drop(space, mapping->start, mapping->end);
    kp_x86_mapping_t *next = kp_x86_mapping_after(space, mapping->start);
    kp_list_append(next ? &next->link : &space->mappings, &mapping->link);
    kp_list_append(&vmo->mappings, &mapping->vmo_link);
    kp_spin_unlock(&space->lock);
    kp_spin_unlock(&vmo->lock);
}

static kp_status_t mappings_replace(kp_machine_space_t *space, uint64_t start, uint64_t end,
                                    kp_x86_mapping_t *mapping)
{
    kp_x86_mapping_t *spare = kp_kalloc(sizeof(*spare));
    kp_status_t status = spare ? tables_own(space, start, end) : KP_ERR_NO_MEMORY;
    kp_x86_mapping_t *old;
    while (status == KP_OK && (old = kp_x86_mapping_after(space, start)) && old->start < end)
        kp_kfree(mapping_cut(old, start, end, &spare));
    kp_kfree(spare);
    if (status != KP_OK)
        return status;
    if (mapping) {
        mapping_link(mapping);
        return KP_OK;
    }
    kp_spin_lock(&space->lock);
    pages_clear(space, start, end);
    kp_x86_space_promise_drop(space, start, end);
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

kp_status_t kp_machine_space_map(kp_machine_space_t *space, uint32_t address, kp_vmo_t *vmo,
                                 uint64_t offset, uint32_t length, bool writable)
{
    kp_x86_mapping_t *mapping = kp_kalloc(sizeof(*mapping));
    if (!mapping)
        return KP_ERR_NO_MEMORY;
    *mapping = (kp_x86_mapping_t){
        .space = space,
        .start = address,
        .end = (uint64_t)address + length,
        .vmo = vmo,
        .offset = offset,
        .writable = writable,
    };
    kp_status_t status = mappings_replace(space, mapping->start, mapping->end, mapping);
    if (status != KP_OK)
        kp_kfree(mapping);
    return status;
}

kp_status_t kp_machine_space_unmap(kp_machine_space_t *space, uint32_t address, uint32_t length)
{
    return mappings_replace(space, address, (uint64_t)address + length, NULL);
}
