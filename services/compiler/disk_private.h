/* Between disk.c and disk_store.c. */
#ifndef KP_SERVICES_COMPILER_DISK_PRIVATE_H
#define KP_SERVICES_COMPILER_DISK_PRIVATE_H

#include <string.h>

#include "services/compiler/disk.h"

/* Opens the directory if that has not been done. False: there is none that can be used. */
bool kp_compiler_disk_open(kp_compiler_disk_t *disk);
/* Once: why code is not kept, or no longer. */
void kp_compiler_disk_say(kp_compiler_disk_t *disk, const char *what, kp_status_t status);
/* Asks; a server that is gone or talks nonsense is given up. Its errors; ERR_PEER_CLOSED: it was given up before. */
kp_status_t kp_compiler_disk_ask(kp_compiler_disk_t *disk, kp_wasi_kpio_ask_t *ask, size_t room);
kp_status_t kp_compiler_disk_stat(kp_compiler_disk_t *disk, uint32_t id, const char *name,
                                  kp_file_stat_t *stat);
kp_status_t kp_compiler_disk_create(kp_compiler_disk_t *disk, const char *name, uint32_t *id);
/* All of it, or an error. */
kp_status_t kp_compiler_disk_write(kp_compiler_disk_t *disk, uint32_t id, uint64_t offset,
                                   const void *bytes, size_t count);
void kp_compiler_disk_close_id(kp_compiler_disk_t *disk, uint32_t *id);
kp_status_t kp_compiler_disk_remove(kp_compiler_disk_t *disk, const char *name);

void kp_compiler_disk_identity(const kp_compiler_key_t *key, uint8_t identity[KP_SHA256_SIZE]);

/* A request about a name in the directory; name NULL: about an id. */
static inline kp_wasi_kpio_ask_t kp_compiler_disk_ask_of(uint32_t operation, const char *name)
{
    return (kp_wasi_kpio_ask_t){
        .request = {.operation = operation,
                    .rights = KP_FILE_RIGHTS_ALL,
                    .first_size = name ? (uint32_t)strlen(name) : 0},
        .first = name,
    };
}

#endif
