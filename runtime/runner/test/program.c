/* A user's program for runner.sh, built for plain WASI. argument 1 says what it does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static volatile int zero;

/* Without a stack in linear memory, which would overflow first. */
__attribute__((noinline)) static int recurse(int depth)
{
    return depth == 0 ? 1 : recurse(depth - 1) + zero;
}

static int files(void)
{
    char line[64] = "";
    FILE *file = fopen("/program/greeting.txt", "r");
    if (!file || !fgets(line, sizeof line, file))
        return 1;
    fclose(file);
    printf("file: %s\n", line);
    if (fopen("/program/absent", "r") || errno != ENOENT)
        return 2;
    file = fopen("/tmp/own", "w+");
    if (!file || fputs("kept", file) < 0 || fseek(file, 0, SEEK_SET) ||
        !fgets(line, sizeof line, file))
        return 3;
    printf("temporary: %s\n", line);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "arguments") == 0) {
        for (int i = 0; i < argc; i++)
            printf("%d=%s\n", i, argv[i]);
        printf("NAME=%s OTHER=%s\n", getenv("NAME"), getenv("OTHER"));
        fprintf(stderr, "errors too\n");
        return 42;
    }
    if (strcmp(what, "divide") == 0)
        return 100 / zero;
    if (strcmp(what, "bounds") == 0)
        return *(volatile int *)0xfffffff0;
    if (strcmp(what, "recurse") == 0)
        return recurse(100000000);
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "loop") == 0)
        for (;;)
            zero = 0;
    if (strcmp(what, "memory") == 0) {
        for (size_t mebibytes = 0;; mebibytes++) {
            char *volatile more = malloc(1 << 20);
            if (!more) {
                printf("%s\n",
                       mebibytes > 20 && mebibytes < 64 ? "memory ended" : "not as allowed");
                return 7;
            }
            memset(more, 1, 1 << 20);
        }
    }
    if (strcmp(what, "files") == 0)
        return files();
    if (strcmp(what, "input") == 0) {
        unsigned long sum = 0, count = 0;
        for (int c; (c = getchar()) != EOF; count++)
            sum = sum * 31 + (unsigned char)c;
        printf("%lu bytes, %08lx\n", count, sum & 0xffffffff);
        return feof(stdin) ? 0 : 1;
    }
    if (strcmp(what, "clock") == 0) {
        struct timespec before, after, wait = {0, 20000000};
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (nanosleep(&wait, NULL) != 0)
            return 1;
        clock_gettime(CLOCK_MONOTONIC, &after);
        double slept =
            (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
        return slept >= 2e7 && time(NULL) > 1700000000 ? 0 : 1;
    }
    return 100;
}
