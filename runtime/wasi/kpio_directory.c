/* Directories that were given as handles ("dir:NAME", abi/startup.h), and what is opened in them. Paths below them are in
   kpio_path.c. */
#include "runtime/wasi/kpio_file.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"

enum {
    LIST_BYTES = 4096,
    DOTS = 2, /* "." and "..", which no server lists; cookies of its entries come behind */
};

static const kp_wasi_file_ops_t regular_ops, directory_ops;

kp_wasi_errno_t kp_wasi_kpio_file_errno(kp_status_t status)
{
    switch (status) {
    case KP_ERR_NOT_DIRECTORY:
        return KP_WASI_NOTDIR;
    case KP_ERR_IS_DIRECTORY:
        return KP_WASI_ISDIR;
    case KP_ERR_NOT_EMPTY:
        return KP_WASI_NOTEMPTY;
    case KP_ERR_LOOP:
        return KP_WASI_LOOP;
    case KP_ERR_NAME_TOO_LONG:
        return KP_WASI_NAMETOOLONG;
    case KP_ERR_READ_ONLY:
        return KP_WASI_ROFS;
    case KP_ERR_NO_SPACE:
    case KP_ERR_QUOTA:
    case KP_ERR_NO_MEMORY:
        return KP_WASI_NOSPC;
    case KP_ERR_BUSY:
        return KP_WASI_BUSY;
    case KP_ERR_CROSS_DEVICE:
        return KP_WASI_XDEV;
    case KP_ERR_OUTSIDE:
        return KP_WASI_NOTCAPABLE;
    case KP_ERR_NOT_PERMITTED:
        return KP_WASI_PERM;
    case KP_ERR_ALREADY_EXISTS:
        return KP_WASI_EXIST;
    case KP_ERR_TOO_LARGE:
        return KP_WASI_FBIG;
    case KP_ERR_PEER_CLOSED:
    case KP_ERR_BAD_HANDLE:
        return KP_WASI_IO; /* its server has gone: the descriptor is good, the file is not */
    default:
        return kp_wasi_kpio_errno(status);
    }
}

static kp_wasi_filetype_t filetype_of(uint32_t type)
{
    static const uint8_t types[] = {
        [KP_FILE_TYPE_OTHER] = KP_WASI_FILETYPE_UNKNOWN,
        [KP_FILE_TYPE_REGULAR] = KP_WASI_FILETYPE_REGULAR_FILE,
        [KP_FILE_TYPE_DIRECTORY] = KP_WASI_FILETYPE_DIRECTORY,
        [KP_FILE_TYPE_SYMLINK] = KP_WASI_FILETYPE_SYMBOLIC_LINK,
        [KP_FILE_TYPE_DEVICE] = KP_WASI_FILETYPE_CHARACTER_DEVICE,
    };
    return type < sizeof(types) ? types[type] : KP_WASI_FILETYPE_UNKNOWN;
}

kp_wasi_file_t *kp_wasi_kpio_file_create(kp_wasi_kpio_server_t *server, uint32_t id, uint32_t type,
                                         uint16_t fdflags)
{
    kp_wasi_kpio_file_t *own = calloc(1, sizeof(*own));
    bool directory = type == KP_FILE_TYPE_DIRECTORY;
    if (!own) {
        kp_wasi_kpio_server_release(server);
        return NULL;
    }
    own->file.ops = directory ? &directory_ops : &regular_ops;
    /* Devices too: who asks whether one is ready is told so, for a server has no other answer. */
    own->file.type = directory ? KP_WASI_FILETYPE_DIRECTORY : KP_WASI_FILETYPE_REGULAR_FILE;
    own->server = server;
    own->id = id;
    own->fdflags = fdflags;
    return &own->file;
}

kp_wasi_file_t *kp_wasi_kpio_directory(kp_wasi_kpio_server_t *server)
{
    return kp_wasi_kpio_file_create(server, 0, KP_FILE_TYPE_DIRECTORY, 0);
}

kp_status_t kp_wasi_kpio_id_close(kp_wasi_kpio_server_t *server, uint32_t id)
{
    kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_CLOSE, .id = id}};
    return kp_wasi_kpio_ask(server, &ask, 0);
}

static void file_close(kp_wasi_file_t *file)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    if (own->id != 0 && own->server->holders > 1)
        (void)kp_wasi_kpio_id_close(own->server, own->id); /* a server that is gone has closed it */
    kp_wasi_kpio_server_release(own->server);
    free(own->list);
    free(own);
}

/* ---- contents ---- */

static kp_wasi_errno_t file_read(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                 size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    uint64_t at = offset == KP_WASI_OFFSET_NONE ? own->position : offset;
    kp_status_t status = KP_OK;
    bool more = true;
    for (size_t i = 0; i < span_count && more; i++) {
        for (size_t done = 0; done < spans[i].count && more;) {
            size_t part = spans[i].count - done;
            if (part > KP_FILE_DATA_MAX)
                part = KP_FILE_DATA_MAX;
            kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_READ,
                                                  .id = own->id,
                                                  .offset = at,
                                                  .count = (uint32_t)part}};
            status = kp_wasi_kpio_ask(own->server, &ask, part);
            if (status != KP_OK)
                goto end;
            memcpy(spans[i].bytes + done, ask.data, ask.reply.count);
            done += ask.reply.count;
            at += ask.reply.count;
            *count += ask.reply.count;
            more = ask.reply.count == part;
        }
    }
end:
    if (offset == KP_WASI_OFFSET_NONE)
        own->position = at;
    return *count > 0 ? KP_WASI_SUCCESS : kp_wasi_kpio_file_errno(status);
}

static kp_status_t sync_ask(kp_wasi_kpio_file_t *own, bool data_only)
{
    kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_SYNC,
                                          .id = own->id,
                                          .flags = data_only ? KP_FILE_DATA : 0}};
    return kp_wasi_kpio_ask(own->server, &ask, 0);
}

static kp_wasi_errno_t file_write(kp_wasi_file_t *file, const kp_wasi_span_t *spans,
                                  size_t span_count, uint64_t offset, size_t *count)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    uint64_t at = offset == KP_WASI_OFFSET_NONE ? own->position : offset;
    kp_status_t status = KP_OK;
    bool append = own->fdflags & KP_WASI_FDFLAG_APPEND;
    for (size_t i = 0; i < span_count && status == KP_OK; i++) {
        for (size_t done = 0; done < spans[i].count && status == KP_OK;) {
            size_t part = spans[i].count - done;
            if (part > KP_FILE_DATA_MAX)
                part = KP_FILE_DATA_MAX;
            kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_WRITE,
                                                  .id = own->id,
                                                  .flags = append ? KP_FILE_APPEND : 0,
                                                  .offset = append ? 0 : at,
                                                  .first_size = (uint32_t)part},
                                      .first = spans[i].bytes + done};
            status = kp_wasi_kpio_ask(own->server, &ask, 0);
            if (status != KP_OK)
                break;
            done += ask.reply.count;
            at = append ? ask.reply.position : at + ask.reply.count;
            *count += ask.reply.count;
            if (ask.reply.count < part)
                status = KP_ERR_NO_SPACE;
        }
    }
    if (offset == KP_WASI_OFFSET_NONE)
        own->position = at;
    if (*count > 0 && own->fdflags & (KP_WASI_FDFLAG_DSYNC | KP_WASI_FDFLAG_SYNC)) {
        status = sync_ask(own, !(own->fdflags & KP_WASI_FDFLAG_SYNC));
        return kp_wasi_kpio_file_errno(status);
    }
    return *count > 0 ? KP_WASI_SUCCESS : kp_wasi_kpio_file_errno(status);
}

kp_status_t kp_wasi_kpio_stat_read(const kp_wasi_kpio_ask_t *ask, kp_wasi_filestat_t *to)
{
    kp_file_stat_t stat;
    if (ask->reply.count != sizeof(stat))
        return KP_ERR_PROTOCOL;
    memcpy(&stat, ask->data, sizeof(stat));
    *to = (kp_wasi_filestat_t){
        .device = stat.device,
        .inode = stat.inode,
        .links = stat.links,
        .size = stat.size,
        .access_ns = stat.access_ns,
        .modification_ns = stat.modification_ns,
        .change_ns = stat.change_ns,
        .type = filetype_of(stat.type),
    };
    return KP_OK;
}

static kp_status_t own_stat(kp_wasi_kpio_file_t *own, kp_wasi_filestat_t *stat)
{
    kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_STAT, .id = own->id}};
    kp_status_t status = kp_wasi_kpio_ask(own->server, &ask, sizeof(kp_file_stat_t));
    return status == KP_OK ? kp_wasi_kpio_stat_read(&ask, stat) : status;
}

static kp_wasi_errno_t file_stat(kp_wasi_file_t *file, kp_wasi_filestat_t *stat)
{
    return kp_wasi_kpio_file_errno(own_stat(kp_wasi_kpio_file(file), stat));
}

static kp_wasi_errno_t file_seek(kp_wasi_file_t *file, int64_t offset, int whence,
                                 uint64_t *position)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    kp_wasi_filestat_t stat = {.size = 0};
    int64_t to;
    if (whence == KP_WASI_WHENCE_END) {
        kp_status_t status = own_stat(own, &stat);
        if (status != KP_OK)
            return kp_wasi_kpio_file_errno(status);
    } else if (whence == KP_WASI_WHENCE_CUR) {
        stat.size = own->position;
    }
    if (stat.size > INT64_MAX || __builtin_add_overflow((int64_t)stat.size, offset, &to) || to < 0)
        return KP_WASI_INVAL;
    *position = own->position = (uint64_t)to;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_flags_get(kp_wasi_file_t *file, uint16_t *fdflags)
{
    *fdflags = kp_wasi_kpio_file(file)->fdflags;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t file_flags_set(kp_wasi_file_t *file, uint16_t fdflags)
{
    kp_wasi_kpio_file(file)->fdflags = fdflags;
    return KP_WASI_SUCCESS;
}

static kp_wasi_errno_t size_ask(kp_wasi_file_t *file, uint64_t size, uint32_t flags)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    kp_wasi_kpio_ask_t ask = {
        .request = {.operation = KP_FILE_SIZE, .id = own->id, .offset = size, .flags = flags}};
    return kp_wasi_kpio_file_errno(kp_wasi_kpio_ask(own->server, &ask, 0));
}

static kp_wasi_errno_t file_size_set(kp_wasi_file_t *file, uint64_t size)
{
    return size_ask(file, size, 0);
}

static kp_wasi_errno_t file_allocate(kp_wasi_file_t *file, uint64_t offset, uint64_t length)
{
    return size_ask(file, offset + length, KP_FILE_GROW); /* below 2^63 */
}

void kp_wasi_kpio_times_put(kp_wasi_kpio_ask_t *ask, const kp_wasi_times_t *times)
{
    ask->request.access_ns = times->access_ns;
    ask->request.modification_ns = times->modification_ns;
    ask->request.flags |= (times->flags & KP_WASI_FST_ATIM ? KP_FILE_SET_ACCESS : 0) |
                          (times->flags & KP_WASI_FST_ATIM_NOW ? KP_FILE_NOW_ACCESS : 0) |
                          (times->flags & KP_WASI_FST_MTIM ? KP_FILE_SET_MODIFICATION : 0) |
                          (times->flags & KP_WASI_FST_MTIM_NOW ? KP_FILE_NOW_MODIFICATION : 0);
}

static kp_wasi_errno_t file_times_set(kp_wasi_file_t *file, const kp_wasi_times_t *times)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    kp_wasi_kpio_ask_t ask = {.request = {.operation = KP_FILE_TIMES, .id = own->id}};
    kp_wasi_kpio_times_put(&ask, times);
    return kp_wasi_kpio_file_errno(kp_wasi_kpio_ask(own->server, &ask, 0));
}

static kp_wasi_errno_t file_sync(kp_wasi_file_t *file, bool data_only)
{
    return kp_wasi_kpio_file_errno(sync_ask(kp_wasi_kpio_file(file), data_only));
}

/* ---- listing ---- */

static kp_wasi_errno_t dots(kp_wasi_kpio_file_t *own, uint64_t cookie, kp_wasi_direntry_t *entry)
{
    kp_wasi_filestat_t stat;
    kp_status_t status = own_stat(own, &stat);
    if (status != KP_OK)
        return kp_wasi_kpio_file_errno(status);
    if (stat.links == 0) /* it was removed: not even itself is in it */
        return KP_WASI_NOENT;
    *entry = (kp_wasi_direntry_t){.next = cookie + 1,
                                  .inode = stat.inode,
                                  .type = KP_WASI_FILETYPE_DIRECTORY,
                                  .name_length = (size_t)cookie + 1,
                                  .name = ".."};
    return KP_WASI_SUCCESS;
}

static kp_status_t list_fill(kp_wasi_kpio_file_t *own, uint64_t cookie)
{
    kp_wasi_kpio_ask_t ask = {
        .request = {
            .operation = KP_FILE_LIST, .id = own->id, .offset = cookie, .count = LIST_BYTES}};
    own->list_size = own->list_at = 0;
    if (!own->list)
        own->list = malloc(LIST_BYTES);
    if (!own->list)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_wasi_kpio_ask(own->server, &ask, LIST_BYTES);
    if (status != KP_OK)
        return status;
    memcpy(own->list, ask.data, ask.reply.count); /* at most LIST_BYTES found room */
    own->list_size = ask.reply.count;
    own->list_cookie = cookie;
    return KP_OK;
}

static kp_wasi_errno_t file_readdir(kp_wasi_file_t *file, uint64_t cookie,
                                    kp_wasi_direntry_t *entry)
{
    kp_wasi_kpio_file_t *own = kp_wasi_kpio_file(file);
    kp_file_entry_t head;
    if (cookie < DOTS) {
        own->list_size = 0; /* from the start: what has changed is seen */
        return dots(own, cookie, entry);
    }
    cookie -= DOTS;
    if (own->list_at >= own->list_size || own->list_cookie != cookie) {
        kp_status_t status = list_fill(own, cookie);
        if (status != KP_OK)
            return kp_wasi_kpio_file_errno(status);
        if (own->list_size == 0)
            return KP_WASI_NOENT;
    }
    size_t left = own->list_size - own->list_at;
    if (left < sizeof(head))
        return KP_WASI_IO;
    memcpy(&head, own->list + own->list_at, sizeof(head));
    if (head.name_size == 0 || head.name_size > KP_FILE_NAME_MAX ||
        head.name_size > left - sizeof(head) || head.next <= cookie || head.next > INT64_MAX)
        return KP_WASI_IO;
    const char *name = (const char *)own->list + own->list_at + sizeof(head);
    if (memchr(name, '\0', head.name_size) || memchr(name, '/', head.name_size))
        return KP_WASI_IO;
    entry->next = head.next + DOTS;
    entry->inode = head.inode;
    entry->type = filetype_of(head.type);
    entry->name_length = head.name_size;
    memcpy(entry->name, name, head.name_size);
    own->list_at += sizeof(head) + head.name_size;
    own->list_cookie = head.next;
    return KP_WASI_SUCCESS;
}

static const kp_wasi_file_ops_t regular_ops = {KP_WASI_REGULAR_OPS(file_)};
static const kp_wasi_file_ops_t directory_ops = {KP_WASI_DIRECTORY_OPS(file_, kp_wasi_kpio_path_)};

/* ---- what the startup message brings ---- */

/* "dir:NAME=RIGHTS": the name's length; 0: it is none. */
static size_t name_of(const char *handle, uint32_t *rights)
{
    const char *equals = strrchr(handle, '=');
    *rights = 0;
    if (strncmp(handle, "dir:", 4) != 0 || !equals)
        return 0;
    for (const char *digit = equals + 1; *digit >= '0' && *digit <= '9'; digit++)
        *rights = *rights * 10 + (uint32_t)(*digit - '0');
    return (size_t)(equals - handle) - 4;
}

bool kp_wasi_kpio_has_directory(const char *name)
{
    const char *handle;
    uint32_t rights;
    for (size_t i = 0; (handle = kp_startup_name(i)); i++) {
        size_t length = name_of(handle, &rights);
        if (length > 0 && length == strlen(name) && memcmp(handle + 4, name, length) == 0)
            return true;
    }
    return false;
}

kp_status_t kp_wasi_kpio_give_directory(kp_wasi_t *wasi, kp_handle_t channel, const char *name,
                                        bool read_only)
{
    kp_wasi_kpio_server_t *server = kp_wasi_kpio_server_create(channel);
    kp_wasi_file_t *directory = server ? kp_wasi_kpio_directory(server) : NULL;
    return directory ? kp_wasi_give_directory(wasi, directory, name, read_only) : KP_ERR_NO_MEMORY;
}

kp_status_t kp_wasi_kpio_directories(kp_wasi_t *wasi)
{
    const char *handle;
    char name[KP_FILE_NAME_MAX + 1];
    uint32_t rights;
    for (size_t i = 0; (handle = kp_startup_name(i)); i++) {
        size_t length = name_of(handle, &rights);
        kp_handle_t channel =
            length > 0 && length < sizeof(name) ? kp_startup_take(handle) : KP_HANDLE_NONE;
        if (channel == KP_HANDLE_NONE)
            continue;
        memcpy(name, handle + 4, length);
        name[length] = '\0';
        kp_status_t status =
            kp_wasi_kpio_give_directory(wasi, channel, name, !(rights & KP_FILE_RIGHT_WRITE));
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}
