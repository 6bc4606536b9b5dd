/* Writes what a tab dumped to the console, for tests: a line "kpio-dump-begin FORMAT SIZE", SIZE
   bytes, a newline unless they end with one, a line "kpio-dump-end". */
#ifndef KP_SHELL_DUMP_H
#define KP_SHELL_DUMP_H

#include <stdbool.h>

#include "abi/types.h"

#define KP_SHELL_DUMP_MAX (16u << 20) /* bytes; longer dumps are cut */

/* "text", "html", "boxes" -> KP_TAB_DUMP_*; 0 for anything else. */
uint32_t kp_shell_dump_format(const char *name);
/* Takes the VMO. Blocks while the console is busy, at most a few seconds. */
kp_status_t kp_shell_dump_write(kp_handle_t console, uint32_t format, kp_handle_t vmo,
                                uint32_t size);

#endif
