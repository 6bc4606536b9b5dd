/* The CPU painter: display lists (abi/display_list.h) from untrusted tabs to BGRX pixels.

   A portable library without system calls, used by the display service, by tests and by fuzzing.
   Coordinates are device pixels: of the page in a scene, of the target when painting; rectangles
   are half-open. Not thread-safe; one painter may serve many scenes. */
#ifndef KP_DISPLAY_PAINTER_H
#define KP_DISPLAY_PAINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/display_list.h"

typedef struct kp_paint_rect {
    int32_t x0, y0, x1, y1;
} kp_paint_rect_t;

static inline bool kp_paint_rect_is_empty(kp_paint_rect_t r)
{
    return r.x0 >= r.x1 || r.y0 >= r.y1;
}

static inline kp_paint_rect_t kp_paint_rect_intersect(kp_paint_rect_t a, kp_paint_rect_t b)
{
    return (kp_paint_rect_t){a.x0 > b.x0 ? a.x0 : b.x0, a.y0 > b.y0 ? a.y0 : b.y0,
                             a.x1 < b.x1 ? a.x1 : b.x1, a.y1 < b.y1 ? a.y1 : b.y1};
}

/* The smallest rectangle around both; an empty one counts as nothing. */
static inline kp_paint_rect_t kp_paint_rect_union(kp_paint_rect_t a, kp_paint_rect_t b)
{
    if (kp_paint_rect_is_empty(a))
        return b;
    if (kp_paint_rect_is_empty(b))
        return a;
    return (kp_paint_rect_t){a.x0 < b.x0 ? a.x0 : b.x0, a.y0 < b.y0 ? a.y0 : b.y0,
                             a.x1 > b.x1 ? a.x1 : b.x1, a.y1 > b.y1 ? a.y1 : b.y1};
}

static inline kp_paint_rect_t kp_paint_rect_move(kp_paint_rect_t r, int32_t dx, int32_t dy)
{
    return (kp_paint_rect_t){r.x0 + dx, r.y0 + dy, r.x1 + dx, r.y1 + dy};
}

typedef struct kp_paint_target {
    uint32_t *pixels; /* 0x??RRGGBB */
    size_t stride;    /* pixels from row to row */
    int32_t width, height;
} kp_paint_target_t;

/* Where a scene gets the pixels that a RESOURCE command announces. */
typedef struct kp_paint_host {
    void *context;
    /* Called once for each RESOURCE command, in order. pixels: the first row, readable for
       height * stride bytes until close(owner); they may change under the painter at any time. */
    kp_status_t (*open)(void *context, const kp_display_resource_t *wanted, const uint8_t **pixels,
                        void **owner);
    void (*close)(void *context, void *owner);
} kp_paint_host_t;

typedef struct kp_paint_resource {
    uint32_t id, format, width, height, stride;
    const uint8_t *pixels;
    void *owner;
} kp_paint_resource_t;

/* One command that paints, found by offset; bounds are already cut by its clips. */
typedef struct kp_paint_op {
    kp_paint_rect_t bounds;
    uint32_t offset; /* of the command in bytes */
    uint32_t clip;   /* index + 1 of the innermost rounded clip; 0: bounds say all */
} kp_paint_op_t;

/* A clip with round corners; its parents that are rounded too follow by index + 1. */
typedef struct kp_paint_clip {
    kp_paint_rect_t rect;
    uint32_t radius_x[4], radius_y[4]; /* already made to fit the rectangle */
    uint32_t parent;
} kp_paint_clip_t;

#define KP_PAINT_CHUNK 32u /* operations that share one bounding box */

/* A validated display list with its resources: what a surface shows. Zero-initialise. */
typedef struct kp_paint_scene {
    uint8_t *bytes; /* owned copy of the list */
    size_t size;
    kp_paint_op_t *ops;
    uint32_t op_count;
    kp_paint_rect_t *chunks; /* of every KP_PAINT_CHUNK ops */
    kp_paint_clip_t *clips;
    uint32_t clip_count;
    kp_paint_resource_t *resources; /* sorted by id */
    uint32_t resource_count;
} kp_paint_scene_t;

/* Replaces the scene by the list in bytes[0, size), which must be private to the caller (nobody
   else writes to it meanwhile) and aligned to 4; takes bytes (malloc'ed) in every case. Validates
   every field of every command. On error (ERR_BAD_FORMAT, ERR_NO_MEMORY, ERR_QUOTA or what
   host->open gave) the old scene stays and new resources were closed again. changed: the part of
   the page that may look different now. */
kp_status_t kp_paint_scene_update(kp_paint_scene_t *scene, const kp_paint_host_t *host,
                                  uint8_t *bytes, size_t size, kp_paint_rect_t *changed);
void kp_paint_scene_clear(kp_paint_scene_t *scene, const kp_paint_host_t *host);

/* Scratch memory of painting; zero-initialise, grows as needed. */
typedef struct kp_painter {
    void *scratch[4];
    size_t scratch_size[4];
    uint64_t pixels; /* counts pixels written and read, for measurements and the limit */
} kp_painter_t;
void kp_painter_clear(kp_painter_t *painter);

/* Paints the scene into area of the target (which is cut to the target); the page's point (x, y) is
   the target's (x + dx, y + dy), |dx|, |dy| <= 2 * KP_DISPLAY_COORDINATE_MAX. Does not paint a
   background. Commands for which memory is short are left out; ERR_NO_MEMORY then. ERR_QUOTA: the
   list covers every pixel more than KP_PAINT_OVERDRAW_MAX times or so; the rest of it was left out,
   so that a hostile tab cannot stop the screen. */
#define KP_PAINT_OVERDRAW_MAX 512u
kp_status_t kp_paint_scene_paint(const kp_paint_scene_t *scene, kp_painter_t *painter,
                                 const kp_paint_target_t *target, kp_paint_rect_t area, int32_t dx,
                                 int32_t dy);

/* Fills area (cut to the target) with an opaque colour 0x??RRGGBB. */
void kp_paint_fill(const kp_paint_target_t *target, kp_paint_rect_t area, uint32_t color);
/* Fills the rectangle with round corners, as far as it lies in area. */
void kp_paint_fill_rounded(const kp_paint_target_t *target, kp_paint_rect_t area,
                           kp_paint_rect_t rect, uint32_t radius, uint32_t color);
/* Moves the pixels of area by (dx, dy) inside area; what moves out is lost, what is uncovered stays
   as it was. */
void kp_paint_scroll(const kp_paint_target_t *target, kp_paint_rect_t area, int32_t dx, int32_t dy);

#endif
