/* memcpy, memmove, memset, memcmp of an image. By 16-byte vectors: `rep movsb` is as fast on new
   processors but many times slower under emulation. Compiled without the compiler's loop
   recognition, which would turn these loops into calls of themselves. */
#include <stddef.h>
#include <stdint.h>

typedef uint8_t vector_t __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word_t __attribute__((aligned(1), may_alias));
typedef uint32_t half_t __attribute__((aligned(1), may_alias));
typedef uint16_t quarter_t __attribute__((aligned(1), may_alias));

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

/* count <= 32. Loads all before it stores anything, so the ranges may overlap. */
static inline void move_small(uint8_t *to, const uint8_t *from, size_t count)
{
    if (count >= 16) {
        vector_t first = *(const vector_t *)from;
        vector_t last = *(const vector_t *)(from + count - 16);
        *(vector_t *)to = first;
        *(vector_t *)(to + count - 16) = last;
    } else if (count >= 8) {
        uint64_t first = *(const word_t *)from, last = *(const word_t *)(from + count - 8);
        *(word_t *)to = first;
        *(word_t *)(to + count - 8) = last;
    } else if (count >= 4) {
        uint32_t first = *(const half_t *)from, last = *(const half_t *)(from + count - 4);
        *(half_t *)to = first;
        *(half_t *)(to + count - 4) = last;
    } else if (count >= 2) {
        uint16_t first = *(const quarter_t *)from, last = *(const quarter_t *)(from + count - 2);
        *(quarter_t *)to = first;
        *(quarter_t *)(to + count - 2) = last;
    } else if (count == 1) {
        *to = *from;
    }
}

/* From low to high addresses: right for to < from also when they overlap. count > 32. */
static void move_up(uint8_t *to, const uint8_t *from, size_t count)
{
    /* The tail is loaded first: the loop may overwrite it where the ranges overlap. */
    vector_t tail_a = *(const vector_t *)(from + count - 32);
    vector_t tail_b = *(const vector_t *)(from + count - 16);
    size_t at = 0;
    for (; at + 64 <= count; at += 64) {
        vector_t a = *(const vector_t *)(from + at), b = *(const vector_t *)(from + at + 16);
        vector_t c = *(const vector_t *)(from + at + 32), d = *(const vector_t *)(from + at + 48);
        *(vector_t *)(to + at) = a;
        *(vector_t *)(to + at + 16) = b;
        *(vector_t *)(to + at + 32) = c;
        *(vector_t *)(to + at + 48) = d;
    }
    if (count - at > 32) {
        vector_t a = *(const vector_t *)(from + at), b = *(const vector_t *)(from + at + 16);
        *(vector_t *)(to + at) = a;
        *(vector_t *)(to + at + 16) = b;
    }
    *(vector_t *)(to + count - 32) = tail_a;
    *(vector_t *)(to + count - 16) = tail_b;
}

/* From high to low addresses: right for to > from. count > 32. */
static void move_down(uint8_t *to, const uint8_t *from, size_t count)
{
    vector_t head_a = *(const vector_t *)from, head_b = *(const vector_t *)(from + 16);
    size_t left = count;
    for (; left >= 64; left -= 64) {
        vector_t a = *(const vector_t *)(from + left - 16),
                 b = *(const vector_t *)(from + left - 32);
        vector_t c = *(const vector_t *)(from + left - 48),
                 d = *(const vector_t *)(from + left - 64);
        *(vector_t *)(to + left - 16) = a;
        *(vector_t *)(to + left - 32) = b;
        *(vector_t *)(to + left - 48) = c;
        *(vector_t *)(to + left - 64) = d;
    }
    if (left > 32) {
        vector_t a = *(const vector_t *)(from + left - 16),
                 b = *(const vector_t *)(from + left - 32);
        *(vector_t *)(to + left - 16) = a;
        *(vector_t *)(to + left - 32) = b;
    }
    *(vector_t *)to = head_a;
    *(vector_t *)(to + 16) = head_b;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    if (count <= 32)
        move_small(to, from, count);
    else
        move_up(to, from, count);
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    if (count <= 32)
        move_small(to, from, count);
    else if ((uintptr_t)to - (uintptr_t)from >= count) /* to before from, or apart */
        move_up(to, from, count);
    else
        move_down(to, from, count);
    return to;
}

void *memset(void *to, int value, size_t count)
{
    uint8_t *bytes = to;
    if (count < 16) {
        uint64_t word = (uint8_t)value * 0x0101010101010101u;
        if (count >= 8) {
            *(word_t *)bytes = word;
            *(word_t *)(bytes + count - 8) = word;
        } else if (count >= 4) {
            *(half_t *)bytes = (uint32_t)word;
            *(half_t *)(bytes + count - 4) = (uint32_t)word;
        } else {
            for (size_t i = 0; i < count; i++)
                bytes[i] = (uint8_t)value;
        }
        return to;
    }
    vector_t fill = (vector_t){0} + (uint8_t)value;
    size_t at = 0;
    for (; at + 64 <= count; at += 64) {
        *(vector_t *)(bytes + at) = fill;
        *(vector_t *)(bytes + at + 16) = fill;
        *(vector_t *)(bytes + at + 32) = fill;
        *(vector_t *)(bytes + at + 48) = fill;
    }
    for (; at + 16 <= count; at += 16)
        *(vector_t *)(bytes + at) = fill;
    *(vector_t *)(bytes + count - 16) = fill;
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const uint8_t *left = a, *right = b;
    size_t at = 0;
    while (count - at >= 8 && *(const word_t *)(left + at) == *(const word_t *)(right + at))
        at += 8;
    for (; at < count; at++) {
        if (left[at] != right[at])
            return left[at] < right[at] ? -1 : 1;
    }
    return 0;
}
