/* What the whole system uses of the host's memory, for reports: nothing on a fast path. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/kernel.h"
#include "kernel/machine/hosted/child.h"

/* Resident bytes that are of no file and not shared. */
static uint64_t anonymous_bytes(int pid)
{
    char path[40];
    unsigned long long pages[3] = {0};
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int fields = fscanf(file, "%llu %llu %llu", &pages[0], &pages[1], &pages[2]);
    fclose(file);
    return fields == 3 && pages[1] > pages[2] ? (pages[1] - pages[2]) * KP_PAGE_SIZE : 0;
}

/* Linear memories, VMOs, call pages: the memory files that this process has open. Those opened once
   more for reading only are not counted again. */
static uint64_t memory_file_bytes(void)
{
    uint64_t bytes = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[sizeof("/proc/self/fd/") + sizeof(entry->d_name)], target[32] = {0};
        struct stat info;
        int file = (int)strtol(entry->d_name, NULL, 10);
        snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
        if (readlink(path, target, sizeof(target) - 1) <= 0 ||
            strncmp(target, "/memfd:kpio", strlen("/memfd:kpio")) != 0)
            continue;
        if ((fcntl(file, F_GETFL) & O_ACCMODE) == O_RDWR && fstat(file, &info) == 0)
            bytes += (uint64_t)info.st_blocks * 512;
    }
    closedir(folder);
    return bytes;
}

void kp_machine_memory_usage(kp_memory_usage_t *usage)
{
    int pids[KP_ZYGOTE_PROCESSES_MAX];
    size_t count = kp_hosted_children_pids(pids, KP_ARRAY_COUNT(pids));
    *usage = (kp_memory_usage_t){.used = anonymous_bytes(getpid()) + memory_file_bytes()};
    for (size_t i = 0; i < count; i++)
        usage->used += anonymous_bytes(pids[i]);
    usage->size = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}
