/* A surface's display list: taken over as a whole or not at all. */
#include <stdlib.h>
#include <string.h>

#include "display/painter/internal.h"

static const kp_display_command_t *command_at(const kp_paint_scene_t *scene, size_t offset)
{
    return (const void *)(scene->bytes + offset);
}

const kp_paint_resource_t *kp_paint_scene_resource(const kp_paint_scene_t *scene, uint32_t id)
{
    uint32_t low = 0, high = scene->resource_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (scene->resources[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < scene->resource_count && scene->resources[low].id == id ? &scene->resources[low]
                                                                         : NULL;
}

static void remove_resource(kp_paint_scene_t *scene, const kp_paint_resource_t *resource)
{
    size_t index = (size_t)(resource - scene->resources);
    memmove(&scene->resources[index], &scene->resources[index + 1],
            (scene->resource_count - index - 1) * sizeof *resource);
    scene->resource_count--;
}

static void insert_resource(kp_paint_scene_t *scene, const kp_paint_resource_t *resource)
{
    uint32_t at = scene->resource_count;
    while (at > 0 && scene->resources[at - 1].id > resource->id) {
        scene->resources[at] = scene->resources[at - 1];
        at--;
    }
    scene->resources[at] = *resource;
    scene->resource_count++;
}

static bool has_owner(const kp_paint_scene_t *scene, const void *owner)
{
    for (uint32_t i = 0; i < scene->resource_count; i++) {
        if (scene->resources[i].owner == owner)
            return true;
    }
    return false;
}

/* Closes the resources of one scene that the other does not have; frees the table. */
static void close_missing(kp_paint_scene_t *scene, const kp_paint_scene_t *other,
                          const kp_paint_host_t *host)
{
    for (uint32_t i = 0; i < scene->resource_count; i++) {
        if (!has_owner(other, scene->resources[i].owner))
            host->close(host->context, scene->resources[i].owner);
    }
    free(scene->resources);
    scene->resources = NULL;
    scene->resource_count = 0;
}

/* Applies RESOURCE and RESOURCE_DROP in order to next, which starts with the old scene's table. An
   owner that next loses is closed at once only when the old scene does not have it either. */
static kp_status_t apply_resources(kp_paint_scene_t *next, const kp_paint_scene_t *old,
                                   const kp_paint_host_t *host, uint32_t added)
{
    if (added > KP_DISPLAY_RESOURCES_MAX)
        return KP_ERR_QUOTA;
    next->resources = malloc((old->resource_count + added + 1) * sizeof *next->resources);
    if (!next->resources)
        return KP_ERR_NO_MEMORY;
    if (old->resource_count)
        memcpy(next->resources, old->resources, old->resource_count * sizeof *next->resources);
    next->resource_count = old->resource_count;
    for (size_t at = sizeof(kp_display_list_t); at < next->size; at += command_at(next, at)->size) {
        const kp_display_command_t *command = command_at(next, at);
        if (command->kind != KP_DISPLAY_RESOURCE && command->kind != KP_DISPLAY_RESOURCE_DROP)
            continue;
        const kp_display_resource_t *wanted = (const void *)command; /* the id is first in both */
        const kp_paint_resource_t *known = kp_paint_scene_resource(next, wanted->id);
        if (known) {
            void *owner = known->owner;
            remove_resource(next, known);
            if (!has_owner(old, owner))
                host->close(host->context, owner);
        }
        if (command->kind == KP_DISPLAY_RESOURCE_DROP)
            continue;
        kp_paint_resource_t resource = {.id = wanted->id,
                                        .format = wanted->format,
                                        .width = wanted->width,
                                        .height = wanted->height,
                                        .stride = wanted->stride};
        kp_status_t status = host->open(host->context, wanted, &resource.pixels, &resource.owner);
        if (status != KP_OK)
            return status;
        insert_resource(next, &resource);
    }
    return next->resource_count <= KP_DISPLAY_RESOURCES_MAX ? KP_OK : KP_ERR_QUOTA;
}

static kp_paint_rect_t rect_of(int32_t x, int32_t y, int32_t width, int32_t height)
{
    return (kp_paint_rect_t){x, y, x + width, y + height};
}

static kp_paint_rect_t command_bounds(const kp_display_command_t *command)
{
    const kp_display_rect_t *rect = (const void *)command; /* most begin with their rectangle */
    if (command->kind == KP_DISPLAY_IMAGE) {
        const kp_display_image_t *image = (const void *)command;
        return rect_of(image->x, image->y, image->width, image->height);
    }
    if (command->kind != KP_DISPLAY_GLYPHS)
        return rect_of(rect->x, rect->y, rect->width, rect->height);
    const kp_display_glyphs_t *glyphs = (const void *)command;
    const kp_display_glyph_t *glyph = (const void *)(glyphs + 1);
    kp_paint_rect_t bounds = {0};
    for (uint32_t i = 0; i < glyphs->count; i++)
        bounds = kp_paint_rect_union(
            bounds, rect_of(glyph[i].x, glyph[i].y, glyph[i].width, glyph[i].height));
    return bounds;
}

/* The clip at one depth while the index is made: its bounds (with all outer ones) and the innermost
   rounded clip. */
typedef struct kp_clip_state {
    kp_paint_rect_t rect;
    uint32_t rounded;
} kp_clip_state_t;

static kp_clip_state_t push_clip(kp_paint_scene_t *scene, kp_clip_state_t outer,
                                 const kp_display_rounded_rect_t *command)
{
    kp_paint_rect_t rect = rect_of(command->x, command->y, command->width, command->height);
    kp_clip_state_t state = {kp_paint_rect_intersect(outer.rect, rect), outer.rounded};
    bool is_round = false;
    for (int i = 0; i < 4; i++)
        is_round |= command->radius_x[i] && command->radius_y[i];
    if (is_round) {
        kp_paint_clip_t *clip = &scene->clips[scene->clip_count++];
        clip->rect = rect;
        memcpy(clip->radius_x, command->radius_x, sizeof clip->radius_x);
        memcpy(clip->radius_y, command->radius_y, sizeof clip->radius_y);
        clip->parent = outer.rounded;
        state.rounded = scene->clip_count;
    }
    return state;
}

static kp_status_t make_index(kp_paint_scene_t *scene, const kp_paint_counts_t *counts)
{
    kp_clip_state_t stack[KP_DISPLAY_CLIP_DEPTH_MAX + 1];
    uint32_t depth = 0, chunks = counts->ops / KP_PAINT_CHUNK + 1;
    stack[0] = (kp_clip_state_t){{INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX}, 0};
    scene->ops = malloc((counts->ops + 1) * sizeof *scene->ops);
    scene->clips = malloc((counts->clips + 1) * sizeof *scene->clips);
    scene->chunks = calloc(chunks, sizeof *scene->chunks);
    if (!scene->ops || !scene->clips || !scene->chunks)
        return KP_ERR_NO_MEMORY;
    for (size_t at = sizeof(kp_display_list_t); at < scene->size;
         at += command_at(scene, at)->size) {
        const kp_display_command_t *command = command_at(scene, at);
        switch (command->kind) {
        case KP_DISPLAY_RESOURCE:
        case KP_DISPLAY_RESOURCE_DROP:
            break;
        case KP_DISPLAY_CLIP_PUSH:
            stack[depth + 1] = push_clip(scene, stack[depth], (const void *)command);
            depth++;
            break;
        case KP_DISPLAY_CLIP_POP:
            depth--;
            break;
        default: {
            kp_status_t status = kp_paint_uses_check(scene, command);
            if (status == KP_ERR_NOT_FOUND)
                break;
            if (status != KP_OK)
                return status;
            kp_paint_op_t *op = &scene->ops[scene->op_count];
            op->bounds = kp_paint_rect_intersect(command_bounds(command), stack[depth].rect);
            op->offset = (uint32_t)at;
            op->clip = stack[depth].rounded;
            kp_paint_rect_t *chunk = &scene->chunks[scene->op_count++ / KP_PAINT_CHUNK];
            *chunk = kp_paint_rect_union(*chunk, op->bounds);
        }
        }
    }
    return KP_OK;
}

static bool same_clips(const kp_paint_scene_t *a, uint32_t clip_a, const kp_paint_scene_t *b,
                       uint32_t clip_b)
{
    while (clip_a && clip_b) {
        const kp_paint_clip_t *one = &a->clips[clip_a - 1], *two = &b->clips[clip_b - 1];
        if (memcmp(one, two, offsetof(kp_paint_clip_t, parent)) != 0)
            return false;
        clip_a = one->parent;
        clip_b = two->parent;
    }
    return clip_a == clip_b;
}

static uint32_t used_resource(const kp_display_command_t *command)
{
    const kp_display_glyphs_t *c = (const void *)command; /* images have it at the same place */
    return command->kind == KP_DISPLAY_GLYPHS || command->kind == KP_DISPLAY_IMAGE ? c->resource
                                                                                   : 0;
}

/* Whether both operations give the same pixels. */
static bool same_op(const kp_paint_scene_t *a, const kp_paint_op_t *op_a, const kp_paint_scene_t *b,
                    const kp_paint_op_t *op_b)
{
    const kp_display_command_t *one = command_at(a, op_a->offset),
                               *two = command_at(b, op_b->offset);
    if (one->size != two->size || memcmp(one, two, one->size) != 0 ||
        memcmp(&op_a->bounds, &op_b->bounds, sizeof op_a->bounds) != 0 ||
        !same_clips(a, op_a->clip, b, op_b->clip))
        return false;
    uint32_t id = used_resource(one);
    if (!id)
        return true;
    const kp_paint_resource_t *before = kp_paint_scene_resource(a, id);
    const kp_paint_resource_t *after = kp_paint_scene_resource(b, id);
    return before && after && before->owner == after->owner;
}

/* What lies between the operations that both lists begin and end with. */
static kp_paint_rect_t difference(const kp_paint_scene_t *a, const kp_paint_scene_t *b)
{
    uint32_t first = 0, last_a = a->op_count, last_b = b->op_count;
    while (first < last_a && first < last_b && same_op(a, &a->ops[first], b, &b->ops[first]))
        first++;
    while (last_a > first && last_b > first &&
           same_op(a, &a->ops[last_a - 1], b, &b->ops[last_b - 1])) {
        last_a--;
        last_b--;
    }
    kp_paint_rect_t changed = {0};
    for (uint32_t i = first; i < last_a; i++)
        changed = kp_paint_rect_union(changed, a->ops[i].bounds);
    for (uint32_t i = first; i < last_b; i++)
        changed = kp_paint_rect_union(changed, b->ops[i].bounds);
    return changed;
}

static void free_index(kp_paint_scene_t *scene)
{
    free(scene->bytes);
    free(scene->ops);
    free(scene->chunks);
    free(scene->clips);
}

kp_status_t kp_paint_scene_update(kp_paint_scene_t *scene, const kp_paint_host_t *host,
                                  uint8_t *bytes, size_t size, kp_paint_rect_t *changed)
{
    kp_paint_scene_t next = {.bytes = bytes, .size = size};
    kp_paint_counts_t counts;
    *changed = (kp_paint_rect_t){0};
    kp_status_t status = kp_paint_list_check(bytes, size, &counts);
    if (status == KP_OK)
        status = apply_resources(&next, scene, host, counts.resources);
    if (status == KP_OK)
        status = make_index(&next, &counts);
    if (status != KP_OK) {
        close_missing(&next, scene, host);
        free_index(&next);
        return status;
    }
    *changed = difference(scene, &next);
    close_missing(scene, &next, host);
    free_index(scene);
    *scene = next;
    return KP_OK;
}

void kp_paint_scene_clear(kp_paint_scene_t *scene, const kp_paint_host_t *host)
{
    const kp_paint_scene_t nothing = {0};
    close_missing(scene, &nothing, host);
    free_index(scene);
    *scene = nothing;
}
