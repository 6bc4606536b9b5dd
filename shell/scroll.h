/* Scroll arithmetic of one viewport: clamping, the scroll bar's decision, dragging. Pure. */
#ifndef KP_SHELL_SCROLL_H
#define KP_SHELL_SCROLL_H

#include <stdbool.h>
#include <stdint.h>

/* Keeps a position within a page: 0 .. page - viewport, never negative. Any int32 is accepted. */
int32_t kp_shell_scroll_clamp(int64_t position, int32_t page, int32_t viewport);

/* Whether a vertical scroll bar takes room from the viewport (classic scroll bars). Between two
   calls of _new_load the answer changes from yes to no at most once, and not after it was yes: so a
   page whose height depends on its width cannot make the shell flip for ever. */
typedef struct kp_shell_scroll_bar {
    bool is_shown;
    bool is_decided; /* a frame since _new_load needed it */
} kp_shell_scroll_bar_t;

static inline void kp_shell_scroll_bar_new_load(kp_shell_scroll_bar_t *bar)
{
    bar->is_decided = false;
}

/* A frame of the current load: true when is_shown changed (the tab must be configured again). */
bool kp_shell_scroll_bar_update(kp_shell_scroll_bar_t *bar, int32_t page_height,
                                int32_t viewport_height);

/* Where the page should be when the thumb's top is dragged to `offset` (device px below the track's
   top); all in device px. */
int32_t kp_shell_scroll_from_thumb(int32_t track, int32_t page_height, int32_t offset);

/* CSS px <-> device px; scale is times 256. Saturates. */
int32_t kp_shell_to_device(int32_t css, uint32_t scale);
int32_t kp_shell_to_css(int32_t device, uint32_t scale);

#endif
