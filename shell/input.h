/* Where pointer and keys go: address field, toolbar, scroll bar, page. */
#ifndef KP_SHELL_INPUT_H
#define KP_SHELL_INPUT_H

#include "abi/display.h"
#include "shell/keymap.h"
#include "shell/keys.h"
#include "shell/page.h"
#include "shell/toolbar_view.h"

typedef enum kp_shell_place {
    KP_SHELL_PLACE_NONE,
    KP_SHELL_PLACE_TOOLBAR,
    KP_SHELL_PLACE_FIELD,
    KP_SHELL_PLACE_PAGE,
    KP_SHELL_PLACE_SCROLL_BAR,
} kp_shell_place_t;

/* Zero-initialise, set page and toolbar. */
typedef struct kp_shell_input {
    kp_shell_page_t *page;
    kp_shell_toolbar_view_t *toolbar;
    kp_shell_keymap_t keymap;
    int32_t x, y;          /* of the pointer, screen device px */
    uint32_t buttons;      /* held, bit n: BTN_LEFT + n */
    kp_shell_place_t over; /* which tab was told of the pointer last: PAGE or TOOLBAR or NONE */
    kp_shell_place_t
        grabbed;        /* where the first button went down; gets everything until all are up */
    int32_t thumb_grab; /* device px from the thumb's top to the pointer while dragging */
    bool is_dragging_thumb;
    bool is_dragging_text;            /* the press put the caret: moving selects */
    uint8_t sent_keys[KEY_LIMIT / 8]; /* keys whose press went to the tab: so does the release */
} kp_shell_input_t;

/* input: any values; the display is not trusted with our memory. */
void kp_shell_input_event(kp_shell_input_t *input, const kp_display_input_t *event);

/* Focus moves to the address field with everything selected. */
void kp_shell_input_focus_address(kp_shell_input_t *input);
/* What the user typed is opened. */
void kp_shell_input_enter_address(kp_shell_input_t *input);

#endif
