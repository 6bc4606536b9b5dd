/* A thousand idle processes and ten thousand channels at once; what they cost, the kernel's memory reports
   say (memory.sh). */
#include <stdlib.h>

#include "runtime/test/memory.h"

enum { PROCESSES = 1000, CHANNELS = 10000 };

int test_scale(void)
{
    DO(take_authority());
    child_t template;
    child_t *children = calloc(PROCESSES, sizeof(*children));
    kp_handle_t(*channels)[2] = calloc(CHANNELS, sizeof(*channels));
    CHECK(children && channels);
    DO(make_snapshot(&template));
    CHECK(kp_boot_mark_text("first-paint") == KP_OK);
    kp_time_t start = kp_now();
    for (int i = 0; i < PROCESSES; i++) {
        report_t report;
        DO(make_child(&children[i], "clone", template.process));
        CHECK(kp_process_start(children[i].process) == KP_OK);
        DO(hear(&children[i], &report)); /* it runs, and waits for good from now on */
        CHECK(report.value == 1001);
    }
    kp_log("figure: %d processes in %lld ns", PROCESSES, (long long)(kp_now() - start));
    CHECK(kp_boot_mark_text("load-done") == KP_OK);
    /* Those of the processes are channels too. */
    for (int i = 0; i < CHANNELS - PROCESSES; i++)
        CHECK(kp_channel_create(channels[i]) == KP_OK);
    CHECK(kp_boot_mark_text("toolbar") == KP_OK);
    for (int i = 0; i < PROCESSES; i++) {
        CHECK(kp_process_kill(children[i].process) == KP_OK);
        DO(finish(&children[i], KP_EXIT_KILLED, 0));
    }
    for (int i = 0; i < CHANNELS - PROCESSES; i++)
        CHECK(kp_handle_close(channels[i][0]) == KP_OK && kp_handle_close(channels[i][1]) == KP_OK);
    CHECK(kp_boot_mark_text("first-paint") == KP_OK);
    return 0;
}
