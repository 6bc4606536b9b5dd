/* Between the files of the tree. */
#ifndef KP_RUNTIME_WASI_TREE_INTERNAL_H
#define KP_RUNTIME_WASI_TREE_INTERNAL_H

#include <string.h>

#include "runtime/wasi/tree.h"

enum { KP_WASI_NAME_MAX = 255, KP_WASI_TREE_BLOCK = 4096 };

typedef struct kp_wasi_node kp_wasi_node_t;

typedef struct kp_wasi_entry {
    uint64_t cookie; /* ascending in a directory's array */
    kp_wasi_node_t *node;
    char *name; /* owned; without NUL */
    uint8_t length;
} kp_wasi_entry_t;

struct kp_wasi_node {
    kp_wasi_node_t *next, *previous; /* all of the tree */
    kp_wasi_filetype_t type;
    uint32_t links; /* entries that name it; the root has one */
    uint32_t opens;
    uint64_t inode;
    uint64_t size;
    uint64_t access_ns, modification_ns, change_ns;
    union {
        struct {
            kp_wasi_node_t *parent; /* NULL: the root, or it was removed */
            kp_wasi_entry_t *entries;
            uint32_t count, capacity;
            uint64_t next_cookie;
        } directory;
        struct {              /* of a tree that can be written */
            uint8_t **blocks; /* NULL: zeros */
            uint64_t count;
        } file;
        uint64_t id;  /* a file of a read-only tree */
        char *target; /* symbolic link: size bytes, no NUL behind them */
    };
};

struct kp_wasi_tree {
    kp_wasi_tree_options_t options;
    kp_wasi_node_t *root;
    kp_wasi_node_t *nodes; /* list of all */
    uint64_t bytes_used;
    uint64_t next_inode;
    uint32_t holders;
};

typedef struct kp_wasi_tree_file {
    kp_wasi_file_t file;
    kp_wasi_tree_t *tree;
    kp_wasi_node_t *node;
    uint64_t position;
    uint16_t fdflags;
} kp_wasi_tree_file_t;

static inline kp_wasi_tree_file_t *kp_wasi_tree_file(kp_wasi_file_t *file)
{
    return (kp_wasi_tree_file_t *)file;
}

/* malloc, realloc (zeroes what is new) and free on the tree's account. NULL: no memory, or none left (NOSPC). */
void *kp_wasi_tree_alloc(kp_wasi_tree_t *tree, void *old, uint64_t old_size, uint64_t size);
void kp_wasi_tree_free(kp_wasi_tree_t *tree, void *bytes, uint64_t size);
uint64_t kp_wasi_tree_now(const kp_wasi_tree_t *tree);

/* tree_node.c: a node without entry (links 0) that goes by kp_wasi_node_drop when it has neither links nor opens. */
kp_wasi_node_t *kp_wasi_node_create(kp_wasi_tree_t *tree, kp_wasi_filetype_t type);
void kp_wasi_node_drop(kp_wasi_tree_t *tree, kp_wasi_node_t *node);
/* NOSPC, FBIG. */
kp_wasi_errno_t kp_wasi_node_resize(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t size);
/* The block that holds the byte at offset, made if need be: NULL: no memory. */
uint8_t *kp_wasi_node_block(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint64_t offset);
void kp_wasi_node_stat(const kp_wasi_tree_t *tree, const kp_wasi_node_t *node,
                       kp_wasi_filestat_t *stat);
void kp_wasi_node_times(const kp_wasi_tree_t *tree, kp_wasi_node_t *node,
                        const kp_wasi_times_t *times);

/* Entries of a directory. find: NULL when there is none; it moves when the directory changes. */
kp_wasi_entry_t *kp_wasi_entry_find(kp_wasi_node_t *directory, const char *name, size_t length);
/* NOSPC. */
kp_wasi_errno_t kp_wasi_entry_add(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, const char *name,
                                  size_t length, kp_wasi_node_t *node);
/* The node goes if that was its last name and nobody has it open. */
void kp_wasi_entry_remove(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, kp_wasi_entry_t *entry);

/* The entry names another node from now on. */
void kp_wasi_entry_replace(kp_wasi_tree_t *tree, kp_wasi_node_t *directory, kp_wasi_entry_t *entry,
                           kp_wasi_node_t *node);

/* tree.c. NULL: no memory; then a node that nothing names has gone. */
kp_wasi_file_t *kp_wasi_tree_open(kp_wasi_tree_t *tree, kp_wasi_node_t *node, uint16_t fdflags);

/* tree_path.c */
KP_WASI_PATH_OPS_DECLARE(kp_wasi_tree_path_);

#endif
