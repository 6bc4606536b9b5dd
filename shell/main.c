/* The shell program. */
#include <stdlib.h>

#include "shell/shell.h"

int main(int argc, char **argv)
{
    kp_shell_t *shell = calloc(1, sizeof(*shell));
    kp_status_t status = shell ? kp_shell_start(shell, argc, argv) : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        (void)kp_loop_run(&shell->loop); /* returns only when waiting itself fails */
    kp_log("cannot go on: %s", kp_status_text(status));
    kp_process_trap(KP_TRAP_ABORT, 0); /* not an exit, which would end the system: start me again */
}
