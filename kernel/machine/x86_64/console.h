/* The serial console. */
#ifndef KP_X86_CONSOLE_H
#define KP_X86_CONSOLE_H

#include "kernel/base/base.h"

void kp_x86_console_init(void);
/* Any context; waits for the line. */
void kp_x86_console_write(const char *bytes, size_t count);
/* From here on no lock is taken: a panic must not wait for what it interrupted. */
void kp_x86_console_panic(void);
/* Lines above this level are dropped (KP_LOG_*); KP_LOG_INFO at first. */
void kp_x86_log_level(int level);

#endif
