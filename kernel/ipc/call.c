#include "kernel/ipc/call_private.h"

#include "kernel/object/handle.h"
#include "kernel/trace/trace.h"

/* Copies what is sent to the record or to its room. The result is about the sender's memory; what
   is wrong with the receiver's goes to wait->status. The lock is held. */
static kp_status_t wait_fill(kp_channel_wait_t *wait, const kp_channel_bytes_t *from)
{
    wait->byte_count = from->count;
    if (from->count <= KP_CHANNEL_INLINE_MAX)
        return from->count
                   ? kp_machine_space_copy_in(from->space, wait->bytes, from->at, from->count)
                   : KP_OK;
    kp_status_t status = kp_machine_space_copy_across(from->space, from->at, wait->room.space,
                                                      wait->room.at, from->count);
    if (status != KP_ERR_NOT_SUPPORTED) {
        wait->in_place = true;
        wait->status = status;
        return KP_OK;
    }
    for (uint32_t done = 0; done < from->count && wait->status == KP_OK;) {
        uint32_t part = KP_MIN(from->count - done, KP_CHANNEL_INLINE_MAX);
        status = kp_machine_space_copy_in(from->space, wait->bytes, from->at + done, part);
        if (status != KP_OK)
            return status;
        wait->status =
            kp_machine_space_copy_out(wait->room.space, wait->room.at + done, wait->bytes, part);
        done += part;
    }
    wait->in_place = true;
    return KP_OK;
}

/* Parks, unless the wait may be over already; `first` (may be NULL) is woken by it and given up. */
static bool wait_park(const kp_channel_wait_t *wait, kp_thread_t *first, kp_time_t deadline)
{
    if (!first)
        return true;
    bool in_time = true;
    if (wait->is_linked) /* its handle may be gone: look before parking */
        kp_machine_thread_unpark_lent(first);
    else
        in_time = kp_machine_thread_handoff(first, deadline);
    kp_object_release(&first->object);
    return in_time;
}

/* Why a record that is not done must end without its thread being told anything; KP_OK: it need
   not. The lock is held. */
static kp_status_t wait_broken(const kp_channel_t *end, const kp_channel_wait_t *wait)
{
    if (end->closed || kp_thread_is_dying(wait->thread))
        return KP_ERR_CANCELLED;
    return wait->is_linked ? atomic_load_explicit(&wait->waiter.cancelled, memory_order_relaxed)
                           : KP_OK;
}

void kp_channel_wait_by(kp_channel_t *end, kp_channel_wait_t *wait, const kp_handle_table_t *table,
                        kp_handle_t handle)
{
    wait->waiter = (kp_waiter_t){
        .object = &end->object,
        .thread = wait->thread,
        .table = table,
        .handle = handle,
    };
    kp_spin_lock(end->object.lock);
    kp_list_append(&end->object.waiters, &wait->waiter.link);
    wait->is_linked = true;
    kp_spin_unlock(end->object.lock);
    /* The handle may have gone between its lookup and here: then nobody ends this wait. */
    kp_object_t *object;
    kp_rights_t rights;
    kp_status_t status = kp_handle_lookup((kp_handle_table_t *)table, handle, &object, &rights);
    if (status == KP_OK)
        kp_object_release(object);
    else
        atomic_store_explicit(&wait->waiter.cancelled,
                              status == KP_ERR_BAD_HANDLE ? KP_ERR_CANCELLED : status,
                              memory_order_relaxed);
}

void kp_channel_wait_give_up(kp_channel_t *end, kp_channel_wait_t *wait)
{
    if (!wait->is_linked)
        return;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_unlink(wait);
    kp_spin_unlock(end->object.lock);
}

void kp_channel_waits_wake(kp_channel_t *end)
{
    for (kp_list_t *link = end->receivers.next; link != &end->receivers; link = link->next)
        kp_machine_thread_unpark(KP_CONTAINER_OF(link, kp_channel_wait_t, link)->thread);
    /* Down the tree of calls, which is at most as deep as an id has bits. */
    kp_channel_wait_t *above[33];
    unsigned count = 0;
    for (kp_channel_wait_t *call = end->calls; call || count > 0;) {
        if (!call)
            call = above[--count];
        kp_machine_thread_unpark(call->thread);
        if (call->child[1])
            above[count++] = call->child[1];
        call = call->child[0];
    }
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
                kp_channel_list_cut(&receiver->link);
                /* Nothing could be put into its memory: that ends its wait, not the call. */
                if (receiver->status != KP_OK) {
                    status = KP_ERR_SHOULD_WAIT;
                } else {
                    kp_channel_call_insert(end, wait, kp_channel_call_id(end));
                    receiver->transaction = wait->transaction;
                }
                /* The last thing: the receiver may look as soon as this is written. */
                *thread = kp_channel_wait_finish(receiver, KP_CHANNEL_DONE);
                kp_trace(KP_TRACE_SEND, peer->object.koid, request->count, 0);
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
    kp_channel_call_insert(end, wait, kp_channel_call_id(end));
    message->transaction = wait->transaction;
    kp_spin_unlock(end->object.lock);
    kp_status_t status = kp_channel_push(end, message);
    if (status == KP_OK)
        return KP_OK;
    /* Only the id can have been guessed: then the reply is dropped. */
    message->transaction = KP_TRANSACTION_NONE;
    kp_spin_lock(end->object.lock);
    if (!atomic_load_explicit(&wait->done, memory_order_relaxed)) {
        kp_channel_call_remove(wait);
        kp_channel_wait_unlink(wait);
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
        kp_channel_wait_unlink(wait);
        atomic_store_explicit(&wait->done, KP_CHANNEL_DONE, memory_order_relaxed);
        wait->transaction = transaction;
    } else {
        early = NULL;
        status =
            end->closed         ? KP_ERR_CANCELLED
            : end->peer->closed ? KP_ERR_PEER_CLOSED
            : !(transaction & KP_CHANNEL_LANE_TRANSACTION) || kp_channel_call_find(end, transaction)
                ? KP_ERR_BAD_STATE
                : KP_OK;
        if (status == KP_OK)
            kp_channel_call_insert(end, wait, transaction);
    }
    kp_spin_unlock(end->object.lock);
    if (early)
        kp_message_containers_clear(early);
    if (early && !wait->message)
        kp_message_destroy(early);
    return status;
}

kp_status_t kp_channel_call_wait_on(kp_channel_t *end, kp_channel_wait_t *wait, bool in_time,
                                    kp_time_t deadline)
{
    for (;;) {
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
                kp_channel_call_remove(wait);
                kp_channel_wait_unlink(wait);
            }
        }
        kp_spin_unlock(end->object.lock);
        if (done)
            return wait->status;
        if (status != KP_OK)
            return status;
        in_time = kp_machine_thread_park(deadline);
    }
}

kp_status_t kp_channel_call_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *receiver,
                                 kp_time_t deadline)
{
    return kp_channel_call_wait_on(end, wait, wait_park(wait, receiver, deadline), deadline);
}

/* ---- Replies ---- */

kp_status_t kp_channel_reply(kp_channel_t *end, kp_transaction_t transaction,
                             const kp_channel_bytes_t *reply, kp_thread_t **caller)
{
    kp_status_t status = KP_ERR_NOT_FOUND;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = kp_channel_call_find(end->peer, transaction);
    if (call) {
        status = reply_fits(call, reply->count, 0) ? wait_fill(call, reply) : KP_OK;
        if (status == KP_OK) {
            kp_channel_call_remove(call);
            *caller = kp_channel_wait_finish(call, KP_CHANNEL_DONE);
            kp_trace(KP_TRACE_SEND, end->peer->object.koid, reply->count, 0);
        }
    }
    kp_spin_unlock(end->object.lock);
    return status;
}

/* Gives the call its reply. True: the message is its, else it did not fit. The lock is held. */
static bool reply_finish(kp_channel_t *from, kp_channel_wait_t *call, kp_message_t *message,
                         kp_thread_t **caller)
{
    bool fits = reply_fits(call, message->byte_count, message->capability_count);
    if (fits)
        call->message = message;
    kp_channel_call_remove(call);
    *caller = kp_channel_wait_finish(call, KP_CHANNEL_DONE);
    kp_trace(KP_TRACE_SEND, from->peer->object.koid, message->byte_count,
             message->capability_count);
    return fits;
}

/* Keeps the reply for its caller, who is on his way from a lane. ERR_SHOULD_WAIT: he has come just now, so
   give it to him. */
static kp_status_t reply_keep(kp_channel_t *end, kp_transaction_t transaction,
                              kp_message_t *message)
{
    kp_channel_t *to = end->peer;
    kp_status_t status = kp_message_containers_enter(message, to);
    if (status != KP_OK)
        return status == KP_ERR_PEER_CLOSED ? KP_ERR_NOT_FOUND : status;
    kp_message_t *garbage = NULL;
    kp_spin_lock(end->object.lock);
    if (kp_channel_call_find(to, transaction)) {
        status = KP_ERR_SHOULD_WAIT;
    } else if (!to->had_lane || to->closed || to->never_read) {
        status = KP_ERR_NOT_FOUND;
    } else {
        garbage = to->early_reply;
        to->early_reply = message;
        message->transaction = transaction;
    }
    kp_spin_unlock(end->object.lock);
    if (status != KP_OK)
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
    kp_status_t status;
    do {
        bool fits = false;
        kp_spin_lock(end->object.lock);
        kp_channel_wait_t *call = kp_channel_call_find(end->peer, transaction);
        if (call)
            fits = reply_finish(end, call, message, caller);
        kp_spin_unlock(end->object.lock);
        if (call && !fits)
            kp_message_destroy(message);
        if (call)
            return KP_OK;
        status = KP_ERR_NOT_FOUND;
        if (transaction & KP_CHANNEL_LANE_TRANSACTION)
            status = reply_keep(end, transaction, message);
        /* Again only because the caller came between the two, which he does once. */
    } while (status == KP_ERR_SHOULD_WAIT);
    return status;
}

void kp_channel_reply_fail(kp_channel_t *end, kp_transaction_t transaction, kp_status_t status)
{
    kp_thread_t *caller = NULL;
    kp_spin_lock(end->object.lock);
    kp_channel_wait_t *call = kp_channel_call_find(end->peer, transaction);
    if (call) {
        call->status = status;
        kp_channel_call_remove(call);
        caller = kp_channel_wait_finish(call, KP_CHANNEL_DONE);
    }
    kp_spin_unlock(end->object.lock);
    if (caller) {
        kp_machine_thread_unpark(caller);
        kp_object_release(&caller->object);
    }
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

/* This thread receives no more: if there is more to receive, another should know. The lock is held. */
static void receive_leave(kp_channel_t *end, kp_channel_wait_t *wait)
{
    kp_channel_wait_unlink(wait);
    if (!kp_list_is_empty(&end->queue))
        kp_channel_receivers_wake(end);
}

kp_status_t kp_channel_receive_wait_on(kp_channel_t *end, kp_channel_wait_t *wait, bool in_time,
                                       kp_time_t deadline)
{
    for (;;) {
        if (atomic_load_explicit(&wait->done, memory_order_acquire))
            return wait->status;
        kp_spin_lock(end->object.lock);
        bool done = atomic_load_explicit(&wait->done, memory_order_relaxed);
        kp_status_t status = done ? wait->status : receive_locked(end, wait);
        if (status == KP_ERR_SHOULD_WAIT && !in_time)
            status = KP_ERR_TIMED_OUT;
        if (!done && status != KP_ERR_SHOULD_WAIT) {
            kp_channel_list_cut(&wait->link);
            receive_leave(end, wait);
        }
        kp_spin_unlock(end->object.lock);
        if (wait->message)
            kp_message_containers_clear(wait->message);
        if (status != KP_ERR_SHOULD_WAIT)
            return status;
        in_time = kp_machine_thread_park(deadline);
    }
}

kp_status_t kp_channel_receive_wait(kp_channel_t *end, kp_channel_wait_t *wait, kp_thread_t *wake,
                                    kp_time_t deadline)
{
    kp_spin_lock(end->object.lock);
    kp_status_t status = receive_locked(end, wait);
    if (status == KP_ERR_SHOULD_WAIT && deadline <= KP_TIME_POLL)
        status = KP_ERR_TIMED_OUT;
    bool waits = status == KP_ERR_SHOULD_WAIT;
    if (waits)
        kp_channel_receiver_link(end, wait);
    else
        receive_leave(end, wait);
    kp_spin_unlock(end->object.lock);
    if (waits) {
        return kp_channel_receive_wait_on(end, wait, wait_park(wait, wake, deadline), deadline);
    }
    if (wake) {
        kp_machine_thread_unpark(wake);
        kp_object_release(&wake->object);
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
    kp_channel_reply_fail(end, wait->transaction, KP_ERR_NO_MEMORY);
}
