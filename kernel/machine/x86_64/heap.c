/* The kernel heap: slabs of one page for objects up to half a page, runs of pages above. */
#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/pages.h"

static const uint16_t class_sizes[] = {16,  32,  48,  64,  96,   128,  192,
                                       256, 384, 512, 768, 1024, 1360, 2048};
enum { CLASSES = KP_ARRAY_COUNT(class_sizes), SMALL_MAX = 2048 };

static kp_spinlock_t lock;
static uint32_t partial[CLASSES]; /* slabs with a free object; page numbers; guarded by: lock */

static unsigned class_of(size_t size)
{
    unsigned index = 0;
    while (class_sizes[index] < size)
        index++;
    return index;
}

static void partial_push(uint32_t page, unsigned index)
{
    kp_x86_page_t *info = &kp_x86_page_table[page];
    info->previous = 0;
    info->next = partial[index];
    if (info->next)
        kp_x86_page_table[info->next].previous = page;
    partial[index] = page;
}

static void partial_remove(uint32_t page, unsigned index)
{
    const kp_x86_page_t *info = &kp_x86_page_table[page];
    if (info->next)
        kp_x86_page_table[info->next].previous = info->previous;
    if (info->previous)
        kp_x86_page_table[info->previous].next = info->next;
    else
        partial[index] = info->next;
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
    kp_x86_page_t *info = &kp_x86_page_table[page];
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

static void *small_allocate(unsigned index)
{
    void *object = NULL;
    kp_spin_lock(&lock);
    if (partial[index] || slab_create(index)) {
        uint32_t page = partial[index];
        kp_x86_page_t *info = &kp_x86_page_table[page];
        uint16_t *link = object_link(page, index, info->free_object - 1u);
        info->free_object = *link;
        info->objects_used++;
        if (!info->free_object)
            partial_remove(page, index);
        object = link;
    }
    kp_spin_unlock(&lock);
    return object;
}

static void small_free(void *memory, uint32_t page)
{
    kp_x86_page_t *info = &kp_x86_page_table[page];
    unsigned index = info->size_class;
    size_t offset = (uint64_t)memory % KP_PAGE_SIZE;
    KP_CHECK(offset % class_sizes[index] == 0 && info->objects_used > 0);
    bool give_back = false;
    kp_spin_lock(&lock);
    *(uint16_t *)memory = info->free_object;
    if (!info->free_object)
        partial_push(page, index);
    info->free_object = (uint16_t)(offset / class_sizes[index] + 1);
    info->objects_used--;
    /* Keep one empty slab of a class, so that a single object that comes and goes costs no page. */
    if (info->objects_used == 0 && (info->next || info->previous)) {
        partial_remove(page, index);
        info->state = KP_X86_PAGE_USED;
        give_back = true;
    }
    kp_spin_unlock(&lock);
    if (give_back)
        kp_x86_page_free(kp_x86_direct((uint64_t)page * KP_PAGE_SIZE));
}

void *kp_kalloc(size_t size)
{
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
            kp_x86_page_t *info = &kp_x86_page_table[kp_x86_page_number(memory)];
            info->state = KP_X86_PAGE_RUN;
            info->next = (uint32_t)(size / KP_PAGE_SIZE);
        }
    }
    return memory ? memset(memory, 0, size) : NULL;
}

void kp_kfree(void *memory)
{
    if (!memory)
        return;
    uint32_t page = (uint32_t)kp_x86_page_number(memory);
    kp_x86_page_t *info = &kp_x86_page_table[page];
    if (info->state == KP_X86_PAGE_SLAB) {
        small_free(memory, page);
        return;
    }
    KP_CHECK(info->state == KP_X86_PAGE_RUN && (uint64_t)memory % KP_PAGE_SIZE == 0);
    info->state = KP_X86_PAGE_USED;
    kp_x86_pages_free(memory, info->next);
}
