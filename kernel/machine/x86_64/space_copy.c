/* Copies between the kernel and linear memory. */
#include "kernel/machine/x86_64/space.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/pages.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/user_copy.h"
#include "kernel/machine/x86_64/space_private.h"

typedef struct transfer {
    char *kernel;
    uint64_t offset;
    size_t count; /* inside one page */
    bool is_write;
    bool from_user; /* `kernel` is memory of the running process instead */
} transfer_t;

static kp_status_t transfer_bytes(const transfer_t *at, char *page)
{
    size_t within = at->offset % KP_PAGE_SIZE;
    if (at->from_user) /* interrupts are off: a lock is held */
        return kp_x86_user_copy(page + within, at->kernel, at->count) ? KP_OK
                                                                      : KP_ERR_NOT_SUPPORTED;
    if (at->is_write)
        memcpy(page + within, at->kernel, at->count);
    else if (page)
        memcpy(at->kernel, page + within, at->count);
    else
        memset(at->kernel, 0, at->count); /* what was never written */
    return KP_OK;
}

/* Part of a page that no VMO shows. lock is held. */
static kp_status_t copy_private(kp_machine_space_t *space, const transfer_t *at)
{
    uint64_t address = KP_X86_USER_MEMORY + at->offset - at->offset % KP_PAGE_SIZE;
    const uint64_t *entry = kp_x86_paging_entry(space->root, address, false, NULL);
    bool present = entry && (*entry & KP_X86_PTE_PRESENT);
    if (at->is_write && !(present && (*entry & KP_X86_PTE_WRITE) && !space->snapshot)) {
        kp_status_t status = kp_x86_commit_private(space, address, true);
        if (status != KP_OK)
            return status;
        entry = kp_x86_paging_entry(space->root, address, false, NULL);
        present = true;
    }
    return transfer_bytes(at, present ? kp_x86_direct(*entry & KP_X86_PTE_ADDRESS) : NULL);
}

/* Part of a page of a VMO, straight in the VMO; nothing happens when it was unmapped meanwhile. */
static kp_status_t copy_shared(kp_machine_space_t *space, kp_vmo_t *vmo, const transfer_t *at,
                               bool *is_done)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(&vmo->machine.lock);
    const kp_x86_mapping_t *mapping = kp_x86_mapping_of_vmo(space, vmo, at->offset);
    *is_done = mapping != NULL;
    void *page;
    bool exclusive;
    if (mapping && at->is_write && !mapping->writable)
        status = KP_ERR_BAD_ADDRESS;
    else if (mapping)
        status = kp_x86_vmo_page(&vmo->machine,
                                 at->offset - at->offset % KP_PAGE_SIZE - mapping->start +
                                     mapping->offset,
                                 at->is_write, !at->is_write, &page, &exclusive);
    if (mapping && status == KP_OK)
        status = transfer_bytes(at, page);
    kp_spin_unlock(&vmo->machine.lock);
    return status == KP_ERR_OUT_OF_RANGE ? KP_ERR_BAD_ADDRESS : status;
}

static kp_status_t copy(kp_machine_space_t *space, uint64_t offset, char *kernel, size_t count,
                        bool write, bool from_user)
{
    while (count > 0) {
        size_t part = KP_MIN(count, KP_PAGE_SIZE - offset % KP_PAGE_SIZE);
        const transfer_t at = {kernel, offset, part, write, from_user};
        kp_status_t status = KP_OK;
        bool is_done = true;
        /* The lock is dropped between pages, so that interrupts get in. */
        kp_spin_lock(&space->lock);
        kp_vmo_t *vmo = kp_list_is_empty(&space->mappings) ? NULL : kp_x86_vmo_at(space, offset);
        if (offset >= space->memory_bytes)
            status = KP_ERR_BAD_ADDRESS;
        else if (!vmo)
            status = copy_private(space, &at);
        kp_spin_unlock(&space->lock);
        if (vmo) {
            status = copy_shared(space, vmo, &at, &is_done);
            kp_vmo_release(vmo);
        }
        if (status != KP_OK)
            return status;
        if (!is_done)
            continue;
        offset += part;
        kernel += part;
        count -= part;
    }
    return KP_OK;
}

/* The usual case: the caller's own memory, where its pages are. In parts, so that interrupts get in
   (unless they are off anyway). */
static bool copy_own(const kp_machine_space_t *space, char *to, const char *from, size_t count)
{
    if (!kp_x86_user_copy_is_possible(space))
        return false;
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    bool good = true;
    while (count > 0 && good) {
        size_t part = KP_MIN(count, (size_t)KP_PAGE_SIZE);
        kp_x86_interrupts_off();
        good = kp_x86_user_copy(to, from, part);
        if (interrupts)
            kp_x86_interrupts_on();
        to += part;
        from += part;
        count -= part;
    }
    return good;
}

kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count)
{
    if (copy_own(space, to, kp_x86_user_pointer(address), count))
        return KP_OK;
    return copy(space, address, to, count, false, false);
}

kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count)
{
    if (copy_own(space, kp_x86_user_pointer(address), from, count))
        return KP_OK;
    return copy(space, address, (char *)from, count, true, false);
}

kp_status_t kp_machine_space_copy_across(kp_machine_space_t *from, uint32_t from_address,
                                         kp_machine_space_t *to, uint32_t address, size_t count)
{
    if (!kp_x86_user_copy_is_possible(from))
        return KP_ERR_NOT_SUPPORTED;
    return copy(to, address, kp_x86_user_pointer(from_address), count, true, true);
}
