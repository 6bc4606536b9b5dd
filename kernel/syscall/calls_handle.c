/* Handles, signals, waiting. */
#include "kernel/ipc/channel.h"
#include "kernel/object/event.h"
#include "kernel/object/wait.h"
#include "kernel/syscall/call.h"

#define WAIT_ITEMS_ON_STACK 8u

int64_t kp_call_handle_close(kp_call_t *call)
{
    return kp_handle_close(&call->process->handles, kp_call_handle(call->arguments[0]));
}

/* The rights that the caller asks for: KP_RIGHTS_SAME or a subset of what the handle has. */
static kp_status_t rights_shrink(kp_rights_t have, uint64_t asked, kp_rights_t *rights)
{
    if (asked == KP_RIGHTS_SAME)
        asked = have;
    if (asked & ~(uint64_t)have)
        return KP_ERR_INVALID_ARGUMENT;
    *rights = (kp_rights_t)asked;
    return KP_OK;
}

int64_t kp_call_handle_duplicate(kp_call_t *call)
{
    kp_handle_t duplicate;
    kp_status_t status =
        kp_handle_duplicate(&call->process->handles, kp_call_handle(call->arguments[0]),
                            call->arguments[1], &duplicate);
    return status == KP_OK ? (int64_t)duplicate : status;
}

int64_t kp_call_handle_replace(kp_call_t *call)
{
    kp_handle_table_t *table = &call->process->handles;
    kp_handle_t old = kp_call_handle(call->arguments[0]), new;
    kp_rights_t rights;
    kp_status_t status = rights_shrink(call->rights, call->arguments[1], &rights);
    if (status != KP_OK)
        return status;
    status = kp_handle_reserve(table, 1, &new);
    if (status != KP_OK)
        return status;
    kp_capability_t capability;
    status = kp_handle_lift(table, 1, &old, 0, &capability);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 1, &new);
        return status;
    }
    kp_wait_cancel(call->object, table, old);
    if (call->object->type == KP_TYPE_CHANNEL)
        kp_channel_lane_detach(kp_channel_from_object(call->object));
    kp_handle_unreserve(table, 1, &old);
    capability.rights &= rights;
    kp_handle_fill(table, new, capability);
    return new;
}

int64_t kp_call_handle_revoke(kp_call_t *call)
{
    return kp_handle_revoke(&call->process->handles, kp_call_handle(call->arguments[0]));
}

int64_t kp_call_object_info(kp_call_t *call)
{
    kp_object_info_t info = {
        .koid = call->object->koid, .type = call->object->type, .rights = call->rights};
    return kp_user_write(call->process, call->arguments[1], &info, sizeof(info));
}

int64_t kp_call_object_signal(kp_call_t *call)
{
    kp_signals_t allowed = KP_SIGNAL_USER_ALL;
    if (call->object->type == KP_TYPE_EVENT)
        allowed |= KP_SIGNAL_SIGNALED;
    uint64_t clear = call->arguments[1], set = call->arguments[2];
    if ((clear | set) & ~(uint64_t)allowed)
        return KP_ERR_INVALID_ARGUMENT;
    kp_object_signal(call->object, (kp_signals_t)clear, (kp_signals_t)set);
    return KP_OK;
}

int64_t kp_call_object_wait_one(kp_call_t *call)
{
    uint64_t observed_at = call->arguments[3];
    kp_status_t status;
    if (call->arguments[1] > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    if (observed_at) {
        status = kp_user_check(call->process, observed_at, sizeof(kp_signals_t));
        if (status != KP_OK)
            return status;
    }
    kp_waiter_t waiter = {
        .object = call->object,
        .signals = (kp_signals_t)call->arguments[1],
        .table = &call->process->handles,
        .handle = kp_call_handle(call->arguments[0]),
    };
    status = kp_wait_many(&waiter, 1, kp_call_deadline(call, call->arguments[2]));
    if (observed_at) {
        kp_status_t written =
            kp_user_write(call->process, observed_at, &waiter.observed, sizeof(waiter.observed));
        if (written != KP_OK)
            status = written;
    }
    return status;
}

/* Waits for items that are in kernel memory; fills every observed. */
static kp_status_t items_wait(kp_process_t *process, kp_wait_item_t *items, kp_waiter_t *waiters,
                              uint32_t count, kp_time_t deadline)
{
    kp_status_t status = KP_OK;
    uint32_t found = 0;
    for (; found < count; found++) {
        kp_waiter_t *waiter = &waiters[found];
        memset(waiter, 0, sizeof(*waiter));
        status = kp_handle_lookup_typed(&process->handles, items[found].handle, 0, KP_RIGHT_WAIT,
                                        &waiter->object);
        if (status != KP_OK)
            break;
        waiter->signals = items[found].signals;
        waiter->table = &process->handles;
        waiter->handle = items[found].handle;
    }
    if (status == KP_OK)
        status = kp_wait_many(waiters, count, deadline);
    for (uint32_t i = 0; i < found; i++) {
        items[i].observed = waiters[i].observed;
        kp_object_release(waiters[i].object);
    }
    return status;
}

int64_t kp_call_object_wait_many(kp_call_t *call)
{
    kp_process_t *process = call->process;
    uint64_t address = call->arguments[0], count = call->arguments[1];
    kp_time_t deadline = kp_call_deadline(call, call->arguments[2]);
    if (count > KP_WAIT_MANY_MAX)
        return KP_ERR_INVALID_ARGUMENT;

    kp_wait_item_t few_items[WAIT_ITEMS_ON_STACK];
    kp_waiter_t few_waiters[WAIT_ITEMS_ON_STACK];
    kp_wait_item_t *items = few_items;
    kp_waiter_t *waiters = few_waiters;
    void *memory = NULL;
    if (count > WAIT_ITEMS_ON_STACK) {
        memory = kp_kalloc(count * (sizeof(*waiters) + sizeof(*items)));
        if (!memory)
            return KP_ERR_NO_MEMORY;
        waiters = memory;
        items = (kp_wait_item_t *)(waiters + count);
    }
    kp_status_t status = kp_user_read(process, items, address, count * sizeof(*items));
    if (status == KP_OK) {
        status = items_wait(process, items, waiters, (uint32_t)count, deadline);
        if (status == KP_OK || status == KP_ERR_TIMED_OUT || status == KP_ERR_CANCELLED ||
            status == KP_ERR_REVOKED) {
            kp_status_t written = kp_user_write(process, address, items, count * sizeof(*items));
            if (written != KP_OK)
                status = written;
        }
    }
    kp_kfree(memory);
    return status;
}

int64_t kp_call_event_create(kp_call_t *call)
{
    kp_capability_t event;
    kp_status_t status = kp_event_create(&event);
    return status == KP_OK ? kp_call_result_object(call, event) : status;
}
