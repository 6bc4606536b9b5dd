#include "kernel/ipc/channel_private.h"

#include "kernel/object/thread.h"
#include "kernel/trace/trace.h"

/* ---- Calls by transaction: a digital search tree. Each step down follows the next bit of the id,
   lowest first, so it is never deeper than the id is long, and ids that count upwards fill it
   evenly. ---- */

static kp_channel_wait_t *call_find(kp_channel_t *end, kp_transaction_t transaction)
{
    kp_channel_wait_t *call = end->calls;
    for (uint32_t bits = transaction; call && call->transaction != transaction; bits >>= 1)
        call = call->child[bits & 1];
    return call;
}

/* An id that no call waits under, and no lane makes. */
static kp_transaction_t call_id(kp_channel_t *end)
{
    do {
        if (++end->last_transaction == KP_CHANNEL_LANE_TRANSACTION)
            end->last_transaction = 1;
    } while (end->calls && call_find(end, end->last_transaction));
    return end->last_transaction;
}

/* Under call->transaction. */
static void call_insert(kp_channel_t *end, kp_channel_wait_t *call)
{
    kp_channel_wait_t **place = &end->calls;
    for (uint32_t bits = call->transaction; *place; bits >>= 1)
        place = &(*place)->child[bits & 1];
    call->child[0] = call->child[1] = NULL;
    call->place = place;
    *place = call;
}

static void call_remove(kp_channel_wait_t *call)
{
    /* Any leaf below may stand in its place: it agrees in all bits up to there. */
    kp_channel_wait_t *leaf = call;
    while (leaf->child[0] || leaf->child[1])
        leaf = leaf->child[leaf->child[0] == NULL];
    *leaf->place = NULL;
    if (leaf == call)
        return;
    leaf->place = call->place;
    *leaf->place = leaf;
    for (int i = 0; i < 2; i++) {
        leaf->child[i] = call->child[i];
        if (leaf->child[i])
            leaf->child[i]->place = &leaf->child[i];
    }
}

/* ---- Records ---- */

void kp_channel_wait_init(kp_channel_wait_t *wait, kp_channel_bytes_t room, uint32_t handle_room,
                          const kp_handle_table_t *table, kp_handle_t handle)
{
    wait->waiter = (kp_waiter_t){
        .thread = kp_machine_thread_current(),
        .table = table,
        .handle = handle,
    };
    wait->room = room;
    wait->handle_room = handle_room;
    atomic_init(&wait->done, false);
    wait->in_place = false;
    wait->status = KP_OK;
    wait->transaction = KP_TRANSACTION_NONE;
    wait->byte_count = wait->handle_count = 0;
    wait->message = NULL;
}

/* Links the record to its end: the lock is held. */
static void wait_link(kp_channel_t *end, kp_channel_wait_t *wait, kp_signals_t signals)
{
    wait->waiter.object = &end->object;
    wait->waiter.signals = signals;
    kp_list_append(&end->object.waiters, &wait->waiter.link);
}

/* The record has its result. The lock is held; the thread is referenced for after it. */
static kp_thread_t *wait_finish(kp_channel_wait_t *wait)
{
    kp_thread_t *thread = wait->waiter.thread;
    kp_object_acquire(&thread->object);
    kp_list_remove(&wait->waiter.link);
    atomic_store_explicit(&wait->done, true, memory_order_release);
    return thread;
}

/* Copies what is sent to the record or to its room. The result is about the sender's memory; what
   is wrong with the receiver's goes to wait->status. The lock is held. */
static kp_status_t wait_fill(kp_channel_wait_t *wait, const kp_channel_bytes_t *from)
{
    wait->byte_count = from->count;
    wait->in_place = from->count > KP_CHANNEL_INLINE_MAX;
    if (!wait->in_place)
        return from->count
                   ? kp_machine_space_copy_in(from->space, wait->bytes, from->at, from->count)
                   : KP_OK;
    kp_status_t across = kp_machine_space_copy_across(from->space, from->at, wait->room.space,
                                                      wait->room.at, from->count);
    if (across != KP_ERR_NOT_SUPPORTED) {
        wait->status = across;
        return KP_OK;
    }
    for (uint32_t done = 0; done < from->count && wait->status == KP_OK;) {
        uint32_t part = KP_MIN(from->count - done, KP_CHANNEL_INLINE_MAX);
        kp_status_t status =
            kp_machine_space_copy_in(from->space, wait->bytes, from->at + done, part);
        if (status != KP_OK)
            return status;
        wait->status =
            kp_machine_space_copy_out(wait->room.space, wait->room.at + done, wait->bytes, part);
        done += part;
    }
    return KP_OK;
}

/* Parks; `first` (may be NULL) is woken by it and given up. */
static bool wait_park(kp_thread_t *first, kp_time_t deadline)
{
    if (!first)
        return kp_machine_thread_park(deadline);
    bool in_time = kp_machine_thread_handoff(first, deadline);
    kp_object_release(&first->object);
    return in_time;
}

/* Why a record that is not done must end without its thread being told anything; KP_OK: it need
   not. The lock is held. */
static kp_status_t wait_broken(const kp_channel_t *end, const kp_channel_wait_t *wait)
{
    if (end->closed || atomic_load_explicit(&wait->waiter.cancelled, memory_order_relaxed) ||
        kp_thread_is_dying(wait->waiter.thread))
        return KP_ERR_CANCELLED;
    return KP_OK;
}

/* Counts, and whether they fit. */
static bool reply_fits(kp_channel_wait_t *call, uint32_t byte_count, uint32_t handle_count)
{
    call->byte_count = byte_count;
    call->handle_count = handle_count;
    if (byte_count <= call->room.count && handle_count <= call->handle_room)
        return true;
    call->status = KP_ERR_BUFFER_TOO_SMALL;
    return false;
}

/* ---- Calls ---- */

/* Before the request can be seen: the reply may come at once. The lock is held. */
static void call_register(kp_channel_t *end, kp_channel_wait_t *wait)
{
    wait->transaction = call_id(end);
    call_insert(end, wait);
    wait_link(end, wait, KP_SIGNAL_PEER_CLOSED);
}

kp_status_t kp_channel_call_direct(kp_channel_t *end, kp_channel_wait_t *wait,
                                   const kp_channel_bytes_t *request, kp_thread_t **thread)
{
    kp_channel_t *peer = end->peer;
    kp_status_t status = KP_ERR_SHOULD_WAIT;
    kp_spin_lock(end->object.lock);
    if (end->closed) {
        status = KP_ERR_CANCELLED;
    } else if (peer->closed) {
        status = KP_ERR_PEER_CLOSED;
    } else if (!kp_list_is_empty(&peer->receivers) && kp_list_is_empty(&peer->queue)) {
        kp_channel_wait_t *receiver =
            KP_CONTAINER_OF(peer->receivers.next, kp_channel_wait_t, link);
        /* One whose end has gone elsewhere must not swallow it. */
        if (receiver->room.count >= request->count && wait_broken(peer, receiver) == KP_OK) {
            status = wait_fill(receiver, request);
            if (status == KP_OK) {
                kp_list_remove(&receiver->link);
                *thread = wait_finish(receiver);
                kp_trace(KP_TRACE_SEND, peer->object.koid, request->count, 0);
                /* Nothing could be put into its memory: that ends its wait, not the call. */
                if (receiver->status != KP_OK)
                    status = KP_ERR_SHOULD_WAIT;
            }
            if (status == KP_OK) {
                call_register(end, wait);
                receiver->transaction = wait->transaction;
            }
        }
    }
    kp_spin_unlock(end->object.lock);
    if (status == KP_ERR_SHOULD_WAIT && *thread) {
        kp_machine_thread_unpark(*thread);
        kp_object_release(&(*thread)->object);
        *thread = NULL;
    }
    return status;
}

kp_status_t kp_channel_call_push(kp_channel_t *end, kp_channel_wait_t *wait, kp_message_t *message)
{
    kp_spin_lock(end->object.lock);
    call_register(end, wait);
    message->transaction = wait->transaction;
    kp_spin_unlock(end->object.lock);
    kp_status_t status = kp_channel_push(end, message);
    if (status == KP_OK)
        return KP_OK;
    /* Only the id can have been guessed: then the reply is dropped. */
    message->transaction = KP_TRANSACTION_NONE;
    kp_spin_lock(end->object.lock);
    if (!atomic_load_explicit(&wait->done, memory_order_relaxed)) {
        call_remove(wait);
        kp_list_remove(&wait->waiter.link);
    }
    kp_spin_unlock(end->object.lock);
    if (wait->message)
        kp_message_destroy(wait->message);
    return status;
}

kp_status_t kp_channel_call_adopt(kp_channel_t *end, kp_channel_wait_t *wait,
                                  kp_transaction_t transaction)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(end->object.lock);
    kp_message_t *early = end->early_reply;
    if (early && early->transaction == transaction) {
        end->early_reply = NULL;
        if (reply_fits(wait, early->byte_count, early->capability_count))
            wait->message = early;
        atomic_store_explicit(&wait->done, true, memory_order_relaxed);
        wait->transaction = transaction;
    } else {
        early = NULL;
        status = end->closed         ? KP_ERR_CANCELLED
                 : end->peer->closed ? KP_ERR_PEER_CLOSED
                 : !(transaction & KP_CHANNEL_LANE_TRANSACTION) || call_find(end, transaction)
                     ? KP_ERR_BAD_STATE
                     : KP_OK;
        if (status == KP_OK) {
            wait->transaction = transaction;
            call_insert(end, wait);
            wait_link(end, wait, KP_SIGNAL_PEER_CLOSED);
        }
    }
    kp_spin_unlock(end->object.lock);
    if (early)
        kp_message_containers_clear(early);
    if (early && !wait->message)
        kp_message_destroy(early);
    return status;
}

kp_status_t kp_channel_call_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *receiver,
                                 kp_time_t deadline)
{
    if (!receiver && atomic_load_explicit(&wait->done, memory_order_acquire))
        return wait->status;
    for (;;) {
        bool in_time = wait_park(receiver, deadline);
        receiver = NULL;
        if (atomic_load_explicit(&wait->done, memory_order_acquire))
            return wait->status;
        kp_spin_lock(end->object.lock);
        kp_status_t status = KP_OK;
        bool done = atomic_load_explicit(&wait->done, memory_order_relaxed);
        if (!done) {
            status = wait_broken(end, wait);
            if (status == KP_OK && end->peer->closed)
                status = KP_ERR_PEER_CLOSED;
            if (status == KP_OK && !in_time)
                status = KP_ERR_TIMED_OUT;
            if (status != KP_OK) {
                call_remove(wait);
                kp_list_remove(&wait->waiter.link);
            }
        }
        kp_spin_unlock(end->object.lock);
        if (done)
            return wait->status;
        if (status != KP_OK)
            return status;
    }
}

/* ---- Replies ---- */

kp_status_t kp_channel_reply(kp_channel_t *end, kp_transaction_t transaction,
                             const kp_channel_bytes_t *reply, kp_thread_t **caller)
{
    kp_status_t status = KP_ERR_NOT_FOUND;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = call_find(end->peer, transaction);
    if (call) {
        status = reply_fits(call, reply->count, 0) ? wait_fill(call, reply) : KP_OK;
        if (status == KP_OK) {
            call_remove(call);
            *caller = wait_finish(call);
            kp_trace(KP_TRACE_SEND, end->peer->object.koid, reply->count, 0);
        }
    }
    kp_spin_unlock(end->object.lock);
    return status;
}

/* Gives the call its reply. True: the message is its, else it did not fit. The lock is held. */
static bool reply_finish(kp_channel_wait_t *call, kp_message_t *message, kp_thread_t **caller)
{
    bool fits = reply_fits(call, message->byte_count, message->capability_count);
    if (fits)
        call->message = message;
    call_remove(call);
    *caller = wait_finish(call);
    kp_trace(KP_TRACE_SEND, call->waiter.object->koid, message->byte_count,
             message->capability_count);
    return fits;
}

/* Its caller is on his way from a lane, or has come just now. */
static kp_status_t reply_keep(kp_channel_t *end, kp_transaction_t transaction,
                              kp_message_t *message, kp_thread_t **caller)
{
    kp_channel_t *to = end->peer;
    kp_status_t status = kp_message_containers_enter(message, to);
    if (status != KP_OK)
        return status == KP_ERR_PEER_CLOSED ? KP_ERR_NOT_FOUND : status;
    kp_message_t *garbage = NULL;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = call_find(to, transaction);
    if (call) {
        if (!reply_finish(call, message, caller))
            garbage = message;
    } else if (!to->had_lane || to->closed) {
        status = KP_ERR_NOT_FOUND;
    } else {
        garbage = to->early_reply;
        to->early_reply = message;
        message->transaction = transaction;
    }
    kp_spin_unlock(end->object.lock);
    if (call || status != KP_OK)
        kp_message_containers_clear(message);
    if (garbage)
        kp_message_destroy(garbage);
    return status;
}

kp_status_t kp_channel_reply_message(kp_channel_t *end, kp_transaction_t transaction,
                                     kp_message_t *message, kp_thread_t **caller)
{
    /* The rule of kp_channel_push: no end travels through itself. */
    for (uint32_t i = 0; i < message->capability_count; i++) {
        if (message->capabilities[i].object == &end->object)
            return KP_ERR_INVALID_ARGUMENT;
    }
    bool fits = false;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = call_find(end->peer, transaction);
    if (call)
        fits = reply_finish(call, message, caller);
    kp_spin_unlock(end->object.lock);
    if (!call)
        return transaction & KP_CHANNEL_LANE_TRANSACTION
                   ? reply_keep(end, transaction, message, caller)
                   : KP_ERR_NOT_FOUND;
    if (!fits)
        kp_message_destroy(message);
    return KP_OK;
}

/* ---- Receiving ---- */

/* Takes the oldest message, or says why not: ERR_SHOULD_WAIT. The lock is held. */
static kp_status_t receive_locked(kp_channel_t *end, kp_channel_wait_t *wait)
{
    kp_status_t status = wait_broken(end, wait);
    if (status != KP_OK)
        return status;
    uint32_t counts[2] = {0, 0};
    status =
        kp_channel_pop_locked(end, wait->room.count, wait->handle_room, counts, &wait->message);
    wait->byte_count = counts[0];
    wait->handle_count = counts[1];
    if (status == KP_OK)
        wait->transaction = wait->message->transaction;
    return status;
}

kp_status_t kp_channel_receive_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *wake,
                                    kp_time_t deadline)
{
    kp_spin_lock(end->object.lock);
    kp_status_t status = receive_locked(end, wait);
    if (status == KP_ERR_SHOULD_WAIT && deadline <= KP_TIME_POLL)
        status = KP_ERR_TIMED_OUT;
    bool waits = status == KP_ERR_SHOULD_WAIT;
    if (waits) {
        kp_list_append(&end->receivers, &wait->link);
        wait_link(end, wait, KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED);
    }
    kp_spin_unlock(end->object.lock);
    if (!waits && wake) {
        kp_machine_thread_unpark(wake);
        kp_object_release(&wake->object);
    }
    while (waits) {
        bool in_time = wait_park(wake, deadline);
        wake = NULL;
        if (atomic_load_explicit(&wait->done, memory_order_acquire))
            return wait->status;
        kp_spin_lock(end->object.lock);
        if (atomic_load_explicit(&wait->done, memory_order_relaxed)) {
            waits = false;
            status = wait->status;
        } else {
            status = receive_locked(end, wait);
            if (status == KP_ERR_SHOULD_WAIT && !in_time)
                status = KP_ERR_TIMED_OUT;
            waits = status == KP_ERR_SHOULD_WAIT;
            if (!waits) {
                kp_list_remove(&wait->link);
                kp_list_remove(&wait->waiter.link);
            }
        }
        kp_spin_unlock(end->object.lock);
    }
    if (wait->message)
        kp_message_containers_clear(wait->message);
    return status;
}

void kp_channel_receive_undo(kp_channel_t *end, kp_channel_wait_t *wait)
{
    kp_message_t *message = wait->message;
    wait->message = NULL;
    if (!message && kp_message_create(wait->byte_count, 0, NULL, &message) == KP_OK) {
        message->transaction = wait->transaction;
        if (!wait->in_place) {
            memcpy(message->bytes, wait->bytes, wait->byte_count);
        } else if (kp_machine_space_copy_in(wait->room.space, message->bytes, wait->room.at,
                                            wait->byte_count) != KP_OK) {
            kp_message_destroy(message);
            message = NULL;
        }
    }
    if (message) {
        kp_channel_unpop(end, message);
        return;
    }
    /* It cannot be kept: its caller must not wait for ever. */
    kp_thread_t *caller = NULL;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = call_find(end->peer, wait->transaction);
    if (call) {
        call->status = KP_ERR_NO_MEMORY;
        call_remove(call);
        caller = wait_finish(call);
    }
    kp_spin_unlock(end->object.lock);
    if (caller) {
        kp_machine_thread_unpark(caller);
        kp_object_release(&caller->object);
    }
}
