#include "kernel/object/object.h"

#include "kernel/object/derivation.h"
#include "kernel/object/quota.h"
#include "kernel/object/thread.h"
#include "kernel/object/wait.h"

static _Atomic uint64_t next_koid = 1;
static _Atomic uint64_t counts[KP_OBJECT_TYPE_LIMIT]; /* [KP_TYPE_NONE]: all */

void kp_object_init(kp_object_t *object, uint32_t type, const kp_object_ops_t *ops)
{
    KP_ASSERT(type > KP_TYPE_NONE && type < KP_OBJECT_TYPE_LIMIT);
    atomic_init(&object->references, 1);
    atomic_init(&object->capabilities, 0);
    atomic_init(&object->signals, 0);
    object->type = type;
    object->koid = atomic_fetch_add_explicit(&next_koid, 1, memory_order_relaxed);
    object->ops = ops;
    kp_spin_init(&object->own_lock);
    object->lock = &object->own_lock;
    kp_list_init(&object->waiters);
    atomic_init(&object->abandon_queued, false);
    atomic_fetch_add_explicit(&counts[type], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counts[KP_TYPE_NONE], 1, memory_order_relaxed);
}

kp_status_t kp_object_charge(kp_object_t *object, kp_quota_t *quota)
{
    KP_ASSERT(!object->quota);
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
    if (status == KP_OK)
        object->quota = kp_quota_acquire(quota);
    return status;
}

void kp_object_fini(kp_object_t *object)
{
    KP_CHECK(kp_list_is_empty(&object->waiters));
    kp_quota_refund(object->quota, KP_QUOTA_OBJECTS, 1);
    kp_quota_release(object->quota);
    object->quota = NULL;
    atomic_fetch_sub_explicit(&counts[object->type], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&counts[KP_TYPE_NONE], 1, memory_order_relaxed);
}

uint64_t kp_object_count(uint32_t type)
{
    return type < KP_OBJECT_TYPE_LIMIT ? atomic_load(&counts[type]) : 0;
}

void kp_object_released(kp_object_t *object)
{
    object->ops->destroy(object);
}

void kp_object_release(kp_object_t *object)
{
    if (!object)
        return;
    unsigned before = atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel);
    KP_CHECK(before > 0);
    if (before == 1)
        object->ops->destroy(object);
}

void kp_object_signal_locked(kp_object_t *object, kp_signals_t clear, kp_signals_t set)
{
    kp_signals_t before = atomic_load_explicit(&object->signals, memory_order_relaxed);
    kp_signals_t after = (before & ~clear) | set;
    if (after == before)
        return;
    atomic_store_explicit(&object->signals, after, memory_order_release);
    kp_signals_t risen = after & ~before;
    if (!risen)
        return;
    for (kp_list_t *link = object->waiters.next; link != &object->waiters; link = link->next) {
        kp_waiter_t *waiter = KP_CONTAINER_OF(link, kp_waiter_t, link);
        if (waiter->signals & risen)
            kp_waiter_notify(waiter, after);
    }
}

void kp_object_signal(kp_object_t *object, kp_signals_t clear, kp_signals_t set)
{
    kp_spin_lock(object->lock);
    kp_object_signal_locked(object, clear, set);
    kp_spin_unlock(object->lock);
}

kp_capability_t kp_capability_create(kp_object_t *object, kp_rights_t rights)
{
    unsigned before = atomic_fetch_add_explicit(&object->capabilities, 1, memory_order_relaxed);
    /* The channel's proof that cycles cannot form rests on this. */
    KP_CHECK(object->type != KP_TYPE_CHANNEL || before == 0);
    kp_object_acquire(object);
    return (kp_capability_t){.object = object, .rights = rights};
}

kp_object_t *kp_capability_acquire(const kp_capability_t *capability)
{
    if (capability->derivation)
        return kp_derivation_object(capability->derivation);
    return capability->object ? kp_object_acquire(capability->object) : NULL;
}

/* Runs `abandoned` and drops the reference; a list in the thread instead of recursion. */
static void object_abandon(kp_object_t *object)
{
    kp_thread_t *thread = kp_machine_thread_current();
    if (thread && thread->is_abandoning) {
        if (atomic_exchange(&object->abandon_queued, true)) {
            kp_object_release(object); /* it had got a capability meanwhile, and lost it again */
            return;
        }
        object->abandon_next = thread->to_abandon;
        thread->to_abandon = object;
        return;
    }
    if (thread)
        thread->is_abandoning = true;
    object->ops->abandoned(object);
    kp_object_release(object);
    if (!thread)
        return;
    for (kp_object_t *next; (next = thread->to_abandon) != NULL;) {
        thread->to_abandon = next->abandon_next;
        atomic_store(&next->abandon_queued, false);
        next->ops->abandoned(next);
        kp_object_release(next);
    }
    thread->is_abandoning = false;
}

void kp_capability_close(kp_capability_t *capability)
{
    kp_capability_t taken = kp_capability_take(capability);
    if (taken.derivation)
        kp_derivation_close(taken.derivation);
    kp_object_t *object = taken.object;
    if (!object)
        return;
    unsigned before = atomic_fetch_sub_explicit(&object->capabilities, 1, memory_order_acq_rel);
    KP_CHECK(before > 0);
    if (before == 1 && object->ops->abandoned)
        object_abandon(object);
    else
        kp_object_release(object);
}

kp_rights_t kp_object_default_rights(uint32_t type)
{
    const kp_rights_t common = KP_RIGHT_TRANSFER | KP_RIGHT_WAIT | KP_RIGHT_INSPECT;
    switch (type) {
    case KP_TYPE_CHANNEL: /* never DUPLICATE: see kernel/ipc/channel.h */
        return common | KP_RIGHT_READ | KP_RIGHT_WRITE | KP_RIGHT_SIGNAL;
    case KP_TYPE_VMO:
        return common | KP_RIGHT_READ | KP_RIGHT_WRITE | KP_RIGHT_MAP | KP_RIGHT_SIGNAL |
               KP_RIGHT_DUPLICATE | KP_RIGHT_MANAGE;
    case KP_TYPE_EVENT:
        return common | KP_RIGHT_SIGNAL | KP_RIGHT_DUPLICATE;
    case KP_TYPE_THREAD:
        return common | KP_RIGHT_DUPLICATE;
    case KP_TYPE_PROCESS:
        return common | KP_RIGHT_MANAGE | KP_RIGHT_DUPLICATE;
    case KP_TYPE_SERVICE: /* plus CONNECT or SERVE, as the boot table says */
        return common | KP_RIGHT_DUPLICATE;
    case KP_TYPE_DEVICE:
        return common | KP_RIGHT_READ | KP_RIGHT_WRITE | KP_RIGHT_MANAGE;
    case KP_TYPE_COORDINATOR:
        return common | KP_RIGHT_MANAGE;
    case KP_TYPE_JOB:
        return common | KP_RIGHT_MANAGE | KP_RIGHT_DUPLICATE;
    case KP_TYPE_PORT:
        return common | KP_RIGHT_READ | KP_RIGHT_WRITE | KP_RIGHT_DUPLICATE;
    case KP_TYPE_TIMER:
        return common | KP_RIGHT_WRITE | KP_RIGHT_DUPLICATE;
    case KP_TYPE_CODE_AUTHORITY: /* nobody can pass it on */
        return KP_RIGHT_INSPECT | KP_RIGHT_MANAGE;
    case KP_TYPE_CODE: /* and MAP when code_create made it */
        return KP_RIGHT_TRANSFER | KP_RIGHT_INSPECT | KP_RIGHT_EXECUTE | KP_RIGHT_DUPLICATE;
    default:
        return 0;
    }
}
