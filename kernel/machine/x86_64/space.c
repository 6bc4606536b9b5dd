/* Address spaces: the image, a stack, and linear memory with VMOs mapped into it. Text and
   constants are the boot archive's own pages; everything else is made present by page faults. A
   page that only this space holds carries KP_X86_PTE_OWNED and is freed with its mapping. */
#include "kernel/machine/x86_64/space.h"

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/pages.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/promise.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/space_guest.h"
#include "kernel/machine/x86_64/space_private.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"
#include "kernel/machine/x86_64/user_copy.h"
#include "kernel/machine/x86_64/vmo.h"
#include "kernel/object/image.h"
#include "kernel/object/vmo.h"

enum {
    ROOT_USER_ENTRIES = 256,
    IMAGE_RANDOM_BITS = 26, /* pages: 256 GiB */
    FAULT_RUN_MAX = 8,
};

static const uint64_t user_data =
    KP_X86_PTE_PRESENT | KP_X86_PTE_USER | KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE;
static const uint64_t user_table =
    KP_X86_PTE_PRESENT | KP_X86_PTE_USER | KP_X86_PTE_WRITE | KP_X86_PTE_OWNED;

/* The first mapping that ends after offset. lock is held. */
kp_x86_mapping_t *kp_x86_mapping_after(const kp_machine_space_t *space, uint64_t offset)
{
    for (kp_list_t *item = space->mappings.next; item != &space->mappings; item = item->next) {
        if (mapping_of(item)->end > offset)
            return mapping_of(item);
    }
    return NULL;
}

kp_x86_mapping_t *kp_x86_mapping_at(const kp_machine_space_t *space, uint64_t offset)
{
    kp_x86_mapping_t *mapping = kp_x86_mapping_after(space, offset);
    return mapping && mapping->start <= offset ? mapping : NULL;
}

/* Empties one entry of a table of its own; false: it was empty. A page that only this space held goes
   to the list *owned, to be freed after the flush; the links are in the pages' books, since a CPU may
   still write to the pages. */
bool kp_x86_entry_clear(kp_machine_space_t *space, uint64_t *entry, uint32_t *owned)
{
    uint64_t old = *entry;
    *entry = 0;
    if (!(old & KP_X86_PTE_PRESENT))
        return false;
    if (old & KP_X86_PTE_OWNED) {
        uint32_t page = (uint32_t)((old & KP_X86_PTE_ADDRESS) / KP_PAGE_SIZE);
        kp_x86_page_info(page)->next = *owned;
        *owned = page;
        space->private_pages--;
    } else {
        space->shared_pages--;
    }
    return true;
}

void kp_x86_owned_free(uint32_t page)
{
    while (page) {
        uint32_t next = kp_x86_page_info(page)->next;
        kp_x86_page_free(kp_x86_direct((uint64_t)page * KP_PAGE_SIZE));
        page = next;
    }
}

/* ---- tables; lock is held ---- */

/* A table of its own in place of the one of a snapshot. What the snapshot's space could write is
   copied when it is written. */
static uint64_t *table_part(kp_machine_space_t *space, uint64_t *entry)
{
    uint64_t *table = kp_x86_page_allocate();
    if (!table)
        return NULL;
    const uint64_t *old = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
    for (unsigned i = 0; i < 512; i++) {
        uint64_t copy = (old[i] & KP_X86_PTE_OWNED) << 1;
        table[i] = (old[i] & ~(KP_X86_PTE_OWNED | KP_X86_PTE_WRITE)) | copy;
    }
    *entry = kp_x86_physical(table) | user_table;
    space->table_pages++;
    return table;
}

/* The entry of a page in a table that is this space's own, made or parted from a snapshot's. NULL:
   no memory. */
uint64_t *kp_x86_entry_own_path(kp_machine_space_t *space, uint64_t address)
{
    uint64_t *table = kp_x86_direct(space->root);
    for (unsigned level = 3; level > 0; level--) {
        uint64_t *entry = &table[(address >> (12 + 9 * level)) & 511];
        if (!(*entry & KP_X86_PTE_PRESENT)) {
            table = kp_x86_page_allocate_zeroed();
            if (!table)
                return NULL;
            *entry = kp_x86_physical(table) | user_table;
            space->table_pages++;
        } else if (*entry & KP_X86_PTE_OWNED) {
            table = kp_x86_direct(*entry & KP_X86_PTE_ADDRESS);
        } else {
            table = table_part(space, entry);
            if (!table)
                return NULL;
        }
    }
    return &table[(address >> 12) & 511];
}

/* ---- private pages; lock is held ---- */

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
    if (*entry & KP_X86_PTE_PRESENT)
        space->shared_pages--; /* it was a snapshot's */
    *entry = kp_x86_physical(page) | user_data | KP_X86_PTE_OWNED;
    space->private_pages++;
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

static bool in_memory(const kp_machine_space_t *space, uint64_t page)
{
    return page - KP_X86_USER_MEMORY < space->memory_bytes;
}

/* A page that no VMO shows: made, or parted from a snapshot's, for the access that faulted. page:
   page-aligned address. */
kp_status_t kp_x86_commit_private(kp_machine_space_t *space, uint64_t page, bool write)
{
    bool is_memory = in_memory(space, page);
    uint64_t below_top;
    uint32_t slot;
    bool in_stack = kp_x86_user_stack_find(page, &slot, &below_top) &&
                    below_top < KP_IMAGE_STACK_SIZE && (slot == 0 || space->stacks >> slot & 1);
    bool in_image = page >= space->base && page - space->base < space->image->span;
    if (!is_memory && !in_stack && !in_image && !kp_x86_guest_has(space, page))
        return KP_ERR_BAD_ADDRESS;
    uint64_t *entry = kp_x86_entry_own_path(space, page);
    if (!entry)
        return KP_ERR_NO_MEMORY;
    if (!(*entry & KP_X86_PTE_PRESENT)) {
        if (in_image)
            return commit_image(space, entry, page - space->base);
        kp_status_t status = entry_own(space, entry, NULL, 0);
        if (status == KP_OK)
            kp_x86_space_promise_kept(space, page);
        return status;
    }
    if (!write || (*entry & KP_X86_PTE_WRITE))
        return KP_OK; /* a stale translation; the fault has dropped it */
    if (!(*entry & KP_X86_PTE_COPY))
        return KP_ERR_BAD_ADDRESS;
    kp_status_t status =
        entry_own(space, entry, kp_x86_direct(*entry & KP_X86_PTE_ADDRESS), KP_PAGE_SIZE);
    /* Not only here: a CPU that ran the thread before may keep the old page for its next visit. */
    kp_x86_smp_shootdown(space, page, page + KP_PAGE_SIZE);
    return status;
}

/* Faults that follow one another upwards bring more pages each time, up to FAULT_RUN_MAX: a fault
   costs more than a page. Returns how many, for the fault at page. lock is held. */
static uint32_t fault_run(kp_machine_space_t *space, uint64_t page)
{
    space->fault_run =
        page == space->fault_next ? KP_MIN(space->fault_run * 2, (uint32_t)FAULT_RUN_MAX) : 1;
    space->fault_next = page + space->fault_run * (uint64_t)KP_PAGE_SIZE;
    return space->fault_run;
}

static kp_status_t fault_private(kp_machine_space_t *space, uint64_t page, bool write)
{
    kp_status_t status = kp_x86_commit_private(space, page, write);
    if (status != KP_OK)
        return status;
    for (uint32_t count = fault_run(space, page); count > 1; count--) {
        page += KP_PAGE_SIZE;
        const uint64_t *entry = kp_x86_paging_entry(space->root, page, false, NULL);
        /* Stay inside the table: its end is a good place to stop. */
        if (!entry || (*entry & KP_X86_PTE_PRESENT) ||
            (in_memory(space, page) && kp_x86_mapping_at(space, page - KP_X86_USER_MEMORY)) ||
            kp_x86_commit_private(space, page, write) != KP_OK)
            break;
    }
    return KP_OK;
}

/* ---- pages of VMOs ---- */

/* Shows one page of the mapping, in the space that it is mapped in. The VMO's lock is held, which
   keeps the mapping as it is; the space's is taken only where other mappings of the VMO cannot be
   cleared (kp_x86_vmo_page does that). */
static kp_status_t show_page(kp_x86_mapping_t *mapping, uint64_t offset, bool write)
{
    kp_machine_space_t *space = mapping->space;
    void *page;
    bool exclusive;
    kp_status_t status =
        kp_x86_vmo_page(&mapping->vmo->machine, offset - mapping->start + mapping->offset, write,
                        false, &page, &exclusive);
    if (status != KP_OK)
        return status;
    kp_spin_lock(&space->lock);
    uint64_t *entry = kp_x86_entry_own_path(space, KP_X86_USER_MEMORY + offset);
    if (entry) {
        bool was_present = *entry & KP_X86_PTE_PRESENT;
        space->shared_pages += !was_present;
        *entry = kp_x86_physical(page) |
                 (mapping->writable && exclusive ? user_data : user_data & ~KP_X86_PTE_WRITE);
        if (was_present)
            space_flush(space, offset, offset + KP_PAGE_SIZE);
    }
    kp_spin_unlock(&space->lock);
    return entry ? KP_OK : KP_ERR_NO_MEMORY;
}

/* The VMO that shows at an offset of linear memory, referenced; NULL: none. lock is held. */
kp_vmo_t *kp_x86_vmo_at(const kp_machine_space_t *space, uint64_t offset)
{
    const kp_x86_mapping_t *mapping = kp_x86_mapping_at(space, offset);
    return mapping ? kp_vmo_acquire(mapping->vmo) : NULL;
}

/* The mapping of this VMO at the offset, which stays as it is while the VMO's lock is held. NULL: it
   was taken away meanwhile. */
kp_x86_mapping_t *kp_x86_mapping_of_vmo(kp_machine_space_t *space, const kp_vmo_t *vmo,
                                        uint64_t offset)
{
    kp_spin_lock(&space->lock);
    kp_x86_mapping_t *mapping = kp_x86_mapping_at(space, offset);
    /* Another VMO's may be freed by another thread as soon as this lock is released. */
    if (mapping && mapping->vmo != vmo)
        mapping = NULL;
    kp_spin_unlock(&space->lock);
    return mapping;
}

static bool is_shown(kp_machine_space_t *space, uint64_t offset)
{
    kp_spin_lock(&space->lock);
    const uint64_t *entry =
        kp_x86_paging_entry(space->root, KP_X86_USER_MEMORY + offset, false, NULL);
    bool shown = entry && (*entry & KP_X86_PTE_PRESENT);
    kp_spin_unlock(&space->lock);
    return shown;
}

/* A fault in a mapping of the VMO; when the mapping has gone meanwhile, the fault comes again. No
   locks held. */
static kp_status_t fault_vmo(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t offset, bool write)
{
    kp_status_t status = KP_OK;
    kp_spin_lock(&vmo->machine.lock);
    kp_x86_mapping_t *mapping = kp_x86_mapping_of_vmo(space, vmo, offset);
    if (mapping && write && !mapping->writable)
        status = KP_ERR_BAD_ADDRESS;
    else if (mapping)
        status = show_page(mapping, offset, write);
    uint32_t count = 0;
    if (mapping && status == KP_OK) {
        kp_spin_lock(&space->lock);
        count = fault_run(space, KP_X86_USER_MEMORY + offset);
        kp_spin_unlock(&space->lock);
    }
    for (; count > 1; count--) {
        offset += KP_PAGE_SIZE;
        /* Up to the end of the table, and to what is not a copy of memory but work. */
        if (offset >= mapping->end || offset % TABLE_SPAN == 0 || is_shown(space, offset) ||
            kp_x86_vmo_must_fill(&vmo->machine, offset - mapping->start + mapping->offset) ||
            show_page(mapping, offset, false) != KP_OK)
            break;
    }
    kp_spin_unlock(&vmo->machine.lock);
    /* The VMO became smaller than what is mapped of it. */
    return status == KP_ERR_OUT_OF_RANGE ? KP_ERR_BAD_ADDRESS : status;
}

void kp_x86_mapping_clear(kp_x86_mapping_t *mapping, uint64_t start, uint64_t end, bool protect)
{
    kp_machine_space_t *space = mapping->space;
    uint64_t shown_end = mapping->offset + (mapping->end - mapping->start);
    start = KP_MAX(start, mapping->offset);
    end = KP_MIN(end, shown_end);
    if (start >= end || (protect && !mapping->writable))
        return;
    start = start - mapping->offset + mapping->start;
    end = end - mapping->offset + mapping->start;
    uint32_t owned = 0;
    bool any = false;
    kp_spin_lock(&space->lock);
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE) {
        uint64_t *entry = kp_x86_paging_entry(space->root, KP_X86_USER_MEMORY + at, false, NULL);
        if (!entry) { /* no table: nothing shown up to the next 2 MiB */
            at |= TABLE_SPAN - KP_PAGE_SIZE;
        } else if (protect) {
            any = any || (*entry & KP_X86_PTE_WRITE);
            *entry &= ~KP_X86_PTE_WRITE;
        } else {
            any = kp_x86_entry_clear(space, entry, &owned) || any;
        }
    }
    if (any)
        space_flush(space, start, end);
    kp_spin_unlock(&space->lock);
    kp_x86_owned_free(owned);
}

kp_status_t kp_x86_space_fault(kp_machine_space_t *space, uint64_t address, bool write,
                               bool execute)
{
    uint64_t page = address - address % KP_PAGE_SIZE;
    kp_status_t status = KP_OK;
    /* All code is present from the start; the kernel's half is none of ring 3's business. */
    if (execute || address >= KP_X86_USER_END)
        return KP_ERR_BAD_ADDRESS;
    atomic_fetch_add_explicit(&space->faults, 1, memory_order_relaxed);
    kp_spin_lock(&space->lock);
    kp_vmo_t *vmo = in_memory(space, page) ? kp_x86_vmo_at(space, page - KP_X86_USER_MEMORY) : NULL;
    if (!vmo)
        status = fault_private(space, page, write);
    kp_spin_unlock(&space->lock);
    if (!vmo)
        return status;
    status = fault_vmo(space, vmo, page - KP_X86_USER_MEMORY, write);
    kp_vmo_release(vmo);
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
        entry = at == 0 || address % TABLE_SPAN == 0 ? kp_x86_entry_own_path(space, address)
                                                     : entry + 1;
        if (!entry)
            return KP_ERR_NO_MEMORY;
        *entry = kp_x86_physical(image->bytes + segment->file_offset + at) | flags;
        space->shared_pages++;
    }
    return KP_OK;
}

uint64_t kp_x86_space_root_create(void)
{
    uint64_t *root = kp_x86_page_allocate();
    if (!root)
        return 0;
    const uint64_t *kernel = kp_x86_direct(kp_x86_paging_root());
    memset(root, 0, ROOT_USER_ENTRIES * sizeof(*root));
    memcpy(root + ROOT_USER_ENTRIES, kernel + ROOT_USER_ENTRIES,
           KP_PAGE_SIZE - ROOT_USER_ENTRIES * sizeof(*root));
    return kp_x86_physical(root);
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
    uint64_t root = kp_x86_space_root_create();
    if (!root)
        return KP_ERR_NO_MEMORY;
    memset(space, 0, sizeof(*space));
    kp_list_init(&space->mappings);
    space->root = root;
    space->image = image;
    space->base =
        KP_X86_USER_IMAGE_MIN + (random & ((1ull << IMAGE_RANDOM_BITS) - 1)) * KP_PAGE_SIZE;
    space->memory_bytes = space->grown_from = (uint64_t)initial_pages * KP_WASM_PAGE_SIZE;
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
    uint32_t owned = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!(table[i] & KP_X86_PTE_PRESENT))
            continue;
        if (level == 0)
            kp_x86_entry_clear(space, &table[i], &owned);
        else if (table[i] & KP_X86_PTE_OWNED)
            table_destroy(space, kp_x86_direct(table[i] & KP_X86_PTE_ADDRESS), level - 1);
    }
    kp_x86_owned_free(owned); /* no CPU has these tables any more */
    kp_x86_page_free(table);
}

void kp_x86_space_tables_destroy(kp_machine_space_t *space)
{
    table_destroy(space, kp_x86_direct(space->root), 3);
}

void kp_x86_space_stack_begin(kp_machine_space_t *space, uint32_t slot)
{
    kp_spin_lock(&space->lock);
    space->stacks |= (uint64_t)1 << slot;
    kp_spin_unlock(&space->lock);
}

void kp_x86_space_stack_end(kp_machine_space_t *space, uint32_t slot)
{
    uint64_t end = KP_X86_USER_STACK_TOP - slot * KP_X86_USER_STACK_STRIDE;
    uint64_t start = end - KP_IMAGE_STACK_SIZE;
    uint32_t owned = 0;
    kp_spin_lock(&space->lock);
    space->stacks &= ~((uint64_t)1 << slot);
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE) {
        uint64_t *entry = kp_x86_paging_entry(space->root, at, false, NULL);
        if (!entry) /* no table: nothing up to the next 2 MiB */
            at |= TABLE_SPAN - KP_PAGE_SIZE;
        else if (*entry & KP_X86_PTE_OWNED)
            (void)kp_x86_entry_clear(space, entry, &owned);
    }
    if (owned)
        kp_x86_smp_shootdown(space, start, end);
    kp_spin_unlock(&space->lock);
    kp_x86_owned_free(owned);
}

/* Out of both lists; the mapping's own locks are free. */
static void mapping_unlink(kp_x86_mapping_t *mapping)
{
    kp_machine_space_t *space = mapping->space;
    kp_spinlock_t *vmo_lock = &mapping->vmo->machine.lock;
    kp_spin_lock(vmo_lock);
    kp_spin_lock(&space->lock);
    kp_list_remove(&mapping->link);
    kp_list_remove(&mapping->vmo_link);
    kp_spin_unlock(&space->lock);
    kp_spin_unlock(vmo_lock);
}

void kp_machine_space_destroy(kp_machine_space_t *space)
{
    if (!space->root)
        return;
    while (!kp_list_is_empty(&space->mappings)) {
        kp_x86_mapping_t *mapping = mapping_of(space->mappings.next);
        mapping_unlink(mapping);
        kp_kfree(mapping);
    }
    kp_x86_codes_free(space);
    kp_x86_guests_free(space);
    kp_x86_smp_shootdown(space, 0, KP_X86_USER_END);
    KP_CHECK(atomic_load(&space->cpus) == 0);
    if (!space->is_frozen)
        kp_x86_space_tables_destroy(space);
    space->root = 0;
}

kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages, uint32_t new_pages)
{
    uint64_t pages = (uint64_t)(new_pages - old_pages) * (KP_WASM_PAGE_SIZE / KP_PAGE_SIZE);
    if (!kp_x86_promise(pages))
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&space->lock);
    space->memory_bytes = (uint64_t)new_pages * KP_WASM_PAGE_SIZE;
    space->promised += pages;
    kp_spin_unlock(&space->lock);
    return KP_OK;
}

uint64_t kp_machine_space_faults(const kp_machine_space_t *space)
{
    return atomic_load_explicit(&space->faults, memory_order_relaxed);
}

void kp_machine_space_usage(kp_machine_space_t *space, uint64_t *private_bytes,
                            uint64_t *shared_bytes)
{
    kp_spin_lock(&space->lock);
    *private_bytes = (space->private_pages + space->table_pages) * KP_PAGE_SIZE;
    *shared_bytes = space->shared_pages * KP_PAGE_SIZE;
    kp_spin_unlock(&space->lock);
}
