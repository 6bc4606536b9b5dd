#include "kernel/sched/queue.h"

#include "kernel/sched/hand_off.h"

enum { WEIGHT_USUAL = 100, WEIGHT_MAX = 1000, SHARE_ONE = 1024 };

#define SLICE_MAX (10 * KP_NS_PER_MS)
#define SLICE_MIN (2 * KP_NS_PER_MS)
#define LATENCY (20 * KP_NS_PER_MS)
/* How far ahead of the running one a thread that wakes must be to interrupt it. */
#define GRANULARITY (1 * KP_NS_PER_MS)
#define PERIOD_MIN (1 * KP_NS_PER_MS)
#define BUDGET_MIN (100 * 1000)

/* ---- Ranks and heaps ---- */

static uint8_t rank_of(const kp_sched_entity_t *e)
{
    uint8_t own = e->band == KP_BAND_DEADLINE && e->exhausted ? KP_BAND_FOREGROUND : e->band;
    return KP_MAX(own, e->floor);
}

static void ready_add(kp_sched_queue_t *q, kp_sched_entity_t *e)
{
    e->state = KP_SCHED_READY;
    e->rank = rank_of(e);
    q->count++;
    q->counts[e->rank]++;
    q->occupied |= 1u << e->rank;
    kp_heap_add(&q->ready[e->rank], &e->ready,
                e->rank == KP_BAND_DEADLINE ? e->deadline : e->vtime);
}

static void ready_remove(kp_sched_queue_t *q, kp_sched_entity_t *e)
{
    kp_heap_remove(&q->ready[e->rank], &e->ready);
    q->count--;
    if (--q->counts[e->rank] == 0)
        q->occupied &= ~(1u << e->rank);
}

static void release_arm(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t at)
{
    if (e->release_armed)
        kp_heap_remove(&q->releases, &e->release);
    e->release_armed = true;
    kp_heap_add(&q->releases, &e->release, at);
}

static void release_disarm(kp_sched_queue_t *q, kp_sched_entity_t *e)
{
    if (!e->release_armed)
        return;
    e->release_armed = false;
    kp_heap_remove(&q->releases, &e->release);
}

static kp_sched_entity_t *first_of(const kp_heap_t *heap)
{
    kp_heap_node_t *node = kp_heap_first(heap);
    return node ? KP_CONTAINER_OF(node, kp_sched_entity_t, ready) : NULL;
}

/* ---- Virtual time ---- */

/* Which clock a rank's virtual time is on. The deadline class has none of its own: its threads share
   with the front when their budget is used up, and remember what they had of that. */
static uint8_t clock_of(uint8_t rank)
{
    return rank == KP_BAND_DEADLINE ? KP_BAND_FOREGROUND : rank;
}

/* The rank's clock follows the least virtual time of those that run or wait in it. */
static void clock_advance(kp_sched_queue_t *q, const kp_sched_entity_t *running)
{
    int64_t least = running->vtime;
    const kp_sched_entity_t *first = first_of(&q->ready[running->rank]);
    if (first)
        least = KP_MIN(least, first->vtime);
    q->clock[running->rank] = KP_MAX(q->clock[running->rank], least);
}

/* e has left the queue (or another one): its virtual time on this queue's clock. */
static void vtime_place(const kp_sched_queue_t *q, kp_sched_entity_t *e, uint8_t rank,
                        kp_time_t now)
{
    int64_t clock = q->clock[clock_of(rank)];
    if (e->queue != q || clock_of(e->rank) != clock_of(rank)) {
        /* Elsewhere the clock differs: keep the distance to it. Sleep pays back what it was ahead. */
        int64_t lag = e->queue ? e->vtime - e->reference : 0;
        if (lag > 0)
            lag = KP_MAX(lag - (now - e->left), 0);
        e->vtime = clock + lag;
        e->queue = q;
    }
    e->vtime = KP_MAX(e->vtime, clock - KP_SCHED_CREDIT);
}

static void leave(const kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    e->reference = q->clock[clock_of(e->rank)];
    e->left = now;
    e->state = KP_SCHED_OUT;
}

/* What else than virtual time ns cost e. */
static void pay(kp_sched_entity_t *e, int64_t ns, kp_time_t now)
{
    if (e->band == KP_BAND_DEADLINE)
        e->remaining -= ns;
    if (e->cap)
        kp_sched_cap_charge(e->cap, now, ns);
}

void kp_sched_charge(kp_sched_queue_t *q, kp_time_t now)
{
    kp_sched_entity_t *e = q->current;
    int64_t ns = now - q->charged;
    if (!e || ns <= 0)
        return;
    q->charged = now;
    e->used += ns;
    /* Also when it works for a donor: a long answer must not keep others of the rank waiting. */
    if (e->rank != KP_BAND_DEADLINE) {
        e->vtime += kp_sched_weighted(e, ns);
        clock_advance(q, e);
    }
    if (e->donor)
        e->debt += ns;
    else if (e->cap || e->band == KP_BAND_DEADLINE)
        pay(e, ns, now);
}

/* ---- Deadlines ---- */

static void renew(kp_sched_entity_t *e, kp_time_t now)
{
    e->exhausted = false;
    e->deadline = now + e->period;
    e->remaining = e->budget;
}

/* A deadline thread wakes: what is left of its budget is good until its deadline only if it does not
   exceed its share of the time until then. */
static void deadline_wake(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    if (now >= e->deadline ||
        (e->remaining > 0 && e->remaining / 1000 * (e->period / 1000) >
                                 (e->deadline - now) / 1000 * (e->budget / 1000)))
        renew(e, now);
    e->exhausted = e->remaining <= 0;
    if (e->exhausted)
        release_arm(q, e, e->deadline);
}

/* ---- Entities ---- */

void kp_sched_entity_init(kp_sched_entity_t *e, uint8_t rank)
{
    memset(e, 0, sizeof(*e));
    e->band = e->rank = rank;
    e->inverse_weight = 1u << KP_SCHED_FRACTION_BITS;
}

uint32_t kp_sched_share(const kp_job_policy_t *policy)
{
    if (policy->band != KP_BAND_DEADLINE)
        return 0;
    uint64_t period = KP_MAX(policy->period_ns, (uint64_t)PERIOD_MIN);
    uint64_t budget = KP_MIN(policy->budget_ns, period / 2);
    return (uint32_t)(KP_MAX(budget, (uint64_t)BUDGET_MIN) / 1000 * SHARE_ONE / (period / 1000) +
                      1);
}

/* Before e's rank changes: what it has used is charged, and it leaves the heap of its rank. True: it was in that. */
static bool set_aside(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    if (e == q->current)
        kp_sched_charge(q, now);
    if (e->state != KP_SCHED_READY)
        return false;
    ready_remove(q, e);
    leave(q, e, now);
    return true;
}

void kp_sched_set_policy(kp_sched_queue_t *q, kp_sched_entity_t *e, const kp_job_policy_t *policy,
                         kp_time_t now)
{
    bool queued = set_aside(q, e, now);
    uint32_t weight = policy->weight ? KP_MIN(policy->weight, (uint32_t)WEIGHT_MAX) : WEIGHT_USUAL;
    e->inverse_weight = (WEIGHT_USUAL << KP_SCHED_FRACTION_BITS) / weight;
    bool was_deadline = e->band == KP_BAND_DEADLINE;
    kp_time_t period = (kp_time_t)KP_MIN(policy->period_ns, (uint64_t)(10 * KP_NS_PER_S));
    kp_time_t budget = (kp_time_t)KP_MIN(policy->budget_ns, (uint64_t)(10 * KP_NS_PER_S));
    period = KP_MAX(period, PERIOD_MIN);
    budget = KP_MAX(KP_MIN(budget, period / 2), (kp_time_t)BUDGET_MIN);
    e->band = (uint8_t)KP_MIN(policy->band, (uint32_t)KP_BAND_DEADLINE);
    bool renewed = !was_deadline || e->period != period || e->budget != budget;
    e->period = period;
    e->budget = budget;
    if (was_deadline && (e->band != KP_BAND_DEADLINE || renewed) && e->state != KP_SCHED_THROTTLED)
        release_disarm(q, e);
    if (e->band == KP_BAND_DEADLINE && renewed)
        renew(e, now);
    uint8_t rank = rank_of(e);
    if (queued || e == q->current) {
        if (e == q->current && rank != e->rank)
            e->reference = q->clock[clock_of(e->rank)];
        vtime_place(q, e, rank, now);
    }
    if (queued)
        ready_add(q, e);
    else if (e == q->current)
        e->rank = rank;
}

static bool is_before(const kp_sched_queue_t *q, const kp_sched_entity_t *e)
{
    const kp_sched_entity_t *current = q->current;
    if (!current || e->rank != current->rank)
        return !current || e->rank > current->rank;
    if (e->rank == KP_BAND_DEADLINE)
        return e->deadline < current->deadline;
    return e->vtime + GRANULARITY < current->vtime;
}

/* e could run: into the heap of its rank, or to those that wait for their cap. */
static bool enqueue(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    if (e->cap && e->band != KP_SCHED_KERNEL && kp_sched_cap_left(e->cap, now) <= 0) {
        e->state = KP_SCHED_THROTTLED;
        release_arm(q, e, kp_sched_cap_window_end(now));
        return false;
    }
    ready_add(q, e);
    return true;
}

bool kp_sched_wake(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    if (e->band == KP_BAND_DEADLINE)
        deadline_wake(q, e, now);
    vtime_place(q, e, rank_of(e), now);
    if (!enqueue(q, e, now))
        return false;
    if (q->current && q->current->rank == e->rank)
        kp_sched_charge(q, now);
    return is_before(q, e);
}

/* The current one stops working for its donor without an answer: it pays itself. */
static void donation_end(kp_sched_entity_t *e, kp_time_t now)
{
    if (!e->donor)
        return;
    pay(e, e->debt, now);
    e->donor = NULL;
    e->debt = 0;
    e->floor = 0;
}

/* What its cap leaves e, if nobody pays for what it has done for its donor: one that never answers shall not escape
   its cap by that. Only of one that has a cap. */
static int64_t cap_left(const kp_sched_entity_t *e, kp_time_t now)
{
    int64_t left = kp_sched_cap_left(e->cap, now);
    return left == INT64_MAX || !e->donor ? left : left - e->debt;
}

void kp_sched_block(kp_sched_queue_t *q, kp_time_t now)
{
    kp_sched_entity_t *e = q->current;
    kp_sched_charge(q, now);
    if (!e->keeps_donor)
        donation_end(e, now);
    release_disarm(q, e);
    leave(q, e, now);
    q->current = NULL;
}

void kp_sched_put(kp_sched_queue_t *q, kp_time_t now)
{
    kp_sched_entity_t *e = q->current;
    kp_sched_charge(q, now);
    q->current = NULL;
    if (e->donor && e->cap && cap_left(e, now) <= 0)
        donation_end(e, now);
    if (e->band == KP_BAND_DEADLINE && e->remaining <= 0 && !e->exhausted) {
        e->exhausted = true;
        release_arm(q, e, KP_MAX(e->deadline, now + 1));
    }
    if (rank_of(e) != e->rank) {
        leave(q, e, now);
        vtime_place(q, e, rank_of(e), now);
    }
    enqueue(q, e, now);
}

kp_sched_entity_t *kp_sched_pick(kp_sched_queue_t *q, kp_time_t now)
{
    kp_sched_entity_t *e = NULL;
    if (q->occupied) {
        unsigned rank = 31 - (unsigned)__builtin_clz(q->occupied);
        e = first_of(&q->ready[rank]);
        ready_remove(q, e);
        e->state = KP_SCHED_RUNNING;
        kp_time_t slice = LATENCY / (q->counts[rank] + 1);
        q->slice_end = now + KP_MIN(KP_MAX(slice, SLICE_MIN), SLICE_MAX);
    }
    q->current = e;
    q->charged = now;
    return e;
}

/* ---- The timer ---- */

static void release_one(kp_sched_queue_t *q, kp_sched_entity_t *e, kp_time_t now)
{
    if (e->state == KP_SCHED_THROTTLED) {
        if (e->band == KP_BAND_DEADLINE)
            deadline_wake(q, e, now);
        vtime_place(q, e, rank_of(e), now);
        enqueue(q, e, now);
        return;
    }
    /* The budget of the next period. */
    bool queued = e->state == KP_SCHED_READY;
    if (queued)
        ready_remove(q, e);
    e->reference = q->clock[clock_of(e->rank)];
    renew(e, now);
    if (queued)
        ready_add(q, e);
    else
        e->rank = rank_of(e);
}

bool kp_sched_tick(kp_sched_queue_t *q, kp_time_t now)
{
    kp_sched_charge(q, now);
    for (kp_heap_node_t *node; (node = kp_heap_first(&q->releases)) && node->key <= now;) {
        kp_sched_entity_t *e = KP_CONTAINER_OF(node, kp_sched_entity_t, release);
        release_disarm(q, e);
        release_one(q, e, now);
    }
    const kp_sched_entity_t *current = q->current;
    if (!current)
        return q->occupied != 0;
    if (q->occupied >> (current->rank + 1))
        return true;
    if (current->cap && current->band != KP_SCHED_KERNEL && cap_left(current, now) <= 0)
        return true;
    if (current->band == KP_BAND_DEADLINE && current->remaining <= 0 && !current->exhausted)
        return true;
    const kp_sched_entity_t *first = first_of(&q->ready[current->rank]);
    if (!first)
        return false;
    return current->rank == KP_BAND_DEADLINE ? is_before(q, first) : now >= q->slice_end;
}

kp_time_t kp_sched_next(const kp_sched_queue_t *q, kp_time_t now)
{
    const kp_heap_node_t *node = kp_heap_first(&q->releases);
    kp_time_t next = node ? node->key : KP_TIME_INFINITE;
    const kp_sched_entity_t *e = q->current;
    if (!e)
        return next;
    if (q->counts[e->rank] && e->rank != KP_BAND_DEADLINE)
        next = KP_MIN(next, q->slice_end);
    if (e->cap && e->band != KP_SCHED_KERNEL) {
        int64_t left = cap_left(e, now);
        if (left != INT64_MAX)
            next = KP_MIN(next, now + KP_MAX(left, 0));
    }
    if (e->band == KP_BAND_DEADLINE && !e->exhausted && !e->donor)
        next = KP_MIN(next, now + KP_MAX(e->remaining, 0));
    return next;
}

/* ---- Hand-off ---- */

static uint8_t lent_rank(const kp_sched_entity_t *from)
{
    return KP_MIN(from->rank, (uint8_t)KP_BAND_SYSTEM);
}

bool kp_sched_may_hand_off(const kp_sched_queue_t *q, const kp_sched_entity_t *to, kp_time_t now)
{
    uint8_t rank = KP_MAX(rank_of(to), lent_rank(q->current));
    return !(q->occupied >> (rank + 1)) && (!to->cap || kp_sched_cap_left(to->cap, now) > 0);
}

/* The answer: who asked pays. It may itself be working for somebody. */
static void donation_settle(kp_sched_entity_t *from, kp_sched_entity_t *to, kp_time_t now)
{
    from->vtime -= kp_sched_weighted(from, from->debt);
    to->vtime += kp_sched_weighted(to, from->debt);
    if (to->donor)
        to->debt += from->debt;
    else
        pay(to, from->debt, now);
    from->debt = 0;
    from->donor = NULL;
    from->floor = 0;
}

void kp_sched_hand_off(kp_sched_queue_t *q, kp_sched_entity_t *to, kp_time_t now)
{
    kp_sched_entity_t *from = q->current;
    if (kp_sched_hand_off_usual(q, to, now))
        return;
    kp_sched_charge(q, now);
    uint8_t lent = lent_rank(from);
    if (from->donor == to) {
        donation_settle(from, to, now);
    } else if (!to->donor) {
        to->donor = from;
        to->debt = 0;
        to->floor = lent;
    }
    if (from->release_armed)
        release_disarm(q, from);
    leave(q, from, now);
    if (to->band == KP_BAND_DEADLINE)
        deadline_wake(q, to, now);
    uint8_t rank = rank_of(to);
    vtime_place(q, to, rank, now);
    to->rank = rank;
    to->state = KP_SCHED_RUNNING;
    q->current = to;
}

bool kp_sched_lend(kp_sched_queue_t *q, kp_sched_entity_t *e, const kp_sched_entity_t *donor,
                   uint8_t lent, kp_time_t now)
{
    lent = KP_MIN(lent, (uint8_t)KP_BAND_SYSTEM);
    if (lent <= e->band || e->donor || donor->donor == e)
        return false;
    bool queued = set_aside(q, e, now);
    e->donor = donor;
    e->debt = 0;
    e->floor = lent;
    uint8_t rank = rank_of(e);
    if (e == q->current)
        e->reference = q->clock[clock_of(e->rank)];
    if (queued || e == q->current)
        vtime_place(q, e, rank, now);
    if (queued)
        ready_add(q, e);
    else if (e == q->current)
        e->rank = rank;
    return queued;
}

/* ---- Several CPUs ---- */

kp_sched_entity_t *kp_sched_steal(kp_sched_queue_t *q, int above, kp_time_t now)
{
    for (int rank = KP_SCHED_RANKS - 1; rank > above; rank--) {
        kp_sched_entity_t *e = first_of(&q->ready[rank]);
        if (!e || e->band == KP_BAND_DEADLINE)
            continue;
        ready_remove(q, e);
        leave(q, e, now);
        return e;
    }
    return NULL;
}

unsigned kp_sched_place(const kp_sched_view_t *view, unsigned previous, uint8_t rank)
{
    uint32_t idle = atomic_load_explicit(&view->idle, memory_order_relaxed);
    if (idle >> previous & 1)
        return previous;
    if (idle)
        return (unsigned)__builtin_ctz(idle);
    unsigned best = previous;
    uint8_t lowest = atomic_load_explicit(&view->rank[previous], memory_order_relaxed);
    if (rank + 1 > lowest)
        return previous;
    uint32_t load = atomic_load_explicit(&view->load[previous], memory_order_relaxed);
    for (unsigned i = 0; i < view->count; i++) {
        uint8_t running = atomic_load_explicit(&view->rank[i], memory_order_relaxed);
        uint32_t others = atomic_load_explicit(&view->load[i], memory_order_relaxed);
        if (running < lowest || (running == lowest && others + 1 < load)) {
            lowest = running;
            load = others;
            best = i;
        }
    }
    return best;
}

int kp_sched_busiest(const kp_sched_view_t *view, unsigned self, uint32_t difference)
{
    uint32_t most = atomic_load_explicit(&view->load[self], memory_order_relaxed) + difference;
    int best = -1;
    for (unsigned i = 0; i < view->count; i++) {
        uint32_t load = atomic_load_explicit(&view->load[i], memory_order_relaxed);
        if (i != self && load >= most) {
            most = load + 1;
            best = (int)i;
        }
    }
    return best;
}
