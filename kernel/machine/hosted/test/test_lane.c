/* The protocol of lanes (lane.h) with threads in place of processes, against a model of the kernel: a
   client that calls and sends, a server, and someone who kicks. Under ASan here, under TSan by
   lane-tsan. Then with a peer that writes anything anywhere. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/machine/hosted/lane_side.h"
#include "tests/kp_test.h"

enum { MESSAGES = 256, CALLS = 3000, ROOM = 200 };

static int64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint32_t random_below(uint32_t *state, uint32_t limit)
{
    *state = *state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(*state >> 8) * limit >> 24);
}

/* ---- the model: a channel in the kernel ---- */

typedef struct queued {
    uint32_t value;
    uint32_t transaction; /* 0: no reply wanted */
} queued_t;

typedef struct model {
    kp_lane_t lane;
    kp_call_page_t pages[2]; /* client, server */
    pthread_mutex_t lock;    /* the channel's */
    pthread_cond_t changed;
    queued_t queue[MESSAGES];
    uint32_t head, tail;
    uint32_t replied_to, reply; /* the last reply that went through the kernel */
    atomic_bool stops;
    bool withdraws;
    uint32_t seed;
} model_t;

static model_t model;

static void model_init(uint32_t seed)
{
    memset(&model, 0, sizeof(model));
    pthread_mutex_init(&model.lock, NULL);
    pthread_cond_init(&model.changed, NULL);
    model.seed = seed;
    for (int i = 0; i < 2; i++) {
        atomic_store(&model.pages[i].lane.deadline, INT64_MAX);
        atomic_store(&model.pages[i].lane.alarm, INT64_MAX);
    }
}

/* What lane.c does, with the lock held. */
static bool arm(void)
{
    uint32_t seen = atomic_load(&model.lane.state);
    for (;;) {
        uint32_t state = seen & KP_LANE_STATE;
        if (state != KP_LANE_OFF && state != KP_LANE_REPLY && state != KP_LANE_BOUNCE)
            return false;
        if (kp_lane_move(&model.lane.state, &seen, KP_LANE_LISTEN))
            return true;
    }
}

static void send(uint32_t value, uint32_t transaction)
{
    pthread_mutex_lock(&model.lock);
    model.queue[model.tail++ % MESSAGES] = (queued_t){value, transaction};
    atomic_store(&model.pages[1].lane.attention, 1);
    uint32_t seen = atomic_load(&model.lane.state);
    while ((seen & KP_LANE_STATE) == KP_LANE_LISTEN &&
           !kp_lane_move(&model.lane.state, &seen, KP_LANE_OFF))
        ;
    pthread_cond_broadcast(&model.changed);
    pthread_mutex_unlock(&model.lock);
}

static bool is_full(void)
{
    pthread_mutex_lock(&model.lock);
    bool full = model.tail - model.head > MESSAGES / 2;
    pthread_mutex_unlock(&model.lock);
    return full;
}

/* Looks after both processes as their threads in the kernel do (kp_hosted_lanes_tend). */
static void *kick(void *unused)
{
    (void)unused;
    uint32_t turn = 0;
    while (!atomic_load(&model.stops)) {
        for (int i = 0; i < 2; i++) {
            kp_lane_control_t *control = &model.pages[i].lane;
            bool must = atomic_load(&control->attention) || atomic_load(&control->withdrawn) ||
                        atomic_load(&control->deadline) <= now_ns();
            if (must && atomic_load(&control->waiting))
                kp_lane_kick(&model.lane.state);
        }
        /* Now and then the lane is dead for a while: calls in it go on in the kernel. */
        if (model.withdraws)
            atomic_store(&model.pages[0].lane.withdrawn, turn++ % 8 < 3 ? ~0u : 0);
        usleep(100);
    }
    return NULL;
}

/* ---- the client ---- */

static uint32_t reply_from_kernel(uint32_t transaction)
{
    pthread_mutex_lock(&model.lock);
    while (model.replied_to != transaction)
        pthread_cond_wait(&model.changed, &model.lock);
    uint32_t reply = model.reply;
    pthread_mutex_unlock(&model.lock);
    return reply;
}

static uint32_t by_kernel;

/* False: it gave up. */
static bool call(kp_lane_side_t *side, uint32_t value, int64_t deadline, uint32_t *reply)
{
    uint32_t bytes[16] = {value, ~value};
    switch (kp_lane_call(side, (const uint8_t *)bytes, sizeof(bytes), deadline)) {
    case KP_LANE_DONE:
        KP_EXPECT_INT(kp_lane_reply_size(side), sizeof(bytes));
        memcpy(bytes, side->lane->reply.bytes, sizeof(bytes));
        KP_EXPECT(bytes[1] == ~bytes[0]);
        *reply = bytes[0];
        return true;
    case KP_LANE_RESEND:
        send(value, value);
        *reply = reply_from_kernel(value);
        by_kernel++;
        return true;
    case KP_LANE_ASK_KERNEL:
        *reply = reply_from_kernel(kp_lane_transaction(side->number));
        by_kernel++;
        return true;
    case KP_LANE_TIMED_OUT:
        break;
    }
    return false;
}

/* Values count up over calls and messages, so the server can tell order, loss and doubles. */
static void *run_client(void *given_up)
{
    kp_lane_side_t side;
    uint32_t seed = model.seed;
    kp_lane_side_init(&side, &model.lane, &model.pages[0], 3);
    for (uint32_t value = 1; value <= CALLS; value++) {
        if (random_below(&seed, 10) == 0 && !is_full()) {
            send(value, 0);
            if (random_below(&seed, 3) == 0)
                usleep(random_below(&seed, 100));
            continue;
        }
        int64_t deadline = INT64_MAX;
        uint32_t kind = random_below(&seed, 40);
        if (kind < 4)
            deadline = now_ns() + random_below(&seed, 20) * 1000;
        else if (kind < 10)
            deadline = now_ns() + 100000000000;
        uint32_t reply = 0;
        if (call(&side, value, deadline, &reply))
            KP_EXPECT_INT(reply, value + 1);
        else
            ((bool *)given_up)[value] = true;
    }
    send(0, 0); /* the end */
    return NULL;
}

/* ---- the server ---- */

typedef struct server {
    kp_lane_side_t side;
    bool stands; /* the kernel stands by its receive */
    uint32_t seed;
} server_t;

/* Its receive in the kernel: from the queue, or standing, in the lane. */
static queued_t receive(server_t *server)
{
    kp_lane_side_t *side = &server->side;
    uint32_t count;
    if (server->stands && !atomic_load(&model.pages[1].lane.attention)) {
        if (random_below(&server->seed, 8) == 0)
            usleep(random_below(&server->seed, 100)); /* much may happen just here */
        if (kp_lane_listen(side))
            goto wait;
    }
    for (;;) {
        pthread_mutex_lock(&model.lock);
        while (model.head == model.tail) {
            atomic_store(&model.pages[1].lane.attention, 0);
            server->stands = arm();
            if (server->stands)
                break;
            pthread_cond_wait(&model.changed, &model.lock);
        }
        queued_t first = {0};
        bool has_first = !server->stands || model.head != model.tail;
        if (has_first) {
            server->stands = false;
            first = model.queue[model.head++ % MESSAGES];
        }
        pthread_mutex_unlock(&model.lock);
        if (has_first)
            return first;
    wait:
        /* With too little room it goes through the kernel. */
        if (kp_lane_wait(side, random_below(&server->seed, 20) ? ROOM : 8, &count)) {
            uint32_t bytes[16];
            KP_EXPECT_INT(count, sizeof(bytes));
            memcpy(bytes, side->lane->request.bytes, sizeof(bytes));
            KP_EXPECT(bytes[1] == ~bytes[0]);
            return (queued_t){bytes[0], kp_lane_transaction(side->number)};
        }
        server->stands = false;
    }
}

static void reply_in_kernel(uint32_t transaction, uint32_t value)
{
    pthread_mutex_lock(&model.lock);
    model.replied_to = transaction;
    model.reply = value;
    pthread_cond_broadcast(&model.changed);
    pthread_mutex_unlock(&model.lock);
}

/* True: replied by the lane, which listens. */
static bool reply(server_t *server, const queued_t *got)
{
    kp_lane_side_t *side = &server->side;
    uint32_t bytes[16] = {got->value + 1, ~(got->value + 1)};
    if (got->transaction & KP_LANE_TRANSACTION) {
        if (random_below(&server->seed, 10) == 0) {
            kp_lane_defer(side);
        } else {
            bool listens = server->stands && random_below(&server->seed, 3) > 0 &&
                           !atomic_load(&model.pages[1].lane.attention);
            if (kp_lane_answer(side, (const uint8_t *)bytes, sizeof(bytes), listens))
                return listens;
        }
    }
    reply_in_kernel(got->transaction, bytes[0]);
    return false;
}

/* What it sees in `seen`, by value. */
static void *run_server(void *seen)
{
    server_t server = {.seed = model.seed + 1};
    kp_lane_side_init(&server.side, &model.lane, &model.pages[1], 5);
    uint32_t last = 0, count;
    for (;;) {
        queued_t got = receive(&server);
        if (got.value == 0)
            return NULL;
        KP_EXPECT(got.value > last && got.value <= CALLS);
        if (got.value <= CALLS)
            ((uint8_t *)seen)[got.value]++;
        last = got.value;
        if (random_below(&server.seed, 30) == 0)
            usleep(random_below(&server.seed, 200));
        if (got.transaction == 0 || !reply(&server, &got))
            continue;
        /* As channel_reply_receive: goes on in the lane. */
        while (kp_lane_wait(&server.side, ROOM, &count)) {
            uint32_t bytes[16];
            memcpy(bytes, server.side.lane->request.bytes, sizeof(bytes));
            got = (queued_t){bytes[0], kp_lane_transaction(server.side.number)};
            KP_EXPECT(got.value > last && got.value <= CALLS);
            ((uint8_t *)seen)[got.value <= CALLS ? got.value : 0]++;
            last = got.value;
            if (!reply(&server, &got))
                break;
        }
    }
}

static uint32_t given_up_count;

static void run_model(uint32_t seed)
{
    static uint8_t seen[CALLS + 1];
    static bool given_up[CALLS + 1];
    memset(seen, 0, sizeof(seen));
    memset(given_up, 0, sizeof(given_up));
    model_init(seed);
    model.withdraws = true;
    pthread_t client, server, kicker;
    KP_REQUIRE(pthread_create(&server, NULL, run_server, seen) == 0);
    KP_REQUIRE(pthread_create(&client, NULL, run_client, given_up) == 0);
    KP_REQUIRE(pthread_create(&kicker, NULL, kick, NULL) == 0);
    pthread_join(client, NULL);
    pthread_join(server, NULL);
    atomic_store(&model.stops, true);
    pthread_join(kicker, NULL);
    for (uint32_t value = 1; value <= CALLS; value++) {
        if (!given_up[value] && seen[value] != 1)
            KP_FAIL("seed %u: value %u was seen %u times", seed, value, seen[value]);
        if (seen[value] > 1)
            KP_FAIL("seed %u: value %u was seen %u times", seed, value, seen[value]);
        given_up_count += given_up[value];
    }
}

KP_TEST(every_request_and_reply_once_and_in_order)
{
    for (uint32_t seed = 1; seed <= 6; seed++)
        run_model(seed * 977);
    printf("# %u of %u by the kernel, %u given up\n", by_kernel, 6 * CALLS, given_up_count);
    /* All ways were taken. */
    KP_EXPECT(by_kernel > 0 && by_kernel < 6 * CALLS);
    KP_EXPECT(given_up_count > 0);
}

#ifndef __SANITIZE_THREAD__

/* ---- a hostile peer: writes into the lane what and where it likes ---- */

static void *scribble(void *unused)
{
    uint32_t seed = 42;
    (void)unused;
    volatile uint8_t *bytes = (volatile uint8_t *)&model.lane;
    while (!atomic_load(&model.stops)) {
        uint32_t what = random_below(&seed, 8);
        if (what < 4) /* states that could be, and any */
            atomic_store(&model.lane.state,
                         what < 3 ? random_below(&seed, 9) | (random_below(&seed, 2) << 31)
                                  : random_below(&seed, UINT32_MAX));
        else if (what == 4)
            model.lane.request.byte_count =
                random_below(&seed, 3) ? random_below(&seed, 300) : seed;
        else if (what == 5)
            model.lane.reply.byte_count = random_below(&seed, 3) ? random_below(&seed, 300) : seed;
        else if (what == 6)
            model.lane.reply.number = model.lane.request.number;
        else
            bytes[random_below(&seed, sizeof(model.lane))] = (uint8_t)seed;
        if (random_below(&seed, 4) == 0)
            kp_raw_syscall(SYS_futex, (long)&model.lane.state, FUTEX_WAKE, 1, 0, 0, 0);
        if (random_below(&seed, 2000) == 0)
            usleep(random_below(&seed, 300));
    }
    return NULL;
}

/* Has the kernel's word every so often, which must end whatever the other one waits for. */
static void *demand(void *unused)
{
    uint32_t seed = 7;
    (void)unused;
    while (!atomic_load(&model.stops)) {
        usleep(random_below(&seed, 300));
        atomic_store(&model.pages[1].lane.attention, 1);
        atomic_store(&model.pages[0].lane.withdrawn, ~0u);
    }
    return NULL;
}

/* The part must come back `rounds` times, and stay inside its buffers. */
static void with_hostile_peer(void (*part)(void), int rounds)
{
    model_init(5);
    pthread_t threads[3];
    KP_REQUIRE(pthread_create(&threads[0], NULL, scribble, NULL) == 0);
    KP_REQUIRE(pthread_create(&threads[1], NULL, demand, NULL) == 0);
    KP_REQUIRE(pthread_create(&threads[2], NULL, kick, NULL) == 0);
    for (int i = 0; i < rounds; i++)
        part();
    atomic_store(&model.stops, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

static void serve_hostile(void)
{
    static kp_lane_side_t side;
    if (!side.lane)
        kp_lane_side_init(&side, &model.lane, &model.pages[1], 0);
    atomic_store(&model.pages[1].lane.attention, 0);
    pthread_mutex_lock(&model.lock);
    (void)arm();
    pthread_mutex_unlock(&model.lock);
    uint32_t count = 0;
    while (kp_lane_wait(&side, ROOM, &count)) {
        KP_EXPECT(count <= ROOM);
        uint8_t *room = malloc(ROOM);
        memcpy(room, side.lane->request.bytes, count);
        bool listens = kp_lane_answer(&side, room, count, true);
        free(room);
        if (!listens)
            break;
    }
    kp_lane_leave(&side);
}

static void call_hostile(void)
{
    static kp_lane_side_t side;
    static uint32_t turn;
    if (!side.lane)
        kp_lane_side_init(&side, &model.lane, &model.pages[0], 0);
    atomic_store(&model.pages[0].lane.withdrawn, 0);
    uint8_t bytes[64] = {0};
    int64_t deadline = ++turn % 2 ? INT64_MAX : now_ns() + 200000;
    if (kp_lane_call(&side, bytes, sizeof(bytes), deadline) != KP_LANE_DONE)
        return;
    uint32_t count = kp_lane_reply_size(&side);
    KP_EXPECT(count <= KP_CHANNEL_BYTES_MAX);
    uint8_t *room = malloc(KP_CHANNEL_BYTES_MAX);
    memcpy(room, side.lane->reply.bytes, count);
    free(room);
}

KP_TEST(server_survives_a_hostile_client)
{
    with_hostile_peer(serve_hostile, 2000);
}

KP_TEST(client_survives_a_hostile_server)
{
    with_hostile_peer(call_hostile, 2000);
}

#endif

KP_TEST_MAIN()
