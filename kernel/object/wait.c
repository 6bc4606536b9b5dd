#include "kernel/object/wait.h"

/* Looks at an item: true when it is satisfied, and then `observed` stays as it was seen. */
static bool waiter_look(kp_waiter_t *waiter)
{
    kp_signals_t now = atomic_load_explicit(&waiter->object->signals, memory_order_acquire);
    if (waiter->observed & waiter->signals)
        return true;
    waiter->observed = now;
    return (now & waiter->signals) != 0;
}

static bool waiters_look(kp_waiter_t *waiters, size_t count)
{
    bool satisfied = false;
    for (size_t i = 0; i < count; i++)
        satisfied |= waiter_look(&waiters[i]);
    return satisfied;
}

static bool waiters_cancelled(kp_waiter_t *waiters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (atomic_load_explicit(&waiters[i].cancelled, memory_order_acquire))
            return true;
    }
    return false;
}

kp_status_t kp_wait_many(kp_waiter_t *waiters, size_t count, kp_time_t deadline)
{
    kp_thread_t *thread = kp_machine_thread_current();
    for (size_t i = 0; i < count; i++)
        waiters[i].observed = 0;
    /* The common case needs no list: something is ready, or the caller only polls. */
    if (waiters_look(waiters, count))
        return KP_OK;
    if (deadline <= KP_TIME_POLL)
        return KP_ERR_TIMED_OUT;

    for (size_t i = 0; i < count; i++) {
        kp_waiter_t *waiter = &waiters[i];
        waiter->thread = thread;
        kp_spin_lock(waiter->object->lock);
        kp_list_append(&waiter->object->waiters, &waiter->link);
        kp_spin_unlock(waiter->object->lock);
    }
    /* A signal before its waiter was linked is seen by the next look; one after unparks. */
    kp_status_t status;
    bool in_time = true;
    for (;;) {
        bool satisfied = waiters_look(waiters, count);
        if (waiters_cancelled(waiters, count) || kp_thread_is_dying(thread)) {
            status = KP_ERR_CANCELLED;
            break;
        }
        if (satisfied || !in_time) {
            status = satisfied ? KP_OK : KP_ERR_TIMED_OUT;
            break;
        }
        in_time = kp_machine_thread_park(deadline);
    }
    for (size_t i = 0; i < count; i++) {
        kp_spin_lock(waiters[i].object->lock);
        kp_list_remove(&waiters[i].link);
        kp_spin_unlock(waiters[i].object->lock);
    }
    return status;
}

kp_status_t kp_wait_one(kp_object_t *object, kp_signals_t signals, kp_time_t deadline,
                        kp_signals_t *observed)
{
    kp_waiter_t waiter = {.object = object, .signals = signals};
    kp_status_t status = kp_wait_many(&waiter, 1, deadline);
    if (observed)
        *observed = waiter.observed;
    return status;
}

void kp_wait_cancel(kp_object_t *object, const kp_handle_table_t *table, kp_handle_t handle)
{
    kp_spin_lock(object->lock);
    for (kp_list_t *link = object->waiters.next; link != &object->waiters; link = link->next) {
        kp_waiter_t *waiter = KP_CONTAINER_OF(link, kp_waiter_t, link);
        if (waiter->table != table || waiter->handle != handle)
            continue;
        atomic_store_explicit(&waiter->cancelled, true, memory_order_release);
        kp_machine_thread_unpark(waiter->thread);
    }
    kp_spin_unlock(object->lock);
}
