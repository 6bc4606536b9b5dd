/* Calls from the host, traps and the frames of their backtraces, interruption. */
#include "runtime/instance/internal.h"

kp_status_t kp_wasm_call(kp_wasm_store_t *store, kp_wasm_funcinst_t *function,
                         kp_wasm_value_t *values)
{
    store->trap.code = KP_WASM_TRAP_NONE;
    store->trap.frame_count = 0;
    store->trap.frame_total = 0;
    store->pending = NULL;
    if (store->calls == 0) {
        uintptr_t here = (uintptr_t)__builtin_frame_address(0);
        uint64_t limit = here > store->options.stack_bytes ? here - store->options.stack_bytes : 0;
        store->stack_limit = limit;
        store->stack_base = here;
        store->exception_tried = false;
        if (store->exceptions)
            kp_wasm_stack_clear();
        __atomic_store_n(&store->head.stack_limit, limit, __ATOMIC_SEQ_CST);
        /* An interruption may have been asked for just before. */
        if (__atomic_load_n(&store->interrupt, __ATOMIC_SEQ_CST))
            __atomic_store_n(&store->head.stack_limit, UINT64_MAX, __ATOMIC_SEQ_CST);
    }
    store->calls++;
    kp_status_t status = function->call(function, NULL, values);
    store->calls--;
    return status;
}

kp_status_t kp_wasm_store_trap(kp_wasm_store_t *store, kp_wasm_trap_code_t code)
{
    store->trap.code = code;
    store->trap.status = KP_ERR_TRAP;
    store->trap.frame_count = 0;
    store->trap.frame_total = 0;
    return KP_ERR_TRAP;
}

void kp_wasm_store_trap_frame(kp_wasm_store_t *store, kp_wasm_instance_t *instance,
                              const kp_wasm_module_t *module, uint32_t function, uint32_t offset)
{
    kp_wasm_trap_t *trap = &store->trap;
    trap->frame_total++;
    if (trap->frame_count < KP_WASM_BACKTRACE_FRAMES)
        trap->frames[trap->frame_count++] =
            (kp_wasm_backtrace_frame_t){module, function, offset, instance};
}

bool kp_wasm_store_interrupted(kp_wasm_store_t *store)
{
    if (!__atomic_load_n(&store->interrupt, __ATOMIC_RELAXED))
        return false;
    /* The limit first: a request that comes between is then not lost. */
    __atomic_store_n(&store->head.stack_limit, store->stack_limit, __ATOMIC_SEQ_CST);
    __atomic_store_n(&store->interrupt, 0, __ATOMIC_SEQ_CST);
    return !store->options.interrupted ||
           store->options.interrupted(store->options.interrupted_context, store) != KP_OK;
}
