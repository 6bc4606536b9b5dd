/* WASI preview 1 over Linux: the cases of every host, and what only Linux has. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/wasi/linux.h"
#include "runtime/wasi/test/cases.h"

static char root[64]; /* root/in is given as "/data", root/out must stay unreachable */

static bool shell(const char *format)
{
    char command[400];
    snprintf(command, sizeof(command), format, root, root, root, root);
    return system(command) == 0;
}

static const kp_wasi_host_t *fixture_host(void)
{
    return &kp_wasi_linux_host;
}

static kp_status_t give(kp_wasi_t *to, const char *name, bool read_only)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/in", root);
    return kp_wasi_linux_directory(to, path, name, read_only);
}

static bool fixture_open(kp_wasi_t *to)
{
    strcpy(root, "/tmp/kpio-wasi-XXXXXX");
    return mkdtemp(root) && shell("mkdir %s/in %s/out && echo secret >%s/out/secret") &&
           kp_wasi_linux_streams(to) == KP_OK && give(to, "/data", false) == KP_OK;
}

static kp_status_t fixture_give_read_only(kp_wasi_t *to)
{
    return give(to, "/read", true);
}

static bool fixture_close(void)
{
    bool good = shell("test \"$(cat %s/out/secret)\" = secret");
    return shell("rm -rf %s") && good;
}

KP_TEST(directories_that_cannot_be_given)
{
    set_up();
    KP_EXPECT_INT(kp_wasi_linux_directory(wasi, "/no-such", "/x", false), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_wasi_linux_directory(wasi, "/etc/passwd", "/x", false), KP_ERR_NOT_SUPPORTED);
    tear_down();
}

KP_TEST(polls)
{
    int ends[2];
    uint32_t fd;
    set_up();
    KP_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    KP_EXPECT_INT(kp_wasi_give(wasi, kp_wasi_linux_file(ends[0], true), ALL, 0, NULL, &fd), KP_OK);
    subscription(100, 11, KP_WASI_EVENT_CLOCK, 1, 2000000);
    subscription(148, 22, KP_WASI_EVENT_FD_READ, fd, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1000), 11);
    KP_EXPECT_INT(write(ends[1], "abc", 3), 3);
    put64(100 + 24, UINT64_MAX); /* for ever */
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1000), 22);
    KP_EXPECT_INT(memory[1010], KP_WASI_EVENT_FD_READ);
    KP_EXPECT_INT(get64(1016), 3);
    put32(100, DATA_AT), put32(104, 100);
    KP_EXPECT_INT(CALL(sock_recv, fd, 100, 1, 0, 8, 16), 0);
    KP_EXPECT_INT(get32(8), 3);
    KP_EXPECT_INT(CALL(sock_send, fd, 100, 1, 0, 8), 0);
    KP_EXPECT_INT(CALL(sock_send, 3, 100, 1, 0, 8), KP_WASI_NOTSOCK);
    KP_EXPECT_INT(CALL(sock_shutdown, fd, 0), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(sock_shutdown, fd, 3), 0);
    close(ends[1]);
    subscription(100, 33, KP_WASI_EVENT_FD_READ, 39, 0);
    subscription(148, 44, KP_WASI_EVENT_CLOCK, 9, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, 2, 8), 0);
    KP_EXPECT_INT(get32(8), 2);
    KP_EXPECT_INT(get32(1008) & 0xffff, KP_WASI_BADF);
    KP_EXPECT_INT(get32(1040) & 0xffff, KP_WASI_INVAL);
    memory[108] = 3;
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, 1, 8), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, 0, 8), KP_WASI_INVAL);
    KP_EXPECT_INT(CALL(poll_oneoff, MEMORY - 47, 1000, 1, 8), KP_WASI_FAULT);
    KP_EXPECT_INT(CALL(poll_oneoff, 100, 1000, UINT32_MAX, 8), KP_WASI_INVAL);
    tear_down();
}

KP_TEST_MAIN()
