/* QEMU's screen dumps (PPM, P6, 8 bits). Host code. */
#ifndef KP_TOOLS_KPIO_PPM_H
#define KP_TOOLS_KPIO_PPM_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

/* Reads a P6 picture with 255 levels into malloc'ed BGRX pixels (stride = 4 * width), which the
   caller frees. ERR_BAD_FORMAT (also when bytes are missing), ERR_TOO_LARGE (a side above 16384),
   ERR_NO_MEMORY. */
kp_status_t kp_ppm_decode(const uint8_t *bytes, size_t size, uint8_t **pixels, uint32_t *width,
                          uint32_t *height);

#endif
