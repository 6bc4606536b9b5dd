/* Validation of display lists, resources as a transaction, and what counts as changed. */
#include "display/painter/internal.h"
#include "display/test/list_builder.h"
#include "tests/kp_test.h"

static kp_full_list_t full;
static kp_test_resources_t resources;
static uint32_t pixels[220 * 220];

static kp_status_t try_bytes(const uint8_t *bytes, size_t size)
{
    kp_paint_scene_t scene = {0};
    kp_paint_rect_t changed;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    kp_status_t status = kp_paint_scene_update(&scene, TEST_HOST(&resources), copy, size, &changed);
    if (status == KP_OK) { /* what passes can be painted */
        kp_painter_t painter = {0};
        kp_paint_target_t target = {pixels, 220, 220, 220};
        kp_paint_scene_paint(&scene, &painter, &target, (kp_paint_rect_t){0, 0, 220, 220}, 3, 5);
        kp_painter_clear(&painter);
    }
    kp_paint_scene_clear(&scene, TEST_HOST(&resources));
    return status;
}

static void expect_refused(size_t offset, uint32_t value, const char *what)
{
    static kp_list_builder_t list;
    list = full.list;
    memcpy(list.bytes + offset, &value, 4);
    if (try_bytes(list.bytes, list.size) == KP_OK)
        KP_FAIL("%s = %u was accepted", what, value);
}

#define REFUSED(at, type, field, value) \
    expect_refused(full.at + offsetof(type, field), (uint32_t)(value), #at "." #field)

KP_TEST(scene_accepts_every_command)
{
    full_list(&full);
    memset(&resources, 0, sizeof resources);
    KP_EXPECT_INT(try_bytes(full.list.bytes, full.list.size), KP_OK);
    KP_EXPECT_INT(resources.open_count, 3);
    KP_EXPECT_INT(resources.close_count, 3);
}

KP_TEST(scene_refuses_each_bad_field)
{
    full_list(&full);
    memset(&resources, 0, sizeof resources);
    const uint32_t far = KP_DISPLAY_COORDINATE_MAX + 1, wide = 2u * KP_DISPLAY_COORDINATE_MAX + 1;
    expect_refused(offsetof(kp_display_list_t, magic), 0x12345678, "magic");
    expect_refused(offsetof(kp_display_list_t, command_bytes), 0, "command_bytes");
    expect_refused(offsetof(kp_display_list_t, command_bytes), 0xfffffff0, "command_bytes");
    expect_refused(offsetof(kp_display_list_t, command_count), full.list.count + 1, "count");
    expect_refused(offsetof(kp_display_list_t, reserved), 1, "reserved");
    REFUSED(rect, kp_display_rect_t, command.kind, 0);
    REFUSED(rect, kp_display_rect_t, command.kind, 11);
    REFUSED(rect, kp_display_rect_t, command.kind, 0xffffffff);
    REFUSED(rect, kp_display_rect_t, command.size, 0);
    REFUSED(rect, kp_display_rect_t, command.size, 4);
    REFUSED(rect, kp_display_rect_t, command.size, 27);
    REFUSED(rect, kp_display_rect_t, command.size, 24);
    REFUSED(rect, kp_display_rect_t, command.size, 0xfffffffc);
    REFUSED(rect, kp_display_rect_t, x, far);
    REFUSED(rect, kp_display_rect_t, y, -(int32_t)far);
    REFUSED(rect, kp_display_rect_t, width, -1);
    REFUSED(rect, kp_display_rect_t, height, wide);
    REFUSED(a8, kp_display_resource_t, id, 0);
    REFUSED(a8, kp_display_resource_t, format, 3);
    REFUSED(a8, kp_display_resource_t, format, KP_DISPLAY_FORMAT_BGRA8); /* stride too small */
    REFUSED(a8, kp_display_resource_t, width, 0);
    REFUSED(a8, kp_display_resource_t, width, 65);
    REFUSED(a8, kp_display_resource_t, height, 0);
    REFUSED(a8, kp_display_resource_t, height, 31); /* a glyph reaches row 32 */
    REFUSED(a8, kp_display_resource_t, height, KP_DISPLAY_RESOURCE_SIDE_MAX + 1);
    REFUSED(a8, kp_display_resource_t, stride, 60);
    REFUSED(a8, kp_display_resource_t, stride, 0xffffffff);
    REFUSED(bgra, kp_display_resource_t, stride, 97);
    REFUSED(bgra, kp_display_resource_t, offset, 2);
    REFUSED(bgra, kp_display_resource_t, width, 19);
    REFUSED(glyphs, kp_display_glyphs_t, resource, 2); /* not A8 */
    REFUSED(glyphs, kp_display_glyphs_t, count, 4);
    REFUSED(glyphs, kp_display_glyphs_t, count, 2);
    REFUSED(glyphs, kp_display_glyphs_t, count, 0x10000003);
    REFUSED(glyph, kp_display_glyph_t, x, far);
    REFUSED(glyph, kp_display_glyph_t, y, far);
    REFUSED(glyph, kp_display_glyph_t, source_x, 0x0000ffff);
    REFUSED(glyph, kp_display_glyph_t, source_x, 0x001f0000); /* source_y */
    REFUSED(glyph, kp_display_glyph_t, width, 0x0000ffff);
    REFUSED(glyph, kp_display_glyph_t, width, 0xffff0000); /* height */
    REFUSED(image, kp_display_image_t, resource, 1);       /* not BGRA8 */
    REFUSED(image, kp_display_image_t, x, far);
    REFUSED(image, kp_display_image_t, width, wide);
    REFUSED(image, kp_display_image_t, source_x, 3);
    REFUSED(image, kp_display_image_t, source_y, 0xffffffff);
    REFUSED(image, kp_display_image_t, source_width, 0);
    REFUSED(image, kp_display_image_t, source_width, 19);
    REFUSED(image, kp_display_image_t, source_height, 0);
    REFUSED(image, kp_display_image_t, source_height, 0xffffffff);
    REFUSED(image, kp_display_image_t, opacity, 256);
    REFUSED(image, kp_display_image_t, repeat, 2);
    REFUSED(tiles, kp_display_image_t, tile_x, far);
    REFUSED(tiles, kp_display_image_t, tile_width, 0);
    REFUSED(tiles, kp_display_image_t, tile_height, 0);
    REFUSED(tiles, kp_display_image_t, tile_height, far);
    REFUSED(clip, kp_display_rounded_rect_t, height, -1);
    REFUSED(clip, kp_display_rounded_rect_t, radius_x[2], 0xffffffff);
    REFUSED(clip, kp_display_command_t, kind, KP_DISPLAY_ROUNDED_RECT); /* a pop too many */
    REFUSED(round, kp_display_rounded_rect_t, radius_y[3], 0x80000000);
    REFUSED(round, kp_display_command_t, kind, KP_DISPLAY_CLIP_PUSH); /* a pop too few */
    REFUSED(pop, kp_display_command_t, size, 12);
    REFUSED(border, kp_display_border_t, width, wide);
    REFUSED(border, kp_display_border_t, radius_x[0], 0xfffffff0);
    REFUSED(border, kp_display_border_t, edge_width[1], 0xffffffff);
    REFUSED(border, kp_display_border_t, style[2], 9);
    REFUSED(gradient, kp_display_linear_gradient_t, stop_count, 0);
    REFUSED(gradient, kp_display_linear_gradient_t, stop_count, 2);
    REFUSED(gradient, kp_display_linear_gradient_t, stop_count, 0x20000003);
    REFUSED(gradient, kp_display_linear_gradient_t, y, far);
    REFUSED(stop, kp_display_stop_t, offset, 65537);
    KP_EXPECT_INT(resources.open_count, resources.close_count);
}

/* A resource may come with a later frame: until then its commands are left out. */
KP_TEST(scene_leaves_out_unknown_resources)
{
    full_list(&full);
    memset(&resources, 0, sizeof resources);
    uint32_t one = 1, ops[2];
    for (int dropped = 0; dropped < 2; dropped++) {
        kp_paint_scene_t scene = {0};
        kp_paint_rect_t changed;
        if (dropped) /* resource 1, which two glyph commands use */
            memcpy(full.list.bytes + full.drop + offsetof(kp_display_resource_drop_t, id), &one, 4);
        KP_EXPECT_INT(kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&full.list),
                                            full.list.size, &changed),
                      KP_OK);
        ops[dropped] = scene.op_count;
        kp_paint_scene_clear(&scene, TEST_HOST(&resources));
    }
    KP_EXPECT_INT(ops[1], ops[0] - 2);
}

KP_TEST(scene_refuses_every_truncation)
{
    full_list(&full);
    for (size_t size = 0; size < full.list.size; size++)
        KP_EXPECT(try_bytes(full.list.bytes, size) != KP_OK);
}

KP_TEST(scene_clip_depth_is_limited)
{
    static kp_list_builder_t list;
    for (uint32_t depth = 64; depth <= 65; depth++) {
        list_begin(&list);
        for (uint32_t i = 0; i < depth; i++)
            LIST_ADD(&list, KP_DISPLAY_CLIP_PUSH, kp_display_rounded_rect_t, .width = 9,
                     .height = 9, .radius_x = {1, 1, 1, 1}, .radius_y = {1, 1, 1, 1});
        LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .width = 5, .height = 5, .color = 1);
        for (uint32_t i = 0; i < depth; i++)
            LIST_ADD(&list, KP_DISPLAY_CLIP_POP, kp_display_command_t, .kind = 0);
        list_finish(&list);
        KP_EXPECT_INT(try_bytes(list.bytes, list.size), depth == 64 ? KP_OK : KP_ERR_BAD_FORMAT);
    }
}

/* A small fuzzer of its own: single words changed to awkward values. */
KP_TEST(scene_survives_mutations)
{
    static const uint32_t awkward[] = {0,        1,        0xffffffff, 0x7fffffff, 0x80000000,
                                       16777216, 33554432, 0xfe000000, 0xff000000, 255,
                                       256,      16384,    65536,      0x00010001};
    static kp_list_builder_t list;
    full_list(&full);
    memset(&resources, 0, sizeof resources);
    for (size_t at = sizeof(kp_display_list_t); at < full.list.size; at += 4) {
        for (size_t i = 0; i < sizeof awkward / sizeof awkward[0]; i++) {
            list = full.list;
            memcpy(list.bytes + at, &awkward[i], 4);
            try_bytes(list.bytes, list.size);
        }
    }
    KP_EXPECT_INT(resources.open_count, resources.close_count);
}

KP_TEST(scene_keeps_the_old_list_on_failure)
{
    kp_paint_scene_t scene = {0};
    kp_paint_rect_t changed;
    memset(&resources, 0, sizeof resources);
    full_list(&full);
    KP_REQUIRE(kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&full.list),
                                     full.list.size, &changed) == KP_OK);
    KP_EXPECT_INT(scene.resource_count, 2);
    KP_EXPECT(changed.x0 == 3 && changed.x1 == 190);
    const uint8_t *before = scene.bytes;
    resources.fail_at = resources.open_count + 2; /* the second of three */
    KP_EXPECT_INT(kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&full.list),
                                        full.list.size, &changed),
                  KP_ERR_NO_MEMORY);
    resources.open_count--; /* the one that failed */
    KP_EXPECT(scene.bytes == before && scene.resource_count == 2);
    KP_EXPECT_INT(resources.open_count - resources.close_count, 2);
    kp_paint_scene_clear(&scene, TEST_HOST(&resources));
    KP_EXPECT_INT(resources.open_count, resources.close_count);
}

static void add_rects(kp_list_builder_t *list, int count, int odd_one)
{
    list_begin(list);
    for (int i = 0; i < count; i++)
        LIST_ADD(list, KP_DISPLAY_RECT, kp_display_rect_t, .x = 10 * i, .y = 20, .width = 8,
                 .height = 5, .color = i == odd_one ? 0xff0000ff : 0xff000000);
    list_finish(list);
}

KP_TEST(scene_changes_are_found)
{
    static kp_list_builder_t list;
    kp_paint_scene_t scene = {0};
    kp_paint_rect_t changed;
    memset(&resources, 0, sizeof resources);
    add_rects(&list, 100, -1);
    kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&list), list.size, &changed);
    KP_EXPECT(changed.x0 == 0 && changed.x1 == 998 && changed.y0 == 20 && changed.y1 == 25);
    kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&list), list.size, &changed);
    KP_EXPECT(kp_paint_rect_is_empty(changed));
    add_rects(&list, 100, 40);
    kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&list), list.size, &changed);
    KP_EXPECT(changed.x0 == 400 && changed.x1 == 408);
    add_rects(&list, 90, 40);
    kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&list), list.size, &changed);
    KP_EXPECT(changed.x0 == 900 && changed.x1 == 998);
    kp_paint_scene_clear(&scene, TEST_HOST(&resources));
}

KP_TEST(scene_resource_with_new_pixels_is_a_change)
{
    static kp_list_builder_t list;
    kp_paint_scene_t scene = {0};
    kp_paint_rect_t changed;
    memset(&resources, 0, sizeof resources);
    for (int round = 0; round < 3; round++) {
        list_begin(&list);
        if (round != 1)
            LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 5,
                     .format = KP_DISPLAY_FORMAT_BGRA8, .width = 4, .height = 4, .stride = 16);
        LIST_ADD(&list, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 5, .x = 1, .y = 2,
                 .width = 4, .height = 4, .source_width = 4, .source_height = 4, .opacity = 255);
        list_finish(&list);
        KP_EXPECT_INT(kp_paint_scene_update(&scene, TEST_HOST(&resources), list_copy(&list),
                                            list.size, &changed),
                      KP_OK);
        KP_EXPECT(kp_paint_rect_is_empty(changed) == (round == 1));
        KP_EXPECT_INT(scene.resource_count, 1);
    }
    KP_EXPECT_INT(resources.open_count - resources.close_count, 1);
    kp_paint_scene_clear(&scene, TEST_HOST(&resources));
}

KP_TEST_MAIN()
