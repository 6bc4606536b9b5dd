/* Page tables: the kernel's final map, MMIO, kernel stacks, and the walk that address spaces use.
 */
#include "kernel/machine/x86_64/paging.h"

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/pages.h"
#include "kernel/machine/x86_64/smp.h"

#define SIZE_1G (1ull << 30)
#define SIZE_2M (1ull << 21)

enum { STACK_SLOT = 32768, STACK_SIZE = 24576, STACKS_KEPT = 16, ROOT_ENTRIES = 512 };

extern char kp_x86_image_start[], kp_x86_text_start[], kp_x86_text_end[], kp_x86_rodata_end[];
extern char kp_x86_image_end[], kp_x86_boot_stack_guard[];

static uint64_t root; /* physical */
static kp_spinlock_t lock;
static uint64_t mmio_next;   /* guarded by: lock */
static uint64_t stack_next;  /* guarded by: lock */
static uint64_t stack_free;  /* bottom of a free stack, chained; guarded by: lock */
static uint32_t stacks_kept; /* of those; guarded by: lock */

static unsigned index_of(uint64_t address, unsigned level)
{
    return (address >> (12 + 9 * level)) & 511;
}

static uint64_t *table_of(uint64_t entry)
{
    return kp_x86_direct(entry & KP_X86_PTE_ADDRESS);
}

/* The table below *entry, made when missing. Tables allow all that their leaves may allow. */
static uint64_t *table_below(uint64_t *entry, bool create, uint64_t *tables)
{
    if (*entry & KP_X86_PTE_PRESENT)
        return *entry & KP_X86_PTE_LARGE ? NULL : table_of(*entry);
    if (!create)
        return NULL;
    uint64_t *table = kp_x86_page_allocate_zeroed();
    if (!table)
        return NULL;
    if (tables)
        ++*tables;
    *entry = kp_x86_physical(table) | KP_X86_PTE_PRESENT | KP_X86_PTE_WRITE |
             (tables ? KP_X86_PTE_USER : 0);
    return table;
}

uint64_t *kp_x86_paging_entry(uint64_t top, uint64_t address, bool create, uint64_t *tables)
{
    uint64_t *table = kp_x86_direct(top);
    for (unsigned level = 3; level > 0; level--) {
        table = table_below(&table[index_of(address, level)], create, tables);
        if (!table)
            return NULL;
    }
    return &table[index_of(address, 0)];
}

kp_status_t kp_x86_paging_map(uint64_t address, uint64_t physical, uint64_t size, uint64_t flags)
{
    flags |= KP_X86_PTE_PRESENT | KP_X86_PTE_GLOBAL;
    while (size > 0) {
        uint64_t *table = kp_x86_direct(root);
        uint64_t step = KP_PAGE_SIZE;
        unsigned level = 3;
        for (; level > 0; level--) {
            uint64_t *entry = &table[index_of(address, level)];
            uint64_t span = 1ull << (12 + 9 * level);
            if ((level == 1 || (level == 2 && kp_x86_features.huge_pages)) && size >= span &&
                (address | physical) % span == 0 && !(*entry & KP_X86_PTE_PRESENT)) {
                *entry = physical | flags | KP_X86_PTE_LARGE;
                step = span;
                break;
            }
            table = table_below(entry, true, NULL);
            if (!table)
                return KP_ERR_NO_MEMORY;
        }
        if (level == 0)
            table[index_of(address, 0)] = physical | flags;
        address += step;
        physical += step;
        size -= step;
    }
    return KP_OK;
}

static void map_or_panic(uint64_t address, uint64_t physical, uint64_t end, uint64_t flags)
{
    if (physical < end && kp_x86_paging_map(address, physical, end - physical, flags) != KP_OK)
        kp_panic("no memory for the kernel's page tables");
}

static void map_direct(uint64_t start, uint64_t end, uint64_t flags)
{
    map_or_panic(KP_X86_DIRECT_BASE + start, start, end, flags | KP_X86_PTE_NO_EXECUTE);
}

/* One part of the kernel image, both where it runs and in the direct map. */
static void map_image(const char *start, const char *end, uint64_t flags)
{
    uint64_t physical = (uint64_t)start - KP_X86_KERNEL_OFFSET;
    uint64_t physical_end = (uint64_t)end - KP_X86_KERNEL_OFFSET;
    map_or_panic((uint64_t)start, physical, physical_end, flags);
    map_direct(physical, physical_end, flags & KP_X86_PTE_WRITE);
}

void kp_x86_paging_init(const kp_x86_boot_t *boot)
{
    uint64_t *top = kp_x86_page_allocate_zeroed();
    KP_CHECK(top);
    root = kp_x86_physical(top);
    mmio_next = KP_X86_MMIO_BASE;
    stack_next = KP_X86_STACK_BASE;
    /* The upper half's second level is made once, so that address spaces can copy the top entries
       and see every later mapping. */
    for (uint32_t i = 0; i < boot->ram_count; i++)
        map_direct(boot->ram[i].start, boot->ram[i].end, KP_X86_PTE_WRITE);
    if (boot->trampoline)
        map_direct(boot->trampoline, boot->trampoline + KP_PAGE_SIZE, KP_X86_PTE_WRITE);
    if (boot->bundle.end)
        map_direct(boot->bundle.start - boot->bundle.start % KP_PAGE_SIZE,
                   KP_ROUND_UP(boot->bundle.end, KP_PAGE_SIZE), 0);
    map_image(kp_x86_text_start, kp_x86_text_end, 0);
    map_image(kp_x86_text_end, kp_x86_rodata_end, KP_X86_PTE_NO_EXECUTE);
    map_image(kp_x86_rodata_end, kp_x86_boot_stack_guard, KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE);
    map_image(kp_x86_boot_stack_guard + KP_PAGE_SIZE, kp_x86_image_end,
              KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE);
    KP_CHECK(table_below(&top[index_of(KP_X86_MMIO_BASE, 3)], true, NULL));
    KP_CHECK(table_below(&top[index_of(KP_X86_STACK_BASE, 3)], true, NULL));
    kp_x86_root_write(root);
}

uint64_t kp_x86_paging_root(void)
{
    return root;
}

uint64_t kp_x86_physical(const void *memory)
{
    uint64_t address = (uint64_t)memory;
    if (address >= KP_X86_DIRECT_BASE && address < KP_X86_DIRECT_END)
        return address - KP_X86_DIRECT_BASE;
    KP_CHECK(address >= (uint64_t)kp_x86_image_start && address < (uint64_t)kp_x86_image_end);
    return address - KP_X86_KERNEL_OFFSET;
}

volatile void *kp_x86_map_mmio(uint64_t physical, uint64_t size)
{
    uint64_t offset = physical % KP_PAGE_SIZE;
    if (size == 0 || size > SIZE_1G || physical + size < physical ||
        physical + size > 1ull << kp_x86_features.physical_bits ||
        kp_x86_pages_are_ram(physical, size))
        return NULL;
    uint64_t span = KP_ROUND_UP(size + offset, (uint64_t)KP_PAGE_SIZE);
    kp_spin_lock(&lock);
    /* Same alignment as the registers up to 2 MiB, so that frame buffers get large pages. */
    uint64_t address = mmio_next;
    if (span >= SIZE_2M)
        address = KP_ROUND_UP(address, SIZE_2M) + (physical - offset) % SIZE_2M;
    mmio_next = address + span + KP_PAGE_SIZE;
    kp_status_t status =
        kp_x86_paging_map(address, physical - offset, span,
                          KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE | KP_X86_PTE_UNCACHED);
    kp_spin_unlock(&lock);
    return status == KP_OK ? (volatile void *)(address + offset) : NULL;
}

/* A slot is 32 KiB: 8 KiB never mapped, then 24 KiB of stack. Some freed stacks are kept for the next;
   the slots of the others are, without their pages. */
typedef struct slot {
    struct slot *next;
    uint64_t bottom;
} slot_t;

static slot_t *slots_empty; /* guarded by: lock */

/* Takes the page out of the kernel's map. lock is held, and somebody sees to the TLBs. */
static void *stack_page_unmap(uint64_t address)
{
    uint64_t *entry = kp_x86_paging_entry(root, address, false, NULL);
    void *page = table_of(*entry);
    *entry = 0;
    return page;
}

/* lock is held. */
static bool stack_map(uint64_t bottom)
{
    for (uint64_t at = 0; at < STACK_SIZE; at += KP_PAGE_SIZE) {
        void *page = kp_x86_page_allocate();
        if (page && kp_x86_paging_map(bottom + at, kp_x86_physical(page), KP_PAGE_SIZE,
                                      KP_X86_PTE_WRITE | KP_X86_PTE_NO_EXECUTE) == KP_OK)
            continue;
        kp_x86_page_free(page);
        /* What was mapped goes back; no other CPU has seen it. */
        while (at > 0) {
            at -= KP_PAGE_SIZE;
            page = stack_page_unmap(bottom + at);
            kp_x86_tlb_flush(bottom + at);
            kp_x86_page_free(page);
        }
        return false;
    }
    return true;
}

uint64_t kp_x86_stack_allocate(void)
{
    kp_spin_lock(&lock);
    uint64_t bottom = stack_free;
    slot_t *slot = NULL;
    if (bottom) {
        stack_free = *(uint64_t *)bottom;
        stacks_kept--;
    } else if (slots_empty) {
        bottom = slots_empty->bottom;
        if (stack_map(bottom)) {
            slot = slots_empty;
            slots_empty = slot->next;
        } else {
            bottom = 0;
        }
    } else {
        bottom = stack_next + (STACK_SLOT - STACK_SIZE);
        if (stack_map(bottom))
            stack_next += STACK_SLOT;
        else
            bottom = 0; /* the slot is tried again next time */
    }
    kp_spin_unlock(&lock);
    kp_kfree(slot);
    return bottom ? bottom + STACK_SIZE : 0;
}

void kp_x86_stack_free(uint64_t top)
{
    if (!top)
        return;
    uint64_t bottom = top - STACK_SIZE;
    void *pages[STACK_SIZE / KP_PAGE_SIZE];
    slot_t *slot = kp_kalloc(sizeof(*slot));
    kp_spin_lock(&lock);
    bool is_kept = !slot || stacks_kept < STACKS_KEPT;
    if (is_kept) {
        *(uint64_t *)bottom = stack_free;
        stack_free = bottom;
        stacks_kept++;
    }
    for (uint64_t i = 0; i < KP_ARRAY_COUNT(pages) && !is_kept; i++)
        pages[i] = stack_page_unmap(bottom + i * KP_PAGE_SIZE);
    kp_spin_unlock(&lock);
    if (is_kept) {
        kp_kfree(slot);
        return;
    }
    kp_x86_smp_forget(bottom, top); /* before anybody else gets the pages or the slot */
    for (uint64_t i = 0; i < KP_ARRAY_COUNT(pages); i++)
        kp_x86_page_free(pages[i]);
    kp_spin_lock(&lock);
    *slot = (slot_t){slots_empty, bottom};
    slots_empty = slot;
    kp_spin_unlock(&lock);
}

bool kp_x86_stack_is_guard(uint64_t address)
{
    if (address >= KP_X86_STACK_BASE && address < stack_next)
        return (address - KP_X86_STACK_BASE) % STACK_SLOT < STACK_SLOT - STACK_SIZE;
    uint64_t guard = (uint64_t)kp_x86_boot_stack_guard;
    return address >= guard && address < guard + KP_PAGE_SIZE;
}

static uint64_t violations(const uint64_t *table, unsigned level, bool user_half, bool writable,
                           bool executable, bool user)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < ROOT_ENTRIES; i++) {
        uint64_t entry = table[i];
        if (!(entry & KP_X86_PTE_PRESENT))
            continue;
        bool below = level == 3 ? i < ROOT_ENTRIES / 2 : user_half;
        bool w = writable && (entry & KP_X86_PTE_WRITE);
        bool x = executable && !(entry & KP_X86_PTE_NO_EXECUTE);
        bool u = user && (entry & KP_X86_PTE_USER);
        if (level > 0 && !(entry & KP_X86_PTE_LARGE))
            count += violations(table_of(entry), level - 1, below, w, x, u);
        else
            count += below || (w && x) || u;
    }
    return count;
}

uint64_t kp_x86_paging_violations(void)
{
    return violations(kp_x86_direct(root), 3, false, true, true, true);
}
