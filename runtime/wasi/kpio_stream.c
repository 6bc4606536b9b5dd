/* Standard streams: channels, devices of bytes, and the kernel's log. */
#include <stdlib.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/wasi/internal.h"
#include "runtime/wasi/kpio_internal.h"

enum { LINE_BYTES = 1024 }; /* as debug_log */

/* The end of a line that has not come yet is held back. */
typedef struct log_stream {
    kp_wasi_kpio_stream_t stream;
    size_t count;
    char line[LINE_BYTES];
} log_stream_t;

/* ---- channels and devices ---- */

void kp_wasi_kpio_stream_close(kp_wasi_file_t *file)
{
    kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(file);
    if (stream->handle != KP_HANDLE_NONE)
        (void)kp_handle_close(stream->handle); /* fails only if somebody closed it for us */
    free(stream->message);
    free(stream);
}

kp_signals_t kp_wasi_kpio_stream_signals(const kp_wasi_kpio_stream_t *stream, bool write)
{
    if (stream->handle == KP_HANDLE_NONE || (!write && stream->message_count > 0))
        return 0;
    return (write ? KP_SIGNAL_WRITABLE : KP_SIGNAL_READABLE) | KP_SIGNAL_PEER_CLOSED;
}

kp_status_t kp_wasi_kpio_stream_wait(const kp_wasi_kpio_stream_t *stream, bool write)
{
    if (stream->fdflags & KP_WASI_FDFLAG_NONBLOCK)
        return KP_ERR_SHOULD_WAIT;
    return kp_object_wait_one(stream->handle, kp_wasi_kpio_stream_signals(stream, write),
                              KP_TIME_INFINITE, NULL);
}

/* Puts some of the bytes on their way: how many, or a status. */
static int64_t stream_put(kp_wasi_kpio_stream_t *stream, const uint8_t *bytes, size_t count)
{
    for (;;) {
        int64_t result;
        if (stream->is_channel) {
            size_t part = count < KP_CHANNEL_BYTES_MAX ? count : KP_CHANNEL_BYTES_MAX;
            result = kp_channel_write(stream->handle, bytes, part, NULL, 0);
            if (result == KP_OK)
                return (int64_t)part;
        } else {
            result = kp_device_write(stream->handle, bytes, count);
        }
        if (result != KP_ERR_SHOULD_WAIT)
            return result == 0 ? KP_ERR_IO : result;
        result = kp_wasi_kpio_stream_wait(stream, true);
        if (result != KP_OK)
            return result;
    }
}

static kp_wasi_errno_t stream_write(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                    size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(file);
    (void)offset;
    for (size_t i = 0; i < span_count; i++) {
        for (size_t at = 0; at < spans[i].count;) {
            int64_t put = stream_put(stream, spans[i].bytes + at, spans[i].count - at);
            /* What is on its way counts; the error comes again at the next write. */
            if (put < 0)
                return *count > 0 ? KP_WASI_SUCCESS : kp_wasi_kpio_errno((kp_status_t)put);
            at += (size_t)put;
            *count += (size_t)put;
        }
    }
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_kpio_stream_flags_get(kp_wasi_file_t *file, uint16_t *fdflags)
{
    *fdflags = kp_wasi_kpio_stream(file)->fdflags;
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_kpio_stream_flags_set(kp_wasi_file_t *file, uint16_t fdflags)
{
    if (fdflags & ~KP_WASI_FDFLAG_NONBLOCK)
        return KP_WASI_NOTSUP;
    kp_wasi_kpio_stream(file)->fdflags = fdflags;
    return KP_WASI_SUCCESS;
}

static const kp_wasi_file_ops_t output_ops = {
    .close = kp_wasi_kpio_stream_close,
    .write = stream_write,
    .flags_get = kp_wasi_kpio_stream_flags_get,
    .flags_set = kp_wasi_kpio_stream_flags_set,
};

/* ---- the log ---- */

static void log_flush(log_stream_t *log)
{
    if (log->count > 0)
        (void)kp_debug_log(log->line, log->count); /* a lost line must not stop the program */
    log->count = 0;
}

static void log_close(kp_wasi_file_t *file)
{
    log_flush((log_stream_t *)file);
    kp_wasi_kpio_stream_close(file);
}

static kp_wasi_errno_t log_write(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                 size_t span_count, uint64_t offset, size_t *count)
{
    log_stream_t *log = (log_stream_t *)file;
    (void)offset;
    for (size_t i = 0; i < span_count; i++) {
        for (size_t k = 0; k < spans[i].count; k++) {
            char byte = (char)spans[i].bytes[k];
            if (byte == '\n' || log->count == LINE_BYTES)
                log_flush(log);
            if (byte != '\n')
                log->line[log->count++] = byte;
        }
        *count += spans[i].count;
    }
    return KP_WASI_SUCCESS;
}

static const kp_wasi_file_ops_t log_ops = {
    .close = log_close,
    .write = log_write,
    .flags_get = kp_wasi_kpio_stream_flags_get,
    .flags_set = kp_wasi_kpio_stream_flags_set,
};

void kp_wasi_kpio_flush(kp_wasi_t *wasi)
{
    for (uint32_t i = 0; i < wasi->descriptor_count; i++) {
        kp_wasi_file_t *file = wasi->descriptors[i].file;
        if (file && file->ops == &log_ops)
            log_flush((log_stream_t *)file);
    }
}

/* ---- giving ---- */

kp_wasi_file_t *kp_wasi_kpio_stream_create(kp_handle_t handle, const kp_wasi_file_ops_t *ops,
                                           size_t size)
{
    kp_object_info_t info;
    kp_wasi_kpio_stream_t *stream = calloc(1, size);
    if (!stream) {
        if (handle != KP_HANDLE_NONE)
            (void)kp_handle_close(handle); /* there is nothing else to do with it */
        return NULL;
    }
    stream->file.ops = ops;
    stream->handle = handle;
    stream->is_channel = handle != KP_HANDLE_NONE &&
                         !(kp_object_info(handle, &info) == KP_OK && info.type == KP_TYPE_DEVICE);
    stream->file.type =
        stream->is_channel ? KP_WASI_FILETYPE_SOCKET_STREAM : KP_WASI_FILETYPE_CHARACTER_DEVICE;
    return &stream->file;
}

kp_wasi_file_t *kp_wasi_kpio_output(kp_handle_t handle)
{
    return handle == KP_HANDLE_NONE
               ? kp_wasi_kpio_stream_create(handle, &log_ops, sizeof(log_stream_t))
               : kp_wasi_kpio_stream_create(handle, &output_ops, sizeof(kp_wasi_kpio_stream_t));
}

kp_status_t kp_wasi_kpio_streams_give(kp_wasi_t *wasi, const kp_handle_t *streams,
                                      kp_wasi_file_t *(*input)(kp_handle_t handle))
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    kp_status_t status = KP_OK;
    for (int i = 0; i < 3; i++) {
        kp_handle_t handle = streams ? streams[i] : kp_startup_take(names[i]);
        kp_wasi_file_t *file = i == 0 ? input(handle) : kp_wasi_kpio_output(handle);
        kp_status_t given = file ? kp_wasi_give_stream(wasi, file, i == 0, true) : KP_ERR_NO_MEMORY;
        status = status == KP_OK ? given : status;
    }
    return status;
}
