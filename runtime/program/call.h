/* Calls and replies (abi/ipc.h) for the usual case: bytes without handles. A client asks with
   kp_request; a server goes round with kp_serve. For handles use kp_channel_call and
   kp_channel_reply_receive themselves. bench/programs/kernel_{client,server}.c are examples. */
#ifndef KP_RUNTIME_PROGRAM_CALL_H
#define KP_RUNTIME_PROGRAM_CALL_H

#include "runtime/program/kp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sends the request and waits for its reply, which is at most reply_capacity bytes; *reply_size says how
   many (also with ERR_BUFFER_TOO_SMALL; may be NULL). deadline: absolute. Errors: channel_call. */
static inline kp_status_t kp_request(kp_handle_t channel, const void *request, size_t request_size,
                                     void *reply, size_t reply_capacity, size_t *reply_size,
                                     kp_time_t deadline)
{
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(request), .byte_count = (uint32_t)request_size},
        .reply = {.bytes = (uint32_t)kp_mem(reply), .byte_count = (uint32_t)reply_capacity},
    };
    kp_status_t status = kp_channel_call(channel, &call, deadline);
    if (reply_size)
        *reply_size = call.reply.byte_count;
    return status;
}

/* A server's place between two requests. Zero but for bytes and capacity, which it owns: room for the
   largest request. */
typedef struct kp_service_round {
    void *bytes;
    size_t capacity;
    size_t size;                  /* of the request in bytes */
    kp_transaction_t transaction; /* of the request; 0: its sender wants no reply */
} kp_service_round_t;

/* Answers the request of the round (if it wants a reply; none the first time) with these bytes, which may
   lie in round->bytes, and waits for the next one. Errors: channel_reply_receive. */
static inline kp_status_t kp_serve(kp_handle_t channel, kp_service_round_t *round,
                                   const void *reply, size_t reply_size, kp_time_t deadline)
{
    const kp_channel_message_t answer = {
        .bytes = (uint32_t)kp_mem(reply),
        .byte_count = (uint32_t)reply_size,
        .transaction = round->transaction,
    };
    kp_channel_message_t message = {.bytes = (uint32_t)kp_mem(round->bytes),
                                    .byte_count = (uint32_t)round->capacity};
    round->transaction = KP_TRANSACTION_NONE;
    kp_status_t status = kp_channel_reply_receive(channel, &answer, &message, deadline);
    if (status != KP_OK)
        return status;
    round->size = message.byte_count;
    round->transaction = message.transaction;
    return KP_OK;
}

#ifdef __cplusplus
}
#endif

#endif
