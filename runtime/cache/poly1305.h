/* Between the two ways to reckon Poly1305. */
#ifndef KP_RUNTIME_CACHE_POLY1305_H
#define KP_RUNTIME_CACHE_POLY1305_H

#include "runtime/cache/hash.h"

/* The sum of whole blocks, from zero; power: r, r^2, r^3, r^4; h: three limbs, as those of a power.
   Returns how many blocks it took: all but at most three. Only where the processor has AVX2. */
size_t kp_poly1305_blocks_avx2(const kp_poly1305_power_t power[4], const uint8_t *at, size_t blocks,
                               uint64_t h[3]);

#endif
