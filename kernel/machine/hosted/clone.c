/* Snapshots and their clones. A clone's Linux process maps the snapshot's pages privately, so that Linux
   copies each one when it is written, and nothing before. What the clone grows by, and holes of the snapshot,
   is of its own memory file, as in any other process.

   The kernel cannot show such pages in its window. It reads and writes them, and mappings of VMOs, through
   the process's /proc/self/mem, a file that the process opens and hands over before anything of the program
   runs (1.2 us for each copy of up to a page). The process's view is what counts there: an extent's range
   that was mapped over is reached in the same way. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/mapping.h"

/* Holes up to this are not worth an extent of their own. */
#define GAP_FIRST ((uint64_t)65536)

static atomic_bool is_off;

void kp_hosted_sharing_set(bool on)
{
    atomic_store(&is_off, !on);
}

/* Does this host give a process its own memory as a file? */
static bool has_memory_files(void)
{
    volatile uint32_t word = 1;
    uint32_t value = 2;
    int file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t count = pwrite(file, &value, sizeof(value), (off_t)(uintptr_t)&word);
    close(file);
    return count == sizeof(value) && word == value;
}

bool kp_hosted_may_lend(void)
{
    static _Atomic int answer; /* 0: not known yet, 1: no, 2: yes */
    if (atomic_load(&answer) == 0)
        atomic_store(&answer, 1 + has_memory_files());
    return atomic_load(&answer) == 2 && !atomic_load(&is_off);
}

/* ---- the memory that the kernel cannot map ---- */

bool kp_hosted_is_shared(const kp_machine_space_t *space, uint64_t address, size_t count)
{
    const kp_machine_snapshot_t *snapshot = space->snapshot;
    if (!snapshot || count == 0)
        return false;
    for (uint32_t i = 0; i < snapshot->extent_count; i++) {
        const kp_hosted_extent_t *extent = &snapshot->extents[i];
        if (address < extent->address + extent->length && extent->address < address + count)
            return true;
    }
    return false;
}

/* What is wrong when so many bytes were read or written. */
static kp_status_t failure(ssize_t count)
{
    /* 0: its memory is gone. */
    return count == 0 || errno == ESRCH ? KP_ERR_PROCESS_DEAD : KP_ERR_NO_MEMORY;
}

kp_status_t kp_hosted_lent_read(kp_machine_space_t *space, void *to, uint32_t address, size_t count)
{
    int file;
    kp_status_t status = kp_hosted_child_memory(space->child, &file);
    if (status != KP_OK)
        return status;
    uint64_t at = space->layout.memory + address;
    for (uint8_t *out = to; count > 0;) {
        ssize_t part = pread(file, out, count, (off_t)at);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return failure(part);
        out += part;
        at += (uint64_t)part;
        count -= (size_t)part;
    }
    return KP_OK;
}

kp_status_t kp_hosted_lent_write(kp_machine_space_t *space, uint32_t address, const void *from,
                                 size_t count)
{
    int file;
    kp_status_t status = kp_hosted_child_memory(space->child, &file);
    if (status != KP_OK)
        return status;
    uint64_t at = space->layout.memory + address;
    for (const uint8_t *in = from; count > 0;) {
        ssize_t part = pwrite(file, in, count, (off_t)at);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0 && errno == EIO) /* mapped read-only, just now */
            return KP_ERR_BAD_ADDRESS;
        if (part <= 0)
            return failure(part);
        in += part;
        at += (uint64_t)part;
        count -= (size_t)part;
    }
    return KP_OK;
}

/* ---- freezing ---- */

/* Looks for the pages of the file that have data, those no further than `gap` apart as one extent. False:
   more extents than there is room for. */
static bool find_extents(kp_machine_snapshot_t *snapshot, uint64_t gap)
{
    snapshot->extent_count = 0;
    uint64_t end = snapshot->memory_bytes;
    for (uint64_t at = 0; at < end;) {
        off_t data = lseek(snapshot->memory_fd, (off_t)at, SEEK_DATA);
        if (data < 0 || (uint64_t)data >= end)
            return true;
        off_t hole = lseek(snapshot->memory_fd, data, SEEK_HOLE);
        uint64_t first = (uint64_t)data, stop = hole < 0 ? end : KP_MIN((uint64_t)hole, end);
        kp_hosted_extent_t *last =
            snapshot->extent_count > 0 ? &snapshot->extents[snapshot->extent_count - 1] : NULL;
        if (last && first - (last->address + last->length) <= gap) {
            last->length = stop - last->address;
        } else {
            if (snapshot->extent_count == KP_HOSTED_EXTENTS_MAX)
                return false;
            snapshot->extents[snapshot->extent_count++] = (kp_hosted_extent_t){first, stop - first};
        }
        at = stop;
    }
    return true;
}

/* Where the mapping, if any, ends that lies at the address; if none, 0, and *next is where the next one
   begins or what it was. */
static uint64_t mapping_end(const kp_machine_space_t *space, uint64_t address, uint64_t *next)
{
    for (size_t i = 0; i < space->mapping_count; i++) {
        const kp_hosted_mapping_t *record = &space->mappings[i];
        uint64_t end = (uint64_t)record->address + record->length;
        if (address >= record->address && address < end)
            return end;
        if (record->address > address)
            *next = KP_MIN(*next, (uint64_t)record->address);
    }
    return 0;
}

/* Copies [first, end) of the process's memory to the same place in the file; pages of zeroes stay holes. */
static kp_status_t copy_private(kp_machine_space_t *space, uint64_t first, uint64_t end, int file)
{
    static const uint8_t zeroes[KP_PAGE_SIZE];
    uint8_t page[KP_PAGE_SIZE];
    kp_status_t status = KP_OK;
    for (uint64_t at = first; at < end && status == KP_OK; at += KP_PAGE_SIZE) {
        status = kp_hosted_lent_read(space, page, (uint32_t)at, sizeof(page));
        if (status == KP_OK && memcmp(page, zeroes, sizeof(page)) != 0 &&
            !kp_hosted_write_all(file, at, page, sizeof(page)))
            status = KP_ERR_NO_MEMORY;
    }
    return status;
}

/* A clone that becomes a snapshot: a file of all that is its own or shared. */
static kp_status_t gather(kp_machine_space_t *space, int *out)
{
    int file = kp_hosted_memfd("kpio-memory");
    if (file < 0)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = KP_ERR_NO_MEMORY;
    uint64_t size = space->memory_bytes;
    if (ftruncate(file, (off_t)size) == 0 &&
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) == 0 &&
        kp_hosted_copy_data(space->memory_fd, 0, size, file))
        status = KP_OK;
    for (uint32_t i = 0; i < space->snapshot->extent_count && status == KP_OK; i++) {
        const kp_hosted_extent_t *extent = &space->snapshot->extents[i];
        uint64_t end = extent->address + extent->length;
        for (uint64_t at = extent->address; at < end && status == KP_OK;) {
            uint64_t stop = end, mapped = mapping_end(space, at, &stop);
            if (!mapped)
                status = copy_private(space, at, stop, file);
            at = mapped ? mapped : stop;
        }
    }
    if (status != KP_OK) {
        close(file);
        return status;
    }
    *out = file;
    return KP_OK;
}

/* The process writes what it is beside its memory. */
static kp_status_t freeze_state(kp_machine_space_t *space, int *out)
{
    const kp_image_t *image = space->image;
    int file = kp_hosted_memfd("kpio-state");
    if (file < 0)
        return KP_ERR_NO_MEMORY;
    uint64_t size = kp_sandbox_state_size(image->segments, image->segment_count);
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (ftruncate(file, (off_t)size) == 0 &&
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        status = kp_hosted_child_freeze(space->child, file);
    if (status != KP_OK) {
        close(file);
        return status;
    }
    *out = file;
    return KP_OK;
}

kp_status_t kp_machine_space_freeze(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot)
{
    if (space->code)
        return KP_ERR_QUOTA; /* a clone would not have it */
    int state_fd, memory_fd = space->memory_fd;
    kp_status_t status = freeze_state(space, &state_fd);
    if (status != KP_OK)
        return status;
    bool is_clone = space->snapshot && space->snapshot->extent_count > 0;
    if (is_clone)
        status = gather(space, &memory_fd);
    if (status != KP_OK) {
        close(state_fd);
        return status;
    }
    *snapshot = (kp_machine_snapshot_t){
        .memory_fd = memory_fd,
        .state_fd = state_fd,
        .memory_bytes = space->memory_bytes,
        .mapped_bytes = space->mapped_bytes,
        .layout = space->layout,
    };
    bool is_shared = kp_hosted_may_lend();
    for (uint64_t gap = GAP_FIRST; is_shared && !find_extents(snapshot, gap);)
        gap *= 2;
    space->is_frozen = !is_clone;
    return KP_OK;
}

void kp_machine_snapshot_destroy(kp_machine_snapshot_t *snapshot)
{
    if (snapshot->memory_fd <= 0)
        return;
    close(snapshot->memory_fd);
    close(snapshot->state_fd);
    snapshot->memory_fd = 0;
}

void kp_machine_snapshot_usage(kp_machine_snapshot_t *snapshot, uint64_t *private_bytes,
                               uint64_t *shared_bytes)
{
    struct stat memory, state;
    uint64_t blocks = 0;
    if (fstat(snapshot->memory_fd, &memory) == 0 && fstat(snapshot->state_fd, &state) == 0)
        blocks = (uint64_t)(memory.st_blocks + state.st_blocks);
    *private_bytes = blocks * 512;
    *shared_bytes = snapshot->mapped_bytes;
}

/* ---- cloning ---- */

kp_status_t kp_machine_space_clone(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot,
                                   const kp_image_t *image, const kp_mapping_t *mappings)
{
    memset(space, 0, sizeof(*space));
    kp_spin_init(&space->lock);
    space->image = image;
    space->layout = snapshot->layout;
    space->snapshot = snapshot;
    space->inherited = mappings;
    space->lends_memory = snapshot->extent_count > 0 || kp_hosted_may_lend();
    kp_status_t status = kp_hosted_space_make_memory(space, snapshot->memory_bytes);
    if (status == KP_OK && snapshot->extent_count == 0 &&
        !kp_hosted_copy_data(snapshot->memory_fd, 0, snapshot->memory_bytes, space->memory_fd))
        status = KP_ERR_NO_MEMORY;
    for (; mappings && status == KP_OK; mappings = mappings->next)
        status = kp_hosted_space_inherit(space, mappings);
    if (status != KP_OK)
        kp_machine_space_destroy(space);
    return status;
}
