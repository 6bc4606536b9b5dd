/* Fannkuch-redux: flips of permutations. */
#include "kernel.h"

static uint32_t fannkuch(int n)
{
    int permutation[16], first[16], count[16];
    int maximum = 0, checksum = 0, r = n, sign = 0;
    for (int i = 0; i < n; i++)
        first[i] = i;
    for (;;) {
        for (; r != 1; r--)
            count[r - 1] = r;
        for (int i = 0; i < n; i++)
            permutation[i] = first[i];
        int flips = 0;
        for (int k = permutation[0]; k != 0; k = permutation[0]) {
            for (int i = 0, j = k; i < j; i++, j--) {
                int swap = permutation[i];
                permutation[i] = permutation[j];
                permutation[j] = swap;
            }
            flips++;
        }
        if (flips > maximum)
            maximum = flips;
        checksum += sign ? -flips : flips;
        for (;;) {
            if (r == n)
                return (uint32_t)(checksum * 100 + maximum);
            int rotated = first[0];
            for (int i = 0; i < r; i++)
                first[i] = first[i + 1];
            first[r] = rotated;
            sign = !sign;
            if (--count[r] > 0)
                break;
            r++;
        }
    }
}

uint32_t run(uint32_t rounds)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < rounds; i++)
        sum += fannkuch(9);
    return sum;
}
