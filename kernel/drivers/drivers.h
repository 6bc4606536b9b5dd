/* Every driver of machine/x86_64: what the machine calls once, before kp_kernel_main. */
#ifndef KP_KERNEL_DRIVERS_H
#define KP_KERNEL_DRIVERS_H

#include "kernel/base/base.h"

/* A linear frame buffer that the boot loader set up (multiboot2); address 0: there is none. Used as
   gpu0 when no virtio-gpu answers. Only 32 bits a pixel, B G R X in memory. */
typedef struct kp_boot_framebuffer {
    uint64_t physical_address;
    uint32_t width; /* pixels */
    uint32_t height;
    uint32_t stride; /* bytes from row to row */
    uint32_t bits_per_pixel;
} kp_boot_framebuffer_t;

typedef struct kp_drivers_boot {
    kp_boot_framebuffer_t framebuffer;
    const char
        *command_line; /* "selftest=drivers" runs kp_drivers_selftest after the drivers start */
} kp_drivers_boot_t;

/* Finds the PCI devices, starts their drivers and registers them (kernel/drivers/device.h): net0,
   gpu0, input0.., rng0, console0. Thread context, after memory, interrupts and time work, before
   kp_kernel_main. A device that fails to start is logged and left out; nothing is fatal. */
void kp_drivers_init(const kp_drivers_boot_t *boot);

/* Runs when the command line has selftest=drivers: called by kp_drivers_init on a system whose
   devices are up; prints "selftest: ok NAME" / "selftest: not ok NAME" lines to the log and shuts
   the machine down with the number of failures. */
_Noreturn void kp_drivers_selftest(void);

#endif
