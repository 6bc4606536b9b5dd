/* Directories for programs: who gets which, with what rights, as startup handles "dir:NAME=RIGHTS".

   A user's program (kernel/init/program.h) finds those that the boot archive's file directories/list says, three
   NUL-terminated texts for each: the name ("/data"); KP_FILE_RIGHT_* in decimal; where it comes from:
     memory          an empty ramfs
     archive:FILE    a ramfs with what FILE of the archive holds: for each item kp_directory_item_t, its path and its
                     contents. A program's changes stay in memory
     host:INDEX      a directory of the host (kp_machine_directory; hosted)
     root:PATH       what the kernel's own root has there ("root:dev")
   and in any case "/tmp" in memory, unless the list has one. */
#ifndef KP_KERNEL_DIRECTORIES_H
#define KP_KERNEL_DIRECTORIES_H

#include "kernel/init/startup.h"
#include "kernel/vfs/vfs.h"

typedef struct kp_directory_item {
    uint32_t type;      /* KP_FILE_TYPE_REGULAR, _DIRECTORY, _SYMLINK */
    uint32_t path_size; /* bytes that follow; what is above it comes first */
    uint64_t size;      /* bytes behind the path: contents, or a link's text */
} kp_directory_item_t;

/* Grants what the list says. What the directories cost is charged to quota. Errors go to startup. */
void kp_directories_grant(kp_startup_t *startup, kp_quota_t *quota);
/* Grants an empty directory in memory; name: as in the list, with "=RIGHTS" behind it or without (then all but MOUNT). */
void kp_directories_grant_memory(kp_startup_t *startup, const char *name, kp_quota_t *quota);
/* Grants what `from` means (as in the list). If it cannot be opened that is logged, and the program does without. */
void kp_directories_grant_from(kp_startup_t *startup, const char *name, const char *from,
                               kp_quota_t *quota);
/* Fills a ramfs with the items of these bytes (an archive's file): for kp_directories_grant and tests. ERR_BAD_FORMAT;
   errors of the ramfs. */
kp_status_t kp_directory_unpack(kp_vfs_source_t *ramfs, kp_vmo_t *vmo, uint64_t size,
                                kp_quota_t *quota);

#endif
