#include "shell/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool append(kp_shell_html_t *html, const char *bytes, size_t size)
{
    if (size > html->capacity - html->size) {
        html->is_cut = true;
        return false;
    }
    memcpy(html->bytes + html->size, bytes, size);
    html->size += size;
    return true;
}

void kp_shell_html_markup(kp_shell_html_t *html, const char *markup)
{
    append(html, markup, strlen(markup));
}

void kp_shell_html_format(kp_shell_html_t *html, const char *format, ...)
{
    char piece[1024];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(piece, sizeof(piece), format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof(piece))
        html->is_cut = true;
    else
        append(html, piece, (size_t)size);
}

uint32_t kp_shell_utf8_decode(const char *text, size_t size, size_t *length)
{
    const uint8_t *bytes = (const uint8_t *)text;
    uint32_t lead = bytes[0];
    *length = 1;
    if (lead < 0x80)
        return lead;
    size_t more = lead >= 0xc2 && lead < 0xe0   ? 1
                  : lead >= 0xe0 && lead < 0xf0 ? 2
                  : lead >= 0xf0 && lead < 0xf5 ? 3
                                                : 0;
    if (more == 0 || more >= size)
        return 0xfffd;
    uint32_t codepoint = lead & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0xfffd;
        codepoint = codepoint << 6 | (bytes[i] & 0x3f);
    }
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    if (codepoint < least[more] || codepoint > 0x10ffff || (codepoint & ~0x7ffu) == 0xd800)
        return 0xfffd;
    *length = more + 1;
    return codepoint;
}

size_t kp_shell_utf8_encode(uint32_t codepoint, char out[4])
{
    if (codepoint > 0x10ffff || (codepoint & ~0x7ffu) == 0xd800)
        codepoint = 0xfffd;
    if (codepoint < 0x80) {
        out[0] = (char)codepoint;
        return 1;
    }
    size_t more = codepoint < 0x800 ? 1 : codepoint < 0x10000 ? 2 : 3;
    static const uint8_t lead[4] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = more; i > 0; i--) {
        out[i] = (char)(0x80 | (codepoint & 0x3f));
        codepoint >>= 6;
    }
    out[0] = (char)(lead[more] | codepoint);
    return more + 1;
}

bool kp_shell_is_invisible(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
           (c >= 0xe0000 && c <= 0xe0fff);
}

static bool append_character(kp_shell_html_t *html, uint32_t codepoint, bool is_spaced)
{
    char bytes[4];
    switch (codepoint) {
    case '&':
        return append(html, "&amp;", 5);
    case '<':
        return append(html, "&lt;", 4);
    case '>':
        return append(html, "&gt;", 4);
    case '"':
        return append(html, "&quot;", 6);
    case '\'':
        return append(html, "&#39;", 5);
    case ' ':
        if (is_spaced)
            codepoint = 0xa0;
        break;
    default:
        break;
    }
    return append(html, bytes, kp_shell_utf8_encode(codepoint, bytes));
}

void kp_shell_html_text(kp_shell_html_t *html, const char *text, size_t size, size_t limit,
                        bool is_spaced)
{
    size_t at = 0, count = 0;
    while (at < size) {
        size_t length;
        uint32_t codepoint = kp_shell_utf8_decode(text + at, size - at, &length);
        at += length;
        if (kp_shell_is_invisible(codepoint))
            continue;
        if (count++ == limit) {
            append_character(html, 0x2026, false);
            return;
        }
        if (!append_character(html, codepoint, is_spaced))
            return;
    }
}

size_t kp_shell_clean_copy(char *out, size_t capacity, const char *text, size_t size)
{
    size_t at = 0, used = 0;
    while (at < size) {
        size_t length;
        char bytes[4];
        uint32_t codepoint = kp_shell_utf8_decode(text + at, size - at, &length);
        at += length;
        if (kp_shell_is_invisible(codepoint))
            continue;
        length = kp_shell_utf8_encode(codepoint, bytes);
        if (used + length >= capacity)
            break;
        memcpy(out + used, bytes, length);
        used += length;
    }
    out[used] = 0;
    return used;
}
