/* Guest memories: reservations far above the rest, in slots of whole GiB, so that the lower two levels of
   tables are a slot's own and go with it. Which slot an address belongs to is a division; a fault costs no
   search. */
#include "kernel/machine/x86_64/space_guest.h"

#include "abi/calls.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/promise.h"
#include "kernel/machine/x86_64/space_private.h"
#include "kernel/object/image.h"

#define GIB ((uint64_t)1 << 30)
#define STRIDE KP_ROUND_UP(KP_GUEST_RESERVE_MAX + KP_PAGE_SIZE, GIB)

typedef struct slot {
    uint64_t reserve;   /* bytes; 0: empty */
    uint64_t size;      /* bytes */
    uint64_t committed; /* pages */
} slot_t;

struct kp_x86_guests {
    uint64_t base;
    slot_t slots[KP_GUESTS_MAX]; /* fields guarded by the space's lock */
};

static uint64_t slot_address(const kp_x86_guests_t *guests, uint32_t slot)
{
    return guests->base + slot * STRIDE;
}

/* The slot whose reservation holds the address, and how far inside. NULL: none. lock is held. */
static slot_t *slot_at(const kp_machine_space_t *space, uint64_t address, uint64_t *offset)
{
    kp_x86_guests_t *guests = space->guests;
    if (!guests || address - guests->base >= KP_GUESTS_MAX * STRIDE)
        return NULL;
    slot_t *slot = &guests->slots[(address - guests->base) / STRIDE];
    *offset = (address - guests->base) % STRIDE;
    return *offset < slot->reserve ? slot : NULL;
}

bool kp_x86_guest_has(const kp_machine_space_t *space, uint64_t page)
{
    uint64_t offset;
    const slot_t *slot = slot_at(space, page, &offset);
    return slot && offset < slot->size;
}

void kp_x86_space_promise_kept(kp_machine_space_t *space, uint64_t page)
{
    uint64_t offset = page - KP_X86_USER_MEMORY;
    if (offset < space->memory_bytes) {
        if (offset < space->grown_from || space->promised == 0)
            return;
        space->promised--;
    } else {
        slot_t *slot = slot_at(space, page, &offset);
        if (!slot)
            return;
        slot->committed++;
    }
    kp_x86_promise_end(1);
}

void kp_x86_space_promise_drop(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    start = KP_MAX(start, space->grown_from);
    uint64_t pages = start < end ? KP_MIN((end - start) / KP_PAGE_SIZE, space->promised) : 0;
    space->promised -= pages;
    kp_x86_promise_end(pages);
}

bool kp_x86_guest_deliver(kp_machine_space_t *space, kp_x86_frame_t *frame, uint64_t address)
{
    uint64_t offset;
    /* Data was touched, so the instruction could be fetched: it is in a mapping of code. */
    if (frame->rip < KP_X86_USER_CODE_MIN || frame->rip >= KP_X86_USER_CODE_END)
        return false;
    kp_spin_lock(&space->lock);
    bool is_guests = slot_at(space, address, &offset) != NULL;
    uint64_t handler = space->guest_handler;
    kp_spin_unlock(&space->lock);
    if (!is_guests || !handler)
        return false;
    frame->rdi = address;
    frame->rsi = frame->rip;
    frame->rip = handler;
    frame->flags &= ~KP_X86_FLAG_DIRECTION;
    return true;
}

/* ---- what the core calls ---- */

kp_status_t kp_machine_space_guest_create(kp_machine_space_t *space, uint32_t slot,
                                          uint64_t reserve, uint64_t *address)
{
    if (!space->guests) {
        uint64_t random;
        const uint64_t choices =
            (KP_X86_USER_GUEST_END - KP_X86_USER_GUEST_MIN - KP_GUESTS_MAX * STRIDE) / GIB;
        kp_status_t status = kp_machine_random(&random, sizeof(random));
        if (status != KP_OK)
            return status;
        kp_x86_guests_t *guests = kp_kalloc(sizeof(*guests));
        if (!guests)
            return KP_ERR_NO_MEMORY;
        guests->base = KP_X86_USER_GUEST_MIN + random % choices * GIB;
        kp_spin_lock(&space->lock);
        space->guests = guests;
        kp_spin_unlock(&space->lock);
    }
    kp_spin_lock(&space->lock);
    space->guests->slots[slot] = (slot_t){.reserve = reserve};
    kp_spin_unlock(&space->lock);
    *address = slot_address(space->guests, slot);
    return KP_OK;
}

kp_status_t kp_machine_space_guest_grow(kp_machine_space_t *space, uint32_t slot, uint64_t old_size,
                                        uint64_t size)
{
    if (!kp_x86_promise((size - old_size) / KP_PAGE_SIZE))
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&space->lock);
    space->guests->slots[slot].size = size;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

/* The entry that names the table of this level (0: of pages) at the address; NULL: a table above is
   missing. lock is held. */
static uint64_t *table_entry(const kp_machine_space_t *space, uint64_t address, unsigned level)
{
    uint64_t *table = kp_x86_direct(space->root), *entry = NULL;
    for (unsigned at = 3; at > level; at--) {
        entry = &table[(address >> (12 + 9 * at)) & 511];
        if (!(*entry & KP_X86_PTE_PRESENT))
            return NULL;
        table = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
    }
    return entry;
}

/* Takes the table out; nobody has its translations any more. lock is held. */
static void *table_take(kp_machine_space_t *space, uint64_t *entry, uint64_t start, uint64_t end)
{
    KP_CHECK(*entry & KP_X86_PTE_OWNED);
    void *table = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
    *entry = 0;
    space->table_pages--;
    kp_x86_smp_shootdown(space, start, end);
    return table;
}

/* The pages of one table, and it. Returns where the next one may be. */
static uint64_t pages_free(kp_machine_space_t *space, uint64_t address)
{
    uint64_t next = address + TABLE_SPAN;
    uint32_t owned = 0;
    void *taken = NULL;
    kp_spin_lock(&space->lock);
    uint64_t *entry = table_entry(space, address, 0);
    if (entry) {
        uint64_t *table = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
        for (unsigned i = 0; i < 512; i++)
            (void)kp_x86_entry_clear(space, &table[i], &owned);
        taken = table_take(space, entry, address, next);
    } else if (!table_entry(space, address, 1)) {
        next = (address | (GIB - 1)) + 1; /* no table of tables either */
    }
    kp_spin_unlock(&space->lock);
    kp_x86_owned_free(owned);
    kp_x86_page_free(taken);
    return next;
}

kp_status_t kp_machine_space_guest_destroy(kp_machine_space_t *space, uint32_t slot)
{
    uint64_t start = slot_address(space->guests, slot);
    kp_spin_lock(&space->lock);
    const slot_t old = space->guests->slots[slot];
    space->guests->slots[slot] = (slot_t){0}; /* from here on no page is made there */
    kp_spin_unlock(&space->lock);
    kp_x86_promise_end(old.size / KP_PAGE_SIZE - old.committed);
    uint64_t end = start + old.size;
    for (uint64_t at = start; at < end;)
        at = pages_free(space, at);
    for (uint64_t at = start; at < end; at += GIB) {
        void *taken = NULL;
        kp_spin_lock(&space->lock);
        uint64_t *entry = table_entry(space, at, 1);
        if (entry)
            taken = table_take(space, entry, at, at + GIB);
        kp_spin_unlock(&space->lock);
        kp_x86_page_free(taken);
    }
    return KP_OK;
}

kp_status_t kp_machine_space_guest_handler(kp_machine_space_t *space, uint64_t entry)
{
    const kp_image_t *image = space->image;
    bool is_good = entry == 0;
    for (uint32_t i = 0; i < image->segment_count && !is_good; i++) {
        const kp_image_segment_t *segment = &image->segments[i];
        is_good = segment->flags & KP_IMAGE_SEGMENT_EXECUTE &&
                  entry - space->base - segment->address < segment->size;
    }
    if (!is_good)
        return KP_ERR_BAD_ADDRESS;
    kp_spin_lock(&space->lock);
    space->guest_handler = entry;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

void kp_x86_guests_free(kp_machine_space_t *space)
{
    uint64_t promised = space->promised;
    for (uint32_t i = 0; space->guests && i < KP_GUESTS_MAX; i++) {
        const slot_t *slot = &space->guests->slots[i];
        promised += slot->size / KP_PAGE_SIZE - slot->committed;
    }
    kp_x86_promise_end(promised);
    kp_kfree(space->guests);
    space->guests = NULL;
    space->promised = 0;
}
