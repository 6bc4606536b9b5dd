/* A bounds-checked reader over untrusted little-endian bytes. After the first read beyond the end
   every further read gives 0 and `failed` stays set: check once at the end. It borrows the bytes. */
#ifndef KP_ABI_READER_H
#define KP_ABI_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kp_reader {
    const uint8_t *bytes;
    size_t size;
    size_t position;
    bool failed;
} kp_reader_t;

static inline kp_reader_t kp_reader_init(const void *bytes, size_t size)
{
    return (kp_reader_t){.bytes = (const uint8_t *)bytes, .size = size};
}

/* Lends count bytes and moves on; NULL (and failed) when fewer are left. */
static inline const uint8_t *kp_reader_borrow(kp_reader_t *reader, size_t count)
{
    if (reader->failed || count > reader->size - reader->position) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *at = reader->bytes + reader->position;
    reader->position += count;
    return at;
}

static inline uint64_t kp_reader_unsigned(kp_reader_t *reader, size_t width)
{
    const uint8_t *at = kp_reader_borrow(reader, width);
    uint64_t value = 0;
    for (size_t i = 0; at && i < width; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static inline uint8_t kp_reader_u8(kp_reader_t *reader)
{
    return (uint8_t)kp_reader_unsigned(reader, 1);
}

static inline uint16_t kp_reader_u16(kp_reader_t *reader)
{
    return (uint16_t)kp_reader_unsigned(reader, 2);
}

static inline uint32_t kp_reader_u32(kp_reader_t *reader)
{
    return (uint32_t)kp_reader_unsigned(reader, 4);
}

static inline uint64_t kp_reader_u64(kp_reader_t *reader)
{
    return kp_reader_unsigned(reader, 8);
}

static inline int32_t kp_reader_i32(kp_reader_t *reader)
{
    return (int32_t)kp_reader_u32(reader);
}

static inline size_t kp_reader_left(const kp_reader_t *reader)
{
    return reader->failed ? 0 : reader->size - reader->position;
}

#endif
