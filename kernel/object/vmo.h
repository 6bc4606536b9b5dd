/* A VMO: pages as an object. The pages themselves are the machine's (kp_machine_vmo_*). */
#ifndef KP_KERNEL_VMO_H
#define KP_KERNEL_VMO_H

#include "kernel/drivers/device.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"

#define KP_VMO_SIZE_MAX ((uint64_t)1 << 32)

/* The core holds a reference for every mapping (kernel/object/process.h): a machine may rely on the
   VMO for as long as a space maps it, and need not count. */
struct kp_vmo {
    kp_object_t object;
    kp_machine_vmo_t machine;
    uint64_t size;     /* bytes, a multiple of KP_PAGE_SIZE */
    kp_quota_t *quota; /* charged with the size; NULL: the kernel's */
    bool is_static;    /* over the boot archive, never writable */
};

/* size > 0 bytes, rounded up to pages. quota may be NULL. ERR_INVALID_ARGUMENT, ERR_TOO_LARGE,
   ERR_QUOTA, ERR_NO_MEMORY. The caller gets the one reference. */
kp_status_t kp_vmo_create(uint64_t size, kp_quota_t *quota, kp_vmo_t **out);
/* Read-only over memory that stays (page-aligned; readable up to the page's end). */
kp_status_t kp_vmo_create_static(const void *bytes, uint64_t size, kp_vmo_t **out);

/* ERR_OUT_OF_RANGE unless offset + count <= size. */
kp_status_t kp_vmo_read(kp_vmo_t *vmo, uint64_t offset, void *to, size_t count);
kp_status_t kp_vmo_write(kp_vmo_t *vmo, uint64_t offset, const void *from, size_t count);

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
