/* Directories of the host KPIO: the startup message's files, and memory. */
#include <string.h>

#include "runtime/program/startup.h"
#include "runtime/wasi/kpio_internal.h"
#include "runtime/wasi/tree.h"

enum { DEVICE_FILES = 1, DEVICE_TEMPORARY = 2 };

/* Takes the caller's hold of the tree. */
static kp_status_t give(kp_wasi_t *wasi, kp_wasi_tree_t *tree, const char *name, bool read_only)
{
    kp_wasi_file_t *root = kp_wasi_tree_root(tree);
    kp_wasi_tree_release(tree);
    return root ? kp_wasi_give_directory(wasi, root, name, read_only) : KP_ERR_NO_MEMORY;
}

static kp_wasi_errno_t file_read(uint64_t id, uint64_t offset, uint8_t *bytes, size_t count)
{
    return kp_wasi_kpio_errno(kp_startup_file_read((size_t)id, offset, bytes, count));
}

kp_status_t kp_wasi_kpio_files(kp_wasi_t *wasi, const char *name)
{
    const kp_wasi_tree_options_t options = {.host = &kp_wasi_kpio_host,
                                            .bytes_max = UINT64_MAX,
                                            .device = DEVICE_FILES,
                                            .read = file_read};
    kp_wasi_tree_t *tree;
    kp_status_t status = kp_wasi_tree_create(&options, &tree);
    if (status != KP_OK)
        return status;
    const char *handle;
    for (size_t i = 0; (handle = kp_startup_name(i)); i++) {
        uint64_t size;
        if (kp_startup_file_size(i, &size) != KP_OK)
            continue; /* no file, or the program took its handle */
        status = kp_wasi_tree_add(tree, handle + strlen("file:"), size, i);
        /* A name that is no path, or there twice, is none that a program could open. */
        if (status == KP_ERR_NO_MEMORY) {
            kp_wasi_tree_release(tree);
            return status;
        }
    }
    return give(wasi, tree, name, true);
}

kp_status_t kp_wasi_kpio_temporary(kp_wasi_t *wasi, const char *name, uint64_t bytes)
{
    const kp_wasi_tree_options_t options = {
        .host = &kp_wasi_kpio_host, .bytes_max = bytes, .device = DEVICE_TEMPORARY};
    kp_wasi_tree_t *tree;
    kp_status_t status = kp_wasi_tree_create(&options, &tree);
    return status == KP_OK ? give(wasi, tree, name, false) : status;
}
