/* Floats of one block formatting context (CSS 2.2, section 9.5). */
#include <stdlib.h>

#include "engine/layout/internal.h"

void kp_floats_clear(kp_floats_t *floats)
{
    free(floats->items);
    *floats = (kp_floats_t){0};
}

void kp_floats_span(const kp_floats_t *floats, kp_lu_t y, kp_lu_t height, kp_lu_t *left,
                    kp_lu_t *right)
{
    if (!floats || y >= floats->max_bottom)
        return;
    kp_lu_t bottom = y + (height > 0 ? height : 1);
    for (size_t i = 0; i < floats->count; i++) {
        const kp_float_t *f = &floats->items[i];
        if (f->bottom <= y || f->top >= bottom || f->bottom <= f->top)
            continue;
        if (f->is_left)
            *left = kp_lu_larger(*left, f->right);
        else
            *right = kp_lu_smaller(*right, f->left);
    }
}

kp_lu_t kp_floats_next(const kp_floats_t *floats, kp_lu_t y)
{
    kp_lu_t next = KP_LU_MAX;
    for (size_t i = 0; floats && i < floats->count; i++) {
        if (floats->items[i].bottom > y)
            next = kp_lu_smaller(next, floats->items[i].bottom);
    }
    return next;
}

kp_lu_t kp_floats_clear_y(const kp_floats_t *floats, uint16_t clear, kp_lu_t y)
{
    if (!floats || clear == KP_KW_NONE)
        return y;
    for (size_t i = 0; i < floats->count; i++) {
        const kp_float_t *f = &floats->items[i];
        if (clear == KP_KW_BOTH || (clear == KP_KW_LEFT) == f->is_left)
            y = kp_lu_larger(y, f->bottom);
    }
    return y;
}

void kp_floats_place(kp_layout_t *layout, kp_floats_t *floats, bool is_left, kp_lu_t width,
                     kp_lu_t height, kp_lu_t left_edge, kp_lu_t right_edge, kp_lu_t y,
                     kp_lu_t *x_out, kp_lu_t *y_out)
{
    y = kp_lu_larger(y, floats->last_top);
    kp_lu_t left, right;
    for (;;) {
        left = left_edge;
        right = right_edge;
        kp_floats_span(floats, y, height, &left, &right);
        if (right - left >= width || (left == left_edge && right == right_edge))
            break;
        kp_lu_t next = kp_floats_next(floats, y);
        if (next == KP_LU_MAX)
            break;
        y = next;
    }
    *x_out = is_left ? left : right - width;
    *y_out = y;
    if (floats->count == floats->capacity) {
        size_t more = floats->capacity ? floats->capacity * 2 : 16;
        kp_float_t *items = realloc(floats->items, more * sizeof *items);
        if (!items) {
            kp_layout_fail(layout, KP_ERR_NO_MEMORY);
            return;
        }
        floats->items = items;
        floats->capacity = more;
    }
    floats->items[floats->count++] = (kp_float_t){.left = *x_out,
                                                  .top = y,
                                                  .right = *x_out + width,
                                                  .bottom = y + height,
                                                  .is_left = is_left};
    floats->last_top = y;
    floats->max_bottom = kp_lu_larger(floats->max_bottom, y + height);
}
