#include "kernel/syscall/message.h"

#include "kernel/object/wait.h"

kp_status_t kp_call_sending_begin(kp_call_t *call, const kp_call_message_t *from,
                                  kp_call_sending_t *sending)
{
    kp_process_t *process = call->process;
    uint32_t count = (uint32_t)from->handle_count;
    kp_status_t status =
        kp_user_read(process, sending->handles, from->handles, count * sizeof(kp_handle_t));
    if (status != KP_OK)
        return status;
    kp_message_t *message;
    status = kp_message_create(from->byte_count, count, process->quota, &message);
    if (status != KP_OK)
        return status;
    status = kp_user_read(process, message->bytes, from->bytes, from->byte_count);
    if (status == KP_OK && count)
        status = kp_handle_lift(&process->handles, count, sending->handles, KP_RIGHT_TRANSFER,
                                message->capabilities);
    if (status != KP_OK) {
        kp_message_destroy(message);
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        kp_object_t *object = kp_capability_acquire(&message->capabilities[i]);
        sending->moved[i] = object;
        if (object && object->type == KP_TYPE_CHANNEL)
            kp_channel_lane_detach(kp_channel_from_object(object));
    }
    sending->message = message;
    sending->count = count;
    return KP_OK;
}

void kp_call_sending_end(kp_call_t *call, kp_call_sending_t *sending, kp_status_t status)
{
    kp_handle_table_t *table = &call->process->handles;
    uint32_t count = sending->count;
    if (status == KP_OK) {
        for (uint32_t i = 0; i < count; i++) {
            if (sending->moved[i])
                kp_wait_cancel(sending->moved[i], table, sending->handles[i]);
        }
        if (count)
            kp_handle_unreserve(table, count, sending->handles);
        atomic_fetch_add_explicit(&call->process->messages_sent, 1, memory_order_relaxed);
    } else {
        kp_handle_settle(table, count, sending->handles, sending->message->capabilities);
        kp_message_destroy(sending->message);
    }
    for (uint32_t i = 0; i < count; i++)
        kp_object_release(sending->moved[i]);
}

kp_status_t kp_call_room_check(kp_call_t *call, const kp_call_message_t *room)
{
    kp_status_t status = kp_user_check(call->process, room->bytes, room->byte_count);
    if (status == KP_OK && room->handle_count > UINT32_MAX)
        status = KP_ERR_BAD_ADDRESS;
    if (status == KP_OK)
        status =
            kp_user_check(call->process, room->handles, room->handle_count * sizeof(kp_handle_t));
    return status;
}

kp_status_t kp_call_message_deliver(kp_call_t *call, kp_message_t *message,
                                    const kp_call_message_t *room)
{
    kp_process_t *process = call->process;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint32_t count = message->capability_count;
    kp_status_t status = KP_OK;
    if (count)
        status = kp_handle_reserve(&process->handles, count, handles);
    if (status != KP_OK)
        return status;
    status = kp_user_write(process, room->bytes, message->bytes, message->byte_count);
    if (status == KP_OK)
        status = kp_user_write(process, room->handles, handles, count * sizeof(*handles));
    if (status != KP_OK) {
        if (count)
            kp_handle_unreserve(&process->handles, count, handles);
        return status;
    }
    if (count)
        kp_handle_settle(&process->handles, count, handles, message->capabilities);
    return KP_OK;
}
