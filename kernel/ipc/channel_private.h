/* Between channel.c and call.c: what a channel end is made of. */
#ifndef KP_KERNEL_CHANNEL_PRIVATE_H
#define KP_KERNEL_CHANNEL_PRIVATE_H

#include "kernel/ipc/call.h"
#include "kernel/ipc/channel.h"

typedef struct kp_channel_pair kp_channel_pair_t;

struct kp_channel {
    kp_object_t object; /* its lock is the pair's, which guards all below unless said */
    kp_channel_t *peer; /* constant */
    kp_list_t queue;    /* messages to be read here */
    size_t queued_bytes;
    uint32_t queued_count;
    bool closed;
    kp_transaction_t last_transaction; /* of the calls made here */
    kp_channel_wait_t *calls;          /* made here and not answered, by transaction (call.c) */
    kp_list_t receivers;     /* kp_channel_wait_t.link: threads that wait here, in order */
    kp_channel_lane_t *lane; /* of both ends; NULL: none */
    kp_message_t
        *early_reply; /* to a call by a lane, whose caller has not come here yet (call.c) */
    bool had_lane;
    bool never_served;           /* kp_channel_send_only of the other end */
    bool never_read;             /* of this one */
    kp_channel_server_t *server; /* of what is sent here; referenced; NULL: whoever receives */
    /* Guarded by: transit lock. */
    kp_channel_t *container; /* the end in whose queue this end lies, referenced */
    uint64_t startup_rank;   /* of the process that has not begun and will get this end; or 0 */
    uint32_t unbegun; /* processes that had not begun when they were put below this end; at most */
    uint64_t rank;    /* not lower than any of theirs */
    void (*abandoned)(kp_capability_t end, void *context); /* set once, before it is shared */
    void *abandoned_context;
    kp_channel_pair_t *pair; /* constant */
};

static inline kp_channel_t *kp_channel_of(kp_object_t *object)
{
    return KP_CONTAINER_OF(object, kp_channel_t, object);
}

/* What kp_channel_pop does with the lock held; *message is out of the queue, but not yet
   out of its container: kp_message_containers_clear, without locks. */
kp_status_t kp_channel_pop_locked(kp_channel_t *end, size_t byte_capacity,
                                  size_t capability_capacity, uint32_t counts[2],
                                  kp_message_t **message);

/* ---- Containers (container.c) ---- */

/* Guards every `container` and what goes with it. Taken only for messages that carry ends, or processes that have not
   begun; before pair locks. */
extern kp_spinlock_t kp_channel_transit;

/* Counts the processes in it that have not begun. True: it carries such, or ends, and needs a container. */
bool kp_message_survey(kp_message_t *message);
/* Puts what a surveyed message carries into its container. ERR_INVALID_ARGUMENT: something would hold itself. The transit
   lock is held; the caller has a reference to receiver. */
kp_status_t kp_message_enter(kp_message_t *message, kp_channel_t *receiver);
/* Takes what the message carries out of its container, if it is in one. No locks held. */
void kp_message_containers_clear(kp_message_t *message);
/* Survey and enter. Also ERR_PEER_CLOSED. No locks held. */
kp_status_t kp_message_containers_enter(kp_message_t *message, kp_channel_t *receiver);
/* A reference to the other side's end. A closed end's memory is still the pair's, but may not be referenced any more:
   ERR_PEER_CLOSED. */
kp_status_t kp_channel_receiver_acquire(kp_channel_t *receiver);
/* kp_object_ops_t.startup */
uint64_t kp_channel_startup(kp_object_t *object, uint64_t rank);

#endif
