/* Just enough gzip and PNG to make test bodies without a library. */
#include "tests/server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bytes_add(bytes_t *out, const void *at, size_t size)
{
    if (size > out->capacity - out->size) {
        size_t capacity = out->capacity ? out->capacity : 4096;
        while (size > capacity - out->size)
            capacity *= 2;
        uint8_t *grown = realloc(out->at, capacity);
        if (!grown) {
            fprintf(stderr, "testserver: out of memory\n");
            exit(1);
        }
        out->at = grown;
        out->capacity = capacity;
    }
    if (size)
        memcpy(out->at + out->size, at, size);
    out->size += size;
}

void bytes_free(bytes_t *out)
{
    free(out->at);
    *out = (bytes_t){0};
}

static void add_u32(bytes_t *out, uint32_t value, bool big_endian)
{
    uint8_t at[4];
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (big_endian ? 24 - 8 * i : 8 * i));
    bytes_add(out, at, sizeof at);
}

static uint32_t crc32_update(uint32_t crc, const uint8_t *at, size_t size)
{
    static _Thread_local uint32_t table[256];
    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int k = 0; k < 8; k++)
                value = value & 1 ? 0xedb88320u ^ (value >> 1) : value >> 1;
            table[i] = value;
        }
    }
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ at[i]) & 255] ^ (crc >> 8);
    return ~crc;
}

typedef struct bit_writer {
    bytes_t *out;
    uint32_t bits;
    unsigned count;
} bit_writer_t;

static void put_bits(bit_writer_t *writer, uint32_t value, unsigned count)
{
    writer->bits |= value << writer->count;
    writer->count += count;
    while (writer->count >= 8) {
        uint8_t byte = (uint8_t)writer->bits;
        bytes_add(writer->out, &byte, 1);
        writer->bits >>= 8;
        writer->count -= 8;
    }
}

/* A Huffman code goes most significant bit first (RFC 1951, 3.1.1). */
static void put_code(bit_writer_t *writer, uint32_t code, unsigned count)
{
    while (count--)
        put_bits(writer, (code >> count) & 1, 1);
}

/* The fixed code of a literal or length symbol (RFC 1951, 3.2.6). */
static void put_symbol(bit_writer_t *writer, unsigned symbol)
{
    if (symbol < 144)
        put_code(writer, 0x30 + symbol, 8);
    else if (symbol < 256)
        put_code(writer, 0x190 + symbol - 144, 9);
    else if (symbol < 280)
        put_code(writer, symbol - 256, 7);
    else
        put_code(writer, 0xc0 + symbol - 280, 8);
}

void gzip_encode(bytes_t *out, const void *at, size_t size, uint64_t repeat)
{
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    const uint8_t *from = at;
    uint32_t crc = 0;
    bytes_add(out, head, sizeof head);
    bit_writer_t writer = {.out = out};
    put_bits(&writer, 1, 1); /* the last block */
    put_bits(&writer, 1, 2); /* fixed codes */
    for (uint64_t n = 0; n < repeat; n++) {
        crc = crc32_update(crc, from, size);
        for (size_t i = 0; i < size; i++) {
            size_t run = 0;
            while (i && run < 258 && i + run < size && from[i + run] == from[i - 1])
                run++;
            if (run == 258) { /* length 258 is symbol 285, distance 1 is code 0 of 5 bits */
                put_symbol(&writer, 285);
                put_code(&writer, 0, 5);
                i += 257;
            } else {
                put_symbol(&writer, from[i]);
            }
        }
    }
    put_symbol(&writer, 256);
    if (writer.count)
        put_bits(&writer, 0, 8 - writer.count);
    add_u32(out, crc, false);
    add_u32(out, (uint32_t)(size * repeat), false);
}

static void png_chunk(bytes_t *out, const char *type, const uint8_t *at, size_t size)
{
    add_u32(out, (uint32_t)size, true);
    size_t start = out->size;
    bytes_add(out, type, 4);
    bytes_add(out, at, size);
    add_u32(out, crc32_update(0, out->at + start, out->size - start), true);
}

void png_encode(bytes_t *out, uint32_t width, uint32_t height)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10};
    bytes_add(out, signature, sizeof signature);
    bytes_t head = {0}, data = {0};
    add_u32(&head, width, true);
    add_u32(&head, height, true);
    bytes_add(&head, (const uint8_t[]){8, 2, 0, 0, 0}, 5); /* 8 bits, RGB, no interlace */
    png_chunk(out, "IHDR", head.at, head.size);

    /* zlib with stored blocks, one a row: a row has at most 65,535 bytes. */
    bytes_add(&data, (const uint8_t[]){0x78, 0x01}, 2);
    uint32_t a = 1, b = 0;
    size_t row_size = 1 + (size_t)width * 3;
    uint8_t *row = calloc(1, row_size);
    for (uint32_t y = 0; row && y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            row[1 + 3 * x] = (uint8_t)(255 * x / width);
            row[2 + 3 * x] = (uint8_t)(255 * y / height);
            row[3 + 3 * x] = 128;
        }
        uint8_t block[5] = {y + 1 == height, (uint8_t)row_size, (uint8_t)(row_size >> 8)};
        block[3] = (uint8_t)~block[1];
        block[4] = (uint8_t)~block[2];
        bytes_add(&data, block, sizeof block);
        bytes_add(&data, row, row_size);
        for (size_t i = 0; i < row_size; i++) {
            a = (a + row[i]) % 65521;
            b = (b + a) % 65521;
        }
    }
    add_u32(&data, b << 16 | a, true);
    png_chunk(out, "IDAT", data.at, data.size);
    png_chunk(out, "IEND", NULL, 0);
    free(row);
    bytes_free(&head);
    bytes_free(&data);
}
