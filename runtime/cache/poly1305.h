/* Between the two ways to reckon Poly1305. */
#ifndef KP_RUNTIME_CACHE_POLY1305_H
#define KP_RUNTIME_CACHE_POLY1305_H

#include <stddef.h>
#include <stdint.h>

/* A number below 2^130 and a bit, in limbs of 44, 44 and 42 bits, and what a product with it needs:
   r1 * 20, r2 * 20. */
typedef struct kp_poly1305_power {
    uint64_t r0, r1, r2, s1, s2;
} kp_poly1305_power_t;

/* The sum of whole blocks, from zero; power: r, r^2, r^3, r^4; h: three limbs, as those of a power.
   Returns how many blocks it took: all but at most three. Only where the processor has AVX2. */
size_t kp_poly1305_blocks_avx2(const kp_poly1305_power_t power[4], const uint8_t *at, size_t blocks,
                               uint64_t h[3]);

#endif
