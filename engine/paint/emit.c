#include "engine/paint/internal.h"

#include <math.h>
#include <string.h>

static int32_t device(float value)
{
    float limit = (float)KP_DISPLAY_COORDINATE_MAX / 4;
    if (!(value > -limit))
        return (int32_t)-limit;
    return value < limit ? (int32_t)lroundf(value) : (int32_t)limit;
}

kp_paint_area_t kp_paint_snap(const kp_paint_t *paint, kp_paint_rect_t rect)
{
    int32_t x = device(rect.x * paint->scale), y = device(rect.y * paint->scale);
    int32_t right = device((rect.x + rect.width) * paint->scale);
    int32_t bottom = device((rect.y + rect.height) * paint->scale);
    return (kp_paint_area_t){x, y, right > x ? right - x : 0, bottom > y ? bottom - y : 0};
}

uint32_t kp_paint_color(const kp_paint_t *paint, kp_color_t color)
{
    uint32_t alpha = (uint32_t)lroundf((float)(color >> 24) * paint->opacity);
    return alpha << 24 | (color & 0xffffff);
}

void *kp_paint_command(kp_paint_t *paint, uint32_t kind, size_t size)
{
    paint->glyphs_at = 0;
    if (paint->out->size + size > KP_DISPLAY_LIST_MAX)
        paint->status = KP_ERR_TOO_LARGE;
    if (paint->status != KP_OK)
        return NULL;
    void *command = kp_buffer_extend(paint->out, size);
    if (!command) {
        paint->status = KP_ERR_NO_MEMORY;
        return NULL;
    }
    memset(command, 0, size);
    kp_display_command_t head = {kind, (uint32_t)size};
    memcpy(command, &head, sizeof head);
    paint->command_count++;
    return command;
}

/* These have x, y, width, height behind their head. */
#define BEGINS_WITH_AREA(type)                                            \
    KP_STATIC_ASSERT(offsetof(type, x) == sizeof(kp_display_command_t) && \
                         offsetof(type, height) - offsetof(type, x) ==    \
                             offsetof(kp_paint_area_t, height),           \
                     #type " begins with an area")
BEGINS_WITH_AREA(kp_display_rect_t);
BEGINS_WITH_AREA(kp_display_rounded_rect_t);
BEGINS_WITH_AREA(kp_display_border_t);
BEGINS_WITH_AREA(kp_display_linear_gradient_t);

void *kp_paint_command_at(kp_paint_t *paint, uint32_t kind, size_t size, kp_paint_area_t area)
{
    uint8_t *command = kp_paint_command(paint, kind, size);
    if (command)
        memcpy(command + sizeof(kp_display_command_t), &area, sizeof area);
    return command;
}

kp_display_image_t *kp_paint_command_image(kp_paint_t *paint, const kp_layout_image_t *image,
                                           kp_paint_area_t area)
{
    kp_display_image_t *command = kp_paint_command(paint, KP_DISPLAY_IMAGE, sizeof *command);
    if (!command)
        return NULL;
    command->resource = image->resource;
    command->x = area.x;
    command->y = area.y;
    command->width = area.width;
    command->height = area.height;
    command->source_width = image->width;
    command->source_height = image->height;
    command->opacity = (uint32_t)lroundf(255 * paint->opacity);
    return command;
}

void kp_paint_fill(kp_paint_t *paint, kp_paint_rect_t rect, uint32_t color)
{
    kp_paint_area_t area = kp_paint_snap(paint, rect);
    if (area.width == 0 || area.height == 0 || color >> 24 == 0)
        return;
    kp_display_rect_t *command = kp_paint_command_at(paint, KP_DISPLAY_RECT, sizeof *command, area);
    if (!command)
        return;
    command->color = color;
}

static void put_rounded(kp_paint_t *paint, uint32_t kind, kp_paint_area_t area,
                        const float radii[4][2], uint32_t color)
{
    kp_display_rounded_rect_t *command = kp_paint_command_at(paint, kind, sizeof *command, area);
    if (!command)
        return;
    command->color = color;
    for (int i = 0; radii && i < 4; i++) {
        command->radius_x[i] = (uint32_t)lroundf(radii[i][0] * paint->scale);
        command->radius_y[i] = (uint32_t)lroundf(radii[i][1] * paint->scale);
    }
}

void kp_paint_fill_rounded(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2],
                           uint32_t color)
{
    if (!radii) {
        kp_paint_fill(paint, rect, color);
        return;
    }
    kp_paint_area_t area = kp_paint_snap(paint, rect);
    if (area.width > 0 && area.height > 0 && color >> 24 != 0)
        put_rounded(paint, KP_DISPLAY_ROUNDED_RECT, area, radii, color);
}

void kp_paint_ring(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2], float width,
                   uint32_t color)
{
    kp_paint_area_t area = kp_paint_snap(paint, rect);
    kp_display_border_t *command =
        kp_paint_command_at(paint, KP_DISPLAY_BORDER, sizeof *command, area);
    if (!command)
        return;
    for (int i = 0; i < 4; i++) {
        command->radius_x[i] = (uint32_t)lroundf(radii[i][0] * paint->scale);
        command->radius_y[i] = (uint32_t)lroundf(radii[i][1] * paint->scale);
        command->edge_width[i] = (uint32_t)fmaxf(1, roundf(width * paint->scale));
        command->style[i] = KP_DISPLAY_BORDER_SOLID;
        command->color[i] = color;
    }
}

bool kp_paint_clip(kp_paint_t *paint, kp_paint_rect_t rect, const float radii[4][2])
{
    if (paint->clip_depth >= KP_DISPLAY_CLIP_DEPTH_MAX)
        return false;
    paint->clip_depth++;
    put_rounded(paint, KP_DISPLAY_CLIP_PUSH, kp_paint_snap(paint, rect), radii, 0);
    return true;
}

void kp_paint_unclip(kp_paint_t *paint)
{
    paint->clip_depth--;
    kp_paint_command(paint, KP_DISPLAY_CLIP_POP, sizeof(kp_display_command_t));
}

void kp_paint_glyph(kp_paint_t *paint, uint32_t atlas, uint32_t color,
                    const kp_display_glyph_t *glyph)
{
    uint32_t resource = (*paint->input->atlas_resources)[atlas];
    if (paint->glyphs_at == 0 || paint->glyphs_resource != resource ||
        paint->glyphs_color != color) {
        size_t at = paint->out->size;
        kp_display_glyphs_t *command = kp_paint_command(paint, KP_DISPLAY_GLYPHS, sizeof *command);
        if (!command)
            return;
        command->resource = resource;
        command->color = color;
        paint->glyphs_at = at;
        paint->glyphs_resource = resource;
        paint->glyphs_color = color;
    }
    if (paint->out->size + sizeof *glyph > KP_DISPLAY_LIST_MAX)
        paint->status = KP_ERR_TOO_LARGE;
    if (paint->status != KP_OK)
        return;
    kp_buffer_append(paint->out, glyph, sizeof *glyph);
    if (paint->out->failed) {
        paint->status = KP_ERR_NO_MEMORY;
        return;
    }
    /* The list starts aligned and every command is a multiple of 4 bytes. */
    kp_display_glyphs_t *command = (void *)(paint->out->bytes + paint->glyphs_at);
    command->count++;
    command->command.size += (uint32_t)sizeof *glyph;
}
