/* Line-break opportunities as Chromium finds them: a table of its own between two ASCII characters,
   after every run of spaces, and UAX #14 (libunibreak) beside any other character. */
#include <string.h>

#include <linebreak.h>

#include "engine/text/internal.h"

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_newline(uint32_t c, uint32_t next)
{
    return c == '\n' || c == '\f' || c == '\v' || (c == '\r' && next != '\n') || c == 0x85 ||
           c == 0x2028 || c == 0x2029;
}

static bool is_alphanumeric(uint32_t c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool contains(const char *set, uint32_t c)
{
    return c != 0 && memchr(set, (int)c, strlen(set)) != NULL;
}

/* Between two printable ASCII characters; before: the one before c, 0 at the start. */
static bool ascii_allows(uint32_t before, uint32_t c, uint32_t next)
{
    static const char after_break[] = "%&(*+-<=>@[\\^_`{|~";
    switch (c) {
    case '-': /* not where it may be a minus sign */
        if (next >= '0' && next <= '9')
            return is_alphanumeric(before);
        return is_alphanumeric(next) || contains("\"#'", next) || contains(after_break, next);
    case '?':
        return is_alphanumeric(next) || contains("#$", next) || contains(after_break, next);
    default:
        return contains("!\"#%&)*+,.:;=>\\]|}~", c) && contains("(<[{", next);
    }
}

static bool has_other(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((uint8_t)bytes[i] >= 0x80)
            return true;
    }
    return false;
}

void kp_text_line_breaks(const char *bytes, size_t size, const char *language, uint8_t *breaks)
{
    if (size == 0)
        return;
    bool unicode = has_other(bytes, size);
    if (unicode)
        set_linebreaks_utf8((const utf8_t *)bytes, size, language, (char *)breaks);
    size_t at = 0;
    uint32_t before = 0, c = kp_text_utf8_next(bytes, size, &at);
    size_t start = 0;
    while (start < size) {
        size_t last = at - 1, next_start = at;
        bool uax14 = unicode && breaks[last] == LINEBREAK_ALLOWBREAK;
        uint32_t next = at < size ? kp_text_utf8_next(bytes, size, &at) : 0;
        memset(breaks + start, KP_TEXT_BREAK_NONE, last - start);
        bool allowed;
        if (next_start == size) /* what would be before a letter */
            allowed = is_space(c) || c == 0x200b || c == '-' || c == '?';
        else if (is_space(next) || c == 0xa0 || next == 0xa0)
            allowed = false;
        else if (is_space(c))
            allowed = true;
        else if (c < 0x80 && next < 0x80)
            allowed = ascii_allows(before, c, next);
        else
            allowed = uax14;
        breaks[last] = is_newline(c, next) ? KP_TEXT_BREAK_MUST
                       : allowed           ? KP_TEXT_BREAK_ALLOWED
                                           : KP_TEXT_BREAK_NONE;
        before = c;
        c = next;
        start = next_start;
    }
}
