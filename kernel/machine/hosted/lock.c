/* Locks of the kernel core: a futex mutex that spins a little first, since holders leave soon. */
#include "kernel/machine/hosted/page.h" /* kp_raw_syscall */
#include "kernel/machine/machine.h"

#define SPIN 50

enum { FREE = 0, HELD = 1, CONTENDED = 2 };

void kp_spin_init(kp_spinlock_t *lock)
{
    atomic_store_explicit(&lock->value, FREE, memory_order_relaxed);
}

void kp_spin_lock(kp_spinlock_t *lock)
{
    for (int i = 0; i < SPIN; i++) {
        uint32_t expected = FREE;
        if (atomic_compare_exchange_weak_explicit(&lock->value, &expected, HELD,
                                                  memory_order_acquire, memory_order_relaxed))
            return;
        __asm__ volatile("pause");
    }
    while (atomic_exchange_explicit(&lock->value, CONTENDED, memory_order_acquire) != FREE)
        kp_raw_syscall(SYS_futex, (long)&lock->value, FUTEX_WAIT_PRIVATE, CONTENDED, 0, 0, 0);
}

void kp_spin_unlock(kp_spinlock_t *lock)
{
    if (atomic_exchange_explicit(&lock->value, FREE, memory_order_release) == CONTENDED)
        kp_raw_syscall(SYS_futex, (long)&lock->value, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}
