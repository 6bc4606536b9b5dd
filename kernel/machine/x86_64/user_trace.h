/* A line in the log about a process that dies. */
#ifndef KP_X86_USER_TRACE_H
#define KP_X86_USER_TRACE_H

#include "kernel/machine/x86_64/trap.h"

/* frame: the current user thread's, at the fault or the call. what: "trap", "fault". Thread
 * context. */
void kp_x86_user_trace(const kp_x86_frame_t *frame, const char *what, int32_t code,
                       uint64_t address);

#endif
