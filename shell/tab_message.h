/* Reading what a tab says. A tab runs hostile pages and may itself be hostile: every byte is
   checked here, and only here. Pure. */
#ifndef KP_SHELL_TAB_MESSAGE_H
#define KP_SHELL_TAB_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/tab.h"

/* Text inside the message: not NUL-terminated, any bytes. */
typedef struct kp_shell_span {
    const char *text;
    size_t size;
} kp_shell_span_t;

typedef struct kp_shell_tab_event {
    uint32_t kind; /* KP_TAB_READY ... KP_TAB_SCROLL_REQUEST */
    union {
        struct {
            uint32_t load_id;
            uint32_t state; /* KP_TAB_LOAD_*, checked */
            kp_status_t status;
            uint32_t http_status;
            kp_shell_span_t url, text;
        } load;
        kp_shell_span_t text; /* TITLE, NAVIGATE_REQUEST, HOVER */
        struct {
            uint32_t load_id, sequence;
            uint32_t list_size;              /* <= KP_DISPLAY_LIST_MAX */
            int32_t page_width, page_height; /* 0 .. KP_DISPLAY_COORDINATE_MAX */
            uint32_t background;
        } frame; /* the message has 1 + its resource_count handles */
        struct {
            kp_status_t status;
            uint32_t size;
        } dumped; /* the message has one handle when status is OK */
        struct {
            int32_t x, y; /* any */
        } scroll;
    };
} kp_shell_tab_event_t;

/* Borrows the bytes. ERR_PROTOCOL: unknown ordinal, too short, a count or size that does not fit
   the message, the wrong number of handles. */
kp_status_t kp_shell_tab_event_parse(const void *bytes, size_t size, uint32_t handle_count,
                                     kp_shell_tab_event_t *event);

#endif
