/* Program images of any content; what is accepted must keep its promises to the machines. */
#include <stdlib.h>

#include "kernel/object/image.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_image_t image;
    if (kp_image_parse(&image, "fuzz", data, size, 0) != KP_OK)
        return 0;
    uint64_t end = 0;
    bool entry = false;
    require(image.segment_count > 0 && image.segment_count <= KP_IMAGE_SEGMENTS_MAX);
    for (uint32_t i = 0; i < image.segment_count; i++) {
        const kp_image_segment_t *segment = &image.segments[i];
        require(segment->address % KP_PAGE_SIZE == 0 && segment->size % KP_PAGE_SIZE == 0);
        require(segment->file_offset % KP_PAGE_SIZE == 0);
        require(segment->size > 0 && segment->address >= end);
        end = segment->address + segment->size;
        require(end <= KP_IMAGE_SPAN_MAX + KP_PAGE_SIZE);
        require(segment->file_size <= segment->size && segment->file_offset <= size &&
                segment->file_size <= size - segment->file_offset);
        require(segment->flags != (KP_IMAGE_SEGMENT_WRITE | KP_IMAGE_SEGMENT_EXECUTE));
        if (segment->flags & KP_IMAGE_SEGMENT_EXECUTE)
            entry |= image.entry >= segment->address &&
                     image.entry < segment->address + segment->file_size;
        /* Touch what a machine would map. */
        volatile uint8_t sum = 0;
        for (uint64_t k = 0; k < segment->file_size; k += KP_PAGE_SIZE)
            sum += data[segment->file_offset + k];
    }
    require(entry && image.span == end);
    require(image.info.initial_pages <= image.info.maximum_pages &&
            image.info.maximum_pages <= KP_IMAGE_PAGES_LIMIT);
    return 0;
}
