/* A hand-off in the usual case, inlined into the calls that every round between processes makes: what
   kp_machine_thread_handoff does, without what is known there. */
#ifndef KP_X86_HAND_OFF_H
#define KP_X86_HAND_OFF_H

#include "kernel/machine/x86_64/clock.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/speculation.h"
#include "kernel/machine/x86_64/spin.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/sched/hand_off.h"
#include "kernel/trace/trace.h"

enum { KP_X86_MSR_KERNEL_GS_BASE = 0xc0000102 };

/* Where kp_x86_switch leaves a thread and finds it: at its stack pointer lies the address to go on at.
   Inline, the compiler keeps what it needs in the frame. */
static inline void kp_x86_switch_inline(uint64_t *from, uint64_t to)
{
    __asm__ volatile("pushq %%rbp\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "movq %%rsp, (%0)\n\t"
                     "movq %1, %%rsp\n\t"
                     "ret\n"
                     "1: popq %%rbp"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15", "memory", "cc");
}

/* The CPU's tables change from one space (NULL: the kernel's own) to another. Its lock is held. */
static inline __attribute__((always_inline)) void
kp_x86_space_switch(kp_x86_cpu_t *cpu, kp_machine_space_t *old, kp_machine_space_t *space)
{
    uint32_t bit = 1u << cpu->number;
    /* Before the first walk of its tables: who changes them afterwards asks this CPU too. */
    atomic_fetch_or(&space->cpus, bit);
    cpu->space = space;
    kp_x86_root_write(space->root);
    if (old)
        atomic_fetch_and(&old->cpus, ~bit);
    /* Ring 3 can zero its GS base by loading a selector; the next process must not see that. */
    kp_x86_msr_write(KP_X86_MSR_KERNEL_GS_BASE, KP_X86_USER_MEMORY);
    if (__builtin_expect(kp_x86_speculation_at_switch, 0))
        kp_x86_speculation_switch();
}

/* The SSE registers of a thread that left inside a system call: only their control words matter. */
static inline void kp_x86_fpu_enter_dead(kp_x86_cpu_t *cpu, kp_machine_thread_t *thread)
{
    cpu->fpu_owner = thread;
    thread->fpu_cpu = cpu->number + 1;
    kp_x86_fpu_load_initial();
    __asm__ volatile("ldmxcsr %0" : : "m"(thread->mxcsr));
    __asm__ volatile("fldcw %0" : : "m"(thread->x87_control));
}

/* The running thread, inside a system call with interrupts off and no lock held, parks without a deadline
   and `next` runs. True: it was woken. False: nothing has happened, something is unusual. */
static inline __attribute__((always_inline)) bool kp_x86_hand_off_usual(kp_machine_thread_t *next)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    kp_machine_thread_t *current = cpu->current;
    kp_x86_spin_take(&cpu->lock, cpu);
    if (__builtin_expect(
            atomic_load_explicit(&next->cpu, memory_order_relaxed) != cpu->number ||
                next->state != KP_X86_THREAD_PARKED || next->timer_armed || !next->space ||
                current->token ||
                (atomic_load_explicit(&current->attention, memory_order_relaxed) &
                 KP_X86_ATTENTION_KILLED) ||
                atomic_load_explicit(&cpu->reschedule, memory_order_relaxed) ||
                !kp_sched_hand_off_usual(&cpu->queue, &next->entity, kp_x86_clock_now()),
            0)) {
        kp_x86_spin_give(&cpu->lock);
        return false;
    }
    next->token = true;
    current->state = KP_X86_THREAD_PARKED;
    current->timed_out = false;
    next->state = KP_X86_THREAD_RUNNING;
    cpu->current = next;
    cpu->lock_depth = 1;
    if (__builtin_expect(kp_x86_view.count > 1, 0))
        kp_x86_thread_publish(cpu);
    /* Its SSE registers are dead. */
    current->fpu_valid = false;
    __asm__ volatile("stmxcsr %0" : "=m"(current->mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(current->x87_control));
    if (__builtin_expect(next->fpu_valid || next->space == current->space, 0)) {
        kp_x86_thread_enter(cpu, next);
    } else {
        kp_x86_space_switch(cpu, current->space, next->space);
        kp_x86_fpu_enter_dead(cpu, next);
    }
    cpu->kernel_stack = cpu->tss.stack[0] = next->stack_top;
    cpu->switches++;
    kp_trace_switch(KP_CONTAINER_OF(current, kp_thread_t, machine)->object.koid,
                    KP_CONTAINER_OF(next, kp_thread_t, machine)->object.koid);
    kp_x86_switch_inline(&current->stack_pointer, next->stack_pointer);

    cpu = kp_x86_cpu(); /* maybe another one */
    if (__builtin_expect(cpu->queue.count > 0, 0))
        kp_x86_thread_push_up(cpu);
    cpu->lock_interrupts = false;
    current->token = false;
    kp_x86_spin_give(&cpu->lock);
    cpu->lock_depth = 0;
    return true;
}

#endif
