/* Calls and replies: abi/ipc.h. Messages that are small or whose receiver waits go from memory to memory
   (kernel/ipc/call.h); those with handles, or that nobody waits for, become kp_message_t.

   The usual round of a call and its reply, both small, without handles, between threads that wait for
   each other, goes a short way (the functions *_short): one look at everything that could be otherwise,
   then two copies, one lock and one switch of threads. Whatever is otherwise goes the general way
   from the start, or from where the short way stopped. kernel/README.md counts the instructions. */
#include "abi/ipc.h"
#include "fast.h"
#include "kernel/ipc/call_private.h"
#include "kernel/syscall/adopt.h"
#include "kernel/syscall/message.h"
#include "kernel/trace/trace.h"

#define likely(condition) __builtin_expect(!!(condition), 1)

static kp_call_message_t message_of(const kp_channel_message_t *message)
{
    return (kp_call_message_t){
        .bytes = message->bytes,
        .byte_count = message->byte_count,
        .handles = message->handles,
        .handle_count = message->handle_count,
    };
}

static kp_status_t sending_check(kp_call_t *call, const kp_channel_message_t *message)
{
    if (message->byte_count > KP_CHANNEL_BYTES_MAX ||
        message->handle_count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_TOO_LARGE;
    return kp_user_check(call->process, message->bytes, message->byte_count);
}

static kp_channel_bytes_t range_of(kp_call_t *call, const kp_channel_message_t *message)
{
    return (kp_channel_bytes_t){&call->process->space, message->bytes, message->byte_count};
}

/* `message` says where the room is, which was checked. */
static __attribute__((always_inline)) inline void
wait_init(kp_call_t *call, kp_channel_wait_t *wait, const kp_channel_message_t *message)
{
    kp_channel_wait_init(wait, range_of(call, message), message->handle_count);
}

/* The same, and the handle may be closed or moved meanwhile. */
static void wait_init_general(kp_call_t *call, kp_channel_wait_t *wait,
                              const kp_channel_message_t *message)
{
    wait_init(call, wait, message);
    if (call->is_held)
        kp_channel_wait_by(kp_channel_of(call->object), wait, &call->process->handles,
                           kp_call_handle(call->arguments[0]));
}

static void message_sent(kp_call_t *call)
{
    atomic_fetch_add_explicit(&call->process->messages_sent, 1, memory_order_relaxed);
}

/* ---- For the short way ---- */

/* Do the bytes and handles of a message lie in memory of this size? Also false for some that would do. */
static inline bool message_is_inside(const kp_channel_message_t *message, uint64_t size)
{
    return (uint64_t)message->bytes + message->byte_count <= size &&
           (uint64_t)message->handles + sizeof(kp_handle_t) * (uint64_t)message->handle_count <=
               size;
}

/* Has a message come that lies in the record, and nothing else? */
static inline bool record_is_short(const kp_channel_wait_t *wait)
{
    return atomic_load_explicit(&wait->done, memory_order_acquire) == KP_CHANNEL_DONE_SHORT;
}

/* Gives the caller what came into the record, with its sizes; those also when it did not fit. */
static kp_status_t wait_deliver(kp_call_t *call, kp_channel_wait_t *wait, kp_status_t status,
                                const kp_channel_message_t *room, uint64_t room_at)
{
    kp_channel_message_t result = *room;
    result.byte_count = wait->byte_count;
    result.handle_count = wait->handle_count;
    result.transaction = wait->transaction;
    if (status == KP_OK || status == KP_ERR_BUFFER_TOO_SMALL) {
        kp_status_t written = kp_user_write(call->process, room_at, &result, sizeof(result));
        if (written != KP_OK)
            return written;
    }
    if (status != KP_OK)
        return status;
    if (wait->message) {
        const kp_call_message_t to = message_of(room);
        return kp_call_message_deliver(call, wait->message, &to);
    }
    if (wait->in_place)
        return KP_OK;
    return kp_user_write(call->process, room->bytes, wait->bytes, wait->byte_count);
}

/* ---- channel_call ---- */

static kp_status_t call_queue(kp_call_t *call, kp_channel_wait_t *wait,
                              const kp_channel_message_t *request)
{
    kp_channel_t *channel = kp_channel_of(call->object);
    kp_status_t status = kp_channel_may_push(channel); /* the push itself decides */
    if (status != KP_OK)
        return status;
    const kp_call_message_t from = message_of(request);
    kp_call_sending_t sending;
    status = kp_call_sending_begin(call, &from, &sending);
    if (status != KP_OK)
        return status;
    status = kp_channel_call_push(channel, wait, sending.message);
    kp_call_sending_end(call, &sending, status);
    return status;
}

/* Gives the reply to the caller. room: as read from him. */
static kp_status_t call_end(kp_call_t *call, kp_channel_wait_t *wait,
                            const kp_channel_message_t *room, kp_status_t status)
{
    status = wait_deliver(call, wait, status, room,
                          call->arguments[1] + offsetof(kp_channel_call_t, reply));
    if (wait->message)
        kp_message_destroy(wait->message);
    return status;
}

/* Sends the request straight or by the queue. receiver: as for kp_channel_call_wait. */
static kp_status_t call_send(kp_call_t *call, kp_channel_wait_t *wait, const kp_channel_call_t *io,
                             kp_thread_t **receiver)
{
    kp_channel_t *channel = kp_channel_of(call->object);
    kp_status_t status = KP_ERR_SHOULD_WAIT;
    wait_init_general(call, wait, &io->reply);
    if (io->request.handle_count == 0) {
        const kp_channel_bytes_t request = range_of(call, &io->request);
        status = kp_channel_call_direct(channel, wait, &request, receiver);
        if (status == KP_OK)
            message_sent(call);
    }
    if (status == KP_ERR_SHOULD_WAIT)
        status = call_queue(call, wait, &io->request);
    if (status != KP_OK)
        kp_channel_wait_give_up(channel, wait);
    return status;
}

/* The receiver's queue is full: waits until it is not, or the other end is closed. ERR_SHOULD_WAIT at
   the call's deadline; reasons why the wait must end. */
static kp_status_t call_wait_room(kp_call_t *call)
{
    kp_waiter_t waiter = {
        .object = call->object,
        .signals = KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED,
        .table = &call->process->handles,
        .handle = kp_call_handle(call->arguments[0]),
    };
    kp_status_t status = kp_wait_many(&waiter, 1, (kp_time_t)call->arguments[2]);
    return status == KP_ERR_TIMED_OUT ? KP_ERR_SHOULD_WAIT : status;
}

static __attribute__((noinline)) int64_t call_general(kp_call_t *call)
{
    kp_channel_t *channel = kp_channel_of(call->object);
    uint64_t at = call->arguments[1];
    kp_channel_call_t io;
    kp_status_t status = kp_user_read(call->process, &io, at, sizeof(io));
    if (status == KP_OK)
        status = sending_check(call, &io.request);
    const kp_call_message_t room = message_of(&io.reply);
    if (status == KP_OK)
        status = kp_call_room_check(call, &room);
    if (status != KP_OK)
        return status;

    kp_channel_wait_t wait;
    kp_thread_t *receiver = NULL;
    while ((status = call_send(call, &wait, &io, &receiver)) == KP_ERR_SHOULD_WAIT) {
        /* Others may be quicker when there is room; the deadline is the same for all rounds. */
        status = call_wait_room(call);
        if (status != KP_OK)
            return status;
    }
    if (status != KP_OK)
        return status;
    return call_end(call, &wait, &io.reply,
                    kp_channel_call_wait(channel, &wait, receiver, (kp_time_t)call->arguments[2]));
}

int64_t kp_syscall_adopt(const uint64_t arguments[6], kp_transaction_t transaction)
{
    kp_process_t *process = kp_machine_thread_current()->process;
    kp_call_t call = {.process = process, .arguments = arguments, .is_held = true};
    kp_status_t status =
        kp_handle_lookup_typed(&process->handles, kp_call_handle(arguments[0]), KP_TYPE_CHANNEL,
                               KP_RIGHT_READ | KP_RIGHT_WRITE, &call.object);
    if (status != KP_OK)
        return status;
    kp_channel_t *channel = kp_channel_of(call.object);
    kp_channel_call_t io;
    status = kp_user_read(process, &io, arguments[1], sizeof(io));
    const kp_call_message_t room = message_of(&io.reply);
    if (status == KP_OK)
        status = kp_call_room_check(&call, &room);
    if (status == KP_OK) {
        kp_channel_wait_t wait;
        wait_init_general(&call, &wait, &io.reply);
        status = kp_channel_call_adopt(channel, &wait, transaction);
        if (status == KP_OK)
            status = call_end(&call, &wait, &io.reply,
                              kp_channel_call_wait(channel, &wait, NULL, (kp_time_t)arguments[2]));
        else
            kp_channel_wait_give_up(channel, &wait);
    }
    kp_object_release(call.object);
    return status;
}

/* The rest of a call on the short way: the thread runs again. */
static __attribute__((noinline)) int64_t call_finish(kp_call_t *call, kp_channel_wait_t *wait,
                                                     const kp_channel_message_t *room, bool in_time)
{
    return call_end(call, wait, room,
                    kp_channel_call_wait_on(kp_channel_of(call->object), wait, in_time,
                                            (kp_time_t)call->arguments[2]));
}

int64_t kp_call_channel_call(kp_call_t *call)
{
    kp_process_t *process = call->process;
    kp_channel_t *end = kp_channel_of(call->object), *peer = end->peer;
    uint64_t at = call->arguments[1], size = kp_process_memory_size(process);
    kp_channel_call_t io;
    if (!likely(!call->is_held && at < size && size - at >= sizeof(io) &&
                kp_fast_read_call(process, &io, (uint32_t)at) && io.request.handle_count == 0 &&
                io.request.byte_count <= KP_CHANNEL_INLINE_MAX &&
                message_is_inside(&io.request, size) && message_is_inside(&io.reply, size)))
        return call_general(call);

    kp_channel_wait_t wait;
    wait_init(call, &wait, &io.reply);
    kp_fast_lock(end->object.lock);
    kp_channel_wait_t *receiver = KP_CONTAINER_OF(peer->receivers.next, kp_channel_wait_t, link);
    if (!likely(&receiver->link != &peer->receivers && kp_list_is_empty(&peer->queue) &&
                !end->closed && !peer->closed && receiver->room.count >= io.request.byte_count &&
                (!receiver->is_linked || atomic_load_explicit(&receiver->waiter.cancelled,
                                                              memory_order_relaxed) == KP_OK) &&
                kp_fast_read(process, receiver->bytes, io.request.bytes, io.request.byte_count))) {
        kp_fast_unlock(end->object.lock);
        return call_general(call);
    }
    kp_channel_list_cut(&receiver->link);
    receiver->byte_count = io.request.byte_count;
    kp_channel_call_insert(end, &wait, kp_channel_call_id(end));
    receiver->transaction = wait.transaction;
    kp_thread_t *thread = kp_channel_wait_finish(receiver, KP_CHANNEL_DONE_SHORT);
    kp_trace(KP_TRACE_SEND, peer->object.koid, io.request.byte_count, 0);
    kp_fast_unlock(end->object.lock);
    message_sent(call);

    bool in_time = kp_fast_hand_off(thread, (kp_time_t)call->arguments[2]);
    kp_object_release_shared(&thread->object);
    if (!likely(record_is_short(&wait) &&
                kp_fast_deliver(process, io.reply.bytes, wait.bytes, wait.byte_count,
                                (uint32_t)at + offsetof(kp_channel_call_t, reply),
                                wait.transaction)))
        return call_finish(call, &wait, &io.reply, in_time);
    return KP_OK;
}

/* ---- channel_receive ---- */

/* Gives what was received to the caller, or back to the channel. */
static kp_status_t receive_end(kp_call_t *call, kp_channel_wait_t *wait, kp_status_t status,
                               const kp_channel_message_t *room, uint64_t room_at)
{
    kp_status_t delivered = wait_deliver(call, wait, status, room, room_at);
    if (delivered != KP_OK) {
        if (status == KP_OK)
            kp_channel_receive_undo(kp_channel_of(call->object), wait);
        return delivered;
    }
    if (wait->message)
        kp_message_destroy(wait->message);
    return KP_OK;
}

/* `message` is the room as the caller wrote it at `at`. wake: as for kp_channel_receive_wait. */
static kp_status_t receive(kp_call_t *call, const kp_channel_message_t *message, uint64_t at,
                           kp_thread_t *wake, uint64_t deadline)
{
    kp_channel_t *channel = kp_channel_of(call->object);
    kp_channel_wait_t wait;
    wait_init_general(call, &wait, message);
    kp_status_t status = kp_channel_receive_wait(channel, &wait, wake, (kp_time_t)deadline);
    return receive_end(call, &wait, status, message, at);
}

static kp_status_t room_read(kp_call_t *call, uint64_t at, kp_channel_message_t *message)
{
    kp_status_t status = kp_user_read(call->process, message, at, sizeof(*message));
    const kp_call_message_t room = message_of(message);
    return status == KP_OK ? kp_call_room_check(call, &room) : status;
}

int64_t kp_call_channel_receive(kp_call_t *call)
{
    kp_channel_message_t message = {0};
    kp_status_t status = room_read(call, call->arguments[1], &message);
    if (status != KP_OK)
        return status;
    return receive(call, &message, call->arguments[1], NULL, call->arguments[2]);
}

/* ---- channel_reply ---- */

/* *caller: whom to wake, referenced. */
static kp_status_t reply_send(kp_call_t *call, const kp_channel_message_t *reply,
                              kp_thread_t **caller)
{
    kp_channel_t *channel = kp_channel_of(call->object);
    kp_status_t status;
    if (reply->handle_count == 0) {
        const kp_channel_bytes_t bytes = range_of(call, reply);
        status = kp_channel_reply(channel, reply->transaction, &bytes, caller);
        if (status == KP_OK)
            message_sent(call);
        /* The caller may be on his way here from a lane; then a message waits for him. */
        if (status != KP_ERR_NOT_FOUND || !(reply->transaction & KP_CHANNEL_LANE_TRANSACTION))
            return status;
    }
    const kp_call_message_t from = message_of(reply);
    kp_call_sending_t sending;
    status = kp_call_sending_begin(call, &from, &sending);
    if (status != KP_OK)
        return status;
    status = kp_channel_reply_message(channel, reply->transaction, sending.message, caller);
    kp_call_sending_end(call, &sending, status);
    return status;
}

static kp_status_t reply_read(kp_call_t *call, kp_channel_message_t *reply)
{
    kp_status_t status = kp_user_read(call->process, reply, call->arguments[1], sizeof(*reply));
    return status == KP_OK ? sending_check(call, reply) : status;
}

int64_t kp_call_channel_reply(kp_call_t *call)
{
    kp_channel_message_t reply = {0};
    kp_thread_t *caller = NULL;
    kp_status_t status = reply_read(call, &reply);
    if (status == KP_OK)
        status = reply_send(call, &reply, &caller);
    if (caller) {
        kp_machine_thread_unpark(caller);
        kp_object_release(&caller->object);
    }
    return status;
}

/* The handles of a reply that nobody waits for. One that cannot be named stays what it was. */
static void handles_drop(kp_call_t *call, const kp_channel_message_t *reply)
{
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    if (kp_user_read(call->process, handles, reply->handles,
                     reply->handle_count * sizeof(*handles)) != KP_OK)
        return;
    for (uint32_t i = 0; i < reply->handle_count; i++)
        (void)kp_handle_close(&call->process->handles, handles[i]);
}

static __attribute__((noinline)) int64_t reply_receive_general(kp_call_t *call)
{
    kp_channel_message_t reply = {0}, message = {0};
    kp_status_t status = reply_read(call, &reply);
    if (status == KP_OK)
        status = room_read(call, call->arguments[2], &message);
    kp_thread_t *caller = NULL;
    if (status == KP_OK)
        status = reply_send(call, &reply, &caller);
    if (status == KP_ERR_NOT_FOUND) {
        handles_drop(call, &reply);
        status = KP_OK;
    }
    if (status != KP_OK)
        return status;
    return receive(call, &message, call->arguments[2], caller, call->arguments[3]);
}

/* The rest of a receive on the short way: the thread runs again. */
static __attribute__((noinline)) int64_t receive_finish(kp_call_t *call, kp_channel_wait_t *wait,
                                                        const kp_channel_message_t *room,
                                                        bool in_time)
{
    kp_channel_t *end = kp_channel_of(call->object);
    kp_status_t status =
        kp_channel_receive_wait_on(end, wait, in_time, (kp_time_t)call->arguments[3]);
    return receive_end(call, wait, status, room, call->arguments[2]);
}

int64_t kp_call_channel_reply_receive(kp_call_t *call)
{
    kp_process_t *process = call->process;
    kp_channel_t *end = kp_channel_of(call->object), *peer = end->peer;
    uint64_t reply_at = call->arguments[1], at = call->arguments[2];
    uint64_t size = kp_process_memory_size(process);
    kp_channel_message_t io[2]; /* the reply, and the room */
    const kp_channel_message_t *reply = &io[0];
    if (!likely(!call->is_held && reply_at < size && size - reply_at >= sizeof(io[0]) &&
                at < size && size - at >= sizeof(io[1]) &&
                kp_fast_read_messages(process, io, (uint32_t)reply_at, (uint32_t)at) &&
                reply->handle_count == 0 && reply->byte_count <= KP_CHANNEL_INLINE_MAX &&
                message_is_inside(reply, size) && message_is_inside(&io[1], size) &&
                (kp_time_t)call->arguments[3] > KP_TIME_POLL))
        return reply_receive_general(call);

    kp_channel_wait_t wait;
    wait_init(call, &wait, &io[1]);
    kp_fast_lock(end->object.lock);
    kp_channel_wait_t *caller = kp_channel_call_find(peer, reply->transaction);
    if (!likely(caller && kp_list_is_empty(&end->queue) && !end->closed && !peer->closed &&
                caller->room.count >= reply->byte_count &&
                kp_fast_read(process, caller->bytes, reply->bytes, reply->byte_count))) {
        kp_fast_unlock(end->object.lock);
        return reply_receive_general(call);
    }
    kp_channel_call_remove(caller);
    caller->byte_count = reply->byte_count;
    kp_thread_t *thread = kp_channel_wait_finish(caller, KP_CHANNEL_DONE_SHORT);
    kp_channel_receiver_link(end, &wait);
    kp_trace(KP_TRACE_SEND, peer->object.koid, reply->byte_count, 0);
    kp_fast_unlock(end->object.lock);
    message_sent(call);

    bool in_time = kp_fast_hand_off(thread, (kp_time_t)call->arguments[3]);
    kp_object_release_shared(&thread->object);
    if (!likely(record_is_short(&wait) &&
                kp_fast_deliver(process, io[1].bytes, wait.bytes, wait.byte_count, (uint32_t)at,
                                wait.transaction)))
        return receive_finish(call, &wait, &io[1], in_time);
    return KP_OK;
}
