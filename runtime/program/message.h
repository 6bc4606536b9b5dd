/* Messages on channels: send a struct with variable parts, receive into a buffer, take handles out.
   Every protocol of abi/ uses these. A message's bytes are untrusted: check the struct's size by
   kp_message_as and read what follows it through kp_message_tail's reader. To ask and wait for the answer:
   runtime/program/call.h. */
#ifndef KP_RUNTIME_PROGRAM_MESSAGE_H
#define KP_RUNTIME_PROGRAM_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/message.h"
#include "abi/reader.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A received message. About 64 KiB: static or from malloc, not on the stack. Must be zero before
   the first receive. Handles in it are the caller's to take; what is not taken is closed by the
   next receive into it or by kp_message_clear. */
typedef struct kp_message {
    uint32_t size;         /* of bytes */
    uint32_t handle_count; /* of handles; a taken one is KP_HANDLE_NONE */
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    _Alignas(8) uint8_t bytes[KP_CHANNEL_BYTES_MAX];
} kp_message_t;

typedef struct kp_message_part {
    const void *bytes;
    size_t size;
} kp_message_part_t;

/* Sends one struct, without handles. Never blocks: errors as channel_write (ERR_SHOULD_WAIT when
   the receiver's queue is full, ERR_PEER_CLOSED). */
kp_status_t kp_message_send(kp_handle_t channel, const void *bytes, size_t size);
/* Sends the parts one after the other as one message, and moves the handles. ERR_TOO_LARGE above
   KP_CHANNEL_BYTES_MAX. On any error the handles stay with the caller. */
kp_status_t kp_message_send_parts(kp_handle_t channel, const kp_message_part_t *parts,
                                  size_t part_count, const kp_handle_t *handles,
                                  size_t handle_count);
/* The common case: a struct and one run of bytes after it (tail may be NULL with tail_size 0). */
kp_status_t kp_message_send_with(kp_handle_t channel, const void *head, size_t head_size,
                                 const void *tail, size_t tail_size, const kp_handle_t *handles,
                                 size_t handle_count);

/* Takes the oldest message, without waiting: ERR_SHOULD_WAIT when there is none, ERR_PEER_CLOSED
   when none will come any more. On error the message is empty. */
kp_status_t kp_message_receive(kp_handle_t channel, kp_message_t *message);
/* As receive, but waits until the absolute deadline; ERR_TIMED_OUT. */
kp_status_t kp_message_receive_wait(kp_handle_t channel, kp_message_t *message, kp_time_t deadline);
/* The message as a struct of that size, aligned to 8, borrowed until the next receive; NULL when
   the message is shorter. */
static inline const void *kp_message_as(const kp_message_t *message, size_t size)
{
    return message->size >= size ? message->bytes : NULL;
}

/* The head, or zeroes (no protocol has ordinal 0) when the message is shorter than a head. */
kp_message_header_t kp_message_head(const kp_message_t *message);

/* A reader over what follows the first head_size bytes. */
static inline kp_reader_t kp_message_tail(const kp_message_t *message, size_t head_size)
{
    return message->size >= head_size
               ? kp_reader_init(message->bytes + head_size, message->size - head_size)
               : kp_reader_init(message->bytes, 0);
}

/* Takes the i-th handle: the caller's now. KP_HANDLE_NONE when there is none or it was taken. */
kp_handle_t kp_message_take(kp_message_t *message, size_t index);
/* Closes all handles that were not taken and empties the message. */
void kp_message_clear(kp_message_t *message);

#ifdef __cplusplus
}
#endif

#endif
