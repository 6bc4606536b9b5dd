/* Image decoders: PNG and JPEG now (GIF, WebP, SVG later). Input is untrusted; a damaged or
   truncated file gives what could be decoded (partial = true) or ERR_BAD_FORMAT. */
#ifndef KP_ENGINE_IMAGE_H
#define KP_ENGINE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

#define KP_IMAGE_PIXELS_MAX (1u << 26)

typedef struct kp_image_info {
    uint32_t width; /* pixels */
    uint32_t height;
} kp_image_info_t;

/* Size from the header without decoding, by the bytes' own signature (declared types are not
   trusted). ERR_SHOULD_WAIT: more bytes are needed. */
kp_status_t kp_image_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out);

/* Decodes into pixels (premultiplied BGRA8, stride bytes a row, info.width x info.height as
   probed). partial may not be NULL. */
kp_status_t kp_image_decode(const uint8_t *bytes, size_t size, uint8_t *pixels, size_t stride,
                            bool *partial);

#endif
