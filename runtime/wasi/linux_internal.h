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
KP_WASI_PATH_OPS_DECLARE(kp_wasi_linux_path_);

#endif
