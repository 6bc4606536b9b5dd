/* The program side of the tests of ports, timers and the event loop; the same program runs hosted
   (hosted.c) and in QEMU (waiting.sh), there as the shell. argv[1] says which case. A case returns 0, or
   the line of the check that failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/startup.h"
#include "runtime/program/loop.h"
#include "runtime/program/startup.h"
#include "tests/kp_check.h"

/* ---- Ports and timers ---- */

static int test_port(void)
{
    kp_port_packet_t packets[4];
    kp_handle_t port = (kp_handle_t)kp_port_create(), ends[2];
    kp_handle_t timer = (kp_handle_t)kp_timer_create();
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_port_bind(port, ends[1], KP_SIGNAL_READABLE, 1, KP_PORT_LEVEL) == KP_OK);
    CHECK(kp_port_bind(port, timer, KP_SIGNAL_SIGNALED, 2, KP_PORT_EDGE) == KP_OK);
    CHECK(kp_port_wait(port, packets, 4, KP_TIME_POLL) == KP_ERR_TIMED_OUT);
    kp_time_t deadline = kp_now() + 3 * KP_NS_PER_MS;
    CHECK(kp_timer_set(timer, deadline, 0) == KP_OK);
    CHECK(kp_port_wait(port, packets, 4, KP_TIME_INFINITE) == 1);
    CHECK(packets[0].key == 2 && packets[0].kind == KP_PORT_SIGNALS && kp_now() >= deadline);
    CHECK(kp_channel_write(ends[0], "x", 1, NULL, 0) == KP_OK);
    for (int i = 0; i < 3; i++)
        CHECK(kp_port_wait(port, packets, 4, KP_TIME_INFINITE) == 1 && packets[0].key == 1);
    kp_port_packet_t own = {.key = 77, .data = {5, 6}};
    CHECK(kp_port_post(port, &own) == KP_OK);
    CHECK(kp_handle_close(ends[1]) == KP_OK);
    CHECK(kp_port_wait(port, packets, 4, KP_TIME_INFINITE) == 2);
    CHECK(packets[0].key == 1 && packets[0].kind == KP_PORT_CLOSED);
    CHECK(packets[1].key == 77 && packets[1].kind == KP_PORT_USER && packets[1].data[1] == 6);
    CHECK(kp_port_wait(port, packets, 4, kp_now() + 2 * KP_NS_PER_MS) == KP_ERR_TIMED_OUT);
    CHECK(kp_handle_close(port) == KP_OK && kp_handle_close(timer) == KP_OK &&
          kp_handle_close(ends[0]) == KP_OK);
    return 0;
}

/* ---- The loop ---- */

enum { CHANNELS = 600 };

static kp_loop_t loop;
static kp_handle_t near[CHANNELS], far[CHANNELS];
static unsigned received[CHANNELS], writable[CHANNELS], closed[CHANNELS];
static bool wants_writable[CHANNELS]; /* observed has all signals, asked for or not */

static void on_signal(void *context, kp_handle_t handle, kp_signals_t observed)
{
    size_t i = (size_t)((kp_handle_t *)context - near);
    char byte;
    uint32_t actual[2];
    if (observed == 0) {
        closed[i]++;
        return;
    }
    if (observed & KP_SIGNAL_READABLE &&
        kp_channel_read(handle, &byte, 1, NULL, 0, actual) == KP_OK)
        received[i]++;
    if (observed & KP_SIGNAL_WRITABLE && wants_writable[i])
        writable[i]++;
}

static void on_first_of_many(void *context, kp_handle_t handle, kp_signals_t observed)
{
    on_signal(context, handle, observed);
    kp_loop_unwatch(&loop, handle);
}

static kp_status_t rounds_until_quiet(void)
{
    kp_status_t status;
    for (int i = 0; i < 1000; i++) {
        status = kp_loop_step(&loop, KP_TIME_POLL);
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}

static int test_loop(void)
{
    kp_loop_init(&loop);
    for (size_t i = 0; i < CHANNELS; i++) {
        kp_handle_t ends[2];
        CHECK(kp_channel_create(ends) == KP_OK);
        near[i] = ends[0];
        far[i] = ends[1];
        CHECK(kp_loop_watch(&loop, near[i], KP_SIGNAL_READABLE, on_signal, &near[i]) == KP_OK);
        if (i % 7 == 0) /* rounds with few and with many */
            CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_ERR_TIMED_OUT);
    }
    CHECK(loop.port != KP_HANDLE_NONE);
    for (size_t i = 0; i < CHANNELS; i++) {
        for (size_t k = 0; k < i % 3; k++)
            CHECK(kp_channel_write(far[i], "x", 1, NULL, 0) == KP_OK);
    }
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT);
    for (size_t i = 0; i < CHANNELS; i++)
        CHECK(received[i] == i % 3 && writable[i] == 0);

    /* WRITABLE wanted, and not any more; both at once is one call of the handler a round. */
    wants_writable[5] = true;
    CHECK(kp_loop_watch(&loop, near[5], KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE, on_signal,
                        &near[5]) == KP_OK);
    CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_OK && writable[5] == 1);
    CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_OK && writable[5] == 2);
    CHECK(kp_channel_write(far[5], "x", 1, NULL, 0) == KP_OK);
    CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_OK && writable[5] == 3 && received[5] == 3);
    CHECK(kp_loop_watch(&loop, near[5], KP_SIGNAL_READABLE, on_signal, &near[5]) == KP_OK);
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT && writable[5] == 3);
    CHECK(kp_loop_watch(&loop, near[5], 0, on_signal, &near[5]) == KP_OK);
    CHECK(kp_channel_write(far[5], "x", 1, NULL, 0) == KP_OK);
    CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_ERR_TIMED_OUT && received[5] == 3);
    CHECK(kp_loop_watch(&loop, near[5], KP_SIGNAL_READABLE, on_signal, &near[5]) == KP_OK);
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT && received[5] == 4);

    /* Handlers that unwatch, handles that go, and slots that are used again. */
    for (size_t i = 0; i < 50; i++)
        CHECK(kp_loop_watch(&loop, near[i], KP_SIGNAL_READABLE, on_first_of_many, &near[i]) ==
              KP_OK);
    for (size_t i = 0; i < 50; i++) {
        CHECK(kp_channel_write(far[i], "x", 1, NULL, 0) == KP_OK);
        CHECK(kp_channel_write(far[i], "x", 1, NULL, 0) == KP_OK);
    }
    for (size_t i = 50; i < 100; i++)
        CHECK(kp_handle_close(near[i]) == KP_OK);
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT);
    for (size_t i = 0; i < 50; i++)
        CHECK(received[i] == i % 3 + 1 + (i == 5 ? 2 : 0));
    for (size_t i = 0; i < CHANNELS; i++)
        CHECK(closed[i] == (i >= 50 && i < 100));
    CHECK(loop.watch_count == CHANNELS - 100);
    for (size_t i = 0; i < 50; i++)
        CHECK(kp_loop_watch(&loop, near[i], KP_SIGNAL_READABLE, on_signal, &near[i]) == KP_OK);
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT);
    for (size_t i = 0; i < 50; i++)
        CHECK(received[i] == i % 3 + 2 + (i == 5 ? 2 : 0));
    kp_handle_t bad = near[60];
    CHECK(kp_loop_watch(&loop, bad, KP_SIGNAL_READABLE, on_signal, &near[60]) == KP_OK);
    CHECK(rounds_until_quiet() == KP_ERR_TIMED_OUT && closed[60] == 2);
    kp_loop_clear(&loop);
    return 0;
}

/* What a round costs with many quiet watches and one that talks. */
static int measure_loop(void)
{
    enum { ROUNDS = 200 };
    static const size_t sizes[] = {1, 2, 3, 4, 8, 32, 128, 600};
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        kp_loop_init(&loop);
        for (size_t i = 0; i < sizes[s]; i++) {
            kp_handle_t ends[2];
            CHECK(kp_channel_create(ends) == KP_OK);
            near[i] = ends[0];
            far[i] = ends[1];
            CHECK(kp_loop_watch(&loop, near[i], KP_SIGNAL_READABLE, on_signal, &near[i]) == KP_OK);
        }
        (void)kp_loop_step(&loop, KP_TIME_POLL);
        kp_time_t used = 0;
        for (size_t i = 0; i < ROUNDS; i++) {
            CHECK(kp_channel_write(far[i % sizes[s]], "x", 1, NULL, 0) == KP_OK);
            kp_time_t start = kp_now();
            CHECK(kp_loop_step(&loop, KP_TIME_POLL) == KP_OK);
            used += kp_now() - start;
        }
        kp_log("figure: loop_round_of_%zu %lld ns", sizes[s], (long long)(used / ROUNDS));
        kp_loop_clear(&loop);
        for (size_t i = 0; i < sizes[s]; i++) {
            CHECK(kp_handle_close(near[i]) == KP_OK);
            CHECK(kp_handle_close(far[i]) == KP_OK);
        }
    }
    return 0;
}

/* ---- Scale ---- */

static int report_memory(void)
{
    CHECK(kp_boot_mark("load-done", 9) ==
          KP_OK); /* with report=memory the kernel says what is used */
    return 0;
}

/* 10,000 channels, each bound to a port with a message under way, and 1,000 timers. */
static int test_scale(void)
{
    enum { MANY = 10000, TIMERS = 1000 };
    kp_handle_t(*ends)[2] = malloc(MANY * sizeof(*ends));
    kp_handle_t *timers = malloc(TIMERS * sizeof(*timers));
    bool *seen = calloc(MANY + TIMERS, sizeof(*seen));
    static kp_port_packet_t packets[KP_PORT_PACKETS_MAX];
    CHECK(ends && timers && seen);
    memset(ends, 1, MANY * sizeof(*ends)); /* committed before the first report */
    memset(seen, 1, MANY + TIMERS);
    memset(seen, 0, MANY + TIMERS);
    memset(packets, 1, sizeof(packets));
    kp_handle_t port = (kp_handle_t)kp_port_create();
    (void)report_memory();
    for (size_t i = 0; i < MANY; i++)
        CHECK(kp_channel_create(ends[i]) == KP_OK);
    (void)report_memory();
    for (size_t i = 0; i < MANY; i++)
        CHECK(kp_port_bind(port, ends[i][1], KP_SIGNAL_READABLE, i, KP_PORT_EDGE) == KP_OK);
    (void)report_memory();
    for (size_t i = 0; i < TIMERS; i++) {
        int64_t timer = kp_timer_create();
        CHECK(timer > 0);
        timers[i] = (kp_handle_t)timer;
    }
    (void)report_memory();
    kp_time_t soon = kp_now() + 5 * KP_NS_PER_MS;
    for (size_t i = 0; i < TIMERS; i++) {
        CHECK(kp_port_bind(port, timers[i], KP_SIGNAL_SIGNALED, MANY + i, KP_PORT_EDGE) == KP_OK);
        CHECK(kp_timer_set(timers[i], soon + (kp_time_t)(i * 1000), KP_NS_PER_MS) == KP_OK);
    }
    for (size_t i = 0; i < MANY; i++)
        CHECK(kp_channel_write(ends[i][0], "x", 1, NULL, 0) == KP_OK);
    kp_time_t start = kp_now();
    size_t total = 0;
    while (total < MANY + TIMERS) {
        int64_t count = kp_port_wait(port, packets, KP_PORT_PACKETS_MAX, KP_TIME_INFINITE);
        CHECK(count > 0);
        for (int64_t i = 0; i < count; i++) {
            CHECK(packets[i].key < MANY + TIMERS && !seen[packets[i].key]);
            seen[packets[i].key] = true;
        }
        total += (size_t)count;
    }
    kp_log("figure: packet %lld ns", (long long)(kp_now() - start) / (long long)total);
    start = kp_now();
    for (size_t i = 0; i < MANY; i++) {
        CHECK(kp_handle_close(ends[i][0]) == KP_OK);
        CHECK(kp_handle_close(ends[i][1]) == KP_OK);
    }
    for (size_t i = 0; i < TIMERS; i++)
        CHECK(kp_handle_close(timers[i]) == KP_OK);
    CHECK(kp_handle_close(port) == KP_OK);
    (void)report_memory();
    return 0;
}

/* ---- A thousand processes ---- */

/* Says that it lives, and waits for the end of its parent's interest. */
static int child_idle(void)
{
    kp_handle_t control = kp_startup_take("control");
    CHECK(kp_channel_write(control, "x", 1, NULL, 0) == KP_OK);
    CHECK(kp_object_wait_one(control, KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, NULL) == KP_OK);
    return 0;
}

/* A startup message with arguments "waiting idle" and the handle "control", waiting in a channel. */
static kp_handle_t make_startup(kp_handle_t control)
{
    static const char text[] = "waiting\0idle\0control";
    uint8_t bytes[sizeof(kp_startup_header_t) + sizeof(text)];
    kp_startup_header_t header = {KP_STARTUP_MAGIC, 2, 1, 0};
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), text, sizeof(text));
    kp_handle_t ends[2];
    if (kp_channel_create(ends) != KP_OK ||
        kp_channel_write(ends[0], bytes, sizeof(bytes), &control, 1) != KP_OK)
        return KP_HANDLE_NONE;
    (void)kp_handle_close(ends[0]);
    return ends[1];
}

static int make_idle(kp_handle_t job, kp_handle_t code, kp_handle_t *process, kp_handle_t *control)
{
    kp_handle_t ends[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    kp_process_create_t options = {.code = code, .startup = make_startup(ends[1]), .name = "idle"};
    CHECK(options.startup != KP_HANDLE_NONE);
    int64_t made = kp_process_create(job, &options);
    CHECK(made > 0 && kp_process_start((kp_handle_t)made) == KP_OK);
    *process = (kp_handle_t)made;
    *control = ends[0];
    return 0;
}

/* A thousand processes that have run and wait, in a job of their own; half of them are let go by their
   channels, the rest end with the job. */
static int test_processes(void)
{
    enum { PROCESSES = 1000 };
    static kp_handle_t processes[PROCESSES], controls[PROCESSES];
    static kp_port_packet_t packets[KP_PORT_PACKETS_MAX];
    kp_handle_t parent = kp_startup_take("job"), code = kp_startup_take("code:idle");
    kp_handle_t port = (kp_handle_t)kp_port_create();
    CHECK(parent && code && port);
    kp_job_info_t info;
    CHECK(kp_job_info(parent, &info) == KP_OK);
    kp_job_limits_t limits = {.handles = 10000,
                              .queued_bytes = 1 << 20,
                              .pages = 400000,
                              .processes = PROCESSES,
                              .objects = 10000};
    int64_t job = kp_job_create(parent, &limits);
    CHECK(job > 0);
    CHECK(make_idle((kp_handle_t)job, code, &processes[0], &controls[0]) == 0);
    CHECK(kp_object_wait_one(controls[0], KP_SIGNAL_READABLE, KP_TIME_INFINITE, NULL) == KP_OK);
    (void)report_memory();
    for (size_t i = 1; i < PROCESSES; i++) {
        CHECK(make_idle((kp_handle_t)job, code, &processes[i], &controls[i]) == 0);
        CHECK(kp_object_wait_one(controls[i], KP_SIGNAL_READABLE, KP_TIME_INFINITE, NULL) == KP_OK);
    }
    (void)report_memory();
    kp_handle_t one_more, control;
    CHECK(make_idle((kp_handle_t)job, code, &one_more, &control) != 0); /* the job is full */
    CHECK(kp_job_info((kp_handle_t)job, &info) == KP_OK && info.used.processes == PROCESSES);
    for (size_t i = 0; i < PROCESSES; i++)
        CHECK(kp_port_bind(port, processes[i], KP_SIGNAL_TERMINATED, i, KP_PORT_EDGE) == KP_OK);
    for (size_t i = 0; i < PROCESSES; i += 2)
        CHECK(kp_handle_close(controls[i]) == KP_OK);
    size_t ended = 0;
    while (ended < PROCESSES) {
        int64_t count = kp_port_wait(port, packets, KP_PORT_PACKETS_MAX, KP_TIME_INFINITE);
        CHECK(count > 0);
        for (int64_t i = 0; i < count; i++) {
            kp_process_info_t end;
            CHECK(kp_process_info(processes[packets[i].key], &end) == KP_OK);
            CHECK(end.exit_reason ==
                  (packets[i].key % 2 ? (uint32_t)KP_EXIT_KILLED : (uint32_t)KP_EXIT_NORMAL));
        }
        bool was_half = ended < PROCESSES / 2;
        ended += (size_t)count;
        if (was_half && ended >= PROCESSES / 2)
            CHECK(kp_job_kill((kp_handle_t)job) == KP_OK);
    }
    CHECK(kp_object_wait_one((kp_handle_t)job, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL) ==
          KP_OK);
    CHECK(kp_job_info((kp_handle_t)job, &info) == KP_OK && info.used.processes == 0 &&
          info.used.pages == 0);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "port") == 0)
        return test_port();
    if (strcmp(name, "loop") == 0)
        return test_loop();
    if (strcmp(name, "measure-loop") == 0)
        return measure_loop();
    if (strcmp(name, "idle") == 0)
        return child_idle();
    if (strcmp(name, "processes") == 0)
        return test_processes();
    if (strcmp(name, "scale") == 0)
        return test_scale();
    return __LINE__;
}
