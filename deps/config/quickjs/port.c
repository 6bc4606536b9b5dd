/* See port.h. */
#include "port.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>

static int lacking(void)
{
    errno = ENOSYS;
    return -1;
}

int kill(pid_t process, int signal)
{
    return lacking();
}

int dup(int fd)
{
    return lacking();
}

int dup2(int fd, int to)
{
    return lacking();
}

int pipe(int fds[2])
{
    return lacking();
}

pid_t fork(void)
{
    return lacking();
}

pid_t waitpid(pid_t process, int *status, int options)
{
    return lacking();
}

int execve(const char *path, char *const arguments[], char *const environment[])
{
    return lacking();
}

int setuid(uid_t id)
{
    return lacking();
}

int setgid(gid_t id)
{
    return lacking();
}

FILE *popen(const char *command, const char *mode)
{
    lacking();
    return NULL;
}

int pclose(FILE *file)
{
    return lacking();
}

int tcgetattr(int fd, struct termios *settings)
{
    return lacking();
}

int tcsetattr(int fd, int when, const struct termios *settings)
{
    return lacking();
}

/* A file of its own in the working directory. It keeps its name until the end of the program: WASI's
   hosts need not keep a file that has none. */
FILE *tmpfile(void)
{
    char name[] = "quickjs-temporary-0000";
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "quickjs-temporary-%04u", i);
        FILE *file = fopen(name, "w+x");
        if (file || errno != EEXIST) {
            if (file)
                remove(name);
            return file;
        }
    }
    return NULL;
}

/* The path itself, made absolute and without "." and "..": there is no way to ask for more. */
char *realpath(const char *path, char *resolved)
{
    struct stat stat_buffer;
    char result[PATH_MAX] = "";
    size_t length = 0;
    if (stat(path, &stat_buffer) != 0)
        return NULL;
    while (*path) {
        path += strspn(path, "/");
        size_t part = strcspn(path, "/");
        if (part == 2 && memcmp(path, "..", 2) == 0) {
            while (length > 0 && result[--length] != '/')
                continue;
        } else if (part > 0 && !(part == 1 && *path == '.')) {
            if (length + part + 2 > sizeof(result)) {
                errno = ENAMETOOLONG;
                return NULL;
            }
            result[length++] = '/';
            memcpy(result + length, path, part);
            length += part;
        }
        path += part;
    }
    if (length == 0)
        result[length++] = '/';
    result[length] = '\0';
    return resolved ? strcpy(resolved, result) : strdup(result);
}
