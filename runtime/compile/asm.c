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

void kp_asm_align(kp_asm_t *code, unsigned alignment)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    unsigned left = -kp_asm_here(code) & (alignment - 1);
    while (left) {
        unsigned size = left < 9 ? left : 9;
        memcpy(code->at, nops[size - 1], size);
        code->at += size;
        left -= size;
    }
}
