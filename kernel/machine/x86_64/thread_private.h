/* What thread.c, thread_queue.c and thread_life.c share: locks of CPUs, their queues, switching.

   A thread belongs to one CPU at a time (`cpu`), whose lock guards its state; it changes CPU only while
   it does not run, under that lock. These locks are the innermost ones (unpark is called under others)
   and one is held across kp_x86_switch: the thread that is switched to releases it, so whoever gets
   the lock knows that a thread which no longer runs has left its stack. Two of them are held at once
   only when the second was free to take (kp_x86_spin_try). */
#ifndef KP_X86_THREAD_PRIVATE_H
#define KP_X86_THREAD_PRIVATE_H

#include "kernel/machine/x86_64/clock.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/spin.h"
#include "kernel/machine/x86_64/thread.h"

static inline kp_machine_thread_t *kp_x86_thread_of(kp_sched_entity_t *entity)
{
    return KP_CONTAINER_OF(entity, kp_machine_thread_t, entity);
}

static inline bool kp_x86_thread_is_killed(const kp_machine_thread_t *thread)
{
    return atomic_load_explicit(&thread->attention, memory_order_relaxed) & KP_X86_ATTENTION_KILLED;
}

/* ---- Locks ---- */

/* Takes the calling CPU's lock. */
static inline kp_x86_cpu_t *kp_x86_own_lock(void)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off(); /* from here on the CPU stays the same */
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    KP_ASSERT(cpu->lock_depth == 0);
    cpu->lock_depth = 1;
    cpu->lock_interrupts = interrupts;
    kp_x86_spin_take(&cpu->lock, cpu);
    return cpu;
}

static inline void kp_x86_own_unlock(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_x86_spin_give(&cpu->lock);
    cpu->lock_depth = 0;
    if (!cpu->lock_interrupts)
        return;
    if (__builtin_expect(atomic_load_explicit(&cpu->reschedule, memory_order_relaxed), 0))
        kp_x86_thread_preempt();
    kp_x86_interrupts_on();
}

/* Takes the lock of the CPU that the thread belongs to. */
static inline kp_x86_cpu_t *kp_x86_thread_lock(kp_machine_thread_t *thread)
{
    for (;;) {
        kp_x86_cpu_t *cpu = kp_x86_cpus[atomic_load_explicit(&thread->cpu, memory_order_relaxed)];
        kp_spin_lock(&cpu->lock);
        if (atomic_load_explicit(&thread->cpu, memory_order_relaxed) == cpu->number)
            return cpu;
        kp_spin_unlock(&cpu->lock);
    }
}

/* ---- thread_queue.c: one CPU's queue; its lock is held ---- */

/* What other CPUs see of this one when they place threads. */
static inline void kp_x86_queue_publish(kp_x86_cpu_t *cpu)
{
    if (kp_x86_view.count > 1)
        kp_x86_thread_publish(cpu);
}

/* The calling CPU's timer fires when its queue or a deadline needs it. */
void kp_x86_queue_timer(kp_x86_cpu_t *cpu, kp_time_t now);
/* The deadline of a thread that parks. */
void kp_x86_queue_timer_add(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t deadline);
void kp_x86_queue_timer_remove(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread);
/* A thread that is in no queue becomes ready on `cpu`, which it belongs to. */
void kp_x86_queue_add(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread, kp_time_t now);
/* This CPU has nothing to do: takes a thread from the one that has the most. */
bool kp_x86_queue_steal(kp_x86_cpu_t *cpu, kp_time_t now);
/* Threads wait here while another CPU runs something of a lower rank, or nothing: one goes there. Not
   one that is about to run here: two CPUs could hand it to and fro for ever. Not in the middle of a
   switch. */
void kp_x86_queue_push_up(kp_x86_cpu_t *cpu, kp_time_t now);
/* Threads wait here: one goes to a CPU that has fewer. Where the difference is one, they take turns, so
   that three threads that compute share two CPUs evenly. Not in the middle of a switch. */
void kp_x86_queue_balance(kp_x86_cpu_t *cpu, kp_time_t now);

/* ---- thread.c ---- */

/* home's lock is held, and released: a parked, stopped or new thread becomes ready, where it has most
   of a CPU. */
void kp_x86_thread_wake(kp_x86_cpu_t *home, kp_machine_thread_t *thread);
/* Runs the next thread; the current one is ready, parked, stopped or dead and no longer the queue's
   current. Returns when it runs again. The CPU's lock is held. */
void kp_x86_thread_switch(kp_x86_cpu_t *cpu, kp_time_t now);
/* On the thread that was switched to, its CPU's lock still held. Only now the thread before has left its
   stack, and may go elsewhere. */
static inline void kp_x86_thread_arrive(bool interrupts)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    cpu->lock_interrupts = interrupts;
    if (__builtin_expect(cpu->queue.count > 0, 0))
        kp_x86_queue_push_up(cpu, cpu->queue.charged);
}

#endif
