/* Preloaded into the program wasm2c: one process translates many modules. Each line of standard input is a list of
   arguments; the program's main runs with it, and the exit status is written as a line. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int main_t(int argc, char **argv, char **environment);
typedef int start_t(main_t *program, int argc, char **argv, void (*begin)(void), void (*end)(void),
                    void (*loader_end)(void), void *stack_end);

start_t __libc_start_main;

static main_t *wasm2c;

/* With room for all that wasm2c writes in small pieces; it has three files open at most. */
FILE *fopen(const char *path, const char *mode)
{
    static char buffers[4][256 << 10];
    static unsigned turn;
    static FILE *(*open)(const char *path, const char *mode);
    if (!open) {
        void *symbol = dlsym(RTLD_NEXT, "fopen");
        memcpy(&open, &symbol, sizeof open);
    }
    FILE *file = open(path, mode);
    if (file)
        setvbuf(file, buffers[turn++ % 4], _IOFBF, sizeof buffers[0]);
    return file;
}

static int serve(int argc, char **argv, char **environment)
{
    char line[4096];
    FILE *in = fdopen(dup(0), "r"), *out = fdopen(dup(1), "w");
    (void)argc;
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    while (in && out && fgets(line, sizeof line, in)) {
        char *arguments[16] = {argv[0]}, *rest = line;
        int count = 1;
        for (char *word; count < 15 && (word = strsep(&rest, " \n")) != NULL;) {
            if (*word)
                arguments[count++] = word;
        }
        fprintf(out, "%d\n", wasm2c(count, arguments, environment));
        fflush(out);
    }
    _exit(0);
}

int __libc_start_main(main_t *program, int argc, char **argv, void (*begin)(void),
                      void (*end)(void), void (*loader_end)(void), void *stack_end)
{
    void *symbol = dlsym(RTLD_NEXT, "__libc_start_main");
    start_t *start;
    memcpy(&start, &symbol, sizeof start);
    wasm2c = program;
    return start(serve, argc, argv, begin, end, loader_end, stack_end);
}
