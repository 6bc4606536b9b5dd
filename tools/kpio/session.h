/* One page in a hosted system without a shell: a tab, its frames given to the display service. Runs
   on a kernel thread of the hosted kernel; not thread-safe. */
#ifndef KP_TOOLS_KPIO_SESSION_H
#define KP_TOOLS_KPIO_SESSION_H

#include "kernel/kernel.h"
#include "tools/kpio/target.h"

typedef struct kp_session {
    const kp_target_t *target;
    uint32_t width, height; /* of the viewport, CSS px */
    kp_time_t deadline;     /* for everything */
    bool paints;            /* frames go to the display */
    bool has_scroll_bar;    /* a page taller than the viewport is laid out 15 px narrower */

    kp_capability_t tab, tab_process, display;
    uint32_t surface;
    uint32_t load_id, redirects;
    bool ready, loaded; /* loaded: DONE or FAILED came for load_id */
    bool committed;
    uint32_t frame_pending;          /* frames given to the display and not yet answered */
    bool framed;                     /* a frame of load_id was painted */
    uint32_t frame_load_id;          /* of the frame that the display has now */
    int32_t page_width, page_height; /* CSS px, of the last frame */
    uint32_t http_status;
    uint32_t bytes_received; /* of the document */
    kp_status_t status;      /* of the load */
    char text[512];          /* the cause when status is an error; a line for people */
    bool crashed;            /* a process ended that must not */
    uint8_t *pixels;         /* of kp_session_capture; owned */
    char url[8192];          /* final, as the tab reported it */
} kp_session_t;

/* Makes the tab and loads the target: returns when the load is done or failed and (paints) the
   frame that shows it is painted. OK also when the load failed but something arrived (`status`
   tells). */
kp_status_t kp_session_load(kp_session_t *session);

/* Paints the page area [0, 0, width, height] (device px) and lends its BGRX pixels, rows of *stride
   bytes, until kp_session_close. */
kp_status_t kp_session_capture(kp_session_t *session, uint32_t width, uint32_t height,
                               const uint8_t **pixels, size_t *stride);

/* KP_TAB_DUMP_*: malloc'ed bytes, which the caller frees. */
kp_status_t kp_session_dump(kp_session_t *session, uint32_t format, uint8_t **bytes, size_t *size);

/* Gives everything back; the tab ends. */
void kp_session_close(kp_session_t *session);

#endif
