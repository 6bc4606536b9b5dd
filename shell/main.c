/* The shell program. */
#include <stdlib.h>

#include "shell/shell.h"

int main(int argc, char **argv)
{
    kp_shell_t *shell = calloc(1, sizeof(*shell));
    kp_status_t status = shell ? kp_shell_start(shell, argc, argv) : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        kp_log("cannot start: %s", kp_status_text(status));
        return 1;
    }
    int result = kp_loop_run(&shell->loop);
    kp_log("the event loop ended");
    return result == 0 ? 0 : 1;
}
