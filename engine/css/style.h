/* The computed style of an element or pseudo-element: what layout and paint read. Enumerated
   properties hold their keyword (KP_KW_*). Lengths are CSS px. Styles are immutable, shared by
   elements that compute alike, and live in the arena of the cascade that made them. */
#ifndef KP_ENGINE_CSS_STYLE_H
#define KP_ENGINE_CSS_STYLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kp_css_keyword {
    KP_KW_NOTHING = 0,
#define KP_CSS_KEYWORD(name, text) KP_KW_##name,
#include "engine/css/keywords.def"
#undef KP_CSS_KEYWORD
    KP_KW_COUNT
} kp_css_keyword_t;

/* px + percent of a base, when keyword is 0; else the keyword ("auto", "none", ...). */
typedef struct kp_length {
    float px;
    float percent;
    uint16_t keyword;
} kp_length_t;

/* 0xAARRGGBB, not premultiplied. A value with alpha 0 and colour bits stands for currentcolor; real
   transparent colours are 0. */
typedef uint32_t kp_color_t;
#define KP_COLOR_CURRENT 0x00000001u

typedef struct kp_css_family_list {
    size_t count;
    const char *const *names; /* CSS order, generic names included */
} kp_css_family_list_t;

typedef struct kp_css_stop {
    kp_color_t color;
    kp_length_t position; /* keyword AUTO: spread evenly */
} kp_css_stop_t;

/* url(...) or linear-gradient(...). */
typedef struct kp_css_image {
    const char *url; /* absolute; NULL for a gradient */
    float angle;     /* degrees, 0 to top, 90 to right */
    uint8_t corner;  /* 0: angle counts; else bits 1 top, 2 right, 4 bottom, 8 left */
    bool repeating;
    size_t stop_count;
    const kp_css_stop_t *stops;
} kp_css_image_t;

typedef enum kp_css_content_kind {
    KP_CSS_CONTENT_STRING,
    KP_CSS_CONTENT_ATTRIBUTE,
    KP_CSS_CONTENT_COUNTER, /* keyword: list style; separator NULL: counter(), else counters() */
    KP_CSS_CONTENT_QUOTE,   /* keyword: open-quote ... */
    KP_CSS_CONTENT_IMAGE,
} kp_css_content_kind_t;

typedef struct kp_css_content_item {
    kp_css_content_kind_t kind;
    const char *text;
    const char *separator;
    uint16_t keyword;
} kp_css_content_item_t;

typedef struct kp_css_content {
    size_t count;
    const kp_css_content_item_t *items;
} kp_css_content_t;

typedef struct kp_css_counter {
    const char *name;
    int32_t value;
} kp_css_counter_t;

typedef struct kp_css_counters {
    size_t count;
    const kp_css_counter_t *items;
} kp_css_counters_t;

/* Pairs of open and close quotes, outermost first. */
typedef struct kp_css_quotes {
    size_t count;
    const char *const *pairs; /* 2 * count */
} kp_css_quotes_t;

typedef struct kp_css_custom {
    const char *name; /* interned: compare pointers */
    const char *text; /* the value's tokens */
    uint32_t size;
} kp_css_custom_t;

typedef struct kp_css_customs {
    size_t count;
    const kp_css_custom_t *items; /* ordered by address of name */
} kp_css_customs_t;

typedef struct kp_css_shape {
    kp_length_t x, y;
} kp_css_pair_t;

enum {
    KP_DECORATION_UNDERLINE = 1,
    KP_DECORATION_OVERLINE = 2,
    KP_DECORATION_LINE_THROUGH = 4,
};
#define KP_Z_AUTO INT32_MIN

typedef struct kp_style {
    /* ---- inherited: everything before `display` is copied from the parent ---- */
    kp_color_t color;
    const kp_css_family_list_t *font_family;
    float font_size;
    float font_weight;
    float letter_spacing;
    float word_spacing;
    float tab_size;          /* in spaces */
    float border_spacing[2]; /* horizontal, vertical */
    kp_length_t line_height; /* keyword NORMAL; keyword CONTENT: a factor in px; else a length */
    kp_length_t text_indent;
    const kp_css_image_t *list_style_image;
    const char *list_style_text; /* list-style-type: "string" */
    const kp_css_quotes_t *quotes;
    const kp_css_customs_t *customs;
    uint16_t font_style, font_variant;
    uint16_t text_align, text_transform, white_space, word_break, overflow_wrap;
    uint16_t visibility, list_style_type, list_style_position;
    uint16_t border_collapse, caption_side, empty_cells, direction;
    uint8_t font_monospace; /* the family is exactly "monospace", whose default size is 13px */
    uint8_t font_absolute;  /* the size comes from a length, not from keyword and factors alone */
    /* ---- not inherited ---- */
    uint16_t display;
    uint16_t position, floating, clear, box_sizing, overflow[2];
    uint16_t table_layout, text_overflow, unicode_bidi, object_fit;
    uint16_t background_attachment, background_clip, background_origin, background_repeat[2];
    uint16_t flex_direction, flex_wrap, justify_content, align_items, align_self, align_content;
    uint16_t border_style[4], outline_style, decoration_style;
    uint8_t decoration_line;
    bool clipped;         /* clip: rect(...) that hides everything (the usual hiding idiom) */
    kp_length_t inset[4]; /* top, right, bottom, left: the order of every such array */
    kp_length_t width, height, min_width, min_height, max_width, max_height;
    kp_length_t margin[4], padding[4];
    float border_width[4], outline_width, outline_offset;
    kp_color_t border_color[4], outline_color, background_color, decoration_color;
    kp_css_pair_t border_radius[4];
    kp_length_t vertical_align;
    const kp_css_image_t *background_image;
    kp_css_pair_t background_position;
    kp_css_pair_t background_size; /* keyword AUTO; x: COVER, CONTAIN */
    float opacity, flex_grow, flex_shrink;
    float aspect_ratio;             /* 0: auto */
    kp_length_t flex_basis, gap[2]; /* gap: row, column */
    int32_t order, z_index;
    const kp_css_content_t *content; /* NULL: normal or none */
    const kp_css_counters_t *counter_increment, *counter_reset;
    uint32_t clip; /* unused storage of the clip property */
} kp_style_t;

#define KP_STYLE_INHERITED_SIZE offsetof(kp_style_t, display)

static inline kp_color_t kp_style_color(const kp_style_t *style, kp_color_t color)
{
    return color == KP_COLOR_CURRENT ? style->color : color;
}

static inline bool kp_length_is(const kp_length_t *length, uint16_t keyword)
{
    return length->keyword == keyword;
}

#endif
