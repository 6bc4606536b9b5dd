/* Address space above the heap, in units of 64 KiB: a first fit over a small sorted list of reservations. */
#include "runtime/native/native.h"

#include <string.h>

#include "runtime/program/kp.h"

enum {
    UNIT = KP_WASM_PAGE_SIZE,
    RESERVATIONS_MAX = 512,
    HOLE = 8 << 20, /* as much at a time as a small machine has left */
};

typedef struct reservation {
    uint64_t offset, size;
} reservation_t;

static reservation_t reservations[RESERVATIONS_MAX]; /* by offset */
static size_t reservation_count;
static uint64_t memory_bytes; /* linear memory's size */

void kp_native_pages_start(uint64_t used)
{
    memory_bytes = used;
}

void *kp_native_pages_reserve(uint64_t size)
{
    if (size == 0 || size > KP_NATIVE_MEMORY_MAX || reservation_count == RESERVATIONS_MAX)
        return NULL;
    size = (size + UNIT - 1) & ~(uint64_t)(UNIT - 1);
    uint64_t at = kp_native_heap_end;
    size_t i = 0;
    while (i < reservation_count && reservations[i].offset - at < size) {
        at = reservations[i].offset + reservations[i].size;
        i++;
    }
    if (size > KP_NATIVE_MEMORY_MAX - at)
        return NULL;
    memmove(&reservations[i + 1], &reservations[i],
            (reservation_count - i) * sizeof reservations[0]);
    reservations[i] = (reservation_t){at, size};
    reservation_count++;
    return kp_native_memory + at;
}

static kp_status_t grow(uint64_t end)
{
    uint64_t pages = (end - memory_bytes + UNIT - 1) / UNIT;
    int64_t old = kp_memory_grow(pages);
    if (old < 0)
        return (kp_status_t)old;
    memory_bytes = ((uint64_t)old + pages) * UNIT;
    return KP_OK;
}

kp_status_t kp_native_pages_commit(void *at, uint64_t size)
{
    uint64_t start = (uint64_t)((uint8_t *)at - kp_native_memory), end = start + size;
    kp_status_t status = KP_OK;
    /* What lies in front belongs to reservations that may never grow so far. The kernel shall keep no memory ready
       for it, which it does for what it grows by until that is unmapped. */
    while (status == KP_OK && memory_bytes < start) {
        uint64_t part = start - memory_bytes < HOLE ? start - memory_bytes : HOLE;
        uint8_t *hole = kp_native_memory + memory_bytes;
        status = grow(memory_bytes + part);
        if (status == KP_OK)
            status = kp_vmo_unmap(hole, part);
    }
    return status == KP_OK && end > memory_bytes ? grow(end) : status;
}

void kp_native_pages_release(void *at, uint64_t size)
{
    uint64_t offset = (uint64_t)((uint8_t *)at - kp_native_memory);
    size = (size + UNIT - 1) & ~(uint64_t)(UNIT - 1);
    for (size_t i = 0; i < reservation_count; i++) {
        if (reservations[i].offset != offset)
            continue;
        memmove(&reservations[i], &reservations[i + 1],
                (reservation_count - i - 1) * sizeof reservations[0]);
        reservation_count--;
        break;
    }
    uint64_t end = offset + size < memory_bytes ? offset + size : memory_bytes;
    if (end <= offset)
        return;
    /* Private zero memory again. When that cannot be had the pages are zeroed by hand: whoever gets them
       next relies on it. */
    if (kp_vmo_unmap(at, end - offset) != KP_OK)
        memset(at, 0, end - offset);
}
