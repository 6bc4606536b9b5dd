/* Surfaces on a screen: what is damaged is painted, what is scrolled is moved. Portable; the
   display service owns the surfaces and says what to do with the pixels that changed. Device
   pixels. */
#ifndef KP_DISPLAY_COMPOSITOR_H
#define KP_DISPLAY_COMPOSITOR_H

#include "abi/display.h"
#include "display/damage.h"

#define KP_CURSOR_WIDTH 12
#define KP_CURSOR_HEIGHT 19

typedef struct kp_surface kp_surface_t;

/* Where a surface is on the screen, as the client last asked and as it was last painted. */
typedef struct kp_placement {
    kp_paint_rect_t rect; /* empty: not shown */
    int32_t scroll_x, scroll_y;
    bool scroll_bar;
} kp_placement_t;

struct kp_surface {
    kp_surface_t *next; /* towards the viewer; the compositor's */
    kp_paint_scene_t scene;
    uint32_t background;
    int32_t page_width, page_height;
    uint32_t order;
    kp_placement_t wanted, painted;
    kp_damage_t page_damage; /* page px: parts of the scene that are new */
};

typedef struct kp_compositor {
    kp_paint_target_t target; /* pixels NULL: there is no screen */
    uint32_t scale;           /* device px per CSS px times 256 */
    /* A rectangle of the target has its final pixels. May be NULL. */
    void (*flush)(void *context, kp_paint_rect_t rect);
    void *context;
    kp_painter_t painter;
    kp_surface_t *bottom;
    kp_damage_t damage;  /* screen px: to be painted */
    kp_damage_t changed; /* screen px: to be flushed */
    bool cursor_wanted, cursor_drawn;
    int32_t cursor_x, cursor_y;  /* of its tip */
    kp_paint_rect_t cursor_rect; /* where it is drawn */
    uint32_t cursor_below[KP_CURSOR_WIDTH * KP_CURSOR_HEIGHT];
    uint64_t frames, flushed_pixels, scrolls; /* for measurements */
} kp_compositor_t;

/* Shows the surface (borrowed until removed) with this order; its placement is empty at first. */
void kp_compositor_add(kp_compositor_t *compositor, kp_surface_t *surface);
void kp_compositor_remove(kp_compositor_t *compositor, kp_surface_t *surface);
/* Coordinates and sizes must be within +-KP_DISPLAY_COORDINATE_MAX. */
void kp_compositor_place(kp_compositor_t *compositor, kp_surface_t *surface,
                         const kp_placement_t *placement, uint32_t order);
/* The surface's scene changed in that part of the page; background or page size may have too. */
void kp_compositor_touch(kp_compositor_t *compositor, kp_surface_t *surface,
                         kp_paint_rect_t page_rect);
/* Everything looks different (after the page's background or size changed). */
void kp_compositor_touch_all(kp_compositor_t *compositor, kp_surface_t *surface);
void kp_compositor_damage(kp_compositor_t *compositor, kp_paint_rect_t rect);
/* The software cursor; drawn at the next paint. */
void kp_compositor_cursor(kp_compositor_t *compositor, int32_t x, int32_t y, bool visible);

bool kp_compositor_needs_paint(const kp_compositor_t *compositor);
/* Brings the screen up to date and flushes what changed. ERR_NO_MEMORY: some commands are missing
   in the picture. */
kp_status_t kp_compositor_paint(kp_compositor_t *compositor);

/* Paints one surface, page position (x, y) at the target's top left, whether it is placed or not.
 */
kp_status_t kp_compositor_capture(kp_compositor_t *compositor, const kp_surface_t *surface,
                                  const kp_paint_target_t *target, int32_t x, int32_t y);

#endif
