/* Channels and services. */
#include "kernel/init/boot.h"
#include "kernel/ipc/channel.h"
#include "kernel/ipc/services.h"
#include "kernel/object/wait.h"
#include "kernel/syscall/call.h"

int64_t kp_call_channel_create(kp_call_t *call)
{
    kp_handle_table_t *table = &call->process->handles;
    kp_handle_t handles[2];
    kp_status_t status = kp_handle_reserve(table, 2, handles);
    if (status != KP_OK)
        return status;
    status = kp_user_write(call->process, call->arguments[0], handles, sizeof(handles));
    kp_capability_t ends[2];
    if (status == KP_OK)
        status = kp_channel_create(ends);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 2, handles);
        return status;
    }
    kp_handle_fill(table, handles[0], ends[0]);
    kp_handle_fill(table, handles[1], ends[1]);
    return KP_OK;
}

/* Moves the named handles into the message and pushes it; on error nothing has moved. */
static kp_status_t message_push_handles(kp_call_t *call, kp_message_t *message,
                                        const kp_handle_t *handles)
{
    kp_channel_t *channel = kp_channel_from_object(call->object);
    kp_handle_table_t *table = &call->process->handles;
    uint32_t count = message->capability_count;
    if (count == 0)
        return kp_channel_push(channel, message);
    /* After the push the message is the receiver's: waits are cancelled through references. */
    kp_capability_t moved[KP_CHANNEL_HANDLES_MAX];
    kp_status_t status =
        kp_handle_lift(table, count, handles, KP_RIGHT_TRANSFER, message->capabilities);
    if (status != KP_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        moved[i] = message->capabilities[i];
        kp_object_acquire(moved[i].object);
    }
    status = kp_channel_push(channel, message);
    if (status == KP_OK) {
        for (uint32_t i = 0; i < count; i++)
            kp_wait_cancel(moved[i].object, table, handles[i]);
        kp_handle_unreserve(table, count, handles);
    } else {
        kp_handle_settle(table, count, handles, message->capabilities);
    }
    for (uint32_t i = 0; i < count; i++)
        kp_object_release(moved[i].object);
    return status;
}

int64_t kp_call_channel_write(kp_call_t *call)
{
    kp_process_t *process = call->process;
    uint64_t byte_count = call->arguments[2], handle_count = call->arguments[4];
    if (byte_count > KP_CHANNEL_BYTES_MAX || handle_count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_TOO_LARGE;
    /* A look before the copy; the push itself decides. */
    kp_status_t status = kp_channel_may_push(kp_channel_from_object(call->object));
    if (status != KP_OK)
        return status;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    status = kp_user_read(process, handles, call->arguments[3], handle_count * sizeof(*handles));
    if (status != KP_OK)
        return status;
    kp_message_t *message;
    status = kp_message_create(byte_count, handle_count, process->quota, &message);
    if (status != KP_OK)
        return status;
    status = kp_user_read(process, message->bytes, call->arguments[1], byte_count);
    if (status == KP_OK)
        status = message_push_handles(call, message, handles);
    if (status != KP_OK) {
        kp_message_destroy(message);
        return status;
    }
    atomic_fetch_add_explicit(&process->messages_sent, 1, memory_order_relaxed);
    return KP_OK;
}

/* Gives a popped message to the caller: all that may fail first. */
static kp_status_t message_deliver(kp_call_t *call, kp_message_t *message)
{
    kp_process_t *process = call->process;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint32_t count = message->capability_count;
    kp_status_t status = KP_OK;
    if (count)
        status = kp_handle_reserve(&process->handles, count, handles);
    if (status != KP_OK)
        return status;
    status = kp_user_write(process, call->arguments[1], message->bytes, message->byte_count);
    if (status == KP_OK)
        status = kp_user_write(process, call->arguments[3], handles, count * sizeof(*handles));
    if (status != KP_OK) {
        if (count)
            kp_handle_unreserve(&process->handles, count, handles);
        return status;
    }
    if (count)
        kp_handle_settle(&process->handles, count, handles, message->capabilities);
    return KP_OK;
}

int64_t kp_call_channel_read(kp_call_t *call)
{
    kp_channel_t *channel = kp_channel_from_object(call->object);
    uint64_t byte_capacity = call->arguments[2], handle_capacity = call->arguments[4];
    uint64_t actual_at = call->arguments[5];
    kp_status_t status = kp_user_check(call->process, call->arguments[1], byte_capacity);
    if (status == KP_OK && handle_capacity > UINT32_MAX)
        status = KP_ERR_BAD_ADDRESS;
    if (status == KP_OK)
        status =
            kp_user_check(call->process, call->arguments[3], handle_capacity * sizeof(kp_handle_t));
    if (status == KP_OK)
        status = kp_user_check(call->process, actual_at, 2 * sizeof(uint32_t));
    if (status != KP_OK)
        return status;

    uint32_t counts[2];
    kp_message_t *message = NULL;
    status = kp_channel_pop(channel, byte_capacity, handle_capacity, counts, &message);
    if (status != KP_OK && status != KP_ERR_BUFFER_TOO_SMALL)
        return status;
    kp_status_t written = kp_user_write(call->process, actual_at, counts, sizeof(counts));
    if (status != KP_OK)
        return written != KP_OK ? written : status;
    status = written == KP_OK ? message_deliver(call, message) : written;
    if (status != KP_OK) {
        kp_channel_unpop(channel, message);
        return status;
    }
    kp_message_destroy(message);
    return KP_OK;
}

int64_t kp_call_service_register(kp_call_t *call)
{
    kp_capability_t requests;
    kp_status_t status = kp_service_register(kp_service_from_object(call->object), &requests);
    if (status != KP_OK)
        return status;
    int64_t result = kp_call_result_handle(call, requests);
    if (result > 0)
        kp_boot_service_registered(kp_service_name(kp_service_from_object(call->object)));
    return result;
}

int64_t kp_call_service_connect(kp_call_t *call)
{
    kp_capability_t connection;
    kp_status_t status = kp_service_connect(kp_service_from_object(call->object), &connection);
    return status == KP_OK ? kp_call_result_handle(call, connection) : status;
}
