/* The scheduler, for this machine's other files. */
#ifndef KP_X86_THREAD_H
#define KP_X86_THREAD_H

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/object/process.h"

/* The running code becomes this CPU's idle thread; starts the reaper of ended threads. */
void kp_x86_thread_init(void);
/* The idle thread's work, for ever. */
_Noreturn void kp_x86_thread_idle(void);
/* From the timer's interrupt: expired deadlines, end of the time slice. */
void kp_x86_thread_timer(void);
/* Interrupts off, no lock held: another thread runs first if one should. */
void kp_x86_thread_preempt(void);
/* Ends the current thread. No lock held. */
_Noreturn void kp_x86_thread_exit(void);
/* Gives up an address space that may still be loaded (kernel threads run on the last one). */
void kp_x86_thread_forget_space(uint64_t root);
/* Threads in the run queue, besides the running one. Self-test. */
uint64_t kp_x86_thread_switches(void);

#endif
