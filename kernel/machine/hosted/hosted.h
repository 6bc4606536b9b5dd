/* The machine "hosted": KPIO as an ordinary Linux program. One process is the kernel; a zygote,
   forked from it before anything else, forks one Linux process per KPIO process and locks it down
   (sandbox.h). This header is for tools/kpio: start the system, do something in it, end it.

   kp_hosted_run may be called once in the life of a program, first thing in main: before any
   thread exists, because it forks. */
#ifndef KP_MACHINE_HOSTED_H
#define KP_MACHINE_HOSTED_H

#include "kernel/machine/machine.h"

enum {
    KP_HOSTED_NET_OFF = 0,   /* no service `net` */
    KP_HOSTED_NET_HOST = 1,  /* the kernel serves `net` with the host's sockets (net=kernel) */
    KP_HOSTED_NET_SLIRP = 2, /* the program netstack over a virtual card by libslirp (net=stack) */
};

enum {
    KP_HOSTED_DISPLAY_NONE = 0,   /* no gpu0; the boot table should have display=off */
    KP_HOSTED_DISPLAY_MEMORY = 1, /* gpu0 over memory: kp_hosted_screen_copy reads it */
    KP_HOSTED_DISPLAY_WINDOW = 2, /* an SDL2 window; keyboard and mouse become input0, input1 */
};

/* A directory of the host for programs (kernel/init/directories.h: "host:INDEX"). */
typedef struct kp_hosted_directory {
    const char *path;
    bool read_only;
} kp_hosted_directory_t;

typedef struct kp_hosted_options {
    /* The boot archive: a file, or a part of one that begins at a multiple of 4096 bytes. */
    const char *bundle_path;
    uint64_t bundle_offset;
    uint64_t bundle_size;     /* 0: to the file's end */
    const char *command_line; /* for the kernel (kernel/kernel.h: "shell=off url=..."); NULL: "".
                                 "net=..." is added by what `net` says */
    int net;                  /* KP_HOSTED_NET_* */
    int display;              /* KP_HOSTED_DISPLAY_* */
    uint32_t width, height;   /* of the screen in pixels; 0: 1280, 800 */
    const char *trace_path; /* file for a recording of kernel events (word trace=...); NULL: none */
    bool console_input;     /* console0 reads standard input, a terminal once a program reads */
    const kp_hosted_directory_t *directories; /* stay */
    size_t directory_count;
    int log_level; /* lines up to this go to stderr (KP_LOG_*); -1: none. Panics always */
} kp_hosted_options_t;

/* Starts the kernel, then runs fn(context) on a kernel thread; when it returns, shuts the system
   down, kills all processes and returns OK with fn's result in *result. fn NULL: runs until the
   system shuts itself down or the window is closed; result 0. Errors: ERR_NOT_FOUND (no archive by
   that name), ERR_BAD_FORMAT (damaged), ERR_NOT_SUPPORTED (the host forbids the sandbox, or lacks
   SDL2 or libslirp), ERR_NO_MEMORY; then one line on stderr says more. */
kp_status_t kp_hosted_run(const kp_hosted_options_t *options, int (*fn)(void *context),
                          void *context, int *result);

/* Whether channels get lanes (kernel/machine/hosted/lane.h) from now on; those that have one keep it.
   They get them unless told otherwise. Without lanes every message passes through the kernel. */
void kp_hosted_lanes_set(bool on);

/* Whether the clones of snapshots that are made from now on share their pages until they write. They do,
   unless told otherwise or the host forbids it (no /proc); then a clone starts with a copy. */
void kp_hosted_sharing_set(bool on);

/* The screen's pixels now, B G R X, rows of width * 4 bytes; the caller frees it. NULL: there is no
   screen, nothing was shown yet, or memory is short. Kernel threads only. */
uint8_t *kp_hosted_screen_copy(uint32_t *width, uint32_t *height);
/* Queues input records for the program that reads input0 (tests, automation). Kernel threads only.
 */
struct kp_input_event;
void kp_hosted_input(const struct kp_input_event *events, size_t count);

#endif
