/* Declarations and declaration lists. */
#include <stdlib.h>
#include <string.h>

#include "engine/css/value.h"

/* Longer text is cut there. */
#define TOKENS_MAX (1u << 20)

kp_css_token_t *kp_css_tokenize(const kp_css_context_t *context, const char *text, size_t size,
                                size_t *count)
{
    kp_css_lexer_t lexer = kp_css_lexer_init(text, size, context->arena);
    size_t capacity = 32, used = 0;
    kp_css_token_t *tokens = malloc(capacity * sizeof *tokens);
    while (tokens) {
        if (used == TOKENS_MAX - 1)
            lexer.position = lexer.size;
        if (used == capacity) {
            capacity *= 2;
            kp_css_token_t *more = realloc(tokens, capacity * sizeof *tokens);
            if (!more) {
                free(tokens);
                return NULL;
            }
            tokens = more;
        }
        kp_css_lexer_next(&lexer, &tokens[used]);
        if (tokens[used].type == KP_CSS_TOKEN_END)
            break;
        used++;
    }
    *count = used;
    return tokens;
}

/* Cuts "!important" and trailing spaces off. */
static bool take_important(kp_css_token_t *tokens, size_t *count)
{
    size_t i = *count;
    bool important = false;
    while (i && tokens[i - 1].type == KP_CSS_TOKEN_SPACE)
        i--;
    if (i && tokens[i - 1].type == KP_CSS_TOKEN_IDENT &&
        kp_css_token_is(&tokens[i - 1], "important")) {
        size_t j = i - 1;
        while (j && tokens[j - 1].type == KP_CSS_TOKEN_SPACE)
            j--;
        if (j && kp_css_token_delim(&tokens[j - 1], '!')) {
            important = true;
            i = j - 1;
            while (i && tokens[i - 1].type == KP_CSS_TOKEN_SPACE)
                i--;
        }
    }
    tokens[i].type = KP_CSS_TOKEN_END;
    tokens[i].text = "";
    tokens[i].text_size = 0;
    *count = i;
    return important;
}

static void add_raw(const kp_css_context_t *context, int property, bool important, const char *name,
                    size_t name_size, const char *text, const kp_css_token_t *tokens, size_t count,
                    kp_css_declarations_t *out)
{
    kp_css_raw_t *raw = kp_arena_alloc(context->arena, sizeof *raw);
    uint32_t start = count ? tokens[0].start : 0, end = count ? tokens[count - 1].end : 0;
    if (!raw) {
        out->failed = true;
        return;
    }
    raw->text = kp_arena_string(context->arena, text + start, end - start);
    raw->size = end - start;
    if (property == KP_CSS_CUSTOM) {
        const kp_css_atom_t *atom = kp_css_atom(context->atoms, name, name_size);
        raw->name = atom ? atom->text : NULL;
    }
    if (!raw->text || (property == KP_CSS_CUSTOM && !raw->name)) {
        out->failed = true;
        return;
    }
    kp_css_declarations_add(out, property, important,
                            (kp_css_value_t){.type = KP_CSS_VALUE_TEXT, .as.pointer = raw});
}

static void parse_tokens(const kp_css_context_t *context, int property, const char *name,
                         size_t name_size, const char *text, kp_css_token_t *tokens, size_t count,
                         kp_css_declarations_t *out)
{
    while (count && tokens[0].type == KP_CSS_TOKEN_SPACE)
        tokens++, count--;
    bool important = take_important(tokens, &count);
    if (property == KP_CSS_CUSTOM) {
        add_raw(context, property, important, name, name_size, text, tokens, count, out);
        return;
    }
    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].type == KP_CSS_TOKEN_FUNCTION && kp_css_token_is(&tokens[i], "var")) {
            add_raw(context, property, important, name, name_size, text, tokens, count, out);
            return;
        }
        if (tokens[i].type == KP_CSS_TOKEN_BAD)
            return;
    }
    kp_css_cursor_t cursor = {.context = context, .tokens = tokens, .count = count, .source = text};
    if (count == 1 && tokens[0].type == KP_CSS_TOKEN_IDENT) {
        uint16_t keyword = (uint16_t)kp_css_keyword_find(tokens[0].text, tokens[0].text_size);
        if (keyword == KP_KW_INHERIT || keyword == KP_KW_INITIAL || keyword == KP_KW_UNSET ||
            keyword == KP_KW_REVERT || keyword == KP_KW_REVERT_LAYER) {
            kp_css_value_t value = {.type = KP_CSS_VALUE_KEYWORD, .keyword = keyword};
            int16_t single[2] = {(int16_t)property, -1};
            const int16_t *longhands =
                property >= KP_CSS_SHORTHAND_FIRST ? kp_css_shorthand_longhands(property) : single;
            for (; *longhands >= 0; longhands++)
                kp_css_declarations_add(out, *longhands, important, value);
            return;
        }
    }
    size_t before = out->count;
    if (property >= KP_CSS_SHORTHAND_FIRST) {
        if (!kp_css_parse_shorthand(&cursor, property, important, out))
            out->count = before;
        return;
    }
    kp_css_value_t value;
    if (kp_css_parse_longhand(&cursor, property, &value) && kp_css_cursor_end(&cursor))
        kp_css_declarations_add(out, property, important, value);
}

void kp_css_parse_declaration(const kp_css_context_t *context, int property, const char *name,
                              size_t name_size, const char *text, size_t size,
                              kp_css_declarations_t *out)
{
    size_t count;
    kp_css_token_t *tokens = kp_css_tokenize(context, text, size, &count);
    if (!tokens) {
        out->failed = true;
        return;
    }
    parse_tokens(context, property, name, name_size, text, tokens, count, out);
    free(tokens);
}

/* The end of one declaration: the ";" outside of brackets, or count. */
static size_t find_end(const kp_css_token_t *tokens, size_t from, size_t count)
{
    kp_css_nest_t nest;
    nest.depth = 0;
    for (size_t i = from; i < count; i++) {
        if (!nest.depth && tokens[i].delim == ';')
            return i;
        kp_css_nest_token(&nest, &tokens[i]);
    }
    return count;
}

void kp_css_parse_declarations(const kp_css_context_t *context, const char *text, size_t size,
                               kp_css_declarations_t *out)
{
    size_t count;
    kp_css_token_t *tokens = kp_css_tokenize(context, text, size, &count);
    if (!tokens) {
        out->failed = true;
        return;
    }
    for (size_t at = 0; at < count;) {
        size_t end = find_end(tokens, at, count), name = at;
        while (name < end && tokens[name].type == KP_CSS_TOKEN_SPACE)
            name++;
        size_t colon = name + 1;
        while (colon < end && tokens[colon].type == KP_CSS_TOKEN_SPACE)
            colon++;
        if (name < end && colon < end && tokens[name].type == KP_CSS_TOKEN_IDENT &&
            kp_css_token_delim(&tokens[colon], ':')) {
            const kp_css_token_t *token = &tokens[name];
            bool custom = token->text_size > 2 && memcmp(token->text, "--", 2) == 0;
            int property =
                custom ? KP_CSS_CUSTOM : kp_css_property_find(token->text, token->text_size);
            if (property >= 0) {
                kp_css_token_t saved = tokens[end];
                tokens[end] = (kp_css_token_t){.type = KP_CSS_TOKEN_END, .text = ""};
                parse_tokens(context, property, token->text, token->text_size, text,
                             tokens + colon + 1, end - colon - 1, out);
                tokens[end] = saved;
            }
        }
        at = end + 1;
    }
    free(tokens);
}
