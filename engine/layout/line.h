/* One line: from pieces to fragments with positions. Inside of layout. */
#ifndef KP_ENGINE_LAYOUT_LINE_H
#define KP_ENGINE_LAYOUT_LINE_H

#include "engine/layout/internal.h"

/* A part of an item on one line. */
typedef struct kp_piece {
    const kp_inline_item_t *item;
    uint32_t start, end;     /* TEXT: bytes of the inline text */
    float width;             /* px */
    uint32_t trailing_bytes; /* TEXT: spaces at its end, which vanish at the end of the line */
    float trailing_width;
} kp_piece_t;

typedef struct kp_line_input {
    kp_layout_t *layout;
    kp_box_t *box;
    kp_piece_t *pieces;
    size_t piece_count;
    uint32_t first_item;    /* the item that the line begins with: who is open there */
    kp_lu_t left, right, y; /* the line's room, from the box's border edge */
    bool visible;           /* false: nothing in it makes a line box; no height */
    bool last;              /* ends with a forced break or the content: not justified */
} kp_line_input_t;

/* Adds the line to the box's inline content; returns its height. */
kp_lu_t kp_line_finish(kp_line_input_t *input);

#endif
