#include "runtime/compiler-process/memory.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SMALLEST = 4, /* powers of two */
    LARGEST = 16, /* above are mappings */
    CHUNK = 1 << 20,
    PAGE = 4096,
};

typedef struct kp_free_block {
    struct kp_free_block *next;
} kp_free_block_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static kp_free_block_t *free_blocks[LARGEST + 1]; /* by power */
static char *chunk;                               /* the rest of the last one */
static size_t chunk_left;

static bool is_large(size_t size)
{
    return size > (size_t)1 << LARGEST;
}

static unsigned power_of(size_t size)
{
    unsigned power = SMALLEST;
    while ((size_t)1 << power < size)
        power++;
    return power;
}

static size_t pages_of(size_t size)
{
    return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static void *map(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *small_take(unsigned power)
{
    size_t size = (size_t)1 << power;
    pthread_mutex_lock(&lock);
    kp_free_block_t *block = free_blocks[power];
    if (block) {
        free_blocks[power] = block->next;
    } else {
        if (chunk_left < size) { /* what is left of the old one is given up: less than a block */
            chunk = map(CHUNK);
            chunk_left = chunk ? CHUNK : 0;
        }
        if (chunk_left >= size) {
            block = (kp_free_block_t *)(void *)chunk;
            chunk += size;
            chunk_left -= size;
        }
    }
    pthread_mutex_unlock(&lock);
    return block;
}

static void small_give(void *at, unsigned power)
{
    kp_free_block_t *block = at;
    pthread_mutex_lock(&lock);
    block->next = free_blocks[power];
    free_blocks[power] = block;
    pthread_mutex_unlock(&lock);
}

static void *take(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    return is_large(size) ? map(pages_of(size)) : small_take(power_of(size));
}

static void give(void *at, size_t size)
{
    if (is_large(size))
        munmap(at, pages_of(size));
    else
        small_give(at, power_of(size));
}

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    (void)context;
    if (!old)
        return take(size);
    if (size == 0) {
        give(old, old_size);
        return NULL;
    }
    if (is_large(old_size) && is_large(size) && size <= SIZE_MAX / 2) {
        void *at = mremap(old, pages_of(old_size), pages_of(size), MREMAP_MAYMOVE);
        return at == MAP_FAILED ? NULL : at;
    }
    if (!is_large(old_size) && !is_large(size) && power_of(old_size) == power_of(size))
        return old;
    void *at = take(size);
    if (at) {
        memcpy(at, old, old_size < size ? old_size : size);
        give(old, old_size);
    }
    return at;
}

const kp_wasm_allocator_t kp_process_allocator = {resize, NULL};
