/* The toolbar's tab: sends the toolbar's HTML whenever it changes, one load at a time. */
#ifndef KP_SHELL_TOOLBAR_VIEW_H
#define KP_SHELL_TOOLBAR_VIEW_H

#include "shell/tab_view.h"
#include "shell/toolbar.h"

typedef struct kp_shell_toolbar_view {
    kp_shell_view_t view;
    kp_shell_toolbar_t model; /* change it, then kp_shell_toolbar_view_update */
    void (*command)(void *context, const char *command, size_t size); /* a button was clicked */
    void *context;
    bool is_marked;        /* boot mark "toolbar" was set */
    bool is_dirty;         /* the model changed since the last load */
    bool is_busy;          /* a load is being shown */
    bool is_held;          /* waits for its first load: see _hold */
    kp_loop_timer_t guard; /* against a load that never ends */
    kp_loop_timer_t again; /* after a crash, and while held */
    uint32_t crashes;
    char html[KP_SHELL_TOOLBAR_HTML_MAX];
} kp_shell_toolbar_view_t;

kp_status_t
kp_shell_toolbar_view_init(kp_shell_toolbar_view_t *bar, kp_loop_t *loop, kp_message_t *scratch,
                           kp_shell_display_t *display, kp_handle_t coordinator,
                           void (*command)(void *context, const char *command, size_t size),
                           void *context);
/* At boot the page comes first: one processor cannot start two tabs as fast as one. The toolbar's
   tab starts with _release or when the page takes too long. */
void kp_shell_toolbar_view_hold(kp_shell_toolbar_view_t *bar);
void kp_shell_toolbar_view_release(kp_shell_toolbar_view_t *bar);
/* The model changed: shows it, at once or when the load before has been shown. */
void kp_shell_toolbar_view_update(kp_shell_toolbar_view_t *bar);

#endif
