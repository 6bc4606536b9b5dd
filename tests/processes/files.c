/* A file system that is a process: a small tree, read only, served by abi/file.h over channels. The driver mounts it in a
   directory of its own and hands that on; a third program opens, reads and lists by libc, which the kernel sends elsewhere
   where the path meets the mount. Then the server dies. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/file.h"
#include "tests/processes/processes.h"

enum { BIG_SIZE = 200000, CLIENTS_MAX = 32, IDS = 16 };

/* ---- The tree ---- */

typedef struct entry {
    const char *path; /* below the root; "" is the root */
    const char *text; /* NULL: a directory, or what big_byte says */
    uint64_t size;
    uint32_t type;
} entry_t;

static const entry_t entries[] = {
    {"", NULL, 0, KP_FILE_TYPE_DIRECTORY},
    {"hello", "Hello from a process.\n", 22, KP_FILE_TYPE_REGULAR},
    {"sub", NULL, 0, KP_FILE_TYPE_DIRECTORY},
    {"sub/deep", "deep\n", 5, KP_FILE_TYPE_REGULAR},
    {"sub/big", NULL, BIG_SIZE, KP_FILE_TYPE_REGULAR},
};
enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

static uint8_t big_byte(uint64_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8));
}

/* ---- The server: one thread for all clients ---- */

typedef struct client {
    kp_handle_t channel; /* NONE: free */
    uint32_t entry[IDS]; /* of each id, plus 1; 0: not open. Id 0 is what the channel stands for */
} client_t;

static client_t clients[CLIENTS_MAX]; /* the first is who mounted: it only sends CONNECT */
static kp_message_t message;
static struct {
    kp_file_reply_t head;
    uint8_t data[KP_FILE_DATA_MAX];
} reply;

/* The entry that a path below another one means, plus 1; 0: none. Plain names, no "." nor "..". */
static uint32_t entry_find(uint32_t from, const char *path, size_t length)
{
    char whole[64];
    const char *above = entries[from].path;
    while (length > 0 && path[length - 1] == '/')
        length--;
    int size = snprintf(whole, sizeof(whole), "%s%s%.*s", above, *above && length ? "/" : "",
                        (int)length, path);
    for (uint32_t i = 0; size >= 0 && size < (int)sizeof(whole) && i < ENTRIES; i++)
        if (strcmp(entries[i].path, whole) == 0)
            return i + 1;
    return 0;
}

static kp_status_t do_open(client_t *client, uint32_t found, const kp_file_request_t *request)
{
    uint32_t id = 1;
    if (request->flags & (KP_FILE_FOR_WRITING | KP_FILE_CREATE | KP_FILE_TRUNCATE))
        return KP_ERR_READ_ONLY;
    if (request->flags & KP_FILE_DIRECTORY && entries[found].type != KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_NOT_DIRECTORY;
    while (id < IDS && client->entry[id])
        id++;
    if (id == IDS)
        return KP_ERR_QUOTA;
    client->entry[id] = found + 1;
    reply.head.id = id;
    reply.head.type = entries[found].type;
    return KP_OK;
}

static kp_status_t do_read(uint32_t found, const kp_file_request_t *request)
{
    const entry_t *entry = &entries[found];
    if (entry->type != KP_FILE_TYPE_REGULAR)
        return KP_ERR_IS_DIRECTORY;
    if (request->flags & KP_FILE_IN_BUFFER)
        return KP_ERR_NOT_SUPPORTED;
    while (reply.head.count < request->count && reply.head.count < KP_FILE_DATA_MAX &&
           request->offset + reply.head.count < entry->size) {
        uint64_t at = request->offset + reply.head.count;
        reply.data[reply.head.count++] = entry->text ? (uint8_t)entry->text[at] : big_byte(at);
    }
    return KP_OK;
}

static void do_stat(uint32_t found)
{
    const kp_file_stat_t stat = {.device = 77,
                                 .inode = found + 1,
                                 .links = 1,
                                 .size = entries[found].size,
                                 .type = entries[found].type};
    memcpy(reply.data, &stat, sizeof(stat));
    reply.head.count = sizeof(stat);
}

/* The cookie is the number of the entry to go on at. */
static kp_status_t do_list(uint32_t found, const kp_file_request_t *request)
{
    size_t above = strlen(entries[found].path);
    if (entries[found].type != KP_FILE_TYPE_DIRECTORY)
        return KP_ERR_NOT_DIRECTORY;
    for (uint64_t i = request->offset; i < ENTRIES; i++) {
        const char *name = entries[i].path;
        if (strncmp(name, entries[found].path, above) != 0 || (above && name[above] != '/'))
            continue;
        name += above ? above + 1 : 0;
        if (!*name || strchr(name, '/'))
            continue;
        const kp_file_entry_t entry = {.next = i + 1,
                                       .inode = i + 1,
                                       .type = entries[i].type,
                                       .name_size = (uint32_t)strlen(name)};
        if (reply.head.count + sizeof(entry) + entry.name_size > request->count)
            return reply.head.count ? KP_OK : KP_ERR_BUFFER_TOO_SMALL;
        memcpy(reply.data + reply.head.count, &entry, sizeof(entry));
        memcpy(reply.data + reply.head.count + sizeof(entry), name, entry.name_size);
        reply.head.count += (uint32_t)sizeof(entry) + entry.name_size;
    }
    return KP_OK;
}

static kp_status_t do_connect(uint32_t found, kp_handle_t channel)
{
    for (unsigned i = 1; channel && i < CLIENTS_MAX; i++) {
        if (clients[i].channel)
            continue;
        clients[i] = (client_t){.channel = channel, .entry = {found + 1}};
        return KP_OK;
    }
    (void)kp_handle_close(channel);
    return KP_ERR_QUOTA;
}

static kp_status_t request_do(client_t *client, uint32_t size, kp_handle_t handle)
{
    kp_file_request_t request;
    if (size < sizeof(request))
        return KP_ERR_PROTOCOL;
    memcpy(&request, message.bytes, sizeof(request));
    if (size != sizeof(request) + (uint64_t)request.first_size + request.second_size)
        return KP_ERR_PROTOCOL;
    if (request.id >= IDS || !client->entry[request.id])
        return KP_ERR_BAD_HANDLE;
    uint32_t found = entry_find(client->entry[request.id] - 1,
                                (const char *)message.bytes + sizeof(request), request.first_size);
    if (!found--)
        return KP_ERR_NOT_FOUND;
    switch (request.operation) {
    case KP_FILE_OPEN:
        return do_open(client, found, &request);
    case KP_FILE_CLOSE:
        client->entry[request.id] = request.id ? 0 : client->entry[0];
        return KP_OK;
    case KP_FILE_READ:
        return do_read(found, &request);
    case KP_FILE_STAT:
        do_stat(found);
        return KP_OK;
    case KP_FILE_LIST:
        return do_list(found, &request);
    case KP_FILE_CONNECT:
        return do_connect(found, handle);
    case KP_FILE_READLINK:
        return KP_ERR_INVALID_ARGUMENT;
    default:
        return KP_ERR_READ_ONLY;
    }
}

/* The next request of a client, if there is one. False: it has gone. */
static bool client_serve(client_t *client)
{
    kp_channel_message_t room = {.bytes = (uint32_t)kp_mem(message.bytes),
                                 .byte_count = sizeof(message.bytes),
                                 .handles = (uint32_t)kp_mem(message.handles),
                                 .handle_count = KP_CHANNEL_HANDLES_MAX};
    kp_status_t status = kp_channel_receive(client->channel, &room, KP_TIME_POLL);
    if (status == KP_ERR_TIMED_OUT || status == KP_ERR_SHOULD_WAIT)
        return true;
    if (status != KP_OK)
        return false;
    memset(&reply.head, 0, sizeof(reply.head));
    reply.head.status =
        request_do(client, room.byte_count, room.handle_count ? message.handles[0] : 0);
    if (reply.head.status != KP_OK)
        reply.head.count = 0;
    const kp_channel_message_t answer = {.bytes = (uint32_t)kp_mem(&reply),
                                         .byte_count =
                                             (uint32_t)sizeof(reply.head) + reply.head.count,
                                         .transaction = room.transaction};
    if (room.transaction)
        (void)kp_channel_reply(client->channel, &answer);
    return true;
}

int role_file_server(void)
{
    clients[0] = (client_t){.channel = child_given[0], .entry = {1}};
    CHECK(control_say(child_control, 'r') == KP_OK);
    while (clients[0].channel) {
        kp_wait_item_t items[CLIENTS_MAX];
        unsigned count = 0, which[CLIENTS_MAX];
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
            if (!clients[i].channel)
                continue;
            which[count] = i;
            items[count++] =
                (kp_wait_item_t){.handle = clients[i].channel,
                                 .signals = KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED};
        }
        CHECK(kp_object_wait_many(items, count, KP_TIME_INFINITE) == KP_OK);
        for (unsigned i = 0; i < count; i++) {
            client_t *client = &clients[which[i]];
            if (!(items[i].observed & items[i].signals) || client_serve(client))
                continue;
            (void)kp_handle_close(client->channel);
            *client = (client_t){0};
        }
    }
    return 0;
}

/* ---- The client: libc ---- */

static int names_check(const char *path, const char *first, const char *second)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    CHECK(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        CHECK(strcmp(entry->d_name, first) == 0 || strcmp(entry->d_name, second) == 0);
        count++;
    }
    CHECK(count == 2);
    return closedir(directory) == 0 ? 0 : __LINE__;
}

static int big_check(const char *path)
{
    static uint8_t bytes[BIG_SIZE + 1];
    FILE *file = fopen(path, "r");
    CHECK(file && fread(bytes, 1, sizeof(bytes), file) == BIG_SIZE);
    for (unsigned i = 0; i < BIG_SIZE; i++)
        CHECK(bytes[i] == big_byte(i));
    CHECK(fseek(file, 123456, SEEK_SET) == 0 && fgetc(file) == big_byte(123456));
    return fclose(file) == 0 ? 0 : __LINE__;
}

int role_file_client(void)
{
    struct stat status;
    char line[64] = "";
    int hello = open("/d/m/hello", O_RDONLY);
    CHECK(hello >= 0 && read(hello, line, sizeof(line)) == 22);
    CHECK(memcmp(line, "Hello from a process.\n", 22) == 0);
    CHECK(stat("/d/m/sub/big", &status) == 0 && status.st_size == BIG_SIZE &&
          S_ISREG(status.st_mode));
    CHECK(stat("/d/m/sub", &status) == 0 && S_ISDIR(status.st_mode));
    CHECK(stat("/d/beside", &status) == 0 && status.st_size == 0); /* of the kernel's directory */
    int failed = names_check("/d/m", "hello", "sub");
    failed = failed ? failed : names_check("/d/m/sub", "deep", "big");
    failed = failed ? failed : names_check("/d", "m", "beside");
    failed = failed ? failed : big_check("/d/m/sub/big");
    if (failed)
        return failed;
    CHECK(open("/d/m/none", O_RDONLY) < 0 && errno == ENOENT);
    CHECK(open("/d/m/sub/deep", O_WRONLY) < 0 && errno != 0);
    CHECK(open("/d/m/new", O_WRONLY | O_CREAT, 0666) < 0 && errno != 0);
    CHECK(mkdir("/d/m/new", 0777) < 0 && errno != 0);
    CHECK(open("/d/m/../../x", O_RDONLY) < 0);
    /* The server dies: what is open and what is not says so, and the directory around it goes on. */
    CHECK(control_say(child_control, 'd') == KP_OK && control_hear(child_control) == 'k');
    CHECK(lseek(hello, 0, SEEK_SET) == 0 && read(hello, line, sizeof(line)) < 0 && errno == EIO);
    CHECK(open("/d/m/hello", O_RDONLY) < 0 && errno == EIO);
    CHECK(stat("/d/m/sub", &status) < 0 && errno == EIO);
    CHECK(stat("/d/beside", &status) == 0);
    CHECK(close(hello) == 0);
    /* Another one is mounted in its place. */
    CHECK(control_say(child_control, 'd') == KP_OK && control_hear(child_control) == 'm');
    return big_check("/d/m/sub/big");
}

/* ---- The driver ---- */

/* A request with at most one handle to the kernel's directory; the reply's status. */
static kp_status_t ask(uint32_t operation, const char *path, uint32_t flags, kp_handle_t handle)
{
    static struct {
        kp_file_request_t head;
        char path[64];
    } request;
    kp_file_reply_t answer = {0};
    request.head = (kp_file_request_t){.operation = operation,
                                       .flags = flags,
                                       .rights = KP_FILE_RIGHTS_CHANGE,
                                       .first_size = (uint32_t)strlen(path)};
    memcpy(request.path, path, strlen(path));
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(&request),
                    .byte_count = (uint32_t)(sizeof(request.head) + strlen(path)),
                    .handles = (uint32_t)kp_mem(&handle),
                    .handle_count = handle ? 1 : 0},
        .reply = {.bytes = (uint32_t)kp_mem(&answer), .byte_count = sizeof(answer)},
    };
    kp_status_t status = kp_channel_call(driver_directory, &call, kp_now() + PATIENCE);
    return status == KP_OK ? answer.status : status;
}

/* A server, mounted at "m". */
static int server_mount(kp_handle_t job, kp_child_t *server)
{
    kp_handle_t ends[2];
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(kp_child_start(job, driver_code, "file-server", &ends[1], 1, server) == KP_OK);
    CHECK(control_hear(server->control) == 'r');
    CHECK(ask(KP_FILE_MOUNT, "m", 0, ends[0]) == KP_OK);
    return 0;
}

int test_files(void)
{
    kp_handle_t job = driver_job_create(KP_BAND_NORMAL), ends[2];
    kp_child_t server, client;
    CHECK(job && driver_directory);
    CHECK(ask(KP_FILE_MAKE, "m", 0, KP_HANDLE_NONE) == KP_OK);
    CHECK(ask(KP_FILE_OPEN, "beside", KP_FILE_FOR_WRITING | KP_FILE_CREATE, KP_HANDLE_NONE) ==
          KP_OK);
    int line = server_mount(job, &server);
    if (line)
        return line;
    CHECK(kp_channel_create(ends) == KP_OK);
    CHECK(ask(KP_FILE_CONNECT, "", 0, ends[1]) == KP_OK);
    CHECK(kp_child_start_with(job, driver_code, "dir:/d=31", ends[0], "file-client", NULL, 0,
                              &client) == KP_OK);
    CHECK(control_hear(client.control) == 'd');
    CHECK(kp_process_kill(server.process) == KP_OK);
    CHECK(kp_child_finish(&server, KP_EXIT_KILLED, 0, kp_now() + PATIENCE));
    CHECK(control_say(client.control, 'k') == KP_OK && control_hear(client.control) == 'd');
    CHECK(ask(KP_FILE_UNMOUNT, "m", 0, KP_HANDLE_NONE) == KP_OK);
    line = server_mount(job, &server);
    if (line)
        return line;
    CHECK(control_say(client.control, 'm') == KP_OK);
    CHECK(kp_child_finish(&client, KP_EXIT_NORMAL, 0, kp_now() + PATIENCE));
    /* Nobody has it mounted any more: it ends by itself. */
    CHECK(ask(KP_FILE_UNMOUNT, "m", 0, KP_HANDLE_NONE) == KP_OK);
    CHECK(kp_child_finish(&server, KP_EXIT_NORMAL, 0, kp_now() + PATIENCE));
    (void)kp_handle_close(job);
    return 0;
}
