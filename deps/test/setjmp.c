/* Exercises what the toolchain makes hard: setjmp across calls, a local that lives through it, and the
   heap. For deps/test/run. */
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf out;

__attribute__((noinline)) static void leave(int n)
{
    if (n > 3) {
        longjmp(out, n);
    }
}

int main(int argc, char **argv)
{
    int local = argc * 10;
    char *bytes = malloc(100000);
    if (bytes == NULL) {
        return 2;
    }
    memset(bytes, argc, 100000);
    int result = setjmp(out);
    if (result == 0) {
        local += 5;
        for (int i = 0; i < 10; i++) {
            leave(i);
        }
    }
    printf("%d %d %d %f %s\n", local, result, bytes[5], floor(sin(argc)), argv[0]);
    free(bytes);
    return result == 4 ? 0 : 1;
}
