/* Runs the cases of program.c on the machine hosted, sanitised, and looks at how they end. */
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/init/directories.h"
#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/sandbox.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/runtime.bundle"
#define SIGSYS_NUMBER 31

static const kp_job_limits_t limits = {
    .handles = 30000,
    .queued_bytes = 4 << 20,
    .pages = 100000,
    .processes = 50,
    .objects = 50000,
};

/* Standard streams of the next program, if any. */
static kp_capability_t stream_in, stream_out;

/* Starts a program; peer (may be empty) is granted as "peer". NULL-terminated arguments. */
static kp_process_t *launch(const char *image_name, kp_capability_t peer, bool has_file,
                            const char *const *arguments)
{
    const kp_image_t *image;
    if (kp_files_image(image_name, &image) != KP_OK)
        return NULL;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, image_name);
    for (; *arguments; arguments++)
        kp_startup_argument(&startup, *arguments);
    if (peer.object)
        kp_startup_grant(&startup, "peer", peer);
    if (stream_out.object) {
        kp_startup_grant(&startup, "stdin", stream_in);
        kp_startup_grant(&startup, "stdout", stream_out);
        stream_out = (kp_capability_t){0};
    }
    if (has_file)
        kp_files_grant(&startup, "data/");
    kp_job_t *job;
    if (kp_job_create(kp_job_root(), &limits, &job) != KP_OK) {
        kp_startup_clear(&startup);
        return NULL;
    }
    kp_process_t *process = NULL;
    if (strcmp(image_name, "wasi") == 0) {
        kp_directories_grant_memory(&startup, "/tmp", job->quota);
        kp_directories_grant_memory(&startup, "/cases", job->quota);
    }
    if (strcmp(image_name, "memory") == 0) {
        kp_files_grant_code(&startup, image_name);
        kp_startup_grant(&startup, "job",
                         kp_capability_create(&job->object, kp_object_default_rights(KP_TYPE_JOB)));
    }
    if (kp_startup_launch(&startup, image_name, image, job, NULL, &process) != KP_OK)
        process = NULL;
    kp_object_release(&job->object);
    return process;
}

#define RUN(image, has_file, ...)                                         \
    kp_test_process_end(launch((image), (kp_capability_t){0}, (has_file), \
                               (const char *const[]){__VA_ARGS__, NULL}))

static void expect_exit(kp_process_info_t info, int code)
{
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_NORMAL);
    KP_EXPECT_INT(info.exit_code, code);
}

static void expect_trap(const char *kind, int trap)
{
    kp_process_info_t info = RUN("test", false, "trap", kind);
    if (info.exit_reason != KP_EXIT_TRAP || info.exit_code != trap)
        KP_FAIL("%s: reason %u code %d", kind, info.exit_reason, info.exit_code);
}

KP_TEST(arguments_and_output)
{
    expect_exit(RUN("test", false, "hello", "two words", ""), 0);
}

KP_TEST(setjmp_and_longjmp)
{
    expect_exit(RUN("test", false, "jump"), 0);
}

KP_TEST(memory_functions)
{
    expect_exit(RUN("test", false, "memory-functions"), 0);
}

KP_TEST(clocks_and_random)
{
    expect_exit(RUN("test", false, "clock"), 0);
}

KP_TEST(memory_grows_to_its_limit)
{
    expect_exit(RUN("test", false, "grow"), 0);
}

KP_TEST(vmo_shared_with_kernel)
{
    expect_exit(RUN("test", false, "vmo"), 0);
}

KP_TEST(vmo_clones_seals_and_sizes)
{
    expect_exit(RUN("memory", false, "vmo"), 0);
}

KP_TEST(processes_from_code)
{
    expect_exit(RUN("memory", true, "spawn"), 0);
}

KP_TEST(processes_from_snapshots)
{
    expect_exit(RUN("memory", true, "snapshot"), 0);
}

KP_TEST(processes_killed_at_any_moment)
{
    expect_exit(RUN("memory", true, "kill"), 0);
}

KP_TEST(ring_between_two_processes)
{
    expect_exit(RUN("memory", true, "ring"), 0);
}

KP_TEST(startup_file)
{
    expect_exit(RUN("test", true, "file"), 0);
}

KP_TEST(standard_streams)
{
    kp_capability_t in[2], out[2];
    KP_REQUIRE(kp_channel_create(in) == KP_OK && kp_channel_create(out) == KP_OK);
    stream_in = in[1];
    stream_out = out[1];
    KP_EXPECT_INT(kp_channel_send(in[0], "one line\nand ", 13, NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_channel_send(in[0], "a bit", 5, NULL, 0), KP_OK);
    kp_process_t *process =
        launch("test", (kp_capability_t){0}, false, (const char *const[]){"filter", NULL});
    kp_capability_close(&in[0]); /* the end of its input */
    expect_exit(kp_test_process_end(process), 0);
    char text[64] = "";
    size_t size = 0;
    kp_message_t *message;
    while (kp_channel_receive(out[0], KP_TIME_POLL, &message) == KP_OK) {
        if (message->byte_count < sizeof(text) - size) {
            memcpy(text + size, message->bytes, message->byte_count);
            size += message->byte_count;
        }
        kp_message_destroy(message);
    }
    KP_EXPECT_STRING(text, "ONE LINE\nAND A BIT");
    kp_capability_close(&out[0]);
}

KP_TEST(wasi)
{
    expect_exit(RUN("wasi", true, "unused"), 0);
}

KP_TEST(event_loop)
{
    expect_exit(RUN("test", false, "loop"), 0);
}

KP_TEST(event_loop_over_a_port)
{
    expect_exit(RUN("waiting", false, "loop"), 0);
}

KP_TEST(ports_and_timers)
{
    expect_exit(RUN("waiting", false, "port"), 0);
}

KP_TEST(ten_thousand_channels)
{
    expect_exit(RUN("waiting", false, "scale"), 0);
}

KP_TEST(bad_calls_are_refused)
{
    expect_exit(RUN("test", false, "bad-calls"), 0);
}

KP_TEST(echo_between_two_processes)
{
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    kp_process_t *server =
        launch("test", ends[0], false, (const char *const[]){"echo-server", NULL});
    kp_process_t *client =
        launch("test", ends[1], false, (const char *const[]){"echo-client", NULL});
    expect_exit(kp_test_process_end(client), 0);
    expect_exit(kp_test_process_end(server), 0); /* its peer is gone */
}

KP_TEST(exit_code)
{
    expect_exit(RUN("test", false, "trap", "exit"), 77);
}

KP_TEST(traps)
{
    expect_trap("unreachable", KP_TRAP_UNREACHABLE);
    expect_trap("load", KP_TRAP_OUT_OF_BOUNDS);
    expect_trap("store", KP_TRAP_OUT_OF_BOUNDS);
    expect_trap("divide", KP_TRAP_DIVIDE_BY_ZERO);
    expect_trap("overflow", KP_TRAP_INTEGER_OVERFLOW);
    expect_trap("call", KP_TRAP_CALL_INDIRECT);
    expect_trap("null-call", KP_TRAP_CALL_INDIRECT);
    expect_trap("stack", KP_TRAP_OUT_OF_BOUNDS);
    expect_trap("native-stack", KP_TRAP_STACK_OVERFLOW);
    expect_trap("abort", KP_TRAP_ABORT);
    expect_trap("assert", KP_TRAP_ABORT);
}

KP_TEST(trap_address_is_an_offset)
{
    kp_process_info_t info = RUN("test", false, "trap", "store");
    KP_EXPECT_INT(info.fault_address, 0x30000000);
}

KP_TEST(write_to_read_only_mapping_traps)
{
    kp_process_info_t info = RUN("test", false, "vmo-read-only");
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_TRAP);
    KP_EXPECT_INT(info.exit_code, KP_TRAP_OUT_OF_BOUNDS);
}

static void expect_killable(const char *kind)
{
    kp_process_t *process =
        launch("test", (kp_capability_t){0}, false, (const char *const[]){"trap", kind, NULL});
    KP_REQUIRE(process);
    kp_wait_many(NULL, 0, kp_machine_now() + 20 * KP_NS_PER_MS);
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    kp_process_info_t info = kp_test_process_end(process);
    KP_EXPECT_INT(info.exit_reason, KP_EXIT_KILLED);
}

KP_TEST(kill_running_and_sleeping)
{
    expect_killable("spin");
    expect_killable("sleep");
}

/* Killed before it has run at all. */
KP_TEST(kill_at_once)
{
    for (int i = 0; i < 20; i++) {
        kp_process_t *process = launch("test", (kp_capability_t){0}, false,
                                       (const char *const[]){"trap", "sleep", NULL});
        KP_REQUIRE(process);
        kp_process_end(process, KP_EXIT_KILLED, 0, 0);
        KP_EXPECT_INT(kp_test_process_end(process).exit_reason, KP_EXIT_KILLED);
    }
}

/* ---- the sandbox: native code that makes the host's system calls ---- */

static void expect_forbidden(const char *what, const char *const *arguments)
{
    kp_process_info_t info =
        kp_test_process_end(launch("evil", (kp_capability_t){0}, false, arguments));
    if (info.exit_reason != KP_EXIT_FAULT || info.exit_code != SIGSYS_NUMBER)
        KP_FAIL("%s was not forbidden: reason %u code %d", what, info.exit_reason, info.exit_code);
}

#define NUMBER_TEXT(number) NUMBER_TEXT_OF(number)
#define NUMBER_TEXT_OF(number) #number
#define FORBIDDEN(...) \
    expect_forbidden(#__VA_ARGS__, (const char *const[]){"evil", __VA_ARGS__, NULL})

KP_TEST(sandbox_forbids)
{
    FORBIDDEN(NUMBER_TEXT(__NR_getpid));
    FORBIDDEN(NUMBER_TEXT(__NR_openat), "-100", "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_socket), "2", "1", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_write), "1", "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_execve), "0", "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_fork));
    FORBIDDEN(NUMBER_TEXT(__NR_mprotect), "0", "4096", "7");
    FORBIDDEN(NUMBER_TEXT(__NR_ftruncate), "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_kill), "1", "9");
    FORBIDDEN(NUMBER_TEXT(__NR_ptrace), "0");
    FORBIDDEN(NUMBER_TEXT(__NR_recvmsg), "1", "0", "0"); /* its agent may */
    FORBIDDEN(NUMBER_TEXT(__NR_close), "1");
    FORBIDDEN(NUMBER_TEXT(__NR_mmap), "0x10000", "4096", "5", "0x11"); /* executable */
    FORBIDDEN(NUMBER_TEXT(__NR_mmap), "0x10000", "4096", "3", "0x11"); /* shared */
    FORBIDDEN(NUMBER_TEXT(__NR_mmap), "0x10000", "4096", "3", "0x32"); /* private anonymous */
    FORBIDDEN(NUMBER_TEXT(__NR_mremap), "0x10000", "4096", "8192", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_munmap), "0x10000", "4096");
    FORBIDDEN(NUMBER_TEXT(__NR_clone), "0x310f00"); /* a thread, as the agent makes them */
    FORBIDDEN(NUMBER_TEXT(__NR_clone3), "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_seccomp), "1", "0", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_arch_prctl), "0x1001", "0");
    FORBIDDEN(NUMBER_TEXT(__NR_rt_sigprocmask), "0", "0", "0", "8");
    FORBIDDEN(NUMBER_TEXT(__NR_rseq), "0", "32", "0", "0"); /* would move the agent's code */
    FORBIDDEN(NUMBER_TEXT(__NR_set_robust_list), "0", "24");
    FORBIDDEN(NUMBER_TEXT(__NR_process_vm_writev), "0");
    FORBIDDEN(NUMBER_TEXT(__NR_userfaultfd), "0");
    FORBIDDEN(NUMBER_TEXT(__NR_futex), "0", "3"); /* requeue */
    FORBIDDEN(NUMBER_TEXT(__NR_futex_waitv), "0");
    FORBIDDEN("456");        /* futex_requeue */
    FORBIDDEN("0x40000027"); /* getpid of the x32 interface */
}

KP_TEST(sandbox_allows_what_the_stub_needs)
{
    /* An allowed call comes back: the filter is what kills, not the test's stub. */
    expect_exit(RUN("evil", false, "evil", NUMBER_TEXT(__NR_clock_gettime), "0", "0"), 0);
}

/* ---- code that the kernel maps into a process that runs ---- */

enum { CALL_THERE = 1001, WRITE_THERE = 1002 };

/* A process that does what it is told with addresses; and code that returns 42. */
static kp_process_t *start_with_code(kp_capability_t *peer, kp_vmo_t **vmo)
{
    static const uint8_t code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    kp_capability_t ends[2];
    if (kp_channel_create(ends) != KP_OK)
        return NULL;
    *peer = ends[1];
    if (kp_vmo_create(2 * KP_PAGE_SIZE, NULL, vmo) != KP_OK)
        return NULL;
    KP_EXPECT_INT(kp_vmo_write(*vmo, KP_PAGE_SIZE, code, sizeof(code)), KP_OK);
    return launch("evil", ends[0], false, (const char *const[]){"evil-code", NULL});
}

/* The result, or a status: the process has ended. */
static int64_t tell(kp_capability_t peer, uint64_t what, uint64_t address)
{
    uint64_t words[2] = {what, address};
    int64_t result;
    kp_message_t *message = NULL;
    kp_status_t status = kp_channel_send(peer, words, sizeof(words), NULL, 0);
    if (status == KP_OK)
        status = kp_channel_receive(peer, kp_machine_now() + KP_TEST_PATIENCE, &message);
    if (status != KP_OK)
        return status;
    memcpy(&result, message->bytes, sizeof(result));
    kp_message_destroy(message);
    return result;
}

KP_TEST(code_is_mapped_shared_and_taken_away)
{
    kp_capability_t peers[2];
    kp_vmo_t *vmos[2];
    kp_process_t *processes[2] = {start_with_code(&peers[0], &vmos[0]),
                                  start_with_code(&peers[1], &vmos[1])};
    KP_REQUIRE(processes[0] && processes[1]);
    uint64_t addresses[2][2];
    kp_machine_space_t *space = &processes[0]->space;
    /* Not while anybody could write it. */
    KP_EXPECT_INT(kp_machine_space_map_code(space, vmos[0], 2 * KP_PAGE_SIZE, &addresses[0][0]),
                  KP_ERR_BAD_STATE);
    KP_REQUIRE(kp_machine_vmo_seal_write(&vmos[0]->machine) == KP_OK);
    for (int i = 0; i < 4; i++) {
        uint64_t *address = &addresses[i / 2][i % 2];
        KP_REQUIRE(kp_machine_space_map_code(&processes[i / 2]->space, vmos[0], 2 * KP_PAGE_SIZE,
                                             address) == KP_OK);
        KP_EXPECT_INT(tell(peers[i / 2], CALL_THERE, *address + KP_PAGE_SIZE), 42);
    }
    KP_EXPECT(addresses[0][0] != addresses[0][1]);
    KP_EXPECT_INT(kp_machine_space_unmap_code(space, addresses[0][0], 2 * KP_PAGE_SIZE), KP_OK);
    KP_EXPECT_INT(tell(peers[0], CALL_THERE, addresses[0][1] + KP_PAGE_SIZE), 42);
    /* The place is free again. */
    uint64_t again;
    KP_EXPECT_INT(kp_machine_space_map_code(space, vmos[0], 2 * KP_PAGE_SIZE, &again), KP_OK);
    KP_EXPECT(again == addresses[0][0]);
    KP_EXPECT_INT(kp_machine_space_unmap_code(space, again, 2 * KP_PAGE_SIZE), KP_OK);
    KP_EXPECT(tell(peers[0], CALL_THERE, addresses[0][0] + KP_PAGE_SIZE) < 0);
    KP_EXPECT_INT(kp_test_process_end(processes[0]).exit_reason, KP_EXIT_FAULT);
    /* Nobody writes there. */
    KP_EXPECT(tell(peers[1], WRITE_THERE, addresses[1][0] + KP_PAGE_SIZE) < 0);
    KP_EXPECT_INT(kp_test_process_end(processes[1]).exit_reason, KP_EXIT_FAULT);
    for (int i = 0; i < 2; i++) {
        kp_capability_close(&peers[i]);
        kp_object_release(&vmos[i]->object);
    }
}

/* What the agent is ordered by, and its code, cannot be written. */
KP_TEST(orders_are_read_only)
{
    kp_capability_t peer;
    kp_vmo_t *vmo;
    for (int i = 0; i < 3; i++) {
        kp_process_t *process = start_with_code(&peer, &vmo);
        KP_REQUIRE(process);
        uint64_t area = kp_hosted_layout_area(&process->space.layout);
        uint64_t victims[] = {area + KP_AREA_ORDERS, area + KP_AREA_BIRTHS,
                              (uint64_t)(uintptr_t)kp_sandbox_filter_program().filter};
        KP_EXPECT(tell(peer, WRITE_THERE, victims[i]) < 0);
        KP_EXPECT_INT(kp_test_process_end(process).exit_reason, KP_EXIT_FAULT);
        kp_capability_close(&peer);
        kp_object_release(&vmo->object);
    }
}

/* Nothing that can be executed is in a file or at a place that can be written, as Linux sees it. */
KP_TEST(nothing_is_writable_and_executable)
{
    kp_capability_t peer;
    kp_vmo_t *vmo;
    kp_process_t *process = start_with_code(&peer, &vmo);
    KP_REQUIRE(process);
    uint64_t address;
    KP_REQUIRE(kp_machine_vmo_seal_write(&vmo->machine) == KP_OK);
    KP_REQUIRE(kp_machine_space_map_code(&process->space, vmo, 2 * KP_PAGE_SIZE, &address) ==
               KP_OK);
    char line[512];
    volatile const int *pid = &process->space.child->pid;
    while (*pid == 0)
        usleep(1000); /* the zygote has not told yet */
    snprintf(line, sizeof(line), "/proc/%d/maps", *pid);
    FILE *maps = fopen(line, "re");
    KP_REQUIRE(maps);
    bool is_there = false;
    while (fgets(line, sizeof(line), maps)) {
        unsigned long long first;
        char rights[5] = {0};
        KP_REQUIRE(sscanf(line, "%llx-%*x %4s", &first, rights) == 2);
        KP_EXPECT(!(rights[1] == 'w' && rights[2] == 'x'));
        is_there |= first == address && strcmp(rights, "r-xs") == 0;
    }
    fclose(maps);
    KP_EXPECT(is_there);
    kp_capability_close(&peer);
    expect_exit(kp_test_process_end(process), 0);
    kp_object_release(&vmo->object);
}

KP_TEST(nothing_is_left)
{
    /* The kernel keeps a channel for each service. The last reference to a process may go a moment after it
       has told of its end. */
    uint64_t kept = 2 * kp_object_count(KP_TYPE_SERVICE);
    for (kp_time_t end = kp_machine_now() + KP_TEST_PATIENCE;
         kp_machine_now() < end &&
         kp_object_count(KP_TYPE_PROCESS) + kp_object_count(KP_TYPE_CHANNEL) > kept;)
        kp_wait_many(NULL, 0, kp_machine_now() + KP_NS_PER_MS);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), 0);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_CHANNEL), kept);
}

/* ---- a process that writes nonsense into its call page ---- */

/* Plays the process: writes a state that only the kernel may write, or none at all. */
static void expect_ended_after_state(uint32_t state)
{
    kp_process_t *process =
        launch("test", (kp_capability_t){0}, false, (const char *const[]){"trap", "spin", NULL});
    KP_REQUIRE(process);
    kp_wait_many(NULL, 0, kp_machine_now() + 20 * KP_NS_PER_MS); /* until it spins */
    kp_page_publish(process->space.child->page, state);
    kp_process_info_t info = kp_test_process_end(process);
    if (info.exit_reason != KP_EXIT_FAULT)
        KP_FAIL("state %u: reason %u", state, info.exit_reason);
}

KP_TEST(call_page_protocol_is_checked)
{
    expect_ended_after_state(KP_PAGE_ACTION);
    expect_ended_after_state(KP_PAGE_ACTED);
    expect_ended_after_state(KP_PAGE_ENDED);
    expect_ended_after_state(77);
}

/* ---- frame: the tests run inside the system ---- */

KP_TEST(start_time)
{
    enum { ROUNDS = 20 };
    kp_time_t total = 0;
    for (int i = 0; i < ROUNDS; i++) {
        kp_time_t start = kp_machine_now();
        kp_capability_t ends[2];
        KP_REQUIRE(kp_channel_create(ends) == KP_OK);
        kp_process_t *server =
            launch("test", ends[0], false, (const char *const[]){"echo-server", NULL});
        kp_message_t *message = NULL;
        KP_EXPECT_INT(kp_channel_send(ends[1], "ping", 4, NULL, 0), KP_OK);
        KP_EXPECT_INT(kp_channel_receive(ends[1], start + KP_TEST_PATIENCE, &message), KP_OK);
        total += kp_machine_now() - start;
        if (message)
            kp_message_destroy(message);
        kp_capability_close(&ends[1]);
        kp_test_process_end(server);
    }
    printf("# process start to first answer: %lld us\n", (long long)(total / ROUNDS / 1000));
}

/* ---- when the kernel dies, so does everything ---- */

static int start_and_hang(void *context)
{
    kp_process_t *process =
        launch("test", (kp_capability_t){0}, false, (const char *const[]){"trap", "spin", NULL});
    if (!process)
        return 1;
    int pid = 0;
    while (pid == 0) {
        kp_wait_many(NULL, 0, kp_machine_now() + KP_NS_PER_MS);
        kp_spin_lock(&process->space.child->lock);
        pid = process->space.child->pid;
        kp_spin_unlock(&process->space.child->lock);
    }
    if (write(*(int *)context, &pid, sizeof(pid)) != sizeof(pid))
        return 1;
    for (;;)
        pause();
}

/* As a process of its own, for the machine starts once in the life of one. */
static bool dies_with_kernel(const kp_hosted_options_t *options)
{
    int ends[2], pid = 0, status, result;
    if (pipe(ends) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return false;
    pid_t kernel = fork();
    if (kernel == 0)
        _exit(kp_hosted_run(options, start_and_hang, &ends[1], &result) != KP_OK);
    close(ends[1]);
    bool is_started = read(ends[0], &pid, sizeof(pid)) == sizeof(pid) && kill(pid, 0) == 0;
    close(ends[0]);
    kill(kernel, SIGKILL);
    waitpid(kernel, &status, 0);
    /* Orphans come to us; waiting ends when the zygote and the process have died. */
    bool is_reaped = false;
    for (pid_t dead; (dead = waitpid(-1, &status, 0)) > 0;) {
        if (dead != pid)
            continue;
        /* Or it saw by itself, before anything of the program ran, that its parent had gone. */
        is_reaped = (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
                    (WIFEXITED(status) && WEXITSTATUS(status) == 1);
        if (!is_reaped)
            printf("# it ended with status 0x%x\n", (unsigned)status);
    }
    return is_started && is_reaped;
}

static int run_tests(void *context)
{
    (void)context;
    return kp_test_all(NULL, NULL, NULL);
}

int main(void)
{
    kp_hosted_options_t options = {
        .bundle_path = BUNDLE,
        .command_line = "shell=off display=off http=off",
        .net = KP_HOSTED_NET_OFF,
        .log_level = KP_TEST_LOG_LEVEL,
    };
    bool is_clean = dies_with_kernel(&options);
    printf("%s processes_die_with_the_kernel\n", is_clean ? "ok" : "not ok");
    fflush(stdout);
    return kp_test_hosted(&options, run_tests, NULL, NULL) || !is_clean;
}
