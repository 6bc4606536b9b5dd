/* Runs a command many times and measures from its exec to what it writes: the monotonic clock's nanoseconds at the
   program's first instruction, and the process's processor time then (start.c).
     measure TIMES COMMAND [ARGUMENT]...     prints the least and the median, in ns, and the same of the processor time */
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* -1: it failed. *used: processor time. */
static int64_t once(char **command, int64_t *used)
{
    int ends[2], status = -1;
    posix_spawn_file_actions_t actions;
    struct timespec before;
    int64_t after[2] = {0};
    pid_t child;
    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) != 0)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int error = posix_spawnp(&child, command[0], &actions, NULL, command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    ssize_t size = error == 0 ? read(ends[0], after, sizeof after) : -1;
    close(ends[0]);
    if (error == 0)
        waitpid(child, &status, 0);
    *used = after[1];
    return size == sizeof after && status == 0
               ? after[0] - (before.tv_sec * (int64_t)1000000000 + before.tv_nsec)
               : -1;
}

int main(int argc, char **argv)
{
    int times = argc > 2 ? atoi(argv[1]) : 0;
    int64_t *took = times > 0 ? calloc((size_t)times * 2, sizeof *took) : NULL;
    if (!took)
        return 2;
    for (int i = 0; i < times; i++) {
        took[i] = once(argv + 2, &took[times + i]);
        if (took[i] < 0) {
            fprintf(stderr, "measure: %s failed\n", argv[2]);
            free(took);
            return 1;
        }
    }
    qsort(took, (size_t)times, sizeof *took, compare);
    qsort(took + times, (size_t)times, sizeof *took, compare);
    printf("%lld %lld %lld %lld\n", (long long)took[0], (long long)took[times / 2],
           (long long)took[times], (long long)took[times + times / 2]);
    free(took);
    return 0;
}
