#include "kernel/object/wait.h"

#include "kernel/object/handle.h"
#include "kernel/object/port.h"

void kp_waiter_notify(kp_waiter_t *waiter, kp_signals_t now)
{
    if (!waiter->thread) {
        kp_port_notify(waiter, now);
        return;
    }
    kp_wait_t *wait = waiter->wait;
    if (wait) {
        if (!(waiter->observed & waiter->signals))
            waiter->observed = now;
        atomic_store_explicit(&wait->satisfied, true, memory_order_release);
    }
    kp_machine_thread_unpark(waiter->thread);
}

/* Links a waiter and looks at its object; false: it is satisfied already, and not linked. */
static bool waiter_link(kp_waiter_t *waiter, kp_thread_t *thread, kp_wait_t *wait)
{
    kp_object_t *object = waiter->object;
    waiter->thread = thread;
    waiter->wait = wait;
    kp_spin_lock(object->lock);
    waiter->observed = atomic_load_explicit(&object->signals, memory_order_relaxed);
    bool satisfied = waiter->observed & waiter->signals;
    if (!satisfied)
        kp_list_append(&object->waiters, &waiter->link);
    kp_spin_unlock(object->lock);
    return !satisfied;
}

/* The handle may have gone between its lookup and the link: then nobody ended this wait. */
static kp_status_t waiter_recheck(const kp_waiter_t *waiter)
{
    if (!waiter->table)
        return KP_OK;
    kp_object_t *object;
    kp_rights_t rights;
    kp_status_t status =
        kp_handle_lookup((kp_handle_table_t *)waiter->table, waiter->handle, &object, &rights);
    if (status == KP_OK)
        kp_object_release(object);
    return status == KP_ERR_BAD_HANDLE ? KP_ERR_CANCELLED : status;
}

static void waiter_unlink(kp_waiter_t *waiter)
{
    kp_spin_lock(waiter->object->lock);
    kp_list_remove(&waiter->link);
    kp_spin_unlock(waiter->object->lock);
}

/* Fills observed of those that have not seen what they want; true when one has. */
static bool waiters_look(kp_waiter_t *waiters, size_t count)
{
    bool satisfied = false;
    for (size_t i = 0; i < count; i++) {
        kp_waiter_t *waiter = &waiters[i];
        if (!(waiter->observed & waiter->signals))
            waiter->observed = atomic_load_explicit(&waiter->object->signals, memory_order_acquire);
        satisfied |= (waiter->observed & waiter->signals) != 0;
    }
    return satisfied;
}

static kp_status_t wait_park(const kp_wait_t *wait, kp_time_t deadline)
{
    const kp_thread_t *thread = kp_machine_thread_current();
    for (bool in_time = true;;) {
        kp_status_t cancelled = atomic_load_explicit(&wait->cancelled, memory_order_acquire);
        if (cancelled != KP_OK)
            return cancelled;
        if (kp_thread_is_dying(thread))
            return KP_ERR_CANCELLED;
        if (atomic_load_explicit(&wait->satisfied, memory_order_acquire))
            return KP_OK;
        if (!in_time)
            return KP_ERR_TIMED_OUT;
        in_time = kp_machine_thread_park(deadline);
    }
}

kp_status_t kp_wait_many(kp_waiter_t *waiters, size_t count, kp_time_t deadline)
{
    for (size_t i = 0; i < count; i++)
        waiters[i].observed = 0;
    /* The common case needs no list: something is ready, or the caller only polls. */
    if (waiters_look(waiters, count))
        return KP_OK;
    if (deadline <= KP_TIME_POLL)
        return KP_ERR_TIMED_OUT;

    kp_wait_t wait = {0};
    kp_thread_t *thread = kp_machine_thread_current();
    size_t linked = 0;
    while (linked < count && waiter_link(&waiters[linked], thread, &wait))
        linked++;
    kp_status_t status = KP_OK;
    if (linked == count) {
        for (size_t i = 0; i < count && status == KP_OK; i++)
            status = waiter_recheck(&waiters[i]);
        if (status == KP_OK)
            status = wait_park(&wait, deadline);
    }
    for (size_t i = 0; i < linked; i++)
        waiter_unlink(&waiters[i]);
    /* One that was satisfied at the last moment is no time-out. */
    if (waiters_look(waiters, count) && status == KP_ERR_TIMED_OUT)
        status = KP_OK;
    return status; /* NOLINT: whatever was linked to wait has been unlinked */
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

void kp_wait_end(kp_object_t *object, const kp_handle_table_t *table, kp_handle_t handle,
                 kp_status_t reason)
{
    unsigned dropped = 0; /* references of bindings; the caller's keeps the object */
    kp_spin_lock(object->lock);
    for (kp_list_t *link = object->waiters.next, *next; link != &object->waiters; link = next) {
        next = link->next;
        kp_waiter_t *waiter = KP_CONTAINER_OF(link, kp_waiter_t, link);
        if (waiter->table != table || waiter->handle != handle)
            continue;
        if (!waiter->thread) {
            kp_port_binding_end(waiter);
            dropped++;
            continue;
        }
        atomic_store_explicit(&waiter->cancelled, reason, memory_order_release);
        if (waiter->wait)
            atomic_store_explicit(&waiter->wait->cancelled, reason, memory_order_release);
        kp_machine_thread_unpark(waiter->thread);
    }
    kp_spin_unlock(object->lock);
    while (dropped-- > 0)
        kp_object_release(object);
}
