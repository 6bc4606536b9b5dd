#include "runtime/wasi/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/wasi/linux_internal.h"

#define NS_PER_S UINT64_C(1000000000)

kp_wasi_errno_t kp_wasi_linux_errno(int error)
{
    static const struct {
        int host;
        kp_wasi_errno_t wasi;
    } map[] = {
        {0, KP_WASI_SUCCESS},
        {E2BIG, KP_WASI_2BIG},
        {EACCES, KP_WASI_ACCES},
        {EAGAIN, KP_WASI_AGAIN},
        {EBADF, KP_WASI_BADF},
        {EBUSY, KP_WASI_BUSY},
        {ECONNRESET, KP_WASI_CONNRESET},
        {EDQUOT, KP_WASI_DQUOT},
        {EEXIST, KP_WASI_EXIST},
        {EFBIG, KP_WASI_FBIG},
        {EILSEQ, KP_WASI_ILSEQ},
        {EINTR, KP_WASI_INTR},
        {EINVAL, KP_WASI_INVAL},
        {EISDIR, KP_WASI_ISDIR},
        {ELOOP, KP_WASI_LOOP},
        {EMFILE, KP_WASI_MFILE},
        {EMLINK, KP_WASI_MLINK},
        {ENAMETOOLONG, KP_WASI_NAMETOOLONG},
        {ENFILE, KP_WASI_NFILE},
        {ENODEV, KP_WASI_NODEV},
        {ENOENT, KP_WASI_NOENT},
        {ENOMEM, KP_WASI_NOMEM},
        {ENOSPC, KP_WASI_NOSPC},
        {ENOSYS, KP_WASI_NOSYS},
        {ENOTDIR, KP_WASI_NOTDIR},
        {ENOTEMPTY, KP_WASI_NOTEMPTY},
        {ENOTSOCK, KP_WASI_NOTSOCK},
        {EOPNOTSUPP, KP_WASI_NOTSUP},
        {ENXIO, KP_WASI_NXIO},
        {EOVERFLOW, KP_WASI_OVERFLOW},
        {EPERM, KP_WASI_PERM},
        {EPIPE, KP_WASI_PIPE},
        {EROFS, KP_WASI_ROFS},
        {ESPIPE, KP_WASI_SPIPE},
        {ETXTBSY, KP_WASI_TXTBSY},
        {EXDEV, KP_WASI_XDEV},
    };
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        if (map[i].host == error)
            return map[i].wasi;
    }
    return KP_WASI_IO;
}

static kp_wasi_errno_t last_error(void)
{
    return kp_wasi_linux_errno(errno);
}

kp_wasi_filetype_t kp_wasi_linux_type(unsigned mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return KP_WASI_FILETYPE_REGULAR_FILE;
    case S_IFDIR:
        return KP_WASI_FILETYPE_DIRECTORY;
    case S_IFLNK:
        return KP_WASI_FILETYPE_SYMBOLIC_LINK;
    case S_IFCHR:
        return KP_WASI_FILETYPE_CHARACTER_DEVICE;
    case S_IFBLK:
        return KP_WASI_FILETYPE_BLOCK_DEVICE;
    case S_IFSOCK:
        return KP_WASI_FILETYPE_SOCKET_STREAM;
    default:
        return KP_WASI_FILETYPE_UNKNOWN;
    }
}

static uint64_t ns_of(struct timespec time)
{
    return time.tv_sec < 0 ? 0 : (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

void kp_wasi_linux_stat(const struct stat *from, kp_wasi_filestat_t *to)
{
    *to = (kp_wasi_filestat_t){
        .device = from->st_dev,
        .inode = from->st_ino,
        .links = from->st_nlink,
        .size = (uint64_t)from->st_size,
        .access_ns = ns_of(from->st_atim),
        .modification_ns = ns_of(from->st_mtim),
        .change_ns = ns_of(from->st_ctim),
        .type = kp_wasi_linux_type(from->st_mode),
    };
}

static struct timespec time_of(uint64_t ns, bool now, bool set)
{
    if (now)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (!set)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

void kp_wasi_linux_times(const kp_wasi_times_t *times, struct timespec out[2])
{
    out[0] = time_of(times->access_ns, times->flags & KP_WASI_FST_ATIM_NOW,
                     times->flags & KP_WASI_FST_ATIM);
    out[1] = time_of(times->modification_ns, times->flags & KP_WASI_FST_MTIM_NOW,
                     times->flags & KP_WASI_FST_MTIM);
}

/* ---- files ---- */

static void file_close(kp_wasi_file_t *file)
{
    kp_wasi_linux_file_t *own = kp_wasi_linux(file);
    if (own->directory)
        closedir(own->directory);
    if (own->owned)
        close(own->fd);
    free(own);
}

/* The host's limit of buffers in one call; the rest is left for the program's next call. */
enum { VECTORS_MAX = 64 };

static int vectors_make(const kp_wasi_span_t *spans, size_t count, struct iovec *vectors)
{
    int used = 0;
    for (size_t i = 0; i < count && used < VECTORS_MAX; i++) {
        if (spans[i].count)
            vectors[used++] = (struct iovec){spans[i].bytes, spans[i].count};
    }
    return used;
}

static kp_wasi_errno_t file_read(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                 size_t span_count, uint64_t offset, size_t *count)
{
    struct iovec vectors[VECTORS_MAX];
    int fd = kp_wasi_linux(file)->fd, used = vectors_make(spans, span_count, vectors);
    ssize_t result = offset == KP_WASI_OFFSET_NONE ? readv(fd, vectors, used)
                                                   : preadv(fd, vectors, used, (off_t)offset);
    if (result < 0)
        return last_error();
    *count = (size_t)result;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_write(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                  size_t span_count, uint64_t offset, size_t *count)
{
    struct iovec vectors[VECTORS_MAX];
    int fd = kp_wasi_linux(file)->fd, used = vectors_make(spans, span_count, vectors);
    ssize_t result = offset == KP_WASI_OFFSET_NONE ? writev(fd, vectors, used)
                                                   : pwritev(fd, vectors, used, (off_t)offset);
    if (result < 0)
        return last_error();
    *count = (size_t)result;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_seek(kp_wasi_file_t *file, int64_t offset, int whence,
                                 uint64_t *position)
{
    static const int hosts[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    off_t result = lseek(kp_wasi_linux(file)->fd, offset, hosts[whence]);
    if (result < 0)
        return last_error();
    *position = (uint64_t)result;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_stat(kp_wasi_file_t *file, kp_wasi_filestat_t *stat)
{
    struct stat host;
    if (fstat(kp_wasi_linux(file)->fd, &host) != 0)
        return last_error();
    kp_wasi_linux_stat(&host, stat);
    stat->type = file->type;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_flags_get(kp_wasi_file_t *file, uint16_t *fdflags)
{
    int flags = fcntl(kp_wasi_linux(file)->fd, F_GETFL);
    if (flags < 0)
        return last_error();
    *fdflags = (uint16_t)((flags & O_APPEND ? KP_WASI_FDFLAG_APPEND : 0) |
                          (flags & O_NONBLOCK ? KP_WASI_FDFLAG_NONBLOCK : 0) |
                          ((flags & O_SYNC) == O_SYNC ? KP_WASI_FDFLAG_SYNC : 0) |
                          ((flags & O_SYNC) == O_DSYNC ? KP_WASI_FDFLAG_DSYNC : 0));
    return KP_WASI_SUCCESS;
}

/* Synchronous writing cannot be changed on an open file of Linux: refused unless it is as it was. */
static kp_wasi_errno_t file_flags_set(kp_wasi_file_t *file, uint16_t fdflags)
{
    const uint16_t changeable = KP_WASI_FDFLAG_APPEND | KP_WASI_FDFLAG_NONBLOCK;
    kp_wasi_linux_file_t *own = kp_wasi_linux(file);
    uint16_t now = 0;
    kp_wasi_errno_t error = file_flags_get(file, &now);
    if (error)
        return error;
    if ((now ^ fdflags) & ~changeable)
        return KP_WASI_NOTSUP;
    if (!own->owned) /* a standard stream is shared with who started us */
        return now == fdflags ? KP_WASI_SUCCESS : KP_WASI_NOTSUP;
    int flags = fcntl(own->fd, F_GETFL) & ~(O_APPEND | O_NONBLOCK);
    flags |= fdflags & KP_WASI_FDFLAG_APPEND ? O_APPEND : 0;
    flags |= fdflags & KP_WASI_FDFLAG_NONBLOCK ? O_NONBLOCK : 0;
    return fcntl(own->fd, F_SETFL, flags) == 0 ? KP_WASI_SUCCESS : last_error();
}

static kp_wasi_errno_t file_size_set(kp_wasi_file_t *file, uint64_t size)
{
    return ftruncate(kp_wasi_linux(file)->fd, (off_t)size) == 0 ? KP_WASI_SUCCESS : last_error();
}

static kp_wasi_errno_t file_times_set(kp_wasi_file_t *file, const kp_wasi_times_t *times)
{
    struct timespec host[2];
    kp_wasi_linux_times(times, host);
    return futimens(kp_wasi_linux(file)->fd, host) == 0 ? KP_WASI_SUCCESS : last_error();
}

static kp_wasi_errno_t file_allocate(kp_wasi_file_t *file, uint64_t offset, uint64_t length)
{
    return kp_wasi_linux_errno(
        posix_fallocate(kp_wasi_linux(file)->fd, (off_t)offset, (off_t)length));
}

static kp_wasi_errno_t file_sync(kp_wasi_file_t *file, bool data_only)
{
    int fd = kp_wasi_linux(file)->fd;
    return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? KP_WASI_SUCCESS : last_error();
}

/* Cookies are telldir positions plus one, so that 0 is the start. */
static kp_wasi_errno_t file_readdir(kp_wasi_file_t *file, uint64_t cookie,
                                    kp_wasi_direntry_t *entry)
{
    kp_wasi_linux_file_t *own = kp_wasi_linux(file);
    if (!own->directory) {
        int fd = openat(own->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        own->directory = fd >= 0 ? fdopendir(fd) : NULL;
        if (!own->directory) {
            int error = errno;
            if (fd >= 0)
                close(fd);
            return kp_wasi_linux_errno(error);
        }
    }
    if (cookie == 0)
        rewinddir(own->directory);
    else if (cookie != own->cookie)
        seekdir(own->directory, (long)(cookie - 1));
    errno = 0;
    const struct dirent *host = readdir(own->directory);
    if (!host)
        return errno ? last_error() : KP_WASI_NOENT;
    entry->next = own->cookie = (uint64_t)telldir(own->directory) + 1;
    entry->inode = host->d_ino;
    entry->type = kp_wasi_linux_type(DTTOIF(host->d_type));
    entry->name_length = strnlen(host->d_name, sizeof(entry->name) - 1);
    memcpy(entry->name, host->d_name, entry->name_length);
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_accept(kp_wasi_file_t *file, uint16_t fdflags, kp_wasi_file_t **out)
{
    int flags = SOCK_CLOEXEC | (fdflags & KP_WASI_FDFLAG_NONBLOCK ? SOCK_NONBLOCK : 0);
    int fd = accept4(kp_wasi_linux(file)->fd, NULL, NULL, flags);
    if (fd < 0)
        return last_error();
    *out = kp_wasi_linux_file(fd, true);
    return *out ? KP_WASI_SUCCESS : KP_WASI_NOMEM;
}

static kp_wasi_errno_t file_shutdown(kp_wasi_file_t *file, uint8_t how)
{
    int host = how == 3 ? SHUT_RDWR : how == 2 ? SHUT_WR : SHUT_RD;
    return shutdown(kp_wasi_linux(file)->fd, host) == 0 ? KP_WASI_SUCCESS : last_error();
}

static const kp_wasi_file_ops_t regular_ops = {KP_WASI_REGULAR_OPS(file_)};
static const kp_wasi_file_ops_t stream_ops = {
    .close = file_close,
    .read = file_read,
    .write = file_write,
    .stat = file_stat,
    .flags_get = file_flags_get,
    .flags_set = file_flags_set,
};
static const kp_wasi_file_ops_t socket_ops = {
    .close = file_close,
    .read = file_read,
    .write = file_write,
    .stat = file_stat,
    .flags_get = file_flags_get,
    .flags_set = file_flags_set,
    .accept = file_accept,
    .shutdown = file_shutdown,
};
static const kp_wasi_file_ops_t directory_ops = {KP_WASI_DIRECTORY_OPS(file_, kp_wasi_linux_path_)};

kp_wasi_file_t *kp_wasi_linux_file(int fd, bool owned)
{
    struct stat host;
    kp_wasi_linux_file_t *file = calloc(1, sizeof(*file));
    if (!file) {
        if (owned)
            close(fd);
        return NULL;
    }
    file->fd = fd;
    file->owned = owned;
    file->file.type =
        fstat(fd, &host) == 0 ? kp_wasi_linux_type(host.st_mode) : KP_WASI_FILETYPE_UNKNOWN;
    switch (file->file.type) {
    case KP_WASI_FILETYPE_REGULAR_FILE:
    case KP_WASI_FILETYPE_BLOCK_DEVICE:
        file->file.ops = &regular_ops;
        break;
    case KP_WASI_FILETYPE_DIRECTORY:
        file->file.ops = &directory_ops;
        break;
    case KP_WASI_FILETYPE_SOCKET_STREAM:
        file->file.ops = &socket_ops;
        break;
    default:
        file->file.ops = &stream_ops;
        break;
    }
    return &file->file;
}

/* ---- giving ---- */

kp_status_t kp_wasi_linux_streams(kp_wasi_t *wasi)
{
    kp_status_t status = KP_OK;
    for (int fd = 0; fd < 3 && status == KP_OK; fd++) {
        kp_wasi_file_t *file = kp_wasi_linux_file(fd, false);
        bool is_terminal = isatty(fd);
        status = file ? kp_wasi_give_stream(wasi, file, fd == 0, is_terminal) : KP_ERR_NO_MEMORY;
    }
    return status;
}

kp_status_t kp_wasi_linux_directory(kp_wasi_t *wasi, const char *path, const char *name,
                                    bool read_only)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT    ? KP_ERR_NOT_FOUND
               : errno == EACCES  ? KP_ERR_ACCESS_DENIED
               : errno == ENOTDIR ? KP_ERR_NOT_SUPPORTED
                                  : KP_ERR_IO;
    kp_wasi_file_t *file = kp_wasi_linux_file(fd, true);
    kp_wasi_filestat_t stat;
    if (!file)
        return KP_ERR_NO_MEMORY;
    /* Tells now, in one line, what every later call would. */
    if (kp_wasi_linux_path_stat(file, (kp_wasi_path_t){".", 1}, true, &stat) == KP_WASI_NOSYS) {
        file->ops->close(file);
        return KP_ERR_NOT_SUPPORTED;
    }
    return kp_wasi_give_directory(wasi, file, name, read_only);
}

/* ---- clocks, entropy, waiting ---- */

static clockid_t clock_of(uint32_t clock)
{
    static const clockid_t clocks[KP_WASI_CLOCKS] = {
        CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    return clocks[clock];
}

static kp_wasi_errno_t host_clock_time(void *context, uint32_t clock, uint64_t *ns)
{
    struct timespec time;
    (void)context;
    if (clock_gettime(clock_of(clock), &time) != 0)
        return last_error();
    *ns = ns_of(time);
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t host_clock_resolution(void *context, uint32_t clock, uint64_t *ns)
{
    struct timespec time;
    (void)context;
    if (clock_getres(clock_of(clock), &time) != 0)
        return last_error();
    *ns = ns_of(time);
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t host_random(void *context, uint8_t *bytes, size_t count)
{
    (void)context;
    while (count > 0) {
        ssize_t got = getrandom(bytes, count < 65536 ? count : 65536, 0);
        if (got < 0 && errno != EINTR)
            return last_error();
        if (got > 0) {
            bytes += got;
            count -= (size_t)got;
        }
    }
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t host_poll(void *context, kp_wasi_poll_t *items, size_t count,
                                 uint64_t wait_ns)
{
    (void)context;
    struct pollfd *fds = calloc(count ? count : 1, sizeof(*fds));
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S),
                            .tv_nsec = (long)(wait_ns % NS_PER_S)};
    if (!fds)
        return KP_WASI_NOMEM;
    for (size_t i = 0; i < count; i++) {
        fds[i].fd = kp_wasi_linux(items[i].file)->fd;
        fds[i].events = items[i].write ? POLLOUT : POLLIN;
    }
    int result = ppoll(fds, count, wait_ns == UINT64_MAX ? NULL : &wait, NULL);
    kp_wasi_errno_t error = result < 0 ? last_error() : KP_WASI_SUCCESS;
    for (size_t i = 0; i < count && !error; i++) {
        items[i].ready = fds[i].revents & (POLLIN | POLLOUT | POLLHUP | POLLERR);
        items[i].hangup = fds[i].revents & POLLHUP;
        items[i].error = fds[i].revents & POLLNVAL ? KP_WASI_BADF : KP_WASI_SUCCESS;
        int available = 0;
        if (items[i].ready && !items[i].write && ioctl(fds[i].fd, FIONREAD, &available) == 0)
            items[i].available = available > 0 ? (uint64_t)available : 0;
    }
    free(fds);
    return error;
}

static void host_yield(void *context)
{
    (void)context;
    sched_yield();
}

const kp_wasi_host_t kp_wasi_linux_host = {
    .clock_time = host_clock_time,
    .clock_resolution = host_clock_resolution,
    .random = host_random,
    .poll = host_poll,
    .yield = host_yield,
};
