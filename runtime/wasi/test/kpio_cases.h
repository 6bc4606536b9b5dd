/* What the host KPIO must do beyond the cases of every host: streams over channels, waiting, trees and their quota. */
#ifndef KP_RUNTIME_WASI_TEST_KPIO_CASES_H
#define KP_RUNTIME_WASI_TEST_KPIO_CASES_H

#include "runtime/program/kp.h"
#include "runtime/wasi/test/fixture_kpio.h"

/* A program whose streams 0 and 1 are the ends of channels; the other ends are ours. */
static kp_handle_t to_program, from_program;

static void set_up_channels(void)
{
    const kp_wasi_options_t options = {.host = &kp_wasi_kpio_host};
    kp_handle_t in[2], out[2];
    memset(memory, 0, sizeof(memory));
    KP_REQUIRE(kp_channel_create(in) == KP_OK && kp_channel_create(out) == KP_OK);
    KP_REQUIRE(kp_wasi_create(&options, &wasi) == KP_OK);
    const kp_handle_t streams[3] = {in[1], out[1], KP_HANDLE_NONE};
    KP_REQUIRE(kp_wasi_kpio_streams(wasi, streams) == KP_OK);
    to_program = in[0];
    from_program = out[0];
}

static void channels_close(void)
{
    kp_wasi_destroy(wasi);
    uint32_t actual[2];
    kp_status_t status;
    char byte;
    /* The program's end is gone: nothing comes any more. */
    while ((status = kp_channel_read(from_program, &byte, 1, NULL, 0, actual)) == KP_OK)
        continue;
    KP_EXPECT_INT(status, KP_ERR_PEER_CLOSED);
    KP_EXPECT_INT(kp_handle_close(to_program), KP_OK);
    KP_EXPECT_INT(kp_handle_close(from_program), KP_OK);
}

KP_TEST(streams_over_channels)
{
    uint8_t bytes[64];
    uint32_t actual[2];
    kp_handle_t other[2];
    set_up_channels();
    put32(100, DATA_AT), put32(104, 4);
    /* Messages are pieces of one stream; an empty one is not its end, and handles in one are nobody's. */
    KP_REQUIRE(kp_channel_create(other) == KP_OK);
    KP_EXPECT_INT(kp_channel_write(to_program, "", 0, NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_channel_write(to_program, "abcdefg", 7, &other[1], 1), KP_OK);
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 4);
    KP_EXPECT(memcmp(memory + DATA_AT, "abcd", 4) == 0);
    KP_EXPECT_INT(kp_channel_write(other[0], "x", 1, NULL, 0), KP_ERR_PEER_CLOSED);
    KP_EXPECT_INT(kp_handle_close(other[0]), KP_OK);
    /* A poll knows of the rest. */
    subscription(200, 5, KP_WASI_EVENT_FD_READ, 0, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(get64(1016), 3);
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 3);
    KP_EXPECT(memcmp(memory + DATA_AT, "efg", 3) == 0);
    /* Without waiting: nothing there. */
    KP_EXPECT_INT(CALL(fd_fdstat_set_flags, 0, KP_WASI_FDFLAG_NONBLOCK), 0);
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), KP_WASI_AGAIN);
    KP_EXPECT_INT(CALL(fd_fdstat_set_flags, 0, KP_WASI_FDFLAG_SYNC), KP_WASI_NOTSUP);
    KP_EXPECT_INT(CALL(fd_write, 0, 100, 1, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(fd_seek, 0, 0, 0, 8), KP_WASI_NOTCAPABLE);

    put32(108, DATA_AT), put32(112, 2);
    KP_EXPECT_INT(CALL(fd_write, 1, 100, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 6);
    KP_EXPECT_INT(kp_channel_read(from_program, bytes, sizeof(bytes), NULL, 0, actual), KP_OK);
    KP_EXPECT_INT(actual[0], 4);
    KP_EXPECT_INT(kp_channel_read(from_program, bytes, sizeof(bytes), NULL, 0, actual), KP_OK);
    KP_EXPECT_INT(actual[0], 2);
    /* More than a message holds. */
    put32(100, 0), put32(104, MEMORY), put32(108, 0), put32(112, 10);
    KP_EXPECT_INT(CALL(fd_write, 1, 100, 2, 8), 0);
    KP_EXPECT_INT(get32(8), MEMORY + 10);
    KP_EXPECT_INT(kp_channel_read(from_program, NULL, 0, NULL, 0, actual), KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT_INT(actual[0], KP_CHANNEL_BYTES_MAX);
    kp_wasi_destroy(wasi);
    wasi = NULL;
    KP_EXPECT_INT(kp_handle_close(to_program), KP_OK);
    KP_EXPECT_INT(kp_handle_close(from_program), KP_OK);
}

KP_TEST(streams_whose_other_end_goes)
{
    set_up_channels();
    KP_EXPECT_INT(kp_channel_write(to_program, "last", 4, NULL, 0), KP_OK);
    KP_EXPECT_INT(kp_handle_close(to_program), KP_OK);
    KP_EXPECT_INT(kp_handle_close(from_program), KP_OK);
    put32(100, DATA_AT), put32(104, 100);
    subscription(200, 5, KP_WASI_EVENT_FD_READ, 0, 0);
    subscription(248, 6, KP_WASI_EVENT_FD_WRITE, 1, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 2);
    KP_EXPECT_INT(memory[1024], 0); /* not yet at its end */
    KP_EXPECT_INT(memory[1056], KP_WASI_EVENT_FD_HANGUP);
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 4);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(memory[1024], KP_WASI_EVENT_FD_HANGUP);
    KP_EXPECT_INT(CALL(fd_read, 0, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 0);
    KP_EXPECT_INT(CALL(fd_write, 1, 100, 1, 8), KP_WASI_PIPE);
    kp_wasi_destroy(wasi);
}

KP_TEST(polls_wait)
{
    set_up_channels();
    uint64_t before = (uint64_t)kp_now();
    subscription(200, 11, KP_WASI_EVENT_CLOCK, 1, 3000000);
    subscription(248, 22, KP_WASI_EVENT_FD_READ, 0, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1000), 11);
    KP_EXPECT((uint64_t)kp_now() - before >= 3000000);
    /* Absolute, and one that is over. */
    subscription(200, 12, KP_WASI_EVENT_CLOCK, 1, (uint64_t)kp_now() + 1000000);
    memory[240] = KP_WASI_SUBCLOCK_ABSTIME;
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(get64(1000), 12);
    subscription(200, 13, KP_WASI_EVENT_CLOCK, 0, 1);
    memory[240] = KP_WASI_SUBCLOCK_ABSTIME;
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1000), 13);
    /* One handle as often as there is room for it. */
    for (uint32_t i = 0; i < 600; i++)
        subscription(200 + i * 48, i, KP_WASI_EVENT_FD_READ, 0, 0);
    KP_EXPECT_INT(kp_channel_write(to_program, "x", 1, NULL, 0), KP_OK);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 30000, 600, 8), 0);
    KP_EXPECT_INT(get32(8), 600);
    /* The log and an input at its end never keep one waiting. */
    subscription(200, 1, KP_WASI_EVENT_FD_WRITE, 2, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    /* A clock that nobody can wait by. */
    subscription(200, 1, KP_WASI_EVENT_CLOCK, 2, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(get32(1008) & 0xffff, KP_WASI_NOTSUP);
    channels_close();
}

/* Fills a file until nothing more goes in; how many bytes did. */
static uint64_t fill(uint32_t fd)
{
    uint64_t written = 0;
    kp_wasi_errno_t error;
    put32(100, 0), put32(104, 60000);
    while ((error = CALL(fd_write, fd, 100, 1, 8)) == 0)
        written += get32(8);
    KP_EXPECT(error == KP_WASI_NOSPC || error == KP_WASI_FBIG);
    return written;
}

KP_TEST(quota_of_a_tree)
{
    uint32_t fd, other, file;
    set_up();
    KP_EXPECT_INT(path_open(3, "big", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    uint64_t room = fill(fd);
    KP_EXPECT(room > TREE_BYTES * 9 / 10 && room < TREE_BYTES);
    /* Nothing more, of any kind; what is there can be read and removed. */
    for (unsigned i = 0; i < 100; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u", i);
        if (path_open(3, name, 0, KP_WASI_OFLAG_CREAT, ALL, &file) != 0)
            break;
        KP_EXPECT_INT(CALL(fd_close, file), 0);
        KP_EXPECT(i < 60);
    }
    KP_EXPECT_INT(path_open(3, "none", 0, KP_WASI_OFLAG_CREAT, ALL, &other), KP_WASI_NOSPC);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "none"), KP_WASI_NOSPC);
    uint32_t from = text_at(PATH_AT, "inner/file"),
             to = text_at(OTHER_AT, "a-long-name-for-a-link");
    KP_EXPECT_INT(CALL(path_symlink, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_NOSPC);
    KP_EXPECT_INT(path_open(3, "inner/file", 0, 0, ALL, &other), 0);
    put32(100, DATA_AT), put32(104, 100);
    KP_EXPECT_INT(CALL(fd_read, other, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 7);
    /* A file that is open stays when it has no name, and gives all back when it is closed. */
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "big"), 0);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, room - 1, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(path_open(3, "big", 0, 0, ALL, &file), KP_WASI_NOENT);
    KP_EXPECT_INT(CALL(fd_close, fd), 0);
    KP_EXPECT_INT(path_open(3, "big", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    uint64_t again = fill(fd);
    KP_EXPECT(again + 8192 >= room && again <= room);
    /* As does cutting it. */
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, 5), 0);
    KP_EXPECT_INT(CALL(fd_seek, fd, 0, KP_WASI_WHENCE_END, 8), 0);
    KP_EXPECT_INT(get64(8), 5);
    uint64_t more = fill(fd);
    KP_EXPECT(more + 8192 >= again);
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, TREE_BYTES + 1), KP_WASI_FBIG);
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, 0), 0);
    KP_EXPECT_INT(CALL(fd_pwrite, fd, 100, 1, INT64_MAX, 8), KP_WASI_FBIG);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 0, TREE_BYTES), KP_WASI_NOSPC);
    tear_down();
}

KP_TEST(contents_of_a_tree)
{
    uint32_t fd;
    set_up();
    KP_EXPECT_INT(path_open(3, "holes", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    put32(100, DATA_AT), put32(104, text_at(DATA_AT, "abc"));
    KP_EXPECT_INT(CALL(fd_pwrite, fd, 100, 1, 10000, 8), 0);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(232), 10003);
    put32(104, 20000);
    memset(memory + DATA_AT, 7, 20000);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, 0, 8), 0);
    KP_EXPECT_INT(get32(8), 10003);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 10000; i++)
        wrong += memory[DATA_AT + i] != 0;
    KP_EXPECT_INT(wrong, 0);
    KP_EXPECT(memcmp(memory + DATA_AT + 10000, "abc\7", 4) == 0);
    /* What was cut off does not come back. */
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, 10001), 0);
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, 10003), 0);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, 10000, 8), 0);
    KP_EXPECT(memcmp(memory + DATA_AT, "a\0\0", 3) == 0);
    /* At the end, wherever the position is. */
    KP_EXPECT_INT(CALL(fd_fdstat_set_flags, fd, KP_WASI_FDFLAG_APPEND), 0);
    KP_EXPECT_INT(CALL(fd_seek, fd, 0, KP_WASI_WHENCE_SET, 8), 0);
    put32(104, 2);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), 0);
    KP_EXPECT_INT(CALL(fd_tell, fd, 8), 0);
    KP_EXPECT_INT(get64(8), 10005);
    KP_EXPECT_INT(CALL(fd_seek, fd, INT64_MAX, KP_WASI_WHENCE_CUR, 8), KP_WASI_INVAL);
    tear_down();
}

/* As deep as the quota goes, as many links as there may be. */
KP_TEST(paths_as_deep_as_they_get)
{
    char path[4000] = "";
    uint32_t fd, directory = 3, next;
    set_up();
    for (int i = 0; i < 1500; i++) {
        uint32_t length = text_at(PATH_AT, "d");
        if (CALL(path_create_directory, directory, PATH_AT, length) != 0)
            break;
        KP_EXPECT_INT(path_open(directory, "d", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &next), 0);
        if (directory != 3)
            KP_EXPECT_INT(CALL(fd_close, directory), 0);
        directory = next;
    }
    for (int i = 0; i < 1500; i++)
        strcat(path, "d/");
    KP_EXPECT_INT(path_open(3, path, 0, KP_WASI_OFLAG_DIRECTORY, ALL, &fd), 0);
    path[0] = 0;
    for (int i = 0; i < 1300; i++)
        strcat(path, "../");
    KP_EXPECT_INT(path_open(fd, path, 0, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
    /* A chain of links, within the limit and beyond it. */
    link_make("inner/file", "l0");
    for (int i = 1; i <= 41; i++) {
        char from[20], to[20];
        snprintf(from, sizeof(from), "l%d", i - 1);
        snprintf(to, sizeof(to), "l%d", i);
        link_make(from, to);
    }
    KP_EXPECT_INT(path_open(3, "l39", 1, 0, ALL, &fd), 0);
    KP_EXPECT_INT(path_open(3, "l40", 1, 0, ALL, &fd), KP_WASI_LOOP);
    memset(path, 'n', 256);
    path[256] = 0;
    KP_EXPECT_INT(path_open(3, path, 0, KP_WASI_OFLAG_CREAT, ALL, &fd), KP_WASI_NAMETOOLONG);
    path[255] = 0;
    KP_EXPECT_INT(path_open(3, path, 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    /* Links that grow with every step. */
    memset(path, '/', 3000);
    memcpy(path, "long/x", 6);
    path[5] = '/', path[3000] = 0;
    link_make(path, "long");
    KP_EXPECT_INT(path_open(3, "long", 1, 0, ALL, &fd), KP_WASI_NAMETOOLONG);
    tear_down();
}

#endif
