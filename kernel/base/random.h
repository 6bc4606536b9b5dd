/* A deterministic random bit generator on ChaCha20 with fast key erasure: what it has given out
   cannot be recomputed from its later state. Portable; the caller locks. */
#ifndef KP_BASE_RANDOM_H
#define KP_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define KP_RANDOM_PART 512u /* a good size for one call */

typedef struct kp_random {
    uint32_t key[8]; /* all zero until something is added */
} kp_random_t;

/* Mixes any bytes into the state; it never gets worse. */
void kp_random_add(kp_random_t *random, const void *bytes, size_t count);
/* Good only after enough unpredictable bytes were added. */
void kp_random_bytes(kp_random_t *random, void *bytes, size_t count);

/* The ChaCha20 block function of RFC 8439, section 2.3: 64 bytes. */
void kp_chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                       uint8_t out[64]);

#endif
