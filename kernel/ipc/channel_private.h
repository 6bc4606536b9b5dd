/* Between channel.c and call.c: what a channel end is made of. */
#ifndef KP_KERNEL_CHANNEL_PRIVATE_H
#define KP_KERNEL_CHANNEL_PRIVATE_H

#include "kernel/ipc/call.h"
#include "kernel/ipc/channel.h"

typedef struct kp_channel_pair kp_channel_pair_t;

struct kp_channel {
    kp_object_t object; /* its lock is the pair's, which guards all below but for `container` */
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
    bool never_served;           /* kp_channel_serve_never of the other end */
    kp_channel_server_t *server; /* of what is sent here; referenced; NULL: whoever receives */
    /* The end in whose queue this end lies, referenced; guarded by: transit lock. */
    kp_channel_t *container;
    void (*abandoned)(kp_capability_t end, void *context); /* set once, before it is shared */
    void *abandoned_context;
    kp_channel_pair_t *pair; /* constant */
};

static inline kp_channel_t *kp_channel_of(kp_object_t *object)
{
    return KP_CONTAINER_OF(object, kp_channel_t, object);
}

/* What kp_channel_pop does with the lock held; *message is out of the queue, its channels are not yet
   out of their container: kp_message_containers_clear, without locks. */
kp_status_t kp_channel_pop_locked(kp_channel_t *end, size_t byte_capacity,
                                  size_t capability_capacity, uint32_t counts[2],
                                  kp_message_t **message);
void kp_message_containers_clear(kp_message_t *message);
/* Puts the message's channels into their container `receiver`, if that is no cycle and the end is
   open; clear them when the message is read. */
kp_status_t kp_message_containers_enter(kp_message_t *message, kp_channel_t *receiver);

#endif
