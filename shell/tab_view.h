/* One tab process with its surface on the screen: starts and ends the process, configures it,
   passes its frames to the display, keeps the scroll position. What a load means is its owner's
   business (shell/page.c, shell/main.c for the toolbar). */
#ifndef KP_SHELL_TAB_VIEW_H
#define KP_SHELL_TAB_VIEW_H

#include "shell/display_client.h"
#include "shell/scroll.h"
#include "shell/tab_message.h"

/* Callbacks; those for loads are called for the newest load only. Any of them may start another
   load or restart the view. */
typedef struct kp_shell_view_ops {
    void (*load_state)(void *context, const kp_shell_tab_event_t *event);
    void (*title)(void *context, kp_shell_span_t text);
    void (*navigate)(void *context, kp_shell_span_t url); /* a link was followed */
    void (*hover)(void *context, kp_shell_span_t url);    /* a link is under the pointer, or none */
    void (*scroll)(void *context, int32_t x, int32_t y);  /* the page wants this position */
    void (*frame)(void *context, uint32_t load_id);       /* page_width, page_height are new */
    void (*shown)(void *context);                         /* a frame is on the screen */
    /* vmo is NONE on failure and the callback's otherwise. */
    void (*dumped)(void *context, kp_status_t status, kp_handle_t vmo, uint32_t size);
    /* The process is gone; the view is stopped. reason is NULL or what the shell itself found
       wrong. info is NULL when the kernel could not tell. */
    void (*crashed)(void *context, const kp_process_info_t *info, const char *reason);
    /* The display was restarted and this tab cannot show itself there: a fresh process runs already
       and needs its document again. */
    void (*renewed)(void *context);
} kp_shell_view_ops_t;

typedef struct kp_shell_frame {
    kp_display_present_t present;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint32_t handle_count; /* 0: no frame is held */
} kp_shell_frame_t;

/* Zero-initialise, then kp_shell_view_init. */
typedef struct kp_shell_view {
    const char *name; /* for the log */
    kp_loop_t *loop;
    kp_handle_t coordinator; /* borrowed */
    uint32_t role;           /* KP_TAB_ROLE_*; the owner sets it before the process starts */
    const kp_shell_view_ops_t *ops;
    void *context;
    kp_shell_link_t link;
    kp_handle_t process;
    kp_shell_surface_t surface;
    kp_loop_timer_t start_timer; /* tab_create failed: the next try */
    kp_time_t start_delay;
    kp_loop_timer_t redraw_timer; /* the display is new: a picture has to arrive before this */
    uint32_t tabs_started;

    uint32_t load_id;    /* of the newest load; 0: none yet */
    char *waiting_url;   /* the load to send when the process runs; owned */
    char *waiting_html;  /* NULL: a navigation; owned */
    size_t waiting_size; /* of the HTML */

    kp_shell_frame_t held; /* arrived before the one in flight was shown, or before the surface */
    bool is_in_flight;
    uint32_t in_flight_sequence;
    uint32_t refused; /* frames refused by the display, in a row */

    int32_t x, y, width, height; /* on the screen, device px */
    uint32_t order;
    uint32_t scale;
    bool has_scroll_bar; /* may have one, if the page is taller than the view */
    kp_shell_scroll_bar_t bar;
    int32_t page_width, page_height; /* CSS px */
    int32_t scroll_x, scroll_y;      /* CSS px */
} kp_shell_view_t;

/* Registers the surface; the process starts with kp_shell_view_start. */
kp_status_t kp_shell_view_init(kp_shell_view_t *view, kp_loop_t *loop, kp_message_t *scratch,
                               kp_shell_display_t *display, kp_handle_t coordinator);
/* Starts the process; when that fails tries again by itself, less and less often. */
void kp_shell_view_start(kp_shell_view_t *view);
/* Ends the process at once. */
void kp_shell_view_stop(kp_shell_view_t *view);

/* The rectangle on the screen, device px, and the scale; configures the tab when it changed. */
void kp_shell_view_place(kp_shell_view_t *view, int32_t x, int32_t y, int32_t width, int32_t height,
                         uint32_t scale);
/* The viewport, CSS px, without the scroll bar. */
int32_t kp_shell_view_viewport_width(const kp_shell_view_t *view);
int32_t kp_shell_view_viewport_height(const kp_shell_view_t *view);

/* New loads. The strings are copied when the process does not run yet. A tab that does not read its
   messages any more is replaced by a fresh one. ERR_NO_MEMORY. */
kp_status_t kp_shell_view_navigate(kp_shell_view_t *view, const char *url);
kp_status_t kp_shell_view_load_html(kp_shell_view_t *view, const char *url, const char *html,
                                    size_t size);
void kp_shell_view_cancel(kp_shell_view_t *view);
void kp_shell_view_dump(kp_shell_view_t *view, uint32_t format);

void kp_shell_view_pointer(kp_shell_view_t *view, uint32_t kind, uint32_t button, int32_t x,
                           int32_t y, uint32_t modifiers); /* CSS px in the viewport */
void kp_shell_view_key(kp_shell_view_t *view, uint32_t code, uint32_t codepoint, bool is_down,
                       uint32_t modifiers);
/* Clamped; shows it and tells the tab when it changed. */
void kp_shell_view_scroll_to(kp_shell_view_t *view, int64_t x, int64_t y);

#endif
