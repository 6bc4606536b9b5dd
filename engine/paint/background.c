#include "engine/paint/internal.h"

#include <math.h>
#include <string.h>

enum { TOP, RIGHT, BOTTOM, LEFT };

kp_paint_rect_t kp_paint_border_rect(const kp_box_t *box)
{
    return (kp_paint_rect_t){kp_lu_px(box->page_x), kp_lu_px(box->page_y), kp_lu_px(box->width),
                             kp_lu_px(box->height)};
}

static kp_paint_rect_t inset(kp_paint_rect_t rect, const kp_lu_t by[4])
{
    rect.x += kp_lu_px(by[LEFT]);
    rect.y += kp_lu_px(by[TOP]);
    rect.width = fmaxf(0, rect.width - kp_lu_px(by[LEFT] + by[RIGHT]));
    rect.height = fmaxf(0, rect.height - kp_lu_px(by[TOP] + by[BOTTOM]));
    return rect;
}

kp_paint_rect_t kp_paint_padding_rect(const kp_box_t *box)
{
    return inset(kp_paint_border_rect(box), box->border);
}

kp_paint_rect_t kp_paint_content_rect(const kp_box_t *box)
{
    return inset(kp_paint_padding_rect(box), box->padding);
}

/* ---- corners ---- */

bool kp_paint_radii(const kp_style_t *style, float width, float height, float radii[4][2])
{
    bool any = false;
    for (int i = 0; i < 4; i++) {
        const kp_length_t *x = &style->border_radius[i].x, *y = &style->border_radius[i].y;
        radii[i][0] = fmaxf(0, x->px + x->percent * width / 100);
        radii[i][1] = fmaxf(0, y->px + y->percent * height / 100);
        any = any || (radii[i][0] > 0 && radii[i][1] > 0);
    }
    if (!any)
        return false;
    /* CSS Backgrounds 3, 5.5: overlapping curves shrink together. Corners: top left, top right,
       bottom right, bottom left. */
    float factor = 1;
    float sums[4] = {radii[0][0] + radii[1][0], radii[3][0] + radii[2][0],
                     radii[0][1] + radii[3][1], radii[1][1] + radii[2][1]};
    for (int i = 0; i < 4; i++) {
        float side = i < 2 ? width : height;
        if (sums[i] > side && sums[i] > 0)
            factor = fminf(factor, side / sums[i]);
    }
    for (int i = 0; i < 4; i++) {
        radii[i][0] *= factor;
        radii[i][1] *= factor;
    }
    return true;
}

/* Radii of the edge that lies `by` inside. */
static void inset_radii(float radii[4][2], const float by[4])
{
    static const uint8_t sides[4][2] = {{LEFT, TOP}, {RIGHT, TOP}, {RIGHT, BOTTOM}, {LEFT, BOTTOM}};
    for (int i = 0; i < 4; i++) {
        radii[i][0] = fmaxf(0, radii[i][0] - by[sides[i][0]]);
        radii[i][1] = fmaxf(0, radii[i][1] - by[sides[i][1]]);
    }
}

/* ---- background ---- */

static float position(const kp_length_t *length, float room)
{
    return length->px + length->percent * room / 100;
}

static float side_length(const kp_length_t *length, float base)
{
    return length->px + length->percent * base / 100;
}

/* CSS Backgrounds 3, 3.9: the size of one tile. */
static void tile_size(const kp_style_t *style, const kp_layout_image_t *image,
                      kp_paint_rect_t origin, float *width, float *height)
{
    const kp_length_t *x = &style->background_size.x, *y = &style->background_size.y;
    float natural_width = (float)image->width, natural_height = (float)image->height;
    if (x->keyword == KP_KW_COVER || x->keyword == KP_KW_CONTAIN) {
        float by_width = origin.width / natural_width, by_height = origin.height / natural_height;
        float factor =
            x->keyword == KP_KW_COVER ? fmaxf(by_width, by_height) : fminf(by_width, by_height);
        *width = natural_width * factor;
        *height = natural_height * factor;
        return;
    }
    bool auto_x = x->keyword == KP_KW_AUTO, auto_y = y->keyword == KP_KW_AUTO;
    *width = auto_x ? natural_width : side_length(x, origin.width);
    *height = auto_y ? natural_height : side_length(y, origin.height);
    if (auto_x && !auto_y)
        *width = natural_width * *height / natural_height;
    if (auto_y && !auto_x)
        *height = natural_height * *width / natural_width;
}

static void background_image(kp_paint_t *paint, const kp_style_t *style,
                             const kp_layout_image_t *image, kp_paint_rect_t area,
                             kp_paint_rect_t origin)
{
    if (image->resource == 0 || image->width == 0 || image->height == 0)
        return;
    float width, height;
    tile_size(style, image, origin, &width, &height);
    if (!(width >= 0.5f) || !(height >= 0.5f))
        return;
    kp_paint_rect_t tile = {
        origin.x + position(&style->background_position.x, origin.width - width),
        origin.y + position(&style->background_position.y, origin.height - height), width, height};
    bool repeats_x = style->background_repeat[0] != KP_KW_NO_REPEAT;
    bool repeats_y = style->background_repeat[1] != KP_KW_NO_REPEAT;
    /* What the tiles reach: a direction that does not repeat ends with its one tile. */
    kp_paint_rect_t target = area;
    if (!repeats_x) {
        float right = fminf(area.x + area.width, tile.x + width);
        target.x = fmaxf(area.x, tile.x);
        target.width = right - target.x;
    }
    if (!repeats_y) {
        float bottom = fminf(area.y + area.height, tile.y + height);
        target.y = fmaxf(area.y, tile.y);
        target.height = bottom - target.y;
    }
    kp_paint_area_t to = kp_paint_snap(paint, target), first = kp_paint_snap(paint, tile);
    if (!(target.width > 0) || !(target.height > 0) || to.width == 0 || to.height == 0 ||
        first.width == 0 || first.height == 0)
        return;
    kp_display_image_t *command = kp_paint_command_image(paint, image, to);
    if (!command)
        return;
    command->repeat = 1;
    command->tile_x = first.x;
    command->tile_y = first.y;
    command->tile_width = (uint32_t)first.width;
    command->tile_height = (uint32_t)first.height;
}

/* The angle of a gradient towards a corner: its 50% line runs through the two other corners (CSS
   Images 3, 3.1.1). */
static float corner_angle(uint8_t corner, float width, float height)
{
    float dx = corner & 2 ? height : corner & 8 ? -height : 0;
    float dy = corner & 1 ? width : corner & 4 ? -width : 0;
    return atan2f(dx, dy) * 180 / 3.14159265f;
}

static void background_gradient(kp_paint_t *paint, const kp_style_t *style,
                                const kp_css_image_t *gradient, kp_paint_rect_t rect)
{
    kp_paint_area_t area = kp_paint_snap(paint, rect);
    size_t count = gradient->stop_count;
    if (area.width == 0 || area.height == 0 || count < 2 || count > 64)
        return;
    float angle = gradient->corner ? corner_angle(gradient->corner, rect.width, rect.height)
                                   : gradient->angle;
    float turned = angle * 3.14159265f / 180;
    float length = fabsf(rect.width * sinf(turned)) + fabsf(rect.height * cosf(turned));
    size_t size = sizeof(kp_display_linear_gradient_t) + count * sizeof(kp_display_stop_t);
    kp_display_linear_gradient_t *command =
        kp_paint_command_at(paint, KP_DISPLAY_LINEAR_GRADIENT, size, area);
    if (!command)
        return;
    angle = fmodf(angle, 360);
    command->angle = (uint32_t)lroundf((angle < 0 ? angle + 360 : angle) * 256);
    command->stop_count = (uint32_t)count;
    float offsets[64], last = 0;
    for (size_t i = 0; i < count; i++) {
        const kp_length_t *at = &gradient->stops[i].position;
        bool is_auto = at->keyword == KP_KW_AUTO;
        offsets[i] = is_auto ? (i == 0           ? 0
                                : i + 1 == count ? 1
                                                 : -1)
                             : at->percent / 100 + (length > 0 ? at->px / length : 0);
        if (offsets[i] >= 0 || !is_auto)
            last = offsets[i] = fmaxf(offsets[i], i ? last : 0);
    }
    for (size_t i = 1; i + 1 < count; i++) {
        size_t next = i;
        while (next < count && offsets[next] < 0)
            next++;
        for (size_t k = i; k < next && next < count; k++)
            offsets[k] = offsets[i - 1] + (offsets[next] - offsets[i - 1]) * (float)(k - i + 1) /
                                              (float)(next - i + 1);
        if (next > i)
            i = next;
    }
    kp_display_stop_t *stops = (kp_display_stop_t *)(command + 1);
    for (size_t i = 0; i < count; i++) {
        stops[i].offset = (uint32_t)lroundf(fminf(fmaxf(offsets[i], 0), 1) * 65536);
        stops[i].color = kp_paint_color(paint, kp_style_color(style, gradient->stops[i].color));
    }
}

void kp_paint_background(kp_paint_t *paint, const kp_box_t *box, const kp_style_t *style,
                         kp_paint_rect_t rect, kp_paint_rect_t origin, const float radii[4][2])
{
    uint32_t color = kp_paint_color(paint, kp_style_color(style, style->background_color));
    kp_paint_fill_rounded(paint, rect, radii, color);
    const kp_css_image_t *image = style->background_image;
    if (!image)
        return;
    bool clipped = radii && kp_paint_clip(paint, rect, radii);
    if (!image->url) {
        background_gradient(paint, style, image, rect);
    } else {
        const kp_layout_host_t *host = paint->layout->host;
        const kp_layout_image_t *picture = host->image(host->context, image->url);
        if (picture)
            background_image(paint, style, picture, rect, origin);
    }
    if (clipped)
        kp_paint_unclip(paint);
    (void)box;
}

/* ---- border ---- */

static uint32_t border_kind(uint16_t keyword)
{
    switch (keyword) {
    case KP_KW_SOLID:
        return KP_DISPLAY_BORDER_SOLID;
    case KP_KW_DASHED:
        return KP_DISPLAY_BORDER_DASHED;
    case KP_KW_DOTTED:
        return KP_DISPLAY_BORDER_DOTTED;
    case KP_KW_DOUBLE:
        return KP_DISPLAY_BORDER_DOUBLE;
    case KP_KW_GROOVE:
        return KP_DISPLAY_BORDER_GROOVE;
    case KP_KW_RIDGE:
        return KP_DISPLAY_BORDER_RIDGE;
    case KP_KW_INSET:
        return KP_DISPLAY_BORDER_INSET;
    case KP_KW_OUTSET:
        return KP_DISPLAY_BORDER_OUTSET;
    default:
        return KP_DISPLAY_BORDER_NONE;
    }
}

static void border(kp_paint_t *paint, kp_paint_rect_t rect, const float widths[4],
                   const uint16_t styles[4], const kp_color_t colors[4], const kp_style_t *style,
                   const float radii[4][2])
{
    kp_paint_area_t area = kp_paint_snap(paint, rect);
    uint32_t kinds[4], device[4];
    bool any = false;
    for (int i = 0; i < 4; i++) {
        kinds[i] = border_kind(styles[i]);
        /* A border that exists is at least one device pixel wide, and whole pixels else. */
        device[i] =
            widths[i] > 0 && kinds[i] ? (uint32_t)fmaxf(1, floorf(widths[i] * paint->scale)) : 0;
        any = any || device[i] > 0;
    }
    if (!any || area.width == 0 || area.height == 0)
        return;
    kp_display_border_t *command =
        kp_paint_command_at(paint, KP_DISPLAY_BORDER, sizeof *command, area);
    if (!command)
        return;
    for (int i = 0; i < 4; i++) {
        command->edge_width[i] = device[i];
        command->style[i] = device[i] ? kinds[i] : KP_DISPLAY_BORDER_NONE;
        command->color[i] = kp_paint_color(paint, kp_style_color(style, colors[i]));
        if (radii) {
            command->radius_x[i] = (uint32_t)lroundf(radii[i][0] * paint->scale);
            command->radius_y[i] = (uint32_t)lroundf(radii[i][1] * paint->scale);
        }
    }
}

void kp_paint_decorate(kp_paint_t *paint, const kp_box_t *box, kp_paint_rect_t rect, unsigned lacks)
{
    const kp_style_t *style = box->style;
    if (style->visibility != KP_KW_VISIBLE || rect.width < 0 || rect.height < 0)
        return;
    float widths[4], radii[4][2];
    for (int i = 0; i < 4; i++)
        widths[i] = kp_lu_px(box->border[i]);
    if (lacks & KP_PAINT_NO_LEFT)
        widths[LEFT] = 0;
    if (lacks & KP_PAINT_NO_RIGHT)
        widths[RIGHT] = 0;
    bool round = kp_paint_radii(style, rect.width, rect.height, radii);
    if (round && lacks & KP_PAINT_NO_LEFT)
        radii[0][0] = radii[0][1] = radii[3][0] = radii[3][1] = 0;
    if (round && lacks & KP_PAINT_NO_RIGHT)
        radii[1][0] = radii[1][1] = radii[2][0] = radii[2][1] = 0;
    kp_color_t fill = kp_style_color(style, style->background_color);
    if (fill >> 24 || style->background_image) {
        kp_paint_rect_t padding = {rect.x + widths[LEFT], rect.y + widths[TOP],
                                   fmaxf(0, rect.width - widths[LEFT] - widths[RIGHT]),
                                   fmaxf(0, rect.height - widths[TOP] - widths[BOTTOM])};
        kp_paint_rect_t content = padding;
        if (lacks == 0) {
            content.x += kp_lu_px(box->padding[LEFT]);
            content.y += kp_lu_px(box->padding[TOP]);
            content.width =
                fmaxf(0, content.width - kp_lu_px(box->padding[LEFT] + box->padding[RIGHT]));
            content.height =
                fmaxf(0, content.height - kp_lu_px(box->padding[TOP] + box->padding[BOTTOM]));
        }
        uint16_t clip = style->background_clip, from = style->background_origin;
        kp_paint_rect_t area = clip == KP_KW_PADDING_BOX   ? padding
                               : clip == KP_KW_CONTENT_BOX ? content
                                                           : rect;
        kp_paint_rect_t origin = from == KP_KW_BORDER_BOX    ? rect
                                 : from == KP_KW_CONTENT_BOX ? content
                                                             : padding;
        float inner[4][2];
        memcpy(inner, radii, sizeof inner);
        if (round && clip == KP_KW_PADDING_BOX)
            inset_radii(inner, widths);
        kp_paint_background(paint, box, style, area, origin,
                            round && clip != KP_KW_CONTENT_BOX ? inner : NULL);
    }
    border(paint, rect, widths, style->border_style, style->border_color, style,
           round ? radii : NULL);
}

void kp_paint_outline(kp_paint_t *paint, const kp_box_t *box)
{
    const kp_style_t *style = box->style;
    float width = style->outline_width, out = style->outline_offset + width;
    if (width <= 0 || border_kind(style->outline_style) == KP_DISPLAY_BORDER_NONE ||
        style->visibility != KP_KW_VISIBLE)
        return;
    kp_paint_rect_t rect = kp_paint_border_rect(box);
    rect.x -= out;
    rect.y -= out;
    rect.width += 2 * out;
    rect.height += 2 * out;
    uint16_t styles[4] = {style->outline_style, style->outline_style, style->outline_style,
                          style->outline_style};
    kp_color_t colors[4] = {style->outline_color, style->outline_color, style->outline_color,
                            style->outline_color};
    border(paint, rect, (float[4]){width, width, width, width}, styles, colors, style, NULL);
}
