/* The painter against simple reference code: exact pixels where the arithmetic is exact, close ones
   where it is antialiased; damage in pieces gives the same picture as painting at once. */
#include <math.h>

#include "display/test/list_builder.h"
#include "tests/kp_test.h"

#define W 200
#define H 190

typedef struct kp_canvas {
    uint32_t pixels[W * H];
    kp_paint_target_t target;
    kp_painter_t painter;
    kp_paint_scene_t scene;
    kp_test_resources_t resources;
} kp_canvas_t;

static void canvas_init(kp_canvas_t *c, uint32_t background)
{
    memset(c, 0, sizeof *c);
    c->target = (kp_paint_target_t){c->pixels, W, W, H};
    kp_paint_fill(&c->target, (kp_paint_rect_t){0, 0, W, H}, background);
}

static kp_status_t canvas_show(kp_canvas_t *c, kp_list_builder_t *list)
{
    kp_paint_rect_t changed;
    list_finish(list);
    kp_status_t status = kp_paint_scene_update(&c->scene, TEST_HOST(&c->resources), list_copy(list),
                                               list->size, &changed);
    if (status == KP_OK)
        status = kp_paint_scene_paint(&c->scene, &c->painter, &c->target,
                                      (kp_paint_rect_t){0, 0, W, H}, 0, 0);
    return status;
}

static void canvas_clear(kp_canvas_t *c)
{
    kp_paint_scene_clear(&c->scene, TEST_HOST(&c->resources));
    kp_painter_clear(&c->painter);
    KP_EXPECT_INT(c->resources.open_count, c->resources.close_count);
}

static uint32_t at(const kp_canvas_t *c, int x, int y)
{
    return c->pixels[y * W + x] & 0xffffff;
}

static int channel(uint32_t pixel, int n)
{
    return (int)(pixel >> (8 * n) & 255);
}

/* Largest difference of a channel. */
static int difference(uint32_t a, uint32_t b)
{
    int most = 0;
    for (int n = 0; n < 3; n++)
        most =
            abs(channel(a, n) - channel(b, n)) > most ? abs(channel(a, n) - channel(b, n)) : most;
    return most;
}

static uint32_t over(uint32_t color, double coverage, uint32_t below)
{
    double alpha = (color >> 24) / 255.0 * coverage;
    uint32_t out = 0;
    for (int n = 2; n >= 0; n--)
        out = out << 8 |
              (uint32_t)(channel(color, n) * alpha + channel(below, n) * (1 - alpha) + 0.5);
    return out;
}

static kp_canvas_t canvas, other;
static kp_list_builder_t list;
static kp_full_list_t full;

KP_TEST(painter_rectangles_are_exact)
{
    canvas_init(&canvas, 0x204060);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .x = -5, .y = 7, .width = 20, .height = 300,
             .color = 0xffc08040);
    LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .x = 10, .y = 0, .width = 10, .height = 9,
             .color = 0x4000ff80);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            uint32_t expected = x < 15 && y >= 7 ? 0xc08040 : 0x204060;
            if (x >= 10 && x < 20 && y < 9)
                expected = over(0x4000ff80, 1, expected);
            if (difference(at(&canvas, x, y), expected) > 1)
                KP_FAIL("(%d, %d) is %06x, expected %06x", x, y, at(&canvas, x, y), expected);
        }
    }
    KP_EXPECT_INT(at(&canvas, 14, 100), 0xc08040);
    canvas_clear(&canvas);
}

KP_TEST(painter_glyphs_blend_linearly)
{
    canvas_init(&canvas, 0xf0e0d0);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 9,
             .format = KP_DISPLAY_FORMAT_A8, .width = 40, .height = 30, .stride = 41);
    kp_display_glyph_t glyph = {-3, 5, 1, 2, 39, 28};
    list_add(&list, KP_DISPLAY_GLYPHS,
             &(kp_display_glyphs_t){.resource = 9, .color = 0xff102030, .count = 1},
             sizeof(kp_display_glyphs_t), &glyph, sizeof glyph);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    const uint8_t *mask = canvas.scene.resources[0].pixels;
    for (int y = 0; y < 40; y++) {
        for (int x = 0; x < 50; x++) {
            bool hit = x < 36 && y >= 5 && y < 33;
            double coverage = hit ? mask[(y - 5 + 2) * 41 + (x + 3 + 1)] / 255.0 : 0;
            uint32_t expected = over(0xff102030, coverage, 0xf0e0d0);
            if (difference(at(&canvas, x, y), expected) > 1)
                KP_FAIL("(%d, %d) is %06x, expected %06x", x, y, at(&canvas, x, y), expected);
        }
    }
    canvas_clear(&canvas);
}

KP_TEST(painter_images_copy_and_blend)
{
    canvas_init(&canvas, 0x808080);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 4,
             .format = KP_DISPLAY_FORMAT_BGRA8, .width = 30, .height = 20, .stride = 120);
    LIST_ADD(&list, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 4, .x = 10, .y = 10,
             .width = 25, .height = 15, .source_x = 5, .source_y = 5, .source_width = 25,
             .source_height = 15, .opacity = 255);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    const uint8_t *pixels = canvas.scene.resources[0].pixels;
    for (int y = 0; y < 15; y++) {
        for (int x = 0; x < 25; x++) {
            const uint8_t *p = pixels + (y + 5) * 120 + (x + 5) * 4;
            uint32_t expected = 0;
            for (int n = 2; n >= 0; n--)
                expected = expected << 8 | (uint32_t)(p[n] + 128 * (255 - p[3]) / 255.0 + 0.5);
            KP_EXPECT(difference(at(&canvas, x + 10, y + 10), expected) <= 1);
        }
    }
    KP_EXPECT_INT(at(&canvas, 9, 10), 0x808080);
    KP_EXPECT_INT(at(&canvas, 35, 24), 0x808080);
    canvas_clear(&canvas);
}

/* Opaque source pixels, sampled by doubles. */
static double sample(const uint8_t *pixels, int size, double x, double y, int n)
{
    x = fmin(fmax(x, 0), size - 1);
    y = fmin(fmax(y, 0), size - 1);
    int left = (int)x, top = (int)y, right = left + 1 < size ? left + 1 : left;
    int bottom = top + 1 < size ? top + 1 : top;
    double u = x - left, v = y - top;
    return (pixels[(top * size + left) * 4 + n] * (1 - u) +
            pixels[(top * size + right) * 4 + n] * u) *
               (1 - v) +
           (pixels[(bottom * size + left) * 4 + n] * (1 - u) +
            pixels[(bottom * size + right) * 4 + n] * u) *
               v;
}

static void show_scaled(int source, int width, int height)
{
    canvas_init(&canvas, 0);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 4,
             .format = KP_DISPLAY_FORMAT_BGRA8, .width = (uint32_t)source,
             .height = (uint32_t)source, .stride = (uint32_t)source * 4);
    LIST_ADD(&list, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 4, .width = width,
             .height = height, .source_width = (uint32_t)source, .source_height = (uint32_t)source,
             .opacity = 255);
    list_finish(&list);
    kp_paint_rect_t changed;
    KP_EXPECT_INT(kp_paint_scene_update(&canvas.scene, TEST_HOST(&canvas.resources),
                                        list_copy(&list), list.size, &changed),
                  KP_OK);
    uint8_t *pixels = (uint8_t *)canvas.scene.resources[0].pixels;
    for (int i = 0; i < source * source; i++) {
        pixels[i * 4 + 3] = 255;
        pixels[i * 4] = (uint8_t)(i * 37);
    }
    kp_paint_scene_paint(&canvas.scene, &canvas.painter, &canvas.target,
                         (kp_paint_rect_t){0, 0, W, H}, 0, 0);
}

KP_TEST(painter_images_enlarge_bilinearly)
{
    show_scaled(7, 80, 61);
    const uint8_t *pixels = canvas.scene.resources[0].pixels;
    for (int y = 0; y < 61; y++) {
        for (int x = 0; x < 80; x++) {
            for (int n = 0; n < 3; n++) {
                double expected =
                    sample(pixels, 7, (x + 0.5) * 7 / 80 - 0.5, (y + 0.5) * 7 / 61 - 0.5, n);
                KP_EXPECT(fabs(channel(at(&canvas, x, y), n) - expected) <= 1);
            }
        }
    }
    canvas_clear(&canvas);
}

KP_TEST(painter_images_shrink_by_area)
{
    show_scaled(60, 20, 15);
    const uint8_t *pixels = canvas.scene.resources[0].pixels;
    for (int y = 0; y < 15; y++) {
        for (int x = 0; x < 20; x++) {
            for (int n = 0; n < 3; n++) {
                double sum = 0;
                for (int v = 0; v < 4; v++)
                    for (int u = 0; u < 3; u++)
                        sum += pixels[((y * 4 + v) * 60 + x * 3 + u) * 4 + n];
                KP_EXPECT(fabs(channel(at(&canvas, x, y), n) - sum / 12) <= 1);
            }
        }
    }
    canvas_clear(&canvas);
    show_scaled(64, 1, 1); /* far down: still the average */
    double sum = 0;
    pixels = canvas.scene.resources[0].pixels;
    for (int i = 0; i < 64 * 64; i++)
        sum += pixels[i * 4 + 1];
    KP_EXPECT(fabs(channel(at(&canvas, 0, 0), 1) - sum / 4096) <= 2);
    canvas_clear(&canvas);
}

KP_TEST(painter_tiles_repeat)
{
    canvas_init(&canvas, 0);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_RESOURCE, kp_display_resource_t, .id = 4,
             .format = KP_DISPLAY_FORMAT_BGRA8, .width = 8, .height = 6, .stride = 32);
    LIST_ADD(&list, KP_DISPLAY_IMAGE, kp_display_image_t, .resource = 4, .x = 10, .y = 20,
             .width = 100, .height = 90, .source_width = 8, .source_height = 6, .opacity = 255,
             .repeat = 1, .tile_x = 13, .tile_y = 22, .tile_width = 8, .tile_height = 6);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    for (int y = 20; y < 110; y++) {
        for (int x = 10; x < 110; x++)
            KP_EXPECT_INT(at(&canvas, x, y),
                          at(&canvas, 13 + (x - 13 + 80) % 8, 22 + (y - 22 + 60) % 6));
    }
    KP_EXPECT_INT(at(&canvas, 9, 30), 0);
    KP_EXPECT_INT(at(&canvas, 110, 30), 0);
    canvas_clear(&canvas);
}

/* Coverage of a pixel by 16 x 16 samples of an ellipse-cornered rectangle. */
static double round_reference(int px, int py, const int r[4], const double rx[4],
                              const double ry[4])
{
    int inside = 0;
    for (int s = 0; s < 256; s++) {
        double x = px + (s % 16 + 0.5) / 16, y = py + (s / 16 + 0.5) / 16;
        if (x < r[0] || y < r[1] || x >= r[2] || y >= r[3])
            continue;
        double cx[4] = {r[0] + rx[0], r[2] - rx[1], r[2] - rx[2], r[0] + rx[3]};
        double cy[4] = {r[1] + ry[0], r[1] + ry[1], r[3] - ry[2], r[3] - ry[3]};
        bool out = false;
        for (int i = 0; i < 4; i++) {
            bool in_x = i == 0 || i == 3 ? x < cx[i] : x > cx[i];
            bool in_y = i < 2 ? y < cy[i] : y > cy[i];
            double u = (x - cx[i]) / (rx[i] > 0 ? rx[i] : 1),
                   v = (y - cy[i]) / (ry[i] > 0 ? ry[i] : 1);
            out |= in_x && in_y && u * u + v * v > 1;
        }
        inside += !out;
    }
    return inside / 256.0;
}

KP_TEST(painter_round_corners_are_antialiased)
{
    canvas_init(&canvas, 0);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_ROUNDED_RECT, kp_display_rounded_rect_t, .x = 10, .y = 10,
             .width = 100, .height = 70, .radius_x = {20, 40, 7, 0}, .radius_y = {20, 25, 30, 12},
             .color = 0xffffffff);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    const int r[4] = {10, 10, 110, 80};
    const double rx[4] = {20, 40, 7, 0}, ry[4] = {20, 25, 30, 0};
    for (int y = 5; y < 85; y++) {
        for (int x = 5; x < 115; x++) {
            double expected = 255 * round_reference(x, y, r, rx, ry);
            if (fabs(channel(at(&canvas, x, y), 0) - expected) > 12)
                KP_FAIL("(%d, %d) is %d, expected %.0f", x, y, channel(at(&canvas, x, y), 0),
                        expected);
        }
    }
    canvas_clear(&canvas);
    /* Radii too large for the box become a circle, and a clip cuts as the shape itself does. */
    canvas_init(&canvas, 0);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_CLIP_PUSH, kp_display_rounded_rect_t, .x = 20, .y = 20, .width = 60,
             .height = 60, .radius_x = {999, 999, 999, 999}, .radius_y = {999, 999, 999, 999});
    LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .width = 190, .height = 150,
             .color = 0xffffffff);
    LIST_ADD(&list, KP_DISPLAY_CLIP_POP, kp_display_command_t, .kind = 0);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    const int circle[4] = {20, 20, 80, 80};
    const double radii[4] = {30, 30, 30, 30};
    for (int y = 15; y < 85; y++) {
        for (int x = 15; x < 85; x++)
            KP_EXPECT(fabs(channel(at(&canvas, x, y), 0) -
                           255 * round_reference(x, y, circle, radii, radii)) <= 12);
    }
    canvas_clear(&canvas);
}

KP_TEST(painter_borders)
{
    canvas_init(&canvas, 0xffffff);
    list_begin(&list);
    LIST_ADD(&list, KP_DISPLAY_BORDER, kp_display_border_t, .x = 10, .y = 10, .width = 50,
             .height = 40, .edge_width = {1, 2, 3, 4}, .style = {1, 1, 1, 1},
             .color = {0xff112233, 0xff112233, 0xff112233, 0xff112233});
    LIST_ADD(&list, KP_DISPLAY_BORDER, kp_display_border_t, .x = 100, .y = 10, .width = 60,
             .height = 60, .edge_width = {20, 20, 20, 20}, .style = {1, 1, 1, 1},
             .color = {0xffff0000, 0xff00ff00, 0xff0000ff, 0xff000000});
    LIST_ADD(&list, KP_DISPLAY_BORDER, kp_display_border_t, .x = 10, .y = 100, .width = 80,
             .height = 40, .edge_width = {0, 0, 4, 0}, .style = {1, 1, KP_DISPLAY_BORDER_DASHED, 1},
             .color = {0, 0, 0xff000000, 0});
    LIST_ADD(&list, KP_DISPLAY_BORDER, kp_display_border_t, .x = 100, .y = 100, .width = 60,
             .height = 60, .edge_width = {9, 9, 9, 9}, .style = {4, 4, 4, 4},
             .color = {0xff808000, 0xff808000, 0xff808000, 0xff808000});
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    for (int y = 5; y < 55; y++) {
        for (int x = 5; x < 65; x++) {
            bool outer = x >= 10 && x < 60 && y >= 10 && y < 50;
            bool inner = x >= 14 && x < 58 && y >= 11 && y < 47;
            KP_EXPECT_INT(at(&canvas, x, y), outer && !inner ? 0x112233 : 0xffffff);
        }
    }
    /* Mitred corners: above the diagonal the top's colour, below it the left's. */
    KP_EXPECT_INT(at(&canvas, 112, 14), 0xff0000);
    KP_EXPECT_INT(at(&canvas, 104, 22), 0x000000);
    KP_EXPECT_INT(at(&canvas, 155, 22), 0x00ff00);
    KP_EXPECT_INT(at(&canvas, 112, 65), 0x0000ff);
    KP_EXPECT_INT(at(&canvas, 130, 40), 0xffffff);
    /* Dashes of 8 begin and end the side. */
    KP_EXPECT_INT(at(&canvas, 10, 137), 0);
    KP_EXPECT_INT(at(&canvas, 89, 137), 0);
    KP_EXPECT_INT(at(&canvas, 22, 137), 0xffffff);
    KP_EXPECT_INT(at(&canvas, 40, 120), 0xffffff);
    /* Double: a third each of line, gap, line. */
    KP_EXPECT_INT(at(&canvas, 130, 102), 0x808000);
    KP_EXPECT_INT(at(&canvas, 130, 104), 0xffffff);
    KP_EXPECT_INT(at(&canvas, 130, 107), 0x808000);
    KP_EXPECT_INT(at(&canvas, 130, 110), 0xffffff);
    canvas_clear(&canvas);
}

KP_TEST(painter_gradients)
{
    canvas_init(&canvas, 0xffffff);
    list_begin(&list);
    kp_display_stop_t stops[] = {{0, 0xff000000}, {65536, 0xffff8040}};
    list_add(&list, KP_DISPLAY_LINEAR_GRADIENT,
             &(kp_display_linear_gradient_t){
                 .x = 0, .y = 0, .width = 100, .height = 50, .angle = 90 * 256, .stop_count = 2},
             sizeof(kp_display_linear_gradient_t), stops, sizeof stops);
    list_add(&list, KP_DISPLAY_LINEAR_GRADIENT,
             &(kp_display_linear_gradient_t){
                 .x = 0, .y = 60, .width = 50, .height = 100, .angle = 0, .stop_count = 2},
             sizeof(kp_display_linear_gradient_t), stops, sizeof stops);
    KP_REQUIRE(canvas_show(&canvas, &list) == KP_OK);
    for (int x = 0; x < 100; x++) {
        double t = (x + 0.5) / 100;
        KP_EXPECT(difference(at(&canvas, x, 20), over(0xffff8040, t, 0)) <= 1);
        KP_EXPECT(difference(at(&canvas, 10, 159 - x), over(0xffff8040, t, 0)) <= 1);
    }
    KP_EXPECT_INT(at(&canvas, 100, 20), 0xffffff);
    canvas_clear(&canvas);
}

KP_TEST(painter_damage_in_pieces_is_the_same_picture)
{
    full_list(&full);
    canvas_init(&canvas, 0xfafafa);
    KP_REQUIRE(canvas_show(&canvas, &full.list) == KP_OK);
    static const int steps[][2] = {{7, 11}, {64, 1}, {1, 190}, {33, 50}};
    for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
        /* Also shifted: as if scrolled. */
        for (int shift = 0; shift <= 9; shift += 9) {
            memset(&other.pixels, 0x55, sizeof other.pixels);
            other.target = (kp_paint_target_t){other.pixels, W, W, H};
            for (int y = 0; y < H; y += steps[s][1]) {
                for (int x = 0; x < W; x += steps[s][0]) {
                    kp_paint_rect_t piece = {x, y, x + steps[s][0], y + steps[s][1]};
                    kp_paint_fill(&other.target, piece, 0xfafafa);
                    kp_paint_scene_paint(&canvas.scene, &canvas.painter, &other.target, piece,
                                         -shift, -shift);
                }
            }
            int wrong = 0;
            for (int y = 0; y + shift < H; y++) {
                for (int x = 0; x + shift < W; x++)
                    wrong += difference(at(&other, x, y), at(&canvas, x + shift, y + shift)) > 1;
            }
            KP_EXPECT_INT(wrong, 0);
        }
    }
    canvas_clear(&canvas);
}

/* Thousands of layers over everything: the painter gives up, it does not stop the screen. */
KP_TEST(painter_work_is_limited)
{
    canvas_init(&canvas, 0xffffff);
    list_begin(&list);
    for (int i = 0; i < 2000; i++)
        LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .width = 2 * W, .height = 2 * H,
                 .color = 0x02000000);
    list_finish(&list);
    kp_paint_rect_t changed;
    KP_REQUIRE(kp_paint_scene_update(&canvas.scene, TEST_HOST(&canvas.resources), list_copy(&list),
                                     list.size, &changed) == KP_OK);
    static uint32_t large[2000 * 200];
    kp_paint_target_t target = {large, 2000, 2000, 200};
    KP_EXPECT_INT(kp_paint_scene_paint(&canvas.scene, &canvas.painter, &target,
                                       (kp_paint_rect_t){0, 0, 2 * W, 200}, 0, 0),
                  KP_ERR_QUOTA);
    KP_EXPECT(canvas.painter.pixels < 700u * 2 * W * 200 + (64u << 20));
    canvas_clear(&canvas);
}

KP_TEST(painter_scroll_moves_pixels)
{
    canvas_init(&canvas, 0);
    for (int i = 0; i < W * H; i++)
        canvas.pixels[i] = other.pixels[i] = (uint32_t)i;
    static const int moves[][2] = {{0, 5}, {0, -5}, {3, 0}, {-3, 2}, {0, 500}};
    for (size_t m = 0; m < sizeof moves / sizeof moves[0]; m++) {
        memcpy(canvas.pixels, other.pixels, sizeof canvas.pixels);
        int dx = moves[m][0], dy = moves[m][1];
        kp_paint_scroll(&canvas.target, (kp_paint_rect_t){20, 30, 120, 90}, dx, dy);
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                bool in = x >= 20 && x < 120 && y >= 30 && y < 90;
                int sx = x - dx, sy = y - dy;
                bool from = sx >= 20 && sx < 120 && sy >= 30 && sy < 90;
                uint32_t expected = (uint32_t)(in && from ? sy * W + sx : y * W + x);
                KP_EXPECT(canvas.pixels[y * W + x] == expected);
            }
        }
    }
}

KP_TEST_MAIN()
