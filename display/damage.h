/* A short list of rectangles that do not lose anything: when it is full, some grow together. */
#ifndef KP_DISPLAY_DAMAGE_H
#define KP_DISPLAY_DAMAGE_H

#include "display/painter/painter.h"

#define KP_DAMAGE_MAX 12u

typedef struct kp_damage {
    kp_paint_rect_t rects[KP_DAMAGE_MAX];
    uint32_t count;
} kp_damage_t;

void kp_damage_add(kp_damage_t *damage, kp_paint_rect_t rect);
static inline void kp_damage_clear(kp_damage_t *damage)
{
    damage->count = 0;
}
bool kp_damage_intersects(const kp_damage_t *damage, kp_paint_rect_t rect);

#endif
