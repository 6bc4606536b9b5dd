#include "kernel/machine/hosted/hostfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/wasi/linux_beneath.h"

#define NS_PER_S UINT64_C(1000000000)
#define LIST_END ((uint64_t)INT64_MAX) /* the cookie behind the last entry */

typedef struct host_source {
    kp_vfs_source_t source;
    bool read_only;
    struct host_file *root;
} host_source_t;

typedef struct host_file {
    kp_vfs_node_t node;
    atomic_uint references;
    int fd;
    host_source_t *source; /* referenced, but by the root */
} host_file_t;

static const kp_vfs_ops_t host_ops;

static host_file_t *own_of(kp_vfs_node_t *node)
{
    return KP_CONTAINER_OF(node, host_file_t, node);
}

/* ---- errors ---- */

static kp_status_t status_of(int error)
{
    static const struct {
        int host;
        kp_status_t status;
    } map[] = {
        {0, KP_OK},
        {EACCES, KP_ERR_ACCESS_DENIED},
        {EAGAIN, KP_ERR_BUSY},
        {EBUSY, KP_ERR_BUSY},
        {EDQUOT, KP_ERR_NO_SPACE},
        {EEXIST, KP_ERR_ALREADY_EXISTS},
        {EFBIG, KP_ERR_TOO_LARGE},
        {EINVAL, KP_ERR_INVALID_ARGUMENT},
        {EISDIR, KP_ERR_IS_DIRECTORY},
        {ELOOP, KP_ERR_LOOP},
        {EMFILE, KP_ERR_QUOTA},
        {EMLINK, KP_ERR_QUOTA},
        {ENAMETOOLONG, KP_ERR_NAME_TOO_LONG},
        {ENFILE, KP_ERR_NO_MEMORY},
        {ENOENT, KP_ERR_NOT_FOUND},
        {ENOMEM, KP_ERR_NO_MEMORY},
        {ENOSPC, KP_ERR_NO_SPACE},
        {ENOTDIR, KP_ERR_NOT_DIRECTORY},
        {ENOTEMPTY, KP_ERR_NOT_EMPTY},
        {ENXIO, KP_ERR_NOT_SUPPORTED},
        {EOPNOTSUPP, KP_ERR_NOT_SUPPORTED},
        {EPERM, KP_ERR_NOT_PERMITTED},
        {EROFS, KP_ERR_READ_ONLY},
        {ETXTBSY, KP_ERR_BUSY},
    };
    for (size_t i = 0; i < KP_ARRAY_COUNT(map); i++)
        if (map[i].host == error)
            return map[i].status;
    return KP_ERR_IO;
}

static kp_status_t result_of(int result)
{
    return result == 0 ? KP_OK : status_of(errno);
}

/* ---- paths ---- */

typedef struct text {
    char bytes[KP_FILE_PATH_MAX + 1];
} text_t;

static const char *text_put(text_t *text, kp_vfs_path_t path)
{
    memcpy(text->bytes, path.text, path.length);
    text->bytes[path.length] = 0;
    return text->bytes;
}

static kp_status_t beneath_status(int negative)
{
    return negative == -EXDEV ? KP_ERR_OUTSIDE : status_of(-negative);
}

/* An O_PATH descriptor of what the path names, or a negative errno. */
static int path_open(host_file_t *own, kp_vfs_path_t path, bool follow)
{
    text_t text;
    return kp_linux_open_beneath(own->fd, text_put(&text, path), O_PATH | (follow ? 0 : O_NOFOLLOW),
                                 0);
}

static kp_status_t place_open(host_file_t *own, kp_vfs_path_t path, kp_linux_place_t *place)
{
    int error = kp_linux_place_open(own->fd, path.text, path.length, place);
    return error < 0 ? beneath_status(error) : KP_OK;
}

static kp_status_t place_close(kp_linux_place_t *place, int result)
{
    kp_status_t status = result_of(result);
    close(place->directory);
    return status;
}

/* ---- nodes ---- */

static void host_acquire(kp_vfs_node_t *node)
{
    atomic_fetch_add(&own_of(node)->references, 1);
}

static void host_release(kp_vfs_node_t *node)
{
    host_file_t *own = own_of(node);
    host_source_t *source = own->source;
    if (atomic_fetch_sub(&own->references, 1) != 1)
        return;
    close(own->fd);
    kp_kfree(own);
    kp_vfs_source_release(&source->source);
}

static uint32_t type_of(unsigned mode)
{
    return S_ISREG(mode)   ? KP_FILE_TYPE_REGULAR
           : S_ISDIR(mode) ? KP_FILE_TYPE_DIRECTORY
           : S_ISLNK(mode) ? KP_FILE_TYPE_SYMLINK
           : S_ISCHR(mode) ? KP_FILE_TYPE_DEVICE
                           : KP_FILE_TYPE_OTHER;
}

/* Takes fd, also on error. */
static kp_status_t file_create(host_source_t *source, int fd, host_file_t **out)
{
    struct stat info;
    kp_status_t status = result_of(fstat(fd, &info));
    if (status == KP_OK && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        status = KP_ERR_NOT_SUPPORTED;
    host_file_t *own = status == KP_OK ? kp_kalloc(sizeof(*own)) : NULL;
    if (!own) {
        close(fd);
        return status == KP_OK ? KP_ERR_NO_MEMORY : status;
    }
    own->node = (kp_vfs_node_t){.ops = &host_ops, .type = type_of(info.st_mode)};
    atomic_init(&own->references, 1);
    own->fd = fd;
    own->source = source;
    *out = own;
    return KP_OK;
}

static kp_status_t host_open(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             uint32_t flags, kp_vfs_node_t **out)
{
    host_file_t *own = own_of(node), *made;
    bool reads = flags & KP_FILE_FOR_READING, writes = flags & KP_FILE_FOR_WRITING;
    text_t text;
    (void)request;
    if ((flags & KP_FILE_CREATE) && (flags & KP_FILE_DIRECTORY))
        return KP_ERR_INVALID_ARGUMENT;
    /* Nothing that could keep the kernel waiting: no FIFO, no terminal. */
    int how = O_NONBLOCK | O_NOCTTY |
              (reads && writes ? O_RDWR
               : writes        ? O_WRONLY
                               : O_RDONLY) |
              (flags & KP_FILE_CREATE ? O_CREAT : 0) | (flags & KP_FILE_EXCLUSIVE ? O_EXCL : 0) |
              (flags & KP_FILE_TRUNCATE ? O_TRUNC : 0) |
              (flags & KP_FILE_DIRECTORY ? O_DIRECTORY : 0) |
              (flags & KP_FILE_FOLLOW ? 0 : O_NOFOLLOW);
    if (own->source->read_only && (writes || flags & (KP_FILE_CREATE | KP_FILE_TRUNCATE))) {
        /* Only whether it is there. */
        int fd = path_open(own, path, flags & KP_FILE_FOLLOW);
        if (fd < 0)
            return flags & KP_FILE_CREATE && fd == -ENOENT ? KP_ERR_READ_ONLY : beneath_status(fd);
        struct stat info;
        bool directory = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
        close(fd);
        return directory ? KP_ERR_IS_DIRECTORY : KP_ERR_READ_ONLY;
    }
    int fd = kp_linux_open_beneath(own->fd, text_put(&text, path), how, 0666);
    if (fd < 0)
        return beneath_status(fd);
    kp_status_t status = file_create(own->source, fd, &made);
    if (status != KP_OK)
        return status;
    (void)kp_vfs_source_acquire(&own->source->source);
    *out = &made->node;
    return KP_OK;
}

/* ---- contents ---- */

static kp_status_t host_read(kp_vfs_node_t *node, uint64_t offset, void *to, uint32_t count,
                             uint32_t *done)
{
    if (offset > INT64_MAX) {
        *done = 0;
        return KP_OK;
    }
    ssize_t result;
    do
        result = pread(own_of(node)->fd, to, count, (off_t)offset);
    while (result < 0 && errno == EINTR);
    *done = result > 0 ? (uint32_t)result : 0;
    return result < 0 ? status_of(errno) : KP_OK;
}

static kp_status_t host_write(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t offset,
                              const void *from, uint32_t count, uint32_t *done, uint64_t *position)
{
    int fd = own_of(node)->fd;
    struct stat info;
    (void)request;
    *done = 0;
    *position = 0;
    /* The host appends as one step only by a flag of the open file, which others may share. Two who append at the same
       moment may write over each other; within one program they do not. */
    if (offset == UINT64_MAX && fstat(fd, &info) != 0)
        return status_of(errno);
    off_t at = offset == UINT64_MAX ? info.st_size : (off_t)offset;
    ssize_t result;
    do
        result = pwrite(fd, from, count, at);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return status_of(errno);
    *done = (uint32_t)result;
    *position = (uint64_t)at + *done;
    return KP_OK;
}

static kp_status_t host_size(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t size,
                             bool grow)
{
    int fd = own_of(node)->fd;
    struct stat info;
    (void)request;
    if (size > INT64_MAX)
        return KP_ERR_TOO_LARGE;
    if (grow && fstat(fd, &info) != 0)
        return status_of(errno);
    if (grow && (uint64_t)info.st_size >= size)
        return KP_OK;
    return result_of(ftruncate(fd, (off_t)size));
}

static kp_status_t host_sync(kp_vfs_node_t *node, bool data_only)
{
    int fd = own_of(node)->fd;
    int result = data_only ? fdatasync(fd) : fsync(fd);
    /* A directory that was opened only to walk from has nothing to keep. */
    return result != 0 && errno == EBADF ? KP_OK : result_of(result);
}

/* ---- about files ---- */

static uint64_t ns_of(struct timespec time)
{
    return time.tv_sec < 0 ? 0 : (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static kp_status_t host_stat(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             bool follow, kp_file_stat_t *stat)
{
    host_file_t *own = own_of(node);
    struct stat info;
    (void)request;
    int fd = path.length > 0 ? path_open(own, path, follow) : own->fd;
    if (fd < 0)
        return beneath_status(fd);
    kp_status_t status = result_of(fstat(fd, &info));
    if (fd != own->fd)
        close(fd);
    if (status == KP_OK)
        *stat = (kp_file_stat_t){
            .device = info.st_dev,
            .inode = info.st_ino,
            .links = info.st_nlink,
            .size = (uint64_t)info.st_size,
            .access_ns = ns_of(info.st_atim),
            .modification_ns = ns_of(info.st_mtim),
            .change_ns = ns_of(info.st_ctim),
            .type = type_of(info.st_mode),
        };
    return status;
}

static struct timespec time_of(uint64_t ns, bool now, bool set)
{
    if (now)
        return (struct timespec){.tv_nsec = UTIME_NOW};
    if (!set)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

static kp_status_t host_times(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                              uint32_t flags, uint64_t access_ns, uint64_t modification_ns)
{
    host_file_t *own = own_of(node);
    const struct timespec times[2] = {
        time_of(access_ns, flags & KP_FILE_NOW_ACCESS, flags & KP_FILE_SET_ACCESS),
        time_of(modification_ns, flags & KP_FILE_NOW_MODIFICATION,
                flags & KP_FILE_SET_MODIFICATION)};
    (void)request;
    int fd = path.length > 0 ? path_open(own, path, flags & KP_FILE_FOLLOW) : own->fd;
    if (fd < 0)
        return beneath_status(fd);
    kp_status_t status = own->source->read_only
                             ? KP_ERR_READ_ONLY
                             : result_of(utimensat(fd, "", times, AT_EMPTY_PATH));
    if (fd != own->fd)
        close(fd);
    return status;
}

static kp_status_t host_readlink(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                                 uint8_t *to, uint32_t room, uint32_t *used)
{
    struct stat info;
    (void)request;
    int fd = path_open(own_of(node), path, false);
    if (fd < 0)
        return beneath_status(fd);
    kp_status_t status = result_of(fstat(fd, &info));
    if (status == KP_OK && !S_ISLNK(info.st_mode))
        status = KP_ERR_INVALID_ARGUMENT;
    ssize_t length = status == KP_OK ? readlinkat(fd, "", (char *)to, room) : 0;
    if (length < 0)
        status = status_of(errno);
    *used = length > 0 ? (uint32_t)length : 0;
    close(fd);
    return status;
}

/* The host's own cookies. Each call opens the directory anew, so that clients do not share a place in it. */
static kp_status_t host_list(kp_vfs_node_t *node, uint64_t cookie, uint8_t *to, uint32_t room,
                             uint32_t *used)
{
    int fd = kp_linux_open_beneath(own_of(node)->fd, ".", O_RDONLY | O_DIRECTORY, 0);
    *used = 0;
    if (fd < 0)
        return beneath_status(fd);
    if (cookie >= LIST_END) {
        close(fd);
        return KP_OK;
    }
    DIR *directory = fdopendir(fd);
    if (!directory) {
        close(fd);
        return KP_ERR_NO_MEMORY;
    }
    if (cookie > 0)
        seekdir(directory, (long)(cookie - 1)); /* ours are one more: 0 is the start */
    kp_status_t status = KP_OK;
    for (const struct dirent *item; (item = readdir(directory));) {
        size_t length = strlen(item->d_name);
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 ||
            length > KP_FILE_NAME_MAX)
            continue;
        if (sizeof(kp_file_entry_t) + length > room - *used) {
            status = *used > 0 ? KP_OK : KP_ERR_BUFFER_TOO_SMALL;
            break;
        }
        /* Behind the last one ext4 says INT64_MAX, the greatest cookie that there is. */
        uint64_t next = (uint64_t)item->d_off < LIST_END ? (uint64_t)item->d_off + 1 : LIST_END;
        const kp_file_entry_t entry = {.next = next,
                                       .inode = item->d_ino,
                                       .type = type_of(DTTOIF(item->d_type)),
                                       .name_size = (uint32_t)length};
        memcpy(to + *used, &entry, sizeof(entry));
        memcpy(to + *used + sizeof(entry), item->d_name, length);
        *used += (uint32_t)(sizeof(entry) + length);
    }
    closedir(directory);
    return status;
}

/* ---- changing names ---- */

static kp_status_t writable(host_file_t *own)
{
    return own->source->read_only ? KP_ERR_READ_ONLY : KP_OK;
}

static kp_status_t host_make(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path)
{
    kp_linux_place_t place;
    (void)request;
    kp_status_t status = writable(own_of(node));
    if (status == KP_OK)
        status = place_open(own_of(node), path, &place);
    return status == KP_OK ? place_close(&place, mkdirat(place.directory, place.name, 0777))
                           : status;
}

static kp_status_t host_remove(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                               bool directory)
{
    kp_linux_place_t place;
    (void)request;
    kp_status_t status = writable(own_of(node));
    if (status == KP_OK)
        status = place_open(own_of(node), path, &place);
    return status == KP_OK ? place_close(&place, unlinkat(place.directory, place.name,
                                                          directory ? AT_REMOVEDIR : 0))
                           : status;
}

static kp_status_t host_symlink(kp_vfs_node_t *node, kp_vfs_request_t *request,
                                kp_vfs_path_t target, kp_vfs_path_t path)
{
    kp_linux_place_t place;
    text_t text;
    (void)request;
    kp_status_t status = writable(own_of(node));
    if (status == KP_OK)
        status = place_open(own_of(node), path, &place);
    return status == KP_OK ? place_close(&place, symlinkat(text_put(&text, target), place.directory,
                                                           place.name))
                           : status;
}

/* Opens both places and does it. */
static kp_status_t two_places(kp_vfs_node_t *node, kp_vfs_path_t path, kp_vfs_node_t *to,
                              kp_vfs_path_t to_path, bool links)
{
    kp_linux_place_t from, place;
    kp_status_t status = writable(own_of(node));
    if (status == KP_OK)
        status = writable(own_of(to));
    if (status == KP_OK)
        status = place_open(own_of(node), path, &from);
    if (status != KP_OK)
        return status;
    status = place_open(own_of(to), to_path, &place);
    if (status == KP_OK) {
        int result = links ? linkat(from.directory, from.name, place.directory, place.name, 0)
                           : renameat(from.directory, from.name, place.directory, place.name);
        status = result != 0 && errno == EXDEV ? KP_ERR_CROSS_DEVICE : result_of(result);
        close(place.directory);
    }
    close(from.directory);
    return status;
}

static kp_status_t host_rename(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                               kp_vfs_node_t *to, kp_vfs_path_t to_path)
{
    (void)request;
    return two_places(node, path, to, to_path, false);
}

static kp_status_t host_link(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                             kp_vfs_node_t *to, kp_vfs_path_t to_path)
{
    (void)request;
    if (path.text[path.length - 1] ==
        '/') { /* linkat would follow it; only directories are so named */
        int fd = path_open(own_of(node), path, false);
        if (fd < 0)
            return beneath_status(fd);
        close(fd);
        return KP_ERR_NOT_PERMITTED;
    }
    return two_places(node, path, to, to_path, true);
}

static const kp_vfs_ops_t host_ops = {
    .acquire = host_acquire,
    .release = host_release,
    .open = host_open,
    .read = host_read,
    .write = host_write,
    .stat = host_stat,
    .times = host_times,
    .size = host_size,
    .list = host_list,
    .make = host_make,
    .remove = host_remove,
    .rename = host_rename,
    .link = host_link,
    .symlink = host_symlink,
    .readlink = host_readlink,
    .sync = host_sync,
};

/* ---- the source ---- */

static void source_destroy(kp_vfs_source_t *source)
{
    host_source_t *own = KP_CONTAINER_OF(source, host_source_t, source);
    close(own->root->fd);
    kp_kfree(own->root);
    kp_kfree(own);
}

/* Each connection has a node of its own, which holds the source; the root's does not. */
static kp_status_t source_attach(kp_vfs_source_t *source, kp_capability_t *end, kp_vfs_path_t path,
                                 uint32_t rights, kp_quota_t *quota)
{
    host_source_t *own = KP_CONTAINER_OF(source, host_source_t, source);
    host_file_t *root;
    int fd = fcntl(own->root->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return status_of(errno);
    kp_status_t status = file_create(own, fd, &root);
    if (status != KP_OK)
        return status;
    (void)kp_vfs_source_acquire(source);
    status = kp_vfs_attach_at(&root->node, end, path, rights, quota);
    host_release(&root->node);
    return status;
}

kp_status_t kp_hosted_hostfs_create(int fd, bool read_only, kp_vfs_source_t **out)
{
    static const kp_vfs_source_ops_t ops = {.destroy = source_destroy, .attach = source_attach};
    host_source_t *own = kp_kalloc(sizeof(*own));
    if (!own)
        return KP_ERR_NO_MEMORY;
    own->root = kp_kalloc(sizeof(*own->root));
    if (!own->root) {
        kp_kfree(own);
        return KP_ERR_NO_MEMORY;
    }
    kp_vfs_source_init(&own->source, &ops);
    own->root->fd = fd;
    own->read_only = read_only;
    *out = &own->source;
    return KP_OK;
}
