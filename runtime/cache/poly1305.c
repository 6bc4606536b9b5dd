/* Poly1305 in three limbs of 44, 44 and 42 bits. (poly1305_avx2.c: long messages where the processor can.) */
#include <string.h>

#include "runtime/cache/hash.h"
#include "runtime/cache/poly1305.h"
#include "runtime/cache/processor.h"

typedef unsigned __int128 wide_t;

#define MASK44 ((1ull << 44) - 1)
#define MASK42 ((1ull << 42) - 1)
#define ABOVE (1ull << 40) /* the bit behind a whole block */

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

typedef kp_poly1305_t poly_t;

typedef struct sum {
    wide_t d0, d1, d2;
} sum_t;

static kp_poly1305_power_t power_of(uint64_t r0, uint64_t r1, uint64_t r2)
{
    return (kp_poly1305_power_t){r0, r1, r2, r1 * 20, r2 * 20};
}

/* sum += (h + the block) * r; above: the bit behind the block, in the third limb. */
static inline void block_add(sum_t *sum, const uint64_t h[3], const uint8_t *at, uint64_t above,
                             const kp_poly1305_power_t *r)
{
    uint64_t low = load64(at), high = load64(at + 8);
    uint64_t h0 = h[0] + (low & MASK44), h1 = h[1] + ((low >> 44 | high << 20) & MASK44),
             h2 = h[2] + (high >> 24) + above;
    sum->d0 += (wide_t)h0 * r->r0 + (wide_t)h1 * r->s2 + (wide_t)h2 * r->s1;
    sum->d1 += (wide_t)h0 * r->r1 + (wide_t)h1 * r->r0 + (wide_t)h2 * r->s2;
    sum->d2 += (wide_t)h0 * r->r2 + (wide_t)h1 * r->r1 + (wide_t)h2 * r->r0;
}

/* h = sum, nearly reduced. */
static inline void sum_carry(sum_t *sum, uint64_t h[3])
{
    sum->d1 += (uint64_t)(sum->d0 >> 44);
    sum->d2 += (uint64_t)(sum->d1 >> 44);
    wide_t h0 = ((uint64_t)sum->d0 & MASK44) + (sum->d2 >> 42) * 5;
    uint64_t h1 = ((uint64_t)sum->d1 & MASK44) + (uint64_t)(h0 >> 44);
    h[0] = (uint64_t)h0 & MASK44;
    h[1] = h1 & MASK44;
    h[2] = ((uint64_t)sum->d2 & MASK42) + (h1 >> 44);
}

static void blocks_add(poly_t *p, const uint8_t *at, size_t blocks, uint64_t above)
{
    static const uint64_t zero[3];
    /* Four at a time, each with its power of r: their products do not wait for each other. */
    for (; blocks >= 4; at += 64, blocks -= 4) {
        sum_t sum = {0};
        block_add(&sum, p->h, at, above, &p->r[3]);
        block_add(&sum, zero, at + 16, above, &p->r[2]);
        block_add(&sum, zero, at + 32, above, &p->r[1]);
        block_add(&sum, zero, at + 48, above, &p->r[0]);
        sum_carry(&sum, p->h);
    }
    for (; blocks > 0; at += 16, blocks--) {
        sum_t sum = {0};
        block_add(&sum, p->h, at, above, &p->r[0]);
        sum_carry(&sum, p->h);
    }
}

/* h mod 2^130 - 5, plus the second half of the key, modulo 2^128. */
static void finish(const poly_t *p, uint8_t tag[KP_POLY1305_SIZE])
{
    uint64_t h0 = p->h[0], h1 = p->h[1], h2 = p->h[2], carry;
    for (unsigned i = 0; i < 2; i++) {
        carry = h0 >> 44, h0 &= MASK44, h1 += carry;
        carry = h1 >> 44, h1 &= MASK44, h2 += carry;
        carry = h2 >> 42, h2 &= MASK42, h0 += carry * 5;
    }
    carry = h0 >> 44, h0 &= MASK44, h1 += carry;
    /* g = h - (2^130 - 5); take it when it is not negative, without a branch. */
    uint64_t g0 = h0 + 5, g1 = h1 + (g0 >> 44), g2 = h2 + (g1 >> 44);
    uint64_t take = 0 - (g2 >> 42);
    h0 = (h0 & ~take) | (g0 & MASK44 & take);
    h1 = (h1 & ~take) | (g1 & MASK44 & take);
    h2 = (h2 & ~take) | (g2 & MASK42 & take);
    wide_t low = (wide_t)(h0 | h1 << 44) + p->added[0];
    uint64_t high = (h1 >> 20 | h2 << 24) + p->added[1] + (uint64_t)(low >> 64);
    uint64_t words[2] = {(uint64_t)low, high};
    memcpy(tag, words, sizeof(words));
}

void kp_poly1305_begin(kp_poly1305_t *p, const uint8_t key[32])
{
    uint64_t low = load64(key) & 0x0ffffffc0fffffffull,
             high = load64(key + 8) & 0x0ffffffc0ffffffcull;
    *p = (kp_poly1305_t){
        .r = {power_of(low & MASK44, (low >> 44 | high << 20) & MASK44, high >> 24)},
        .added = {load64(key + 16), load64(key + 24)},
    };
    for (unsigned i = 1; i < 4; i++) {
        static const uint8_t nothing[16];
        sum_t sum = {0};
        uint64_t power[3] = {p->r[i - 1].r0, p->r[i - 1].r1, p->r[i - 1].r2};
        block_add(&sum, power, nothing, 0, &p->r[0]);
        sum_carry(&sum, power);
        p->r[i] = power_of(power[0], power[1], power[2]);
    }
}

/* Whole blocks, the first of a message among them or not. */
static void message_add(poly_t *p, const uint8_t *at, size_t blocks)
{
#if defined(__x86_64__)
    if (!p->has_begun && blocks >= 16 && KP_PROCESSOR_HAS(AVX2)) {
        size_t done = kp_poly1305_blocks_avx2(p->r, at, blocks, p->h);
        at += done * 16;
        blocks -= done;
    }
#endif
    p->has_begun = true;
    blocks_add(p, at, blocks, ABOVE);
}

void kp_poly1305_add(kp_poly1305_t *p, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    if (p->used > 0) {
        size_t part = sizeof(p->block) - p->used;
        part = part < count ? part : count;
        memcpy(p->block + p->used, at, part);
        p->used += (uint32_t)part;
        at += part;
        count -= part;
        if (p->used < sizeof(p->block))
            return;
        message_add(p, p->block, sizeof(p->block) / 16);
        p->used = 0;
    }
    size_t whole = count / sizeof(p->block) * sizeof(p->block);
    if (whole > 0)
        message_add(p, at, whole / 16);
    if (count > whole)
        memcpy(p->block, at + whole, count - whole);
    p->used = (uint32_t)(count - whole);
}

void kp_poly1305_end(kp_poly1305_t *p, uint8_t tag[KP_POLY1305_SIZE])
{
    uint32_t whole = p->used / 16, rest = p->used % 16;
    blocks_add(p, p->block, whole, ABOVE);
    if (rest > 0) {
        uint8_t last[16] = {0};
        memcpy(last, p->block + (size_t)16 * whole, rest);
        last[rest] = 1;
        blocks_add(p, last, 1, 0);
    }
    finish(p, tag);
}

void kp_poly1305(const uint8_t key[32], const void *bytes, size_t count,
                 uint8_t tag[KP_POLY1305_SIZE])
{
    kp_poly1305_t p;
    kp_poly1305_begin(&p, key);
    kp_poly1305_add(&p, bytes, count);
    kp_poly1305_end(&p, tag);
}
