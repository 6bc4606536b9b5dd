/* gpu0 on the boot loader's linear frame buffer, where there is no virtio-gpu. */
#ifndef KP_KERNEL_DRIVERS_FRAMEBUFFER_H
#define KP_KERNEL_DRIVERS_FRAMEBUFFER_H

#include "kernel/drivers/drivers.h"

/* Maps the frame buffer and registers gpu0. ERR_NOT_SUPPORTED: there is none, or not 32 bits a
   pixel; ERR_NO_MEMORY. The driver keeps a copy of the description. */
kp_status_t kp_framebuffer_start(const kp_boot_framebuffer_t *framebuffer);

#endif
