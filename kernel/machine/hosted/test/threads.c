/* Processes with several threads on the machine hosted (threads_program.c). Sanitised. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted.h"
#include "kernel/machine/hosted/test/threads.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/threads.bundle"

/* The startup channel is what the program plays with, if it does. */
static kp_process_t *launch(uint32_t part, uint64_t argument, kp_capability_t startup)
{
    const kp_image_t *image;
    kp_process_t *process;
    if (kp_files_image("threads", &image) != KP_OK)
        return NULL;
    kp_process_options_t options = {
        .name = "threads", .image = image, .job = kp_job_root(), .startup = startup};
    if (kp_process_make(&options, &process) != KP_OK)
        return NULL;
    const uint64_t area = kp_hosted_layout_area(&process->space.layout);
    const threads_shared_t shared = {
        .part = part,
        .argument = argument,
        .page_address = area + KP_AREA_PAGE,
        .number_offset = offsetof(kp_call_page_t, number),
        .thread_offset = offsetof(kp_call_page_t, host_thread),
        .state_call = KP_PAGE_CALL,
        .state_leave = KP_PAGE_LEAVE,
        .wake_number = kp_futex_is_split ? KP_HOST_FUTEX_WAKE : __NR_futex,
    };
    KP_EXPECT_INT(kp_machine_space_copy_out(&process->space, 0, &shared, sizeof(shared)), KP_OK);
    KP_EXPECT_INT(kp_process_start(process), KP_OK);
    return process;
}

static void read_shared(kp_process_t *process, threads_shared_t *shared)
{
    KP_EXPECT_INT(kp_machine_space_copy_in(&process->space, shared, 0, sizeof(*shared)), KP_OK);
}

static void expect_end(uint32_t part, uint64_t argument, uint32_t reason, int32_t code)
{
    kp_process_info_t info = kp_test_process_end(launch(part, argument, (kp_capability_t){0}));
    if (info.exit_reason != reason || info.exit_code != code)
        KP_FAIL("part %u: reason %u code %d", part, info.exit_reason, info.exit_code);
}

KP_TEST(threads_begin_and_end_in_the_same_slots)
{
    expect_end(THREADS_GENERATIONS, 0, KP_EXIT_NORMAL, 0);
}

KP_TEST(several_make_threads_at_once)
{
    for (int i = 0; i < 10; i++)
        expect_end(THREADS_MAKERS, 0, KP_EXIT_NORMAL, 0);
}

KP_TEST(a_fault_of_one_ends_all)
{
    expect_end(THREADS_FAULT, 0, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS);
    expect_end(THREADS_OVERFLOW, 0, KP_EXIT_TRAP, KP_TRAP_STACK_OVERFLOW);
}

KP_TEST(the_first_thread_may_leave_first)
{
    expect_end(THREADS_FIRST_LEAVES, 0, KP_EXIT_NORMAL, 7);
}

KP_TEST(mappings_change_under_calls_of_others)
{
    expect_end(THREADS_MAPPINGS, 0, KP_EXIT_NORMAL, 0);
}

KP_TEST(further_threads_have_the_same_filter)
{
    static const uint64_t calls[] = {__NR_getpid,  __NR_mmap,    __NR_munmap, __NR_clone,
                                     __NR_clone3,  __NR_recvmsg, __NR_write,  __NR_close,
                                     __NR_seccomp, __NR_mprotect};
    for (size_t i = 0; i < KP_ARRAY_COUNT(calls); i++)
        expect_end(THREADS_RAW, calls[i], KP_EXIT_FAULT, 31 /* SIGSYS */);
}

/* It would otherwise get more threads of the host than it may have. */
KP_TEST(a_thread_that_only_says_it_has_gone_ends_the_process)
{
    kp_process_info_t info = kp_test_process_end(launch(THREADS_LIAR, 0, (kp_capability_t){0}));
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_KILLED);
}

static uint64_t sum(kp_process_t *process)
{
    threads_shared_t shared;
    read_shared(process, &shared);
    uint64_t all = 0;
    for (size_t i = 0; i < 8; i++)
        all += shared.counts[i];
    return all;
}

static void wait_for_spinners(kp_process_t *process)
{
    threads_shared_t shared = {0};
    for (int i = 0; i < 60000 && shared.done < 3; i++) {
        usleep(1000);
        read_shared(process, &shared);
    }
    KP_EXPECT_INT(shared.done, 3);
}

KP_TEST(suspended_all_stand_still)
{
    kp_process_t *process = launch(THREADS_SPIN, 0, (kp_capability_t){0});
    KP_REQUIRE(process);
    wait_for_spinners(process);
    for (int i = 0; i < 10; i++) {
        KP_EXPECT_INT(kp_process_suspend(process), KP_OK);
        uint64_t before = sum(process);
        usleep(5000);
        KP_EXPECT_INT(sum(process), before);
        KP_EXPECT_INT(kp_process_resume(process), KP_OK);
        for (int wait = 0; wait < 60000 && sum(process) == before; wait++)
            usleep(1000);
        KP_EXPECT(sum(process) != before);
    }
    kp_process_info_t info;
    kp_process_info(process, &info);
    KP_EXPECT_INT(info.threads, 4);
    KP_EXPECT(info.cpu_time_ns > 0);
    KP_EXPECT_INT(kp_process_suspend(process), KP_OK); /* killed while it stands still */
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    info = kp_test_process_end(process);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_KILLED);
    KP_EXPECT(info.cpu_time_ns > 0);
}

typedef struct starter {
    kp_hosted_child_t *child;
    uint32_t slot;
    kp_status_t status;
} starter_t;

static uint32_t living(kp_hosted_child_t *child)
{
    kp_spin_lock(&child->lock);
    uint32_t count = child->living;
    kp_spin_unlock(&child->lock);
    return count;
}

static void *start_one(void *context)
{
    starter_t *starter = context;
    starter->status = kp_hosted_child_thread_start(starter->child, starter->slot, 0, 0);
    return NULL;
}

/* A thread that is about to be made, or whose making fails, hides none that only says it has gone. */
KP_TEST(a_thread_in_the_making_hides_no_other)
{
    kp_process_t *process = launch(THREADS_SPIN, 0, (kp_capability_t){0});
    KP_REQUIRE(process);
    wait_for_spinners(process);
    kp_hosted_child_t *child = process->space.child;
    starter_t starters[2] = {{child, 20, KP_OK}, {child, 21, KP_OK}};
    pthread_t threads[2];
    KP_EXPECT_INT(kp_process_suspend(process), KP_OK); /* the agent too */
    kp_hosted_child_acquire(child);
    uint32_t before = living(child);
    for (size_t i = 0; i < 2; i++) {
        KP_REQUIRE(pthread_create(&threads[i], NULL, start_one, &starters[i]) == 0);
        for (int wait = 0; wait < 60000 && i == 0 && living(child) == before; wait++)
            usleep(1000);
        usleep(50000);
        if (i == 0) { /* meanwhile one of the spinners was believed */
            kp_spin_lock(&child->lock);
            child->living--;
            kp_spin_unlock(&child->lock);
        }
    }
    KP_EXPECT_INT(kp_process_resume(process), KP_OK);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    KP_EXPECT_INT(starters[0].status, KP_OK);
    KP_EXPECT_INT(starters[1].status, KP_ERR_PROCESS_DEAD);
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    KP_EXPECT_INT(kp_test_process_end(process).exit_reason, KP_EXIT_KILLED);
    kp_hosted_child_release(child);
}

/* While threads begin, work and end. */
KP_TEST(killed_and_suspended_at_any_moment)
{
    uint32_t random = 1;
    for (int i = 0; i < 40; i++) {
        kp_process_t *process = launch(THREADS_GENERATIONS, 0, (kp_capability_t){0});
        KP_REQUIRE(process);
        for (int stops = 0; stops < i % 4; stops++) {
            random = random * 1664525 + 1013904223;
            usleep(random >> 18);
            if (kp_process_suspend(process) != KP_OK)
                break;
            usleep(1000);
            KP_EXPECT_INT(kp_process_resume(process), KP_OK);
        }
        random = random * 1664525 + 1013904223;
        usleep(random >> 17);
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
        KP_EXPECT_INT(kp_test_process_end(process).exit_reason, KP_EXIT_KILLED);
    }
}

/* A lane that one thread had is taken away; replies find the thread that called. */
KP_TEST(calls_of_several_threads_at_once)
{
    for (int i = 0; i < 3; i++) {
        const kp_image_t *image;
        kp_capability_t ends[2];
        kp_process_t *server;
        KP_REQUIRE(kp_files_image("calls", &image) == KP_OK && kp_channel_create(ends) == KP_OK);
        kp_startup_t startup;
        kp_startup_init(&startup);
        kp_startup_argument(&startup, "calls");
        kp_startup_argument(&startup, "serve");
        kp_startup_grant(&startup, "peer", ends[0]);
        KP_REQUIRE(kp_startup_launch(&startup, "calls", image, kp_job_root(), NULL, &server) ==
                   KP_OK);
        kp_process_info_t info = kp_test_process_end(launch(THREADS_CALLS, 0, ends[1]));
        KP_EXPECT_INT(info.exit_reason, KP_EXIT_NORMAL);
        KP_EXPECT_INT(info.exit_code, 0);
        KP_EXPECT_INT(info.messages_sent, 6 * 300);
        KP_EXPECT_INT(kp_test_process_end(server).exit_code, 0);
    }
}

static kp_test_census_t before;

static void expect_nothing_left(void)
{
    kp_test_census_expect(before);
}

static int run_tests(void *context)
{
    kp_test_process_end(launch(THREADS_GENERATIONS, 0, (kp_capability_t){0}));
    before = kp_test_census_take();
    return kp_test_all(context, NULL, expect_nothing_left);
}

/* usage: hosted_threads [TEST] */
int main(int argc, char **argv)
{
    kp_hosted_options_t options = {
        .bundle_path = BUNDLE,
        .command_line = "shell=off display=off http=off",
        .log_level = KP_TEST_LOG_LEVEL,
    };
    return kp_test_hosted(&options, run_tests, argc > 1 ? argv[1] : NULL, NULL);
}
