/* Validation of display lists. Everything here is written by a tab that may be hostile; whatever
   passes can be painted without further checks. */
#include "display/painter/internal.h"

static bool rect_ok(int32_t x, int32_t y, int32_t width, int32_t height)
{
    const int32_t max = KP_DISPLAY_COORDINATE_MAX;
    return x >= -max && x <= max && y >= -max && y <= max && width >= 0 && width <= 2 * max &&
           height >= 0 && height <= 2 * max;
}

static bool radii_ok(const uint32_t radius[4])
{
    for (int i = 0; i < 4; i++) {
        if (radius[i] > 2u * KP_DISPLAY_COORDINATE_MAX)
            return false;
    }
    return true;
}

static bool resource_ok(const kp_display_resource_t *c)
{
    uint32_t pixel = c->format == KP_DISPLAY_FORMAT_A8 ? 1 : 4;
    return c->id != 0 &&
           (c->format == KP_DISPLAY_FORMAT_A8 || c->format == KP_DISPLAY_FORMAT_BGRA8) &&
           c->width >= 1 && c->width <= KP_DISPLAY_RESOURCE_SIDE_MAX && c->height >= 1 &&
           c->height <= KP_DISPLAY_RESOURCE_SIDE_MAX && c->stride >= c->width * pixel &&
           c->stride <= KP_DISPLAY_RESOURCE_SIDE_MAX * 8 && c->stride % pixel == 0 &&
           c->offset % pixel == 0;
}

static bool glyphs_ok(const kp_display_glyphs_t *c)
{
    if (c->count > (c->command.size - sizeof *c) / sizeof(kp_display_glyph_t) ||
        c->command.size != sizeof *c + c->count * sizeof(kp_display_glyph_t))
        return false;
    const kp_display_glyph_t *glyphs = (const void *)(c + 1);
    for (uint32_t i = 0; i < c->count; i++) {
        if (!rect_ok(glyphs[i].x, glyphs[i].y, 0, 0))
            return false;
    }
    return true;
}

static bool image_ok(const kp_display_image_t *c)
{
    if (!rect_ok(c->x, c->y, c->width, c->height) || c->opacity > 255 || c->repeat > 1 ||
        c->source_width == 0 || c->source_height == 0)
        return false;
    return !c->repeat || (rect_ok(c->tile_x, c->tile_y, 0, 0) && c->tile_width >= 1 &&
                          c->tile_width <= KP_DISPLAY_COORDINATE_MAX && c->tile_height >= 1 &&
                          c->tile_height <= KP_DISPLAY_COORDINATE_MAX);
}

static bool border_ok(const kp_display_border_t *c)
{
    if (!rect_ok(c->x, c->y, c->width, c->height) || !radii_ok(c->radius_x) ||
        !radii_ok(c->radius_y))
        return false;
    for (int i = 0; i < 4; i++) {
        if (c->edge_width[i] > KP_DISPLAY_COORDINATE_MAX || c->style[i] > KP_DISPLAY_BORDER_OUTSET)
            return false;
    }
    return true; /* edges wider than the box are cut by the painter */
}

static bool gradient_ok(const kp_display_linear_gradient_t *c)
{
    if (!rect_ok(c->x, c->y, c->width, c->height) || c->stop_count == 0 || c->stop_count > 4096 ||
        c->command.size != sizeof *c + c->stop_count * sizeof(kp_display_stop_t))
        return false;
    const kp_display_stop_t *stops = (const void *)(c + 1);
    for (uint32_t i = 0; i < c->stop_count; i++) {
        if (stops[i].offset > 65536)
            return false;
    }
    return true;
}

static bool command_ok(const kp_display_command_t *command)
{
    static const uint32_t sizes[] = {
        [KP_DISPLAY_RESOURCE] = sizeof(kp_display_resource_t),
        [KP_DISPLAY_RESOURCE_DROP] = sizeof(kp_display_resource_drop_t),
        [KP_DISPLAY_RECT] = sizeof(kp_display_rect_t),
        [KP_DISPLAY_GLYPHS] = sizeof(kp_display_glyphs_t),
        [KP_DISPLAY_IMAGE] = sizeof(kp_display_image_t),
        [KP_DISPLAY_CLIP_PUSH] = sizeof(kp_display_rounded_rect_t),
        [KP_DISPLAY_CLIP_POP] = sizeof(kp_display_command_t),
        [KP_DISPLAY_ROUNDED_RECT] = sizeof(kp_display_rounded_rect_t),
        [KP_DISPLAY_BORDER] = sizeof(kp_display_border_t),
        [KP_DISPLAY_LINEAR_GRADIENT] = sizeof(kp_display_linear_gradient_t),
    };
    uint32_t kind = command->kind;
    if (kind == 0 || kind >= sizeof sizes / sizeof sizes[0] || command->size < sizes[kind])
        return false;
    const void *c = command;
    if (kind == KP_DISPLAY_GLYPHS)
        return glyphs_ok(c);
    if (kind == KP_DISPLAY_LINEAR_GRADIENT)
        return gradient_ok(c);
    if (command->size != sizes[kind])
        return false;
    const kp_display_rounded_rect_t *round = c;
    const kp_display_rect_t *rect = c;
    switch (kind) {
    case KP_DISPLAY_RESOURCE:
        return resource_ok(c);
    case KP_DISPLAY_RECT:
        return rect_ok(rect->x, rect->y, rect->width, rect->height);
    case KP_DISPLAY_IMAGE:
        return image_ok(c);
    case KP_DISPLAY_CLIP_PUSH:
    case KP_DISPLAY_ROUNDED_RECT:
        return rect_ok(round->x, round->y, round->width, round->height) &&
               radii_ok(round->radius_x) && radii_ok(round->radius_y);
    case KP_DISPLAY_BORDER:
        return border_ok(c);
    default: /* RESOURCE_DROP, CLIP_POP: any content will do */
        return true;
    }
}

kp_status_t kp_paint_list_check(const uint8_t *bytes, size_t size, kp_paint_counts_t *counts)
{
    *counts = (kp_paint_counts_t){0};
    const kp_display_list_t *list = (const void *)bytes;
    if (size < sizeof *list || size > KP_DISPLAY_LIST_MAX || list->magic != KP_DISPLAY_LIST_MAGIC ||
        list->command_bytes != size - sizeof *list || list->reserved != 0)
        return KP_ERR_BAD_FORMAT;
    size_t at = sizeof *list;
    uint32_t depth = 0, commands = 0;
    while (at < size) {
        const kp_display_command_t *command = (const void *)(bytes + at);
        if (size - at < sizeof *command || command->size < sizeof *command ||
            command->size % 4 != 0 || command->size > size - at || !command_ok(command))
            return KP_ERR_BAD_FORMAT;
        at += command->size;
        commands++;
        switch (command->kind) {
        case KP_DISPLAY_RESOURCE:
            counts->resources++;
            break;
        case KP_DISPLAY_RESOURCE_DROP:
            break;
        case KP_DISPLAY_CLIP_PUSH:
            counts->clips++;
            if (++depth > KP_DISPLAY_CLIP_DEPTH_MAX)
                return KP_ERR_BAD_FORMAT;
            break;
        case KP_DISPLAY_CLIP_POP:
            if (depth-- == 0)
                return KP_ERR_BAD_FORMAT;
            break;
        default:
            counts->ops++;
        }
    }
    return depth == 0 && commands == list->command_count ? KP_OK : KP_ERR_BAD_FORMAT;
}

static bool inside(const kp_paint_resource_t *resource, uint32_t x, uint32_t y, uint32_t width,
                   uint32_t height)
{
    return x <= resource->width && width <= resource->width - x && y <= resource->height &&
           height <= resource->height - y;
}

kp_status_t kp_paint_uses_check(const kp_paint_scene_t *scene, const kp_display_command_t *command)
{
    if (command->kind == KP_DISPLAY_IMAGE) {
        const kp_display_image_t *c = (const void *)command;
        const kp_paint_resource_t *resource = kp_paint_scene_resource(scene, c->resource);
        if (!resource)
            return KP_ERR_NOT_FOUND;
        if (resource->format != KP_DISPLAY_FORMAT_BGRA8 ||
            !inside(resource, c->source_x, c->source_y, c->source_width, c->source_height))
            return KP_ERR_BAD_FORMAT;
    } else if (command->kind == KP_DISPLAY_GLYPHS) {
        const kp_display_glyphs_t *c = (const void *)command;
        const kp_display_glyph_t *glyphs = (const void *)(c + 1);
        const kp_paint_resource_t *resource = kp_paint_scene_resource(scene, c->resource);
        if (!resource)
            return KP_ERR_NOT_FOUND;
        if (resource->format != KP_DISPLAY_FORMAT_A8)
            return KP_ERR_BAD_FORMAT;
        for (uint32_t i = 0; i < c->count; i++) {
            if (!inside(resource, glyphs[i].source_x, glyphs[i].source_y, glyphs[i].width,
                        glyphs[i].height))
                return KP_ERR_BAD_FORMAT;
        }
    }
    return KP_OK;
}
