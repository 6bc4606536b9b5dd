/* What every host must do: included once by each host's test, which defines the fixture's functions. The program under
   test has a directory "/data" as descriptor 3, with inner/file ("inside\n") and links that lead to it, out of it and
   nowhere; ../out/secret is there where the host has such a thing. */
#ifndef KP_RUNTIME_WASI_TEST_CASES_H
#define KP_RUNTIME_WASI_TEST_CASES_H

#include <stdio.h>
#include <string.h>

#include "runtime/wasi/wasi.h"
#include "tests/kp_test.h"

/* ---- the fixture: of each host ---- */
static const kp_wasi_host_t *fixture_host(void);
/* Gives streams as 0 to 2, and an empty directory as 3. */
static bool fixture_open(kp_wasi_t *wasi);
/* Gives the same directory again as "/read", to read only. */
static kp_status_t fixture_give_read_only(kp_wasi_t *wasi);
/* After the last file is closed. Is all outside of the directory as it was? */
static bool fixture_close(void);

enum { MEMORY = 65536 };

static uint8_t memory[MEMORY];
static kp_wasi_t *wasi;

static kp_wasi_errno_t call(kp_wasi_function_t function, uint64_t a, uint64_t b, uint64_t c,
                            uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h, uint64_t i)
{
    const uint64_t arguments[9] = {a, b, c, d, e, f, g, h, i};
    return kp_wasi_call(wasi, (kp_wasi_memory_t){memory, MEMORY}, function, arguments);
}
#define CALL_(name, a, b, c, d, e, f, g, h, i, ...) call(KP_WASI_##name, a, b, c, d, e, f, g, h, i)
#define CALL(name, ...) CALL_(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

static uint32_t get32(uint32_t at)
{
    uint32_t value;
    memcpy(&value, memory + at, 4);
    return value;
}
static uint64_t get64(uint32_t at)
{
    uint64_t value;
    memcpy(&value, memory + at, 8);
    return value;
}
static void put32(uint32_t at, uint32_t value)
{
    memcpy(memory + at, &value, 4);
}
static void put64(uint32_t at, uint64_t value)
{
    memcpy(memory + at, &value, 8);
}
/* Puts a text at an address and gives "address, length". */
static uint32_t text_at(uint32_t at, const char *text)
{
    memcpy(memory + at, text, strlen(text));
    return (uint32_t)strlen(text);
}

#define ALL KP_WASI_RIGHTS_ALL
enum { PATH_AT = 1000, OTHER_AT = 6000, RESULT_AT = 16, DATA_AT = 20000 };

/* Nobody may ask to write into a directory. */
static kp_wasi_errno_t path_open(uint32_t directory, const char *path, uint32_t lookup,
                                 uint32_t oflags, uint64_t rights, uint32_t *fd)
{
    uint32_t length = text_at(PATH_AT, path);
    uint64_t base = rights;
    if (oflags & KP_WASI_OFLAG_DIRECTORY)
        base &= ~KP_WASI_RIGHT(KP_WASI_RIGHT_FD_WRITE);
    kp_wasi_errno_t error =
        CALL(path_open, directory, lookup, PATH_AT, length, oflags, base, rights, 0, RESULT_AT);
    *fd = get32(RESULT_AT);
    return error;
}

static kp_wasi_errno_t one_path(kp_wasi_function_t function, const char *path)
{
    return call(function, 3, PATH_AT, text_at(PATH_AT, path), 0, 0, 0, 0, 0, 0);
}

static void link_make(const char *target, const char *path)
{
    uint32_t target_length = text_at(OTHER_AT, target), length = text_at(PATH_AT, path);
    KP_EXPECT_INT(CALL(path_symlink, OTHER_AT, target_length, 3, PATH_AT, length), 0);
}

/* Gives descriptor's file these bytes. */
static void write_text(uint32_t fd, const char *text)
{
    put32(100, DATA_AT), put32(104, text_at(DATA_AT, text));
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), strlen(text));
}

static void set_up(void)
{
    static const char *const arguments[] = {"program", "", "two words"};
    static const char *const environment[] = {"A=1", "LANG=C"};
    const kp_wasi_options_t options = {.arguments = arguments,
                                       .argument_count = 3,
                                       .environment = environment,
                                       .environment_count = 2,
                                       .host = fixture_host(),
                                       .descriptors_max = 40};
    uint32_t fd;
    memset(memory, 0, sizeof(memory));
    KP_REQUIRE(kp_wasi_create(&options, &wasi) == KP_OK);
    KP_REQUIRE(fixture_open(wasi));
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "inner"), 0);
    KP_EXPECT_INT(path_open(3, "inner/file", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    write_text(fd, "inside\n");
    KP_EXPECT_INT(CALL(fd_close, fd), 0);
    link_make("../out", "way-out");
    link_make("../out/secret", "secret-link");
    link_make("inner/file", "good-link");
    link_make("loop", "loop");
}

static void tear_down(void)
{
    kp_wasi_destroy(wasi);
    KP_EXPECT(fixture_close());
}

KP_TEST(arguments_and_environment)
{
    set_up();
    KP_EXPECT_INT(CALL(args_sizes_get, 0, 4), 0);
    KP_EXPECT_INT(get32(0), 3);
    KP_EXPECT_INT(get32(4), 8 + 1 + 10);
    KP_EXPECT_INT(CALL(args_get, 100, 200), 0);
    KP_EXPECT_STRING((char *)memory + get32(100), "program");
    KP_EXPECT_STRING((char *)memory + get32(104), "");
    KP_EXPECT_STRING((char *)memory + get32(108), "two words");
    KP_EXPECT_INT(CALL(environ_sizes_get, 0, 4), 0);
    KP_EXPECT_INT(get32(0), 2);
    KP_EXPECT_INT(CALL(environ_get, 100, 200), 0);
    KP_EXPECT_STRING((char *)memory + get32(104), "LANG=C");
    KP_EXPECT_INT(CALL(args_get, MEMORY - 8, 200), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(args_get, 100, MEMORY - 18), KP_WASI_FAULT);
    tear_down();
}

KP_TEST(clocks_random_exit)
{
    uint32_t code = 0;
    set_up();
    for (uint32_t clock = 0; clock < 4; clock++) {
        KP_EXPECT_INT(CALL(clock_time_get, clock, 1, 8), 0);
        KP_EXPECT(get64(8) > 0);
        KP_EXPECT_INT(CALL(clock_res_get, clock, 8), 0);
        KP_EXPECT(get64(8) > 0);
    }
    KP_EXPECT_INT(CALL(clock_time_get, 4, 1, 8), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(clock_time_get, 0, 1, MEMORY - 7), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(random_get, 100, 60000), 0);
    uint32_t bits = 0;
    for (uint32_t i = 0; i < 60000; i++)
        bits += (uint32_t)__builtin_popcount(memory[100 + i]);
    KP_EXPECT(bits > 200000 && bits < 280000);
    KP_EXPECT_INT(CALL(random_get, 100, UINT32_MAX), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(proc_raise, 9), KP_WASI_NOSYS);
    KP_EXPECT_INT(CALL(sched_yield, 0), 0);
    KP_EXPECT(!kp_wasi_has_exited(wasi, &code));
    KP_EXPECT_INT(CALL(proc_exit, 7), 0);
    KP_EXPECT(kp_wasi_has_exited(wasi, &code) && code == 7);
    tear_down();
}

KP_TEST(preopened_directory)
{
    set_up();
    KP_EXPECT_INT(CALL(fd_prestat_get, 3, 8), 0);
    KP_EXPECT_INT(get32(8), 0);
    KP_EXPECT_INT(get32(12), 5);
    KP_EXPECT_INT(CALL(fd_prestat_dir_name, 3, 100, 5), 0);
    KP_EXPECT(memcmp(memory + 100, "/data", 5) == 0);
    KP_EXPECT_INT(CALL(fd_prestat_dir_name, 3, 100, 4), KP_WASI_NAMETOOLONG);
    KP_EXPECT_INT(CALL(fd_prestat_get, 2, 8), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_prestat_get, 4, 8), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_prestat_get, UINT32_MAX, 8), KP_WASI_BADF);
    tear_down();
}

KP_TEST(write_read_seek)
{
    uint32_t fd;
    set_up();
    KP_EXPECT_INT(path_open(3, "new", 0, KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_EXCL, ALL, &fd), 0);
    KP_EXPECT_INT(fd, 4);
    text_at(DATA_AT, "hello, world");
    put32(100, DATA_AT), put32(104, 5), put32(108, DATA_AT + 5), put32(112, 7);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 12);
    KP_EXPECT_INT(CALL(fd_tell, fd, 8), 0);
    KP_EXPECT_INT(get64(8), 12);
    KP_EXPECT_INT(CALL(fd_seek, fd, (uint64_t)-5, KP_WASI_WHENCE_END, 8), 0);
    KP_EXPECT_INT(get64(8), 7);
    KP_EXPECT_INT(CALL(fd_seek, fd, (uint64_t)-8, KP_WASI_WHENCE_CUR, 8), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(fd_seek, fd, 0, 3, 8), KP_WASI_INVAL);
    put32(100, DATA_AT + 100), put32(104, 100);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 5);
    KP_EXPECT(memcmp(memory + DATA_AT + 100, "world", 5) == 0);
    KP_EXPECT_INT(CALL(fd_pread, fd, 100, 1, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 11);
    KP_EXPECT_INT(CALL(fd_pwrite, fd, 100, 1, UINT64_MAX, 8), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(fd_filestat_set_size, fd, 5), 0);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(232), 5);
    KP_EXPECT_INT(memory[216], KP_WASI_FILETYPE_REGULAR_FILE);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 0, 4096), 0);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 0, 0), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(fd_sync, fd), 0);
    KP_EXPECT_INT(CALL(fd_datasync, fd), 0);
    KP_EXPECT_INT(CALL(fd_filestat_set_times, fd, 1000000001, 5, KP_WASI_FST_ATIM), 0);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(240), 1000000001);
    KP_EXPECT_INT(CALL(fd_filestat_set_times, fd, 0, 0, 3), KP_WASI_INVAL);
    KP_EXPECT_INT(path_open(3, "new", 0, KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_EXCL, ALL, &fd),
                  KP_WASI_EXIST);
    KP_EXPECT_INT(CALL(fd_close, 4), 0);
    KP_EXPECT_INT(CALL(fd_close, 4), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_read, 4, 100, 1, 8), KP_WASI_BADF);
    tear_down();
}

KP_TEST(bad_buffers)
{
    uint32_t fd;
    set_up();
    KP_EXPECT_INT(path_open(3, "new", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    put32(100, MEMORY - 4), put32(104, 5);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), KP_WASI_FAULT);
    put32(100, UINT32_MAX), put32(104, UINT32_MAX);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(fd_write, fd, MEMORY - 7, 1, 8), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(fd_write, fd, UINT32_MAX, 1, 8), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, UINT32_MAX, 8), KP_WASI_INVAL);
    put32(100, 0), put32(104, 4);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, MEMORY - 3), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(232), 0); /* nothing was written */
    KP_EXPECT_INT(CALL(path_open, 3, 0, MEMORY - 2, 3, 0, ALL, ALL, 0, 8), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(path_open, 3, 0, 0, UINT32_MAX, 0, ALL, ALL, 0, 8), KP_WASI_FAULT);
    memset(memory + PATH_AT, 'a', 5000);
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, 5000, 0, ALL, ALL, 0, 8), KP_WASI_NAMETOOLONG);
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, 0, 0, ALL, ALL, 0, 8), KP_WASI_NOENT);
    memory[PATH_AT + 1] = 0;
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, 3, 0, ALL, ALL, 0, 8), KP_WASI_ILSEQ);
    memory[PATH_AT + 1] = 0xff;
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, 3, 0, ALL, ALL, 0, 8), KP_WASI_ILSEQ);
    tear_down();
}

KP_TEST(no_way_out)
{
    static const char *const ways[] = {"/etc/passwd",
                                       "..",
                                       "../out",
                                       "../out/secret",
                                       "inner/../../out/secret",
                                       "./../out/secret",
                                       "way-out/secret",
                                       "way-out/../../out/secret",
                                       "inner/../way-out/secret",
                                       "/",
                                       "//",
                                       "../in/inner/file"};
    uint32_t fd;
    set_up();
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        for (uint32_t lookup = 0; lookup < 2; lookup++) {
            KP_EXPECT_INT(path_open(3, ways[i], lookup, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
            KP_EXPECT_INT(path_open(3, ways[i], lookup, KP_WASI_OFLAG_CREAT, ALL, &fd),
                          KP_WASI_NOTCAPABLE);
            uint32_t length = text_at(PATH_AT, ways[i]);
            KP_EXPECT_INT(CALL(path_filestat_get, 3, lookup, PATH_AT, length, 200),
                          KP_WASI_NOTCAPABLE);
            KP_EXPECT_INT(
                CALL(path_filestat_set_times, 3, lookup, PATH_AT, length, 1, 1, KP_WASI_FST_MTIM),
                KP_WASI_NOTCAPABLE);
        }
        KP_EXPECT(one_path(KP_WASI_path_unlink_file, ways[i]) != 0);
        KP_EXPECT(one_path(KP_WASI_path_remove_directory, ways[i]) != 0);
        KP_EXPECT(one_path(KP_WASI_path_create_directory, ways[i]) != 0);
        uint32_t from = text_at(PATH_AT, "inner/file"), to = text_at(OTHER_AT, ways[i]);
        KP_EXPECT(CALL(path_rename, 3, PATH_AT, from, 3, OTHER_AT, to) != 0);
        KP_EXPECT(CALL(path_rename, 3, OTHER_AT, to, 3, PATH_AT, from) != 0);
        KP_EXPECT(CALL(path_link, 3, 0, PATH_AT, from, 3, OTHER_AT, to) != 0);
        KP_EXPECT(CALL(path_link, 3, 0, OTHER_AT, to, 3, PATH_AT, from) != 0);
        KP_EXPECT(CALL(path_symlink, PATH_AT, from, 3, OTHER_AT, to) != 0);
    }
    /* A slash behind a link follows it, but not out. */
    uint32_t slash = text_at(PATH_AT, "way-out/"), to = text_at(OTHER_AT, "mine");
    KP_EXPECT_INT(CALL(path_readlink, 3, PATH_AT, slash, DATA_AT, 100, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(path_link, 3, 0, PATH_AT, slash, 3, OTHER_AT, to), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "way-out/", 0, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
    /* A link in the last place: not followed when asked so, refused when followed. */
    KP_EXPECT_INT(path_open(3, "secret-link", 0, 0, ALL, &fd), KP_WASI_LOOP);
    KP_EXPECT_INT(path_open(3, "secret-link", 1, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "loop", 1, 0, ALL, &fd), KP_WASI_LOOP);
    KP_EXPECT_INT(path_open(3, "good-link", 1, 0, ALL, &fd), 0);
    uint32_t inside = text_at(PATH_AT, "inner/file");
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 0, PATH_AT, inside, 200), 0);
    /* Nor may a program make itself one. */
    uint32_t target = text_at(OTHER_AT, "/etc"), length = text_at(PATH_AT, "mine");
    KP_EXPECT_INT(CALL(path_symlink, OTHER_AT, target, 3, PATH_AT, length), KP_WASI_NOTCAPABLE);
    tear_down();
}

KP_TEST(directories)
{
    uint32_t fd;
    set_up();
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "made"), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "made/"), KP_WASI_EXIST);
    KP_EXPECT_INT(path_open(3, "made", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &fd), 0);
    for (int i = 0; i < 30; i++) {
        char name[20];
        uint32_t file;
        snprintf(name, sizeof(name), "file-%02d", i);
        KP_EXPECT_INT(path_open(fd, name, 0, KP_WASI_OFLAG_CREAT, ALL, &file), 0);
        KP_EXPECT_INT(CALL(fd_close, file), 0);
    }
    /* Through a buffer that holds a few entries and cuts the last. */
    uint64_t cookie = 0;
    unsigned found = 0;
    for (int round = 0; round < 100; round++) {
        KP_EXPECT_INT(CALL(fd_readdir, fd, DATA_AT, 100, cookie, 8), 0);
        uint32_t used = get32(8), at = 0;
        while (at + 24 <= used) {
            uint32_t name = get32(DATA_AT + at + 16);
            if (at + 24 + name > used)
                break;
            cookie = get64(DATA_AT + at);
            found += name == 7;
            at += 24 + name;
        }
        if (used < 100)
            break;
    }
    KP_EXPECT_INT(found, 30);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(fd_readdir, 1, DATA_AT, 100, 0, 8), KP_WASI_NOTDIR);
    KP_EXPECT_INT(one_path(KP_WASI_path_remove_directory, "made"), KP_WASI_NOTEMPTY);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "made/file-03"), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "made/file-03"), KP_WASI_NOENT);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "made"), KP_WASI_ISDIR);
    uint32_t from = text_at(PATH_AT, "made/file-04"), to = text_at(OTHER_AT, "inner/moved");
    KP_EXPECT_INT(CALL(path_rename, 3, PATH_AT, from, 3, OTHER_AT, to), 0);
    KP_EXPECT_INT(CALL(path_rename, 3, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_NOENT);
    KP_EXPECT_INT(CALL(path_link, 3, 0, OTHER_AT, to, 3, PATH_AT, from), 0);
    uint32_t target = text_at(OTHER_AT, "inner/moved"), link = text_at(PATH_AT, "link");
    KP_EXPECT_INT(CALL(path_symlink, OTHER_AT, target, 3, PATH_AT, link), 0);
    KP_EXPECT_INT(CALL(path_readlink, 3, PATH_AT, link, DATA_AT, 5, 8), 0);
    KP_EXPECT_INT(get32(8), 5);
    KP_EXPECT(memcmp(memory + DATA_AT, "inner", 5) == 0);
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 0, PATH_AT, link, 200), 0);
    KP_EXPECT_INT(memory[216], KP_WASI_FILETYPE_SYMBOLIC_LINK);
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 1, PATH_AT, link, 200), 0);
    KP_EXPECT_INT(memory[216], KP_WASI_FILETYPE_REGULAR_FILE);
    tear_down();
}

KP_TEST(rights_only_shrink)
{
    uint32_t fd, other;
    set_up();
    const uint64_t read = KP_WASI_RIGHT(KP_WASI_RIGHT_FD_READ);
    KP_EXPECT_INT(path_open(3, "inner/file", 0, 0, read, &fd), 0);
    put32(100, DATA_AT), put32(104, 4);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), 0);
    KP_EXPECT_INT(CALL(fd_write, fd, 100, 1, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(fd_seek, fd, 0, 0, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(fd_fdstat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(208), read);
    KP_EXPECT_INT(CALL(fd_fdstat_set_rights, fd, ALL, 0), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(CALL(fd_fdstat_set_rights, fd, 0, 0), 0);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), KP_WASI_NOTCAPABLE);
    /* Of a read-only directory nothing can be written or made. */
    KP_EXPECT_INT(fixture_give_read_only(wasi), KP_OK);
    KP_EXPECT_INT(path_open(5, "inner/file", 0, 0, ALL, &other), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(5, "fresh", 0, KP_WASI_OFLAG_CREAT, read, &other), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(5, "inner/file", 0, KP_WASI_OFLAG_TRUNC, read, &other),
                  KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(5, "inner/file", 0, 0, read, &other), 0);
    KP_EXPECT_INT(CALL(path_unlink_file, 5, PATH_AT, text_at(PATH_AT, "inner/file")),
                  KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(5, "inner", 0, KP_WASI_OFLAG_DIRECTORY, read, &other), 0);
    KP_EXPECT_INT(path_open(other, "file", 0, 0, KP_WASI_RIGHT(KP_WASI_RIGHT_FD_WRITE), &fd),
                  KP_WASI_NOTCAPABLE);
    tear_down();
}

KP_TEST(descriptors_renumber_and_run_out)
{
    uint32_t fd, last = 0;
    kp_wasi_errno_t error;
    set_up();
    while ((error = path_open(3, "inner/file", 0, 0, ALL, &fd)) == 0)
        last = fd;
    KP_EXPECT_INT(error, KP_WASI_MFILE);
    KP_EXPECT_INT(last, 39);
    KP_EXPECT_INT(CALL(fd_renumber, 10, 20), 0);
    KP_EXPECT_INT(CALL(fd_renumber, 10, 20), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_renumber, 20, 20), 0);
    KP_EXPECT_INT(path_open(3, "inner/file", 0, 0, ALL, &fd), 0);
    KP_EXPECT_INT(fd, 10);
    KP_EXPECT_INT(fixture_give_read_only(wasi), KP_ERR_QUOTA);
    tear_down();
}

static kp_wasi_errno_t rename_path(const char *from, const char *to)
{
    uint32_t from_length = text_at(PATH_AT, from), to_length = text_at(OTHER_AT, to);
    return CALL(path_rename, 3, PATH_AT, from_length, 3, OTHER_AT, to_length);
}

KP_TEST(names)
{
    uint32_t fd, other;
    set_up();
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "a"), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "a/b/"), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "a/b"), KP_WASI_EXIST);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "."), KP_WASI_EXIST);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "no/b"), KP_WASI_NOENT);
    KP_EXPECT_INT(one_path(KP_WASI_path_create_directory, "inner/file/b"), KP_WASI_NOTDIR);
    KP_EXPECT_INT(path_open(3, "inner/file/", 0, 0, ALL, &fd), KP_WASI_NOTDIR);
    KP_EXPECT_INT(path_open(3, "new/", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), KP_WASI_ISDIR);
    KP_EXPECT_INT(path_open(3, "a", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), KP_WASI_ISDIR);
    KP_EXPECT_INT(path_open(3, "inner/file", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &fd), KP_WASI_NOTDIR);
    KP_EXPECT_INT(path_open(3, "a/./b/../../inner//file", 0, 0, ALL, &fd), 0);
    KP_EXPECT_INT(path_open(3, "good-link", 0, KP_WASI_OFLAG_CREAT | KP_WASI_OFLAG_EXCL, ALL, &fd),
                  KP_WASI_EXIST);
    /* A link to a directory is one on the way, and with a slash behind it. */
    link_make("a/b", "to-b");
    KP_EXPECT_INT(path_open(3, "to-b/file", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), 0);
    KP_EXPECT_INT(path_open(3, "a/b/file", 0, 0, ALL, &fd), 0);
    KP_EXPECT_INT(path_open(3, "to-b", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &fd), KP_WASI_NOTDIR);
    KP_EXPECT_INT(path_open(3, "to-b/", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &fd), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "to-b/"), KP_WASI_NOTDIR);
    KP_EXPECT_INT(one_path(KP_WASI_path_remove_directory, "to-b"), KP_WASI_NOTDIR);

    KP_EXPECT_INT(rename_path("a", "a/b/c"), KP_WASI_INVAL);
    KP_EXPECT_INT(rename_path("a", "inner/file"), KP_WASI_NOTDIR);
    KP_EXPECT_INT(rename_path("inner/file", "a"), KP_WASI_ISDIR);
    KP_EXPECT_INT(rename_path("inner/file", "new/"), KP_WASI_NOTDIR);
    KP_EXPECT_INT(rename_path("inner", "a"), KP_WASI_NOTEMPTY);
    KP_EXPECT_INT(rename_path("inner", "."), KP_WASI_BUSY);
    KP_EXPECT_INT(rename_path("a", "a"), 0);
    KP_EXPECT_INT(rename_path("inner/file", "a/b/file"), 0); /* what was there is gone */
    KP_EXPECT_INT(rename_path("a/b", "inner"), 0);           /* an empty directory is replaced */
    KP_EXPECT_INT(path_open(3, "inner/../inner/file", 0, 0, ALL, &fd), 0);
    put32(100, DATA_AT), put32(104, 100);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), 0);
    KP_EXPECT(get32(8) == 7 && memcmp(memory + DATA_AT, "inside\n", 7) == 0);

    /* A directory that was removed stays open, and empty. */
    KP_EXPECT_INT(path_open(3, "a", 0, KP_WASI_OFLAG_DIRECTORY, ALL, &other), 0);
    KP_EXPECT_INT(one_path(KP_WASI_path_remove_directory, "a"), 0);
    KP_EXPECT_INT(path_open(other, "x", 0, KP_WASI_OFLAG_CREAT, ALL, &fd), KP_WASI_NOENT);
    KP_EXPECT_INT(path_open(other, "..", 0, 0, ALL, &fd), KP_WASI_NOTCAPABLE);
    /* A file with two names. */
    uint32_t from = text_at(PATH_AT, "inner/file"), to = text_at(OTHER_AT, "second");
    KP_EXPECT_INT(CALL(path_link, 3, 0, PATH_AT, from, 3, OTHER_AT, to), 0);
    KP_EXPECT_INT(CALL(path_link, 3, 0, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_EXIST);
    KP_EXPECT_INT(CALL(path_link, 3, 1, PATH_AT, from, 3, OTHER_AT, to), KP_WASI_INVAL);
    KP_EXPECT_INT(rename_path("inner/file", "second"), 0); /* the same file: nothing happens */
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 0, OTHER_AT, to, 200), 0);
    KP_EXPECT_INT(get64(224), 2);
    KP_EXPECT_INT(one_path(KP_WASI_path_unlink_file, "inner/file"), 0);
    KP_EXPECT_INT(path_open(3, "second", 0, 0, ALL, &fd), 0);
    tear_down();
}

static void subscription(uint32_t at, uint64_t data, uint8_t type, uint32_t id, uint64_t timeout)
{
    memset(memory + at, 0, 48);
    put64(at, data);
    memory[at + 8] = type;
    put32(at + 16, id);
    put64(at + 24, timeout);
}

/* What others' conformance tests found out about hosts: each line is a rule that some host broke. */
KP_TEST(what_others_expect)
{
    const uint64_t read = KP_WASI_RIGHT(KP_WASI_RIGHT_FD_READ);
    const uint64_t write = KP_WASI_RIGHT(KP_WASI_RIGHT_FD_WRITE);
    uint32_t fd, other;
    set_up();
    /* A preopened directory says what can be done with a directory, and nothing else. */
    KP_EXPECT_INT(CALL(fd_fdstat_get, 3, 200), 0);
    uint64_t base = get64(208);
    KP_EXPECT(!(base & (read | write | KP_WASI_RIGHT(KP_WASI_RIGHT_FD_SEEK) |
                        KP_WASI_RIGHT(KP_WASI_RIGHT_FD_ALLOCATE) |
                        KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FILESTAT_SET_SIZE))));
    uint32_t length = text_at(PATH_AT, ".");
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, length, 0, base, get64(216), 0, RESULT_AT), 0);
    KP_EXPECT_INT(path_open(3, ".", 0, KP_WASI_OFLAG_DIRECTORY, read, &fd), 0);
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, length, KP_WASI_OFLAG_DIRECTORY, read | write, 0,
                       0, RESULT_AT),
                  KP_WASI_ISDIR);
    KP_EXPECT_INT(CALL(fd_allocate, 3, 0, 1), KP_WASI_NOTCAPABLE);
    /* Not a socket, whatever its rights. */
    KP_EXPECT_INT(CALL(sock_shutdown, 3, 1), KP_WASI_NOTSOCK);
    KP_EXPECT_INT(CALL(sock_accept, 3, 0, 8), KP_WASI_NOTSOCK);
    KP_EXPECT_INT(CALL(sock_recv, 3, 100, 1, 0, 8, 16), KP_WASI_NOTSOCK);
    KP_EXPECT_INT(CALL(sock_shutdown, 30, 1), KP_WASI_BADF);
    /* A file opened for nothing, written only, as a directory. */
    KP_EXPECT_INT(path_open(3, "f", 0, KP_WASI_OFLAG_CREAT, 0, &fd), 0);
    KP_EXPECT_INT(path_open(fd, "x", 0, KP_WASI_OFLAG_CREAT, 0, &other), KP_WASI_NOTDIR);
    KP_EXPECT_INT(CALL(fd_read, fd, 100, 1, 8), KP_WASI_NOTCAPABLE);
    KP_EXPECT_INT(path_open(3, "f", 0, 0, write, &other), 0);
    write_text(other, "0123");
    KP_EXPECT_INT(CALL(fd_read, other, 100, 1, 8), KP_WASI_NOTCAPABLE);
    /* Truncation needs the directory's right alone. */
    KP_EXPECT_INT(path_open(3, "f", 0, KP_WASI_OFLAG_TRUNC, 0, &other), 0);
    length = text_at(PATH_AT, "f");
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 0, PATH_AT, length, 200), 0);
    KP_EXPECT_INT(get64(232), 0);
    /* Space is taken; size never shrinks by it. */
    KP_EXPECT_INT(path_open(3, "f", 0, 0, ALL, &fd), 0);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 0, 100), 0);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 10, 10), 0);
    KP_EXPECT_INT(CALL(fd_allocate, fd, 90, 20), 0);
    KP_EXPECT_INT(CALL(fd_filestat_get, fd, 200), 0);
    KP_EXPECT_INT(get64(232), 110);
    KP_EXPECT_INT(CALL(fd_advise, fd, 10, 50, 0), 0);
    KP_EXPECT_INT(CALL(fd_advise, fd, 10, 50, 6), KP_WASI_INVAL);
    /* Times of a link are its own. */
    length = text_at(PATH_AT, "good-link");
    KP_EXPECT_INT(CALL(path_filestat_set_times, 3, 0, PATH_AT, length, 0, 77, KP_WASI_FST_MTIM), 0);
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 0, PATH_AT, length, 200), 0);
    KP_EXPECT_INT(get64(248), 77);
    KP_EXPECT_INT(CALL(path_filestat_get, 3, 1, PATH_AT, length, 200), 0);
    KP_EXPECT(get64(248) != 77);
    /* Flags that a file was opened with, and that change. */
    length = text_at(PATH_AT, "f");
    KP_EXPECT_INT(CALL(path_open, 3, 0, PATH_AT, length, 0, ALL, 0,
                       KP_WASI_FDFLAG_APPEND | KP_WASI_FDFLAG_SYNC, RESULT_AT),
                  0);
    KP_EXPECT_INT(CALL(fd_fdstat_get, get32(RESULT_AT), 200), 0);
    KP_EXPECT_INT(memory[202], KP_WASI_FDFLAG_APPEND | KP_WASI_FDFLAG_SYNC);
    KP_EXPECT_INT(CALL(fd_pwrite, get32(RESULT_AT), 100, 0, 0, 8), 0);
    /* A preopened directory may go, by another name or for good. */
    KP_EXPECT_INT(path_open(3, "inner", 0, KP_WASI_OFLAG_DIRECTORY, 0, &fd), 0);
    KP_EXPECT_INT(CALL(fd_renumber, fd, 3), 0);
    KP_EXPECT_INT(CALL(fd_prestat_get, 3, 8), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_fdstat_get, fd, 200), KP_WASI_BADF);
    KP_EXPECT_INT(CALL(fd_close, 3), 0);
    tear_down();
}

KP_TEST(any_arguments)
{
    uint64_t state = 88172645463325252u;
    set_up();
    /* Every function with wild arguments: an errno each time, no more. */
    for (int round = 0; round < 60000; round++) {
        uint64_t arguments[9];
        kp_wasi_function_t function = (kp_wasi_function_t)(round % KP_WASI_FUNCTIONS);
        for (int i = 0; i < 9; i++) {
            state ^= state << 13, state ^= state >> 7, state ^= state << 17;
            arguments[i] = state % 5 == 0   ? state % 6
                           : state % 5 == 1 ? state % MEMORY
                           : state % 5 == 2 ? MEMORY - state % 70
                           : state % 5 == 3 ? (uint32_t)state
                                            : state;
        }
        if (function == KP_WASI_fd_write || function == KP_WASI_fd_read ||
            function == KP_WASI_fd_pwrite || function == KP_WASI_sock_send ||
            function == KP_WASI_fd_seek)
            arguments[0] |= 4; /* not the streams of the test */
        if (function == KP_WASI_poll_oneoff || function == KP_WASI_fd_close ||
            function == KP_WASI_fd_renumber)
            continue;
        if (function == KP_WASI_fd_allocate || function == KP_WASI_fd_filestat_set_size)
            arguments[1] %= 4096, arguments[2] %= 4096;
        (void)kp_wasi_call(wasi, (kp_wasi_memory_t){memory, MEMORY}, function, arguments);
    }
    tear_down();
}

#endif
