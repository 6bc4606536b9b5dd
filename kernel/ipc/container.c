/* What lies in whose queue, so that nothing ever holds itself: see channel.h. */
#include "kernel/ipc/channel_private.h"
#include "kernel/object/process.h"

kp_spinlock_t kp_channel_transit;

bool kp_message_survey(kp_message_t *message)
{
    bool has_ends = false;
    message->unbegun = 0;
    message->rank = 0;
    for (uint32_t i = 0; i < message->capability_count; i++) {
        kp_object_t *object = kp_capability_acquire(&message->capabilities[i]);
        if (!object)
            continue;
        uint64_t rank = 0;
        if (object->type == KP_TYPE_CHANNEL)
            has_ends = true;
        else if (object->type == KP_TYPE_PROCESS &&
                 !atomic_load(&kp_process_from_object(object)->has_begun))
            rank = kp_process_from_object(object)->startup_rank;
        message->unbegun += rank > 0;
        message->rank = KP_MAX(message->rank, rank);
        kp_object_release(object);
    }
    return has_ends || message->unbegun > 0;
}

/* The i-th capability's end; NULL: it is of something else. */
static kp_channel_t *message_end(const kp_message_t *message, uint32_t i)
{
    kp_object_t *object = message->capabilities[i].object;
    return object && object->type == KP_TYPE_CHANNEL ? kp_channel_from_object(object) : NULL;
}

/* May it lie in receiver's queue: no end below itself, no process below its own startup channel? *unbegun, *rank: of all
   that comes with it. Transit lock held. */
static kp_status_t message_nesting_check(const kp_message_t *message, const kp_channel_t *receiver,
                                         uint32_t *unbegun, uint64_t *rank)
{
    unsigned depth = 0;
    const kp_channel_t *top = receiver;
    for (const kp_channel_t *above = receiver; above; above = above->container) {
        if (++depth > KP_CHANNEL_NESTING_MAX)
            return KP_ERR_INVALID_ARGUMENT;
        for (uint32_t i = 0; i < message->capability_count; i++) {
            if (message->capabilities[i].object == &above->object)
                return KP_ERR_INVALID_ARGUMENT;
        }
        top = above;
    }
    *unbegun = message->unbegun;
    *rank = message->rank;
    for (uint32_t i = 0; i < message->capability_count; i++) {
        const kp_channel_t *end = message_end(message, i);
        *unbegun += end ? end->unbegun : 0;
        *rank = KP_MAX(*rank, end ? end->rank : 0);
    }
    return *unbegun && top->startup_rank && *rank >= top->startup_rank ? KP_ERR_INVALID_ARGUMENT
                                                                       : KP_OK;
}

kp_status_t kp_message_enter(kp_message_t *message, kp_channel_t *receiver)
{
    uint32_t unbegun;
    uint64_t rank;
    kp_status_t status = message_nesting_check(message, receiver, &unbegun, &rank);
    if (status != KP_OK)
        return status;
    KP_ASSERT(!message->container);
    kp_object_acquire(&receiver->object);
    message->container = receiver;
    for (uint32_t i = 0; i < message->capability_count; i++) {
        kp_channel_t *end = message_end(message, i);
        if (!end)
            continue;
        KP_ASSERT(!end->container);
        kp_object_acquire(&receiver->object);
        end->container = receiver;
    }
    for (kp_channel_t *above = receiver; unbegun && above; above = above->container) {
        above->unbegun += unbegun;
        above->rank = KP_MAX(above->rank, rank);
    }
    return KP_OK;
}

void kp_message_containers_clear(kp_message_t *message)
{
    kp_channel_t *container = message->container;
    if (!container)
        return;
    unsigned references = 1;
    kp_spin_lock(&kp_channel_transit);
    message->container = NULL;
    uint32_t unbegun = message->unbegun;
    for (uint32_t i = 0; i < message->capability_count; i++) {
        kp_channel_t *end = message_end(message, i);
        if (!end)
            continue;
        end->container = NULL;
        unbegun += end->unbegun;
        references++;
    }
    /* From the inside out ends may have been nested deeper since: what is not told then counts too many, which
       may refuse a send that would do no harm, but never allows a cycle. */
    unsigned depth = 0;
    for (kp_channel_t *above = container; unbegun && above && depth < KP_CHANNEL_NESTING_MAX;
         above = above->container, depth++) {
        above->unbegun -= unbegun;
        if (above->unbegun == 0)
            above->rank = 0;
    }
    kp_spin_unlock(&kp_channel_transit);
    while (references-- > 0)
        kp_object_release(&container->object);
}

kp_status_t kp_channel_receiver_acquire(kp_channel_t *receiver)
{
    kp_spin_lock(receiver->object.lock);
    bool closed = receiver->closed;
    if (!closed)
        kp_object_acquire(&receiver->object);
    kp_spin_unlock(receiver->object.lock);
    return closed ? KP_ERR_PEER_CLOSED : KP_OK;
}

kp_status_t kp_message_containers_enter(kp_message_t *message, kp_channel_t *receiver)
{
    if (!kp_message_survey(message))
        return KP_OK;
    kp_status_t status = kp_channel_receiver_acquire(receiver);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&kp_channel_transit);
    status = kp_message_enter(message, receiver);
    kp_spin_unlock(&kp_channel_transit);
    kp_object_release(&receiver->object);
    return status;
}

uint64_t kp_channel_startup(kp_object_t *object, uint64_t rank)
{
    static uint64_t last; /* guarded by: transit lock; so it is above all that lie below the end */
    kp_channel_t *end = kp_channel_from_object(object);
    kp_spin_lock(&kp_channel_transit);
    if (!rank)
        end->startup_rank = ++last;
    else if (end->startup_rank == rank) /* else it has been given to another meanwhile */
        end->startup_rank = 0;
    rank = end->startup_rank;
    kp_spin_unlock(&kp_channel_transit);
    return rank;
}
