/* Paths below a directory of Linux. linux_beneath.h is the wall; what would leave the directory is NOTCAPABLE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/wasi/linux_beneath.h"
#include "runtime/wasi/linux_internal.h"

static kp_wasi_errno_t error_of(int negative)
{
    return negative == -EXDEV ? KP_WASI_NOTCAPABLE : kp_wasi_linux_errno(-negative);
}

static kp_wasi_errno_t last_error(void)
{
    return kp_wasi_linux_errno(errno);
}

static kp_wasi_errno_t place_open(kp_wasi_file_t *file, kp_wasi_path_t path,
                                  kp_linux_place_t *place)
{
    int error = kp_linux_place_open(kp_wasi_linux(file)->fd, path.text, path.length, place);
    return error < 0 ? error_of(error) : KP_WASI_SUCCESS;
}

static kp_wasi_errno_t place_close(kp_linux_place_t *place, int result)
{
    kp_wasi_errno_t error = result == 0 ? KP_WASI_SUCCESS : last_error();
    close(place->directory);
    return error;
}

static int open_flags(const kp_wasi_open_t *how)
{
    int flags = how->read && how->write ? O_RDWR : how->write ? O_WRONLY : O_RDONLY;
    flags |= how->oflags & KP_WASI_OFLAG_CREAT ? O_CREAT : 0;
    flags |= how->oflags & KP_WASI_OFLAG_DIRECTORY ? O_DIRECTORY : 0;
    flags |= how->oflags & KP_WASI_OFLAG_EXCL ? O_EXCL : 0;
    flags |= how->oflags & KP_WASI_OFLAG_TRUNC ? O_TRUNC : 0;
    flags |= how->fdflags & KP_WASI_FDFLAG_APPEND ? O_APPEND : 0;
    flags |= how->fdflags & KP_WASI_FDFLAG_NONBLOCK ? O_NONBLOCK : 0;
    flags |= how->fdflags & (KP_WASI_FDFLAG_SYNC | KP_WASI_FDFLAG_RSYNC) ? O_SYNC : 0;
    flags |= how->fdflags & KP_WASI_FDFLAG_DSYNC ? O_DSYNC : 0;
    flags |= how->follow ? 0 : O_NOFOLLOW;
    return flags | O_NOCTTY;
}

kp_wasi_errno_t kp_wasi_linux_path_open(kp_wasi_file_t *file, kp_wasi_path_t path,
                                        const kp_wasi_open_t *how, kp_wasi_file_t **out)
{
    if ((how->oflags & KP_WASI_OFLAG_CREAT) && (how->oflags & KP_WASI_OFLAG_DIRECTORY))
        return KP_WASI_INVAL;
    int flags = open_flags(how);
    int directory = kp_wasi_linux(file)->fd;
    int fd = kp_linux_open_beneath(directory, path.text, flags, 0666);
    /* wasi-libc asks for all rights of a directory, writing among them. */
    if (fd == -EISDIR && !(how->oflags & (KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_TRUNC)))
        fd = kp_linux_open_beneath(directory, path.text,
                                   (flags & ~O_ACCMODE) | O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return error_of(fd);
    *out = kp_wasi_linux_file(fd, true);
    return *out ? KP_WASI_SUCCESS : KP_WASI_NOMEM;
}

/* An O_PATH descriptor of what the path names, or a negative errno. */
static int open_path(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow)
{
    return kp_linux_open_beneath(kp_wasi_linux(file)->fd, path.text,
                                 O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
}

kp_wasi_errno_t kp_wasi_linux_path_stat(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                        kp_wasi_filestat_t *stat)
{
    struct stat host;
    int fd = open_path(file, path, follow);
    if (fd < 0)
        return error_of(fd);
    kp_wasi_errno_t error = fstat(fd, &host) == 0 ? KP_WASI_SUCCESS : last_error();
    close(fd);
    if (!error)
        kp_wasi_linux_stat(&host, stat);
    return error;
}

kp_wasi_errno_t kp_wasi_linux_path_times_set(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                             const kp_wasi_times_t *times)
{
    struct timespec host[2];
    int fd = open_path(file, path, follow);
    if (fd < 0)
        return error_of(fd);
    kp_wasi_linux_times(times, host);
    kp_wasi_errno_t error =
        utimensat(fd, "", host, AT_EMPTY_PATH) == 0 ? KP_WASI_SUCCESS : last_error();
    close(fd);
    return error;
}

kp_wasi_errno_t kp_wasi_linux_path_create_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    kp_linux_place_t place;
    kp_wasi_errno_t error = place_open(file, path, &place);
    return error ? error : place_close(&place, mkdirat(place.directory, place.name, 0777));
}

kp_wasi_errno_t kp_wasi_linux_path_remove_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    kp_linux_place_t place;
    kp_wasi_errno_t error = place_open(file, path, &place);
    return error ? error : place_close(&place, unlinkat(place.directory, place.name, AT_REMOVEDIR));
}

kp_wasi_errno_t kp_wasi_linux_path_unlink_file(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    kp_linux_place_t place;
    kp_wasi_errno_t error = place_open(file, path, &place);
    if (error)
        return error;
    return place_close(&place, unlinkat(place.directory, place.name, 0));
}

/* Of the whole path: a call that gets "link/" as a last name would follow the link, and past the wall. */
kp_wasi_errno_t kp_wasi_linux_path_readlink(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,
                                            size_t capacity, size_t *count)
{
    char target[4096];
    struct stat host;
    int fd = open_path(file, path, false);
    if (fd < 0)
        return error_of(fd);
    ssize_t length = -1;
    kp_wasi_errno_t error = fstat(fd, &host) == 0 ? KP_WASI_SUCCESS : last_error();
    if (!error && !S_ISLNK(host.st_mode))
        error = KP_WASI_INVAL;
    if (!error) {
        length = readlinkat(fd, "", target, sizeof(target));
        error = length < 0 ? last_error() : KP_WASI_SUCCESS;
    }
    close(fd);
    if (error)
        return error;
    *count = (size_t)length < capacity ? (size_t)length : capacity;
    memcpy(to, target, *count);
    return KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_linux_path_symlink(kp_wasi_file_t *file, kp_wasi_path_t target,
                                           kp_wasi_path_t path)
{
    kp_linux_place_t place;
    kp_wasi_errno_t error = place_open(file, path, &place);
    return error ? error : place_close(&place, symlinkat(target.text, place.directory, place.name));
}

kp_wasi_errno_t kp_wasi_linux_path_link(kp_wasi_file_t *file, kp_wasi_path_t path,
                                        kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    kp_linux_place_t from_place, to_place;
    /* As in readlink; what has a slash behind it is a directory or nothing, and those have one name. */
    if (path.text[path.length - 1] == '/') {
        int fd = open_path(file, path, false);
        if (fd < 0)
            return error_of(fd);
        close(fd);
        return KP_WASI_PERM;
    }
    kp_wasi_errno_t error = place_open(file, path, &from_place);
    if (error)
        return error;
    error = place_open(to, to_path, &to_place);
    if (!error)
        error = place_close(&to_place, linkat(from_place.directory, from_place.name,
                                              to_place.directory, to_place.name, 0));
    close(from_place.directory);
    return error;
}

kp_wasi_errno_t kp_wasi_linux_path_rename(kp_wasi_file_t *file, kp_wasi_path_t path,
                                          kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    kp_linux_place_t from_place, to_place;
    kp_wasi_errno_t error = place_open(file, path, &from_place);
    if (error)
        return error;
    error = place_open(to, to_path, &to_place);
    if (!error)
        error = place_close(&to_place, renameat(from_place.directory, from_place.name,
                                                to_place.directory, to_place.name));
    close(from_place.directory);
    return error;
}
