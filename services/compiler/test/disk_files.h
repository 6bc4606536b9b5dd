/* A server of files in the test's memory: one directory, as abi/file.h has it, with room for so many bytes; and faults: the
   request after so many others is answered by an error instead. Included once, after disk_host.h. */
#ifndef KP_SERVICES_COMPILER_TEST_DISK_FILES_H
#define KP_SERVICES_COMPILER_TEST_DISK_FILES_H

#include <stdarg.h>

#include "services/compiler/test/disk_host.h"

enum { FILES_MAX = 64, FILE_ROOM = 1 << 20, FILES_IDS = 16 };

typedef struct file {
    char name[KP_FILE_NAME_MAX + 1]; /* empty: there is none */
    uint8_t *bytes;
    uint64_t size, time;
    uint32_t type;
} file_t;

static file_t files[FILES_MAX];
static int files_open[FILES_IDS]; /* by id; -1: not open */
static uint64_t files_bytes_max = UINT64_MAX;
static long files_asked, files_fault_at = -1;
static kp_status_t files_fault;
/* Set: answers in place of the files; false: does not. */
static bool (*files_hook)(kp_wasi_kpio_ask_t *ask, uint8_t *data, size_t room);
static unsigned log_lines;
static int servers;

void kp_log(const char *format, ...)
{
    (void)format;
    log_lines++;
}

static file_t *file_find(const char *name, size_t length)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (length > 0 && strlen(files[i].name) == length &&
            memcmp(files[i].name, name, length) == 0)
            return &files[i];
    return NULL;
}

static void file_free(file_t *file)
{
    free(file->bytes);
    *file = (file_t){.name = ""};
}

static file_t *file_make(const char *name, size_t length)
{
    for (unsigned i = 0; i < FILES_MAX; i++) {
        if (files[i].name[0])
            continue;
        files[i] = (file_t){.type = KP_FILE_TYPE_REGULAR, .time = host_now};
        files[i].bytes = calloc(1, FILE_ROOM);
        memcpy(files[i].name, name, length);
        files[i].name[length] = '\0';
        return &files[i];
    }
    return NULL;
}

static void files_clear(void)
{
    for (unsigned i = 0; i < FILES_MAX; i++)
        file_free(&files[i]);
    for (unsigned i = 0; i < FILES_IDS; i++)
        files_open[i] = -1;
    files_bytes_max = UINT64_MAX;
    files_asked = 0;
    files_fault_at = -1;
    log_lines = 0;
}

static inline unsigned files_count(const char *suffix)
{
    unsigned count = 0;
    for (unsigned i = 0; i < FILES_MAX; i++)
        count += files[i].name[0] && strstr(files[i].name, suffix) != NULL;
    return count;
}

static inline unsigned files_ids_open(void)
{
    unsigned count = 0;
    for (unsigned i = 1; i < FILES_IDS; i++)
        count += files_open[i] >= 0;
    return count;
}

static uint64_t files_bytes(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < FILES_MAX; i++)
        sum += files[i].size;
    return sum;
}

static kp_status_t files_open_name(kp_wasi_kpio_ask_t *ask, file_t *file)
{
    uint32_t flags = ask->request.flags;
    if (file && flags & KP_FILE_EXCLUSIVE)
        return KP_ERR_ALREADY_EXISTS;
    if (!file && !(flags & KP_FILE_CREATE))
        return KP_ERR_NOT_FOUND;
    if (file && file->type == KP_FILE_TYPE_SYMLINK)
        return KP_ERR_LOOP;
    if (!file)
        file = file_make(ask->first, ask->request.first_size);
    if (!file)
        return KP_ERR_NO_SPACE;
    for (unsigned i = 1; i < FILES_IDS; i++) {
        if (files_open[i] >= 0)
            continue;
        files_open[i] = (int)(file - files);
        ask->reply.id = i;
        ask->reply.type = file->type;
        return KP_OK;
    }
    return KP_ERR_QUOTA;
}

static kp_status_t files_data(kp_wasi_kpio_ask_t *ask, file_t *file, uint8_t *data)
{
    uint64_t at = ask->request.offset, count = ask->request.count;
    if (ask->request.operation == KP_FILE_READ) {
        count = at >= file->size ? 0 : count < file->size - at ? count : file->size - at;
        memcpy(data, file->bytes + at, count);
        ask->reply.count = (uint32_t)count;
        return KP_OK;
    }
    count = ask->request.first_size;
    if (at + count > FILE_ROOM)
        return KP_ERR_TOO_LARGE;
    uint64_t size = at + count > file->size ? at + count : file->size;
    if (files_bytes() - file->size + size > files_bytes_max)
        return KP_ERR_NO_SPACE;
    memcpy(file->bytes + at, ask->first, count);
    file->size = size;
    file->time = host_now;
    ask->reply.count = (uint32_t)count;
    return KP_OK;
}

static kp_status_t files_stat(kp_wasi_kpio_ask_t *ask, const file_t *file, uint8_t *data)
{
    const kp_file_stat_t stat = {
        .links = 1, .size = file->size, .modification_ns = file->time, .type = file->type};
    memcpy(data, &stat, sizeof(stat));
    ask->reply.count = sizeof(stat);
    return KP_OK;
}

static kp_status_t files_list(kp_wasi_kpio_ask_t *ask, uint8_t *data)
{
    for (unsigned i = (unsigned)ask->request.offset; i < FILES_MAX; i++) {
        kp_file_entry_t entry = {
            .next = i + 1, .type = files[i].type, .name_size = (uint32_t)strlen(files[i].name)};
        if (!entry.name_size)
            continue;
        if (ask->reply.count + sizeof(entry) + entry.name_size > ask->request.count)
            break;
        memcpy(data + ask->reply.count, &entry, sizeof(entry));
        memcpy(data + ask->reply.count + sizeof(entry), files[i].name, entry.name_size);
        ask->reply.count += (uint32_t)sizeof(entry) + entry.name_size;
    }
    return KP_OK;
}

static kp_status_t files_move(kp_wasi_kpio_ask_t *ask, file_t *file, bool is_link)
{
    size_t size = ask->request.second_size;
    file_t *there = file_find(ask->second, size);
    if (!file)
        return KP_ERR_NOT_FOUND;
    if (there && is_link)
        return KP_ERR_ALREADY_EXISTS;
    if (there && there->type == KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_IS_DIRECTORY;
    if (is_link) { /* of files that nobody changes: a copy is as good */
        there = file_make(ask->second, size);
        memcpy(there->bytes, file->bytes, FILE_ROOM);
        there->size = file->size;
        return KP_OK;
    }
    if (there)
        file_free(there);
    memcpy(file->name, ask->second, size);
    file->name[size] = '\0';
    return KP_OK;
}

static kp_status_t files_answer(kp_wasi_kpio_ask_t *ask, uint8_t *data)
{
    const kp_file_request_t *request = &ask->request;
    file_t *file = request->first_size && request->operation != KP_FILE_WRITE
                       ? file_find(ask->first, request->first_size)
                       : NULL;
    if (!file && request->id > 0)
        file = request->id < FILES_IDS && files_open[request->id] >= 0
                   ? &files[files_open[request->id]]
                   : NULL;
    switch (request->operation) {
    case KP_FILE_OPEN:
        return files_open_name(ask, file);
    case KP_FILE_CLOSE:
        files_open[request->id % FILES_IDS] = -1;
        return KP_OK;
    case KP_FILE_READ:
    case KP_FILE_WRITE:
        return file ? files_data(ask, file, data) : KP_ERR_INVALID_ARGUMENT;
    case KP_FILE_STAT:
        return file ? files_stat(ask, file, data) : KP_ERR_NOT_FOUND;
    case KP_FILE_TIMES:
        if (file)
            file->time = host_now;
        return file ? KP_OK : KP_ERR_NOT_FOUND;
    case KP_FILE_LIST:
        return files_list(ask, data);
    case KP_FILE_REMOVE:
        if (file && file->type == KP_FILE_TYPE_DIRECTORY && !(request->flags & KP_FILE_DIRECTORY))
            return KP_ERR_IS_DIRECTORY;
        if (!file)
            return KP_ERR_NOT_FOUND;
        file_free(file);
        return KP_OK;
    case KP_FILE_RENAME:
    case KP_FILE_LINK:
        return files_move(ask, file, request->operation == KP_FILE_LINK);
    default:
        return KP_ERR_NOT_SUPPORTED;
    }
}

kp_status_t kp_wasi_kpio_ask(kp_wasi_kpio_server_t *server, kp_wasi_kpio_ask_t *ask,
                             size_t data_room)
{
    static uint8_t data[KP_FILE_DATA_MAX];
    (void)server;
    ask->reply = (kp_file_reply_t){.status = KP_OK};
    ask->handle = KP_HANDLE_NONE;
    ask->data = data;
    if (files_hook && files_hook(ask, data, data_room < sizeof(data) ? data_room : sizeof(data)))
        return ask->reply.status;
    if (files_asked++ == files_fault_at)
        ask->reply.status = files_fault;
    else
        ask->reply.status = files_answer(ask, data);
    return ask->reply.status;
}

kp_wasi_kpio_server_t *kp_wasi_kpio_server_create(kp_handle_t channel)
{
    kp_wasi_kpio_server_t *server = calloc(1, sizeof(*server));
    server->channel = channel;
    servers++;
    return server;
}

void kp_wasi_kpio_server_release(kp_wasi_kpio_server_t *server)
{
    for (unsigned i = 0; i < FILES_IDS; i++)
        files_open[i] = -1;
    servers--;
    free(server);
}

#endif
