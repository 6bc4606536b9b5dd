/* Spin locks, inlined where every instruction counts. Interrupts are off. */
#ifndef KP_X86_SPIN_H
#define KP_X86_SPIN_H

#include "kernel/machine/x86_64/cpu.h"

/* The lock was not free: waits for it and takes it. */
void kp_x86_spin_wait(kp_spinlock_t *spin, uint32_t self);

/* Takes the lock; the CPU's count of locks is the caller's business. */
static inline void kp_x86_spin_take(kp_spinlock_t *spin, const kp_x86_cpu_t *cpu)
{
    uint32_t free = 0, self = cpu->number + 1;
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(
                             &spin->owner, &free, self, memory_order_acquire, memory_order_relaxed),
                         0))
        kp_x86_spin_wait(spin, self);
}

static inline void kp_x86_spin_give(kp_spinlock_t *spin)
{
    atomic_store_explicit(&spin->owner, 0, memory_order_release);
}

/* With another lock held: takes the lock if it is free. */
bool kp_x86_spin_try(kp_spinlock_t *spin);

#endif
