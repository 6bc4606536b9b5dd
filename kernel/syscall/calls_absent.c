/* Calls of abi/calls.def whose objects are not written yet: each says so. A call leaves this list when
   its own function comes. */
#include "kernel/syscall/call.h"

#define ABSENT(name)                        \
    int64_t kp_call_##name(kp_call_t *call) \
    {                                       \
        (void)call;                         \
        return KP_ERR_NOT_IMPLEMENTED;      \
    }
/* processes, jobs, threads */
ABSENT(thread_create)
ABSENT(thread_exit)
