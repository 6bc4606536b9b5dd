/* Poly1305 with AVX2: four blocks beside each other, limbs of 26 bits. */
#include "runtime/cache/poly1305.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MASK26 ((1ull << 26) - 1)

/* Five limbs of four numbers, and five times the upper four. */
typedef struct factor {
    __m256i r[5], s[5]; /* s[0] is not used */
} factor_t;

static uint64_t limb(const kp_poly1305_power_t *power, unsigned at)
{
    switch (at) {
    case 0:
        return power->r0 & MASK26;
    case 1:
        return (power->r0 >> 26 | power->r1 << 18) & MASK26;
    case 2:
        return power->r1 >> 8 & MASK26;
    case 3:
        return (power->r1 >> 34 | power->r2 << 10) & MASK26;
    default:
        return power->r2 >> 16;
    }
}

__attribute__((target("avx2"))) static inline void factor_make(factor_t *factor,
                                                               const kp_poly1305_power_t *lanes[4])
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        factor->r[i] =
            _mm256_set_epi64x((long long)limb(lanes[3], i), (long long)limb(lanes[2], i),
                              (long long)limb(lanes[1], i), (long long)limb(lanes[0], i));
        factor->s[i] = _mm256_add_epi64(factor->r[i], _mm256_slli_epi64(factor->r[i], 2));
    }
}

/* limbs += four blocks, in the order 0, 2, 1, 3. */
__attribute__((target("avx2"))) static inline void blocks_load(__m256i limbs[5], const uint8_t *at)
{
    const __m256i mask = _mm256_set1_epi64x((long long)MASK26);
    __m256i a = _mm256_loadu_si256((const __m256i *)at),
            b = _mm256_loadu_si256((const __m256i *)(at + 32));
    __m256i low = _mm256_unpacklo_epi64(a, b), high = _mm256_unpackhi_epi64(a, b);
    __m256i middle = _mm256_or_si256(_mm256_srli_epi64(low, 52), _mm256_slli_epi64(high, 12));
    limbs[0] = _mm256_add_epi64(limbs[0], _mm256_and_si256(low, mask));
    limbs[1] = _mm256_add_epi64(limbs[1], _mm256_and_si256(_mm256_srli_epi64(low, 26), mask));
    limbs[2] = _mm256_add_epi64(limbs[2], _mm256_and_si256(middle, mask));
    limbs[3] = _mm256_add_epi64(limbs[3], _mm256_and_si256(_mm256_srli_epi64(high, 14), mask));
    limbs[4] = _mm256_add_epi64(
        limbs[4], _mm256_or_si256(_mm256_srli_epi64(high, 40), _mm256_set1_epi64x(1ll << 24)));
}

/* sum += limbs * factor; limbs below 2^28: sums of ten products stay below 2^62. */
__attribute__((target("avx2"))) static inline void
product_add(__m256i sum[5], const __m256i limbs[5], const factor_t *factor)
{
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++)
            sum[i] =
                _mm256_add_epi64(sum[i], _mm256_mul_epu32(limbs[j], j <= i ? factor->r[i - j]
                                                                           : factor->s[5 + i - j]));
}

/* From one limb to the next, two chains beside each other: nearly reduced. */
__attribute__((target("avx2"))) static inline void carry(__m256i d[5])
{
    static const uint8_t order[7] = {0, 3, 1, 4, 2, 0, 3};
    const __m256i mask = _mm256_set1_epi64x((long long)MASK26);
#pragma GCC unroll 7
    for (unsigned i = 0; i < 7; i++) {
        unsigned from = order[i];
        __m256i over = _mm256_srli_epi64(d[from], 26);
        d[from] = _mm256_and_si256(d[from], mask);
        if (from == 4)
            over = _mm256_add_epi64(over, _mm256_slli_epi64(over, 2));
        d[(from + 1) % 5] = _mm256_add_epi64(d[(from + 1) % 5], over);
    }
}

__attribute__((target("avx2"))) static inline void multiply(__m256i limbs[5],
                                                            const factor_t *factor)
{
    __m256i sum[5] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256(), _mm256_setzero_si256()};
    product_add(sum, limbs, factor);
    carry(sum);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        limbs[i] = sum[i];
}

__attribute__((target("avx2"))) size_t kp_poly1305_blocks_avx2(const kp_poly1305_power_t power[4],
                                                               const uint8_t *at, size_t blocks,
                                                               uint64_t h[3])
{
    size_t groups = blocks / 4;
    if (groups == 0)
        return 0;
    const kp_poly1305_power_t *fourth[4] = {&power[3], &power[3], &power[3], &power[3]};
    const kp_poly1305_power_t *last[4] = {&power[3], &power[1], &power[2], &power[0]};
    factor_t factor, square; /* r^4, r^8 */
    __m256i limbs[5], zero = _mm256_setzero_si256();
    factor_make(&factor, fourth);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++)
        square.r[i] = factor.r[i];
    multiply(square.r, &factor);
#pragma GCC unroll 5
    for (unsigned i = 0; i < 5; i++) {
        square.s[i] = _mm256_add_epi64(square.r[i], _mm256_slli_epi64(square.r[i], 2));
        limbs[i] = zero;
    }
    blocks_load(limbs, at);
    size_t i = 1;
    /* Two groups at a time: one carry for both. */
    for (; i + 1 < groups; i += 2) {
        __m256i sum[5] = {zero, zero, zero, zero, zero}, next[5] = {zero, zero, zero, zero, zero};
        blocks_load(next, at + i * 64);
        product_add(sum, next, &factor);
        product_add(sum, limbs, &square);
        carry(sum);
        blocks_load(sum, at + (i + 1) * 64);
#pragma GCC unroll 5
        for (unsigned j = 0; j < 5; j++)
            limbs[j] = sum[j];
    }
    if (i < groups) {
        multiply(limbs, &factor);
        blocks_load(limbs, at + i * 64);
    }
    factor_make(&factor, last);
    multiply(limbs, &factor);

    uint64_t sum[5], lanes[4];
    for (i = 0; i < 5; i++) {
        _mm256_storeu_si256((__m256i *)lanes, limbs[i]);
        sum[i] = lanes[0] + lanes[1] + lanes[2] + lanes[3];
    }
    for (i = 0; i < 4; i++) {
        sum[i + 1] += sum[i] >> 26;
        sum[i] &= MASK26;
    }
    sum[0] +=
        (sum[4] >> 26) * 5; /* below 2^27: a bit above its limb, which the sum below carries */
    sum[4] &= MASK26;
    sum[1] += sum[0] >> 26;
    sum[0] &= MASK26;
    /* sum[1] may be 2^26: additions, not ors. */
    uint64_t low = sum[0] + (sum[1] << 26);
    h[0] = low & ((1ull << 44) - 1);
    uint64_t middle = (low >> 44) + (sum[2] << 8) + (sum[3] << 34);
    h[1] = middle & ((1ull << 44) - 1);
    h[2] = (middle >> 44) + (sum[4] << 16);
    return groups * 4;
}
#endif
