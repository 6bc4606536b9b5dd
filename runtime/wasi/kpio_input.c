/* Reading from channels and devices of bytes. Apart from writing, because many programs only write. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/wasi/kpio_internal.h"

/* The next message; handles in it are closed. ERR_PEER_CLOSED at the end of the stream. */
static kp_status_t message_receive(kp_wasi_kpio_stream_t *stream)
{
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint32_t actual[2];
    if (!stream->message)
        stream->message = malloc(KP_CHANNEL_BYTES_MAX);
    if (!stream->message)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_channel_read(stream->handle, stream->message, KP_CHANNEL_BYTES_MAX,
                                         handles, KP_CHANNEL_HANDLES_MAX, actual);
    if (status != KP_OK)
        return status;
    for (uint32_t i = 0; i < actual[1]; i++)
        (void)kp_handle_close(handles[i]); /* ours: it came with the message */
    stream->message_at = 0;
    stream->message_count = actual[0];
    return KP_OK;
}

/* Up to `count` bytes, at least one unless the stream is at its end. */
static kp_status_t stream_take(kp_wasi_kpio_stream_t *stream, uint8_t *bytes, size_t count,
                               size_t *taken)
{
    *taken = 0;
    for (;;) {
        int64_t status;
        if (!stream->is_channel) {
            status = kp_device_read(stream->handle, bytes, count);
            if (status >= 0)
                *taken = (size_t)status;
        } else {
            status = stream->message_count > 0 ? KP_OK : message_receive(stream);
            *taken = stream->message_count < count ? stream->message_count : count;
            if (status == KP_OK && *taken > 0) {
                memcpy(bytes, stream->message + stream->message_at, *taken);
                stream->message_at += (uint32_t)*taken;
                stream->message_count -= (uint32_t)*taken;
            } else if (status == KP_OK) {
                continue; /* an empty message is not the end */
            }
        }
        if (status != KP_ERR_SHOULD_WAIT)
            return status == KP_ERR_PEER_CLOSED || status > 0 ? KP_OK : (kp_status_t)status;
        status = kp_wasi_kpio_stream_wait(stream, false);
        if (status != KP_OK)
            return (kp_status_t)status;
    }
}

/* One piece at a time: a program asks again for more, and does not wait for what it could have. */
static kp_wasi_errno_t input_read(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                  size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_kpio_stream_t *stream = kp_wasi_kpio_stream(file);
    (void)offset;
    if (stream->handle == KP_HANDLE_NONE)
        return KP_WASI_SUCCESS;
    for (size_t i = 0; i < span_count; i++) {
        if (spans[i].count > 0)
            return kp_wasi_kpio_errno(stream_take(stream, spans[i].bytes, spans[i].count, count));
    }
    return KP_WASI_SUCCESS;
}

static const kp_wasi_file_ops_t input_ops = {
    .close = kp_wasi_kpio_stream_close,
    .read = input_read,
    .flags_get = kp_wasi_kpio_stream_flags_get,
    .flags_set = kp_wasi_kpio_stream_flags_set,
};

kp_wasi_file_t *kp_wasi_kpio_input(kp_handle_t handle)
{
    return kp_wasi_kpio_stream_create(handle, &input_ops, sizeof(kp_wasi_kpio_stream_t));
}

kp_status_t kp_wasi_kpio_streams(kp_wasi_t *wasi, const kp_handle_t streams[3])
{
    return kp_wasi_kpio_streams_give(wasi, streams, kp_wasi_kpio_input);
}

kp_status_t kp_wasi_kpio_startup_streams(kp_wasi_t *wasi)
{
    return kp_wasi_kpio_streams_give(wasi, NULL, kp_wasi_kpio_input);
}
