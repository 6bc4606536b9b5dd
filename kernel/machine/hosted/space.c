/* Address spaces: a memfd is the linear memory; the process maps it, and so does the kernel, which
   makes copies memcpys. Growing is growing the file. A VMO that the process maps inside its memory the kernel
   does not: it reaches what is there as clone.c says. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/guest.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/object/mapping.h"
#include "kernel/object/thread.h"
#include "kernel/object/vmo.h"

#define WINDOW_SIZE ((uint64_t)1 << 32)

/* Where nothing of the zygote lies; by Linux' own randomness the rest is elsewhere too. */
#define MEMORY_FIRST ((uint64_t)0x200000000000)
#define STACK_FIRST ((uint64_t)0x300000000000)
#define IMAGE_FIRST ((uint64_t)0x380000000000)
#define CODE_FIRST ((uint64_t)0x3d0000000000)
#define GUESTS_FIRST ((uint64_t)0x400000000000)
#define PLACE_ALIGN ((uint64_t)65536)
enum { MEMORY_BITS = 28, STACK_BITS = 26, IMAGE_BITS = 26, CODE_BITS = 25, GUESTS_BITS = 27 };

static kp_status_t choose_layout(kp_hosted_layout_t *layout)
{
    uint64_t random[5];
    kp_status_t status = kp_machine_random(random, sizeof(random));
    if (status != KP_OK)
        return status;
    layout->memory = MEMORY_FIRST + (random[0] & ((1u << MEMORY_BITS) - 1)) * PLACE_ALIGN;
    layout->stack = STACK_FIRST + (random[1] & ((1u << STACK_BITS) - 1)) * PLACE_ALIGN;
    layout->image = IMAGE_FIRST + (random[2] & ((1u << IMAGE_BITS) - 1)) * PLACE_ALIGN;
    layout->code = CODE_FIRST + (random[3] & ((1u << CODE_BITS) - 1)) * PLACE_ALIGN;
    layout->guests = GUESTS_FIRST + (random[4] & ((1u << GUESTS_BITS) - 1)) * PLACE_ALIGN;
    return KP_OK;
}

kp_status_t kp_hosted_space_make_memory(kp_machine_space_t *space, uint64_t size)
{
    space->memory_fd = kp_hosted_memfd("kpio-memory");
    if (space->memory_fd < 0)
        return KP_ERR_NO_MEMORY;
    if (ftruncate(space->memory_fd, (off_t)size) != 0 ||
        fcntl(space->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        return KP_ERR_NO_MEMORY;
    void *window = mmap(NULL, WINDOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                        space->memory_fd, 0);
    space->window = window == MAP_FAILED ? NULL : window;
    space->memory_bytes = size;
    return space->window ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_machine_space_create(kp_machine_space_t *space, const kp_image_t *image,
                                    uint32_t initial_pages, uint32_t maximum_pages)
{
    (void)maximum_pages; /* the core checks it */
    memset(space, 0, sizeof(*space));
    kp_spin_init(&space->lock);
    space->image = image;
    space->lends_memory = kp_hosted_may_lend();
    kp_status_t status = choose_layout(&space->layout);
    if (status == KP_OK)
        status = kp_hosted_space_make_memory(space, (uint64_t)initial_pages * KP_WASM_PAGE_SIZE);
    if (status != KP_OK)
        kp_machine_space_destroy(space);
    return status;
}

kp_status_t kp_hosted_space_start(kp_machine_space_t *space)
{
    if (space->child)
        return KP_OK;
    const kp_hosted_birth_t birth = {
        .image = space->image,
        .memory_fd = space->memory_fd,
        .memory_bytes = space->memory_bytes,
        .layout = space->layout,
        .snapshot = space->snapshot,
        .lends_memory = space->lends_memory,
        .mappings = space->inherited,
    };
    return kp_hosted_child_create(&birth, &space->child);
}

void kp_machine_space_destroy(kp_machine_space_t *space)
{
    if (space->child) {
        kp_hosted_child_kill(space->child);
        space->faults = kp_hosted_child_faults(space->child);
        if (space->is_frozen) /* nobody writes there any more once clones show it */
            kp_hosted_child_await_death(space->child);
        kp_hosted_child_release(space->child);
    }
    if (space->window)
        munmap(space->window, WINDOW_SIZE);
    if (space->memory_fd > 0 && !space->is_frozen)
        close(space->memory_fd);
    kp_kfree(space->mappings);
    kp_hosted_guests_free(space);
    while (space->code) {
        kp_hosted_code_t *code = space->code;
        space->code = code->next;
        kp_kfree(code);
    }
    uint64_t faults = space->faults;
    memset(space, 0, sizeof(*space));
    space->faults = faults;
}

kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages, uint32_t new_pages)
{
    uint64_t size = (uint64_t)new_pages * KP_WASM_PAGE_SIZE;
    uint64_t more = size - (uint64_t)old_pages * KP_WASM_PAGE_SIZE;
    if (!kp_hosted_promise(more))
        return KP_ERR_NO_MEMORY;
    if (ftruncate(space->memory_fd, (off_t)size) != 0) {
        kp_hosted_promise_end(more);
        return KP_ERR_NO_MEMORY;
    }
    space->promised += more;
    space->memory_bytes = size;
    if (space->child)
        kp_area_orders(space->child->area)->memory_bytes = size;
    return KP_OK;
}

/* ---- mappings ---- */

/* The first record that ends beyond the address. */
static size_t first_record(const kp_machine_space_t *space, uint64_t address)
{
    size_t low = 0, high = space->mapping_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const kp_hosted_mapping_t *record = &space->mappings[middle];
        if ((uint64_t)record->address + record->length > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert_record(kp_machine_space_t *space, size_t index, uint64_t address,
                          uint64_t length, bool is_writable)
{
    kp_hosted_mapping_t *record = &space->mappings[index];
    memmove(record + 1, record, (space->mapping_count++ - index) * sizeof(*record));
    *record = (kp_hosted_mapping_t){(uint32_t)address, (uint32_t)length, is_writable};
    space->mapped_bytes += length;
}

/* Cuts [address, address + length) out of the records; a record that it splits becomes two. There
   is room: reserve_records was called. */
static void forget_range(kp_machine_space_t *space, uint64_t address, uint64_t length)
{
    uint64_t end = address + length;
    size_t first = first_record(space, address), last = first;
    uint64_t head = 0, tail = 0; /* what stays of the first and the last one that it meets */
    bool is_head_writable = false, is_tail_writable = false;
    for (; last < space->mapping_count && space->mappings[last].address < end; last++) {
        const kp_hosted_mapping_t *record = &space->mappings[last];
        uint64_t stop = (uint64_t)record->address + record->length;
        space->mapped_bytes -= record->length;
        if (record->address < address) {
            head = address - record->address;
            is_head_writable = record->is_writable;
        }
        if (stop > end) {
            tail = stop - end;
            is_tail_writable = record->is_writable;
        }
    }
    memmove(&space->mappings[first], &space->mappings[last],
            (space->mapping_count - last) * sizeof(*space->mappings));
    space->mapping_count -= last - first;
    if (tail > 0)
        insert_record(space, first, end, tail, is_tail_writable);
    if (head > 0)
        insert_record(space, first, address - head, head, is_head_writable);
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

/* Where the kernel has no file of the process's memory its window shows mappings too. Each splits the window
   and counts against what Linux lets the kernel have in all. */
static bool show_in_window(kp_machine_space_t *space, uint32_t address, uint32_t length, int file,
                           uint64_t offset, bool is_writable)
{
    return mmap(space->window + address, length, is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
                MAP_SHARED | MAP_FIXED | MAP_NORESERVE, file >= 0 ? file : space->memory_fd,
                (off_t)offset) != MAP_FAILED;
}

/* The process changes its own view first: when it cannot, nothing has happened. Records it too, for which
   there is room. */
static kp_status_t map_both(kp_machine_space_t *space, uint32_t address, uint32_t length, int file,
                            uint64_t offset, bool is_writable)
{
    kp_status_t status = KP_OK;
    kp_thread_t *current = kp_machine_thread_current();
    /* When the process is being taken down, its own view does not matter any more. */
    if (current && space->child && current->machine.child == space->child)
        status = kp_hosted_child_map(space->child, address, length, file, offset, is_writable);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&space->lock); /* against copies: they look at the records before they write */
    if (!space->lends_memory &&
        !show_in_window(space, address, length, file, offset, is_writable)) {
        /* The two views differ now, and the window may have a hole, which no copy must meet: that process
           cannot go on. */
        space->is_broken = true;
        kp_spin_unlock(&space->lock);
        kp_hosted_child_kill(space->child);
        return KP_ERR_NO_MEMORY;
    }
    forget_range(space, address, length);
    if (file >= 0)
        insert_record(space, first_record(space, address), address, length, is_writable);
    kp_spin_unlock(&space->lock);
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
    /* What was there before is gone, and the range is zero when the mapping goes. */
    fallocate(space->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address, length);
    kp_hosted_promise_drop(space, length);
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
    fallocate(space->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, address, length);
    kp_hosted_promise_drop(space, length);
    return KP_OK;
}

kp_status_t kp_hosted_space_inherit(kp_machine_space_t *space, const kp_mapping_t *mapping)
{
    uint64_t start;
    int file = kp_hosted_vmo_file(&mapping->vmo->machine, false, &start);
    uint32_t address = (uint32_t)mapping->address, length = (uint32_t)mapping->length;
    if (file < 0 || !reserve_records(space) ||
        (!space->lends_memory &&
         !show_in_window(space, address, length, file, start + mapping->offset, false)))
        return KP_ERR_NO_MEMORY;
    insert_record(space, first_record(space, address), address, length, false);
    return KP_OK;
}

/* ---- code ---- */

/* Reserves a place for code; it is in the list from now on. NULL: none. */
static kp_hosted_code_t *place_code(kp_machine_space_t *space, uint64_t length)
{
    kp_hosted_code_t *code = kp_kalloc(sizeof(*code));
    if (!code)
        return NULL;
    kp_spin_lock(&space->lock);
    uint64_t address = space->layout.code, end = address + KP_HOSTED_CODE_SIZE;
    kp_hosted_code_t **link = &space->code;
    while (*link && (*link)->address - address < length + KP_PAGE_SIZE) {
        address = (*link)->address + (*link)->length + KP_PAGE_SIZE;
        link = &(*link)->next;
    }
    bool fits = address <= end && length <= end - address;
    if (fits) {
        *code = (kp_hosted_code_t){*link, address, length};
        *link = code;
    }
    kp_spin_unlock(&space->lock);
    if (!fits)
        kp_kfree(code);
    return fits ? code : NULL;
}

static bool remove_code(kp_machine_space_t *space, uint64_t address, uint64_t length)
{
    kp_spin_lock(&space->lock);
    kp_hosted_code_t **link = &space->code, *code = NULL;
    while (*link && (*link)->address != address)
        link = &(*link)->next;
    if (*link && (*link)->length == length) {
        code = *link;
        *link = code->next;
    }
    kp_spin_unlock(&space->lock);
    kp_kfree(code);
    return code;
}

/* ERR_BAD_STATE besides: the VMO can change; the process has not been started or has ended. */
kp_status_t kp_machine_space_map_code(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t length,
                                      uint64_t *address)
{
    uint64_t offset;
    int file = kp_hosted_vmo_code_file(&vmo->machine, &offset);
    if (file < 0 || !space->child)
        return KP_ERR_BAD_STATE;
    kp_hosted_code_t *code = place_code(space, length);
    if (!code)
        return KP_ERR_NO_MEMORY;
    *address = code->address;
    kp_status_t status = kp_hosted_child_map_code(space->child, *address, length, file, offset);
    if (status != KP_OK)
        (void)remove_code(space, *address, length);
    return status;
}

kp_status_t kp_machine_space_unmap_code(kp_machine_space_t *space, uint64_t address,
                                        uint64_t length)
{
    if (!space->child)
        return KP_ERR_BAD_STATE;
    kp_status_t status = kp_hosted_child_unmap_code(space->child, address, length);
    /* A process that is dead has it no more. */
    if (status == KP_OK || status == KP_ERR_PROCESS_DEAD) {
        (void)remove_code(space, address, length);
        status = KP_OK;
    }
    return status;
}

/* ---- copies ---- */

typedef enum way { BY_WINDOW, BY_FILE, REFUSED, BROKEN } way_t;

/* How the kernel reaches a range. The lock is held if lock_copies says so. */
static way_t way_to(const kp_machine_space_t *space, uint64_t address, size_t count, bool is_write)
{
    if (space->is_broken)
        return BROKEN;
    bool is_lent = kp_hosted_is_shared(space, address, count);
    for (size_t i = first_record(space, address);
         i < space->mapping_count && space->mappings[i].address < address + count; i++) {
        if (is_write && !space->mappings[i].is_writable)
            return REFUSED;
        is_lent |= space->lends_memory;
    }
    return is_lent ? BY_FILE : BY_WINDOW;
}

/* Takes the lock if the records may matter: another thread of the process may be changing them. */
static bool lock_copies(kp_machine_space_t *space)
{
    bool must =
        space->mapping_count > 0 || atomic_load_explicit(&space->is_threaded, memory_order_relaxed);
    if (must)
        kp_spin_lock(&space->lock);
    return must;
}

static way_t way_in(kp_machine_space_t *space, uint64_t address, size_t count)
{
    bool has_lock = lock_copies(space);
    way_t way = way_to(space, address, count, false);
    if (has_lock)
        kp_spin_unlock(&space->lock);
    return way;
}

kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count)
{
    if (count == 0)
        return KP_OK;
    way_t way = way_in(space, address, count);
    if (way == BY_FILE)
        return kp_hosted_lent_read(space, to, address, count);
    if (way == BROKEN)
        return KP_ERR_PROCESS_DEAD;
    memcpy(to, space->window + address, count);
    return KP_OK;
}

/* Writes the bytes, or (from_space) those at an address of another's memory that it lends. */
static kp_status_t write_range(kp_machine_space_t *space, uint32_t address, const void *from,
                               kp_machine_space_t *from_space, uint32_t from_address, size_t count)
{
    switch (way_to(space, address, count, true)) {
    case REFUSED:
        return KP_ERR_BAD_ADDRESS;
    case BROKEN:
        return KP_ERR_PROCESS_DEAD;
    case BY_FILE: /* not from another's file */
        return from_space ? KP_ERR_NOT_SUPPORTED
                          : kp_hosted_lent_write(space, address, from, count);
    case BY_WINDOW:
        break;
    }
    if (from_space)
        return kp_hosted_lent_read(from_space, space->window + address, from_address, count);
    memcpy(space->window + address, from, count);
    return KP_OK;
}

static kp_status_t copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                            kp_machine_space_t *from_space, uint32_t from_address, size_t count)
{
    if (count == 0)
        return KP_OK;
    /* The lock is held over the copy: a thread of the process may be about to map something there that
       cannot be written. */
    bool has_lock = lock_copies(space);
    kp_status_t status = write_range(space, address, from, from_space, from_address, count);
    if (has_lock)
        kp_spin_unlock(&space->lock);
    return status;
}

kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count)
{
    return copy_out(space, address, from, NULL, 0, count);
}

kp_status_t kp_machine_space_copy_across(kp_machine_space_t *from, uint32_t from_address,
                                         kp_machine_space_t *to, uint32_t address, size_t count)
{
    if (count == 0)
        return KP_OK;
    way_t way = way_in(from, from_address, count);
    if (way == BROKEN)
        return KP_ERR_NOT_SUPPORTED;
    if (way == BY_WINDOW)
        return copy_out(to, address, from->window + from_address, NULL, 0, count);
    kp_status_t status = copy_out(to, address, NULL, from, from_address, count);
    /* What is wrong with the sender's memory is its own harm: it finds out when it is asked to copy by way of
       the kernel. */
    if (status != KP_ERR_NOT_SUPPORTED)
        return status == KP_OK || status == KP_ERR_BAD_ADDRESS ? status : KP_ERR_NOT_SUPPORTED;
    uint8_t bytes[16384];
    status = KP_OK;
    for (size_t done = 0; done < count && status == KP_OK;) {
        size_t part = KP_MIN(count - done, sizeof(bytes));
        if (kp_hosted_lent_read(from, bytes, from_address + (uint32_t)done, part) != KP_OK)
            return KP_ERR_NOT_SUPPORTED;
        status = copy_out(to, address + (uint32_t)done, bytes, NULL, 0, part);
        done += part;
    }
    return status;
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
    int pid = 0;
    if (space->child)
        pid = kp_hosted_child_pid(space->child);
    if (pid > 0)
        (void)read_statm(pid, &resident, &shared);
    /* Anonymous pages (stack, image data, what is left of the zygote) and linear memory, which
       Linux counts as shared because the kernel maps it too. */
    *private_bytes = memory + (resident - shared) * KP_PAGE_SIZE;
    uint64_t shared_resident = shared * KP_PAGE_SIZE;
    *shared_bytes = shared_resident > memory ? shared_resident - memory : 0;
}

uint64_t kp_machine_space_faults(const kp_machine_space_t *space)
{
    return space->child ? kp_hosted_child_faults(space->child) : space->faults;
}
