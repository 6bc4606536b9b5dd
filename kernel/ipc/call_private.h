/* Records of waiting threads, for call.c and for the short ways through the calls
   (kernel/syscall/calls_ipc.c). All but the init: the channel's lock is held. */
#ifndef KP_KERNEL_CALL_PRIVATE_H
#define KP_KERNEL_CALL_PRIVATE_H

#include "fast.h"
#include "kernel/ipc/channel_private.h"
#include "kernel/object/thread.h"

/* ---- Calls by transaction: a digital search tree. Each step down follows the next bit of the id,
   lowest first, so it is never deeper than the id is long, and ids that count upwards fill it
   evenly. ---- */

static inline kp_channel_wait_t *kp_channel_call_find(kp_channel_t *end,
                                                      kp_transaction_t transaction)
{
    kp_channel_wait_t *call = end->calls;
    for (uint32_t bits = transaction; call && call->transaction != transaction; bits >>= 1)
        call = call->child[bits & 1];
    return call;
}

/* An id that no call waits under, and no lane makes. */
static inline kp_transaction_t kp_channel_call_id(kp_channel_t *end)
{
    do {
        if (++end->last_transaction == KP_CHANNEL_LANE_TRANSACTION)
            end->last_transaction = 1;
    } while (end->calls && kp_channel_call_find(end, end->last_transaction));
    return end->last_transaction;
}

static inline void kp_channel_call_insert(kp_channel_t *end, kp_channel_wait_t *call,
                                          kp_transaction_t transaction)
{
    call->transaction = transaction;
    kp_channel_wait_t **place = &end->calls;
    for (uint32_t bits = transaction; *place; bits >>= 1)
        place = &(*place)->child[bits & 1];
    call->child[0] = call->child[1] = NULL;
    call->place = place;
    *place = call;
}

static inline void kp_channel_call_remove(kp_channel_wait_t *call)
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

/* For a wait that ends only by what happens to the channel. */
static inline void kp_channel_wait_init(kp_channel_wait_t *wait, kp_channel_bytes_t room,
                                        uint32_t handle_room)
{
    wait->thread = kp_fast_thread();
    wait->room = room;
    wait->handle_room = handle_room;
    wait->transaction = KP_TRANSACTION_NONE;
    atomic_init(&wait->done, KP_CHANNEL_WAITING);
    wait->is_linked = false;
    wait->in_place = false;
    wait->status = KP_OK;
    wait->byte_count = wait->handle_count = 0;
    wait->message = NULL;
}

static inline void kp_channel_receiver_link(kp_channel_t *end, kp_channel_wait_t *wait)
{
    kp_list_append(&end->receivers, &wait->link);
}

/* Takes an item out that nobody looks at any more. */
static inline void kp_channel_list_cut(kp_list_t *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
}

/* Ends the wait of whoever gives up. */
static inline void kp_channel_wait_unlink(kp_channel_wait_t *wait)
{
    if (wait->is_linked)
        kp_channel_list_cut(&wait->waiter.link);
    wait->is_linked = false;
}

/* A message can be received: tells one thread. One that leaves tells the next (call.c). */
static inline void kp_channel_receivers_wake(kp_channel_t *end)
{
    if (!kp_list_is_empty(&end->receivers))
        kp_machine_thread_unpark(
            KP_CONTAINER_OF(end->receivers.next, kp_channel_wait_t, link)->thread);
}

/* One of the ends has been closed: every thread that waits at this one looks. */
void kp_channel_waits_wake(kp_channel_t *end);

/* The record, already out of the tree or the list of receivers, has its result. Its thread, referenced
   for after the lock. */
static inline kp_thread_t *kp_channel_wait_finish(kp_channel_wait_t *wait, uint8_t done)
{
    kp_thread_t *thread = wait->thread;
    kp_object_acquire(&thread->object);
    if (__builtin_expect(wait->is_linked, 0))
        kp_channel_list_cut(&wait->waiter.link);
    atomic_store_explicit(&wait->done, done, memory_order_release);
    return thread;
}

/* Waits on for a call's reply; the thread has been woken once. */
kp_status_t kp_channel_call_wait_on(kp_channel_t *end, kp_channel_wait_t *wait, bool in_time,
                                    kp_time_t deadline);
/* The same for a receiver. */
kp_status_t kp_channel_receive_wait_on(kp_channel_t *end, kp_channel_wait_t *wait, bool in_time,
                                       kp_time_t deadline);

#endif
