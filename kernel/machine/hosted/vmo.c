/* VMOs are memfds; the kernel maps one when it first needs to look inside. Static ones are parts of
   the boot archive's file. */
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
    *vmo = (kp_machine_vmo_t){.size = size, .read_only_fd = -1};
    kp_spin_init(&vmo->lock);
    vmo->fd = kp_hosted_memfd("kpio-vmo");
    if (vmo->fd < 0)
        return KP_ERR_NO_MEMORY;
    /* Sealed: nobody who gets the file can make the kernel's own accesses fault. */
    if (ftruncate(vmo->fd, (off_t)size) != 0 ||
        fcntl(vmo->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
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
    /* Bytes that lie in no file can be read but not mapped. */
    if (!kp_hosted_file_of(bytes, size, &vmo->fd, &vmo->fd_offset))
        vmo->fd = -1;
    return KP_OK;
}

void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo)
{
    if (vmo->is_static)
        return;
    if (vmo->bytes)
        munmap(vmo->bytes, vmo->size);
    if (vmo->read_only_fd >= 0)
        close(vmo->read_only_fd);
    if (vmo->fd >= 0)
        close(vmo->fd);
}

/* The kernel's view of the VMO; NULL: no address space. */
static uint8_t *view(kp_machine_vmo_t *vmo)
{
    kp_spin_lock(&vmo->lock);
    if (!vmo->bytes) {
        void *bytes =
            mmap(NULL, vmo->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vmo->fd, 0);
        vmo->bytes = bytes == MAP_FAILED ? NULL : bytes;
    }
    uint8_t *bytes = vmo->bytes;
    kp_spin_unlock(&vmo->lock);
    return bytes;
}

kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count)
{
    const uint8_t *bytes = view(vmo);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    memcpy(to, bytes + offset, count);
    return KP_OK;
}

kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count)
{
    if (vmo->is_static)
        return KP_ERR_ACCESS_DENIED;
    uint8_t *bytes = view(vmo);
    if (!bytes)
        return KP_ERR_NO_MEMORY;
    memcpy(bytes + offset, from, count);
    return KP_OK;
}

void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset)
{
    uint8_t *bytes = view(vmo);
    return bytes ? bytes + offset : NULL;
}

uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo)
{
    struct stat info;
    if (vmo->is_static || fstat(vmo->fd, &info) != 0)
        return 0;
    return (uint64_t)info.st_blocks * 512;
}

int kp_hosted_vmo_file(kp_machine_vmo_t *vmo, bool is_writable, uint64_t *offset)
{
    *offset = vmo->fd_offset;
    if (vmo->is_static)
        return is_writable ? -1 : vmo->fd; /* opened for reading only */
    if (is_writable)
        return vmo->fd;
    kp_spin_lock(&vmo->lock);
    if (vmo->read_only_fd < 0) {
        char path[32];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", vmo->fd);
        vmo->read_only_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    int file = vmo->read_only_fd;
    kp_spin_unlock(&vmo->lock);
    return file;
}
