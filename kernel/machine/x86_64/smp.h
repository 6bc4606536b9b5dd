/* The other CPUs: finding and starting them, and what one asks of another. */
#ifndef KP_X86_SMP_H
#define KP_X86_SMP_H

#include "kernel/machine/x86_64/cpu.h"

/* A kernel thread's work: starts every CPU that the firmware told of; they schedule at once. One that
   does not come up is left out, with a line in the log. */
void kp_x86_smp_start(void *argument);

/* Another CPU's queue has changed: it looks at it soon. Its lock is held. */
void kp_x86_smp_kick(kp_x86_cpu_t *cpu);
/* The interrupts of these: on the CPU that was asked. */
void kp_x86_smp_kicked(void);
/* Answers what another CPU waits for, if anything; interrupts are off. Whoever spins with interrupts
   off calls it, so that two CPUs never wait for each other. */
void kp_x86_smp_poll(void);

/* The tables of `space` no longer allow what they did for user addresses [start, end): returns when no
   CPU has it in its TLB any more. Only then may the pages be freed. Any context in which a spin lock
   may be taken, also with locks held (but not a CPU's own). CPUs that only kept the space from an
   earlier thread give it up: after a call when no thread runs in it, no CPU has it. */
void kp_x86_smp_shootdown(kp_machine_space_t *space, uint64_t start, uint64_t end);
/* No CPU knows the translations of these few kernel pages any more, when this returns. Thread context, no
   locks held. */
void kp_x86_smp_forget(uint64_t start, uint64_t end);
/* Returns when the CPU has been in the kernel since the call, with interrupts off: what it did before is
   over, what it does next sees what was written before. At once when the caller runs on it by now. No locks held. */
void kp_x86_smp_barrier(uint32_t cpu);

/* For a panic: all other CPUs stop for good. False: another one is in a panic already. */
bool kp_x86_smp_stop_others(void);
/* From the NMI handler: is this that? */
bool kp_x86_smp_is_stopping(void);

#endif
