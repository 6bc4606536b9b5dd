/* Memory and string functions for the freestanding kernel (hosted has libc's). The string
   instructions are the fastest without vector registers on real CPUs and copy in whole blocks under
   emulation. */
#include "kernel/base/base.h"

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    void *result = to;
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
    while (count-- > 0) {
        *--out = *--in;
        __asm__ volatile("" : : : "memory"); /* else compilers make this loop a call of memmove */
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    void *at = to;
    uint64_t word = (uint8_t)value * 0x0101010101010101ull;
    size_t words = count / 8;
    count %= 8;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(word) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(word) : "memory");
    return to;
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
