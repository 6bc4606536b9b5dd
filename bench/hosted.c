/* Calls and replies on the machine hosted, beside a pipe and a Unix socket between two plain Linux
   processes: `bench_hosted BUNDLE one|two|free` prints "NAME VALUE UNIT" lines. one: everything on one
   processor; two: the two sides on different ones; free: as Linux likes. The subjects take turns, a
   round each, so that whatever else the machine does meets all of them; medians of the rounds. */
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted.h"

enum { ROUNDS = 41, SIZE = 64 };

static const char *mode;
static double cycles_per_ns;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void calibrate(void)
{
    double start = now_ns();
    unsigned long long cycles = __rdtsc();
    while (now_ns() < start + 2e7)
        ;
    cycles_per_ns = (double)(__rdtsc() - cycles) / (now_ns() - start);
}

static void fail(const char *what)
{
    fprintf(stderr, "bench_hosted: %s\n", what);
    exit(1);
}

/* Puts a side of the two where the mode wants it. pid 0: the caller. */
static void pin(int pid, int side)
{
    if (strcmp(mode, "free") == 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(strcmp(mode, "one") == 0 ? 0 : side, &set);
    if (sched_setaffinity(pid, sizeof(set), &set) != 0)
        fail("sched_setaffinity");
}

/* ---- subjects: each does `calls` round trips and says how long one took ---- */

typedef struct subject {
    const char *name;
    double (*round)(struct subject *subject);
    double ns[ROUNDS];
    int order[2], answer[2]; /* Linux: pipes to the client */
    kp_capability_t report;  /* KPIO: the channel to the client */
    kp_process_t *client, *server;
    uint32_t size, calls;
} subject_t;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(subject_t *subject)
{
    qsort(subject->ns, ROUNDS, sizeof(double), compare);
    double median = subject->ns[ROUNDS / 2];
    printf("%s_%s_us %.3f us\n", subject->name, mode, median / 1000);
    printf("%s_%s_cycles %.0f cycles\n", subject->name, mode, median * cycles_per_ns);
    printf("%s_%s_best_us %.3f us\n", subject->name, mode, subject->ns[0] / 1000);
    fflush(stdout);
}

/* ---- plain Linux ---- */

static void echo(int from, int to)
{
    char bytes[SIZE];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0, 1);
    while (read(from, bytes, SIZE) == SIZE && write(to, bytes, SIZE) == SIZE)
        ;
    _exit(0);
}

static void ask(const subject_t *subject, int from, int to)
{
    char bytes[SIZE] = {0}, order;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pin(0, 0);
    while (read(subject->order[0], &order, 1) == 1) {
        double start = now_ns();
        for (uint32_t i = 0; i < subject->calls; i++) {
            if (write(to, bytes, SIZE) != SIZE || read(from, bytes, SIZE) != SIZE)
                _exit(1);
        }
        double ns = (now_ns() - start) / subject->calls;
        if (write(subject->answer[1], &ns, sizeof(ns)) != sizeof(ns))
            _exit(1);
    }
    _exit(0);
}

static double linux_round(subject_t *subject)
{
    double ns;
    if (write(subject->order[1], "g", 1) != 1 ||
        read(subject->answer[0], &ns, sizeof(ns)) != sizeof(ns))
        fail(subject->name);
    return ns;
}

static void linux_start(subject_t *subject, const int client[2], const int server[2])
{
    if (pipe(subject->order) != 0 || pipe(subject->answer) != 0)
        fail("pipe");
    if (fork() == 0)
        echo(server[0], server[1]);
    if (fork() == 0)
        ask(subject, client[0], client[1]);
    subject->round = linux_round;
}

/* ---- KPIO ---- */

/* NULL-terminated arguments; capabilities may be empty. */
static kp_process_t *launch(kp_capability_t peer, kp_capability_t report, const char *part)
{
    const kp_image_t *image;
    if (kp_files_image("calls", &image) != KP_OK)
        fail("no program `calls` in the archive");
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "calls");
    kp_startup_argument(&startup, part);
    if (peer.object)
        kp_startup_grant(&startup, "peer", peer);
    if (report.object)
        kp_startup_grant(&startup, "report", report);
    kp_process_t *process = NULL;
    if (kp_startup_launch(&startup, "calls", image, kp_job_root(), NULL, &process) != KP_OK)
        fail("a process could not be made");
    return process;
}

static void finish(kp_process_t *process)
{
    (void)kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
    kp_process_info_t info;
    kp_process_info(process, &info);
    if (info.exit_reason != KP_EXIT_NORMAL || info.exit_code != 0)
        fail("a part failed");
    kp_object_release(&process->object);
}

/* Its Linux process, which the zygote may still have to fork. */
static int pid_of(kp_process_t *process)
{
    kp_hosted_child_t *child = process->space.child;
    for (;;) {
        kp_spin_lock(&child->lock);
        int pid = child->pid;
        kp_spin_unlock(&child->lock);
        if (pid > 0)
            return pid;
        usleep(100);
    }
}

static double kpio_round(subject_t *subject)
{
    uint32_t task[2] = {subject->calls, subject->size};
    kp_message_t *message;
    double ns;
    if (kp_channel_send(subject->report, task, sizeof(task), NULL, 0) != KP_OK ||
        kp_channel_receive(subject->report, KP_TIME_INFINITE, &message) != KP_OK ||
        message->byte_count != sizeof(ns))
        fail(subject->name);
    memcpy(&ns, message->bytes, sizeof(ns));
    kp_message_destroy(message);
    return ns;
}

static void kpio_start(subject_t *subject, bool has_lane)
{
    kp_capability_t ends[2], reports[2];
    if (kp_channel_create(ends) != KP_OK || kp_channel_create(reports) != KP_OK)
        fail("channel_create");
    subject->server = launch(ends[0], (kp_capability_t){0}, "serve");
    subject->client = launch(ends[1], reports[1], "measure");
    subject->report = reports[0];
    subject->round = kpio_round;
    pin(pid_of(subject->server), 1);
    pin(pid_of(subject->client), 0);
    kp_hosted_lanes_set(has_lane);
    uint32_t calls = subject->calls;
    subject->calls = 20; /* decides whether there is a lane */
    (void)kpio_round(subject);
    subject->calls = calls;
}

static void kpio_stop(subject_t *subject)
{
    kp_capability_close(&subject->report);
    finish(subject->client);
    finish(subject->server);
}

/* From the decision to start a process to its first message. */
static double spawn_round(subject_t *subject)
{
    subject_t process = {.calls = 1, .size = UINT32_MAX};
    kp_capability_t reports[2];
    if (kp_channel_create(reports) != KP_OK)
        fail("channel_create");
    process.report = reports[0];
    double start = now_ns();
    process.client = launch((kp_capability_t){0}, reports[1], "measure");
    (void)kpio_round(&process);
    double ns = now_ns() - start;
    (void)subject;
    kp_capability_close(&process.report);
    finish(process.client);
    return ns;
}

/* Instructions in user mode, or nothing where the machine has no counter. */
static void count_instructions(subject_t *subject)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_HARDWARE,
                                         .size = sizeof(attributes),
                                         .config = PERF_COUNT_HW_INSTRUCTIONS,
                                         .exclude_kernel = 1};
    int file = (int)syscall(SYS_perf_event_open, &attributes, pid_of(subject->client), -1, -1, 0);
    uint64_t counted = 0;
    if (file < 0)
        return;
    (void)kpio_round(subject);
    if (read(file, &counted, sizeof(counted)) == sizeof(counted) && counted > 0)
        printf("%s_%s_client_instructions %.0f instructions\n", subject->name, mode,
               (double)counted / subject->calls);
    close(file);
}

enum { PIPE, SOCKET, CALL, CALL_4K, CALL_64K, BY_KERNEL, NULL_CALL, SPAWN, SUBJECTS };
static subject_t subjects[SUBJECTS] = {
    [PIPE] = {.name = "linux_pipe_64b", .calls = 1000},
    [SOCKET] = {.name = "linux_unix_socket_64b", .calls = 1000},
    [CALL] = {.name = "hosted_call_reply_64b", .calls = 1000, .size = SIZE},
    [CALL_4K] = {.name = "hosted_call_reply_4k", .calls = 500, .size = 4096},
    [CALL_64K] = {.name = "hosted_call_reply_64k", .calls = 50, .size = 65536},
    [BY_KERNEL] = {.name = "hosted_call_reply_64b_by_kernel", .calls = 100, .size = SIZE},
    [NULL_CALL] = {.name = "hosted_null_call", .calls = 200, .size = UINT32_MAX},
    [SPAWN] = {.name = "hosted_spawn_to_first_message", .round = spawn_round},
};

static int run(void *context)
{
    (void)context;
    kpio_start(&subjects[BY_KERNEL], false);
    kpio_start(&subjects[CALL], true);
    for (int i = CALL_4K; i <= NULL_CALL; i++) {
        if (i == BY_KERNEL)
            continue;
        subjects[i].report = subjects[CALL].report;
        subjects[i].round = kpio_round;
    }
    for (int round = -2; round < ROUNDS; round++) {
        for (int i = 0; i < SUBJECTS; i++)
            subjects[i].ns[round < 0 ? 0 : round] = subjects[i].round(&subjects[i]);
    }
    for (int i = 0; i < SUBJECTS; i++)
        print(&subjects[i]);
    count_instructions(&subjects[CALL]);
    kpio_stop(&subjects[CALL]);
    kpio_stop(&subjects[BY_KERNEL]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_hosted BUNDLE one|two|free\n");
        return 2;
    }
    mode = argv[2];
    calibrate();
    if (strcmp(mode, "one") == 0)
        pin(0, 0);
    int pipes[2][2], sockets[2];
    if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
        fail("pipe");
    linux_start(&subjects[PIPE], (int[]){pipes[1][0], pipes[0][1]},
                (int[]){pipes[0][0], pipes[1][1]});
    linux_start(&subjects[SOCKET], (int[]){sockets[0], sockets[0]},
                (int[]){sockets[1], sockets[1]});
    kp_hosted_options_t options = {.bundle_path = argv[1],
                                   .command_line = "shell=off display=off http=off",
                                   .log_level = KP_LOG_WARN};
    int exit_code;
    kp_status_t status = kp_hosted_run(&options, run, NULL, &exit_code);
    return status == KP_OK ? exit_code : 1;
}
