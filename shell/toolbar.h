/* The toolbar: what it shows, as HTML, and where its address field lies. Pure. The field's text is
   set in a monospaced face, so a pointer position gives a column without asking the tab. */
#ifndef KP_SHELL_TOOLBAR_H
#define KP_SHELL_TOOLBAR_H

#include "shell/html.h"
#include "shell/line_edit.h"

#define KP_SHELL_TOOLBAR_HEIGHT 40 /* CSS px */
#define KP_SHELL_TOOLBAR_HTML_MAX \
    49152u /* bytes: the longest visible slice, escaped, and the rest */

typedef struct kp_shell_toolbar {
    kp_shell_line_edit_t edit;
    size_t first_column; /* of the text that is visible, when longer than the field */
    bool is_focused;
    bool is_edited; /* the user changed the text: it is not the page's address */
    bool is_loading;
    bool can_back, can_forward;
    char title[256];  /* of the page, cleaned */
    char link[256];   /* the address under the pointer, cleaned; shown instead of the title */
    uint32_t hovered; /* button under the pointer: 1.., from the left; 0: none */
    int32_t width;    /* CSS px */
} kp_shell_toolbar_t;

/* Shows another address, unless the user is editing (is_forced overrides). */
void kp_shell_toolbar_set_address(kp_shell_toolbar_t *toolbar, const char *url, bool is_forced);
/* Focus selects all, as browsers do. */
void kp_shell_toolbar_focus(kp_shell_toolbar_t *toolbar);
void kp_shell_toolbar_blur(kp_shell_toolbar_t *toolbar);

/* The button (1..) at a point (CSS px), 0 when there is none. */
uint32_t kp_shell_toolbar_button(int32_t x, int32_t y);
/* Whether a point (CSS px) lies in the address field. */
bool kp_shell_toolbar_is_field(const kp_shell_toolbar_t *toolbar, int32_t x, int32_t y);
/* The column of the text that a point's x is nearest to. */
size_t kp_shell_toolbar_column(const kp_shell_toolbar_t *toolbar, int32_t x);

/* Moves the visible part so that the caret is in it; then writes the page. */
void kp_shell_toolbar_html(kp_shell_toolbar_t *toolbar, kp_shell_html_t *html);

#endif
