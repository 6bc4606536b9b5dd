/* The decoders behind image.h. Private to this folder. */
#ifndef KP_ENGINE_IMAGE_DECODE_H
#define KP_ENGINE_IMAGE_DECODE_H

#include "engine/image/image.h"

/* Where a decoder writes: rows of premultiplied BGRA8, zeroed before. */
typedef struct kp_image_output {
    uint8_t *pixels;
    size_t stride;
    kp_image_info_t info;
    bool *partial;
} kp_image_output_t;

kp_status_t kp_image_png_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out);
kp_status_t kp_image_png_decode(const uint8_t *bytes, size_t size, const kp_image_output_t *out);
kp_status_t kp_image_jpeg_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out);
kp_status_t kp_image_jpeg_decode(const uint8_t *bytes, size_t size, const kp_image_output_t *out);

#endif
