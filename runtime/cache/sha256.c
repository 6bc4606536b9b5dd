#include "runtime/cache/hash.h"
#include "runtime/cache/processor.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

static void blocks_plain(uint32_t state[8], const uint8_t *bytes, size_t blocks)
{
    for (; blocks > 0; blocks--, bytes += 64) {
        uint32_t w[64], s[8];
        for (size_t i = 0; i < 16; i++)
            w[i] = (uint32_t)bytes[i * 4] << 24 | (uint32_t)bytes[i * 4 + 1] << 16 |
                   (uint32_t)bytes[i * 4 + 2] << 8 | bytes[i * 4 + 3];
        for (unsigned i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) +
                   (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
        }
        memcpy(s, state, sizeof(s));
        for (unsigned i = 0; i < 64; i++) {
            uint32_t e = s[4], a = s[0];
            uint32_t one = s[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                           ((e & s[5]) ^ (~e & s[6])) + k[i] + w[i];
            uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                           ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            memmove(s + 1, s, 7 * sizeof(s[0]));
            s[4] += one;
            s[0] = one + two;
        }
        for (unsigned i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#if defined(__x86_64__)
/* With the SHA instructions: state is kept as ABEF and CDGH (Intel's manual, "SHA256RNDS2"). */
__attribute__((target("sha,sse4.1"))) static void blocks_sha_ni(uint32_t state[8],
                                                                const uint8_t *bytes, size_t blocks)
{
    const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; blocks > 0; blocks--, bytes += 64) {
        __m128i abef_before = abef, cdgh_before = cdgh, m[4];
        for (size_t i = 0; i < 4; i++)
            m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(bytes + i * 16)), order);
#pragma GCC unroll 16
        for (size_t round = 0; round < 16; round++) {
            __m128i words = m[round % 4];
            if (round >= 4) {
                __m128i sum = _mm_sha256msg1_epu32(words, m[(round + 1) % 4]);
                sum =
                    _mm_add_epi32(sum, _mm_alignr_epi8(m[(round + 3) % 4], m[(round + 2) % 4], 4));
                words = m[round % 4] = _mm_sha256msg2_epu32(sum, m[(round + 3) % 4]);
            }
            __m128i keyed = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)(k + round * 4)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(keyed, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static void blocks_add(uint32_t state[8], const uint8_t *bytes, size_t blocks)
{
    if (KP_PROCESSOR_HAS(SHA) && KP_PROCESSOR_HAS(SSE4_1))
        blocks_sha_ni(state, bytes, blocks);
    else
        blocks_plain(state, bytes, blocks);
}
#else
static void blocks_add(uint32_t state[8], const uint8_t *bytes, size_t blocks)
{
    blocks_plain(state, bytes, blocks);
}
#endif

void kp_sha256_begin(kp_sha256_t *hash)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, start, sizeof(start));
    hash->count = 0;
}

void kp_sha256_add(kp_sha256_t *hash, const void *bytes, size_t count)
{
    const uint8_t *at = bytes;
    size_t used = hash->count % 64;
    hash->count += count;
    if (used > 0 && count > 0) {
        size_t part = count < 64 - used ? count : 64 - used;
        memcpy(hash->block + used, at, part);
        at += part;
        count -= part;
        if (used + part < 64)
            return;
        blocks_add(hash->state, hash->block, 1);
    }
    blocks_add(hash->state, at, count / 64);
    if (count % 64)
        memcpy(hash->block, at + count / 64 * 64, count % 64);
}

void kp_sha256_end(kp_sha256_t *hash, uint8_t digest[KP_SHA256_SIZE])
{
    uint64_t bits = hash->count * 8;
    uint8_t padding[72] = {0x80};
    size_t size = (hash->count % 64 < 56 ? 56 : 120) - hash->count % 64;
    for (unsigned i = 0; i < 8; i++)
        padding[size + i] = (uint8_t)(bits >> (56 - 8 * i));
    kp_sha256_add(hash, padding, size + 8);
    for (unsigned i = 0; i < 32; i++)
        digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

void kp_sha256(const void *bytes, size_t count, uint8_t digest[KP_SHA256_SIZE])
{
    kp_sha256_t hash;
    kp_sha256_begin(&hash);
    kp_sha256_add(&hash, bytes, count);
    kp_sha256_end(&hash, digest);
}

void kp_hmac_sha256(const uint8_t key[32], const void *bytes, size_t count,
                    uint8_t digest[KP_SHA256_SIZE])
{
    kp_sha256_t hash;
    uint8_t pad[64];
    for (unsigned i = 0; i < 64; i++)
        pad[i] = (uint8_t)((i < 32 ? key[i] : 0) ^ 0x36);
    kp_sha256_begin(&hash);
    kp_sha256_add(&hash, pad, sizeof(pad));
    kp_sha256_add(&hash, bytes, count);
    kp_sha256_end(&hash, digest);
    for (unsigned i = 0; i < 64; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    kp_sha256_begin(&hash);
    kp_sha256_add(&hash, pad, sizeof(pad));
    kp_sha256_add(&hash, digest, KP_SHA256_SIZE);
    kp_sha256_end(&hash, digest);
}
