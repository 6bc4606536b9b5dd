/* US keyboard: from key codes to modifiers and characters. Pure. */
#ifndef KP_SHELL_KEYMAP_H
#define KP_SHELL_KEYMAP_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise. */
typedef struct kp_shell_keymap {
    uint32_t held; /* which modifier keys are down, left and right apart */
    bool is_caps_lock;
} kp_shell_keymap_t;

typedef struct kp_shell_key {
    uint32_t code;      /* KEY_* (shell/keys.h); keypad Enter comes as KEY_ENTER */
    uint32_t codepoint; /* what it types; 0: nothing, or Control or Alt is held */
    uint32_t modifiers; /* KP_TAB_MODIFIER_* (abi/tab.h), after this event */
    bool is_down;       /* pressed or repeated */
    bool is_modifier;   /* it is Shift, Control, Alt or a lock: nothing else to do */
} kp_shell_key_t;

/* value: 0 up, 1 down, 2 repeat. Any code and value is accepted. */
kp_shell_key_t kp_shell_keymap_feed(kp_shell_keymap_t *keymap, uint32_t code, int32_t value);

#endif
