/* Reading, writing and asking about open files. */
#include "runtime/wasi/internal.h"

#define RIGHT(name) KP_WASI_RIGHT(KP_WASI_RIGHT_##name)

/* The descriptor in argument 0 with these rights. */
static kp_wasi_errno_t file_of(kp_wasi_context_t *c, uint64_t rights, kp_wasi_file_t **file)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), rights, &descriptor);
    if (!error)
        *file = descriptor->file;
    return error;
}

typedef kp_wasi_errno_t (*transfer_fn)(kp_wasi_file_t *, const kp_wasi_span_t *, size_t, uint64_t,
                                       size_t *);

/* read, pread, write, pwrite: arguments 1 and 2 are the vector, result_at takes the count. */
static kp_wasi_errno_t transfer(kp_wasi_context_t *c, kp_wasi_file_t *file, transfer_fn fn,
                                uint64_t offset, uint32_t result_at)
{
    kp_wasi_span_t spans[KP_WASI_SPANS_MAX];
    uint64_t total;
    size_t count = 0;
    if (file->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_ISDIR;
    if (!fn)
        return KP_WASI_NOTSUP;
    kp_wasi_errno_t error =
        kp_wasi_spans_read(c, kp_wasi_u32(c, 1), kp_wasi_u32(c, 2), spans, &total);
    if (!error && !kp_wasi_at(c, result_at, 4))
        error = KP_WASI_FAULT;
    if (!error && offset != KP_WASI_OFFSET_NONE && offset > INT64_MAX)
        error = KP_WASI_INVAL;
    if (!error)
        error = fn(file, spans, kp_wasi_u32(c, 2), offset, &count);
    return error ? error : kp_wasi_write32(c, result_at, count);
}

kp_wasi_errno_t kp_wasi_fn_fd_read(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_READ), &file);
    return error ? error
                 : transfer(c, file, file->ops->read, KP_WASI_OFFSET_NONE, kp_wasi_u32(c, 3));
}

kp_wasi_errno_t kp_wasi_fn_fd_write(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_WRITE), &file);
    return error ? error
                 : transfer(c, file, file->ops->write, KP_WASI_OFFSET_NONE, kp_wasi_u32(c, 3));
}

/* With an offset: only what can seek has one. */
static kp_wasi_errno_t transfer_at(kp_wasi_context_t *c, kp_wasi_file_t *file, transfer_fn fn)
{
    if (c->arguments[3] > INT64_MAX)
        return KP_WASI_INVAL;
    return file->ops->seek || file->type == KP_WASI_FILETYPE_DIRECTORY
               ? transfer(c, file, fn, c->arguments[3], kp_wasi_u32(c, 4))
               : KP_WASI_SPIPE;
}

kp_wasi_errno_t kp_wasi_fn_fd_pread(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_READ) | RIGHT(FD_SEEK), &file);
    return error ? error : transfer_at(c, file, file->ops->read);
}

kp_wasi_errno_t kp_wasi_fn_fd_pwrite(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_WRITE) | RIGHT(FD_SEEK), &file);
    return error ? error : transfer_at(c, file, file->ops->write);
}

static kp_wasi_errno_t seek(kp_wasi_context_t *c, kp_wasi_file_t *file, int64_t offset,
                            uint32_t whence, uint32_t result_at)
{
    uint64_t position;
    if (whence > KP_WASI_WHENCE_END)
        return KP_WASI_INVAL;
    if (file->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_BADF;
    if (!file->ops->seek)
        return KP_WASI_SPIPE;
    if (!kp_wasi_at(c, result_at, 8))
        return KP_WASI_FAULT;
    kp_wasi_errno_t error = file->ops->seek(file, offset, (int)whence, &position);
    return error ? error : kp_wasi_write64(c, result_at, position);
}

kp_wasi_errno_t kp_wasi_fn_fd_seek(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_SEEK), &file);
    /* Asking for the position is a lesser right (the specification's fd_tell). */
    if (error == KP_WASI_NOTCAPABLE && c->arguments[1] == 0 &&
        kp_wasi_u32(c, 2) == KP_WASI_WHENCE_CUR)
        error = file_of(c, RIGHT(FD_TELL), &file);
    return error ? error
                 : seek(c, file, (int64_t)c->arguments[1], kp_wasi_u32(c, 2), kp_wasi_u32(c, 3));
}

kp_wasi_errno_t kp_wasi_fn_fd_tell(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_TELL), &file);
    return error ? error : seek(c, file, 0, KP_WASI_WHENCE_CUR, kp_wasi_u32(c, 1));
}

static kp_wasi_errno_t sync(kp_wasi_context_t *c, uint64_t right, bool data_only)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, right, &file);
    if (error)
        return error;
    return file->ops->sync ? file->ops->sync(file, data_only) : KP_WASI_INVAL;
}

kp_wasi_errno_t kp_wasi_fn_fd_sync(kp_wasi_context_t *c)
{
    return sync(c, RIGHT(FD_SYNC), false);
}

kp_wasi_errno_t kp_wasi_fn_fd_datasync(kp_wasi_context_t *c)
{
    return sync(c, RIGHT(FD_DATASYNC), true);
}

/* Advice: checked, and then there is nothing that must be done. */
kp_wasi_errno_t kp_wasi_fn_fd_advise(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_ADVISE), &file);
    if (error)
        return error;
    if (file->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_BADF;
    if (!file->ops->seek)
        return KP_WASI_SPIPE;
    return c->arguments[1] > INT64_MAX || c->arguments[2] > INT64_MAX || kp_wasi_u32(c, 3) > 5
               ? KP_WASI_INVAL
               : KP_WASI_SUCCESS;
}

kp_wasi_errno_t kp_wasi_fn_fd_allocate(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    uint64_t offset = c->arguments[1], length = c->arguments[2];
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_ALLOCATE), &file);
    if (error)
        return error;
    if (file->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_BADF;
    if (offset > INT64_MAX || length == 0 || length > INT64_MAX - offset)
        return KP_WASI_INVAL;
    return file->ops->allocate ? file->ops->allocate(file, offset, length) : KP_WASI_NOTSUP;
}

kp_wasi_errno_t kp_wasi_fn_fd_filestat_get(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_filestat_t stat = {.links = 1};
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_FILESTAT_GET), &file);
    uint8_t *at = kp_wasi_at(c, kp_wasi_u32(c, 1), KP_WASI_SIZE_FILESTAT);
    if (error)
        return error;
    if (!at)
        return KP_WASI_FAULT;
    stat.type = file->type;
    error = file->ops->stat ? file->ops->stat(file, &stat) : KP_WASI_SUCCESS;
    if (!error)
        kp_wasi_filestat_write(at, &stat);
    return error;
}

kp_wasi_errno_t kp_wasi_fn_fd_filestat_set_size(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_FILESTAT_SET_SIZE), &file);
    if (error)
        return error;
    if (file->type == KP_WASI_FILETYPE_DIRECTORY)
        return KP_WASI_BADF;
    if (c->arguments[1] > INT64_MAX || !file->ops->size_set)
        return KP_WASI_INVAL;
    return file->ops->size_set(file, c->arguments[1]);
}

kp_wasi_errno_t kp_wasi_fn_fd_filestat_set_times(kp_wasi_context_t *c)
{
    kp_wasi_file_t *file;
    kp_wasi_times_t times = {c->arguments[1], c->arguments[2], (uint16_t)kp_wasi_u32(c, 3)};
    kp_wasi_errno_t error = file_of(c, RIGHT(FD_FILESTAT_SET_TIMES), &file);
    if (error)
        return error;
    if (kp_wasi_u32(c, 3) > 15 || (times.flags & 3) == 3 || (times.flags & 12) == 12)
        return KP_WASI_INVAL;
    return file->ops->times_set ? file->ops->times_set(file, &times) : KP_WASI_NOTSUP;
}

/* Entries follow one another without padding; the last may be cut, which tells the program that there are more. */
kp_wasi_errno_t kp_wasi_fn_fd_readdir(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    uint64_t cookie = c->arguments[3];
    uint32_t capacity = kp_wasi_u32(c, 2), used = 0;
    kp_wasi_errno_t error =
        kp_wasi_directory(c->wasi, kp_wasi_u32(c, 0), RIGHT(FD_READDIR), &descriptor);
    uint8_t *to = kp_wasi_at(c, kp_wasi_u32(c, 1), capacity);
    if (error)
        return error;
    if (!to || !kp_wasi_at(c, kp_wasi_u32(c, 4), 4))
        return KP_WASI_FAULT;
    kp_wasi_file_t *file = descriptor->file;
    if (!file->ops->readdir)
        return KP_WASI_NOTSUP;
    while (used < capacity) {
        kp_wasi_direntry_t entry;
        uint8_t bytes[KP_WASI_SIZE_DIRENT + sizeof(entry.name)] = {0};
        error = file->ops->readdir(file, cookie, &entry);
        if (error == KP_WASI_NOENT)
            break;
        if (error)
            return error;
        kp_wasi_put64(bytes, entry.next);
        kp_wasi_put64(bytes + 8, entry.inode);
        kp_wasi_put32(bytes + 16, (uint32_t)entry.name_length);
        bytes[20] = (uint8_t)entry.type;
        memcpy(bytes + KP_WASI_SIZE_DIRENT, entry.name, entry.name_length);
        size_t size = KP_WASI_SIZE_DIRENT + entry.name_length, left = capacity - used;
        memcpy(to + used, bytes, size < left ? size : left);
        used += (uint32_t)(size < left ? size : left);
        cookie = entry.next;
    }
    return kp_wasi_write32(c, kp_wasi_u32(c, 4), used);
}

/* ---- sockets: streams that somebody else connected ---- */

static bool is_socket(const kp_wasi_file_t *file)
{
    return file->type == KP_WASI_FILETYPE_SOCKET_STREAM ||
           file->type == KP_WASI_FILETYPE_SOCKET_DGRAM;
}

/* The descriptor in argument 0: NOTSOCK comes before what its rights say. */
static kp_wasi_errno_t socket_of(kp_wasi_context_t *c, uint64_t rights,
                                 kp_wasi_descriptor_t **descriptor)
{
    kp_wasi_errno_t error = kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), 0, descriptor);
    if (!error && !is_socket((*descriptor)->file))
        return KP_WASI_NOTSOCK;
    return error ? error : kp_wasi_descriptor(c->wasi, kp_wasi_u32(c, 0), rights, descriptor);
}

kp_wasi_errno_t kp_wasi_fn_sock_accept(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_file_t *file;
    uint32_t number;
    kp_wasi_errno_t error = socket_of(c, RIGHT(SOCK_ACCEPT), &descriptor);
    if (error)
        return error;
    if (!descriptor->file->ops->accept)
        return KP_WASI_NOTSUP;
    if (kp_wasi_u32(c, 1) & ~(uint32_t)KP_WASI_FDFLAG_NONBLOCK)
        return KP_WASI_INVAL;
    if (!kp_wasi_at(c, kp_wasi_u32(c, 2), 4))
        return KP_WASI_FAULT;
    uint64_t rights = descriptor->rights_inheriting;
    error = descriptor->file->ops->accept(descriptor->file, (uint16_t)kp_wasi_u32(c, 1), &file);
    if (!error)
        error = kp_wasi_descriptor_open(c->wasi, file, rights, rights, &number);
    return error ? error : kp_wasi_write32(c, kp_wasi_u32(c, 2), number);
}

kp_wasi_errno_t kp_wasi_fn_sock_recv(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = socket_of(c, RIGHT(FD_READ), &descriptor);
    if (error)
        return error;
    kp_wasi_file_t *file = descriptor->file;
    if (kp_wasi_u32(c, 3)) /* peek, wait for all: of a stream without a buffer of ours */
        return KP_WASI_NOTSUP;
    uint8_t *flags = kp_wasi_at(c, kp_wasi_u32(c, 5), 2);
    if (!flags)
        return KP_WASI_FAULT;
    error = transfer(c, file, file->ops->read, KP_WASI_OFFSET_NONE, kp_wasi_u32(c, 4));
    if (!error)
        kp_wasi_put16(flags, 0);
    return error;
}

kp_wasi_errno_t kp_wasi_fn_sock_send(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    kp_wasi_errno_t error = socket_of(c, RIGHT(FD_WRITE), &descriptor);
    if (error)
        return error;
    kp_wasi_file_t *file = descriptor->file;
    if (kp_wasi_u32(c, 3))
        return KP_WASI_INVAL;
    return transfer(c, file, file->ops->write, KP_WASI_OFFSET_NONE, kp_wasi_u32(c, 4));
}

kp_wasi_errno_t kp_wasi_fn_sock_shutdown(kp_wasi_context_t *c)
{
    kp_wasi_descriptor_t *descriptor;
    uint32_t how = kp_wasi_u32(c, 1);
    kp_wasi_errno_t error = socket_of(c, RIGHT(SOCK_SHUTDOWN), &descriptor);
    if (error)
        return error;
    kp_wasi_file_t *file = descriptor->file;
    if (!file->ops->shutdown)
        return KP_WASI_NOTSUP;
    return how == 0 || how > 3 ? KP_WASI_INVAL : file->ops->shutdown(file, (uint8_t)how);
}
