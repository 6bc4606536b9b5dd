/* QuickJS's command for WASI preview 1: what its library of POSIX functions calls and WASI lacks. Included
   before each of its sources, which stay as they are. */
#ifndef KP_QUICKJS_PORT_H
#define KP_QUICKJS_PORT_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* The allocator's own account is not public; QuickJS then counts what was asked for. */
#define malloc_usable_size(pointer) ((void)(pointer), (size_t)0)

/* No processes, no terminal: each fails with ENOSYS. */
int kill(pid_t process, int signal);
int dup(int fd);
int dup2(int fd, int to);
int pipe(int fds[2]);
pid_t fork(void);
pid_t waitpid(pid_t process, int *status, int options);
int execve(const char *path, char *const arguments[], char *const environment[]);
int setuid(uid_t id);
int setgid(gid_t id);
FILE *popen(const char *command, const char *mode);
int pclose(FILE *file);
FILE *tmpfile(void);
char *realpath(const char *path, char *resolved);

typedef void (*sighandler_t)(int);

#endif
