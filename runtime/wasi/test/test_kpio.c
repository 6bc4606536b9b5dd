/* The host KPIO over a kernel that the test plays: its cases, the log, devices, files, and too little memory. */
#include <stdlib.h>

#include "runtime/program/startup.h"
#include "runtime/wasi/test/fake_kernel.h"
#include "runtime/wasi/test/kpio_cases.h"

/* ---- memory that runs out: linked with --wrap ---- */
static unsigned allocations_left = UINT32_MAX;
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool may_allocate(void)
{
    if (allocations_left == UINT32_MAX)
        return true;
    if (allocations_left == 0)
        return false;
    allocations_left--;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}
void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}
void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate() ? __real_realloc(old, size) : NULL;
}

static void print(uint32_t fd, const char *text)
{
    put32(100, DATA_AT), put32(104, text_at(DATA_AT, text));
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), 0);
}

KP_TEST(lines_to_the_log)
{
    static char text[3000];
    set_up();
    (void)fake_log();
    print(1, "one\ntwo ");
    KP_EXPECT_STRING(fake_log(), "one\n");
    print(2, "error\n");
    KP_EXPECT_STRING(fake_log(), "error\n");
    kp_wasi_kpio_flush(wasi);
    KP_EXPECT_STRING(fake_log(), "two \n");
    kp_wasi_kpio_flush(wasi);
    KP_EXPECT_STRING(fake_log(), "");
    memset(text, 'x', 2500);
    print(1, text);
    KP_EXPECT_INT(strlen(fake_log()), 2 * 1025);
    print(1, "\n\n");
    KP_EXPECT_INT(strlen(fake_log()), 2500 - 2048 + 1);
    print(1, "the end");
    KP_EXPECT_INT(CALL(fd_close, 1), 0);
    KP_EXPECT_STRING(fake_log(), "the end\n");
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 0);
    tear_down();
}

KP_TEST(streams_over_a_device)
{
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host};
    KP_REQUIRE(kp_wasi_create(&options, &wasi) == KP_OK);
    const kp_handle_t streams[3] = {fake_device(), fake_device(), fake_device()};
    KP_REQUIRE(kp_wasi_kpio_streams(wasi, streams) == KP_OK);
    (void)fake_log();
    print(1, "a line to the console\n");
    KP_EXPECT_STRING(fake_log(), "a line to the console\n");
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 5);
    KP_EXPECT(memcmp(memory + DATA_AT, "typed", 5) == 0);
    KP_EXPECT_INT(CALL(fd_fdstat_get, 0, 200), 0);
    KP_EXPECT_INT(memory[200], KP_WASI_FILETYPE_CHARACTER_DEVICE);
    KP_EXPECT_INT(CALL(fd_fdstat_set_flags, 2, KP_WASI_FDFLAG_NONBLOCK), 0);
    put32(100, DATA_AT), put32(104, 5);
    KP_EXPECT_INT(CALL(fd_write, 2, 100, 1, 8), KP_WASI_AGAIN);
    KP_EXPECT_INT(CALL(fd_write, 2, 100, 1, 8), 0);
    kp_wasi_destroy(wasi);
    KP_EXPECT_INT(fake_open_handles(), 0);
}

KP_TEST(a_handle_that_went)
{
    set_up_channels();
    KP_EXPECT_INT(kp_handle_close(to_program), KP_OK);
    KP_EXPECT_INT(kp_handle_close(to_program ^ 1), KP_OK); /* the program's own, behind its back */
    subscription(200, 5, KP_WASI_EVENT_FD_READ, 0, 0);
    subscription(248, 6, KP_WASI_EVENT_FD_WRITE, 1, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1000), 5);
    KP_EXPECT_INT(get32(1008) & 0xffff, KP_WASI_BADF);
    kp_wasi_destroy(wasi);
    KP_EXPECT_INT(kp_handle_close(from_program), KP_OK);
    KP_EXPECT_INT(fake_open_handles(), 0);
}

/* What a program finds: files of the startup message below "/", and "/tmp". */
static kp_status_t give_all(void)
{
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host};
    kp_status_t status = kp_wasi_create(&options, &wasi);
    if (status != KP_OK)
        return status;
    status = kp_wasi_kpio_startup_streams(wasi);
    if (status == KP_OK)
        status = kp_wasi_kpio_files(wasi, "/");
    if (status == KP_OK)
        status = kp_wasi_kpio_temporary(wasi, "/tmp", 1 << 20);
    if (status != KP_OK)
        kp_wasi_destroy(wasi);
    return status;
}

KP_TEST(texts_of_the_startup_message)
{
    size_t count;
    KP_EXPECT_STRING(kp_startup_arguments(&count)[1], "argument");
    KP_EXPECT_INT(count, 2);
    KP_EXPECT(!kp_startup_arguments(NULL)[2]);
    KP_EXPECT_STRING(kp_startup_environment(&count)[0], "A=1");
    KP_EXPECT_INT(count, 1);
    KP_EXPECT(!kp_startup_environment(NULL)[1]);
    KP_EXPECT_STRING(kp_startup_name(1), "file:data/empty");
}

KP_TEST(files_of_the_startup_message)
{
    const uint64_t read = KP_WASI_RIGHT(KP_WASI_RIGHT_FD_READ) |
                          KP_WASI_RIGHT(KP_WASI_RIGHT_FD_SEEK) |
                          KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FILESTAT_GET);
    uint32_t fd;
    KP_REQUIRE(give_all() == KP_OK);
    KP_EXPECT_INT(CALL(fd_prestat_get, 4, 8), 0);
    KP_EXPECT_INT(get32(12), 4);
    KP_EXPECT_INT(path_open(3, "data/greeting.txt", 1, 0, read, &fd), 0);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(232), 17);
    put32(100, DATA_AT), put32(104, 5), put32(108, DATA_AT + 5), put32(112, 100);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 17);
    KP_EXPECT(memcmp(memory + DATA_AT, "hello from a file", 17) == 0);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 0);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, 12, 8), 0);
    KP_EXPECT(get32(8) == 5 && memcmp(memory + DATA_AT, " file", 5) == 0);
    fake_memory_is_short(true);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, 12, 8), KP_WASI_NOMEM);
    fake_memory_is_short(false);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "data/empty", 0, 0, read, &fd), 0);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 0);
    KP_EXPECT_INT(path_open(3, "top", 0, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "top", 0, KP_WASI_OFLAG_CREAT, read, &fd), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "../evil", 0, 0, read, &fd), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "evil", 0, 0, read, &fd), KP_WASI_NOENT);
    KP_EXPECT_INT(CALL(fd_readdir, 3, DATA_AT, 1000, 0, 8), 0);
    KP_EXPECT_INT(get32(8), 4 * 24 + 1 + 2 + 4 + 3); /* . .. data top */
    /* From one place to the other: no. */
    KP_EXPECT_INT(path_open(4, "mine", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    uint32_t from = text_at(PATH_AT, "mine"), to = text_at(OTHER_AT, "top");
    KP_EXPECT_INT(CALL(path_rename, 4, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_NOTCAPABLE);
    kp_wasi_destroy(wasi);
}

/* A read-only tree refuses by itself what rights would not keep from it. */
KP_TEST(a_tree_that_cannot_be_changed)
{
    uint32_t fd;
    KP_REQUIRE(give_all() == KP_OK);
    kp_wasi_file_t *root;
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "x"), KP_WASI_NOTCAPABLE);
    kp_wasi_destroy(wasi);
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host};
    KP_REQUIRE(kp_wasi_create(&options, &wasi) == KP_OK);
    const kp_wasi_tree_options_t tree_options = {
        .host = &kp_wasi_kpio_host, .bytes_max = 10000, .read = (kp_wasi_tree_read_fn)abort};
    KP_REQUIRE(kp_wasi_tree_create(&tree_options, &tree) == KP_OK);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a/b", 5, 0), KP_OK);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a/b", 5, 0), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a", 5, 0), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a/b/c", 5, 0), KP_ERR_ALREADY_EXISTS);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "", 5, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a//c", 5, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a/../c", 5, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "a/", 5, 0), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasi_tree_add(tree, "c", UINT64_MAX, 0), KP_ERR_INVALID_ARGUMENT);
    for (int i = 0; i < 3; i++) { /* 0, 1, 2 */
        root = kp_wasi_tree_root(tree);
        KP_REQUIRE(root && kp_wasi_give(wasi, root, ALL, ALL, "/", NULL) == KP_OK);
    }
    KP_EXPECT_INT(tree_give(wasi, "/all", false), KP_OK);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "x"), KP_WASI_ROFS);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "a/b"), KP_WASI_ROFS);
    KP_EXPECT_INT(path_open(3, "a/b", 0, 0, ALL, &fd), KP_WASI_ROFS);
    KP_EXPECT_INT(path_open(3, "c", 0, KP_WASI_OFLAG_CREAT, 0, &fd), KP_WASI_ROFS);
    KP_EXPECT_INT(path_open(3, "a/b", 0, KP_WASI_OFLAG_TRUNC, 0, &fd), KP_WASI_ROFS);
    uint32_t from = text_at(PATH_AT, "a/b"), to = text_at(OTHER_AT, "c");
    KP_EXPECT_INT(CALL(path_rename, 3, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_ROFS);
    KP_EXPECT_INT(CALL(path_link, 3, 0, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_ROFS);
    KP_EXPECT_INT(CALL(path_symlink, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_ROFS);
    KP_EXPECT_INT(CALL(path_filestat_set_times, 3, 0, PATH_AT, from, 1, 1, KP_WASI_FST_MTIM),
                  KP_WASI_ROFS);
    kp_wasi_destroy(wasi);
    kp_wasi_tree_release(tree);
}

/* What a program does, from the start; any step may find no memory. */
static void life(void)
{
    uint32_t fd, number;
    memset(memory, 0, sizeof(memory));
    if (give_all() != KP_OK)
        return;
    put32(100, DATA_AT), put32(104, 9000);
    (void)CALL(fd_write, 1, 100, 1, 8);
    uint32_t length = text_at(PATH_AT, "dir");
    (void)CALL(path_create_directory, 4, PATH_AT, length);
    for (int i = 0; i < 6; i++) {
        char name[20];
        snprintf(name, sizeof(name), "dir/%d", i);
        if (path_open(4, name, 0, KP_WASI_OFLAG_CREAT, ALL, &fd) == 0) {
            kp_wasi_errno_t error = CALL(fd_write, fd, 100, 1, 8);
            KP_EXPECT(error == 0 || error == KP_WASI_NOSPC);
            error = CALL(fd_allocate, fd, 20000, 10000);
            KP_EXPECT(error == 0 || error == KP_WASI_NOSPC);
            KP_EXPECT_INT(CALL(fd_close, fd), 0);
        }
    }
    uint32_t from = text_at(PATH_AT, "dir/1"), to = text_at(OTHER_AT, "moved");
    (void)CALL(path_rename, 4, PATH_AT, from, 4, OTHER_AT, to);
    (void)CALL(path_link, 4, 0, PATH_AT, from, 4, OTHER_AT, to);
    (void)CALL(path_symlink, PATH_AT, from, 4, OTHER_AT, to);
    subscription(200, 5, KP_WASI_EVENT_FD_READ, 0, 0);
    kp_wasi_errno_t error = CALL(poll_oneoff, 200, 1000, 1, 8);
    KP_EXPECT(error == 0 || error == KP_WASI_NOMEM);
    while (path_open(3, "top", 0, 0, 0, &number) == 0 && number < 40)
        continue;
    kp_wasi_destroy(wasi);
}

KP_TEST(memory_runs_out)
{
    (void)kp_startup_name(0); /* the message is read once, and its reader gives up without memory */
    unsigned used;
    for (unsigned count = 0;; count++) {
        allocations_left = count;
        life();
        used = allocations_left;
        allocations_left = UINT32_MAX;
        if (used > 0) { /* it had more than it wanted */
            KP_EXPECT(count > 50);
            break;
        }
    }
    KP_EXPECT_INT(fake_open_handles(), 0);
    /* Streams that cannot be made give their handles back. */
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host};
    for (unsigned count = 0; count < 5; count++) {
        KP_REQUIRE(kp_wasi_create(&options, &wasi) == KP_OK);
        const kp_handle_t streams[3] = {fake_device(), fake_device(), fake_device()};
        allocations_left = count;
        kp_status_t status = kp_wasi_kpio_streams(wasi, streams);
        allocations_left = UINT32_MAX;
        KP_EXPECT_INT(status, count < 4 ? KP_ERR_NO_MEMORY : KP_OK);
        kp_wasi_destroy(wasi);
        KP_EXPECT_INT(fake_open_handles(), 0);
    }
}

KP_TEST_MAIN()
