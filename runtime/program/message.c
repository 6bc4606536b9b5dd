#include "runtime/program/message.h"

#include <string.h>

#include "runtime/program/kp.h"

#define SMALL_MESSAGE 1024 /* gathered on the stack */

/* Where larger messages are gathered; never touched (nor committed) by programs that send none. */
static uint8_t gather[KP_CHANNEL_BYTES_MAX];

kp_status_t kp_message_send(kp_handle_t channel, const void *bytes, size_t size)
{
    return kp_channel_write(channel, bytes, size, NULL, 0);
}

kp_status_t kp_message_send_parts(kp_handle_t channel, const kp_message_part_t *parts,
                                  size_t part_count, const kp_handle_t *handles,
                                  size_t handle_count)
{
    size_t total = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size > KP_CHANNEL_BYTES_MAX - total)
            return KP_ERR_TOO_LARGE;
        total += parts[i].size;
    }
    uint8_t small[SMALL_MESSAGE];
    uint8_t *to = total <= sizeof(small) ? small : gather;
    size_t at = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].size > 0)
            memcpy(to + at, parts[i].bytes, parts[i].size);
        at += parts[i].size;
    }
    return kp_channel_write(channel, to, total, handles, handle_count);
}

kp_status_t kp_message_send_with(kp_handle_t channel, const void *head, size_t head_size,
                                 const void *tail, size_t tail_size, const kp_handle_t *handles,
                                 size_t handle_count)
{
    kp_message_part_t parts[2] = {{head, head_size}, {tail, tail_size}};
    return kp_message_send_parts(channel, parts, 2, handles, handle_count);
}

kp_status_t kp_message_receive(kp_handle_t channel, kp_message_t *message)
{
    kp_message_clear(message);
    uint32_t actual[2] = {0, 0};
    kp_status_t status = kp_channel_read(channel, message->bytes, sizeof(message->bytes),
                                         message->handles, KP_CHANNEL_HANDLES_MAX, actual);
    if (status != KP_OK)
        return status;
    message->size = actual[0];
    message->handle_count = actual[1];
    return KP_OK;
}

kp_status_t kp_message_receive_wait(kp_handle_t channel, kp_message_t *message, kp_time_t deadline)
{
    for (;;) {
        kp_status_t status = kp_message_receive(channel, message);
        if (status != KP_ERR_SHOULD_WAIT)
            return status;
        status =
            kp_object_wait_one(channel, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, deadline, NULL);
        if (status != KP_OK)
            return status;
    }
}

kp_message_header_t kp_message_head(const kp_message_t *message)
{
    kp_message_header_t head = {0, 0};
    if (message->size >= sizeof(head))
        memcpy(&head, message->bytes, sizeof(head));
    return head;
}

kp_handle_t kp_message_take(kp_message_t *message, size_t index)
{
    if (index >= message->handle_count)
        return KP_HANDLE_NONE;
    kp_handle_t handle = message->handles[index];
    message->handles[index] = KP_HANDLE_NONE;
    return handle;
}

void kp_message_clear(kp_message_t *message)
{
    for (size_t i = 0; i < message->handle_count; i++) {
        if (message->handles[i] != KP_HANDLE_NONE)
            (void)kp_handle_close(message->handles[i]);
    }
    message->handle_count = 0;
    message->size = 0;
}
