/* Between the files of ramfs. */
#ifndef KP_KERNEL_VFS_RAMFS_PRIVATE_H
#define KP_KERNEL_VFS_RAMFS_PRIVATE_H

#include "kernel/base/tree.h"
#include "kernel/object/turn.h"
#include "kernel/object/vmo.h"
#include "kernel/vfs/ramfs.h"

typedef struct kp_ramfs_file kp_ramfs_file_t; /* a node */

/* Pages that one account pays for a file; the newest first, given back in that order. */
typedef struct kp_ramfs_charge {
    struct kp_ramfs_charge *next;
    kp_quota_t *quota; /* referenced; also charged with one object */
    uint64_t pages;
} kp_ramfs_charge_t;

typedef struct kp_ramfs_mount {
    kp_vfs_source_t *source; /* referenced */
    uint32_t rights;
} kp_ramfs_mount_t;

struct kp_ramfs {
    kp_vfs_source_t
        source; /* its references: those who mount or make it, and one a node held from outside */
    kp_ramfs_options_t options;
    uint64_t device;
    uint64_t secret[2]; /* of the names' hashes */
    kp_turn_t renames;
    kp_spinlock_t lock; /* guards all below, and nodes and entries but for contents */
    uint64_t moves;     /* of directories so far */
    uint64_t next_inode;
    _Atomic uint64_t pages; /* of all files' sizes; not guarded */
    kp_ramfs_file_t *root;
};

struct kp_ramfs_file {
    kp_vfs_node_t node; /* its type says which of the union */
    kp_ramfs_t *ramfs;
    uint32_t references; /* held open or by a walk */
    uint32_t links;      /* entries that name it; the root has one more */
    uint64_t inode;
    uint64_t access_ns, modification_ns, change_ns;
    uint64_t size; /* of files and links */
    const kp_ramfs_special_t *special;
    const void *context; /* of special */
    kp_list_t garbage;
    union {
        struct {
            kp_tree_t names, cookies; /* of kp_ramfs_entry_t */
            uint64_t next_cookie;
            uint64_t count;
            kp_ramfs_file_t *parent; /* NULL: the root, or removed */
            kp_ramfs_mount_t *mount; /* owned */
        } directory;
        struct {
            kp_turn_t turn; /* of who writes; guards charges, and who sets vmo and size */
            kp_vmo_t *vmo;  /* made at the first write, stays; bytes behind the size are zero */
            kp_ramfs_charge_t *charges;
        } file;
        char *target; /* size bytes, owned */
    };
};

typedef struct kp_ramfs_entry {
    kp_tree_node_t by_name, by_cookie;
    kp_ramfs_file_t *file;
    kp_quota_t *quota; /* referenced, charged with one object */
    uint8_t length;
    char name[];
} kp_ramfs_entry_t;

extern const kp_vfs_ops_t kp_ramfs_ops;

static inline kp_ramfs_file_t *kp_ramfs_file(kp_vfs_node_t *node)
{
    return KP_CONTAINER_OF(node, kp_ramfs_file_t, node);
}

/* ---- node.c: nodes and entries ---- */

/* Not in any directory; one reference. NULL: no memory. */
kp_ramfs_file_t *kp_ramfs_file_create(kp_ramfs_t *ramfs, uint32_t type);
/* References within the ramfs; kp_ramfs_ops has those from outside. */
void kp_ramfs_file_hold(kp_ramfs_file_t *file);        /* takes the lock */
void kp_ramfs_file_hold_locked(kp_ramfs_file_t *file); /* the lock is held */
void kp_ramfs_file_drop(kp_ramfs_file_t *file);        /* NULL is allowed; no lock held */

/* Makes an entry that is in no directory. */
kp_status_t kp_ramfs_entry_create(kp_ramfs_t *ramfs, const char *name, size_t length,
                                  kp_quota_t *quota, kp_ramfs_entry_t **out);
void kp_ramfs_entry_destroy(kp_ramfs_entry_t *entry); /* NULL is allowed */
/* These with the lock held. */
kp_ramfs_entry_t *kp_ramfs_entry_find(kp_ramfs_file_t *directory, uint64_t hash, const char *name,
                                      size_t length);
void kp_ramfs_entry_enter(kp_ramfs_file_t *directory, kp_ramfs_entry_t *entry,
                          kp_ramfs_file_t *file);
/* The entry is in no directory any more; its file has a link less, and the caller holds a reference to that. */
void kp_ramfs_entry_leave(kp_ramfs_file_t *directory, kp_ramfs_entry_t *entry);
/* The first entry whose cookie is not less; NULL: none. */
kp_ramfs_entry_t *kp_ramfs_entry_from(kp_ramfs_file_t *directory, uint64_t cookie);
uint64_t kp_ramfs_hash(const kp_ramfs_t *ramfs, const char *name, size_t length);

/* ---- content.c ---- */
kp_status_t kp_ramfs_read(kp_vfs_node_t *node, uint64_t offset, void *to, uint32_t count,
                          uint32_t *done);
kp_status_t kp_ramfs_write(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t offset,
                           const void *from, uint32_t count, uint32_t *done, uint64_t *position);
kp_status_t kp_ramfs_size(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t size, bool grow);
/* Nobody has the file any more. */
void kp_ramfs_content_free(kp_ramfs_file_t *file);

/* ---- walk.c ---- */

/* What is done with the last name. */
enum {
    KP_RAMFS_LAST_FOLLOWED = 1, /* a symbolic link means what it points to */
    KP_RAMFS_LAST_ENTERED = 2,  /* so does "link/" */
    KP_RAMFS_LAST_MADE = 4,     /* ERR_IS_DIRECTORY: "name/" */
    KP_RAMFS_LAST_CROSSED = 8,  /* a mounted file system is entered */
};

typedef struct kp_ramfs_walk {
    kp_ramfs_file_t *start;     /* held by the caller */
    kp_ramfs_file_t *directory; /* the last name's; NULL: the path ends in "." or "..". Held */
    kp_ramfs_file_t *file;      /* what the path means, or NULL. Held */
    const char *name;           /* of length bytes; borrowed from the path, or in buffer */
    size_t length;
    uint64_t hash;
    bool slash;   /* the path ends in one */
    char *buffer; /* owned; NULL: no link was followed */
} kp_ramfs_walk_t;

/* ERR_ELSEWHERE fills the request. Clear the walk in any case. */
kp_status_t kp_ramfs_walk(kp_ramfs_walk_t *walk, kp_vfs_request_t *request, kp_ramfs_file_t *start,
                          kp_vfs_path_t path, unsigned last);
void kp_ramfs_walk_clear(kp_ramfs_walk_t *walk);
/* Does the last name still mean the same? The lock is held. */
bool kp_ramfs_walk_holds(const kp_ramfs_walk_t *walk);

#endif
