#include "kernel/sched/cap.h"

enum { PERCENT_MAX = 400 };

void kp_sched_cap_set(kp_sched_cap_t *cap, uint32_t percent)
{
    percent = KP_MIN(percent, (uint32_t)PERCENT_MAX);
    atomic_store_explicit(&cap->window_limit,
                          percent ? (uint32_t)(KP_SCHED_CAP_WINDOW / 100 * percent) : UINT32_MAX,
                          memory_order_relaxed);
}

void kp_sched_cap_init(kp_sched_cap_t *cap, kp_sched_cap_t *parent, uint32_t percent)
{
    cap->parent = parent;
    atomic_init(&cap->used, 0);
    kp_sched_cap_set(cap, percent);
}

/* What was used counts for the window of `now`: every full window since then has paid for `limit`. */
static uint64_t carried(uint64_t used, uint32_t window, uint32_t limit)
{
    uint32_t passed = window - (uint32_t)(used >> 32);
    uint64_t ns = (uint32_t)used;
    if ((int32_t)passed <= 0)
        return ns; /* another CPU is a window ahead */
    uint64_t paid = (uint64_t)passed * limit;
    return ns > paid ? ns - paid : 0;
}

static uint32_t window_of(kp_time_t now)
{
    return (uint32_t)(now / KP_SCHED_CAP_WINDOW);
}

void kp_sched_cap_charge(kp_sched_cap_t *cap, kp_time_t now, int64_t ns)
{
    for (; cap; cap = cap->parent) {
        uint32_t limit = atomic_load_explicit(&cap->window_limit, memory_order_relaxed);
        if (limit == UINT32_MAX)
            continue;
        uint64_t old = atomic_load_explicit(&cap->used, memory_order_relaxed), next;
        do {
            uint32_t window = window_of(now), last = (uint32_t)(old >> 32);
            if ((int32_t)(window - last) < 0)
                window = last;
            uint64_t sum = carried(old, window, limit) + (uint64_t)ns;
            next = (uint64_t)window << 32 | KP_MIN(sum, (uint64_t)UINT32_MAX);
        } while (!atomic_compare_exchange_weak_explicit(
            &cap->used, &old, next, memory_order_relaxed, memory_order_relaxed));
    }
}

int64_t kp_sched_cap_left(kp_sched_cap_t *cap, kp_time_t now)
{
    int64_t least = INT64_MAX;
    for (; cap; cap = cap->parent) {
        uint32_t limit = atomic_load_explicit(&cap->window_limit, memory_order_relaxed);
        if (limit == UINT32_MAX)
            continue;
        uint64_t used = atomic_load_explicit(&cap->used, memory_order_relaxed);
        int64_t left = (int64_t)limit - (int64_t)carried(used, window_of(now), limit);
        least = KP_MIN(least, left);
    }
    return least;
}
