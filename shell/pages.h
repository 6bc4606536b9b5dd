/* The shell's own pages: start, error, crash. Pure: HTML into a buffer. Their links are "kpio:"
   commands (shell/page.c). */
#ifndef KP_SHELL_PAGES_H
#define KP_SHELL_PAGES_H

#include "abi/types.h"
#include "shell/html.h"

#define KP_SHELL_PAGE_MAX 16384u /* bytes: enough for every page below */

void kp_shell_page_start(kp_shell_html_t *html);
/* A load that failed before anything arrived. cause: one line, may be empty; any bytes. */
void kp_shell_page_error(kp_shell_html_t *html, const char *url, kp_status_t status,
                         uint32_t http_status, const char *cause, size_t cause_size);
/* The tab's process ended. info: NULL when the kernel could not tell why. reason: what the shell
   found wrong itself, or NULL. */
void kp_shell_page_crash(kp_shell_html_t *html, const char *url, const kp_process_info_t *info,
                         const char *reason);
/* One line for the log and the crash page: "out of bounds at 0x1234". out: any capacity > 0. */
void kp_shell_crash_text(char *out, size_t capacity, const kp_process_info_t *info,
                         const char *reason);

#endif
