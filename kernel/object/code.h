/* A code object: what processes may run, as a capability. Two kinds: program images, which only the
   kernel makes, of the boot archive; and code made at run time out of a VMO, by whom the boot table gives
   the code authority: the compiler service. DESIGN: no process ever has memory that is both writable and
   executable, nor can it turn one into the other. A VMO becomes code when nobody can write it, and
   nobody ever can again; the pages are the VMO's own, and whoever made that pays for them.

   A process maps code outside its linear memory, where neither its WebAssembly nor the kernel's copies
   reach. Mappings hold the code, not a handle: they stay when handles are closed or revoked. */
#ifndef KP_KERNEL_CODE_H
#define KP_KERNEL_CODE_H

#include "kernel/object/image.h"
#include "kernel/object/object.h"
#include "kernel/object/process.h"

typedef struct kp_code {
    kp_object_t object;
    const kp_image_t *image; /* a program's; stays for ever. NULL: made at run time, and: */
    kp_vmo_t *vmo;           /* referenced; sealed against writing and resizing */
    uint64_t size;           /* bytes, whole pages */
    atomic_uint mappings;    /* in all processes */
} kp_code_t;

/* A capability with all rights of a program. ERR_NO_MEMORY. */
kp_status_t kp_code_create(const kp_image_t *image, kp_capability_t *code);
/* code_create: seals the VMO; a capability with all rights of code made at run time. ERR_BAD_STATE: static,
   mapped writable, being written or resized, or lent to a device. ERR_TOO_LARGE, ERR_NO_MEMORY. The
   object is charged to quota: ERR_QUOTA. An error after the sealing leaves the VMO sealed. */
kp_status_t kp_code_make(kp_vmo_t *vmo, kp_quota_t *quota, kp_capability_t *code);
void kp_code_info(const kp_code_t *code, kp_code_info_t *out);

/* Whoever holds a capability to this object (KP_RIGHT_MANAGE) may make code of VMOs: code_create. The
   boot table gives it to the compiler service. One for the system; for ever, and nobody's charge. */
void kp_code_authority_init(void); /* at the kernel's start */
kp_object_t *kp_code_authority(void);

/* ---- Mappings ---- Several threads of the process may call these at once. */

/* code_map, charged to the process: an object, and pages for tables. *address as its code sees it.
   ERR_WRONG_TYPE: a program. ERR_QUOTA, ERR_NO_MEMORY. */
kp_status_t kp_code_map(kp_process_t *process, kp_code_t *code, uint64_t *address);
/* ERR_NOT_FOUND unless kp_code_map returned this address and it was not undone. */
kp_status_t kp_code_unmap(kp_process_t *process, uint64_t address);
/* After the space was destroyed: what the mappings held. */
void kp_code_mappings_clear(kp_process_t *process);

static inline kp_code_t *kp_code_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_CODE);
    return KP_CONTAINER_OF(object, kp_code_t, object);
}

#endif
