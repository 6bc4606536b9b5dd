/* What fd_write of 64 KiB costs: writes so many buffers to standard output, and how long one took to standard
   error. A WASI program: fd_write [COUNT] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 65536 };

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv)
{
    static char buffer[SIZE];
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    long long best = 0;
    memset(buffer, 'x', sizeof buffer);
    buffer[SIZE - 1] = '\n';
    for (int round = 0; round < 10; round++) {
        long long start = now();
        for (int i = 0; i < count / 10; i++)
            if (write(1, buffer, sizeof buffer) != SIZE)
                return 1;
        long long took = (now() - start) / (count / 10);
        if (best == 0 || took < best)
            best = took;
    }
    fprintf(stderr, "fd_write: %lld ns\n", best);
    return 0;
}
