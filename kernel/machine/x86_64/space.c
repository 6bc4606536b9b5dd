/* Address spaces: the image, a stack, and linear memory with VMOs mapped into it. Text and
   constants are the boot archive's own pages; everything else is made present by page faults. A
   page that only this space holds carries KP_X86_PTE_OWNED and is freed with its mapping. */
#include "kernel/machine/x86_64/space.h"

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/object/image.h"
#include "kernel/object/vmo.h"

enum {
    ROOT_USER_ENTRIES = 256,
    IMAGE_RANDOM_BITS = 20,
    IMAGE_ALIGN_BITS = 21,
    FLUSH_ALL = 32,
    FAULT_RUN_MAX = 8
};

/* VMO pages in linear memory: [start, end) shows the VMO from offset. */
typedef struct mapping {
    kp_list_t link; /* by address, never overlapping */
    uint64_t start, end;
    kp_vmo_t *vmo; /* the core holds the reference */
    uint64_t offset;
    bool writable;
} mapping_t;

static bool is_loaded(const kp_machine_space_t *space)
{
    return kp_x86_cpu()->root == space->root;
}

static mapping_t *mapping_at(kp_machine_space_t *space, uint64_t offset)
{
    for (kp_list_t *item = space->mappings.next; item != &space->mappings; item = item->next) {
        mapping_t *mapping = KP_CONTAINER_OF(item, mapping_t, link);
        if (offset < mapping->start)
            return NULL;
        if (offset < mapping->end)
            return mapping;
    }
    return NULL;
}

/* Empties one entry; the caller flushes. */
static void entry_clear(kp_machine_space_t *space, uint64_t *entry)
{
    uint64_t old = *entry;
    *entry = 0;
    if (!(old & KP_X86_PTE_PRESENT))
        return;
    if (old & KP_X86_PTE_OWNED) {
        kp_x86_page_free(kp_x86_direct(old & KP_X86_PTE_ADDRESS));
        space->private_pages--;
    } else {
        space->shared_pages--;
    }
}

static const uint64_t user_data =
    KP_X86_PTE_PRESENT | KP_X86_PTE_USER | KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE;

/* A private page at *entry, filled with `count` bytes and zeroes. */
static kp_status_t entry_own(kp_machine_space_t *space, uint64_t *entry, const void *bytes,
                             size_t count)
{
    char *page = kp_x86_page_allocate();
    if (!page)
        return KP_ERR_NO_MEMORY;
    if (count)
        memcpy(page, bytes, count);
    memset(page + count, 0, KP_PAGE_SIZE - count);
    *entry = kp_x86_physical(page) | user_data | KP_X86_PTE_OWNED;
    space->private_pages++;
    return KP_OK;
}

static kp_status_t commit_memory(kp_machine_space_t *space, uint64_t *entry, uint64_t offset)
{
    const mapping_t *mapping = mapping_at(space, offset);
    if (!mapping)
        return entry_own(space, entry, NULL, 0);
    const void *page =
        kp_machine_vmo_page(&mapping->vmo->machine, offset - mapping->start + mapping->offset);
    if (!page)
        return KP_ERR_NO_MEMORY;
    *entry =
        kp_x86_physical(page) | (mapping->writable ? user_data : user_data & ~KP_X86_PTE_WRITE);
    space->shared_pages++;
    return KP_OK;
}

/* Writable segments: copied page by page when first touched. */
static kp_status_t commit_image(kp_machine_space_t *space, uint64_t *entry, uint64_t offset)
{
    const kp_image_t *image = space->image;
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const kp_image_segment_t *segment = &image->segments[i];
        if (offset < segment->address || offset - segment->address >= segment->size)
            continue;
        uint64_t at = offset - segment->address;
        if (!(segment->flags & KP_IMAGE_SEGMENT_WRITE) || at >= segment->file_size)
            return entry_own(space, entry, NULL, 0);
        return entry_own(space, entry, image->bytes + segment->file_offset + at,
                         KP_MIN(segment->file_size - at, (uint64_t)KP_PAGE_SIZE));
    }
    return KP_ERR_BAD_ADDRESS;
}

/* lock is held. page: page-aligned address. */
static kp_status_t commit(kp_machine_space_t *space, uint64_t page)
{
    uint64_t offset = page - KP_X86_USER_MEMORY;
    bool in_memory = offset < space->memory_bytes;
    bool in_stack =
        page < KP_X86_USER_STACK_TOP && page >= KP_X86_USER_STACK_TOP - KP_IMAGE_STACK_SIZE;
    bool in_image = page >= space->base && page - space->base < space->image->span;
    if (!in_memory && !in_stack && !in_image)
        return KP_ERR_BAD_ADDRESS;
    uint64_t *entry = kp_x86_paging_entry(space->root, page, true, &space->table_pages);
    if (!entry)
        return KP_ERR_NO_MEMORY;
    if (in_memory)
        return commit_memory(space, entry, offset);
    if (in_stack)
        return entry_own(space, entry, NULL, 0);
    return commit_image(space, entry, page - space->base);
}

/* Faults that follow one another upwards bring more pages each time, up to FAULT_RUN_MAX: a fault
   costs more than a page. lock is held. */
static kp_status_t commit_run(kp_machine_space_t *space, uint64_t page)
{
    kp_status_t status = commit(space, page);
    if (status != KP_OK)
        return status;
    space->fault_run =
        page == space->fault_next ? KP_MIN(space->fault_run * 2, (uint32_t)FAULT_RUN_MAX) : 1;
    for (uint32_t i = 1; i < space->fault_run; i++) {
        page += KP_PAGE_SIZE;
        const uint64_t *entry = kp_x86_paging_entry(space->root, page, false, NULL);
        /* Stay inside the table: its end is a good place to stop. */
        if (!entry || (*entry & KP_X86_PTE_PRESENT) || commit(space, page) != KP_OK)
            break;
    }
    space->fault_next = page + KP_PAGE_SIZE;
    return KP_OK;
}

kp_status_t kp_x86_space_fault(kp_machine_space_t *space, uint64_t address, bool write,
                               bool execute)
{
    uint64_t page = address - address % KP_PAGE_SIZE;
    kp_status_t status = KP_ERR_BAD_ADDRESS;
    /* All code is present from the start; the kernel's half is none of ring 3's business. */
    if (execute || address >= KP_X86_USER_END)
        return status;
    kp_spin_lock(&space->lock);
    const uint64_t *entry = kp_x86_paging_entry(space->root, page, false, NULL);
    if (!entry || !(*entry & KP_X86_PTE_PRESENT))
        status = commit_run(space, page);
    else if (!write || (*entry & KP_X86_PTE_WRITE))
        status = KP_OK; /* a stale entry in the TLB; the fault has dropped it */
    kp_spin_unlock(&space->lock);
    return status;
}

bool kp_x86_space_read(kp_machine_space_t *space, uint64_t address, void *to, size_t count)
{
    for (char *out = to; count > 0;) {
        size_t within = address % KP_PAGE_SIZE;
        size_t part = KP_MIN(count, KP_PAGE_SIZE - within);
        if (address >= KP_X86_USER_END)
            return false;
        kp_spin_lock(&space->lock);
        const uint64_t *entry = kp_x86_paging_entry(space->root, address - within, false, NULL);
        bool present = entry && (*entry & KP_X86_PTE_PRESENT);
        if (present)
            memcpy(out, (const char *)kp_x86_direct(*entry & KP_X86_PTE_ADDRESS) + within, part);
        kp_spin_unlock(&space->lock);
        if (!present)
            return false;
        out += part;
        address += part;
        count -= part;
    }
    return true;
}

/* Read-only segments straight out of the archive. */
static kp_status_t map_segment(kp_machine_space_t *space, const kp_image_t *image,
                               const kp_image_segment_t *segment)
{
    uint64_t flags = KP_X86_PTE_PRESENT | KP_X86_PTE_USER;
    if (!(segment->flags & KP_IMAGE_SEGMENT_EXECUTE))
        flags |= KP_X86_PTE_NO_EXECUTE;
    uint64_t *entry = NULL;
    for (uint64_t at = 0; at < segment->file_size; at += KP_PAGE_SIZE) {
        uint64_t address = space->base + segment->address + at;
        /* Entries of one table stand side by side. */
        entry = at == 0 || address % (1u << IMAGE_ALIGN_BITS) == 0
                    ? kp_x86_paging_entry(space->root, address, true, &space->table_pages)
                    : entry + 1;
        if (!entry)
            return KP_ERR_NO_MEMORY;
        *entry = kp_x86_physical(image->bytes + segment->file_offset + at) | flags;
        space->shared_pages++;
    }
    return KP_OK;
}

kp_status_t kp_machine_space_create(kp_machine_space_t *space, const kp_image_t *image,
                                    uint32_t initial_pages, uint32_t maximum_pages)
{
    uint64_t random = 0;
    (void)maximum_pages; /* the reservation always has room for the largest memory */
    if ((uint64_t)image->bytes % KP_PAGE_SIZE)
        return KP_ERR_NOT_SUPPORTED;
    kp_status_t status = kp_machine_random(&random, sizeof(random));
    if (status != KP_OK)
        return status;
    uint64_t *root = kp_x86_page_allocate_zeroed();
    if (!root)
        return KP_ERR_NO_MEMORY;
    const uint64_t *kernel = kp_x86_direct(kp_x86_paging_root());
    memcpy(root + ROOT_USER_ENTRIES, kernel + ROOT_USER_ENTRIES,
           KP_PAGE_SIZE - ROOT_USER_ENTRIES * sizeof(*root));
    memset(space, 0, sizeof(*space));
    kp_list_init(&space->mappings);
    space->root = kp_x86_physical(root);
    space->image = image;
    space->base =
        KP_X86_USER_IMAGE_MIN + ((random & ((1ull << IMAGE_RANDOM_BITS) - 1)) << IMAGE_ALIGN_BITS);
    space->memory_bytes = (uint64_t)initial_pages * KP_WASM_PAGE_SIZE;
    space->table_pages = 1;
    for (uint32_t i = 0; i < image->segment_count && status == KP_OK; i++)
        if (!(image->segments[i].flags & KP_IMAGE_SEGMENT_WRITE))
            status = map_segment(space, image, &image->segments[i]);
    if (status != KP_OK)
        kp_machine_space_destroy(space);
    return status;
}

static void table_destroy(kp_machine_space_t *space, uint64_t *table, unsigned level)
{
    unsigned count = level == 3 ? ROOT_USER_ENTRIES : 512;
    for (unsigned i = 0; i < count; i++) {
        if (!(table[i] & KP_X86_PTE_PRESENT))
            continue;
        if (level == 0)
            entry_clear(space, &table[i]);
        else
            table_destroy(space, kp_x86_direct(table[i] & KP_X86_PTE_ADDRESS), level - 1);
    }
    kp_x86_page_free(table);
}

void kp_machine_space_destroy(kp_machine_space_t *space)
{
    if (!space->root)
        return;
    kp_x86_thread_forget_space(space->root);
    table_destroy(space, kp_x86_direct(space->root), 3);
    while (!kp_list_is_empty(&space->mappings)) {
        kp_list_t *item = space->mappings.next;
        kp_list_remove(item);
        kp_kfree(KP_CONTAINER_OF(item, mapping_t, link));
    }
    space->root = 0;
}

kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages, uint32_t new_pages)
{
    (void)old_pages;
    kp_spin_lock(&space->lock);
    space->memory_bytes = (uint64_t)new_pages * KP_WASM_PAGE_SIZE;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

/* Empties the pages of [start, end) of linear memory. lock is held. */
static void pages_clear(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    bool loaded = is_loaded(space);
    bool flush_all = (end - start) / KP_PAGE_SIZE > FLUSH_ALL;
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE) {
        uint64_t *entry = kp_x86_paging_entry(space->root, KP_X86_USER_MEMORY + at, false, NULL);
        if (!entry) { /* no table: nothing mapped up to the next 2 MiB */
            at |= (1u << IMAGE_ALIGN_BITS) - KP_PAGE_SIZE;
            continue;
        }
        if (!(*entry & KP_X86_PTE_PRESENT))
            continue;
        entry_clear(space, entry);
        if (loaded && !flush_all)
            kp_x86_tlb_flush(KP_X86_USER_MEMORY + at);
    }
    if (loaded && flush_all)
        kp_x86_root_write(space->root);
}

/* Cuts [start, end) out of the list; *spare is used when a mapping is split in two. What is no
   longer needed goes to `unused`. lock is held. */
static void mappings_cut(kp_machine_space_t *space, uint64_t start, uint64_t end, mapping_t **spare,
                         kp_list_t *unused)
{
    kp_list_t *item = space->mappings.next;
    while (item != &space->mappings) {
        mapping_t *mapping = KP_CONTAINER_OF(item, mapping_t, link);
        item = item->next;
        if (mapping->end <= start || mapping->start >= end)
            continue;
        if (mapping->start < start && mapping->end > end) {
            mapping_t *tail = *spare;
            *spare = NULL;
            *tail = *mapping;
            tail->start = end;
            tail->offset += end - mapping->start;
            mapping->end = start;
            kp_list_append(item, &tail->link); /* before the next: after this one */
            return;
        }
        if (mapping->start < start) {
            mapping->end = start;
        } else if (mapping->end > end) {
            mapping->offset += end - mapping->start;
            mapping->start = end;
        } else {
            kp_list_remove(&mapping->link);
            kp_list_append(unused, &mapping->link);
        }
    }
}

static kp_status_t mappings_replace(kp_machine_space_t *space, uint64_t start, uint64_t end,
                                    mapping_t *mapping)
{
    mapping_t *spare = kp_kalloc(sizeof(*spare));
    kp_list_t unused;
    if (!spare)
        return KP_ERR_NO_MEMORY;
    kp_list_init(&unused);
    kp_spin_lock(&space->lock);
    mappings_cut(space, start, end, &spare, &unused);
    pages_clear(space, start, end);
    if (mapping) {
        kp_list_t *next = space->mappings.next;
        while (next != &space->mappings &&
               KP_CONTAINER_OF(next, mapping_t, link)->start < mapping->start)
            next = next->next;
        kp_list_append(next, &mapping->link);
    }
    kp_spin_unlock(&space->lock);
    kp_kfree(spare);
    while (!kp_list_is_empty(&unused)) {
        kp_list_t *item = unused.next;
        kp_list_remove(item);
        kp_kfree(KP_CONTAINER_OF(item, mapping_t, link));
    }
    return KP_OK;
}

kp_status_t kp_machine_space_map(kp_machine_space_t *space, uint32_t address, kp_vmo_t *vmo,
                                 uint64_t offset, uint32_t length, bool writable)
{
    mapping_t *mapping = kp_kalloc(sizeof(*mapping));
    if (!mapping)
        return KP_ERR_NO_MEMORY;
    *mapping = (mapping_t){
        .start = address,
        .end = (uint64_t)address + length,
        .vmo = vmo,
        .offset = offset,
        .writable = writable,
    };
    kp_status_t status = mappings_replace(space, mapping->start, mapping->end, mapping);
    if (status != KP_OK)
        kp_kfree(mapping);
    return status;
}

kp_status_t kp_machine_space_unmap(kp_machine_space_t *space, uint32_t address, uint32_t length)
{
    return mappings_replace(space, address, (uint64_t)address + length, NULL);
}

/* One page of linear memory: its kernel address, made present if need be; reading of what was never
   written gives *page NULL (zeroes). lock is held. */
static kp_status_t memory_page(kp_machine_space_t *space, uint64_t offset, bool write, char **page)
{
    uint64_t address = KP_X86_USER_MEMORY + offset - offset % KP_PAGE_SIZE;
    const uint64_t *entry = kp_x86_paging_entry(space->root, address, false, NULL);
    *page = NULL;
    if (offset >= space->memory_bytes)
        return KP_ERR_BAD_ADDRESS;
    if (!entry || !(*entry & KP_X86_PTE_PRESENT)) {
        if (!write && !mapping_at(space, offset))
            return KP_OK;
        kp_status_t status = commit(space, address);
        if (status != KP_OK)
            return status;
        entry = kp_x86_paging_entry(space->root, address, false, NULL);
    }
    if (write && !(*entry & KP_X86_PTE_WRITE))
        return KP_ERR_BAD_ADDRESS;
    *page = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
    return KP_OK;
}

static kp_status_t copy(kp_machine_space_t *space, uint64_t offset, char *kernel, size_t count,
                        bool write)
{
    while (count > 0) {
        size_t within = offset % KP_PAGE_SIZE;
        size_t part = KP_MIN(count, KP_PAGE_SIZE - within);
        char *page;
        /* The lock is dropped between pages, so that interrupts get in. */
        kp_spin_lock(&space->lock);
        kp_status_t status = memory_page(space, offset, write, &page);
        if (status == KP_OK) {
            if (write)
                memcpy(page + within, kernel, part);
            else if (page)
                memcpy(kernel, page + within, part);
            else
                memset(kernel, 0, part);
        }
        kp_spin_unlock(&space->lock);
        if (status != KP_OK)
            return status;
        offset += part;
        kernel += part;
        count -= part;
    }
    return KP_OK;
}

kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count)
{
    return copy(space, address, to, count, false);
}

kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count)
{
    return copy(space, address, (char *)from, count, true);
}

void kp_machine_space_usage(kp_machine_space_t *space, uint64_t *private_bytes,
                            uint64_t *shared_bytes)
{
    kp_spin_lock(&space->lock);
    *private_bytes = (space->private_pages + space->table_pages) * KP_PAGE_SIZE;
    *shared_bytes = space->shared_pages * KP_PAGE_SIZE;
    kp_spin_unlock(&space->lock);
}
