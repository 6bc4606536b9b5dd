/* Calls and replies between two processes of the machine hosted: what the test (calls.c) and the
   benchmark (bench/hosted) run. argv[1] says which part to play; handles: "peer" the channel between
   the two, "report" (optional) a channel to the driver. A part returns 0, or the line of the check
   that failed. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/startup.h"
#include "tests/kp_check.h"

enum { BIG = KP_CHANNEL_BYTES_MAX };
static uint8_t request[BIG], reply[BIG];
static kp_handle_t peer, report;

static uint32_t at(const void *bytes)
{
    return (uint32_t)kp_mem(bytes);
}

/* ---- a server that adds 1 to each byte ---- */

static int serve(void)
{
    kp_channel_message_t message = {.bytes = at(request), .byte_count = BIG};
    kp_status_t status = kp_channel_receive(peer, &message, KP_TIME_INFINITE);
    for (;;) {
        if (status == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(status == KP_OK);
        uint32_t count = message.byte_count;
        for (uint32_t i = 0; i < count && i < 64; i++)
            request[i]++;
        kp_channel_message_t answer = {
            .bytes = at(request), .byte_count = count, .transaction = message.transaction};
        message = (kp_channel_message_t){.bytes = at(request), .byte_count = BIG};
        status = kp_channel_reply_receive(peer, &answer, &message, KP_TIME_INFINITE);
    }
}

static kp_status_t call(uint32_t sent, uint32_t room, kp_time_t deadline, uint32_t *got)
{
    kp_channel_call_t io = {.request = {.bytes = at(request), .byte_count = sent},
                            .reply = {.bytes = at(reply), .byte_count = room}};
    kp_status_t status = kp_channel_call(peer, &io, deadline);
    *got = io.reply.byte_count;
    return status;
}

/* ---- measuring: the driver sends how many calls of which size, and gets the ns a call ---- */

typedef struct {
    uint32_t calls;
    uint32_t size; /* UINT32_MAX: the call `null`; else bytes of request and reply */
} task_t;

static int measure(void)
{
    for (;;) {
        task_t task;
        kp_channel_message_t order = {.bytes = at(&task), .byte_count = sizeof(task)};
        kp_status_t status = kp_channel_receive(report, &order, KP_TIME_INFINITE);
        if (status == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(status == KP_OK && (task.size == UINT32_MAX || task.size <= BIG));
        uint32_t got = task.size;
        kp_time_t start = kp_now();
        for (uint32_t i = 0; i < task.calls; i++) {
            if (task.size == UINT32_MAX)
                CHECK(kp_null() == KP_OK);
            else
                CHECK(call(task.size, task.size, KP_TIME_INFINITE, &got) == KP_OK);
        }
        double ns = (double)(kp_now() - start) / task.calls;
        CHECK(got == task.size);
        CHECK(kp_channel_write(report, &ns, sizeof(ns), NULL, 0) == KP_OK);
    }
}

/* argv[3] calls. */
static int count_calls(char **argv)
{
    uint32_t got;
    for (uint32_t i = 0; i < (uint32_t)atoi(argv[3]); i++)
        CHECK(call(64, 64, KP_TIME_INFINITE, &got) == KP_OK && got == 64);
    return 0;
}

/* ---- anything that may happen between two processes, at random ----
   Each request says how many messages the client has queued before: the server must have read exactly
   those. Each reply carries the request's number. */

typedef enum {
    ANSWER,       /* at once */
    ANSWER_PLAIN, /* by channel_reply, then channel_receive */
    HANDLE,       /* with a handle */
    OTHER_CALLS,  /* after calls of other kinds */
    WRITE_FIRST,  /* after a queued message to the client */
    RENAME,       /* by another handle to the same end */
    LATE,         /* after the client's deadline */
    NEVER,
    MOVES
} move_t;

typedef struct {
    uint32_t move;
    uint32_t number;
    uint32_t queued;
    uint32_t reply_size;
    kp_time_t until; /* LATE: when the client has certainly given up */
} order_t;

static uint32_t seed;
static uint32_t random_below(uint32_t limit)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 8) * limit >> 24);
}

/* Some time, without giving the processor away. */
static void linger(uint32_t turns)
{
    for (volatile uint32_t i = 0; i < turns; i++)
        ;
}

static void pattern_write(uint8_t *bytes, uint32_t count, uint32_t number)
{
    for (uint32_t i = sizeof(order_t); i < count; i++)
        bytes[i] = (uint8_t)(number * 7 + i * 13);
}

static int pattern_check(const uint8_t *bytes, uint32_t count, uint32_t number)
{
    for (uint32_t i = sizeof(order_t); i < count; i++)
        CHECK(bytes[i] == (uint8_t)(number * 7 + i * 13));
    return 0;
}

/* What the server does before it replies; *handle: to be sent with the reply. */
static int obey(const order_t *order, kp_handle_t *handle)
{
    if (order->move == OTHER_CALLS) {
        int64_t event = kp_event_create();
        CHECK(event > 0 && kp_null() == KP_OK);
        CHECK(kp_handle_close((kp_handle_t)event) == KP_OK);
    } else if (order->move == WRITE_FIRST) {
        kp_status_t status = kp_channel_write(peer, &order->number, 4, NULL, 0);
        CHECK(status == KP_OK || status == KP_ERR_PEER_CLOSED);
    } else if (order->move == RENAME) {
        int64_t renamed = kp_handle_replace(peer, KP_RIGHTS_SAME);
        CHECK(renamed > 0);
        peer = (kp_handle_t)renamed;
    } else if (order->move == HANDLE) {
        int64_t event = kp_event_create();
        CHECK(event > 0);
        *handle = (kp_handle_t)event;
    } else if (order->move == LATE) {
        (void)kp_object_wait_many(NULL, 0, order->until);
    }
    return 0;
}

static int serve_random(void)
{
    uint32_t queued = 0;
    kp_channel_message_t message = {.bytes = at(request), .byte_count = BIG};
    kp_status_t status = kp_channel_receive(peer, &message, KP_TIME_INFINITE);
    for (;; linger(random_below(3000))) {
        if (status == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(status == KP_OK);
        order_t order;
        memcpy(&order, request, sizeof(order));
        kp_channel_message_t next = {.bytes = at(request), .byte_count = BIG};
        if (message.transaction == KP_TRANSACTION_NONE) {
            CHECK(message.byte_count == 4 && order.move == ++queued);
            message = next;
            status = kp_channel_receive(peer, &message, KP_TIME_INFINITE);
            continue;
        }
        CHECK(message.byte_count >= sizeof(order) && order.move < MOVES);
        CHECK(order.queued == queued && order.reply_size <= BIG);
        CHECK(pattern_check(request, message.byte_count, order.number) == 0);
        kp_handle_t handle = KP_HANDLE_NONE;
        CHECK(obey(&order, &handle) == 0);
        if (order.move == NEVER) {
            message = next;
            status = kp_channel_receive(peer, &message, kp_now() + 10 * KP_NS_PER_S);
            continue;
        }
        memcpy(reply, &order, sizeof(order));
        pattern_write(reply, order.reply_size, order.number + 1);
        kp_channel_message_t answer = {.bytes = at(reply),
                                       .byte_count = order.reply_size,
                                       .handles = at(&handle),
                                       .handle_count = handle != KP_HANDLE_NONE,
                                       .transaction = message.transaction};
        message = next;
        if (order.move == ANSWER_PLAIN) {
            status = kp_channel_reply(peer, &answer);
            CHECK(status == KP_OK || status == KP_ERR_NOT_FOUND || status == KP_ERR_PEER_CLOSED);
            linger(random_below(3000));
            status = kp_channel_receive(peer, &message, KP_TIME_INFINITE);
        } else {
            status = kp_channel_reply_receive(peer, &answer, &message, KP_TIME_INFINITE);
        }
    }
}

static uint32_t random_size(void)
{
    uint32_t range = random_below(10);
    uint32_t limit = range == 0 ? BIG : range < 3 ? 5000 : 200;
    return (uint32_t)sizeof(order_t) + random_below(limit - (uint32_t)sizeof(order_t));
}

/* One call by an order; `lasting`: the peer may not die. */
static int give_order(order_t *order, bool lasting, bool *closed)
{
    bool is_answered = order->move != LATE && order->move != NEVER;
    uint32_t size = random_size(), room = random_below(20) ? order->reply_size : 8;
    kp_handle_t handle = KP_HANDLE_NONE;
    kp_time_t deadline = random_below(2) ? KP_TIME_INFINITE : kp_now() + 100 * KP_NS_PER_S;
    if (!is_answered) {
        deadline = kp_now() + random_below(3) * KP_NS_PER_MS;
        order->until = deadline + 3 * KP_NS_PER_MS;
    }
    memcpy(request, order, sizeof(*order));
    pattern_write(request, size, order->number);
    bool has_room = order->move == HANDLE || random_below(2);
    kp_channel_call_t io = {.request = {.bytes = at(request), .byte_count = size},
                            .reply = {.bytes = at(reply),
                                      .byte_count = room,
                                      .handles = at(&handle),
                                      .handle_count = has_room}};
    kp_status_t status = kp_channel_call(peer, &io, deadline);
    *closed = !lasting && status == KP_ERR_PEER_CLOSED;
    if (*closed)
        return 0;
    if (!is_answered) {
        /* On a slow host the late reply may still find us. */
        CHECK(status == KP_ERR_TIMED_OUT || (order->move == LATE && status != KP_ERR_PEER_CLOSED));
        return 0;
    }
    CHECK(io.reply.byte_count == order->reply_size);
    CHECK(io.reply.handle_count == (order->move == HANDLE));
    if (room < order->reply_size) {
        CHECK(status == KP_ERR_BUFFER_TOO_SMALL);
        return 0;
    }
    CHECK(status == KP_OK && memcmp(reply, order, sizeof(*order)) == 0);
    CHECK(pattern_check(reply, order->reply_size, order->number + 1) == 0);
    if (order->move == HANDLE)
        CHECK(kp_handle_close(handle) == KP_OK);
    return 0;
}

/* count 0: until the server dies. */
static int order_about(uint32_t count)
{
    uint32_t queued = 0;
    bool closed = false;
    for (uint32_t i = 1; (count == 0 || i <= count) && !closed; i++) {
        /* Runs of plain calls, with everything else strewn in. */
        uint32_t move = random_below(4) ? ANSWER : random_below(random_below(8) ? RENAME : MOVES);
        order_t order = {.move = move, .number = i, .reply_size = random_size()};
        for (uint32_t more = random_below(6) ? 0 : 1 + random_below(3); more > 0; more--) {
            queued++;
            kp_status_t status = kp_channel_write(peer, &queued, 4, NULL, 0);
            CHECK(status == KP_OK || (count == 0 && status == KP_ERR_PEER_CLOSED));
        }
        order.queued = queued;
        int line = give_order(&order, count > 0, &closed);
        if (line)
            return line;
        uint32_t number = 0, actual[2];
        if (move == WRITE_FIRST && !closed)
            CHECK(kp_channel_read(peer, &number, 4, NULL, 0, actual) == KP_OK && number == i);
        linger(random_below(3000));
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    peer = kp_startup_take("peer");
    report = kp_startup_take("report");
    if (strcmp(part, "serve") == 0)
        return serve();
    if (argc > 2)
        seed = (uint32_t)atoi(argv[2]);
    if (strcmp(part, "serve-random") == 0)
        return serve_random();
    if (strcmp(part, "order") == 0 && argc > 3)
        return order_about((uint32_t)atoi(argv[3]));
    if (strcmp(part, "count") == 0 && argc > 3)
        return count_calls(argv);
    if (strcmp(part, "measure") == 0)
        return measure();
    return __LINE__;
}
