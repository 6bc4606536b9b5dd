/* Dense matrix product of doubles, 160 x 160. */
#include "kernel.h"

enum { N = 160 };
static double a[N][N], b[N][N], c[N][N];

uint32_t run(uint32_t rounds)
{
    double trace = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = (i * 7 + j * 3) % 11 - 5;
            b[i][j] = (i * 5 + j * 2) % 13 - 6;
        }
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        for (int i = 0; i < N; i++)
            trace += c[i][i];
        a[round % N][round % N] += 1;
    }
    return (uint32_t)(int64_t)trace;
}
