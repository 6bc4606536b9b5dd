/* Rectangles with elliptic corners, as coverage of one row. */
#include <math.h>
#include <string.h>

#include "display/painter/internal.h"

#define SUBROWS 8 /* of a row, at which the edge of a corner is found exactly */

enum { TOP_LEFT, TOP_RIGHT, BOTTOM_RIGHT, BOTTOM_LEFT };

kp_paint_round_t kp_paint_round_make(kp_paint_rect_t rect, const uint32_t radius_x[4],
                                     const uint32_t radius_y[4])
{
    kp_paint_round_t round = {.rect = rect};
    float width = (float)(rect.x1 - rect.x0), height = (float)(rect.y1 - rect.y0), factor = 1;
    for (int i = 0; i < 4; i++) {
        bool is_round = radius_x[i] && radius_y[i];
        round.rx[i] = is_round ? (float)radius_x[i] : 0;
        round.ry[i] = is_round ? (float)radius_y[i] : 0;
        round.is_round |= is_round;
    }
    if (!round.is_round)
        return round;
    for (int i = 0; i < 4; i++) {
        bool horizontal = i == TOP_LEFT || i == BOTTOM_RIGHT; /* the side from corner i to i + 1 */
        const float *radius = horizontal ? round.rx : round.ry;
        float sum = radius[i] + radius[(i + 1) % 4], length = horizontal ? width : height;
        if (sum > length)
            factor = fminf(factor, length / sum);
    }
    for (int i = 0; i < 4 && factor < 1; i++) {
        round.rx[i] *= factor;
        round.ry[i] *= factor;
    }
    return round;
}

kp_paint_round_t kp_paint_round_inset(const kp_paint_round_t *round, const float edges[4])
{
    kp_paint_round_t inner = *round;
    inner.rect.y0 += (int32_t)lroundf(edges[0]);
    inner.rect.x1 -= (int32_t)lroundf(edges[1]);
    inner.rect.y1 -= (int32_t)lroundf(edges[2]);
    inner.rect.x0 += (int32_t)lroundf(edges[3]);
    static const uint8_t side_x[4] = {3, 1, 1, 3}, side_y[4] = {0, 0, 2, 2};
    inner.is_round = false;
    for (int i = 0; i < 4; i++) {
        inner.rx[i] = fmaxf(0, round->rx[i] - edges[side_x[i]]);
        inner.ry[i] = fmaxf(0, round->ry[i] - edges[side_y[i]]);
        if (inner.rx[i] <= 0 || inner.ry[i] <= 0)
            inner.rx[i] = inner.ry[i] = 0;
        else
            inner.is_round = true;
    }
    return inner;
}

/* How far the corner's edge lies from the rectangle's side at depth (0 at the corner's tip,
   radius_y where it meets the straight side). */
static float corner_edge(float radius_x, float radius_y, float depth)
{
    if (depth >= radius_y)
        return 0;
    float t = 1 - depth / radius_y;
    return radius_x * (1 - sqrtf(fmaxf(0, 1 - t * t)));
}

/* Takes from the mask what lies outside the corner. The pixel with distance d from the side (0 is
   the outermost) is mask[at + step * d], as far as it is inside [0, count). */
static void cut_corner(uint8_t *mask, int32_t count, int32_t at, int32_t step, float radius_x,
                       float radius_y, float depth)
{
    float edges[SUBROWS];
    for (int i = 0; i < SUBROWS; i++)
        edges[i] =
            corner_edge(radius_x, radius_y, fmaxf(0, depth + ((float)i + 0.5f) / (float)SUBROWS));
    int32_t reach = (int32_t)ceilf(fmaxf(edges[0], edges[SUBROWS - 1]));
    /* Only the distances that fall into the mask: radii can be huge. */
    int32_t first = step > 0 ? -at : at - (count - 1), end = step > 0 ? count - at : at + 1;
    for (int32_t d = first > 0 ? first : 0; d < reach && d < end; d++) {
        int32_t x = at + step * d;
        float covered = 0;
        for (int i = 0; i < SUBROWS; i++)
            covered += fminf(1, fmaxf(0, (float)(d + 1) - edges[i]));
        uint32_t coverage = (uint32_t)(covered * (255.0f / SUBROWS) + 0.5f);
        if (coverage < mask[x])
            mask[x] = (uint8_t)coverage;
    }
}

void kp_paint_round_row(const kp_paint_round_t *round, int32_t y, int32_t x0, int32_t x1,
                        uint8_t *mask)
{
    const kp_paint_rect_t *r = &round->rect;
    int32_t count = x1 - x0;
    memset(mask, 0, (size_t)count);
    int32_t from = r->x0 > x0 ? r->x0 : x0, to = r->x1 < x1 ? r->x1 : x1;
    if (y < r->y0 || y >= r->y1 || from >= to)
        return;
    memset(mask + (from - x0), 255, (size_t)(to - from));
    if (!round->is_round)
        return;
    float top = (float)(y - r->y0), bottom = (float)(r->y1 - 1 - y);
    if (top < round->ry[TOP_LEFT])
        cut_corner(mask, count, r->x0 - x0, 1, round->rx[TOP_LEFT], round->ry[TOP_LEFT], top);
    if (top < round->ry[TOP_RIGHT])
        cut_corner(mask, count, r->x1 - 1 - x0, -1, round->rx[TOP_RIGHT], round->ry[TOP_RIGHT],
                   top);
    if (bottom < round->ry[BOTTOM_RIGHT])
        cut_corner(mask, count, r->x1 - 1 - x0, -1, round->rx[BOTTOM_RIGHT],
                   round->ry[BOTTOM_RIGHT], bottom);
    if (bottom < round->ry[BOTTOM_LEFT])
        cut_corner(mask, count, r->x0 - x0, 1, round->rx[BOTTOM_LEFT], round->ry[BOTTOM_LEFT],
                   bottom);
}

void kp_paint_round_solid(const kp_paint_round_t *round, int32_t y, int32_t *from, int32_t *to)
{
    const kp_paint_rect_t *r = &round->rect;
    *from = r->x0;
    *to = r->x1;
    if (y < r->y0 || y >= r->y1) {
        *to = *from;
        return;
    }
    float top = (float)(y - r->y0), bottom = (float)(r->y1 - 1 - y);
    float left = 0, right = 0;
    if (top < round->ry[TOP_LEFT])
        left = corner_edge(round->rx[TOP_LEFT], round->ry[TOP_LEFT], top);
    if (bottom < round->ry[BOTTOM_LEFT])
        left = fmaxf(left, corner_edge(round->rx[BOTTOM_LEFT], round->ry[BOTTOM_LEFT], bottom));
    if (top < round->ry[TOP_RIGHT])
        right = corner_edge(round->rx[TOP_RIGHT], round->ry[TOP_RIGHT], top);
    if (bottom < round->ry[BOTTOM_RIGHT])
        right = fmaxf(right, corner_edge(round->rx[BOTTOM_RIGHT], round->ry[BOTTOM_RIGHT], bottom));
    *from += (int32_t)ceilf(left);
    *to -= (int32_t)ceilf(right);
}

void kp_paint_fill_rounded(const kp_paint_target_t *target, kp_paint_rect_t area,
                           kp_paint_rect_t rect, uint32_t radius, uint32_t color)
{
    const uint32_t radii[4] = {radius, radius, radius, radius};
    kp_paint_round_t round = kp_paint_round_make(rect, radii, radii);
    uint8_t mask[64];
    area = kp_paint_rect_intersect(area, rect);
    area = kp_paint_rect_intersect(area, (kp_paint_rect_t){0, 0, target->width, target->height});
    for (int32_t y = area.y0; y < area.y1; y++) {
        uint32_t *row = target->pixels + (size_t)y * target->stride;
        for (int32_t x = area.x0; x < area.x1; x += (int32_t)sizeof mask) {
            int32_t count = area.x1 - x < (int32_t)sizeof mask ? area.x1 - x : (int32_t)sizeof mask;
            kp_paint_round_row(&round, y, x, x + count, mask);
            kp_paint_row_color_mask(row + x, mask, (size_t)count, color);
        }
    }
}
