/* What is done against processes that make the processor guess (docs/security.md has the reasons). */
#ifndef KP_X86_SPECULATION_H
#define KP_X86_SPECULATION_H

#include "kernel/machine/x86_64/cpu.h"

/* Decides by CPUID and the command line ("speculation=on": everything that this CPU can execute, also
   under emulation; "speculation=off": nothing), and adapts the entry code and the thunks of indirect
   branches; while text is still writable. */
void kp_x86_speculation_init(void);
/* The calling CPU's control registers for it. */
void kp_x86_speculation_cpu(void);
/* The decisions, for the log. */
void kp_x86_speculation_log(void);

/* At a switch to another process's space. */
extern bool kp_x86_speculation_at_switch;
void kp_x86_speculation_switch(void);

#endif
