/* Walks a scene's operations and paints those that touch the damaged area. */
#include <stdlib.h>
#include <string.h>

#include "display/painter/internal.h"

#define WORK_FREE (64u << 20) /* pixels: large images that are shrunk are read as a whole */

void *kp_paint_scratch(kp_painter_t *painter, unsigned which, size_t size)
{
    if (painter->scratch_size[which] < size) {
        size_t grown = size + size / 2;
        void *memory = malloc(grown);
        if (!memory)
            return NULL;
        free(painter->scratch[which]);
        painter->scratch[which] = memory;
        painter->scratch_size[which] = grown;
    }
    return painter->scratch[which];
}

void kp_painter_clear(kp_painter_t *painter)
{
    for (unsigned i = 0; i < 4; i++)
        free(painter->scratch[i]);
    *painter = (kp_painter_t){0};
}

/* Coverage of all rounded clips around the job for [x0, x1) of row y, into clip_row. */
static void clip_row(kp_paint_job_t *job, int32_t y, int32_t x0, int32_t x1)
{
    uint8_t one[256];
    memset(job->clip_row, 255, (size_t)(x1 - x0));
    for (uint32_t i = job->clip; i; i = job->scene->clips[i - 1].parent) {
        const kp_paint_clip_t *clip = &job->scene->clips[i - 1];
        kp_paint_round_t round = kp_paint_round_make(
            kp_paint_rect_move(clip->rect, job->dx, job->dy), clip->radius_x, clip->radius_y);
        int32_t solid_from, solid_to;
        kp_paint_round_solid(&round, y, &solid_from, &solid_to);
        if (solid_from <= x0 && solid_to >= x1)
            continue;
        job->painter->pixels += (uint64_t)(x1 - x0);
        for (int32_t x = x0; x < x1; x += (int32_t)sizeof one) {
            int32_t end = x1 - x < (int32_t)sizeof one ? x1 : x + (int32_t)sizeof one;
            kp_paint_round_row(&round, y, x, end, one);
            kp_paint_row_multiply(job->clip_row + (x - x0), one, (size_t)(end - x));
        }
    }
}

static uint32_t *target_row(kp_paint_job_t *job, int32_t y, int32_t x)
{
    return job->target->pixels + (size_t)y * job->target->stride + x;
}

void kp_paint_job_color(kp_paint_job_t *job, int32_t y, int32_t x0, int32_t x1, uint8_t *mask,
                        uint32_t color)
{
    size_t count = (size_t)(x1 - x0);
    if (job->clip) {
        clip_row(job, y, x0, x1);
        if (mask)
            kp_paint_row_multiply(mask, job->clip_row, count);
        else
            mask = job->clip_row;
    }
    job->painter->pixels += count;
    if (mask)
        kp_paint_row_color_mask(target_row(job, y, x0), mask, count, color);
    else
        kp_paint_row_color(target_row(job, y, x0), count, color);
}

void kp_paint_job_pixels(kp_paint_job_t *job, int32_t y, int32_t x0, int32_t x1,
                         const uint32_t *pixels, uint32_t opacity)
{
    size_t count = (size_t)(x1 - x0);
    job->painter->pixels += count;
    if (!job->clip && opacity == 255) {
        kp_paint_row_pixels(target_row(job, y, x0), pixels, count);
        return;
    }
    memset(job->mask_row, (int)opacity, count);
    if (job->clip) {
        clip_row(job, y, x0, x1);
        kp_paint_row_multiply(job->mask_row, job->clip_row, count);
    }
    kp_paint_row_pixels_mask(target_row(job, y, x0), pixels, job->mask_row, count);
}

static void paint_rect(kp_paint_job_t *job, uint32_t color)
{
    const kp_paint_rect_t *a = &job->area;
    if (color >> 24 == 255 && !job->clip) {
        job->painter->pixels += (uint64_t)(a->x1 - a->x0) * (uint64_t)(a->y1 - a->y0);
        kp_paint_fill(job->target, *a, color);
        return;
    }
    for (int32_t y = a->y0; y < a->y1; y++)
        kp_paint_job_color(job, y, a->x0, a->x1, NULL, color);
}

static void paint_rounded_rect(kp_paint_job_t *job, const kp_display_rounded_rect_t *c)
{
    kp_paint_rect_t rect = {c->x + job->dx, c->y + job->dy, c->x + c->width + job->dx,
                            c->y + c->height + job->dy};
    kp_paint_round_t round = kp_paint_round_make(rect, c->radius_x, c->radius_y);
    const kp_paint_rect_t *a = &job->area;
    for (int32_t y = a->y0; y < a->y1; y++) {
        int32_t from, to;
        kp_paint_round_solid(&round, y, &from, &to);
        from = from > a->x0 ? from : a->x0;
        to = to < a->x1 ? to : a->x1;
        if (from >= to)
            from = to = a->x1;
        if (a->x0 < from) {
            kp_paint_round_row(&round, y, a->x0, from, job->mask_row);
            kp_paint_job_color(job, y, a->x0, from, job->mask_row, c->color);
        }
        if (from < to)
            kp_paint_job_color(job, y, from, to, NULL, c->color);
        if (to < a->x1) {
            kp_paint_round_row(&round, y, to, a->x1, job->mask_row);
            kp_paint_job_color(job, y, to, a->x1, job->mask_row, c->color);
        }
    }
}

static void paint_glyphs(kp_paint_job_t *job, const kp_display_glyphs_t *c)
{
    const kp_paint_resource_t *resource = kp_paint_scene_resource(job->scene, c->resource);
    const kp_display_glyph_t *glyph = (const void *)(c + 1);
    const kp_paint_rect_t *a = &job->area;
    for (uint32_t i = 0; i < c->count; i++, glyph++) {
        int32_t x = glyph->x + job->dx, y = glyph->y + job->dy;
        kp_paint_rect_t cut = kp_paint_rect_intersect(
            *a, (kp_paint_rect_t){x, y, x + glyph->width, y + glyph->height});
        if (kp_paint_rect_is_empty(cut))
            continue;
        size_t count = (size_t)(cut.x1 - cut.x0);
        job->painter->pixels += (uint64_t)count * (uint64_t)(cut.y1 - cut.y0);
        const uint8_t *mask = resource->pixels +
                              (size_t)(glyph->source_y + (cut.y0 - y)) * resource->stride +
                              glyph->source_x + (size_t)(cut.x0 - x);
        for (int32_t row = cut.y0; row < cut.y1; row++, mask += resource->stride) {
            if (job->clip) { /* the mask is shared memory: never multiplied in place */
                memcpy(job->mask_row, mask, count);
                kp_paint_job_color(job, row, cut.x0, cut.x1, job->mask_row, c->color);
            } else {
                kp_paint_row_color_mask(target_row(job, row, cut.x0), mask, count, c->color);
            }
        }
    }
}

static kp_status_t paint_op(kp_paint_job_t *job, const kp_display_command_t *command)
{
    const kp_display_rect_t *rect = (const void *)command;
    switch (command->kind) {
    case KP_DISPLAY_RECT:
        paint_rect(job, rect->color);
        return KP_OK;
    case KP_DISPLAY_ROUNDED_RECT:
        paint_rounded_rect(job, (const void *)command);
        return KP_OK;
    case KP_DISPLAY_GLYPHS:
        paint_glyphs(job, (const void *)command);
        return KP_OK;
    case KP_DISPLAY_BORDER:
        kp_paint_border(job, (const void *)command);
        return KP_OK;
    case KP_DISPLAY_IMAGE:
        return kp_paint_image(job, (const void *)command);
    case KP_DISPLAY_LINEAR_GRADIENT:
        return kp_paint_gradient(job, (const void *)command);
    default:
        return KP_OK;
    }
}

kp_status_t kp_paint_scene_paint(const kp_paint_scene_t *scene, kp_painter_t *painter,
                                 const kp_paint_target_t *target, kp_paint_rect_t area, int32_t dx,
                                 int32_t dy)
{
    area = kp_paint_rect_intersect(area, (kp_paint_rect_t){0, 0, target->width, target->height});
    if (kp_paint_rect_is_empty(area) || !scene->op_count)
        return KP_OK;
    size_t width = (size_t)(area.x1 - area.x0);
    uint8_t *masks = kp_paint_scratch(painter, KP_PAINT_SCRATCH_MASKS, width * 2);
    if (!masks)
        return KP_ERR_NO_MEMORY;
    kp_paint_rect_t page = kp_paint_rect_move(area, -dx, -dy);
    kp_status_t result = KP_OK;
    uint64_t limit = painter->pixels + WORK_FREE +
                     (uint64_t)width * (uint64_t)(area.y1 - area.y0) * KP_PAINT_OVERDRAW_MAX;
    for (uint32_t i = 0; i < scene->op_count; i++) {
        if (painter->pixels > limit)
            return KP_ERR_QUOTA;
        if (i % KP_PAINT_CHUNK == 0 && kp_paint_rect_is_empty(kp_paint_rect_intersect(
                                           page, scene->chunks[i / KP_PAINT_CHUNK]))) {
            i += KP_PAINT_CHUNK - 1;
            continue;
        }
        const kp_paint_op_t *op = &scene->ops[i];
        kp_paint_rect_t cut = kp_paint_rect_intersect(page, op->bounds);
        if (kp_paint_rect_is_empty(cut))
            continue;
        kp_paint_job_t job = {.scene = scene,
                              .painter = painter,
                              .target = target,
                              .area = kp_paint_rect_move(cut, dx, dy),
                              .dx = dx,
                              .dy = dy,
                              .clip = op->clip,
                              .clip_row = masks,
                              .mask_row = masks + width};
        kp_status_t status = paint_op(&job, (const void *)(scene->bytes + op->offset));
        if (status != KP_OK)
            result = status;
    }
    return result;
}
