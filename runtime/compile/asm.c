#include "runtime/compile/asm.h"

kp_status_t kp_asm_grow(kp_asm_t *code, size_t size)
{
    size_t used = (size_t)(code->at - code->base), old = (size_t)(code->end - code->base);
    if (size > code->maximum || used > code->maximum - size)
        return KP_ERR_TOO_LARGE;
    size_t capacity = old + old / 2 > 65536 ? old + old / 2 : 65536;
    if (capacity < used + size)
        capacity = used + size;
    if (capacity > code->maximum)
        capacity = code->maximum;
    uint8_t *base = code->allocator.resize(code->allocator.context, code->base, old, capacity);
    if (!base)
        return KP_ERR_NO_MEMORY;
    code->base = base;
    code->at = base + used;
    code->end = base + capacity;
    return KP_OK;
}
