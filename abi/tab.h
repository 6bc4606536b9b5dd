/* The channel between a tab process and its owner (the shell, or the kpio command).
   Variable parts follow the struct in the order of their size fields; strings are UTF-8, no NUL.
   Lengths are CSS pixels unless said; one CSS pixel is scale / 256 device pixels.

   The owner decides where a tab goes: a followed link is a NAVIGATE_REQUEST, which the owner answers
   by NAVIGATE (and so keeps one history). Each NAVIGATE or LOAD_HTML starts a new load, with the
   owner's load id; events of older loads are to be ignored.

   Frames: one is in flight until the owner answers FRAME_DONE. LOAD_DONE and LOAD_FAILED are sent after
   the FRAME that shows the loaded page. After each CONFIGURE the tab sends a whole frame and
   introduces all its resources again, so an owner whose display restarted sends CONFIGURE. */
#ifndef KP_ABI_TAB_H
#define KP_ABI_TAB_H

#include "abi/message.h"

enum {
    /* owner -> tab */
    KP_TAB_CONFIGURE = 1,  /* kp_tab_configure_t: viewport; the tab lays out again */
    KP_TAB_NAVIGATE = 2,   /* kp_tab_navigate_t + url */
    KP_TAB_LOAD_HTML = 3,  /* kp_tab_load_html_t + url + html (<= 60 KiB), or one VMO handle */
    KP_TAB_STOP = 4,       /* kp_message_header_t: stop loading; what arrived is shown */
    KP_TAB_POINTER = 5,    /* kp_tab_pointer_t */
    KP_TAB_KEY = 6,        /* kp_tab_key_t */
    KP_TAB_SCROLL_TO = 7,  /* kp_tab_scroll_t: the scroll position the owner shows */
    KP_TAB_DUMP = 8,       /* kp_tab_dump_t -> KP_TAB_DUMPED */
    KP_TAB_FRAME_DONE = 9, /* kp_tab_frame_done_t: the frame was shown; the next may come */
    /* tab -> owner */
    KP_TAB_READY = 32,            /* kp_message_header_t: started, wants CONFIGURE */
    KP_TAB_LOAD_STATE = 33,       /* kp_tab_load_state_t + url + text */
    KP_TAB_TITLE = 34,            /* kp_tab_text_t + text */
    KP_TAB_NAVIGATE_REQUEST = 35, /* kp_tab_text_t + absolute url */
    KP_TAB_HOVER = 36,            /* kp_tab_text_t + url under the pointer, or empty */
    KP_TAB_FRAME = 37,          /* kp_tab_frame_t, handles: display list VMO, then new resources */
    KP_TAB_DUMPED = 38,         /* kp_tab_dumped_t, one VMO handle */
    KP_TAB_SCROLL_REQUEST = 39, /* kp_tab_scroll_t: fragment navigation wants this position */
};

typedef struct kp_tab_configure {
    kp_message_header_t header;
    uint32_t width; /* of the viewport, CSS px, scroll bar excluded */
    uint32_t height;
    uint32_t scale; /* device pixels per CSS pixel, times 256 */
} kp_tab_configure_t;

typedef struct kp_tab_navigate {
    kp_message_header_t header;
    uint32_t load_id;
    uint32_t url_size;
} kp_tab_navigate_t;

typedef struct kp_tab_load_html {
    kp_message_header_t header;
    uint32_t load_id;
    uint32_t url_size;  /* the document's URL: base of its links */
    uint32_t html_size; /* bytes that follow, or in the VMO when a handle comes along */
} kp_tab_load_html_t;

enum {
    KP_TAB_LOAD_STARTED = 1,   /* url: what is being fetched */
    KP_TAB_LOAD_COMMITTED = 2, /* the document begins to arrive; url: final URL */
    KP_TAB_LOAD_DONE = 3,      /* document and subresources settled and laid out; sent after the
                                  FRAME that shows this (the tab waits for FRAME_DONE of an
                                  earlier frame first, if need be) */
    KP_TAB_LOAD_FAILED = 4,    /* status, text: one line with the cause. When parts arrived (was
                                  COMMITTED) they stay shown; otherwise nothing is shown */
};

typedef struct kp_tab_load_state {
    kp_message_header_t header;
    uint32_t load_id;
    uint32_t state;
    kp_status_t status;
    uint32_t http_status;
    uint32_t bytes_received;
    uint32_t url_size;
    uint32_t text_size;
} kp_tab_load_state_t;

typedef struct kp_tab_text {
    kp_message_header_t header;
    uint32_t text_size;
} kp_tab_text_t;

enum {
    KP_TAB_POINTER_MOVE = 1,
    KP_TAB_POINTER_DOWN = 2,
    KP_TAB_POINTER_UP = 3,
    KP_TAB_POINTER_LEAVE = 4,
};

typedef struct kp_tab_pointer {
    kp_message_header_t header;
    uint32_t kind;
    uint32_t button; /* 0 main, 1 middle, 2 secondary */
    int32_t x;       /* relative to the viewport */
    int32_t y;
    uint32_t modifiers; /* KP_TAB_MODIFIER_* */
} kp_tab_pointer_t;

enum {
    KP_TAB_MODIFIER_SHIFT = 1,
    KP_TAB_MODIFIER_CONTROL = 2,
    KP_TAB_MODIFIER_ALT = 4,
};

typedef struct kp_tab_key {
    kp_message_header_t header;
    uint32_t code;      /* Linux KEY_* */
    uint32_t codepoint; /* what it types, 0 when nothing */
    uint32_t pressed;
    uint32_t modifiers;
} kp_tab_key_t;

typedef struct kp_tab_scroll {
    kp_message_header_t header;
    int32_t x;
    int32_t y;
} kp_tab_scroll_t;

typedef struct kp_tab_frame {
    kp_message_header_t header;
    uint32_t load_id;
    uint32_t sequence;
    uint32_t list_size;      /* bytes used in the display list VMO (abi/display_list.h) */
    uint32_t resource_count; /* handles after the first; each is described in the display list */
    int32_t page_width;      /* scrollable size of the page, CSS px */
    int32_t page_height;
    uint32_t background; /* canvas colour 0xAARRGGBB, outside the page too */
} kp_tab_frame_t;

typedef struct kp_tab_frame_done {
    kp_message_header_t header;
    uint32_t sequence;
} kp_tab_frame_done_t;

enum {
    KP_TAB_DUMP_TEXT = 1,  /* visible text, as innerText would give */
    KP_TAB_DUMP_HTML = 2,  /* the document, serialised */
    KP_TAB_DUMP_BOXES = 3, /* JSON, see docs/kpio.md */
};

typedef struct kp_tab_dump {
    kp_message_header_t header;
    uint32_t format;
} kp_tab_dump_t;

typedef struct kp_tab_dumped {
    kp_message_header_t header;
    kp_status_t status;
    uint32_t size; /* bytes in the VMO */
} kp_tab_dumped_t;

#endif
