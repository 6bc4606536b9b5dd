#include "engine/paint/internal.h"

#include <math.h>
#include <string.h>

void kp_paint_text(kp_paint_t *paint, const kp_style_t *style, const char *bytes, size_t size,
                   float x, float y, float word_spacing, uint32_t color)
{
    kp_text_style_t wanted = kp_layout_text_style(style);
    wanted.word_spacing += word_spacing;
    kp_text_run_t run;
    if (color >> 24 == 0 || size == 0)
        return;
    kp_status_t status = kp_text_shape(paint->layout->text, &wanted, bytes, size,
                                       style->direction == KP_KW_RTL, &run);
    if (status != KP_OK) {
        if (status == KP_ERR_NO_MEMORY)
            paint->status = status;
        return;
    }
    /* Baselines on whole device pixels keep lines of text equally sharp. */
    int32_t baseline = (int32_t)lroundf(y * paint->scale);
    float pen = x * paint->scale;
    for (size_t i = 0; i < run.glyph_count && paint->status == KP_OK; i++) {
        const kp_text_glyph_t *glyph = &run.glyphs[i];
        float at = pen + glyph->x_offset * paint->scale;
        float whole = floorf(at + 0.125f);
        unsigned subpixel = (unsigned)fmaxf(0, fminf(3, floorf((at + 0.125f - whole) * 4)));
        kp_text_bitmap_t bitmap;
        status = kp_text_rasterize(paint->layout->text, glyph->font, glyph->glyph, paint->scale,
                                   subpixel, &bitmap);
        pen += glyph->advance * paint->scale;
        if (status == KP_ERR_NO_MEMORY)
            paint->status = status;
        if (status != KP_OK || bitmap.width == 0 || fabsf(whole) > KP_DISPLAY_COORDINATE_MAX / 2.f)
            continue;
        int32_t lift = (int32_t)lroundf(glyph->y_offset * paint->scale);
        kp_display_glyph_t item = {
            .x = (int32_t)whole + bitmap.left,
            .y = baseline - lift - bitmap.top,
            .source_x = bitmap.x,
            .source_y = bitmap.y,
            .width = bitmap.width,
            .height = bitmap.height,
        };
        kp_paint_glyph(paint, bitmap.atlas, color, &item);
    }
    kp_text_run_clear(&run);
}

float kp_paint_text_width(kp_paint_t *paint, const kp_style_t *style, const char *bytes,
                          size_t size)
{
    kp_text_style_t wanted = kp_layout_text_style(style);
    float width = 0;
    return kp_text_measure(paint->layout->text, &wanted, bytes, size, &width) == KP_OK ? width : 0;
}

/* Text decorations reach the text of all boxes inside, up to floats, atomic inlines and boxes out
   of flow (CSS Text Decoration 3, 2.1). */
static bool is_boundary(const kp_box_t *box)
{
    return box->floating || box->out_of_flow || box->kind == KP_BOX_TABLE ||
           (box->inline_level && box->kind != KP_BOX_INLINE && box->kind != KP_BOX_TEXT);
}

static void line_through_text(kp_paint_t *paint, const kp_box_t *decorating, uint8_t line, float x,
                              float width, float baseline)
{
    kp_text_style_t wanted = kp_layout_text_style(decorating->style);
    kp_text_font_t *font = NULL;
    if (kp_text_select(paint->layout->text, &wanted, &font) != KP_OK)
        return;
    kp_text_metrics_t metrics;
    kp_text_font_metrics(font, &metrics);
    float thickness = fmaxf(1 / paint->scale, roundf(metrics.underline_thickness));
    float y = baseline;
    if (line == KP_DECORATION_UNDERLINE)
        y += fmaxf(1, roundf(metrics.underline_offset - thickness / 2));
    else if (line == KP_DECORATION_OVERLINE)
        y -= metrics.ascent;
    else
        y -= roundf(metrics.x_height / 2 + thickness / 2);
    const kp_style_t *style = decorating->style;
    uint32_t color = kp_paint_color(paint, kp_style_color(style, style->decoration_color));
    y = roundf(y * paint->scale) / paint->scale;
    kp_paint_fill(paint, (kp_paint_rect_t){x, y, width, thickness}, color);
    if (style->decoration_style == KP_KW_DOUBLE)
        kp_paint_fill(paint, (kp_paint_rect_t){x, y + 2 * thickness, width, thickness}, color);
}

static void decorations(kp_paint_t *paint, const kp_box_t *text, bool over, float x, float width,
                        float baseline)
{
    for (const kp_box_t *box = text->parent; box; box = box->parent) {
        uint8_t lines = box->style->decoration_line;
        if (!box->anonymous) {
            if (!over && lines & KP_DECORATION_UNDERLINE)
                line_through_text(paint, box, KP_DECORATION_UNDERLINE, x, width, baseline);
            if (!over && lines & KP_DECORATION_OVERLINE)
                line_through_text(paint, box, KP_DECORATION_OVERLINE, x, width, baseline);
            if (over && lines & KP_DECORATION_LINE_THROUGH)
                line_through_text(paint, box, KP_DECORATION_LINE_THROUGH, x, width, baseline);
        }
        if (is_boundary(box))
            break;
    }
}

void kp_paint_text_fragment(kp_paint_t *paint, const kp_box_t *container,
                            const kp_fragment_t *fragment, float x, float y)
{
    const kp_style_t *style = fragment->box->style;
    const kp_inline_content_t *lines = container->lines;
    if (style->visibility != KP_KW_VISIBLE || fragment->start > lines->text_size ||
        fragment->size > lines->text_size - fragment->start)
        return;
    float left = x + kp_lu_px(fragment->x), baseline = y + kp_lu_px(fragment->baseline);
    float width = kp_lu_px(fragment->width);
    uint32_t color = kp_paint_color(paint, style->color);
    decorations(paint, fragment->box, false, left, width, baseline);
    const char *text = lines->text + fragment->start;
    size_t size = fragment->size;
    /* Preserved line feeds and tabs take room but have no glyph. */
    size_t at = 0;
    float pen = left;
    while (at < size) {
        size_t end = at;
        while (end < size && text[end] != '\t' && text[end] != '\n')
            end++;
        kp_paint_text(paint, style, text + at, end - at, pen, baseline, fragment->word_spacing,
                      color);
        at = end;
        if (at < size)
            break; /* layout gives each tab a fragment of its own */
    }
    if (fragment->ellipsis)
        kp_paint_text(paint, style, "\xe2\x80\xa6", 3, left + width, baseline, 0, color);
    decorations(paint, fragment->box, true, left, width, baseline);
}

/* Disc, circle and square are drawn, not written, at the place and in the size that Chromium gives
   them; false: the marker is text. */
static bool symbol_marker(kp_paint_t *paint, const kp_box_t *box, const kp_style_t *style,
                          float baseline)
{
    uint16_t type = box->style->list_style_type;
    kp_text_style_t wanted = kp_layout_text_style(style);
    kp_text_font_t *font = NULL;
    kp_text_metrics_t metrics;
    if (box->style->list_style_text ||
        (type != KP_KW_DISC && type != KP_KW_CIRCLE && type != KP_KW_SQUARE) ||
        kp_text_select(paint->layout->text, &wanted, &font) != KP_OK)
        return false;
    kp_text_font_metrics(font, &metrics);
    float offset = floorf(metrics.ascent * 2 / 3), side = floorf((offset + 1) / 2);
    float x = kp_lu_px(box->page_x) - offset - 8;
    float y = baseline - metrics.ascent + 3 * (metrics.ascent - offset) / 2;
    uint32_t color = kp_paint_color(paint, style->color);
    kp_paint_rect_t rect = {floorf(x), floorf(y), side, side};
    float radii[4][2];
    for (int i = 0; i < 4; i++)
        radii[i][0] = radii[i][1] = side / 2;
    if (type == KP_KW_CIRCLE)
        kp_paint_ring(paint, rect, radii, 1, color);
    else
        kp_paint_fill_rounded(paint, rect, type == KP_KW_DISC ? radii : NULL, color);
    return true;
}

void kp_paint_marker(kp_paint_t *paint, const kp_box_t *box)
{
    if (!box->marker || box->first_baseline == KP_LU_NONE ||
        box->style->visibility != KP_KW_VISIBLE)
        return;
    const kp_dom_data_t *data = box->node ? kp_dom_data(box->node) : NULL;
    const kp_style_t *style = data && data->marker ? data->marker : box->style;
    float baseline = kp_lu_px(box->page_y + box->first_baseline);
    if (symbol_marker(paint, box, style, baseline))
        return;
    /* Numbers end where the item begins. */
    size_t size = strlen(box->marker);
    float width = kp_paint_text_width(paint, style, box->marker, size);
    kp_paint_text(paint, style, box->marker, size, kp_lu_px(box->page_x) - width, baseline, 0,
                  kp_paint_color(paint, style->color));
}
