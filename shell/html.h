/* Writing HTML from hostile text: a builder over a fixed buffer, escaping, UTF-8 repair. Pure: no
   system calls. Not thread-safe (no globals either). */
#ifndef KP_SHELL_HTML_H
#define KP_SHELL_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends to bytes[0, capacity); what does not fit is left out and is_cut is set. Borrows the
   buffer. Not NUL-terminated. */
typedef struct kp_shell_html {
    char *bytes;
    size_t capacity;
    size_t size;
    bool is_cut;
} kp_shell_html_t;

static inline kp_shell_html_t kp_shell_html_init(char *bytes, size_t capacity)
{
    return (kp_shell_html_t){.bytes = bytes, .capacity = capacity};
}

/* Trusted markup, as it is. Whole or not at all, so that no tag is cut in two. */
void kp_shell_html_markup(kp_shell_html_t *html, const char *markup);
/* As printf, for markup with numbers; at most 1023 bytes. Never pass foreign text through %s. */
void kp_shell_html_format(kp_shell_html_t *html, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Foreign text: escaped for element content and for quoted attributes, bad UTF-8 replaced by
   U+FFFD, control and direction-changing characters left out, spaces kept (as U+00A0 when
   is_spaced). Stops after limit characters with an ellipsis; whole characters only. */
void kp_shell_html_text(kp_shell_html_t *html, const char *text, size_t size, size_t limit,
                        bool is_spaced);

/* Decodes the character at text[0, size), size > 0; *length gets its bytes (>= 1). Malformed,
   overlong, surrogate: U+FFFD with length 1. */
uint32_t kp_shell_utf8_decode(const char *text, size_t size, size_t *length);
/* Returns the number of bytes (1..4); U+FFFD's for what is no character. */
size_t kp_shell_utf8_encode(uint32_t codepoint, char out[4]);
/* Whether a character must not appear in one line of text that a user is to trust: controls, line
   separators, zero-width and direction-changing characters. */
bool kp_shell_is_invisible(uint32_t codepoint);
/* Copies text as one clean line: repaired UTF-8, invisible characters left out, cut to whole
   characters below capacity (> 0), NUL-terminated. Returns the length. */
size_t kp_shell_clean_copy(char *out, size_t capacity, const char *text, size_t size);

#endif
