/* Spin locks. */
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/spin.h"
#include "kernel/machine/x86_64/thread.h"

void kp_spin_init(kp_spinlock_t *spin)
{
    atomic_init(&spin->next, 0);
    atomic_init(&spin->serving, 0);
    atomic_init(&spin->owner, 0);
}

/* Another CPU holds the lock. It may be waiting for this one to drop addresses from its TLB, which
   interrupts cannot ask for now: look. */
void kp_x86_spin_wait(kp_spinlock_t *spin, uint32_t ticket)
{
    uint32_t self = kp_x86_cpu()->number + 1;
    while (atomic_load_explicit(&spin->serving, memory_order_acquire) != ticket) {
        if (atomic_load_explicit(&spin->owner, memory_order_relaxed) == self)
            kp_panic("spin lock %p taken twice", (void *)spin);
        kp_x86_smp_poll();
        __asm__ volatile("pause");
    }
}

void kp_spin_lock(kp_spinlock_t *spin)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (cpu->lock_depth++ == 0)
        cpu->lock_interrupts = interrupts;
    kp_x86_spin_take(spin, cpu);
}

bool kp_x86_spin_try(kp_spinlock_t *spin)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth > 0);
    uint32_t serving = atomic_load_explicit(&spin->serving, memory_order_relaxed);
    uint32_t expected = serving;
    if (!atomic_compare_exchange_strong_explicit(&spin->next, &expected, serving + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return false;
    /* The ticket was free when `serving` was read; the lock is ours when it still is served. */
    (void)atomic_load_explicit(&spin->serving, memory_order_acquire);
    atomic_store_explicit(&spin->owner, cpu->number + 1, memory_order_relaxed);
    cpu->lock_depth++;
    return true;
}

void kp_spin_unlock(kp_spinlock_t *spin)
{
    kp_x86_spin_give(spin);
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth > 0);
    if (--cpu->lock_depth > 0 || !cpu->lock_interrupts)
        return;
    if (atomic_load_explicit(&cpu->reschedule, memory_order_relaxed))
        kp_x86_thread_preempt();
    kp_x86_interrupts_on();
}
