#include "tools/kpio/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t kp_child_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool kp_child_find(const char *name, char *path, size_t size)
{
    if (strchr(name, '/'))
        return (size_t)snprintf(path, size, "%s", name) < size && access(path, X_OK) == 0;
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t length = strcspn(at, ":");
        if ((size_t)snprintf(path, size, "%.*s/%s", (int)length, at, name) < size &&
            access(path, X_OK) == 0)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

pid_t kp_child_start(char *const arguments[], int out_fd, int error_fd, int keep_fd)
{
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    int null_fd = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null_fd < 0) /* the parent died before the line above */
        _exit(127);
    dup2(null_fd, 0);
    dup2(out_fd < 0 ? null_fd : out_fd, 1);
    dup2(error_fd < 0 ? null_fd : error_fd, 2);
    if (keep_fd >= 0)
        fcntl(keep_fd, F_SETFD, 0);
    execv(arguments[0], arguments);
    _exit(127);
}

bool kp_child_wait(pid_t child, int64_t deadline, int *status)
{
    for (;;) {
        pid_t ended = waitpid(child, status, WNOHANG);
        if (ended == child)
            return true;
        if (ended < 0 && errno != EINTR) {
            *status = 0;
            return true;
        }
        if (kp_child_now() >= deadline)
            return false;
        usleep(2000);
    }
}

void kp_child_kill(pid_t child)
{
    int status;
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
}
