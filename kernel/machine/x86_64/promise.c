#include "kernel/machine/x86_64/promise.h"

#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/memory.h"

static kp_spinlock_t lock; /* before those of the allocator */
static _Atomic uint64_t promised;

bool kp_x86_promise(uint64_t pages)
{
    uint64_t total, free_bytes;
    kp_spin_lock(&lock);
    kp_x86_memory_usage(&total, &free_bytes);
    /* Tables, and something for the rest of the system. */
    uint64_t need = pages + pages / 256 + total / KP_PAGE_SIZE / 64;
    uint64_t taken = atomic_load(&promised);
    bool may = free_bytes / KP_PAGE_SIZE >= taken && free_bytes / KP_PAGE_SIZE - taken >= need;
    if (may)
        atomic_fetch_add(&promised, pages);
    kp_spin_unlock(&lock);
    return may;
}

void kp_x86_promise_end(uint64_t pages)
{
    KP_CHECK(atomic_fetch_sub(&promised, pages) >= pages);
}
