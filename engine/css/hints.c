/* Presentational attributes of HTML as declarations (HTML Standard, section 15 "Rendering"). They
   rank below every author style sheet. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/url.h"
#include "engine/css/cascade.h"

static kp_css_value_t keyword(uint16_t k)
{
    return (kp_css_value_t){.type = KP_CSS_VALUE_KEYWORD, .keyword = k};
}

static kp_css_value_t number(float value, kp_css_unit_t unit)
{
    return (kp_css_value_t){.type = KP_CSS_VALUE_NUMBER, .unit = (uint8_t)unit, .as.number = value};
}

static void add(kp_css_declarations_t *out, int property, kp_css_value_t value)
{
    kp_css_declarations_add(out, property, false, value);
}

/* "12", "12px", "50%", " 3.5abc": the rules for parsing dimension values. */
static bool dimension(const char *text, size_t size, kp_css_value_t *out)
{
    size_t i = 0;
    double value = 0, place = .1;
    while (i < size && strchr(" \t\n\f\r", text[i]))
        i++;
    if (i < size && text[i] == '+')
        i++;
    size_t first = i;
    for (; i < size && text[i] >= '0' && text[i] <= '9'; i++)
        value = value < 1e7 ? value * 10 + (text[i] - '0') : value;
    if (i < size && text[i] == '.') {
        for (i++; i < size && text[i] >= '0' && text[i] <= '9'; i++, place /= 10)
            value += place * (text[i] - '0');
    }
    if (i == first)
        return false;
    *out = number((float)value, i < size && text[i] == '%' ? KP_UNIT_PERCENT : KP_UNIT_PX);
    return true;
}

static bool length_attribute(const kp_node_t *e, const char *name, kp_css_value_t *out)
{
    size_t size;
    const char *text = kp_dom_attribute(e, name, &size);
    return text && dimension(text, size, out);
}

static void length_hint(const kp_node_t *e, const char *name, int property,
                        kp_css_declarations_t *out)
{
    kp_css_value_t value;
    if (length_attribute(e, name, &value))
        add(out, property, value);
}

static void color_hint(const kp_node_t *e, const char *name, int property,
                       kp_css_declarations_t *out)
{
    size_t size;
    const char *text = kp_dom_attribute(e, name, &size);
    kp_css_value_t value = {.type = KP_CSS_VALUE_COLOR};
    if (text && kp_css_color_legacy(text, size, &value.as.color))
        add(out, property, value);
}

static void background_hint(const kp_css_context_t *context, const kp_node_t *e,
                            kp_css_declarations_t *out)
{
    size_t size;
    const char *text = kp_dom_attribute(e, "background", &size);
    if (!text || !size)
        return;
    char *url = kp_url_resolve(context->base_url, text, size);
    kp_css_image_value_t *image = kp_arena_alloc(context->arena, sizeof *image);
    if (url && image) {
        image->image.url = kp_arena_string(context->arena, url, strlen(url));
        if (image->image.url)
            add(out, KP_CSS_BACKGROUND_IMAGE,
                (kp_css_value_t){.type = KP_CSS_VALUE_POINTER, .as.pointer = image});
    }
    kp_url_free(url);
}

static bool attribute_is(const kp_node_t *e, const char *name, const char *value)
{
    size_t size;
    const char *text = kp_dom_attribute(e, name, &size);
    return text && kp_css_text_is(text, size, value);
}

static uint16_t align_keyword(const kp_node_t *e)
{
    static const struct {
        const char *name;
        uint16_t keyword;
    } table[] = {{"left", KP_KW_LEFT},
                 {"right", KP_KW_RIGHT},
                 {"center", KP_KW_CENTER},
                 {"middle", KP_KW_CENTER},
                 {"justify", KP_KW_JUSTIFY}};
    size_t size;
    const char *text = kp_dom_attribute(e, "align", &size);
    for (size_t i = 0; text && i < sizeof table / sizeof *table; i++) {
        if (kp_css_text_is(text, size, table[i].name))
            return table[i].keyword;
    }
    return 0;
}

/* align on blocks also aligns block children: the -webkit- keywords do that. */
static void block_align(const kp_node_t *e, kp_css_declarations_t *out)
{
    uint16_t align = align_keyword(e);
    if (align)
        add(out, KP_CSS_TEXT_ALIGN,
            keyword(align == KP_KW_CENTER  ? KP_KW_WEBKIT_CENTER
                    : align == KP_KW_LEFT  ? KP_KW_WEBKIT_LEFT
                    : align == KP_KW_RIGHT ? KP_KW_WEBKIT_RIGHT
                                           : align));
}

static void vertical_hint(const kp_node_t *e, kp_css_declarations_t *out)
{
    size_t size;
    const char *text = kp_dom_attribute(e, "valign", &size);
    uint16_t k = text ? (uint16_t)kp_css_keyword_find(text, size) : 0;
    if (text && kp_css_text_is(text, size, "center"))
        k = KP_KW_MIDDLE;
    if (k == KP_KW_TOP || k == KP_KW_MIDDLE || k == KP_KW_BOTTOM || k == KP_KW_BASELINE)
        add(out, KP_CSS_VERTICAL_ALIGN, keyword(k));
}

static void borders(kp_css_declarations_t *out, float width, uint16_t style)
{
    static const int16_t widths[] = {KP_CSS_BORDER_TOP_WIDTH, KP_CSS_BORDER_RIGHT_WIDTH,
                                     KP_CSS_BORDER_BOTTOM_WIDTH, KP_CSS_BORDER_LEFT_WIDTH};
    static const int16_t styles[] = {KP_CSS_BORDER_TOP_STYLE, KP_CSS_BORDER_RIGHT_STYLE,
                                     KP_CSS_BORDER_BOTTOM_STYLE, KP_CSS_BORDER_LEFT_STYLE};
    for (int i = 0; i < 4; i++) {
        add(out, widths[i], number(width, KP_UNIT_PX));
        add(out, styles[i], keyword(style));
    }
}

static void table_hints(const kp_css_context_t *context, const kp_node_t *e,
                        kp_css_declarations_t *out)
{
    kp_css_value_t value;
    size_t size;
    length_hint(e, "width", KP_CSS_WIDTH, out);
    length_hint(e, "height", KP_CSS_HEIGHT, out);
    color_hint(e, "bgcolor", KP_CSS_BACKGROUND_COLOR, out);
    background_hint(context, e, out);
    if (length_attribute(e, "cellspacing", &value)) {
        kp_css_value_pair_t *pair = kp_arena_alloc(context->arena, sizeof *pair);
        if (pair) {
            pair->first = pair->second = value;
            add(out, KP_CSS_BORDER_SPACING,
                (kp_css_value_t){.type = KP_CSS_VALUE_POINTER, .as.pointer = pair});
        }
    }
    const char *border = kp_dom_attribute(e, "border", &size);
    if (border) {
        if (!dimension(border, size, &value))
            value = number(1, KP_UNIT_PX);
        borders(out, value.as.number, KP_KW_OUTSET);
    }
    uint16_t align = align_keyword(e);
    if (align == KP_KW_CENTER) {
        add(out, KP_CSS_MARGIN_LEFT, keyword(KP_KW_AUTO));
        add(out, KP_CSS_MARGIN_RIGHT, keyword(KP_KW_AUTO));
    } else if (align == KP_KW_LEFT || align == KP_KW_RIGHT) {
        add(out, KP_CSS_FLOAT, keyword(align));
    }
}

static const kp_node_t *table_of(const kp_node_t *e)
{
    while (e && !kp_dom_is(e, LXB_TAG_TABLE))
        e = e->parent;
    return e;
}

static void cell_hints(const kp_css_context_t *context, const kp_node_t *e,
                       kp_css_declarations_t *out)
{
    const kp_node_t *table = table_of(e);
    kp_css_value_t value;
    size_t size;
    if (kp_dom_is(e, LXB_TAG_TD) || kp_dom_is(e, LXB_TAG_TH)) {
        if (length_attribute(e, "width", &value) && value.as.number > 0)
            add(out, KP_CSS_WIDTH, value);
        if (length_attribute(e, "height", &value) && value.as.number > 0)
            add(out, KP_CSS_HEIGHT, value);
        if (kp_dom_has_attribute(e, "nowrap"))
            add(out, KP_CSS_WHITE_SPACE, keyword(KP_KW_NOWRAP));
        if (table) {
            if (length_attribute(table, "cellpadding", &value)) {
                for (int i = 0; i < 4; i++) {
                    static const int16_t sides[] = {KP_CSS_PADDING_TOP, KP_CSS_PADDING_RIGHT,
                                                    KP_CSS_PADDING_BOTTOM, KP_CSS_PADDING_LEFT};
                    add(out, sides[i], value);
                }
            }
            const char *border = kp_dom_attribute(table, "border", &size);
            if (border && (!dimension(border, size, &value) || value.as.number > 0))
                borders(out, 1, KP_KW_INSET);
        }
    } else {
        length_hint(e, "height", KP_CSS_HEIGHT, out);
    }
    color_hint(e, "bgcolor", KP_CSS_BACKGROUND_COLOR, out);
    background_hint(context, e, out);
    vertical_hint(e, out);
    block_align(e, out);
}

static void image_hints(const kp_node_t *e, kp_css_declarations_t *out)
{
    kp_css_value_t value;
    size_t size;
    length_hint(e, "width", KP_CSS_WIDTH, out);
    length_hint(e, "height", KP_CSS_HEIGHT, out);
    if (length_attribute(e, "hspace", &value)) {
        add(out, KP_CSS_MARGIN_LEFT, value);
        add(out, KP_CSS_MARGIN_RIGHT, value);
    }
    if (length_attribute(e, "vspace", &value)) {
        add(out, KP_CSS_MARGIN_TOP, value);
        add(out, KP_CSS_MARGIN_BOTTOM, value);
    }
    if (!kp_dom_is(e, LXB_TAG_IMG) && !kp_dom_is(e, LXB_TAG_INPUT))
        return;
    if (length_attribute(e, "border", &value) && value.as.number > 0)
        borders(out, value.as.number, KP_KW_SOLID);
    const char *align = kp_dom_attribute(e, "align", &size);
    if (!align)
        return;
    if (kp_css_text_is(align, size, "left") || kp_css_text_is(align, size, "right"))
        add(out, KP_CSS_FLOAT, keyword(align_keyword(e)));
    else if (kp_css_text_is(align, size, "middle") || kp_css_text_is(align, size, "absmiddle") ||
             kp_css_text_is(align, size, "center"))
        add(out, KP_CSS_VERTICAL_ALIGN, keyword(KP_KW_MIDDLE));
    else if (kp_css_text_is(align, size, "top") || kp_css_text_is(align, size, "texttop"))
        add(out, KP_CSS_VERTICAL_ALIGN, keyword(KP_KW_TOP));
}

static void font_hints(const kp_css_context_t *context, const kp_node_t *e,
                       kp_css_declarations_t *out)
{
    size_t size;
    color_hint(e, "color", KP_CSS_COLOR, out);
    const char *face = kp_dom_attribute(e, "face", &size);
    if (face && size)
        kp_css_parse_declaration(context, KP_CSS_FONT_FAMILY, NULL, 0, face, size, out);
    const char *text = kp_dom_attribute(e, "size", &size);
    if (!text || !size)
        return;
    int sign = *text == '+' ? 1 : *text == '-' ? -1 : 0, value = 0;
    size_t i = sign != 0;
    for (; i < size && text[i] >= '0' && text[i] <= '9' && value < 100; i++)
        value = value * 10 + (text[i] - '0');
    if (i == (size_t)(sign != 0))
        return;
    value = sign ? 3 + sign * value : value;
    value = value < 1 ? 1 : value > 7 ? 7 : value;
    static const uint16_t sizes[] = {0,           KP_KW_X_SMALL, KP_KW_SMALL,    KP_KW_MEDIUM,
                                     KP_KW_LARGE, KP_KW_X_LARGE, KP_KW_XX_LARGE, KP_KW_XXX_LARGE};
    add(out, KP_CSS_FONT_SIZE, keyword(sizes[value]));
}

static void body_hints(const kp_css_context_t *context, const kp_node_t *e,
                       kp_css_declarations_t *out)
{
    color_hint(e, "bgcolor", KP_CSS_BACKGROUND_COLOR, out);
    color_hint(e, "text", KP_CSS_COLOR, out);
    background_hint(context, e, out);
    static const struct {
        const char *name;
        int first, second;
    } margins[] = {{"marginheight", KP_CSS_MARGIN_TOP, KP_CSS_MARGIN_BOTTOM},
                   {"topmargin", KP_CSS_MARGIN_TOP, KP_CSS_MARGIN_TOP},
                   {"bottommargin", KP_CSS_MARGIN_BOTTOM, KP_CSS_MARGIN_BOTTOM},
                   {"marginwidth", KP_CSS_MARGIN_LEFT, KP_CSS_MARGIN_RIGHT},
                   {"leftmargin", KP_CSS_MARGIN_LEFT, KP_CSS_MARGIN_LEFT},
                   {"rightmargin", KP_CSS_MARGIN_RIGHT, KP_CSS_MARGIN_RIGHT}};
    for (size_t i = 0; i < sizeof margins / sizeof *margins; i++) {
        length_hint(e, margins[i].name, margins[i].first, out);
        length_hint(e, margins[i].name, margins[i].second, out);
    }
}

static void hr_hints(const kp_node_t *e, kp_css_declarations_t *out)
{
    kp_css_value_t value;
    uint16_t align = align_keyword(e);
    length_hint(e, "width", KP_CSS_WIDTH, out);
    if (align == KP_KW_LEFT) {
        add(out, KP_CSS_MARGIN_LEFT, number(0, KP_UNIT_PX));
        add(out, KP_CSS_MARGIN_RIGHT, keyword(KP_KW_AUTO));
    } else if (align == KP_KW_RIGHT) {
        add(out, KP_CSS_MARGIN_LEFT, keyword(KP_KW_AUTO));
        add(out, KP_CSS_MARGIN_RIGHT, number(0, KP_UNIT_PX));
    }
    if (length_attribute(e, "size", &value)) {
        float inner = value.as.number > 2 ? value.as.number - 2 : 0;
        if (value.as.number <= 1)
            add(out, KP_CSS_BORDER_BOTTOM_WIDTH, number(0, KP_UNIT_PX));
        add(out, KP_CSS_HEIGHT, number(inner, KP_UNIT_PX));
    }
    size_t size;
    const char *text = kp_dom_attribute(e, "color", &size);
    bool solid = kp_dom_has_attribute(e, "noshade");
    kp_css_value_t color = {.type = KP_CSS_VALUE_COLOR, .as.color = 0xff808080u};
    if (text && kp_css_color_legacy(text, size, &color.as.color))
        solid = true;
    if (solid) {
        static const int16_t colors[] = {KP_CSS_BORDER_TOP_COLOR, KP_CSS_BORDER_RIGHT_COLOR,
                                         KP_CSS_BORDER_BOTTOM_COLOR, KP_CSS_BORDER_LEFT_COLOR,
                                         KP_CSS_BACKGROUND_COLOR};
        for (int i = 0; i < 5; i++)
            add(out, colors[i], color);
        borders(out, 1, KP_KW_SOLID);
    }
}

static void list_hints(const kp_node_t *e, kp_css_declarations_t *out)
{
    size_t size;
    const char *type = kp_dom_attribute_id(e, LXB_DOM_ATTR_TYPE, &size);
    if (!type)
        return;
    uint16_t k = 0;
    if (size == 1)
        k = *type == '1'   ? KP_KW_DECIMAL
            : *type == 'a' ? KP_KW_LOWER_ALPHA
            : *type == 'A' ? KP_KW_UPPER_ALPHA
            : *type == 'i' ? KP_KW_LOWER_ROMAN
            : *type == 'I' ? KP_KW_UPPER_ROMAN
                           : 0;
    else if (kp_css_text_is(type, size, "disc") || kp_css_text_is(type, size, "circle") ||
             kp_css_text_is(type, size, "square") || kp_css_text_is(type, size, "none"))
        k = (uint16_t)kp_css_keyword_find(type, size);
    if (k)
        add(out, KP_CSS_LIST_STYLE_TYPE, keyword(k));
}

void kp_css_hints(const kp_css_context_t *context, const kp_node_t *e, bool quirks,
                  kp_css_declarations_t *out)
{
    (void)quirks;
    if (attribute_is(e, "dir", "rtl"))
        add(out, KP_CSS_DIRECTION, keyword(KP_KW_RTL));
    else if (attribute_is(e, "dir", "ltr"))
        add(out, KP_CSS_DIRECTION, keyword(KP_KW_LTR));
    switch (e->local_name) {
    case LXB_TAG_TABLE:
        table_hints(context, e, out);
        break;
    case LXB_TAG_TD:
    case LXB_TAG_TH:
    case LXB_TAG_TR:
    case LXB_TAG_TBODY:
    case LXB_TAG_THEAD:
    case LXB_TAG_TFOOT:
        cell_hints(context, e, out);
        break;
    case LXB_TAG_COL:
    case LXB_TAG_COLGROUP:
        length_hint(e, "width", KP_CSS_WIDTH, out);
        break;
    case LXB_TAG_IMG:
    case LXB_TAG_IFRAME:
    case LXB_TAG_VIDEO:
    case LXB_TAG_EMBED:
    case LXB_TAG_OBJECT:
    case LXB_TAG_CANVAS:
        if (e->local_name != LXB_TAG_CANVAS)
            image_hints(e, out);
        break;
    case LXB_TAG_INPUT:
        if (attribute_is(e, "type", "image"))
            image_hints(e, out);
        break;
    case LXB_TAG_FONT:
        font_hints(context, e, out);
        break;
    case LXB_TAG_BODY:
        body_hints(context, e, out);
        break;
    case LXB_TAG_HR:
        hr_hints(e, out);
        break;
    case LXB_TAG_UL:
    case LXB_TAG_OL:
    case LXB_TAG_LI:
        list_hints(e, out);
        break;
    case LXB_TAG_DIV:
    case LXB_TAG_P:
    case LXB_TAG_H1:
    case LXB_TAG_H2:
    case LXB_TAG_H3:
    case LXB_TAG_H4:
    case LXB_TAG_H5:
    case LXB_TAG_H6:
        block_align(e, out);
        break;
    case LXB_TAG_CAPTION:
        if (attribute_is(e, "align", "bottom"))
            add(out, KP_CSS_CAPTION_SIDE, keyword(KP_KW_BOTTOM));
        break;
    case LXB_TAG_BR: {
        size_t size;
        const char *clear = kp_dom_attribute(e, "clear", &size);
        if (clear && size)
            add(out, KP_CSS_CLEAR,
                keyword(kp_css_text_is(clear, size, "left")    ? KP_KW_LEFT
                        : kp_css_text_is(clear, size, "right") ? KP_KW_RIGHT
                                                               : KP_KW_BOTH));
        break;
    }
    default:
        break;
    }
}
