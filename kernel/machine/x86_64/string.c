/* Memory and string functions. Real CPUs are fastest with the string instructions; under plain
   emulation those cost as much as a loop of single words, and a copy whose ends share a slot of the
   emulator's TLB costs ten times that. So there blocks of 64 bytes go through registers. */
#include "kernel/base/base.h"

#include "kernel/machine/x86_64/cpu.h"

enum { BLOCK = 64 };

/* Loads all eight words before it stores the first: also right when `to` lies below `from`. */
static void blocks_copy(uint64_t *to, const uint64_t *from, size_t blocks)
{
    for (; blocks > 0; blocks--, to += 8, from += 8) {
        uint64_t a = from[0], b = from[1], c = from[2], d = from[3];
        uint64_t e = from[4], f = from[5], g = from[6], h = from[7];
        __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f), "r"(g), "r"(h));
        to[0] = a;
        to[1] = b;
        to[2] = c;
        to[3] = d;
        to[4] = e;
        to[5] = f;
        to[6] = g;
        to[7] = h;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    void *result = to;
    if (kp_x86_features.emulated && count >= BLOCK) {
        size_t bytes = count - count % BLOCK;
        blocks_copy(to, from, bytes / BLOCK);
        to = (char *)to + bytes;
        from = (const char *)from + bytes;
        count -= bytes;
    }
    size_t words = count / 8;
    count %= 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t count)
{
    if ((uintptr_t)to - (uintptr_t)from >= count)
        return memcpy(to, from, count);
    char *out = (char *)to + count;
    const char *in = (const char *)from + count;
    /* Backwards by words: each is loaded before anything at or above it is overwritten. */
    for (; count >= 8; count -= 8) {
        uint64_t word;
        out -= 8;
        in -= 8;
        __builtin_memcpy(&word, in, 8);
        __builtin_memcpy(out, &word, 8);
    }
    while (count-- > 0) {
        *--out = *--in;
        __asm__ volatile("" : : : "memory"); /* else compilers make this loop a call of memmove */
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    void *result = to;
    uint64_t word = (uint8_t)value * 0x0101010101010101ull;
    if (kp_x86_features.emulated) {
        uint64_t *at = to;
        for (; count >= BLOCK; count -= BLOCK, at += 8) {
            at[0] = word;
            at[1] = word;
            at[2] = word;
            at[3] = word;
            at[4] = word;
            at[5] = word;
            at[6] = word;
            at[7] = word;
            __asm__ volatile("" : : : "memory");
        }
        to = at;
    }
    size_t words = count / 8;
    count %= 8;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(word) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const unsigned char *x = a, *y = b;
    for (; count > 0; count--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length]) {
        length++;
        __asm__ volatile("" : : : "memory");
    }
    return length;
}

int strncmp(const char *a, const char *b, size_t count)
{
    for (; count > 0; count--, a++, b++) {
        if (*a != *b)
            return (unsigned char)*a - (unsigned char)*b;
        if (!*a)
            return 0;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}
