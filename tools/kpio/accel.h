/* Which QEMU accelerator to use: measured, because /dev/kvm can be there and yet fail or be slower
   than emulation (nested or emulated virtualisation). */
#ifndef KP_TOOLS_KPIO_ACCEL_H
#define KP_TOOLS_KPIO_ACCEL_H

#include <stdbool.h>

typedef struct kp_accel {
    const char *name; /* "kvm" or "tcg", static */
    int tcg_ms;       /* the probe guest's time; -1: it did not run, 0: not measured */
    int kvm_ms;
    bool cached; /* from an earlier run since the machine booted */
} kp_accel_t;

/* Runs the probe guest under both (each at most some seconds), unless /dev/kvm cannot be opened or
   the answer is in the cache ($XDG_CACHE_HOME/kpio or ~/.cache/kpio; valid until the next boot and
   for this QEMU). qemu: path of qemu-system-x86_64. firmware: for -bios, NULL for QEMU's default.
 */
kp_accel_t kp_accel_choose(const char *qemu, const char *firmware);

#endif
