/* The screen after any sequence of changes is what painting it anew would give, and only what was
   flushed has changed. */
#include "display/compositor.h"
#include "display/test/list_builder.h"
#include "tests/kp_test.h"

#define W 320
#define H 240

static uint32_t screen[W * H], shadow[W * H], fresh[W * H];
static kp_test_resources_t resources;
static kp_list_builder_t list;

/* The shadow is what a viewer sees: only flushed rectangles arrive there. */
static void on_flush(void *context, kp_paint_rect_t r)
{
    (void)context;
    KP_EXPECT(r.x0 >= 0 && r.y0 >= 0 && r.x1 <= W && r.y1 <= H);
    for (int32_t y = r.y0; y < r.y1; y++)
        memcpy(shadow + y * W + r.x0, screen + y * W + r.x0, (size_t)(r.x1 - r.x0) * 4);
}

static void compositor_init(kp_compositor_t *c, uint32_t *pixels)
{
    *c = (kp_compositor_t){.target = {pixels, W, W, H}, .scale = 256};
    if (pixels == screen)
        c->flush = on_flush;
    kp_compositor_damage(c, (kp_paint_rect_t){0, 0, W, H});
}

/* A page of coloured bars and dots whose colours depend on their place and on variant. */
static void surface_fill(kp_surface_t *s, int variant)
{
    kp_paint_rect_t changed;
    list_begin(&list);
    for (int i = 0; i < 60; i++)
        LIST_ADD(&list, KP_DISPLAY_RECT, kp_display_rect_t, .x = i * 7 % 90, .y = i * 13,
                 .width = 150 + i, .height = 9,
                 .color = 0xff000000u | (uint32_t)(i == variant ? 0xff0000 : i * 0x030507));
    LIST_ADD(&list, KP_DISPLAY_ROUNDED_RECT, kp_display_rounded_rect_t, .x = 20, .y = 60,
             .width = 100, .height = 300, .radius_x = {30, 30, 30, 30},
             .radius_y = {30, 30, 30, 30}, .color = 0x8000a0ff);
    list_finish(&list);
    KP_EXPECT_INT(kp_paint_scene_update(&s->scene, TEST_HOST(&resources), list_copy(&list),
                                        list.size, &changed),
                  KP_OK);
    kp_damage_add(&s->page_damage, changed);
}

/* Paints the same state onto an empty screen. */
static int differences(kp_compositor_t *c)
{
    kp_compositor_t anew;
    kp_damage_t damages[8];
    kp_placement_t painted[8];
    int i = 0, wrong = 0;
    compositor_init(&anew, fresh);
    anew.bottom = c->bottom;
    for (kp_surface_t *s = c->bottom; s; s = s->next, i++) {
        damages[i] = s->page_damage;
        painted[i] = s->painted;
        s->painted = (kp_placement_t){0};
    }
    kp_compositor_cursor(&anew, c->cursor_x, c->cursor_y, c->cursor_wanted);
    kp_compositor_paint(&anew);
    i = 0;
    for (kp_surface_t *s = c->bottom; s; s = s->next, i++) {
        s->page_damage = damages[i];
        s->painted = painted[i];
    }
    kp_painter_clear(&anew.painter);
    for (i = 0; i < W * H; i++) {
        /* Antialiased edges may round differently by one when painted in parts: not here, the
           same arithmetic is done for the same pixel. */
        wrong += ((screen[i] ^ fresh[i]) & 0xffffff) != 0 || screen[i] != shadow[i];
    }
    return wrong;
}

static uint32_t seed;

static int random_below(int end)
{
    seed = seed * 1103515245 + 12345;
    return (int)(seed >> 8) % end;
}

static void random_step(kp_compositor_t *c, kp_surface_t *surfaces)
{
    kp_surface_t *s = &surfaces[random_below(2)];
    kp_placement_t p = s->wanted;
    switch (random_below(7)) {
    case 0:
        surface_fill(s, random_below(60));
        break;
    case 1:
        p.rect.x0 = random_below(200) - 50;
        p.rect.y0 = random_below(150) - 50;
        p.rect.x1 = p.rect.x0 + random_below(350);
        p.rect.y1 = p.rect.y0 + random_below(300);
        break;
    case 2:
        p.scroll_bar = !p.scroll_bar;
        break;
    case 3:
        kp_compositor_cursor(c, random_below(W + 20) - 10, random_below(H + 20) - 10,
                             random_below(4) != 0);
        break;
    default:
        p.scroll_y += random_below(90) - 40;
        p.scroll_x += random_below(5) - 2;
        break;
    }
    kp_compositor_place(c, s, &p, (uint32_t)random_below(40) == 0 ? s->order ^ 2 : s->order);
}

KP_TEST(compositor_screen_is_always_right)
{
    for (int run = 0; run < 12; run++) {
        kp_compositor_t c;
        kp_surface_t surfaces[2] = {
            {.background = 0xffffffff, .page_width = 300, .page_height = 700},
            {.background = 0xffddeeff, .page_width = 250, .page_height = 500, .order = 1}};
        seed = 1000u + (uint32_t)run;
        memset(shadow, 0, sizeof shadow);
        compositor_init(&c, screen);
        for (int i = 0; i < 2; i++) {
            surface_fill(&surfaces[i], i);
            kp_compositor_add(&c, &surfaces[i]);
        }
        kp_compositor_place(&c, &surfaces[0], &(kp_placement_t){{0, 40, W, H}, 0, 0, true}, 0);
        for (int step = 0; step < 60; step++) {
            for (int n = random_below(3); n >= 0; n--)
                random_step(&c, surfaces);
            KP_EXPECT_INT(kp_compositor_paint(&c), KP_OK);
            KP_EXPECT(!kp_compositor_needs_paint(&c));
            KP_EXPECT_INT(differences(&c), 0);
        }
        KP_EXPECT(c.scrolls > 0);
        kp_compositor_remove(&c, &surfaces[0]);
        kp_compositor_paint(&c);
        KP_EXPECT_INT(differences(&c), 0);
        for (int i = 0; i < 2; i++)
            kp_paint_scene_clear(&surfaces[i].scene, TEST_HOST(&resources));
        kp_painter_clear(&c.painter);
    }
}

KP_TEST(compositor_scrolling_paints_only_the_strip)
{
    kp_compositor_t c;
    kp_surface_t s = {.background = 0xffffffff, .page_width = W, .page_height = 2000};
    compositor_init(&c, screen);
    surface_fill(&s, 0);
    kp_compositor_add(&c, &s);
    kp_placement_t p = {{0, 40, W, H}, 0, 0, false};
    kp_compositor_place(&c, &s, &p, 0);
    kp_compositor_paint(&c);
    c.painter.pixels = 0;
    p.scroll_y = 10;
    kp_compositor_place(&c, &s, &p, 0);
    kp_compositor_paint(&c);
    KP_EXPECT_INT(c.scrolls, 1);
    KP_EXPECT(c.painter.pixels > 0 && c.painter.pixels <= 3 * 10 * W);
    KP_EXPECT_INT(differences(&c), 0);
    kp_paint_scene_clear(&s.scene, TEST_HOST(&resources));
    kp_painter_clear(&c.painter);
}

KP_TEST(compositor_flushes_only_what_changed)
{
    kp_compositor_t c;
    kp_surface_t s = {.background = 0xffffffff, .page_width = W, .page_height = 2000};
    compositor_init(&c, screen);
    surface_fill(&s, 0);
    kp_compositor_add(&c, &s);
    kp_compositor_place(&c, &s, &(kp_placement_t){{0, 0, W, H}, 0, 0, false}, 0);
    kp_compositor_paint(&c);
    c.flushed_pixels = 0;
    surface_fill(&s, 0); /* the same again */
    kp_compositor_paint(&c);
    KP_EXPECT_INT(c.flushed_pixels, 0);
    surface_fill(&s, 5); /* bars 0 and 5 change colour */
    kp_compositor_paint(&c);
    KP_EXPECT(c.flushed_pixels > 0 && c.flushed_pixels < W * 80);
    c.flushed_pixels = 0;
    kp_compositor_cursor(&c, 100, 100, true);
    kp_compositor_paint(&c);
    KP_EXPECT_INT(c.flushed_pixels, KP_CURSOR_WIDTH * KP_CURSOR_HEIGHT);
    KP_EXPECT_INT(screen[100 * W + 100] & 0xffffff, 0);
    kp_paint_scene_clear(&s.scene, TEST_HOST(&resources));
    kp_painter_clear(&c.painter);
}

KP_TEST(damage_covers_what_was_added)
{
    static uint8_t marked[100][100];
    for (int run = 0; run < 200; run++) {
        kp_damage_t damage = {0};
        memset(marked, 0, sizeof marked);
        seed = (uint32_t)run;
        for (int i = random_below(40); i >= 0; i--) {
            int x = random_below(90), y = random_below(90);
            kp_paint_rect_t r = {x, y, x + random_below(11), y + random_below(11)};
            kp_damage_add(&damage, r);
            for (y = r.y0; y < r.y1; y++)
                memset(&marked[y][r.x0], 1, (size_t)(r.x1 - r.x0));
        }
        KP_EXPECT(damage.count <= KP_DAMAGE_MAX);
        for (int y = 0; y < 100; y++) {
            for (int x = 0; x < 100; x++)
                KP_EXPECT(!marked[y][x] ||
                          kp_damage_intersects(&damage, (kp_paint_rect_t){x, y, x + 1, y + 1}));
        }
    }
}

KP_TEST_MAIN()
