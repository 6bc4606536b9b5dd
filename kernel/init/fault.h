/* Faults on request, for tests: the command line's words kill=NAME@MARK end the process NAME
   ("http", "tab-1") once, when the boot mark MARK is recorded. */
#ifndef KP_KERNEL_FAULT_H
#define KP_KERNEL_FAULT_H

#include "kernel/base/base.h"

#define KP_FAULTS_MAX 8u

/* Reads the words, KP_FAULTS_MAX at most; forgets earlier ones. Once at start, before any mark; a
   malformed or surplus word is logged and left out. */
void kp_fault_init(const char *command_line);
/* A mark was recorded. A named process that does not run then is logged, and the word is used up.
   Any thread; returns although the caller's own process may just have been ended. */
void kp_fault_mark(const char *mark);

#endif
