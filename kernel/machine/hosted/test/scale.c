/* `hosted_scale BUNDLE PROCESSES CHANNELS`: so many processes that wait, with so many channels that they hold
   an end of, and what all that takes of the host's memory: "NAME VALUE UNIT" lines.
   `hosted_scale BUNDLE tabs COUNT`: so many clones of the snapshot of a tab, ready for a page, and how long one
   takes from the decision to its first message. `pages` instead of `tabs`: each then shows a page of some 100
   paragraphs, and it is the time of that. Not sanitised: the sanitisers' own memory is not to be
   counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/tab.h"
#include "kernel/init/boot.h"
#include "kernel/init/files.h"
#include "kernel/init/startup.h"
#include "kernel/ipc/channel.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted.h"
#include "kernel/object/snapshot.h"
#include "kernel/object/wait.h"

/* A guard against hanging, not a measure. */
#define PATIENCE (600 * KP_NS_PER_S)

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

static void print(const char *name, uint64_t value, const char *unit)
{
    printf("%s %llu %s\n", name, (unsigned long long)value, unit);
    fflush(stdout);
}

/* The kernel's own and that of the processes. */
static void print_memory(uint64_t before)
{
    uint64_t kernel = pss_kib(getpid()), children = 0;
    for (size_t i = 0; i < world.processes; i++)
        children += pss_kib(world.made[i]->space.child->pid);
    print("kernel_alone_kib", before, "KiB");
    print("kernel_kib", kernel, "KiB");
    print("processes_kib", children, "KiB");
    print("all_kib", kernel + children, "KiB");
    /* PSS knows only pages that somebody has mapped just now; this has all of the memory files. */
    kp_memory_usage_t usage;
    kp_machine_memory_usage(&usage);
    print("used_kib", usage.used / 1024, "KiB");
    if (getenv("KPIO_SCALE_PAUSE"))
        pause();
}

/* ---- tabs ---- */

static bool launch_tab(const kp_image_t *image, kp_snapshot_t *snapshot, kp_capability_t control,
                       kp_process_t **out)
{
    kp_startup_t startup;
    kp_startup_init(&startup);
    kp_startup_argument(&startup, "tab");
    startup.snapshot = snapshot;
    if (snapshot) {
        kp_startup_grant(&startup, "control", control);
    } else {
        kp_startup_argument(&startup, "snapshot");
        kp_files_grant(&startup, "fonts/");
        kp_files_grant(&startup, "ui/");
    }
    kp_job_t *job;
    if (kp_boot_job(1024, KP_BAND_NORMAL, &job) != KP_OK)
        return false;
    bool is_made = kp_startup_launch(&startup, "tab", image, job, NULL, out) == KP_OK;
    kp_object_release(&job->object);
    return is_made;
}

static int compare_times(const void *a, const void *b)
{
    kp_time_t x = *(const kp_time_t *)a, y = *(const kp_time_t *)b;
    return (x > y) - (x < y);
}

static kp_status_t send(kp_capability_t end, const void *head, size_t head_size, const char *text,
                        size_t text_size)
{
    static uint8_t bytes[65536];
    memcpy(bytes, head, head_size);
    memcpy(bytes + head_size, text, text_size);
    return kp_channel_send(end, bytes, head_size + text_size, NULL, 0);
}

/* Has the tab show a page, and waits until it is painted. */
static bool show_page(kp_capability_t end)
{
    static const char url[] = "http://page.invalid/",
                      paragraph[] =
                          "<p>A <b>paragraph</b> of some length, <i>one</i> of a hundred, "
                          "with <a href=next>a link</a> and text enough for two lines or "
                          "three, as pages have; 0123456789.</p>";
    static char html[32768];
    size_t size = 0;
    for (int i = 0; i < 100; i++)
        size += (size_t)kp_snprintf(html + size, sizeof(html) - size, "%s", paragraph);
    const kp_tab_configure_t configure = {
        .header = {KP_TAB_CONFIGURE, 0}, .width = 1280, .height = 800, .scale = 256};
    const struct {
        kp_tab_load_html_t load;
        char url[sizeof(url) - 1];
    } load = {{.header = {KP_TAB_LOAD_HTML, 0},
               .load_id = 1,
               .url_size = sizeof(url) - 1,
               .html_size = (uint32_t)size},
              "http://page.invalid/"};
    if (send(end, &configure, sizeof(configure), "", 0) != KP_OK ||
        send(end, &load, offsetof(__typeof__(load), url) + sizeof(load.url), html, size) != KP_OK)
        return false;
    for (bool has_frame = false;;) {
        kp_message_t *message;
        if (kp_channel_receive(end, kp_machine_now() + PATIENCE, &message) != KP_OK)
            return false;
        kp_message_header_t header;
        memcpy(&header, message->bytes, sizeof(header));
        kp_tab_load_state_t state = {0};
        kp_tab_frame_t frame;
        if (header.ordinal == KP_TAB_LOAD_STATE)
            memcpy(&state, message->bytes, KP_MIN(sizeof(state), message->byte_count));
        if (header.ordinal == KP_TAB_FRAME) {
            memcpy(&frame, message->bytes, sizeof(frame));
            has_frame = true;
            const kp_tab_frame_done_t done = {{KP_TAB_FRAME_DONE, 0}, frame.sequence};
            (void)send(end, &done, sizeof(done), "", 0);
        }
        kp_message_destroy(message);
        if (state.state == KP_TAB_LOAD_DONE || state.state == KP_TAB_LOAD_FAILED)
            return has_frame && state.state == KP_TAB_LOAD_DONE;
    }
}

/* context: they show pages. */
static int run_tabs(void *context)
{
    const kp_image_t *image;
    kp_process_t *original;
    if (kp_files_image("tab", &image) != KP_OK ||
        !launch_tab(image, NULL, (kp_capability_t){0}, &original) ||
        kp_wait_one(&original->object, KP_SIGNAL_FROZEN, kp_machine_now() + PATIENCE, NULL) !=
            KP_OK)
        return 1;
    kp_snapshot_t *snapshot = kp_process_snapshot(original);
    kp_time_t *times = calloc(world.processes, sizeof(*times));
    if (!snapshot || !times)
        return 1;
    uint64_t before = pss_kib(getpid()), private_bytes, shared_bytes;
    kp_machine_snapshot_usage(&snapshot->machine, &private_bytes, &shared_bytes);
    print("snapshot_kib", private_bytes / 1024, "KiB");
    for (size_t i = 0; i < world.processes; i++) {
        kp_capability_t ends[2];
        kp_message_t *message;
        if (kp_channel_create(ends) != KP_OK)
            return 1;
        kp_time_t start = kp_machine_now();
        if (!launch_tab(image, snapshot, ends[1], &world.made[i]) ||
            kp_channel_receive(ends[0], start + PATIENCE, &message) != KP_OK) {
            fprintf(stderr, "tab %zu did not begin\n", i);
            return 1;
        }
        kp_message_destroy(message);
        if (context && !show_page(ends[0])) {
            fprintf(stderr, "tab %zu shows no page\n", i);
            return 1;
        }
        times[i] = kp_machine_now() - start;
        world.ends[i] = ends[0];
    }
    usleep(200000); /* until the last of them waits */
    qsort(times, world.processes, sizeof(*times), compare_times);
    print(context ? "page_us" : "first_message_us", (uint64_t)times[world.processes / 2] / 1000,
          "us");
    print(context ? "page_best_us" : "first_message_best_us", (uint64_t)times[0] / 1000, "us");
    kp_process_info_t info;
    kp_process_info(world.made[0], &info);
    print("tab_private_kib", info.private_bytes / 1024, "KiB");
    print("tab_shared_kib", info.shared_bytes / 1024, "KiB");
    print_memory(before);
    for (size_t i = 0; i < world.processes; i++)
        kp_capability_close(&world.ends[i]);
    int failures = 0;
    for (size_t i = 0; i < world.processes; i++) {
        failures += kp_wait_one(&world.made[i]->object, KP_SIGNAL_TERMINATED,
                                kp_machine_now() + PATIENCE, NULL) != KP_OK;
        kp_process_info(world.made[i], &info);
        failures += info.exit_reason != KP_EXIT_NORMAL || info.exit_code != 0;
        kp_object_release(&world.made[i]->object);
    }
    free(times);
    kp_snapshot_release(snapshot);
    kp_process_end(original, KP_EXIT_KILLED, 0, 0);
    kp_object_release(&original->object);
    return failures > 0;
}

/* ---- idle processes ---- */

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
    print_memory(before);
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
    bool has_pages = strcmp(argv[2], "pages") == 0;
    bool is_tabs = has_pages || strcmp(argv[2], "tabs") == 0;
    world.processes = strtoul(argv[is_tabs ? 3 : 2], NULL, 10);
    world.channels = strtoul(argv[3], NULL, 10);
    if (world.processes == 0)
        return 2;
    world.made = calloc(world.processes, sizeof(*world.made));
    world.ends = calloc(world.channels, sizeof(*world.ends));
    kp_hosted_options_t options = {
        .bundle_path = argv[1],
        .command_line = "shell=off display=off http=off",
        .log_level = -1,
    };
    int result = 1;
    kp_status_t status =
        kp_hosted_run(&options, is_tabs ? run_tabs : run, has_pages ? &world : NULL, &result);
    return status != KP_OK || result != 0;
}
