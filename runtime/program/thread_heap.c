/* libc's heap for programs with threads: one lock around it. The linker sends calls of malloc and its kin
   here (--wrap), from the program's code and from libc's. */
#include <errno.h>
#include <stddef.h>

#include "runtime/program/thread.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);

static kp_mutex_t heap;

void *__wrap_malloc(size_t size)
{
    kp_mutex_lock(&heap);
    void *memory = __real_malloc(size);
    kp_mutex_unlock(&heap);
    return memory;
}

void *__wrap_calloc(size_t count, size_t size)
{
    kp_mutex_lock(&heap);
    void *memory = __real_calloc(count, size);
    kp_mutex_unlock(&heap);
    return memory;
}

void *__wrap_realloc(void *memory, size_t size)
{
    kp_mutex_lock(&heap);
    void *moved = __real_realloc(memory, size);
    kp_mutex_unlock(&heap);
    return moved;
}

void __wrap_free(void *memory)
{
    kp_mutex_lock(&heap);
    __real_free(memory);
    kp_mutex_unlock(&heap);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    kp_mutex_lock(&heap);
    void *memory = __real_aligned_alloc(alignment, size);
    kp_mutex_unlock(&heap);
    return memory;
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
    kp_mutex_lock(&heap);
    int error = __real_posix_memalign(memory, alignment, size);
    kp_mutex_unlock(&heap);
    return error;
}
