/* One QEMU guest: its command line, its log, its screen. Host code. */
#ifndef KP_TOOLS_KPIO_GUEST_H
#define KP_TOOLS_KPIO_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* Boot marks (system call boot_mark) that say that the first page and the toolbar are on the
 * screen. */
#define KP_GUEST_MARKS "first-paint,load-done,toolbar"

typedef struct kp_guest {
    const char *qemu, *firmware; /* firmware: for -bios; NULL: QEMU's default */
    const char *accel;           /* "kvm", "tcg" */
    const char *display;         /* "none", "gtk", "sdl" */
    const char *kernel, *bundle, *command_line;
    uint32_t memory; /* MiB */
    uint32_t processors;
    uint32_t size[2];         /* of the screen, pixels */
    const char *serial;       /* file for the guest's log, "-": standard output; NULL: none */
    const char *screenshot;   /* PNG file; NULL: none */
    const char *marks;        /* to wait for before the screenshot; NULL: KP_GUEST_MARKS */
    const char *pcap, *qmp;   /* files; NULL: none */
    const char *trace;        /* file for the second serial port; NULL: none */
    const char *port_forward; /* "HOST:GUEST"; NULL: none */
    uint32_t timeout;         /* seconds; 0: none */
    bool verbose;
    const char
        *program; /* what runs instead of the browser: its output alone is shown; NULL: none */
} kp_guest_t;

/* Runs the guest to its end, or to the screenshot. Returns an exit code (kpio.h); failures are
 * said. */
int kp_guest_run(const kp_guest_t *guest);

/* When SIGINT, SIGTERM or SIGHUP ended kp_guest_run: ends this process by it, as if it had not been
   caught (the guest is gone and the caller has tidied up). */
void kp_guest_end_by_signal(void);

#endif
