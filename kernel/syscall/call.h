/* Inside kernel/syscall: what every call's function gets and uses. */
#ifndef KP_KERNEL_CALL_H
#define KP_KERNEL_CALL_H

#include "abi/calls.h"
#include "kernel/object/process.h"

/* One call in progress. dispatch.c has checked the handle in argument 0 by abi/calls.def. */
typedef struct kp_call {
    kp_process_t *process;
    const uint64_t *arguments;
    kp_object_t *object; /* what argument 0 names, valid for the call; NULL when none */
    kp_rights_t rights;  /* of that handle */
    bool is_held;        /* that handle may go meanwhile (kp_handle_use) */
} kp_call_t;

typedef int64_t (*kp_call_fn)(kp_call_t *call);

#define KP_CALL(number, name, ...) int64_t kp_call_##name(kp_call_t *call);
#include "abi/calls.def"
#undef KP_CALL

/* ---- The caller's memory: nothing else of a process is ever touched ---- */

/* ERR_BAD_ADDRESS unless [address, address + count) lies in linear memory as it is now (it never
   shrinks, so the answer stays true). count 0 is always fine. */
kp_status_t kp_user_check(kp_process_t *process, uint64_t address, uint64_t count);
kp_status_t kp_user_read(kp_process_t *process, void *to, uint64_t address, size_t count);
kp_status_t kp_user_write(kp_process_t *process, uint64_t address, const void *from, size_t count);

/* A 64-bit argument as a handle; values beyond 32 bits name nothing. */
static inline kp_handle_t kp_call_handle(uint64_t argument)
{
    return argument <= UINT32_MAX ? (kp_handle_t)argument : KP_HANDLE_NONE;
}

/* Until when the caller waits: where its job has slack (background tabs), the clock's next multiple of that, so that
   waits of many processes end together; at most slack late. */
static inline kp_time_t kp_call_deadline(const kp_call_t *call, uint64_t deadline)
{
    kp_time_t slack =
        (kp_time_t)atomic_load_explicit(&call->process->job->slack_ns, memory_order_relaxed);
    kp_time_t exact = (kp_time_t)deadline;
    if (slack <= 0 || exact <= KP_TIME_POLL || exact > KP_TIME_INFINITE - slack)
        return exact;
    kp_time_t beyond = exact % slack;
    return beyond > 0 ? exact + (slack - beyond) : exact;
}

/* Opens a handle to a capability in the caller's table: the call's result. Takes the capability: it
   is closed on error. */
int64_t kp_call_result_handle(kp_call_t *call, kp_capability_t capability);
/* The same for an object that the call has made: it is charged to the caller (kp_object_charge). */
int64_t kp_call_result_object(kp_call_t *call, kp_capability_t capability);

#endif
