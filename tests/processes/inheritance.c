/* Priority inheritance through futexes and calls, by programs. A server of a low band answers a client of a high one; to do so
   it needs a lock whose owner, another thread of it, needs a processor, and all of them are busy with programs of the band
   between. The owner must run in the client's band, along a chain of locks too, and the server when it has the lock: else
   the client waits for ever. (Where bands mean nothing, on the hosted machine, only the answer is looked at.) */
#include <stdatomic.h>

#include "runtime/program/call.h"
#include "runtime/program/thread.h"
#include "tests/processes/processes.h"

enum { BUSY_MAX = 8, DEPTH_MAX = 3, WORK = 200000, QUIET = 10 };

/* ---- The server ---- */

/* Thread i owns locks[i], and needs locks[i + 1] to give it up; the last works. */
static kp_mutex_t locks[DEPTH_MAX];
static uint32_t asked; /* a futex: nobody needs a processor until the client has asked */
static atomic_uint holding, worked;
static unsigned depth;

static void *owner_main(void *argument)
{
    unsigned own = (unsigned)(uintptr_t)argument;
    kp_mutex_lock(&locks[own]);
    atomic_fetch_add(&holding, 1);
    while (__atomic_load_n(&asked, __ATOMIC_SEQ_CST) == 0)
        (void)kp_futex_wait(&asked, 0, sizeof(asked), KP_HANDLE_NONE, KP_TIME_INFINITE);
    if (own + 1 < depth) {
        kp_mutex_lock(&locks[own + 1]);
        kp_mutex_unlock(&locks[own + 1]);
    } else {
        for (unsigned i = 0; i < WORK; i++)
            atomic_fetch_add(&worked, 1);
    }
    kp_mutex_unlock(&locks[own]);
    return NULL;
}

/* Answers a first request at once, so that its client knows that it waits for the next; and that one with the lock. */
int role_lock_server(unsigned locks_deep)
{
    kp_thread_t *owners[DEPTH_MAX];
    uint32_t word = 0;
    kp_service_round_t round = {.bytes = &word, .capacity = sizeof(word)};
    depth = locks_deep;
    CHECK(depth >= 1 && depth <= DEPTH_MAX);
    for (unsigned i = depth; i-- > 0;)
        CHECK(kp_thread_spawn(&owners[i], owner_main, (void *)(uintptr_t)i, 0) == KP_OK);
    while (atomic_load(&holding) < depth)
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    CHECK(kp_serve(child_given[0], &round, &word, 0, KP_TIME_INFINITE) == KP_OK);
    CHECK(kp_serve(child_given[0], &round, &word, sizeof(word), KP_TIME_INFINITE) == KP_OK);
    __atomic_store_n(&asked, 1, __ATOMIC_SEQ_CST);
    (void)kp_futex_wake(&asked, UINT32_MAX, KP_HANDLE_NONE);
    kp_mutex_lock(&locks[0]);
    /* Still in the client's band: this needs a processor too. */
    for (unsigned i = 0; i < WORK; i++)
        atomic_fetch_add(&worked, 1);
    word = atomic_load(&worked);
    kp_mutex_unlock(&locks[0]);
    kp_channel_message_t reply = {.bytes = (uint32_t)kp_mem(&word),
                                  .byte_count = sizeof(word),
                                  .transaction = round.transaction};
    CHECK(kp_channel_reply(child_given[0], &reply) == KP_OK);
    for (unsigned i = 0; i < depth; i++)
        CHECK(kp_thread_join(owners[i], KP_TIME_INFINITE, NULL) == KP_OK);
    return 0;
}

/* ---- Its client, and the band between ---- */

int role_ask(void)
{
    uint32_t word = 0;
    size_t size = 0;
    CHECK(control_hear(child_control) == 'g');
    CHECK(kp_request(child_given[0], &word, sizeof(word), &word, sizeof(word), &size,
                     kp_now() + PATIENCE) == KP_OK);
    CHECK(size == sizeof(word) && word == 2 * WORK);
    return 0;
}

int role_spin(void)
{
    CHECK(control_say(child_control, 's') == KP_OK);
    for (volatile uint64_t i = 0;; i++) {
    }
}

/* ---- The driver ---- */

static uint64_t time_of(kp_handle_t process)
{
    kp_process_info_t info = {0};
    (void)kp_process_info(process, &info);
    return info.cpu_time_ns;
}

/* Waits until the process uses no processor any more: all its threads wait. */
static bool settle(kp_handle_t process)
{
    kp_time_t deadline = kp_now() + PATIENCE;
    uint64_t last = time_of(process);
    for (unsigned quiet = 0; quiet < QUIET; quiet++) {
        driver_pause();
        uint64_t now = time_of(process);
        if (now != last)
            quiet = 0;
        last = now;
        if (kp_now() > deadline)
            return false;
    }
    return true;
}

static int inherit(unsigned locks_deep, kp_handle_t low, kp_handle_t middle, kp_handle_t high)
{
    kp_child_t server, client, busy[BUSY_MAX] = {0};
    kp_handle_t ends[2], asks[2];
    char role[] = "lock-server-0";
    unsigned count = driver_number("busy");
    uint32_t word = 0;
    CHECK(count >= 1 && count <= BUSY_MAX);
    role[sizeof(role) - 2] = (char)('0' + locks_deep);
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_child_start(low, driver_code, role, &ends[1], 1, &server) == KP_OK);
    /* Now it waits for the request that counts. */
    CHECK(kp_request(ends[0], &word, sizeof(word), &word, sizeof(word), NULL,
                     kp_now() + PATIENCE) == KP_OK);
    asks[0] = ends[0];
    CHECK(kp_child_start(high, driver_code, "ask", asks, 1, &client) == KP_OK);
    CHECK(settle(server.process) && settle(client.process));
    for (unsigned i = 0; i < count; i++) {
        CHECK(kp_child_start(middle, driver_code, "spin", NULL, 0, &busy[i]) == KP_OK);
        CHECK(control_hear(busy[i].control) == 's');
    }
    CHECK(control_say(client.control, 'g') == KP_OK);
    CHECK(kp_child_finish(&client, KP_EXIT_NORMAL, 0, kp_now() + PATIENCE));
    for (unsigned i = 0; i < count; i++) {
        CHECK(kp_process_kill(busy[i].process) == KP_OK);
        CHECK(kp_child_finish(&busy[i], KP_EXIT_KILLED, 0, kp_now() + PATIENCE));
    }
    CHECK(kp_child_finish(&server, KP_EXIT_NORMAL, 0, kp_now() + PATIENCE));
    return 0;
}

int test_inheritance(void)
{
    kp_handle_t low = driver_job_create(KP_BAND_BACKGROUND),
                middle = driver_job_create(KP_BAND_NORMAL),
                high = driver_job_create(KP_BAND_FOREGROUND);
    CHECK(low && middle && high);
    for (unsigned locks_deep = 1; locks_deep <= DEPTH_MAX; locks_deep++) {
        int line = inherit(locks_deep, low, middle, high);
        if (line)
            return line;
    }
    (void)kp_handle_close(low);
    (void)kp_handle_close(middle);
    (void)kp_handle_close(high);
    return 0;
}
