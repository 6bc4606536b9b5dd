/* Memories of programs that a process runs as code made at run time. */
#include "kernel/object/code.h"
#include "kernel/object/guest.h"
#include "kernel/syscall/call.h"

int64_t kp_call_guest_create(kp_call_t *call)
{
    uint64_t reserve = call->arguments[1], address;
    if (!kp_code_from_object(call->object)->vmo)
        return KP_ERR_WRONG_TYPE;
    if (reserve % KP_WASM_PAGE_SIZE || reserve == 0 || reserve > KP_GUEST_RESERVE_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = kp_turn_take(&call->process->turn);
    if (status != KP_OK)
        return status;
    status = kp_guest_create(call->process, reserve, &address);
    kp_turn_give(&call->process->turn);
    return status == KP_OK ? (int64_t)address : status;
}

int64_t kp_call_guest_grow(kp_call_t *call)
{
    uint64_t old;
    kp_status_t status = kp_turn_take(&call->process->turn);
    if (status != KP_OK)
        return status;
    status = kp_guest_grow(call->process, call->arguments[0], call->arguments[1], &old);
    kp_turn_give(&call->process->turn);
    return status == KP_OK ? (int64_t)old : status;
}

int64_t kp_call_guest_destroy(kp_call_t *call)
{
    kp_status_t status = kp_turn_take(&call->process->turn);
    if (status != KP_OK)
        return status;
    status = kp_guest_destroy(call->process, call->arguments[0]);
    kp_turn_give(&call->process->turn);
    return status;
}

int64_t kp_call_guest_handler(kp_call_t *call)
{
    return kp_machine_space_guest_handler(&call->process->space, call->arguments[0]);
}
