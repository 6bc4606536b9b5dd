#include "shell/line_edit.h"

#include <string.h>

#include "shell/html.h"

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

static size_t before(const kp_shell_line_edit_t *edit, size_t at)
{
    while (at > 0 && is_continuation(edit->text[--at])) {
    }
    return at;
}

static size_t after(const kp_shell_line_edit_t *edit, size_t at)
{
    if (at < edit->size)
        at++;
    while (at < edit->size && is_continuation(edit->text[at]))
        at++;
    return at;
}

/* Letters, digits and everything outside ASCII make words: the parts of a URL are words. */
static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (uint8_t)c >= 0x80;
}

static size_t word_before(const kp_shell_line_edit_t *edit, size_t at)
{
    while (at > 0 && !is_word(edit->text[at - 1]))
        at--;
    while (at > 0 && is_word(edit->text[at - 1]))
        at--;
    return at;
}

static size_t word_after(const kp_shell_line_edit_t *edit, size_t at)
{
    while (at < edit->size && !is_word(edit->text[at]))
        at++;
    while (at < edit->size && is_word(edit->text[at]))
        at++;
    return at;
}

void kp_shell_line_edit_set(kp_shell_line_edit_t *edit, const char *text, size_t size)
{
    edit->size = kp_shell_clean_copy(edit->text, sizeof(edit->text), text, size);
    edit->caret = edit->anchor = edit->size;
}

void kp_shell_line_edit_select_all(kp_shell_line_edit_t *edit)
{
    edit->anchor = 0;
    edit->caret = edit->size;
}

static void cut(kp_shell_line_edit_t *edit, size_t from, size_t to)
{
    memmove(edit->text + from, edit->text + to, edit->size - to + 1);
    edit->size -= to - from;
    edit->caret = edit->anchor = from;
}

bool kp_shell_line_edit_insert(kp_shell_line_edit_t *edit, uint32_t codepoint)
{
    char bytes[4];
    if (kp_shell_is_invisible(codepoint))
        return false;
    size_t length = kp_shell_utf8_encode(codepoint, bytes);
    size_t from = kp_shell_line_edit_from(edit), to = kp_shell_line_edit_to(edit);
    if (edit->size - (to - from) + length >= sizeof(edit->text))
        return false;
    cut(edit, from, to);
    memmove(edit->text + from + length, edit->text + from, edit->size - from + 1);
    memcpy(edit->text + from, bytes, length);
    edit->size += length;
    edit->caret = edit->anchor = from + length;
    return true;
}

bool kp_shell_line_edit_delete(kp_shell_line_edit_t *edit, bool is_forward, bool by_word)
{
    size_t from = kp_shell_line_edit_from(edit), to = kp_shell_line_edit_to(edit);
    if (from == to && is_forward)
        to = by_word ? word_after(edit, to) : after(edit, to);
    else if (from == to)
        from = by_word ? word_before(edit, from) : before(edit, from);
    if (from == to)
        return false;
    cut(edit, from, to);
    return true;
}

void kp_shell_line_edit_move(kp_shell_line_edit_t *edit, kp_shell_line_move_t move,
                             bool is_selecting)
{
    bool had_selection = edit->caret != edit->anchor;
    size_t to = edit->caret;
    switch (move) {
    case KP_SHELL_MOVE_LEFT:
        to = had_selection && !is_selecting ? kp_shell_line_edit_from(edit) : before(edit, to);
        break;
    case KP_SHELL_MOVE_RIGHT:
        to = had_selection && !is_selecting ? kp_shell_line_edit_to(edit) : after(edit, to);
        break;
    case KP_SHELL_MOVE_WORD_LEFT:
        to = word_before(edit, to);
        break;
    case KP_SHELL_MOVE_WORD_RIGHT:
        to = word_after(edit, to);
        break;
    case KP_SHELL_MOVE_HOME:
        to = 0;
        break;
    case KP_SHELL_MOVE_END:
        to = edit->size;
        break;
    }
    edit->caret = to;
    if (!is_selecting)
        edit->anchor = to;
}

size_t kp_shell_line_edit_position(const kp_shell_line_edit_t *edit, size_t column)
{
    size_t at = 0;
    while (column-- > 0 && at < edit->size)
        at = after(edit, at);
    return at;
}

void kp_shell_line_edit_place(kp_shell_line_edit_t *edit, size_t column, bool is_selecting)
{
    edit->caret = kp_shell_line_edit_position(edit, column);
    if (!is_selecting)
        edit->anchor = edit->caret;
}

size_t kp_shell_line_edit_column(const kp_shell_line_edit_t *edit, size_t position)
{
    size_t column = 0;
    for (size_t at = 0; at < position && at < edit->size; at = after(edit, at))
        column++;
    return column;
}
