/* Deadlines of parked threads: an intrusive pairing heap. The caller holds the scheduler's lock. */
#ifndef KP_X86_TIMER_H
#define KP_X86_TIMER_H

#include "kernel/machine/machine.h"

typedef struct kp_x86_timers {
    kp_machine_thread_t *root;
} kp_x86_timers_t;

/* O(1). The thread must not be in it. */
void kp_x86_timers_add(kp_x86_timers_t *timers, kp_machine_thread_t *thread, kp_time_t deadline);
/* O(log n) amortised. Nothing happens when the thread is not in it. */
void kp_x86_timers_remove(kp_x86_timers_t *timers, kp_machine_thread_t *thread);
/* The earliest deadline; KP_TIME_INFINITE: none. */
kp_time_t kp_x86_timers_first(const kp_x86_timers_t *timers);
/* Takes out a thread whose deadline is now or past; NULL: none. */
kp_machine_thread_t *kp_x86_timers_pop(kp_x86_timers_t *timers, kp_time_t now);

#endif
