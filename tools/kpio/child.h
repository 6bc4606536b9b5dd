/* Child processes of the kpio command. Host code, one thread. */
#ifndef KP_TOOLS_KPIO_CHILD_H
#define KP_TOOLS_KPIO_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Milliseconds of a clock that only goes forward. */
int64_t kp_child_now(void);

/* Finds a program in PATH (or takes a name with a slash as it is); false: not there. */
bool kp_child_find(const char *name, char *path, size_t size);

/* Starts arguments[0] (a path) with standard input from /dev/null, standard output to out_fd and
   error to error_fd (-1: /dev/null, else inherited numbers stay open in the parent); keep_fd (-1:
   none) stays open in the child. The child dies with this process. -1: errno tells. */
pid_t kp_child_start(char *const arguments[], int out_fd, int error_fd, int keep_fd);

/* Waits until the child ended or the deadline (kp_child_now); true: it ended, *status from waitpid.
 */
bool kp_child_wait(pid_t child, int64_t deadline, int *status);
/* SIGKILL, and waits for the end. */
void kp_child_kill(pid_t child);

#endif
