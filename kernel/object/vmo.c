#include "kernel/object/vmo.h"

static void vmo_destroy(kp_object_t *object)
{
    kp_vmo_t *vmo = kp_vmo_from_object(object);
    KP_CHECK(vmo->mappings == 0 && vmo->writers == 0);
    kp_machine_vmo_destroy(&vmo->machine);
    kp_quota_refund(vmo->quota, KP_QUOTA_PAGES, vmo->size / KP_PAGE_SIZE);
    kp_quota_release(vmo->quota);
    kp_object_fini(object);
    kp_kfree(vmo);
}

static const kp_object_ops_t vmo_ops = {.destroy = vmo_destroy};

/* ---- making ---- */

/* Charges and allocates; the machine's part is the caller's. */
static kp_status_t vmo_alloc(uint64_t size, kp_quota_t *quota, kp_vmo_t **out)
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
    if (!vmo) {
        kp_quota_refund(quota, KP_QUOTA_PAGES, size / KP_PAGE_SIZE);
        return KP_ERR_NO_MEMORY;
    }
    vmo->size = size;
    vmo->quota = kp_quota_acquire(quota);
    *out = vmo;
    return KP_OK;
}

/* The machine's part was made, or not: then nothing stays. */
static kp_status_t vmo_finish(kp_status_t status, kp_vmo_t *vmo, kp_vmo_t **out)
{
    if (status != KP_OK) {
        kp_quota_refund(vmo->quota, KP_QUOTA_PAGES, vmo->size / KP_PAGE_SIZE);
        kp_quota_release(vmo->quota);
        kp_kfree(vmo);
        return status;
    }
    kp_object_init(&vmo->object, KP_TYPE_VMO, &vmo_ops);
    *out = vmo;
    return KP_OK;
}

kp_status_t kp_vmo_create(uint64_t size, kp_quota_t *quota, kp_vmo_t **out)
{
    kp_vmo_t *vmo;
    kp_status_t status = vmo_alloc(size, quota, &vmo);
    if (status != KP_OK)
        return status;
    return vmo_finish(kp_machine_vmo_init(&vmo->machine, vmo->size), vmo, out);
}

kp_status_t kp_vmo_create_static(const void *bytes, uint64_t size, kp_vmo_t **out)
{
    if (size == 0 || size > KP_VMO_SIZE_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_vmo_t *vmo;
    kp_status_t status = vmo_alloc(size, NULL, &vmo);
    if (status != KP_OK)
        return status;
    vmo->is_static = true;
    return vmo_finish(kp_machine_vmo_init_static(&vmo->machine, bytes, vmo->size), vmo, out);
}

kp_status_t kp_vmo_create_filled(uint64_t size, kp_vmo_fill_fn fill, const void *context,
                                 kp_vmo_t **out)
{
    kp_vmo_t *vmo;
    kp_status_t status = vmo_alloc(size, NULL, &vmo);
    if (status != KP_OK)
        return status;
    vmo->is_static = true;
    return vmo_finish(kp_machine_vmo_init_filled(&vmo->machine, vmo->size, fill, context), vmo,
                      out);
}

kp_status_t kp_vmo_create_contiguous(uint64_t size, kp_vmo_t **out)
{
    kp_vmo_t *vmo;
    kp_status_t status = vmo_alloc(size, NULL, &vmo);
    if (status != KP_OK)
        return status;
    return vmo_finish(kp_machine_vmo_init_contiguous(&vmo->machine, vmo->size), vmo, out);
}

static bool range_is_valid(const kp_vmo_t *vmo, uint64_t offset, uint64_t count)
{
    uint64_t size = vmo->size;
    return offset <= size && count <= size - offset;
}

kp_status_t kp_vmo_clone(kp_vmo_t *source, uint64_t offset, uint64_t length, kp_quota_t *quota,
                         kp_vmo_t **out)
{
    if (offset % KP_PAGE_SIZE || length % KP_PAGE_SIZE || length == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (!range_is_valid(source, offset, length))
        return KP_ERR_OUT_OF_RANGE;
    kp_vmo_t *vmo;
    kp_status_t status = vmo_alloc(length, quota, &vmo);
    if (status != KP_OK)
        return status;
    return vmo_finish(kp_machine_vmo_clone(&source->machine, offset, length, &vmo->machine), vmo,
                      out);
}

/* ---- who maps and who writes ---- */

kp_status_t kp_vmo_write_begin(kp_vmo_t *vmo)
{
    kp_spin_lock(vmo->object.lock);
    bool may = !vmo->is_static && !(vmo->seals & KP_VMO_SEAL_WRITE);
    vmo->writers += may;
    kp_spin_unlock(vmo->object.lock);
    return may ? KP_OK : KP_ERR_ACCESS_DENIED;
}

void kp_vmo_write_end(kp_vmo_t *vmo)
{
    kp_spin_lock(vmo->object.lock);
    KP_CHECK(vmo->writers > 0);
    vmo->writers--;
    kp_spin_unlock(vmo->object.lock);
}

kp_status_t kp_vmo_mapping_add(kp_vmo_t *vmo, uint64_t offset, uint64_t length, bool writable)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(vmo->object.lock);
    if (writable && (vmo->is_static || (vmo->seals & KP_VMO_SEAL_WRITE))) {
        status = KP_ERR_ACCESS_DENIED;
    } else if (!range_is_valid(vmo, offset, length)) {
        status = KP_ERR_OUT_OF_RANGE;
    } else {
        vmo->mappings++;
        vmo->writers += writable;
    }
    kp_spin_unlock(vmo->object.lock);
    return status;
}

void kp_vmo_mapping_copy(kp_vmo_t *vmo, bool writable)
{
    kp_spin_lock(vmo->object.lock);
    KP_CHECK(vmo->mappings > 0 && (!writable || vmo->writers > 0));
    vmo->mappings++;
    vmo->writers += writable;
    kp_spin_unlock(vmo->object.lock);
}

void kp_vmo_mapping_remove(kp_vmo_t *vmo, bool writable)
{
    kp_spin_lock(vmo->object.lock);
    KP_CHECK(vmo->mappings > 0 && vmo->writers >= writable);
    vmo->mappings--;
    vmo->writers -= writable;
    kp_spin_unlock(vmo->object.lock);
}

bool kp_vmo_is_constant(kp_vmo_t *vmo)
{
    kp_spin_lock(vmo->object.lock);
    bool is_constant = vmo->is_static || (vmo->seals & KP_VMO_SEAL_WRITE);
    kp_spin_unlock(vmo->object.lock);
    return is_constant;
}

/* ---- using ---- */

kp_status_t kp_vmo_read(kp_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (!range_is_valid(vmo, offset, count))
        return KP_ERR_OUT_OF_RANGE;
    return count ? kp_machine_vmo_read(&vmo->machine, offset, to, count) : KP_OK;
}

kp_status_t kp_vmo_write(kp_vmo_t *vmo, uint64_t offset, const void *from, size_t count)
{
    kp_status_t status = kp_vmo_write_begin(vmo);
    if (status != KP_OK)
        return status;
    if (!range_is_valid(vmo, offset, count))
        status = KP_ERR_OUT_OF_RANGE;
    else if (count)
        status = kp_machine_vmo_write(&vmo->machine, offset, from, count);
    kp_vmo_write_end(vmo);
    return status;
}

/* Claims the right to resize; a mapping made meanwhile sees the smaller size at once. */
static kp_status_t resize_begin(kp_vmo_t *vmo, uint64_t size, uint64_t *old_size)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(vmo->object.lock);
    *old_size = vmo->size;
    if (vmo->is_static || vmo->is_changing || (vmo->seals & KP_VMO_SEAL_RESIZE) ||
        ((vmo->seals & KP_VMO_SEAL_WRITE) && size < vmo->size) ||
        (size < vmo->size && vmo->mappings > 0)) {
        status = KP_ERR_BAD_STATE;
    } else {
        vmo->is_changing = true;
        if (size < vmo->size)
            vmo->size = size;
    }
    kp_spin_unlock(vmo->object.lock);
    return status;
}

static void resize_end(kp_vmo_t *vmo, uint64_t size)
{
    kp_spin_lock(vmo->object.lock);
    vmo->size = size;
    vmo->is_changing = false;
    kp_spin_unlock(vmo->object.lock);
}

kp_status_t kp_vmo_resize(kp_vmo_t *vmo, uint64_t size)
{
    if (size == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (size > KP_VMO_SIZE_MAX)
        return KP_ERR_TOO_LARGE;
    size = KP_ROUND_UP(size, (uint64_t)KP_PAGE_SIZE);
    uint64_t old_size;
    kp_status_t status = resize_begin(vmo, size, &old_size);
    if (status != KP_OK)
        return status;
    uint64_t more = size > old_size ? (size - old_size) / KP_PAGE_SIZE : 0;
    status = kp_quota_charge(vmo->quota, KP_QUOTA_PAGES, more);
    if (status == KP_OK) {
        status = kp_machine_vmo_resize(&vmo->machine, size);
        if (status != KP_OK)
            kp_quota_refund(vmo->quota, KP_QUOTA_PAGES, more);
        else if (size < old_size)
            kp_quota_refund(vmo->quota, KP_QUOTA_PAGES, (old_size - size) / KP_PAGE_SIZE);
    }
    resize_end(vmo, status == KP_OK ? size : old_size);
    return status;
}

kp_status_t kp_vmo_seal(kp_vmo_t *vmo, uint32_t seals)
{
    if (seals == 0 || seals & ~(uint32_t)(KP_VMO_SEAL_WRITE | KP_VMO_SEAL_RESIZE))
        return KP_ERR_INVALID_ARGUMENT;
    bool must_seal = false;
    kp_status_t status = KP_OK;
    kp_spin_lock(vmo->object.lock);
    if (((seals & KP_VMO_SEAL_WRITE) && vmo->writers > 0) || vmo->is_changing) {
        status = KP_ERR_BAD_STATE;
    } else {
        must_seal = seals & ~vmo->seals & KP_VMO_SEAL_WRITE;
        vmo->is_changing = must_seal;
        vmo->seals |= seals; /* from here on nobody starts to write */
    }
    kp_spin_unlock(vmo->object.lock);
    if (!must_seal)
        return status;
    status = kp_machine_vmo_seal_write(&vmo->machine);
    kp_spin_lock(vmo->object.lock);
    vmo->is_changing = false;
    if (status != KP_OK)
        vmo->seals &= ~(uint32_t)KP_VMO_SEAL_WRITE;
    kp_spin_unlock(vmo->object.lock);
    return status;
}

kp_status_t kp_vmo_decommit(kp_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    if (offset % KP_PAGE_SIZE || length % KP_PAGE_SIZE)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = kp_vmo_write_begin(vmo);
    if (status != KP_OK)
        return status;
    if (!range_is_valid(vmo, offset, length))
        status = KP_ERR_OUT_OF_RANGE;
    else if (length > 0)
        status = kp_machine_vmo_decommit(&vmo->machine, offset, length);
    kp_vmo_write_end(vmo);
    return status;
}

void kp_vmo_info(kp_vmo_t *vmo, kp_vmo_info_t *out)
{
    *out = (kp_vmo_info_t){.size = vmo->size};
    kp_machine_vmo_usage(&vmo->machine, &out->private_bytes, &out->shared_bytes);
    kp_spin_lock(vmo->object.lock);
    out->mappings = vmo->mappings;
    out->seals = vmo->seals;
    kp_spin_unlock(vmo->object.lock);
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
