/* The kernel heap: slabs of one page for objects up to half a page, runs of pages above. Small objects
   come from and go to a magazine of the CPU, so that CPUs seldom meet at a size class's lock. Lock
   order: a magazine's, a class's, the page allocator's. */
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/pages.h"

static const uint16_t class_sizes[] = {16,  32,  48,  64,  96,   128,  192,
                                       256, 384, 512, 768, 1024, 1360, 2048};
enum {
    CLASSES = KP_ARRAY_COUNT(class_sizes),
    SMALL_MAX = 2048,
    MAGAZINE = 12,
    MAGAZINE_MOVE = 6,
    MAGAZINE_LARGE = 2
};

/* Of each class; its lock guards also the books of its slabs. */
static struct {
    kp_spinlock_t lock;
    uint32_t partial; /* slabs with a free object; page number of the first; guarded by: lock */
} __attribute__((aligned(64))) classes[CLASSES];

typedef struct magazine {
    kp_spinlock_t lock;
    uint32_t count; /* guarded by: lock */
    void *objects[MAGAZINE];
} magazine_t;

static magazine_t magazines[KP_X86_CPUS_MAX][CLASSES] __attribute__((aligned(64)));

static unsigned class_of(size_t size)
{
    unsigned index = 0;
    while (class_sizes[index] < size)
        index++;
    return index;
}

static void partial_push(uint32_t page, unsigned index)
{
    kp_x86_page_t *info = kp_x86_page_info(page);
    info->previous = 0;
    info->next = classes[index].partial;
    if (info->next)
        kp_x86_page_info(info->next)->previous = page;
    classes[index].partial = page;
}

static void partial_remove(uint32_t page, unsigned index)
{
    const kp_x86_page_t *info = kp_x86_page_info(page);
    if (info->next)
        kp_x86_page_info(info->next)->previous = info->previous;
    if (info->previous)
        kp_x86_page_info(info->previous)->next = info->next;
    else
        classes[index].partial = info->next;
}

/* Free objects are chained by index + 1 in their first two bytes. */
static uint16_t *object_link(uint32_t page, unsigned index, unsigned object)
{
    return (uint16_t *)((char *)kp_x86_direct((uint64_t)page * KP_PAGE_SIZE) +
                        (size_t)object * class_sizes[index]);
}

static bool slab_create(unsigned index)
{
    void *memory = kp_x86_page_allocate();
    if (!memory)
        return false;
    uint32_t page = (uint32_t)kp_x86_page_number(memory);
    kp_x86_page_t *info = kp_x86_page_info(page);
    unsigned count = KP_PAGE_SIZE / class_sizes[index];
    for (unsigned i = 0; i < count; i++)
        *object_link(page, index, i) = (uint16_t)(i + 1 < count ? i + 2 : 0);
    info->state = KP_X86_PAGE_SLAB;
    info->size_class = (uint8_t)index;
    info->free_object = 1;
    info->objects_used = 0;
    partial_push(page, index);
    return true;
}

/* Takes one object out of a slab; the class's lock is held. NULL: no memory. */
static void *slab_take(unsigned index)
{
    if (!classes[index].partial && !slab_create(index))
        return NULL;
    uint32_t page = classes[index].partial;
    kp_x86_page_t *info = kp_x86_page_info(page);
    uint16_t *link = object_link(page, index, info->free_object - 1u);
    info->free_object = *link;
    info->objects_used++;
    if (!info->free_object)
        partial_remove(page, index);
    return link;
}

/* Gives one back; the class's lock is held. The result is a page to be freed, or NULL. */
static void *slab_give(void *memory, unsigned index)
{
    uint32_t page = (uint32_t)kp_x86_page_number(memory);
    kp_x86_page_t *info = kp_x86_page_info(page);
    KP_CHECK(info->objects_used > 0);
    *(uint16_t *)memory = info->free_object;
    if (!info->free_object)
        partial_push(page, index);
    info->free_object = (uint16_t)((uint64_t)memory % KP_PAGE_SIZE / class_sizes[index] + 1);
    info->objects_used--;
    /* Keep one empty slab of a class, so that a single object that comes and goes costs no page. */
    if (info->objects_used > 0 || (!info->next && !info->previous))
        return NULL;
    partial_remove(page, index);
    info->state = KP_X86_PAGE_USED;
    return kp_x86_direct((uint64_t)page * KP_PAGE_SIZE);
}

/* How many objects a magazine holds: large ones are not hoarded. */
static unsigned magazine_limit(unsigned index)
{
    return class_sizes[index] >= 1024 ? MAGAZINE_LARGE : MAGAZINE;
}

static magazine_t *own_magazine(unsigned index)
{
    /* The thread may move on meanwhile: then it uses a neighbour's, which costs only time. */
    return &magazines[kp_machine_cpu_current()][index];
}

static void *small_allocate(unsigned index)
{
    magazine_t *magazine = own_magazine(index);
    kp_spin_lock(&magazine->lock);
    if (magazine->count == 0) {
        /* Only what lies ready; a new slab is made for the one that is asked for. */
        kp_spin_lock(&classes[index].lock);
        void *object = slab_take(index);
        if (object)
            magazine->objects[magazine->count++] = object;
        while (classes[index].partial && magazine->count < magazine_limit(index) / 2)
            magazine->objects[magazine->count++] = slab_take(index);
        kp_spin_unlock(&classes[index].lock);
    }
    void *object = magazine->count > 0 ? magazine->objects[--magazine->count] : NULL;
    kp_spin_unlock(&magazine->lock);
    return object;
}

static void small_free(void *memory, unsigned index)
{
    KP_CHECK((uint64_t)memory % KP_PAGE_SIZE % class_sizes[index] == 0);
    magazine_t *magazine = own_magazine(index);
    void *pages[MAGAZINE_MOVE];
    unsigned page_count = 0;
    kp_spin_lock(&magazine->lock);
    if (magazine->count == magazine_limit(index)) {
        unsigned keep = magazine->count / 2;
        kp_spin_lock(&classes[index].lock);
        while (magazine->count > keep) {
            void *page = slab_give(magazine->objects[--magazine->count], index);
            if (page)
                pages[page_count++] = page;
        }
        kp_spin_unlock(&classes[index].lock);
    }
    magazine->objects[magazine->count++] = memory;
    kp_spin_unlock(&magazine->lock);
    while (page_count > 0)
        kp_x86_page_free(pages[--page_count]);
}

/* *size becomes what was allocated. */
static void *allocate(size_t *wanted)
{
    size_t size = *wanted;
    void *memory;
    if (size == 0)
        size = 1;
    if (kp_x86_allocation_should_fail())
        return NULL;
    if (size <= SMALL_MAX) {
        unsigned index = class_of(size);
        memory = small_allocate(index);
        size = class_sizes[index];
    } else {
        if (size > (size_t)KP_PAGE_SIZE << KP_X86_ORDER_MAX)
            return NULL;
        size = KP_ROUND_UP(size, (size_t)KP_PAGE_SIZE);
        memory = kp_x86_pages_allocate(size / KP_PAGE_SIZE);
        if (memory) {
            kp_x86_page_t *info = kp_x86_page_info(kp_x86_page_number(memory));
            info->state = KP_X86_PAGE_RUN;
            info->next = (uint32_t)(size / KP_PAGE_SIZE);
        }
    }
    *wanted = size;
    return memory;
}

void *kp_kalloc(size_t size)
{
    void *memory = allocate(&size);
    return memory ? memset(memory, 0, size) : NULL;
}

void *kp_kalloc_dirty(size_t size)
{
    return allocate(&size);
}

void kp_kfree(void *memory)
{
    if (!memory)
        return;
    uint32_t page = (uint32_t)kp_x86_page_number(memory);
    kp_x86_page_t *info = kp_x86_page_info(page);
    if (info->state == KP_X86_PAGE_SLAB) {
        small_free(memory, info->size_class);
        return;
    }
    KP_CHECK(info->state == KP_X86_PAGE_RUN && (uint64_t)memory % KP_PAGE_SIZE == 0);
    info->state = KP_X86_PAGE_USED;
    kp_x86_pages_free(memory, info->next);
}
