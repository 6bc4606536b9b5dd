/* Processes from code objects and from snapshots, made by a program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/startup.h"
#include "runtime/test/memory.h"

#define PATIENCE (600 * KP_NS_PER_S)
#define GREETING_PATH_HOSTED "data/greeting.txt"
#define GREETING_PATH_MACHINE "ui/greeting.txt"

static kp_handle_t job, code;

/* ---- the parent's side ---- */

int take_authority(void)
{
    if (!job) {
        job = kp_startup_take("job");
        code = kp_startup_take("code:memory");
    }
    CHECK(job != KP_HANDLE_NONE && code != KP_HANDLE_NONE);
    return 0;
}

/* A startup message with arguments "memory child WHAT" and the handle "control", waiting in a
   channel; the end to give away. */
static kp_handle_t make_startup(const char *what, kp_handle_t control, const char *file,
                                kp_handle_t file_handle, uint32_t file_size)
{
    static uint8_t bytes[256];
    uint32_t handle_count = 1 + (file != NULL);
    kp_startup_header_t header = {KP_STARTUP_MAGIC, 3, handle_count, 0};
    memcpy(bytes, &header, sizeof(header));
    char *text = (char *)bytes + sizeof(header);
    size_t room = sizeof(bytes) - sizeof(header);
    int size = snprintf(text, room, "memory%cchild%c%s%ccontrol", 0, 0, what, 0) + 1;
    if (file)
        size += snprintf(text + size, room - (size_t)size, "file:%s=%u", file, file_size) + 1;
    kp_handle_t ends[2], handles[2] = {control, file_handle};
    if (kp_channel_create(ends) != KP_OK ||
        kp_channel_write(ends[0], bytes, sizeof(header) + (size_t)size, handles, handle_count) !=
            KP_OK)
        return KP_HANDLE_NONE;
    (void)kp_handle_close(ends[0]);
    return ends[1];
}

int make_child(child_t *child, const char *what, kp_handle_t snapshot)
{
    kp_handle_t ends[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    kp_process_create_t options = {
        .code = snapshot ? KP_HANDLE_NONE : code,
        .startup = make_startup(what, ends[1], NULL, 0, 0),
        .job = snapshot ? job : KP_HANDLE_NONE,
        .name = "child",
    };
    CHECK(options.startup != KP_HANDLE_NONE);
    int64_t process =
        snapshot ? kp_process_clone(snapshot, &options) : kp_process_create(job, &options);
    CHECK(process > 0);
    *child = (child_t){(kp_handle_t)process, ends[0]};
    return 0;
}

int hear(const child_t *child, report_t *report)
{
    uint32_t actual[2];
    kp_signals_t seen;
    CHECK(kp_object_wait_one(child->channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                             kp_now() + PATIENCE, &seen) == KP_OK);
    CHECK(kp_channel_read(child->channel, report, sizeof(*report), NULL, 0, actual) == KP_OK);
    CHECK(actual[0] == sizeof(*report));
    return 0;
}

int finish(child_t *child, uint32_t reason, int32_t exit_code)
{
    kp_process_info_t info;
    CHECK(kp_object_wait_one(child->process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE, NULL) ==
          KP_OK);
    CHECK(kp_process_info(child->process, &info) == KP_OK);
    if (info.exit_reason != reason || info.exit_code != exit_code)
        kp_log("ended by reason %u with %d", (unsigned)info.exit_reason, (int)info.exit_code);
    CHECK(info.exit_reason == reason && info.exit_code == exit_code);
    CHECK(info.state == KP_PROCESS_ENDED && strcmp(info.name, "child") == 0);
    CHECK(kp_handle_close(child->process) == KP_OK && kp_handle_close(child->channel) == KP_OK);
    return 0;
}

static int test_refusals(void)
{
    kp_handle_t ends[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    kp_process_create_t options = {.code = code, .startup = ends[1], .name = "child"};
    options.reserved = 1;
    CHECK(kp_process_create(job, &options) == KP_ERR_INVALID_ARGUMENT);
    options.reserved = 0;
    memset(options.name, 'x', sizeof(options.name));
    CHECK(kp_process_create(job, &options) == KP_ERR_INVALID_ARGUMENT);
    strcpy(options.name, "two words");
    CHECK(kp_process_create(job, &options) == KP_ERR_INVALID_ARGUMENT);
    strcpy(options.name, "child");
    options.code = job;
    CHECK(kp_process_create(job, &options) == KP_ERR_WRONG_TYPE);
    int64_t weak = kp_handle_duplicate(code, KP_RIGHT_INSPECT);
    options.code = (kp_handle_t)weak;
    CHECK(weak > 0 && kp_process_create(job, &options) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_handle_close((kp_handle_t)weak) == KP_OK);
    options.code = code;
    options.startup = code; /* no channel */
    CHECK(kp_process_create(job, &options) == KP_ERR_WRONG_TYPE);
    kp_object_info_t info;
    CHECK(kp_object_info(code, &info) == KP_OK && info.type == KP_TYPE_CODE);
    CHECK(kp_object_info(ends[1], &info) == KP_OK); /* nothing was moved */
    CHECK(kp_process_freeze() == KP_ERR_BAD_STATE); /* with handles */
    CHECK(kp_handle_close(ends[0]) == KP_OK && kp_handle_close(ends[1]) == KP_OK);
    return 0;
}

/* Made but never started: killed, and just forgotten. */
static int test_unstarted(void)
{
    child_t child;
    kp_process_info_t info;
    DO(make_child(&child, "answer", 0));
    CHECK(kp_process_info(child.process, &info) == KP_OK && info.state == KP_PROCESS_NEW);
    CHECK(kp_process_kill(child.process) == KP_OK);
    DO(finish(&child, KP_EXIT_KILLED, 0));
    DO(make_child(&child, "answer", 0));
    CHECK(kp_handle_close(child.process) == KP_OK);
    CHECK(kp_object_wait_one(child.channel, KP_SIGNAL_PEER_CLOSED, kp_now() + PATIENCE, NULL) ==
          KP_OK);
    CHECK(kp_handle_close(child.channel) == KP_OK);
    return 0;
}

/* A suspended process answers nothing; resumed it goes on. */
static int test_suspension(void)
{
    child_t child;
    report_t report;
    DO(make_child(&child, "count", 0));
    CHECK(kp_process_resume(child.process) == KP_ERR_BAD_STATE);
    CHECK(kp_process_suspend(child.process) == KP_OK);
    CHECK(kp_process_start(child.process) == KP_OK);
    CHECK(kp_process_start(child.process) == KP_ERR_BAD_STATE);
    CHECK(kp_object_wait_one(child.channel, KP_SIGNAL_READABLE, kp_now() + 20 * KP_NS_PER_MS,
                             NULL) == KP_ERR_TIMED_OUT);
    CHECK(kp_process_resume(child.process) == KP_OK);
    DO(hear(&child, &report)); /* it runs, and counts in its memory */
    for (int round = 0; round < 3; round++) {
        CHECK(kp_process_suspend(child.process) == KP_OK);
        CHECK(kp_process_suspend(child.process) == KP_OK);
        while (kp_channel_read(child.channel, &report, sizeof(report), NULL, 0, (uint32_t[2]){0}) ==
               KP_OK)
            ;
        CHECK(kp_object_wait_one(child.channel, KP_SIGNAL_READABLE, kp_now() + 20 * KP_NS_PER_MS,
                                 NULL) == KP_ERR_TIMED_OUT);
        CHECK(kp_process_resume(child.process) == KP_OK);
        CHECK(kp_object_wait_one(child.channel, KP_SIGNAL_READABLE, kp_now() + 10 * KP_NS_PER_MS,
                                 NULL) == KP_ERR_TIMED_OUT);
        CHECK(kp_process_resume(child.process) == KP_OK);
        DO(hear(&child, &report));
    }
    CHECK(kp_process_suspend(child.process) == KP_OK); /* killed while it is suspended */
    CHECK(kp_process_kill(child.process) == KP_OK);
    DO(finish(&child, KP_EXIT_KILLED, 0));
    return 0;
}

/* Words of the kernel's command line reach only the shell. */
static bool is_alone(void)
{
    const char *word;
    for (size_t i = 0; (word = kp_startup_argument(i)); i++) {
        if (strcmp(word, "spawn=memory") == 0)
            return true;
    }
    return false;
}

static bool is_one_of(const char *text, const char *first, const char *second)
{
    return strcmp(text, first) == 0 || strcmp(text, second) == 0;
}

/* Time that a child burned, as it says itself, and as the kernel says; and where one faulted. */
static int test_statistics(void)
{
    child_t child;
    report_t report;
    kp_process_info_t info;
    DO(make_child(&child, "burn", 0));
    CHECK(kp_process_start(child.process) == KP_OK);
    DO(hear(&child, &report));
    CHECK(kp_process_info(child.process, &info) == KP_OK);
    uint64_t burned = (uint64_t)report.value * 1000;
    kp_log("figure: burned %llu us, processor time %llu us", (unsigned long long)burned / 1000,
           (unsigned long long)info.cpu_time_ns / 1000);
    /* In QEMU it was alone on the processor; else its clock only bounds the time (start-up, which it does
       not see, is well below what it burns). */
    CHECK(info.cpu_time_ns > 0 && info.cpu_time_ns < burned + burned / 2 + 50000000);
    CHECK(!is_alone() ||
          (info.cpu_time_ns > burned - burned / 50 && info.cpu_time_ns < burned + burned / 50));
    kp_log("figure: %llu faults, %llu private, %llu calls, %llu messages",
           (unsigned long long)info.faults, (unsigned long long)info.private_bytes,
           (unsigned long long)info.calls, (unsigned long long)info.messages_sent);
    CHECK(info.faults > 0 && info.private_bytes > 0 && info.calls > 0);
    /* The message was here before its sender's call had ended. */
    (void)kp_object_wait_one(child.process, KP_SIGNAL_TERMINATED, kp_now() + 20 * KP_NS_PER_MS,
                             NULL);
    CHECK(kp_process_info(child.process, &info) == KP_OK && info.messages_sent == 1);
    CHECK(kp_process_kill(child.process) == KP_OK);
    DO(finish(&child, KP_EXIT_KILLED, 0));

    DO(make_child(&child, "fault", 0));
    CHECK(kp_process_start(child.process) == KP_OK);
    CHECK(kp_object_wait_one(child.process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE, NULL) ==
          KP_OK);
    CHECK(kp_process_info(child.process, &info) == KP_OK);
    kp_log("figure: fault at 0x%llx in +0x%llx %s", (unsigned long long)info.fault_address,
           (unsigned long long)info.fault_instruction, info.fault_function);
    CHECK(info.exit_reason == KP_EXIT_TRAP && info.exit_code == KP_TRAP_OUT_OF_BOUNDS);
    CHECK(info.fault_address == 0x30000000 && info.fault_instruction != 0);
    /* Its name, or that of the function into which the compiler put it. */
    CHECK(is_one_of(info.fault_function, "touch_far_away", "run_child"));
    DO(finish(&child, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS));
    /* A trap that the code itself finds. */
    DO(make_child(&child, "divide", 0));
    CHECK(kp_process_start(child.process) == KP_OK);
    CHECK(kp_object_wait_one(child.process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE, NULL) ==
          KP_OK);
    CHECK(kp_process_info(child.process, &info) == KP_OK);
    kp_log("figure: trap %d in +0x%llx %s", (int)info.exit_code,
           (unsigned long long)info.fault_instruction, info.fault_function);
    CHECK(is_one_of(info.fault_function, "divide_by_nothing", "run_child"));
    DO(finish(&child, KP_EXIT_TRAP, KP_TRAP_DIVIDE_BY_ZERO));
    return 0;
}

int test_spawn(void)
{
    DO(take_authority());
    DO(test_refusals());
    DO(test_unstarted());
    child_t child;
    report_t report;
    DO(make_child(&child, "answer", 0));
    CHECK(kp_process_start(child.process) == KP_OK);
    DO(hear(&child, &report));
    CHECK(report.value == 7 && strcmp(report.text, "answer") == 0);
    DO(finish(&child, KP_EXIT_NORMAL, 5));
    DO(test_suspension());
    return test_statistics();
}

/* A process that is frozen when this returns. With a file mapped, if there is one. */
int make_snapshot(child_t *template)
{
    kp_process_info_t info;
    DO(make_child(template, "template", 0));
    CHECK(kp_process_start(template->process) == KP_OK);
    CHECK(kp_object_wait_one(template->process, KP_SIGNAL_FROZEN | KP_SIGNAL_TERMINATED,
                             kp_now() + PATIENCE, NULL) == KP_OK);
    CHECK(kp_process_info(template->process, &info) == KP_OK);
    CHECK(info.state == KP_PROCESS_FROZEN && info.exit_reason == KP_EXIT_NONE);
    CHECK(info.private_bytes > 0 && info.memory_bytes > 0);
    CHECK(kp_process_start(template->process) == KP_ERR_BAD_STATE);
    CHECK(kp_process_suspend(template->process) == KP_ERR_BAD_STATE);
    return 0;
}

static int test_clones(const child_t *template)
{
    enum { CLONES = 5 };
    child_t clones[CLONES];
    report_t report;
    char what[16];
    for (uint32_t i = 0; i < CLONES; i++) {
        snprintf(what, sizeof(what), "clone %u", (unsigned)i);
        DO(make_child(&clones[i], what, template->process));
    }
    for (uint32_t i = CLONES; i-- > 0;)
        CHECK(kp_process_start(clones[i].process) == KP_OK);
    for (uint32_t i = 0; i < CLONES; i++) {
        DO(hear(&clones[i], &report));
        snprintf(what, sizeof(what), "clone %u", (unsigned)i);
        /* Each counts from what the snapshot had, and has its own startup message. */
        CHECK(report.value == 1001 && report.touched == 1 && strcmp(report.text, what) == 0);
    }
    kp_process_info_t info;
    CHECK(kp_process_info(clones[0].process, &info) == KP_OK);
    kp_log("figure: clone: private %llu KiB, shared %llu KiB",
           (unsigned long long)info.private_bytes / 1024,
           (unsigned long long)info.shared_bytes / 1024);
    for (uint32_t i = 0; i < CLONES; i++) {
        CHECK(kp_handle_close(clones[i].channel) == KP_OK);
        clones[i].channel = kp_event_create() > 0 ? 0 : 0;
        CHECK(kp_object_wait_one(clones[i].process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE,
                                 NULL) == KP_OK);
        CHECK(kp_handle_close(clones[i].process) == KP_OK);
    }
    return 0;
}

static int measure_clones(const child_t *template)
{
    enum { ROUNDS = 20 };
    kp_time_t best = KP_TIME_INFINITE, sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        child_t clone;
        report_t report;
        kp_time_t start = kp_now();
        DO(make_child(&clone, "clone", template->process));
        CHECK(kp_process_start(clone.process) == KP_OK);
        DO(hear(&clone, &report));
        kp_time_t took = kp_now() - start;
        best = took < best ? took : best;
        sum += took;
        CHECK(kp_process_kill(clone.process) == KP_OK);
        DO(finish(&clone, KP_EXIT_KILLED, 0));
    }
    kp_log("figure: spawn from a snapshot to the first message: best %lld ns, mean %lld ns",
           (long long)best, (long long)(sum / ROUNDS));
    return 0;
}

int test_snapshot(void)
{
    DO(take_authority());
    child_t template, clone;
    report_t report;
    DO(make_snapshot(&template));
    DO(test_clones(&template));
    DO(measure_clones(&template));
    /* A clone outlives the snapshot's process, and may become a snapshot itself. */
    DO(make_child(&clone, "again", template.process));
    CHECK(kp_process_kill(template.process) == KP_OK);
    kp_process_create_t options = {.job = job, .name = "child"};
    CHECK(kp_process_clone(template.process, &options) == KP_ERR_BAD_STATE);
    DO(finish(&template, KP_EXIT_KILLED, 0));
    CHECK(kp_process_start(clone.process) == KP_OK);
    CHECK(kp_object_wait_one(clone.process, KP_SIGNAL_FROZEN | KP_SIGNAL_TERMINATED,
                             kp_now() + PATIENCE, NULL) == KP_OK);
    child_t second;
    DO(make_child(&second, "clone of clone", clone.process));
    CHECK(kp_handle_close(clone.process) == KP_OK && kp_handle_close(clone.channel) == KP_OK);
    CHECK(kp_process_start(second.process) == KP_OK);
    DO(hear(&second, &report));
    CHECK(report.value == 2002 && strcmp(report.text, "clone of clone") == 0);
    CHECK(kp_process_kill(second.process) == KP_OK);
    DO(finish(&second, KP_EXIT_KILLED, 0));
    return 0;
}

/* Processes killed at any moment of their lives: starting, freezing, being cloned, calling. What they
   were charged for comes back. */
int test_kill(void)
{
    enum { ROUNDS = 200 };
    DO(take_authority());
    child_t template;
    kp_job_info_t before, after;
    DO(make_snapshot(&template));
    uint32_t seed = 7;
    CHECK(kp_job_info(job, &before) == KP_OK);
    for (int round = 0; round < ROUNDS; round++) {
        static const char *const kinds[] = {"template", "count", "answer", "again"};
        child_t child;
        DO(make_child(&child, kinds[round % 4], round % 2 ? template.process : 0));
        CHECK(kp_process_start(child.process) == KP_OK);
        seed = seed * 1664525 + 1013904223;
        static volatile uint32_t spin;
        for (uint32_t i = (seed >> 8) % (round % 8 < 4 ? 3000 : 60000); i > 0; i--)
            spin = spin + i;
        if (round % 5 == 0)
            CHECK(kp_process_suspend(child.process) != KP_ERR_INVALID_ARGUMENT);
        CHECK(kp_process_kill(child.process) == KP_OK);
        CHECK(kp_object_wait_one(child.process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE, NULL) ==
              KP_OK);
        CHECK(kp_handle_close(child.process) == KP_OK && kp_handle_close(child.channel) == KP_OK);
    }
    /* The last reference to a process may go a moment after it has told of its end. */
    for (int patience = 0; patience < 60000; patience++) {
        CHECK(kp_job_info(job, &after) == KP_OK);
        if (after.used.objects == before.used.objects && after.used.pages == before.used.pages)
            break;
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    }
    CHECK(after.used.objects == before.used.objects && after.used.pages == before.used.pages);
    CHECK(after.used.handles == before.used.handles &&
          after.used.processes == before.used.processes);
    CHECK(after.used.queued_bytes == before.used.queued_bytes);
    CHECK(kp_process_kill(template.process) == KP_OK);
    return finish(&template, KP_EXIT_KILLED, 0);
}

/* ---- the child's side ---- */

static int tell(kp_handle_t control, uint32_t value, uint32_t touched, const char *text)
{
    report_t report = {.value = value, .touched = touched};
    snprintf(report.text, sizeof(report.text), "%s", text);
    CHECK(kp_channel_write(control, &report, sizeof(report), NULL, 0) == KP_OK);
    return 0;
}

static int wait_for_owner(kp_handle_t control)
{
    (void)kp_object_wait_one(control, KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, NULL);
    return 0;
}

static uint32_t counter = 1000; /* in the data that a snapshot has */

static int run_template(void)
{
    /* Something of everything: heap, static data, a stack that is deeper than a page. */
    volatile uint8_t deep[20000];
    uint32_t *heap = malloc(100000);
    CHECK(heap);
    for (size_t i = 0; i < 100000 / sizeof(*heap); i++)
        heap[i] = (uint32_t)i * 7;
    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = (uint8_t)i;
    (void)kp_handle_close(kp_startup_take("control"));
    CHECK(kp_startup_freeze() == KP_OK);
again:
    counter++;
    for (size_t i = 0; i < 100000 / sizeof(*heap); i += 100)
        CHECK(heap[i] == (uint32_t)i * 7);
    for (size_t i = 0; i < sizeof(deep); i += 100)
        CHECK(deep[i] == (uint8_t)i);
    kp_handle_t control = kp_startup_take("control");
    const char *what = kp_startup_argument(2);
    CHECK(control != KP_HANDLE_NONE && what);
    if (strcmp(what, "again") == 0) {
        counter += 1000;
        CHECK(kp_handle_close(control) == KP_OK);
        CHECK(kp_startup_freeze() == KP_OK);
        goto again;
    }
    heap[0] = 1;
    DO(tell(control, counter, heap[0], what));
    return wait_for_owner(control);
}

static int run_count(kp_handle_t control)
{
    for (uint32_t i = 0;; i++) {
        kp_signals_t seen = 0;
        DO(tell(control, i, 0, "count"));
        (void)kp_object_wait_one(control, KP_SIGNAL_PEER_CLOSED, kp_now() + KP_NS_PER_MS, &seen);
        if (seen & KP_SIGNAL_PEER_CLOSED)
            return 0;
        /* The owner reads slowly: wait for room. */
        (void)kp_object_wait_one(control, KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED,
                                 KP_TIME_INFINITE, NULL);
    }
}

/* Computes until its clock says 100 ms. */
static int run_burn(kp_handle_t control)
{
    static volatile uint32_t sink;
    kp_time_t start = kp_now(), last = start;
    for (; last - start < 100 * KP_NS_PER_MS; last = kp_now()) {
        for (uint32_t i = 0; i < 10000; i++)
            sink = sink * 3 + i;
    }
    DO(tell(control, (uint32_t)((last - start) / 1000), 0, "burn"));
    return wait_for_owner(control);
}

static volatile uint32_t far_away = 0x30000000;

__attribute__((noinline)) static int touch_far_away(void)
{
    *(volatile uint32_t *)(uintptr_t)far_away = 1;
    return __LINE__;
}

__attribute__((noinline)) static int divide_by_nothing(void)
{
    static volatile int nothing;
    return 1000 / nothing;
}

int run_child(const char *what)
{
    if (strcmp(what, "divide") == 0)
        return divide_by_nothing();
    if (strcmp(what, "template") == 0)
        return run_template();
    if (strcmp(what, "fault") == 0)
        return touch_far_away();
    kp_handle_t control = kp_startup_take("control");
    CHECK(control != KP_HANDLE_NONE);
    if (strcmp(what, "ring") == 0)
        return run_ring_reader(control);
    if (strcmp(what, "count") == 0)
        return run_count(control);
    if (strcmp(what, "burn") == 0)
        return run_burn(control);
    DO(tell(control, 7, 0, what));
    return 5;
}
