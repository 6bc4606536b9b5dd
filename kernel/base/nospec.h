/* Indexes that a process chooses: the processor may run ahead of the check and read past a table. */
#ifndef KP_KERNEL_NOSPEC_H
#define KP_KERNEL_NOSPEC_H

#include <stddef.h>
#include <stdint.h>

/* After index < size was checked: the index; 0 where the processor only guesses that it is in range.
   Without a branch. size at most 2^63. */
static inline size_t kp_index_nospec(size_t index, size_t size)
{
#if defined(__x86_64__)
    size_t mask;
    __asm__("cmpq %2, %1\n\tsbbq %0, %0" : "=r"(mask) : "r"(index), "er"(size) : "cc");
#else
    size_t limit = size;
    __asm__("" : "+r"(limit)); /* the compiler must not know the result of the comparison */
    /* Negative, so all ones when shifted, only when index < size. */
    size_t mask = (size_t)((intptr_t)(~index & (index - limit)) >> (sizeof(size_t) * 8 - 1));
#endif
    return index & mask;
}

#endif
