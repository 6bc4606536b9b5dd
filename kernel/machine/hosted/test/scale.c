/* `hosted_scale BUNDLE PROCESSES CHANNELS`: so many processes that wait, with so many channels that they hold
   an end of, and what all that takes of the host's memory: "NAME VALUE UNIT" lines. Not sanitised: the
   sanitisers' own memory is not to be counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted.h"

/* A guard against hanging, not a measure. */
#define PATIENCE (60 * KP_NS_PER_S)

static struct {
    size_t processes, channels;
    kp_process_t **made;
    kp_capability_t *ends; /* ours; the first of each process's is its peer */
} world;

static bool start(size_t index, const kp_image_t *image)
{
    size_t count = world.channels / world.processes;
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "calls");
    kp_startup_argument(&startup, "serve");
    for (size_t i = 0; i < count; i++) {
        kp_capability_t ends[2];
        char name[16];
        if (kp_channel_create(ends) != KP_OK)
            return false;
        kp_snprintf(name, sizeof(name), i == 0 ? "peer" : "channel%u", (unsigned)i);
        kp_startup_grant(&startup, name, ends[0]);
        world.ends[index * count + i] = ends[1];
    }
    return kp_startup_launch(&startup, "calls", image, kp_job_root(), NULL, &world.made[index]) ==
           KP_OK;
}

/* Until it makes no more calls: it waits for its first request. */
static bool await_idle(kp_process_t *process)
{
    uint64_t seen = 0;
    kp_process_info_t info;
    for (kp_time_t end = kp_machine_now() + PATIENCE; kp_machine_now() < end;) {
        kp_process_info(process, &info);
        if (info.state != KP_PROCESS_RUNNING)
            return false;
        if (info.calls > 3 && info.calls == seen)
            return true;
        seen = info.calls;
        usleep(2000);
    }
    return false;
}

/* Proportional set size in KiB of a process of the host. */
static uint64_t pss_kib(int pid)
{
    char path[48], line[128];
    unsigned long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, "Pss: %llu", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

static int run(void *context)
{
    (void)context;
    const kp_image_t *image;
    if (kp_files_image("calls", &image) != KP_OK)
        return 1;
    uint64_t before = pss_kib(getpid());
    size_t per_process = world.channels / world.processes;
    for (size_t i = 0; i < world.processes; i++) {
        if (!start(i, image)) {
            fprintf(stderr, "process %zu could not be made\n", i);
            return 1;
        }
    }
    for (size_t i = 0; i < world.processes; i++) {
        if (!await_idle(world.made[i])) {
            fprintf(stderr, "process %zu did not begin\n", i);
            return 1;
        }
    }
    uint64_t kernel = pss_kib(getpid()), children = 0;
    for (size_t i = 0; i < world.processes; i++)
        children += pss_kib(world.made[i]->space.child->pid);
    printf("kernel_alone_kib %llu KiB\n", (unsigned long long)before);
    printf("kernel_kib %llu KiB\n", (unsigned long long)kernel);
    printf("processes_kib %llu KiB\n", (unsigned long long)children);
    printf("all_kib %llu KiB\n", (unsigned long long)(kernel + children));
    fflush(stdout);
    if (getenv("KPIO_SCALE_PAUSE"))
        pause();
    for (size_t i = 0; i < world.processes * per_process; i++)
        kp_capability_close(&world.ends[i]);
    for (size_t i = 0; i < world.processes; i++) {
        kp_process_info_t info;
        if (kp_wait_one(&world.made[i]->object, KP_SIGNAL_TERMINATED, kp_machine_now() + PATIENCE,
                        NULL) != KP_OK)
            return 1;
        kp_process_info(world.made[i], &info);
        kp_object_release(&world.made[i]->object);
        if (info.exit_reason != KP_EXIT_NORMAL || info.exit_code != 0) {
            fprintf(stderr, "process %zu: reason %u code %d\n", i, info.exit_reason,
                    (int)info.exit_code);
            return 1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    world.processes = strtoul(argv[2], NULL, 10);
    world.channels = strtoul(argv[3], NULL, 10);
    world.made = calloc(world.processes, sizeof(*world.made));
    world.ends = calloc(world.channels, sizeof(*world.ends));
    kp_hosted_options_t options = {
        .bundle_path = argv[1],
        .command_line = "shell=off display=off http=off",
        .log_level = -1,
    };
    int result = 1;
    kp_status_t status = kp_hosted_run(&options, run, NULL, &result);
    return status != KP_OK || result != 0;
}
