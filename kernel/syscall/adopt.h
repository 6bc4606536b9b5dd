/* For machines with lanes (kernel/ipc/channel.h). */
#ifndef KP_KERNEL_ADOPT_H
#define KP_KERNEL_ADOPT_H

#include "abi/ipc.h"

/* channel_call of the current thread's process, whose request went by a lane under that id: waits for
   the reply, which may have come already. Arguments and result as channel_call. */
int64_t kp_syscall_adopt(const uint64_t arguments[6], kp_transaction_t transaction);

#endif
