/* The fixture over KPIO: a tree in memory, log streams. For a wasm program, and natively over fake_kernel.h. */
#ifndef KP_RUNTIME_WASI_TEST_FIXTURE_KPIO_H
#define KP_RUNTIME_WASI_TEST_FIXTURE_KPIO_H

#include "runtime/wasi/kpio.h"
#include "runtime/wasi/test/cases.h"
#include "runtime/wasi/tree.h"

enum { TREE_BYTES = 1 << 20 };

static kp_wasi_tree_t *tree;

static const kp_wasi_host_t *fixture_host(void)
{
    return &kp_wasi_kpio_host;
}

static kp_status_t tree_give(kp_wasi_t *to, const char *name, bool read_only)
{
    kp_wasi_file_t *root = kp_wasi_tree_root(tree);
    return root ? kp_wasi_give_directory(to, root, name, read_only) : KP_ERR_NO_MEMORY;
}

static bool fixture_open(kp_wasi_t *to)
{
    const kp_wasi_tree_options_t options = {
        .host = &kp_wasi_kpio_host, .bytes_max = TREE_BYTES, .device = 9};
    const kp_handle_t streams[3] = {KP_HANDLE_NONE, KP_HANDLE_NONE, KP_HANDLE_NONE};
    return kp_wasi_tree_create(&options, &tree) == KP_OK &&
           kp_wasi_kpio_streams(to, streams) == KP_OK && tree_give(to, "/data", false) == KP_OK;
}

static kp_status_t fixture_give_read_only(kp_wasi_t *to)
{
    return tree_give(to, "/read", true);
}

static bool fixture_close(void)
{
    kp_wasi_tree_release(tree);
    return true;
}

#endif
