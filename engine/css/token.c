#include "engine/css/token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/buffer.h"

kp_css_lexer_t kp_css_lexer_init(const char *text, size_t size, kp_arena_t *arena)
{
    if (size > KP_CSS_TEXT_MAX)
        size = KP_CSS_TEXT_MAX;
    return (kp_css_lexer_t){.text = text, .size = (uint32_t)size, .arena = arena};
}

bool kp_css_text_is(const char *text, size_t size, const char *lower)
{
    size_t i = 0;
    for (; i < size && lower[i]; i++) {
        char c = text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        if (c != lower[i])
            return false;
    }
    return i == size && !lower[i];
}

bool kp_css_token_is(const kp_css_token_t *token, const char *lower)
{
    return kp_css_text_is(token->text, token->text_size, lower);
}

static unsigned char peek(const kp_css_lexer_t *lexer, uint32_t ahead)
{
    uint32_t at = lexer->position + ahead;
    return at < lexer->size ? (unsigned char)lexer->text[at] : 0;
}

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(unsigned char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_name_start(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool is_name(unsigned char c)
{
    return is_name_start(c) || is_digit(c) || c == '-';
}

static bool is_escape(const kp_css_lexer_t *lexer, uint32_t ahead)
{
    return peek(lexer, ahead) == '\\' && lexer->position + ahead + 1 < lexer->size &&
           peek(lexer, ahead + 1) != '\n';
}

static bool starts_ident(const kp_css_lexer_t *lexer, uint32_t ahead)
{
    unsigned char c = peek(lexer, ahead);
    if (c == '-')
        return is_name_start(peek(lexer, ahead + 1)) || peek(lexer, ahead + 1) == '-' ||
               is_escape(lexer, ahead + 1);
    return is_name_start(c) || is_escape(lexer, ahead);
}

static bool starts_number(const kp_css_lexer_t *lexer)
{
    unsigned char c = peek(lexer, 0);
    uint32_t i = c == '+' || c == '-' ? 1 : 0;
    return is_digit(peek(lexer, i)) || (peek(lexer, i) == '.' && is_digit(peek(lexer, i + 1)));
}

/* After the backslash. */
static void take_escape(kp_css_lexer_t *lexer, kp_buffer_t *out)
{
    unsigned char c = peek(lexer, 0);
    int digit = hex_value(c);
    if (digit < 0) {
        kp_buffer_byte(out, (char)c);
        lexer->position++;
        return;
    }
    uint32_t value = 0;
    for (int i = 0; i < 6 && (digit = hex_value(peek(lexer, 0))) >= 0; i++) {
        value = value * 16 + (uint32_t)digit;
        lexer->position++;
    }
    if (peek(lexer, 0) == '\r' && peek(lexer, 1) == '\n')
        lexer->position++;
    if (is_space(peek(lexer, 0)))
        lexer->position++;
    kp_buffer_codepoint(out, value ? value : 0xfffd);
}

static void set_text(kp_css_lexer_t *lexer, kp_css_token_t *out, kp_buffer_t *decoded)
{
    char *copy = lexer->arena && !decoded->failed
                     ? kp_arena_string(lexer->arena, decoded->bytes, decoded->size)
                     : NULL;
    if (copy) {
        out->text = copy;
        out->text_size = (uint32_t)decoded->size;
    } else {
        out->type = KP_CSS_TOKEN_BAD;
    }
    kp_buffer_clear(decoded);
}

static void take_name(kp_css_lexer_t *lexer, kp_css_token_t *out)
{
    uint32_t start = lexer->position;
    while (lexer->position < lexer->size && is_name(peek(lexer, 0)))
        lexer->position++;
    out->text = lexer->text + start;
    out->text_size = lexer->position - start;
    if (!is_escape(lexer, 0))
        return;
    kp_buffer_t decoded = {0};
    kp_buffer_append(&decoded, out->text, out->text_size);
    while (lexer->position < lexer->size) {
        if (is_name(peek(lexer, 0))) {
            kp_buffer_byte(&decoded, lexer->text[lexer->position++]);
        } else if (is_escape(lexer, 0)) {
            lexer->position++;
            take_escape(lexer, &decoded);
        } else {
            break;
        }
    }
    set_text(lexer, out, &decoded);
}

static void take_string(kp_css_lexer_t *lexer, kp_css_token_t *out)
{
    unsigned char quote = peek(lexer, 0);
    uint32_t start = ++lexer->position;
    out->type = KP_CSS_TOKEN_STRING;
    while (lexer->position < lexer->size) {
        unsigned char c = peek(lexer, 0);
        if (c == quote || c == '\\' || c == '\n' || c == '\r' || c == '\f')
            break;
        lexer->position++;
    }
    out->text = lexer->text + start;
    out->text_size = lexer->position - start;
    if (lexer->position >= lexer->size)
        return;
    if (peek(lexer, 0) == quote) {
        lexer->position++;
        return;
    }
    if (peek(lexer, 0) != '\\') {
        out->type = KP_CSS_TOKEN_BAD;
        return;
    }
    kp_buffer_t decoded = {0};
    kp_buffer_append(&decoded, out->text, out->text_size);
    while (lexer->position < lexer->size) {
        unsigned char c = peek(lexer, 0);
        if (c == quote) {
            lexer->position++;
            break;
        }
        if (c == '\n' || c == '\r' || c == '\f') {
            out->type = KP_CSS_TOKEN_BAD;
            kp_buffer_clear(&decoded);
            return;
        }
        lexer->position++;
        if (c != '\\') {
            kp_buffer_byte(&decoded, (char)c);
        } else if (peek(lexer, 0) == '\r' && peek(lexer, 1) == '\n') {
            lexer->position += 2;
        } else if (peek(lexer, 0) == '\n' || peek(lexer, 0) == '\r' || peek(lexer, 0) == '\f') {
            lexer->position++; /* a line continuation */
        } else if (lexer->position < lexer->size) {
            take_escape(lexer, &decoded);
        }
    }
    set_text(lexer, out, &decoded);
}

/* After "url(" when no quote follows. */
static void take_url(kp_css_lexer_t *lexer, kp_css_token_t *out)
{
    kp_buffer_t decoded = {0};
    out->type = KP_CSS_TOKEN_URL;
    while (is_space(peek(lexer, 0)))
        lexer->position++;
    while (lexer->position < lexer->size) {
        unsigned char c = peek(lexer, 0);
        if (c == ')')
            break;
        if (is_space(c)) {
            while (is_space(peek(lexer, 0)))
                lexer->position++;
            if (lexer->position < lexer->size && peek(lexer, 0) != ')')
                out->type = KP_CSS_TOKEN_BAD;
            continue;
        }
        if (c == '"' || c == '\'' || c == '(')
            out->type = KP_CSS_TOKEN_BAD;
        lexer->position++;
        if (c == '\\' && lexer->position < lexer->size)
            take_escape(lexer, &decoded);
        else
            kp_buffer_byte(&decoded, (char)c);
    }
    if (lexer->position < lexer->size)
        lexer->position++;
    if (out->type == KP_CSS_TOKEN_BAD)
        kp_buffer_clear(&decoded);
    else
        set_text(lexer, out, &decoded);
}

/* Decimal text to float without strtod: no locale, no NUL needed. */
static float take_number(kp_css_lexer_t *lexer, bool *integer)
{
    double value = 0, sign = 1;
    int exponent = 0;
    *integer = true;
    if (peek(lexer, 0) == '-' || peek(lexer, 0) == '+')
        sign = lexer->text[lexer->position++] == '-' ? -1 : 1;
    while (is_digit(peek(lexer, 0)))
        value = value * 10 + (lexer->text[lexer->position++] - '0');
    if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
        *integer = false;
        lexer->position++;
        double place = 0.1;
        for (; is_digit(peek(lexer, 0)); place /= 10)
            value += place * (lexer->text[lexer->position++] - '0');
    }
    if ((peek(lexer, 0) | 32) == 'e') {
        uint32_t skip = peek(lexer, 1) == '+' || peek(lexer, 1) == '-' ? 2 : 1;
        if (is_digit(peek(lexer, skip))) {
            int direction = peek(lexer, 1) == '-' ? -1 : 1;
            *integer = false;
            lexer->position += skip;
            while (is_digit(peek(lexer, 0))) {
                int digit = lexer->text[lexer->position++] - '0';
                exponent = exponent < 1000 ? exponent * 10 + digit : exponent;
            }
            value *= pow(10, direction * exponent);
        }
    }
    value *= sign;
    if (!(value < 1e30))
        value = 1e30;
    if (!(value > -1e30))
        value = -1e30;
    return (float)value;
}

static bool skip_comment(kp_css_lexer_t *lexer)
{
    if (peek(lexer, 0) != '/' || peek(lexer, 1) != '*')
        return false;
    lexer->position += 2;
    while (lexer->position < lexer->size && !(peek(lexer, 0) == '*' && peek(lexer, 1) == '/'))
        lexer->position++;
    lexer->position = lexer->size - lexer->position < 2 ? lexer->size : lexer->position + 2;
    return true;
}

void kp_css_lexer_next(kp_css_lexer_t *lexer, kp_css_token_t *out)
{
    while (skip_comment(lexer))
        continue;
    *out = (kp_css_token_t){.start = lexer->position, .text = ""};
    unsigned char c = peek(lexer, 0);
    if (lexer->position >= lexer->size) {
        out->type = KP_CSS_TOKEN_END;
    } else if (is_space(c)) {
        out->type = KP_CSS_TOKEN_SPACE;
        while (is_space(peek(lexer, 0)) || skip_comment(lexer)) {
            if (lexer->position < lexer->size && is_space(peek(lexer, 0)))
                lexer->position++;
        }
    } else if (c == '"' || c == '\'') {
        take_string(lexer, out);
    } else if (starts_number(lexer)) {
        out->is_signed = c == '+' || c == '-';
        out->number = take_number(lexer, &out->integer);
        if (peek(lexer, 0) == '%') {
            out->type = KP_CSS_TOKEN_PERCENT;
            lexer->position++;
        } else if (starts_ident(lexer, 0)) {
            out->type = KP_CSS_TOKEN_DIMENSION;
            take_name(lexer, out);
        } else {
            out->type = KP_CSS_TOKEN_NUMBER;
        }
    } else if (c == '-' && peek(lexer, 1) == '-' && peek(lexer, 2) == '>') {
        out->type = KP_CSS_TOKEN_COMMENT_HTML;
        lexer->position += 3;
    } else if (c == '<' && peek(lexer, 1) == '!' && peek(lexer, 2) == '-' &&
               peek(lexer, 3) == '-') {
        out->type = KP_CSS_TOKEN_COMMENT_HTML;
        lexer->position += 4;
    } else if (starts_ident(lexer, 0)) {
        out->type = KP_CSS_TOKEN_IDENT;
        take_name(lexer, out);
        if (out->type == KP_CSS_TOKEN_IDENT && peek(lexer, 0) == '(') {
            lexer->position++;
            out->type = KP_CSS_TOKEN_FUNCTION;
            if (kp_css_token_is(out, "url")) {
                uint32_t ahead = 0;
                while (is_space(peek(lexer, ahead)))
                    ahead++;
                if (peek(lexer, ahead) != '"' && peek(lexer, ahead) != '\'')
                    take_url(lexer, out);
            }
        }
    } else if (c == '#' && (is_name(peek(lexer, 1)) || is_escape(lexer, 1))) {
        out->type = KP_CSS_TOKEN_HASH;
        out->is_id = starts_ident(lexer, 1);
        lexer->position++;
        take_name(lexer, out);
    } else if (c == '@' && starts_ident(lexer, 1)) {
        out->type = KP_CSS_TOKEN_AT;
        lexer->position++;
        take_name(lexer, out);
    } else {
        out->type = KP_CSS_TOKEN_DELIM;
        out->delim = (char)c;
        lexer->position++;
    }
    out->end = lexer->position;
}
