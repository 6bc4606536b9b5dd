/* `make bench-kernel`: measures the kernel from a program, by the clock, which under QEMU's -icount
   shift=0 counts guest instructions. Plays the shell's part in a boot archive of its own.
   Results are lines of the log: "bench: NAME VALUE UNIT". */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/call.h"
#include "runtime/program/message.h"
#include "runtime/program/ring.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"

enum { BIG = KP_CHANNEL_BYTES_MAX, SMALL = 64, FAULT_PAGES = 512 };

static kp_handle_t coordinator;
static uint32_t request[BIG / 4], reply[BIG / 4];
static int failures;

static void check(bool good, const char *what)
{
    if (!good) {
        kp_log("bench: failed: %s", what);
        failures++;
    }
}

/* Of `count` rounds that began at `start`. */
static void result(const char *name, kp_time_t start, uint32_t count)
{
    kp_time_t used = kp_now() - start;
    kp_log("bench: %s %llu instructions", name, (unsigned long long)((used + count / 2) / count));
}

/* Another process; its first message has come. */
static kp_tab_created_t server_start(void)
{
    kp_tab_created_t tab = {0};
    static kp_message_t hello;
    check(kp_tab_create(coordinator, &tab) == KP_OK, "tab_create");
    check(kp_message_receive_wait(tab.channel, &hello, KP_TIME_INFINITE) == KP_OK, "hello");
    return tab;
}

static void tab_close(kp_tab_created_t *tab)
{
    check(kp_object_wait_one(tab->process, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL) == KP_OK,
          "the server's end");
    (void)kp_handle_close(tab->channel);
    (void)kp_handle_close(tab->process);
}

static void measure_null(const char *name, uint32_t rounds)
{
    kp_time_t start = kp_now();
    for (uint32_t i = 0; i < rounds; i++)
        (void)kp_null();
    result(name, start, rounds);
}

/* ---- Calls ---- */

static void measure_calls(const char *name, kp_handle_t channel, uint32_t rounds, uint32_t sent,
                          uint32_t wanted)
{
    size_t came = 0;
    memset(reply, 0, sizeof(reply));
    for (uint32_t i = 0; i < sent / 4; i++)
        request[i] = i * 7 + 1;
    request[0] = wanted;
    /* The first rounds find pages and both sides waiting. */
    for (int i = 0; i < 10; i++)
        check(kp_request(channel, request, sent, reply, BIG, &came, KP_TIME_INFINITE) == KP_OK,
              name);
    kp_time_t start = kp_now();
    for (uint32_t i = 0; i < rounds; i++)
        (void)kp_request(channel, request, sent, reply, BIG, &came, KP_TIME_INFINITE);
    result(name, start, rounds);
    check(came == wanted && memcmp(request, reply, wanted) == 0, name);
}

static void measure_memcpy(void)
{
    enum { ROUNDS = 200 };
    memcpy(reply, request, BIG);
    kp_time_t start = kp_now();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        memcpy(reply, request, BIG);
        __asm__ volatile("" : : : "memory");
    }
    result("memcpy_64k_instructions", start, ROUNDS);
}

/* Argument loop=call or loop=null: only that, without end, for bench/kernel-trace. */
static bool is_loop(const char *what)
{
    const char *argument;
    for (size_t i = 1; (argument = kp_startup_argument(i)) != NULL; i++) {
        if (strncmp(argument, "loop=", 5) == 0 && strcmp(argument + 5, what) == 0)
            return true;
    }
    return false;
}

static void measure_ipc(void)
{
    kp_tab_created_t tab = server_start();
    kp_handle_t ends[2];
    check(kp_channel_create(ends) == KP_OK, "channel_create");
    check(kp_channel_write(tab.channel, NULL, 0, &ends[1], 1) == KP_OK, "role");
    while (is_loop("call"))
        measure_calls("loop", ends[0], 100, SMALL, SMALL);
    measure_calls("ipc_call_reply_64b_instructions", ends[0], 5000, SMALL, SMALL);
    measure_calls("ipc_call_reply_4b_instructions", ends[0], 5000, 4, 4);
    measure_calls("ipc_call_reply_4k_instructions", ends[0], 500, 4096, 4096);
    measure_calls("ipc_call_64k_instructions", ends[0], 200, BIG, 0);
    measure_calls("ipc_call_reply_64k_instructions", ends[0], 200, BIG, BIG);
    (void)kp_handle_close(ends[0]);
    tab_close(&tab);
}

/* ---- Messages that are not waited for ---- */

static void measure_queue(const char *name, uint32_t rounds, uint32_t size)
{
    kp_handle_t ends[2];
    uint32_t actual[2];
    check(kp_channel_create(ends) == KP_OK, "channel_create");
    kp_status_t status = KP_OK;
    kp_time_t start = kp_now();
    for (uint32_t i = 0; i < rounds; i++) {
        status |= kp_channel_write(ends[0], request, size, NULL, 0);
        status |= kp_channel_read(ends[1], reply, size, NULL, 0, actual);
    }
    result(name, start, rounds);
    check(status == KP_OK, name);
    (void)kp_handle_close(ends[0]);
    (void)kp_handle_close(ends[1]);
}

/* ---- Bulk data, as bodies go from http to a tab (abi/http.h): messages, or a ring and a short message ---- */

enum { RING_BYTES = 65536, BULK_BYTES = 1 << 20 };

typedef struct bulk {
    kp_handle_t channel;
    kp_ring_t *ring; /* NULL: messages */
    uint32_t
        unannounced; /* as in network/http/bulk.c: told of when the ring is full, or at the end */
} bulk_t;

static kp_status_t bulk_message(bulk_t *bulk, const void *bytes, uint32_t size)
{
    kp_status_t status;
    while ((status = kp_channel_write(bulk->channel, bytes, size, NULL, 0)) == KP_ERR_SHOULD_WAIT)
        (void)kp_object_wait_one(bulk->channel, KP_SIGNAL_WRITABLE, KP_TIME_INFINITE, NULL);
    return status;
}

static kp_status_t bulk_announce(bulk_t *bulk)
{
    kp_status_t status = KP_OK;
    if (bulk->unannounced)
        status = bulk_message(bulk, &bulk->unannounced, sizeof(bulk->unannounced));
    bulk->unannounced = 0;
    return status;
}

static kp_status_t bulk_send(bulk_t *bulk, uint32_t size)
{
    if (!bulk->ring)
        return bulk_message(bulk, request, size);
    for (uint32_t done = 0; done < size;) {
        int64_t count = kp_ring_write(bulk->ring, (uint8_t *)request + done, size - done);
        if (count > 0) {
            bulk->unannounced += (uint32_t)count;
            done += (uint32_t)count;
            continue;
        }
        kp_status_t status = count == KP_ERR_SHOULD_WAIT ? bulk_announce(bulk) : (kp_status_t)count;
        if (status != KP_OK)
            return status;
        (void)kp_object_wait_one(bulk->ring->event, KP_RING_SIGNAL_ROOM, KP_TIME_INFINITE, NULL);
    }
    return KP_OK;
}

/* 1 MiB in pieces of this size to a process that copies it into its own memory: for each KiB. */
static void measure_bulk(const char *name, bool is_ring, uint32_t size)
{
    kp_tab_created_t tab = server_start();
    kp_handle_t ends[2];
    kp_vmo_buffer_t memory = {0};
    kp_ring_t ring;
    int64_t event = kp_event_create();
    check(kp_channel_create(ends) == KP_OK && event > 0 &&
              kp_vmo_buffer_create(&memory, KP_RING_VMO_SIZE(RING_BYTES)) == KP_OK &&
              kp_ring_init(&ring, memory.bytes, memory.size, RING_BYTES, true,
                           (kp_handle_t)event) == KP_OK,
          name);
    kp_handle_t given[3] = {ends[1], (kp_handle_t)kp_vmo_buffer_share(&memory, KP_VMO_SHARE_WRITE),
                            (kp_handle_t)kp_handle_duplicate((kp_handle_t)event, KP_RIGHTS_SAME)};
    check(kp_channel_write(tab.channel, &is_ring, sizeof(is_ring), given, 3) == KP_OK, "role");
    bulk_t bulk = {.channel = ends[0], .ring = is_ring ? &ring : NULL};
    kp_status_t status = KP_OK;
    uint32_t rounds = BULK_BYTES / size;
    kp_time_t start = 0;
    for (uint32_t i = 0; i < 2 * rounds && status == KP_OK; i++) { /* the first half finds pages */
        if (i == rounds)
            start = kp_now();
        status = bulk_send(&bulk, size);
    }
    status |= bulk_announce(&bulk);
    (void)kp_handle_close(ends[0]);
    check(status == KP_OK, name);
    tab_close(&tab); /* it has read all of it */
    result(name, start, BULK_BYTES / 1024);
    kp_vmo_buffer_destroy(&memory);
    (void)kp_handle_close((kp_handle_t)event);
}

/* ---- Objects ---- */

static void measure_objects(void)
{
    enum { ROUNDS = 2000 };
    kp_time_t start = kp_now();
    kp_status_t status = KP_OK;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        kp_handle_t ends[2];
        status |= kp_channel_create(ends);
        status |= kp_handle_close(ends[0]);
        status |= kp_handle_close(ends[1]);
    }
    result("channel_create_close_instructions", start, ROUNDS);
    int64_t event = kp_event_create();
    start = kp_now();
    for (uint32_t i = 0; i < ROUNDS; i++)
        status |= kp_object_signal((kp_handle_t)event, i % 2 ? KP_SIGNAL_SIGNALED : 0,
                                   i % 2 ? 0 : KP_SIGNAL_SIGNALED);
    result("event_signal_instructions", start, ROUNDS);
    check(event > 0 && status == KP_OK, "objects");
    (void)kp_handle_close((kp_handle_t)event);
}

/* Two switches by signal and wait: what threads cost that do not call each other. */
static void measure_switch(void)
{
    enum { ROUNDS = 2000 };
    kp_tab_created_t tab = server_start();
    kp_handle_t ping = (kp_handle_t)kp_event_create(), pong = (kp_handle_t)kp_event_create();
    kp_handle_t given[2] = {(kp_handle_t)kp_handle_duplicate(ping, KP_RIGHTS_SAME),
                            (kp_handle_t)kp_handle_duplicate(pong, KP_RIGHTS_SAME)};
    check(kp_channel_write(tab.channel, NULL, 0, given, 2) == KP_OK, "role");
    kp_status_t status = KP_OK;
    kp_time_t start = 0;
    for (uint32_t i = 0; i < ROUNDS + 10; i++) {
        if (i == 10)
            start = kp_now();
        status |= kp_object_signal(ping, 0, KP_SIGNAL_SIGNALED);
        status |= kp_object_wait_one(pong, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, NULL);
        status |= kp_object_signal(pong, KP_SIGNAL_SIGNALED, 0);
    }
    result("signal_wait_switch_instructions", start, 2 * ROUNDS);
    check(status == KP_OK, "switch");
    (void)kp_process_kill(tab.process);
    tab_close(&tab);
    (void)kp_handle_close(ping);
    (void)kp_handle_close(pong);
}

static void measure_spawn(void)
{
    enum { ROUNDS = 10 };
    kp_time_t total = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        kp_time_t start = kp_now();
        kp_tab_created_t tab = server_start();
        total += kp_now() - start;
        (void)kp_process_kill(tab.process);
        tab_close(&tab);
    }
    kp_log("bench: spawn_fresh_to_first_message_instructions %llu instructions",
           (unsigned long long)(total / ROUNDS));
}

static void measure_faults(void)
{
    volatile uint8_t *memory = aligned_alloc(65536, (size_t)FAULT_PAGES * KP_PAGE_SIZE);
    check(memory != NULL, "memory");
    if (!memory)
        return;
    /* Downwards: no page comes with the one before. Then upwards, where they do. */
    kp_time_t start = kp_now();
    for (uint32_t i = FAULT_PAGES; i-- > FAULT_PAGES / 2;)
        memory[(size_t)i * KP_PAGE_SIZE] = 1;
    result("page_fault_instructions", start, FAULT_PAGES / 2);
    start = kp_now();
    for (uint32_t i = 0; i < FAULT_PAGES / 2; i++)
        memory[(size_t)i * KP_PAGE_SIZE] = 1;
    result("page_touch_upwards_instructions", start, FAULT_PAGES / 2);
}

int main(void)
{
    coordinator = kp_startup_take("coordinator");
    check(coordinator != KP_HANDLE_NONE, "coordinator");
    (void)kp_boot_mark_text("toolbar"); /* the kernel reports its memory here */
    if (!coordinator)
        return 1;
    while (is_loop("null"))
        measure_null("loop", 100);
    if (!is_loop("call"))
        measure_null("null_call_instructions", 20000);
    measure_ipc();
    measure_memcpy();
    measure_queue("channel_write_read_64b_instructions", 5000, SMALL);
    measure_queue("channel_write_read_64k_instructions", 200, BIG);
    measure_bulk("bulk_message_1k_instructions_per_kib", false, 1024);
    measure_bulk("bulk_ring_1k_instructions_per_kib", true, 1024);
    measure_bulk("bulk_message_4k_instructions_per_kib", false, 4096);
    measure_bulk("bulk_ring_4k_instructions_per_kib", true, 4096);
    measure_bulk("bulk_message_16k_instructions_per_kib", false, 16384);
    measure_bulk("bulk_ring_16k_instructions_per_kib", true, 16384);
    measure_objects();
    measure_switch();
    measure_spawn();
    measure_faults();
    kp_log("bench: end, %d failed", failures);
    return failures != 0;
}
