/* The cases of every host over directories that the kernel serves. */
#include "runtime/wasi/test/vfs_host.h"
#include "runtime/wasi/test/cases.h"

static kp_status_t directory_give(kp_wasi_t *to, const char *name, bool read_only)
{
    kp_handle_t handle = bridge_directory();
    return handle ? kp_wasi_kpio_give_directory(to, handle, name, read_only) : KP_ERR_NO_MEMORY;
}

static const kp_wasi_host_t *fixture_host(void)
{
    return &kp_wasi_kpio_host;
}

static bool fixture_open(kp_wasi_t *to)
{
    const kp_handle_t streams[3] = {KP_HANDLE_NONE, KP_HANDLE_NONE, KP_HANDLE_NONE};
    return bridge_open(4096) && kp_wasi_kpio_streams(to, streams) == KP_OK &&
           directory_give(to, "/data", false) == KP_OK;
}

static kp_status_t fixture_give_read_only(kp_wasi_t *to)
{
    return directory_give(to, "/read", true);
}

static bool fixture_close(void)
{
    return bridge_close();
}

/* The server is not asked: files are ready always. */
KP_TEST(files_are_ready)
{
    uint32_t fd;
    set_up();
    KP_EXPECT_INT(path_open(3, "inner/file", 0, 0, ALL, &fd), 0);
    subscription(200, 5, KP_WASI_EVENT_FD_READ, fd, 0);
    KP_EXPECT_INT(CALL(poll_oneoff, 200, 1000, 1, 8), 0);
    KP_EXPECT_INT(get32(8), 1);
    KP_EXPECT_INT(get64(1016), 7);
    tear_down();
}

KP_TEST_MAIN()
