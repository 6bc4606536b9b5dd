/* Channels and services. */
#include "kernel/init/boot.h"
#include "kernel/ipc/channel.h"
#include "kernel/ipc/services.h"
#include "kernel/syscall/message.h"

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
    status = kp_object_charge(ends[0].object, call->process->quota);
    if (status == KP_OK)
        status = kp_object_charge(ends[1].object, call->process->quota);
    if (status != KP_OK) {
        kp_handle_unreserve(table, 2, handles);
        kp_capability_close(&ends[0]);
        kp_capability_close(&ends[1]);
        return status;
    }
    kp_handle_fill(table, handles[0], ends[0]);
    kp_handle_fill(table, handles[1], ends[1]);
    return KP_OK;
}

int64_t kp_call_channel_write(kp_call_t *call)
{
    const kp_call_message_t from = {
        .bytes = call->arguments[1],
        .byte_count = call->arguments[2],
        .handles = call->arguments[3],
        .handle_count = call->arguments[4],
    };
    if (from.byte_count > KP_CHANNEL_BYTES_MAX || from.handle_count > KP_CHANNEL_HANDLES_MAX)
        return KP_ERR_TOO_LARGE;
    /* A look before the copy; the push itself decides. */
    kp_channel_t *channel = kp_channel_from_object(call->object);
    kp_status_t status = kp_channel_may_push(channel);
    if (status != KP_OK)
        return status;
    kp_call_sending_t sending;
    status = kp_call_sending_begin(call, &from, &sending);
    if (status != KP_OK)
        return status;
    status = kp_channel_push(channel, sending.message);
    kp_call_sending_end(call, &sending, status);
    return status;
}

int64_t kp_call_channel_read(kp_call_t *call)
{
    kp_channel_t *channel = kp_channel_from_object(call->object);
    const kp_call_message_t to = {
        .bytes = call->arguments[1],
        .byte_count = call->arguments[2],
        .handles = call->arguments[3],
        .handle_count = call->arguments[4],
    };
    uint64_t actual_at = call->arguments[5];
    kp_status_t status = kp_call_room_check(call, &to);
    if (status == KP_OK)
        status = kp_user_check(call->process, actual_at, 2 * sizeof(uint32_t));
    if (status != KP_OK)
        return status;

    uint32_t counts[2];
    kp_message_t *message = NULL;
    status = kp_channel_pop(channel, to.byte_count, to.handle_count, counts, &message);
    if (status != KP_OK && status != KP_ERR_BUFFER_TOO_SMALL)
        return status;
    kp_status_t written = kp_user_write(call->process, actual_at, counts, sizeof(counts));
    if (status != KP_OK)
        return written != KP_OK ? written : status;
    status = written == KP_OK ? kp_call_message_deliver(call, message, &to) : written;
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
    kp_status_t status =
        kp_service_connect_for(kp_service_from_object(call->object), call->process->quota,
                               call->process->job->object.koid, &connection);
    return status == KP_OK ? kp_call_result_handle(call, connection) : status;
}
