/* A real program with threads, which plays the shell's part in the boot archive of this test. Results are lines
   of the kernel's log: "threads: ok NAME" or "threads: not ok NAME: where". Numbers are small: QEMU's emulation
   runs it too. */
#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/program/thread.h"

enum { WORKERS = 4, ROUNDS = 2000 };

static const char *current;
static atomic_uint failures;

static void fail(int line)
{
    kp_log("threads: not ok %s: line %d", current, line);
    atomic_fetch_add(&failures, 1);
}
#define CHECK(condition)    \
    do {                    \
        if (!(condition))   \
            fail(__LINE__); \
    } while (0)

static kp_time_t now(void)
{
    uint64_t time = 0;
    (void)kp_clock_get(KP_CLOCK_MONOTONIC, &time);
    return (kp_time_t)time;
}

static void crowd(void *(*fn)(void *), unsigned count, uintptr_t results[])
{
    kp_thread_t *threads[KP_PROCESS_THREADS_MAX];
    for (uintptr_t i = 0; i < count; i++)
        if (kp_thread_spawn(&threads[i], fn, (void *)i, 0) != KP_OK) {
            fail(__LINE__);
            count = (unsigned)i;
        }
    for (unsigned i = 0; i < count; i++) {
        void *result = NULL;
        CHECK(kp_thread_join(threads[i], KP_TIME_INFINITE, &result) == KP_OK);
        if (results)
            results[i] = (uintptr_t)result;
    }
}

/* Of `conditions`. */
static struct {
    kp_mutex_t mutex;
    kp_condition_t filled, emptied;
    unsigned items[4], count;
    unsigned sum;
} queue;

/* ---- Counting ---- */

static atomic_uint atomic_count;
static atomic_ullong wide_count;
static unsigned plain_count;
static kp_mutex_t mutex;

static void *count_main(void *argument)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&atomic_count, 1);
        atomic_fetch_add(&wide_count, 0x100000001ull);
        kp_mutex_lock(&mutex);
        unsigned before = plain_count;
        if (i % 64 == 0)
            (void)kp_null(); /* others come to the lock meanwhile */
        plain_count = before + 1;
        kp_mutex_unlock(&mutex);
    }
    return argument;
}

static void counters(void)
{
    uintptr_t results[WORKERS];
    crowd(count_main, WORKERS, results);
    CHECK(atomic_load(&atomic_count) == WORKERS * ROUNDS);
    CHECK(atomic_load(&wide_count) == WORKERS * ROUNDS * 0x100000001ull);
    CHECK(plain_count == WORKERS * ROUNDS);
    CHECK(mutex.word == 0 && kp_mutex_try(&mutex) && !kp_mutex_try(&mutex));
    kp_mutex_unlock(&mutex);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(results[i] == i);
}

/* ---- The heap, and memory that grows under the others ---- */

static void *heap_main(void *argument)
{
    uintptr_t bad = 0;
    unsigned char mark = (unsigned char)((uintptr_t)argument + 1);
    void *blocks[16] = {0};
    size_t sizes[16] = {0};
    unsigned random = mark;
    for (unsigned i = 0; i < 400; i++) {
        random = random * 1103515245u + 12345;
        unsigned at = random >> 16 & 15;
        const unsigned char *bytes = blocks[at];
        for (size_t k = 0; k < sizes[at]; k += 61)
            bad += bytes[k] != mark;
        size_t size = (random >> 20 & 15) == 0 ? 300000 : (random >> 8 & 4095) + 1;
        if (random & 1) {
            free(blocks[at]);
            blocks[at] = malloc(size);
        } else {
            blocks[at] = realloc(blocks[at], size);
        }
        if (!blocks[at])
            return (void *)1000000;
        sizes[at] = size;
        memset(blocks[at], mark, size);
    }
    for (unsigned i = 0; i < 16; i++)
        free(blocks[i]);
    return (void *)bad;
}

static void heap(void)
{
    uintptr_t bad[WORKERS];
    crowd(heap_main, WORKERS, bad);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(bad[i] == 0);
}

static void *grow_main(void *argument)
{
    /* Every grown page is one thread's: it marks its own and looks at them again. */
    uintptr_t mine[8], bad = 0;
    for (unsigned i = 0; i < 8; i++) {
        size_t page = __builtin_wasm_memory_grow(0, 1);
        if (page == (size_t)-1)
            return (void *)1000000;
        mine[i] = page;
        memset((void *)(page << 16), (int)(uintptr_t)argument + 1, 65536);
        bad += __builtin_wasm_memory_size(0) <= page;
    }
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 65536; k += 4093)
            bad += ((unsigned char *)(mine[i] << 16))[k] != (uintptr_t)argument + 1;
    return (void *)bad;
}

static void growth(void)
{
    size_t before = __builtin_wasm_memory_size(0);
    uintptr_t bad[WORKERS];
    crowd(grow_main, WORKERS, bad);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(bad[i] == 0);
    CHECK(__builtin_wasm_memory_size(0) >= before + WORKERS * 8);
}

/* ---- What each thread has of its own ---- */

static unsigned (*volatile through)(unsigned, unsigned);

static unsigned deep(unsigned depth, unsigned mark)
{
    volatile unsigned frame[16];
    for (unsigned i = 0; i < 16; i++)
        frame[i] = mark + depth;
    unsigned below = depth ? through(depth - 1, mark) : 0;
    for (unsigned i = 0; i < 16; i++)
        below += frame[i] != mark + depth;
    return below;
}

static void *deep_main(void *argument)
{
    uintptr_t bad = 0;
    for (unsigned i = 0; i < 50; i++)
        bad += deep(200, (unsigned)(uintptr_t)argument * 100000);
    return (void *)bad;
}

static void *jump_main(void *argument)
{
    jmp_buf place;
    volatile uintptr_t bad = 0;
    for (volatile unsigned i = 1; i < 300; i++) {
        int got = setjmp(place);
        if (got == 0)
            longjmp(place, (int)(uintptr_t)argument * 1000 + (int)i);
        bad += (unsigned)got != (uintptr_t)argument * 1000 + i;
    }
    return (void *)bad;
}

static void *value_main(void *argument)
{
    uintptr_t bad = *kp_thread_value() != NULL || kp_thread_own() == NULL;
    *kp_thread_value() = argument;
    for (unsigned i = 0; i < 100; i++) {
        (void)kp_null();
        bad += *kp_thread_value() != argument;
    }
    kp_thread_leave((void *)bad);
}

static void own_things(void)
{
    uintptr_t bad[WORKERS];
    through = deep;
    void *(*const mains[])(void *) = {deep_main, jump_main, value_main};
    *kp_thread_value() = &queue;
    for (unsigned k = 0; k < 3; k++) {
        crowd(mains[k], WORKERS, bad);
        for (unsigned i = 0; i < WORKERS; i++)
            CHECK(bad[i] == 0);
    }
    CHECK(*kp_thread_value() == &queue && !kp_thread_own());
}

/* ---- Conditions ---- */

static void *consume_main(void *argument)
{
    for (;;) {
        kp_mutex_lock(&queue.mutex);
        while (queue.count == 0)
            (void)kp_condition_wait(&queue.filled, &queue.mutex, KP_TIME_INFINITE);
        unsigned item = queue.items[0];
        memmove(queue.items, queue.items + 1, --queue.count * sizeof(queue.items[0]));
        queue.sum += item;
        kp_mutex_unlock(&queue.mutex);
        kp_condition_signal(&queue.emptied);
        if (item == 0)
            return argument;
    }
}

static void put(unsigned item)
{
    kp_mutex_lock(&queue.mutex);
    while (queue.count == 4)
        (void)kp_condition_wait(&queue.emptied, &queue.mutex, KP_TIME_INFINITE);
    queue.items[queue.count++] = item;
    kp_mutex_unlock(&queue.mutex);
    kp_condition_signal(&queue.filled);
}

static void conditions(void)
{
    kp_thread_t *threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(kp_thread_spawn(&threads[i], consume_main, NULL, 16384) == KP_OK);
    unsigned sum = 0;
    for (unsigned i = 1; i <= 500; i++) {
        put(i);
        sum += i;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        put(0);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(kp_thread_join(threads[i], KP_TIME_INFINITE, NULL) == KP_OK);
    CHECK(queue.sum == sum && queue.count == 0);
    kp_mutex_lock(&queue.mutex);
    CHECK(!kp_condition_wait(&queue.filled, &queue.mutex, now() + 1000000));
    kp_mutex_unlock(&queue.mutex);
}

/* ---- Joining, and how many there may be ---- */

static kp_mutex_t gate;

static void *gate_main(void *argument)
{
    kp_mutex_lock(&gate);
    kp_mutex_unlock(&gate);
    return argument;
}

static void limits(void)
{
    static kp_thread_t *threads[KP_PROCESS_THREADS_MAX];
    unsigned most = 0;
    for (unsigned round = 0; round < 2; round++) {
        unsigned count = 0;
        kp_status_t status;
        kp_mutex_lock(&gate);
        while ((status = kp_thread_spawn(&threads[count], gate_main, NULL, 4096)) == KP_OK)
            if (++count == KP_PROCESS_THREADS_MAX)
                break;
        CHECK(status == KP_ERR_QUOTA);
        /* By their number, or by what the shell's job may have: stacks are charged to it. */
        CHECK(count >= KP_PROCESS_THREADS_MAX / 2 && count < KP_PROCESS_THREADS_MAX);
        CHECK(round == 0 || count == most);
        most = count;
        CHECK(kp_thread_join(threads[0], KP_TIME_POLL, NULL) == KP_ERR_TIMED_OUT);
        kp_mutex_unlock(&gate);
        while (count > 0)
            CHECK(kp_thread_join(threads[--count], KP_TIME_INFINITE, NULL) == KP_OK);
    }
    for (unsigned i = 0; i < 100; i++)
        crowd(gate_main, 1, NULL);
}

/* ---- Mappings that change while others look ---- */

static _Alignas(4096) unsigned char window[4096];
static atomic_uint shown, seen, last_round;

static void *look_main(void *argument)
{
    uintptr_t bad = 0;
    for (unsigned round = 1; round <= atomic_load(&last_round); round++) {
        while (atomic_load(&shown) < round)
            (void)kp_null();
        bad += *(volatile unsigned char *)&window[17] != (unsigned char)round;
        atomic_fetch_add(&seen, 1);
        while (atomic_load(&seen) < round * 2)
            (void)kp_null();
    }
    (void)argument;
    return (void *)bad;
}

static void mappings(void)
{
    int64_t vmos[2];
    kp_thread_t *threads[2];
    void *bad;
    atomic_store(&last_round, 30);
    for (unsigned i = 0; i < 2; i++) {
        vmos[i] = kp_vmo_create(4096);
        CHECK(vmos[i] > 0);
        CHECK(kp_thread_spawn(&threads[i], look_main, NULL, 0) == KP_OK);
    }
    for (unsigned round = 1; round <= 30; round++) {
        const unsigned char value = (unsigned char)round;
        CHECK(kp_vmo_write((kp_handle_t)vmos[round % 2], 17, &value, 1) == KP_OK);
        CHECK(kp_vmo_map((kp_handle_t)vmos[round % 2], 0, window, 4096, 0) == KP_OK);
        atomic_store(&shown, round);
        while (atomic_load(&seen) < round * 2)
            (void)kp_null();
        if (round % 3 == 0)
            CHECK(kp_vmo_unmap(window, 4096) == KP_OK);
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK(kp_thread_join(threads[i], KP_TIME_INFINITE, &bad) == KP_OK);
        CHECK(bad == NULL);
        (void)kp_handle_close((kp_handle_t)vmos[i]);
    }
}

/* ---- Calls on the same ends ---- */

static kp_handle_t ends[2];

static void *serve_main(void *argument)
{
    uint32_t value = 0;
    kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(&value), .byte_count = 4};
    uintptr_t served = 0;
    kp_status_t status = kp_channel_receive(ends[1], &message, KP_TIME_INFINITE);
    while (status == KP_OK) {
        served++;
        value = value * 3 + 1;
        const kp_channel_message_t reply = {
            .bytes = (uint32_t)kp_mem(&value), .byte_count = 4, .transaction = message.transaction};
        message = (kp_channel_message_t){.bytes = (uint32_t)kp_mem(&value), .byte_count = 4};
        status = kp_channel_reply_receive(ends[1], &reply, &message, KP_TIME_INFINITE);
    }
    (void)argument;
    return (void *)served;
}

static void *ask_main(void *argument)
{
    uintptr_t bad = 0;
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t value = (uint32_t)(uintptr_t)argument << 16 | i, answer = 0;
        kp_channel_call_t call = {
            .request = {.bytes = (uint32_t)kp_mem(&value), .byte_count = 4},
            .reply = {.bytes = (uint32_t)kp_mem(&answer), .byte_count = 4},
        };
        bad +=
            kp_channel_call(ends[0], &call, KP_TIME_INFINITE) != KP_OK || answer != value * 3 + 1;
    }
    return (void *)bad;
}

static void calls(void)
{
    kp_thread_t *servers[2];
    uintptr_t bad[3], served = 0;
    CHECK(kp_channel_create(ends) == KP_OK);
    for (unsigned i = 0; i < 2; i++)
        CHECK(kp_thread_spawn(&servers[i], serve_main, NULL, 0) == KP_OK);
    crowd(ask_main, 3, bad);
    (void)kp_handle_close(ends[0]);
    for (unsigned i = 0; i < 2; i++) {
        void *count = NULL;
        CHECK(kp_thread_join(servers[i], KP_TIME_INFINITE, &count) == KP_OK);
        served += (uintptr_t)count;
    }
    CHECK(bad[0] + bad[1] + bad[2] == 0 && served == 600);
    (void)kp_handle_close(ends[1]);
}

static void *wait_main(void *argument)
{
    return (void *)(intptr_t)kp_object_wait_one((kp_handle_t)(uintptr_t)argument,
                                                KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, NULL);
}

static void *receive_main(void *argument)
{
    uint32_t value;
    kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(&value), .byte_count = 4};
    return (void *)(intptr_t)kp_channel_receive((kp_handle_t)(uintptr_t)argument, &message,
                                                KP_TIME_INFINITE);
}

/* A handle is closed while another thread waits by it. */
static void closes(void)
{
    void *(*const mains[])(void *) = {wait_main, receive_main};
    for (unsigned i = 0; i < 2; i++) {
        kp_handle_t pair[2] = {0, 0};
        int64_t event = kp_event_create();
        CHECK(event > 0 && kp_channel_create(pair) == KP_OK);
        kp_handle_t handle = i ? pair[0] : (kp_handle_t)event;
        kp_thread_t *thread;
        CHECK(kp_thread_spawn(&thread, mains[i], (void *)(uintptr_t)handle, 0) == KP_OK);
        CHECK(kp_object_wait_many(NULL, 0, now() + 5000000) == KP_ERR_TIMED_OUT);
        CHECK(kp_handle_close(handle) == KP_OK);
        void *result = NULL;
        CHECK(kp_thread_join(thread, KP_TIME_INFINITE, &result) == KP_OK);
        CHECK((intptr_t)result == KP_ERR_CANCELLED || (intptr_t)result == KP_ERR_BAD_HANDLE);
        (void)kp_handle_close(i ? (kp_handle_t)event : pair[0]);
        (void)kp_handle_close(pair[1]);
    }
}

/* ---- The end ---- */

static void *last_main(void *argument)
{
    (void)argument;
    (void)kp_object_wait_many(NULL, 0, now() + 20000000);
    current = "the_first_leaves";
    int64_t self = kp_thread_self();
    CHECK(self > 0);
    kp_log("threads: ok %s", current);
    kp_log("threads: finished: %u failed", atomic_load(&failures));
    exit(atomic_load(&failures) ? 1 : 0);
}

static void run(const char *name, void (*fn)(void))
{
    unsigned before = atomic_load(&failures);
    current = name;
    fn();
    if (atomic_load(&failures) == before)
        kp_log("threads: ok %s", name);
}

int main(void)
{
    run("counters", counters);
    run("heap", heap);
    run("growth", growth);
    run("own_things", own_things);
    run("conditions", conditions);
    run("limits", limits);
    run("mappings", mappings);
    run("calls", calls);
    run("closes", closes);
    kp_thread_t *last;
    current = "the_first_leaves";
    if (kp_thread_spawn(&last, last_main, NULL, 0) != KP_OK) {
        fail(__LINE__);
        return 1;
    }
    kp_thread_leave(NULL);
}
