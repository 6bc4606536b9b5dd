/* Guest memories: forged, without end, by threads against each other. Programs of wasm2c can make them and never
   touch them; who can is runtime/instance/test/guest_test.c. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/program/thread.h"
#include "services/compiler/client.h"
#include "tests/hostile/hostile.h"

#define PATIENCE (kp_now() + 600 * KP_NS_PER_S)
enum { CROWD = 6, ROUNDS = 1500, SHARED = 8 };

static kp_handle_t authority;
static atomic_uint_fast64_t addresses[SHARED];
static atomic_uint failures;

static bool begin(kp_compiler_client_t *client)
{
    return kp_compiler_connect(client, hostile_service) == KP_OK &&
           kp_compiler_authority(client, PATIENCE, &authority) == KP_OK;
}

int abuse_code_guest_forged(void)
{
    kp_compiler_client_t client;
    kp_handle_t event = (kp_handle_t)kp_event_create();
    const kp_handle_t others[] = {event, hostile_service, hostile_control};
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(RAW(guest_create, others[i], 65536) == KP_ERR_WRONG_TYPE);
    for (unsigned i = 0; i < 5000; i++) /* before there is any, and without the authority */
        CHECK(RAW(guest_create, hostile_random(), 65536) < 0);
    CHECK(begin(&client));
    int64_t at = kp_guest_create(authority, KP_GUEST_RESERVE_MAX);
    CHECK(at > 0);
    CHECK(RAW(guest_create, authority, 0) < 0 && RAW(guest_create, authority, 65535) < 0);
    CHECK(RAW(guest_create, authority, KP_GUEST_RESERVE_MAX + 65536) < 0);
    CHECK(RAW(guest_create, authority, UINT64_MAX) < 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t guess = hostile_random() ^ (uint64_t)hostile_random() << 32;
        guess = i % 3 ? guess : (uint64_t)at + guess % KP_GUEST_RESERVE_MAX;
        if (guess == (uint64_t)at)
            continue;
        CHECK(RAW(guest_grow, guess >> (i % 40), 1) == KP_ERR_NOT_FOUND);
        CHECK(RAW(guest_destroy, guess) == KP_ERR_NOT_FOUND);
        CHECK(RAW(guest_handler, guess | (uint64_t)1 << 63) == KP_ERR_BAD_ADDRESS);
    }
    CHECK(RAW(guest_grow, (uint64_t)at, UINT64_MAX) < 0 && kp_guest_grow((uint64_t)at, 1) == 0);
    /* The kernel reads and writes linear memory only. */
    CHECK(RAW(random_get, (uint64_t)at, 64) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(vmo_unmap, (uint64_t)at, 4096) < 0);
    CHECK(RAW(futex_wait, (uint64_t)at, 0, 4, 0, 0) < 0);
    /* What it was made by may go. */
    CHECK(kp_handle_close(authority) == KP_OK && kp_guest_grow((uint64_t)at, 1) == 1);
    return 0;
}

int abuse_code_guest_flood(void)
{
    static uint64_t made[KP_GUESTS_MAX];
    kp_compiler_client_t client;
    CHECK(begin(&client));
    for (unsigned round = 0; round < 4; round++) {
        unsigned count = 0;
        int64_t at;
        while ((at = kp_guest_create(authority, KP_GUEST_RESERVE_MAX)) > 0) {
            CHECK(count < KP_GUESTS_MAX);
            made[count++] = (uint64_t)at;
        }
        CHECK(is_limit(at) && count > 0);
        uint64_t grown = 0;
        for (unsigned i = 0; i < count; i++) {
            while ((at = kp_guest_grow(made[i], 1u << (round * 3))) >= 0)
                grown += 1u << (round * 3);
            CHECK(is_limit(at));
        }
        CHECK(grown > 0);
        while (round < 3 && count > 0)
            CHECK(kp_guest_destroy(made[--count]) == KP_OK);
    }
    return 0; /* with the last of them */
}

static void *crowd_main(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_uint_fast64_t *place = &addresses[hostile_random() % SHARED];
        uint64_t at = atomic_load(place);
        int64_t result = 0;
        switch (hostile_random() % 4) {
        case 0:
            result = kp_guest_create(authority, KP_GUEST_RESERVE_MAX);
            if (result > 0)
                atomic_store(place, (uint64_t)result);
            break;
        case 1:
            result = kp_guest_destroy(at);
            break;
        default:
            result = kp_guest_grow(at, hostile_random() % 3);
        }
        if (result < 0 && result != KP_ERR_NOT_FOUND && !is_limit(result))
            atomic_fetch_add(&failures, 1);
    }
    return argument;
}

int abuse_code_guest_threads(void)
{
    kp_thread_t *threads[CROWD];
    kp_compiler_client_t client;
    CHECK(begin(&client));
    for (unsigned i = 0; i < CROWD; i++)
        CHECK(kp_thread_spawn(&threads[i], crowd_main, NULL, 16384) == KP_OK);
    for (unsigned i = 0; i < CROWD; i++)
        CHECK(kp_thread_join(threads[i], KP_TIME_INFINITE, NULL) == KP_OK);
    CHECK(atomic_load(&failures) == 0);
    return 0;
}
