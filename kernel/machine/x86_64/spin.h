/* Spin locks, inlined where every instruction counts. Interrupts are off. */
#ifndef KP_X86_SPIN_H
#define KP_X86_SPIN_H

#include "kernel/machine/x86_64/cpu.h"

/* The lock is held by another CPU: waits for this ticket. */
void kp_x86_spin_wait(kp_spinlock_t *spin, uint32_t ticket);

/* Takes the lock; the CPU's count of locks is the caller's business. */
static inline void kp_x86_spin_take(kp_spinlock_t *spin, const kp_x86_cpu_t *cpu)
{
    uint32_t ticket = atomic_fetch_add_explicit(&spin->next, 1, memory_order_relaxed);
    if (__builtin_expect(atomic_load_explicit(&spin->serving, memory_order_acquire) != ticket, 0))
        kp_x86_spin_wait(spin, ticket);
    atomic_store_explicit(&spin->owner, cpu->number + 1, memory_order_relaxed);
}

static inline void kp_x86_spin_give(kp_spinlock_t *spin)
{
    uint32_t serving = atomic_load_explicit(&spin->serving, memory_order_relaxed);
    atomic_store_explicit(&spin->owner, 0, memory_order_relaxed);
    atomic_store_explicit(&spin->serving, serving + 1, memory_order_release);
}

/* With another lock held: takes the lock if it is free. */
bool kp_x86_spin_try(kp_spinlock_t *spin);

#endif
