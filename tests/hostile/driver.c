/* The driver: plays the shell's part in the boot archive of this suite, so it is the only holder of the
   coordinator. For each abuse it makes a process that commits it, talks with a witness process all the while, and
   afterwards wants everything to be as it was: the witness answers, a new process can be made, and the abuser
   ended as it should. Results are lines of the kernel's log: "hostile: ok NAME" or "hostile: not ok NAME: why".
   Argument only=NAME: just that abuse; storm=CALLS: instead of them the storm (storm.c) until that many calls;
   spawn=tab service=silent: it may make processes, and so may abuses (spawn_*) and the storm;
   report=memory: the kernel says after each how many objects there are, for run.sh to compare. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "tests/hostile/driver.h"
#include "tests/kp_only.h"

enum {
    END_DONE = 0,
    END_KILLED = -1,
    END_ANY = -2,
    END_TRAP_UNREACHABLE = KP_TRAP_UNREACHABLE,
    END_TRAP_STACK_OVERFLOW = KP_TRAP_STACK_OVERFLOW,
    END_TRAP_OUT_OF_BOUNDS = KP_TRAP_OUT_OF_BOUNDS,
    END_TRAP_DIVIDE_BY_ZERO = KP_TRAP_DIVIDE_BY_ZERO,
    END_TRAP_CALL_INDIRECT = KP_TRAP_CALL_INDIRECT,
};

static const struct {
    const char *name;
    int end;
} abuses[] = {
#define ABUSE(name, end) {#name, END_##end},
#include "tests/hostile/abuses.def"
#undef ABUSE
};

enum { ROUNDS_BEFORE_KILL = 40, REPORTS = 8 };

kp_handle_t driver_coordinator, driver_job, driver_code;
static kp_handle_t compiler, silent; /* services */
static kp_tab_created_t witness;
static uint32_t rounds;

void driver_log(const char *format, ...)
{
    char line[300];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    kp_log("hostile: %s", line);
}

kp_status_t driver_role_start(const char *role, const kp_handle_t *handles, size_t count,
                              kp_tab_created_t *out)
{
    kp_status_t status = kp_tab_create(driver_coordinator, out);
    if (status != KP_OK)
        return status;
    status = kp_channel_write(out->channel, role, strlen(role), handles, count);
    if (status != KP_OK) {
        (void)kp_process_kill(out->process);
        driver_role_close(out);
    }
    return status;
}

void driver_role_close(kp_tab_created_t *role)
{
    (void)kp_handle_close(role->channel);
    (void)kp_handle_close(role->process);
}

kp_handle_t driver_job_create(unsigned processes)
{
    const kp_job_limits_t limits = {.handles = 400,
                                    .queued_bytes = 1 << 20,
                                    .pages = 4096ull * processes,
                                    .processes = processes,
                                    .objects = 400};
    int64_t job = driver_job ? kp_job_create(driver_job, &limits) : 0;
    return job > 0 ? (kp_handle_t)job : KP_HANDLE_NONE;
}

/* One question to the witness, whose answer must be the question. */
const char *driver_witness_ask(void)
{
    char question[32], answer[32];
    uint32_t actual[2] = {0, 0};
    int length = snprintf(question, sizeof(question), "round %u", ++rounds);
    if (kp_channel_write(witness.channel, question, (size_t)length, NULL, 0) != KP_OK)
        return "the witness cannot be written to";
    kp_status_t status = kp_object_wait_one(
        witness.channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, kp_now() + PATIENCE, NULL);
    if (status != KP_OK)
        return "the witness does not answer";
    status = kp_channel_read(witness.channel, answer, sizeof(answer), NULL, 0, actual);
    if (status != KP_OK || actual[0] != (uint32_t)length ||
        memcmp(question, answer, (size_t)length) != 0)
        return "the witness answers nonsense or is dead";
    return NULL;
}

static const char *end_judge(int end, const kp_process_info_t *info)
{
    static char text[100];
    bool good = end == END_ANY ||
                (end == END_DONE && info->exit_reason == KP_EXIT_NORMAL && info->exit_code == 0) ||
                (end == END_KILLED && info->exit_reason == KP_EXIT_KILLED) ||
                (end > 0 && info->exit_reason == KP_EXIT_TRAP && info->exit_code == end);
    if (good)
        return NULL;
    snprintf(text, sizeof(text), "it ended by reason %u, code %d", (unsigned)info->exit_reason,
             (int)info->exit_code);
    return text;
}

/* Suspends the process for a while: no thread of it makes a call then, and all go on afterwards. */
static const char *suspend_try(kp_handle_t process)
{
    kp_process_info_t first, second;
    if (kp_process_suspend(process) != KP_OK)
        return "it cannot be suspended";
    (void)kp_object_wait_many(NULL, 0, kp_now() + STEP); /* calls that had begun may end */
    kp_status_t status = kp_process_info(process, &first);
    (void)kp_object_wait_many(NULL, 0, kp_now() + STEP);
    if (status == KP_OK)
        status = kp_process_info(process, &second);
    if (status != KP_OK || first.suspended != 1)
        return "a suspended process does not say so";
    if (first.calls != second.calls)
        return "it makes calls while it is suspended";
    return kp_process_resume(process) == KP_OK ? NULL : "it cannot be resumed";
}

/* Asks the witness until the abuser has ended; kills it when that is its end. */
static const char *abuse_watch(kp_handle_t process, int end)
{
    kp_time_t deadline = kp_now() + PATIENCE;
    for (int round = 0;; round++) {
        const char *why = driver_witness_ask();
        if (why)
            return why;
        if (kp_object_wait_one(process, KP_SIGNAL_TERMINATED, kp_now() + STEP, NULL) == KP_OK)
            return NULL;
        if (end == END_KILLED && round == ROUNDS_BEFORE_KILL / 2 &&
            (why = suspend_try(process)) != NULL)
            return why;
        if (end == END_KILLED && round == ROUNDS_BEFORE_KILL)
            (void)kp_process_kill(process);
        if (kp_now() > deadline) {
            (void)kp_process_kill(process);
            return "it does not end";
        }
    }
}

static bool copy_give(kp_handle_t handle, kp_handle_t given[3], size_t *count)
{
    int64_t copy = kp_handle_duplicate(handle, KP_RIGHTS_SAME);
    if (copy > 0)
        given[(*count)++] = (kp_handle_t)copy;
    return copy > 0;
}

/* What an abuse needs: who abuses code is somebody who was given the compiler, who makes processes has a job. */
static bool abuse_given(const char *name, kp_handle_t given[3], size_t *count)
{
    if (strncmp(name, "code_", 5) == 0)
        return copy_give(compiler, given, count);
    if (strncmp(name, "spawn_", 6) != 0)
        return true;
    given[0] = driver_job_create(32);
    *count = given[0] != KP_HANDLE_NONE;
    return *count && copy_give(driver_code, given, count) && copy_give(silent, given, count);
}

static const char *abuse_run(const char *name, int end)
{
    kp_tab_created_t abuser;
    kp_process_info_t info;
    kp_handle_t given[3];
    size_t given_count = 0;
    if (!abuse_given(name, given, &given_count) ||
        driver_role_start(name, given, given_count, &abuser) != KP_OK)
        return "its process cannot be made";
    const char *why = abuse_watch(abuser.process, end);
    if (!why && kp_process_info(abuser.process, &info) != KP_OK)
        why = "no information about its end";
    if (!why)
        why = end_judge(end, &info);
    driver_role_close(&abuser);
    if (!why)
        why = driver_witness_ask();
    return why;
}

/* Lets the kernel count its objects, a few times: who has ended may still be on its last instructions. */
static void objects_report(const char *after)
{
    char name[33];
    const char *argument;
    bool wanted = false;
    for (size_t i = 1; (argument = kp_startup_argument(i)) != NULL; i++)
        wanted = wanted || strcmp(argument, "report=memory") == 0;
    snprintf(name, sizeof(name), "o.%s", after);
    for (int i = 0; wanted && i < REPORTS; i++) {
        (void)kp_object_wait_many(NULL, 0, kp_now() + STEP * (i + 1));
        (void)kp_boot_mark_text(name);
    }
}

/* The number after a prefix among the arguments; 0: none. */
static uint64_t number_argument(const char *prefix)
{
    const char *argument;
    for (size_t i = 1; (argument = kp_startup_argument(i)) != NULL; i++) {
        if (strncmp(argument, prefix, strlen(prefix)) == 0)
            return strtoull(argument + strlen(prefix), NULL, 10);
    }
    return 0;
}

int main(void)
{
    int failures = 0;
    driver_coordinator = kp_startup_take("coordinator");
    driver_job = kp_startup_take("job");
    driver_code = kp_startup_take("code:tab");
    silent = kp_startup_take("svc:silent");
    compiler = kp_startup_take("svc:compiler");
    if (!driver_coordinator || driver_role_start("witness", NULL, 0, &witness) != KP_OK) {
        driver_log("not ok start: no coordinator or no witness");
        return 1;
    }
    int64_t timer = kp_timer_create(); /* the first brings the timers' thread, which stays */
    if (timer < 0 || kp_timer_set((kp_handle_t)timer, kp_now() + STEP, 0) != KP_OK ||
        kp_handle_close((kp_handle_t)timer) != KP_OK) {
        driver_log("not ok start: no timer");
        return 1;
    }
    const char *silent = driver_witness_ask(); /* then it has read what it was started with */
    if (silent) {
        driver_log("not ok start: %s", silent);
        return 1;
    }
    objects_report("start");
    uint64_t storm_calls = number_argument("storm=");
    if (storm_calls > 0) {
        const char *why = driver_storm(storm_calls);
        if (why)
            driver_log("not ok storm: %s", why);
        objects_report("storm");
        failures += why != NULL;
    }
    for (size_t i = 0; storm_calls == 0 && i < sizeof(abuses) / sizeof(abuses[0]); i++) {
        if (!kp_only_wanted(abuses[i].name) ||
            (!driver_job && strncmp(abuses[i].name, "spawn_", 6) == 0))
            continue;
        const char *why = abuse_run(abuses[i].name, abuses[i].end);
        if (why)
            driver_log("not ok %s: %s", abuses[i].name, why);
        else
            driver_log("ok %s", abuses[i].name);
        failures += why != NULL;
        objects_report(abuses[i].name);
    }
    driver_role_close(&witness);
    driver_log("finished: %d failed", failures);
    return failures != 0;
}
