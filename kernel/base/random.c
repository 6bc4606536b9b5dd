#include "kernel/base/random.h"

#include "kernel/base/base.h"

#define ROTATE(value, count) ((value) << (count) | (value) >> (32 - (count)))

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = ROTATE(*d ^ *a, 16);
    *c += *d;
    *b = ROTATE(*b ^ *c, 12);
    *a += *b;
    *d = ROTATE(*d ^ *a, 8);
    *c += *d;
    *b = ROTATE(*b ^ *c, 7);
}

void kp_chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                       uint8_t out[64])
{
    const uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0], key[1],
                                key[2],     key[3],     key[4],     key[5],     key[6], key[7],
                                counter,    nonce[0],   nonce[1],   nonce[2]};
    uint32_t x[16];
    memcpy(x, start, sizeof(x));
    for (unsigned i = 0; i < 10; i++) {
        quarter_round(&x[0], &x[4], &x[8], &x[12]);
        quarter_round(&x[1], &x[5], &x[9], &x[13]);
        quarter_round(&x[2], &x[6], &x[10], &x[14]);
        quarter_round(&x[3], &x[7], &x[11], &x[15]);
        quarter_round(&x[0], &x[5], &x[10], &x[15]);
        quarter_round(&x[1], &x[6], &x[11], &x[12]);
        quarter_round(&x[2], &x[7], &x[8], &x[13]);
        quarter_round(&x[3], &x[4], &x[9], &x[14]);
    }
    for (size_t i = 0; i < 16; i++) {
        uint32_t word = x[i] + start[i];
        out[4 * i] = (uint8_t)word;
        out[4 * i + 1] = (uint8_t)(word >> 8);
        out[4 * i + 2] = (uint8_t)(word >> 16);
        out[4 * i + 3] = (uint8_t)(word >> 24);
    }
}

/* Input goes in 32 bytes at a time: XORed into the key, which then passes through the block
   function. The length is in the nonce, so that inputs that differ only in trailing zeroes differ.
 */
void kp_random_add(kp_random_t *random, const void *bytes, size_t count)
{
    const uint8_t *in = bytes;
    while (count > 0) {
        size_t part = KP_MIN(count, sizeof(random->key));
        uint8_t block[64] = {0};
        uint32_t words[8];
        memcpy(block, in, part);
        memcpy(words, block, sizeof(words));
        for (unsigned i = 0; i < 8; i++)
            random->key[i] ^= words[i];
        const uint32_t nonce[3] = {1, (uint32_t)part, 0};
        kp_chacha20_block(random->key, 0, nonce, block);
        memcpy(random->key, block, sizeof(random->key));
        in += part;
        count -= part;
    }
}

void kp_random_bytes(kp_random_t *random, void *bytes, size_t count)
{
    static const uint32_t nonce[3] = {0, 0, 0};
    uint8_t next_key[64], block[64];
    uint8_t *out = bytes;
    /* Block 0 becomes the next key before anything is given out. */
    kp_chacha20_block(random->key, 0, nonce, next_key);
    for (uint32_t counter = 1; count > 0; counter++) {
        size_t part = KP_MIN(count, sizeof(block));
        kp_chacha20_block(random->key, counter, nonce, block);
        memcpy(out, block, part);
        out += part;
        count -= part;
    }
    memcpy(random->key, next_key, sizeof(random->key));
    memset(next_key, 0, sizeof(next_key));
    memset(block, 0, sizeof(block));
}
