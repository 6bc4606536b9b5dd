/* Calls and replies through the system calls, between processes on several host threads. Also run
   under ThreadSanitizer (kernel/test/threads-tsan). */
#include "abi/ipc.h"
#include "kernel/ipc/channel_private.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <sched.h>
#include <stdlib.h>

/* Where things lie in each process's memory; the fourth 64 KiB page is for big messages. */
enum {
    AT_CALL = 0x100,    /* kp_channel_call_t, or the server's reply and message */
    AT_MESSAGE = 0x200, /* kp_channel_message_t */
    AT_HANDLES = 0x300,
    AT_ROOM_HANDLES = 0x500,
    AT_ENDS = 0x700,
    AT_BYTES = 0x1000,
    AT_ROOM = 0x8000,
    BIG_BYTES = 0x20000,
    BIG_ROOM = 0x30000,
    PAGES = 4,
    LANE = 0x800, /* threads of one process: AT_* plus lane * LANE of the big places */
};

static uint64_t objects_before, allocations_before;
static kp_process_t *client, *server;
static kp_handle_t client_end, server_end;

static kp_handle_t give(kp_process_t *process, kp_capability_t capability)
{
    kp_handle_t handle = 0;
    KP_EXPECT_INT(kp_handle_add(&process->handles, capability, &handle), KP_OK);
    return handle;
}

/* alone: both are processes of one thread, whose calls take the short way where they can. */
static bool set_up_as(bool alone)
{
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    client = kp_test_process(PAGES, PAGES, NULL);
    server = kp_test_process(PAGES, PAGES, NULL);
    kp_capability_t ends[2];
    if (!client || !server || kp_channel_create(ends) != KP_OK)
        return false;
    client->handles.shared = server->handles.shared = !alone;
    client_end = give(client, ends[0]);
    server_end = give(server, ends[1]);
    return true;
}

static bool set_up(void)
{
    return set_up_as(false);
}

static void tear_down(void)
{
    kp_test_process_end(client);
    kp_test_process_end(server);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

static void put(kp_process_t *process, uint32_t at, const void *bytes, size_t count)
{
    memcpy(kp_test_memory(process, at), bytes, count);
}

static void get(kp_process_t *process, uint32_t at, void *bytes, size_t count)
{
    memcpy(bytes, kp_test_memory(process, at), count);
}

static void put_message(kp_process_t *process, uint32_t at, kp_channel_message_t message)
{
    put(process, at, &message, sizeof(message));
}

static kp_channel_message_t get_message(kp_process_t *process, uint32_t at)
{
    kp_channel_message_t message;
    get(process, at, &message, sizeof(message));
    return message;
}

/* A request of byte_count and handle_count, room for 64 KiB and 8 handles. */
static void put_call(kp_process_t *process, uint32_t byte_count, uint32_t handle_count)
{
    bool big = byte_count > 0x4000;
    put_message(process, AT_CALL,
                (kp_channel_message_t){.bytes = big ? BIG_BYTES : AT_BYTES,
                                       .byte_count = byte_count,
                                       .handles = AT_HANDLES,
                                       .handle_count = handle_count});
    put_message(process, AT_CALL + sizeof(kp_channel_message_t),
                (kp_channel_message_t){.bytes = BIG_ROOM,
                                       .byte_count = 0x10000,
                                       .handles = AT_ROOM_HANDLES,
                                       .handle_count = 8});
}

static kp_channel_message_t get_reply(kp_process_t *process)
{
    return get_message(process, AT_CALL + sizeof(kp_channel_message_t));
}

static void put_room(kp_process_t *process)
{
    put_message(process, AT_MESSAGE,
                (kp_channel_message_t){.bytes = BIG_ROOM,
                                       .byte_count = 0x10000,
                                       .handles = AT_ROOM_HANDLES,
                                       .handle_count = 8});
}

static void put_reply(kp_process_t *process, kp_transaction_t transaction, uint32_t byte_count,
                      uint32_t handle_count)
{
    put_message(process, AT_CALL,
                (kp_channel_message_t){.bytes = BIG_ROOM,
                                       .byte_count = byte_count,
                                       .handles = AT_HANDLES,
                                       .handle_count = handle_count,
                                       .transaction = transaction});
}

static kp_time_t soon(void)
{
    return kp_machine_now() + 5 * KP_NS_PER_MS;
}

typedef struct player {
    pthread_t id;
    kp_process_t *process;
    kp_handle_t handle;
    unsigned number, rounds;
    int64_t result;
} player_t;

static void run(player_t *player, void *(*fn)(void *))
{
    KP_EXPECT_INT(pthread_create(&player->id, NULL, fn, player), 0);
}

/* One call as it was prepared at AT_CALL. */
static void *call_main(void *argument)
{
    player_t *player = argument;
    player->result =
        kp_test_call(player->process, channel_call, player->handle, AT_CALL, KP_TIME_INFINITE);
    return NULL;
}

/* Receives what a player's call has sent. */
static kp_transaction_t receive_call(void)
{
    put_room(server);
    KP_EXPECT_INT(kp_test_call(server, channel_receive, server_end, AT_MESSAGE, KP_TIME_INFINITE),
                  KP_OK);
    kp_transaction_t transaction = get_message(server, AT_MESSAGE).transaction;
    KP_EXPECT(transaction != KP_TRANSACTION_NONE);
    return transaction;
}

static uint32_t make_event(kp_process_t *process)
{
    int64_t event = kp_test_call(process, event_create, 0);
    KP_EXPECT(event > 0);
    return (uint32_t)event;
}

/* ---- What calls do ---- */

/* Answers each request with itself, every byte one more. */
static void *server_main(void *argument)
{
    player_t *player = argument;
    kp_process_t *process = player->process;
    put_room(process);
    int64_t status =
        kp_test_call(process, channel_receive, player->handle, AT_MESSAGE, KP_TIME_INFINITE);
    while (status == KP_OK) {
        kp_channel_message_t message = get_message(process, AT_MESSAGE);
        uint8_t *bytes = kp_test_memory(process, BIG_ROOM);
        for (uint32_t i = 0; i < message.byte_count; i++)
            bytes[i]++;
        put_reply(process, message.transaction, message.byte_count, message.handle_count);
        memcpy(kp_test_memory(process, AT_HANDLES), kp_test_memory(process, AT_ROOM_HANDLES),
               message.handle_count * sizeof(kp_handle_t));
        put_room(process);
        status = kp_test_call(process, channel_reply_receive, player->handle, AT_CALL, AT_MESSAGE,
                              KP_TIME_INFINITE);
    }
    player->result = status;
    return NULL;
}

static void requests_and_replies_of_every_size_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    player_t echo = {.process = server, .handle = server_end};
    run(&echo, server_main);
    static const uint32_t sizes[] = {0, 1, 64, 255, 256, 257, 4096, 0xffff, 0x10000};
    for (unsigned round = 0; round < 300; round++) {
        uint32_t size = sizes[round % KP_ARRAY_COUNT(sizes)];
        bool with_handles = round % 4 == 0;
        uint8_t *out = kp_test_memory(client, size > 0x4000 ? BIG_BYTES : AT_BYTES);
        for (uint32_t i = 0; i < size; i++)
            out[i] = (uint8_t)(i + round);
        put_call(client, size, with_handles);
        uint32_t event = with_handles ? make_event(client) : 0;
        put(client, AT_HANDLES, &event, sizeof(event));
        KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_INFINITE),
                      KP_OK);
        kp_channel_message_t reply = get_reply(client);
        KP_EXPECT_INT(reply.byte_count, size);
        KP_EXPECT_INT(reply.handle_count, with_handles);
        KP_EXPECT_INT(reply.transaction, round + 1);
        const uint8_t *in = kp_test_memory(client, BIG_ROOM);
        for (uint32_t i = 0; i < size; i++) {
            if (in[i] != (uint8_t)(i + round + 1)) {
                KP_FAIL("size %u, byte %u", size, i);
                break;
            }
        }
        if (with_handles) {
            get(client, AT_ROOM_HANDLES, &event, sizeof(event));
            KP_EXPECT_INT(kp_test_call(client, handle_close, event), KP_OK);
        }
    }
    kp_process_info_t info;
    kp_process_info(client, &info);
    KP_EXPECT_INT(info.messages_sent, 300);
    kp_process_info(server, &info);
    KP_EXPECT_INT(info.messages_sent, 300);
    KP_EXPECT_INT(kp_test_call(client, handle_close, client_end), KP_OK);
    pthread_join(echo.id, NULL);
    KP_EXPECT_INT(echo.result, KP_ERR_PEER_CLOSED);
    tear_down();
}

KP_TEST(requests_and_replies_of_every_size)
{
    requests_and_replies_of_every_size_as(false);
    requests_and_replies_of_every_size_as(true);
}

static void a_small_call_needs_no_memory_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    player_t echo = {.process = server, .handle = server_end};
    run(&echo, server_main);
    put_call(client, 64, 0);
    /* Once it waits, every allocation of a round trip would be the one that fails. */
    for (unsigned round = 0; round < 100;) {
        kp_object_t *object;
        kp_rights_t rights;
        KP_REQUIRE(kp_handle_lookup(&server->handles, server_end, &object, &rights) == KP_OK);
        kp_spin_lock(object->lock);
        bool waits = !kp_list_is_empty(&kp_channel_of(object)->receivers);
        kp_spin_unlock(object->lock);
        kp_object_release(object);
        if (!waits) {
            sched_yield();
            continue;
        }
        kp_test_fail_allocation(1);
        KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_INFINITE),
                      KP_OK);
        KP_EXPECT(!kp_test_failed());
        kp_test_fail_allocation(0);
        round++;
    }
    KP_EXPECT_INT(kp_test_call(client, handle_close, client_end), KP_OK);
    pthread_join(echo.id, NULL);
    tear_down();
}

KP_TEST(a_small_call_needs_no_memory)
{
    a_small_call_needs_no_memory_as(false);
    a_small_call_needs_no_memory_as(true);
}

/* A thread of the client's process with a place of its own. */
static void *lane_main(void *argument)
{
    player_t *player = argument;
    kp_test_attach("lane");
    uint32_t at = BIG_BYTES + player->number * LANE;
    uint32_t bytes = at + 0x100, room = at + 0x200;
    for (unsigned round = 0; round < player->rounds; round++) {
        uint32_t sent = player->number << 16 | round, got = 0;
        put(player->process, bytes, &sent, sizeof(sent));
        put_message(player->process, at, (kp_channel_message_t){.bytes = bytes, .byte_count = 4});
        put_message(player->process, at + sizeof(kp_channel_message_t),
                    (kp_channel_message_t){.bytes = room, .byte_count = 4});
        player->result = kp_test_call_beside(player->process, channel_call, player->handle, at,
                                             KP_TIME_INFINITE);
        if (player->result != KP_OK)
            break;
        get(player->process, room, &got, sizeof(got));
        if (got != ~sent)
            player->result = KP_ERR_PROTOCOL;
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(many_calls_wait_on_one_end)
{
    enum { LANES = 24, ROUNDS = 12 };
    KP_REQUIRE(set_up());
    player_t lanes[LANES];
    for (unsigned i = 0; i < LANES; i++) {
        lanes[i] =
            (player_t){.process = client, .handle = client_end, .number = i, .rounds = ROUNDS};
        run(&lanes[i], lane_main);
    }
    /* Takes several, answers them in another order. */
    unsigned seed = 1;
    struct {
        kp_transaction_t transaction;
        uint32_t value;
    } taken[LANES];
    for (unsigned answered = 0, count = 0; answered < LANES * ROUNDS;) {
        bool more = answered + count < LANES * ROUNDS && count < LANES && rand_r(&seed) % 3;
        if (count == 0 || more) {
            put_room(server);
            KP_REQUIRE(kp_test_call(server, channel_receive, server_end, AT_MESSAGE,
                                    count ? soon() : KP_TIME_INFINITE) != KP_ERR_PEER_CLOSED);
            kp_channel_message_t message = get_message(server, AT_MESSAGE);
            if (message.transaction == KP_TRANSACTION_NONE)
                continue;
            taken[count].transaction = message.transaction;
            get(server, BIG_ROOM, &taken[count++].value, sizeof(uint32_t));
            continue;
        }
        unsigned pick = (unsigned)rand_r(&seed) % count;
        uint32_t answer = ~taken[pick].value;
        put(server, BIG_ROOM, &answer, sizeof(answer));
        put_reply(server, taken[pick].transaction, sizeof(answer), 0);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
        /* No call is answered twice. */
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_ERR_NOT_FOUND);
        taken[pick] = taken[--count];
        answered++;
    }
    for (unsigned i = 0; i < LANES; i++) {
        pthread_join(lanes[i].id, NULL);
        KP_EXPECT_INT(lanes[i].result, KP_OK);
    }
    tear_down();
}

static void a_call_inside_a_call_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    kp_process_t *third = kp_test_process(PAGES, PAGES, NULL);
    kp_capability_t ends[2];
    KP_REQUIRE(third && kp_channel_create(ends) == KP_OK);
    kp_handle_t forward = give(server, ends[0]);
    player_t echo = {.process = third, .handle = give(third, ends[1])};
    run(&echo, server_main);
    player_t caller = {.process = client, .handle = client_end};
    put_call(client, 3, 0);
    put(client, AT_BYTES, "abc", 3);
    run(&caller, call_main);
    kp_transaction_t outer = receive_call();
    put_call(server, 3, 0);
    put(server, AT_BYTES, kp_test_memory(server, BIG_ROOM), 3);
    KP_EXPECT_INT(kp_test_call(server, channel_call, forward, AT_CALL, KP_TIME_INFINITE), KP_OK);
    put_reply(server, outer, 3, 0);
    KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
    pthread_join(caller.id, NULL);
    KP_EXPECT_INT(caller.result, KP_OK);
    KP_EXPECT(memcmp(kp_test_memory(client, BIG_ROOM), "bcd", 3) == 0);
    KP_EXPECT_INT(kp_test_call(server, handle_close, forward), KP_OK);
    pthread_join(echo.id, NULL);
    kp_test_process_end(third);
    tear_down();
}

KP_TEST(a_call_inside_a_call)
{
    a_call_inside_a_call_as(false);
    a_call_inside_a_call_as(true);
}

static void other_messages_stay_queued_and_in_order_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    player_t caller = {.process = client, .handle = client_end};
    put_call(client, 1, 0);
    KP_EXPECT_INT(kp_test_call(client, channel_write, client_end, AT_BYTES, 7, 0, 0), KP_OK);
    run(&caller, call_main);
    put_room(server);
    KP_EXPECT_INT(kp_test_call(server, channel_receive, server_end, AT_MESSAGE, KP_TIME_INFINITE),
                  KP_OK);
    KP_EXPECT_INT(get_message(server, AT_MESSAGE).byte_count, 7);
    KP_EXPECT_INT(get_message(server, AT_MESSAGE).transaction, KP_TRANSACTION_NONE);
    kp_transaction_t transaction = receive_call();
    KP_EXPECT_INT(kp_test_call(server, channel_write, server_end, AT_BYTES, 9, 0, 0), KP_OK);
    put_reply(server, transaction, 2, 0);
    KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
    pthread_join(caller.id, NULL);
    KP_EXPECT_INT(get_reply(client).byte_count, 2);
    KP_EXPECT_INT(kp_test_call(client, channel_read, client_end, AT_ROOM, 100, 0, 0, AT_ENDS),
                  KP_OK);
    uint32_t actual;
    get(client, AT_ENDS, &actual, sizeof(actual));
    KP_EXPECT_INT(actual, 9);
    /* channel_read takes a call's request too, but cannot answer it. */
    put_call(client, 5, 0);
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, soon()),
                  KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(kp_test_call(server, channel_read, server_end, AT_ROOM, 100, 0, 0, AT_ENDS),
                  KP_OK);
    tear_down();
}

KP_TEST(other_messages_stay_queued_and_in_order)
{
    other_messages_stay_queued_and_in_order_as(false);
    other_messages_stay_queued_and_in_order_as(true);
}

/* ---- How calls end otherwise ---- */

static void nobody_waits_for_the_reply_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    put_call(client, 5, 0);
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, soon()),
                  KP_ERR_TIMED_OUT);
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_POLL),
                  KP_ERR_TIMED_OUT);
    kp_transaction_t transaction = receive_call();
    uint32_t event = make_event(server);
    put(server, AT_HANDLES, &event, sizeof(event));
    /* Late, forged, or none at all: the handle stays. */
    const kp_transaction_t ids[] = {transaction, transaction + 1, 77, UINT32_MAX, 0};
    for (size_t i = 0; i < KP_ARRAY_COUNT(ids); i++) {
        put_reply(server, ids[i], 4, i % 2);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_ERR_NOT_FOUND);
    }
    put_reply(server, transaction, 4, 1);
    KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_test_call(server, object_signal, event, 0, KP_SIGNAL_SIGNALED), KP_OK);
    /* With a receive it goes, and the receiving goes on. */
    put_room(server);
    KP_EXPECT_INT(
        kp_test_call(server, channel_reply_receive, server_end, AT_CALL, AT_MESSAGE, soon()),
        KP_OK);
    KP_EXPECT_INT(get_message(server, AT_MESSAGE).byte_count, 5);
    KP_EXPECT_INT(kp_test_call(server, handle_close, event), KP_ERR_BAD_HANDLE);
    KP_EXPECT_INT(kp_test_call(server, channel_receive, server_end, AT_MESSAGE, KP_TIME_POLL),
                  KP_ERR_TIMED_OUT);
    tear_down();
}

KP_TEST(nobody_waits_for_the_reply)
{
    nobody_waits_for_the_reply_as(false);
    nobody_waits_for_the_reply_as(true);
}

static void a_reply_that_does_not_fit_is_lost_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    for (int handles = 0; handles < 2; handles++) {
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, 5, 0);
        kp_channel_message_t room = {.bytes = AT_ROOM, .byte_count = 7};
        put_message(client, AT_CALL + sizeof(room), room);
        run(&caller, call_main);
        kp_transaction_t transaction = receive_call();
        uint32_t event = make_event(server);
        put(server, AT_HANDLES, &event, sizeof(event));
        put_reply(server, transaction, handles ? 7 : 8, (uint32_t)handles);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, KP_ERR_BUFFER_TOO_SMALL);
        KP_EXPECT_INT(get_reply(client).byte_count, handles ? 7 : 8);
        KP_EXPECT_INT(get_reply(client).handle_count, handles);
        KP_EXPECT_INT(kp_test_call(server, handle_close, event),
                      handles ? KP_ERR_BAD_HANDLE : KP_OK);
    }
    tear_down();
}

KP_TEST(a_reply_that_does_not_fit_is_lost)
{
    a_reply_that_does_not_fit_is_lost_as(false);
    a_reply_that_does_not_fit_is_lost_as(true);
}

static void a_request_that_does_not_fit_stays_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    player_t caller = {.process = client, .handle = client_end};
    put_call(client, 100, 0);
    run(&caller, call_main);
    put_message(server, AT_MESSAGE, (kp_channel_message_t){.bytes = AT_ROOM, .byte_count = 99});
    KP_EXPECT_INT(kp_test_call(server, channel_receive, server_end, AT_MESSAGE, KP_TIME_INFINITE),
                  KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT_INT(get_message(server, AT_MESSAGE).byte_count, 100);
    put_reply(server, receive_call(), 0, 0);
    KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
    pthread_join(caller.id, NULL);
    KP_EXPECT_INT(caller.result, KP_OK);
    tear_down();
}

KP_TEST(a_request_that_does_not_fit_stays)
{
    a_request_that_does_not_fit_stays_as(false);
    a_request_that_does_not_fit_stays_as(true);
}

KP_TEST(a_server_ends_while_it_holds_100_calls)
{
    enum { LANES = 31, TIMES = 4 };
    for (int way = 0; way < TIMES; way++) {
        KP_REQUIRE(set_up());
        player_t lanes[LANES];
        for (unsigned i = 0; i < LANES; i++) {
            lanes[i] =
                (player_t){.process = client, .handle = client_end, .number = i, .rounds = 1};
            run(&lanes[i], lane_main);
        }
        for (unsigned i = 0; i < LANES; i++)
            (void)receive_call();
        if (way % 2)
            kp_process_end(server, KP_EXIT_KILLED, 0, 0);
        else
            KP_EXPECT_INT(kp_test_call(server, handle_close, server_end), KP_OK);
        for (unsigned i = 0; i < LANES; i++) {
            pthread_join(lanes[i].id, NULL);
            KP_EXPECT_INT(lanes[i].result, KP_ERR_PEER_CLOSED);
        }
        put_call(client, 1, 0);
        KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_INFINITE),
                      KP_ERR_PEER_CLOSED);
        tear_down();
    }
}

KP_TEST(a_client_ends_while_it_waits)
{
    for (int way = 0; way < 9; way++) {
        KP_REQUIRE(
            set_up_as(way == 0 || way == 3)); /* nobody else closes an only thread's handles */
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, 64, 0);
        run(&caller, call_main);
        kp_transaction_t transaction = receive_call();
        kp_capability_t moved;
        kp_handle_table_t *table = &client->handles;
        switch (way % 3) {
        case 0:
            kp_process_end(client, KP_EXIT_KILLED, 0, 0);
            break;
        case 1:
            KP_EXPECT_INT(kp_handle_close(table, client_end), KP_OK);
            break;
        default: /* its end goes to another process */
            KP_EXPECT_INT(kp_handle_lift(table, 1, &client_end, 0, &moved), KP_OK);
            kp_wait_cancel(moved.object, table, client_end);
            kp_handle_unreserve(table, 1, &client_end);
            (void)give(server, moved);
            break;
        }
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, KP_ERR_CANCELLED);
        put_reply(server, transaction, 64, 0);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_ERR_NOT_FOUND);
        tear_down();
    }
}

static void fill_queue(void)
{
    while (kp_test_call(client, channel_write, client_end, 0, 0, 0, 0) == KP_OK) {
    }
}

static void wait_until_it_waits(void)
{
    kp_object_t *object;
    kp_rights_t rights;
    KP_REQUIRE(kp_handle_lookup(&client->handles, client_end, &object, &rights) == KP_OK);
    bool waits = false;
    while (!waits) {
        kp_spin_lock(object->lock);
        waits = !kp_list_is_empty(&object->waiters);
        kp_spin_unlock(object->lock);
        sched_yield();
    }
    kp_object_release(object);
}

/* A call waits for room like for its reply. */
static void a_full_queue_holds_calls_back_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    for (unsigned handles = 0; handles < 2; handles++) {
        fill_queue();
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, 64, handles);
        uint32_t event = make_event(client);
        put(client, AT_HANDLES, &event, sizeof(event));
        run(&caller, call_main);
        wait_until_it_waits();
        kp_transaction_t transaction = KP_TRANSACTION_NONE;
        for (unsigned received = 0; transaction == KP_TRANSACTION_NONE; received++) {
            put_room(server);
            KP_EXPECT_INT(
                kp_test_call(server, channel_receive, server_end, AT_MESSAGE, KP_TIME_INFINITE),
                KP_OK);
            kp_channel_message_t message = get_message(server, AT_MESSAGE);
            transaction = message.transaction;
            KP_EXPECT_INT(message.byte_count, transaction ? 64 : 0);
            KP_EXPECT_INT(message.handle_count, transaction ? handles : 0);
            KP_REQUIRE(received <= KP_CHANNEL_QUEUE_MESSAGES);
        }
        put_reply(server, transaction, 8, 0);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, KP_OK);
        KP_EXPECT_INT(get_reply(client).byte_count, 8);
    }
    tear_down();
}

KP_TEST(a_full_queue_holds_calls_back)
{
    a_full_queue_holds_calls_back_as(true);
    a_full_queue_holds_calls_back_as(false);
}

KP_TEST(a_wait_for_room_ends_with_its_reason)
{
    for (int way = 0; way < 3; way++) {
        KP_REQUIRE(set_up());
        fill_queue();
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, 64, 0);
        run(&caller, call_main);
        wait_until_it_waits();
        switch (way) {
        case 0:
            kp_process_end(client, KP_EXIT_KILLED, 0, 0);
            break;
        case 1:
            KP_EXPECT_INT(kp_handle_close(&client->handles, client_end), KP_OK);
            break;
        default:
            KP_EXPECT_INT(kp_test_call(server, handle_close, server_end), KP_OK);
            break;
        }
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, way == 2 ? KP_ERR_PEER_CLOSED : KP_ERR_CANCELLED);
        tear_down();
    }
}

static void failed_sends_keep_every_handle_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    uint32_t event = make_event(client);
    uint32_t weak = (uint32_t)kp_test_call(client, handle_duplicate, event, KP_RIGHT_WAIT);
    const uint32_t bad[][2] = {{event, event}, {event, weak}, {event, 12345}, {event, client_end}};
    put_call(client, 5, 2);
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++) {
        put(client, AT_HANDLES, bad[i], sizeof(bad[i]));
        KP_EXPECT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_INFINITE) < 0);
        KP_EXPECT_INT(kp_test_call(client, object_signal, event, 0, 0), KP_OK);
    }
    /* No memory at any step. */
    put_call(client, 5, 1);
    for (uint64_t n = 1;; n++) {
        kp_test_fail_allocation(n);
        int64_t result = kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_POLL);
        bool failed = kp_test_failed();
        kp_test_fail_allocation(0);
        if (!failed) {
            KP_EXPECT_INT(result, KP_ERR_TIMED_OUT);
            break;
        }
        KP_EXPECT_INT(result, KP_ERR_NO_MEMORY);
        KP_EXPECT_INT(kp_test_call(client, object_signal, event, 0, 0), KP_OK);
    }
    KP_EXPECT_INT(kp_test_call(client, object_signal, event, 0, 0), KP_ERR_BAD_HANDLE);
    /* A full queue. */
    while (kp_test_call(client, channel_write, client_end, 0, 0, 0, 0) == KP_OK) {
    }
    put(client, AT_HANDLES, &weak, sizeof(weak));
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_POLL),
                  KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, soon()),
                  KP_ERR_SHOULD_WAIT);
    /* Nobody there. */
    KP_EXPECT_INT(kp_test_call(server, handle_close, server_end), KP_OK);
    KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_INFINITE),
                  KP_ERR_PEER_CLOSED);
    KP_EXPECT_INT(kp_test_call(client, handle_close, weak), KP_OK);
    tear_down();
}

KP_TEST(failed_sends_keep_every_handle)
{
    failed_sends_keep_every_handle_as(false);
    failed_sends_keep_every_handle_as(true);
}

static void bad_memory_of_either_side_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    const uint32_t end = PAGES * 65536u;
    /* The records themselves, and what they say. */
    for (uint64_t at = end - sizeof(kp_channel_call_t) + 1; at < end + 2; at++)
        KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, at, KP_TIME_POLL),
                      KP_ERR_BAD_ADDRESS);
    for (uint64_t at = end - sizeof(kp_channel_message_t) + 1; at < end + 2; at++) {
        KP_EXPECT_INT(kp_test_call(client, channel_receive, client_end, at, KP_TIME_POLL),
                      KP_ERR_BAD_ADDRESS);
        KP_EXPECT_INT(kp_test_call(client, channel_reply, client_end, at), KP_ERR_BAD_ADDRESS);
    }
    const kp_channel_message_t bad[] = {
        {.bytes = end, .byte_count = 1},
        {.bytes = UINT32_MAX, .byte_count = 2},
        {.handles = end - 3, .handle_count = 1},
        {.bytes = end - 1, .byte_count = UINT32_MAX},
        {.handles = 8, .handle_count = UINT32_MAX},
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++) {
        put_message(client, AT_MESSAGE, bad[i]);
        KP_EXPECT_INT(kp_test_call(client, channel_receive, client_end, AT_MESSAGE, KP_TIME_POLL),
                      KP_ERR_BAD_ADDRESS);
        put_call(client, 1, 0);
        put_message(client, AT_CALL + sizeof(bad[0]), bad[i]);
        KP_EXPECT_INT(kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_POLL),
                      KP_ERR_BAD_ADDRESS);
        put_call(client, 1, 0);
        put_message(client, AT_CALL, bad[i]);
        int64_t result = kp_test_call(client, channel_call, client_end, AT_CALL, KP_TIME_POLL);
        KP_EXPECT_INT(result, i < 3 ? KP_ERR_BAD_ADDRESS : KP_ERR_TOO_LARGE);
    }
    /* A receiver that maps its room or its record read-only gets an error; the request stays. */
    int64_t vmo = kp_test_call(server, vmo_create, 0x10000);
    KP_EXPECT_INT(kp_test_call(server, vmo_map, vmo, 0, 0x10000, 0x10000, 0), KP_OK);
    static const uint32_t sizes[] = {64, 4096};
    for (unsigned i = 0; i < 2 * KP_ARRAY_COUNT(sizes); i++) {
        put_message(server, AT_MESSAGE,
                    (kp_channel_message_t){.bytes = 0x10000, .byte_count = 0x10000});
        player_t receiver = {.process = server, .handle = server_end};
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, sizes[i % 2], 0);
        run(&caller, call_main);
        if (i >= KP_ARRAY_COUNT(sizes))
            sched_yield(); /* it may be queued, or meet the receiver */
        int64_t result =
            kp_test_call(server, channel_receive, receiver.handle, AT_MESSAGE, KP_TIME_INFINITE);
        KP_EXPECT_INT(result, KP_ERR_BAD_ADDRESS);
        put_reply(server, receive_call(), 0, 0);
        KP_EXPECT_INT(get_message(server, AT_MESSAGE).byte_count, sizes[i % 2]);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, KP_OK);
    }
    /* A caller that does so ends its own call only. */
    vmo = kp_test_call(client, vmo_create, 0x10000);
    KP_EXPECT_INT(kp_test_call(client, vmo_map, vmo, 0, 0x10000, 0x10000, 0), KP_OK);
    for (size_t i = 0; i < KP_ARRAY_COUNT(sizes); i++) {
        player_t caller = {.process = client, .handle = client_end};
        put_call(client, 0, 0);
        put_message(client, AT_CALL + sizeof(bad[0]),
                    (kp_channel_message_t){.bytes = 0x10000, .byte_count = 0x10000});
        run(&caller, call_main);
        put_reply(server, receive_call(), sizes[i], 0);
        KP_EXPECT_INT(kp_test_call(server, channel_reply, server_end, AT_CALL), KP_OK);
        pthread_join(caller.id, NULL);
        KP_EXPECT_INT(caller.result, KP_ERR_BAD_ADDRESS);
    }
    tear_down();
}

KP_TEST(bad_memory_of_either_side)
{
    bad_memory_of_either_side_as(false);
    bad_memory_of_either_side_as(true);
}

static void messages_to_oneself_as(bool alone)
{
    KP_REQUIRE(set_up_as(alone));
    KP_EXPECT_INT(kp_test_call(client, channel_create, AT_ENDS), KP_OK);
    kp_handle_t ends[2];
    get(client, AT_ENDS, ends, sizeof(ends));
    put_call(client, 9, 0);
    KP_EXPECT_INT(kp_test_call(client, channel_call, ends[0], AT_CALL, soon()), KP_ERR_TIMED_OUT);
    put_room(client);
    KP_EXPECT_INT(kp_test_call(client, channel_receive, ends[1], AT_MESSAGE, KP_TIME_POLL), KP_OK);
    KP_EXPECT_INT(get_message(client, AT_MESSAGE).byte_count, 9);
    /* The other end through the channel itself, as request and as reply. */
    put(client, AT_HANDLES, &ends[1], sizeof(ends[1]));
    put_call(client, 9, 1);
    KP_EXPECT_INT(kp_test_call(client, channel_call, ends[0], AT_CALL, soon()),
                  KP_ERR_INVALID_ARGUMENT);
    put_reply(client, 1, 0, 1);
    KP_EXPECT_INT(kp_test_call(client, channel_reply, ends[1], AT_CALL), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_test_call(client, handle_close, ends[1]), KP_OK);
    tear_down();
}

KP_TEST(messages_to_oneself)
{
    messages_to_oneself_as(false);
    messages_to_oneself_as(true);
}

/* Several threads receive at one end: each message wakes one, and no message is left when one that was
   woken gives up instead. */
static void *receiver_main(void *argument)
{
    player_t *player = argument;
    kp_test_attach("receiver");
    uint32_t at = 0x10000 + player->number * LANE;
    for (int64_t status = KP_OK; status == KP_OK || status == KP_ERR_TIMED_OUT;) {
        put_message(player->process, at,
                    (kp_channel_message_t){.bytes = at + 0x100, .byte_count = 0x400});
        kp_time_t deadline =
            player->number % 2 ? KP_TIME_INFINITE : kp_machine_now() + 50000 * player->number;
        status =
            kp_test_call_beside(player->process, channel_receive, player->handle, at, deadline);
        player->rounds += status == KP_OK;
        player->result = status;
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(every_message_wakes_a_receiver)
{
    enum { RECEIVERS = 6, MESSAGES = 600 };
    KP_REQUIRE(set_up());
    player_t receivers[RECEIVERS];
    for (unsigned i = 0; i < RECEIVERS; i++) {
        receivers[i] = (player_t){.process = server, .handle = server_end, .number = i};
        run(&receivers[i], receiver_main);
    }
    for (unsigned sent = 0; sent < MESSAGES;) {
        int64_t status = kp_test_call(client, channel_write, client_end, AT_BYTES, 8, 0, 0);
        if (status == KP_ERR_SHOULD_WAIT)
            status = kp_test_call(client, object_wait_one, client_end, KP_SIGNAL_WRITABLE,
                                  KP_TIME_INFINITE, 0);
        else
            sent++;
        KP_EXPECT_INT(status, KP_OK);
    }
    /* They have taken all of it when the queue is empty, without another message. */
    kp_object_t *object;
    kp_rights_t rights;
    KP_REQUIRE(kp_handle_lookup(&server->handles, server_end, &object, &rights) == KP_OK);
    while (atomic_load(&object->signals) & KP_SIGNAL_READABLE)
        sched_yield();
    kp_object_release(object);
    KP_EXPECT_INT(kp_test_call(client, handle_close, client_end), KP_OK);
    unsigned received = 0;
    for (unsigned i = 0; i < RECEIVERS; i++) {
        pthread_join(receivers[i].id, NULL);
        KP_EXPECT_INT(receivers[i].result, KP_ERR_PEER_CLOSED);
        received += receivers[i].rounds;
    }
    KP_EXPECT_INT(received, MESSAGES);
    tear_down();
}

/* ---- Everything at once ---- */

static void *churn_client_main(void *argument)
{
    player_t *player = argument;
    kp_test_attach("client");
    unsigned seed = player->number;
    uint32_t at = BIG_BYTES + player->number * LANE;
    for (unsigned i = 0; i < player->rounds; i++) {
        put_message(player->process, at,
                    (kp_channel_message_t){.bytes = at + 0x500,
                                           .byte_count = (uint32_t)rand_r(&seed) % 600});
        put_message(player->process, at + sizeof(kp_channel_message_t),
                    (kp_channel_message_t){.bytes = at + 0x100, .byte_count = 0x400});
        kp_time_t deadline =
            rand_r(&seed) % 4 ? kp_machine_now() + 20 * KP_NS_PER_MS : kp_machine_now() + 20000;
        int64_t status =
            kp_test_call_beside(player->process, channel_call, player->handle, at, deadline);
        if (status == KP_ERR_PEER_CLOSED || status == KP_ERR_CANCELLED ||
            status == KP_ERR_BAD_HANDLE)
            break;
    }
    kp_test_detach();
    return NULL;
}

static void *churn_server_main(void *argument)
{
    player_t *player = argument;
    kp_test_attach("server");
    unsigned seed = player->number;
    uint32_t at = player->number * LANE + 0x10000, room = at + 0x40;
    put_message(player->process, at, (kp_channel_message_t){0});
    for (;;) {
        put_message(player->process, room,
                    (kp_channel_message_t){.bytes = at + 0x100, .byte_count = 0x400});
        int64_t status = kp_test_call_beside(player->process, channel_reply_receive, player->handle,
                                             at, room, KP_TIME_INFINITE);
        if (status != KP_OK)
            break;
        kp_channel_message_t message = get_message(player->process, room);
        message.handle_count = 0;
        message.byte_count = (uint32_t)rand_r(&seed) % 600;
        if (rand_r(&seed) % 8 == 0)
            message.transaction = KP_TRANSACTION_NONE; /* never answers */
        put_message(player->process, at, message);
    }
    kp_test_detach();
    return NULL;
}

KP_TEST(calls_under_churn)
{
    enum { EACH = 4 };
    for (int round = 0; round < 8; round++) {
        KP_REQUIRE(set_up());
        player_t clients[EACH], servers[EACH];
        for (unsigned i = 0; i < EACH; i++) {
            clients[i] =
                (player_t){.process = client, .handle = client_end, .number = i, .rounds = 60};
            servers[i] = (player_t){.process = server, .handle = server_end, .number = i};
            run(&servers[i], churn_server_main);
            run(&clients[i], churn_client_main);
        }
        kp_machine_thread_park(kp_machine_now() + (round + 1) * KP_NS_PER_MS);
        switch (round % 4) {
        case 0:
        case 2:
            KP_EXPECT_INT(kp_test_call(server, handle_close, server_end), KP_OK);
            break;
        case 1:
            KP_EXPECT_INT(kp_test_call(client, handle_close, client_end), KP_OK);
            break;
        default: /* the clients end by themselves */
            for (unsigned i = 0; i < EACH; i++)
                pthread_join(clients[i].id, NULL);
            KP_EXPECT_INT(kp_test_call(client, handle_close, client_end), KP_OK);
            break;
        }
        for (unsigned i = 0; i < EACH; i++) {
            if (round % 4 != 3)
                pthread_join(clients[i].id, NULL);
            pthread_join(servers[i].id, NULL);
        }
        tear_down();
    }
}

KP_TEST_MAIN()
