/* Several threads at once: waits, hand-overs, closes and deaths at any moment. Also run under
   ThreadSanitizer (kernel/test/threads-tsan). */
#include "kernel/ipc/services.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <sched.h>
#include <stdlib.h>

typedef struct player {
    pthread_t id;
    kp_process_t *process;
    kp_handle_t handles[4];
    unsigned rounds;
    _Atomic int64_t result;
    atomic_bool started;
} player_t;

static void run(player_t *player, void *(*fn)(void *))
{
    int error = pthread_create(&player->id, NULL, fn, player);
    KP_EXPECT_INT(error, 0);
}

static kp_handle_t give(kp_process_t *process, kp_capability_t capability)
{
    kp_handle_t handle = 0;
    kp_status_t status = kp_handle_add(&process->handles, capability, &handle);
    KP_EXPECT_INT(status, KP_OK);
    return handle;
}

static void *echo_main(void *argument)
{
    player_t *player = argument;
    for (unsigned i = 0; i < player->rounds; i++) {
        int64_t status;
        while ((status = kp_test_call(player->process, channel_read, player->handles[0], 0x1000, 64,
                                      0, 0, 0x100)) == KP_ERR_SHOULD_WAIT) {
            status = kp_test_call(player->process, object_wait_one, player->handles[0],
                                  KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, 0);
            if (status != KP_OK)
                break;
        }
        if (status == KP_OK)
            status =
                kp_test_call(player->process, channel_write, player->handles[0], 0x1000, 64, 0, 0);
        if (status != KP_OK) {
            atomic_store(&player->result, status);
            return NULL;
        }
    }
    return NULL;
}

KP_TEST(ping_pong_between_processes)
{
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE);
    player_t a = {.process = kp_test_process(1, 1, NULL), .rounds = 2000};
    player_t b = {.process = kp_test_process(1, 1, NULL), .rounds = 2000};
    kp_capability_t ends[2];
    KP_REQUIRE(a.process && b.process && kp_channel_create(ends) == KP_OK);
    a.handles[0] = give(a.process, ends[0]);
    b.handles[0] = give(b.process, ends[1]);
    /* One ball is in play. */
    KP_EXPECT_INT(kp_test_call(a.process, channel_write, a.handles[0], 0, 64, 0, 0), KP_OK);
    run(&b, echo_main);
    run(&a, echo_main);
    pthread_join(a.id, NULL);
    pthread_join(b.id, NULL);
    KP_EXPECT_INT(atomic_load(&a.result), KP_OK);
    KP_EXPECT_INT(atomic_load(&b.result), KP_OK);
    kp_test_process_end(a.process);
    kp_test_process_end(b.process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
}

static void *flood_main(void *argument)
{
    player_t *player = argument;
    for (unsigned i = 0; i < player->rounds;) {
        int64_t status =
            kp_test_call(player->process, channel_write, player->handles[0], 0, 100, 0, 0);
        if (status == KP_OK)
            i++;
        else if (status == KP_ERR_SHOULD_WAIT)
            status = kp_test_call(player->process, object_wait_one, player->handles[0],
                                  KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, 0);
        if (status != KP_OK) {
            atomic_store(&player->result, status);
            break;
        }
    }
    return NULL;
}

KP_TEST(writers_wake_when_there_is_room)
{
    kp_test_attach("test");
    player_t writer = {.process = kp_test_process(1, 1, NULL), .rounds = 5000};
    kp_capability_t ends[2];
    KP_REQUIRE(writer.process && kp_channel_create(ends) == KP_OK);
    writer.handles[0] = give(writer.process, ends[0]);
    run(&writer, flood_main);
    for (unsigned i = 0; i < writer.rounds; i++) {
        kp_message_t *message;
        kp_status_t status = kp_channel_receive(ends[1], KP_TIME_INFINITE, &message);
        KP_EXPECT_INT(status, KP_OK);
        if (status != KP_OK)
            break;
        kp_message_destroy(message);
    }
    pthread_join(writer.id, NULL);
    KP_EXPECT_INT(atomic_load(&writer.result), KP_OK);
    kp_capability_close(&ends[1]);
    kp_test_process_end(writer.process);
}

static void *wait_main(void *argument)
{
    player_t *player = argument;
    kp_wait_item_t items[2] = {
        {.handle = player->handles[0], .signals = KP_SIGNAL_SIGNALED},
        {.handle = player->handles[1], .signals = KP_SIGNAL_SIGNALED},
    };
    memcpy(kp_test_memory(player->process, 0x100), items, sizeof(items));
    atomic_store(&player->started, true);
    atomic_store(&player->result,
                 kp_test_call(player->process, object_wait_many, 0x100, 2, KP_TIME_INFINITE));
    return NULL;
}

/* Until the event has a waiter: then the player is (about to be) parked. */
static void until_waited_for(kp_object_t *object)
{
    for (bool waiting = false; !waiting; sched_yield()) {
        kp_spin_lock(object->lock);
        waiting = !kp_list_is_empty(&object->waiters);
        kp_spin_unlock(object->lock);
    }
}

enum { CLOSE, REPLACE, TRANSFER, KILL, SIGNAL, WAYS };

KP_TEST(waits_end_when_the_handle_goes)
{
    kp_test_attach("test");
    for (int way = 0; way < WAYS * 20; way++) {
        player_t player = {.process = kp_test_process(1, 1, NULL)};
        kp_capability_t events[2], ends[2];
        KP_REQUIRE(player.process && kp_event_create(&events[0]) == KP_OK &&
                   kp_event_create(&events[1]) == KP_OK && kp_channel_create(ends) == KP_OK);
        kp_object_t *object = kp_object_acquire(events[1].object);
        player.handles[0] = give(player.process, events[0]);
        player.handles[1] = give(player.process, events[1]);
        run(&player, wait_main);
        until_waited_for(object);
        kp_handle_table_t *table = &player.process->handles;
        kp_capability_t moved;
        kp_status_t expected = KP_ERR_CANCELLED;
        switch (way % WAYS) {
        case CLOSE:
            KP_EXPECT_INT(kp_handle_close(table, player.handles[1]), KP_OK);
            break;
        case REPLACE:
        case TRANSFER: /* as the calls do it, from another thread of the process */
            KP_EXPECT_INT(kp_handle_lift(table, 1, &player.handles[1], 0, &moved), KP_OK);
            kp_wait_cancel(object, table, player.handles[1]);
            kp_handle_unreserve(table, 1, &player.handles[1]);
            KP_EXPECT_INT(kp_channel_send(ends[0], NULL, 0, &moved, 1), KP_OK);
            break;
        case KILL:
            kp_process_end(player.process, KP_EXIT_KILLED, 0, 0);
            break;
        default:
            kp_object_signal(object, 0, KP_SIGNAL_SIGNALED);
            expected = KP_OK;
            break;
        }
        pthread_join(player.id, NULL);
        KP_EXPECT_INT(atomic_load(&player.result), expected);
        kp_object_release(object);
        kp_capability_close(&ends[0]);
        kp_capability_close(&ends[1]);
        kp_test_process_end(player.process);
    }
}

static void *churn_main(void *argument)
{
    player_t *player = argument;
    unsigned seed = (unsigned)(uintptr_t)player;
    for (unsigned i = 0; i < player->rounds; i++) {
        kp_process_t *process = player->process;
        int64_t status = kp_test_call(process, service_connect, player->handles[0]);
        if (status == KP_ERR_PROCESS_DEAD)
            break;
        if (status > 0) {
            kp_test_call(process, channel_write, (uint64_t)status, 0, 10, 0, 0);
            if (rand_r(&seed) % 2)
                kp_test_call(process, handle_close, (uint64_t)status);
        }
        if (rand_r(&seed) % 64 == 0) {
            kp_process_info_t info;
            kp_process_info(process, &info);
        }
    }
    return NULL;
}

/* Servers and clients come and go while each other's calls are in progress. */
KP_TEST(services_under_churn)
{
    kp_test_attach("test");
    kp_service_t *service;
    KP_REQUIRE(kp_service_find("churn", &service) == KP_OK);
    uint64_t objects = kp_object_count(KP_TYPE_NONE);
    for (int round = 0; round < 10; round++) {
        player_t players[3] = {0};
        for (int i = 0; i < 3; i++) {
            players[i].process = kp_test_process(1, 1, NULL);
            players[i].rounds = 300;
            players[i].handles[0] =
                give(players[i].process,
                     kp_capability_create(kp_service_object(service), KP_RIGHTS_ALL));
            run(&players[i], churn_main);
        }
        for (int life = 0; life < 5; life++) {
            kp_capability_t requests;
            kp_status_t status = kp_service_register(service, &requests);
            KP_EXPECT_INT(status, KP_OK);
            for (int i = 0; i < 50; i++) {
                kp_message_t *message;
                if (kp_channel_receive(requests, kp_machine_now() + KP_NS_PER_MS, &message) ==
                    KP_OK)
                    kp_message_destroy(message);
            }
            kp_capability_close(&requests);
        }
        kp_process_end(players[0].process, KP_EXIT_KILLED, 0, 0);
        for (int i = 0; i < 3; i++)
            pthread_join(players[i].id, NULL);
        for (int i = 0; i < 3; i++)
            kp_test_process_end(players[i].process);
        kp_capability_t requests;
        KP_EXPECT_INT(kp_service_register(service, &requests), KP_OK);
        kp_message_t *message;
        while (kp_channel_receive(requests, KP_TIME_POLL, &message) == KP_OK)
            kp_message_destroy(message);
        kp_capability_close(&requests);
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
}

static void *pass_main(void *argument)
{
    player_t *player = argument;
    kp_process_t *process = player->process;
    unsigned seed = player->handles[0];
    for (unsigned i = 0; i < player->rounds; i++) {
        /* Make a channel, send one end away, sometimes drop the other; read what came. */
        if (kp_test_call(process, channel_create, 0x100) == KP_OK) {
            uint32_t ends[2];
            memcpy(ends, kp_test_memory(process, 0x100), sizeof(ends));
            if (kp_test_call(process, channel_write, player->handles[0], 0, 8, 0x100, 1) != KP_OK)
                kp_test_call(process, handle_close, ends[0]);
            if (rand_r(&seed) % 3)
                kp_test_call(process, handle_close, ends[1]);
        }
        if (kp_test_call(process, channel_read, player->handles[0], 0x200, 64, 0x300, 4, 0x400) ==
            KP_OK) {
            uint32_t received[2];
            memcpy(received, kp_test_memory(process, 0x300), sizeof(received));
            /* Send something that came through something that came. */
            memcpy(kp_test_memory(process, 0x500), &received[0], 4);
            if (kp_test_call(process, channel_write, player->handles[0], 0, 8, 0x500, 1) != KP_OK)
                kp_test_call(process, handle_close, received[0]);
        }
    }
    return NULL;
}

KP_TEST(channels_through_channels)
{
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    player_t players[2] = {{.rounds = 3000}, {.rounds = 3000}};
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    for (int i = 0; i < 2; i++) {
        players[i].process = kp_test_process(1, 1, NULL);
        players[i].handles[0] = give(players[i].process, ends[i]);
    }
    for (int i = 0; i < 2; i++)
        run(&players[i], pass_main);
    for (int i = 0; i < 2; i++)
        pthread_join(players[i].id, NULL);
    for (int i = 0; i < 2; i++)
        kp_test_process_end(players[i].process);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

KP_TEST_MAIN()
