/* The kernel's face for code that lives in the kernel itself: the kpio command, hosted services and
   tests (hosted), drivers' helpers. They act with kernel capabilities (objects with rights) instead
   of handles, from kernel threads (kernel/object/thread.h). */
#ifndef KP_KERNEL_KERNEL_H
#define KP_KERNEL_KERNEL_H

#include "kernel/browser/coordinator.h" /* kp_coordinator_tab_create */
#include "kernel/ipc/channel.h"         /* kp_channel_create, _send, _receive */
#include "kernel/ipc/services.h"        /* kp_service_find, _register, _connect */
#include "kernel/object/device.h"       /* kp_device_find */
#include "kernel/object/event.h"        /* kp_event_create */
#include "kernel/object/process.h"
#include "kernel/object/thread.h" /* kp_thread_create */
#include "kernel/object/vmo.h"    /* kp_vmo_create, _read, _write */
#include "kernel/object/wait.h"   /* kp_wait_one, kp_wait_many */
#include "kernel/vfs/vfs.h"

/* Starts everything of the boot table that the command line allows, and the supervisor thread that
   restarts services. Options (kernel/init/boot.c): "shell=off", "display=off", "http=off",
   "net=stack" (default), "net=kernel" (the machine's own code serves `net`; no netstack),
   "net=off", "report=memory" (kp_kernel_report_memory at every mark but the first).
   Every word goes to the shell too, as an argument ("url=URL", ...). When the shell exits
   (process_exit), the system stops with its code. kp_kernel_main is start + run. ERR_BAD_FORMAT:
   the boot archive is damaged. */
kp_status_t kp_kernel_start(const kp_boot_t *boot);
/* Blocks until kp_kernel_stop. */
void kp_kernel_run(void);
/* The same until deadline at most: ERR_TIMED_OUT. */
kp_status_t kp_kernel_join(kp_time_t deadline);
/* Ends every process and the supervisor; kp_kernel_run returns when all are gone. Any thread; may
   be called instead of kp_kernel_run, then blocks until all are gone (at most `deadline`). */
kp_status_t kp_kernel_stop(kp_time_t deadline);

/* Prints a line per process to the log, area "memory":
     process NAME ID private=BYTES shared=BYTES linear=BYTES
   one of how many objects of each type there are,
     objects channel=COUNT vmo=COUNT ...
   and, where the machine can tell,
     total used=BYTES size=BYTES image=BYTES archive=BYTES vmos=BYTES
   used counts everything: image (the kernel's own code and data), archive (the boot archive), vmos (pages
   of VMOs, mapped or not), each process's private bytes, and the rest, which is the kernel's heap, books
   and stacks. */
void kp_kernel_report_memory(void);

typedef struct kp_memory_usage {
    uint64_t used, size; /* bytes of physical memory */
    uint64_t image;      /* the kernel's, in memory; 0: not known */
    uint64_t vmos;       /* pages of VMOs; 0: not known */
} kp_memory_usage_t;

/* Optional, by the machine (weak): the index-th directory of the host that programs may be given; *out: one reference.
   ERR_NOT_FOUND, ERR_ACCESS_DENIED, ERR_NO_MEMORY. */
kp_status_t kp_machine_directory(uint32_t index, kp_vfs_source_t **out) __attribute__((weak));

/* Optional, by the machine (weak; missing: no total). */
void kp_machine_memory_usage(kp_memory_usage_t *usage) __attribute__((weak));

#endif
