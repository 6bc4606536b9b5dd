/* The driver and its children. Results are lines of the kernel's log: "processes: ok NAME" or "processes: not ok NAME: line
   N". Words: only=NAME; busy=COUNT: how many processes keep the processors busy. */
#include <stdlib.h>

#include "tests/kp_only.h"
#include "tests/processes/processes.h"

kp_handle_t driver_job, driver_code, driver_directory, child_control, child_given[8];

/* Before libc takes the directories that came. */
__attribute__((constructor(49))) static void directory_take(void)
{
    driver_directory = kp_startup_take("dir:/d=63");
}

static const struct {
    const char *name;
    int (*run)(void);
} tests[] = {
    {"inheritance", test_inheritance},
    {"statistics", test_statistics},
    {"files", test_files},
};

unsigned driver_number(const char *name)
{
    size_t length = strlen(name);
    const char *argument;
    for (size_t i = 1; (argument = kp_startup_argument(i)) != NULL; i++)
        if (strncmp(argument, name, length) == 0 && argument[length] == '=')
            return (unsigned)atoi(argument + length + 1);
    return 0;
}

kp_handle_t driver_job_create(uint32_t band)
{
    const kp_job_limits_t limits = {.handles = 1000,
                                    .queued_bytes = 4 << 20,
                                    .pages = 1 << 16,
                                    .processes = 16,
                                    .objects = 1000};
    const kp_job_policy_t policy = {.band = band, .weight = 100};
    int64_t job = kp_job_create(driver_job, &limits);
    if (job > 0 && kp_job_set_policy((kp_handle_t)job, &policy) == KP_OK)
        return (kp_handle_t)job;
    return KP_HANDLE_NONE;
}

void driver_pause(void)
{
    (void)kp_object_wait_many(NULL, 0, kp_now() + 3 * KP_NS_PER_MS);
}

kp_status_t control_say(kp_handle_t control, char what)
{
    return kp_channel_write(control, &what, 1, NULL, 0);
}

char control_hear(kp_handle_t control)
{
    char what = 0;
    uint32_t actual[2];
    kp_status_t status = kp_object_wait_one(control, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                                            kp_now() + PATIENCE, NULL);
    if (status == KP_OK)
        status = kp_channel_read(control, &what, 1, child_given,
                                 sizeof(child_given) / sizeof(child_given[0]), actual);
    return status == KP_OK && actual[0] == 1 ? what : 0;
}

static int role_run(const char *role)
{
    if (strncmp(role, "lock-server-", 12) == 0)
        return role_lock_server((unsigned)atoi(role + 12));
    if (strcmp(role, "ask") == 0)
        return role_ask();
    if (strcmp(role, "spin") == 0)
        return role_spin();
    if (strcmp(role, "statistics") == 0)
        return role_statistics();
    if (strcmp(role, "file-server") == 0)
        return role_file_server();
    if (strcmp(role, "file-client") == 0)
        return role_file_client();
    return 2;
}

static int child(void)
{
    char role[32];
    uint32_t actual[2];
    if (kp_object_wait_one(child_control, KP_SIGNAL_READABLE, kp_now() + PATIENCE, NULL) != KP_OK ||
        kp_channel_read(child_control, role, sizeof(role) - 1, child_given,
                        sizeof(child_given) / sizeof(child_given[0]), actual) != KP_OK)
        return 2;
    role[actual[0]] = 0;
    return role_run(role);
}

int main(void)
{
    int failed = 0;
    child_control = kp_startup_take("control");
    if (child_control)
        return child();
    if (!kp_startup_take("coordinator"))
        return 0; /* the one that the kernel starts to clone tabs from */
    driver_job = kp_startup_take("job");
    driver_code = kp_startup_take("code:tab");
    /* Its children are in bands below its own. */
    const kp_job_policy_t policy = {.band = KP_BAND_SYSTEM, .weight = 100};
    if (!driver_job || !driver_code || kp_job_set_policy(driver_job, &policy) != KP_OK) {
        kp_log("processes: not ok start: no job, or no code");
        return 1;
    }
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (!kp_only_wanted(tests[i].name))
            continue;
        int line = tests[i].run();
        if (line)
            kp_log("processes: not ok %s: line %d", tests[i].name, line);
        else
            kp_log("processes: ok %s", tests[i].name);
        failed += line != 0;
    }
    kp_log("processes: finished: %d failed", failed);
    return failed != 0;
}
