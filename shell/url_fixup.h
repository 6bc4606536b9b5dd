/* From what a user typed, or a tab asked for, to an address. Pure. */
#ifndef KP_SHELL_URL_FIXUP_H
#define KP_SHELL_URL_FIXUP_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/status.h"

#define KP_SHELL_URL_MAX 8192u /* bytes, the NUL included */

#define KP_SHELL_URL_START "about:start" /* the shell's own first page */

/* Typed text -> URL: trims, drops control characters, writes inner spaces as %20, adds "http://"
   when there is no scheme ("host", "host:8080/x", "//host"). No guess beyond that: a bare word is a
   host. out: KP_SHELL_URL_MAX bytes. ERR_INVALID_ARGUMENT: nothing was typed; ERR_TOO_LARGE. */
kp_status_t kp_shell_url_fix(const char *typed, size_t size, char out[KP_SHELL_URL_MAX]);

/* Takes a URL from a tab: must have a scheme, no control characters, and fit. The same errors. */
kp_status_t kp_shell_url_take(const char *text, size_t size, char out[KP_SHELL_URL_MAX]);

/* Whether the URL begins with this scheme ("http"), in any case. */
bool kp_shell_url_has_scheme(const char *url, const char *scheme);

#endif
