/* The kernel's command line: words separated by blanks; a word may be in "double quotes", also
   after its '='. Borrows nothing: values are copied out. */
#ifndef KP_KERNEL_COMMAND_LINE_H
#define KP_KERNEL_COMMAND_LINE_H

#include "kernel/base/base.h"

/* Takes the next word (quotes removed) at *position into word, cut to size - 1 bytes; false: none.
 */
bool kp_command_line_next(const char **position, char *word, size_t size);
/* The value of the last "key=value"; false when there is none (value is then empty). */
bool kp_command_line_get(const char *line, const char *key, char *value, size_t size);
/* Is the last value of the key this one? */
bool kp_command_line_is(const char *line, const char *key, const char *value);

#endif
