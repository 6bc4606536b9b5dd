/* Base64, there and back, of 256 KiB. */
#include "kernel.h"

enum { N = 256 * 1024 - 1 };
static uint8_t plain[N], back[N];
static char text[(N + 2) / 3 * 4];
static uint8_t decode[256];
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static __attribute__((noinline)) void encode_all(void)
{
    char *out = text;
    for (int i = 0; i + 2 < N; i += 3) {
        uint32_t group = (uint32_t)plain[i] << 16 | (uint32_t)plain[i + 1] << 8 | plain[i + 2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = alphabet[group >> 6 & 63];
        *out++ = alphabet[group & 63];
    }
}

static __attribute__((noinline)) void decode_all(void)
{
    uint8_t *out = back;
    for (int i = 0; i + 3 < (N + 2) / 3 * 4; i += 4) {
        uint32_t group = (uint32_t)decode[(uint8_t)text[i]] << 18 |
                         (uint32_t)decode[(uint8_t)text[i + 1]] << 12 |
                         (uint32_t)decode[(uint8_t)text[i + 2]] << 6 | decode[(uint8_t)text[i + 3]];
        *out++ = (uint8_t)(group >> 16);
        *out++ = (uint8_t)(group >> 8);
        *out++ = (uint8_t)group;
    }
}

uint32_t run(uint32_t rounds)
{
    uint32_t sum = 0;
    for (int i = 0; i < 64; i++)
        decode[(uint8_t)alphabet[i]] = (uint8_t)i;
    for (int i = 0; i < N; i++)
        plain[i] = (uint8_t)(i * 31 + (i >> 8));
    for (uint32_t round = 0; round < rounds * 8; round++) {
        encode_all();
        decode_all();
        plain[round] ^= back[N - 1 - round];
        for (int i = 0; i < N; i += 1023)
            sum = sum * 31 + back[i];
    }
    return sum;
}
