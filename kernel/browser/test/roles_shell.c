/* Plays the shell: two tabs that compute for ever, and who of them gets the processor. Times are those
   that the kernel counted for each, by a clock that counts instructions (run.sh). Results are lines of
   the log: "roles: ok NAME" or "roles: not ok NAME: ...". */
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"

enum { SPAN_MS = 400 };

static kp_handle_t coordinator;
static kp_tab_created_t tabs[2];

static void report(bool good, const char *name, const uint64_t used[2])
{
    kp_log("roles: %s %s: first %llu us, second %llu us", good ? "ok" : "not ok", name,
           (unsigned long long)(used[0] / 1000), (unsigned long long)(used[1] / 1000));
}

static uint64_t cpu_time(const kp_tab_created_t *tab)
{
    kp_process_info_t info = {0};
    (void)kp_process_info(tab->process, &info);
    return info.cpu_time_ns;
}

/* What both use while time passes. */
static void measure(uint64_t used[2], uint32_t milliseconds)
{
    for (int i = 0; i < 2; i++)
        used[i] = cpu_time(&tabs[i]);
    (void)kp_object_wait_many(NULL, 0, kp_now() + milliseconds * KP_NS_PER_MS);
    for (int i = 0; i < 2; i++)
        used[i] = cpu_time(&tabs[i]) - used[i];
}

/* At least `percent` of what both used. */
static bool is_most(const uint64_t used[2], int which, unsigned percent)
{
    return used[which] > 0 && used[which] * 100 >= (used[0] + used[1]) * percent;
}

static kp_status_t role(int which, uint32_t to)
{
    return kp_tab_set_role(coordinator, tabs[which].process, to);
}

int main(void)
{
    static kp_message_t hello;
    uint64_t used[2] = {0};
    coordinator = kp_startup_take("coordinator");
    for (int i = 0; i < 2; i++) {
        bool good = kp_tab_create(coordinator, &tabs[i]) == KP_OK &&
                    kp_message_receive_wait(tabs[i].channel, &hello, KP_TIME_INFINITE) == KP_OK;
        if (!good)
            report(false, "two tabs", used);
    }
    measure(used, SPAN_MS);
    report(is_most(used, 0, 40) && is_most(used, 1, 40), "alike-without-roles", used);

    bool told = role(1, KP_TAB_ROLE_BACKGROUND) == KP_OK && role(0, KP_TAB_ROLE_FRONT) == KP_OK;
    measure(used, SPAN_MS);
    report(told && is_most(used, 0, 98), "front-before-background", used);

    told = role(1, KP_TAB_ROLE_FRONT) == KP_OK; /* the first goes to the background by itself */
    measure(used, SPAN_MS / 10);
    report(told && is_most(used, 1, 98), "switched-at-once", used);

    /* The front rests: the one behind it gets what it may have, and not the whole processor. */
    told = kp_process_suspend(tabs[1].process) == KP_OK;
    measure(used, SPAN_MS); /* a window of the cap may have been open */
    measure(used, SPAN_MS);
    uint64_t share = used[0] / (SPAN_MS * KP_NS_PER_MS / 100);
    report(told && share >= 40 && share <= 56, "background-is-capped", used);

    /* Part of the shell: beside the one in front, with the larger share. */
    told = kp_process_resume(tabs[1].process) == KP_OK && role(0, KP_TAB_ROLE_CHROME) == KP_OK;
    measure(used, SPAN_MS);
    report(told && is_most(used, 0, 65) && !is_most(used, 0, 85), "toolbar-beside-front", used);

    told = role(0, KP_TAB_ROLE_CHROME + 1) == KP_ERR_INVALID_ARGUMENT &&
           kp_tab_set_role(tabs[0].process, tabs[0].process, 0) == KP_ERR_WRONG_TYPE &&
           kp_process_kill(tabs[0].process) == KP_OK &&
           kp_object_wait_one(tabs[0].process, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL) ==
               KP_OK &&
           role(0, KP_TAB_ROLE_FRONT) == KP_ERR_NOT_FOUND;
    report(told, "no-such-tab", used);
    kp_log("roles: finished");
    return 0;
}
