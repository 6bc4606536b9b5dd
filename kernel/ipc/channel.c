#include "kernel/ipc/call_private.h"

#include "kernel/object/wait.h"
#include "kernel/trace/trace.h"

struct kp_channel_pair {
    kp_spinlock_t lock;
    atomic_uint alive; /* ends whose memory is in use */
    kp_channel_t ends[2];
};

kp_channel_t *kp_channel_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_CHANNEL);
    return KP_CONTAINER_OF(object, kp_channel_t, object);
}

/* ---- Messages ---- */

static size_t message_size(size_t byte_count, size_t capability_count)
{
    return sizeof(kp_message_t) + capability_count * sizeof(kp_capability_t) + byte_count;
}

kp_status_t kp_message_create(size_t byte_count, size_t capability_count, kp_quota_t *quota,
                              kp_message_t **out)
{
    if (byte_count > KP_CHANNEL_BYTES_MAX || capability_count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_TOO_LARGE;
    size_t size = message_size(byte_count, capability_count);
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_QUEUED_BYTES, size);
    if (status != KP_OK)
        return status;
    /* In flight or in a table, a handle counts: else a process could make any number of objects
       and park them in queues. */
    status = kp_quota_charge(quota, KP_QUOTA_HANDLES, capability_count);
    if (status != KP_OK) {
        kp_quota_refund(quota, KP_QUOTA_QUEUED_BYTES, size);
        return status;
    }
    kp_message_t *message = kp_kalloc_dirty(size);
    if (!message) {
        kp_quota_refund(quota, KP_QUOTA_QUEUED_BYTES, size);
        kp_quota_refund(quota, KP_QUOTA_HANDLES, capability_count);
        return KP_ERR_NO_MEMORY;
    }
    memset(message, 0, size - byte_count); /* all but the bytes */
    kp_list_init(&message->link);
    message->quota = kp_quota_acquire(quota);
    message->byte_count = (uint32_t)byte_count;
    message->capability_count = (uint32_t)capability_count;
    message->capabilities = (kp_capability_t *)(message + 1);
    message->bytes = (uint8_t *)(message->capabilities + capability_count);
    *out = message;
    return KP_OK;
}

static void message_free(kp_message_t *message)
{
    size_t size = message_size(message->byte_count, message->capability_count);
    kp_quota_refund(message->quota, KP_QUOTA_QUEUED_BYTES, size);
    kp_quota_refund(message->quota, KP_QUOTA_HANDLES, message->capability_count);
    kp_quota_release(message->quota);
    kp_kfree(message);
}

/* ---- Closing ---- */

/* All that lies in the end's queue. Lock held. */
static void queue_take(kp_channel_t *end, kp_list_t *garbage)
{
    while (!kp_list_is_empty(&end->queue)) {
        kp_list_t *link = end->queue.next;
        kp_list_remove(link);
        kp_list_append(garbage, link);
    }
    if (end->early_reply)
        kp_list_append(garbage, &end->early_reply->link);
    end->early_reply = NULL;
    end->queued_bytes = 0;
    end->queued_count = 0;
}

/* Marks the end closed, tells the peer, and hands its queue over to be destroyed. */
static void channel_close(kp_channel_t *end, kp_list_t *garbage)
{
    kp_channel_t *peer = end->peer;
    kp_spin_lock(end->object.lock);
    end->closed = true;
    kp_channel_server_t *own = end->server, *server = peer->server;
    end->server = peer->server = NULL;
    queue_take(end, garbage);
    kp_object_signal_locked(&end->object, KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE, 0);
    if (!peer->closed)
        kp_object_signal_locked(&peer->object, KP_SIGNAL_WRITABLE, KP_SIGNAL_PEER_CLOSED);
    kp_channel_waits_wake(end);
    kp_channel_waits_wake(peer);
    kp_spin_unlock(end->object.lock);
    if (server) {
        server->ops->closed(server);
        server->ops->release(server);
    }
    if (own)
        own->ops->release(own);
}

/* The last capability of the end has gone. */
static void channel_abandon(kp_channel_t *end, kp_list_t *garbage)
{
    kp_channel_lane_detach(end);
    if (end->abandoned)
        end->abandoned(
            kp_capability_create(&end->object, kp_object_default_rights(KP_TYPE_CHANNEL)),
            end->abandoned_context);
    else
        channel_close(end, garbage);
}

/* Channels in messages in channels in messages...: a list instead of recursion, so that a long
   chain cannot exhaust the kernel's stack. */
static void messages_destroy(kp_list_t *garbage)
{
    while (!kp_list_is_empty(garbage)) {
        kp_message_t *message = KP_CONTAINER_OF(garbage->next, kp_message_t, link);
        kp_list_remove(&message->link);
        kp_message_containers_clear(message);
        for (uint32_t i = 0; i < message->capability_count; i++) {
            kp_capability_t *capability = &message->capabilities[i];
            if (!capability->object || capability->object->type != KP_TYPE_CHANNEL) {
                kp_capability_close(capability);
                continue;
            }
            kp_object_t *object = kp_capability_take(capability).object;
            if (atomic_fetch_sub(&object->capabilities, 1) == 1)
                channel_abandon(kp_channel_from_object(object), garbage);
            kp_object_release(object);
        }
        message_free(message);
    }
}

void kp_message_destroy(kp_message_t *message)
{
    kp_list_t garbage;
    kp_list_init(&garbage);
    kp_list_append(&garbage, &message->link);
    messages_destroy(&garbage);
}

static void channel_abandoned(kp_object_t *object)
{
    kp_list_t garbage;
    kp_list_init(&garbage);
    channel_abandon(kp_channel_from_object(object), &garbage);
    messages_destroy(&garbage);
}

static void channel_destroy(kp_object_t *object)
{
    kp_channel_t *end = kp_channel_from_object(object);
    KP_CHECK(kp_list_is_empty(&end->queue) && !end->container);
    KP_CHECK(kp_list_is_empty(&end->receivers) && !end->calls);
    kp_object_fini(object);
    if (atomic_fetch_sub_explicit(&end->pair->alive, 1, memory_order_acq_rel) == 1)
        kp_kfree(end->pair);
}

static const kp_object_ops_t channel_ops = {
    .abandoned = channel_abandoned,
    .destroy = channel_destroy,
    .startup = kp_channel_startup,
};

kp_status_t kp_channel_create(kp_capability_t ends[2])
{
    kp_channel_pair_t *pair = kp_kalloc(sizeof(*pair));
    if (!pair)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&pair->lock);
    atomic_init(&pair->alive, 2);
    for (int i = 0; i < 2; i++) {
        kp_channel_t *end = &pair->ends[i];
        kp_object_init(&end->object, KP_TYPE_CHANNEL, &channel_ops);
        end->object.lock = &pair->lock;
        end->pair = pair;
        end->peer = &pair->ends[1 - i];
        kp_list_init(&end->queue);
        kp_list_init(&end->receivers);
        atomic_init(&end->object.signals, KP_SIGNAL_WRITABLE);
    }
    for (int i = 0; i < 2; i++) {
        kp_object_t *object = &pair->ends[i].object;
        ends[i] = kp_capability_create(object, kp_object_default_rights(KP_TYPE_CHANNEL));
        kp_object_release(object);
    }
    return KP_OK;
}

void kp_channel_set_abandoned(kp_channel_t *end, void (*fn)(kp_capability_t end, void *context),
                              void *context)
{
    end->abandoned = fn;
    end->abandoned_context = context;
}

/* ---- Queues ---- */

/* WRITABLE means that a message of any size will do, so the byte limit keeps room for one. */
static bool channel_is_full(const kp_channel_t *receiver)
{
    return receiver->queued_count >= KP_CHANNEL_QUEUE_MESSAGES ||
           receiver->queued_bytes > KP_CHANNEL_QUEUE_BYTES - KP_CHANNEL_BYTES_MAX;
}

kp_status_t kp_channel_may_push(kp_channel_t *end)
{
    kp_signals_t signals = atomic_load_explicit(&end->object.signals, memory_order_relaxed);
    if (signals & KP_SIGNAL_PEER_CLOSED)
        return KP_ERR_PEER_CLOSED;
    return signals & KP_SIGNAL_WRITABLE ? KP_OK : KP_ERR_SHOULD_WAIT;
}

/* *server: who is to be told, referenced. */
static kp_status_t channel_enqueue(kp_channel_t *end, kp_message_t *message,
                                   kp_channel_server_t **server)
{
    kp_channel_t *receiver = end->peer;
    kp_status_t status = KP_OK;
    kp_spin_lock(end->object.lock);
    if (receiver->closed) {
        status = KP_ERR_PEER_CLOSED;
    } else if (receiver->server && kp_machine_thread_current()->is_serving) {
        status = KP_ERR_NOT_SUPPORTED; /* one in another would nest as deep as programs like */
    } else if (receiver->never_read) {
        status = KP_ERR_NOT_SUPPORTED;
    } else if (channel_is_full(receiver)) {
        status = KP_ERR_SHOULD_WAIT;
    } else {
        kp_list_append(&receiver->queue, &message->link);
        receiver->queued_count++;
        receiver->queued_bytes += message->byte_count;
        kp_trace(KP_TRACE_SEND, receiver->object.koid, message->byte_count,
                 message->capability_count);
        if (receiver->lane)
            receiver->lane->ops->queued(receiver->lane, receiver);
        kp_object_signal_locked(&receiver->object, 0, KP_SIGNAL_READABLE);
        kp_channel_receivers_wake(receiver);
        if (channel_is_full(receiver))
            kp_object_signal_locked(&end->object, KP_SIGNAL_WRITABLE, 0);
        *server = receiver->server;
        if (*server)
            (*server)->ops->acquire(*server);
    }
    kp_spin_unlock(end->object.lock);
    return status;
}

static void server_tell(kp_channel_server_t *server)
{
    if (!server)
        return;
    kp_thread_t *thread = kp_machine_thread_current();
    thread->is_serving = true;
    server->ops->serve(server);
    thread->is_serving = false;
    server->ops->release(server);
}

kp_status_t kp_channel_push(kp_channel_t *end, kp_message_t *message)
{
    kp_channel_server_t *server = NULL;
    if (!message->capability_count || !kp_message_survey(message)) {
        kp_status_t status = channel_enqueue(end, message, &server);
        server_tell(server);
        return status;
    }

    for (uint32_t i = 0; i < message->capability_count; i++) {
        if (message->capabilities[i].object == &end->object)
            return KP_ERR_INVALID_ARGUMENT;
    }
    kp_channel_t *receiver = end->peer;
    kp_status_t status = kp_channel_receiver_acquire(receiver);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&kp_channel_transit);
    status = kp_message_enter(message, receiver);
    if (status == KP_OK)
        status = channel_enqueue(end, message, &server);
    kp_spin_unlock(&kp_channel_transit);
    if (status != KP_OK)
        kp_message_containers_clear(message);
    kp_object_release(&receiver->object);
    server_tell(server);
    return status;
}

kp_status_t kp_channel_serve(kp_channel_t *end, kp_channel_server_t *server)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(end->object.lock);
    if (end->closed || end->peer->closed) {
        status = KP_ERR_PEER_CLOSED;
    } else if (end->server || end->never_served || !kp_list_is_empty(&end->queue)) {
        status = KP_ERR_BAD_STATE;
    } else {
        server->ops->acquire(server);
        end->server = server;
    }
    kp_spin_unlock(end->object.lock);
    return status;
}

/* Signals after a message was taken: the receiver's READABLE, the sender's WRITABLE. Lock held. */
static void channel_taken(kp_channel_t *end)
{
    kp_channel_t *sender = end->peer;
    if (kp_list_is_empty(&end->queue))
        kp_object_signal_locked(&end->object, KP_SIGNAL_READABLE, 0);
    if (!sender->closed && !end->closed && !channel_is_full(end))
        kp_object_signal_locked(&sender->object, 0, KP_SIGNAL_WRITABLE);
}

kp_status_t kp_channel_send_only(kp_channel_t *end)
{
    kp_list_t garbage;
    kp_list_init(&garbage);
    kp_spin_lock(end->object.lock);
    bool is_served = end->peer->server;
    if (!is_served) {
        end->peer->never_served = end->never_read = true;
        queue_take(end, &garbage);
        channel_taken(end);
    }
    kp_spin_unlock(end->object.lock);
    messages_destroy(&garbage);
    return is_served ? KP_ERR_NOT_SUPPORTED : KP_OK;
}

kp_status_t kp_channel_pop_locked(kp_channel_t *end, size_t byte_capacity,
                                  size_t capability_capacity, uint32_t counts[2],
                                  kp_message_t **out)
{
    if (kp_list_is_empty(&end->queue))
        return end->peer->closed ? KP_ERR_PEER_CLOSED : KP_ERR_SHOULD_WAIT;
    kp_message_t *message = KP_CONTAINER_OF(end->queue.next, kp_message_t, link);
    if (counts) {
        counts[0] = message->byte_count;
        counts[1] = message->capability_count;
    }
    if (message->byte_count > byte_capacity || message->capability_count > capability_capacity)
        return KP_ERR_BUFFER_TOO_SMALL;
    kp_list_remove(&message->link);
    end->queued_count--;
    end->queued_bytes -= message->byte_count;
    kp_trace(KP_TRACE_RECEIVE, end->object.koid, message->byte_count, message->capability_count);
    channel_taken(end);
    *out = message;
    return KP_OK;
}

kp_status_t kp_channel_pop(kp_channel_t *end, size_t byte_capacity, size_t capability_capacity,
                           uint32_t counts[2], kp_message_t **message)
{
    kp_spin_lock(end->object.lock);
    kp_status_t status =
        kp_channel_pop_locked(end, byte_capacity, capability_capacity, counts, message);
    kp_spin_unlock(end->object.lock);
    if (status == KP_OK)
        kp_message_containers_clear(*message);
    return status;
}

void kp_channel_unpop(kp_channel_t *end, kp_message_t *message)
{
    bool is_bound = kp_message_survey(message);
    bool back = true;
    if (is_bound) {
        kp_spin_lock(&kp_channel_transit);
        /* Another thread may have moved `end` below one of them meanwhile. */
        back = kp_message_enter(message, end) == KP_OK;
    }
    if (back) {
        kp_spin_lock(end->object.lock);
        back = !end->closed && !end->never_read;
        if (back) {
            kp_list_append(end->queue.next, &message->link); /* before the first */
            end->queued_count++;
            end->queued_bytes += message->byte_count;
            kp_object_signal_locked(&end->object, 0, KP_SIGNAL_READABLE);
            kp_channel_receivers_wake(end);
            if (channel_is_full(end) && !end->peer->closed)
                kp_object_signal_locked(&end->peer->object, KP_SIGNAL_WRITABLE, 0);
        }
        kp_spin_unlock(end->object.lock);
    }
    if (is_bound)
        kp_spin_unlock(&kp_channel_transit);
    if (!back)
        kp_message_destroy(message);
}

static bool message_is_dead(const kp_message_t *message)
{
    if (message->capability_count != 1)
        return false;
    const kp_object_t *object = message->capabilities[0].object;
    return object && object->type == KP_TYPE_CHANNEL &&
           (atomic_load_explicit(&object->signals, memory_order_relaxed) & KP_SIGNAL_PEER_CLOSED);
}

bool kp_channel_drop_dead(kp_channel_t *end)
{
    kp_channel_t *receiver = end->peer;
    kp_list_t garbage;
    kp_list_init(&garbage);
    kp_spin_lock(end->object.lock);
    for (kp_list_t *link = receiver->queue.next, *next; link != &receiver->queue; link = next) {
        next = link->next;
        kp_message_t *message = KP_CONTAINER_OF(link, kp_message_t, link);
        if (!message_is_dead(message))
            continue;
        kp_list_remove(link);
        kp_list_append(&garbage, link);
        receiver->queued_count--;
        receiver->queued_bytes -= message->byte_count;
    }
    channel_taken(receiver);
    kp_spin_unlock(end->object.lock);
    bool dropped = !kp_list_is_empty(&garbage);
    messages_destroy(&garbage);
    return dropped;
}

/* ---- Lanes ---- */

kp_channel_t *kp_channel_peer(kp_channel_t *end)
{
    return end->peer;
}

bool kp_channel_lane_attach(kp_channel_t *end, kp_channel_lane_t *lane)
{
    kp_spin_lock(end->object.lock);
    bool attached = !end->lane && !end->closed && !end->peer->closed;
    if (attached) {
        lane->ops->acquire(lane);
        end->lane = end->peer->lane = lane;
        end->had_lane = end->peer->had_lane = true;
    }
    kp_spin_unlock(end->object.lock);
    return attached;
}

kp_channel_lane_t *kp_channel_lane_get(kp_channel_t *end)
{
    kp_spin_lock(end->object.lock);
    kp_channel_lane_t *lane = end->lane;
    if (lane)
        lane->ops->acquire(lane);
    kp_spin_unlock(end->object.lock);
    return lane;
}

bool kp_channel_lane_arm(kp_channel_t *end)
{
    kp_spin_lock(end->object.lock);
    bool armed = end->lane && !end->closed && !end->peer->closed && kp_list_is_empty(&end->queue) &&
                 kp_list_is_empty(&end->receivers) && end->lane->ops->arm(end->lane);
    kp_spin_unlock(end->object.lock);
    return armed;
}

void kp_channel_lane_detach(kp_channel_t *end)
{
    kp_spin_lock(end->object.lock);
    kp_channel_lane_t *lane = end->lane;
    end->lane = end->peer->lane = NULL;
    if (lane)
        lane->ops->withdraw(lane);
    kp_spin_unlock(end->object.lock);
    if (lane)
        lane->ops->release(lane);
}

/* ---- For kernel code ---- */

kp_status_t kp_channel_send(kp_capability_t end, const void *bytes, size_t byte_count,
                            kp_capability_t *capabilities, size_t capability_count)
{
    kp_channel_t *channel = kp_channel_from_object(end.object);
    kp_message_t *message;
    kp_status_t status = kp_message_create(byte_count, capability_count, NULL, &message);
    if (status != KP_OK)
        return status;
    if (byte_count)
        memcpy(message->bytes, bytes, byte_count);
    for (size_t i = 0; i < capability_count; i++)
        message->capabilities[i] = capabilities[i];
    status = kp_channel_push(channel, message);
    if (status != KP_OK) {
        message_free(message); /* without closing: they are still the caller's */
        return status;
    }
    for (size_t i = 0; i < capability_count; i++)
        capabilities[i] = (kp_capability_t){0};
    return KP_OK;
}

kp_status_t kp_channel_receive(kp_capability_t end, kp_time_t deadline, kp_message_t **message)
{
    kp_channel_t *channel = kp_channel_from_object(end.object);
    for (;;) {
        kp_status_t status =
            kp_channel_pop(channel, KP_CHANNEL_BYTES_MAX, KP_CHANNEL_HANDLES_MAX, NULL, message);
        if (status != KP_ERR_SHOULD_WAIT || deadline <= KP_TIME_POLL)
            return status;
        status =
            kp_wait_one(end.object, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, deadline, NULL);
        if (status != KP_OK)
            return status;
    }
}
