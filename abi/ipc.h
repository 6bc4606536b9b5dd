/* Calls and replies over channels: what channel_call, channel_receive and channel_reply take. All
   pointers are offsets into the caller's linear memory. */
#ifndef KP_ABI_IPC_H
#define KP_ABI_IPC_H

#include "abi/types.h"

/* Names one call that waits for its reply, on one channel. Made by the kernel, never 0, not reused
   while the call waits. */
typedef uint32_t kp_transaction_t;
#define KP_TRANSACTION_NONE ((kp_transaction_t)0)

/* A message to send: byte_count and handle_count say how much there is.
   A message to receive: they say how much room there is; the kernel writes how much came (with
   ERR_BUFFER_TOO_SMALL: how much would have come) and transaction. */
typedef struct kp_channel_message {
    uint32_t bytes;        /* mem */
    uint32_t byte_count;   /* at most KP_CHANNEL_BYTES_MAX */
    uint32_t handles;      /* mem kp_handle_t[] */
    uint32_t handle_count; /* at most KP_CHANNEL_HANDLES_MAX */
    kp_transaction_t transaction;
} kp_channel_message_t;

typedef struct kp_channel_call {
    kp_channel_message_t request; /* its transaction is neither read nor written */
    kp_channel_message_t reply;
} kp_channel_call_t;

/* What a server gets with each new connection (service_register), by the kernel: who asked for it. */
typedef struct kp_service_request {
    uint64_t job; /* koid of the job of the process that asked; 0: the kernel */
} kp_service_request_t;

KP_STATIC_ASSERT(sizeof(kp_service_request_t) == 8, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_channel_message_t) == 20, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_channel_call_t) == 40, "ABI layout");

#endif
