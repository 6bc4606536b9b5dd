/* Directories and files in memory, for every host: a place for temporary files, or a read-only view of files that lie
   somewhere else. Paths are resolved here, so a path cannot leave the directory that it starts from.

   A tree, its files and the kp_wasi_t that has them belong to one thread at a time. */
#ifndef KP_RUNTIME_WASI_TREE_H
#define KP_RUNTIME_WASI_TREE_H

#include "abi/status.h"
#include "runtime/wasi/host.h"

typedef struct kp_wasi_tree kp_wasi_tree_t;

/* Reads all of [offset, offset + count), which lies inside the file that was added under id. */
typedef kp_wasi_errno_t (*kp_wasi_tree_read_fn)(uint64_t id, uint64_t offset, uint8_t *bytes,
                                                size_t count);

typedef struct kp_wasi_tree_options {
    const kp_wasi_host_t *host; /* for the time of day; stays */
    uint64_t bytes_max; /* that contents, names and their books may take; also of one file */
    uint64_t device;    /* number that filestat shows */
    kp_wasi_tree_read_fn
        read; /* set: the tree is read-only (ROFS) and has the files that kp_wasi_tree_add adds */
} kp_wasi_tree_options_t;

/* An empty tree, held by the caller. ERR_NO_MEMORY. */
kp_status_t kp_wasi_tree_create(const kp_wasi_tree_options_t *options, kp_wasi_tree_t **out);
/* The tree goes when nobody holds it: its open files do, too. NULL is allowed. */
void kp_wasi_tree_release(kp_wasi_tree_t *tree);
/* A file of a read-only tree, and the directories above it. ERR_INVALID_ARGUMENT: no such path can be (names are 1 to
   255 bytes, not "." or ".."); ERR_ALREADY_EXISTS; ERR_NO_MEMORY, ERR_QUOTA. */
kp_status_t kp_wasi_tree_add(kp_wasi_tree_t *tree, const char *path, uint64_t size, uint64_t id);
/* The root, opened: for kp_wasi_give_directory. NULL: no memory. */
kp_wasi_file_t *kp_wasi_tree_root(kp_wasi_tree_t *tree);

#endif
