/* Messages between a caller's memory and the kernel. */
#ifndef KP_KERNEL_CALL_MESSAGE_H
#define KP_KERNEL_CALL_MESSAGE_H

#include "kernel/ipc/channel.h"
#include "kernel/syscall/call.h"

/* What a call's arguments say about a message: where it lies, or the room for one. Unchecked. */
typedef struct kp_call_message {
    uint64_t bytes;
    uint64_t byte_count;
    uint64_t handles;
    uint64_t handle_count;
} kp_call_message_t;

/* A message on its way out of a process: it is the kernel's, its handles are lifted. */
typedef struct kp_call_sending {
    kp_message_t *message;
    uint32_t count; /* of handles */
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    /* After the sending the message is the receiver's: waits are cancelled through references.
       NULL: it was revoked just now. */
    kp_object_t *moved[KP_CHANNEL_HANDLES_MAX];
} kp_call_sending_t;

/* On error nothing has happened. byte_count and handle_count are in their limits. */
kp_status_t kp_call_sending_begin(kp_call_t *call, const kp_call_message_t *from,
                                  kp_call_sending_t *sending);
/* status: whether the message was taken. If not it is destroyed and the handles are what they were. */
void kp_call_sending_end(kp_call_t *call, kp_call_sending_t *sending, kp_status_t status);

/* Does the room lie in the caller's memory? */
kp_status_t kp_call_room_check(kp_call_t *call, const kp_call_message_t *room);
/* Gives a message that fits to the caller: all that may fail first. On success its capabilities are
   the caller's; the message itself is to be destroyed. */
kp_status_t kp_call_message_deliver(kp_call_t *call, kp_message_t *message,
                                    const kp_call_message_t *room);

#endif
