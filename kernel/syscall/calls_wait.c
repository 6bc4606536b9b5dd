/* Timers, ports and futexes. */
#include "kernel/object/futex.h"
#include "kernel/object/port.h"
#include "kernel/object/timer.h"
#include "kernel/syscall/call.h"

#define PACKETS_AT_ONCE 16u

int64_t kp_call_timer_create(kp_call_t *call)
{
    kp_capability_t timer;
    kp_status_t status = kp_timer_create(&timer);
    return status == KP_OK ? kp_call_result_object(call, timer) : status;
}

int64_t kp_call_timer_set(kp_call_t *call)
{
    if (call->arguments[2] > INT64_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    const kp_job_t *job = call->process->job;
    uint64_t least = atomic_load_explicit(&job->slack_ns, memory_order_relaxed);
    kp_timer_set(kp_timer_from_object(call->object), (kp_time_t)call->arguments[1],
                 KP_MAX(call->arguments[2], least));
    return KP_OK;
}

int64_t kp_call_timer_cancel(kp_call_t *call)
{
    kp_timer_cancel(kp_timer_from_object(call->object));
    return KP_OK;
}

int64_t kp_call_port_create(kp_call_t *call)
{
    kp_capability_t port;
    kp_status_t status = kp_port_create(&port);
    return status == KP_OK ? kp_call_result_object(call, port) : status;
}

int64_t kp_call_port_bind(kp_call_t *call)
{
    kp_process_t *process = call->process;
    kp_handle_table_t *table = &process->handles;
    kp_handle_t handle = kp_call_handle(call->arguments[1]);
    uint64_t signals = call->arguments[2], flags = call->arguments[4];
    if (signals > UINT32_MAX || flags > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_object_t *object;
    kp_status_t status = kp_handle_lookup_typed(table, handle, 0, KP_RIGHT_WAIT, &object);
    if (status != KP_OK)
        return status;
    status =
        kp_port_bind(kp_port_from_object(call->object), object, table, handle,
                     (kp_signals_t)signals, call->arguments[3], (uint32_t)flags, process->quota);
    /* If the handle has gone since the lookup, nobody ended the binding. */
    kp_object_t *still;
    if (status == KP_OK) {
        if (kp_handle_lookup_typed(table, handle, 0, 0, &still) == KP_OK)
            kp_object_release(still);
        else
            kp_wait_end(object, table, handle, KP_ERR_CANCELLED);
    }
    kp_object_release(object);
    return status;
}

int64_t kp_call_port_unbind(kp_call_t *call)
{
    return kp_port_unbind(kp_port_from_object(call->object), call->arguments[1]);
}

int64_t kp_call_port_post(kp_call_t *call)
{
    kp_port_packet_t packet;
    kp_status_t status = kp_user_read(call->process, &packet, call->arguments[1], sizeof(packet));
    if (status != KP_OK)
        return status;
    return kp_port_post(kp_port_from_object(call->object), packet.key, packet.data,
                        call->process->quota);
}

/* Takes what is ready straight into the caller's memory; the count, or why it cannot be written. */
static int64_t packets_take(kp_call_t *call, kp_port_t *port, uint64_t address, uint32_t capacity)
{
    kp_port_packet_t packets[PACKETS_AT_ONCE];
    kp_list_t taken, again;
    kp_list_init(&taken);
    kp_list_init(&again);
    uint32_t count = 0, now;
    kp_status_t status = KP_OK;
    do {
        uint32_t room = KP_MIN(capacity - count, PACKETS_AT_ONCE);
        now = kp_port_take(port, packets, room, &taken);
        if (now > 0)
            status = kp_user_write(call->process, address + count * sizeof(*packets), packets,
                                   now * sizeof(*packets));
        kp_port_settle(port, &taken, &again, status == KP_OK);
        count += status == KP_OK ? now : 0;
    } while (status == KP_OK && now == PACKETS_AT_ONCE && count < capacity);
    kp_port_take_end(port, &again);
    return status == KP_OK || count > 0 ? (int64_t)count : status;
}

/* An address that cannot be written is said before anything is waited for. */
static kp_status_t packets_prepare(kp_process_t *process, uint64_t address, uint64_t size)
{
    const uint8_t zero = 0;
    kp_status_t status = kp_user_check(process, address, size);
    for (uint64_t at = address; status == KP_OK && at < address + size;
         at = at - at % KP_PAGE_SIZE + KP_PAGE_SIZE)
        status = kp_user_write(process, at, &zero, sizeof(zero));
    return status;
}

int64_t kp_call_port_wait(kp_call_t *call)
{
    kp_port_t *port = kp_port_from_object(call->object);
    uint64_t address = call->arguments[1], capacity = call->arguments[2];
    kp_time_t deadline = kp_call_deadline(call, call->arguments[3]);
    if (capacity == 0 || capacity > KP_PORT_PACKETS_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status =
        packets_prepare(call->process, address, capacity * sizeof(kp_port_packet_t));
    while (status == KP_OK) {
        int64_t count = packets_take(call, port, address, (uint32_t)capacity);
        if (count != 0)
            return count;
        kp_waiter_t waiter = {
            .object = call->object,
            .signals = KP_SIGNAL_READABLE,
            .table = &call->process->handles,
            .handle = kp_call_handle(call->arguments[0]),
        };
        status = kp_wait_many(&waiter, 1, deadline);
    }
    return status;
}

/* ---- Futexes ---- */

/* A place of a word in the caller's memory. */
static kp_status_t word_check(kp_call_t *call, uint64_t address, uint32_t size)
{
    if (address % size)
        return KP_ERR_INVALID_ARGUMENT;
    return kp_user_check(call->process, address, size);
}

/* The thread that a handle names, or NULL for 0 and when it has ended; one of the caller's own process.
   Referenced. */
static kp_status_t owner_find(kp_call_t *call, uint64_t handle, kp_thread_t **owner)
{
    *owner = NULL;
    if (handle == KP_HANDLE_NONE)
        return KP_OK;
    kp_object_t *object;
    kp_status_t status = kp_handle_lookup_typed(&call->process->handles, kp_call_handle(handle),
                                                KP_TYPE_THREAD, 0, &object);
    if (status != KP_OK)
        return status;
    kp_thread_t *thread = kp_thread_from_object(object);
    if (thread->process_id != call->process->object.koid)
        status = KP_ERR_INVALID_ARGUMENT;
    else if (kp_process_has_thread(call->process, thread))
        *owner = thread;
    if (!*owner)
        kp_object_release(object);
    return status;
}

static void owner_release(kp_thread_t *owner)
{
    if (owner)
        kp_object_release(&owner->object);
}

int64_t kp_call_futex_wait(kp_call_t *call)
{
    uint64_t address = call->arguments[0], size = call->arguments[2];
    if (size != 4 && size != 8)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = word_check(call, address, (uint32_t)size);
    kp_thread_t *owner;
    if (status == KP_OK)
        status = owner_find(call, call->arguments[3], &owner);
    if (status != KP_OK)
        return status;
    status = kp_futex_wait(call->process, (uint32_t)address, call->arguments[1], (uint32_t)size,
                           owner, (kp_time_t)call->arguments[4]);
    owner_release(owner);
    return status;
}

int64_t kp_call_futex_wake(kp_call_t *call)
{
    uint64_t count = call->arguments[1];
    if (count > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = word_check(call, call->arguments[0], 4);
    kp_thread_t *owner;
    if (status == KP_OK)
        status = owner_find(call, call->arguments[2], &owner);
    if (status != KP_OK)
        return status;
    uint32_t woken =
        kp_futex_wake(call->process, (uint32_t)call->arguments[0], (uint32_t)count, owner);
    owner_release(owner);
    return woken;
}

int64_t kp_call_futex_requeue(kp_call_t *call)
{
    const uint64_t *arguments = call->arguments;
    if (arguments[1] > UINT32_MAX || arguments[2] > UINT32_MAX || arguments[4] > UINT32_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = word_check(call, arguments[0], 4);
    if (status == KP_OK)
        status = word_check(call, arguments[3], 4);
    kp_thread_t *owner;
    if (status == KP_OK)
        status = owner_find(call, arguments[5], &owner);
    if (status != KP_OK)
        return status;
    uint32_t woken;
    status = kp_futex_requeue(call->process, (uint32_t)arguments[0], (uint32_t)arguments[1],
                              (uint32_t)arguments[2], (uint32_t)arguments[3],
                              (uint32_t)arguments[4], owner, &woken);
    owner_release(owner);
    return status == KP_OK ? (int64_t)woken : status;
}
