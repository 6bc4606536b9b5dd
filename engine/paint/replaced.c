/* Images and form controls. */
#include "engine/paint/internal.h"

#include <math.h>
#include <string.h>

void kp_paint_image(kp_paint_t *paint, const kp_layout_image_t *image, kp_paint_rect_t to)
{
    kp_paint_area_t area = kp_paint_snap(paint, to);
    if (image->resource == 0 || image->width == 0 || image->height == 0 || area.width == 0 ||
        area.height == 0)
        return;
    (void)kp_paint_command_image(paint, image, area);
}

/* CSS Images 3, 5.5: where object-fit puts an image in its content box. */
static kp_paint_rect_t fit(const kp_style_t *style, const kp_layout_image_t *image,
                           kp_paint_rect_t content)
{
    float width = (float)image->width, height = (float)image->height, factor = 1;
    float by_width = content.width / width, by_height = content.height / height;
    switch (style->object_fit) {
    case KP_KW_CONTAIN:
        factor = fminf(by_width, by_height);
        break;
    case KP_KW_COVER:
        factor = fmaxf(by_width, by_height);
        break;
    case KP_KW_NONE:
        break;
    case KP_KW_SCALE_DOWN:
        factor = fminf(1, fminf(by_width, by_height));
        break;
    default:
        return content;
    }
    width *= factor;
    height *= factor;
    return (kp_paint_rect_t){content.x + (content.width - width) / 2,
                             content.y + (content.height - height) / 2, width, height};
}

/* One or more lines of text inside a control, cut off by its edges. */
static void control_text(kp_paint_t *paint, const kp_box_t *box, const char *text, size_t size,
                         bool centered, uint32_t color)
{
    kp_paint_rect_t content = kp_paint_content_rect(box);
    kp_text_style_t wanted = kp_layout_text_style(box->style);
    kp_text_font_t *font = NULL;
    if (size == 0 || kp_text_select(paint->layout->text, &wanted, &font) != KP_OK)
        return;
    kp_text_metrics_t metrics;
    kp_text_font_metrics(font, &metrics);
    float line = metrics.ascent + metrics.descent;
    bool is_area = box->control == KP_CONTROL_AREA;
    float y = is_area ? content.y : content.y + (content.height - line) / 2;
    if (!kp_paint_clip(paint, kp_paint_padding_rect(box), NULL))
        return;
    while (size > 0 && y < content.y + content.height) {
        const char *end = is_area ? memchr(text, '\n', size) : NULL;
        size_t length = end ? (size_t)(end - text) : size;
        float x = content.x;
        if (centered)
            x += (content.width - kp_paint_text_width(paint, box->style, text, length)) / 2;
        kp_paint_text(paint, box->style, text, length, x, y + metrics.ascent, 0, color);
        size_t used = end ? length + 1 : length;
        text += used;
        size -= used;
        y += line;
    }
    kp_paint_unclip(paint);
}

static void text_control(kp_paint_t *paint, const kp_box_t *box)
{
    size_t size = 0;
    const char *type = kp_dom_attribute(box->node, "type", &size);
    bool is_button =
        type && (!strcmp(type, "submit") || !strcmp(type, "reset") || !strcmp(type, "button"));
    uint32_t color = kp_paint_color(paint, box->style->color);
    const char *value = kp_dom_attribute(box->node, "value", &size);
    if (is_button && !value) {
        value = !strcmp(type, "submit") ? "Submit" : !strcmp(type, "reset") ? "Reset" : "";
        size = strlen(value);
    }
    if (type && !strcmp(type, "password"))
        return; /* never shown */
    if (value && size > 0) {
        control_text(paint, box, value, size, is_button, color);
        return;
    }
    value = kp_dom_attribute(box->node, "placeholder", &size);
    if (value)
        control_text(paint, box, value, size, false, kp_paint_color(paint, 0xff757575));
}

static void area_control(kp_paint_t *paint, const kp_box_t *box)
{
    kp_buffer_t text = {0};
    kp_dom_text_content(box->node, &text);
    if (!text.failed && text.size > 0)
        control_text(paint, box, text.bytes, text.size, false,
                     kp_paint_color(paint, box->style->color));
    kp_buffer_clear(&text);
}

/* The chosen option's text, and the arrow of a drop-down list. */
static void select_control(kp_paint_t *paint, const kp_box_t *box)
{
    const kp_node_t *chosen = NULL;
    for (kp_node_t *node = kp_dom_next(box->node, box->node); node;
         node = kp_dom_next(node, box->node)) {
        if (!kp_dom_is(node, LXB_TAG_OPTION))
            continue;
        if (!chosen || kp_dom_has_attribute(node, "selected"))
            chosen = node;
    }
    uint32_t color = kp_paint_color(paint, box->style->color);
    kp_buffer_t text = {0};
    if (chosen)
        kp_dom_text_content(chosen, &text);
    size_t start = 0;
    while (start < text.size && strchr(" \t\r\n\f", text.bytes[start]))
        start++;
    if (!text.failed && text.size > start)
        control_text(paint, box, text.bytes + start, text.size - start, false, color);
    kp_buffer_clear(&text);
    kp_paint_rect_t padding = kp_paint_padding_rect(box);
    float x = padding.x + padding.width - 14, y = padding.y + padding.height / 2 - 2;
    for (int i = 0; i < 4; i++)
        kp_paint_fill(paint, (kp_paint_rect_t){x + (float)i, y + (float)i, (float)(8 - 2 * i), 1},
                      color);
}

static void checkable(kp_paint_t *paint, const kp_box_t *box, bool is_round)
{
    kp_paint_rect_t rect = kp_paint_content_rect(box);
    bool checked = kp_dom_has_attribute(box->node, "checked");
    float radius = is_round ? rect.width / 2 : 2.5f;
    float outer[4][2], inner[4][2];
    for (int i = 0; i < 4; i++) {
        outer[i][0] = outer[i][1] = radius;
        inner[i][0] = inner[i][1] = fmaxf(0, radius - 1);
    }
    uint32_t edge = kp_paint_color(paint, checked ? 0xff0075ff : 0xff767676);
    kp_paint_fill_rounded(paint, rect, outer, edge);
    kp_paint_rect_t inside = {rect.x + 1, rect.y + 1, rect.width - 2, rect.height - 2};
    if (!checked || is_round)
        kp_paint_fill_rounded(paint, inside, inner, kp_paint_color(paint, 0xffffffff));
    if (!checked)
        return;
    if (is_round) {
        kp_paint_rect_t dot = {rect.x + 3, rect.y + 3, rect.width - 6, rect.height - 6};
        float small[4][2];
        for (int i = 0; i < 4; i++)
            small[i][0] = small[i][1] = dot.width / 2;
        kp_paint_fill_rounded(paint, dot, small, edge);
        return;
    }
    /* A tick of small squares. */
    static const uint8_t tick[][2] = {{3, 6}, {4, 7}, {5, 8}, {6, 7}, {7, 6}, {8, 5}, {9, 4}};
    uint32_t white = kp_paint_color(paint, 0xffffffff);
    for (size_t i = 0; i < sizeof tick / sizeof tick[0]; i++) {
        float unit = rect.width / 13;
        kp_paint_fill(paint,
                      (kp_paint_rect_t){rect.x + tick[i][0] * unit, rect.y + tick[i][1] * unit,
                                        2 * unit, 2 * unit},
                      white);
    }
}

static void image_element(kp_paint_t *paint, const kp_box_t *box)
{
    kp_paint_rect_t content = kp_paint_content_rect(box);
    if (box->image && box->image->resource != 0) {
        kp_paint_rect_t to = fit(box->style, box->image, content);
        bool clipped = (to.width > content.width || to.height > content.height) &&
                       kp_paint_clip(paint, content, NULL);
        kp_paint_image(paint, box->image, to);
        if (clipped)
            kp_paint_unclip(paint);
        return;
    }
    size_t size = 0;
    const char *alt = kp_dom_attribute(box->node, "alt", &size);
    if (!box->image || !box->image->failed)
        return; /* on its way */
    if (content.width > 2 && content.height > 2 && size > 0) {
        uint32_t gray = kp_paint_color(paint, 0xffc0c0c0);
        kp_paint_fill(paint, (kp_paint_rect_t){content.x, content.y, content.width, 1}, gray);
        kp_paint_fill(paint, (kp_paint_rect_t){content.x, content.y, 1, content.height}, gray);
        kp_paint_fill(
            paint, (kp_paint_rect_t){content.x, content.y + content.height - 1, content.width, 1},
            gray);
        kp_paint_fill(
            paint, (kp_paint_rect_t){content.x + content.width - 1, content.y, 1, content.height},
            gray);
    }
    if (alt)
        control_text(paint, box, alt, size, false, kp_paint_color(paint, box->style->color));
}

void kp_paint_replaced(kp_paint_t *paint, const kp_box_t *box)
{
    if (box->style->visibility != KP_KW_VISIBLE || !box->node)
        return;
    switch (box->control) {
    case KP_CONTROL_IMAGE:
        image_element(paint, box);
        break;
    case KP_CONTROL_TEXT:
        text_control(paint, box);
        break;
    case KP_CONTROL_AREA:
        area_control(paint, box);
        break;
    case KP_CONTROL_SELECT:
        select_control(paint, box);
        break;
    case KP_CONTROL_CHECKBOX:
        checkable(paint, box, false);
        break;
    case KP_CONTROL_RADIO:
        checkable(paint, box, true);
        break;
    default:
        break;
    }
}
