/* The least that a program does: arguments, output, floating point, setjmp, exit code. */
#include <setjmp.h>
#include <stdio.h>

static jmp_buf state;

int main(int argc, char **argv)
{
    volatile int jumps = 0;
    if (setjmp(state) < 3) {
        jumps++;
        longjmp(state, jumps);
    }
    printf("hello from %s: %d arguments, %.3f, %d jumps\n", argv[0], argc, 1.0 / 3.0, jumps);
    return fopen("/etc/passwd", "r") ? 1 : 0;
}
