/* A user's program in place of the browser: the word program=run, and its files in the boot archive
   (tools/kpio puts them there):

     program/arguments   NUL-terminated arguments of wasm-runner (runtime/runner/runner.h)
     program/...         files that it gets, the module among them
     directories/...     directories that it gets (kernel/init/directories.h)

   It runs in a job of its own (program-memory=MIB, 1024) with a console for its output (console1, if the
   word program-port=3 gave one for it alone; else the kernel's) and the compiler service, and nothing else. However it ends, the system ends. */
#ifndef KP_KERNEL_PROGRAM_H
#define KP_KERNEL_PROGRAM_H

#include "kernel/init/supervisor.h"

#define KP_BOOT_PROGRAM "wasm-runner"

/* For the supervisor; line: the kernel's command line, which stays. False: none is wanted. */
bool kp_boot_program(const char *line, kp_program_t *program);

/* The supervisor's code of an end: process_exit's argument, 0..255; otherwise what follows. */
enum {
    KP_PROGRAM_TRAPPED = 256, /* + KP_TRAP_* */
    KP_PROGRAM_ENDED = 512,   /* + KP_EXIT_* */
};

#endif
