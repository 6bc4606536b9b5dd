/* What WASI needs from below it: files with operations, clocks, entropy, waiting. */
#ifndef KP_RUNTIME_WASI_HOST_H
#define KP_RUNTIME_WASI_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/wasi/abi.h"

typedef struct kp_wasi_file kp_wasi_file_t;

/* A piece of the program's memory, checked. */
typedef struct kp_wasi_span {
    uint8_t *bytes;
    size_t count;
} kp_wasi_span_t;

typedef struct kp_wasi_filestat {
    uint64_t device, inode, links, size;
    uint64_t access_ns, modification_ns, change_ns; /* since 1970 */
    kp_wasi_filetype_t type;
} kp_wasi_filestat_t;

typedef struct kp_wasi_open {
    uint16_t oflags, fdflags;
    bool follow; /* a symbolic link in the last place */
    bool read, write;
} kp_wasi_open_t;

typedef struct kp_wasi_times {
    uint64_t access_ns, modification_ns;
    uint16_t flags; /* KP_WASI_FST_*, checked */
} kp_wasi_times_t;

typedef struct kp_wasi_direntry {
    uint64_t next; /* cookie of the entry after it */
    uint64_t inode;
    kp_wasi_filetype_t type;
    size_t name_length;
    char name[256];
} kp_wasi_direntry_t;

/* A path as the program gave it: not empty, no NUL in it, NUL behind it. */
typedef struct kp_wasi_path {
    const char *text;
    size_t length;
} kp_wasi_path_t;

#define KP_WASI_OFFSET_NONE UINT64_MAX /* the file's own position, which moves */

/* Operations on an open file. Rights were checked by the caller. An operation that the kind of file does not have
   is NULL: the caller answers NOTSUP, or what the specification says for that kind. Directories' operations take paths
   relative to the directory and must not leave it, whatever the path or links in it say: NOTCAPABLE (or PERM). */
typedef struct kp_wasi_file_ops {
    void (*close)(kp_wasi_file_t *file); /* frees it */
    kp_wasi_errno_t (*read)(kp_wasi_file_t *file, const kp_wasi_span_t *spans, size_t span_count,
                            uint64_t offset, size_t *count);
    kp_wasi_errno_t (*write)(kp_wasi_file_t *file, const kp_wasi_span_t *spans, size_t span_count,
                             uint64_t offset, size_t *count);
    kp_wasi_errno_t (*seek)(kp_wasi_file_t *file, int64_t offset, int whence, uint64_t *position);
    kp_wasi_errno_t (*stat)(kp_wasi_file_t *file, kp_wasi_filestat_t *stat);
    kp_wasi_errno_t (*flags_get)(kp_wasi_file_t *file, uint16_t *fdflags);
    kp_wasi_errno_t (*flags_set)(kp_wasi_file_t *file, uint16_t fdflags);
    kp_wasi_errno_t (*size_set)(kp_wasi_file_t *file, uint64_t size);
    kp_wasi_errno_t (*times_set)(kp_wasi_file_t *file, const kp_wasi_times_t *times);
    kp_wasi_errno_t (*allocate)(kp_wasi_file_t *file, uint64_t offset, uint64_t length);
    kp_wasi_errno_t (*sync)(kp_wasi_file_t *file, bool data_only);
    /* cookie 0: from the start. NOENT at the end. */
    kp_wasi_errno_t (*readdir)(kp_wasi_file_t *file, uint64_t cookie, kp_wasi_direntry_t *entry);

    kp_wasi_errno_t (*path_open)(kp_wasi_file_t *file, kp_wasi_path_t path,
                                 const kp_wasi_open_t *how, kp_wasi_file_t **out);
    kp_wasi_errno_t (*path_stat)(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                 kp_wasi_filestat_t *stat);
    kp_wasi_errno_t (*path_times_set)(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                      const kp_wasi_times_t *times);
    kp_wasi_errno_t (*path_create_directory)(kp_wasi_file_t *file, kp_wasi_path_t path);
    kp_wasi_errno_t (*path_remove_directory)(kp_wasi_file_t *file, kp_wasi_path_t path);
    kp_wasi_errno_t (*path_unlink_file)(kp_wasi_file_t *file, kp_wasi_path_t path);
    kp_wasi_errno_t (*path_readlink)(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,
                                     size_t capacity, size_t *count);
    kp_wasi_errno_t (*path_symlink)(kp_wasi_file_t *file, kp_wasi_path_t target,
                                    kp_wasi_path_t path);
    /* Both directories are of this kind (the same ops); a symbolic link in the last place is linked itself. */
    kp_wasi_errno_t (*path_link)(kp_wasi_file_t *file, kp_wasi_path_t path, kp_wasi_file_t *to,
                                 kp_wasi_path_t to_path);
    kp_wasi_errno_t (*path_rename)(kp_wasi_file_t *file, kp_wasi_path_t path, kp_wasi_file_t *to,
                                   kp_wasi_path_t to_path);

    kp_wasi_errno_t (*accept)(kp_wasi_file_t *file, uint16_t fdflags, kp_wasi_file_t **out);
    kp_wasi_errno_t (*shutdown)(kp_wasi_file_t *file, uint8_t how); /* bits: 1 read, 2 write */
} kp_wasi_file_ops_t;

/* What every host's regular files have, and its directories: the functions of those names with the prefixes. */
#define KP_WASI_REGULAR_OPS(file_)                                                           \
    .close = file_##close, .read = file_##read, .write = file_##write, .seek = file_##seek,  \
    .stat = file_##stat, .flags_get = file_##flags_get, .flags_set = file_##flags_set,       \
    .size_set = file_##size_set, .times_set = file_##times_set, .allocate = file_##allocate, \
    .sync = file_##sync
#define KP_WASI_DIRECTORY_OPS(file_, path_)                                                     \
    .close = file_##close, .stat = file_##stat, .flags_get = file_##flags_get,                  \
    .flags_set = file_##flags_set, .times_set = file_##times_set, .sync = file_##sync,          \
    .readdir = file_##readdir, .path_open = path_##open, .path_stat = path_##stat,              \
    .path_times_set = path_##times_set, .path_create_directory = path_##create_directory,       \
    .path_remove_directory = path_##remove_directory, .path_unlink_file = path_##unlink_file,   \
    .path_readlink = path_##readlink, .path_symlink = path_##symlink, .path_link = path_##link, \
    .path_rename = path_##rename
/* Their declarations, for a host that has them in a file of their own. */
#define KP_WASI_PATH_OPS_DECLARE(path_)                                                          \
    kp_wasi_errno_t path_##open(kp_wasi_file_t *file, kp_wasi_path_t path,                       \
                                const kp_wasi_open_t *how, kp_wasi_file_t **out);                \
    kp_wasi_errno_t path_##stat(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,          \
                                kp_wasi_filestat_t *stat);                                       \
    kp_wasi_errno_t path_##times_set(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,     \
                                     const kp_wasi_times_t *times);                              \
    kp_wasi_errno_t path_##create_directory(kp_wasi_file_t *file, kp_wasi_path_t path);          \
    kp_wasi_errno_t path_##remove_directory(kp_wasi_file_t *file, kp_wasi_path_t path);          \
    kp_wasi_errno_t path_##unlink_file(kp_wasi_file_t *file, kp_wasi_path_t path);               \
    kp_wasi_errno_t path_##readlink(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,         \
                                    size_t capacity, size_t *count);                             \
    kp_wasi_errno_t path_##symlink(kp_wasi_file_t *file, kp_wasi_path_t target,                  \
                                   kp_wasi_path_t path);                                         \
    kp_wasi_errno_t path_##link(kp_wasi_file_t *file, kp_wasi_path_t path, kp_wasi_file_t *to,   \
                                kp_wasi_path_t to_path);                                         \
    kp_wasi_errno_t path_##rename(kp_wasi_file_t *file, kp_wasi_path_t path, kp_wasi_file_t *to, \
                                  kp_wasi_path_t to_path)

/* Embedded at the start of each host's own structure. */
struct kp_wasi_file {
    const kp_wasi_file_ops_t *ops;
    kp_wasi_filetype_t type;
};

/* One descriptor that a poll waits for. */
typedef struct kp_wasi_poll {
    kp_wasi_file_t *file;
    bool write; /* else read */
    bool ready; /* answers from here on */
    bool hangup;
    uint64_t available; /* bytes, when known */
    kp_wasi_errno_t error;
} kp_wasi_poll_t;

typedef struct kp_wasi_host {
    void *context;
    /* clock: 0 realtime, 1 monotonic, 2 process CPU time, 3 thread CPU time. INVAL, NOTSUP. */
    kp_wasi_errno_t (*clock_time)(void *context, uint32_t clock, uint64_t *ns);
    kp_wasi_errno_t (*clock_resolution)(void *context, uint32_t clock, uint64_t *ns);
    kp_wasi_errno_t (*random)(void *context, uint8_t *bytes, size_t count);
    /* Waits until an item is ready or wait_ns have passed (UINT64_MAX: for ever). No item is of a regular file or a
       directory: those are ready always, and not asked about. */
    kp_wasi_errno_t (*poll)(void *context, kp_wasi_poll_t *items, size_t count, uint64_t wait_ns);
    void (*yield)(void *context);
} kp_wasi_host_t;

#endif
