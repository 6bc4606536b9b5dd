/* A VMO mapped into linear memory: a buffer that several processes share. */
#ifndef KP_RUNTIME_PROGRAM_VMO_H
#define KP_RUNTIME_PROGRAM_VMO_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kp_vmo_buffer {
    kp_handle_t vmo; /* owned; duplicate it to share the buffer */
    void *bytes;     /* page-aligned; NULL when there is no buffer */
    size_t size;     /* rounded up to pages */
} kp_vmo_buffer_t;

/* A new zeroed VMO of at least size bytes, mapped writable. ERR_NO_MEMORY, ERR_QUOTA. On error the
   buffer is empty. */
kp_status_t kp_vmo_buffer_create(kp_vmo_buffer_t *buffer, size_t size);
/* Maps the first size bytes (rounded up to pages; 0: all) of a VMO that somebody else made. Takes
   the handle on success; on error it stays the caller's and the buffer is empty. ERR_OUT_OF_RANGE
   when the VMO is smaller. The other side can change the bytes at any time: copy what you check
   before you use it. */
kp_status_t kp_vmo_buffer_map(kp_vmo_buffer_t *buffer, kp_handle_t vmo, size_t size,
                              bool is_writable);
/* A duplicate of the VMO's handle with these rights, to send to another process: handle > 0 or
   error. KP_VMO_SHARE_READ lets the receiver map it read-only. */
#define KP_VMO_SHARE_READ (KP_RIGHT_READ | KP_RIGHT_MAP | KP_RIGHT_TRANSFER | KP_RIGHT_DUPLICATE)
#define KP_VMO_SHARE_WRITE (KP_VMO_SHARE_READ | KP_RIGHT_WRITE)
int64_t kp_vmo_buffer_share(const kp_vmo_buffer_t *buffer, kp_rights_t rights);
/* Unmaps, gives the address range back to malloc and closes the handle. Harmless on an empty one.
 */
void kp_vmo_buffer_destroy(kp_vmo_buffer_t *buffer);

#ifdef __cplusplus
}
#endif

#endif
