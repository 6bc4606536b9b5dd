/* Paths below a directory that was given as a handle: asked of its server, and of those that it sends to. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/wasi/kpio_file.h"

enum { SERVERS_MAX = 16 }; /* file systems that one path may go through */

/* Asks with a path, wherever it leads. *server: who has answered last; the caller releases it. second: of RENAME and
   LINK, whose two rests come back in one. */
static kp_status_t path_ask(kp_wasi_kpio_file_t *own, kp_wasi_kpio_ask_t *ask, size_t data_room,
                            kp_wasi_kpio_server_t **server)
{
    size_t room = KP_FILE_PATH_MAX * 2 + 1;
    bool two = ask->request.operation == KP_FILE_RENAME || ask->request.operation == KP_FILE_LINK;
    char *rest = NULL;
    kp_status_t status = KP_OK;
    *server = own->server;
    own->server->holders++;
    ask->request.id = own->id;
    for (unsigned i = 0; i < SERVERS_MAX; i++) {
        status = kp_wasi_kpio_ask(*server, ask, data_room > room ? data_room : room);
        if (status != KP_ERR_ELSEWHERE)
            break;
        char *text = malloc(ask->reply.count + (size_t)1);
        if (text) {
            memcpy(text, ask->data, ask->reply.count);
            text[ask->reply.count] = '\0';
        }
        free(rest);
        rest = text;
        kp_wasi_kpio_server_release(*server);
        *server = kp_wasi_kpio_server_create(ask->handle);
        if (!rest || !*server) {
            status = KP_ERR_NO_MEMORY;
            break;
        }
        const char *end = memchr(rest, '\0', ask->reply.count);
        if (two != (end != NULL)) {
            status = KP_ERR_PROTOCOL;
            break;
        }
        ask->request.id = ask->request.other = 0;
        /* SYMLINK's path is its second text. */
        bool first = ask->request.operation != KP_FILE_SYMLINK;
        size_t length = two ? (size_t)(end - rest) : ask->reply.count;
        if (first) {
            ask->first = rest;
            ask->request.first_size = (uint32_t)length;
        }
        if (!first || two) {
            ask->second = two ? end + 1 : rest;
            ask->request.second_size = (uint32_t)(two ? ask->reply.count - length - 1 : length);
        }
    }
    free(rest);
    return status == KP_ERR_ELSEWHERE ? KP_ERR_LOOP : status;
}

static kp_wasi_kpio_ask_t ask_of(uint32_t operation, kp_wasi_path_t path, uint32_t flags)
{
    return (kp_wasi_kpio_ask_t){.request = {.operation = operation,
                                            .flags = flags,
                                            .rights = KP_FILE_RIGHTS_ALL,
                                            .first_size = (uint32_t)path.length},
                                .first = path.text};
}

/* For what answers nothing but its status. */
static kp_wasi_errno_t path_do(kp_wasi_file_t *file, kp_wasi_kpio_ask_t ask)
{
    kp_wasi_kpio_server_t *server;
    if (ask.request.first_size > KP_FILE_PATH_MAX || ask.request.second_size > KP_FILE_PATH_MAX)
        return KP_WASI_NAMETOOLONG;
    kp_status_t status = path_ask(kp_wasi_kpio_file(file), &ask, 0, &server);
    if (server)
        kp_wasi_kpio_server_release(server);
    return kp_wasi_kpio_file_errno(status);
}

static uint32_t open_flags(const kp_wasi_open_t *how)
{
    return (how->follow ? KP_FILE_FOLLOW : 0) | (how->read ? KP_FILE_FOR_READING : 0) |
           (how->write ? KP_FILE_FOR_WRITING : 0) |
           (how->oflags & KP_WASI_OFLAG_CREAT ? KP_FILE_CREATE : 0) |
           (how->oflags & KP_WASI_OFLAG_EXCL ? KP_FILE_EXCLUSIVE : 0) |
           (how->oflags & KP_WASI_OFLAG_TRUNC ? KP_FILE_TRUNCATE : 0) |
           (how->oflags & KP_WASI_OFLAG_DIRECTORY ? KP_FILE_DIRECTORY : 0);
}

kp_wasi_errno_t kp_wasi_kpio_path_open(kp_wasi_file_t *file, kp_wasi_path_t path,
                                       const kp_wasi_open_t *how, kp_wasi_file_t **out)
{
    kp_wasi_kpio_ask_t ask = ask_of(KP_FILE_OPEN, path, open_flags(how));
    kp_wasi_kpio_server_t *server;
    if (path.length > KP_FILE_PATH_MAX)
        return KP_WASI_NAMETOOLONG;
    kp_status_t status = path_ask(kp_wasi_kpio_file(file), &ask, 0, &server);
    /* wasi-libc asks for all rights of a directory, writing among them. */
    if (status == KP_ERR_IS_DIRECTORY &&
        !(how->oflags & (KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_TRUNC))) {
        if (server)
            kp_wasi_kpio_server_release(server);
        ask = ask_of(KP_FILE_OPEN, path,
                     (open_flags(how) & ~(uint32_t)KP_FILE_FOR_WRITING) | KP_FILE_DIRECTORY);
        status = path_ask(kp_wasi_kpio_file(file), &ask, 0, &server);
    }
    if (status == KP_OK && (ask.reply.id == 0 || ask.reply.count > 0))
        status = KP_ERR_PROTOCOL;
    if (status != KP_OK) {
        if (server)
            kp_wasi_kpio_server_release(server);
        return kp_wasi_kpio_file_errno(status);
    }
    server->holders++; /* so that the id can still be closed */
    *out = kp_wasi_kpio_file_create(server, ask.reply.id, ask.reply.type, how->fdflags);
    if (!*out)
        (void)kp_wasi_kpio_id_close(server, ask.reply.id); /* if it fails, so did the server */
    kp_wasi_kpio_server_release(server);
    return *out ? KP_WASI_SUCCESS : KP_WASI_NOMEM;
}

kp_wasi_errno_t kp_wasi_kpio_path_stat(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                       kp_wasi_filestat_t *stat)
{
    kp_wasi_kpio_ask_t ask = ask_of(KP_FILE_STAT, path, follow ? KP_FILE_FOLLOW : 0);
    kp_wasi_kpio_server_t *server;
    if (path.length > KP_FILE_PATH_MAX)
        return KP_WASI_NAMETOOLONG;
    kp_status_t status = path_ask(kp_wasi_kpio_file(file), &ask, sizeof(kp_file_stat_t), &server);
    if (status == KP_OK)
        status = kp_wasi_kpio_stat_read(&ask, stat);
    if (server)
        kp_wasi_kpio_server_release(server);
    return kp_wasi_kpio_file_errno(status);
}

kp_wasi_errno_t kp_wasi_kpio_path_times_set(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                            const kp_wasi_times_t *times)
{
    kp_wasi_kpio_ask_t ask = ask_of(KP_FILE_TIMES, path, follow ? KP_FILE_FOLLOW : 0);
    kp_wasi_kpio_times_put(&ask, times);
    return path_do(file, ask);
}

kp_wasi_errno_t kp_wasi_kpio_path_create_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    return path_do(file, ask_of(KP_FILE_MAKE, path, 0));
}

kp_wasi_errno_t kp_wasi_kpio_path_remove_directory(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    return path_do(file, ask_of(KP_FILE_REMOVE, path, KP_FILE_DIRECTORY));
}

kp_wasi_errno_t kp_wasi_kpio_path_unlink_file(kp_wasi_file_t *file, kp_wasi_path_t path)
{
    return path_do(file, ask_of(KP_FILE_REMOVE, path, 0));
}

kp_wasi_errno_t kp_wasi_kpio_path_readlink(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,
                                           size_t capacity, size_t *count)
{
    kp_wasi_kpio_ask_t ask = ask_of(KP_FILE_READLINK, path, 0);
    kp_wasi_kpio_server_t *server;
    if (path.length > KP_FILE_PATH_MAX)
        return KP_WASI_NAMETOOLONG;
    kp_status_t status = path_ask(kp_wasi_kpio_file(file), &ask, KP_FILE_PATH_MAX, &server);
    if (status == KP_OK) {
        *count = ask.reply.count < capacity ? ask.reply.count : capacity;
        memcpy(to, ask.data, *count);
    }
    if (server)
        kp_wasi_kpio_server_release(server);
    return kp_wasi_kpio_file_errno(status);
}

static void second_put(kp_wasi_kpio_ask_t *ask, kp_wasi_path_t path)
{
    ask->second = path.text;
    ask->request.second_size = path.length > KP_FILE_PATH_MAX ? UINT32_MAX : (uint32_t)path.length;
}

kp_wasi_errno_t kp_wasi_kpio_path_symlink(kp_wasi_file_t *file, kp_wasi_path_t target,
                                          kp_wasi_path_t path)
{
    kp_wasi_kpio_ask_t ask = ask_of(KP_FILE_SYMLINK, target, 0);
    second_put(&ask, path);
    return path_do(file, ask);
}

static kp_wasi_errno_t two_paths(uint32_t operation, kp_wasi_file_t *file, kp_wasi_path_t path,
                                 kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    kp_wasi_kpio_ask_t ask = ask_of(operation, path, 0);
    if (kp_wasi_kpio_file(file)->server != kp_wasi_kpio_file(to)->server)
        return KP_WASI_XDEV; /* a server knows only what its own channel opened */
    second_put(&ask, to_path);
    ask.request.other = kp_wasi_kpio_file(to)->id;
    return path_do(file, ask);
}

kp_wasi_errno_t kp_wasi_kpio_path_link(kp_wasi_file_t *file, kp_wasi_path_t path,
                                       kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    return two_paths(KP_FILE_LINK, file, path, to, to_path);
}

kp_wasi_errno_t kp_wasi_kpio_path_rename(kp_wasi_file_t *file, kp_wasi_path_t path,
                                         kp_wasi_file_t *to, kp_wasi_path_t to_path)
{
    return two_paths(KP_FILE_RENAME, file, path, to, to_path);
}
