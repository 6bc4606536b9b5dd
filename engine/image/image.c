/* Which decoder: by signature. */
#include <string.h>

#include "engine/image/decode.h"

typedef struct kp_image_format {
    uint8_t signature[8];
    size_t signature_size;
    kp_status_t (*probe)(const uint8_t *bytes, size_t size, kp_image_info_t *out);
    kp_status_t (*decode)(const uint8_t *bytes, size_t size, const kp_image_output_t *out);
} kp_image_format_t;

static const kp_image_format_t formats[] = {
    {{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, 8, kp_image_png_probe, kp_image_png_decode},
    {{0xff, 0xd8, 0xff}, 3, kp_image_jpeg_probe, kp_image_jpeg_decode},
};

/* NULL: none; *more: it could still become one of them. */
static const kp_image_format_t *find_format(const uint8_t *bytes, size_t size, bool *more)
{
    *more = false;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        size_t known = size < formats[i].signature_size ? size : formats[i].signature_size;
        if (memcmp(bytes, formats[i].signature, known) != 0)
            continue;
        if (known == formats[i].signature_size)
            return &formats[i];
        *more = true;
    }
    return NULL;
}

kp_status_t kp_image_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out)
{
    bool more = true;
    *out = (kp_image_info_t){0};
    if (size == 0)
        return KP_ERR_SHOULD_WAIT;
    const kp_image_format_t *format = find_format(bytes, size, &more);
    if (!format)
        return more ? KP_ERR_SHOULD_WAIT : KP_ERR_BAD_FORMAT;
    kp_image_info_t info = {0};
    kp_status_t status = format->probe(bytes, size, &info);
    if (status != KP_OK)
        return status;
    if (info.width == 0 || info.height == 0)
        return KP_ERR_BAD_FORMAT;
    if ((uint64_t)info.width * info.height > KP_IMAGE_PIXELS_MAX)
        return KP_ERR_TOO_LARGE;
    *out = info;
    return KP_OK;
}

kp_status_t kp_image_decode(const uint8_t *bytes, size_t size, uint8_t *pixels, size_t stride,
                            bool *partial)
{
    kp_image_output_t output = {.pixels = pixels, .stride = stride, .partial = partial};
    *partial = false;
    kp_status_t status = kp_image_probe(bytes, size, &output.info);
    if (status == KP_ERR_SHOULD_WAIT)
        return KP_ERR_BAD_FORMAT; /* not even the head is there */
    if (status != KP_OK)
        return status;
    if (stride < (size_t)output.info.width * 4)
        return KP_ERR_INVALID_ARGUMENT;
    for (uint32_t y = 0; y < output.info.height; y++)
        memset(pixels + y * stride, 0, (size_t)output.info.width * 4);
    bool more = false;
    return find_format(bytes, size, &more)->decode(bytes, size, &output);
}
