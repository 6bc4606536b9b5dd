/* Poly1305 in three limbs of 44, 44 and 42 bits. */
#include <string.h>

#include "runtime/cache/hash.h"

typedef unsigned __int128 wide_t;

#define MASK44 ((1ull << 44) - 1)
#define MASK42 ((1ull << 42) - 1)

static uint64_t load64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

typedef struct poly {
    uint64_t r[3], h[3];
} poly_t;

/* One block of 16 bytes; above: the bit behind it, in the third limb. */
static void block_add(poly_t *p, const uint8_t *at, uint64_t above)
{
    uint64_t low = load64(at), high = load64(at + 8);
    uint64_t h0 = p->h[0] + (low & MASK44), h1 = p->h[1] + ((low >> 44 | high << 20) & MASK44),
             h2 = p->h[2] + (high >> 24) + above;
    uint64_t r0 = p->r[0], r1 = p->r[1], r2 = p->r[2], s1 = r1 * 20, s2 = r2 * 20;
    wide_t d0 = (wide_t)h0 * r0 + (wide_t)h1 * s2 + (wide_t)h2 * s1;
    wide_t d1 = (wide_t)h0 * r1 + (wide_t)h1 * r0 + (wide_t)h2 * s2;
    wide_t d2 = (wide_t)h0 * r2 + (wide_t)h1 * r1 + (wide_t)h2 * r0;
    d1 += (uint64_t)(d0 >> 44);
    d2 += (uint64_t)(d1 >> 44);
    uint64_t carry = (uint64_t)(d2 >> 42);
    h0 = ((uint64_t)d0 & MASK44) + carry * 5;
    p->h[0] = h0 & MASK44;
    p->h[1] = ((uint64_t)d1 & MASK44) + (h0 >> 44);
    p->h[2] = (uint64_t)d2 & MASK42;
}

/* h mod 2^130 - 5, plus the second half of the key, modulo 2^128. */
static void finish(const poly_t *p, const uint8_t key[32], uint8_t tag[KP_POLY1305_SIZE])
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
    wide_t low = (wide_t)(h0 | h1 << 44) + load64(key + 16);
    uint64_t high = (h1 >> 20 | h2 << 24) + load64(key + 24) + (uint64_t)(low >> 64);
    uint64_t words[2] = {(uint64_t)low, high};
    memcpy(tag, words, sizeof(words));
}

void kp_poly1305(const uint8_t key[32], const void *bytes, size_t count,
                 uint8_t tag[KP_POLY1305_SIZE])
{
    uint64_t low = load64(key) & 0x0ffffffc0fffffffull,
             high = load64(key + 8) & 0x0ffffffc0ffffffcull;
    poly_t p = {.r = {low & MASK44, (low >> 44 | high << 20) & MASK44, high >> 24}};
    const uint8_t *at = bytes;
    for (; count >= 16; at += 16, count -= 16)
        block_add(&p, at, 1ull << 40);
    if (count > 0) {
        uint8_t last[16] = {0};
        memcpy(last, at, count);
        last[count] = 1;
        block_add(&p, last, 0);
    }
    finish(&p, key, tag);
}
