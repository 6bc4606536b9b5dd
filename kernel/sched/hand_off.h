/* The hand-off of kernel/sched/queue.h for the usual case, inlined into the machine's switch: every
   instruction here is paid twice by every call between processes. */
#ifndef KP_SCHED_HAND_OFF_H
#define KP_SCHED_HAND_OFF_H

#include "kernel/sched/queue.h"

enum { KP_SCHED_FRACTION_BITS = 16 }; /* of inverse_weight */
/* Credit of a sleeper. */
#define KP_SCHED_CREDIT (6 * KP_NS_PER_MS)

static inline int64_t kp_sched_weighted(const kp_sched_entity_t *entity, int64_t ns)
{
    return ns * entity->inverse_weight >> KP_SCHED_FRACTION_BITS;
}

/* As kp_sched_may_hand_off and kp_sched_hand_off. False: nothing has happened, the case is not usual:
   something else is ready in the ranks concerned, one of the two has a cap or is of the deadline class,
   or `to` was last elsewhere. */
static inline __attribute__((always_inline)) bool
kp_sched_hand_off_usual(kp_sched_queue_t *queue, kp_sched_entity_t *to, kp_time_t now)
{
    kp_sched_entity_t *from = queue->current;
    uint8_t rank = from->rank;
    bool is_answer = from->donor == to;
    if (((uintptr_t)from->cap | (uintptr_t)to->cap | (uintptr_t)(queue->occupied >> rank)) != 0 ||
        (from->band == KP_BAND_DEADLINE) | (to->band == KP_BAND_DEADLINE) | (to->queue != queue))
        return false;
    /* to's rank without the search for the greatest of band and floor: they must be simple. */
    uint8_t lent = KP_MIN(rank, (uint8_t)KP_BAND_SYSTEM);
    if (!is_answer && !to->donor)
        to->floor = lent;
    uint8_t to_rank = KP_MAX(to->band, to->floor);
    int64_t ns = now - queue->charged; /* below zero by as much as two CPUs' clocks differ */
    if (to_rank != to->rank) {
        if (!is_answer && !to->donor)
            to->floor = 0;
        return false;
    }
    queue->charged = now;
    from->used += ns;
    from->vtime += kp_sched_weighted(from, ns);
    /* Nobody waits in the rank: its clock is the virtual time of who runs. */
    if (from->vtime > queue->clock[rank])
        queue->clock[rank] = from->vtime;
    if (from->donor)
        from->debt += ns;
    if (is_answer) {
        int64_t debt = from->debt;
        from->vtime -= kp_sched_weighted(from, debt);
        to->vtime += kp_sched_weighted(to, debt);
        if (to->donor)
            to->debt += debt;
        from->debt = 0;
        from->donor = NULL;
        from->floor = 0;
    } else if (!to->donor) {
        to->donor = from;
        to->debt = 0;
    }
    from->reference = queue->clock[rank];
    from->left = now;
    from->state = KP_SCHED_OUT;
    int64_t least = queue->clock[to_rank] - KP_SCHED_CREDIT;
    if (to->vtime < least)
        to->vtime = least;
    to->state = KP_SCHED_RUNNING;
    queue->current = to;
    return true;
}

#endif
