/* The C library's heap as an allocator, for who has no other; a header only, so that who has no malloc links nothing of it. */
#ifndef KP_RUNTIME_WASM_HEAP_H
#define KP_RUNTIME_WASM_HEAP_H

#include <stdlib.h>

#include "runtime/wasm/types.h"

static inline void *kp_wasm_heap_resize(void *context, void *old, size_t old_size, size_t size)
{
    (void)context;
    (void)old_size;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

/* Threads may share it. */
static const kp_wasm_allocator_t kp_wasm_heap = {kp_wasm_heap_resize, NULL};

#endif
