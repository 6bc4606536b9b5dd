/* SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and Poly1305 (RFC 8439, section 2.5). */
#ifndef KP_RUNTIME_CACHE_HASH_H
#define KP_RUNTIME_CACHE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KP_SHA256_SIZE 32u
#define KP_POLY1305_SIZE 16u

typedef struct kp_sha256 {
    uint32_t state[8];
    uint64_t count; /* bytes so far */
    uint8_t block[64];
} kp_sha256_t;

void kp_sha256_begin(kp_sha256_t *hash);
void kp_sha256_add(kp_sha256_t *hash, const void *bytes, size_t count);
void kp_sha256_end(kp_sha256_t *hash, uint8_t digest[KP_SHA256_SIZE]);
void kp_sha256(const void *bytes, size_t count, uint8_t digest[KP_SHA256_SIZE]);

void kp_hmac_sha256(const uint8_t key[32], const void *bytes, size_t count,
                    uint8_t digest[KP_SHA256_SIZE]);

/* A number below 2^130 and a bit, in limbs of 44, 44 and 42 bits, and what a product with it needs:
   r1 * 20, r2 * 20. */
typedef struct kp_poly1305_power {
    uint64_t r0, r1, r2, s1, s2;
} kp_poly1305_power_t;

typedef struct kp_poly1305 {
    kp_poly1305_power_t r[4]; /* r, r^2, r^3, r^4 */
    uint64_t h[3];
    uint64_t added[2]; /* the key's second half */
    uint8_t block[64]; /* what did not fill four blocks yet */
    uint32_t used;
    bool has_begun;
} kp_poly1305_t;

/* key: for one message only. */
void kp_poly1305_begin(kp_poly1305_t *p, const uint8_t key[32]);
void kp_poly1305_add(kp_poly1305_t *p, const void *bytes, size_t count);
void kp_poly1305_end(kp_poly1305_t *p, uint8_t tag[KP_POLY1305_SIZE]);
void kp_poly1305(const uint8_t key[32], const void *bytes, size_t count,
                 uint8_t tag[KP_POLY1305_SIZE]);

#endif
