/* Recursive quicksort of 200,000 integers. */
#include "kernel.h"

enum { N = 200000 };
static int32_t values[N];

static __attribute__((noinline)) void sort(int32_t *low, int32_t *high)
{
    while (high - low > 1) {
        int32_t pivot = low[(high - low - 1) / 2], *left = low, *right = high - 1;
        for (;;) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left >= right)
                break;
            int32_t swap = *left;
            *left++ = *right;
            *right-- = swap;
        }
        sort(low, right + 1);
        low = right + 1;
    }
}

uint32_t run(uint32_t rounds)
{
    uint32_t seed = 1, sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < N; i++) {
            seed = seed * 1664525 + 1013904223;
            values[i] = (int32_t)(seed >> 4);
        }
        sort(values, values + N);
        sum += (uint32_t)values[N / 3];
    }
    return sum;
}
