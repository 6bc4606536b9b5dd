/* VMOs are memfds, which the kernel reads and writes as files. It maps those that a driver asks for a page of,
   and no others, for Linux bounds how many mappings it may have. Static ones are parts of the boot archive's
   file.

   Drivers use views without a lock, so a view stays until the VMO is destroyed and the file never becomes
   smaller: shrinking punches a hole. Growing doubles the file. A clone is a copy of the pages that have
   data, at some 2 GB/s: a private mapping would not show the kernel what the process writes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/machine.h"

kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size)
{
    *vmo = (kp_machine_vmo_t){.size = size, .file_size = size, .read_only_fd = -1};
    kp_spin_init(&vmo->lock);
    vmo->fd = kp_hosted_memfd("kpio-vmo");
    if (vmo->fd < 0)
        return KP_ERR_NO_MEMORY;
    /* Sealed: nobody who gets the file can make the kernel's own accesses fault. */
    if (ftruncate(vmo->fd, (off_t)size) != 0 || fcntl(vmo->fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
        close(vmo->fd);
        vmo->fd = -1;
        return KP_ERR_NO_MEMORY;
    }
    return KP_OK;
}

kp_status_t kp_machine_vmo_init_static(kp_machine_vmo_t *vmo, const void *bytes, uint64_t size)
{
    *vmo = (kp_machine_vmo_t){.size = size, .read_only_fd = -1, .fd = -1, .is_static = true};
    kp_spin_init(&vmo->lock);
    vmo->bytes = (uint8_t *)bytes; /* never written: is_static */
    vmo->view_size = size;
    /* Bytes that lie in no file can be read but not mapped. */
    if (!kp_hosted_file_of(bytes, size, &vmo->fd, &vmo->fd_offset))
        vmo->fd = -1;
    return KP_OK;
}

kp_status_t kp_machine_vmo_init_filled(kp_machine_vmo_t *vmo, uint64_t size, kp_vmo_fill_fn fill,
                                       const void *context)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    for (uint64_t at = 0; at < size && status == KP_OK; at += KP_PAGE_SIZE) {
        uint8_t page[KP_PAGE_SIZE];
        fill(context, at, page);
        if (!kp_hosted_write_all(vmo->fd, at, page, sizeof(page))) {
            kp_machine_vmo_destroy(vmo);
            status = KP_ERR_NO_MEMORY;
        }
    }
    vmo->is_filled = status == KP_OK;
    return status;
}

kp_status_t kp_machine_vmo_init_contiguous(kp_machine_vmo_t *vmo, uint64_t size)
{
    kp_status_t status = kp_machine_vmo_init(vmo, size);
    if (status != KP_OK)
        return status;
    /* There are no physical addresses here; only that it cannot run out of memory later. */
    if (fallocate(vmo->fd, 0, 0, (off_t)size) != 0) {
        kp_machine_vmo_destroy(vmo);
        return KP_ERR_NO_MEMORY;
    }
    vmo->is_pinned = true;
    return KP_OK;
}

void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo)
{
    if (vmo->is_static)
        return;
    while (vmo->old_views) {
        kp_hosted_view_t *view = vmo->old_views;
        vmo->old_views = view->next;
        munmap(view->bytes, view->size);
        kp_kfree(view);
    }
    if (vmo->bytes)
        munmap(vmo->bytes, vmo->view_size);
    if (vmo->read_only_fd >= 0)
        close(vmo->read_only_fd);
    if (vmo->fd >= 0)
        close(vmo->fd);
    vmo->fd = vmo->read_only_fd = -1;
}

/* lock is held; -1: none left. */
static int read_only_file(kp_machine_vmo_t *vmo)
{
    if (vmo->read_only_fd < 0) {
        char path[32];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", vmo->fd);
        vmo->read_only_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return vmo->read_only_fd;
}

/* The kernel's view of at least `end` bytes; NULL: no address space, or the VMO is smaller. */
static uint8_t *view(kp_machine_vmo_t *vmo, uint64_t end)
{
    if (vmo->is_static)
        return end <= vmo->size ? vmo->bytes : NULL;
    uint8_t *bytes = NULL;
    kp_spin_lock(&vmo->lock);
    if (end > vmo->size)
        goto done;
    if (vmo->bytes && end > vmo->view_size) {
        kp_hosted_view_t *old = kp_kalloc(sizeof(*old));
        if (!old)
            goto done;
        *old = (kp_hosted_view_t){vmo->old_views, vmo->bytes, vmo->view_size};
        vmo->old_views = old;
        vmo->bytes = NULL;
    }
    if (!vmo->bytes) {
        int file = vmo->is_sealed ? read_only_file(vmo) : vmo->fd;
        int protection = vmo->is_sealed ? PROT_READ : PROT_READ | PROT_WRITE;
        void *at = mmap(NULL, vmo->file_size, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
        vmo->bytes = at == MAP_FAILED ? NULL : at;
        vmo->view_size = vmo->file_size;
    }
    bytes = vmo->bytes;
done:
    kp_spin_unlock(&vmo->lock);
    return bytes;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (offset + count > vmo->size)
        return KP_ERR_OUT_OF_RANGE;
    if (vmo->is_static) {
        memcpy(to, vmo->bytes + offset, count);
        return KP_OK;
    }
    /* Not through the view, where looking at a page that has no data makes one. */
    for (char *out = to; count > 0;) {
        ssize_t part = pread(vmo->fd, out, count, (off_t)offset);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return KP_ERR_NO_MEMORY;
        out += part;
        offset += (uint64_t)part;
        count -= (size_t)part;
    }
    return KP_OK;
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    if (vmo->is_static)
        return KP_ERR_ACCESS_DENIED;
    if (offset + count > vmo->size)
        return KP_ERR_OUT_OF_RANGE;
    return kp_hosted_write_all(vmo->fd, offset, from, count) ? KP_OK : KP_ERR_NO_MEMORY;
}

void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset)
{
    uint8_t *bytes = view(vmo, offset + KP_PAGE_SIZE);
    if (!bytes)
        return NULL;
    kp_spin_lock(&vmo->lock);
    vmo->is_pinned =
        vmo->is_pinned || !(vmo->is_static || vmo->is_filled); /* these are everybody's */
    kp_spin_unlock(&vmo->lock);
    return bytes + offset;
}

/* ---- clones ---- */

bool kp_hosted_write_all(int file, uint64_t offset, const uint8_t *bytes, uint64_t count)
{
    while (count > 0) {
        ssize_t part = pwrite(file, bytes, count, (off_t)offset);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        bytes += part;
        offset += (uint64_t)part;
        count -= (uint64_t)part;
    }
    return true;
}

bool kp_hosted_copy_data(int from, uint64_t offset, uint64_t length, int to)
{
    uint64_t end = offset + length;
    for (uint64_t at = offset; at < end;) {
        off_t data = lseek(from, (off_t)at, SEEK_DATA);
        if (data < 0)
            return errno == ENXIO; /* nothing but a hole up to the end */
        if ((uint64_t)data >= end)
            return true;
        off_t hole = lseek(from, data, SEEK_HOLE);
        uint64_t stop = hole < 0 ? end : KP_MIN((uint64_t)hole, end);
        for (at = (uint64_t)data; at < stop;) {
            uint8_t bytes[16384]; /* stays in the first cache */
            ssize_t part = pread(from, bytes, KP_MIN(stop - at, sizeof(bytes)), (off_t)at);
            if (part < 0 && errno == EINTR)
                continue;
            if (part <= 0 || !kp_hosted_write_all(to, at - offset, bytes, (uint64_t)part))
                return false;
            at += (uint64_t)part;
        }
    }
    return true;
}

kp_status_t kp_machine_vmo_clone(kp_machine_vmo_t *source, uint64_t offset, uint64_t length,
                                 kp_machine_vmo_t *clone)
{
    if (offset + length > source->size)
        return KP_ERR_OUT_OF_RANGE;
    kp_spin_lock(&source->lock);
    bool is_pinned = source->is_pinned;
    kp_spin_unlock(&source->lock);
    if (is_pinned) /* as on a machine that shares pages */
        return KP_ERR_BAD_STATE;
    kp_status_t status = kp_machine_vmo_init(clone, length);
    if (status != KP_OK)
        return status;
    bool is_copied = source->is_static
                         ? kp_hosted_write_all(clone->fd, 0, source->bytes + offset, length)
                         : kp_hosted_copy_data(source->fd, offset, length, clone->fd);
    if (!is_copied) {
        kp_machine_vmo_destroy(clone);
        return KP_ERR_NO_MEMORY;
    }
    return KP_OK;
}

/* ---- changing ---- */

/* lock is held. */
static bool punch(const kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    return length == 0 || fallocate(vmo->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                    (off_t)offset, (off_t)length) == 0;
}

kp_status_t kp_machine_vmo_decommit(kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length)
{
    if (vmo->is_static)
        return KP_ERR_ACCESS_DENIED;
    kp_status_t status = KP_OK;
    kp_spin_lock(&vmo->lock);
    if (vmo->is_pinned)
        status = KP_ERR_BAD_STATE;
    else if (offset + length > vmo->size)
        status = KP_ERR_OUT_OF_RANGE;
    else if (!punch(vmo, offset, length))
        status = KP_ERR_NO_MEMORY;
    kp_spin_unlock(&vmo->lock);
    return status;
}

kp_status_t kp_machine_vmo_resize(kp_machine_vmo_t *vmo, uint64_t size)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(&vmo->lock);
    uint64_t old_size = vmo->size;
    if (vmo->is_static || vmo->is_pinned)
        status = KP_ERR_BAD_STATE;
    else if (size < old_size && !punch(vmo, size, old_size - size))
        status = KP_ERR_NO_MEMORY;
    if (status == KP_OK && size > vmo->file_size) {
        uint64_t file_size = KP_MAX(size, 2 * vmo->file_size);
        if (ftruncate(vmo->fd, (off_t)file_size) != 0)
            status = KP_ERR_NO_MEMORY;
        else
            vmo->file_size = file_size;
    }
    if (status == KP_OK)
        vmo->size = size;
    kp_spin_unlock(&vmo->lock);
    return status;
}

/* Linux refuses the seal while anybody, a process that kept a mapping included, could write; the
   kernel's own views become read-only first, each at its place. */
kp_status_t kp_machine_vmo_seal_write(kp_machine_vmo_t *vmo)
{
    if (vmo->is_static || vmo->is_sealed)
        return KP_OK;
    kp_spin_lock(&vmo->lock);
    kp_status_t status = vmo->is_pinned ? KP_ERR_BAD_STATE : KP_OK;
    int file = read_only_file(vmo);
    kp_hosted_view_t now = {vmo->old_views, vmo->bytes, vmo->view_size};
    for (kp_hosted_view_t *each = &now; each && status == KP_OK; each = each->next) {
        if (each->bytes &&
            (file < 0 || mmap(each->bytes, each->size, PROT_READ,
                              MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file, 0) == MAP_FAILED))
            status = KP_ERR_NO_MEMORY;
    }
    if (status == KP_OK && fcntl(vmo->fd, F_ADD_SEALS, F_SEAL_WRITE) != 0)
        status = errno == EBUSY ? KP_ERR_BAD_STATE : KP_ERR_NO_MEMORY;
    vmo->is_sealed = status == KP_OK;
    for (kp_hosted_view_t *each = &now; each && status != KP_OK; each = each->next) {
        if (each->bytes && mmap(each->bytes, each->size, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_FIXED | MAP_NORESERVE, vmo->fd, 0) == MAP_FAILED)
            kp_panic("a view of a VMO was lost");
    }
    kp_spin_unlock(&vmo->lock);
    return status;
}

/* ---- statistics ---- */

uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo)
{
    struct stat info;
    if (vmo->is_static || fstat(vmo->fd, &info) != 0)
        return 0;
    return (uint64_t)info.st_blocks * 512;
}

void kp_machine_vmo_usage(kp_machine_vmo_t *vmo, uint64_t *private_bytes, uint64_t *shared_bytes)
{
    *private_bytes = kp_machine_vmo_committed(vmo);
    *shared_bytes = 0; /* a clone has its own pages */
}

int kp_hosted_vmo_file(kp_machine_vmo_t *vmo, bool is_writable, uint64_t *offset)
{
    *offset = vmo->fd_offset;
    if (vmo->is_static)
        return is_writable ? -1 : vmo->fd; /* opened for reading only */
    if (is_writable)
        return vmo->fd;
    kp_spin_lock(&vmo->lock);
    int file = read_only_file(vmo);
    kp_spin_unlock(&vmo->lock);
    return file;
}

int kp_hosted_vmo_code_file(kp_machine_vmo_t *vmo, uint64_t *offset)
{
    kp_spin_lock(&vmo->lock);
    bool is_constant = vmo->is_static || vmo->is_sealed;
    kp_spin_unlock(&vmo->lock);
    return is_constant ? kp_hosted_vmo_file(vmo, false, offset) : -1;
}
