#include "engine/css/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/url.h"

#define BLOCK_DEPTH_MAX 32

typedef struct reader {
    kp_css_context_t context;
    kp_css_sheet_t *sheet;
    const char *text;
    kp_css_token_t *tokens; /* of the whole sheet; ends with END */
    size_t count;
    kp_css_declarations_t scratch;
    bool failed; /* out of memory */
    bool imports_allowed;
} reader_t;

static bool grow(void **items, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 32;
    void *fresh = realloc(*items, more * size);
    if (!fresh)
        return false;
    *items = fresh;
    *capacity = more;
    return true;
}

/* Past the block that opens at "{" (index at): the index behind its "}"; *closed: that is there. */
static size_t skip_block(const reader_t *reader, size_t at, size_t end, bool *closed)
{
    kp_css_nest_t nest;
    nest.depth = 0;
    while (at < end) {
        kp_css_nest_token(&nest, &reader->tokens[at++]);
        if (!nest.depth)
            break;
    }
    *closed = !nest.depth;
    return at;
}

/* The "{" of a rule's prelude (or ";" for at-rules, or the end). */
static size_t find_block(const reader_t *reader, size_t at, bool at_rule, size_t end)
{
    kp_css_nest_t nest;
    nest.depth = 0;
    for (; at < end; at++) {
        const kp_css_token_t *token = &reader->tokens[at];
        if (!nest.depth && (token->delim == '{' || (at_rule && token->delim == ';')))
            return at;
        kp_css_nest_token(&nest, token);
    }
    return end;
}

static void add_rule(reader_t *reader, const kp_css_selector_t *selectors, uint32_t media)
{
    kp_css_sheet_t *sheet = reader->sheet;
    size_t count = reader->scratch.count;
    kp_css_declaration_t *copy = kp_arena_array(&sheet->arena, count, sizeof *copy);
    if (!copy || !grow((void **)&sheet->rules, &sheet->rule_capacity, sheet->rule_count,
                       sizeof *sheet->rules)) {
        reader->failed = true;
        return;
    }
    if (count)
        memcpy(copy, reader->scratch.items, count * sizeof *copy);
    sheet->rules[sheet->rule_count++] = (kp_css_rule_t){.selectors = selectors,
                                                        .declarations = copy,
                                                        .declaration_count = (uint32_t)count,
                                                        .media = media};
}

/* end: of what is inside the braces. */
static void style_rule(reader_t *reader, size_t start, size_t open, size_t end, uint32_t media)
{
    while (open > start && reader->tokens[open - 1].type == KP_CSS_TOKEN_SPACE)
        open--;
    const kp_css_selector_t *selectors = kp_css_parse_selectors(
        &reader->context, reader->text, reader->tokens + start, open - start);
    if (!selectors)
        return;
    while (!kp_css_token_delim(&reader->tokens[open], '{'))
        open++;
    uint32_t from = reader->tokens[open].end;
    uint32_t to = end > open + 1 ? reader->tokens[end - 1].end : from;
    reader->scratch.count = 0;
    kp_css_parse_declarations(&reader->context, reader->text + from, to > from ? to - from : 0,
                              &reader->scratch);
    if (reader->scratch.failed)
        reader->failed = true;
    if (reader->scratch.count)
        add_rule(reader, selectors, media);
}

static uint32_t add_media(reader_t *reader, size_t start, size_t end, uint32_t parent)
{
    kp_css_sheet_t *sheet = reader->sheet;
    if (sheet->media_count == 0)
        sheet->media_count = 1;
    if (sheet->media_capacity < sheet->media_count)
        sheet->media_capacity = 0;
    if (!grow((void **)&sheet->media, &sheet->media_capacity, sheet->media_count,
              sizeof *sheet->media)) {
        reader->failed = true;
        return parent;
    }
    uint32_t from = reader->tokens[start].start;
    uint32_t to = end > start ? reader->tokens[end - 1].end : from;
    char *text = kp_arena_string(&sheet->arena, reader->text + from, to - from);
    if (!text) {
        reader->failed = true;
        return parent;
    }
    sheet->media[sheet->media_count] =
        (kp_css_media_t){.text = text, .size = to - from, .parent = parent};
    return (uint32_t)sheet->media_count++;
}

static void import_rule(reader_t *reader, size_t start, size_t end)
{
    kp_css_sheet_t *sheet = reader->sheet;
    while (start < end && reader->tokens[start].type == KP_CSS_TOKEN_SPACE)
        start++;
    const kp_css_token_t *token = &reader->tokens[start];
    if (start < end && token->type == KP_CSS_TOKEN_FUNCTION && kp_css_token_is(token, "url")) {
        token++;
        start++;
        if (start + 1 < end)
            start++; /* ")" */
    }
    if (start >= end || (token->type != KP_CSS_TOKEN_STRING && token->type != KP_CSS_TOKEN_URL))
        return;
    start++;
    while (start < end && reader->tokens[start].type == KP_CSS_TOKEN_SPACE)
        start++;
    uint32_t media = start < end ? add_media(reader, start, end, 0) : 0;
    char *url = kp_url_resolve(reader->context.base_url, token->text, token->text_size);
    if (!url)
        return;
    char *copy = kp_arena_string(&sheet->arena, url, strlen(url));
    kp_url_free(url);
    if (!copy || !grow((void **)&sheet->imports, &sheet->import_capacity, sheet->import_count,
                       sizeof *sheet->imports)) {
        reader->failed = true;
        return;
    }
    sheet->imports[sheet->import_count++] = (kp_css_import_t){.url = copy, .media = media};
}

static size_t skip_space(const reader_t *reader, size_t at, size_t end)
{
    while (at < end && reader->tokens[at].type == KP_CSS_TOKEN_SPACE)
        at++;
    return at;
}

static bool supports(reader_t *reader, size_t at, size_t end, int depth);

/* "(name: value)": whether we can parse that. at: the name. */
static bool supports_declaration(reader_t *reader, size_t at, size_t colon, size_t end)
{
    const kp_css_token_t *token = &reader->tokens[at];
    if (token->text_size > 2 && memcmp(token->text, "--", 2) == 0)
        return true;
    int property = kp_css_property_find(token->text, token->text_size);
    size_t before = reader->scratch.count;
    uint32_t from = reader->tokens[colon].end, to = reader->tokens[end - 1].end;
    if (property >= 0)
        kp_css_parse_declaration(&reader->context, property, NULL, 0, reader->text + from,
                                 to - from, &reader->scratch);
    bool known = reader->scratch.count > before;
    reader->scratch.count = before;
    return known;
}

/* One operand in parentheses or a function; moves *at behind it. */
static bool supports_operand(reader_t *reader, size_t *at, size_t end, int depth)
{
    const kp_css_token_t *open = &reader->tokens[*at];
    size_t inner = *at + 1, close;
    bool closed, function = open->type == KP_CSS_TOKEN_FUNCTION;
    if (!function && !kp_css_token_delim(open, '(')) {
        *at = end;
        return false;
    }
    *at = skip_block(reader, *at, end, &closed);
    close = *at - closed;
    if (function) {
        inner = skip_space(reader, inner, close);
        return kp_css_token_is(open, "selector") &&
               kp_css_parse_selectors(&reader->context, reader->text, reader->tokens + inner,
                                      close - inner);
    }
    inner = skip_space(reader, inner, close);
    size_t colon = skip_space(reader, inner + 1, close);
    if (colon < close && reader->tokens[inner].type == KP_CSS_TOKEN_IDENT &&
        kp_css_token_delim(&reader->tokens[colon], ':'))
        return supports_declaration(reader, inner, colon, close);
    return depth < BLOCK_DEPTH_MAX && supports(reader, inner, close, depth + 1);
}

/* "@supports" (CSS Conditional 3, section 6): we claim what we can parse. */
static bool supports(reader_t *reader, size_t at, size_t end, int depth)
{
    at = skip_space(reader, at, end);
    if (at == end)
        return false;
    const kp_css_token_t *token = &reader->tokens[at];
    if (token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "not")) {
        at = skip_space(reader, at + 1, end);
        return at < end && !supports_operand(reader, &at, end, depth);
    }
    bool result = supports_operand(reader, &at, end, depth);
    while ((at = skip_space(reader, at, end)) < end) {
        token = &reader->tokens[at];
        bool both = token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "and");
        bool either = token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "or");
        at = skip_space(reader, at + 1, end);
        if ((!both && !either) || at == end)
            return false;
        bool operand = supports_operand(reader, &at, end, depth);
        result = both ? result && operand : result || operand;
    }
    return result;
}

static void read_rules(reader_t *reader, size_t at, size_t end, uint32_t media, int depth)
{
    while (at < end && !reader->failed) {
        const kp_css_token_t *token = &reader->tokens[at];
        if (token->type == KP_CSS_TOKEN_SPACE || token->type == KP_CSS_TOKEN_COMMENT_HTML) {
            at++;
            continue;
        }
        bool at_rule = token->type == KP_CSS_TOKEN_AT;
        size_t open = find_block(reader, at, at_rule, end);
        if (open >= end || !kp_css_token_delim(&reader->tokens[open], '{')) {
            if (at_rule && kp_css_token_is(token, "import") && reader->imports_allowed)
                import_rule(reader, at + 1, open);
            at = open + 1;
            continue;
        }
        bool closed;
        size_t close = skip_block(reader, open, end, &closed), inner_end = close - closed;
        if (!at_rule) {
            reader->imports_allowed = false;
            style_rule(reader, at, open, inner_end, media);
        } else if (depth < BLOCK_DEPTH_MAX) {
            size_t prelude = at + 1;
            while (prelude < open && reader->tokens[prelude].type == KP_CSS_TOKEN_SPACE)
                prelude++;
            if (kp_css_token_is(token, "media"))
                read_rules(reader, open + 1, inner_end, add_media(reader, prelude, open, media),
                           depth + 1);
            else if (kp_css_token_is(token, "layer") ||
                     (kp_css_token_is(token, "supports") && supports(reader, prelude, open, 0)))
                read_rules(reader, open + 1, inner_end, media, depth + 1);
            /* @font-face, @keyframes, @page, @namespace ...: nothing to do yet. */
            if (!kp_css_token_is(token, "layer"))
                reader->imports_allowed = false;
        }
        at = close;
    }
}

kp_status_t kp_css_sheet_parse(const char *text, size_t size, const char *base_url,
                               kp_css_atoms_t *atoms, bool quirks, kp_css_sheet_t **out)
{
    if (size > KP_CSS_TEXT_MAX)
        return KP_ERR_TOO_LARGE;
    kp_css_sheet_t *sheet = calloc(1, sizeof *sheet);
    if (!sheet)
        return KP_ERR_NO_MEMORY;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    reader_t reader = {
        .context = {.arena = &sheet->arena, .atoms = atoms, .base_url = base_url, .quirks = quirks},
        .sheet = sheet,
        .text = text,
        .imports_allowed = true};
    reader.tokens = kp_css_tokenize(&reader.context, text, size, &reader.count);
    if (reader.tokens)
        read_rules(&reader, 0, reader.count, 0, 0);
    else
        reader.failed = true;
    free(reader.tokens);
    free(reader.scratch.items);
    if (reader.failed) {
        kp_css_sheet_destroy(sheet);
        return KP_ERR_NO_MEMORY;
    }
    *out = sheet;
    return KP_OK;
}

void kp_css_sheet_destroy(kp_css_sheet_t *sheet)
{
    if (!sheet)
        return;
    kp_arena_clear(&sheet->arena);
    free(sheet->rules);
    free(sheet->media);
    free(sheet->imports);
    free(sheet);
}
