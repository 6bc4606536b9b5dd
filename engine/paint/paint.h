/* From boxes to a display list (abi/display_list.h): CSS 2.2 appendix E's order, in device px. */
#ifndef KP_ENGINE_PAINT_H
#define KP_ENGINE_PAINT_H

#include "abi/display_list.h"
#include "engine/layout/layout.h"

typedef struct kp_paint {
    kp_buffer_t list;     /* the commands after the header; keeps its memory between frames */
    uint32_t atlas_ids[64]; /* resource of each glyph atlas, in order of creation */
    size_t atlas_count;
    uint32_t background; /* of the canvas, 0xAARRGGBB */
    int32_t width, height; /* scrollable size, CSS px */
} kp_paint_t;

typedef struct kp_paint_input {
    const kp_layout_t *layout;
    kp_text_t *text;
    float scale; /* device px per CSS px */
    /* Only what touches this range of the page is emitted (CSS px). */
    float top, bottom;
    float scroll_x, scroll_y; /* where fixed boxes stand */
} kp_paint_input_t;

/* Appends the commands of the page to paint->list and sets background and size. Rasterises glyphs on
   the way: new atlases come through the text's atlas host. */
kp_status_t kp_paint_page(kp_paint_t *paint, const kp_paint_input_t *input);
void kp_paint_clear(kp_paint_t *paint);

#endif
