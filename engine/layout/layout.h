/* Layout: from a styled document to boxes with positions, and what paint, dumps and hit testing ask
   of them. All memory of one layout lives in one arena and dies with it. */
#ifndef KP_ENGINE_LAYOUT_H
#define KP_ENGINE_LAYOUT_H

#include "engine/css/cascade.h"
#include "engine/dom/dom.h"
#include "engine/text/text.h"

/* Lengths inside layout: 1/64 CSS px, as in other engines, so that sums do not drift. */
typedef int32_t kp_lu_t;
#define KP_LU_ONE 64
#define KP_LU_MAX (1 << 29)
#define KP_LU_NONE INT32_MIN
#define KP_INDEFINITE (-1)

/* Lengths that pages give stop at KP_LU_GIVEN_MAX, sums of them at KP_LU_MAX (kp_lu_add): the few more
   that any expression adds stay within the type. */
#define KP_LU_GIVEN_MAX (1 << 26)

static inline kp_lu_t kp_lu_cut(int64_t value)
{
    return value > KP_LU_MAX ? KP_LU_MAX : value < -KP_LU_MAX ? -KP_LU_MAX : (kp_lu_t)value;
}

static inline kp_lu_t kp_lu_add(kp_lu_t a, kp_lu_t b)
{
    return kp_lu_cut((int64_t)a + b);
}

static inline kp_lu_t kp_lu_times(kp_lu_t a, int64_t count)
{
    return kp_lu_cut(a * count);
}

static inline kp_lu_t kp_lu(float px)
{
    const float limit = (float)KP_LU_GIVEN_MAX / KP_LU_ONE;
    if (!(px > -limit)) /* NaN, too */
        return -KP_LU_GIVEN_MAX;
    return px < limit ? (kp_lu_t)(px * KP_LU_ONE) : KP_LU_GIVEN_MAX;
}

/* The next 1/64 px above, but for what float arithmetic adds. */
static inline kp_lu_t kp_lu_ceil(float px)
{
    kp_lu_t value = kp_lu(px);
    return (float)value < px * KP_LU_ONE - 0.01f ? value + 1 : value;
}

static inline float kp_lu_px(kp_lu_t value)
{
    return (float)value / KP_LU_ONE;
}

typedef enum kp_box_kind {
    KP_BOX_BLOCK,  /* block container: block, list-item, inline-block, cell, caption, flow-root */
    KP_BOX_INLINE, /* span, a, ... */
    KP_BOX_TEXT,
    KP_BOX_BREAK, /* br */
    KP_BOX_WBR,
    KP_BOX_REPLACED, /* img, form controls, ... */
    KP_BOX_TABLE,
    KP_BOX_ROW_GROUP,
    KP_BOX_ROW,
    KP_BOX_COLUMN, /* column and column group */
    KP_BOX_FLEX,
} kp_box_kind_t;

typedef struct kp_layout_image {
    uint32_t resource; /* 0: not decoded */
    uint32_t width, height;
    bool failed;
} kp_layout_image_t;

typedef enum kp_control {
    KP_CONTROL_NONE,
    KP_CONTROL_IMAGE,
    KP_CONTROL_TEXT, /* input: one line of text */
    KP_CONTROL_AREA, /* textarea */
    KP_CONTROL_CHECKBOX,
    KP_CONTROL_RADIO,
    KP_CONTROL_SELECT,
    KP_CONTROL_FRAME, /* iframe, video, canvas, svg, object: a box of its size */
    KP_CONTROL_METER,
} kp_control_t;

typedef struct kp_fragment kp_fragment_t;
typedef struct kp_line kp_line_t;
typedef struct kp_box kp_box_t;

typedef enum kp_fragment_kind {
    KP_FRAGMENT_TEXT,   /* a stretch of one text box */
    KP_FRAGMENT_INLINE, /* the part of an inline box on this line; its contents follow */
    KP_FRAGMENT_ATOMIC, /* an inline-block, image, ...: the box has the geometry */
} kp_fragment_kind_t;

/* Coordinates relative to the border box of the block container that has the lines. */
struct kp_fragment {
    kp_box_t *box;
    uint8_t kind;
    bool first, last; /* INLINE: has the box's left, right edge */
    bool ellipsis;    /* TEXT: cut off by text-overflow here */
    kp_lu_t x, y, width, height;
    kp_lu_t baseline;     /* of the text, from the container's top */
    uint32_t start, size; /* TEXT: bytes in the container's inline text */
    float word_spacing;   /* added by text-align: justify, px */
};

struct kp_line {
    kp_lu_t y, height, baseline;
    uint32_t first, count; /* fragments */
};

/* What a block container with inline content has. */
typedef struct kp_inline_content {
    char *text; /* collapsed, transformed */
    uint32_t text_size;
    uint8_t *breaks; /* as kp_text_line_breaks gives them */
    struct kp_inline_item *items;
    uint32_t item_count;
    kp_line_t *lines;
    uint32_t line_count, line_capacity;
    kp_fragment_t *fragments;
    uint32_t fragment_count, fragment_capacity;
} kp_inline_content_t;

struct kp_box {
    kp_box_t *parent, *first_child, *last_child, *next;
    kp_box_t *container;    /* whose border box x and y are relative to; NULL: the page */
    kp_box_t *continuation; /* the next part of an inline box that a block splits */
    kp_node_t *node;        /* NULL: anonymous */
    const kp_style_t *style;
    uint8_t kind;
    bool anonymous, generated; /* generated: ::before, ::after, marker */
    bool inline_level;         /* takes part in its parent's lines */
    bool floating, out_of_flow;
    bool children_inline; /* BLOCK: its in-flow children form lines */
    bool formatting_root; /* BLOCK: makes a block formatting context */
    bool list_item, header_row, cell, caption;
    bool intrinsic_known, through_known, through;
    bool waits;      /* out_of_flow: on the layout's list already */
    uint8_t control; /* REPLACED: kp_control_t */
    uint16_t depth;
    uint16_t column_span;
    uint16_t row_span;
    kp_lu_t x, y, width, height; /* border box; x and y relative to container */
    kp_lu_t offset_x, offset_y;  /* relative positioning */
    kp_lu_t page_x, page_y;      /* border box on the page; set at the end of layout */
    kp_lu_t margin[4], border[4], padding[4];
    kp_lu_t min_content, max_content;      /* of the border box, when intrinsic_known */
    kp_lu_t first_baseline, last_baseline; /* from the border box's top; KP_LU_NONE */
    kp_lu_t margin_bottom_positive, margin_bottom_negative; /* strut that leaves at the bottom */
    kp_lu_t static_x, static_y; /* out_of_flow: where it would be, in `container` then */
    kp_lu_t overflow_right, overflow_bottom; /* of everything inside, page coordinates */
    const char *text; /* TEXT: the node's bytes, or generated text; marker text of list items */
    uint32_t text_size;
    kp_inline_content_t *lines;
    const kp_layout_image_t *image;
    kp_lu_t natural_width, natural_height; /* REPLACED; KP_INDEFINITE: as wide as its container */
    float natural_ratio;                   /* width by height; 0: of the two above */
    struct kp_table *table;
    const char *marker; /* LIST_ITEM with an outside marker: its text */
};

typedef struct kp_layout_host {
    void *context;
    /* The image at this URL, asking for it when it is new; NULL: none. Stays valid and changes in
       place for as long as the document lives. */
    const kp_layout_image_t *(*image)(void *context, const char *url);
} kp_layout_host_t;

typedef struct kp_layout {
    kp_arena_t arena;
    kp_css_cascade_t *cascade;
    kp_text_t *text;
    const kp_layout_host_t *host;
    const char *base_url;
    kp_node_t *document_element;
    kp_lu_t viewport_width, viewport_height;
    bool quirks;
    bool line_quirk; /* quirks and limited quirks: inline boxes without text give lines no height */
    kp_status_t status; /* the first error; work stops soon after */
    kp_box_t *root;     /* the box of the html element; NULL: nothing to show */
    kp_box_t *body;
    kp_box_t **out_of_flow; /* malloc; waiting for their containing block */
    size_t out_of_flow_count, out_of_flow_capacity;
    unsigned flex_depth;
    kp_lu_t page_width, page_height; /* what can be scrolled to */
} kp_layout_t;

/* Builds boxes and lays them out. The cascade must have been applied; everything is borrowed and
   must stay until kp_layout_clear. */
kp_status_t kp_layout_run(kp_layout_t *layout);
void kp_layout_clear(kp_layout_t *layout);

/* The innermost element at a point of the page (px), NULL outside of everything. */
kp_node_t *kp_layout_hit(const kp_layout_t *layout, float x, float y);
/* The element's rectangle on the page: union of its parts. false: it has no box. */
bool kp_layout_rectangle(const kp_box_t *box, kp_lu_t out[4]);

/* JSON as docs/kpio.md has it: [{"path", "x", "y", "width", "height"}, ...], a line each. */
void kp_layout_dump_boxes(const kp_layout_t *layout, kp_buffer_t *out);
/* The text as a reader sees it, a line for a block (innerText's rules, roughly). */
void kp_layout_dump_text(const kp_layout_t *layout, kp_buffer_t *out);

/* The style as engine/text wants it; families are borrowed from the style. */
kp_text_style_t kp_layout_text_style(const kp_style_t *style);

#endif
