/* kpio trace: records what the kernel does while a page loads, for a timeline viewer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted.h"
#include "tools/kpio/child.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/options.h"
#include "tools/kpio/target.h"
#include "tools/kpio/trace_json.h"

enum { RECORDING_MAX = 1 << 30, LINE_LIMIT = 9000 };

typedef struct trace_options {
    const char *machine, *output, *until, *from, *root;
    uint32_t records, processors, timeout;
} trace_options_t;

/* ---- recording ---- */

static int record_in_qemu(const trace_options_t *options, const char *url, const char *recording)
{
    static char self[KP_KPIO_PATH_MAX];
    char append[128], processors[16], timeout[16];
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (length <= 0)
        return KP_KPIO_FAILED;
    self[length] = 0;
    snprintf(append, sizeof(append), "trace=%u trace-until=%s", options->records, options->until);
    snprintf(processors, sizeof(processors), "%u", options->processors);
    snprintf(timeout, sizeof(timeout), "%u", options->timeout);
    const char *arguments[20] = {self,
                                 "run",
                                 url,
                                 "--headless",
                                 "--accel",
                                 "tcg",
                                 "--smp",
                                 processors,
                                 "--trace",
                                 recording,
                                 "--timeout",
                                 timeout,
                                 "--serial",
                                 "/dev/null",
                                 "--append",
                                 append,
                                 options->root ? "--root" : NULL,
                                 options->root,
                                 NULL};
    pid_t child = kp_child_start((char *const *)arguments, -1, STDERR_FILENO, -1);
    int status;
    if (child < 0) {
        kp_kpio_say("cannot start kpio run: %s", strerror(errno));
        return KP_KPIO_FAILED;
    }
    if (!kp_child_wait(child, kp_child_now() + (int64_t)(options->timeout + 30) * 1000, &status)) {
        kp_child_kill(child);
        return KP_KPIO_TIMEOUT;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : KP_KPIO_FAILED;
}

/* Ends the recording when the page does not reach its mark. */
static int hosted_wait(void *context)
{
    const trace_options_t *options = context;
    kp_time_t deadline = kp_machine_now() + (kp_time_t)options->timeout * KP_NS_PER_S;
    if (kp_kernel_join(deadline) == KP_OK)
        return KP_KPIO_OK;
    kp_kpio_say("time limit: the mark %s did not come; what was recorded is written",
                options->until);
    return KP_KPIO_TIMEOUT;
}

static int record_hosted(const trace_options_t *options, const char *url, const char *recording)
{
    static char line[LINE_LIMIT], bundle[KP_KPIO_PATH_MAX];
    if (!kp_kpio_beside("kpio.bundle", bundle, sizeof bundle)) {
        kp_kpio_say("cannot tell where kpio.bundle is");
        return KP_KPIO_MISSING;
    }
    snprintf(line, sizeof line, "url=%s trace=%u trace-until=%s", url, options->records,
             options->until);
    kp_hosted_options_t hosted = {
        .bundle_path = bundle,
        .command_line = line,
        .net = KP_HOSTED_NET_HOST,
        .display = KP_HOSTED_DISPLAY_MEMORY,
        .trace_path = recording,
        .log_level = -1,
    };
    int result = 0;
    kp_status_t status = kp_hosted_run(&hosted, hosted_wait, (void *)options, &result);
    if (status == KP_OK)
        return result;
    kp_kpio_say("the system does not start from %s: %s", bundle, kp_status_text(status));
    return KP_KPIO_MISSING;
}

static int record(const trace_options_t *options, const char *name, const char *recording)
{
    if (strcmp(options->machine, "qemu") == 0)
        return record_in_qemu(options, name, recording);
    char error[4400];
    static char url[8192];
    kp_file_server_t server = {.child = -1};
    kp_status_t status = kp_target_url(name, options->root, "127.0.0.1", &server, url, sizeof url,
                                       error, sizeof error);
    int code = status == KP_OK ? record_hosted(options, url, recording) : kp_target_exit(status);
    if (status != KP_OK)
        kp_kpio_say("%s: %s", name, error);
    kp_file_server_stop(&server);
    return code;
}

/* ---- converting ---- */

static int convert(const char *recording, const char *output)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    kp_trace_summary_t summary;
    const char *why = NULL;
    kp_status_t status = kp_file_read(recording, RECORDING_MAX, &bytes, &size);
    if (status != KP_OK) {
        kp_kpio_say("%s: no recording: %s", recording, kp_file_reason(status));
        return KP_KPIO_FAILED;
    }
    FILE *out = strcmp(output, "-") == 0 ? stdout : fopen(output, "w");
    if (!out) {
        kp_kpio_say("%s: cannot write: %s", output, strerror(errno));
        free(bytes);
        return KP_KPIO_FAILED;
    }
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is said like a full disk */
    errno = 0;
    status = kp_trace_json(bytes, size, out, &summary, &why);
    if ((out == stdout ? fflush(out) : fclose(out)) != 0 && status == KP_OK)
        status = KP_ERR_IO;
    free(bytes);
    if (status == KP_ERR_IO && errno) {
        kp_kpio_say("%s: cannot write: %s", output, strerror(errno));
        return KP_KPIO_FAILED;
    }
    if (status != KP_OK) {
        kp_kpio_say("%s: %s", recording, why ? why : kp_status_text(status));
        return KP_KPIO_FAILED;
    }
    fprintf(stderr,
            "kpio: %s: %.3f ms on %llu processors, %llu threads: %llu switches, %llu messages, "
            "%llu calls, %llu page faults, %llu interrupts%s\n",
            output, (double)(summary.last - summary.first) / 1e6,
            (unsigned long long)summary.processors, (unsigned long long)summary.threads,
            (unsigned long long)summary.switches, (unsigned long long)summary.messages,
            (unsigned long long)summary.calls, (unsigned long long)summary.faults,
            (unsigned long long)summary.interrupts,
            summary.lost ? "; the oldest records did not fit (--records)" : "");
    return KP_KPIO_OK;
}

static int record_and_convert(const trace_options_t *options, const char *name)
{
    char recording[KP_KPIO_PATH_MAX];
    int file = kp_file_temporary("trace", recording, sizeof recording);
    if (file < 0 || unlink(recording) != 0) {
        kp_kpio_say("cannot make a temporary file: %s", strerror(errno));
        return KP_KPIO_FAILED;
    }
    /* Named by our descriptor, for QEMU too, so that nothing stays of it if a signal ends us. */
    snprintf(recording, sizeof recording, "/proc/%ld/fd/%d", (long)getpid(), file);
    int code = record(options, name, recording);
    struct stat made;
    if (code == KP_KPIO_OK && stat(recording, &made) == 0 && made.st_size == 0) {
        kp_kpio_say("%s: time limit: the mark %s did not come in %u s", name, options->until,
                    options->timeout);
        code = KP_KPIO_TIMEOUT;
    } else if (code == KP_KPIO_OK || code == KP_KPIO_TIMEOUT) {
        int converted = convert(recording, options->output);
        code = code == KP_KPIO_OK ? converted : code;
    }
    close(file);
    return code;
}

int kp_kpio_trace(int count, char **arguments)
{
    static trace_options_t trace = {.machine = "qemu",
                                    .output = "trace.json",
                                    .until = "load-done",
                                    .records = 1u << 17,
                                    .processors = 1,
                                    .timeout = 60};
    const kp_option_t options[] = {
        {"--output", 'o', KP_OPTION_TEXT, "FILE",
         "Chrome trace JSON (trace.json); - for standard output", &trace.output, 0, 0},
        {"--machine", 0, KP_OPTION_TEXT, "qemu|hosted", "which KPIO (qemu)", &trace.machine, 0, 0},
        {"--until", 0, KP_OPTION_TEXT, "MARK", "the boot mark that ends the recording (load-done)",
         &trace.until, 0, 0},
        {"--records", 0, KP_OPTION_NUMBER, "N", "events kept for each processor (131072)",
         &trace.records, 64, 1 << 22},
        {"--smp", 0, KP_OPTION_NUMBER, "N", "processors of the QEMU guest (1)", &trace.processors,
         1, 16},
        {"--root", 0, KP_OPTION_TEXT, "FOLDER", "what a local page may load (its own folder)",
         &trace.root, 0, 0},
        {"--timeout", 0, KP_OPTION_NUMBER, "SECONDS", "(60)", &trace.timeout, 1, 86400},
        {"--from", 0, KP_OPTION_TEXT, "FILE", "converts a recording that kpio run --trace made",
         &trace.from, 0, 0},
    };
    const kp_option_set_t set = {
        "kpio trace URL [OPTION]...",
        "Boots KPIO, loads the page and writes what the kernel did meanwhile: threads "
        "on\nprocessors, "
        "system calls, messages, page faults, interrupts. Open the file in\nchrome://tracing or "
        "ui.perfetto.dev.",
        options, sizeof options / sizeof options[0]};
    bool help;
    int positional = kp_options_parse(&set, count, arguments, &help);
    if (help) {
        kp_options_help(&set);
        return KP_KPIO_OK;
    }
    bool known = strcmp(trace.machine, "qemu") == 0 || strcmp(trace.machine, "hosted") == 0;
    if (positional < 0)
        return KP_KPIO_USAGE;
    if (positional != (trace.from ? 0 : 1) || !known || strpbrk(trace.until, " \"") ||
        strlen(trace.until) > 32) {
        kp_kpio_say("usage: %s; --machine takes qemu or hosted", set.usage);
        return KP_KPIO_USAGE;
    }
    return trace.from ? convert(trace.from, trace.output)
                      : record_and_convert(&trace, arguments[0]);
}
