#include "tools/kpio/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/kpio/child.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/png.h"
#include "tools/kpio/ppm.h"
#include "tools/kpio/program.h"
#include "tools/kpio/qmp.h"

enum {
    ARGUMENTS_MAX = 80,
    MARKS_MAX = 8,
    PICTURE_MAX = 1 << 30,
    QMP_TIMEOUT_MS = 60000,
    SETTLE_MS = 60,
    SETTLE_PART = 16, /* or this part of the time that the page took: slow machines paint slowly */
    SETTLE_TRIES = 20,
};

typedef struct running {
    const kp_guest_t *guest;
    pid_t child;
    int log_fd;     /* the guest's serial port and QEMU's messages, to read */
    int control_fd; /* QMP */
    int program_fd; /* the program's output, to read; -1: no program, or all was read */
    int serial_fd;  /* where the log goes; -1: nowhere */
    int64_t begin, deadline;
    char marks[MARKS_MAX][64];
    size_t mark_count, marks_seen;
    bool seen[MARKS_MAX];
    char line[1024]; /* of the log, so far */
    size_t line_used;
    char last_line[1024];    /* the last whole line that says something */
    char panic[1024];        /* the kernel's panic line, if it came */
    kp_user_output_t output; /* of guest->program */
} running_t;

static volatile sig_atomic_t interrupted; /* the signal's number */

static void on_signal(int number)
{
    interrupted = number;
}

/* ---- QEMU's command line ---- */

typedef struct arguments {
    char *items[ARGUMENTS_MAX];
    int count;
    bool failed;
} arguments_t;

/* Formats one argument; kept until arguments_free. */
__attribute__((format(printf, 2, 3))) static void add(arguments_t *arguments, const char *format,
                                                      ...)
{
    va_list values;
    char *text = NULL;
    va_start(values, format);
    if (arguments->count + 1 >= ARGUMENTS_MAX || vasprintf(&text, format, values) < 0)
        arguments->failed = true;
    else
        arguments->items[arguments->count++] = text;
    va_end(values);
}

static void arguments_free(arguments_t *arguments)
{
    for (int i = 0; i < arguments->count; i++)
        free(arguments->items[i]);
}

/* A path inside an option with commas: they are doubled. */
static const char *escape(const char *path, char *to, size_t size)
{
    size_t used = 0;
    for (; *path && used + 3 < size; path++) {
        if (*path == ',')
            to[used++] = ',';
        to[used++] = *path;
    }
    to[used] = '\0';
    return to;
}

static void add_devices(arguments_t *arguments, const kp_guest_t *guest)
{
    char path[KP_KPIO_PATH_MAX * 2];
    unsigned host = 0, inside = 0;
    char forward[80] = "";
    if (guest->port_forward && sscanf(guest->port_forward, "%u:%u", &host, &inside) == 2)
        snprintf(forward, sizeof forward, ",hostfwd=tcp:127.0.0.1:%u-:%u", host, inside);
    add(arguments, "-netdev");
    add(arguments, "user,id=net%s", forward);
    add(arguments, "-device");
    add(arguments, "virtio-net-pci,netdev=net,romfile=");
    if (guest->pcap) {
        add(arguments, "-object");
        add(arguments, "filter-dump,id=dump,netdev=net,file=%s",
            escape(guest->pcap, path, sizeof path));
    }
    add(arguments, "-device");
    add(arguments, "virtio-gpu-pci,xres=%u,yres=%u", guest->size[0], guest->size[1]);
    add(arguments, "-device");
    add(arguments, "virtio-keyboard-pci");
    add(arguments, "-device");
    add(arguments, "virtio-tablet-pci");
    add(arguments, "-device");
    add(arguments, "virtio-rng-pci");
    add(arguments, "-device");
    add(arguments, "isa-debug-exit,iobase=0xf4,iosize=4");
    if (guest->qmp) {
        add(arguments, "-qmp");
        add(arguments, "unix:%s,server=on,wait=off", escape(guest->qmp, path, sizeof path));
    }
}

static void arguments_make(arguments_t *arguments, const kp_guest_t *guest, int control_fd,
                           int program_fd)
{
    add(arguments, "%s", guest->qemu);
    add(arguments, "-name");
    add(arguments, "KPIO");
    add(arguments, "-machine");
    add(arguments, "q35,accel=%s", guest->accel);
    add(arguments, "-cpu");
    add(arguments, "%s", strcmp(guest->accel, "kvm") == 0 ? "host" : "max");
    add(arguments, "-m");
    add(arguments, "%u", guest->memory);
    add(arguments, "-smp");
    add(arguments, "%u", guest->processors);
    add(arguments, "-nodefaults");
    add(arguments, "-no-user-config");
    add(arguments, "-no-reboot");
    add(arguments, "-vga");
    add(arguments, "none");
    add(arguments, "-display");
    add(arguments, "%s", guest->display);
    if (guest->firmware) {
        add(arguments, "-bios");
        add(arguments, "%s", guest->firmware);
    }
    add(arguments, "-chardev");
    add(arguments, "stdio,id=log,signal=off");
    add(arguments, "-serial");
    add(arguments, "chardev:log");
    if (guest->trace || program_fd >= 0)
        add(arguments, "-serial");
    if (guest->trace)
        add(arguments, "file:%s", guest->trace);
    else if (program_fd >= 0)
        add(arguments, "none");
    if (program_fd >= 0) {
        add(arguments, "-chardev");
        add(arguments, "socket,id=program,fd=%d", program_fd);
        add(arguments, "-serial");
        add(arguments, "chardev:program");
    }
    add(arguments, "-chardev");
    add(arguments, "socket,id=control,fd=%d", control_fd);
    add(arguments, "-mon");
    add(arguments, "chardev=control,mode=control");
    add_devices(arguments, guest);
    add(arguments, "-kernel");
    add(arguments, "%s", guest->kernel);
    add(arguments, "-initrd");
    add(arguments, "%s", guest->bundle);
    add(arguments, "-append");
    add(arguments, "%s", guest->command_line);
}

/* ---- the log ---- */

static void marks_parse(running_t *running)
{
    const char *at = running->guest->marks ? running->guest->marks : KP_GUEST_MARKS;
    while (*at && running->mark_count < MARKS_MAX) {
        size_t length = strcspn(at, ",");
        if (length > 0 && length < sizeof running->marks[0])
            memcpy(running->marks[running->mark_count++], at, length);
        at += length + (at[length] == ',');
    }
}

/* Whether the line is the kernel's stamp of this mark: "... mark NAME ...". */
static bool line_has_mark(const char *line, const char *mark)
{
    const char *at = strstr(line, "mark ");
    size_t length = strlen(mark);
    if (!at)
        return false;
    at += 5;
    return strncmp(at, mark, length) == 0 && (at[length] == '\0' || strchr(" \r:=", at[length]));
}

static void line_end(running_t *running)
{
    running->line[running->line_used] = '\0';
    running->line_used = 0;
    char *line = running->line;
    line[strcspn(line, "\r")] = '\0';
    if (line[0])
        memcpy(running->last_line, line, sizeof running->last_line);
    if (!running->panic[0] && strstr(line, "KPIO panic: "))
        memcpy(running->panic, line, sizeof running->panic);
    for (size_t i = 0; i < running->mark_count; i++) {
        if (!running->seen[i] && line_has_mark(line, running->marks[i])) {
            running->seen[i] = true;
            running->marks_seen++;
        }
    }
}

/* Reads what is there; false: QEMU closed it. */
static bool log_read(running_t *running)
{
    char bytes[4096];
    ssize_t count = read(running->log_fd, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (count <= 0)
        return false;
    if (running->guest->program)
        kp_user_log_add(&running->output, bytes, (size_t)count);
    for (ssize_t at = 0; running->serial_fd >= 0 && at < count;) {
        ssize_t written = write(running->serial_fd, bytes + at, (size_t)(count - at));
        if (written <= 0 && errno != EINTR) {
            running->serial_fd = -1; /* nobody reads any more; the guest goes on */
            break;
        }
        at += written > 0 ? written : 0;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            line_end(running);
        else if (running->line_used + 1 < sizeof running->line)
            running->line[running->line_used++] = bytes[i];
    }
    return true;
}

/* Passes on what is there of the program's output; false: there will be no more. */
static bool program_read(running_t *running)
{
    static char bytes[65536];
    ssize_t count = read(running->program_fd, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return count > 0 && kp_user_output_add(&running->output, bytes, (size_t)count);
}

/* ---- the screen ---- */

/* QEMU's dump of the screen in malloc'ed memory; false: it was said why. */
static bool screen_dump(kp_qmp_t *qmp, const char *path, uint8_t **bytes, size_t *size)
{
    char quoted[256], arguments[512], error[256] = "";
    kp_qmp_quote(path, quoted, sizeof quoted);
    snprintf(arguments, sizeof arguments, "{\"filename\": %s}", quoted);
    if (!kp_qmp_execute(qmp, "screendump", arguments, kp_child_now() + QMP_TIMEOUT_MS, error,
                        sizeof error)) {
        kp_kpio_say("no screen dump: %s", error);
        return false;
    }
    if (kp_file_read(path, PICTURE_MAX, bytes, size) == KP_OK)
        return true;
    kp_kpio_say("QEMU's screen dump cannot be read");
    return false;
}

/* The load is done for the page; its last frame and the toolbar's may be on their way to the
   screen: dumps until two in a row are the same, or a while (a page may move for ever). */
static bool screen_settle(kp_qmp_t *qmp, const char *path, int64_t loading_ms, uint8_t **bytes,
                          size_t *size)
{
    int64_t pause = loading_ms / SETTLE_PART > SETTLE_MS ? loading_ms / SETTLE_PART : SETTLE_MS;
    if (!screen_dump(qmp, path, bytes, size))
        return false;
    for (int tries = 0; tries < SETTLE_TRIES; tries++) {
        uint8_t *next = NULL;
        size_t next_size = 0;
        usleep((useconds_t)(pause * 1000));
        if (!screen_dump(qmp, path, &next, &next_size))
            return false;
        bool same = next_size == *size && memcmp(next, *bytes, next_size) == 0;
        free(*bytes);
        *bytes = next;
        *size = next_size;
        if (same)
            break;
    }
    return true;
}

static int screenshot_take(running_t *running)
{
    char dump[KP_KPIO_PATH_MAX], error[256];
    uint8_t *bytes = NULL, *pixels = NULL;
    uint32_t width = 0, height = 0;
    size_t size = 0;
    kp_qmp_t *qmp = calloc(1, sizeof *qmp);
    int file = kp_file_temporary("screen", dump, sizeof dump);
    int64_t deadline = kp_child_now() + QMP_TIMEOUT_MS;
    int code = KP_KPIO_FAILED;
    if (!qmp || file < 0) {
        kp_kpio_say("cannot make a temporary file: %s", strerror(errno));
    } else if (!kp_qmp_start(qmp, running->control_fd, deadline)) {
        kp_kpio_say("no screen dump: QEMU does not answer");
    } else if (screen_settle(qmp, dump, kp_child_now() - running->begin, &bytes, &size)) {
        if (kp_ppm_decode(bytes, size, &pixels, &width, &height) != KP_OK)
            kp_kpio_say("QEMU's screen dump cannot be read");
        else if (kp_png_write(running->guest->screenshot, pixels, width, height,
                              (size_t)width * 4) != KP_OK)
            kp_kpio_say("%s: cannot write: %s", running->guest->screenshot, strerror(errno));
        else
            code = KP_KPIO_OK;
    }
    if (code == KP_KPIO_OK) /* killed when it does not */
        (void)kp_qmp_execute(qmp, "quit", NULL, deadline, error, sizeof error);
    if (file >= 0) {
        close(file);
        unlink(dump);
    }
    free(bytes);
    free(pixels);
    free(qmp);
    return code;
}

/* ---- running ---- */

#define QEMU_NAME "qemu-system" /* its own errors begin with it */

/* The guest's own exit: isa-debug-exit gives value * 2 + 1, a power-off 0. 1 is also QEMU's when it cannot
   begin; then it has said why. */
static int exit_judge(const running_t *running, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    int inside = code > 0 && code % 2 == 1 ? code / 2 : code;
    if (running->output.code >= 0)
        return kp_user_program_exit(running->guest->program, running->output.code);
    if (code == 1 && strncmp(running->last_line, QEMU_NAME, strlen(QEMU_NAME)) == 0) {
        const char *cause = strstr(running->last_line, ": ");
        kp_kpio_say("QEMU cannot run the guest: %s", cause ? cause + 2 : running->last_line);
        return KP_KPIO_MISSING;
    }
    if (inside == 0 && !running->panic[0] && !running->guest->screenshot)
        return KP_KPIO_OK;
    if (running->panic[0])
        kp_kpio_say("the guest stopped: %s", running->panic);
    else if (running->guest->screenshot && inside == 0)
        kp_kpio_say("the guest ended before its page was painted");
    else if (WIFSIGNALED(status))
        kp_kpio_say("QEMU was ended by signal %d; its last line: %s", WTERMSIG(status),
                    running->last_line);
    else
        kp_kpio_say("the guest ended with code %d; the last line was: %s", inside,
                    running->last_line);
    return running->panic[0] ? KP_KPIO_CRASHED : KP_KPIO_FAILED;
}

static int output_failed(const running_t *running)
{
    kp_kpio_say("standard output: cannot write: %s", strerror(running->output.error));
    return KP_KPIO_FAILED;
}

static int watch(running_t *running)
{
    int status = 0;
    for (;;) {
        struct pollfd wait[2] = {{.fd = running->log_fd, .events = POLLIN},
                                 {.fd = running->program_fd, .events = POLLIN}};
        int64_t left = running->deadline - kp_child_now();
        if (interrupted)
            return KP_KPIO_FAILED;
        if (left <= 0) {
            if (running->guest->program) {
                kp_user_log_end(&running->output);
                kp_kpio_say("%s: time limit", running->guest->program);
                return KP_KPIO_TIMEOUT;
            }
            if (!running->guest->screenshot) /* asked for: run that long */
                return KP_KPIO_OK;
            kp_kpio_say("time limit: the guest did not paint its page in %u s; its last line: %s",
                        running->guest->timeout, running->last_line);
            return KP_KPIO_TIMEOUT;
        }
        if (poll(wait, 2, left > 1000 ? 1000 : (int)left) <= 0)
            continue;
        if (wait[1].revents && !program_read(running)) {
            if (running->output.error)
                return output_failed(running);
            running->program_fd = -1;
        }
        if (wait[0].revents && !log_read(running)) {
            if (!kp_child_wait(running->child, kp_child_now() + QMP_TIMEOUT_MS, &status))
                return KP_KPIO_FAILED;
            running->child = -1;
            while (running->program_fd >= 0 && program_read(running))
                continue;
            if (running->output.error)
                return output_failed(running);
            kp_user_log_end(&running->output);
            return exit_judge(running, status);
        }
        if (running->guest->screenshot && running->marks_seen == running->mark_count)
            return screenshot_take(running);
    }
}

static int serial_open(const char *path)
{
    if (!path)
        return -1;
    if (strcmp(path, "-") == 0)
        return dup(1);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        kp_kpio_say("%s: cannot write: %s", path, strerror(errno));
    return file;
}

int kp_guest_run(const kp_guest_t *guest)
{
    running_t *running = calloc(1, sizeof *running);
    arguments_t arguments = {.count = 0};
    int log[2] = {-1, -1}, control[2] = {-1, -1}, program[2] = {-1, -1}, code = KP_KPIO_FAILED,
        status;
    if (!running)
        return code;
    running->guest = guest;
    running->output.code = -1;
    running->output.log = guest->verbose ? STDERR_FILENO : -1;
    running->begin = kp_child_now();
    running->deadline =
        guest->timeout ? running->begin + (int64_t)guest->timeout * 1000 : INT64_MAX / 2;
    running->serial_fd = serial_open(guest->serial);
    marks_parse(running);
    if (guest->serial && running->serial_fd < 0) {
        free(running);
        return code;
    }
    if (pipe2(log, O_CLOEXEC) == 0 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0 &&
        (!guest->program || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, program) == 0)) {
        arguments_make(&arguments, guest, control[1], program[1]);
        if (guest->program)
            fcntl(program[1], F_SETFD, 0); /* QEMU's, beside the control socket */
        running->child =
            arguments.failed ? -1 : kp_child_start(arguments.items, log[1], log[1], control[1]);
        close(log[1]);
        close(control[1]);
        if (guest->program)
            close(program[1]);
        running->log_fd = log[0];
        running->control_fd = control[0];
        running->program_fd = program[0];
        signal(SIGPIPE, SIG_IGN);
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        signal(SIGHUP, on_signal);
    }
    if (running->child > 0) {
        code = watch(running);
        /* After a screenshot QEMU was told to quit: a moment for its files. */
        int64_t grace = code == KP_KPIO_OK && guest->screenshot ? 2000 : 0;
        if (running->child > 0 && !kp_child_wait(running->child, kp_child_now() + grace, &status))
            kp_child_kill(running->child);
    } else {
        kp_kpio_say("QEMU cannot be started: %s", strerror(errno));
    }
    if (running->serial_fd >= 0)
        close(running->serial_fd);
    if (log[0] >= 0)
        close(log[0]);
    if (control[0] >= 0)
        close(control[0]);
    if (program[0] >= 0)
        close(program[0]);
    arguments_free(&arguments);
    free(running);
    return code;
}

void kp_guest_end_by_signal(void)
{
    if (!interrupted)
        return;
    signal(interrupted, SIG_DFL);
    raise(interrupted);
}
