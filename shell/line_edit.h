/* The text of the address field with caret and selection. Pure. The text is always well-formed
   UTF-8 on one line; positions are byte offsets at character boundaries. */
#ifndef KP_SHELL_LINE_EDIT_H
#define KP_SHELL_LINE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KP_SHELL_LINE_MAX 8192u /* bytes, the NUL included */

typedef struct kp_shell_line_edit {
    char text[KP_SHELL_LINE_MAX]; /* NUL-terminated */
    size_t size;
    size_t caret;
    size_t anchor; /* the selection's other end; == caret: nothing is selected */
} kp_shell_line_edit_t;

/* Replaces everything; foreign text is cleaned (kp_shell_clean_copy). The caret goes to the end. */
void kp_shell_line_edit_set(kp_shell_line_edit_t *edit, const char *text, size_t size);
void kp_shell_line_edit_select_all(kp_shell_line_edit_t *edit);
/* Replaces the selection. Invisible characters and what does not fit are not inserted (false). */
bool kp_shell_line_edit_insert(kp_shell_line_edit_t *edit, uint32_t codepoint);
/* Deletes the selection, or else the character (by_word: word) before or after the caret. False
   when nothing changed. */
bool kp_shell_line_edit_delete(kp_shell_line_edit_t *edit, bool is_forward, bool by_word);

typedef enum kp_shell_line_move {
    KP_SHELL_MOVE_LEFT,
    KP_SHELL_MOVE_RIGHT,
    KP_SHELL_MOVE_WORD_LEFT,
    KP_SHELL_MOVE_WORD_RIGHT,
    KP_SHELL_MOVE_HOME,
    KP_SHELL_MOVE_END,
} kp_shell_line_move_t;

/* is_selecting keeps the anchor; without it a selection collapses to the side of the move. */
void kp_shell_line_edit_move(kp_shell_line_edit_t *edit, kp_shell_line_move_t move,
                             bool is_selecting);
/* Puts the caret before the column-th character (0: the first; beyond the end: the end). */
void kp_shell_line_edit_place(kp_shell_line_edit_t *edit, size_t column, bool is_selecting);
/* Characters before this byte position. */
size_t kp_shell_line_edit_column(const kp_shell_line_edit_t *edit, size_t position);
/* The byte position of a column. */
size_t kp_shell_line_edit_position(const kp_shell_line_edit_t *edit, size_t column);

static inline size_t kp_shell_line_edit_from(const kp_shell_line_edit_t *edit)
{
    return edit->caret < edit->anchor ? edit->caret : edit->anchor;
}

static inline size_t kp_shell_line_edit_to(const kp_shell_line_edit_t *edit)
{
    return edit->caret < edit->anchor ? edit->anchor : edit->caret;
}

#endif
