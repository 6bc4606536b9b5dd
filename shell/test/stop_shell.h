/* The end of a shell in a test: a program only ever exits. */
#ifndef KP_SHELL_TEST_STOP_SHELL_H
#define KP_SHELL_TEST_STOP_SHELL_H

#include <stdlib.h>

#include "shell/shell.h"

/* Gives back what it holds, but for the handles that it was given and its loop. */
static inline void stop_shell(kp_shell_t *shell)
{
    kp_shell_view_stop(&shell->page.view);
    kp_shell_view_stop(&shell->toolbar.view);
    kp_shell_link_close(&shell->display.link);
    kp_shell_history_clear(&shell->page.history);
    free(shell->page.view.waiting_url);
    free(shell->page.view.waiting_html);
    free(shell->toolbar.view.waiting_url);
    free(shell->toolbar.view.waiting_html);
}

#endif
