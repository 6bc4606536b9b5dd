/* The one place where calls enter: number, then handle, type and rights by abi/calls.def, then the
   call's own function. */
#include "abi/call_macros.h"
#include "kernel/base/nospec.h"
#include "fast.h"
#include "kernel/syscall/call.h"
#include "kernel/trace/trace.h"

typedef struct call_entry {
    kp_call_fn fn; /* NULL: no such call */
    int8_t type;   /* of the handle in argument 0; -1: that is none */
    bool is_short; /* takes so little time that interrupts may stay off (fast.h) */
    kp_rights_t rights;
} call_entry_t;

#define IS_SHORT(number)                                                         \
    ((number) == KP_CALL_null || (number) == KP_CALL_channel_call ||             \
     (number) == KP_CALL_channel_receive || (number) == KP_CALL_channel_reply || \
     (number) == KP_CALL_channel_reply_receive)

static const call_entry_t calls[KP_CALL_LIMIT] = {
#define KP_CALL(number, name, result, documentation, ...)                            \
    [number] = {kp_call_##name, KP_CALL_SUBJECT_TYPE(__VA_ARGS__), IS_SHORT(number), \
                KP_CALL_SUBJECT_RIGHTS(__VA_ARGS__)},
#include "abi/calls.def"
#undef KP_CALL
};

static inline kp_status_t handle_check(const call_entry_t *entry, const kp_object_t *object,
                                       kp_rights_t rights)
{
    if (__builtin_expect(object->type != (uint32_t)entry->type, 0) && entry->type != KP_TYPE_ANY)
        return KP_ERR_WRONG_TYPE;
    if (__builtin_expect(entry->rights & ~rights, 0))
        return KP_ERR_ACCESS_DENIED;
    return KP_OK;
}

/* Any call, whatever its handle is like. */
static __attribute__((noinline)) int64_t call_general(const call_entry_t *entry, kp_call_t *call)
{
    call->object = NULL;
    call->rights = 0;
    if (entry->type < 0)
        return entry->fn(call);
    kp_handle_use_t use;
    int64_t result =
        kp_handle_use(&call->process->handles, kp_call_handle(call->arguments[0]), &use);
    if (result != KP_OK)
        return result;
    call->object = use.object;
    call->rights = use.rights;
    call->is_held = use.held;
    result = handle_check(entry, use.object, use.rights);
    if (result == KP_OK)
        result = entry->fn(call);
    kp_handle_unuse(&use);
    return result;
}

static __attribute__((noinline, cold)) int64_t call_traced(const call_entry_t *entry,
                                                           kp_call_t *call)
{
    uint32_t number = (uint32_t)(entry - calls);
    kp_trace_record(KP_TRACE_CALL, number, call->arguments[0], 0);
    int64_t result = call_general(entry, call);
    kp_trace(KP_TRACE_CALL_END, number, (uint64_t)result, 0);
    return result;
}

/* It has no buffers that could overflow, and is on every way. */
__attribute__((no_stack_protector)) int64_t kp_syscall_dispatch(uint32_t number,
                                                                const uint64_t arguments[6])
{
    if (__builtin_expect(number >= KP_CALL_LIMIT, 0))
        return KP_ERR_NOT_SUPPORTED;
    const call_entry_t *entry = &calls[kp_index_nospec(number, KP_CALL_LIMIT)];
    __asm__("" : "+r"(entry)); /* computed once */
    kp_call_t call;
    kp_process_t *process = kp_fast_process();
    call.process = process;
    call.arguments = arguments;
    call.is_held = false;
    atomic_fetch_add_explicit(&process->calls, 1, memory_order_relaxed);
    if (__builtin_expect(!entry->is_short, 0)) {
        kp_fast_interrupts_on();
        if (!entry->fn)
            return KP_ERR_NOT_SUPPORTED;
    }
    if (__builtin_expect(atomic_load_explicit(&kp_trace_is_on, memory_order_relaxed), 0))
        return call_traced(entry, &call);
    if (entry->type < 0) {
        call.object = NULL;
        call.rights = 0;
        return entry->fn(&call);
    }
    const kp_handle_slot_t *slot = kp_handle_slot_unshared(&process->handles, arguments[0]);
    if (__builtin_expect(!slot, 0))
        return call_general(entry, &call);
    call.object = slot->object;
    call.rights = slot->rights;
    kp_status_t status = handle_check(entry, slot->object, slot->rights);
    return __builtin_expect(status == KP_OK, 1) ? entry->fn(&call) : status;
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
