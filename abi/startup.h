/* The first message on a process's startup channel: arguments, environment and named handles.

   Layout: kp_startup_header_t, then argument_count NUL-terminated strings, then environment_count
   ("NAME=value"), then handle_count names; the i-th handle of the message has the i-th name. Names:
     svc:NAME   service (KP_RIGHT_CONNECT or KP_RIGHT_SERVE)    dev:NAME  device
     file:PATH  read-only VMO of a boot-archive file            coordinator
     dir:NAME=RIGHTS   directory (abi/file.h): a channel; NAME is where the program finds it ("/tmp"), RIGHTS
                the KP_FILE_RIGHT_* that it has, in decimal
     code:NAME  program of the boot archive (KP_TYPE_CODE)         job   a job to start it in
     control    the channel to the process's creator (tabs: abi/tab.h)
     code-authority   KP_TYPE_CODE_AUTHORITY: the compiler service's
     stdin, stdout, stderr   standard streams: a channel whose messages are pieces of the stream, or
                a device of bytes; without them input is at its end and output goes to the log
   A file's size in bytes is its name's suffix: "file:fonts/DejaVuSans.ttf=757076" (a VMO's own size
   is rounded up to pages). */
#ifndef KP_ABI_STARTUP_H
#define KP_ABI_STARTUP_H

#include "abi/types.h"

#define KP_STARTUP_MAGIC 0x5453504bu /* "KPST" */

typedef struct kp_startup_header {
    uint32_t magic;
    uint32_t argument_count;
    uint32_t handle_count;
    uint32_t environment_count;
} kp_startup_header_t;

KP_STATIC_ASSERT(sizeof(kp_startup_header_t) == 16, "ABI layout");

#endif
