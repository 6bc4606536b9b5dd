#include "tools/kpio/accel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/kpio/child.h"
#include "tools/kpio/file.h"

extern const unsigned char kp_probe_image[], kp_probe_image_end[];

enum {
    PROBE_EXIT = 0x10 << 1 | 1, /* what isa-debug-exit makes of the probe's 0x10 */
    PROBE_TIMEOUT_MS = 5000,
};

/* Milliseconds for the probe guest; -1: it did not run to its end in time. */
static int probe_run(const char *qemu, const char *firmware, const char *accel, const char *image)
{
    char machine[64];
    snprintf(machine, sizeof machine, "q35,accel=%s", accel);
    const char *arguments[] = {qemu,
                               "-machine",
                               machine,
                               "-cpu",
                               strcmp(accel, "kvm") == 0 ? "host" : "max",
                               "-m",
                               "64",
                               "-nodefaults",
                               "-no-user-config",
                               "-display",
                               "none",
                               "-no-reboot",
                               "-device",
                               "isa-debug-exit,iobase=0xf4,iosize=4",
                               "-kernel",
                               image,
                               firmware ? "-bios" : NULL,
                               firmware,
                               NULL};
    int64_t begin = kp_child_now();
    pid_t child = kp_child_start((char *const *)(void *)arguments, -1, -1, -1);
    int status = 0;
    if (child < 0)
        return -1;
    if (!kp_child_wait(child, begin + PROBE_TIMEOUT_MS, &status)) {
        kp_child_kill(child);
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != PROBE_EXIT)
        return -1;
    return (int)(kp_child_now() - begin);
}

/* The cache file's path; false: nowhere to keep it. Makes the folders. */
static bool cache_path(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char base[3072];
    if (cache && cache[0] == '/')
        snprintf(base, sizeof base, "%s", cache);
    else if (home && home[0] == '/')
        snprintf(base, sizeof base, "%s/.cache", home);
    else
        return false;
    mkdir(base, 0700);
    if ((size_t)snprintf(path, size, "%s/kpio", base) >= size)
        return false;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return false;
    size_t used = strlen(path);
    return (size_t)snprintf(path + used, size - used, "/accel") < size - used;
}

/* What the measurement holds for: this boot of the machine and this QEMU binary. */
static bool cache_key(const char *qemu, char *key, size_t size)
{
    char boot[64] = "";
    struct stat info;
    int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t count = read(file, boot, sizeof boot - 1);
    close(file);
    if (count <= 0 || stat(qemu, &info) != 0)
        return false;
    boot[strcspn(boot, "\n")] = '\0';
    return (size_t)snprintf(key, size, "%s %lld %lld %s", boot, (long long)info.st_mtime,
                            (long long)info.st_size, qemu) < size;
}

static bool cache_read(const char *path, const char *key, kp_accel_t *accel)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (kp_file_read(path, 8192, &bytes, &size) != KP_OK)
        return false;
    char name[8] = "";
    char *line = strchr((char *)bytes, '\n');
    bool good = line != NULL;
    if (good) {
        *line = '\0';
        good = strcmp((char *)bytes, key) == 0 &&
               sscanf(line + 1, "%7s %d %d", name, &accel->tcg_ms, &accel->kvm_ms) == 3;
        accel->name = strcmp(name, "kvm") == 0 ? "kvm" : "tcg";
    }
    free(bytes);
    return good;
}

kp_accel_t kp_accel_choose(const char *qemu, const char *firmware)
{
    kp_accel_t accel = {.name = "tcg"};
    char path[4096], key[4400], text[4500], image[4096];
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        return accel;
    close(kvm);
    bool has_cache = cache_path(path, sizeof path) && cache_key(qemu, key, sizeof key);
    if (has_cache && cache_read(path, key, &accel)) {
        accel.cached = true;
        return accel;
    }
    accel = (kp_accel_t){.name = "tcg"};
    int file = kp_file_temporary("probe", image, sizeof image);
    if (file < 0)
        return accel;
    size_t size = (size_t)(kp_probe_image_end - kp_probe_image);
    bool written = write(file, kp_probe_image, size) == (ssize_t)size;
    close(file);
    if (written) {
        accel.tcg_ms = probe_run(qemu, firmware, "tcg", image);
        accel.kvm_ms = probe_run(qemu, firmware, "kvm", image);
        if (accel.kvm_ms >= 0 && (accel.tcg_ms < 0 || accel.kvm_ms < accel.tcg_ms))
            accel.name = "kvm";
    }
    unlink(image);
    if (written && has_cache) {
        snprintf(text, sizeof text, "%s\n%s %d %d\n", key, accel.name, accel.tcg_ms, accel.kvm_ms);
        (void)kp_file_write(path, text, strlen(text)); /* without it the next run measures again */
    }
    return accel;
}
