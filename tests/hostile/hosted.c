/* The suite on the machine hosted, the kernel under ASan and UBSan. Usage: hostile-hosted [--files N] BUNDLE [WORD...]
   (words for the driver; N of the archive's files are given to it, and stay). The kernel's log, with the driver's results, goes to standard error; afterwards every object
   that the processes made must be gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"
#include "kernel/object/object.h"
#include "kernel/object/wait.h"

static uint64_t files_given;

/* How many stay: the registry has a channel for each service, the supervisor an event, the timers a
   kernel thread when they have been used; this thread; the tree's root. */
static uint64_t kept(uint32_t type)
{
    switch (type) {
    case KP_TYPE_CHANNEL:
        return 2 * kp_object_count(KP_TYPE_SERVICE);
    case KP_TYPE_EVENT:
    case KP_TYPE_COORDINATOR:
    case KP_TYPE_CODE_AUTHORITY:
    case KP_TYPE_JOB:
        return 1;
    case KP_TYPE_THREAD:
        return 2;
    case KP_TYPE_VMO:
        return files_given;
    case KP_TYPE_SERVICE:
    case KP_TYPE_DEVICE:
        return UINT64_MAX; /* what there is of them is there from the start */
    default:
        return 0;
    }
}

static int run(void *context)
{
    (void)context;
    kp_kernel_run();
    int left = 0;
    for (uint32_t type = 1; type < KP_OBJECT_TYPE_LIMIT; type++) {
        /* A thread may be on its last instructions with a reference. */
        for (int tries = 0; kp_object_count(type) > kept(type) && tries < 30000; tries++)
            (void)kp_wait_many(NULL, 0, kp_machine_now() + 10 * KP_NS_PER_MS);
        uint64_t count = kp_object_count(type);
        if (count > kept(type)) {
            fprintf(stderr, "hostile: not ok leak: %llu objects of type %u are left\n",
                    (unsigned long long)count, type);
            left++;
        }
    }
    if (!left)
        fprintf(stderr, "hostile: ok nothing-is-left\n");
    return left != 0;
}

int main(int argc, char **argv)
{
    static char line[2048] = "display=off";
    int result = 0;
    if (argc > 2 && strcmp(argv[1], "--files") == 0) {
        files_given = strtoul(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: hostile-hosted [--files N] BUNDLE [WORD...]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        strncat(line, " ", sizeof(line) - strlen(line) - 1);
        strncat(line, argv[i], sizeof(line) - strlen(line) - 1);
    }
    kp_hosted_options_t options = {
        .bundle_path = argv[1],
        .command_line = line,
        .net = KP_HOSTED_NET_OFF,
        .display = KP_HOSTED_DISPLAY_NONE,
        .log_level = KP_LOG_INFO,
    };
    kp_status_t status = kp_hosted_run(&options, run, NULL, &result);
    if (status != KP_OK) {
        fprintf(stderr, "hostile: not ok start: %s\n", kp_status_text(status));
        return 1;
    }
    return result;
}
