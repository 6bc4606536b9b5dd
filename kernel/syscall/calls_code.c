/* Code made at run time. */
#include "kernel/object/code.h"
#include "kernel/syscall/call.h"

int64_t kp_call_code_create(kp_call_t *call)
{
    kp_object_t *vmo;
    kp_status_t status =
        kp_handle_lookup_typed(&call->process->handles, kp_call_handle(call->arguments[1]),
                               KP_TYPE_VMO, KP_RIGHT_READ | KP_RIGHT_MANAGE, &vmo);
    if (status != KP_OK)
        return status;
    /* The handle first: what is sealed stays sealed. */
    kp_handle_t handle;
    status = kp_handle_reserve(&call->process->handles, 1, &handle);
    kp_capability_t code;
    if (status == KP_OK) {
        status = kp_code_make(kp_vmo_from_object(vmo), call->process->quota, &code);
        if (status != KP_OK)
            kp_handle_unreserve(&call->process->handles, 1, &handle);
    }
    kp_object_release(vmo);
    if (status != KP_OK)
        return status;
    kp_handle_fill(&call->process->handles, handle, code);
    return handle;
}

int64_t kp_call_code_map(kp_call_t *call)
{
    uint64_t address;
    kp_status_t status = kp_code_map(call->process, kp_code_from_object(call->object), &address);
    return status == KP_OK ? (int64_t)address : status;
}

int64_t kp_call_code_unmap(kp_call_t *call)
{
    return kp_code_unmap(call->process, call->arguments[0]);
}

int64_t kp_call_code_info(kp_call_t *call)
{
    kp_code_info_t info;
    kp_code_info(kp_code_from_object(call->object), &info);
    return kp_user_write(call->process, call->arguments[1], &info, sizeof(info));
}
