/* Images and form controls: boxes with a size of their own. */
#include <math.h>
#include <string.h>

#include "engine/base/url.h"
#include "engine/layout/internal.h"

static const char *source_of(const kp_node_t *element, size_t *size)
{
    const char *src = kp_dom_attribute_id(element, LXB_DOM_ATTR_SRC, size);
    return src && *size ? src : NULL;
}

/* The candidate of srcset nearest above 1x is not looked for: src counts. DEVIATION: srcset and
   <picture> are ignored. */
static kp_box_t *image_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    size_t size;
    const char *src = source_of(element, &size);
    const kp_layout_image_t *image = NULL;
    if (src) {
        char *url = kp_url_resolve(layout->base_url, src, size);
        if (url && layout->host)
            image = layout->host->image(layout->host->context, url);
        kp_url_free(url);
    }
    size_t alt_size = 0;
    const char *alt = kp_dom_attribute_id(element, LXB_DOM_ATTR_ALT, &alt_size);
    bool broken = !image || image->failed;
    if (broken && alt && alt_size == 0 && style->width.keyword && style->height.keyword)
        alt = "";
    kp_box_t *box = kp_box_new(layout, KP_BOX_REPLACED, element, style);
    if (!box)
        return NULL;
    box->control = KP_CONTROL_IMAGE;
    box->image = image;
    if (!broken) {
        box->natural_width = kp_lu((float)image->width);
        box->natural_height = kp_lu((float)image->height);
        return box;
    }
    box->text = alt ? alt : "";
    box->text_size = (uint32_t)alt_size;
    if (alt_size) {
        /* A broken image shows an icon of 16 px and its text. */
        box->natural_width =
            kp_lu(kp_inline_measure(layout, style, alt, alt_size)) + 16 * KP_LU_ONE;
        box->natural_height = kp_lu_larger(kp_line_height(layout, style), 16 * KP_LU_ONE);
    } else if (!alt) {
        box->natural_width = box->natural_height = 16 * KP_LU_ONE;
    }
    return box;
}

static kp_lu_t integer_attribute(const kp_node_t *element, const char *name, int fallback)
{
    size_t size;
    const char *text = kp_dom_attribute(element, name, &size);
    int value = 0;
    for (size_t i = 0; text && i < size && text[i] >= '0' && text[i] <= '9' && value < 10000; i++)
        value = value * 10 + (text[i] - '0');
    return value > 0 ? value : fallback;
}

static float dimension_attribute(const kp_node_t *element, const char *name, float fallback)
{
    size_t size;
    const char *text = kp_dom_attribute(element, name, &size);
    float value = 0;
    size_t i = 0;
    for (; text && i < size && text[i] >= '0' && text[i] <= '9' && value < 100000; i++)
        value = value * 10 + (float)(text[i] - '0');
    if (!i || (text && i < size && text[i] == '%'))
        return fallback;
    return value;
}

static kp_box_t *frame_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    kp_box_t *box = kp_box_new(layout, KP_BOX_REPLACED, element, style);
    if (!box)
        return NULL;
    box->control = KP_CONTROL_FRAME;
    box->natural_width = kp_lu(dimension_attribute(element, "width", 300));
    box->natural_height = kp_lu(dimension_attribute(element, "height", 150));
    return box;
}

/* The four numbers of viewBox give an <svg> its proportions. */
static kp_box_t *svg_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    kp_box_t *box = frame_box(layout, element, style);
    size_t size;
    const char *text = kp_dom_attribute(element, "viewbox", &size);
    float number[4] = {0};
    int count = 0;
    if (!box || !text)
        return box;
    kp_css_lexer_t lexer = kp_css_lexer_init(text, size, NULL);
    kp_css_token_t token;
    do {
        kp_css_lexer_next(&lexer, &token);
        if (token.type == KP_CSS_TOKEN_NUMBER)
            number[count++] = token.number;
    } while (token.type != KP_CSS_TOKEN_END && count < 4);
    if (number[2] <= 0 || number[3] <= 0)
        return box;
    box->natural_ratio = number[2] / number[3];
    float width = dimension_attribute(element, "width", 0);
    float height = dimension_attribute(element, "height", 0);
    if (width <= 0 && height > 0)
        box->natural_width = kp_lu(height * box->natural_ratio);
    else if (width <= 0)
        box->natural_width = KP_INDEFINITE;
    if (height <= 0 && box->natural_width > 0)
        box->natural_height = kp_lu(kp_lu_px(box->natural_width) / box->natural_ratio);
    return box;
}

static kp_box_t *input_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    size_t size, value_size = 0;
    const char *type = kp_dom_attribute_id(element, LXB_DOM_ATTR_TYPE, &size);
    const char *value = kp_dom_attribute(element, "value", &value_size);
    if (!type) {
        type = "text";
        size = 4;
    }
    if (kp_css_text_is(type, size, "image"))
        return image_box(layout, element, style);
    kp_box_t *box = kp_box_new(layout, KP_BOX_REPLACED, element, style);
    if (!box)
        return NULL;
    box->text = value ? value : "";
    box->text_size = (uint32_t)value_size;
    kp_lu_t line = kp_line_height(layout, style);
    bool submit = kp_css_text_is(type, size, "submit"), reset = kp_css_text_is(type, size, "reset");
    if (submit || reset || kp_css_text_is(type, size, "button")) {
        if (!value && !kp_css_text_is(type, size, "button")) {
            box->text = submit ? "Submit" : "Reset";
            box->text_size = (uint32_t)strlen(box->text);
        }
        box->control = KP_CONTROL_TEXT;
        box->natural_width =
            kp_lu_ceil(kp_inline_measure(layout, style, box->text, box->text_size));
        box->natural_height = line;
    } else if (kp_css_text_is(type, size, "checkbox") || kp_css_text_is(type, size, "radio")) {
        box->control = kp_css_text_is(type, size, "radio") ? KP_CONTROL_RADIO : KP_CONTROL_CHECKBOX;
        box->text_size = 0;
        box->natural_width = box->natural_height = 13 * KP_LU_ONE;
    } else {
        /* As wide as `size` average characters. Chromium takes the font's average width. */
        kp_lu_t columns = integer_attribute(element, "size", 20);
        float average = kp_inline_measure(layout, style, "0", 1);
        if (!value || !value_size) {
            const char *hint = kp_dom_attribute_id(element, LXB_DOM_ATTR_PLACEHOLDER, &value_size);
            box->text = hint ? hint : "";
            box->text_size = hint ? (uint32_t)value_size : 0;
        }
        box->control = KP_CONTROL_TEXT;
        box->natural_width = kp_lu(ceilf(average * (float)columns));
        box->natural_height = line;
    }
    return box;
}

static kp_box_t *area_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    kp_box_t *box = kp_box_new(layout, KP_BOX_REPLACED, element, style);
    if (!box)
        return NULL;
    box->control = KP_CONTROL_AREA;
    kp_lu_t columns = integer_attribute(element, "cols", 20);
    kp_lu_t rows = integer_attribute(element, "rows", 2);
    size_t size = 0;
    if (element->first_child && element->first_child->type == LXB_DOM_NODE_TYPE_TEXT)
        box->text = kp_dom_text(element->first_child, &size);
    box->text_size = (uint32_t)size;
    float average = kp_inline_measure(layout, style, "0", 1);
    box->natural_width = kp_lu(average * (float)columns) + 15 * KP_LU_ONE;
    box->natural_height = kp_lu_times(kp_line_height(layout, style), rows);
    return box;
}

static kp_box_t *select_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    kp_box_t *box = kp_box_new(layout, KP_BOX_REPLACED, element, style);
    if (!box)
        return NULL;
    float widest = 0;
    const kp_node_t *chosen = NULL, *first = NULL;
    for (const kp_node_t *node = element->first_child; node; node = kp_dom_next(node, element)) {
        if (!kp_dom_is(node, LXB_TAG_OPTION))
            continue;
        kp_buffer_t text = {0};
        kp_dom_text_content(node, &text);
        float width = kp_inline_measure(layout, style, text.bytes, text.size);
        widest = width > widest ? width : widest;
        kp_buffer_clear(&text);
        first = first ? first : node;
        if (kp_dom_has_attribute(node, "selected"))
            chosen = node;
    }
    chosen = chosen ? chosen : first;
    box->control = KP_CONTROL_SELECT;
    if (chosen && chosen->first_child && chosen->first_child->type == LXB_DOM_NODE_TYPE_TEXT) {
        size_t size;
        const char *text = kp_dom_text(chosen->first_child, &size);
        while (size && strchr(" \t\r\n", *text))
            text++, size--;
        while (size && strchr(" \t\r\n", text[size - 1]))
            size--;
        box->text = text;
        box->text_size = (uint32_t)size;
    }
    box->natural_width = kp_lu(widest);
    box->natural_height = kp_line_height(layout, style);
    return box;
}

kp_box_t *kp_replaced_box(kp_layout_t *layout, kp_node_t *element, const kp_style_t *style)
{
    if (element->ns == LXB_NS_SVG)
        return element->local_name == LXB_TAG_SVG ? svg_box(layout, element, style) : NULL;
    if (element->ns != LXB_NS_HTML)
        return NULL;
    switch (element->local_name) {
    case LXB_TAG_IMG:
        return image_box(layout, element, style);
    case LXB_TAG_IFRAME:
    case LXB_TAG_CANVAS:
    case LXB_TAG_VIDEO:
    case LXB_TAG_EMBED:
    case LXB_TAG_AUDIO:
        return frame_box(layout, element, style);
    case LXB_TAG_INPUT:
        return input_box(layout, element, style);
    case LXB_TAG_TEXTAREA:
        return area_box(layout, element, style);
    case LXB_TAG_SELECT:
        return select_box(layout, element, style);
    default:
        return NULL;
    }
}

/* CSS 2.2, sections 10.3.2 and 10.6.2. */
void kp_replaced_size(kp_layout_t *layout, kp_box_t *box, kp_lu_t base_width, kp_lu_t base_height)
{
    kp_lu_t width = kp_box_specified_width(layout, box, base_width);
    kp_lu_t height = kp_box_specified_height(box, base_height);
    kp_lu_t edges_x = kp_box_edges_x(box), edges_y = kp_box_edges_y(box);
    bool ratio = box->natural_width > 0 && box->natural_height > 0 &&
                 (box->control == KP_CONTROL_IMAGE || box->control == KP_CONTROL_FRAME);
    if (box->control == KP_CONTROL_IMAGE && (!box->image || box->image->failed))
        ratio = false;
    kp_lu_t natural = box->natural_width;
    if (natural == KP_INDEFINITE) {
        kp_lu_t margins = box->margin[LEFT] + box->margin[RIGHT];
        natural = kp_lu_larger(base_width - edges_x - margins, 0);
    }
    double aspect = ratio ? (double)box->natural_width / box->natural_height : 0;
    if (box->natural_ratio > 0)
        aspect = box->natural_ratio;
    if (box->style->aspect_ratio > 0)
        aspect = box->style->aspect_ratio;
    bool auto_width = width == KP_INDEFINITE, auto_height = height == KP_INDEFINITE;
    if (auto_width)
        width = (!auto_height && aspect > 0 ? (kp_lu_t)((height - edges_y) * aspect) : natural) +
                edges_x;
    width = kp_box_clamp_width(layout, box, width, base_width);
    if (auto_height) {
        bool follows = aspect > 0 && (!auto_width || width - edges_x != box->natural_width ||
                                      box->natural_width == KP_INDEFINITE);
        height = (follows ? (kp_lu_t)((width - edges_x) / aspect) : box->natural_height) + edges_y;
    }
    kp_lu_t clamped = kp_box_clamp_height(box, height, base_height);
    if (clamped != height && auto_width && auto_height && aspect > 0)
        width = kp_box_clamp_width(layout, box, (kp_lu_t)((clamped - edges_y) * aspect) + edges_x,
                                   base_width);
    box->width = width;
    box->height = clamped;
    if (box->control == KP_CONTROL_TEXT || box->control == KP_CONTROL_SELECT) {
        kp_font_height_t font = kp_font_height(layout, box->style);
        kp_lu_t inner = box->height - edges_y;
        box->first_baseline = box->last_baseline = box->border[TOP] + box->padding[TOP] +
                                                   (inner - font.ascent - font.descent) / 2 +
                                                   font.ascent;
    }
}
