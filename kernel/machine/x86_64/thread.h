/* Threads of this machine, for its other files. */
#ifndef KP_X86_THREAD_H
#define KP_X86_THREAD_H

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/object/process.h"

/* kp_machine_thread_t.state */
enum {
    KP_X86_THREAD_NEW = 0,
    KP_X86_THREAD_READY, /* in its CPU's queue, also when a cap holds it back */
    KP_X86_THREAD_RUNNING,
    KP_X86_THREAD_PARKED,
    KP_X86_THREAD_STOPPED, /* suspended, about to return to ring 3 */
    KP_X86_THREAD_MOVING,  /* woken; on its way to another CPU's queue */
    KP_X86_THREAD_DEAD,
};

/* The running code becomes this CPU's idle thread. */
void kp_x86_thread_init(void);
/* Starts the reaper of ended threads. Once, on the boot CPU. */
void kp_x86_thread_start_reaper(void);
/* The idle thread's work, for ever. */
_Noreturn void kp_x86_thread_idle(void);
/* From interrupts: expired deadlines, end of the time slice; the timer's (expired), or a kick of
   another CPU that changed this one's queue. */
void kp_x86_thread_tick(bool expired);
/* Interrupts off, no lock held: another thread runs first if one should. */
void kp_x86_thread_preempt(void);
/* Ends the current thread. No lock held. */
_Noreturn void kp_x86_thread_exit(void);
/* For hand_off.h. The CPU's lock is held. Its tables and SSE registers are those of a user thread now. */
void kp_x86_thread_enter(kp_x86_cpu_t *cpu, kp_machine_thread_t *next);
/* Others should know what the CPU runs now. */
void kp_x86_thread_publish(kp_x86_cpu_t *cpu);
/* A thread has come to a CPU on which others wait. */
void kp_x86_thread_push_up(kp_x86_cpu_t *cpu);

/* Switches between threads so far, on all CPUs. Self-test. */
uint64_t kp_x86_thread_switches(void);

#endif
