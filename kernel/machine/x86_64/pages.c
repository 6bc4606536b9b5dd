/* Physical pages: a buddy allocator whose books are made as it goes. RAM starts as "fresh" regions
   that are neither touched nor recorded; when the free lists are empty, the next 8 MiB are taken
   from them, and now and then some free pages for their books. So start-up costs the same for any amount of
   RAM, books cost a 256th of what is used of it, and every call is O(1).

   Single pages come from and go to a magazine of the CPU, so that CPUs meet at the allocator's lock
   only once in MAGAZINE_MOVE calls. Lock order: a magazine's, then the allocator's. */
#include "kernel/machine/x86_64/pages.h"

#include "kernel/kernel.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/vmo.h"

enum {
    CHUNK = KP_X86_CHUNK_PAGES,
    /* Books are made for so many chunks at a time, in pages of one of them: the others stay whole. */
    BOOKS_CHUNKS = 4,
    BOOKS_ORDER = 5,
    MAGAZINE = 32,
    MAGAZINE_MOVE = 16,
};

typedef struct magazine {
    kp_spinlock_t lock; /* the CPU's own, mostly; when RAM is out others look too */
    uint32_t count;     /* guarded by: lock */
    uint32_t pages[MAGAZINE];
} __attribute__((aligned(64))) magazine_t;

_Static_assert(sizeof(kp_x86_page_t) * BOOKS_CHUNKS * CHUNK == KP_PAGE_SIZE << BOOKS_ORDER,
               "the books of some chunks");

kp_x86_page_t **kp_x86_page_books;

extern const char kp_x86_image_start[], kp_x86_image_end[];

static kp_spinlock_t lock;
static uint32_t
    free_lists[KP_X86_ORDER_MAX + 1]; /* first page's number; 0: empty; guarded by: lock */
static kp_x86_region_t fresh[KP_X86_REGIONS_MAX]; /* in pages; guarded by: lock */
static uint32_t fresh_count;
static uint64_t pages_total, pages_free, pages_end;
static _Atomic uint64_t fail_at; /* counted down under: lock */
static magazine_t magazines[KP_X86_CPUS_MAX];

static void list_push(uint32_t page, unsigned order)
{
    kp_x86_page_t *info = kp_x86_page_info(page);
    info->state = KP_X86_PAGE_FREE;
    info->order = (uint8_t)order;
    info->previous = 0;
    info->next = free_lists[order];
    if (info->next)
        kp_x86_page_info(info->next)->previous = page;
    free_lists[order] = page;
}

static void list_remove(uint32_t page, unsigned order)
{
    kp_x86_page_t *info = kp_x86_page_info(page);
    if (info->next)
        kp_x86_page_info(info->next)->previous = info->previous;
    if (info->previous)
        kp_x86_page_info(info->previous)->next = info->next;
    else
        free_lists[order] = info->next;
    info->state = KP_X86_PAGE_USED;
}

/* Gives back one aligned block and joins it with its free neighbours. A block and its buddy always
   lie in the same chunk, so the neighbour's books exist. */
static void block_free(uint32_t page, unsigned order)
{
    pages_free += 1u << order;
    for (; order < KP_X86_ORDER_MAX; order++) {
        uint32_t buddy = page ^ (1u << order);
        const kp_x86_page_t *info = kp_x86_page_info(buddy);
        if (info->state != KP_X86_PAGE_FREE || info->order != order)
            break;
        list_remove(buddy, order);
        kp_x86_page_info(page)->state = KP_X86_PAGE_USED;
        page &= ~(1u << order);
    }
    list_push(page, order);
}

/* Gives back any run, cut into aligned blocks. */
static void run_free(uint32_t page, uint32_t count)
{
    while (count > 0) {
        unsigned order = 0;
        while (order < KP_X86_ORDER_MAX && !(page & (1u << order)) && (2u << order) <= count)
            order++;
        block_free(page, order);
        page += 1u << order;
        count -= 1u << order;
    }
}

/* From the free lists; 0: none. lock is held. */
static uint32_t block_take(unsigned order)
{
    for (unsigned have = order; have <= KP_X86_ORDER_MAX; have++) {
        uint32_t page = free_lists[have];
        if (!page)
            continue;
        list_remove(page, have);
        while (have > order) {
            have--;
            list_push(page + (1u << have), have);
        }
        kp_x86_page_info(page)->order = (uint8_t)order;
        pages_free -= 1u << order;
        return page;
    }
    return 0;
}

/* Makes the books of the chunk and its neighbours in 1 << BOOKS_ORDER pages. lock is held. */
static void books_make(uint64_t chunk, uint64_t page)
{
    kp_x86_page_t *books = kp_x86_direct(page * KP_PAGE_SIZE);
    memset(books, 0, KP_PAGE_SIZE << BOOKS_ORDER); /* all used */
    chunk -= chunk % BOOKS_CHUNKS;
    for (unsigned i = 0; i < BOOKS_CHUNKS; i++)
        kp_x86_page_books[chunk + i] = books + (uint64_t)i * CHUNK;
}

/* Those of the chunk that comes next, of the pages that are free now. lock is held. */
static void books_make_ahead(void)
{
    for (uint32_t i = 0; i < fresh_count; i++) {
        if (fresh[i].start >= fresh[i].end)
            continue;
        uint64_t chunk = fresh[i].start / CHUNK;
        uint32_t page = kp_x86_page_books[chunk] ? 0 : block_take(BOOKS_ORDER);
        if (page)
            books_make(chunk, page);
        return;
    }
}

static bool refill(void)
{
    for (uint32_t i = 0; i < fresh_count; i++) {
        kp_x86_region_t *region = &fresh[i];
        if (region->start >= region->end)
            continue;
        uint64_t chunk = region->start / CHUNK, end = KP_MIN((chunk + 1) * CHUNK, region->end);
        if (!kp_x86_page_books[chunk]) { /* the first, or there was no run of free pages */
            if (end - region->start <= 1u << BOOKS_ORDER)
                continue;
            books_make(chunk, region->start);
            region->start += 1u << BOOKS_ORDER;
            pages_free -= 1u << BOOKS_ORDER;
        }
        uint32_t start = (uint32_t)region->start;
        region->start = end;
        pages_free -= end - start; /* fresh pages were counted as free already */
        run_free(start, (uint32_t)end - start);
        books_make_ahead();
        return true;
    }
    return false;
}

/* lock is held. 0: none. */
static uint32_t block_allocate(unsigned order)
{
    uint32_t page;
    do {
        page = block_take(order);
    } while (!page && refill());
    return page;
}

void kp_x86_pages_init(const kp_x86_boot_t *boot)
{
    for (uint32_t i = 0; i < boot->ram_count; i++) {
        const kp_x86_region_t *region = &boot->ram[i];
        if (region->start >= region->end)
            continue;
        fresh[fresh_count++] =
            (kp_x86_region_t){region->start / KP_PAGE_SIZE, region->end / KP_PAGE_SIZE};
        pages_total += (region->end - region->start) / KP_PAGE_SIZE;
        pages_end = KP_MAX(pages_end, region->end / KP_PAGE_SIZE);
    }
    /* Where the books of each chunk are: in the first region below 4 GiB (what the boot tables reach)
       that has the room. */
    uint64_t chunks = KP_ROUND_UP(pages_end, (uint64_t)BOOKS_CHUNKS * CHUNK) / CHUNK;
    uint64_t size = chunks * sizeof(*kp_x86_page_books);
    uint64_t need = KP_ROUND_UP(size, KP_PAGE_SIZE) / KP_PAGE_SIZE;
    for (uint32_t i = 0; i < fresh_count; i++) {
        if (fresh[i].end - fresh[i].start < need || fresh[i].start + need > (1u << 20))
            continue;
        kp_x86_page_books = kp_x86_direct(fresh[i].start * KP_PAGE_SIZE);
        memset(kp_x86_page_books, 0, size);
        fresh[i].start += need;
        pages_free = pages_total - need;
        return;
    }
    kp_panic("no room for the page table of %llu MiB of RAM",
             (unsigned long long)(pages_total >> 8));
}

bool kp_x86_allocation_should_fail(void)
{
    if (__builtin_expect(atomic_load_explicit(&fail_at, memory_order_relaxed) == 0, 1))
        return false;
    kp_spin_lock(&lock);
    uint64_t left = atomic_load_explicit(&fail_at, memory_order_relaxed);
    bool fails = left == 1;
    if (left)
        atomic_store_explicit(&fail_at, left - 1, memory_order_relaxed);
    kp_spin_unlock(&lock);
    return fails;
}

static magazine_t *own_magazine(void)
{
    /* The thread may move on meanwhile: then it uses a neighbour's, which costs only time. */
    return &magazines[kp_machine_cpu_current()];
}

/* RAM is short: what lies in magazines goes back, and joins. */
static void magazines_empty(void)
{
    for (unsigned i = 0; i < KP_X86_CPUS_MAX; i++) {
        magazine_t *magazine = &magazines[i];
        kp_spin_lock(&magazine->lock);
        kp_spin_lock(&lock);
        while (magazine->count > 0)
            block_free(magazine->pages[--magazine->count], 0);
        kp_spin_unlock(&lock);
        kp_spin_unlock(&magazine->lock);
    }
}

/* magazine's lock is held. */
static void magazine_refill(magazine_t *magazine)
{
    kp_spin_lock(&lock);
    for (uint32_t page; magazine->count < MAGAZINE_MOVE && (page = block_allocate(0)) != 0;) {
        kp_x86_page_info(page)->state = KP_X86_PAGE_CACHED;
        magazine->pages[magazine->count++] = page;
    }
    kp_spin_unlock(&lock);
}

static uint32_t run_allocate(size_t count, unsigned order)
{
    kp_spin_lock(&lock);
    uint32_t page = block_allocate(order);
    if (page && count < (1u << order)) {
        /* The tail goes back at once; the block was one, so nothing joins wrongly. */
        run_free(page + (uint32_t)count, (1u << order) - (uint32_t)count);
    }
    kp_spin_unlock(&lock);
    return page;
}

void *kp_x86_pages_allocate(size_t count)
{
    if (count == 1)
        return kp_x86_page_allocate();
    if (count == 0 || count > CHUNK || kp_x86_allocation_should_fail())
        return NULL;
    unsigned order = 0;
    while ((1u << order) < count)
        order++;
    uint32_t page = run_allocate(count, order);
    if (!page) {
        magazines_empty();
        page = run_allocate(count, order);
    }
    return page ? kp_x86_direct((uint64_t)page * KP_PAGE_SIZE) : NULL;
}

void kp_x86_pages_free(void *pages, size_t count)
{
    if (!pages)
        return;
    if (count == 1) {
        kp_x86_page_free(pages);
        return;
    }
    uint32_t page = (uint32_t)kp_x86_page_number(pages);
    KP_CHECK(page < pages_end && (uint64_t)pages % KP_PAGE_SIZE == 0);
    kp_spin_lock(&lock);
    KP_CHECK(kp_x86_page_info(page)->state == KP_X86_PAGE_USED);
    run_free(page, (uint32_t)count);
    kp_spin_unlock(&lock);
}

void *kp_x86_page_allocate(void)
{
    if (kp_x86_allocation_should_fail())
        return NULL;
    magazine_t *magazine = own_magazine();
    uint32_t page = 0;
    for (unsigned attempt = 0; attempt < 2 && !page; attempt++) {
        if (attempt > 0)
            magazines_empty(); /* the last pages may lie in another CPU's */
        kp_spin_lock(&magazine->lock);
        if (magazine->count == 0)
            magazine_refill(magazine);
        if (magazine->count > 0)
            page = magazine->pages[--magazine->count];
        kp_spin_unlock(&magazine->lock);
    }
    if (!page)
        return NULL;
    kp_x86_page_info(page)->state = KP_X86_PAGE_USED;
    kp_x86_page_info(page)->order = 0;
    return kp_x86_direct((uint64_t)page * KP_PAGE_SIZE);
}

void kp_x86_page_free(void *memory)
{
    if (!memory)
        return;
    uint32_t page = (uint32_t)kp_x86_page_number(memory);
    KP_CHECK(page < pages_end && (uint64_t)memory % KP_PAGE_SIZE == 0);
    magazine_t *magazine = own_magazine();
    kp_spin_lock(&magazine->lock);
    KP_CHECK(kp_x86_page_info(page)->state == KP_X86_PAGE_USED);
    kp_x86_page_info(page)->state = KP_X86_PAGE_CACHED;
    if (magazine->count == MAGAZINE) {
        kp_spin_lock(&lock);
        while (magazine->count > MAGAZINE - MAGAZINE_MOVE)
            block_free(magazine->pages[--magazine->count], 0);
        kp_spin_unlock(&lock);
    }
    magazine->pages[magazine->count++] = page;
    kp_spin_unlock(&magazine->lock);
}

void *kp_x86_page_allocate_zeroed(void)
{
    void *page = kp_x86_page_allocate();
    if (page)
        memset(page, 0, KP_PAGE_SIZE);
    return page;
}

bool kp_x86_pages_are_ram(uint64_t physical, uint64_t size)
{
    for (uint32_t i = 0; i < kp_x86_boot.ram_count; i++)
        if (physical < kp_x86_boot.ram[i].end && physical + size > kp_x86_boot.ram[i].start)
            return true;
    return false;
}

void kp_x86_memory_usage(uint64_t *total_bytes, uint64_t *free_bytes)
{
    uint64_t cached = 0;
    for (unsigned i = 0; i < KP_X86_CPUS_MAX; i++) {
        kp_spin_lock(&magazines[i].lock);
        cached += magazines[i].count;
        kp_spin_unlock(&magazines[i].lock);
    }
    kp_spin_lock(&lock);
    *total_bytes = kp_x86_boot.ram_bytes;
    *free_bytes = (pages_free + cached) * KP_PAGE_SIZE;
    kp_spin_unlock(&lock);
}

void kp_machine_memory_usage(kp_memory_usage_t *usage)
{
    uint64_t free_bytes;
    kp_x86_memory_usage(&usage->size, &free_bytes);
    usage->used = usage->size - free_bytes;
    usage->image = (uint64_t)(kp_x86_image_end - kp_x86_image_start);
    usage->vmos = kp_x86_vmo_pages() * KP_PAGE_SIZE;
}

void kp_x86_allocation_fail_at(uint64_t n)
{
    atomic_store(&fail_at, n);
}
