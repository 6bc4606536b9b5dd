/* WASI preview 1 inside the module: the functions that wasi-libc imports, defined here over kernel
   calls, so that the linker resolves them and no WASI import is left. There is no file system and
   no socket: paths are not found, descriptors other than 0, 1 and 2 do not exist. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#include "runtime/program/internal.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"

/* wasi-libc calls these by their import's symbol, with pointers as i32. */
#define WASI(name) __imported_wasi_snapshot_preview1_##name
#define POINTER(address) ((void *)(uintptr_t)(uint32_t)(address))

/* ---- standard output: whole lines go to the log ---- */

#define LINE_MAX_BYTES 1024 /* as debug_log */

typedef struct {
    char bytes[LINE_MAX_BYTES];
    size_t count;
} output_t;

static output_t outputs[2]; /* stdout, stderr */

static void output_flush(output_t *output)
{
    if (output->count > 0)
        (void)kp_debug_log(output->bytes,
                           output->count); /* a lost line must not stop the program */
    output->count = 0;
}

static void output_write(output_t *output, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n') {
            output_flush(output);
            continue;
        }
        if (output->count == sizeof(output->bytes))
            output_flush(output);
        output->bytes[output->count++] = bytes[i];
    }
}

void kp_output_flush(void)
{
    output_flush(&outputs[0]);
    output_flush(&outputs[1]);
}

int32_t WASI(fd_write)(int32_t fd, int32_t vectors, int32_t vector_count, int32_t written);
int32_t WASI(fd_write)(int32_t fd, int32_t vectors, int32_t vector_count, int32_t written)
{
    if (fd != 1 && fd != 2)
        return __WASI_ERRNO_BADF;
    const __wasi_ciovec_t *vector = POINTER(vectors);
    size_t total = 0;
    for (int32_t i = 0; i < vector_count; i++) {
        output_write(&outputs[fd - 1], (const char *)vector[i].buf, vector[i].buf_len);
        total += vector[i].buf_len;
    }
    *(uint32_t *)POINTER(written) = (uint32_t)total;
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(fd_read)(int32_t fd, int32_t vectors, int32_t vector_count, int32_t read);
int32_t WASI(fd_read)(int32_t fd, int32_t vectors, int32_t vector_count, int32_t read)
{
    (void)vectors, (void)vector_count;
    if (fd != 0)
        return __WASI_ERRNO_BADF;
    *(uint32_t *)POINTER(read) = 0; /* standard input is at its end */
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(fd_fdstat_get)(int32_t fd, int32_t stat);
int32_t WASI(fd_fdstat_get)(int32_t fd, int32_t stat)
{
    if (fd < 0 || fd > 2)
        return __WASI_ERRNO_BADF;
    __wasi_fdstat_t *out = POINTER(stat);
    memset(out, 0, sizeof(*out));
    out->fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE;
    out->fs_flags = fd ? __WASI_FDFLAGS_APPEND : 0;
    out->fs_rights_base = fd ? __WASI_RIGHTS_FD_WRITE : __WASI_RIGHTS_FD_READ;
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(fd_filestat_get)(int32_t fd, int32_t stat);
int32_t WASI(fd_filestat_get)(int32_t fd, int32_t stat)
{
    if (fd < 0 || fd > 2)
        return __WASI_ERRNO_BADF;
    __wasi_filestat_t *out = POINTER(stat);
    memset(out, 0, sizeof(*out));
    out->filetype = __WASI_FILETYPE_CHARACTER_DEVICE;
    out->nlink = 1;
    return __WASI_ERRNO_SUCCESS;
}

/* ---- arguments and environment ---- */

int32_t WASI(args_sizes_get)(int32_t count, int32_t size);
int32_t WASI(args_sizes_get)(int32_t count, int32_t size)
{
    size_t arguments = 0, bytes = 0;
    for (const char *argument; (argument = kp_startup_argument(arguments)); arguments++)
        bytes += strlen(argument) + 1;
    *(uint32_t *)POINTER(count) = (uint32_t)arguments;
    *(uint32_t *)POINTER(size) = (uint32_t)bytes;
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(args_get)(int32_t vector, int32_t buffer);
int32_t WASI(args_get)(int32_t vector, int32_t buffer)
{
    uint32_t *pointers = POINTER(vector);
    char *to = POINTER(buffer);
    const char *argument;
    for (size_t i = 0; (argument = kp_startup_argument(i)); i++) {
        size_t size = strlen(argument) + 1;
        memcpy(to, argument, size);
        pointers[i] = (uint32_t)(uintptr_t)to;
        to += size;
    }
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(environ_sizes_get)(int32_t count, int32_t size);
int32_t WASI(environ_sizes_get)(int32_t count, int32_t size)
{
    *(uint32_t *)POINTER(count) = 0;
    *(uint32_t *)POINTER(size) = 0;
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(environ_get)(int32_t vector, int32_t buffer);
int32_t WASI(environ_get)(int32_t vector, int32_t buffer)
{
    (void)vector, (void)buffer;
    return __WASI_ERRNO_SUCCESS;
}

/* ---- time and entropy ---- */

static bool clock_of(int32_t id, uint32_t *clock)
{
    if (id == (int32_t)__WASI_CLOCKID_REALTIME)
        *clock = KP_CLOCK_REALTIME;
    else if (id == (int32_t)__WASI_CLOCKID_MONOTONIC)
        *clock = KP_CLOCK_MONOTONIC;
    else
        return false;
    return true;
}

int32_t WASI(clock_time_get)(int32_t id, int64_t precision, int32_t time);
int32_t WASI(clock_time_get)(int32_t id, int64_t precision, int32_t time)
{
    (void)precision;
    uint32_t clock;
    if (!clock_of(id, &clock))
        return __WASI_ERRNO_INVAL;
    return kp_clock_get(clock, POINTER(time)) == KP_OK ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_IO;
}

int32_t WASI(clock_res_get)(int32_t id, int32_t resolution);
int32_t WASI(clock_res_get)(int32_t id, int32_t resolution)
{
    uint32_t clock;
    if (!clock_of(id, &clock))
        return __WASI_ERRNO_INVAL;
    *(uint64_t *)POINTER(resolution) = 1;
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(random_get)(int32_t buffer, int32_t size);
int32_t WASI(random_get)(int32_t buffer, int32_t size)
{
    uint8_t *to = POINTER(buffer);
    for (uint32_t left = (uint32_t)size; left > 0;) {
        uint32_t count = left < 65536 ? left : 65536; /* as the call's limit */
        if (kp_random_get(to, count) != KP_OK)
            return __WASI_ERRNO_IO;
        to += count;
        left -= count;
    }
    return __WASI_ERRNO_SUCCESS;
}

int32_t WASI(sched_yield)(void);
int32_t WASI(sched_yield)(void)
{
    return __WASI_ERRNO_SUCCESS; /* one thread: nobody to yield to */
}

/* ---- poll: sleeping, and the standard descriptors ---- */

/* When the subscription is due, on the monotonic clock; now and realtime: when the poll began.
   A descriptor is ready, or wrong, at once. */
static kp_time_t subscription_deadline(const __wasi_subscription_t *subscription, kp_time_t now,
                                       uint64_t realtime)
{
    if (subscription->u.tag != __WASI_EVENTTYPE_CLOCK)
        return KP_TIME_POLL;
    const __wasi_subscription_clock_t *clock = &subscription->u.u.clock;
    uint64_t wait = clock->timeout;
    if (clock->flags & __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME) {
        if (clock->id != __WASI_CLOCKID_REALTIME)
            return clock->timeout < KP_TIME_INFINITE ? (kp_time_t)clock->timeout : KP_TIME_INFINITE;
        wait = clock->timeout > realtime ? clock->timeout - realtime : 0;
    }
    return wait < (uint64_t)(KP_TIME_INFINITE - now) ? now + (kp_time_t)wait : KP_TIME_INFINITE;
}

/* What a descriptor subscription gives; all of them are ready or wrong at once. */
static __wasi_errno_t descriptor_state(const __wasi_subscription_t *subscription)
{
    if (subscription->u.tag == __WASI_EVENTTYPE_FD_READ)
        return subscription->u.u.fd_read.file_descriptor == 0 ? __WASI_ERRNO_SUCCESS
                                                              : __WASI_ERRNO_BADF;
    __wasi_fd_t fd = subscription->u.u.fd_write.file_descriptor;
    return fd == 1 || fd == 2 ? __WASI_ERRNO_SUCCESS : __WASI_ERRNO_BADF;
}

int32_t WASI(poll_oneoff)(int32_t subscriptions, int32_t events, int32_t count, int32_t out_count);
int32_t WASI(poll_oneoff)(int32_t subscriptions, int32_t events, int32_t count, int32_t out_count)
{
    const __wasi_subscription_t *subscription = POINTER(subscriptions);
    __wasi_event_t *event = POINTER(events);
    if (count <= 0)
        return __WASI_ERRNO_INVAL;
    kp_time_t start = kp_now();
    uint64_t realtime = 0;
    (void)kp_clock_get(KP_CLOCK_REALTIME, &realtime); /* cannot fail: the address is ours */
    kp_time_t deadline = KP_TIME_INFINITE;
    for (int32_t i = 0; i < count; i++) {
        kp_time_t own = subscription_deadline(&subscription[i], start, realtime);
        deadline = own < deadline ? own : deadline;
    }
    kp_status_t status = kp_object_wait_many(NULL, 0, deadline);
    if (status != KP_OK && status != KP_ERR_TIMED_OUT)
        return __WASI_ERRNO_IO;
    uint32_t ready = 0;
    for (int32_t i = 0; i < count; i++) {
        if (subscription_deadline(&subscription[i], start, realtime) > deadline)
            continue; /* only the earliest are due; the caller asks again for the others */
        event[ready] =
            (__wasi_event_t){.userdata = subscription[i].userdata, .type = subscription[i].u.tag};
        if (subscription[i].u.tag != __WASI_EVENTTYPE_CLOCK)
            event[ready].error = descriptor_state(&subscription[i]);
        ready++;
    }
    *(uint32_t *)POINTER(out_count) = ready;
    return __WASI_ERRNO_SUCCESS;
}

/* ---- end ---- */

_Noreturn void WASI(proc_exit)(int32_t code);
_Noreturn void WASI(proc_exit)(int32_t code)
{
    kp_output_flush();
    kp_process_exit(code);
}
