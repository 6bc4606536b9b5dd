/* Between linux.c and linux_path.c. */
#ifndef KP_RUNTIME_WASI_LINUX_INTERNAL_H
#define KP_RUNTIME_WASI_LINUX_INTERNAL_H

#include <dirent.h>
#include <sys/stat.h>

#include "runtime/wasi/linux.h"

typedef struct kp_wasi_linux_file {
    kp_wasi_file_t file;
    int fd;
    bool owned;
    DIR *directory;  /* made at the first readdir; owns a duplicate */
    uint64_t cookie; /* at which `directory` stands */
} kp_wasi_linux_file_t;

static inline kp_wasi_linux_file_t *kp_wasi_linux(kp_wasi_file_t *file)
{
    return (kp_wasi_linux_file_t *)file;
}

kp_wasi_errno_t kp_wasi_linux_errno(int error);
void kp_wasi_linux_stat(const struct stat *from, kp_wasi_filestat_t *to);
kp_wasi_filetype_t kp_wasi_linux_type(unsigned mode);
/* timespecs for utimensat. */
void kp_wasi_linux_times(const kp_wasi_times_t *times, struct timespec out[2]);

/* linux_path.c */
kp_wasi_errno_t kp_wasi_linux_path_open(kp_wasi_file_t *file, kp_wasi_path_t path,
                                        const kp_wasi_open_t *how, kp_wasi_file_t **out);
kp_wasi_errno_t kp_wasi_linux_path_stat(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                        kp_wasi_filestat_t *stat);
kp_wasi_errno_t kp_wasi_linux_path_times_set(kp_wasi_file_t *file, kp_wasi_path_t path, bool follow,
                                             const kp_wasi_times_t *times);
kp_wasi_errno_t kp_wasi_linux_path_create_directory(kp_wasi_file_t *file, kp_wasi_path_t path);
kp_wasi_errno_t kp_wasi_linux_path_remove_directory(kp_wasi_file_t *file, kp_wasi_path_t path);
kp_wasi_errno_t kp_wasi_linux_path_unlink_file(kp_wasi_file_t *file, kp_wasi_path_t path);
kp_wasi_errno_t kp_wasi_linux_path_readlink(kp_wasi_file_t *file, kp_wasi_path_t path, char *to,
                                            size_t capacity, size_t *count);
kp_wasi_errno_t kp_wasi_linux_path_symlink(kp_wasi_file_t *file, kp_wasi_path_t target,
                                           kp_wasi_path_t path);
kp_wasi_errno_t kp_wasi_linux_path_link(kp_wasi_file_t *file, kp_wasi_path_t path,
                                        kp_wasi_file_t *to, kp_wasi_path_t to_path);
kp_wasi_errno_t kp_wasi_linux_path_rename(kp_wasi_file_t *file, kp_wasi_path_t path,
                                          kp_wasi_file_t *to, kp_wasi_path_t to_path);

#endif
