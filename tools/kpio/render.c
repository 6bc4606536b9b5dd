/* kpio render, kpio dump: a page in the hosted system. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "abi/tab.h"
#include "kernel/machine/hosted/hosted.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/options.h"
#include "tools/kpio/png.h"
#include "tools/kpio/session.h"

enum {
    FULL_HEIGHT_MAX = 16384, /* device px; what the display captures */
    FULL_AREA_MAX = 1 << 28,
};

typedef struct job {
    const char *name; /* as the user gave it, for messages */
    const char *output;
    const char *bundle;
    const char *net;
    const char *root; /* folder of local files; NULL: the page's own */
    const char *format_name;
    uint32_t format; /* KP_TAB_DUMP_*; 0: render */
    uint32_t size[2];
    uint32_t timeout; /* seconds */
    bool full_page, verbose;
    kp_target_t target;
} job_t;

static int exit_code(const kp_session_t *session)
{
    if (session->crashed)
        return KP_KPIO_CRASHED;
    return session->status == KP_ERR_TIMED_OUT ? KP_KPIO_TIMEOUT : KP_KPIO_FAILED;
}

static int complain_output(const job_t *job, kp_status_t status)
{
    kp_kpio_say("%s: cannot write: %s", job->output,
                status == KP_ERR_IO && errno ? strerror(errno) : kp_status_text(status));
    return KP_KPIO_FAILED;
}

static kp_status_t write_picture(const job_t *job, kp_session_t *session, bool *cannot_write)
{
    uint32_t width = job->size[0], height = job->size[1];
    const uint8_t *pixels = NULL;
    size_t stride = 0;
    if (job->full_page && session->page_height > (int32_t)height)
        height = (uint32_t)session->page_height;
    if (height > FULL_HEIGHT_MAX || (uint64_t)width * height > FULL_AREA_MAX) {
        kp_kpio_say("%s: the page is %u pixels high; the picture stops at %d", job->name, height,
                    FULL_HEIGHT_MAX);
        height = FULL_HEIGHT_MAX;
    }
    kp_status_t status = kp_session_capture(session, width, height, &pixels, &stride);
    if (status != KP_OK)
        return status;
    errno = 0;
    status = kp_png_write(job->output, pixels, width, height, stride);
    *cannot_write = status != KP_OK;
    return status;
}

static kp_status_t write_dump(const job_t *job, kp_session_t *session, bool *cannot_write)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    kp_status_t status = kp_session_dump(session, job->format, &bytes, &size);
    if (status != KP_OK)
        return status;
    errno = 0;
    status = kp_file_write(job->output, bytes, size);
    *cannot_write = status != KP_OK;
    free(bytes);
    return status;
}

/* A local page's style sheets and pictures come from a server of its folder. What is not HTML is
   loaded from there altogether, with its type. */
static kp_status_t serve_files(job_t *job, kp_file_server_t *server, char *error, size_t size)
{
    const char *dot = strrchr(job->target.path, '.');
    bool is_html = !dot || strchr(dot, '/') || strcasecmp(dot, ".html") == 0 ||
                   strcasecmp(dot, ".htm") == 0 || strcasecmp(dot, ".xhtml") == 0;
    if (!job->target.file || strcmp(job->net, "off") == 0)
        return KP_OK;
    const char *host = strcmp(job->net, "slirp") == 0 ? "10.0.2.2" : "127.0.0.1";
    kp_status_t status = kp_target_serve(&job->target, job->root, host, server, error, size);
    if (status == KP_OK && !is_html)
        kp_target_clear(&job->target);
    return status;
}

/* On a kernel thread of the running system. */
static int work(void *context)
{
    const job_t *job = context;
    kp_session_t *session = calloc(1, sizeof *session);
    if (!session) {
        kp_kpio_say("%s: out of memory", job->name);
        return KP_KPIO_FAILED;
    }
    session->target = &job->target;
    session->width = job->size[0];
    session->height = job->size[1];
    session->paints = job->format == 0;
    session->has_scroll_bar = !job->full_page; /* all of the page is in the picture */
    session->deadline = kp_machine_now() + (kp_time_t)job->timeout * KP_NS_PER_S;
    int code = KP_KPIO_OK;
    bool cannot_write = false;
    kp_status_t status = kp_session_load(session);
    /* A load that failed half way still gives what arrived. */
    if (status == KP_OK && (session->status == KP_OK || session->committed))
        status = job->format ? write_dump(job, session, &cannot_write)
                             : write_picture(job, session, &cannot_write);
    if (cannot_write) {
        code = complain_output(job, status);
    } else if (session->status == KP_ERR_UNSUPPORTED_SCHEME) {
        kp_kpio_say("%s: %s", job->name, kp_status_text(session->status));
        code = KP_KPIO_FAILED;
    } else if (session->status == KP_ERR_NAME_NOT_RESOLVED && job->target.is_guess) {
        kp_kpio_say("%s: no file has this name, and as a host name it could not be resolved",
                    job->name);
        code = KP_KPIO_FAILED;
    } else if (status != KP_OK || session->status != KP_OK) {
        kp_kpio_say("%s: %s", job->name, session->text[0] ? session->text : kp_status_text(status));
        code = exit_code(session);
    } else if (session->http_status > 0 && session->http_status < 400 &&
               session->bytes_received == 0) {
        kp_kpio_say("%s: the server sent an empty page", job->name);
        code = KP_KPIO_FAILED;
    } else if (session->http_status >= 400) {
        kp_kpio_say("%s: the server answered with status %u", job->name, session->http_status);
        code = KP_KPIO_FAILED;
    }
    kp_session_close(session);
    free(session);
    return code;
}

static bool parse_format(job_t *job)
{
    static const struct {
        const char *name;
        uint32_t format;
    } formats[] = {
        {"text", KP_TAB_DUMP_TEXT}, {"html", KP_TAB_DUMP_HTML}, {"boxes", KP_TAB_DUMP_BOXES}};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(job->format_name, formats[i].name) == 0)
            job->format = formats[i].format;
    }
    if (!job->format)
        kp_kpio_say("--format takes text, html or boxes, not \"%s\"", job->format_name);
    return job->format != 0;
}

static int start_system(job_t *job)
{
    char bundle[KP_KPIO_PATH_MAX], command_line[128], error[256];
    if (!job->bundle) {
        if (!kp_kpio_beside("kpio.bundle", bundle, sizeof bundle)) {
            kp_kpio_say("cannot tell where kpio.bundle is; use --bundle");
            return KP_KPIO_MISSING;
        }
        job->bundle = bundle;
    }
    kp_file_server_t server = {.child = -1};
    kp_status_t status = kp_target_read(job->name, &job->target, error, sizeof error);
    if (status == KP_OK)
        status = serve_files(job, &server, error, sizeof error);
    if (status != KP_OK) {
        kp_kpio_say("%s: %s", job->name, error);
        kp_target_clear(&job->target);
        return kp_target_exit(status);
    }
    snprintf(command_line, sizeof command_line, "shell=off%s", job->format ? " display=off" : "");
    kp_hosted_options_t options = {
        .bundle_path = job->bundle,
        .command_line = command_line,
        .net = strcmp(job->net, "slirp") == 0 ? KP_HOSTED_NET_SLIRP
               : strcmp(job->net, "off") == 0 ? KP_HOSTED_NET_OFF
                                              : KP_HOSTED_NET_HOST,
        .display = KP_HOSTED_DISPLAY_NONE,
        .width = job->size[0],
        .height = job->size[1],
        .log_level = job->verbose ? KP_LOG_DEBUG : -1,
    };
    int code = KP_KPIO_OK;
    status = kp_hosted_run(&options, work, job, &code);
    kp_target_clear(&job->target);
    kp_file_server_stop(&server);
    if (status != KP_OK) {
        kp_kpio_say("the system does not start from %s: %s", job->bundle, kp_status_text(status));
        return KP_KPIO_MISSING;
    }
    return code;
}

/* The part that both commands share. */
static int run_job(job_t *job, const kp_option_set_t *set, int count, char **arguments)
{
    bool help;
    int positional = kp_options_parse(set, count, arguments, &help);
    if (help) {
        kp_options_help(set);
        return KP_KPIO_OK;
    }
    if (positional < 0)
        return KP_KPIO_USAGE;
    if (positional != 1) {
        kp_kpio_say("usage: %s", set->usage);
        return KP_KPIO_USAGE;
    }
    if (!job->output) {
        kp_kpio_say("no output file; add -o page.png");
        return KP_KPIO_USAGE;
    }
    if (strcmp(job->net, "host") != 0 && strcmp(job->net, "slirp") != 0 &&
        strcmp(job->net, "off") != 0) {
        kp_kpio_say("--net takes host, slirp or off, not \"%s\"", job->net);
        return KP_KPIO_USAGE;
    }
    if (job->format_name && !parse_format(job))
        return KP_KPIO_USAGE;
    job->name = arguments[0];
    return start_system(job);
}

enum { SHARED_OPTIONS = 6 };

/* The options of both commands; returns how many. */
static size_t shared_options(job_t *job, kp_option_t *to)
{
    const kp_option_t options[SHARED_OPTIONS] = {
        {"--size", 0, KP_OPTION_SIZE, "WxH", "viewport in CSS pixels (1280x800)", job->size, 16,
         4096},
        {"--timeout", 0, KP_OPTION_NUMBER, "SECONDS", "for everything (30)", &job->timeout, 1,
         3600},
        {"--net", 0, KP_OPTION_TEXT, "host|slirp|off",
         "host: this machine's sockets; slirp: KPIO's own stack", &job->net, 0, 0},
        {"--root", 0, KP_OPTION_TEXT, "FOLDER", "what a local page may load (its own folder)",
         &job->root, 0, 0},
        {"--bundle", 0, KP_OPTION_TEXT, "FILE", "the boot archive (kpio.bundle beside kpio)",
         &job->bundle, 0, 0},
        {"--verbose", 'v', KP_OPTION_FLAG, NULL, "the system's log on standard error",
         &job->verbose, 0, 0},
    };
    memcpy(to, options, sizeof options);
    return SHARED_OPTIONS;
}

int kp_kpio_render(int count, char **arguments)
{
    static job_t job = {.size = {1280, 800}, .timeout = 30, .net = "host"};
    kp_option_t options[2 + SHARED_OPTIONS] = {
        {"--output", 'o', KP_OPTION_TEXT, "FILE", "where the PNG goes; - for standard output",
         &job.output, 0, 0},
        {"--full-page", 0, KP_OPTION_FLAG, NULL, "the whole page, not only the viewport",
         &job.full_page, 0, 0},
    };
    const kp_option_set_t set = {
        "kpio render URL -o FILE [OPTION]...",
        "Paints a page (an http URL or a local file) into a PNG file. When a load breaks off, the\n"
        "part that arrived is painted and the exit code is 1.",
        options, 2 + shared_options(&job, options + 2)};
    return run_job(&job, &set, count, arguments);
}

int kp_kpio_dump(int count, char **arguments)
{
    static job_t job = {
        .size = {1280, 800}, .timeout = 30, .net = "host", .output = "-", .format_name = "text"};
    kp_option_t options[2 + SHARED_OPTIONS] = {
        {"--format", 0, KP_OPTION_TEXT, "text|html|boxes", "what to print (text)", &job.format_name,
         0, 0},
        {"--output", 'o', KP_OPTION_TEXT, "FILE", "where it goes (standard output)", &job.output, 0,
         0},
    };
    const kp_option_set_t set = {
        "kpio dump URL [OPTION]...",
        "Prints a page's visible text, its document as HTML, or the boxes of its elements as JSON\n"
        "(docs/kpio.md).",
        options, 2 + shared_options(&job, options + 2)};
    return run_job(&job, &set, count, arguments);
}
