/* The whole system on the machine hosted, with the shell and a screen in memory: its processes are
   ended one after the other, and each time the page must come back. Usage, from crash.sh:
     system-crash BUNDLE URL SERVER-LOG host|slirp
   Prints ok / not ok lines. What counts is the server's log and the pixels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/device.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"

/* Guards against hanging, not measures. */
#define PATIENCE (300 * KP_NS_PER_S)
#define STEP (20 * KP_NS_PER_MS)

enum { KEY_F5 = 63, TOOLBAR_HEIGHT = 40, RED_PIXELS = 60 * 40 };

static const char *server_log;
static bool is_slirp;
static int failures;

static bool report(bool good, const char *name, const char *why)
{
    printf("%s %s%s%s%s\n", good ? "ok" : "not ok", name, is_slirp ? "-slirp" : "",
           good ? "" : ": ", good ? "" : why);
    fflush(stdout);
    failures += !good;
    return good;
}

static void sleep_step(void)
{
    (void)kp_wait_many(NULL, 0, kp_machine_now() + STEP); /* times out: that is the sleep */
}

/* ---- what is seen from outside ---- */

static uint32_t requests(const char *line)
{
    char text[512];
    uint32_t count = 0;
    FILE *file = fopen(server_log, "r");
    while (file && fgets(text, sizeof text, file))
        count += strncmp(text, line, strlen(line)) == 0;
    if (file)
        fclose(file);
    return count;
}

/* How many pixels of the page area (or of the toolbar) have a colour. */
static uint32_t pixels_count(bool toolbar, uint32_t color)
{
    uint32_t width = 0, height = 0, count = 0;
    uint8_t *pixels = kp_hosted_screen_copy(&width, &height);
    if (!pixels)
        return 0;
    uint32_t first = toolbar ? 0 : TOOLBAR_HEIGHT, end = toolbar ? TOOLBAR_HEIGHT : height;
    for (size_t i = (size_t)first * width; i < (size_t)end * width; i++) {
        uint32_t pixel;
        memcpy(&pixel, pixels + 4 * i, 4);
        count += (pixel & 0xffffff) == color;
    }
    free(pixels);
    return count;
}

static bool page_is_shown(void)
{
    return pixels_count(false, 0xff0000) >= RED_PIXELS &&
           pixels_count(false, 0x0000ff) >= RED_PIXELS;
}

static bool page_is_gone(void)
{
    return pixels_count(false, 0xff0000) == 0;
}

static bool wait_until(bool (*condition)(void))
{
    kp_time_t deadline = kp_machine_now() + PATIENCE;
    while (!condition()) {
        if (kp_machine_now() > deadline)
            return false;
        sleep_step();
    }
    return true;
}

/* ---- processes ---- */

typedef struct search {
    const char *name;    /* or its beginning, with '*' at the end */
    uint64_t after;      /* only younger ones */
    bool is_oldest;      /* wanted, not the youngest */
    kp_process_t *found; /* referenced */
} search_t;

static void search_step(kp_process_t *process, void *context)
{
    search_t *search = context;
    size_t length = strlen(search->name);
    bool prefix = search->name[length - 1] == '*';
    bool same = prefix ? strncmp(process->name, search->name, length - 1) == 0
                       : strcmp(process->name, search->name) == 0;
    if (!same || process->object.koid <= search->after ||
        (search->found && (search->found->object.koid > process->object.koid) != search->is_oldest))
        return;
    kp_object_acquire(&process->object);
    if (search->found)
        kp_object_release(&search->found->object);
    search->found = process;
}

static kp_process_t *process_find(const char *name, uint64_t after, bool is_oldest)
{
    search_t search = {.name = name, .after = after, .is_oldest = is_oldest};
    kp_process_each(search_step, &search);
    return search.found;
}

/* Ends a process as a wild pointer would, and waits for its successor (NULL: does not). */
static bool crash(const char *name, const char *successor)
{
    char text[96];
    kp_process_t *process = process_find(name, 0, true);
    snprintf(text, sizeof text, "crash-%s", name);
    if (!process)
        return report(false, text, "there is no such process");
    uint64_t id = process->object.koid;
    kp_process_end(process, KP_EXIT_FAULT, 0, 0x1234);
    bool gone = kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, kp_machine_now() + PATIENCE,
                            NULL) == KP_OK;
    kp_object_release(&process->object);
    kp_time_t deadline = kp_machine_now() + PATIENCE;
    kp_process_t *next = NULL;
    while (successor && !(next = process_find(successor, id, false)) && kp_machine_now() < deadline)
        sleep_step();
    if (next)
        kp_object_release(&next->object);
    return report(gone && (!successor || next), text,
                  gone ? "no new process came" : "it does not end");
}

static void press(uint16_t code)
{
    const kp_input_event_t events[] = {{KP_INPUT_KEY, code, 1, 0},
                                       {KP_INPUT_SYNC, 0, 0, 0},
                                       {KP_INPUT_KEY, code, 0, 0},
                                       {KP_INPUT_SYNC, 0, 0, 0}};
    kp_hosted_input(events, sizeof events / sizeof events[0]);
}

/* F5 asks the server again and shows the page. */
static void reload(const char *after)
{
    char text[96];
    uint32_t before = requests("GET /index.html 200");
    kp_time_t deadline = kp_machine_now() + PATIENCE;
    snprintf(text, sizeof text, "reload-after-%s", after);
    /* Keys that come while a new display has no client yet are nobody's: as a person would, press
       again when nothing happens. */
    kp_time_t press_at = 0;
    while (requests("GET /index.html 200") == before && kp_machine_now() < deadline) {
        if (kp_machine_now() >= press_at) {
            press(KEY_F5);
            press_at = kp_machine_now() + KP_NS_PER_S;
        }
        sleep_step();
    }
    bool asked = requests("GET /index.html 200") > before;
    report(asked && wait_until(page_is_shown), text,
           asked ? "the page is not shown" : "the server was not asked");
}

static int work(void *context)
{
    (void)context;
    if (!report(wait_until(page_is_shown), "page-before-crashes", "the page is not shown"))
        return 1;
    /* The page's tab is the oldest: the shell starts it before the toolbar's. A crash shows the
       crash page in a fresh process. */
    uint32_t requested = requests("GET /index.html 200");
    if (crash("tab*", "tab*")) {
        bool gone = wait_until(page_is_gone);
        if (gone) {
            report(true, "crash-page", "");
            report(requests("GET /index.html 200") == requested, "no-reload-by-itself",
                   "the page was fetched again without being asked for");
        } else {
            report(false, "crash-page", "the old page is still on the screen");
        }
        reload("tab");
    }
    if (crash("http", "http"))
        reload("http");
    if (is_slirp && crash("netstack", "netstack"))
        reload("netstack");
    if (crash("display", "display")) {
        report(wait_until(page_is_shown), "shown-again-by-new-display", "the screen stays empty");
        reload("display");
    }
    /* And once more: not only the first restart works. */
    if (crash("http", "http"))
        reload("second-http");
    return failures;
}

int main(int argc, char **argv)
{
    static char command_line[4096];
    int result = 0;
    if (argc != 5)
        return 2;
    server_log = argv[3];
    is_slirp = strcmp(argv[4], "slirp") == 0;
    snprintf(command_line, sizeof command_line, "url=%s", argv[2]);
    kp_hosted_options_t options = {
        .bundle_path = argv[1],
        .command_line = command_line,
        .net = is_slirp ? KP_HOSTED_NET_SLIRP : KP_HOSTED_NET_HOST,
        .display = KP_HOSTED_DISPLAY_MEMORY,
        .width = 1280,
        .height = 800,
        .log_level = getenv("VERBOSE") ? KP_LOG_DEBUG : -1,
    };
    kp_status_t status = kp_hosted_run(&options, work, NULL, &result);
    if (status != KP_OK)
        report(false, "system-starts", kp_status_text(status));
    return status != KP_OK || failures != 0;
}
