/* A WASI program that shows what it was given; the first argument says what. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static int show_file(const char *path)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file))
        return printf("%s: %s\n", path, strerror(errno)), 1;
    fclose(file);
    return fputs(text, stdout) < 0;
}

static int write_file(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs("written\n", file) < 0 || fclose(file) != 0)
        return printf("%s: %s\n", path, strerror(errno)), 1;
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(what, "read") == 0)
        return show_file(argv[2]);
    if (strcmp(what, "write") == 0)
        return write_file(argv[2]);
    if (strcmp(what, "environment") == 0) {
        for (char **variable = environ; *variable; variable++)
            puts(*variable);
        return 0;
    }
    if (strcmp(what, "echo") == 0) {
        char line[64];
        while (fgets(line, sizeof line, stdin))
            fputs(line, stdout);
        return 0;
    }
    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    putchar('\n');
    return 0;
}
