/* SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and Poly1305 (RFC 8439, section 2.5). */
#ifndef KP_RUNTIME_CACHE_HASH_H
#define KP_RUNTIME_CACHE_HASH_H

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

/* key: for one message only. */
void kp_poly1305(const uint8_t key[32], const void *bytes, size_t count,
                 uint8_t tag[KP_POLY1305_SIZE]);

#endif
