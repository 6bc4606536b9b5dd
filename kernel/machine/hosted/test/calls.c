/* Calls and replies between two real processes of the machine hosted, by lanes and by the kernel, with
   everything that may come between: see calls_program.c. Sanitised. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted.h"
#include "kernel/machine/hosted/lane.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/calls.bundle"

static kp_process_t *launch_in(kp_job_t *job, kp_capability_t peer, const char *const *arguments)
{
    const kp_image_t *image;
    if (kp_files_image("calls", &image) != KP_OK)
        return NULL;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "calls");
    for (; *arguments; arguments++)
        kp_startup_argument(&startup, *arguments);
    kp_startup_grant(&startup, "peer", peer);
    kp_process_t *process = NULL;
    return kp_startup_launch(&startup, "calls", image, job, NULL, &process) == KP_OK ? process
                                                                                     : NULL;
}

static kp_process_t *launch(kp_capability_t peer, const char *const *arguments)
{
    return launch_in(kp_job_root(), peer, arguments);
}
#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_exit(const char *who, kp_process_info_t info)
{
    if (info.exit_reason != KP_EXIT_NORMAL || info.exit_code != 0)
        KP_FAIL("%s: reason %u code %d", who, info.exit_reason, info.exit_code);
}

typedef struct pair {
    kp_process_t *client, *server;
} pair_t;

static pair_t start_pair(uint32_t seed, const char *count)
{
    char text[2][16];
    for (int i = 0; i < 2; i++)
        snprintf(text[i], sizeof(text[i]), "%u", seed * 2 + (uint32_t)i);
    kp_capability_t ends[2];
    pair_t pair = {0};
    if (kp_channel_create(ends) == KP_OK) {
        pair.server = launch(ends[0], ARGUMENTS("serve-random", text[0]));
        pair.client = launch(ends[1], ARGUMENTS("order", text[1], count));
    }
    return pair;
}

KP_TEST(calls_at_random)
{
    kp_test_census_t before = kp_test_census_take();
    for (uint32_t seed = 1; seed <= 12; seed++) {
        /* The last ones without lanes: the same program must not notice. */
        kp_hosted_lanes_set(seed <= 9);
        pair_t pair = start_pair(seed, "400");
        kp_process_info_t client = kp_test_process_end(pair.client);
        expect_exit("client", client);
        expect_exit("server", kp_test_process_end(pair.server));
        KP_EXPECT(client.messages_sent >= 400);
    }
    kp_hosted_lanes_set(true);
    kp_test_census_expect(before);
}

KP_TEST(lanes_are_made_and_messages_counted)
{
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    kp_process_t *server = launch(ends[0], ARGUMENTS("serve"));
    kp_process_t *client = launch(ends[1], ARGUMENTS("count", "1", "1000"));
    KP_REQUIRE(server && client);
    kp_object_acquire(&client->object);
    kp_process_info_t info = kp_test_process_end(client);
    expect_exit("client", info);
    KP_EXPECT_INT(info.messages_sent, 1000);
    kp_object_release(&client->object);
    info = kp_test_process_end(server);
    expect_exit("server", info);
    KP_EXPECT_INT(info.messages_sent, 1000);
    /* Most went past the kernel. */
    KP_EXPECT(info.calls < 200);
}

/* The client's job pays for a lane, and without the means there is none: the calls do not notice. */
KP_TEST(lanes_are_charged)
{
    kp_test_census_t before = kp_test_census_take();
    const kp_image_t *image;
    KP_REQUIRE(kp_files_image("calls", &image) == KP_OK);
    uint64_t memory = (uint64_t)image->info.initial_pages * (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE);
    uint64_t lane = KP_LANE_SIZE / KP_PAGE_SIZE;
    for (int has_means = 0; has_means < 2; has_means++) {
        const kp_job_limits_t limits = {
            .handles = 100,
            .queued_bytes = 1 << 20,
            .pages = memory + lane - (has_means ? 0 : 1),
            .processes = 1,
            .objects = 100,
        };
        kp_job_t *job;
        kp_job_limits_t used;
        kp_capability_t ends[2];
        KP_REQUIRE(kp_job_create(kp_job_root(), &limits, &job) == KP_OK);
        KP_REQUIRE(kp_channel_create(ends) == KP_OK);
        kp_process_t *server = launch(ends[0], ARGUMENTS("serve"));
        kp_process_t *client = launch_in(job, ends[1], ARGUMENTS("count", "1", "1000"));
        KP_REQUIRE(server && client);
        expect_exit("client", kp_test_process_end(client));
        kp_process_info_t info = kp_test_process_end(server);
        expect_exit("server", info);
        KP_EXPECT((info.calls < 200) == has_means);
        (void)kp_test_census_take();
        kp_quota_used(job->quota, &used);
        KP_EXPECT_INT(used.pages, 0);
        kp_object_release(&job->object);
    }
    kp_test_census_expect(before);
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(random_state >> 8) * limit >> 24);
}

/* Both have ended, and the other one than the victim by itself. */
static void expect_survivor(pair_t pair, bool is_client_dead)
{
    kp_process_info_t client = kp_test_process_end(pair.client),
                      server = kp_test_process_end(pair.server);
    if (is_client_dead)
        expect_exit("server", server);
    else
        expect_exit("client", client);
}

/* Whichever dies, the other one hears of it and ends by itself. */
KP_TEST(either_side_killed_at_any_moment)
{
    kp_test_census_t before = kp_test_census_take();
    for (uint32_t i = 0; i < 60; i++) {
        pair_t pair = start_pair(1000 + i, "0");
        KP_REQUIRE(pair.client && pair.server);
        usleep(random_below(30000));
        kp_process_t *victim = i % 2 ? pair.client : pair.server;
        kp_process_end(victim, KP_EXIT_KILLED, 0, 0);
        expect_survivor(pair, i % 2);
    }
    kp_test_census_expect(before);
}

/* The same by the host, which tells the kernel nothing before. */
KP_TEST(either_side_killed_by_the_host)
{
    kp_test_census_t before = kp_test_census_take();
    for (uint32_t i = 0; i < 20; i++) {
        pair_t pair = start_pair(2000 + i, "0");
        KP_REQUIRE(pair.client && pair.server);
        volatile const int *pid = &(i % 2 ? pair.client : pair.server)->space.child->pid;
        while (*pid == 0)
            usleep(1000); /* it is not forked yet */
        usleep(random_below(25000));
        kill(*pid, SIGKILL);
        expect_survivor(pair, i % 2);
    }
    kp_test_census_expect(before);
}

KP_TEST(either_side_suspended_for_a_while)
{
    kp_test_census_t before = kp_test_census_take();
    for (uint32_t i = 0; i < 6; i++) {
        pair_t pair = start_pair(3000 + i, i < 4 ? "300" : "0");
        KP_REQUIRE(pair.client && pair.server);
        kp_process_t *victim = i % 2 ? pair.client : pair.server;
        for (int stops = 0; stops < 20; stops++) {
            usleep(random_below(3000));
            if (kp_process_suspend(victim) != KP_OK)
                break; /* it has ended */
            usleep(random_below(3000));
            (void)kp_process_resume(victim);
        }
        /* The last ones die while they are suspended. */
        if (i >= 4 && kp_process_suspend(victim) == KP_OK)
            kp_process_end(victim, KP_EXIT_KILLED, 0, 0);
        kp_process_info_t client = kp_test_process_end(pair.client),
                          server = kp_test_process_end(pair.server);
        if (i < 4 || i % 2 == 0)
            expect_exit("client", client);
        if (i < 4 || i % 2)
            expect_exit("server", server);
    }
    kp_test_census_expect(before);
}

/* ---- a process that writes into the lane what it likes, at any moment ---- */

static kp_channel_lane_t *lane_of(kp_process_t *process)
{
    kp_channel_lane_t *volatile *slot = &process->space.child->lanes[0];
    for (int i = 0; i < 60000 && !*slot; i++)
        usleep(1000);
    if (*slot)
        (*slot)->ops->acquire(*slot);
    return *slot;
}

static void scribble(kp_lane_t *lane, uint32_t times)
{
    volatile uint8_t *bytes = (volatile uint8_t *)lane;
    for (uint32_t i = 0; i < times; i++) {
        uint32_t what = random_below(4);
        if (what == 0)
            atomic_store(&lane->state, random_below(9) | random_below(2) << 31);
        else if (what == 1)
            lane->request.byte_count = random_below(2) ? random_below(70000) : random_state;
        else if (what == 2)
            lane->request.number = random_below(100);
        else
            bytes[random_below(KP_PAGE_SIZE)] = (uint8_t)random_state;
        if (random_below(50) == 0)
            kp_raw_syscall(SYS_futex, (long)&lane->state, FUTEX_WAKE, 1, 0, 0, 0);
        if (random_below(1000) == 0)
            usleep(random_below(500));
    }
}

/* The two may fail; the kernel and everybody else do not notice. */
KP_TEST(scribbling_over_a_lane_harms_nobody_else)
{
    kp_test_census_t before = kp_test_census_take();
    for (uint32_t i = 0; i < 6; i++) {
        pair_t hostile = start_pair(4000 + i, "0"), bystanders = start_pair(5000 + i, "300");
        KP_REQUIRE(hostile.client && hostile.server);
        kp_channel_lane_t *lane = lane_of(hostile.client);
        KP_REQUIRE(lane);
        scribble(kp_hosted_lane_memory(lane), 30000);
        lane->ops->release(lane);
        kp_process_end(hostile.client, KP_EXIT_KILLED, 0, 0);
        /* Even now the kernel's word reaches the other one: its peer is gone. */
        (void)kp_test_process_end(hostile.client);
        (void)kp_test_process_end(hostile.server);
        expect_exit("client", kp_test_process_end(bystanders.client));
        expect_exit("server", kp_test_process_end(bystanders.server));
    }
    kp_test_census_expect(before);
}

/* ---- what the host gives ---- */

KP_TEST(memory_in_use_is_counted)
{
    enum { SIZE = 8 << 20 };
    static uint8_t bytes[SIZE];
    memset(bytes, 1, SIZE);
    kp_memory_usage_t before, with, after;
    kp_machine_memory_usage(&before);
    KP_EXPECT(before.used > 0 && before.used < before.size);
    kp_vmo_t *vmo;
    KP_REQUIRE(kp_vmo_create(SIZE, NULL, &vmo) == KP_OK);
    KP_EXPECT_INT(kp_vmo_write(vmo, 0, bytes, SIZE), KP_OK);
    kp_machine_memory_usage(&with);
    kp_object_release(&vmo->object);
    kp_machine_memory_usage(&after);
    KP_EXPECT(with.used >= before.used + SIZE && with.used < with.size);
    KP_EXPECT(after.used + SIZE <= with.used + (1 << 20));
}

KP_TEST(no_file_descriptors_left_is_an_error)
{
    kp_test_census_t before = kp_test_census_take();
    struct rlimit limit;
    KP_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct rlimit low = {.rlim_cur = before.files, .rlim_max = limit.rlim_max};
    KP_REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
    kp_vmo_t *vmos[64];
    size_t count = 0;
    kp_status_t status = KP_OK;
    while (count < 64 && status == KP_OK) {
        status = kp_vmo_create(KP_PAGE_SIZE, NULL, &vmos[count]);
        count += status == KP_OK;
    }
    KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
    pair_t pair = start_pair(1, "1");
    KP_EXPECT(!pair.client && !pair.server);
    KP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    while (count > 0)
        kp_object_release(&vmos[--count]->object);
    kp_test_census_expect(before);
}

static int run_tests(void *context)
{
    /* After this the kernel has all that it keeps. */
    pair_t first = start_pair(0, "1");
    (void)kp_test_process_end(first.client);
    (void)kp_test_process_end(first.server);
    return kp_test_all(context, NULL, NULL);
}

/* usage: hosted_calls [TEST] */
int main(int argc, char **argv)
{
    kp_hosted_options_t options = {
        .bundle_path = BUNDLE,
        .command_line = "shell=off display=off http=off",
        .log_level = KP_TEST_LOG_LEVEL,
    };
    return kp_test_hosted(&options, run_tests, argc > 1 ? argv[1] : NULL, NULL);
}
