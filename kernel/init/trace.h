/* Recording a boot: the command line's words trace=RECORDS (per processor) and trace-until=MARK, at
   which the recording is handed to the machine and the system ends. Without the second it is handed over when
   the kernel stops. */
#ifndef KP_KERNEL_INIT_TRACE_H
#define KP_KERNEL_INIT_TRACE_H

#include "kernel/base/base.h"

/* Begins when the command line asks for it. Once at start, before processes exist. */
void kp_boot_trace_start(const char *command_line);
/* A mark was recorded; true: the recording is over and the system should end. */
bool kp_boot_trace_mark(const char *mark);
/* Hands the recording over if that has not happened. Any kernel thread. */
void kp_boot_trace_finish(void);

#endif
