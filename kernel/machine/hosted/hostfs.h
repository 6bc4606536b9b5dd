/* Directories of the host as file systems (kernel/vfs/vfs.h). The host's kernel is the wall: every path is resolved by
   openat2 with RESOLVE_BENEATH, so that neither "..", an absolute name nor a symbolic link leads out. Only regular files
   and directories can be opened. Operations run on the thread of whoever asked, and may wait for the host's disk. */
#ifndef KP_MACHINE_HOSTED_HOSTFS_H
#define KP_MACHINE_HOSTED_HOSTFS_H

#include "kernel/vfs/vfs.h"

/* fd: a directory, opened with O_PATH or for reading; taken on success. ERR_NO_MEMORY. */
kp_status_t kp_hosted_hostfs_create(int fd, bool read_only, kp_vfs_source_t **out);

#endif
