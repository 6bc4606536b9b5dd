/* Calls and replies: a thread waits on a channel end in a record of its own frame, and whoever
   answers writes there, so that a small message to a waiting thread needs no memory and no queue.

   A call waits in the tree of the end it was made on, under a transaction id that the kernel makes; a
   reply on the other end finds it there. A receiver waits in the end's list; a call whose request has
   no handles goes straight to it when nothing is queued before it. Everything else is a queued
   message, which wakes the receivers.

   Whoever finds a record under the channel's lock takes it out, fills it and sets DONE; from then on
   it is its thread's alone again. A thread that gives up takes its record out itself, under the same
   lock. So every record has exactly one end, whoever is killed or closed meanwhile.

   Bytes are copied under the channel's lock, straight from the sender's memory: bounded by
   KP_CHANNEL_BYTES_MAX. Lock order: transit, channel, then those of address spaces. */
#ifndef KP_KERNEL_CALL_RECORD_H
#define KP_KERNEL_CALL_RECORD_H

#include "abi/ipc.h"
#include "kernel/ipc/channel.h"
#include "kernel/object/wait.h"

/* Up to here a message waits in the record; a longer one is copied from memory to memory. */
#define KP_CHANNEL_INLINE_MAX 256u

/* A range of a process's memory, checked against its size by whoever fills this. */
typedef struct kp_channel_bytes {
    kp_machine_space_t *space;
    uint32_t at;
    uint32_t count;
} kp_channel_bytes_t;

enum {
    KP_CHANNEL_WAITING = 0,
    KP_CHANNEL_DONE = 1,
    KP_CHANNEL_DONE_SHORT = 2, /* and the message is in `bytes`, without handles */
};

typedef struct kp_channel_wait {
    kp_thread_t *thread;
    kp_list_t link;                            /* receiver: in end->receivers */
    struct kp_channel_wait *child[2], **place; /* call: in end->calls */
    kp_channel_bytes_t room;
    uint32_t handle_room;
    kp_transaction_t
        transaction;      /* call: its own; receiver: whoever sets done sets it, 0: the message
                                     wants no reply */
    _Atomic uint8_t done; /* KP_CHANNEL_* below; set once, by whoever took the record out */
    bool is_linked; /* `waiter` is, to the end: the handle that the wait goes by may be closed */
    /* Who sets done sets these: */
    bool in_place; /* the bytes lie in the room already */
    kp_status_t status;
    uint32_t byte_count;
    uint32_t handle_count;
    kp_message_t
        *message;       /* the bytes and capabilities, the waiting thread's now; NULL: in `bytes` */
    kp_waiter_t waiter; /* of no signals, to be ended by kp_wait_end */
    uint8_t bytes[KP_CHANNEL_INLINE_MAX];
} kp_channel_wait_t;

/* Of a record that was initialised and not used: from now on closing, moving or revoking this handle to
   the end ends the wait, which must follow; or else kp_channel_wait_give_up. */
void kp_channel_wait_by(kp_channel_t *end, kp_channel_wait_t *wait, const kp_handle_table_t *table,
                        kp_handle_t handle);
void kp_channel_wait_give_up(kp_channel_t *end, kp_channel_wait_t *wait);

/* Sends a request without handles to a thread that waits for one. KP_OK: *receiver is its thread,
   referenced; go on with kp_channel_call_wait. ERR_SHOULD_WAIT: nobody can take it so, use
   kp_channel_call_push. Errors of the sender's memory, ERR_PEER_CLOSED, ERR_CANCELLED: no call. */
kp_status_t kp_channel_call_direct(kp_channel_t *end, kp_channel_wait_t *wait,
                                   const kp_channel_bytes_t *request, kp_thread_t **receiver);
/* The same by way of the queue; errors are those of kp_channel_push, and the message is then still the
   caller's. */
kp_status_t kp_channel_call_push(kp_channel_t *end, kp_channel_wait_t *wait, kp_message_t *message);
/* Waits for the reply; gives up `receiver` (may be NULL), which runs at once if it can. The result
   lies in the record. KP_OK; ERR_BUFFER_TOO_SMALL (only the counts came); ERR_TIMED_OUT,
   ERR_PEER_CLOSED, ERR_CANCELLED; errors of the memory that the reply was copied to. */
kp_status_t kp_channel_call_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *receiver,
                                 kp_time_t deadline);

/* Begins to wait for the reply to a request that went by a lane (channel.h), under its own id; go on with
   kp_channel_call_wait. ERR_BAD_STATE: another call waits under it. */
kp_status_t kp_channel_call_adopt(kp_channel_t *end, kp_channel_wait_t *wait,
                                  kp_transaction_t transaction);

/* Answers a call that was made on the other end. KP_OK: *caller is its thread, referenced: unpark it.
   ERR_NOT_FOUND: nobody waits under that id. Errors of the replier's memory: the call waits on. */
kp_status_t kp_channel_reply(kp_channel_t *end, kp_transaction_t transaction,
                             const kp_channel_bytes_t *reply, kp_thread_t **caller);
/* The same; the message is taken on success. *caller is NULL when it was kept for a caller who is on
   his way here from a lane: one of those has room. ERR_INVALID_ARGUMENT: `end` itself is in it. */
kp_status_t kp_channel_reply_message(kp_channel_t *end, kp_transaction_t transaction,
                                     kp_message_t *message, kp_thread_t **caller);

/* Ends a call that was made on the other end without a reply: channel_call returns the status. */
void kp_channel_reply_fail(kp_channel_t *end, kp_transaction_t transaction, kp_status_t status);

/* Waits for a message; gives up `wake` (may be NULL), which runs at once if it can. The result lies
   in the record. KP_OK; ERR_BUFFER_TOO_SMALL (only the counts came, the message stays);
   ERR_TIMED_OUT, ERR_PEER_CLOSED, ERR_CANCELLED. */
kp_status_t kp_channel_receive_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *wake,
                                    kp_time_t deadline);
/* The receiver could not take what came: it is the oldest message again. */
void kp_channel_receive_undo(kp_channel_t *end, kp_channel_wait_t *wait);

#endif
