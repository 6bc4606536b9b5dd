/* The books of physical pages, shared by the page allocator and the heap. Not for drivers. */
#ifndef KP_X86_PAGES_H
#define KP_X86_PAGES_H

#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/memory.h"

enum { KP_X86_ORDER_MAX = 11 }; /* the largest block: 8 MiB */

enum {
    KP_X86_PAGE_USED = 0,   /* handed out, or no RAM at all */
    KP_X86_PAGE_FREE = 1,   /* first page of a free block of 1 << order */
    KP_X86_PAGE_SLAB = 2,   /* heap: cut into objects of one size class */
    KP_X86_PAGE_CACHED = 4, /* in a CPU's magazine */
    KP_X86_PAGE_RUN = 3,    /* heap: first page of a large object; `next` is its page count */
};

typedef struct kp_x86_page {
    uint32_t next, previous; /* page numbers; 0: none (page 0 is never RAM that we use) */
    uint16_t free_object;    /* slab: index + 1 of the first free object; 0: full */
    uint16_t objects_used;
    uint8_t order;
    uint8_t state;
    uint8_t size_class;
    uint8_t reserved;
} kp_x86_page_t;
_Static_assert(sizeof(kp_x86_page_t) == 16, "a 256th of the RAM in use");

/* The books of each 8 MiB, made when its pages are needed; NULL before. */
enum { KP_X86_CHUNK_PAGES = 1u << KP_X86_ORDER_MAX };
extern kp_x86_page_t **kp_x86_page_books;

/* Of a page that was handed out, by its number, and of its neighbours in the same 8 MiB. */
static inline kp_x86_page_t *kp_x86_page_info(uint64_t page)
{
    return &kp_x86_page_books[page / KP_X86_CHUNK_PAGES][page % KP_X86_CHUNK_PAGES];
}

static inline uint64_t kp_x86_page_number(const void *direct)
{
    return ((uint64_t)direct - KP_X86_DIRECT_BASE) / KP_PAGE_SIZE;
}

/* Once, with the boot page tables. */
void kp_x86_pages_init(const kp_x86_boot_t *boot);
/* Does the range touch usable RAM (which must not be mapped uncached)? */
bool kp_x86_pages_are_ram(uint64_t physical, uint64_t size);
/* For the heap: is this the allocation that a test wants to fail? */
bool kp_x86_allocation_should_fail(void);

#endif
