/* Contents of files in memory: a VMO, and who pays for its pages. */
#include "kernel/vfs/ramfs_private.h"

#define CAPACITY_FIRST ((uint64_t)64 << 10)

static uint64_t pages_of(uint64_t size)
{
    return (size + KP_PAGE_SIZE - 1) / KP_PAGE_SIZE;
}

/* ---- charges: the file's turn is held, or nobody has the file ---- */

static kp_status_t pages_add(kp_ramfs_file_t *file, uint64_t pages, kp_quota_t *quota)
{
    kp_ramfs_t *ramfs = file->ramfs;
    kp_ramfs_charge_t *charge = file->file.charges;
    if (pages == 0)
        return KP_OK;
    if (atomic_fetch_add(&ramfs->pages, pages) + pages > ramfs->options.pages_max) {
        atomic_fetch_sub(&ramfs->pages, pages);
        return KP_ERR_NO_SPACE;
    }
    kp_status_t status = kp_quota_charge(quota, KP_QUOTA_PAGES, pages);
    if (status == KP_OK && (!charge || charge->quota != quota)) {
        status = kp_quota_charge(quota, KP_QUOTA_OBJECTS, 1);
        charge = status == KP_OK ? kp_kalloc(sizeof(*charge)) : NULL;
        if (charge) {
            *charge = (kp_ramfs_charge_t){file->file.charges, kp_quota_acquire(quota), 0};
            file->file.charges = charge;
        } else {
            if (status == KP_OK)
                kp_quota_refund(quota, KP_QUOTA_OBJECTS, 1);
            kp_quota_refund(quota, KP_QUOTA_PAGES, pages);
            status = status == KP_OK ? KP_ERR_NO_MEMORY : status;
        }
    }
    if (status == KP_OK)
        charge->pages += pages;
    else
        atomic_fetch_sub(&ramfs->pages, pages);
    return status;
}

static void pages_remove(kp_ramfs_file_t *file, uint64_t pages)
{
    atomic_fetch_sub(&file->ramfs->pages, pages);
    while (pages > 0) {
        kp_ramfs_charge_t *charge = file->file.charges;
        uint64_t part = KP_MIN(pages, charge->pages);
        kp_quota_refund(charge->quota, KP_QUOTA_PAGES, part);
        charge->pages -= part;
        pages -= part;
        if (charge->pages > 0)
            continue;
        file->file.charges = charge->next;
        kp_quota_refund(charge->quota, KP_QUOTA_OBJECTS, 1);
        kp_quota_release(charge->quota);
        kp_kfree(charge);
    }
}

/* ---- size: the file's turn is held ---- */

static void size_publish(kp_ramfs_file_t *file, uint64_t size)
{
    kp_spin_lock(&file->ramfs->lock);
    file->size = size;
    file->modification_ns = file->change_ns = kp_machine_realtime();
    kp_spin_unlock(&file->ramfs->lock);
}

/* What lies behind `size` is zero from now on, and costs nothing but the rest of the last page. */
static void content_trim(kp_ramfs_file_t *file, uint64_t size)
{
    static const uint8_t zeroes[256];
    kp_vmo_t *vmo = file->file.vmo;
    uint64_t capacity = vmo ? vmo->size : 0, end = KP_ROUND_UP(size, (uint64_t)KP_PAGE_SIZE);
    /* Where memory is too short to write zeroes there was no page, and so nothing but zeroes. */
    for (uint64_t at = size; at < KP_MIN(end, capacity);) {
        uint64_t part = KP_MIN(KP_MIN(end, capacity) - at, (uint64_t)sizeof(zeroes));
        (void)kp_vmo_write(vmo, at, zeroes, part);
        at += part;
    }
    if (end < capacity) /* nobody pins, seals or maps it: this cannot fail */
        (void)kp_vmo_decommit(vmo, end, capacity - end);
}

/* Room for `size` bytes in the VMO, without committing any. */
static kp_status_t capacity_ensure(kp_ramfs_file_t *file, uint64_t size)
{
    kp_vmo_t *vmo = file->file.vmo;
    uint64_t capacity = vmo ? vmo->size : 0;
    if (size <= capacity)
        return KP_OK;
    uint64_t wanted = KP_MAX(KP_MAX(size, capacity * 2), CAPACITY_FIRST);
    wanted = KP_MIN(KP_ROUND_UP(wanted, (uint64_t)KP_PAGE_SIZE), KP_VMO_SIZE_MAX);
    if (vmo)
        return kp_vmo_resize(vmo, wanted);
    kp_status_t status = kp_vmo_create(wanted, NULL, &vmo);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&file->ramfs->lock);
    file->file.vmo = vmo;
    kp_spin_unlock(&file->ramfs->lock);
    return KP_OK;
}

kp_status_t kp_ramfs_size(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t size, bool grow)
{
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    if (file->special)
        return file->ramfs->options.read_only ? KP_ERR_READ_ONLY : KP_ERR_INVALID_ARGUMENT;
    if (file->ramfs->options.read_only)
        return KP_ERR_READ_ONLY;
    if (size > KP_VMO_SIZE_MAX)
        return KP_ERR_TOO_LARGE;
    kp_status_t status = kp_turn_take(&file->file.turn);
    if (status != KP_OK)
        return status;
    uint64_t old = file->size;
    if (size > old)
        status = pages_add(file, pages_of(size) - pages_of(old), request->quota);
    if (status == KP_OK && !(grow && size <= old))
        size_publish(file, size);
    if (status == KP_OK && size < old && !grow) {
        content_trim(file, size);
        pages_remove(file, pages_of(old) - pages_of(size));
    }
    kp_turn_give(&file->file.turn);
    return status;
}

/* ---- reading and writing ---- */

kp_status_t kp_ramfs_read(kp_vfs_node_t *node, uint64_t offset, void *to, uint32_t count,
                          uint32_t *done)
{
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    if (file->special)
        return file->special->read ? file->special->read(file->context, offset, to, count, done)
                                   : KP_ERR_ACCESS_DENIED;
    kp_spin_lock(&file->ramfs->lock);
    uint64_t size = file->size;
    kp_vmo_t *vmo = file->file.vmo; /* stays as long as the file */
    kp_spin_unlock(&file->ramfs->lock);
    uint64_t left = offset < size ? size - offset : 0;
    *done = (uint32_t)KP_MIN(left, (uint64_t)count);
    /* Behind the VMO's end are zeroes; it becomes only longer. */
    uint64_t capacity = vmo ? vmo->size : 0;
    uint32_t held = offset < capacity ? (uint32_t)KP_MIN(capacity - offset, (uint64_t)*done) : 0;
    memset((uint8_t *)to + held, 0, *done - held);
    return held ? kp_vmo_read(vmo, offset, to, held) : KP_OK;
}

static kp_status_t write_in_turn(kp_ramfs_file_t *file, kp_vfs_request_t *request, uint64_t offset,
                                 const void *from, uint32_t count)
{
    uint64_t old = file->size, end = offset + count, pages = 0;
    kp_status_t status = capacity_ensure(file, end);
    if (status == KP_OK && end > old) {
        pages = pages_of(end) - pages_of(old);
        status = pages_add(file, pages, request->quota);
    }
    if (status != KP_OK)
        return status;
    status = kp_vmo_write(file->file.vmo, offset, from, count);
    if (status == KP_OK) {
        size_publish(file, KP_MAX(old, end));
    } else if (end > old) {
        content_trim(file, old);
        pages_remove(file, pages);
    }
    return status;
}

kp_status_t kp_ramfs_write(kp_vfs_node_t *node, kp_vfs_request_t *request, uint64_t offset,
                           const void *from, uint32_t count, uint32_t *done, uint64_t *position)
{
    kp_ramfs_file_t *file = kp_ramfs_file(node);
    *done = 0;
    *position = 0;
    if (file->special)
        return file->special->write ? file->special->write(file->context, from, count, done)
                                    : KP_ERR_READ_ONLY;
    if (file->ramfs->options.read_only)
        return KP_ERR_READ_ONLY;
    kp_status_t status = kp_turn_take(&file->file.turn);
    if (status != KP_OK)
        return status;
    if (offset == UINT64_MAX)
        offset = file->size;
    if (offset > KP_VMO_SIZE_MAX || count > KP_VMO_SIZE_MAX - offset)
        status = KP_ERR_TOO_LARGE;
    if (status == KP_OK && count > 0)
        status = write_in_turn(file, request, offset, from, count);
    kp_turn_give(&file->file.turn);
    if (status == KP_OK) {
        *done = count;
        *position = offset + count;
    }
    return status;
}

void kp_ramfs_content_free(kp_ramfs_file_t *file)
{
    pages_remove(file, pages_of(file->size));
    kp_vmo_release(file->file.vmo);
}
