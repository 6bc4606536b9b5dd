/* Shared by the files of paint. Coordinates: page px as float until they become device pixels. */
#ifndef KP_ENGINE_PAINT_INTERNAL_H
#define KP_ENGINE_PAINT_INTERNAL_H

#include "abi/display_list.h"
#include "engine/paint/paint.h"

typedef struct kp_paint_rect {
    float x, y, width, height;
} kp_paint_rect_t;

/* Device pixels. */
typedef struct kp_paint_area {
    int32_t x, y, width, height;
} kp_paint_area_t;

typedef struct kp_paint {
    const kp_paint_input_t *input;
    const kp_layout_t *layout;
    kp_buffer_t *out;
    uint32_t command_count;
    float scale;
    float opacity; /* of the groups around, multiplied */
    unsigned clip_depth;
    unsigned depth; /* of stacking contexts */
    /* The GLYPHS command that is still growing, as an offset in out; 0: none. */
    size_t glyphs_at;
    uint32_t glyphs_resource, glyphs_color;
    kp_status_t status;
} kp_paint_t;

/* ---- emit.c: commands ---- */
kp_paint_area_t kp_paint_snap(const kp_paint_t *paint, kp_paint_rect_t rect);
uint32_t kp_paint_color(const kp_paint_t *paint, kp_color_t color);
/* Room for a command of this size, its head filled in; NULL: the list is full or memory short. */
void *kp_paint_command(kp_paint_t *paint, uint32_t kind, size_t size);
/* The same, with its position too: RECT, ROUNDED_RECT, CLIP_PUSH, BORDER, LINEAR_GRADIENT. */
void *kp_paint_command_at(kp_paint_t *paint, uint32_t kind, size_t size, kp_paint_area_t area);
/* The whole image, once, over the area. */
kp_display_image_t *kp_paint_command_image(kp_paint_t *paint, const kp_layout_image_t *image,
                                           kp_paint_area_t area);
void kp_paint_fill(kp_paint_t *paint, kp_paint_rect_t rect, uint32_t color);
void kp_paint_fill_rounded(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2],
                           uint32_t color);
/* A border of one width and colour all round. */
void kp_paint_ring(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2], float width,
                   uint32_t color);
/* false: nested too deep, nothing was pushed. */
bool kp_paint_clip(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2]);
void kp_paint_unclip(kp_paint_t *paint);
void kp_paint_glyph(kp_paint_t *paint, uint32_t atlas, uint32_t color,
                    const kp_display_glyph_t *glyph);

/* ---- background.c: backgrounds and borders ---- */
kp_paint_rect_t kp_paint_border_rect(const kp_box_t *box);
kp_paint_rect_t kp_paint_padding_rect(const kp_box_t *box);
kp_paint_rect_t kp_paint_content_rect(const kp_box_t *box);
/* The corner radii of a border box of this size, px, reduced so that they fit; false: none. */
bool kp_paint_radii(const kp_style_t *style, float width, float height, float radii[4][2]);
/* Which edges an inline fragment lacks. */
enum { KP_PAINT_NO_LEFT = 1, KP_PAINT_NO_RIGHT = 2 };
/* Background and border of a box or of an inline fragment of it. rect: the border box. */
void kp_paint_decorate(kp_paint_t *paint, const kp_box_t *box, kp_paint_rect_t rect,
                       unsigned lacks);
void kp_paint_background(kp_paint_t *paint, const kp_box_t *box, const kp_style_t *style,
                         kp_paint_rect_t rect, kp_paint_rect_t origin, const float radii[4][2]);
void kp_paint_outline(kp_paint_t *paint, const kp_box_t *box);

/* ---- text.c ---- */
/* One line of text with its baseline at y. word_spacing: added to the style's. */
void kp_paint_text(kp_paint_t *paint, const kp_style_t *style, const char *bytes, size_t size,
                   float x, float y, float word_spacing, uint32_t color);
float kp_paint_text_width(kp_paint_t *paint, const kp_style_t *style, const char *bytes,
                          size_t size);
/* A text fragment with its decorations. x, y: the container's border box. */
void kp_paint_text_fragment(kp_paint_t *paint, const kp_box_t *container,
                            const kp_fragment_t *fragment, float x, float y);
void kp_paint_marker(kp_paint_t *paint, const kp_box_t *box);

/* ---- replaced.c ---- */
void kp_paint_replaced(kp_paint_t *paint, const kp_box_t *box);
void kp_paint_image(kp_paint_t *paint, const kp_layout_image_t *image, kp_paint_rect_t to);

#endif
