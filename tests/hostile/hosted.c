/* The suite on the machine hosted, the kernel under ASan and UBSan. Usage: hostile-hosted BUNDLE [WORD...]
   (words for the driver). The kernel's log, with the driver's results, goes to standard error; afterwards every object
   that the processes made must be gone. */
#include <stdio.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"
#include "kernel/object/object.h"
#include "kernel/object/wait.h"

static const uint32_t types[] = {KP_TYPE_CHANNEL, KP_TYPE_VMO,  KP_TYPE_EVENT,
                                 KP_TYPE_PROCESS, KP_TYPE_PORT, KP_TYPE_TIMER};

static int run(void *context)
{
    (void)context;
    kp_kernel_run();
    int left = 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        uint64_t count = kp_object_count(types[i]);
        /* The registry's request channels and the supervisor's event stay. */
        uint64_t kept = types[i] == KP_TYPE_CHANNEL ? 16 : types[i] == KP_TYPE_EVENT ? 1 : 0;
        /* A thread may be on its last instructions with a reference. */
        for (int tries = 0; count > kept && tries < 1000; tries++) {
            (void)kp_wait_many(NULL, 0, kp_machine_now() + 10 * KP_NS_PER_MS);
            count = kp_object_count(types[i]);
        }
        if (count > kept) {
            fprintf(stderr, "hostile: not ok leak: %llu objects of type %u are left\n",
                    (unsigned long long)count, types[i]);
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
    if (argc < 2) {
        fprintf(stderr, "usage: hostile-hosted BUNDLE [WORD...]\n");
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
