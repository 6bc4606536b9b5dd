/* A bound on processor time: so many percent of one CPU in each window of 100 ms, shared by whatever
   threads are charged to it, on all CPUs. Caps form a tree as jobs do: what is charged to one is
   charged to those above it too, and the tightest rules.

   All functions may be called from any context, without locks. */
#ifndef KP_SCHED_CAP_H
#define KP_SCHED_CAP_H

#include "kernel/base/base.h"

#define KP_SCHED_CAP_WINDOW (100 * KP_NS_PER_MS)

typedef struct kp_sched_cap {
    struct kp_sched_cap *parent;   /* outlives this one; NULL: none */
    _Atomic uint32_t window_limit; /* ns in a window; UINT32_MAX: no bound of its own */
    _Atomic uint64_t used;         /* window's number in the upper half, ns used in the lower */
} kp_sched_cap_t;

/* percent of one CPU; 0: no bound (but the parent's). More than 400 means 400. */
void kp_sched_cap_init(kp_sched_cap_t *cap, kp_sched_cap_t *parent, uint32_t percent);
void kp_sched_cap_set(kp_sched_cap_t *cap, uint32_t percent);
/* ns of processor time were used, by now. What goes beyond the limit is a debt on later windows. */
void kp_sched_cap_charge(kp_sched_cap_t *cap, kp_time_t now, int64_t ns);
/* What is left in this window, over the cap and those above it; <= 0: nothing. INT64_MAX: no
   bound. */
int64_t kp_sched_cap_left(kp_sched_cap_t *cap, kp_time_t now);

static inline kp_time_t kp_sched_cap_window_end(kp_time_t now)
{
    return now - now % KP_SCHED_CAP_WINDOW + KP_SCHED_CAP_WINDOW;
}

#endif
