/* The inner loops. Two channels are worked on at once in a 32-bit word: this survives the way
   through WebAssembly (where auto-vectorisers lose track) and is fast everywhere. */
#include <string.h>

#include "display/painter/internal.h"

void kp_paint_row_fill(uint32_t *row, size_t count, uint32_t color)
{
    color |= 0xff000000u;
    if (color == 0xffffffffu) {
        memset(row, 0xff, count * 4);
        return;
    }
    size_t i = 0;
    uint64_t two = (uint64_t)color << 32 | color;
    for (; i + 4 <= count; i += 4) {
        memcpy(row + i, &two, 8);
        memcpy(row + i + 2, &two, 8);
    }
    for (; i < count; i++)
        row[i] = color;
}

void kp_paint_row_color(uint32_t *row, size_t count, uint32_t color)
{
    uint32_t alpha = color >> 24;
    if (alpha == 255) {
        kp_paint_row_fill(row, count, color);
        return;
    }
    if (alpha == 0)
        return;
    uint32_t source = kp_paint_premultiply(color), rest = 255 - alpha;
    for (size_t i = 0; i < count; i++)
        row[i] = source + kp_paint_scale(row[i], rest);
}

static inline uint32_t mix(uint32_t below, uint32_t color, uint32_t alpha)
{
    uint32_t rest = 255 - alpha;
    uint32_t low = (color & 0x00ff00ffu) * alpha + (below & 0x00ff00ffu) * rest;
    uint32_t high = ((color >> 8) & 0x00ff00ffu) * alpha + ((below >> 8) & 0x00ff00ffu) * rest;
    return kp_paint_div255(low) | kp_paint_div255(high) << 8;
}

void kp_paint_row_color_mask(uint32_t *row, const uint8_t *mask, size_t count, uint32_t color)
{
    uint32_t alpha = color >> 24;
    color |= 0xff000000u;
    if (alpha == 255) {
        for (size_t i = 0; i < count; i++) {
            uint32_t coverage = mask[i];
            if (coverage == 255)
                row[i] = color;
            else if (coverage)
                row[i] = mix(row[i], color, coverage);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (mask[i])
            row[i] = mix(row[i], color, kp_paint_div255(mask[i] * alpha));
    }
}

void kp_paint_row_pixels(uint32_t *row, const uint32_t *source, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t pixel = source[i], alpha = pixel >> 24;
        if (alpha == 255)
            row[i] = pixel;
        else if (alpha)
            row[i] = pixel + kp_paint_scale(row[i], 255 - alpha);
    }
}

void kp_paint_row_pixels_mask(uint32_t *row, const uint32_t *source, const uint8_t *mask,
                              size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t pixel = kp_paint_scale(source[i], mask[i]), alpha = pixel >> 24;
        if (alpha)
            row[i] = pixel + kp_paint_scale(row[i], 255 - alpha);
    }
}

void kp_paint_row_multiply(uint8_t *mask, const uint8_t *by, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mask[i] = (uint8_t)kp_paint_div255((uint32_t)mask[i] * by[i]);
}

void kp_paint_fill(const kp_paint_target_t *target, kp_paint_rect_t area, uint32_t color)
{
    area = kp_paint_rect_intersect(area, (kp_paint_rect_t){0, 0, target->width, target->height});
    if (kp_paint_rect_is_empty(area))
        return;
    size_t count = (size_t)(area.x1 - area.x0);
    uint32_t *first = target->pixels + (size_t)area.y0 * target->stride + area.x0;
    kp_paint_row_fill(first, count, color);
    for (int32_t y = area.y0 + 1; y < area.y1; y++)
        memcpy(first + (size_t)(y - area.y0) * target->stride, first, count * 4);
}

void kp_paint_scroll(const kp_paint_target_t *target, kp_paint_rect_t area, int32_t dx, int32_t dy)
{
    area = kp_paint_rect_intersect(area, (kp_paint_rect_t){0, 0, target->width, target->height});
    kp_paint_rect_t to = kp_paint_rect_intersect(area, kp_paint_rect_move(area, dx, dy));
    if (kp_paint_rect_is_empty(to))
        return;
    size_t bytes = (size_t)(to.x1 - to.x0) * 4;
    int32_t rows = to.y1 - to.y0;
    for (int32_t i = 0; i < rows; i++) {
        int32_t y = dy > 0 ? to.y1 - 1 - i : to.y0 + i; /* never over rows still to be read */
        memmove(target->pixels + (size_t)y * target->stride + to.x0,
                target->pixels + (size_t)(y - dy) * target->stride + (to.x0 - dx), bytes);
    }
}
