/* Shared by the files of layout. */
#ifndef KP_ENGINE_LAYOUT_INTERNAL_H
#define KP_ENGINE_LAYOUT_INTERNAL_H

#include "engine/layout/layout.h"

/* Boxes nest at most so deep: deeper elements put their content into the box at the limit. Keeps
   the recursion of layout inside any stack. */
#define KP_BOX_DEPTH_MAX 192

enum { TOP, RIGHT, BOTTOM, LEFT };

/* ---- box_tree.c ---- */
kp_box_t *kp_box_new(kp_layout_t *layout, kp_box_kind_t kind, kp_node_t *node,
                     const kp_style_t *style);
void kp_box_append(kp_box_t *parent, kp_box_t *child);
void kp_layout_build(kp_layout_t *layout);
/* Appends a box where its display type belongs below parent, making anonymous boxes. */
void kp_box_insert(kp_layout_t *layout, kp_box_t *parent, kp_box_t *child);

/* ---- replaced.c: images and form controls ---- */
/* A REPLACED box for elements that are one; NULL when the element is not. */
kp_box_t *kp_replaced_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style);
/* Sets width and height (border box); margins, borders and padding are resolved. */
void kp_replaced_size(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width, kp_lu_t base_height);

/* ---- marker.c: list markers, counters, generated content ---- */
typedef struct kp_counters kp_counters_t;
kp_counters_t *kp_counters_new(kp_layout_t *layout);
void kp_counters_enter(kp_counters_t *counters, kp_node_t *element, const kp_style_t *style);
void kp_counters_leave(kp_counters_t *counters, kp_node_t *element);
/* The marker's text, NULL for none. */
const char *kp_counters_marker(kp_counters_t *counters, kp_node_t *element,
                               const kp_style_t *style);
const char *kp_counters_content(kp_counters_t *counters, kp_node_t *element,
                                const kp_style_t *style);

/* ---- floats ---- */
typedef struct kp_float {
    kp_lu_t left, top, right, bottom; /* margin box, in the formatting root's border box */
    bool is_left;
} kp_float_t;

typedef struct kp_floats {
    kp_float_t *items; /* malloc */
    size_t count, capacity;
    kp_lu_t last_top; /* no float may be above an earlier one */
    kp_lu_t max_bottom;
} kp_floats_t;

void kp_floats_clear(kp_floats_t *floats);
/* The free span [*left, *right) at [y, y + height) between the given content edges. */
void kp_floats_span(const kp_floats_t *floats, kp_lu_t y, kp_lu_t height, kp_lu_t *left,
                    kp_lu_t *right);
/* The next y below at which more room appears; KP_LU_MAX when there is none. */
kp_lu_t kp_floats_next(const kp_floats_t *floats, kp_lu_t y);
/* How far down clear moves something at y. */
kp_lu_t kp_floats_clear_y(const kp_floats_t *floats, uint16_t clear, kp_lu_t y);
/* Finds the place of a float's margin box between the edges, at y or below, and adds it. */
void kp_floats_place(kp_layout_t *layout, kp_floats_t *floats, bool is_left, kp_lu_t width,
                     kp_lu_t height, kp_lu_t left_edge, kp_lu_t right_edge, kp_lu_t y,
                     kp_lu_t *x_out, kp_lu_t *y_out);

/* ---- block.c ---- */
/* The space that a box is laid out in. */
typedef struct kp_space {
    kp_lu_t width;              /* of the containing block's content box */
    kp_lu_t height;             /* KP_INDEFINITE: percentages of it are auto */
    kp_floats_t *floats;        /* of the formatting context around; NULL inside a new one */
    kp_lu_t origin_x, origin_y; /* of the containing block's border box in that context */
} kp_space_t;

kp_lu_t kp_length_resolve(const kp_length_t *length, kp_lu_t base); /* percent of base */
/* Resolves margin (auto: 0), border and padding of a box against the width around it. */
void kp_box_edges(kp_box_t *box, kp_lu_t base_width);
kp_lu_t kp_box_edges_x(const kp_box_t *box); /* borders and paddings, left and right */
kp_lu_t kp_box_edges_y(const kp_box_t *box);
kp_lu_t kp_box_min_width(const kp_box_t *box, kp_lu_t value, kp_lu_t base_width);
/* The specified width or height as a border-box size; KP_INDEFINITE when auto. */
kp_lu_t kp_box_specified_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width);
kp_lu_t kp_box_specified_height(const kp_box_t *box, kp_lu_t base_height);
kp_lu_t kp_box_clamp_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t width, kp_lu_t base_width);
kp_lu_t kp_box_clamp_height(const kp_box_t *box, kp_lu_t height, kp_lu_t base_height);
/* Shrink-to-fit border-box width in the available space (margins already taken off). */
kp_lu_t kp_box_fit_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t available);
/* The width that an independent box (float, inline-block, absolute, flex item) gets. */
kp_lu_t kp_box_shrink_width(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width,
                            kp_lu_t available);

/* Lays out the inside of a box whose edges and width are set, and sets its height and baselines.
   forced_height: border-box height that stretching gave, or KP_INDEFINITE. */
void kp_box_layout(kp_layout_t *layout, kp_box_t *box, const kp_space_t *space,
                   kp_lu_t forced_height);
/* The same for a box that starts a formatting context of its own. */
void kp_box_layout_alone(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width,
                         kp_lu_t base_height, kp_lu_t forced_height);
void kp_box_place_float(kp_layout_t *layout, kp_box_t *box, kp_box_t *container,
                        const kp_space_t *space, kp_lu_t content_left, kp_lu_t content_right,
                        kp_lu_t y);
void kp_box_wait_out_of_flow(kp_layout_t *layout, kp_box_t *box, kp_box_t *container, kp_lu_t x,
                             kp_lu_t y);
void kp_layout_positioned(kp_layout_t *layout); /* positioned.c */
bool kp_box_is_positioned(const kp_box_t *box);
/* Nothing in it would make a line box. */
bool kp_box_lines_empty(kp_box_t *box);

/* ---- intrinsic.c ---- */
void kp_box_intrinsic(kp_layout_t *layout, kp_box_t *box);
/* What a child adds to its container: its border box or specified width, and margins. */
void kp_box_contribution(kp_layout_t *layout, kp_box_t *child, kp_lu_t *low, kp_lu_t *high);

/* ---- inline_items.c ---- */
typedef enum kp_inline_item_kind {
    KP_ITEM_TEXT,
    KP_ITEM_OPEN,
    KP_ITEM_CLOSE,
    KP_ITEM_ATOMIC,
    KP_ITEM_FLOAT,
    KP_ITEM_OUT_OF_FLOW,
    KP_ITEM_BREAK,
    KP_ITEM_WBR,
} kp_inline_item_kind_t;

typedef struct kp_inline_item {
    uint8_t kind;
    kp_box_t *box;
    uint32_t start, end; /* in the text */
} kp_inline_item_t;

void kp_inline_collect(kp_layout_t *layout, kp_box_t *box);

/* A stretch of text that is measured as one: ends at spaces, break opportunities and items. */
typedef struct kp_segment {
    uint32_t start, end;
    bool space;   /* spaces that may hang or vanish at line ends */
    bool newline; /* a preserved line feed: ends the line */
    bool tab;
    bool breaks; /* the line may end behind it */
    float width;
} kp_segment_t;

static inline bool kp_white_space_wraps(const kp_style_t *style)
{
    return style->white_space != KP_KW_NOWRAP && style->white_space != KP_KW_PRE;
}

static inline bool kp_white_space_preserves(const kp_style_t *style)
{
    return style->white_space == KP_KW_PRE || style->white_space == KP_KW_PRE_WRAP ||
           style->white_space == KP_KW_BREAK_SPACES;
}

kp_segment_t kp_inline_segment(kp_layout_t *layout, const kp_inline_content_t *content,
                               const kp_inline_item_t *item, uint32_t at, float x);
/* The width of a stretch of one text item. */
float kp_inline_measure(kp_layout_t *layout, const kp_style_t *style, const char *text,
                        size_t size);

/* ---- inline.c ---- */
void kp_inline_layout(kp_layout_t *layout, kp_box_t *box, const kp_space_t *space,
                      kp_lu_t content_width, kp_lu_t *content_height);
typedef struct kp_font_height {
    kp_lu_t ascent, descent;
} kp_font_height_t;
kp_font_height_t kp_font_height(kp_layout_t *layout, const kp_style_t *style);
kp_lu_t kp_line_height(kp_layout_t *layout, const kp_style_t *style);

/* ---- table.c, flex.c ---- */
void kp_table_intrinsic(kp_layout_t *layout, kp_box_t *box);
void kp_table_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height);
void kp_flex_intrinsic(kp_layout_t *layout, kp_box_t *box);
void kp_flex_layout(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_height, kp_lu_t forced_height);

static inline void kp_layout_fail(kp_layout_t *layout, kp_status_t status)
{
    if (layout->status == KP_OK)
        layout->status = status;
}

static inline kp_lu_t kp_lu_larger(kp_lu_t a, kp_lu_t b)
{
    return a > b ? a : b;
}

static inline kp_lu_t kp_lu_smaller(kp_lu_t a, kp_lu_t b)
{
    return a < b ? a : b;
}

#endif
