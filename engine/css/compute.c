/* Specified to computed values, driven by the property table. */
#include <math.h>
#include <string.h>

#include "engine/css/cascade.h"

typedef enum conversion {
    CONVERT_KEYWORD,
    CONVERT_LENGTH,
    CONVERT_PX,
    CONVERT_COLOR,
    CONVERT_NUMBER,
    CONVERT_INTEGER,
    CONVERT_Z_INDEX,
    CONVERT_BORDER_WIDTH,
    CONVERT_FONT_SIZE,
    CONVERT_FONT_WEIGHT,
    CONVERT_LINE_HEIGHT,
    CONVERT_FAMILY,
    CONVERT_IMAGE,
    CONVERT_POSITION,
    CONVERT_SIZE,
    CONVERT_RADIUS,
    CONVERT_REPEAT,
    CONVERT_SPACING,
    CONVERT_TAB_SIZE,
    CONVERT_LIST_TYPE,
    CONVERT_CONTENT,
    CONVERT_COUNTER,
    CONVERT_QUOTES,
    CONVERT_DECORATION,
    CONVERT_CLIP,
    CONVERT_ASPECT_RATIO,
} conversion_t;

static const struct target {
    uint8_t conversion;
    uint16_t offset, size;
} targets[] = {
#define KP_CSS_PROPERTY(name, text, inherited, conversion, field, accept, keywords) \
    {CONVERT_##conversion, offsetof(kp_style_t, field), sizeof(((kp_style_t *)0)->field)},
#include "engine/css/properties.def"
#undef KP_CSS_PROPERTY
};

void kp_style_initial(kp_style_t *out)
{
    static const char *const family[] = {"serif"};
    static const kp_css_family_list_t families = {1, family};
    memset(out, 0, sizeof *out);
    out->color = 0xff000000u;
    out->font_family = &families;
    out->font_size = 16;
    out->font_weight = 400;
    out->tab_size = 8;
    out->line_height.keyword = KP_KW_NORMAL;
    out->font_style = out->font_variant = KP_KW_NORMAL;
    out->text_align = KP_KW_START;
    out->text_transform = KP_KW_NONE;
    out->white_space = out->word_break = out->overflow_wrap = KP_KW_NORMAL;
    out->visibility = KP_KW_VISIBLE;
    out->list_style_type = KP_KW_DISC;
    out->list_style_position = KP_KW_OUTSIDE;
    out->border_collapse = KP_KW_SEPARATE;
    out->caption_side = KP_KW_TOP;
    out->empty_cells = KP_KW_SHOW;
    out->direction = KP_KW_LTR;
    out->display = KP_KW_INLINE;
    out->position = KP_KW_STATIC;
    out->floating = out->clear = KP_KW_NONE;
    out->box_sizing = KP_KW_CONTENT_BOX;
    out->overflow[0] = out->overflow[1] = KP_KW_VISIBLE;
    out->table_layout = KP_KW_AUTO;
    out->text_overflow = KP_KW_CLIP;
    out->unicode_bidi = KP_KW_NORMAL;
    out->object_fit = KP_KW_FILL;
    out->background_attachment = KP_KW_SCROLL;
    out->background_clip = KP_KW_BORDER_BOX;
    out->background_origin = KP_KW_PADDING_BOX;
    out->background_repeat[0] = out->background_repeat[1] = KP_KW_REPEAT;
    out->flex_direction = KP_KW_ROW;
    out->flex_wrap = KP_KW_NOWRAP;
    out->justify_content = out->align_content = KP_KW_NORMAL;
    out->align_items = KP_KW_NORMAL;
    out->align_self = KP_KW_AUTO;
    out->outline_style = KP_KW_NONE;
    out->decoration_style = KP_KW_SOLID;
    out->width.keyword = out->height.keyword = KP_KW_AUTO;
    out->min_width.keyword = out->min_height.keyword = KP_KW_AUTO;
    out->max_width.keyword = out->max_height.keyword = KP_KW_NONE;
    for (int i = 0; i < 4; i++) {
        out->inset[i].keyword = KP_KW_AUTO;
        out->border_style[i] = KP_KW_NONE;
        out->border_width[i] = 3;
        out->border_color[i] = KP_COLOR_CURRENT;
    }
    out->outline_width = 3;
    out->outline_color = out->decoration_color = KP_COLOR_CURRENT;
    out->vertical_align.keyword = KP_KW_BASELINE;
    out->background_size.x.keyword = out->background_size.y.keyword = KP_KW_AUTO;
    out->opacity = out->flex_shrink = 1;
    out->flex_basis.keyword = KP_KW_AUTO;
    out->gap[0].keyword = out->gap[1].keyword = KP_KW_NORMAL;
    out->z_index = KP_Z_AUTO;
}

/* em: the font size that em refers to. */
static kp_length_t from_factors(kp_css_compute_t *compute, const float *factor, float em)
{
    const kp_css_viewport_t *v = compute->viewport;
    kp_length_t out = {0};
    out.percent = factor[KP_UNIT_PERCENT];
    out.px = factor[KP_UNIT_NUMBER] + factor[KP_UNIT_PX] + factor[KP_UNIT_EM] * em +
             factor[KP_UNIT_REM] * compute->root_font_size +
             (factor[KP_UNIT_VW] * v->width + factor[KP_UNIT_VH] * v->height +
              factor[KP_UNIT_VMIN] * fminf(v->width, v->height) +
              factor[KP_UNIT_VMAX] * fmaxf(v->width, v->height)) /
                 100;
    if (factor[KP_UNIT_EX] != 0 || factor[KP_UNIT_CH] != 0) {
        float ex = em / 2, ch = em / 2;
        if (compute->fonts) {
            kp_style_t sized = *compute->style;
            sized.font_size = em;
            compute->fonts->metrics(compute->fonts->context, &sized, &ex, &ch);
        }
        out.px += factor[KP_UNIT_EX] * ex + factor[KP_UNIT_CH] * ch;
    }
    return out;
}

static kp_length_t from_calc(kp_css_compute_t *compute, const kp_css_calc_t *calc, float em)
{
    if (!calc->operation)
        return from_factors(compute, calc->factor, em);
    kp_length_t best = from_calc(compute, calc->arguments[0], em);
    if (calc->operation == 'c') {
        kp_length_t value = from_calc(compute, calc->arguments[1], em);
        kp_length_t high = from_calc(compute, calc->arguments[2], em);
        /* DEVIATION: percentages are compared as if of the viewport's width. */
        float base = compute->viewport->width / 100;
        float low_px = best.px + best.percent * base, value_px = value.px + value.percent * base;
        float high_px = high.px + high.percent * base;
        return value_px < low_px ? best : value_px > high_px ? high : value;
    }
    for (int i = 1; i < calc->count; i++) {
        kp_length_t other = from_calc(compute, calc->arguments[i], em);
        float base = compute->viewport->width / 100;
        float a = best.px + best.percent * base, b = other.px + other.percent * base;
        if (calc->operation == 'm' ? b < a : b > a)
            best = other;
    }
    return best;
}

static kp_length_t to_length_em(kp_css_compute_t *compute, const kp_css_value_t *value, float em)
{
    if (value->type == KP_CSS_VALUE_KEYWORD)
        return (kp_length_t){.keyword = value->keyword};
    if (value->type == KP_CSS_VALUE_CALC)
        return from_calc(compute, value->as.pointer, em);
    if (value->unit == KP_UNIT_PX || value->unit == KP_UNIT_NUMBER)
        return (kp_length_t){.px = value->as.number};
    if (value->unit == KP_UNIT_PERCENT)
        return (kp_length_t){.percent = value->as.number};
    float factor[KP_UNIT_COUNT] = {0};
    factor[value->unit] = value->as.number;
    return from_factors(compute, factor, em);
}

static kp_length_t to_length(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    return to_length_em(compute, value, compute->style->font_size);
}

static kp_css_pair_t to_pair(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    const kp_css_value_pair_t *pair = value->as.pointer;
    return (kp_css_pair_t){to_length(compute, &pair->first), to_length(compute, &pair->second)};
}

static float font_size(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    float parent = compute->parent->font_size;
    if (value->type == KP_CSS_VALUE_KEYWORD) {
        /* CSS Fonts 4, section 2.5: factors of the absolute sizes; as Chromium has them at 16px. */
        static const struct {
            uint16_t keyword;
            float size, monospace;
        } sizes[] = {{KP_KW_XX_SMALL, 9, 9},   {KP_KW_X_SMALL, 10, 10},  {KP_KW_SMALL, 13, 12},
                     {KP_KW_MEDIUM, 16, 13},   {KP_KW_LARGE, 18, 16},    {KP_KW_X_LARGE, 24, 20},
                     {KP_KW_XX_LARGE, 32, 26}, {KP_KW_XXX_LARGE, 48, 39}};
        bool monospace = compute->style->font_monospace;
        if (value->keyword == KP_KW_SMALLER)
            return parent / 1.2f;
        if (value->keyword == KP_KW_LARGER)
            return parent * 1.2f;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            if (sizes[i].keyword == value->keyword)
                return monospace ? sizes[i].monospace : sizes[i].size;
        }
        return 16;
    }
    kp_length_t length = to_length_em(compute, value, parent);
    float size = length.px + length.percent / 100 * parent;
    return size < 0 ? 0 : size > 2000 ? 2000 : size;
}

/* Going into or out of "monospace" scales sizes by the ratio of the default sizes, 13 to 16, unless
   the size is an absolute length (what every browser does and no specification says). */
static void monospace_scale(kp_css_compute_t *compute)
{
    kp_style_t *style = compute->style;
    if (style->font_absolute || style->font_monospace == compute->parent->font_monospace)
        return;
    style->font_size *= style->font_monospace ? 13.f / 16 : 16.f / 13;
}

void kp_css_compute_font(kp_css_compute_t *compute, const kp_css_value_t *family,
                         const kp_css_value_t *size)
{
    kp_style_t *style = compute->style;
    if (family)
        kp_css_compute_property(compute, KP_CSS_FONT_FAMILY, family);
    const kp_css_family_list_t *list = style->font_family;
    style->font_monospace =
        list->count == 1 && kp_css_text_is(list->names[0], strlen(list->names[0]), "monospace");
    if (size)
        kp_css_compute_property(compute, KP_CSS_FONT_SIZE, size);
    else
        monospace_scale(compute);
}

static float font_weight(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    float parent = compute->parent->font_weight;
    if (value->type == KP_CSS_VALUE_KEYWORD) {
        switch (value->keyword) {
        case KP_KW_BOLD:
            return 700;
        case KP_KW_BOLDER:
            return parent < 350 ? 400 : parent < 550 ? 700 : parent < 900 ? 900 : parent;
        case KP_KW_LIGHTER:
            return parent < 100 ? parent : parent < 550 ? 100 : parent < 750 ? 400 : 700;
        default:
            return 400;
        }
    }
    float weight = to_length(compute, value).px;
    return weight < 1 ? 1 : weight > 1000 ? 1000 : weight;
}

static kp_length_t line_height(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    if (value->type == KP_CSS_VALUE_KEYWORD)
        return (kp_length_t){.keyword = KP_KW_NORMAL};
    if (value->type == KP_CSS_VALUE_NUMBER && value->unit == KP_UNIT_NUMBER)
        return (kp_length_t){.px = value->as.number, .keyword = KP_KW_CONTENT};
    kp_length_t length = to_length(compute, value);
    length.px += length.percent / 100 * compute->style->font_size;
    length.percent = 0;
    return length;
}

static float border_width(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    if (value->type == KP_CSS_VALUE_KEYWORD)
        return value->keyword == KP_KW_THIN ? 1 : value->keyword == KP_KW_THICK ? 5 : 3;
    float width = to_length(compute, value).px, scale = compute->viewport->scale;
    if (width <= 0)
        return 0;
    /* Snapped to whole device pixels, but never to nothing (CSS Values 4, "snap as a border"). */
    float device = width * scale;
    return device < 1 ? 1 / scale : floorf(device) / scale;
}

static const kp_css_image_t *to_image(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    if (value->type != KP_CSS_VALUE_POINTER)
        return NULL;
    const kp_css_image_value_t *specified = value->as.pointer;
    kp_css_image_t *image = kp_arena_alloc(compute->arena, sizeof *image);
    if (!image) {
        compute->failed = true;
        return NULL;
    }
    *image = specified->image;
    if (!image->stop_count)
        return image;
    kp_css_stop_t *stops = kp_arena_array(compute->arena, image->stop_count, sizeof *stops);
    if (!stops) {
        compute->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < image->stop_count; i++) {
        const kp_css_stop_value_t *stop = &specified->stops[i];
        stops[i].color = kp_style_color(compute->style, stop->color.as.color);
        if (stop->position.type == KP_CSS_VALUE_NONE)
            stops[i].position.keyword = KP_KW_AUTO;
        else
            stops[i].position = to_length(compute, &stop->position);
    }
    image->stops = stops;
    return image;
}

static int32_t to_integer(kp_css_compute_t *compute, const kp_css_value_t *value)
{
    float number = roundf(to_length(compute, value).px);
    return number > 1e9f ? 1000000000 : number < -1e9f ? -1000000000 : (int32_t)number;
}

static void convert(kp_css_compute_t *compute, int property, const kp_css_value_t *value)
{
    kp_style_t *style = compute->style;
    void *field = (char *)style + targets[property].offset;
    bool keyword = value->type == KP_CSS_VALUE_KEYWORD;
    switch ((conversion_t)targets[property].conversion) {
    case CONVERT_KEYWORD:
        *(uint16_t *)field = value->keyword;
        break;
    case CONVERT_LENGTH:
        *(kp_length_t *)field = to_length(compute, value);
        break;
    case CONVERT_PX:
        *(float *)field = keyword ? 0 : to_length(compute, value).px;
        break;
    case CONVERT_COLOR:
        /* currentcolor for color itself is the inherited colour. */
        *(kp_color_t *)field = property == KP_CSS_COLOR && value->as.color == KP_COLOR_CURRENT
                                   ? compute->parent->color
                                   : value->as.color;
        break;
    case CONVERT_NUMBER: {
        kp_length_t length = to_length(compute, value);
        float number = length.px + length.percent / 100;
        if (property == KP_CSS_OPACITY)
            number = number < 0 ? 0 : number > 1 ? 1 : number;
        *(float *)field = number;
        break;
    }
    case CONVERT_INTEGER:
        *(int32_t *)field = to_integer(compute, value);
        break;
    case CONVERT_Z_INDEX:
        style->z_index = keyword ? KP_Z_AUTO : to_integer(compute, value);
        break;
    case CONVERT_BORDER_WIDTH:
        *(float *)field = border_width(compute, value);
        break;
    case CONVERT_FONT_SIZE:
        style->font_size = font_size(compute, value);
        style->font_absolute = !keyword && value->type == KP_CSS_VALUE_NUMBER &&
                                       value->unit != KP_UNIT_EM && value->unit != KP_UNIT_PERCENT
                                   ? 1
                                   : compute->parent->font_absolute;
        if (keyword && value->keyword != KP_KW_SMALLER && value->keyword != KP_KW_LARGER)
            style->font_absolute = 0;
        else
            monospace_scale(compute);
        break;
    case CONVERT_FONT_WEIGHT:
        style->font_weight = font_weight(compute, value);
        break;
    case CONVERT_LINE_HEIGHT:
        style->line_height = line_height(compute, value);
        break;
    case CONVERT_FAMILY:
        style->font_family = value->as.pointer;
        break;
    case CONVERT_IMAGE:
        *(const kp_css_image_t **)field = to_image(compute, value);
        break;
    case CONVERT_POSITION:
    case CONVERT_SIZE:
    case CONVERT_RADIUS:
        *(kp_css_pair_t *)field = to_pair(compute, value);
        break;
    case CONVERT_REPEAT: {
        const kp_css_value_pair_t *pair = value->as.pointer;
        style->background_repeat[0] = pair->first.keyword;
        style->background_repeat[1] = pair->second.keyword;
        break;
    }
    case CONVERT_SPACING: {
        kp_css_pair_t pair = to_pair(compute, value);
        style->border_spacing[0] = pair.x.px;
        style->border_spacing[1] = pair.y.px;
        break;
    }
    case CONVERT_TAB_SIZE:
        style->tab_size = to_length(compute, value).px;
        break;
    case CONVERT_LIST_TYPE:
        style->list_style_text = keyword ? NULL : value->as.pointer;
        style->list_style_type = keyword ? value->keyword : KP_KW_NONE;
        break;
    case CONVERT_CONTENT:
        style->content = keyword ? NULL : value->as.pointer;
        break;
    case CONVERT_COUNTER:
        *(const kp_css_counters_t **)field = keyword ? NULL : value->as.pointer;
        break;
    case CONVERT_QUOTES: {
        static const kp_css_quotes_t none = {0, NULL};
        style->quotes = !keyword ? value->as.pointer : value->keyword == KP_KW_NONE ? &none : NULL;
        break;
    }
    case CONVERT_DECORATION:
        style->decoration_line = keyword ? 0 : (uint8_t)value->as.number;
        break;
    case CONVERT_CLIP:
        style->clipped = value->keyword == KP_KW_HIDDEN;
        break;
    case CONVERT_ASPECT_RATIO:
        style->aspect_ratio = keyword ? 0 : value->as.number;
        break;
    }
}

static void copy_field(kp_css_compute_t *compute, int property, const kp_style_t *from)
{
    const struct target *target = &targets[property];
    memcpy((char *)compute->style + target->offset, (const char *)from + target->offset,
           target->size);
    switch (property) {
    case KP_CSS_BACKGROUND_REPEAT: /* fields that the table's field does not cover */
        compute->style->background_repeat[1] = from->background_repeat[1];
        break;
    case KP_CSS_LIST_STYLE_TYPE:
        compute->style->list_style_text = from->list_style_text;
        break;
    case KP_CSS_CLIP:
        compute->style->clipped = from->clipped;
        break;
    case KP_CSS_FONT_SIZE:
        compute->style->font_absolute = from->font_absolute;
        break;
    default:
        break;
    }
}

void kp_css_compute_property(kp_css_compute_t *compute, int property, const kp_css_value_t *value)
{
    if (value->type == KP_CSS_VALUE_KEYWORD) {
        uint16_t keyword = value->keyword;
        /* DEVIATION: revert and revert-layer act as unset (origins are not kept apart here). */
        bool unset =
            keyword == KP_KW_UNSET || keyword == KP_KW_REVERT || keyword == KP_KW_REVERT_LAYER;
        if (keyword == KP_KW_INHERIT || (unset && kp_css_property_inherited(property))) {
            copy_field(compute, property, compute->parent);
            return;
        }
        if (keyword == KP_KW_INITIAL || unset) {
            kp_style_t initial;
            kp_style_initial(&initial);
            copy_field(compute, property, &initial);
            return;
        }
    }
    convert(compute, property, value);
}

static uint16_t blockify(uint16_t display)
{
    switch (display) {
    case KP_KW_INLINE:
    case KP_KW_INLINE_BLOCK:
    case KP_KW_TABLE_ROW:
    case KP_KW_TABLE_ROW_GROUP:
    case KP_KW_TABLE_HEADER_GROUP:
    case KP_KW_TABLE_FOOTER_GROUP:
    case KP_KW_TABLE_COLUMN:
    case KP_KW_TABLE_COLUMN_GROUP:
    case KP_KW_TABLE_CELL:
    case KP_KW_TABLE_CAPTION:
        return KP_KW_BLOCK;
    case KP_KW_INLINE_TABLE:
        return KP_KW_TABLE;
    case KP_KW_INLINE_FLEX:
        return KP_KW_FLEX;
    case KP_KW_INLINE_GRID:
        return KP_KW_GRID;
    default:
        return display;
    }
}

void kp_css_compute_fixup(kp_css_compute_t *compute, bool is_root)
{
    kp_style_t *style = compute->style;
    uint16_t parent = compute->parent->display;
    if (style->display == KP_KW_WEBKIT_BOX || style->display == KP_KW_WEBKIT_FLEX)
        style->display = KP_KW_FLEX;
    if (style->display == KP_KW_WEBKIT_INLINE_BOX)
        style->display = KP_KW_INLINE_FLEX;
    bool out_of_flow = style->position == KP_KW_ABSOLUTE || style->position == KP_KW_FIXED;
    if (out_of_flow)
        style->floating = KP_KW_NONE;
    bool item = parent == KP_KW_FLEX || parent == KP_KW_INLINE_FLEX || parent == KP_KW_GRID ||
                parent == KP_KW_INLINE_GRID;
    if (item && !is_root)
        style->floating = KP_KW_NONE;
    if (style->display != KP_KW_NONE && style->display != KP_KW_CONTENTS &&
        (is_root || out_of_flow || style->floating != KP_KW_NONE || item))
        style->display = blockify(style->display);
    for (int i = 0; i < 4; i++) {
        if (style->border_style[i] == KP_KW_NONE || style->border_style[i] == KP_KW_HIDDEN)
            style->border_width[i] = 0;
    }
    if (style->outline_style == KP_KW_NONE)
        style->outline_width = 0;
    /* visible next to anything that clips computes to auto (CSS Overflow 3). */
    for (int i = 0; i < 2; i++) {
        uint16_t other = style->overflow[1 - i];
        if (style->overflow[i] == KP_KW_VISIBLE && other != KP_KW_VISIBLE && other != KP_KW_CLIP)
            style->overflow[i] = KP_KW_AUTO;
    }
    if (style->text_align == KP_KW_START)
        style->text_align = style->direction == KP_KW_RTL ? KP_KW_RIGHT : KP_KW_LEFT;
    else if (style->text_align == KP_KW_END)
        style->text_align = style->direction == KP_KW_RTL ? KP_KW_LEFT : KP_KW_RIGHT;
    if (style->word_break == KP_KW_BREAK_WORD) {
        style->word_break = KP_KW_NORMAL;
        style->overflow_wrap = KP_KW_ANYWHERE;
    }
}
