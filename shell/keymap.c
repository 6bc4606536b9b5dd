#include "shell/keymap.h"

#include "abi/tab.h"
#include "shell/keys.h"

enum { /* bits of held */
       HELD_LEFT_SHIFT = 1,
       HELD_RIGHT_SHIFT = 2,
       HELD_LEFT_CONTROL = 4,
       HELD_RIGHT_CONTROL = 8,
       HELD_LEFT_ALT = 16,
       HELD_RIGHT_ALT = 32,
};

/* By code from 0 on; 0: types nothing here. Keypad as with Num Lock on. */
static const char plain[] =
    "\0\0001234567890-=\0\0qwertyuiop[]\0\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
    "\0\0!@#$%^&*()_+\0\0QWERTYUIOP{}\0\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
static const char keypad[] = "789-456+1230.";
_Static_assert(sizeof(plain) == KEY_SPACE + 2, "one character for each code");
_Static_assert(sizeof(shifted) == KEY_SPACE + 2, "one character for each code");
_Static_assert(sizeof(keypad) == KEY_KPDOT - KEY_KP7 + 2, "one character for each code");

static uint32_t held_bit(uint32_t code)
{
    switch (code) {
    case KEY_LEFTSHIFT:
        return HELD_LEFT_SHIFT;
    case KEY_RIGHTSHIFT:
        return HELD_RIGHT_SHIFT;
    case KEY_LEFTCTRL:
        return HELD_LEFT_CONTROL;
    case KEY_RIGHTCTRL:
        return HELD_RIGHT_CONTROL;
    case KEY_LEFTALT:
        return HELD_LEFT_ALT;
    case KEY_RIGHTALT:
        return HELD_RIGHT_ALT;
    default:
        return 0;
    }
}

static uint32_t modifiers_of(uint32_t held)
{
    uint32_t modifiers = 0;
    if (held & (HELD_LEFT_SHIFT | HELD_RIGHT_SHIFT))
        modifiers |= KP_TAB_MODIFIER_SHIFT;
    if (held & (HELD_LEFT_CONTROL | HELD_RIGHT_CONTROL))
        modifiers |= KP_TAB_MODIFIER_CONTROL;
    if (held & (HELD_LEFT_ALT | HELD_RIGHT_ALT))
        modifiers |= KP_TAB_MODIFIER_ALT;
    return modifiers;
}

static uint32_t character(uint32_t code, bool is_shifted, bool is_caps_lock)
{
    if (code <= KEY_SPACE) {
        char c = plain[code];
        if (c >= 'a' && c <= 'z')
            is_shifted = is_shifted != is_caps_lock;
        return (uint8_t)(is_shifted ? shifted[code] : c);
    }
    if (code >= KEY_KP7 && code <= KEY_KPDOT)
        return (uint8_t)keypad[code - KEY_KP7];
    if (code == KEY_KPSLASH)
        return '/';
    if (code == KEY_102ND)
        return is_shifted ? '>' : '<';
    return 0;
}

kp_shell_key_t kp_shell_keymap_feed(kp_shell_keymap_t *keymap, uint32_t code, int32_t value)
{
    uint32_t bit = held_bit(code);
    bool is_lock = code == KEY_CAPSLOCK || code == KEY_NUMLOCK;
    if (value != 0)
        keymap->held |= bit;
    else
        keymap->held &= ~bit;
    if (code == KEY_CAPSLOCK && value == 1)
        keymap->is_caps_lock = !keymap->is_caps_lock;
    kp_shell_key_t key = {.code = code == KEY_KPENTER ? (uint32_t)KEY_ENTER : code,
                          .modifiers = modifiers_of(keymap->held),
                          .is_down = value != 0,
                          .is_modifier = bit != 0 || is_lock};
    if (!(key.modifiers & (KP_TAB_MODIFIER_CONTROL | KP_TAB_MODIFIER_ALT)))
        key.codepoint =
            character(code, key.modifiers & KP_TAB_MODIFIER_SHIFT, keymap->is_caps_lock);
    return key;
}
