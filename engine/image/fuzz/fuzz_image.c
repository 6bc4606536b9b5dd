/* Image bytes from the network through probe and decode. */
#include <stdlib.h>

#include "engine/image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_image_info_t info;
    if (kp_image_probe(data, size, &info) != KP_OK || (uint64_t)info.width * info.height > 1 << 20)
        return 0;
    size_t stride = (size_t)info.width * 4 + 4;
    uint8_t *pixels = malloc(stride * info.height);
    bool partial;
    if (pixels && kp_image_decode(data, size, pixels, stride, &partial) == KP_OK) {
        volatile uint8_t sum = 0;
        for (uint32_t y = 0; y < info.height; y++)
            sum = (uint8_t)(sum + pixels[y * stride + info.width * 4 - 1]);
    }
    free(pixels);
    return 0;
}
