/* Timers and ports used by several threads at once. Under ThreadSanitizer too (kernel/test/threads-tsan). */
#include "kernel/object/test/wait.h"

#include <sched.h>
#include <stdlib.h>

typedef struct player {
    pthread_t id;
    kp_capability_t *events;
    kp_object_t *object;
    unsigned count, rounds;
    unsigned seed;
    _Atomic int64_t result;
    atomic_bool stop;
} player_t;

static void *signal_main(void *argument)
{
    player_t *player = argument;
    for (unsigned i = 0; i < player->rounds; i++) {
        kp_object_t *event = player->events[(unsigned)rand_r(&player->seed) % player->count].object;
        kp_object_signal(event, KP_SIGNAL_SIGNALED, 0);
        kp_object_signal(event, 0, KP_SIGNAL_SIGNALED);
    }
    atomic_store(&player->stop, true);
    return NULL;
}

/* Signals, binds, unbinds and takes at once: nothing is lost, nothing leaks. */
KP_TEST(ports_under_fire)
{
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    enum { EVENTS = 16, THREADS = 2 };
    kp_capability_t events[EVENTS], port_capability;
    for (int i = 0; i < EVENTS; i++)
        KP_REQUIRE(kp_event_create(&events[i]) == KP_OK);
    KP_REQUIRE(kp_port_create(&port_capability) == KP_OK);
    kp_port_t *port = kp_port_from_object(port_capability.object);
    player_t players[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        players[i] = (player_t){
            .events = events, .count = EVENTS, .rounds = 4000, .seed = 11u + (unsigned)i};
        pthread_create(&players[i].id, NULL, signal_main, &players[i]);
    }
    unsigned seed = 5, reports = 0;
    bool bound[EVENTS] = {0};
    for (unsigned step = 0;
         step < 1000 || !atomic_load(&players[0].stop) || !atomic_load(&players[1].stop); step++) {
        unsigned i = (unsigned)rand_r(&seed) % EVENTS;
        uint32_t flags = rand_r(&seed) % 2 ? KP_PORT_EDGE : KP_PORT_LEVEL;
        if (!bound[i])
            bound[i] = kp_port_bind(port, events[i].object, NULL, KP_HANDLE_NONE,
                                    KP_SIGNAL_SIGNALED, i, flags, NULL) == KP_OK;
        else if (rand_r(&seed) % 4 == 0)
            bound[i] = kp_port_unbind(port, i) != KP_OK;
        kp_port_packet_t packets[5];
        kp_list_t taken, again;
        kp_list_init(&taken);
        kp_list_init(&again);
        reports += kp_port_take(port, packets, 5, &taken);
        kp_port_settle(port, &taken, &again, rand_r(&seed) % 4 != 0);
        kp_port_take_end(port, &again);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(players[i].id, NULL);
    KP_EXPECT(reports > 0);
    /* All stand now; each bound one must be known to the port as a level. */
    for (unsigned i = 0; i < EVENTS; i++) {
        if (bound[i])
            KP_EXPECT_INT(kp_port_unbind(port, i), KP_OK);
        kp_object_signal(events[i].object, KP_SIGNAL_SIGNALED, 0);
        KP_EXPECT_INT(kp_port_bind(port, events[i].object, NULL, KP_HANDLE_NONE, KP_SIGNAL_SIGNALED,
                                   i, KP_PORT_EDGE, NULL),
                      KP_OK);
    }
    kp_capability_close(&port_capability);
    for (int i = 0; i < EVENTS; i++)
        kp_capability_close(&events[i]);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static void *port_wait_main(void *argument)
{
    player_t *player = argument;
    kp_process_t *waiting = (kp_process_t *)player->object;
    for (;;) {
        int64_t count = kp_test_call(waiting, port_wait, player->rounds, AT, 8, KP_TIME_INFINITE);
        if (count < 0) {
            atomic_store(&player->result, count);
            return NULL;
        }
        player->count += (unsigned)count;
    }
}

enum { CLOSE_PORT, KILL, WAYS };

/* A thread sleeps in port_wait; edges arrive, then the port's handle goes or the process dies. */
KP_TEST(a_waiting_thread_gets_every_edge_and_every_end)
{
    kp_test_attach("test");
    for (int way = 0; way < WAYS * 10; way++) {
        kp_process_t *waiting = kp_test_process(1, 1, NULL);
        kp_capability_t event;
        kp_handle_t event_handle;
        KP_REQUIRE(waiting && kp_event_create(&event) == KP_OK);
        kp_object_t *object = kp_object_acquire(event.object);
        KP_REQUIRE(kp_handle_add(&waiting->handles, event, &event_handle) == KP_OK);
        int64_t port = kp_test_call(waiting, port_create, 0);
        KP_EXPECT_INT(kp_test_call(waiting, port_bind, port, event_handle, KP_SIGNAL_SIGNALED, 1,
                                   KP_PORT_EDGE),
                      KP_OK);
        player_t player = {.object = &waiting->object, .rounds = (unsigned)port};
        pthread_create(&player.id, NULL, port_wait_main, &player);
        for (int i = 0; i < 50; i++) {
            kp_object_signal(object, KP_SIGNAL_SIGNALED, 0);
            kp_object_signal(object, 0, KP_SIGNAL_SIGNALED);
            if (i % 10 == 0)
                sched_yield();
        }
        if (way % WAYS == CLOSE_PORT)
            KP_EXPECT_INT(kp_handle_close(&waiting->handles, (kp_handle_t)port), KP_OK);
        else
            kp_process_end(waiting, KP_EXIT_KILLED, 0, 0);
        pthread_join(player.id, NULL);
        int64_t result = atomic_load(&player.result);
        KP_EXPECT(result == KP_ERR_CANCELLED || result == KP_ERR_BAD_HANDLE ||
                  result == KP_ERR_PROCESS_DEAD);
        kp_object_release(object);
        kp_test_process_end(waiting);
    }
}

static void *timer_main(void *argument)
{
    player_t *player = argument;
    for (unsigned i = 0; i < player->rounds; i++) {
        kp_timer_t *timer = kp_timer_from_object(
            player->events[(unsigned)rand_r(&player->seed) % player->count].object);
        if (rand_r(&player->seed) % 5 == 0)
            kp_timer_cancel(timer);
        else
            kp_timer_set(timer, kp_machine_now() + rand_r(&player->seed) % 200000,
                         (unsigned)rand_r(&player->seed) % 50000);
    }
    return NULL;
}

#define ELSEWHERE 0x10000u /* a page that others map over */

static void *wait_elsewhere_main(void *argument)
{
    player_t *player = argument;
    kp_test_attach("waiter");
    atomic_store(&player->result, kp_test_call_beside(process, port_wait, player->seed, ELSEWHERE,
                                                      10, KP_TIME_INFINITE));
    kp_test_detach();
    return NULL;
}

/* What is ready when the buffer cannot be written any more stays ready, whatever it is. */
KP_TEST(a_buffer_that_goes_while_waiting_loses_nothing)
{
    KP_REQUIRE(set_up());
    kp_handle_t port = PORT(), edge = EVENT(), once = EVENT(), level = EVENT(), closed = EVENT();
    kp_handle_t vmo = make(CALL(vmo_create, KP_PAGE_SIZE));
    const kp_handle_t events[] = {edge, once, level, closed};
    const uint32_t flags[] = {KP_PORT_EDGE, KP_PORT_EDGE | KP_PORT_ONCE, KP_PORT_LEVEL,
                              KP_PORT_EDGE};
    for (unsigned i = 0; i < 4; i++)
        KP_REQUIRE(CALL(port_bind, port, events[i], KP_SIGNAL_SIGNALED, i, flags[i]) == KP_OK);
    player_t player = {.seed = port};
    pthread_create(&player.id, NULL, wait_elsewhere_main, &player);
    kp_object_t *object;
    kp_rights_t rights;
    KP_REQUIRE(kp_handle_lookup(&process->handles, port, &object, &rights) == KP_OK);
    for (bool waits = false; !waits; sched_yield()) {
        kp_spin_lock(object->lock);
        waits = !kp_list_is_empty(&object->waiters);
        kp_spin_unlock(object->lock);
    }
    kp_object_release(object);
    KP_EXPECT_INT(CALL(vmo_map, vmo, 0, ELSEWHERE, KP_PAGE_SIZE, 0), KP_OK);
    for (unsigned i = 0; i < 3; i++)
        SIGNAL(events[i]);
    KP_EXPECT_INT(CALL(handle_close, closed), KP_OK);
    const kp_port_packet_t own = {.key = 9, .data = {4, 5}};
    memcpy(kp_test_memory(process, 0x200), &own, sizeof(own));
    KP_EXPECT_INT(CALL(port_post, port, 0x200), KP_OK);
    pthread_join(player.id, NULL);
    KP_EXPECT_INT(atomic_load(&player.result), KP_ERR_BAD_ADDRESS);
    CLEAR(edge); /* the rise is known */
    KP_EXPECT_INT(poll_port(port, 10), 5);
    unsigned keys = 0;
    for (unsigned i = 0; i < 5; i++) {
        kp_port_packet_t packet = packet_at(i);
        keys |= 1u << packet.key;
        KP_EXPECT_INT(packet.kind, packet.key == 9   ? KP_PORT_USER
                                   : packet.key == 3 ? KP_PORT_CLOSED
                                                     : KP_PORT_SIGNALS);
        if (packet.key < 3)
            KP_EXPECT_INT(packet.observed, KP_SIGNAL_SIGNALED);
        if (packet.key == 9)
            KP_EXPECT(packet.data[0] == 4 && packet.data[1] == 5);
    }
    KP_EXPECT_INT(keys, 0x20f);
    expect_packet(port, 2, KP_PORT_SIGNALS, KP_SIGNAL_SIGNALED); /* the level, and nothing else */
    tear_down();
}

/* Several threads set and cancel the same timers; in the end each comes, and is waited for. */
KP_TEST(timers_under_fire)
{
    kp_test_attach("test");
    KP_REQUIRE(kp_timers_start() == KP_OK);
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    enum { TIMERS = 20, THREADS = 3 };
    kp_capability_t timers[TIMERS];
    for (int i = 0; i < TIMERS; i++)
        KP_REQUIRE(kp_timer_create(&timers[i]) == KP_OK);
    player_t players[THREADS] = {0};
    for (int i = 0; i < THREADS; i++) {
        players[i] = (player_t){
            .events = timers, .count = TIMERS, .rounds = 3000, .seed = 21u + (unsigned)i};
        pthread_create(&players[i].id, NULL, timer_main, &players[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(players[i].id, NULL);
    for (int i = 0; i < TIMERS; i++)
        kp_timer_set(kp_timer_from_object(timers[i].object), kp_machine_now() + i * 100000, 1000);
    for (int i = 0; i < TIMERS; i++)
        KP_EXPECT_INT(kp_wait_one(timers[i].object, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, NULL),
                      KP_OK);
    for (int i = 0; i < TIMERS; i++) { /* also such that are set */
        kp_timer_set(kp_timer_from_object(timers[i].object), kp_machine_now() + i * 100, 0);
        kp_capability_close(&timers[i]);
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static void *bind_main(void *argument)
{
    player_t *player = argument;
    kp_process_t *binder = (kp_process_t *)player->object;
    for (unsigned key = 0; !atomic_load(&player->stop); key++)
        (void)kp_test_call(binder, port_bind, player->rounds, player->count, KP_SIGNAL_SIGNALED,
                           key % 50, KP_PORT_LEVEL);
    return NULL;
}

/* The handle is closed while it is being bound: no binding may outlive it unnoticed. */
KP_TEST(closing_races_with_binding)
{
    kp_test_attach("test");
    for (int round = 0; round < 50; round++) {
        kp_process_t *binder = kp_test_process(1, 1, NULL);
        KP_REQUIRE(binder);
        int64_t port = kp_test_call(binder, port_create, 0);
        int64_t event = kp_test_call(binder, event_create, 0);
        kp_object_t *object;
        KP_REQUIRE(kp_handle_lookup_typed(&binder->handles, (kp_handle_t)event, 0, 0, &object) ==
                   KP_OK);
        player_t player = {
            .object = &binder->object, .rounds = (unsigned)port, .count = (unsigned)event};
        pthread_create(&player.id, NULL, bind_main, &player);
        for (int i = 0; i < round; i++)
            sched_yield();
        KP_EXPECT_INT(kp_handle_close(&binder->handles, (kp_handle_t)event), KP_OK);
        atomic_store(&player.stop, true);
        pthread_join(player.id, NULL);
        kp_spin_lock(object->lock);
        KP_EXPECT_INT(object->bindings, 0);
        KP_EXPECT(kp_list_is_empty(&object->waiters));
        kp_spin_unlock(object->lock);
        kp_object_release(object);
        kp_test_process_end(binder);
    }
}

KP_TEST_MAIN()
