/* Points of a 400 x 300 view of the Mandelbrot set. */
#include "kernel.h"

uint32_t run(uint32_t rounds)
{
    uint32_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++)
        for (int row = 0; row < 300; row++)
            for (int column = 0; column < 400; column++) {
                double x0 = column / 133.0 - 2.2, y0 = row / 125.0 - 1.2 + round * 1e-4;
                double x = 0, y = 0;
                int n = 0;
                while (x * x + y * y <= 4 && n < 100) {
                    double next = x * x - y * y + x0;
                    y = 2 * x * y + y0;
                    x = next;
                    n++;
                }
                sum += (uint32_t)n;
            }
    return sum;
}
