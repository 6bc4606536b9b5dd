/* malloc of native programs, over the fixed range between stack and reservations.

   Blocks lie end to end, each with a header of 16 bytes: its size with two flags, and the size of the block
   in front when that is free. Free blocks hang in lists by size: one list for each 16 bytes up to 1 KiB, then
   four for each power of two. Neighbours that are free are one block. Headers are trusted: whoever can
   write here can do everything that this process can. */
#include <stdlib.h>

#include <stdint.h>
#include <string.h>

#include "runtime/native/native.h"

enum {
    ALIGN = 16,
    BLOCK_MIN = 32, /* header and two links */
    SMALL_LISTS = 64,
    LISTS = SMALL_LISTS + 4 * 22, /* up to 4 GiB */
    USED = 1,
    LAST = 2, /* nothing follows */
    FLAGS = USED | LAST,
};

typedef struct block {
    uint64_t front; /* size of the free block in front; 0: it is used, or this is the first */
    uint64_t size;  /* of it all, and flags */
    struct block *next, *previous; /* while free */
} block_t;

static block_t *lists[LISTS];
static uint64_t occupied[(LISTS + 63) / 64];
static bool started;

static uint64_t size_of(const block_t *block)
{
    return block->size & ~(uint64_t)FLAGS;
}

static block_t *after(block_t *block)
{
    return block->size & LAST ? NULL : (block_t *)((char *)block + size_of(block));
}

/* The list that a free block of this size belongs to. */
static unsigned list_of(uint64_t size)
{
    if (size < (uint64_t)SMALL_LISTS * ALIGN)
        return (unsigned)(size / ALIGN);
    unsigned power = 63 - (unsigned)__builtin_clzll(size); /* 10 and more */
    return SMALL_LISTS + (power - 10) * 4 + (unsigned)(size >> (power - 2) & 3);
}

static void list_add(block_t *block)
{
    unsigned list = list_of(size_of(block));
    block->previous = NULL;
    block->next = lists[list];
    if (block->next)
        block->next->previous = block;
    lists[list] = block;
    occupied[list / 64] |= (uint64_t)1 << (list % 64);
    block_t *follower = after(block);
    if (follower)
        follower->front = size_of(block);
}

static void list_remove(block_t *block)
{
    unsigned list = list_of(size_of(block));
    if (block->next)
        block->next->previous = block->previous;
    if (block->previous)
        block->previous->next = block->next;
    else
        lists[list] = block->next;
    if (!lists[list])
        occupied[list / 64] &= ~((uint64_t)1 << (list % 64));
}

static void start(void)
{
    started = true;
    block_t *block = (block_t *)(kp_native_memory + kp_native_stack_end);
    block->front = 0;
    block->size = (kp_native_heap_end - kp_native_stack_end) | LAST;
    list_add(block);
}

/* A free block of at least this size, taken from its list. In the size's own list some may be too small; in
   those above none is. */
static block_t *take(uint64_t size)
{
    if (size >= KP_NATIVE_MEMORY_MAX)
        return NULL;
    unsigned list = list_of(size);
    for (block_t *block = lists[list]; block; block = block->next) {
        if (size_of(block) >= size) {
            list_remove(block);
            return block;
        }
    }
    for (unsigned word = ++list / 64; word < sizeof occupied / sizeof occupied[0]; word++) {
        uint64_t bits = occupied[word];
        if (word == list / 64)
            bits &= ~(uint64_t)0 << (list % 64);
        if (bits) {
            block_t *block = lists[word * 64 + (unsigned)__builtin_ctzll(bits)];
            list_remove(block);
            return block;
        }
    }
    return NULL;
}

/* The block, which is in no list, keeps its first `size` bytes; the rest becomes free. */
static void cut(block_t *block, uint64_t size)
{
    uint64_t rest = size_of(block) - size;
    if (rest < BLOCK_MIN)
        return;
    block_t *tail = (block_t *)((char *)block + size);
    tail->front = 0;
    tail->size = rest | (block->size & LAST);
    block->size = size | (block->size & USED);
    block_t *follower = after(tail);
    if (follower && !(follower->size & USED)) {
        list_remove(follower);
        tail->size = (rest + size_of(follower)) | (follower->size & LAST);
    }
    list_add(tail);
}

/* Of a block for this many bytes; 0: too many. */
static uint64_t block_size(size_t size)
{
    if (size > KP_NATIVE_MEMORY_MAX)
        return 0;
    uint64_t whole = (size + ALIGN + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
    return whole < BLOCK_MIN ? BLOCK_MIN : whole;
}

static void *use(block_t *block)
{
    block->size |= USED;
    block_t *follower = after(block);
    if (follower)
        follower->front = 0;
    return (char *)block + ALIGN;
}

void *malloc(size_t size)
{
    if (!started)
        start();
    uint64_t whole = block_size(size);
    block_t *block = whole ? take(whole) : NULL;
    if (!block)
        return NULL;
    cut(block, whole);
    return use(block);
}

void free(void *memory)
{
    if (!memory)
        return;
    block_t *block = (block_t *)((char *)memory - ALIGN);
    if (!kp_native_is_memory(memory) || !(block->size & USED))
        kp_native_pointer_wrong(memory);
    block->size &= ~(uint64_t)USED;
    block_t *follower = after(block);
    if (follower && !(follower->size & USED)) {
        list_remove(follower);
        block->size = (size_of(block) + size_of(follower)) | (follower->size & LAST);
    }
    if (block->front) {
        block_t *front = (block_t *)((char *)block - block->front);
        list_remove(front);
        front->size = (size_of(front) + size_of(block)) | (block->size & LAST);
        block = front;
    }
    list_add(block);
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = malloc(bytes);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *realloc(void *old, size_t size)
{
    if (!old)
        return malloc(size);
    block_t *block = (block_t *)((char *)old - ALIGN);
    uint64_t whole = block_size(size), has = size_of(block);
    if (!whole)
        return NULL;
    block_t *follower = after(block);
    if (has < whole && follower && !(follower->size & USED) && has + size_of(follower) >= whole) {
        list_remove(follower);
        block->size = (has + size_of(follower)) | USED | (follower->size & LAST);
        use(block);
        has = size_of(block);
    }
    if (has >= whole) {
        cut(block, whole);
        return old;
    }
    void *memory = malloc(size);
    if (memory) {
        memcpy(memory, old, has - ALIGN);
        free(old);
    }
    return memory;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    if (alignment <= ALIGN)
        return malloc(size);
    if ((alignment & (alignment - 1)) != 0 || alignment > KP_NATIVE_MEMORY_MAX / 2 ||
        size > KP_NATIVE_MEMORY_MAX)
        return NULL;
    if (!started)
        start();
    uint64_t whole = block_size(size);
    block_t *block = take(whole + alignment + BLOCK_MIN);
    if (!block)
        return NULL;
    uintptr_t first = (uintptr_t)block + ALIGN;
    if (first % alignment) {
        /* The part in front becomes a free block of its own. */
        uintptr_t at = (first + BLOCK_MIN + alignment - 1) & ~(uintptr_t)(alignment - 1);
        block_t *placed = (block_t *)(at - ALIGN);
        uint64_t skipped = (uint64_t)((char *)placed - (char *)block);
        placed->size = (size_of(block) - skipped) | (block->size & LAST);
        block->size = skipped;
        list_add(block);
        block = placed; /* list_add has written its front */
    }
    cut(block, whole);
    return use(block);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    *result = aligned_alloc(alignment, size);
    return *result ? 0 : 12; /* ENOMEM */
}
