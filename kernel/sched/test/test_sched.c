/* The run queue's policy with simulated time: one CPU, threads that compute, sleep, call each other. */
#include <stdlib.h>

#include "kernel/sched/queue.h"
#include "tests/kp_test.h"

#define MS KP_NS_PER_MS
#define S KP_NS_PER_S

enum { ENTITIES = 16 };

void kp_panic(const char *format, ...)
{
    puts(format);
    abort();
}

/* A thread: computes `work`, sleeps until its next start (period after the last), again and again.
   work 0: computes for ever. */
typedef struct actor {
    kp_sched_entity_t entity;
    kp_time_t work, period, next_wake, left;
    unsigned late, jobs;
    kp_time_t worst; /* longest time from its wake to the end of its work */
} actor_t;

typedef struct sim {
    kp_sched_queue_t queue;
    actor_t actors[ENTITIES];
    unsigned count;
    kp_time_t now;
    unsigned interrupts, switches;
    kp_sched_entity_t *last;
} sim_t;

static sim_t sim;

static actor_t *actor(uint8_t rank, kp_time_t work, kp_time_t period)
{
    actor_t *a = &sim.actors[sim.count++];
    memset(a, 0, sizeof(*a));
    kp_sched_entity_init(&a->entity, rank);
    a->work = work;
    a->period = period;
    a->next_wake = sim.now;
    return a;
}

static void policy(actor_t *a, uint32_t band, uint32_t weight, kp_time_t period, kp_time_t budget)
{
    kp_job_policy_t p = {.band = band,
                         .weight = weight,
                         .period_ns = (uint64_t)period,
                         .budget_ns = (uint64_t)budget};
    kp_sched_set_policy(&sim.queue, &a->entity, &p, sim.now);
}

static void reset(void)
{
    memset(&sim, 0, sizeof(sim));
    sim.now = 12345;
}

static void pick(void)
{
    kp_sched_entity_t *e = kp_sched_pick(&sim.queue, sim.now);
    sim.switches += e != sim.last;
    sim.last = e;
}

static void wake_due(void)
{
    bool preempt = false;
    for (unsigned i = 0; i < sim.count; i++) {
        actor_t *a = &sim.actors[i];
        if (a->entity.state != KP_SCHED_OUT || a->next_wake > sim.now)
            continue;
        a->left = a->work;
        preempt = kp_sched_wake(&sim.queue, &a->entity, sim.now) || preempt;
    }
    if (preempt) {
        if (sim.queue.current)
            kp_sched_put(&sim.queue, sim.now);
        pick();
    }
}

/* The current one has done its work: sleeps until its next period. */
static void finish(actor_t *a)
{
    kp_time_t took = sim.now - a->next_wake;
    a->jobs++;
    a->worst = KP_MAX(a->worst, took);
    a->late += took > a->period;
    a->next_wake = KP_MAX(a->next_wake + a->period, sim.now);
    kp_sched_block(&sim.queue, sim.now);
    pick();
}

static void run(kp_time_t duration)
{
    kp_time_t end = sim.now + duration;
    while (sim.now < end) {
        wake_due();
        kp_time_t next = KP_MIN(end, kp_sched_next(&sim.queue, sim.now));
        kp_time_t timer = next;
        for (unsigned i = 0; i < sim.count; i++)
            if (sim.actors[i].entity.state == KP_SCHED_OUT)
                next = KP_MIN(next, sim.actors[i].next_wake);
        actor_t *a = NULL;
        if (sim.queue.current) {
            a = KP_CONTAINER_OF(sim.queue.current, actor_t, entity);
            if (a->work)
                next = KP_MIN(next, sim.now + a->left);
        }
        kp_time_t step = KP_MAX(next - sim.now, 1);
        sim.now += step;
        if (a && a->work) {
            a->left -= step;
            if (a->left <= 0) {
                finish(a);
                continue;
            }
        }
        if (sim.now >= timer && sim.now < end) {
            sim.interrupts++;
            if (kp_sched_tick(&sim.queue, sim.now)) {
                if (sim.queue.current)
                    kp_sched_put(&sim.queue, sim.now);
                pick();
            }
        }
    }
    kp_sched_charge(&sim.queue, sim.now);
}

static void expect_share(const actor_t *a, kp_time_t of, double share)
{
    double actual = (double)a->entity.used / (double)of;
    if (actual < share * 0.95 || actual > share * 1.05)
        KP_FAIL("share %.4f, expected %.4f", actual, share);
}

KP_TEST(heap_agrees_with_a_plain_search)
{
    enum { NODES = 200 };
    static kp_heap_node_t nodes[NODES];
    static bool in[NODES];
    kp_heap_t heap = {NULL};
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)rand() % NODES;
        if (in[i])
            kp_heap_remove(&heap, &nodes[i]);
        else
            kp_heap_add(&heap, &nodes[i], rand() % 500 - 250);
        in[i] = !in[i];
        int64_t least = INT64_MAX;
        for (unsigned k = 0; k < NODES; k++)
            if (in[k])
                least = KP_MIN(least, nodes[k].key);
        kp_heap_node_t *first = kp_heap_first(&heap);
        KP_REQUIRE((first ? first->key : INT64_MAX) == least);
    }
}

KP_TEST(fair_by_weight)
{
    static const uint32_t weights[] = {100, 100, 200, 50, 400};
    actor_t *actors[5];
    reset();
    for (unsigned i = 0; i < 5; i++) {
        actors[i] = actor(KP_BAND_NORMAL, 0, 0);
        policy(actors[i], KP_BAND_NORMAL, weights[i], 0, 0);
    }
    run(20 * S);
    for (unsigned i = 0; i < 5; i++)
        expect_share(actors[i], 20 * S, weights[i] / 850.0);
    /* Slices of 4 ms and more: no storm of interrupts. */
    KP_EXPECT(sim.interrupts < 20 * 1000 / 2);
}

KP_TEST(a_late_comer_gets_its_share_only_from_now_on)
{
    reset();
    actor_t *first = actor(KP_BAND_NORMAL, 0, 0);
    run(10 * S);
    actor_t *second = actor(KP_BAND_NORMAL, 0, 0);
    int64_t before = first->entity.used;
    run(10 * S);
    expect_share(second, 10 * S, 0.5);
    KP_EXPECT(first->entity.used - before > 4 * S);
}

KP_TEST(sleepers_answer_soon_and_hogs_go_on)
{
    reset();
    actor_t *hogs[4], *editor = NULL;
    for (unsigned i = 0; i < 4; i++)
        hogs[i] = actor(KP_BAND_NORMAL, 0, 0);
    editor = actor(KP_BAND_NORMAL, 1 * MS, 50 * MS); /* 2 %: less than its fair fifth */
    run(1 * S);                                      /* all began at once */
    editor->worst = 0;
    run(19 * S);
    KP_EXPECT(editor->jobs >= 20 * 20 - 1);
    KP_EXPECT_INT(editor->late, 0);
    KP_EXPECT(editor->worst <= 3 * MS);
    for (unsigned i = 0; i < 4; i++)
        expect_share(hogs[i], 20 * S, 0.98 / 4);
}

/* Sleeping must not be a way to more than a fair share. */
KP_TEST(sleeping_saves_nothing_up)
{
    reset();
    actor_t *hog = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *sly = actor(KP_BAND_NORMAL, 100 * MS, 101 * MS); /* sleeps 1 ms now and then */
    run(20 * S);
    KP_EXPECT(hog->entity.used > 9 * S);
    KP_EXPECT(sly->entity.used > 9 * S);
}

KP_TEST(higher_ranks_first)
{
    reset();
    actor_t *low = actor(KP_BAND_BACKGROUND, 0, 0);
    actor_t *middle = actor(KP_BAND_NORMAL, 5 * MS, 10 * MS);
    actor_t *kernel = actor(KP_SCHED_KERNEL, 1 * MS, 10 * MS);
    actor_t *front = actor(KP_BAND_FOREGROUND, 2 * MS, 10 * MS);
    run(10 * S);
    KP_EXPECT_INT(kernel->worst, 1 * MS);
    KP_EXPECT(front->worst <= 3 * MS);
    KP_EXPECT(middle->worst <= 8 * MS);
    expect_share(low, 10 * S, 0.2);
    /* A front that never sleeps takes all but the kernel's work. */
    actor_t *hog = actor(KP_BAND_FOREGROUND, 0, 0);
    int64_t before = low->entity.used;
    unsigned jobs = kernel->jobs;
    run(1 * S);
    KP_EXPECT(low->entity.used - before <= 10 * MS);
    KP_EXPECT(hog->entity.used > S / 2);
    KP_EXPECT(kernel->jobs - jobs >= 99);
}

KP_TEST(caps_hold)
{
    kp_sched_cap_t outer, inner, single;
    kp_sched_cap_init(&outer, NULL, 30);
    kp_sched_cap_init(&inner, &outer, 10);
    kp_sched_cap_init(&single, NULL, 5);
    reset();
    actor_t *a = actor(KP_BAND_BACKGROUND, 0, 0), *b = actor(KP_BAND_BACKGROUND, 0, 0);
    actor_t *c = actor(KP_BAND_BACKGROUND, 0, 0), *d = actor(KP_BAND_BACKGROUND, 0, 0);
    a->entity.cap = &inner;
    b->entity.cap = &inner;
    c->entity.cap = &outer;
    d->entity.cap = &single;
    run(20 * S);
    expect_share(d, 20 * S, 0.05);
    KP_EXPECT(a->entity.used + b->entity.used <= 20 * S / 10 * 105 / 100);
    KP_EXPECT(a->entity.used > S / 2 && b->entity.used > S / 2);
    int64_t all = a->entity.used + b->entity.used + c->entity.used;
    KP_EXPECT(all > 20 * S * 30 / 100 * 95 / 100 && all < 20 * S * 30 / 100 * 105 / 100);
    /* The CPU was idle for the rest: interrupts come only with the windows. */
    KP_EXPECT(sim.interrupts < 20 * 10 * 12);
    /* Without the cap it takes what it can. */
    kp_sched_cap_set(&single, 0);
    int64_t before = d->entity.used;
    run(10 * S);
    KP_EXPECT(d->entity.used - before > 6 * S);
}

KP_TEST(idle_needs_no_timer)
{
    reset();
    actor_t *a = actor(KP_BAND_NORMAL, 1 * MS, S);
    KP_EXPECT_INT(kp_sched_next(&sim.queue, sim.now), KP_TIME_INFINITE);
    run(10 * S);
    KP_EXPECT(a->jobs >= 9);
    KP_EXPECT_INT(sim.interrupts, 0);
    /* One that computes alone is not interrupted either. */
    actor(KP_BAND_NORMAL, 0, 0);
    run(500 * MS);
    KP_EXPECT_INT(sim.interrupts, 0);
}

KP_TEST(deadlines_are_met)
{
    static const kp_time_t periods[] = {16 * MS, 10 * MS, 50 * MS};
    static const kp_time_t budgets[] = {4 * MS, 2 * MS, 15 * MS}; /* 25 + 20 + 30 % */
    actor_t *actors[3];
    uint32_t shares = 0;
    reset();
    for (unsigned i = 0; i < 3; i++) {
        kp_job_policy_t p = {.band = KP_BAND_DEADLINE,
                             .period_ns = (uint64_t)periods[i],
                             .budget_ns = (uint64_t)budgets[i]};
        shares += kp_sched_share(&p);
        actors[i] = actor(KP_BAND_NORMAL, budgets[i] - 1000, periods[i]);
        policy(actors[i], KP_BAND_DEADLINE, 100, periods[i], budgets[i]);
    }
    KP_EXPECT(shares <= KP_SCHED_SHARE_MAX);
    for (unsigned i = 0; i < 4; i++)
        actor(KP_BAND_SYSTEM, 0, 0);
    actor(KP_BAND_FOREGROUND, 3 * MS, 7 * MS);
    run(20 * S);
    for (unsigned i = 0; i < 3; i++) {
        KP_EXPECT_INT(actors[i]->late, 0);
        KP_EXPECT(actors[i]->jobs >= (unsigned)(20 * S / periods[i]) - 1);
    }
}

/* One that wants more than its budget harms none of the others and still goes on, beside the front. */
KP_TEST(an_overrun_is_contained)
{
    reset();
    actor_t *good = actor(KP_BAND_NORMAL, 4 * MS - 1000, 20 * MS);
    actor_t *greedy = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *front = actor(KP_BAND_FOREGROUND, 0, 0);
    actor_t *normal = actor(KP_BAND_NORMAL, 0, 0);
    policy(good, KP_BAND_DEADLINE, 100, 20 * MS, 4 * MS);
    policy(greedy, KP_BAND_DEADLINE, 100, 10 * MS, 2 * MS);
    run(10 * S);
    KP_EXPECT_INT(good->late, 0);
    /* 20 % by budget, and half of the 60 % that are left. */
    expect_share(greedy, 10 * S, 0.5);
    expect_share(front, 10 * S, 0.3);
    KP_EXPECT(normal->entity.used < 50 * MS);
}

/* Back from the deadline class: an ordinary thread again. */
KP_TEST(policy_changes_in_every_state)
{
    reset();
    actor_t *a = actor(KP_BAND_NORMAL, 0, 0), *b = actor(KP_BAND_NORMAL, 3 * MS, 7 * MS);
    actor_t *c = actor(KP_BAND_NORMAL, 0, 0);
    srand(2);
    for (unsigned i = 0; i < 3000; i++) {
        actor_t *any = &sim.actors[rand() % 3];
        policy(any, (uint32_t)rand() % KP_BANDS, (uint32_t)rand() % 1200, rand() % 30 * MS,
               rand() % 20 * MS);
        run(rand() % 5000 * 1000);
    }
    for (unsigned i = 0; i < 3; i++)
        policy(&sim.actors[i], KP_BAND_NORMAL, 100, 0, 0);
    run(200 * MS);
    int64_t used[2] = {a->entity.used, c->entity.used};
    run(10 * S);
    KP_EXPECT(b->jobs > 100);
    double ratio = (double)(a->entity.used - used[0]) / (double)(c->entity.used - used[1]);
    KP_EXPECT(ratio > 0.95 && ratio < 1.05);
}

/* A client calls a server of a lower band while somebody between them computes. */
KP_TEST(donation)
{
    reset();
    actor_t *client = actor(KP_BAND_FOREGROUND, 0, 0);
    actor_t *server = actor(KP_BAND_BACKGROUND, 0, 0);
    actor_t *hog = actor(KP_BAND_NORMAL, 0, 0);
    server->next_wake = KP_TIME_INFINITE;
    wake_due();
    KP_REQUIRE(sim.queue.current == &client->entity);
    kp_time_t slice = sim.queue.slice_end;
    sim.now += 100;
    KP_REQUIRE(kp_sched_may_hand_off(&sim.queue, &server->entity, sim.now));
    client->next_wake = KP_TIME_INFINITE;
    kp_sched_hand_off(&sim.queue, &server->entity, sim.now);
    KP_EXPECT(sim.queue.current == &server->entity);
    KP_EXPECT_INT(sim.queue.slice_end, slice);
    KP_EXPECT_INT(server->entity.rank, KP_BAND_FOREGROUND);
    run(200 * MS); /* the hog waits all the while: the server has the client's band */
    KP_EXPECT_INT(hog->entity.used, 0);
    KP_EXPECT(sim.queue.current == &server->entity);
    int64_t before = client->entity.vtime;
    kp_sched_hand_off(&sim.queue, &client->entity, sim.now);
    KP_EXPECT(sim.queue.current == &client->entity);
    KP_EXPECT(client->entity.vtime - before >= 200 * MS); /* it pays */
    KP_EXPECT(!server->entity.donor && !server->entity.debt && !server->entity.floor);
    KP_EXPECT_INT(server->entity.used, 200 * MS); /* but the statistics say who ran */
    KP_EXPECT(server->entity.vtime <= 0 + 10 * MS);
}

/* Client -> first -> second: the client pays for both. One that parks without an answer pays itself. */
KP_TEST(donation_nests_and_ends)
{
    kp_sched_cap_t cap;
    kp_sched_cap_init(&cap, NULL, 50);
    reset();
    actor_t *client = actor(KP_BAND_FOREGROUND, 0, 0);
    actor_t *first = actor(KP_BAND_NORMAL, 0, 0), *second = actor(KP_BAND_NORMAL, 0, 0);
    client->entity.cap = &cap;
    first->next_wake = second->next_wake = KP_TIME_INFINITE;
    wake_due();
    client->next_wake = KP_TIME_INFINITE;
    kp_sched_hand_off(&sim.queue, &first->entity, sim.now);
    run(3 * MS);
    kp_sched_hand_off(&sim.queue, &second->entity, sim.now);
    KP_EXPECT_INT(second->entity.rank, KP_BAND_FOREGROUND);
    run(4 * MS);
    kp_sched_hand_off(&sim.queue, &first->entity, sim.now);
    KP_EXPECT_INT(first->entity.debt, 7 * MS);
    run(1 * MS);
    kp_sched_hand_off(&sim.queue, &client->entity, sim.now);
    KP_EXPECT_INT(kp_sched_cap_left(&cap, sim.now), (50 - 8) * MS);
    kp_sched_hand_off(&sim.queue, &first->entity, sim.now);
    run(2 * MS);
    kp_sched_block(&sim.queue, sim.now);
    KP_EXPECT(!first->entity.donor && !first->entity.floor && !first->entity.debt);
    KP_EXPECT_INT(kp_sched_cap_left(&cap, sim.now), (50 - 8) * MS);
}

/* One that is handed the CPU and never answers does not escape its own cap by that. */
KP_TEST(donation_does_not_lift_a_cap)
{
    kp_sched_cap_t cap;
    kp_sched_cap_init(&cap, NULL, 10);
    reset();
    actor_t *client = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *server = actor(KP_BAND_BACKGROUND, 0, 0);
    server->entity.cap = &cap;
    server->next_wake = KP_TIME_INFINITE;
    wake_due();
    client->next_wake = KP_TIME_INFINITE;
    kp_sched_hand_off(&sim.queue, &server->entity, sim.now);
    KP_EXPECT(server->entity.donor == &client->entity);
    run(2 * S);
    KP_EXPECT(server->entity.used > 2 * S / 10 * 8 / 10);
    KP_EXPECT(server->entity.used < 2 * S / 10 * 12 / 10);
    KP_EXPECT(!server->entity.donor);
}

/* A server that must wait for somebody else before it can answer: whom it waits for runs in the rank that it tells
   (kernel/object/priority.h), and it comes back in its caller's rank, who pays for it. */
KP_TEST(donation_outlasts_a_wait_for_a_lock)
{
    reset();
    actor_t *client = actor(KP_BAND_FOREGROUND, 0, 0);
    actor_t *server = actor(KP_BAND_BACKGROUND, 0, 0), *owner = actor(KP_BAND_BACKGROUND, 0, 0);
    actor_t *hog = actor(KP_BAND_NORMAL, 0, 0);
    server->next_wake = KP_TIME_INFINITE;
    wake_due();
    client->next_wake = KP_TIME_INFINITE;
    kp_sched_hand_off(&sim.queue, &server->entity, sim.now);
    run(3 * MS);
    server->entity.keeps_donor = true;
    policy(owner, KP_BAND_FOREGROUND, 100, 0, 0);
    kp_sched_block(&sim.queue, sim.now);
    KP_EXPECT(server->entity.donor == &client->entity);
    pick();
    KP_EXPECT(sim.queue.current == &owner->entity);
    run(50 * MS);
    KP_EXPECT_INT(hog->entity.used, 0);
    /* It gives the lock up: the server goes on, before the hog. */
    policy(owner, KP_BAND_BACKGROUND, 100, 0, 0);
    KP_EXPECT(kp_sched_wake(&sim.queue, &server->entity, sim.now));
    server->entity.keeps_donor = false;
    kp_sched_put(&sim.queue, sim.now);
    pick();
    KP_EXPECT(sim.queue.current == &server->entity);
    KP_EXPECT_INT(server->entity.rank, KP_BAND_FOREGROUND);
    run(2 * MS);
    int64_t before = client->entity.vtime;
    kp_sched_hand_off(&sim.queue, &client->entity, sim.now);
    KP_EXPECT(client->entity.vtime - before >= 5 * MS);
    KP_EXPECT(!server->entity.donor && !server->entity.floor);
    KP_EXPECT_INT(hog->entity.used, 0);
}

/* Where the CPU cannot be handed over the band is lent all the same, to a thread in any state. */
KP_TEST(donation_without_a_hand_off)
{
    reset();
    actor_t *client = actor(KP_BAND_FOREGROUND, 0, 0);
    actor_t *server = actor(KP_BAND_BACKGROUND, 0, 0), *hog = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *idle = actor(KP_BAND_BACKGROUND, 0, 0);
    idle->next_wake = KP_TIME_INFINITE;
    wake_due();
    KP_REQUIRE(sim.queue.current == &client->entity);
    uint8_t lent = client->entity.rank;
    /* Ready, behind the hog. */
    KP_EXPECT(kp_sched_lend(&sim.queue, &server->entity, &client->entity, lent, sim.now));
    KP_EXPECT(!kp_sched_lend(&sim.queue, &server->entity, &hog->entity, lent, sim.now));
    client->next_wake = KP_TIME_INFINITE;
    kp_sched_block(&sim.queue, sim.now);
    pick();
    KP_EXPECT(sim.queue.current == &server->entity);
    run(20 * MS);
    KP_EXPECT_INT(hog->entity.used, 0);
    /* Not to who is answered, nor to who has the rank. */
    KP_EXPECT(!kp_sched_lend(&sim.queue, &client->entity, &server->entity, lent, sim.now));
    KP_EXPECT(!client->entity.donor);
    int64_t before = client->entity.vtime;
    kp_sched_hand_off(&sim.queue, &client->entity, sim.now);
    KP_EXPECT(client->entity.vtime - before >= 20 * MS && !server->entity.floor);
    KP_EXPECT(!kp_sched_lend(&sim.queue, &client->entity, &hog->entity, KP_BAND_NORMAL, sim.now));
    /* Parked. */
    KP_EXPECT(!kp_sched_lend(&sim.queue, &idle->entity, &client->entity, lent, sim.now));
    kp_sched_block(&sim.queue, sim.now);
    (void)kp_sched_wake(&sim.queue, &idle->entity, sim.now);
    pick();
    KP_EXPECT(sim.queue.current == &idle->entity);
    KP_EXPECT_INT(hog->entity.used, 0);
}

/* A donated thread that computes on and on shares its rank with the others. */
KP_TEST(donation_is_fair_to_others)
{
    reset();
    actor_t *client = actor(KP_BAND_NORMAL, 0, 0), *server = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *hog = actor(KP_BAND_NORMAL, 0, 0);
    server->next_wake = KP_TIME_INFINITE;
    wake_due();
    if (sim.queue.current == &hog->entity) {
        kp_sched_put(&sim.queue, sim.now);
        sim.now += MS;
        pick();
    }
    client->next_wake = KP_TIME_INFINITE;
    if (sim.queue.current == &client->entity)
        kp_sched_hand_off(&sim.queue, &server->entity, sim.now);
    run(2 * S);
    expect_share(hog, 2 * S, 0.5);
}

KP_TEST(placement)
{
    kp_sched_view_t view = {.count = 4};
    for (unsigned i = 0; i < 4; i++) {
        view.rank[i] = KP_BAND_NORMAL + 1;
        view.load[i] = 2;
    }
    view.idle = 1u << 2 | 1u << 3;
    view.rank[2] = view.rank[3] = 0;
    KP_EXPECT_INT(kp_sched_place(&view, 3, KP_BAND_NORMAL), 3);
    KP_EXPECT_INT(kp_sched_place(&view, 0, KP_BAND_NORMAL), 2);
    view.idle = 0;
    view.rank[2] = KP_BAND_BACKGROUND + 1;
    view.rank[3] = KP_BAND_NORMAL + 1;
    KP_EXPECT_INT(kp_sched_place(&view, 0, KP_BAND_FOREGROUND), 0);
    KP_EXPECT_INT(kp_sched_place(&view, 0, KP_BAND_NORMAL), 2);
    view.rank[2] = KP_BAND_NORMAL + 1;
    view.load[0] = 5;
    view.load[1] = 2;
    KP_EXPECT_INT(kp_sched_place(&view, 0, KP_BAND_NORMAL), 1);
    KP_EXPECT_INT(kp_sched_busiest(&view, 1, 2), 0);
    KP_EXPECT_INT(kp_sched_busiest(&view, 0, 2), -1);
}

/* Two CPUs: a stolen thread keeps its distance to the others' virtual time. */
KP_TEST(stealing_keeps_fairness)
{
    static kp_sched_queue_t other;
    reset();
    memset(&other, 0, sizeof(other));
    actor_t *a = actor(KP_BAND_NORMAL, 0, 0), *b = actor(KP_BAND_NORMAL, 0, 0);
    actor_t *d = actor(KP_BAND_NORMAL, 4 * MS, 10 * MS);
    policy(d, KP_BAND_DEADLINE, 100, 10 * MS, 5 * MS);
    (void)a;
    (void)b;
    run(5 * S + 1 * MS); /* inside d's work */
    kp_sched_put(&sim.queue, sim.now);
    kp_sched_entity_t *e = kp_sched_steal(&sim.queue, -1, sim.now);
    KP_REQUIRE(e && e != &d->entity && e->state == KP_SCHED_OUT);
    KP_EXPECT(kp_sched_wake(&other, e, sim.now));
    KP_EXPECT(kp_sched_pick(&other, sim.now) == e);
    KP_EXPECT(e->vtime >= -20 * MS && e->vtime <= 20 * MS); /* the other queue's clock is at 0 */
    KP_EXPECT(!kp_sched_steal(&sim.queue, KP_BAND_NORMAL, sim.now));
}

/* ---- Random operations on several CPUs against what must always hold ---- */

enum { QUEUES = 3, THREADS = 14 };
static struct {
    kp_sched_queue_t queues[QUEUES];
    kp_sched_entity_t threads[THREADS];
    unsigned home[THREADS];
    kp_time_t now;
} many;

static unsigned index_of(const kp_sched_entity_t *e)
{
    return (unsigned)(e - many.threads);
}

static bool holds(void)
{
    for (unsigned q = 0; q < QUEUES; q++) {
        const kp_sched_queue_t *queue = &many.queues[q];
        uint32_t count = 0, counts[KP_SCHED_RANKS] = {0}, running = 0;
        for (unsigned i = 0; i < THREADS; i++) {
            const kp_sched_entity_t *e = &many.threads[i];
            if (many.home[i] != q)
                continue;
            count += e->state == KP_SCHED_READY;
            counts[e->rank] += e->state == KP_SCHED_READY;
            running += e->state == KP_SCHED_RUNNING;
            if ((e->state == KP_SCHED_RUNNING) != (queue->current == e))
                return false;
            if (e->state == KP_SCHED_THROTTLED && !e->release_armed)
                return false; /* nobody would ever renew it */
            if (e->state == KP_SCHED_READY && e->band == KP_BAND_DEADLINE && e->exhausted &&
                !e->release_armed)
                return false;
        }
        if (count != queue->count || running != (queue->current != NULL))
            return false;
        for (unsigned r = 0; r < KP_SCHED_RANKS; r++)
            if (counts[r] != queue->counts[r] || (queue->occupied >> r & 1) != (counts[r] > 0))
                return false;
    }
    return true;
}

static void random_policy(unsigned i)
{
    kp_job_policy_t p = {.band = (uint32_t)rand() % (KP_BANDS + 1),
                         .weight = (uint32_t)rand() % 2000,
                         .period_ns = (uint64_t)(rand() % 40) * MS,
                         .budget_ns = (uint64_t)(rand() % 30) * MS};
    kp_sched_set_policy(&many.queues[many.home[i]], &many.threads[i], &p, many.now);
}

/* What a machine does with one queue, at random. */
static void random_step(unsigned q)
{
    kp_sched_queue_t *queue = &many.queues[q];
    unsigned i = (unsigned)rand() % THREADS;
    kp_sched_entity_t *e = &many.threads[i];
    switch (rand() % 9) {
    case 0:
        if (queue->current) {
            queue->current->keeps_donor = rand() % 2;
            kp_sched_block(queue, many.now);
        }
        (void)kp_sched_pick(queue, many.now);
        break;
    case 1:
    case 2:
        if (e->state == KP_SCHED_OUT) {
            if (e->band != KP_BAND_DEADLINE)
                many.home[i] = q;
            (void)kp_sched_wake(&many.queues[many.home[i]], e, many.now);
        }
        break;
    case 3:
        if (e->state == KP_SCHED_OUT && queue->current && many.home[i] == q &&
            kp_sched_may_hand_off(queue, e, many.now))
            kp_sched_hand_off(queue, e, many.now);
        break;
    case 4:
        if (queue->current &&
            queue->current->donor) { /* an answer, if who asked still waits here */
            kp_sched_entity_t *donor = &many.threads[index_of(queue->current->donor)];
            if (donor->state == KP_SCHED_OUT && many.home[index_of(donor)] == q)
                kp_sched_hand_off(queue, donor, many.now);
        }
        break;
    case 5: {
        unsigned to = (unsigned)rand() % QUEUES;
        kp_sched_entity_t *stolen =
            to != q ? kp_sched_steal(queue, rand() % 7 - 1, many.now) : NULL;
        if (stolen) {
            many.home[index_of(stolen)] = to;
            (void)kp_sched_wake(&many.queues[to], stolen, many.now);
        }
        break;
    }
    case 6:
        random_policy(i);
        break;
    case 7:
        if (queue->current && queue->current != e)
            (void)kp_sched_lend(&many.queues[many.home[i]], e, queue->current, queue->current->rank,
                                many.now);
        break;
    default:
        if (kp_sched_tick(queue, many.now)) {
            if (queue->current)
                kp_sched_put(queue, many.now);
            (void)kp_sched_pick(queue, many.now);
        }
        break;
    }
}

KP_TEST(random_operations_lose_nobody)
{
    kp_sched_cap_t caps[2];
    kp_sched_cap_init(&caps[0], NULL, 20);
    kp_sched_cap_init(&caps[1], &caps[0], 3);
    srand(7);
    for (unsigned run = 0; run < 20; run++) {
        memset(&many, 0, sizeof(many));
        for (unsigned i = 0; i < THREADS; i++) {
            kp_sched_entity_init(&many.threads[i], (uint8_t)(i % KP_SCHED_RANKS));
            many.threads[i].cap = i % 5 == 0 ? &caps[i / 5 % 2] : NULL;
            if (many.threads[i].band == KP_BAND_DEADLINE)
                random_policy(i);
        }
        for (unsigned step = 0; step < 20000; step++) {
            many.now += rand() % 4 ? rand() % 100000 : rand() % (3 * MS);
            random_step((unsigned)rand() % QUEUES);
            if (!holds())
                KP_FAIL("run %u, step %u", run, step);
            KP_REQUIRE(holds());
        }
        /* Left to themselves all that are ready or held back run once and park. */
        for (unsigned turn = 0; turn < 2000; turn++) {
            many.now += 10 * MS;
            for (unsigned q = 0; q < QUEUES; q++) {
                (void)kp_sched_tick(&many.queues[q], many.now);
                if (many.queues[q].current)
                    kp_sched_block(&many.queues[q], many.now);
                (void)kp_sched_pick(&many.queues[q], many.now);
            }
        }
        for (unsigned i = 0; i < THREADS; i++)
            KP_EXPECT_INT(many.threads[i].state, KP_SCHED_OUT);
        for (unsigned q = 0; q < QUEUES; q++)
            KP_EXPECT(!kp_heap_first(&many.queues[q].releases) && many.queues[q].count == 0);
    }
}

KP_TEST_MAIN()
