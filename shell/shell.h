/* The shell program: browser window frame around a page. See shell/README.md. */
#ifndef KP_SHELL_SHELL_H
#define KP_SHELL_SHELL_H

#include "shell/input.h"
#include "shell/page.h"
#include "shell/toolbar_view.h"

typedef struct kp_shell {
    kp_loop_t loop;
    kp_message_t message; /* scratch of all links */
    kp_shell_display_t display;
    kp_shell_page_t page;
    kp_shell_toolbar_view_t toolbar;
    kp_shell_input_t input;
    kp_handle_t coordinator;
    kp_handle_t console;  /* NONE: no dumps */
    uint32_t dump_format; /* 0: none */
    bool is_marked;       /* boot mark "load-done" was set */
    uint32_t screen_width, screen_height, scale;
} kp_shell_t;

/* Reads the arguments ("url=...", "dump=text|html|boxes"; others are ignored), takes the named
   handles (coordinator, svc:display, dev:console0), starts both tabs. shell: zeroed. ERR_NOT_FOUND
   without a coordinator. Then run shell->loop. */
kp_status_t kp_shell_start(kp_shell_t *shell, int argc, char **argv);

#endif
