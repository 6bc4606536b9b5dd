/* Files in memory: directories, regular files, symbolic and hard links, as POSIX has them; and files whose contents
   somebody else gives (devices, the boot archive).

   A name is found in O(log n), whatever names a program chooses (a treap over keyed hashes); so is the place where a LIST
   goes on. A file's pages are committed when they are written. Each name (KP_QUOTA_OBJECTS) and each page of a file's
   size (KP_QUOTA_PAGES) is charged to the job whose request made it, until it goes. A file whose last name is gone lives
   while it is open.

   Whoever walks a path holds the ramfs's lock for one name at a time. If a directory is moved meanwhile, a walk that goes
   up begins again, so that ".." never leads out of the directory that it began in. Writes to one file are in turns, and
   so are renames in a ramfs; reads wait for nobody. */
#ifndef KP_KERNEL_VFS_RAMFS_H
#define KP_KERNEL_VFS_RAMFS_H

#include "kernel/vfs/vfs.h"

typedef struct kp_ramfs kp_ramfs_t;

typedef struct kp_ramfs_options {
    uint64_t pages_max; /* of all files: ERR_NO_SPACE beyond */
    bool read_only;     /* but for kp_ramfs_add, and writes to special files */
    kp_quota_t *quota;  /* charged with the root, may be NULL */
} kp_ramfs_options_t;

#define KP_RAMFS_PAGES_USUAL ((uint64_t)64 << 8) /* 64 MiB */

/* A special file. Both operations as in kp_vfs_ops_t; NULL: ERR_ACCESS_DENIED. */
typedef struct kp_ramfs_special {
    uint32_t type; /* KP_FILE_TYPE_REGULAR, _DEVICE */
    kp_status_t (*read)(const void *context, uint64_t offset, void *to, uint32_t count,
                        uint32_t *done);
    kp_status_t (*write)(const void *context, const void *from, uint32_t count, uint32_t *done);
} kp_ramfs_special_t;

/* One reference of its source, which is its face for mounts. ERR_NO_MEMORY, ERR_QUOTA. */
kp_status_t kp_ramfs_create(const kp_ramfs_options_t *options, kp_vfs_source_t **out);
/* Adds a special file under a relative path, with the directories above it. Before others know the ramfs.
   context stays. ERR_ALREADY_EXISTS, ERR_INVALID_ARGUMENT (the path), ERR_NO_MEMORY. */
kp_status_t kp_ramfs_add(kp_vfs_source_t *ramfs, const char *path,
                         const kp_ramfs_special_t *special, const void *context, uint64_t size);
/* The root, without a reference of its own. */
kp_vfs_node_t *kp_ramfs_root(kp_vfs_source_t *ramfs);

/* The devices null, zero, random and (if the machine has one) console, to be written. One reference. */
kp_status_t kp_ramfs_devices_create(kp_vfs_source_t **out);

#endif
