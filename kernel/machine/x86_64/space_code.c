/* Code made at run time, mapped between the image and the end of the first 512 GiB: read and execute,
   never write. Its pages are the VMO's own, which is sealed: they stay what and where they are for as
   long as the VMO lives, so their entries need not be found again by the VMO, and all processes show the
   same pages. Pages that were never written become zero pages of the VMO here.

   Ranges are taken from the lowest gap, so that tables are used again. Any thread of the process. */
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/space_private.h"

/* Where in [KP_X86_USER_CODE_MIN, KP_X86_USER_CODE_END) is chosen for each process. */
#define CODE_WINDOW ((uint64_t)64 << 30)
#define CODE_RANDOM (KP_X86_USER_CODE_END - KP_X86_USER_CODE_MIN - CODE_WINDOW)

struct kp_x86_code {
    struct kp_x86_code *next; /* by address */
    uint64_t start, end;      /* with a page behind them that is never mapped */
};

/* Takes the lowest gap that is large enough; false: none. lock is held. */
static bool range_take(kp_machine_space_t *space, kp_x86_code_t *code, uint64_t length)
{
    kp_x86_code_t **link = &space->codes;
    uint64_t at = space->code_base;
    for (; *link && (*link)->start - at < length + KP_PAGE_SIZE; link = &(*link)->next)
        at = (*link)->end + KP_PAGE_SIZE;
    if (!*link && space->code_base + CODE_WINDOW - at < length + KP_PAGE_SIZE)
        return false;
    code->start = at;
    code->end = at + length;
    code->next = *link;
    *link = code;
    return true;
}

static void range_give(kp_machine_space_t *space, uint64_t start)
{
    kp_spin_lock(&space->lock);
    kp_x86_code_t **link = &space->codes;
    while (*link && (*link)->start != start)
        link = &(*link)->next;
    kp_x86_code_t *code = *link;
    KP_CHECK(code);
    *link = code->next;
    kp_spin_unlock(&space->lock);
    kp_kfree(code);
}

/* Shows the part of the VMO that one page table has room for: to which address. */
static kp_status_t table_fill(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t start,
                              uint64_t from, uint64_t to)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(&vmo->machine.lock);
    kp_spin_lock(&space->lock);
    uint64_t *entry = kp_x86_entry_own_path(space, from);
    if (!entry)
        status = KP_ERR_NO_MEMORY;
    for (uint64_t at = from; at < to && status == KP_OK; at += KP_PAGE_SIZE, entry++) {
        void *page;
        bool exclusive;
        status = kp_x86_vmo_page(&vmo->machine, at - start, false, false, &page, &exclusive);
        if (status != KP_OK)
            break;
        KP_CHECK(*entry == 0);
        *entry = kp_x86_physical(page) | KP_X86_PTE_PRESENT | KP_X86_PTE_USER;
        space->shared_pages++;
    }
    kp_spin_unlock(&space->lock);
    kp_spin_unlock(&vmo->machine.lock);
    return status;
}

/* Takes [start, end) out of the tables, a table at a time, so that interrupts get in. */
static void range_clear(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    for (uint64_t at = start, next; at < end; at = next) {
        next = KP_MIN((at | (TABLE_SPAN - 1)) + 1, end);
        uint32_t owned = 0;
        bool any = false;
        kp_spin_lock(&space->lock);
        uint64_t *entry = kp_x86_paging_entry(space->root, at, false, NULL);
        for (uint64_t page = at; entry && page < next; page += KP_PAGE_SIZE, entry++)
            any = kp_x86_entry_clear(space, entry, &owned) || any;
        if (any)
            kp_x86_smp_shootdown(space, at, next);
        kp_spin_unlock(&space->lock);
        KP_CHECK(owned == 0); /* code is the VMO's */
    }
}

kp_status_t kp_machine_space_map_code(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t length,
                                      uint64_t *address)
{
    uint64_t random;
    kp_status_t status = kp_machine_random(&random, sizeof(random));
    kp_x86_code_t *code = status == KP_OK ? kp_kalloc(sizeof(*code)) : NULL;
    if (!code)
        return status == KP_OK ? KP_ERR_NO_MEMORY : status;
    kp_spin_lock(&space->lock);
    if (!space->code_base)
        space->code_base =
            KP_X86_USER_CODE_MIN + random % (CODE_RANDOM / KP_PAGE_SIZE) * KP_PAGE_SIZE;
    bool has_range = range_take(space, code, length);
    kp_spin_unlock(&space->lock);
    if (!has_range) {
        kp_kfree(code);
        return KP_ERR_NO_MEMORY;
    }
    uint64_t start = code->start, end = start + length;
    for (uint64_t at = start, next; at < end && status == KP_OK; at = next) {
        next = KP_MIN((at | (TABLE_SPAN - 1)) + 1, end);
        status = table_fill(space, vmo, start, at, next);
    }
    if (status != KP_OK) {
        range_clear(space, start, end);
        range_give(space, start);
        return status;
    }
    *address = start;
    return KP_OK;
}

kp_status_t kp_machine_space_unmap_code(kp_machine_space_t *space, uint64_t address,
                                        uint64_t length)
{
    range_clear(space, address, address + length);
    range_give(space, address);
    return KP_OK;
}

void kp_x86_codes_free(kp_machine_space_t *space)
{
    while (space->codes)
        range_give(space, space->codes->start);
}
