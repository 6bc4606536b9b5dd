#include "kernel/object/guest.h"

/* Pages that so many bytes cost: their own, and those of tables, by the worst case of 2 MiB in each, and so
   on upwards. */
static uint64_t cost(uint64_t size)
{
    return size ? size / KP_PAGE_SIZE + (size >> 21) + (size >> 30) + 4 : 0;
}

static kp_guest_t *guest_find(const kp_process_t *process, uint64_t address)
{
    for (uint32_t i = 0; process->guests && address && i < KP_GUESTS_MAX; i++) {
        if (process->guests->slots[i].address == address)
            return &process->guests->slots[i];
    }
    return NULL;
}

static uint32_t slot_of(const kp_process_t *process, const kp_guest_t *guest)
{
    return (uint32_t)(guest - process->guests->slots);
}

kp_status_t kp_guest_create(kp_process_t *process, uint64_t reserve, uint64_t *address)
{
    struct kp_guests *guests = process->guests;
    if (!guests) {
        guests = process->guests = kp_kalloc(sizeof(*guests));
        if (!guests)
            return KP_ERR_NO_MEMORY;
    }
    if (guests->count == KP_GUESTS_MAX)
        return KP_ERR_QUOTA;
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_OBJECTS, 1);
    if (status != KP_OK)
        return status;
    uint32_t slot = 0;
    while (guests->slots[slot].address)
        slot++;
    status = kp_machine_space_guest_create(&process->space, slot, reserve, address);
    if (status != KP_OK) {
        kp_quota_refund(process->quota, KP_QUOTA_OBJECTS, 1);
        return status;
    }
    guests->slots[slot] = (kp_guest_t){.address = *address, .reserve = reserve};
    guests->count++;
    return KP_OK;
}

kp_status_t kp_guest_grow(kp_process_t *process, uint64_t address, uint64_t delta, uint64_t *old)
{
    kp_guest_t *guest = guest_find(process, address);
    if (!guest)
        return KP_ERR_NOT_FOUND;
    *old = guest->size / KP_WASM_PAGE_SIZE;
    if (delta == 0)
        return KP_OK;
    if (delta > (guest->reserve - guest->size) / KP_WASM_PAGE_SIZE)
        return KP_ERR_NO_MEMORY;
    uint64_t size = guest->size + delta * KP_WASM_PAGE_SIZE;
    uint64_t pages = cost(size) - cost(guest->size);
    kp_status_t status = kp_quota_charge(process->quota, KP_QUOTA_PAGES, pages);
    if (status != KP_OK)
        return status;
    status =
        kp_machine_space_guest_grow(&process->space, slot_of(process, guest), guest->size, size);
    if (status != KP_OK) {
        kp_quota_refund(process->quota, KP_QUOTA_PAGES, pages);
        return status;
    }
    guest->size = size;
    return KP_OK;
}

/* The slot is empty again, and costs nothing. */
static void guest_forget(kp_process_t *process, kp_guest_t *guest)
{
    kp_quota_refund(process->quota, KP_QUOTA_PAGES, cost(guest->size));
    kp_quota_refund(process->quota, KP_QUOTA_OBJECTS, 1);
    *guest = (kp_guest_t){0};
    process->guests->count--;
}

kp_status_t kp_guest_destroy(kp_process_t *process, uint64_t address)
{
    kp_guest_t *guest = guest_find(process, address);
    if (!guest)
        return KP_ERR_NOT_FOUND;
    kp_status_t status = kp_machine_space_guest_destroy(&process->space, slot_of(process, guest));
    if (status == KP_OK)
        guest_forget(process, guest);
    return status;
}

bool kp_guests_exist(const kp_process_t *process)
{
    return process->guests && process->guests->count > 0;
}

void kp_guests_clear(kp_process_t *process)
{
    for (uint32_t i = 0; process->guests && i < KP_GUESTS_MAX; i++) {
        if (process->guests->slots[i].address)
            guest_forget(process, &process->guests->slots[i]);
    }
    kp_kfree(process->guests);
    process->guests = NULL;
}
