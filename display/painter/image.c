/* Images: a rectangle of a resource scaled to a rectangle, or repeated as tiles. Each axis is a
   list of taps: for every target pixel the source pixels that make it and their weights (two when
   enlarging, as many as it covers when shrinking). */
#include <math.h>
#include <string.h>

#include "display/painter/internal.h"

#define ONE 4096u /* weights of one pixel sum to this */
#define ONE_SQUARED (1u << 24)

typedef struct kp_paint_tap {
    uint32_t first; /* source pixel, relative to the source rectangle */
    uint32_t count;
    uint32_t weight; /* index of the first weight (horizontal) */
} kp_paint_tap_t;

/* How one axis maps: target pixel i of length lies at source [i * step, (i + 1) * step). */
typedef struct kp_paint_axis {
    uint32_t source; /* pixels of the source rectangle */
    double step;
    uint32_t taps_max;
} kp_paint_axis_t;

static kp_paint_axis_t axis_make(uint32_t source, uint32_t target)
{
    kp_paint_axis_t axis = {.source = source, .step = (double)source / (double)target};
    axis.taps_max = axis.step > 1 ? (uint32_t)ceil(axis.step) + 1 : 2;
    return axis;
}

/* Weights for target pixel i; returns their number. They sum to ONE exactly. */
static uint32_t axis_taps(const kp_paint_axis_t *axis, uint32_t i, uint32_t *first,
                          uint16_t *weights)
{
    double last = (double)(axis->source - 1);
    uint32_t count = 0, sum = 0;
    if (axis->step <= 1) { /* between the two nearest pixel centres */
        double at = fmin(fmax(((double)i + 0.5) * axis->step - 0.5, 0), last);
        *first = (uint32_t)at;
        uint32_t second = (uint32_t)((at - (double)*first) * ONE + 0.5);
        weights[count++] = (uint16_t)(ONE - second);
        if (second)
            weights[count++] = (uint16_t)second;
        if (count == 2 && *first + 1 >= axis->source) {
            weights[0] = ONE;
            count = 1;
        }
        return count;
    }
    double from = fmin((double)i * axis->step, last), to = from + axis->step;
    *first = (uint32_t)from;
    for (uint32_t k = *first; k < axis->source && (double)k < to && count < axis->taps_max; k++) {
        double covered = fmin(to, (double)k + 1) - fmax(from, (double)k);
        uint32_t weight = (uint32_t)(covered / axis->step * ONE + 0.5);
        if (weight > ONE - sum)
            weight = ONE - sum;
        weights[count++] = (uint16_t)weight;
        sum += weight;
    }
    weights[count / 2] = (uint16_t)(weights[count / 2] + (ONE - sum));
    return count;
}

/* The source rectangle and how to make rows of the scaled image from it. */
typedef struct kp_paint_scaler {
    const uint8_t *pixels; /* first pixel of the source rectangle */
    size_t stride;
    bool is_copy; /* same size: rows are used as they are */
    kp_paint_axis_t vertical, horizontal;
    uint32_t from, count; /* columns of the scaled image that are wanted */
    kp_paint_tap_t *taps; /* for each of them */
    uint16_t *weights, *vertical_weights;
    uint32_t source_from, source_count; /* source columns that they need */
    uint32_t *sums;                     /* 4 channels of those */
} kp_paint_scaler_t;

static kp_status_t scaler_init(kp_paint_scaler_t *scaler, kp_painter_t *painter,
                               const kp_paint_resource_t *resource, const kp_display_image_t *c,
                               uint32_t width, uint32_t height, uint32_t from, uint32_t count)
{
    *scaler = (kp_paint_scaler_t){
        .pixels =
            resource->pixels + (size_t)c->source_y * resource->stride + (size_t)c->source_x * 4,
        .stride = resource->stride,
        .is_copy = width == c->source_width && height == c->source_height,
        .vertical = axis_make(c->source_height, height),
        .horizontal = axis_make(c->source_width, width),
        .from = from,
        .count = count,
    };
    if (scaler->is_copy)
        return KP_OK;
    size_t taps_bytes = count * sizeof(kp_paint_tap_t);
    size_t weights = (size_t)count * scaler->horizontal.taps_max;
    uint8_t *memory =
        kp_paint_scratch(painter, KP_PAINT_SCRATCH_TAPS,
                         taps_bytes + (weights + scaler->vertical.taps_max) * sizeof(uint16_t));
    if (!memory)
        return KP_ERR_NO_MEMORY;
    scaler->taps = (void *)memory;
    scaler->weights = (void *)(memory + taps_bytes);
    scaler->vertical_weights = scaler->weights + weights;
    uint32_t used = 0, end = 0;
    for (uint32_t i = 0; i < count; i++) {
        kp_paint_tap_t *tap = &scaler->taps[i];
        tap->weight = used;
        tap->count = axis_taps(&scaler->horizontal, from + i, &tap->first, scaler->weights + used);
        used += tap->count;
        end = tap->first + tap->count;
    }
    scaler->source_from = scaler->taps[0].first;
    scaler->source_count = end - scaler->source_from;
    scaler->sums = kp_paint_scratch(painter, KP_PAINT_SCRATCH_SUMS,
                                    (size_t)scaler->source_count * 4 * sizeof(uint32_t));
    return scaler->sums ? KP_OK : KP_ERR_NO_MEMORY;
}

/* Row y of the scaled image, columns [from, from + count), into out. */
static void scaler_row(const kp_paint_scaler_t *scaler, kp_painter_t *painter, uint32_t y,
                       uint32_t *out)
{
    if (scaler->is_copy) {
        memcpy(out, scaler->pixels + y * scaler->stride + (size_t)scaler->from * 4,
               (size_t)scaler->count * 4);
        return;
    }
    uint32_t first = 0;
    uint32_t rows = axis_taps(&scaler->vertical, y, &first, scaler->vertical_weights);
    painter->pixels += (uint64_t)rows * scaler->source_count;
    memset(scaler->sums, 0, (size_t)scaler->source_count * 4 * sizeof(uint32_t));
    for (uint32_t k = 0; k < rows; k++) {
        const uint8_t *source =
            scaler->pixels + (size_t)(first + k) * scaler->stride + (size_t)scaler->source_from * 4;
        uint32_t weight = scaler->vertical_weights[k];
        for (size_t i = 0; i < (size_t)scaler->source_count * 4; i++)
            scaler->sums[i] += source[i] * weight;
    }
    for (uint32_t i = 0; i < scaler->count; i++) {
        const kp_paint_tap_t *tap = &scaler->taps[i];
        const uint32_t *sum = scaler->sums + (size_t)(tap->first - scaler->source_from) * 4;
        uint64_t channel[4] = {0};
        for (uint32_t k = 0; k < tap->count; k++, sum += 4) {
            uint64_t weight = scaler->weights[tap->weight + k];
            for (int n = 0; n < 4; n++)
                channel[n] += sum[n] * weight;
        }
        uint32_t pixel = 0;
        for (int n = 3; n >= 0; n--)
            pixel = pixel << 8 | (uint32_t)((channel[n] + ONE_SQUARED / 2) / ONE_SQUARED);
        out[i] = pixel;
    }
}

static uint32_t positive_modulo(int64_t value, uint32_t by)
{
    int64_t rest = value % (int64_t)by;
    return (uint32_t)(rest < 0 ? rest + by : rest);
}

/* Tiles: one row of the tile is made for every target row and laid side by side. */
static kp_status_t paint_tiles(kp_paint_job_t *job, const kp_display_image_t *c,
                               const kp_paint_resource_t *resource)
{
    const kp_paint_rect_t *a = &job->area;
    size_t width = (size_t)(a->x1 - a->x0);
    uint32_t phase = positive_modulo((int64_t)a->x0 - job->dx - c->tile_x, c->tile_width);
    bool one_is_enough = phase + width <= c->tile_width;
    if (!one_is_enough && c->tile_width > width) { /* two pieces of a tile wider than the area */
        kp_paint_job_t piece = *job;
        piece.area.x1 = a->x0 + (int32_t)(c->tile_width - phase);
        kp_status_t status = paint_tiles(&piece, c, resource);
        piece.area = *a;
        piece.area.x0 = a->x0 + (int32_t)(c->tile_width - phase);
        return status == KP_OK ? paint_tiles(&piece, c, resource) : status;
    }
    uint32_t from = one_is_enough ? phase : 0;
    uint32_t count = one_is_enough ? (uint32_t)width : c->tile_width;
    kp_paint_scaler_t scaler;
    kp_status_t status =
        scaler_init(&scaler, job->painter, resource, c, c->tile_width, c->tile_height, from, count);
    if (status != KP_OK)
        return status;
    uint32_t *tile = kp_paint_scratch(job->painter, KP_PAINT_SCRATCH_PIXELS, (count + width) * 4);
    if (!tile)
        return KP_ERR_NO_MEMORY;
    uint32_t *row = tile + count;
    for (int32_t y = a->y0; y < a->y1; y++) {
        uint32_t tile_y = positive_modulo((int64_t)y - job->dy - c->tile_y, c->tile_height);
        scaler_row(&scaler, job->painter, tile_y, tile);
        size_t at = 0, column = phase - from;
        while (at < width) {
            size_t piece = count - column < width - at ? count - column : width - at;
            memcpy(row + at, tile + column, piece * 4);
            at += piece;
            column = 0;
        }
        kp_paint_job_pixels(job, y, a->x0, a->x1, row, c->opacity);
    }
    return KP_OK;
}

kp_status_t kp_paint_image(kp_paint_job_t *job, const kp_display_image_t *c)
{
    const kp_paint_resource_t *resource = kp_paint_scene_resource(job->scene, c->resource);
    if (c->opacity == 0)
        return KP_OK;
    if (c->repeat)
        return paint_tiles(job, c, resource);
    const kp_paint_rect_t *a = &job->area;
    int32_t left = c->x + job->dx, top = c->y + job->dy;
    kp_paint_scaler_t scaler;
    kp_status_t status =
        scaler_init(&scaler, job->painter, resource, c, (uint32_t)c->width, (uint32_t)c->height,
                    (uint32_t)(a->x0 - left), (uint32_t)(a->x1 - a->x0));
    if (status != KP_OK)
        return status;
    uint32_t *row = kp_paint_scratch(job->painter, KP_PAINT_SCRATCH_PIXELS,
                                     (size_t)(a->x1 - a->x0) * sizeof *row);
    if (!row)
        return KP_ERR_NO_MEMORY;
    for (int32_t y = a->y0; y < a->y1; y++) {
        scaler_row(&scaler, job->painter, (uint32_t)(y - top), row);
        kp_paint_job_pixels(job, y, a->x0, a->x1, row, c->opacity);
    }
    return KP_OK;
}
