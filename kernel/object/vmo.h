/* A VMO: pages as an object. The pages themselves are the machine's (kp_machine_vmo_*). */
#ifndef KP_KERNEL_VMO_H
#define KP_KERNEL_VMO_H

#include "abi/calls.h"
#include "kernel/drivers/device.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"

#define KP_VMO_SIZE_MAX ((uint64_t)1 << 32)

/* The core holds a reference for every mapping (kernel/object/process.h): a machine may rely on the
   VMO for as long as a space maps it, and need not count.

   Mappings and writers are counted here, under the object's lock, so that sealing and shrinking
   know for certain that nobody is left: whoever maps or writes says so first. */
struct kp_vmo {
    kp_object_t object;
    kp_machine_vmo_t machine;
    _Atomic uint64_t size; /* bytes, a multiple of KP_PAGE_SIZE; written under the object's lock */
    kp_quota_t *quota;     /* charged with the size; NULL: the kernel's */
    bool is_static;        /* over the boot archive, never writable */
    bool is_changing;      /* a resize or seal is in progress; guarded by: object.lock */
    uint32_t seals;        /* KP_VMO_SEAL_*; only ever more; guarded by: object.lock */
    uint32_t mappings;     /* guarded by: object.lock */
    uint32_t writers;      /* writable mappings and writes in progress; guarded by: object.lock */
};

/* size > 0 bytes, rounded up to pages. quota may be NULL. ERR_INVALID_ARGUMENT, ERR_TOO_LARGE,
   ERR_QUOTA, ERR_NO_MEMORY. The caller gets the one reference. */
kp_status_t kp_vmo_create(uint64_t size, kp_quota_t *quota, kp_vmo_t **out);
/* Read-only over memory that stays (page-aligned; readable up to the page's end). */
kp_status_t kp_vmo_create_static(const void *bytes, uint64_t size, kp_vmo_t **out);
/* Read-only; a page is what fill(context, offset, page) writes, always the same, when it is first looked
   at (hosted: all at once). fill is called with locks held and cannot fail; context stays. Charged to
   nobody: it is the kernel's, however much of it programs look at. */
kp_status_t kp_vmo_create_filled(uint64_t size, kp_vmo_fill_fn fill, const void *context,
                                 kp_vmo_t **out);
/* For drivers: all pages at once, physically contiguous (x86_64), and they stay where they are. At
   most 8 MiB. The kernel's own: charged to nobody. */
kp_status_t kp_vmo_create_contiguous(uint64_t size, kp_vmo_t **out);
/* A copy-on-write copy of a page-aligned range, length > 0, charged to quota. ERR_OUT_OF_RANGE,
   ERR_BAD_STATE (a device uses its pages), ERR_QUOTA, ERR_NO_MEMORY. */
kp_status_t kp_vmo_clone(kp_vmo_t *vmo, uint64_t offset, uint64_t length, kp_quota_t *quota,
                         kp_vmo_t **out);

/* Any offset and count. ERR_OUT_OF_RANGE unless offset + count <= size. */
kp_status_t kp_vmo_read(kp_vmo_t *vmo, uint64_t offset, void *to, size_t count);
kp_status_t kp_vmo_write(kp_vmo_t *vmo, uint64_t offset, const void *from, size_t count);

/* New size > 0, rounded up to pages. ERR_BAD_STATE: static, sealed, being resized, used by a
   device, or mapped and to be made smaller. */
kp_status_t kp_vmo_resize(kp_vmo_t *vmo, uint64_t size);
/* KP_VMO_SEAL_*, for ever. ERR_BAD_STATE while it is resized and, for SEAL_WRITE, while somebody may
   write (SEAL_RESIZE may have been set then). */
kp_status_t kp_vmo_seal(kp_vmo_t *vmo, uint32_t seals);
/* A page-aligned range becomes zero. ERR_BAD_STATE: used by a device. */
kp_status_t kp_vmo_decommit(kp_vmo_t *vmo, uint64_t offset, uint64_t length);
void kp_vmo_info(kp_vmo_t *vmo, kp_vmo_info_t *out);

/* Between this and kp_vmo_write_end the VMO cannot be sealed. ERR_ACCESS_DENIED: static or sealed. */
kp_status_t kp_vmo_write_begin(kp_vmo_t *vmo);
void kp_vmo_write_end(kp_vmo_t *vmo);
/* Counts a mapping of [offset, offset + length): until it is removed the VMO becomes no smaller and,
   when it is writable, is not sealed. ERR_OUT_OF_RANGE, ERR_ACCESS_DENIED. */
kp_status_t kp_vmo_mapping_add(kp_vmo_t *vmo, uint64_t offset, uint64_t length, bool writable);
/* The same once more, for a mapping that is split or inherited. */
void kp_vmo_mapping_copy(kp_vmo_t *vmo, bool writable);
void kp_vmo_mapping_remove(kp_vmo_t *vmo, bool writable);
/* Will what shows there never change (static, or sealed against writing)? */
bool kp_vmo_is_constant(kp_vmo_t *vmo);

static inline kp_vmo_t *kp_vmo_acquire(kp_vmo_t *vmo)
{
    kp_object_acquire(&vmo->object);
    return vmo;
}

static inline kp_vmo_t *kp_vmo_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_VMO);
    return KP_CONTAINER_OF(object, kp_vmo_t, object);
}

#endif
