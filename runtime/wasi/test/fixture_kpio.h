/* The fixture over KPIO: log streams, and a tree in memory, or (wasm programs) a directory that the kernel serves. For a
   wasm program, and natively over fake_kernel.h. */
#ifndef KP_RUNTIME_WASI_TEST_FIXTURE_KPIO_H
#define KP_RUNTIME_WASI_TEST_FIXTURE_KPIO_H

#include "abi/file.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/wasi/kpio.h"
#include "runtime/wasi/test/cases.h"
#include "runtime/wasi/tree.h"

enum { TREE_BYTES = 1 << 20 };

static kp_wasi_tree_t *tree;
/* Set: below this directory each test has one of its own, instead of a tree. */
static kp_handle_t served;
static char served_name[16];

/* One request for a path below `served`. */
static kp_status_t served_ask(uint32_t operation, const char *path, kp_handle_t handle)
{
    struct {
        kp_file_request_t request;
        char path[16];
    } request = {.request = {.operation = operation,
                             .rights = KP_FILE_RIGHTS_CHANGE,
                             .first_size = (uint32_t)strlen(path)}};
    kp_file_reply_t reply = {.status = KP_OK};
    memcpy(request.path, path, strlen(path));
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(&request),
                    .byte_count = (uint32_t)(sizeof(request.request) + strlen(path)),
                    .handles = (uint32_t)kp_mem(&handle),
                    .handle_count = handle ? 1 : 0},
        .reply = {.bytes = (uint32_t)kp_mem(&reply), .byte_count = sizeof(reply)}};
    kp_status_t status = kp_channel_call(served, &call, KP_TIME_INFINITE);
    return status == KP_OK ? reply.status : status;
}

static kp_status_t served_give(kp_wasi_t *to, const char *name, bool read_only)
{
    kp_handle_t ends[2];
    kp_status_t status = kp_channel_create(ends);
    if (status == KP_OK)
        status = served_ask(KP_FILE_CONNECT, served_name, ends[1]);
    return status == KP_OK ? kp_wasi_kpio_give_directory(to, ends[0], name, read_only) : status;
}

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
    static unsigned count;
    if (served != KP_HANDLE_NONE) {
        snprintf(served_name, sizeof(served_name), "case%u", count++);
        return served_ask(KP_FILE_MAKE, served_name, KP_HANDLE_NONE) == KP_OK &&
               kp_wasi_kpio_streams(to, streams) == KP_OK &&
               served_give(to, "/data", false) == KP_OK;
    }
    return kp_wasi_tree_create(&options, &tree) == KP_OK &&
           kp_wasi_kpio_streams(to, streams) == KP_OK && tree_give(to, "/data", false) == KP_OK;
}

static kp_status_t fixture_give_read_only(kp_wasi_t *to)
{
    return served ? served_give(to, "/read", true) : tree_give(to, "/read", true);
}

static bool fixture_close(void)
{
    kp_wasi_tree_release(tree);
    tree = NULL;
    return true;
}

#endif
