#include "tools/kpio/png.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kpio/deflate.h"
#include "tools/kpio/file.h"

enum {
    FILTER_NONE = 0,
    FILTER_SUB = 1,
    FILTER_UP = 2,
    SIDE_MAX = 1 << 20,
};

/* crc_tables[k][b]: the CRC of byte b followed by k zero bytes; eight bytes a step. */
static uint32_t crc_tables[8][256];

static void crc_prepare(void)
{
    if (crc_tables[0][1])
        return;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
        crc_tables[0][i] = value;
    }
    for (uint32_t k = 1; k < 8; k++) {
        for (uint32_t i = 0; i < 256; i++)
            crc_tables[k][i] =
                crc_tables[k - 1][i] >> 8 ^ crc_tables[0][crc_tables[k - 1][i] & 0xff];
    }
}

static uint32_t crc_add(uint32_t crc, const uint8_t *bytes, size_t size)
{
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        word ^= crc;
        crc = 0;
        for (uint32_t i = 0; i < 8; i++)
            crc ^= crc_tables[7 - i][word >> 8 * i & 0xff];
    }
    for (; size > 0; size--)
        crc = crc >> 8 ^ crc_tables[0][(crc ^ *bytes++) & 0xff];
    return crc;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

static uint8_t *put_chunk(uint8_t *at, const char *kind, const uint8_t *bytes, size_t size)
{
    at = put32(at, (uint32_t)size);
    memcpy(at, kind, 4);
    if (size)
        memcpy(at + 4, bytes, size);
    uint32_t crc = ~crc_add(0xffffffffu, at, size + 4);
    return put32(at + 4 + size, crc);
}

/* Sum of the bytes as signed magnitudes: the usual guess at how well a row will compress. */
static uint32_t row_cost(const uint8_t *row, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t value = row[i];
        sum += value < 128 ? value : 256u - value;
    }
    return sum;
}

/* Writes the filter byte and the filtered row. above: the row before, or zeroes. scratch: size. */
static void row_filter(uint8_t *to, const uint8_t *row, const uint8_t *above, size_t size,
                       uint8_t *scratch)
{
    if (memcmp(row, above, size) == 0) {
        to[0] = FILTER_UP;
        memset(to + 1, 0, size);
        return;
    }
    uint8_t *up = to + 1, *sub = scratch;
    for (size_t i = 0; i < size; i++)
        up[i] = (uint8_t)(row[i] - above[i]);
    memcpy(sub, row, 3);
    for (size_t i = 3; i < size; i++)
        sub[i] = (uint8_t)(row[i] - row[i - 3]);
    to[0] = FILTER_UP;
    if (row_cost(sub, size) < row_cost(up, size)) {
        to[0] = FILTER_SUB;
        memcpy(up, sub, size);
    }
}

static void row_convert(uint8_t *to, const uint8_t *from, uint32_t width)
{
    for (uint32_t x = 0; x < width; x++) {
        to[(size_t)3 * x] = from[(size_t)4 * x + 2];
        to[(size_t)3 * x + 1] = from[(size_t)4 * x + 1];
        to[(size_t)3 * x + 2] = from[(size_t)4 * x];
    }
}

kp_status_t kp_png_encode(const uint8_t *pixels, uint32_t width, uint32_t height, size_t stride,
                          uint8_t **out, size_t *out_size)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    size_t row_size = (size_t)width * 3, raw_size = (row_size + 1) * height, packed_size = 0;
    if (width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX ||
        stride < (size_t)width * 4)
        return KP_ERR_INVALID_ARGUMENT;
    if (raw_size >= 1u << 31)
        return KP_ERR_TOO_LARGE;
    uint8_t *raw = malloc(raw_size), *rows = calloc(3, row_size), *packed = NULL, *file = NULL;
    if (raw && rows) {
        uint8_t *row = rows, *above = rows + row_size, *scratch = rows + 2 * row_size;
        for (uint32_t y = 0; y < height; y++) {
            const uint8_t *from = pixels + (size_t)y * stride;
            row_convert(row, from, width);
            row_filter(raw + (row_size + 1) * y, row, above, row_size, scratch);
            uint8_t *swap = row;
            row = above;
            above = swap;
        }
        packed = kp_deflate_zlib(raw, raw_size, &packed_size);
    }
    free(raw);
    free(rows);
    if (packed)
        file = malloc(packed_size + 64);
    if (file) {
        uint8_t header[13] = {0}, *at = file;
        crc_prepare();
        put32(put32(header, width), height);
        header[8] = 8; /* bits */
        header[9] = 2; /* RGB */
        memcpy(at, signature, sizeof signature);
        at = put_chunk(at + sizeof signature, "IHDR", header, sizeof header);
        at = put_chunk(at, "IDAT", packed, packed_size);
        at = put_chunk(at, "IEND", NULL, 0);
        *out = file;
        *out_size = (size_t)(at - file);
    }
    free(packed);
    return file ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_png_write(const char *path, const uint8_t *pixels, uint32_t width, uint32_t height,
                         size_t stride)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    kp_status_t status = kp_png_encode(pixels, width, height, stride, &bytes, &size);
    if (status == KP_OK)
        status = kp_file_write(path, bytes, size);
    free(bytes);
    return status;
}
