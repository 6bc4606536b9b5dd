/* Address spaces: a memfd is the linear memory; the process maps it, and so does the kernel, which
   makes copies memcpys. Growing is growing the file. A VMO that the process maps inside its memory
   is mapped at the same place in the kernel's window. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/thread.h"
#include "kernel/object/vmo.h"

#define WINDOW_SIZE ((uint64_t)1 << 32)

kp_status_t kp_machine_space_create(kp_machine_space_t *space, const kp_image_t *image,
                                    uint32_t initial_pages, uint32_t maximum_pages)
{
    (void)maximum_pages; /* the core checks it */
    memset(space, 0, sizeof(*space));
    kp_spin_init(&space->lock);
    space->image = image;
    space->memory_fd = kp_hosted_memfd("kpio-memory");
    if (space->memory_fd < 0)
        return KP_ERR_NO_MEMORY;
    if (ftruncate(space->memory_fd, (off_t)initial_pages * KP_WASM_PAGE_SIZE) != 0 ||
        fcntl(space->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        kp_machine_space_destroy(space);
        return KP_ERR_NO_MEMORY;
    }
    void *window = mmap(NULL, WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        space->memory_fd, 0);
    space->window = window == MAP_FAILED ? NULL : window;
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (space->window)
        status = kp_hosted_child_create(image, space->memory_fd, initial_pages, &space->child);
    if (status != KP_OK)
        kp_machine_space_destroy(space);
    return status;
}

void kp_machine_space_destroy(kp_machine_space_t *space)
{
    if (space->child) {
        kp_hosted_child_kill(space->child);
        kp_hosted_child_release(space->child);
    }
    if (space->window)
        munmap(space->window, WINDOW_SIZE);
    if (space->memory_fd > 0)
        close(space->memory_fd);
    kp_kfree(space->mappings);
    memset(space, 0, sizeof(*space));
}

kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages, uint32_t new_pages)
{
    (void)old_pages;
    uint64_t size = (uint64_t)new_pages * KP_WASM_PAGE_SIZE;
    if (ftruncate(space->memory_fd, (off_t)size) != 0)
        return KP_ERR_NO_MEMORY;
    space->child->page->memory_bytes = size;
    return KP_OK;
}

/* ---- mappings ---- */

/* Cuts [address, address + length) out of the records; a record that it splits becomes two. There
   is room: reserve_records was called. */
static void forget_range(kp_machine_space_t *space, uint64_t address, uint64_t length)
{
    uint64_t end = address + length;
    size_t count = space->mapping_count;
    for (size_t i = 0; i < count;) {
        kp_hosted_mapping_t *record = &space->mappings[i];
        uint64_t first = record->address, last = first + record->length;
        if (last <= address || first >= end) {
            i++;
            continue;
        }
        space->mapped_bytes -= KP_MIN(last, end) - KP_MAX(first, address);
        if (first < address && last > end) {
            space->mappings[space->mapping_count++] =
                (kp_hosted_mapping_t){(uint32_t)end, (uint32_t)(last - end), record->is_writable};
            record->length = (uint32_t)(address - first);
            i++;
        } else if (first < address) {
            record->length = (uint32_t)(address - first);
            i++;
        } else if (last > end) {
            record->address = (uint32_t)end;
            record->length = (uint32_t)(last - end);
            i++;
        } else {
            *record = space->mappings[--space->mapping_count];
            count = KP_MIN(count, space->mapping_count);
        }
    }
}

/* Room for two more records: a new one, and the second half of one that is split. */
static bool reserve_records(kp_machine_space_t *space)
{
    if (space->mapping_count + 2 <= space->mapping_capacity)
        return true;
    size_t capacity = space->mapping_capacity * 2 + 8;
    kp_hosted_mapping_t *records = kp_kalloc(capacity * sizeof(*records));
    if (!records)
        return false;
    if (space->mapping_count > 0)
        memcpy(records, space->mappings, space->mapping_count * sizeof(*records));
    kp_kfree(space->mappings);
    space->mappings = records;
    space->mapping_capacity = capacity;
    return true;
}

/* The process changes its own view first: when it cannot, nothing has happened. */
static kp_status_t map_both(kp_machine_space_t *space, uint32_t address, uint32_t length, int file,
                            uint64_t offset, bool is_writable)
{
    kp_status_t status = KP_OK;
    kp_thread_t *current = kp_machine_thread_current();
    /* When the process is being taken down, its own view does not matter any more. */
    if (current && current->machine.child == space->child)
        status = kp_hosted_child_map(space->child, address, length, file, offset, is_writable);
    if (status != KP_OK)
        return status;
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *at =
        mmap(space->window + address, length, protection, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
             file >= 0 ? file : space->memory_fd, (off_t)offset);
    if (at == MAP_FAILED) {
        /* The two views differ now: that process cannot go on. */
        kp_hosted_child_kill(space->child);
        return KP_ERR_NO_MEMORY;
    }
    return KP_OK;
}

kp_status_t kp_machine_space_map(kp_machine_space_t *space, uint32_t address, kp_vmo_t *vmo,
                                 uint64_t offset, uint32_t length, bool writable)
{
    uint64_t start;
    int file = kp_hosted_vmo_file(&vmo->machine, writable, &start);
    if (file < 0)
        return KP_ERR_NOT_SUPPORTED;
    kp_spin_lock(&space->lock);
    bool has_room = reserve_records(space);
    kp_spin_unlock(&space->lock);
    if (!has_room)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = map_both(space, address, length, file, start + offset, writable);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&space->lock);
    forget_range(space, address, length);
    space->mappings[space->mapping_count++] = (kp_hosted_mapping_t){address, length, writable};
    space->mapped_bytes += length;
    kp_spin_unlock(&space->lock);
    /* What was there before is gone, and the range is zero when the mapping goes. */
    fallocate(space->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address, length);
    return KP_OK;
}

kp_status_t kp_machine_space_unmap(kp_machine_space_t *space, uint32_t address, uint32_t length)
{
    kp_spin_lock(&space->lock);
    bool has_room = reserve_records(space);
    kp_spin_unlock(&space->lock);
    if (!has_room)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = map_both(space, address, length, -1, address, true);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&space->lock);
    forget_range(space, address, length);
    kp_spin_unlock(&space->lock);
    fallocate(space->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address, length);
    return KP_OK;
}

/* ---- copies ---- */

kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count)
{
    memcpy(to, space->window + address, count);
    return KP_OK;
}

kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count)
{
    if (space->mapping_count > 0) {
        bool is_refused = false;
        kp_spin_lock(&space->lock);
        for (size_t i = 0; i < space->mapping_count && !is_refused; i++) {
            const kp_hosted_mapping_t *record = &space->mappings[i];
            is_refused = !record->is_writable &&
                         address < (uint64_t)record->address + record->length &&
                         record->address < (uint64_t)address + count;
        }
        kp_spin_unlock(&space->lock);
        if (is_refused)
            return KP_ERR_BAD_ADDRESS;
    }
    memcpy(space->window + address, from, count);
    return KP_OK;
}

kp_status_t kp_machine_space_copy_across(kp_machine_space_t *from, uint32_t from_address,
                                         kp_machine_space_t *to, uint32_t address, size_t count)
{
    return kp_machine_space_copy_out(to, address, from->window + from_address, count);
}

/* ---- statistics ---- */

/* Resident pages of the process: all, and those of files and shared memory. */
static bool read_statm(int pid, uint64_t *resident, uint64_t *shared)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    unsigned long long pages[3] = {0};
    int fields = fscanf(file, "%llu %llu %llu", &pages[0], &pages[1], &pages[2]);
    fclose(file);
    *resident = pages[1];
    *shared = pages[2];
    return fields == 3;
}

void kp_machine_space_usage(kp_machine_space_t *space, uint64_t *private_bytes,
                            uint64_t *shared_bytes)
{
    struct stat info;
    uint64_t memory = fstat(space->memory_fd, &info) == 0 ? (uint64_t)info.st_blocks * 512 : 0;
    uint64_t resident = 0, shared = 0;
    kp_spin_lock(&space->child->lock);
    int pid = space->child->pid;
    kp_spin_unlock(&space->child->lock);
    if (pid > 0)
        (void)read_statm(pid, &resident, &shared);
    /* Anonymous pages (stack, image data, what is left of the zygote) and linear memory, which
       Linux counts as shared because the kernel maps it too. */
    *private_bytes = memory + (resident - shared) * KP_PAGE_SIZE;
    uint64_t shared_resident = shared * KP_PAGE_SIZE;
    *shared_bytes = shared_resident > memory ? shared_resident - memory : 0;
}
