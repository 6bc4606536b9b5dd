/* Borders of boxes: the ring between two rounded rectangles, cut at the corners' diagonals where
   the sides differ. Dash lengths and the darkening of inset edges follow Chromium. */
#include <math.h>
#include <string.h>

#include "display/painter/internal.h"

enum { TOP, RIGHT, BOTTOM, LEFT };

typedef struct kp_paint_frame {
    kp_paint_round_t outer, inner;
    kp_paint_round_t third, two_thirds, half; /* for double, groove and ridge */
    float edge[4];
    const kp_display_border_t *command;
    bool is_uniform; /* one colour all around, solid */
} kp_paint_frame_t;

static kp_paint_round_t inset_by(const kp_paint_frame_t *frame, float part)
{
    float edges[4];
    for (int i = 0; i < 4; i++)
        edges[i] = frame->edge[i] * part;
    return kp_paint_round_inset(&frame->outer, edges);
}

/* Edges that together are wider than the box share it. */
static void fit_edges(float *a, float *b, float length)
{
    if (*a + *b > length) {
        float factor = length / (*a + *b);
        *a = floorf(*a * factor);
        *b = length - *a;
    }
}

static void frame_init(kp_paint_frame_t *frame, const kp_paint_job_t *job,
                       const kp_display_border_t *c)
{
    memset(frame, 0, sizeof *frame);
    frame->command = c;
    frame->is_uniform = true;
    int drawn = -1;
    for (int i = 0; i < 4; i++) {
        frame->edge[i] = c->style[i] == KP_DISPLAY_BORDER_NONE ? 0 : (float)c->edge_width[i];
        if (frame->edge[i] <= 0)
            continue;
        if (c->style[i] != KP_DISPLAY_BORDER_SOLID ||
            (drawn >= 0 && c->color[i] != c->color[drawn]))
            frame->is_uniform = false;
        drawn = i;
    }
    fit_edges(&frame->edge[TOP], &frame->edge[BOTTOM], (float)c->height);
    fit_edges(&frame->edge[LEFT], &frame->edge[RIGHT], (float)c->width);
    kp_paint_rect_t rect = {c->x, c->y, c->x + c->width, c->y + c->height};
    frame->outer =
        kp_paint_round_make(kp_paint_rect_move(rect, job->dx, job->dy), c->radius_x, c->radius_y);
    frame->inner = inset_by(frame, 1);
    if (!frame->is_uniform) {
        frame->third = inset_by(frame, 1.0f / 3);
        frame->two_thirds = inset_by(frame, 2.0f / 3);
        frame->half = inset_by(frame, 0.5f);
    }
}

/* Coverage of what is inside one shape and outside the other, into job->mask_row. */
static void ring_row(kp_paint_job_t *job, const kp_paint_round_t *outer,
                     const kp_paint_round_t *inner, int32_t y, int32_t x0, int32_t x1)
{
    uint8_t *hole = job->clip_row; /* free until the row is painted */
    kp_paint_round_row(outer, y, x0, x1, job->mask_row);
    kp_paint_round_row(inner, y, x0, x1, hole);
    for (int32_t i = 0; i < x1 - x0; i++)
        hole[i] = (uint8_t)(255 - hole[i]);
    kp_paint_row_multiply(job->mask_row, hole, (size_t)(x1 - x0));
}

static uint32_t darken(uint32_t color)
{
    uint32_t largest = 0, out = color & 0xff000000u;
    for (unsigned shift = 0; shift < 24; shift += 8)
        largest = (color >> shift & 255) > largest ? color >> shift & 255 : largest;
    if (largest <= 0x20)
        return color;
    float factor = fmaxf(0, ((float)largest - 84) / (float)largest);
    for (unsigned shift = 0; shift < 24; shift += 8)
        out |= (uint32_t)((float)(color >> shift & 255) * factor + 0.5f) << shift;
    return out;
}

/* Length of the gaps so that a whole number of dashes fills the side, beginning and ending on one.
 */
static float fit_gap(float length, float dash, float gap)
{
    float least = floorf((length + gap) / (dash + gap)), most = least + 1;
    float wide = least > 1 ? (length - least * dash) / (least - 1) : gap;
    float narrow = (length - most * dash) / (most - 1);
    return narrow <= 0 || fabsf(wide - gap) < fabsf(narrow - gap) ? wide : narrow;
}

/* How much of [at, at + 1) lies on dashes. */
static float dash_coverage(float at, float dash, float period)
{
    float local = at - floorf(at / period) * period;
    float covered = fmaxf(0, fminf(local + 1, dash) - fminf(local, dash));
    covered += fmaxf(0, local + 1 - period);
    return fminf(1, covered);
}

/* Multiplies job->mask_row by the side's dashes or dots. */
static void dash_row(kp_paint_job_t *job, const kp_paint_frame_t *frame, int side, int32_t y,
                     int32_t x0, int32_t x1)
{
    const kp_paint_rect_t *r = &frame->outer.rect;
    float width = frame->edge[side];
    bool horizontal = side == TOP || side == BOTTOM;
    bool dotted = frame->command->style[side] == KP_DISPLAY_BORDER_DOTTED;
    float dash = dotted ? width : width >= 3 ? width * 2 : width * 3;
    float length = (float)(horizontal ? r->x1 - r->x0 : r->y1 - r->y0);
    float period = dash + fit_gap(length, dash, dash);
    float middle = side == TOP      ? (float)r->y0 + width / 2
                   : side == BOTTOM ? (float)r->y1 - width / 2
                   : side == LEFT   ? (float)r->x0 + width / 2
                                    : (float)r->x1 - width / 2;
    for (int32_t x = x0; x < x1; x++) {
        float along = horizontal ? (float)(x - r->x0) : (float)(y - r->y0);
        float covered;
        if (dotted && width >= 3) {
            float across = (horizontal ? (float)y : (float)x) + 0.5f - middle;
            float local = along + 0.5f - floorf((along + 0.5f) / period) * period - width / 2;
            float distance = sqrtf(local * local + across * across);
            covered = fminf(1, fmaxf(0, width / 2 + 0.5f - distance));
        } else {
            covered = dash_coverage(along, dash, period);
        }
        job->mask_row[x - x0] = (uint8_t)((float)job->mask_row[x - x0] * covered + 0.5f);
    }
}

/* The part of row y that belongs to one side. */
static void paint_side(kp_paint_job_t *job, const kp_paint_frame_t *frame, int side, int32_t y,
                       int32_t x0, int32_t x1)
{
    uint32_t color = frame->command->color[side], style = frame->command->style[side];
    bool lit = side == BOTTOM || side == RIGHT; /* the edges that stay light when sunken */
    if (x0 >= x1 || frame->edge[side] <= 0 || color >> 24 == 0)
        return;
    switch (style) {
    case KP_DISPLAY_BORDER_DOUBLE:
        if (frame->edge[side] >= 3) {
            ring_row(job, &frame->outer, &frame->third, y, x0, x1);
            kp_paint_job_color(job, y, x0, x1, job->mask_row, color);
            ring_row(job, &frame->two_thirds, &frame->inner, y, x0, x1);
            kp_paint_job_color(job, y, x0, x1, job->mask_row, color);
            return;
        }
        break;
    case KP_DISPLAY_BORDER_GROOVE:
    case KP_DISPLAY_BORDER_RIDGE: {
        bool outer_dark = (style == KP_DISPLAY_BORDER_GROOVE) != lit;
        ring_row(job, &frame->outer, &frame->half, y, x0, x1);
        kp_paint_job_color(job, y, x0, x1, job->mask_row, outer_dark ? darken(color) : color);
        ring_row(job, &frame->half, &frame->inner, y, x0, x1);
        kp_paint_job_color(job, y, x0, x1, job->mask_row, outer_dark ? color : darken(color));
        return;
    }
    case KP_DISPLAY_BORDER_INSET:
    case KP_DISPLAY_BORDER_OUTSET:
        if ((style == KP_DISPLAY_BORDER_INSET) != lit)
            color = darken(color);
        break;
    default:
        break;
    }
    ring_row(job, &frame->outer, &frame->inner, y, x0, x1);
    if (style == KP_DISPLAY_BORDER_DASHED || style == KP_DISPLAY_BORDER_DOTTED)
        dash_row(job, frame, side, y, x0, x1);
    kp_paint_job_color(job, y, x0, x1, job->mask_row, color);
}

/* Columns where the left side ends and the right side begins on row y, and whether top or bottom
   lies between: the mitre lines go from the outer through the inner corners. */
static int row_sides(const kp_paint_frame_t *frame, int32_t y, int32_t *left_end,
                     int32_t *right_begin)
{
    const kp_paint_rect_t *r = &frame->outer.rect;
    float from_top = (float)(y - r->y0) + 0.5f, from_bottom = (float)(r->y1 - y) - 0.5f;
    int side = from_top * frame->edge[BOTTOM] < from_bottom * frame->edge[TOP] ? TOP : BOTTOM;
    if (frame->edge[TOP] <= 0 && frame->edge[BOTTOM] <= 0)
        side = from_top < from_bottom ? TOP : BOTTOM;
    float depth = side == TOP ? from_top : from_bottom, edge = frame->edge[side];
    float half = (float)(r->x1 - r->x0) / 2;
    float left = edge > 0 ? depth * frame->edge[LEFT] / edge : half;
    float right = edge > 0 ? depth * frame->edge[RIGHT] / edge : half;
    if (frame->edge[LEFT] <= 0)
        left = 0;
    if (frame->edge[RIGHT] <= 0)
        right = 0;
    *left_end = r->x0 + (int32_t)lroundf(fminf(left, half));
    *right_begin = r->x1 - (int32_t)lroundf(fminf(right, half));
    return side;
}

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* The columns [x0, x1) of row y, all within the job's area. */
static void paint_span(kp_paint_job_t *job, const kp_paint_frame_t *frame, int32_t y, int32_t x0,
                       int32_t x1)
{
    if (x0 >= x1)
        return;
    job->painter->pixels += (uint64_t)(x1 - x0);
    if (frame->is_uniform) {
        uint32_t color = 0;
        for (int i = 0; i < 4; i++)
            color = frame->edge[i] > 0 ? frame->command->color[i] : color;
        ring_row(job, &frame->outer, &frame->inner, y, x0, x1);
        kp_paint_job_color(job, y, x0, x1, job->mask_row, color);
        return;
    }
    int32_t left_end, right_begin;
    int side = row_sides(frame, y, &left_end, &right_begin);
    left_end = clamp(left_end, x0, x1);
    right_begin = clamp(right_begin, left_end, x1);
    paint_side(job, frame, LEFT, y, x0, left_end);
    paint_side(job, frame, side, y, left_end, right_begin);
    paint_side(job, frame, RIGHT, y, right_begin, x1);
}

void kp_paint_border(kp_paint_job_t *job, const kp_display_border_t *c)
{
    kp_paint_frame_t frame;
    frame_init(&frame, job, c);
    const kp_paint_rect_t *a = &job->area;
    for (int32_t y = a->y0; y < a->y1; y++) {
        int32_t from, to; /* the hole, where nothing is to paint */
        kp_paint_round_solid(&frame.inner, y, &from, &to);
        if (from >= to)
            from = to = a->x1;
        paint_span(job, &frame, y, a->x0, clamp(from, a->x0, a->x1));
        paint_span(job, &frame, y, clamp(to, a->x0, a->x1), a->x1);
    }
}
