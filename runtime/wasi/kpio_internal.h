/* Between the files of the host KPIO. */
#ifndef KP_RUNTIME_WASI_KPIO_INTERNAL_H
#define KP_RUNTIME_WASI_KPIO_INTERNAL_H

#include "runtime/wasi/kpio.h"

/* Every file of this host that is neither a regular file nor a directory is one of these. */
typedef struct kp_wasi_kpio_stream {
    kp_wasi_file_t file;
    kp_handle_t handle; /* owned; NONE: input at its end, or the log */
    bool is_channel;    /* else a device */
    uint16_t fdflags;
    uint32_t wait_index; /* of its handle in the wait of a poll */
    /* The rest of a channel's message that was read in part. */
    uint8_t *message; /* KP_CHANNEL_BYTES_MAX, made at the first read; owned */
    uint32_t message_at, message_count;
} kp_wasi_kpio_stream_t;

static inline kp_wasi_kpio_stream_t *kp_wasi_kpio_stream(kp_wasi_file_t *file)
{
    return (kp_wasi_kpio_stream_t *)file;
}

/* Signals that tell that a read or write would not wait; 0: it never does. */
kp_signals_t kp_wasi_kpio_stream_signals(const kp_wasi_kpio_stream_t *stream, bool write);

/* After SHOULD_WAIT: OK when it is worth another try. */
kp_status_t kp_wasi_kpio_stream_wait(const kp_wasi_kpio_stream_t *stream, bool write);
void kp_wasi_kpio_stream_close(kp_wasi_file_t *file);
kp_wasi_errno_t kp_wasi_kpio_stream_flags_get(kp_wasi_file_t *file, uint16_t *fdflags);
kp_wasi_errno_t kp_wasi_kpio_stream_flags_set(kp_wasi_file_t *file, uint16_t fdflags);

/* Streams by themselves; the handle is taken, also on error (NULL: no memory). size: of the structure that begins with
   kp_wasi_kpio_stream_t. */
kp_wasi_file_t *kp_wasi_kpio_stream_create(kp_handle_t handle, const kp_wasi_file_ops_t *ops,
                                           size_t size);
kp_wasi_file_t *kp_wasi_kpio_input(kp_handle_t handle);
kp_wasi_file_t *kp_wasi_kpio_output(kp_handle_t handle);
/* Gives 0, 1 and 2. streams NULL: those of the startup message. */
kp_status_t kp_wasi_kpio_streams_give(kp_wasi_t *wasi, const kp_handle_t *streams,
                                      kp_wasi_file_t *(*input)(kp_handle_t handle));

kp_wasi_errno_t kp_wasi_kpio_errno(kp_status_t status);

/* The host's functions by themselves. */
kp_wasi_errno_t kp_wasi_kpio_clock_time(void *context, uint32_t clock, uint64_t *ns);
kp_wasi_errno_t kp_wasi_kpio_clock_resolution(void *context, uint32_t clock, uint64_t *ns);
kp_wasi_errno_t kp_wasi_kpio_random(void *context, uint8_t *bytes, size_t count);
kp_wasi_errno_t kp_wasi_kpio_poll(void *context, kp_wasi_poll_t *polls, size_t count,
                                  uint64_t wait_ns);
void kp_wasi_kpio_yield(void *context);

#endif
