#include "kernel/object/vmo.h"

static void vmo_destroy(kp_object_t *object)
{
    kp_vmo_t *vmo = kp_vmo_from_object(object);
    kp_machine_vmo_destroy(&vmo->machine);
    kp_quota_refund(vmo->quota, KP_QUOTA_PAGES, vmo->size / KP_PAGE_SIZE);
    kp_quota_release(vmo->quota);
    kp_object_fini(object);
    kp_kfree(vmo);
}

static const kp_object_ops_t vmo_ops = {.destroy = vmo_destroy};

kp_status_t kp_vmo_create(uint64_t size, kp_quota_t *quota, kp_vmo_t **out)
{
    if (size == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (size > KP_VMO_SIZE_MAX)
        return KP_ERR_TOO_LARGE;
    size = KP_ROUND_UP(size, (uint64_t)KP_PAGE_SIZE);
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_PAGES, size / KP_PAGE_SIZE);
    if (status != KP_OK)
        return status;
    kp_vmo_t *vmo = kp_kalloc(sizeof(*vmo));
    status = vmo ? kp_machine_vmo_init(&vmo->machine, size) : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        kp_quota_refund(quota, KP_QUOTA_PAGES, size / KP_PAGE_SIZE);
        kp_kfree(vmo);
        return status;
    }
    vmo->size = size;
    vmo->quota = kp_quota_acquire(quota);
    kp_object_init(&vmo->object, KP_TYPE_VMO, &vmo_ops);
    *out = vmo;
    return KP_OK;
}

kp_status_t kp_vmo_create_static(const void *bytes, uint64_t size, kp_vmo_t **out)
{
    if (size == 0 || size > KP_VMO_SIZE_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_vmo_t *vmo = kp_kalloc(sizeof(*vmo));
    if (!vmo)
        return KP_ERR_NO_MEMORY;
    vmo->size = KP_ROUND_UP(size, (uint64_t)KP_PAGE_SIZE);
    vmo->is_static = true;
    kp_status_t status = kp_machine_vmo_init_static(&vmo->machine, bytes, vmo->size);
    if (status != KP_OK) {
        kp_kfree(vmo);
        return status;
    }
    kp_object_init(&vmo->object, KP_TYPE_VMO, &vmo_ops);
    *out = vmo;
    return KP_OK;
}

static bool vmo_range_is_valid(const kp_vmo_t *vmo, uint64_t offset, uint64_t count)
{
    return offset <= vmo->size && count <= vmo->size - offset;
}

kp_status_t kp_vmo_read(kp_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (!vmo_range_is_valid(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    return count ? kp_machine_vmo_read(&vmo->machine, offset, to, count) : KP_OK;
}

kp_status_t kp_vmo_write(kp_vmo_t *vmo, uint64_t offset, const void *from, size_t count)
{
    if (vmo->is_static)
        return KP_ERR_ACCESS_DENIED;
    if (!vmo_range_is_valid(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    return count ? kp_machine_vmo_write(&vmo->machine, offset, from, count) : KP_OK;
}

uint64_t kp_vmo_size(const kp_vmo_t *vmo)
{
    return vmo->size;
}

void *kp_vmo_page(kp_vmo_t *vmo, uint64_t offset)
{
    if (offset % KP_PAGE_SIZE || offset >= vmo->size)
        return NULL;
    return kp_machine_vmo_page(&vmo->machine, offset);
}

void kp_vmo_release(kp_vmo_t *vmo)
{
    if (vmo)
        kp_object_release(&vmo->object);
}
