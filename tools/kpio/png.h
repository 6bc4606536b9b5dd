/* Writes PNG files (8 bits, RGB). Host code. */
#ifndef KP_TOOLS_KPIO_PNG_H
#define KP_TOOLS_KPIO_PNG_H

#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

/* Pixels as 32-bit words in memory order B, G, R, X (X ignored), rows top to bottom, `stride` bytes
   apart. Returns malloc'ed memory, which the caller frees, and its size. ERR_INVALID_ARGUMENT: a
   side is 0 or above 2^20, or stride < 4 * width; ERR_NO_MEMORY; ERR_TOO_LARGE: 2 GiB and more. */
kp_status_t kp_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, size_t stride,
                          uint8_t **out, size_t *out_size);

/* Encodes and writes path ("-": standard output), through a temporary file beside it, so that a
   failure leaves no half picture. ERR_IO: errno tells. */
kp_status_t kp_png_write(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height,
                         size_t stride);

#endif
