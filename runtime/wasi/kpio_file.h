/* An open file or directory of the host KPIO: between kpio_directory.c, which has what is asked of the file itself, and
   kpio_path.c, which has what is asked of paths below a directory. */
#ifndef KP_RUNTIME_WASI_KPIO_FILE_H
#define KP_RUNTIME_WASI_KPIO_FILE_H

#include "runtime/wasi/kpio_directory.h"

typedef struct kp_wasi_kpio_file {
    kp_wasi_file_t file;
    kp_wasi_kpio_server_t *server; /* held */
    uint32_t id;
    uint16_t fdflags;
    uint64_t position;
    /* Of a directory: what was listed last. */
    uint8_t *list; /* a page; owned; made when it is first wanted */
    size_t list_size, list_at;
    uint64_t list_cookie; /* of the entry at list_at */
} kp_wasi_kpio_file_t;

static inline kp_wasi_kpio_file_t *kp_wasi_kpio_file(kp_wasi_file_t *file)
{
    return (kp_wasi_kpio_file_t *)file;
}

/* What the server's channel has open by the id. Takes a hold of the server, also on error. NULL: no memory. */
kp_wasi_file_t *kp_wasi_kpio_file_create(kp_wasi_kpio_server_t *server, uint32_t id, uint32_t type,
                                         uint16_t fdflags);
kp_status_t kp_wasi_kpio_id_close(kp_wasi_kpio_server_t *server, uint32_t id);

/* From the answer to STAT of an id or of a path. ERR_PROTOCOL. */
kp_status_t kp_wasi_kpio_stat_read(const kp_wasi_kpio_ask_t *ask, kp_wasi_filestat_t *to);
/* Into a request TIMES. */
void kp_wasi_kpio_times_put(kp_wasi_kpio_ask_t *ask, const kp_wasi_times_t *times);

KP_WASI_PATH_OPS_DECLARE(kp_wasi_kpio_path_);

#endif
