/* The VFS: who serves the protocol of directories (abi/file.h), and where file systems are mounted.

   The kernel serves its own directories in the calls of those who ask (kernel/ipc/channel.h, "Served by the kernel"):
   no thread, no queue, and what a request costs its sender pays. A file system of the kernel gives nodes with
   operations (kp_vfs_ops_t); connection.c turns messages into them, keeps ids and holds rights. File systems in the
   kernel: ramfs.h (files in memory, devices, the boot archive), hosted also directories of Linux. All others are
   processes: the kernel never asks them anything, it only sends them a new client's channel (CONNECT) and tells the
   client to go on there (ERR_ELSEWHERE).

   The mount table: a mount lies on a directory of a ramfs and stays with it when that is renamed, so the one that a path
   meets last is the one that counts: the longest prefix. Reached by the service `file` (the root, all rights; no
   program has it by default) and by directories that the boot table gives ("dir:/tmp", abi/startup.h).

   Counts: nodes are kept by who has them open. Locks: a connection's, then that of a ramfs; both leaves beside quota and
   allocator; the turns of a ramfs (kernel/object/turn.h) before them. */
#ifndef KP_KERNEL_VFS_H
#define KP_KERNEL_VFS_H

#include "abi/file.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"

typedef struct kp_vfs_node kp_vfs_node_t;
typedef struct kp_vfs_source kp_vfs_source_t;

/* Not empty unless said, at most KP_FILE_PATH_MAX bytes, no NUL in it and none behind it. */
typedef struct kp_vfs_path {
    const char *text;
    size_t length;
} kp_vfs_path_t;

/* What a request of a client has besides its own arguments. */
typedef struct kp_vfs_request {
    kp_quota_t *quota; /* of the client; borrowed */
    /* With ERR_ELSEWHERE; the connection gives them up. */
    kp_vfs_source_t *source; /* referenced */
    uint32_t source_rights;  /* that the mount leaves */
    char *rest;              /* kp_kalloc; or NULL when rest_size is 0 */
    size_t rest_size;
} kp_vfs_request_t;

/* Operations on a node. Rights were checked; `path` operations are for directories. NULL: ERR_NOT_SUPPORTED. */
typedef struct kp_vfs_ops {
    void (*acquire)(kp_vfs_node_t *node);
    void (*release)(kp_vfs_node_t *node);
    /* flags: KP_FILE_FOLLOW, _DIRECTORY, _FOR_*, _CREATE, _EXCLUSIVE, _TRUNCATE. *out: one reference. */
    kp_status_t (*open)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                        uint32_t flags, kp_vfs_node_t **out);
    kp_status_t (*read)(kp_vfs_node_t *node, uint64_t offset, void *to, uint32_t count,
                        uint32_t *done);
    /* offset UINT64_MAX: at the end. */
    kp_status_t (*write)(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t offset,
                         const void *from, uint32_t count, uint32_t *done, uint64_t *position);
    /* path may be empty: the node itself. */
    kp_status_t (*stat)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                        bool follow, kp_file_stat_t *stat);
    kp_status_t (*times)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                         uint32_t flags, uint64_t access_ns, uint64_t modification_ns);
    kp_status_t (*size)(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t size, bool grow);
    /* Writes whole entries (kp_file_entry_t and name); none: the end. ERR_BUFFER_TOO_SMALL: not even one fits. */
    kp_status_t (*list)(kp_vfs_node_t *node, uint64_t cookie, uint8_t *to, uint32_t room,
                        uint32_t *used);
    kp_status_t (*make)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path);
    kp_status_t (*remove)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                          bool directory);
    /* `to` has the same ops. */
    kp_status_t (*rename)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                          kp_vfs_node_t *to, kp_vfs_path_t to_path);
    kp_status_t (*link)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                        kp_vfs_node_t *to, kp_vfs_path_t to_path);
    kp_status_t (*symlink)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t target,
                           kp_vfs_path_t path);
    kp_status_t (*readlink)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                            uint8_t *to, uint32_t room, uint32_t *used);
    kp_status_t (*sync)(kp_vfs_node_t *node, bool data_only);
    /* source NULL: takes the mount away. */
    kp_status_t (*mount)(kp_vfs_node_t *node, kp_vfs_request_t *request, kp_vfs_path_t path,
                         kp_vfs_source_t *source, uint32_t rights);
} kp_vfs_ops_t;

/* Embedded at the start of each file system's own. */
struct kp_vfs_node {
    const kp_vfs_ops_t *ops;
    uint32_t type; /* KP_FILE_TYPE_*; never changes */
};

/* ---- Sources: what can be mounted ---- */

typedef struct kp_vfs_source_ops {
    void (*destroy)(kp_vfs_source_t *source); /* the last reference is gone */
    /* Makes `end` a channel to what path (may be empty) means below the source's root, with at most these rights; `end`
       is taken on success. Never waits for a process. */
    kp_status_t (*attach)(kp_vfs_source_t *source, kp_capability_t *end, kp_vfs_path_t path,
                          uint32_t rights, kp_quota_t *quota);
} kp_vfs_source_ops_t;

struct kp_vfs_source {
    const kp_vfs_source_ops_t *ops;
    atomic_uint references;
};

void kp_vfs_source_init(kp_vfs_source_t *source, const kp_vfs_source_ops_t *ops);
kp_vfs_source_t *kp_vfs_source_acquire(kp_vfs_source_t *source);
void kp_vfs_source_release(kp_vfs_source_t *source); /* NULL is allowed */

/* A file system that is a process: `channel` is a directory of its (abi/file.h), or a service whose connections are
   such directories, which is asked for one when there is none or its server has died. The capability is taken on
   success. ERR_WRONG_TYPE, ERR_ACCESS_DENIED (a channel needs READ and WRITE, a service CONNECT), ERR_NOT_SUPPORTED: a directory of the kernel's own. ERR_NO_MEMORY. */
kp_status_t kp_vfs_service_source(kp_capability_t *channel, kp_vfs_source_t **out);

/* ---- Connections ---- */

/* A connection to the node: `end` is served from now on. Charged to quota, with the client's end, if that has not been
   charged: the caller's business. `end` is taken on success. ERR_QUOTA, ERR_NO_MEMORY, ERR_PEER_CLOSED. */
kp_status_t kp_vfs_serve(kp_vfs_node_t *node, uint32_t rights, kp_capability_t *end,
                         kp_quota_t *quota);
/* What a source over nodes does: opens path (may be empty) from its root, goes on elsewhere if need be, and serves. */
kp_status_t kp_vfs_attach_at(kp_vfs_node_t *root, kp_capability_t *end, kp_vfs_path_t path,
                             uint32_t rights, kp_quota_t *quota);

/* ---- The root ---- */

/* Before programs start: a root with the devices in /dev, and the service `file`. Harmless if it is there.
   ERR_NO_MEMORY. */
kp_status_t kp_vfs_init(void);
/* Forgets all of it (tests). */
void kp_vfs_fini(void);
/* Mounts at an absolute path of a directory of the root tree, which is made with all above it if it is not there.
   ERR_BUSY: something is mounted there. */
kp_status_t kp_vfs_mount(const char *path, kp_vfs_source_t *source, uint32_t rights);
/* A channel to the source's root, or what path means below it; both ends are charged to quota. */
kp_status_t kp_vfs_open(kp_vfs_source_t *source, const char *path, uint32_t rights,
                        kp_quota_t *quota, kp_capability_t *client);
/* The same from the root. */
kp_status_t kp_vfs_root_open(const char *path, uint32_t rights, kp_quota_t *quota,
                             kp_capability_t *client);

static inline kp_vfs_path_t kp_vfs_path(const char *text)
{
    return (kp_vfs_path_t){text, strlen(text)};
}

#endif
