/* QEMU's machine protocol over a connected socket: one command at a time. Host code. */
#ifndef KP_TOOLS_KPIO_QMP_H
#define KP_TOOLS_KPIO_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kp_qmp {
    int socket;
    size_t used;
    char line[16384]; /* longer lines are cut: no answer that matters is long */
} kp_qmp_t;

/* Reads the greeting and leaves negotiation. socket: connected, borrowed. deadline: kp_child_now.
 */
bool kp_qmp_start(kp_qmp_t *qmp, int socket, int64_t deadline);

/* Sends {"execute": command, "arguments": {...}} (arguments: JSON object text, NULL: none), skips
   events, and returns whether the answer was "return"; otherwise error holds its description. */
bool kp_qmp_execute(kp_qmp_t *qmp, const char *command, const char *arguments, int64_t deadline,
                    char *error, size_t error_size);

/* Text as a JSON string with its quotes; false: it does not fit. */
bool kp_qmp_quote(const char *text, char *to, size_t size);

#endif
