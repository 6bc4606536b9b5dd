/* Channels: two ends; what is written to one is read from the other, in order. A message is bytes
   and capabilities in one allocation.

   Cycles of objects that hold each other could never be freed, so a send that would make one is refused with
   ERR_INVALID_ARGUMENT. What holds capabilities and is not held itself from outside is either an end, by the
   messages in its queue, or a process that has not begun, by its startup channel:
   - Every end has exactly one capability at any time (channels cannot be duplicated), so an end inside a
     queued message has one container, and a send looks at all that the receiving end lies in. One that would put
     an end below itself is refused, and so is one that nests ends deeper than KP_CHANNEL_NESTING_MAX.
   - Handles to a process may be many. So those that have not begun are ranked by their making, and one that lies
     below the startup channel of another has a lower rank: a process can be sent to one that was made after it,
     or to any that has begun, not to itself or to an older one before that is started.
   So closing both ends always frees everything: the queue of an end dies with the end. */
#ifndef KP_KERNEL_CHANNEL_H
#define KP_KERNEL_CHANNEL_H

#include "abi/ipc.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"

/* The receiver's limits: WRITABLE goes at either. A few of the largest messages: what one reader leaves
   unread is charged to the sender, who may have a hundred such readers. */
#define KP_CHANNEL_QUEUE_BYTES ((size_t)256 << 10)
#define KP_CHANNEL_QUEUE_MESSAGES 256u
#define KP_CHANNEL_NESTING_MAX 64u

typedef struct kp_channel kp_channel_t; /* one end */

typedef struct kp_message {
    kp_list_t link;
    kp_quota_t *quota; /* the sender's, charged with bytes and handles until it is read, or NULL */
    uint32_t byte_count;
    uint32_t capability_count;
    kp_transaction_t transaction; /* 0: the sender waits for no reply */
    /* While it is queued and carries ends or processes that have not begun: where, referenced. And how many such
       processes, the highest of their ranks. Guarded by: transit lock (channel.c). */
    kp_channel_t *container;
    uint32_t unbegun;
    uint64_t rank;
    kp_capability_t *capabilities; /* in the same allocation */
    uint8_t *bytes;                /* in the same allocation */
} kp_message_t;

/* Two capabilities with all rights of a channel. */
kp_status_t kp_channel_create(kp_capability_t ends[2]);

/* ---- For kernel code: with capabilities. end is one that the caller holds. ---- */
/* Never blocks: ERR_SHOULD_WAIT, ERR_PEER_CLOSED, ERR_NO_MEMORY, ERR_TOO_LARGE,
   ERR_INVALID_ARGUMENT. The capabilities are taken on success and stay the caller's on error. */
kp_status_t kp_channel_send(kp_capability_t end, const void *bytes, size_t byte_count,
                            kp_capability_t *capabilities, size_t capability_count);
/* Takes the oldest message: kp_message_destroy it (capabilities that were taken out of it are
   skipped). Waits until deadline (KP_TIME_POLL: not at all): ERR_TIMED_OUT, ERR_SHOULD_WAIT when
   polled, ERR_PEER_CLOSED, ERR_CANCELLED when the thread is dying. */
kp_status_t kp_channel_receive(kp_capability_t end, kp_time_t deadline, kp_message_t **message);

/* ---- For the calls: a message is filled first, then pushed; popped, then delivered. ---- */
/* Charges the quota. Bytes are not initialised by contract. */
kp_status_t kp_message_create(size_t byte_count, size_t capability_count, kp_quota_t *quota,
                              kp_message_t **out);
/* Closes what capabilities are left in it. */
void kp_message_destroy(kp_message_t *message);

kp_channel_t *kp_channel_from_object(kp_object_t *object);
/* Cheap look: would a push be refused now? KP_OK, ERR_SHOULD_WAIT, ERR_PEER_CLOSED. */
kp_status_t kp_channel_may_push(kp_channel_t *end);
/* Queues on the peer; on error the message is still the caller's. */
kp_status_t kp_channel_push(kp_channel_t *end, kp_message_t *message);
/* Takes the oldest message if it fits; counts (may be NULL) get its {bytes, capabilities}, also
   with ERR_BUFFER_TOO_SMALL. */
kp_status_t kp_channel_pop(kp_channel_t *end, size_t byte_capacity, size_t capability_capacity,
                           uint32_t counts[2], kp_message_t **message);
/* Puts a popped message back to the front (delivery failed). */
void kp_channel_unpop(kp_channel_t *end, kp_message_t *message);

/* Frees the messages that wait at the other end and whose one handle is an end of a channel whose other
   end is closed: requests for connections that nobody wants any more. False: there were none. Thread context. */
bool kp_channel_drop_dead(kp_channel_t *end);

/* When the last capability of `end` goes, fn runs instead of closing it and owns the end again by a
   new capability (services keep unread requests so). fn runs without locks. */
void kp_channel_set_abandoned(kp_channel_t *end, void (*fn)(kp_capability_t end, void *context),
                              void *context);

/* ---- Served by the kernel ----
   A message to an end that has a server is answered in its sender's own call, on the sender's thread, time and
   quota: no thread waits, no queue fills. While one is being answered its thread can send to no such end:
   ERR_NOT_SUPPORTED. */
typedef struct kp_channel_server kp_channel_server_t;

typedef struct kp_channel_server_ops {
    void (*acquire)(kp_channel_server_t *server); /* with the channel's lock held */
    /* These without locks. */
    void (*release)(kp_channel_server_t *server);
    void (*serve)(
        kp_channel_server_t *server); /* something is, or was, queued; several threads at once */
    void (*closed)(
        kp_channel_server_t *server); /* the other end is closed; once, and the last that comes */
} kp_channel_server_ops_t;

struct kp_channel_server {
    const kp_channel_server_ops_t *ops;
};

/* `end` is served from now on; takes a reference. ERR_PEER_CLOSED; ERR_BAD_STATE: `end` has a server, messages that
   nobody has read, or may not be served. */
kp_status_t kp_channel_serve(kp_channel_t *end, kp_channel_server_t *server);

/* For who keeps `end` in what a server holds, and only sends by it: else the server could hold itself. What lies in its
   queue goes, nothing can be sent there (ERR_NOT_SUPPORTED), and its other end is never served from now on.
   ERR_NOT_SUPPORTED: that is served. Thread context. */
kp_status_t kp_channel_send_only(kp_channel_t *end);

/* ---- Lanes: a machine may let the two holders of a channel go past the kernel ----
   A machine hangs a lane on the channel (machine/hosted/lane.h). The channel tells it when a message
   is queued, and takes it off when an end closes or changes its holder. */
typedef struct kp_channel_lane kp_channel_lane_t;

typedef struct kp_channel_lane_ops {
    void (*acquire)(kp_channel_lane_t *lane);
    void (*release)(kp_channel_lane_t *lane); /* no lock held */
    /* These with the channel's lock held; they may not block. */
    bool (*arm)(kp_channel_lane_t *lane); /* nothing is queued for whom it serves */
    void (*queued)(kp_channel_lane_t *lane, const kp_channel_t *receiver);
    void (*withdraw)(kp_channel_lane_t *lane); /* for ever */
} kp_channel_lane_ops_t;

struct kp_channel_lane {
    const kp_channel_lane_ops_t *ops;
};

/* Transactions with this bit are the lane's: the kernel makes none. */
#define KP_CHANNEL_LANE_TRANSACTION 0x80000000u

kp_channel_t *kp_channel_peer(kp_channel_t *end);
/* Takes a reference. False: the channel has a lane, or an end is closed. */
bool kp_channel_lane_attach(kp_channel_t *end, kp_channel_lane_t *lane);
/* Referenced; NULL: none. */
kp_channel_lane_t *kp_channel_lane_get(kp_channel_t *end);
/* Has the lane armed if nothing is queued at `end`, nobody else waits there and both ends are open. */
bool kp_channel_lane_arm(kp_channel_t *end);
/* The end changes its holder, or the holder's rights. */
void kp_channel_lane_detach(kp_channel_t *end);

#endif
