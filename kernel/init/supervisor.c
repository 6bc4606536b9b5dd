#include "kernel/init/supervisor.h"

#include "kernel/ipc/services.h"
#include "kernel/object/event.h"
#include "kernel/object/wait.h"

#define SIGNAL_STOP KP_SIGNAL_USER_0
#define SIGNAL_DONE (KP_SIGNAL_USER_0 << 1)
#define RESTART_FIRST (100 * KP_NS_PER_MS)
#define RESTART_LONGEST (5 * KP_NS_PER_S)

/* One program's state; only the supervisor's thread touches it after the start. */
typedef struct watched {
    const kp_program_t *program;
    kp_process_t *process; /* NULL: not running */
    kp_time_t started;
    kp_time_t restart_at; /* while not running; KP_TIME_INFINITE: never */
    kp_object_t *service; /* while nobody has asked for it yet; else NULL */
    uint32_t failures;
} watched_t;

static watched_t watched[KP_SUPERVISOR_PROGRAMS_MAX];
static uint32_t watched_count;
static kp_capability_t control; /* an event: SIGNAL_STOP, SIGNAL_DONE */
static atomic_int exit_code;

kp_time_t kp_restart_delay(uint32_t failures)
{
    if (failures <= 1)
        return 0;
    kp_time_t delay = RESTART_FIRST;
    for (uint32_t i = 2; i < failures && delay < RESTART_LONGEST; i++)
        delay *= 2;
    return KP_MIN(delay, RESTART_LONGEST);
}

static void program_launch(watched_t *entry)
{
    kp_process_t *process = NULL;
    kp_status_t status = entry->program->launch(entry->program, &process);
    entry->started = kp_machine_now();
    if (status == KP_OK) {
        entry->process = process;
        kp_log("boot", KP_LOG_INFO, "started %s (%llu)", entry->program->name,
               (unsigned long long)process->object.koid);
        return;
    }
    kp_log("boot", KP_LOG_ERROR, "cannot start %s: %s", entry->program->name,
           kp_status_text(status));
    if (entry->program->ended) {
        const kp_process_info_t info = {.exit_reason = KP_EXIT_NO_START};
        entry->restart_at = KP_TIME_INFINITE;
        kp_supervisor_stop(entry->program->ended(&info));
        return;
    }
    if (status == KP_ERR_NO_MEMORY) /* may pass */
        entry->restart_at = entry->started + kp_restart_delay(++entry->failures + 1);
    else
        entry->restart_at = KP_TIME_INFINITE;
}

/* A program has ended: decide when it comes back. */
static void program_ended(watched_t *entry)
{
    kp_process_info_t info;
    kp_process_info(entry->process, &info);
    kp_job_kill(entry->process->job); /* what it has started and left behind */
    kp_object_release(&entry->process->object);
    entry->process = NULL;
    entry->restart_at = KP_TIME_INFINITE;
    if (entry->program->ended) {
        kp_supervisor_stop(entry->program->ended(&info));
        return;
    }
    if (entry->program->ends_system && info.exit_reason == KP_EXIT_NORMAL) {
        kp_supervisor_stop(info.exit_code);
        return;
    }
    kp_time_t now = kp_machine_now();
    if (now - entry->started >= KP_RESTART_RESET)
        entry->failures = 0;
    kp_time_t delay = kp_restart_delay(++entry->failures);
    entry->restart_at = now + delay;
    kp_log("boot", KP_LOG_WARN, "%s ended, restart in %llu ms", entry->program->name,
           (unsigned long long)(delay / KP_NS_PER_MS));
}

static bool is_stopping(void)
{
    return atomic_load(&control.object->signals) & SIGNAL_STOP;
}

static void process_end_one(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

/* Waits for the end of a program, a restart that is due, or the stop. */
static void supervisor_wait(void)
{
    kp_waiter_t waiters[KP_SUPERVISOR_PROGRAMS_MAX + 1] = {0};
    uint32_t count = 0;
    kp_time_t deadline = KP_TIME_INFINITE;
    waiters[count++] = (kp_waiter_t){.object = control.object, .signals = SIGNAL_STOP};
    for (uint32_t i = 0; i < watched_count; i++) {
        if (watched[i].process)
            waiters[count++] = (kp_waiter_t){.object = &watched[i].process->object,
                                             .signals = KP_SIGNAL_TERMINATED};
        else if (watched[i].service)
            waiters[count++] =
                (kp_waiter_t){.object = watched[i].service, .signals = KP_SIGNAL_READABLE};
        else
            deadline = KP_MIN(deadline, watched[i].restart_at);
    }
    (void)kp_wait_many(waiters, count, deadline);
}

static void process_wait_one(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    (void)kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
}

static void supervisor_run(void *argument)
{
    (void)argument;
    while (!is_stopping()) {
        supervisor_wait();
        kp_time_t now = kp_machine_now();
        for (uint32_t i = 0; i < watched_count && !is_stopping(); i++) {
            watched_t *entry = &watched[i];
            if (entry->process &&
                atomic_load(&entry->process->object.signals) & KP_SIGNAL_TERMINATED)
                program_ended(entry);
            if (entry->service && atomic_load(&entry->service->signals) & KP_SIGNAL_READABLE) {
                entry->service = NULL;
                entry->restart_at = now;
            }
            if (!entry->process && entry->restart_at <= now)
                program_launch(entry);
        }
    }
    for (uint32_t i = 0; i < watched_count; i++) {
        if (!watched[i].process)
            continue;
        process_wait_one(watched[i].process, NULL);
        kp_object_release(&watched[i].process->object);
        watched[i].process = NULL;
    }
    /* Tabs, and whatever else was made meanwhile. */
    kp_process_each(process_wait_one, NULL);
    kp_object_signal(control.object, 0, SIGNAL_DONE);
}

kp_status_t kp_supervisor_start(const kp_program_t *programs, uint32_t count)
{
    KP_CHECK(count <= KP_SUPERVISOR_PROGRAMS_MAX);
    kp_status_t status = KP_OK;
    if (!control.object)
        status = kp_event_create(&control);
    if (status != KP_OK)
        return status;
    kp_object_signal(control.object, SIGNAL_STOP | SIGNAL_DONE, 0);
    atomic_store(&exit_code, 0);
    memset(watched, 0, sizeof(watched));
    watched_count = count;
    for (uint32_t i = 0; i < count; i++) {
        watched[i].program = &programs[i];
        kp_service_t *service;
        if (!programs[i].on_demand || kp_service_find(programs[i].on_demand, &service) != KP_OK) {
            program_launch(&watched[i]);
            continue;
        }
        watched[i].service = kp_service_object(service);
        watched[i].restart_at = KP_TIME_INFINITE;
    }
    status = kp_thread_create("supervisor", supervisor_run, NULL, NULL);
    if (status != KP_OK) { /* nobody watches them: end them again */
        kp_object_signal(control.object, 0, SIGNAL_STOP);
        supervisor_run(NULL);
    }
    return status;
}

void kp_supervisor_stop(int code)
{
    if (!control.object)
        return;
    if (!is_stopping())
        atomic_store(&exit_code, code);
    kp_object_signal(control.object, 0, SIGNAL_STOP);
    kp_process_each(process_end_one, NULL);
}

kp_status_t kp_supervisor_join(kp_time_t deadline)
{
    if (!control.object)
        return KP_OK;
    return kp_wait_one(control.object, SIGNAL_DONE, deadline, NULL);
}

int kp_supervisor_exit_code(void)
{
    return atomic_load(&exit_code);
}
