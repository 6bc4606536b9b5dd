/* From boxes to a display list (abi/display_list.h), in CSS 2.2 appendix E's order and device px.
 */
#ifndef KP_ENGINE_PAINT_H
#define KP_ENGINE_PAINT_H

#include "abi/display_list.h"
#include "engine/layout/layout.h"

typedef struct kp_paint_input {
    const kp_layout_t *layout; /* its text engine rasterises the glyphs */
    float scale;               /* device px per CSS px */
    /* Resource ids of the glyph atlases in order of creation. Through a pointer, for the array
       grows while glyphs are rasterised. */
    const uint32_t *const *atlas_resources;
    /* Only lines that touch this range of the page are painted, CSS px: pages beyond the display's
       limits are painted in parts. */
    float top, bottom;
} kp_paint_input_t;

/* Replaces *out by the display list of the page (header and commands, without those about
   resources) and sets the canvas colour. ERR_TOO_LARGE: the list would exceed
   KP_DISPLAY_LIST_MAX. */
kp_status_t kp_paint_page(const kp_paint_input_t *input, kp_buffer_t *out, uint32_t *background);

#endif
