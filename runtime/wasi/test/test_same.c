/* Files in memory and a directory of Linux, given the same calls: they answer the same. Few names, many kinds of
   files behind them, so that paths meet links, files and removed directories everywhere. The files in memory are a tree
   in this process or, with SAME_VFS, a directory that the kernel serves. */
#include <stdlib.h>
#include <unistd.h>

#ifdef SAME_VFS
#include "runtime/wasi/test/vfs_host.h"
#endif
#include "runtime/wasi/linux.h"
#include "runtime/wasi/tree.h"
#include "tests/kp_test.h"

enum {
    MEMORY = 8192,
    PATH_AT = 1000,
    OTHER_AT = 2000,
    DATA_AT = 4000,
    RESULT_AT = 16,
    ROUNDS = 40,
    CALLS = 2500
};

static uint8_t memory[2][MEMORY];
static kp_wasi_t *wasi[2];
static uint64_t state = 88172645463325252u;
static char calls[20][200]; /* the last ones, for who looks at a difference */
static unsigned call_count;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 20) % below;
}

/* A path of a few names; sometimes with dots, doubled slashes or one at the end. */
static uint32_t path_draw(uint32_t at)
{
    static const char *const names[] = {"a", "b", "c", "a", "b", ".", "..", "link"};
    char text[100] = "";
    unsigned count = 1 + draw(3);
    for (unsigned i = 0; i < count; i++) {
        strcat(text, names[draw(8)]);
        if (i + 1 < count || draw(8) == 0)
            strcat(text, draw(10) ? "/" : "//");
    }
    for (int i = 0; i < 2; i++)
        memcpy(memory[i] + at, text, strlen(text) + 1);
    return (uint32_t)strlen(text);
}

/* Calls both; says if they differ. The errno. */
static kp_wasi_errno_t both(kp_wasi_function_t function, const uint64_t *arguments)
{
    kp_wasi_errno_t error[2];
    for (int i = 0; i < 2; i++)
        error[i] =
            kp_wasi_call(wasi[i], (kp_wasi_memory_t){memory[i], MEMORY}, function, arguments);
    snprintf(calls[call_count++ % 20], sizeof(calls[0]),
             "%s(%d, %d, %d, %d, %d, ...) \"%.40s\" \"%.40s\" -> %d",
             kp_wasi_signatures[function].name, (int)arguments[0], (int)arguments[1],
             (int)arguments[2], (int)arguments[3], (int)arguments[4], (char *)memory[0] + PATH_AT,
             (char *)memory[0] + OTHER_AT, error[0]);
    if (error[0] != error[1]) {
        for (unsigned i = call_count > 20 ? call_count - 20 : 0; i < call_count; i++)
            printf("# %s\n", calls[i % 20]);
        KP_FAIL("Linux says %d, the tree %d", error[0], error[1]);
    }
    return error[0];
}
#define BOTH(name, ...) both(KP_WASI_##name, (const uint64_t[10]){__VA_ARGS__})

static uint64_t get64(int host, uint32_t at)
{
    uint64_t value;
    memcpy(&value, memory[host] + at, 8);
    return value;
}

static uint32_t number(void)
{
    uint32_t fd;
    memcpy(&fd, memory[0] + RESULT_AT, 4);
    KP_EXPECT(memcmp(memory[0] + RESULT_AT, memory[1] + RESULT_AT, 4) == 0);
    return fd;
}

/* What filestat says that is not the host's own business: type, and of files links and size. */
static void stat_compare(void)
{
    KP_EXPECT_INT(memory[1][216], memory[0][216]);
    if (memory[0][216] == KP_WASI_FILETYPE_DIRECTORY)
        return;
    KP_EXPECT_INT(get64(1, 224), get64(0, 224));
    KP_EXPECT_INT(get64(1, 232), get64(0, 232));
}

/* The names of a directory, as one number that no order changes. */
static uint64_t names_of(int host, uint32_t used)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at + 24 <= used;) {
        uint32_t length;
        uint64_t hash = 14695981039346656037u;
        memcpy(&length, memory[host] + DATA_AT + at + 16, 4);
        for (uint32_t i = 0; i < length; i++)
            hash = (hash ^ memory[host][DATA_AT + at + 24 + i]) * 1099511628211u;
        sum += hash * (memory[host][DATA_AT + at + 20] + 1);
        at += 24 + length;
    }
    return sum;
}

static void file_use(uint32_t fd)
{
    uint32_t vector[2] = {DATA_AT, 1 + draw(60)};
    for (int i = 0; i < 2; i++) {
        memcpy(memory[i] + 100, vector, 8);
        memset(memory[i] + DATA_AT, (int)('a' + call_count % 26), 100);
    }
    switch (draw(6)) {
    case 0:
        BOTH(fd_write, fd, 100, 1, 8);
        break;
    case 1:
        BOTH(fd_pwrite, fd, 100, 1, draw(9000), 8);
        break;
    case 2:
        BOTH(fd_filestat_set_size, fd, draw(9000));
        break;
    case 3:
        BOTH(fd_seek, fd, (uint64_t)((int64_t)draw(9000) - 3000), draw(3), 8);
        break;
    case 4:
        BOTH(fd_pread, fd, 100, 1, draw(9000), 8);
        break;
    default:
        BOTH(fd_read, fd, 100, 1, 8);
    }
    KP_EXPECT(memcmp(memory[0] + 8, memory[1] + 8, 8) == 0);
    KP_EXPECT(memcmp(memory[0] + DATA_AT, memory[1] + DATA_AT, 100) == 0);
    if (BOTH(fd_filestat_get, fd, 200) == 0)
        stat_compare();
}

static void one_call(void)
{
    uint32_t directory = 3 + draw(4), length = path_draw(PATH_AT), other = path_draw(OTHER_AT);
    uint32_t oflags = draw(2) ? draw(16) : KP_WASI_OFLAG_CREAT;
    switch (draw(14)) {
    case 0:
    case 1:
        BOTH(path_create_directory, directory, PATH_AT, length);
        break;
    case 2:
        BOTH(path_remove_directory, directory, PATH_AT, length);
        break;
    case 3:
        BOTH(path_unlink_file, directory, PATH_AT, length);
        break;
    case 4:
        BOTH(path_rename, directory, PATH_AT, length, 3 + draw(4), OTHER_AT, other);
        break;
    case 5:
        BOTH(path_link, directory, 0, PATH_AT, length, 3 + draw(4), OTHER_AT, other);
        break;
    case 6:
        BOTH(path_symlink, OTHER_AT, other, directory, PATH_AT, length);
        break;
    case 7:
        if (BOTH(path_readlink, directory, PATH_AT, length, DATA_AT, 50, 8) == 0) {
            KP_EXPECT(memcmp(memory[0] + 8, memory[1] + 8, 4) == 0);
            KP_EXPECT(memcmp(memory[0] + DATA_AT, memory[1] + DATA_AT, memory[0][8]) == 0);
        }
        break;
    case 8:
    case 9:
        if (BOTH(path_filestat_get, directory, draw(2), PATH_AT, length, 200) == 0)
            stat_compare();
        break;
    case 10:
    case 11:
        if (BOTH(path_open, directory, draw(2), PATH_AT, length, oflags,
                 KP_WASI_RIGHTS_ALL & ~(oflags & KP_WASI_OFLAG_DIRECTORY ? 64u : 0u),
                 KP_WASI_RIGHTS_ALL, draw(6) ? 0 : KP_WASI_FDFLAG_APPEND, RESULT_AT) == 0) {
            uint32_t fd = number();
            if (fd > 12) /* few stay open, also of what was removed since */
                BOTH(fd_renumber, fd, 4 + draw(9));
        }
        break;
    case 12:
        if (BOTH(fd_readdir, directory, DATA_AT, 2000, 0, 8) == 0) {
            uint32_t used[2];
            memcpy(&used[0], memory[0] + 8, 4), memcpy(&used[1], memory[1] + 8, 4);
            KP_EXPECT_INT(used[1], used[0]);
            KP_EXPECT(names_of(0, used[0]) == names_of(1, used[1]));
        }
        break;
    default:
        file_use(4 + draw(9));
    }
}

KP_TEST(a_tree_answers_as_linux_does)
{
    for (int round = 0; round < ROUNDS && kp_test_failures == 0; round++) {
        char root[] = "/tmp/kpio-wasi-same-XXXXXX", command[100];
        const kp_wasi_options_t options = {.host = &kp_wasi_linux_host, .descriptors_max = 40};
        const kp_wasi_tree_options_t tree_options = {.host = &kp_wasi_linux_host,
                                                     .bytes_max = 1 << 24};
        kp_wasi_tree_t *tree;
        KP_REQUIRE(mkdtemp(root) && kp_wasi_tree_create(&tree_options, &tree) == KP_OK);
#ifdef SAME_VFS
        KP_REQUIRE(bridge_open(4096));
#endif
        snprintf(command, sizeof(command), "mkdir %s/in; touch %s/secret", root, root);
        KP_EXPECT_INT(system(command), 0);
        snprintf(command, sizeof(command), "%s/in", root);
        for (int i = 0; i < 2; i++) {
            KP_REQUIRE(kp_wasi_create(&options, &wasi[i]) == KP_OK);
            for (int k = 0; k < 3; k++) /* 0 to 2 are of no use here */
                KP_REQUIRE(kp_wasi_give(wasi[i], kp_wasi_tree_root(tree), 0, 0, NULL, NULL) ==
                           KP_OK);
        }
        KP_REQUIRE(kp_wasi_linux_directory(wasi[0], command, "/", false) == KP_OK);
#ifdef SAME_VFS
        KP_REQUIRE(kp_wasi_kpio_give_directory(wasi[1], bridge_directory(), "/", false) == KP_OK);
#else
        KP_REQUIRE(kp_wasi_give_directory(wasi[1], kp_wasi_tree_root(tree), "/", false) == KP_OK);
#endif
        for (unsigned i = 0; i < CALLS && kp_test_failures == 0; i++)
            one_call();
        for (int i = 0; i < 2; i++)
            kp_wasi_destroy(wasi[i]);
        kp_wasi_tree_release(tree);
#ifdef SAME_VFS
        KP_EXPECT(bridge_close());
#endif
        snprintf(command, sizeof(command), "test -e %s/secret && rm -rf %s", root, root);
        KP_EXPECT_INT(system(command), 0);
    }
}

KP_TEST_MAIN()
