/* What the core asks of any machine beside memory and threads: allocation, text, log, panic, time,
   entropy, and the end. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"

static struct {
    int64_t boot_ns; /* CLOCK_MONOTONIC at time 0 */
    int log_level;
    const char *trace_path;
    int trace_file; /* -1: not opened yet */
} base = {.log_level = KP_LOG_WARN, .trace_file = -1};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * KP_NS_PER_S + now.tv_nsec;
}

void kp_hosted_base_start(int log_level)
{
    base.boot_ns = clock_ns(CLOCK_MONOTONIC);
    base.log_level = log_level;
}

int64_t kp_hosted_boot_ns(void)
{
    return base.boot_ns;
}

/* ---- memory and text ---- */

void *kp_kalloc(size_t size)
{
    return calloc(1, size ? size : 1);
}

void *kp_kalloc_dirty(size_t size)
{
    return malloc(size ? size : 1);
}

void kp_kfree(void *memory)
{
    free(memory);
}

int kp_vsnprintf(char *to, size_t size, const char *format, va_list arguments)
{
    return vsnprintf(to, size, format, arguments);
}

int kp_snprintf(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return length;
}

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

int kp_hosted_memfd(const char *name)
{
    int file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (file < 0 &&
        errno == EINVAL) /* older: then the filter alone keeps processes from executing it */
        file = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0 && (errno == EMFILE || errno == ENFILE))
        kp_hosted_files_short();
    return file;
}

void kp_hosted_files_short(void)
{
    static atomic_bool is_told;
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (!atomic_exchange(&is_told, true))
        kp_log("hosted", KP_LOG_ERROR,
               "out of file descriptors (at most %llu: ulimit -n): each VMO takes one or two, "
               "each process three",
               (unsigned long long)limit.rlim_cur);
}

/* ---- log ---- */

void kp_log(const char *area, int level, const char *format, ...)
{
    if (level > base.log_level)
        return;
    char line[1280];
    kp_time_t now = kp_machine_now();
    int head =
        snprintf(line, sizeof(line) - 1, "[%5lld.%06lld] %s: ", (long long)(now / KP_NS_PER_S),
                 (long long)(now % KP_NS_PER_S / 1000), area);
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + head, sizeof(line) - 1 - (size_t)head, format, arguments);
    va_end(arguments);
    size_t size = KP_MIN((size_t)(head + (body > 0 ? body : 0)), sizeof(line) - 2);
    line[size++] = '\n';
    /* One write: lines of several threads do not mix. A closed stderr is no reason to stop. */
    ssize_t written = write(STDERR_FILENO, line, size);
    (void)written;
}

void kp_panic(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    fprintf(stderr, "kpio: kernel panic: %s\n", line);
    void *frames[64];
    backtrace_symbols_fd(frames, backtrace(frames, KP_ARRAY_COUNT(frames)), STDERR_FILENO);
    /* All processes die with us (PR_SET_PDEATHSIG). */
    abort();
}

/* ---- time, entropy, end ---- */

kp_time_t kp_machine_now(void)
{
    return clock_ns(CLOCK_MONOTONIC) - base.boot_ns;
}

uint64_t kp_machine_realtime(void)
{
    return (uint64_t)clock_ns(CLOCK_REALTIME);
}

kp_status_t kp_machine_random(void *bytes, size_t count)
{
    uint8_t *to = bytes;
    while (count > 0) {
        ssize_t got = getrandom(to, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return KP_ERR_IO;
        to += got;
        count -= (size_t)got;
    }
    return KP_OK;
}

void kp_machine_shutdown(int code)
{
    fflush(NULL);
    _exit(code);
}

/* ---- recording ---- */

void kp_hosted_base_trace(const char *path)
{
    base.trace_path = path;
}

kp_status_t kp_machine_trace_write(void *context, const void *bytes, size_t count)
{
    (void)context;
    if (!base.trace_path)
        return KP_ERR_NOT_SUPPORTED;
    if (base.trace_file < 0)
        base.trace_file = open(base.trace_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (base.trace_file < 0)
        return KP_ERR_IO;
    for (const char *at = bytes; count > 0;) {
        ssize_t written = write(base.trace_file, at, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return KP_ERR_IO;
        at += written;
        count -= (size_t)written;
    }
    return KP_OK;
}

/* ---- processors ---- */

uint32_t kp_machine_cpu_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_CONF);
    return count > 0 ? (uint32_t)count : 1;
}

uint32_t kp_machine_cpu_current(void)
{
    int cpu = sched_getcpu();
    return cpu > 0 ? (uint32_t)cpu : 0;
}
