/* The mount table, paths that go on elsewhere, the service `file`, devices, and file systems that are processes. */
#include <stdlib.h>

#include "kernel/vfs/test/client.h"
#include "tests/kp_test.h"

static uint64_t objects_before, allocations_before;
static client_t client;

/* `path` of the root, with these rights. */
static bool set_up(const char *path, uint32_t rights)
{
    static bool once;
    kp_capability_t capability;
    kp_test_attach("test");
    if (!once && kp_vfs_init() != KP_OK) /* the service `file` stays for ever */
        return false;
    if (!once)
        kp_vfs_fini();
    once = true;
    objects_before = kp_object_count(KP_TYPE_NONE);
    allocations_before = kp_test_allocations();
    client = (client_t){.process = kp_test_process(CLIENT_PAGES, CLIENT_PAGES, NULL)};
    return client.process && kp_vfs_init() == KP_OK &&
           kp_vfs_root_open(path, rights, client.process->quota, &capability) == KP_OK &&
           kp_handle_add(&client.process->handles, capability, &client.channel) == KP_OK;
}

static void tear_down(void)
{
    kp_test_process_end(client.process);
    kp_vfs_fini();
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects_before);
    KP_EXPECT_INT(kp_test_allocations(), allocations_before);
}

static bool mount_ramfs(const char *path, uint32_t rights)
{
    const kp_ramfs_options_t options = {.pages_max = 100};
    kp_vfs_source_t *source;
    if (kp_ramfs_create(&options, &source) != KP_OK)
        return false;
    kp_status_t status = kp_vfs_mount(path, source, rights);
    kp_vfs_source_release(source);
    return status == KP_OK;
}

/* Goes on with the last reply's channel; the rest of the path in `rest`. */
static client_t follow(client_t from, char *rest, size_t size)
{
    client_t on = from;
    on.channel = from.handle;
    snprintf(rest, size, "%.*s", (int)from.reply.count, (char *)from.data);
    return on;
}

KP_TEST(the_longest_prefix_counts)
{
    char rest[64];
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    KP_EXPECT(mount_ramfs("a/b", KP_FILE_RIGHTS_CHANGE));
    KP_EXPECT(!mount_ramfs("a/b", KP_FILE_RIGHTS_CHANGE)); /* something is there */
    KP_EXPECT(!mount_ramfs("a/b/c", KP_FILE_RIGHTS_CHANGE));
    KP_EXPECT_INT(client_open(&client, 0, "a/b/c//d/", KP_FILE_CREATE, &id), KP_ERR_ELSEWHERE);
    KP_REQUIRE(client.handle);
    client_t inside = follow(client, rest, sizeof(rest));
    KP_EXPECT_STRING(rest, "c//d/");
    KP_EXPECT_INT(client_path(&inside, KP_FILE_MAKE, 0, "c", NULL, 0), KP_OK);
    /* Up again is not possible, and nobody sees the mount's own place from inside. */
    KP_EXPECT_INT(client_open(&inside, 0, "..", 0, &id), KP_ERR_OUTSIDE);
    /* A mount in what is mounted. */
    kp_handle_t ends[2];
    KP_EXPECT_INT(kp_test_call(client.process, channel_create, 0x800), KP_OK);
    memcpy(ends, kp_test_memory(client.process, 0x800), sizeof(ends));
    KP_EXPECT_INT(client_ask(&inside,
                             (kp_file_request_t){.operation = KP_FILE_MOUNT, .first_size = 1}, "c",
                             NULL, ends[1]),
                  KP_ERR_ACCESS_DENIED);
    /* The place itself, by which nothing is entered. */
    KP_EXPECT_INT(client_path(&client, KP_FILE_STAT, 0, "a/b", NULL, 0), KP_ERR_ELSEWHERE);
    KP_EXPECT_INT(client.reply.count, 0);
    KP_EXPECT_INT(client_path(&client, KP_FILE_REMOVE, 0, "a/b", NULL, KP_FILE_DIRECTORY),
                  KP_ERR_BUSY);
    /* It stays with its directory. */
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "a", "z", 0), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "z/b/c", KP_FILE_DIRECTORY, &id), KP_ERR_ELSEWHERE);
    KP_EXPECT_INT(client_open(&client, 0, "a/b/c", KP_FILE_DIRECTORY, &id), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(client_path(&client, KP_FILE_UNMOUNT, 0, "z/b", NULL, 0), KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_UNMOUNT, 0, "z/b", NULL, 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(client_open(&client, 0, "z/b/c", 0, &id), KP_ERR_NOT_FOUND);
    /* Who is in it stays in it. */
    KP_EXPECT_INT(client_open(&inside, 0, "c", 0, &id), KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_REMOVE, 0, "z/b", NULL, KP_FILE_DIRECTORY), KP_OK);
    tear_down();
}

KP_TEST(two_paths_through_mounts)
{
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    KP_EXPECT(mount_ramfs("m", KP_FILE_RIGHTS_CHANGE) && mount_ramfs("n", KP_FILE_RIGHTS_CHANGE));
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "d", NULL, 0), KP_OK);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "m/x", "m/y/z", 0), KP_ERR_ELSEWHERE);
    KP_EXPECT(client.reply.count == 5 && memcmp(client.data, "x\0y/z", 5) == 0);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "m/x", "n/y", 0), KP_ERR_CROSS_DEVICE);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "d", "n/y", 0), KP_ERR_CROSS_DEVICE);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "m/x", "d/e", 0), KP_ERR_CROSS_DEVICE);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "m/x", "no/e", 0), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(client_path(&client, KP_FILE_LINK, 0, "m/x", "m/y", 0), KP_ERR_ELSEWHERE);
    tear_down();
}

KP_TEST(rights_shrink_at_a_mount)
{
    char rest[64];
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    KP_EXPECT(mount_ramfs("m", KP_FILE_RIGHTS_READ_ONLY));
    KP_EXPECT_INT(client_open(&client, 0, "m/x", KP_FILE_CREATE, &id), KP_ERR_ELSEWHERE);
    client_t inside = follow(client, rest, sizeof(rest));
    KP_EXPECT_INT(client_open(&inside, 0, "x", KP_FILE_CREATE, &id), KP_ERR_ACCESS_DENIED);
    /* And by CONNECT, which goes through at once. */
    kp_handle_t ends[2];
    KP_EXPECT_INT(kp_test_call(client.process, channel_create, 0x800), KP_OK);
    memcpy(ends, kp_test_memory(client.process, 0x800), sizeof(ends));
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_CONNECT,
                                                 .rights = KP_FILE_RIGHTS_ALL,
                                                 .first_size = 1},
                             "m", NULL, ends[1]),
                  KP_OK);
    inside.channel = ends[0];
    KP_EXPECT_INT(client_open(&inside, 0, "x", KP_FILE_CREATE, &id), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(client_path(&inside, KP_FILE_LIST, 0, NULL, NULL, 0), KP_OK);
    tear_down();
}

KP_TEST(devices)
{
    uint32_t id;
    KP_REQUIRE(set_up("dev", KP_FILE_RIGHTS_CHANGE));
    KP_EXPECT_INT(client_open(&client, 0, "zero", KP_FILE_FOR_READING, &id), KP_OK);
    KP_EXPECT_INT(client.reply.type, KP_FILE_TYPE_DEVICE);
    KP_EXPECT_INT(client_read(&client, id, 1000, 100), KP_OK);
    KP_EXPECT(client.reply.count == 100 && client.data[99] == 0);
    KP_EXPECT_INT(client_open(&client, 0, "null", KP_FILE_FOR_READING | KP_FILE_FOR_WRITING, &id),
                  KP_OK);
    KP_EXPECT_INT(client_read(&client, id, 0, 100), KP_OK);
    KP_EXPECT_INT(client.reply.count, 0);
    KP_EXPECT_INT(client_write(&client, id, 0, "gone", 4), KP_OK);
    KP_EXPECT_INT(client.reply.count, 4);
    KP_EXPECT_INT(client_open(&client, 0, "random", KP_FILE_FOR_READING, &id), KP_OK);
    KP_EXPECT_INT(client_read(&client, id, 0, 64), KP_OK);
    KP_EXPECT_INT(client.reply.count, 64);
    KP_EXPECT_INT(client_open(&client, 0, "new", KP_FILE_CREATE, &id), KP_ERR_READ_ONLY);
    KP_EXPECT_INT(client_path(&client, KP_FILE_REMOVE, 0, "null", NULL, 0), KP_ERR_READ_ONLY);
    KP_EXPECT_INT(client_path(&client, KP_FILE_RENAME, 0, "null", "x", 0), KP_ERR_READ_ONLY);
    tear_down();
}

KP_TEST(the_service_file)
{
    kp_service_t *service;
    kp_capability_t connection;
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    KP_REQUIRE(kp_service_find("file", &service) == KP_OK);
    KP_REQUIRE(kp_service_connect_for(service, client.process->quota, 1, &connection) == KP_OK);
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, connection, &client.channel), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "dev", KP_FILE_DIRECTORY, &id), KP_ERR_ELSEWHERE);
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "x", NULL, 0), KP_OK);
    tear_down();
}

/* ---- file systems that are processes ---- */

/* Mounts a channel at "m" and gives the server's end of it. */
static kp_capability_t server_mount(void)
{
    kp_capability_t ends[2];
    kp_handle_t handle;
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "m", NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_channel_create(ends), KP_OK);
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, ends[0], &handle), KP_OK);
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_MOUNT,
                                                 .rights = KP_FILE_RIGHTS_CHANGE,
                                                 .first_size = 1},
                             "m", NULL, handle),
                  KP_OK);
    return ends[1];
}

KP_TEST(a_process_is_told_of_its_clients)
{
    kp_message_t *message;
    kp_file_request_t request;
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    kp_capability_t server = server_mount();
    KP_EXPECT_INT(client_open(&client, 0, "m/file", KP_FILE_FOR_READING, &id), KP_ERR_ELSEWHERE);
    KP_EXPECT(client.reply.count == 4 && memcmp(client.data, "file", 4) == 0);
    KP_REQUIRE(kp_channel_receive(server, KP_TIME_POLL, &message) == KP_OK);
    KP_REQUIRE(message->byte_count == sizeof(request) && message->capability_count == 1);
    memcpy(&request, message->bytes, sizeof(request));
    KP_EXPECT_INT(request.operation, KP_FILE_CONNECT);
    KP_EXPECT_INT(request.rights, KP_FILE_RIGHTS_CHANGE);
    KP_EXPECT_INT(message->transaction, KP_TRANSACTION_NONE);
    kp_message_destroy(message);
    /* One that reads nothing is a wall for those who want in, and for nobody else; clients that have gone make room. */
    kp_status_t status = KP_ERR_ELSEWHERE;
    kp_handle_t kept[300];
    unsigned count = 0;
    while (status == KP_ERR_ELSEWHERE && count < 300) {
        status = client_open(&client, 0, "m/file", KP_FILE_FOR_READING, &id);
        kept[count++] = client.handle;
    }
    KP_EXPECT_INT(status, KP_ERR_BUSY);
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "x", NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(client.process, handle_close, kept[0]), KP_OK);
    KP_EXPECT_INT(client_open(&client, 0, "m/file", KP_FILE_FOR_READING, &id), KP_ERR_ELSEWHERE);
    /* It dies. */
    kp_capability_close(&server);
    KP_EXPECT_INT(client_open(&client, 0, "m/file", KP_FILE_FOR_READING, &id), KP_ERR_PEER_CLOSED);
    KP_EXPECT_INT(client_path(&client, KP_FILE_UNMOUNT, 0, "m", NULL, 0), KP_OK);
    tear_down();
}

/* A service whose server dies is asked again. */
KP_TEST(a_service_that_comes_back)
{
    kp_service_t *service;
    kp_capability_t requests, connection, handle;
    kp_vfs_source_t *source;
    kp_message_t *message;
    uint32_t id;
    static bool known;
    kp_test_attach("test");
    KP_REQUIRE(kp_service_find("test-files", &service) == KP_OK); /* which stays for ever */
    known = true;
    KP_REQUIRE(known && set_up("", KP_FILE_RIGHTS_ALL));
    handle = kp_capability_create(kp_service_object(service),
                                  kp_object_default_rights(KP_TYPE_SERVICE) | KP_RIGHT_CONNECT);
    KP_REQUIRE(kp_vfs_service_source(&handle, &source) == KP_OK);
    KP_EXPECT_INT(kp_vfs_mount("m", source, KP_FILE_RIGHTS_CHANGE), KP_OK);
    kp_vfs_source_release(source);
    for (int life = 0; life < 3; life++) {
        KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
        KP_EXPECT_INT(client_open(&client, 0, "m/x", 0, &id), KP_ERR_ELSEWHERE);
        KP_REQUIRE(kp_channel_receive(requests, KP_TIME_POLL, &message) == KP_OK);
        connection = kp_capability_take(&message->capabilities[0]);
        kp_message_destroy(message);
        KP_REQUIRE(kp_channel_receive(connection, KP_TIME_POLL, &message) == KP_OK);
        KP_EXPECT_INT(message->capability_count, 1);
        kp_message_destroy(message);
        kp_capability_close(&connection);
        kp_capability_close(&requests);
    }
    tear_down();
}

/* They would hold themselves, and nest in the kernel as deep as a path goes. */
KP_TEST(a_mount_of_the_kernels_own_directory)
{
    kp_handle_t ends[2], handle;
    kp_service_t *service;
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "m", NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(client.process, channel_create, 0x800), KP_OK);
    memcpy(ends, kp_test_memory(client.process, 0x800), sizeof(ends));
    KP_EXPECT_INT(client_ask(&client,
                             (kp_file_request_t){.operation = KP_FILE_MOUNT,
                                                 .rights = KP_FILE_RIGHTS_ALL,
                                                 .first_size = 1},
                             "m", NULL, ends[0]),
                  KP_OK);
    KP_EXPECT_INT(
        client_ask(&client,
                   (kp_file_request_t){.operation = KP_FILE_CONNECT, .rights = KP_FILE_RIGHTS_ALL},
                   NULL, NULL, ends[1]),
        KP_ERR_BAD_STATE);
    KP_EXPECT_INT(client_open(&client, 0, "m/m", 0, &id), KP_ERR_PEER_CLOSED); /* it was sent */
    KP_EXPECT_INT(client_path(&client, KP_FILE_MAKE, 0, "n", NULL, 0), KP_OK);
    kp_capability_t capability;
    KP_REQUIRE(kp_vfs_root_open("", KP_FILE_RIGHTS_ALL, client.process->quota, &capability) ==
               KP_OK);
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, capability, &handle), KP_OK);
    const kp_file_request_t mount = {.operation = KP_FILE_MOUNT, .first_size = 1};
    KP_EXPECT_INT(client_ask(&client, mount, "n", NULL, handle), KP_ERR_NOT_SUPPORTED);
    KP_REQUIRE(kp_service_find("file", &service) == KP_OK);
    capability =
        kp_capability_create(kp_service_object(service), KP_RIGHT_CONNECT | KP_RIGHT_TRANSFER);
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, capability, &handle), KP_OK);
    KP_EXPECT_INT(client_ask(&client, mount, "n", NULL, handle), KP_ERR_NOT_SUPPORTED);
    tear_down();
}

/* What is mounted is only sent to: a message of the server's would be read by nobody, and one with a handle to the
   directory that it is mounted in would keep both. */
KP_TEST(a_mount_keeps_nothing_that_is_sent_to_it)
{
    kp_handle_t ends[2], directory;
    const kp_ramfs_options_t wanted = {.pages_max = 100};
    kp_vfs_source_t *source;
    kp_capability_t capability, event;
    uint32_t id;
    KP_REQUIRE(set_up("", KP_FILE_RIGHTS_ALL));
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    /* A file system that only its handles keep. */
    KP_REQUIRE(kp_ramfs_create(&wanted, &source) == KP_OK);
    KP_REQUIRE(kp_vfs_open(source, "", KP_FILE_RIGHTS_ALL, client.process->quota, &capability) ==
               KP_OK);
    kp_vfs_source_release(source);
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, capability, &directory), KP_OK);
    client_t inside = client;
    inside.channel = directory;
    KP_EXPECT_INT(client_path(&inside, KP_FILE_MAKE, 0, "m", NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_test_call(client.process, channel_create, 0x800), KP_OK);
    memcpy(ends, kp_test_memory(client.process, 0x800), sizeof(ends));
    /* What lay there before goes. */
    KP_REQUIRE(kp_event_create(&event) == KP_OK);
    kp_handle_t handle;
    KP_EXPECT_INT(kp_handle_add(&client.process->handles, event, &handle), KP_OK);
    memcpy(kp_test_memory(client.process, 0x800), &handle, sizeof(handle));
    KP_EXPECT_INT(kp_test_call(client.process, channel_write, ends[1], 0, 4, 0x800, 1), KP_OK);
    uint64_t events = kp_object_count(KP_TYPE_EVENT);
    const kp_file_request_t mount = {
        .operation = KP_FILE_MOUNT, .rights = KP_FILE_RIGHTS_ALL, .first_size = 1};
    KP_EXPECT_INT(client_ask(&inside, mount, "m", NULL, ends[0]), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_EVENT), events - 1);
    /* The directory itself, sent to what is mounted in it. */
    memcpy(kp_test_memory(client.process, 0x800), &directory, sizeof(directory));
    KP_EXPECT_INT(kp_test_call(client.process, channel_write, ends[1], 0, 4, 0x800, 1),
                  KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(client_open(&inside, 0, "m/x", 0, &id), KP_ERR_ELSEWHERE);
    KP_EXPECT_INT(kp_test_call(client.process, handle_close, inside.handle), KP_OK);
    KP_EXPECT_INT(kp_test_call(client.process, handle_close, directory), KP_OK);
    KP_EXPECT_INT(kp_test_call(client.process, handle_close, ends[1]), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
    tear_down();
}

KP_TEST_MAIN()
