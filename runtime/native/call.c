/* System calls of native programs: pointers that are not in linear memory go by a copy. */
#include "runtime/native/native.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/image/internal.h"
#include "runtime/program/kp.h"

int64_t kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                uint64_t a5)
{
    const uint64_t arguments[6] = {a0, a1, a2, a3, a4, a5};
    return kp_image_call(number, arguments);
}

uint64_t kp_native_copy_make(kp_native_copies_t *copies, uintptr_t pointer, size_t size, bool in,
                             bool out)
{
    void *copy = malloc(size);
    if (!copy)
        return UINT64_MAX;
    if (in)
        memcpy(copy, (const void *)pointer, size);
    else
        memset(copy, 0, size);
    copies->items[copies->count++] = (kp_native_copy_t){(void *)pointer, copy, size, out};
    return (uint64_t)((uint8_t *)copy - kp_native_memory);
}

void kp_native_copies_end(kp_native_copies_t *copies)
{
    for (uint32_t i = 0; i < copies->count; i++) {
        kp_native_copy_t *item = &copies->items[i];
        if (item->out)
            memcpy(item->original, item->copy, item->size);
        free(item->copy);
    }
    copies->count = 0;
}

void kp_native_pointer_wrong(const void *pointer)
{
    /* Where in the image, for runtime/image's symbols. */
    kp_log("a pointer outside of linear memory in a system call: %p, called from %p", pointer,
           __builtin_return_address(0));
    kp_process_trap(KP_TRAP_ABORT, 0);
}
