/* Calls and replies on the machine hosted, beside a pipe and a Unix socket between two plain Linux
   processes, in one run: `hosted BUNDLE one|two|free` prints "NAME VALUE UNIT" lines. one: everything
   on one processor; two: the two sides on different ones; free: as Linux likes. */
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

enum { ROUNDS = 31, CALLS = 2000, NULLS = 1000, SPAWNS = 21, SIZE = 64 };

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

/* pid 0: the caller. processor -1: all. */
static void pin(int pid, int processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int i = 0; i < (int)sysconf(_SC_NPROCESSORS_ONLN); i++) {
        if (processor < 0 || i == processor)
            CPU_SET(i, &set);
    }
    if (sched_setaffinity(pid, sizeof(set), &set) != 0)
        perror("sched_setaffinity");
}

static void pin_side(int pid, int side)
{
    if (strcmp(mode, "free") != 0)
        pin(pid, strcmp(mode, "one") == 0 ? 0 : side);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the median of the rounds. */
static void result(const char *name, double *ns, size_t count)
{
    qsort(ns, count, sizeof(*ns), compare);
    double median = ns[count / 2];
    printf("%s_%s_us %.3f us\n", name, mode, median / 1000);
    printf("%s_%s_cycles %.0f cycles\n", name, mode, median * cycles_per_ns);
    fflush(stdout);
}

/* ---- plain Linux ---- */

static void ping_pong(const char *name, int to, int from, int peer_from, int peer_to)
{
    pid_t pid = fork();
    char bytes[SIZE] = {0};
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_side(0, 1);
        while (read(peer_from, bytes, SIZE) == SIZE && write(peer_to, bytes, SIZE) == SIZE)
            ;
        _exit(0);
    }
    pid_t client = fork();
    if (client == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_side(0, 0);
        double ns[ROUNDS];
        for (int round = -1; round < ROUNDS; round++) {
            double start = now_ns();
            for (int i = 0; i < CALLS; i++) {
                if (write(to, bytes, SIZE) != SIZE || read(from, bytes, SIZE) != SIZE)
                    _exit(1);
            }
            if (round >= 0)
                ns[round] = (now_ns() - start) / CALLS;
        }
        result(name, ns, ROUNDS);
        _exit(0);
    }
    waitpid(client, NULL, 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void measure_linux(void)
{
    int pipes[2][2], sockets[2];
    if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0)
        exit(1);
    ping_pong("linux_pipe_64b", pipes[0][1], pipes[1][0], pipes[0][0], pipes[1][1]);
    ping_pong("linux_unix_socket_64b", sockets[0], sockets[0], sockets[1], sockets[1]);
    for (int i = 0; i < 2; i++) {
        close(pipes[0][i]);
        close(pipes[1][i]);
        close(sockets[i]);
    }
}

/* ---- KPIO ---- */

/* NULL-terminated arguments. */
static kp_process_t *launch(kp_capability_t peer, kp_capability_t report,
                            const char *const *arguments)
{
    const kp_image_t *image;
    if (kp_files_image("calls", &image) != KP_OK)
        return NULL;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "calls");
    for (; *arguments; arguments++)
        kp_startup_argument(&startup, *arguments);
    if (peer.object)
        kp_startup_grant(&startup, "peer", peer);
    if (report.object)
        kp_startup_grant(&startup, "report", report);
    kp_process_t *process = NULL;
    if (kp_startup_launch(&startup, "calls", image, kp_job_root(), NULL, &process) != KP_OK)
        return NULL;
    return process;
}
#define ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void finish(kp_process_t *process)
{
    (void)kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
    kp_process_info_t info;
    kp_process_info(process, &info);
    if (info.exit_reason != KP_EXIT_NORMAL || info.exit_code != 0)
        fprintf(stderr, "a part ended by %u, code %d\n", info.exit_reason, info.exit_code);
    kp_object_release(&process->object);
}

/* Its Linux process, which the zygote may still have to fork. */
static void pin_process(kp_process_t *process, int side)
{
    for (;;) {
        kp_hosted_child_t *child = process->space.child;
        kp_spin_lock(&child->lock);
        int pid = child->pid;
        kp_spin_unlock(&child->lock);
        if (pid > 0) {
            pin_side(pid, side);
            return;
        }
        usleep(1000);
    }
}

static size_t collect(kp_capability_t report, double *ns, size_t room)
{
    size_t count = 0;
    kp_message_t *message;
    while (kp_channel_receive(report, KP_TIME_INFINITE, &message) == KP_OK) {
        if (count < room && message->byte_count == sizeof(*ns))
            memcpy(&ns[count++], message->bytes, sizeof(*ns));
        kp_message_destroy(message);
    }
    return count;
}

/* Instructions in user mode, or nothing where the machine has no counter. */
static int counter(int pid)
{
    struct perf_event_attr attributes = {.type = PERF_TYPE_HARDWARE,
                                         .size = sizeof(attributes),
                                         .config = PERF_COUNT_HW_INSTRUCTIONS,
                                         .exclude_kernel = 1};
    return (int)syscall(SYS_perf_event_open, &attributes, pid, -1, -1, 0);
}

static void measure_calls(const char *name, const char *rounds, const char *calls, const char *size)
{
    kp_capability_t ends[2], reports[2];
    if (kp_channel_create(ends) != KP_OK || kp_channel_create(reports) != KP_OK)
        exit(1);
    kp_process_t *server = launch(ends[0], (kp_capability_t){0}, ARGUMENTS("serve"));
    kp_process_t *client = launch(ends[1], reports[1], ARGUMENTS("measure", rounds, calls, size));
    if (!server || !client)
        exit(1);
    pin_process(server, 1);
    pin_process(client, 0);
    int instructions = counter(client->space.child->pid);
    double ns[64];
    size_t count = collect(reports[0], ns, 64);
    uint64_t counted = 0;
    if (count > 0)
        result(name, ns, count);
    if (instructions >= 0 && read(instructions, &counted, sizeof(counted)) == sizeof(counted) &&
        counted > 0)
        printf("%s_%s_client_instructions %.0f instructions\n", name, mode,
               (double)counted / (atof(rounds) * atof(calls)));
    finish(client);
    finish(server);
    kp_capability_close(&reports[0]);
}

static void measure_null(void)
{
    kp_capability_t reports[2];
    if (kp_channel_create(reports) != KP_OK)
        exit(1);
    kp_process_t *process =
        launch((kp_capability_t){0}, reports[1], ARGUMENTS("measure-null", "31", "1000"));
    if (!process)
        exit(1);
    pin_process(process, 0);
    double ns[64];
    size_t count = collect(reports[0], ns, 64);
    if (count > 0)
        result("hosted_null_call", ns, count);
    finish(process);
    kp_capability_close(&reports[0]);
}

/* From the decision to start a process to its first message. */
static void measure_spawn(void)
{
    double ns[SPAWNS];
    for (int i = 0; i < SPAWNS; i++) {
        kp_capability_t reports[2];
        if (kp_channel_create(reports) != KP_OK)
            exit(1);
        double start = now_ns();
        kp_process_t *process =
            launch((kp_capability_t){0}, reports[1], ARGUMENTS("measure-null", "1", "1"));
        kp_message_t *message;
        if (!process || kp_channel_receive(reports[0], KP_TIME_INFINITE, &message) != KP_OK)
            exit(1);
        ns[i] = now_ns() - start;
        kp_message_destroy(message);
        finish(process);
        kp_capability_close(&reports[0]);
    }
    result("hosted_spawn_to_first_message", ns, SPAWNS);
}

static int run(void *context)
{
    (void)context;
    measure_calls("hosted_call_reply_64b", "31", "2000", "64");
    measure_calls("hosted_call_reply_4k", "31", "500", "4096");
    measure_calls("hosted_call_reply_64k", "31", "50", "65536");
    kp_hosted_lanes_set(false);
    measure_calls("hosted_call_reply_64b_by_kernel", "11", "500", "64");
    measure_null();
    measure_spawn();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: hosted BUNDLE one|two|free\n");
        return 2;
    }
    mode = argv[2];
    calibrate();
    if (strcmp(mode, "one") == 0)
        pin(0, 0);
    measure_linux();
    static const kp_hosted_options_t options = {.command_line = "shell=off display=off http=off",
                                                .log_level = KP_LOG_WARN};
    kp_hosted_options_t with_bundle = options;
    with_bundle.bundle_path = argv[1];
    int exit_code;
    kp_status_t status = kp_hosted_run(&with_bundle, run, NULL, &exit_code);
    return status == KP_OK ? exit_code : 1;
}
