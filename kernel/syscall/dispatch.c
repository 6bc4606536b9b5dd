/* The one place where calls enter: number, then handle, type and rights by abi/calls.def, then the
   call's own function. */
#include "abi/call_macros.h"
#include "kernel/syscall/call.h"
#include "kernel/trace/trace.h"

typedef struct call_entry {
    kp_call_fn fn; /* NULL: no such call */
    int type;      /* of the handle in argument 0; -1: that is none */
    kp_rights_t rights;
} call_entry_t;

static const call_entry_t calls[KP_CALL_LIMIT] = {
#define KP_CALL(number, name, result, documentation, ...)          \
    [number] = {kp_call_##name, KP_CALL_SUBJECT_TYPE(__VA_ARGS__), \
                KP_CALL_SUBJECT_RIGHTS(__VA_ARGS__)},
#include "abi/calls.def"
#undef KP_CALL
};

static int64_t call_perform(const call_entry_t *entry, kp_call_t *call)
{
    if (entry->type < 0)
        return entry->fn(call);
    kp_handle_use_t use;
    kp_status_t status =
        kp_handle_use(&call->process->handles, kp_call_handle(call->arguments[0]), &use);
    if (status != KP_OK)
        return status;
    call->object = use.object;
    call->rights = use.rights;
    int64_t result;
    if (entry->type != KP_TYPE_ANY && use.object->type != (uint32_t)entry->type)
        result = KP_ERR_WRONG_TYPE;
    else if ((use.rights & entry->rights) != entry->rights)
        result = KP_ERR_ACCESS_DENIED;
    else
        result = entry->fn(call);
    kp_handle_unuse(&use);
    return result;
}

int64_t kp_syscall_dispatch(uint32_t number, const uint64_t arguments[6])
{
    kp_process_t *process = kp_machine_thread_current()->process;
    atomic_fetch_add_explicit(&process->calls, 1, memory_order_relaxed);
    if (number >= KP_CALL_LIMIT || !calls[number].fn)
        return KP_ERR_NOT_SUPPORTED;
    kp_call_t call = {.process = process, .arguments = arguments};
    kp_trace(KP_TRACE_CALL, number, arguments[0], 0);
    int64_t result = call_perform(&calls[number], &call);
    kp_trace(KP_TRACE_CALL_END, number, (uint64_t)result, 0);
    return result;
}

kp_status_t kp_user_check(kp_process_t *process, uint64_t address, uint64_t count)
{
    uint64_t size = kp_process_memory_size(process);
    if (count > size || address > size - count)
        return count ? KP_ERR_BAD_ADDRESS : KP_OK;
    return KP_OK;
}

kp_status_t kp_user_read(kp_process_t *process, void *to, uint64_t address, size_t count)
{
    kp_status_t status = kp_user_check(process, address, count);
    if (status != KP_OK || count == 0)
        return status;
    return kp_machine_space_copy_in(&process->space, to, (uint32_t)address, count);
}

kp_status_t kp_user_write(kp_process_t *process, uint64_t address, const void *from, size_t count)
{
    kp_status_t status = kp_user_check(process, address, count);
    if (status != KP_OK || count == 0)
        return status;
    return kp_machine_space_copy_out(&process->space, (uint32_t)address, from, count);
}

int64_t kp_call_result_handle(kp_call_t *call, kp_capability_t capability)
{
    kp_handle_t handle;
    kp_status_t status = kp_handle_add(&call->process->handles, capability, &handle);
    if (status != KP_OK) {
        kp_capability_close(&capability);
        return status;
    }
    return handle;
}

int64_t kp_call_result_object(kp_call_t *call, kp_capability_t capability)
{
    kp_status_t status = kp_object_charge(capability.object, call->process->quota);
    if (status != KP_OK) {
        kp_capability_close(&capability);
        return status;
    }
    return kp_call_result_handle(call, capability);
}
