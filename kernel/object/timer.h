/* Timers: SIGNALED from a deadline on. All timers share one queue (kernel/time/deadline.h) and one kernel
   thread, which sleeps until the queue must be served: no ticks, and a wake-up serves every timer
   whose deadline has come.

   Locks: the queue's (timer.c), before object locks. */
#ifndef KP_KERNEL_TIMER_H
#define KP_KERNEL_TIMER_H

#include "kernel/object/object.h"
#include "kernel/time/deadline.h"

typedef struct kp_timer {
    kp_object_t object;
    kp_deadline_t deadline; /* guarded by: the queue's lock */
} kp_timer_t;

/* A capability with all rights of a timer, which is not set. ERR_NO_MEMORY. */
kp_status_t kp_timer_create(kp_capability_t *timer);
/* Not SIGNALED until the deadline (absolute; one in the past: at once; KP_TIME_INFINITE: never), then at
   most slack nanoseconds late. Replaces what was set before. */
void kp_timer_set(kp_timer_t *timer, kp_time_t deadline, uint64_t slack);
/* Not SIGNALED, and not going to be. */
void kp_timer_cancel(kp_timer_t *timer);

static inline kp_timer_t *kp_timer_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_TIMER);
    return KP_CONTAINER_OF(object, kp_timer_t, object);
}

/* The thread starts with the first timer; this starts it before (tests that count allocations). */
kp_status_t kp_timers_start(void);
/* Wake-ups of the thread that served a timer, and timers served, since the start. */
void kp_timers_counts(uint64_t *wakeups, uint64_t *served);

#endif
