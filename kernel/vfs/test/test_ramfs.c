/* Files in memory through the protocol: what POSIX says of names and files, rights, ids, who pays, and too little
   memory. */
#include <stdlib.h>

#include "kernel/vfs/test/client.h"
#include "tests/kp_test.h"

static uint64_t objects_before, allocations_before;
static client_t client;
static kp_vfs_source_t *ramfs;

static bool set_up_with(const kp_ramfs_options_t *options)
{
    kp_test_attach("test");
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    client = (client_t){.process = kp_test_process(CLIENT_PAGES, CLIENT_PAGES, NULL)};
    return client.process && kp_ramfs_create(options, &ramfs) == KP_OK &&
           client_connect(&client, ramfs, "", KP_FILE_RIGHTS_CHANGE) == KP_OK;
}

static bool set_up(void)
{
    const kp_ramfs_options_t options = {.pages_max = 1000};
    return set_up_with(&options);
}

static void tear_down(void)
{
    kp_test_process_end(client.process);
    kp_vfs_source_release(ramfs);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

#define PATH(operation, path, flags) client_path(&client, KP_FILE_##operation, 0, path, NULL, flags)
#define TWO(operation, first, second) client_path(&client, KP_FILE_##operation, 0, first, second, 0)
enum { READ = KP_FILE_FOR_READING, WRITE = KP_FILE_FOR_WRITING, CREATE = KP_FILE_CREATE };

static void file_make(const char *path, const char *text)
{
    uint32_t id;
    KP_EXPECT_INT(client_open(&client, 0, path, CREATE | WRITE, &id), KP_OK);
    KP_EXPECT_INT(client_write(&client, id, 0, text, (uint32_t)strlen(text)), KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_CLOSE, id, NULL, NULL, 0), KP_OK);
}

/* Does the file hold this text? */
static bool file_is(const char *path, const char *text)
{
    uint32_t id;
    bool is = client_open(&client, 0, path, READ | KP_FILE_FOLLOW, &id) == KP_OK &&
              client_read(&client, id, 0, 4096) == KP_OK && client.reply.count == strlen(text) &&
              memcmp(client.data, text, strlen(text)) == 0;
    client_path(&client, KP_FILE_CLOSE, id, NULL, NULL, 0);
    return is;
}

static kp_file_stat_t stat_of(uint32_t id, const char *path)
{
    kp_file_stat_t stat = {.type = 99};
    if (client_path(&client, KP_FILE_STAT, id, path, NULL, 0) == KP_OK)
        memcpy(&stat, client.data, sizeof(stat));
    return stat;
}

KP_TEST(ramfs_files_and_directories)
{
    uint32_t id, directory;
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(PATH(MAKE, "a", 0), KP_OK);
    KP_EXPECT_INT(PATH(MAKE, "a/b/", 0), KP_OK);
    KP_EXPECT_INT(PATH(MAKE, "a", 0), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(PATH(MAKE, "x/y", 0), KP_ERR_NOT_FOUND);
    file_make("a/b/file", "contents");
    KP_EXPECT(file_is("a/b/file", "contents"));
    KP_EXPECT(file_is("a/./b//../b/file", "contents"));
    KP_EXPECT_INT(PATH(MAKE, "a/b/file/c", 0), KP_ERR_NOT_DIRECTORY);
    KP_EXPECT_INT(client_open(&client, 0, "a/b/file/", READ, &id), KP_ERR_NOT_DIRECTORY);
    KP_EXPECT_INT(client_open(&client, 0, "a/b/new/", CREATE, &id), KP_ERR_IS_DIRECTORY);
    KP_EXPECT_INT(client_open(&client, 0, "a/b", READ | WRITE, &id), KP_ERR_IS_DIRECTORY);
    KP_EXPECT_INT(client_open(&client, 0, "a/b/file", CREATE | KP_FILE_EXCLUSIVE, &id),
                  KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(client_open(&client, 0, "a", KP_FILE_DIRECTORY, &directory), KP_OK);
    KP_EXPECT_INT(client.reply.type, KP_FILE_TYPE_DIRECTORY);
    KP_EXPECT_INT(client_open(&client, directory, "b/file", READ, &id), KP_OK);
    KP_EXPECT_INT(client_open(&client, directory, "..", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(client_open(&client, directory, "b/../../a/b", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(client_open(&client, 0, "/a", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(PATH(REMOVE, "a", KP_FILE_DIRECTORY), KP_ERR_NOT_EMPTY);
    KP_EXPECT_INT(PATH(REMOVE, "a", 0), KP_ERR_IS_DIRECTORY);
    KP_EXPECT_INT(PATH(REMOVE, "a/b/file", KP_FILE_DIRECTORY), KP_ERR_NOT_DIRECTORY);
    KP_EXPECT_INT(PATH(REMOVE, "a/b/file", 0), KP_OK);
    KP_EXPECT_INT(PATH(REMOVE, "a/b/file", 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(PATH(REMOVE, "a/b", KP_FILE_DIRECTORY), KP_OK);
    KP_EXPECT_INT(PATH(REMOVE, "a", KP_FILE_DIRECTORY), KP_OK);
    /* A directory that was removed stays what it is, and nothing can be made in it. */
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, directory, "c", NULL, 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(client_path(&client, KP_FILE_LIST, directory, NULL, NULL, 0), KP_OK);
    tear_down();
}

KP_TEST(ramfs_contents)
{
    static uint8_t bytes[KP_FILE_DATA_MAX];
    uint32_t id;
    KP_REQUIRE(set_up());
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    KP_EXPECT_INT(client_open(&client, 0, "f", CREATE | READ | WRITE, &id), KP_OK);
    KP_EXPECT_INT(client_write(&client, id, 100000, bytes, sizeof(bytes)), KP_OK);
    KP_EXPECT_INT(client.reply.count, sizeof(bytes));
    KP_EXPECT_INT(client.reply.position, 100000 + sizeof(bytes));
    KP_EXPECT_INT(client_read(&client, id, 99990, 20), KP_OK);
    KP_EXPECT_INT(client.reply.count, 20);
    KP_EXPECT(memcmp(client.data, "\0\0\0\0\0\0\0\0\0\0", 10) == 0 &&
              memcmp(client.data + 10, bytes, 10) == 0);
    KP_EXPECT_INT(client_read(&client, id, 100000, KP_FILE_DATA_MAX), KP_OK);
    KP_EXPECT(client.reply.count == sizeof(bytes) && !memcmp(client.data, bytes, sizeof(bytes)));
    KP_EXPECT_INT(client_read(&client, id, 100000 + sizeof(bytes) - 1, 50), KP_OK);
    KP_EXPECT_INT(client.reply.count, 1);
    KP_EXPECT_INT(client_read(&client, id, UINT64_MAX, 50), KP_OK);
    KP_EXPECT_INT(client.reply.count, 0);
    /* At the end, wherever that is. */
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_WRITE,
                                                 .id = id,
                                                 .flags = KP_FILE_APPEND,
                                                 .first_size = 3},
                             "end", NULL, 0),
                  KP_OK);
    KP_EXPECT_INT(client.reply.position, 100003 + sizeof(bytes));
    /* What is cut off is zero when the file grows again. */
    const kp_file_request_t cut = {.operation = KP_FILE_SIZE, .id = id, .offset = 100005};
    const kp_file_request_t grow = {.operation = KP_FILE_SIZE, .id = id, .offset = 300000};
    const kp_file_request_t keep = {
        .operation = KP_FILE_SIZE, .id = id, .offset = 10, .flags = KP_FILE_GROW};
    KP_EXPECT_INT(client_ask(&client, cut, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client_ask(&client, grow, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client_ask(&client, keep, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(stat_of(id, NULL).size, 300000);
    KP_EXPECT_INT(client_read(&client, id, 100000, 10000), KP_OK);
    KP_EXPECT(memcmp(client.data, bytes, 5) == 0);
    for (uint32_t i = 5; i < 10000 && !kp_test_failures; i++)
        KP_EXPECT_INT(client.data[i], 0);
    KP_EXPECT_INT(client_read(&client, id, 299999, 10), KP_OK);
    KP_EXPECT(client.reply.count == 1 && client.data[0] == 0);
    /* Too large for any file, and for this file system: nothing changes. */
    KP_EXPECT_INT(client_write(&client, id, (uint64_t)1 << 40, "x", 1), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(client_write(&client, id, UINT64_MAX - 1, "x", 1), KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(client_write(&client, id, 1000 * 4096, "x", 1), KP_ERR_NO_SPACE);
    KP_EXPECT_INT(stat_of(id, NULL).size, 300000);
    KP_EXPECT_INT(client_write(&client, id, 1000 * 4096 - 1, "x", 1), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "f", WRITE | KP_FILE_TRUNCATE, &id), KP_OK);
    KP_EXPECT_INT(stat_of(id, NULL).size, 0);
    KP_EXPECT_INT(client_read(&client, id, 0, 10), KP_ERR_ACCESS_DENIED); /* opened for writing */
    tear_down();
}

KP_TEST(ramfs_unlinked_while_open)
{
    uint32_t id, again;
    KP_REQUIRE(set_up());
    file_make("f", "kept");
    KP_EXPECT_INT(client_open(&client, 0, "f", READ | WRITE, &id), KP_OK);
    KP_EXPECT_INT(PATH(REMOVE, "f", 0), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "f", READ, &again), KP_ERR_NOT_FOUND);
    file_make("f", "another");
    KP_EXPECT_INT(client_read(&client, id, 0, 100), KP_OK);
    KP_EXPECT(client.reply.count == 4 && memcmp(client.data, "kept", 4) == 0);
    KP_EXPECT_INT(client_write(&client, id, 4, " still", 6), KP_OK);
    KP_EXPECT_INT(stat_of(id, NULL).links, 0);
    KP_EXPECT_INT(stat_of(id, NULL).size, 10);
    KP_EXPECT_INT(client_path(&client, KP_FILE_CLOSE, id, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client_read(&client, id, 0, 100), KP_ERR_NOT_FOUND);
    KP_EXPECT(file_is("f", "another"));
    tear_down();
}

KP_TEST(ramfs_links)
{
    uint32_t id;
    char long_target[KP_FILE_PATH_MAX + 1];
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(PATH(MAKE, "d", 0), KP_OK);
    file_make("d/f", "text");
    KP_EXPECT_INT(TWO(SYMLINK, "d/f", "link"), KP_OK);
    KP_EXPECT_INT(TWO(SYMLINK, "../d", "d/up"), KP_OK);
    KP_EXPECT_INT(TWO(SYMLINK, "../../d", "d/out"), KP_OK);
    KP_EXPECT_INT(TWO(SYMLINK, "/d", "absolute"), KP_OK);
    KP_EXPECT_INT(TWO(SYMLINK, "loop", "loop"), KP_OK);
    KP_EXPECT_INT(TWO(SYMLINK, "x", "link"), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT(file_is("link", "text"));
    KP_EXPECT(file_is("d/up/up/up/f", "text"));
    KP_EXPECT_INT(client_open(&client, 0, "link", READ, &id), KP_ERR_LOOP);
    KP_EXPECT_INT(client_open(&client, 0, "d/out/f", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(client_open(&client, 0, "absolute/f", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(client_open(&client, 0, "loop/f", READ, &id), KP_ERR_LOOP);
    KP_EXPECT_INT(stat_of(0, "link").type, KP_FILE_TYPE_SYMLINK);
    KP_EXPECT_INT(stat_of(0, "d/up/").type, KP_FILE_TYPE_DIRECTORY);
    KP_EXPECT_INT(PATH(READLINK, "link", 0), KP_OK);
    KP_EXPECT(client.reply.count == 3 && memcmp(client.data, "d/f", 3) == 0);
    KP_EXPECT_INT(PATH(READLINK, "d/f", 0), KP_ERR_INVALID_ARGUMENT);
    /* Texts that grow with each link. */
    memset(long_target, '/', sizeof(long_target) - 1);
    memcpy(long_target, "grow", 4);
    long_target[4000] = 0;
    KP_EXPECT_INT(TWO(SYMLINK, long_target, "grow"), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "grow/a", READ, &id), KP_ERR_NAME_TOO_LONG);
    memset(long_target, 'x', sizeof(long_target) - 1);
    long_target[sizeof(long_target) - 1] = 0;
    KP_EXPECT_INT(TWO(SYMLINK, long_target, "longest"), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "longest/a", READ, &id), KP_ERR_NAME_TOO_LONG);
    long_target[300] = 0;
    KP_EXPECT_INT(PATH(MAKE, long_target, 0), KP_ERR_NAME_TOO_LONG);
    long_target[255] = 0;
    KP_EXPECT_INT(PATH(MAKE, long_target, 0), KP_OK);
    /* Hard links. */
    KP_EXPECT_INT(TWO(LINK, "d/f", "second"), KP_OK);
    KP_EXPECT_INT(stat_of(0, "second").links, 2);
    KP_EXPECT_INT(PATH(REMOVE, "d/f", 0), KP_OK);
    KP_EXPECT(file_is("second", "text"));
    KP_EXPECT_INT(TWO(LINK, "d", "e"), KP_ERR_NOT_PERMITTED);
    KP_EXPECT_INT(TWO(LINK, "second", "d"), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(TWO(LINK, "nothing", "e"), KP_ERR_NOT_FOUND);
    tear_down();
}

KP_TEST(ramfs_rename)
{
    uint32_t id;
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(PATH(MAKE, "a", 0), KP_OK);
    KP_EXPECT_INT(PATH(MAKE, "a/b", 0), KP_OK);
    KP_EXPECT_INT(PATH(MAKE, "empty", 0), KP_OK);
    file_make("f", "1");
    file_make("g", "2");
    KP_EXPECT_INT(client_open(&client, 0, "g", READ, &id), KP_OK);
    KP_EXPECT_INT(TWO(RENAME, "f", "g"), KP_OK);
    KP_EXPECT(file_is("g", "1"));
    KP_EXPECT_INT(client_read(&client, id, 0, 1), KP_OK);
    KP_EXPECT_INT(client.data[0], '2');
    KP_EXPECT_INT(TWO(RENAME, "f", "x"), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(TWO(RENAME, "a", "a/b/c"), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(TWO(RENAME, "a/b", "a"), KP_ERR_NOT_EMPTY);
    KP_EXPECT_INT(TWO(RENAME, "g", "a"), KP_ERR_IS_DIRECTORY);
    KP_EXPECT_INT(TWO(RENAME, "a", "g"), KP_ERR_NOT_DIRECTORY);
    KP_EXPECT_INT(TWO(RENAME, "empty", "a"), KP_ERR_NOT_EMPTY);
    KP_EXPECT_INT(TWO(RENAME, "a", "empty"), KP_OK);
    KP_EXPECT_INT(stat_of(0, "empty/b").type, KP_FILE_TYPE_DIRECTORY);
    KP_EXPECT_INT(TWO(RENAME, "empty/b", "b"), KP_OK);
    KP_EXPECT_INT(TWO(RENAME, "b", "b"), KP_OK);
    KP_EXPECT_INT(TWO(RENAME, "b/.", "c"), KP_ERR_BUSY);
    KP_EXPECT_INT(PATH(REMOVE, "empty", KP_FILE_DIRECTORY), KP_OK);
    tear_down();
}

KP_TEST(ramfs_lists_by_cookie)
{
    enum { COUNT = 3000 };
    char name[32];
    unsigned found = 0, rounds = 0;
    KP_REQUIRE(set_up());
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "a-name-%u", i);
        KP_EXPECT_INT(PATH(MAKE, name, 0), KP_OK);
    }
    static uint8_t seen[COUNT];
    memset(seen, 0, sizeof(seen));
    for (uint64_t cookie = 0; rounds < COUNT; rounds++) {
        KP_EXPECT_INT(client_ask(&client,
                                 (kp_file_request_t){
                                     .operation = KP_FILE_LIST, .offset = cookie, .count = 5000},
                                 NULL, NULL, 0),
                      KP_OK);
        if (client.reply.count == 0)
            break;
        for (uint32_t at = 0; at < client.reply.count;) {
            kp_file_entry_t entry;
            memcpy(&entry, client.data + at, sizeof(entry));
            snprintf(name, sizeof(name), "%.*s", (int)entry.name_size,
                     (char *)client.data + at + sizeof(entry));
            unsigned number = (unsigned)atoi(name + 7);
            KP_EXPECT(entry.next > cookie && number < COUNT);
            seen[number % COUNT]++;
            found++;
            cookie = entry.next;
            at += (uint32_t)sizeof(entry) + entry.name_size;
        }
        /* What comes and goes meanwhile is listed or not; the rest once. */
        snprintf(name, sizeof(name), "a-name-%u", rounds);
        KP_EXPECT_INT(PATH(REMOVE, name, KP_FILE_DIRECTORY), KP_OK);
    }
    KP_EXPECT_INT(found, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        KP_EXPECT(seen[i] == 1);
    KP_EXPECT_INT(client_ask(&client, (kp_file_request_t){.operation = KP_FILE_LIST, .count = 10},
                             NULL, NULL, 0),
                  KP_ERR_BUFFER_TOO_SMALL);
    tear_down();
}

KP_TEST(rights_only_shrink)
{
    uint32_t id, directory;
    KP_REQUIRE(set_up());
    KP_EXPECT_INT(PATH(MAKE, "d", 0), KP_OK);
    file_make("d/f", "x");
    /* A directory of id 0 with less. */
    const kp_file_request_t open = {.operation = KP_FILE_OPEN,
                                    .rights = KP_FILE_RIGHTS_READ_ONLY,
                                    .flags = KP_FILE_DIRECTORY,
                                    .first_size = 1};
    KP_EXPECT_INT(client_ask(&client, open, "d", NULL, 0), KP_OK);
    directory = client.reply.id;
    KP_EXPECT_INT(client_open(&client, directory, "f", READ, &id), KP_OK);
    KP_EXPECT_INT(client_write(&client, id, 0, "y", 1), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_open(&client, directory, "f", WRITE, &id), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_open(&client, directory, "f", READ | KP_FILE_TRUNCATE, &id),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_open(&client, directory, "g", CREATE, &id), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, directory, "g", NULL, 0),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_REMOVE, directory, "f", NULL, 0),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_SYMLINK, directory, "f", "g", 0),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_TIMES, directory, "f", NULL, 0),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, directory, "f", "g", 0),
                  KP_ERR_ACCESS_DENIED);
    /* From a directory of less to one of more: it would become more. (`other` is 0.) */
    KP_EXPECT_INT(client_path(&client, KP_FILE_LINK, directory, "f", "g", 0), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_OPEN, directory, NULL, NULL, KP_FILE_DIRECTORY),
                  KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, client.reply.id, "g", NULL, 0),
                  KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(PATH(UNMOUNT, "d", 0), KP_ERR_ACCESS_DENIED);
    /* A channel of its own. */
    uint8_t *memory = kp_test_memory(client.process, 0);
    kp_handle_t ends[2];
    KP_EXPECT_INT(kp_test_call(client.process, channel_create, 0x800), KP_OK);
    memcpy(ends, memory + 0x800, sizeof(ends));
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_CONNECT,
                                                 .rights = KP_FILE_RIGHT_READ,
                                                 .first_size = 1},
                             "d", NULL, ends[1]),
                  KP_OK);
    client_t other = client;
    other.channel = ends[0];
    KP_EXPECT_INT(client_open(&other, 0, "f", READ, &id), KP_OK);
    KP_EXPECT_INT(client_open(&other, 0, "../d/f", READ, &id), KP_ERR_OUTSIDE);
    KP_EXPECT_INT(client_open(&other, 0, "f", WRITE, &id), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&other, KP_FILE_LIST, 0, NULL, NULL, 0), KP_ERR_ACCESS_DENIED);
    tear_down();
}

KP_TEST(requests_that_are_none)
{
    uint8_t *memory;
    uint32_t id;
    KP_REQUIRE(set_up());
    memory = kp_test_memory(client.process, 0);
    file_make("f", "x");
    for (uint32_t operation = 0; operation < 40; operation++)
        KP_EXPECT(client_ask(&client,
                             (kp_file_request_t){.operation = operation, .id = 77, .count = 10},
                             NULL, NULL, 0) != KP_OK ||
                  operation == KP_FILE_BUFFER);
    KP_EXPECT_INT(PATH(CLOSE, "", 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(PATH(CLOSE, "x", 0), KP_ERR_PROTOCOL);
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_OPEN, .first_size = 3},
                             "a\0b", NULL, 0),
                  KP_ERR_INVALID_ARGUMENT);
    /* Sizes that lie. */
    kp_file_request_t lie = {.operation = KP_FILE_OPEN, .first_size = UINT32_MAX};
    kp_channel_call_t call = {
        .request = {.bytes = CLIENT_REQUEST_AT, .byte_count = sizeof(lie) + 1},
        .reply = {.bytes = CLIENT_REPLY_AT, .byte_count = sizeof(kp_file_reply_t)}};
    kp_status_t status;
    for (int i = 0; i < 4; i++) {
        memcpy(memory + CLIENT_CALL_AT, &call, sizeof(call));
        memcpy(memory + CLIENT_REQUEST_AT, &lie, sizeof(lie));
        KP_EXPECT_INT(kp_test_call(client.process, channel_call, client.channel, CLIENT_CALL_AT,
                                   (uint64_t)KP_TIME_INFINITE),
                      KP_OK);
        memcpy(&status, memory + CLIENT_REPLY_AT, sizeof(status));
        KP_EXPECT_INT(status, KP_ERR_PROTOCOL);
        lie = (kp_file_request_t){.operation = KP_FILE_OPEN,
                                  .first_size = i == 0 ? 0 : 1,
                                  .second_size = i == 1 ? UINT32_MAX : 1};
        call.request.byte_count = i == 2 ? 10 : sizeof(lie) + 1;
    }
    /* Without room for the reply, and without wanting one: done all the same. */
    call = (kp_channel_call_t){.request = {.bytes = CLIENT_REQUEST_AT, .byte_count = 65}};
    const kp_file_request_t make = {.operation = KP_FILE_MAKE, .first_size = 1};
    memcpy(memory + CLIENT_CALL_AT, &call, sizeof(call));
    memcpy(memory + CLIENT_REQUEST_AT, &make, sizeof(make));
    memory[CLIENT_REQUEST_AT + 64] = 'd';
    KP_EXPECT_INT(kp_test_call(client.process, channel_call, client.channel, CLIENT_CALL_AT,
                               (uint64_t)KP_TIME_INFINITE),
                  KP_ERR_BUFFER_TOO_SMALL);
    memory[CLIENT_REQUEST_AT + 64] = 'e';
    KP_EXPECT_INT(
        kp_test_call(client.process, channel_write, client.channel, CLIENT_REQUEST_AT, 65, 0, 0),
        KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "d", 0, &id), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "e", 0, &id), KP_OK);
    tear_down();
}

/* ---- by a shared buffer ---- */

KP_TEST(bulk_by_a_buffer)
{
    enum { BYTES = 200000 };
    uint8_t *memory;
    uint32_t id;
    KP_REQUIRE(set_up());
    memory = kp_test_memory(client.process, 0);
    kp_handle_t vmo = (kp_handle_t)kp_test_call(client.process, vmo_create, 1 << 20);
    kp_handle_t kept =
        (kp_handle_t)kp_test_call(client.process, handle_duplicate, vmo, KP_RIGHTS_SAME);
    const kp_file_request_t buffer = {.operation = KP_FILE_BUFFER};
    KP_EXPECT_INT(client_open(&client, 0, "f", CREATE | READ | WRITE, &id), KP_OK);
    kp_file_request_t move = {.operation = KP_FILE_WRITE,
                              .id = id,
                              .flags = KP_FILE_IN_BUFFER,
                              .buffer_offset = 5000,
                              .count = BYTES};
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_ERR_BAD_STATE);
    KP_EXPECT_INT(client_ask(&client, buffer, NULL, NULL, vmo), KP_OK);
    for (uint32_t i = 0; i < BYTES; i++)
        memory[CLIENT_BUFFER_AT + i] = (uint8_t)(i % 253);
    KP_EXPECT_INT(kp_test_call(client.process, vmo_write, kept, 5000, CLIENT_BUFFER_AT, BYTES),
                  KP_OK);
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client.reply.count, BYTES);
    move.flags |= KP_FILE_APPEND;
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client.reply.position, 2 * BYTES);
    move = (kp_file_request_t){.operation = KP_FILE_READ,
                               .id = id,
                               .flags = KP_FILE_IN_BUFFER,
                               .offset = BYTES,
                               .count = BYTES + 50};
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_OK);
    KP_EXPECT_INT(client.reply.count, BYTES);
    memset(memory + CLIENT_BUFFER_AT, 1, BYTES);
    KP_EXPECT_INT(kp_test_call(client.process, vmo_read, kept, 0, CLIENT_BUFFER_AT, BYTES), KP_OK);
    for (uint32_t i = 0; i < BYTES && !kp_test_failures; i++)
        KP_EXPECT_INT(memory[CLIENT_BUFFER_AT + i], i % 253);
    /* Outside of the buffer; more than one request may move; none any more. */
    move.buffer_offset = 1 << 20;
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_ERR_OUT_OF_RANGE);
    move.buffer_offset = UINT64_MAX - 100;
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_ERR_OUT_OF_RANGE);
    move.count = KP_FILE_BUFFERED_MAX + 1;
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(client_ask(&client, buffer, NULL, NULL, 0), KP_OK);
    move.count = 10;
    KP_EXPECT_INT(client_ask(&client, move, NULL, NULL, 0), KP_ERR_BAD_STATE);
    tear_down();
}

/* ---- who pays ---- */

KP_TEST(who_fills_it_pays)
{
    static const kp_job_limits_t narrow = {.handles = 100,
                                           .queued_bytes = 1 << 20,
                                           .pages = 100 + 16 * CLIENT_PAGES,
                                           .processes = 4,
                                           .objects = 60};
    const kp_ramfs_options_t options = {.pages_max = 100000};
    client_t poor;
    kp_job_limits_t used;
    uint32_t id, mine;
    char name[16];
    KP_REQUIRE(set_up_with(&options));
    poor = (client_t){.process = kp_test_process_limited(CLIENT_PAGES, CLIENT_PAGES, &narrow)};
    KP_REQUIRE(poor.process);
    kp_job_t *job = poor.process->job;
    kp_object_acquire(&job->object);
    KP_REQUIRE(client_connect(&poor, ramfs, "", KP_FILE_RIGHTS_CHANGE) == KP_OK);
    kp_status_t status = KP_OK;
    unsigned made = 0;
    for (; status == KP_OK && made < 1000; made++) {
        snprintf(name, sizeof(name), "%u", made);
        status = client_path(&poor, KP_FILE_MAKE, 0, name, NULL, 0);
    }
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT(made > 40 && made < 60);
    /* Others go on; who has removed something has room again. */
    KP_EXPECT_INT(PATH(MAKE, "another", 0), KP_OK);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "%u", i);
        KP_EXPECT_INT(client_path(&poor, KP_FILE_REMOVE, 0, name, NULL, KP_FILE_DIRECTORY), KP_OK);
    }
    KP_EXPECT_INT(client_open(&poor, 0, "f", CREATE | WRITE, &id), KP_OK);
    uint64_t size = 0;
    static const uint8_t page[4096];
    while ((status = client_write(&poor, id, size, page, sizeof(page))) == KP_OK)
        size += sizeof(page);
    KP_EXPECT_INT(status, KP_ERR_QUOTA);
    KP_EXPECT(size > 80 * 4096 && size <= 100 * 4096);
    /* What others add to the same file they pay. */
    KP_EXPECT_INT(client_open(&client, 0, "f", WRITE, &mine), KP_OK);
    KP_EXPECT_INT(client_write(&client, mine, size, page, sizeof(page)), KP_OK);
    KP_EXPECT_INT(stat_of(mine, NULL).size, size + 4096);
    /* It dies: what it left is still its job's, until somebody removes it. */
    kp_test_process_end(poor.process);
    kp_quota_used(job->quota, &used);
    KP_EXPECT_INT(used.pages, size / 4096);
    KP_EXPECT(used.objects > 30);
    for (unsigned i = 5; i < 60; i++) {
        snprintf(name, sizeof(name), "%u", i);
        (void)PATH(REMOVE, name, KP_FILE_DIRECTORY);
    }
    KP_EXPECT_INT(PATH(REMOVE, "f", 0), KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_CLOSE, mine, NULL, NULL, 0), KP_OK);
    kp_quota_used(job->quota, &used);
    KP_EXPECT_INT(used.pages, 0);
    KP_EXPECT_INT(used.objects, 0);
    kp_object_release(&job->object);
    tear_down();
}

/* ---- too little memory ---- */

static kp_status_t everything(void)
{
    uint32_t id, directory;
    kp_status_t status = PATH(MAKE, "d", 0);
    if (status == KP_OK)
        status = client_open(&client, 0, "d", KP_FILE_DIRECTORY, &directory);
    if (status == KP_OK)
        status = client_open(&client, directory, "f", CREATE | READ | WRITE, &id);
    if (status == KP_OK)
        status = client_write(&client, id, 5000, "x", 1);
    if (status == KP_OK)
        status = client_write(&client, id, 500000, "y", 1);
    if (status == KP_OK)
        status = client_read(&client, id, 0, 60000);
    if (status == KP_OK)
        status = TWO(SYMLINK, "d/f", "link");
    if (status == KP_OK)
        status = client_open(&client, 0, "link", READ | KP_FILE_FOLLOW, &id);
    if (status == KP_OK)
        status = PATH(READLINK, "link", 0);
    if (status == KP_OK)
        status = TWO(LINK, "d/f", "hard");
    if (status == KP_OK)
        status = TWO(RENAME, "hard", "harder");
    if (status == KP_OK)
        status = TWO(RENAME, "harder", "link");
    if (status == KP_OK)
        status = client_ask(&client, (kp_file_request_t){.operation = KP_FILE_LIST, .count = 500},
                            NULL, NULL, 0);
    if (status == KP_OK)
        status = PATH(REMOVE, "link", 0);
    return status;
}

KP_TEST(memory_runs_out_anywhere)
{
    bool failed = true;
    for (uint64_t n = 1; failed && n < 500; n++) {
        KP_REQUIRE(set_up());
        kp_test_fail_allocation(n);
        kp_status_t status = everything();
        failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT_INT(status, failed ? KP_ERR_NO_MEMORY : KP_OK);
        tear_down();
        if (kp_test_failures)
            KP_FAIL("at allocation %d", (int)n);
        if (kp_test_failures)
            return;
    }
    KP_EXPECT(!failed);
}

KP_TEST(a_deep_tree_goes_at_once)
{
    uint32_t id = 0, next;
    KP_REQUIRE(set_up());
    for (unsigned i = 0; i < 2000; i++) {
        KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, id, "d", NULL, 0), KP_OK);
        KP_EXPECT_INT(client_open(&client, id, "d", KP_FILE_DIRECTORY, &next), KP_OK);
        if (id)
            KP_EXPECT_INT(client_path(&client, KP_FILE_CLOSE, id, NULL, NULL, 0), KP_OK);
        id = next;
    }
    tear_down();
}

KP_TEST_MAIN()
