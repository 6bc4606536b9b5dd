#include "tools/kpio/ppm.h"

#include <stdlib.h>

#include "abi/reader.h"

enum { SIDE_MAX = 16384 };

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Space, comments and then a number with the one byte behind it. */
static uint32_t number_read(kp_reader_t *reader)
{
    uint32_t number = 0, digits = 0;
    uint8_t byte = kp_reader_u8(reader);
    while (!reader->failed && (is_space(byte) || byte == '#')) {
        while (byte == '#' && !reader->failed) {
            while (byte != '\n' && !reader->failed)
                byte = kp_reader_u8(reader);
        }
        byte = kp_reader_u8(reader);
    }
    for (; byte >= '0' && byte <= '9' && digits < 6; digits++, byte = kp_reader_u8(reader))
        number = number * 10 + (byte - '0');
    if (digits == 0 || !is_space(byte))
        reader->failed = true;
    return number;
}

kp_status_t kp_ppm_decode(const uint8_t *bytes, size_t size, uint8_t **pixels, uint32_t *width,
                          uint32_t *height)
{
    kp_reader_t reader = kp_reader_init(bytes, size);
    bool magic = kp_reader_u8(&reader) == 'P';
    magic = kp_reader_u8(&reader) == '6' && magic;
    *width = number_read(&reader);
    *height = number_read(&reader);
    uint32_t levels = number_read(&reader);
    if (reader.failed || !magic || levels != 255 || *width == 0 || *height == 0)
        return KP_ERR_BAD_FORMAT;
    if (*width > SIDE_MAX || *height > SIDE_MAX)
        return KP_ERR_TOO_LARGE;
    size_t count = (size_t)*width * *height;
    const uint8_t *from = kp_reader_borrow(&reader, count * 3);
    if (!from)
        return KP_ERR_BAD_FORMAT;
    uint8_t *to = malloc(count * 4);
    if (!to)
        return KP_ERR_NO_MEMORY;
    *pixels = to;
    for (size_t i = 0; i < count; i++, to += 4, from += 3) {
        to[0] = from[2];
        to[1] = from[1];
        to[2] = from[0];
        to[3] = 0;
    }
    return KP_OK;
}
