/* Guest memories: the process's own anonymous memory, which its agent maps where the kernel says. The kernel
   has no view of them. Their faults are sandbox_guest.c's. */
#include "kernel/machine/hosted/guest.h"

#include <sys/sysinfo.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/object/image.h"

typedef struct slot {
    uint64_t reserve; /* bytes; 0: empty */
    uint64_t size;    /* bytes */
} slot_t;

struct kp_hosted_guests {
    slot_t slots[KP_GUESTS_MAX];
};

_Static_assert(KP_HOSTED_GUEST_STRIDE > KP_GUEST_RESERVE_MAX, "nothing lies behind a reservation");

static _Atomic uint64_t promised;

bool kp_hosted_promise(uint64_t bytes)
{
    struct sysinfo info;
    if (sysinfo(&info) != 0)
        return false;
    uint64_t limit = (uint64_t)info.totalram * info.mem_unit, taken = atomic_load(&promised);
    do {
        if (bytes > limit || taken > limit - bytes)
            return false;
    } while (!atomic_compare_exchange_weak(&promised, &taken, taken + bytes));
    return true;
}

void kp_hosted_promise_end(uint64_t bytes)
{
    KP_CHECK(atomic_fetch_sub(&promised, bytes) >= bytes);
}

void kp_hosted_promise_drop(kp_machine_space_t *space, uint64_t bytes)
{
    uint64_t kept = KP_MIN(space->promised, bytes);
    space->promised -= kept;
    kp_hosted_promise_end(kept);
}

static uint64_t slot_address(const kp_machine_space_t *space, uint32_t slot)
{
    return space->layout.guests + slot * KP_HOSTED_GUEST_STRIDE;
}

/* ERR_BAD_STATE besides: the process has not been started. */
kp_status_t kp_machine_space_guest_create(kp_machine_space_t *space, uint32_t slot,
                                          uint64_t reserve, uint64_t *address)
{
    if (!space->child)
        return KP_ERR_BAD_STATE;
    if (!space->guests)
        space->guests = kp_kalloc(sizeof(*space->guests));
    if (!space->guests)
        return KP_ERR_NO_MEMORY;
    kp_orders_t *orders = kp_area_orders(space->child->area);
    space->guests->slots[slot] = (slot_t){.reserve = reserve};
    orders->guest_base = space->layout.guests;
    orders->code_first = space->layout.code;
    orders->code_size = KP_HOSTED_CODE_SIZE;
    orders->guests[slot] = reserve;
    *address = slot_address(space, slot);
    return KP_OK;
}

kp_status_t kp_machine_space_guest_grow(kp_machine_space_t *space, uint32_t slot, uint64_t old_size,
                                        uint64_t size)
{
    if (!kp_hosted_promise(size - old_size))
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_hosted_child_map_zeroes(
        space->child, slot_address(space, slot) + old_size, size - old_size);
    if (status != KP_OK) {
        kp_hosted_promise_end(size - old_size);
        return status;
    }
    space->guests->slots[slot].size = size;
    return KP_OK;
}

kp_status_t kp_machine_space_guest_destroy(kp_machine_space_t *space, uint32_t slot)
{
    slot_t *guest = &space->guests->slots[slot];
    kp_orders_t *orders = kp_area_orders(space->child->area);
    kp_status_t status = KP_OK;
    orders->guests[slot] = 0; /* a fault there is not the program's any more */
    if (guest->size > 0)
        status = kp_hosted_child_unmap(space->child, slot_address(space, slot), guest->size);
    /* A process that is dead has it no more. */
    if (status != KP_OK && status != KP_ERR_PROCESS_DEAD) {
        orders->guests[slot] = guest->reserve;
        return status;
    }
    kp_hosted_promise_end(guest->size);
    *guest = (slot_t){0};
    return KP_OK;
}

kp_status_t kp_machine_space_guest_handler(kp_machine_space_t *space, uint64_t entry)
{
    const kp_image_t *image = space->image;
    bool is_good = entry == 0;
    for (uint32_t i = 0; i < image->segment_count && !is_good; i++) {
        const kp_image_segment_t *segment = &image->segments[i];
        is_good = segment->flags & KP_IMAGE_SEGMENT_EXECUTE &&
                  entry - space->layout.image - segment->address < segment->size;
    }
    if (!is_good)
        return KP_ERR_BAD_ADDRESS;
    if (!space->child)
        return KP_ERR_BAD_STATE;
    kp_area_orders(space->child->area)->guest_handler = entry;
    return KP_OK;
}

void kp_hosted_guests_free(kp_machine_space_t *space)
{
    uint64_t bytes = space->promised;
    for (uint32_t i = 0; space->guests && i < KP_GUESTS_MAX; i++)
        bytes += space->guests->slots[i].size;
    kp_hosted_promise_end(bytes);
    kp_kfree(space->guests);
    space->guests = NULL;
    space->promised = 0;
}
