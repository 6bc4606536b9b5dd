/* Spin locks. */
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/spin.h"
#include "kernel/machine/x86_64/thread.h"

void kp_spin_init(kp_spinlock_t *spin)
{
    atomic_init(&spin->owner, 0);
}

/* Another CPU holds the lock. It may be waiting for this one to drop addresses from its TLB, which
   interrupts cannot ask for now: look. */
__attribute__((noinline)) void kp_x86_spin_wait(kp_spinlock_t *spin, uint32_t self)
{
    uint32_t owner;
    do {
        while ((owner = atomic_load_explicit(&spin->owner, memory_order_relaxed)) != 0) {
            if (owner == self)
                kp_panic("spin lock %p taken twice", (void *)spin);
            kp_x86_smp_poll();
            __asm__ volatile("pause");
        }
    } while (!atomic_compare_exchange_weak_explicit(&spin->owner, &owner, self,
                                                    memory_order_acquire, memory_order_relaxed));
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
    uint32_t free = 0;
    if (!atomic_compare_exchange_strong_explicit(&spin->owner, &free, cpu->number + 1,
                                                 memory_order_acquire, memory_order_relaxed))
        return false;
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
