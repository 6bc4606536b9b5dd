/* The page tab: navigation, history, loading state, error and crash pages. One load is the newest;
   until its document arrives (is_pending) the old one is still what the user sees. */
#ifndef KP_SHELL_PAGE_H
#define KP_SHELL_PAGE_H

#include "shell/history.h"
#include "shell/pages.h"
#include "shell/tab_view.h"
#include "shell/url_fixup.h"

typedef struct kp_shell_page_ops {
    void (*changed)(void *context); /* address, title, loading or history: for the toolbar */
    /* A load has ended and what it gave is laid out; status and http_status of the document. */
    void (*settled)(void *context, const char *url, kp_status_t status, uint32_t http_status);
    void (*dumped)(void *context, kp_status_t status, kp_handle_t vmo, uint32_t size);
    void (*shown)(void *context); /* a frame of the page is on the screen */
    void (*focus_address)(void *context);
} kp_shell_page_ops_t;

typedef enum kp_shell_load_kind {
    KP_SHELL_LOAD_NEW,     /* becomes a new entry */
    KP_SHELL_LOAD_REPLACE, /* stays on the current entry: reload */
    KP_SHELL_LOAD_HISTORY, /* goes to the entry `target` */
} kp_shell_load_kind_t;

/* Zero-initialise, then kp_shell_page_init. */
typedef struct kp_shell_page {
    kp_shell_view_t view;
    const kp_shell_page_ops_t *ops;
    void *context;
    kp_shell_history_t history;

    bool is_loading;
    bool is_pending; /* the newest load's document has not arrived; url, kind, target are its */
    kp_shell_load_kind_t kind;
    size_t target;
    char url[KP_SHELL_URL_MAX];

    bool is_internal; /* the newest load is a page of the shell's own, in html */
    bool is_error;    /* ... and stands for a load that failed with failed_status */
    kp_status_t failed_status;
    uint32_t failed_http_status;
    char html[KP_SHELL_PAGE_MAX];
    size_t html_size;

    char link[KP_SHELL_TITLE_MAX]; /* the address under the pointer, cleaned; or "" */
    bool is_fresh;                 /* no frame of the newest document yet */
    bool is_restoring;             /* scrolls to restore_* as soon as the page is tall enough */
    int32_t restore_x, restore_y;

    uint32_t crashes; /* since the last load that ended well */
    kp_loop_timer_t crash_timer;
} kp_shell_page_t;

kp_status_t kp_shell_page_init(kp_shell_page_t *page, kp_loop_t *loop, kp_message_t *scratch,
                               kp_shell_display_t *display, kp_handle_t coordinator,
                               const kp_shell_page_ops_t *ops, void *context);

/* url: from kp_shell_url_fix or _take. "about:start" and "about:blank" are the shell's own. */
void kp_shell_page_open(kp_shell_page_t *page, const char *url);
void kp_shell_page_back(kp_shell_page_t *page);
void kp_shell_page_forward(kp_shell_page_t *page);
void kp_shell_page_reload(kp_shell_page_t *page);
void kp_shell_page_stop(kp_shell_page_t *page);
/* "back", "forward", "reload", "stop", "kill" (ends the page's process), "address" (after "kpio:");
   others are ignored. */
void kp_shell_page_command(kp_shell_page_t *page, const char *command, size_t size);

/* What the address field shows: the pending load's address or the current entry's. Borrowed. */
const char *kp_shell_page_address(const kp_shell_page_t *page);
const char *kp_shell_page_title(const kp_shell_page_t *page);

/* The user scrolls: relative (CSS px) or to a position. */
void kp_shell_page_scroll_by(kp_shell_page_t *page, int64_t dx, int64_t dy);
void kp_shell_page_scroll_to(kp_shell_page_t *page, int64_t x, int64_t y);

/* "kpio:COMMAND" -> COMMAND and its size; NULL for anything else. */
const char *kp_shell_command_of(kp_shell_span_t url, size_t *size);

#endif
