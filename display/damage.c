#include "display/damage.h"

static int64_t area(kp_paint_rect_t r)
{
    return kp_paint_rect_is_empty(r) ? 0 : (int64_t)(r.x1 - r.x0) * (r.y1 - r.y0);
}

/* Pixels that are in the union but in neither rectangle. */
static int64_t waste(kp_paint_rect_t a, kp_paint_rect_t b)
{
    return area(kp_paint_rect_union(a, b)) - area(a) - area(b) +
           area(kp_paint_rect_intersect(a, b));
}

void kp_damage_add(kp_damage_t *damage, kp_paint_rect_t rect)
{
    if (kp_paint_rect_is_empty(rect))
        return;
    for (uint32_t i = 0; i < damage->count;) {
        kp_paint_rect_t both = kp_paint_rect_union(damage->rects[i], rect);
        /* One larger rectangle is cheaper than two that nearly fill it. */
        if (waste(damage->rects[i], rect) * 4 <= area(both)) {
            rect = both;
            damage->rects[i] = damage->rects[--damage->count];
            i = 0;
        } else {
            i++;
        }
    }
    if (damage->count == KP_DAMAGE_MAX) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < damage->count; i++) {
            if (waste(damage->rects[i], rect) < waste(damage->rects[best], rect))
                best = i;
        }
        rect = kp_paint_rect_union(damage->rects[best], rect);
        damage->rects[best] = damage->rects[--damage->count];
        kp_damage_add(damage, rect); /* fits now */
        return;
    }
    damage->rects[damage->count++] = rect;
}

bool kp_damage_intersects(const kp_damage_t *damage, kp_paint_rect_t rect)
{
    for (uint32_t i = 0; i < damage->count; i++) {
        if (!kp_paint_rect_is_empty(kp_paint_rect_intersect(damage->rects[i], rect)))
            return true;
    }
    return false;
}
