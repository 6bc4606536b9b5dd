/* Revocation while others duplicate, send, wait, close and die. Also run under ThreadSanitizer
   (kernel/test/threads-tsan). */
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <sched.h>
#include <stdlib.h>

enum { PLAYERS = 3, HANDLES = 24 };

typedef struct player {
    pthread_t id;
    kp_process_t *process;
    kp_handle_t ends[2];          /* of channels to the players before and after */
    kp_handle_t handles[HANDLES]; /* what it holds of the object; 0: nothing */
    unsigned rounds, seed;
    unsigned revoked; /* calls that said so */
    _Atomic int64_t result;
} player_t;

static player_t players[PLAYERS];

static kp_handle_t give(kp_process_t *process, kp_capability_t capability)
{
    kp_handle_t handle = 0;
    kp_status_t status = kp_handle_add(&process->handles, capability, &handle);
    KP_EXPECT_INT(status, KP_OK);
    return handle;
}

static void player_send(player_t *player, kp_handle_t *place)
{
    memcpy(kp_test_memory(player->process, 0x100), place, sizeof(*place));
    if (kp_test_call(player->process, channel_write, player->ends[rand_r(&player->seed) % 2], 0, 1,
                     0x100, 1) == KP_OK)
        *place = 0;
}

static void player_receive(player_t *player, kp_handle_t *place)
{
    if (kp_test_call(player->process, channel_read, player->ends[rand_r(&player->seed) % 2], 0x200,
                     8, 0x300, 1, 0x400) == KP_OK)
        memcpy(place, kp_test_memory(player->process, 0x300), sizeof(*place));
}

static void player_step(player_t *player)
{
    kp_process_t *process = player->process;
    kp_handle_t *place = &player->handles[rand_r(&player->seed) % HANDLES];
    kp_handle_t *from = &player->handles[rand_r(&player->seed) % HANDLES];
    int64_t result = KP_OK;
    unsigned what = rand_r(&player->seed) % 16;
    if (!*place && what < 10) {
        if (*from && what < 7) {
            result = kp_test_call(process, handle_duplicate, *from, KP_RIGHTS_SAME);
            if (result > 0)
                *place = (kp_handle_t)result;
        } else {
            player_receive(player, place);
        }
    } else if (*place && what < 3) {
        result = kp_test_call(process, handle_revoke, *place);
    } else if (*place && what < 6) {
        player_send(player, place);
    } else if (*place && what < 8) {
        result = kp_test_call(process, object_wait_one, *place, KP_SIGNAL_SIGNALED,
                              (uint64_t)(kp_machine_now() + 50000), 0);
    } else if (*place && what < 12) {
        result = kp_test_call(process, object_info, *place, 0x500);
        if (result == KP_ERR_REVOKED || what < 10) {
            KP_EXPECT_INT(kp_test_call(process, handle_close, *place), KP_OK);
            *place = 0;
        }
    }
    player->revoked += result == KP_ERR_REVOKED;
}

static void *player_main(void *argument)
{
    player_t *player = argument;
    for (unsigned i = 0; i < player->rounds; i++) {
        player_step(player);
        if (kp_test_call(player->process, null, 0) == KP_ERR_PROCESS_DEAD)
            break;
    }
    return NULL;
}

static void players_begin(kp_process_t *root_process, kp_handle_t root, unsigned seed,
                          unsigned rounds)
{
    memset(players, 0, sizeof(players));
    for (unsigned i = 0; i < PLAYERS; i++) {
        players[i].process = kp_test_process(1, 1, NULL);
        players[i].seed = seed * 31 + i;
        players[i].rounds = rounds;
        kp_test_process_alone(players[i].process);
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        kp_capability_t ends[2];
        kp_status_t status = kp_channel_create(ends);
        KP_EXPECT_INT(status, KP_OK);
        players[i].ends[0] = give(players[i].process, ends[0]);
        players[(i + 1) % PLAYERS].ends[1] = give(players[(i + 1) % PLAYERS].process, ends[1]);
        /* Each gets one from the root, as through a message. */
        kp_capability_t capability;
        kp_handle_t first =
            (kp_handle_t)kp_test_call(root_process, handle_duplicate, root, KP_RIGHTS_SAME);
        KP_EXPECT_INT(kp_handle_lift(&root_process->handles, 1, &first, 0, &capability), KP_OK);
        kp_handle_unreserve(&root_process->handles, 1, &first);
        players[i].handles[0] = give(players[i].process, capability);
    }
    for (unsigned i = 0; i < PLAYERS; i++) {
        int error = pthread_create(&players[i].id, NULL, player_main, &players[i]);
        KP_EXPECT_INT(error, 0);
    }
}

/* Is the root's the only capability? One that is being closed right now may still count. */
static bool root_is_alone(kp_object_t *object)
{
    for (int i = 0; i < 1000000 && atomic_load(&object->capabilities) != 1; i++)
        sched_yield();
    return atomic_load(&object->capabilities) == 1;
}

KP_TEST(revoking_while_others_derive)
{
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    unsigned revoked = 0;
    for (unsigned round = 0; round < 12; round++) {
        kp_process_t *process = kp_test_process(1, 1, NULL);
        KP_REQUIRE(process);
        kp_handle_t root = (kp_handle_t)kp_test_call(process, event_create, 0);
        kp_object_t *object;
        kp_rights_t rights;
        KP_REQUIRE(kp_handle_lookup(&process->handles, root, &object, &rights) == KP_OK);
        players_begin(process, root, round, 1500);
        for (int i = 0; i < 4; i++) {
            sched_yield();
            KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
            /* All that exists came from the root, which derives no more: nothing is left, and
               nothing comes back. */
            KP_EXPECT(root_is_alone(object));
            if (i == 1 && round % 3 == 0) /* one dies in the middle of it */
                kp_process_end(players[0].process, KP_EXIT_KILLED, 0, 0);
        }
        for (unsigned i = 0; i < PLAYERS; i++) {
            pthread_join(players[i].id, NULL);
            revoked += players[i].revoked;
        }
        KP_EXPECT_INT(atomic_load(&object->capabilities), 1);
        kp_object_release(object);
        for (unsigned i = 0; i < PLAYERS; i++)
            kp_test_process_end(players[i].process);
        kp_test_process_end(process);
    }
    KP_EXPECT(revoked > 10);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

/* Without a root that revokes: subtrees do, against each other. */
KP_TEST(revoking_inside_the_same_tree)
{
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    for (unsigned round = 0; round < 6; round++) {
        kp_process_t *process = kp_test_process(1, 1, NULL);
        KP_REQUIRE(process);
        kp_handle_t root = (kp_handle_t)kp_test_call(process, event_create, 0);
        players_begin(process, root, 100 + round, 3000);
        if (round % 2)
            KP_EXPECT_INT(kp_test_call(process, handle_close, root), KP_OK);
        for (unsigned i = 0; i < PLAYERS; i++)
            pthread_join(players[i].id, NULL);
        for (unsigned i = 0; i < PLAYERS; i++)
            kp_test_process_end(players[i].process);
        kp_test_process_end(process);
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

static void *wait_main(void *argument)
{
    player_t *player = argument;
    kp_wait_item_t items[2] = {
        {.handle = player->handles[0], .signals = KP_SIGNAL_SIGNALED},
        {.handle = player->handles[1], .signals = KP_SIGNAL_SIGNALED},
    };
    memcpy(kp_test_memory(player->process, 0x100), items, sizeof(items));
    if (player->seed % 4 == 2) { /* by a port's handle */
        atomic_store(&player->result, kp_test_call(player->process, port_wait, player->handles[1],
                                                   0x1000, 4, KP_TIME_INFINITE));
        return NULL;
    }
    int64_t result =
        player->seed % 2
            ? kp_test_call(player->process, object_wait_many, 0x100, 2, KP_TIME_INFINITE)
            : kp_test_call(player->process, object_wait_one, player->handles[1], KP_SIGNAL_SIGNALED,
                           KP_TIME_INFINITE, 0);
    atomic_store(&player->result, result);
    return NULL;
}

KP_TEST(waits_by_revoked_handles_end)
{
    kp_test_attach("test");
    for (unsigned way = 0; way < 60; way++) {
        kp_process_t *process = kp_test_process(1, 1, NULL);
        player_t player = {.process = kp_test_process(1, 1, NULL), .seed = way};
        KP_REQUIRE(process && player.process);
        kp_test_process_alone(player.process);
        kp_handle_t root = (kp_handle_t)(way % 4 == 2 ? kp_test_call(process, port_create, 0)
                                                      : kp_test_call(process, event_create, 0));
        for (int i = 0; i < 2; i++) {
            kp_handle_t made =
                (kp_handle_t)kp_test_call(process, handle_duplicate, root, KP_RIGHTS_SAME);
            kp_capability_t capability;
            KP_EXPECT_INT(kp_handle_lift(&process->handles, 1, &made, 0, &capability), KP_OK);
            kp_handle_unreserve(&process->handles, 1, &made);
            player.handles[i] = give(player.process, capability);
        }
        int error = pthread_create(&player.id, NULL, wait_main, &player);
        KP_EXPECT_INT(error, 0);
        for (unsigned i = 0; i < way; i++) /* also before it waits, and just when it begins to */
            sched_yield();
        KP_EXPECT_INT(kp_test_call(process, handle_revoke, root), KP_OK);
        pthread_join(player.id, NULL);
        KP_EXPECT_INT(atomic_load(&player.result), KP_ERR_REVOKED);
        kp_test_process_end(player.process);
        kp_test_process_end(process);
    }
}

KP_TEST_MAIN()
