/* Processes whose threads are against each other, and too many. */
#include <stdatomic.h>
#include <string.h>

#include "runtime/program/thread.h"
#include "tests/hostile/hostile.h"

enum { CROWD = 12 };

static kp_thread_t *threads[KP_PROCESS_THREADS_MAX];
static kp_handle_t ends[2];
static kp_mutex_t gate;
static uint32_t word;
static atomic_uint rounds;

static void *gate_main(void *argument)
{
    kp_mutex_lock(&gate);
    kp_mutex_unlock(&gate);
    return argument;
}

/* As many as there may be, again and again: nothing of those that ended is left. */
int abuse_thread_flood(void)
{
    unsigned most = 0;
    for (unsigned round = 0; round < 3; round++) {
        unsigned count = 0;
        kp_mutex_lock(&gate);
        kp_status_t status;
        while ((status = kp_thread_spawn(&threads[count], gate_main, NULL, 4096)) == KP_OK)
            CHECK(++count < KP_PROCESS_THREADS_MAX);
        CHECK(is_limit(status));
        CHECK(is_limit(RAW(thread_create, 0, 0)));
        kp_mutex_unlock(&gate);
        CHECK(count > 0 && (round == 0 || count == most));
        most = count;
        while (count > 0)
            CHECK(kp_thread_join(threads[--count], KP_TIME_INFINITE, NULL) == KP_OK);
    }
    return 0;
}

static void *bomb_main(void *argument)
{
    kp_thread_t *another;
    for (;;) {
        if (kp_thread_spawn(&another, bomb_main, NULL, 4096) != KP_OK)
            (void)kp_null();
    }
    return argument;
}

/* Threads that make threads, until somebody kills them all. */
int abuse_thread_bomb(void)
{
    (void)bomb_main(NULL);
    return 0;
}

/* The entry is the program's own code, but what it gets is not what it expects. */
int abuse_thread_forged(void)
{
    CHECK(RAW(thread_create, 0xfffffff0, 0xfffffff0) > 0);
    for (;;)
        (void)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
}

/* ---- Wherever they are when the end comes ---- */

static void wait_somewhere(uintptr_t where)
{
    uint32_t value = 0;
    kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(&value), .byte_count = 4};
    kp_channel_call_t call = {.request = message, .reply = message};
    switch (where % 6) {
    case 0:
        (void)kp_channel_receive(ends[0], &message, KP_TIME_INFINITE);
        break;
    case 1:
        (void)kp_channel_call(ends[where / 6 % 2], &call, KP_TIME_INFINITE);
        break;
    case 2:
        (void)kp_futex_wait(&word, 0, 4, KP_HANDLE_NONE, KP_TIME_INFINITE);
        break;
    case 3:
        (void)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
        break;
    case 4:
        (void)kp_object_wait_one(ends[1], KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, NULL);
        break;
    default:
        (void)kp_null();
        break;
    }
}

static void *wait_main(void *argument)
{
    for (;;)
        wait_somewhere((uintptr_t)argument);
}

static int crowd(void *(*fn)(void *))
{
    CHECK(kp_channel_create(ends) == KP_OK);
    for (uintptr_t i = 0; i < CROWD; i++)
        CHECK(kp_thread_spawn(&threads[i], fn, (void *)i, 8192) == KP_OK);
    return 0;
}

int abuse_threads_in_calls(void)
{
    int line = crowd(wait_main);
    while (line == 0)
        (void)kp_null();
    return line;
}

/* run.sh looks for its name in the kernel's log. */
static void *thread_that_traps(void *argument)
{
    for (unsigned i = 0; i < 100; i++)
        (void)kp_null();
    __builtin_trap();
    return argument;
}

/* One traps: all end. */
int abuse_thread_traps(void)
{
    int line = crowd(wait_main);
    CHECK(line == 0 && kp_thread_spawn(&threads[CROWD], thread_that_traps, NULL, 0) == KP_OK);
    for (;;)
        (void)kp_null();
}

static void *leave_main(void *argument)
{
    (void)kp_handle_close(ends[(uintptr_t)argument % 2]);
    return NULL;
}

/* All leave, the first among them, and then the process has ended. */
int abuse_threads_leave(void)
{
    int line = crowd(leave_main);
    CHECK(line == 0);
    kp_thread_leave(NULL);
}

/* The process ends while the others are where they are. */
int abuse_threads_and_exit(void)
{
    return crowd(wait_main);
}

/* ---- Against each other ---- */

static _Alignas(65536) uint8_t arena[65536];

/* Changes under the calls of the others what they pass: handles, buffers, sizes, the memory itself. */
static void *spoil_main(void *argument)
{
    int64_t vmo = kp_vmo_create(16384);
    uint32_t seed = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    for (;;) {
        seed = seed * 1103515245u + 12345;
        uint8_t *place = arena + (seed >> 8) % 4 * 4096;
        switch (seed >> 24 & 7) {
        case 0:
            (void)kp_vmo_map((kp_handle_t)vmo, 0, place, 8192,
                             seed >> 20 & 1 ? KP_VMO_MAP_WRITE : 0);
            break;
        case 1:
            (void)kp_vmo_unmap(place, 8192);
            break;
        case 2:
            if (atomic_load(&rounds) < 200)
                (void)__builtin_wasm_memory_grow(0, 1);
            break;
        case 3: {
            kp_handle_t pair[2];
            if (kp_channel_create(pair) == KP_OK) {
                (void)kp_handle_close(__atomic_exchange_n(&ends[0], pair[0], __ATOMIC_SEQ_CST));
                (void)kp_handle_close(__atomic_exchange_n(&ends[1], pair[1], __ATOMIC_SEQ_CST));
            }
            break;
        }
        case 4: { /* a request that lies where another maps, and says it is something else each time */
            kp_channel_call_t *call = (kp_channel_call_t *)(void *)arena;
            (void)kp_channel_call(ends[0], call, kp_now() + 100000);
            break;
        }
        case 5: {
            const kp_channel_message_t reply = {.bytes = (uint32_t)kp_mem(arena),
                                                .byte_count = seed >> 4 & 4095,
                                                .transaction = seed >> 16 & 63};
            kp_channel_message_t *room = (kp_channel_message_t *)(void *)(arena + 4096 - 8);
            (void)kp_channel_reply_receive(ends[1], &reply, room, kp_now() + 100000);
            break;
        }
        case 6:
            (void)kp_channel_write(ends[seed >> 5 & 1], place, seed & 8191,
                                   (kp_handle_t *)(void *)place, seed >> 13 & 3);
            break;
        default: {
            uint32_t counts[2];
            (void)kp_channel_read(ends[seed >> 5 & 1], place, 8192, (kp_handle_t *)(void *)arena,
                                  16, counts);
            break;
        }
        }
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

int abuse_threads_against_each_other(void)
{
    int line = crowd(spoil_main);
    while (line == 0) {
        kp_channel_call_t *call = (kp_channel_call_t *)(void *)arena;
        /* Whatever is mapped there now. Read-only: a trap would end the fun, so by the kernel. */
        const kp_channel_call_t wanted = {
            .request = {.bytes = (uint32_t)kp_mem(arena), .byte_count = hostile_random() & 511},
            .reply = {.bytes = (uint32_t)kp_mem(arena + 8192), .byte_count = 256},
        };
        (void)kp_random_get(arena, 64);
        (void)kp_random_get(arena + 4090, 8);
        int64_t vmo = kp_vmo_create(4096);
        if (vmo > 0) {
            (void)kp_vmo_write((kp_handle_t)vmo, 0, &wanted, sizeof(wanted));
            (void)kp_vmo_read((kp_handle_t)vmo, 0, call, sizeof(*call));
            (void)kp_handle_close((kp_handle_t)vmo);
        }
    }
    return line;
}
