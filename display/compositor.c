#include "display/compositor.h"

#include <stdlib.h>
#include <string.h>

#define DESKTOP 0x00505860u /* where no surface is */
#define TRACK 0x00fcfcfcu
#define THUMB 0xff8b8b8bu

static kp_paint_rect_t screen_rect(const kp_compositor_t *compositor)
{
    return (kp_paint_rect_t){0, 0, compositor->target.width, compositor->target.height};
}

static int32_t bar_width(const kp_compositor_t *compositor, const kp_placement_t *placement)
{
    int32_t width = (int32_t)(KP_DISPLAY_SCROLL_BAR_WIDTH * (int64_t)compositor->scale / 256);
    int32_t room = placement->rect.x1 - placement->rect.x0;
    return !placement->scroll_bar ? 0 : width < room ? width : room;
}

/* The part of the surface's rectangle that shows the page, and the part with the scroll bar. */
static kp_paint_rect_t view_rect(const kp_compositor_t *compositor, const kp_placement_t *placement)
{
    kp_paint_rect_t view = placement->rect;
    view.x1 -= bar_width(compositor, placement);
    return view;
}

static kp_paint_rect_t bar_rect(const kp_compositor_t *compositor, const kp_placement_t *placement)
{
    kp_paint_rect_t bar = placement->rect;
    bar.x0 = bar.x1 - bar_width(compositor, placement);
    return bar;
}

void kp_compositor_damage(kp_compositor_t *compositor, kp_paint_rect_t rect)
{
    rect = kp_paint_rect_intersect(rect, screen_rect(compositor));
    kp_damage_add(&compositor->damage, rect);
    kp_damage_add(&compositor->changed, rect);
}

/* ---- the stack of surfaces ---- */

static void link_surface(kp_compositor_t *compositor, kp_surface_t *surface)
{
    kp_surface_t **at = &compositor->bottom;
    while (*at && (*at)->order <= surface->order)
        at = &(*at)->next;
    surface->next = *at;
    *at = surface;
}

static void unlink_surface(kp_compositor_t *compositor, kp_surface_t *surface)
{
    kp_surface_t **at = &compositor->bottom;
    while (*at && *at != surface)
        at = &(*at)->next;
    if (*at)
        *at = surface->next;
}

void kp_compositor_add(kp_compositor_t *compositor, kp_surface_t *surface)
{
    link_surface(compositor, surface);
}

void kp_compositor_remove(kp_compositor_t *compositor, kp_surface_t *surface)
{
    unlink_surface(compositor, surface);
    kp_compositor_damage(compositor, surface->painted.rect);
}

void kp_compositor_place(kp_compositor_t *compositor, kp_surface_t *surface,
                         const kp_placement_t *placement, uint32_t order)
{
    surface->wanted = *placement;
    if (surface->order != order) {
        unlink_surface(compositor, surface);
        surface->order = order;
        link_surface(compositor, surface);
        kp_compositor_damage(compositor, surface->painted.rect);
    }
}

void kp_compositor_touch(kp_compositor_t *compositor, kp_surface_t *surface,
                         kp_paint_rect_t page_rect)
{
    (void)compositor;
    kp_damage_add(&surface->page_damage, page_rect);
}

void kp_compositor_touch_all(kp_compositor_t *compositor, kp_surface_t *surface)
{
    kp_compositor_damage(compositor, surface->painted.rect);
}

/* ---- from wishes to damage ---- */

static bool same_rect(kp_paint_rect_t a, kp_paint_rect_t b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static bool same_placement(const kp_placement_t *a, const kp_placement_t *b)
{
    return same_rect(a->rect, b->rect) && a->scroll_x == b->scroll_x &&
           a->scroll_y == b->scroll_y && a->scroll_bar == b->scroll_bar;
}

static bool is_covered(const kp_surface_t *surface, kp_paint_rect_t rect)
{
    for (const kp_surface_t *above = surface->next; above; above = above->next) {
        if (!kp_paint_rect_is_empty(kp_paint_rect_intersect(above->wanted.rect, rect)) ||
            !kp_paint_rect_is_empty(kp_paint_rect_intersect(above->painted.rect, rect)))
            return true;
    }
    return false;
}

/* Moves the pixels of the view instead of painting them anew. What was damaged and not yet painted
   is wrong at its new place too. */
static void scroll_view(kp_compositor_t *compositor, kp_surface_t *surface)
{
    kp_paint_rect_t view =
        kp_paint_rect_intersect(view_rect(compositor, &surface->wanted), screen_rect(compositor));
    int32_t dx = surface->painted.scroll_x - surface->wanted.scroll_x;
    int32_t dy = surface->painted.scroll_y - surface->wanted.scroll_y;
    int32_t width = view.x1 - view.x0, height = view.y1 - view.y0;
    kp_damage_t pending = compositor->damage;
    kp_paint_scroll(&compositor->target, view, dx, dy);
    compositor->scrolls++;
    for (uint32_t i = 0; i < pending.count; i++) {
        kp_paint_rect_t moved =
            kp_paint_rect_move(kp_paint_rect_intersect(pending.rects[i], view), dx, dy);
        kp_compositor_damage(compositor, kp_paint_rect_intersect(moved, view));
    }
    kp_paint_rect_t strip = view;
    if (dy > 0)
        strip.y1 = view.y0 + (dy < height ? dy : height);
    else
        strip.y0 = view.y1 - (-dy < height ? -dy : height);
    if (dy)
        kp_compositor_damage(compositor, strip);
    strip = view;
    if (dx > 0)
        strip.x1 = view.x0 + (dx < width ? dx : width);
    else
        strip.x0 = view.x1 - (-dx < width ? -dx : width);
    if (dx)
        kp_compositor_damage(compositor, strip);
    kp_compositor_damage(compositor, bar_rect(compositor, &surface->wanted));
    kp_damage_add(&compositor->changed, view);
}

static void apply_placement(kp_compositor_t *compositor, kp_surface_t *surface)
{
    kp_placement_t *wanted = &surface->wanted, *painted = &surface->painted;
    if (!same_placement(wanted, painted)) {
        kp_paint_rect_t view = view_rect(compositor, wanted);
        int64_t dx = (int64_t)wanted->scroll_x - painted->scroll_x;
        int64_t dy = (int64_t)wanted->scroll_y - painted->scroll_y;
        bool can_move = same_rect(wanted->rect, painted->rect) &&
                        wanted->scroll_bar == painted->scroll_bar &&
                        llabs(dx) < view.x1 - view.x0 && llabs(dy) < view.y1 - view.y0 &&
                        !is_covered(surface, view);
        if (can_move) {
            scroll_view(compositor, surface);
        } else {
            kp_compositor_damage(compositor, painted->rect);
            kp_compositor_damage(compositor, wanted->rect);
        }
        *painted = *wanted;
    }
    kp_paint_rect_t view = view_rect(compositor, painted);
    for (uint32_t i = 0; i < surface->page_damage.count; i++) {
        kp_paint_rect_t rect =
            kp_paint_rect_move(surface->page_damage.rects[i], view.x0 - painted->scroll_x,
                               view.y0 - painted->scroll_y);
        kp_compositor_damage(compositor, kp_paint_rect_intersect(rect, view));
    }
    kp_damage_clear(&surface->page_damage);
}

/* ---- the cursor: the top layer, with what lies below it saved ---- */

/* '#' black outline, '.' white. */
static const char cursor_shape[KP_CURSOR_HEIGHT][KP_CURSOR_WIDTH + 1] = {
    "#           ", "##          ", "#.#         ", "#..#        ", "#...#       ",
    "#....#      ", "#.....#     ", "#......#    ", "#.......#   ", "#........#  ",
    "#.........# ", "#......#####", "#...#..#    ", "#..##..#    ", "#.#  #..#   ",
    "##   #..#   ", "#     #..#  ", "      #..#  ", "       ##   ",
};

void kp_compositor_cursor(kp_compositor_t *compositor, int32_t x, int32_t y, bool visible)
{
    compositor->cursor_x = x;
    compositor->cursor_y = y;
    compositor->cursor_wanted = visible;
}

static kp_paint_rect_t cursor_wish(const kp_compositor_t *compositor)
{
    kp_paint_rect_t rect = {compositor->cursor_x, compositor->cursor_y,
                            compositor->cursor_x + KP_CURSOR_WIDTH,
                            compositor->cursor_y + KP_CURSOR_HEIGHT};
    if (!compositor->cursor_wanted)
        return (kp_paint_rect_t){0};
    return kp_paint_rect_intersect(rect, screen_rect(compositor));
}

/* Copies between the screen below the cursor and the saved pixels. */
static void copy_below(kp_compositor_t *compositor, bool save)
{
    kp_paint_rect_t r = compositor->cursor_rect;
    size_t bytes = (size_t)(r.x1 - r.x0) * 4;
    for (int32_t y = r.y0; y < r.y1; y++) {
        uint32_t *screen = compositor->target.pixels + (size_t)y * compositor->target.stride + r.x0;
        uint32_t *saved = compositor->cursor_below + (size_t)(y - r.y0) * KP_CURSOR_WIDTH;
        memcpy(save ? saved : screen, save ? screen : saved, bytes);
    }
    kp_damage_add(&compositor->changed, r);
}

static void hide_cursor(kp_compositor_t *compositor)
{
    if (compositor->cursor_drawn)
        copy_below(compositor, false);
    compositor->cursor_drawn = false;
}

static void show_cursor(kp_compositor_t *compositor)
{
    kp_paint_rect_t r = cursor_wish(compositor);
    if (kp_paint_rect_is_empty(r))
        return;
    compositor->cursor_rect = r;
    copy_below(compositor, true);
    for (int32_t y = r.y0; y < r.y1; y++) {
        for (int32_t x = r.x0; x < r.x1; x++) {
            char dot = cursor_shape[y - compositor->cursor_y][x - compositor->cursor_x];
            if (dot != ' ')
                compositor->target.pixels[(size_t)y * compositor->target.stride + x] =
                    dot == '#' ? 0xff000000u : 0xffffffffu;
        }
    }
    compositor->cursor_drawn = true;
}

/* ---- painting ---- */

static kp_status_t paint_page(kp_compositor_t *compositor, const kp_surface_t *surface,
                              const kp_paint_target_t *target, kp_paint_rect_t cut, int32_t dx,
                              int32_t dy)
{
    kp_paint_rect_t page = {dx, dy, dx + surface->page_width, dy + surface->page_height};
    kp_paint_fill(target, cut, surface->background);
    return kp_paint_scene_paint(&surface->scene, &compositor->painter, target,
                                kp_paint_rect_intersect(cut, page), dx, dy);
}

static void paint_bar(kp_compositor_t *compositor, const kp_surface_t *surface, kp_paint_rect_t cut)
{
    const kp_placement_t *placement = &surface->painted;
    kp_paint_rect_t bar = bar_rect(compositor, placement);
    cut = kp_paint_rect_intersect(cut, bar);
    kp_display_thumb_t thumb =
        kp_display_thumb(bar.y1 - bar.y0, surface->page_height, placement->scroll_y);
    int32_t width = bar.x1 - bar.x0, margin = width * 4 / 15; /* as Chromium draws it */
    kp_paint_rect_t handle = {bar.x0 + margin, bar.y0 + thumb.offset + 2, bar.x1 - width * 2 / 15,
                              bar.y0 + thumb.offset + thumb.length - 2};
    kp_paint_fill(&compositor->target, cut, TRACK);
    if (thumb.length < bar.y1 - bar.y0)
        kp_paint_fill_rounded(&compositor->target, cut, handle, (uint32_t)margin, THUMB);
}

static kp_status_t paint_damage(kp_compositor_t *compositor, kp_paint_rect_t rect)
{
    kp_status_t result = KP_OK;
    bool is_covered_wholly = false;
    for (kp_surface_t *s = compositor->bottom; s; s = s->next)
        is_covered_wholly |= same_rect(kp_paint_rect_intersect(s->painted.rect, rect), rect);
    if (!is_covered_wholly)
        kp_paint_fill(&compositor->target, rect, DESKTOP);
    for (kp_surface_t *s = compositor->bottom; s; s = s->next) {
        kp_paint_rect_t cut = kp_paint_rect_intersect(s->painted.rect, rect);
        if (kp_paint_rect_is_empty(cut))
            continue;
        kp_paint_rect_t view = view_rect(compositor, &s->painted);
        kp_status_t status =
            paint_page(compositor, s, &compositor->target, kp_paint_rect_intersect(cut, view),
                       view.x0 - s->painted.scroll_x, view.y0 - s->painted.scroll_y);
        if (status != KP_OK)
            result = status;
        paint_bar(compositor, s, cut);
    }
    return result;
}

static bool cursor_moves(const kp_compositor_t *compositor)
{
    kp_paint_rect_t wish = cursor_wish(compositor);
    bool wanted = !kp_paint_rect_is_empty(wish);
    return wanted != compositor->cursor_drawn ||
           (wanted && !same_rect(wish, compositor->cursor_rect));
}

bool kp_compositor_needs_paint(const kp_compositor_t *compositor)
{
    if (!compositor->target.pixels)
        return false;
    for (const kp_surface_t *s = compositor->bottom; s; s = s->next) {
        if (s->page_damage.count || !same_placement(&s->wanted, &s->painted))
            return true;
    }
    return compositor->damage.count || compositor->changed.count || cursor_moves(compositor);
}

kp_status_t kp_compositor_paint(kp_compositor_t *compositor)
{
    kp_status_t result = KP_OK;
    if (!kp_compositor_needs_paint(compositor))
        return KP_OK;
    hide_cursor(compositor); /* before pixels are moved or painted over */
    for (kp_surface_t *s = compositor->bottom; s; s = s->next)
        apply_placement(compositor, s);
    for (uint32_t i = 0; i < compositor->damage.count; i++) {
        kp_status_t status = paint_damage(compositor, compositor->damage.rects[i]);
        if (status != KP_OK)
            result = status;
    }
    kp_damage_clear(&compositor->damage);
    show_cursor(compositor);
    for (uint32_t i = 0; i < compositor->changed.count && compositor->flush; i++) {
        kp_paint_rect_t r = compositor->changed.rects[i];
        compositor->flushed_pixels += (uint64_t)(r.x1 - r.x0) * (uint64_t)(r.y1 - r.y0);
        compositor->flush(compositor->context, r);
    }
    kp_damage_clear(&compositor->changed);
    compositor->frames++;
    return result;
}

kp_status_t kp_compositor_capture(kp_compositor_t *compositor, const kp_surface_t *surface,
                                  const kp_paint_target_t *target, int32_t x, int32_t y)
{
    return paint_page(compositor, surface, target,
                      (kp_paint_rect_t){0, 0, target->width, target->height}, -x, -y);
}
