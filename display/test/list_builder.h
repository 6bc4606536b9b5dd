/* Builds display lists for tests and writes down where each command lies. */
#ifndef KP_DISPLAY_TEST_LIST_BUILDER_H
#define KP_DISPLAY_TEST_LIST_BUILDER_H

#include <stdlib.h>
#include <string.h>

#include "display/painter/painter.h"

typedef struct kp_list_builder {
    uint8_t bytes[1 << 16];
    size_t size;
    uint32_t count;
} kp_list_builder_t;

static inline void list_begin(kp_list_builder_t *list)
{
    list->size = sizeof(kp_display_list_t);
    list->count = 0;
}

/* Returns the command's offset. */
static inline size_t list_add(kp_list_builder_t *list, uint32_t kind, void *command, size_t size,
                              const void *tail, size_t tail_size)
{
    size_t at = list->size;
    kp_display_command_t head = {kind, (uint32_t)(size + tail_size)};
    memcpy(command, &head, sizeof head);
    memcpy(list->bytes + at, command, size);
    if (tail_size)
        memcpy(list->bytes + at + size, tail, tail_size);
    list->size += size + tail_size;
    list->count++;
    return at;
}

#define LIST_ADD(list, kind, type, ...) \
    list_add(list, kind, &(type){__VA_ARGS__}, sizeof(type), NULL, 0)

static inline void list_finish(kp_list_builder_t *list)
{
    kp_display_list_t head = {KP_DISPLAY_LIST_MAGIC, (uint32_t)(list->size - sizeof head),
                              list->count, 0};
    memcpy(list->bytes, &head, sizeof head);
}

static inline uint8_t *list_copy(const kp_list_builder_t *list)
{
    uint8_t *copy = malloc(list->size);
    memcpy(copy, list->bytes, list->size);
    return copy;
}

/* Resources: open gives memory of exactly the announced size, so that ASan sees a byte too many. */
typedef struct kp_test_resources {
    int open_count, close_count;
    int fail_at; /* the n-th open fails; 0: never */
} kp_test_resources_t;

static inline kp_status_t test_open(void *context, const kp_display_resource_t *wanted,
                                    const uint8_t **pixels, void **owner)
{
    kp_test_resources_t *resources = context;
    if (++resources->open_count == resources->fail_at)
        return KP_ERR_NO_MEMORY;
    size_t size = (size_t)wanted->stride * wanted->height;
    if (size > 1 << 24) {
        resources->open_count--;
        return KP_ERR_QUOTA;
    }
    uint8_t *memory = malloc(size);
    for (size_t i = 0; i < size; i++)
        memory[i] = (uint8_t)(i * 7 + i / wanted->stride * 13);
    if (wanted->format == KP_DISPLAY_FORMAT_BGRA8) {
        for (size_t i = 3; i < size; i += 4) /* premultiplied: alpha is the largest */
            memory[i] = i % 8 == 3                      ? 255
                        : memory[i - 1] > memory[i - 2] ? memory[i - 1]
                                                        : memory[i - 2];
        for (size_t i = 3; i < size; i += 4)
            memory[i] = memory[i] > memory[i - 3] ? memory[i] : memory[i - 3];
    }
    *pixels = memory;
    *owner = memory;
    return KP_OK;
}

static inline void test_close(void *context, void *owner)
{
    kp_test_resources_t *resources = context;
    resources->close_count++;
    free(owner);
}

#define TEST_HOST(resources) (&(kp_paint_host_t){resources, test_open, test_close})

/* One of every command, with nested clips: what validation and damage tests work on. */
typedef struct kp_full_list {
    kp_list_builder_t list;
    size_t a8, bgra, drop, rect, glyphs, glyph, image, tiles, clip, pop, round, border, gradient,
        stop;
} kp_full_list_t;

static inline void full_list(kp_full_list_t *f)
{
    kp_list_builder_t *l = &f->list;
    list_begin(l);
    f->a8 = LIST_ADD(l, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 1,
                     .format = KP_DISPLAY_FORMAT_A8, .width = 61, .height = 32, .stride = 64);
    f->bgra = LIST_ADD(l, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 2,
                       .format = KP_DISPLAY_FORMAT_BGRA8, .width = 20, .height = 16, .stride = 96);
    LIST_ADD(l, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 3, .format = KP_DISPLAY_FORMAT_A8,
             .width = 1, .height = 1, .stride = 1);
    f->drop = LIST_ADD(l, KP_DISPLAY_RESOURCE_DROP, kp_display_resource_drop_t, .id = 3);
    f->rect = LIST_ADD(l, KP_DISPLAY_RECT, kp_display_rect_t, .x = 3, .y = 4, .width = 150,
                       .height = 60, .color = 0xff336699);
    LIST_ADD(l, KP_DISPLAY_RECT, kp_display_rect_t, .x = 60, .y = 30, .width = 80, .height = 120,
             .color = 0x80ff2010);
    f->clip =
        LIST_ADD(l, KP_DISPLAY_CLIP_PUSH, kp_display_rounded_rect_t, .x = 10, .y = 12, .width = 170,
                 .height = 150, .radius_x = {20, 31, 0, 44}, .radius_y = {20, 17, 9, 60});
    LIST_ADD(l, KP_DISPLAY_CLIP_PUSH, kp_display_rounded_rect_t, .x = 0, .y = 20, .width = 160,
             .height = 150);
    kp_display_glyph_t glyphs[] = {
        {12, 14, 0, 0, 9, 11}, {22, 40, 9, 3, 52, 29}, {170, 90, 60, 31, 1, 1}};
    f->glyphs = list_add(l, KP_DISPLAY_GLYPHS,
                         &(kp_display_glyphs_t){.resource = 1, .color = 0xff101820, .count = 3},
                         sizeof(kp_display_glyphs_t), glyphs, sizeof glyphs);
    f->glyph = f->glyphs + sizeof(kp_display_glyphs_t);
    list_add(l, KP_DISPLAY_GLYPHS,
             &(kp_display_glyphs_t){.resource = 1, .color = 0x90a00030, .count = 1},
             sizeof(kp_display_glyphs_t), &(kp_display_glyph_t){40, 70, 1, 1, 40, 30},
             sizeof(kp_display_glyph_t));
    f->image = LIST_ADD(l, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 2, .x = 30, .y = 50,
                        .width = 67, .height = 39, .source_x = 2, .source_y = 1, .source_width = 18,
                        .source_height = 15, .opacity = 200);
    LIST_ADD(l, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 2, .x = 110, .y = 20, .width = 7,
             .height = 5, .source_width = 20, .source_height = 16, .opacity = 255);
    f->tiles =
        LIST_ADD(l, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 2, .x = 100, .y = 100,
                 .width = 61, .height = 44, .source_width = 20, .source_height = 16, .opacity = 255,
                 .repeat = 1, .tile_x = 95, .tile_y = 107, .tile_width = 13, .tile_height = 16);
    f->pop = LIST_ADD(l, KP_DISPLAY_CLIP_POP, kp_display_command_t, .kind = 0);
    f->round = LIST_ADD(l, KP_DISPLAY_ROUNDED_RECT, kp_display_rounded_rect_t, .x = 20, .y = 100,
                        .width = 70, .height = 50, .radius_x = {10, 20, 30, 5},
                        .radius_y = {10, 15, 25, 8}, .color = 0xd0208040);
    LIST_ADD(l, KP_DISPLAY_CLIP_POP, kp_display_command_t, .kind = 0);
    f->border = LIST_ADD(l, KP_DISPLAY_BORDER, kp_display_border_t, .x = 5, .y = 90, .width = 120,
                         .height = 90, .radius_x = {12, 0, 20, 3}, .radius_y = {12, 0, 10, 3},
                         .edge_width = {4, 9, 6, 3},
                         .style = {KP_DISPLAY_BORDER_SOLID, KP_DISPLAY_BORDER_DOUBLE,
                                   KP_DISPLAY_BORDER_DOTTED, KP_DISPLAY_BORDER_RIDGE},
                         .color = {0xff000000, 0xff800000, 0xff008000, 0xa0000080});
    kp_display_stop_t stops[] = {{0, 0xffff0000}, {20000, 0x8000ff00}, {65536, 0xff0000ff}};
    f->gradient = list_add(
        l, KP_DISPLAY_LINEAR_GRADIENT,
        &(kp_display_linear_gradient_t){
            .x = 130, .y = 5, .width = 60, .height = 70, .angle = 130 * 256, .stop_count = 3},
        sizeof(kp_display_linear_gradient_t), stops, sizeof stops);
    f->stop = f->gradient + sizeof(kp_display_linear_gradient_t);
    list_finish(l);
}

#endif
