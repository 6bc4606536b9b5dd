#include "tools/kpio/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

kp_status_t kp_file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size)
{
    struct stat info;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
    if (!file) {
        int cause = errno;
        if (descriptor >= 0)
            close(descriptor);
        return cause == EACCES                       ? KP_ERR_ACCESS_DENIED
               : cause == ENOENT || cause == ENOTDIR ? KP_ERR_NOT_FOUND
               : cause == ENXIO                      ? KP_ERR_NOT_SUPPORTED /* a socket */
               : cause == ENOMEM                     ? KP_ERR_NO_MEMORY
                                                     : KP_ERR_IO;
    }
    kp_status_t status = KP_OK;
    uint8_t *memory = NULL;
    if (fstat(fileno(file), &info) != 0 || !S_ISREG(info.st_mode))
        status = KP_ERR_NOT_SUPPORTED;
    else if ((uint64_t)info.st_size > limit)
        status = KP_ERR_TOO_LARGE;
    else if (!(memory = malloc((size_t)info.st_size + 1)))
        status = KP_ERR_NO_MEMORY;
    else if (info.st_size && fread(memory, (size_t)info.st_size, 1, file) != 1)
        status = KP_ERR_IO;
    fclose(file);
    if (status != KP_OK) {
        free(memory);
        return status;
    }
    memory[info.st_size] = 0;
    *bytes = memory;
    *size = (size_t)info.st_size;
    return KP_OK;
}

const char *kp_file_reason(kp_status_t status)
{
    switch (status) {
    case KP_ERR_NOT_FOUND:
        return "No such file or directory";
    case KP_ERR_ACCESS_DENIED:
        return "Permission denied";
    case KP_ERR_NOT_SUPPORTED:
        return "not a file";
    case KP_ERR_TOO_LARGE:
        return "the file is too large";
    default:
        return kp_status_text(status);
    }
}

static kp_status_t write_all(FILE *file, const void *bytes, size_t size)
{
    bool good = size == 0 || fwrite(bytes, size, 1, file) == 1;
    good = fflush(file) == 0 && good;
    return good ? KP_OK : KP_ERR_IO;
}

kp_status_t kp_file_write(const char *path, const void *bytes, size_t size)
{
    struct stat info;
    if (strcmp(path, "-") == 0)
        return write_all(stdout, bytes, size);
    bool direct = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
    size_t name_size = strlen(path) + 32;
    char *name = malloc(name_size);
    if (!name)
        return KP_ERR_NO_MEMORY;
    if (direct)
        snprintf(name, name_size, "%s", path);
    else
        snprintf(name, name_size, "%s.tmp%ld", path, (long)getpid());
    FILE *file = fopen(name, "wb");
    kp_status_t status = file ? write_all(file, bytes, size) : KP_ERR_IO;
    int saved = errno;
    if (file && fclose(file) != 0 && status == KP_OK) {
        status = KP_ERR_IO;
        saved = errno;
    }
    if (!direct && status == KP_OK && rename(name, path) != 0) {
        status = KP_ERR_IO;
        saved = errno;
    }
    if (!direct && status != KP_OK && file)
        unlink(name);
    free(name);
    errno = saved;
    return status;
}

int kp_file_temporary(const char *name, char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");
    int length =
        snprintf(path, size, "%s/kpio-%s-XXXXXX", folder && folder[0] ? folder : "/tmp", name);
    if (length < 0 || (size_t)length >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkostemp(path, O_CLOEXEC);
}
