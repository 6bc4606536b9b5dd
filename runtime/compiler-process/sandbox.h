/* What the compiler's process may still ask of Linux: memory without execution, threads of its own, and to
   read from and write to the descriptors it has. */
#ifndef KP_RUNTIME_COMPILER_PROCESS_SANDBOX_H
#define KP_RUNTIME_COMPILER_PROCESS_SANDBOX_H

#include <stdbool.h>

/* For all threads from now on, and for good: any other call ends the process (SIGSYS). False: this
   kernel cannot. */
bool kp_compiler_sandbox_enter(void);

#endif
