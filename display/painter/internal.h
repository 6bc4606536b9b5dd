/* What the painter's files share. Private to this folder. */
#ifndef KP_DISPLAY_PAINTER_INTERNAL_H
#define KP_DISPLAY_PAINTER_INTERNAL_H

#include "display/painter/painter.h"

/* ---- row.c: one row of pixels. Premultiplied colours are 0xAARRGGBB. ---- */

/* Exact x / 255, rounded, of two 16-bit lanes at once. */
static inline uint32_t kp_paint_div255(uint32_t pair)
{
    pair += 0x00800080u;
    return ((pair + ((pair >> 8) & 0x00ff00ffu)) >> 8) & 0x00ff00ffu;
}

/* All four channels times alpha / 255. */
static inline uint32_t kp_paint_scale(uint32_t pixel, uint32_t alpha)
{
    uint32_t low = kp_paint_div255((pixel & 0x00ff00ffu) * alpha);
    uint32_t high = kp_paint_div255(((pixel >> 8) & 0x00ff00ffu) * alpha);
    return low | high << 8;
}

static inline uint32_t kp_paint_premultiply(uint32_t color)
{
    uint32_t alpha = color >> 24;
    return (kp_paint_scale(color & 0x00ffffffu, alpha) & 0x00ffffffu) | alpha << 24;
}

void kp_paint_row_fill(uint32_t *row, size_t count, uint32_t color);
/* color: not premultiplied, any alpha. */
void kp_paint_row_color(uint32_t *row, size_t count, uint32_t color);
/* The same through coverage, one byte a pixel. */
void kp_paint_row_color_mask(uint32_t *row, const uint8_t *mask, size_t count, uint32_t color);
void kp_paint_row_pixels(uint32_t *row, const uint32_t *source, size_t count);
void kp_paint_row_pixels_mask(uint32_t *row, const uint32_t *source, const uint8_t *mask,
                              size_t count);
/* mask[i] = mask[i] * by[i] / 255 */
void kp_paint_row_multiply(uint8_t *mask, const uint8_t *by, size_t count);

/* ---- round.c ---- */
typedef struct kp_paint_round {
    kp_paint_rect_t rect; /* device px, any coordinates */
    float rx[4], ry[4];   /* top left, top right, bottom right, bottom left */
    bool is_round;
} kp_paint_round_t;

/* Radii are scaled down together until they fit (CSS Backgrounds 3, 5.5). */
kp_paint_round_t kp_paint_round_make(kp_paint_rect_t rect, const uint32_t radius_x[4],
                                     const uint32_t radius_y[4]);
/* The shape inside: edges in the order top, right, bottom, left. */
kp_paint_round_t kp_paint_round_inset(const kp_paint_round_t *round, const float edges[4]);
/* Coverage of the pixels [x0, x1) of row y, 0..255. */
void kp_paint_round_row(const kp_paint_round_t *round, int32_t y, int32_t x0, int32_t x1,
                        uint8_t *mask);
/* The columns [*from, *to) in which row y is fully covered (empty when none). */
void kp_paint_round_solid(const kp_paint_round_t *round, int32_t y, int32_t *from, int32_t *to);

/* ---- paint.c: what an operation's painter works with ---- */
typedef struct kp_paint_job {
    const kp_paint_scene_t *scene;
    kp_painter_t *painter;
    const kp_paint_target_t *target;
    kp_paint_rect_t area; /* target px: the operation's bounds inside the damage, not empty */
    int32_t dx, dy;
    uint32_t clip;     /* as in kp_paint_op_t */
    uint8_t *clip_row; /* coverage of the clips, area.x1 - area.x0 bytes; NULL without clips */
    uint8_t *mask_row; /* scratch of the same size */
} kp_paint_job_t;

enum {
    KP_PAINT_SCRATCH_MASKS = 0,
    KP_PAINT_SCRATCH_PIXELS = 1,
    KP_PAINT_SCRATCH_TAPS = 2,
    KP_PAINT_SCRATCH_SUMS = 3,
};
/* At least size bytes, contents undefined; NULL when memory is short. */
void *kp_paint_scratch(kp_painter_t *painter, unsigned which, size_t size);

/* Paint a part of row y of the target, x in [x0, x1) inside job->area, through the clips. mask
   may be NULL (fully covered) and is overwritten when there are clips. */
void kp_paint_job_color(kp_paint_job_t *job, int32_t y, int32_t x0, int32_t x1, uint8_t *mask,
                        uint32_t color);
void kp_paint_job_pixels(kp_paint_job_t *job, int32_t y, int32_t x0, int32_t x1,
                         const uint32_t *pixels, uint32_t opacity);

/* ---- the operations; command points into the scene's bytes ---- */
void kp_paint_border(kp_paint_job_t *job, const kp_display_border_t *command);
kp_status_t kp_paint_image(kp_paint_job_t *job, const kp_display_image_t *command);
kp_status_t kp_paint_gradient(kp_paint_job_t *job, const kp_display_linear_gradient_t *command);

/* ---- scene.c ---- */
const kp_paint_resource_t *kp_paint_scene_resource(const kp_paint_scene_t *scene, uint32_t id);

/* ---- check.c ---- */
/* Structure and own fields of every command; counts what the index needs. */
typedef struct kp_paint_counts {
    uint32_t ops, clips, resources;
} kp_paint_counts_t;
kp_status_t kp_paint_list_check(const uint8_t *bytes, size_t size, kp_paint_counts_t *counts);
/* That the command's uses of resources are inside them. ERR_NOT_FOUND: the resource is not known
   (yet), the command paints nothing. */
kp_status_t kp_paint_uses_check(const kp_paint_scene_t *scene, const kp_display_command_t *command);

#endif
