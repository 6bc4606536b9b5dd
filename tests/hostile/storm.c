#include <stdlib.h>

#include "runtime/program/startup.h"
#include "tests/hostile/driver.h"

enum { FUZZERS = 6, OBJECTS = 4, SHARED = OBJECTS + 2, GIVEN_MAX = SHARED + 5 };

typedef struct fuzzer {
    kp_tab_created_t process;
    kp_handle_t job;            /* for the processes that it makes; among the shared */
    kp_handle_t shared[SHARED]; /* ours; it holds duplicates, which a revoke takes away */
    unsigned suspended;
    bool alive;
} fuzzer_t;

static fuzzer_t fuzzers[FUZZERS];
static kp_handle_t spare_end; /* the other end of the last fuzzer's channel, for the next one */
/* A frozen process, for processes that fuzzers make; 0: they cannot (no spawn=tab). */
static kp_handle_t frozen;
static uint64_t calls_made, processes_made;
static uint64_t state;

static uint32_t random_next(void)
{
    while (state == 0)
        (void)kp_random_get(&state, sizeof(state));
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20);
}

static kp_handle_t duplicate(kp_handle_t handle)
{
    int64_t copy = kp_handle_duplicate(handle, KP_RIGHTS_SAME);
    return copy > 0 ? (kp_handle_t)copy : 0;
}

static void give(kp_handle_t handles[GIVEN_MAX], size_t *count, kp_handle_t handle)
{
    kp_handle_t copy = handle ? duplicate(handle) : KP_HANDLE_NONE;
    if (copy)
        handles[(*count)++] = copy;
}

/* What only spawn=tab gives. */
static const char *spawning_begin(void)
{
    kp_tab_created_t role;
    if (!driver_job || !driver_code)
        return NULL;
    if (driver_role_start("freeze", NULL, 0, &role) != KP_OK)
        return "no process to be frozen";
    (void)kp_handle_close(role.channel);
    frozen = role.process;
    return kp_object_wait_one(frozen, KP_SIGNAL_FROZEN, kp_now() + PATIENCE, NULL) == KP_OK
               ? NULL
               : "a process does not freeze";
}

/* Starts one with an end to the one before it and to the one after it, duplicates of shared objects, and what
   kills, suspends and copies others. */
static const char *fuzzer_start(fuzzer_t *fuzzer)
{
    kp_handle_t ends[2], handles[GIVEN_MAX];
    size_t count = 0;
    fuzzer->shared[0] = (kp_handle_t)kp_event_create();
    fuzzer->shared[1] = (kp_handle_t)kp_vmo_create(65536);
    fuzzer->shared[2] = (kp_handle_t)kp_event_create();
    fuzzer->shared[3] = (kp_handle_t)kp_vmo_create(4096);
    fuzzer->shared[OBJECTS] = fuzzer->job = driver_job_create(4);
    /* Somebody's, or its own of before: nobody promised that it lives. */
    const fuzzer_t *other = &fuzzers[random_next() % FUZZERS];
    fuzzer->shared[OBJECTS + 1] = other->alive ? duplicate(other->process.process) : 0;
    if (kp_channel_create(ends) != KP_OK)
        return "the driver is out of channels";
    if (spare_end)
        handles[count++] = spare_end;
    handles[count++] = ends[0];
    spare_end = ends[1];
    for (int i = 0; i < SHARED; i++)
        give(handles, &count, fuzzer->shared[i]);
    give(handles, &count, driver_code);
    give(handles, &count, frozen);
    kp_status_t status = driver_role_start("fuzz", handles, count, &fuzzer->process);
    if (status != KP_OK) {
        kp_log("a fuzzer cannot be made: %s", kp_status_name(status));
        return "a fuzzer cannot be made";
    }
    fuzzer->alive = true;
    fuzzer->suspended = 0;
    processes_made++;
    return NULL;
}

/* Ends what it made. */
static const char *job_finish(kp_handle_t job)
{
    kp_job_info_t info;
    kp_time_t deadline = kp_now() + PATIENCE;
    if (!job)
        return NULL;
    (void)kp_job_kill(job);
    do {
        if (kp_job_info(job, &info) != KP_OK)
            return "no information about a job";
        if (info.used.processes == 0)
            return NULL;
        (void)kp_object_wait_many(NULL, 0, kp_now() + STEP);
    } while (kp_now() < deadline);
    return "processes of a killed job do not end";
}

static const char *fuzzer_finish(fuzzer_t *fuzzer)
{
    kp_process_info_t info;
    if (kp_object_wait_one(fuzzer->process.process, KP_SIGNAL_TERMINATED, kp_now() + PATIENCE,
                           NULL) != KP_OK)
        return "a killed process does not end";
    if (kp_process_info(fuzzer->process.process, &info) != KP_OK)
        return "no information about a process that ended";
    calls_made += info.calls;
    const char *why = job_finish(fuzzer->job);
    driver_role_close(&fuzzer->process);
    for (int i = 0; i < SHARED; i++)
        (void)kp_handle_close(fuzzer->shared[i]);
    fuzzer->alive = false;
    return why;
}

/* Reads what it wrote to its control channel, sometimes. */
static void fuzzer_drain(const fuzzer_t *fuzzer)
{
    static uint8_t bytes[KP_CHANNEL_BYTES_MAX];
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint32_t actual[2];
    for (int i = 0; i < 8 && kp_channel_read(fuzzer->process.channel, bytes, sizeof(bytes), handles,
                                             KP_CHANNEL_HANDLES_MAX, actual) == KP_OK;
         i++) {
        for (uint32_t k = 0; k < actual[1]; k++)
            (void)kp_handle_close(handles[k]);
    }
}

static void fuzzer_disturb(fuzzer_t *fuzzer)
{
    kp_handle_t process = fuzzer->process.process;
    switch (random_next() % 16) {
    case 0:
        (void)kp_process_kill(process);
        break;
    case 1:
    case 2:
        if (kp_process_suspend(process) == KP_OK)
            fuzzer->suspended++;
        break;
    case 3:
    case 4:
    case 5:
        if (fuzzer->suspended > 0 && kp_process_resume(process) == KP_OK)
            fuzzer->suspended--;
        break;
    case 6:
    case 7:
        (void)kp_handle_revoke(fuzzer->shared[random_next() % SHARED]);
        break;
    case 8:
        (void)kp_object_signal(fuzzer->shared[0], KP_SIGNAL_SIGNALED, KP_SIGNAL_USER_0);
        break;
    case 9:
        if (random_next() % 4 == 0)
            (void)kp_job_kill(fuzzer->job);
        break;
    default:
        fuzzer_drain(fuzzer);
        break;
    }
}

const char *driver_storm(uint64_t calls)
{
    const char *why = spawning_begin();
    uint64_t round = 0;
    while (!why && calls_made < calls) {
        for (int i = 0; i < FUZZERS && !why; i++) {
            fuzzer_t *fuzzer = &fuzzers[i];
            if (!fuzzer->alive)
                why = fuzzer_start(fuzzer);
            else if (kp_object_wait_one(fuzzer->process.process, KP_SIGNAL_TERMINATED, KP_TIME_POLL,
                                        NULL) == KP_OK)
                why = fuzzer_finish(fuzzer);
            else
                fuzzer_disturb(fuzzer);
        }
        if (!why)
            why = driver_witness_ask();
        (void)kp_object_wait_many(NULL, 0, kp_now() + STEP);
        if (++round % 500 == 0)
            kp_log("storm: %llu calls by %llu processes", (unsigned long long)calls_made,
                   (unsigned long long)processes_made);
    }
    for (int i = 0; i < FUZZERS; i++) {
        if (!fuzzers[i].alive)
            continue;
        (void)kp_process_kill(fuzzers[i].process.process);
        const char *end = fuzzer_finish(&fuzzers[i]);
        why = why ? why : end;
    }
    (void)kp_handle_close(spare_end);
    (void)kp_handle_close(frozen);
    if (!why)
        driver_log("ok storm: %llu calls by %llu processes", (unsigned long long)calls_made,
                   (unsigned long long)processes_made);
    return why;
}
