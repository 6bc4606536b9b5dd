/* Keeps the boot table's programs running: starts them, restarts those that end, under a back-off.
 */
#ifndef KP_KERNEL_SUPERVISOR_H
#define KP_KERNEL_SUPERVISOR_H

#include "kernel/object/process.h"

#define KP_SUPERVISOR_PROGRAMS_MAX 16u

typedef struct kp_program {
    const char *name;
    /* Starts it: a process with one reference. Called on the supervisor's thread or at start. */
    kp_status_t (*launch)(const struct kp_program *program, kp_process_t **out);
    bool ends_system; /* its normal exit (process_exit) stops the kernel with its code */
    /* A service: the program is first started when somebody asks for it. NULL: at once. */
    const char *on_demand;
    /* Not NULL: it runs once, and its end, or that it cannot start, stops the kernel with this code. */
    int (*ended)(const kp_process_info_t *info);
} kp_program_t;

/* When to start again after the failures-th death in a row (1: the first): nanoseconds. A program
   that lived for at least KP_RESTART_RESET begins to count anew. */
kp_time_t kp_restart_delay(uint32_t failures);
#define KP_RESTART_RESET (10 * KP_NS_PER_S)

/* Starts every program at once and the thread that watches them. The table stays for ever. A
   program that cannot be launched (image missing or damaged) is logged and skipped. */
kp_status_t kp_supervisor_start(const kp_program_t *programs, uint32_t count);
/* No more restarts; ends every process of the system. Any thread. */
void kp_supervisor_stop(int exit_code);
/* Blocks until stopped and every process has ended, or the deadline. ERR_TIMED_OUT. */
kp_status_t kp_supervisor_join(kp_time_t deadline);
int kp_supervisor_exit_code(void);

#endif
