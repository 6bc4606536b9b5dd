/* VMOs are memfds, which the kernel reads and writes as files. It maps those that a driver asks for a page of,
   and no others, for Linux bounds how many mappings it may have. Static ones are parts of the boot archive's
   file.

   Drivers use views without a lock, so a view stays until the VMO is destroyed and the file never becomes
   smaller: shrinking punches a hole. Growing doubles the file.

   A clone of a sealed VMO shows that one's file, until it is written itself or mapped unsealed; clones of
   others are copies of the pages that have data, at some 2 GB/s, because whoever has such a VMO mapped may
   write at any moment, and Linux tells nobody. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/machine.h"

/* -1: none left. */
static int make_file(uint64_t size)
{
    int file = kp_hosted_memfd("kpio-vmo");
    /* Sealed: nobody who gets the file can make the kernel's own accesses fault. */
    if (file >= 0 &&
        (ftruncate(file, (off_t)size) != 0 || fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK) != 0)) {
        close(file);
        file = -1;
    }
    return file;
}

kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size)
{
    *vmo = (kp_machine_vmo_t){
        .size = size, .file_size = size, .read_only_fd = -1, .origin = -1, .fd = make_file(size)};
    kp_spin_init(&vmo->lock);
    return vmo->fd >= 0 ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_machine_vmo_init_static(kp_machine_vmo_t *vmo, const void *bytes, uint64_t size)
{
    *vmo = (kp_machine_vmo_t){
        .size = size, .read_only_fd = -1, .origin = -1, .fd = -1, .is_static = true};
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
    if (vmo->origin >= 0)
        close(vmo->origin);
    vmo->fd = vmo->read_only_fd = vmo->origin = -1;
}

/* Gives a clone that shows its origin a file of its own, before it is written or mapped where it may be
   written later. lock is held. False: no memory. */
static bool make_own(kp_machine_vmo_t *vmo)
{
    if (vmo->origin < 0)
        return true;
    int file = make_file(vmo->size);
    if (file < 0)
        return false;
    if (!kp_hosted_copy_data(vmo->origin, vmo->fd_offset, vmo->size, file)) {
        close(file);
        return false;
    }
    close(vmo->origin);
    vmo->fd = file;
    vmo->file_size = vmo->size;
    vmo->fd_offset = 0;
    vmo->origin = -1;
    return true;
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
    if (!vmo->bytes && !vmo->is_sealed && !make_own(vmo))
        goto done;
    if (!vmo->bytes) {
        int file = vmo->origin >= 0 ? vmo->origin : vmo->is_sealed ? read_only_file(vmo) : vmo->fd;
        int protection = vmo->is_sealed ? PROT_READ : PROT_READ | PROT_WRITE;
        vmo->view_size = vmo->origin >= 0 ? (uint64_t)vmo->size : vmo->file_size;
        void *at = mmap(NULL, vmo->view_size, protection, MAP_SHARED | MAP_NORESERVE, file,
                        (off_t)vmo->fd_offset);
        vmo->bytes = at == MAP_FAILED ? NULL : at;
    }
    bytes = vmo->bytes;
done:
    kp_spin_unlock(&vmo->lock);
    return bytes;
}

/* Not through the view, where looking at a page that has no data makes one. */
static bool read_all(int file, uint64_t offset, uint8_t *to, size_t count)
{
    while (count > 0) {
        ssize_t part = pread(file, to, count, (off_t)offset);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        to += part;
        offset += (uint64_t)part;
        count -= (size_t)part;
    }
    return true;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    if (offset + count > vmo->size)
        return KP_ERR_OUT_OF_RANGE;
    if (vmo->is_static) {
        memcpy(to, vmo->bytes + offset, count);
        return KP_OK;
    }
    kp_spin_lock(&vmo->lock);
    bool is_shared = vmo->origin >= 0; /* then the file may go as soon as the lock does */
    int file = is_shared ? vmo->origin : vmo->fd;
    if (!is_shared)
        kp_spin_unlock(&vmo->lock);
    bool is_read = read_all(file, vmo->fd_offset + offset, to, count);
    if (is_shared)
        kp_spin_unlock(&vmo->lock);
    return is_read ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    if (vmo->is_static)
        return KP_ERR_ACCESS_DENIED;
    if (offset + count > vmo->size)
        return KP_ERR_OUT_OF_RANGE;
    kp_spin_lock(&vmo->lock);
    bool is_own = make_own(vmo);
    kp_spin_unlock(&vmo->lock);
    return is_own && kp_hosted_write_all(vmo->fd, offset, from, count) ? KP_OK : KP_ERR_NO_MEMORY;
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

/* A file for a clone of what can never change, and where the source begins in it; -1: the source can
   change. lock is held. *status: as it is, or KP_ERR_NO_MEMORY. */
static int share_file(kp_machine_vmo_t *source, uint64_t *start, kp_status_t *status)
{
    if (source->is_static || (source->origin < 0 && !source->is_sealed))
        return -1;
    int file = source->origin >= 0 ? source->origin : read_only_file(source);
    file = file >= 0 ? fcntl(file, F_DUPFD_CLOEXEC, 3) : -1;
    if (file < 0)
        *status = KP_ERR_NO_MEMORY;
    *start = source->origin >= 0 ? source->fd_offset : 0;
    return file;
}

kp_status_t kp_machine_vmo_clone(kp_machine_vmo_t *source, uint64_t offset, uint64_t length,
                                 kp_machine_vmo_t *clone)
{
    if (offset + length > source->size)
        return KP_ERR_OUT_OF_RANGE;
    uint64_t start = 0;
    kp_spin_lock(&source->lock);
    /* Pinned: as on a machine that shares pages. */
    kp_status_t status = source->is_pinned ? KP_ERR_BAD_STATE : KP_OK;
    int file = status == KP_OK ? share_file(source, &start, &status) : -1;
    kp_spin_unlock(&source->lock);
    if (status != KP_OK)
        return status;
    if (file >= 0) {
        *clone = (kp_machine_vmo_t){.size = length,
                                    .file_size = length,
                                    .fd = -1,
                                    .read_only_fd = -1,
                                    .origin = file,
                                    .fd_offset = start + offset};
        kp_spin_init(&clone->lock);
        return KP_OK;
    }
    status = kp_machine_vmo_init(clone, length);
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
    else if (!make_own(vmo) || !punch(vmo, offset, length))
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
    else if (!make_own(vmo) || (size < old_size && !punch(vmo, size, old_size - size)))
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
    if (vmo->origin >= 0) { /* that is sealed, or of one that is */
        vmo->is_sealed = true;
        kp_spin_unlock(&vmo->lock);
        return KP_OK;
    }
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
    kp_spin_lock(&vmo->lock);
    *private_bytes = kp_machine_vmo_committed(vmo);
    *shared_bytes = vmo->origin >= 0 ? (uint64_t)vmo->size : 0;
    kp_spin_unlock(&vmo->lock);
}

int kp_hosted_vmo_file(kp_machine_vmo_t *vmo, bool is_writable, uint64_t *offset)
{
    if (vmo->is_static) {
        *offset = vmo->fd_offset;
        return is_writable ? -1 : vmo->fd; /* opened for reading only */
    }
    int file = -1;
    kp_spin_lock(&vmo->lock);
    if (vmo->is_sealed && vmo->origin >= 0)
        file = is_writable ? -1 : vmo->origin;
    else if (make_own(vmo)) /* what shows it now must show what is written later */
        file = is_writable ? vmo->fd : read_only_file(vmo);
    *offset = vmo->fd_offset;
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
