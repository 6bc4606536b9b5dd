/* Numbers from text, sorting, the end. */
#include <stdlib.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/native/native.h"
#include "runtime/program/internal.h"
#include "runtime/program/kp.h"

int errno;

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 10;
    return c >= 'A' && c <= 'Z' ? (unsigned)(c - 'A') + 10 : UINT_MAX;
}

/* The digits' value, at most `most`; *over: it was more. *end stays at text when there are none. */
static uint64_t number(const char *text, char **end, int base, uint64_t most, bool *negative,
                       bool *over)
{
    const char *at = text;
    uint64_t value = 0;
    while (*at == ' ' || (*at >= '\t' && *at <= '\r'))
        at++;
    *negative = *at == '-';
    *over = false;
    if (*at == '-' || *at == '+')
        at++;
    bool hexadecimal = at[0] == '0' && (at[1] | 32) == 'x' && digit_of(at[2]) < 16;
    if ((base == 0 || base == 16) && hexadecimal) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    const char *first = at;
    for (unsigned digit; (digit = digit_of(*at)) < (unsigned)base; at++) {
        if (*over || value > (most - digit) / (unsigned)base) {
            *over = true;
            value = most;
        } else {
            value = value * (unsigned)base + digit;
        }
    }
    if (end)
        *end = (char *)(at == first ? text : at);
    if (*over)
        errno = ERANGE;
    return value;
}

unsigned long long strtoull(const char *text, char **end, int base)
{
    bool negative, over;
    uint64_t value = number(text, end, base, UINT64_MAX, &negative, &over);
    return negative && !over ? 0 - value : value;
}

long long strtoll(const char *text, char **end, int base)
{
    bool negative, over;
    const char *sign = text + strspn(text, " \t\n\v\f\r");
    uint64_t most = (uint64_t)INT64_MAX + (*sign == '-');
    uint64_t value = number(text, end, base, most, &negative, &over);
    return (long long)(negative ? 0 - value : value);
}

unsigned long strtoul(const char *text, char **end, int base)
{
    return strtoull(text, end, base);
}

long strtol(const char *text, char **end, int base)
{
    return strtoll(text, end, base);
}

/* ---- sorting ---- Heapsort: no memory, no bad case. */

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

static void sift(char *items, size_t root, size_t count, size_t size,
                 int (*compare)(const void *, const void *))
{
    for (size_t child; (child = root * 2 + 1) < count; root = child) {
        if (child + 1 < count && compare(items + child * size, items + (child + 1) * size) < 0)
            child++;
        if (compare(items + root * size, items + child * size) >= 0)
            return;
        swap(items + root * size, items + child * size, size);
    }
}

void qsort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t i = count / 2; i-- > 0;)
        sift(items, i, count, size, compare);
    for (size_t left = count; left-- > 1;) {
        swap(items, (char *)items + left * size, size);
        sift(items, 0, left, size, compare);
    }
}

void *bsearch(const void *key, const void *items, size_t count, size_t size,
              int (*compare)(const void *, const void *))
{
    const char *low = items;
    while (count > 0) {
        const char *middle = low + count / 2 * size;
        int order = compare(key, middle);
        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            low = middle + size;
            count--;
        }
        count /= 2;
    }
    return NULL;
}

void exit(int code)
{
    kp_output_flush();
    kp_process_exit(code);
}
