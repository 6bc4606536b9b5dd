#include "engine/css/selector.h"

#include <stdlib.h>
#include <string.h>

#define SIMPLES_MAX 64
#define COMPOUNDS_MAX 64
#define NESTING_MAX 8

typedef struct parser {
    const kp_css_context_t *context;
    const char *source; /* what token offsets refer to */
    const kp_css_token_t *tokens;
    size_t count, at;
    int nesting;
    bool in_has; /* :has in :has is not valid, and would take for ever */
} parser_t;

static const kp_css_selector_t *parse_list(parser_t *parser, bool forgiving, bool relative);

static const kp_css_token_t end_token = {.type = KP_CSS_TOKEN_END, .text = ""};

static const kp_css_token_t *peek(const parser_t *parser)
{
    return parser->at < parser->count ? &parser->tokens[parser->at] : &end_token;
}

static bool skip_space(parser_t *parser)
{
    bool any = false;
    for (; peek(parser)->type == KP_CSS_TOKEN_SPACE; parser->at++)
        any = true;
    return any;
}

static const kp_css_atom_t *atom_of(parser_t *parser, const kp_css_token_t *token, bool lower)
{
    char name[128];
    if (!lower || token->text_size > sizeof name)
        return kp_css_atom(parser->context->atoms, token->text, token->text_size);
    for (size_t i = 0; i < token->text_size; i++) {
        char c = token->text[i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return kp_css_atom(parser->context->atoms, name, token->text_size);
}

static bool parse_attribute(parser_t *parser, kp_css_simple_t *out)
{
    bool case_given = false;
    skip_space(parser);
    const kp_css_token_t *token = peek(parser);
    if (token->type != KP_CSS_TOKEN_IDENT)
        return false;
    out->kind = KP_CSS_SIMPLE_ATTRIBUTE;
    out->name = atom_of(parser, token, true);
    parser->at++;
    skip_space(parser);
    token = peek(parser);
    if (token->type == KP_CSS_TOKEN_DELIM && token->delim && strchr("~|^$*", token->delim)) {
        out->operation = (uint8_t)token->delim;
        parser->at++;
        token = peek(parser);
    }
    if (kp_css_token_delim(token, '=')) {
        if (!out->operation)
            out->operation = '=';
        parser->at++;
        skip_space(parser);
        token = peek(parser);
        if (token->type != KP_CSS_TOKEN_IDENT && token->type != KP_CSS_TOKEN_STRING)
            return false;
        out->value = kp_arena_string(parser->context->arena, token->text, token->text_size);
        out->value_size = token->text_size;
        if (!out->value)
            return false;
        parser->at++;
        skip_space(parser);
        token = peek(parser);
        if (token->type == KP_CSS_TOKEN_IDENT &&
            (kp_css_token_is(token, "i") || kp_css_token_is(token, "s"))) {
            out->ignore_case = kp_css_token_is(token, "i");
            case_given = true;
            parser->at++;
            skip_space(parser);
        }
        /* HTML: values of these attributes compare without case. */
        if (out->name && !case_given &&
            (strcmp(out->name->text, "type") == 0 || strcmp(out->name->text, "align") == 0 ||
             strcmp(out->name->text, "dir") == 0))
            out->ignore_case = true;
    } else if (out->operation) {
        return false;
    }
    if (!kp_css_token_delim(peek(parser), ']'))
        return false;
    parser->at++;
    return out->name != NULL;
}

static bool parse_integer(const char *text, size_t size, int32_t *out)
{
    int32_t value = 0, sign = 1;
    size_t i = 0;
    if (size && (text[0] == '+' || text[0] == '-'))
        sign = text[i++] == '-' ? -1 : 1;
    if (i == size)
        return false;
    for (; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value < 100000000 ? value * 10 + (text[i] - '0') : value;
    }
    *out = sign * value;
    return true;
}

/* an+b: put together from its tokens' text without spaces, then read (CSS Syntax 3, section 6). */
static bool parse_nth(parser_t *parser, kp_css_simple_t *out)
{
    char text[48] = "";
    size_t size = 0;
    while (!kp_css_token_delim(peek(parser), ')') && peek(parser)->type != KP_CSS_TOKEN_END) {
        const kp_css_token_t *token = peek(parser);
        size_t length = token->end - token->start;
        if (token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "of"))
            return false;
        parser->at++;
        if (token->type == KP_CSS_TOKEN_SPACE)
            continue;
        if (length > sizeof text - size)
            return false;
        for (size_t i = 0; i < length; i++) {
            char c = parser->source[token->start + i];
            text[size++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    if (size == 4 && memcmp(text, "even", 4) == 0) {
        out->a = 2;
        out->b = 0;
        return true;
    }
    if (size == 3 && memcmp(text, "odd", 3) == 0) {
        out->a = 2;
        out->b = 1;
        return true;
    }
    const char *n = size ? memchr(text, 'n', size) : NULL;
    if (!n) {
        out->a = 0;
        return parse_integer(text, size, &out->b);
    }
    size_t lead = (size_t)(n - text);
    if (lead == 0 || (lead == 1 && text[0] == '+'))
        out->a = 1;
    else if (lead == 1 && text[0] == '-')
        out->a = -1;
    else if (!parse_integer(text, lead, &out->a))
        return false;
    out->b = 0;
    return lead + 1 == size ||
           ((n[1] == '+' || n[1] == '-') && parse_integer(n + 1, size - lead - 1, &out->b));
}

static const struct pseudo_name {
    const char *name;
    uint8_t kind, operation;
    int8_t a, b;
} pseudo_names[] = {
    {"root", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_ROOT, 0, 0},
    {"scope", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_ROOT, 0, 0},
    {"empty", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_EMPTY, 0, 0},
    {"link", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_LINK, 0, 0},
    {"any-link", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_LINK, 0, 0},
    {"-webkit-any-link", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_LINK, 0, 0},
    {"checked", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_CHECKED, 0, 0},
    {"disabled", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_DISABLED, 0, 0},
    {"enabled", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_ENABLED, 0, 0},
    {"target", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_TARGET, 0, 0},
    {"required", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_REQUIRED, 0, 0},
    {"read-only", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_READ_ONLY, 0, 0},
    {"first-child", KP_CSS_SIMPLE_NTH, KP_PSEUDO_NTH_CHILD, 0, 1},
    {"last-child", KP_CSS_SIMPLE_NTH, KP_PSEUDO_NTH_LAST_CHILD, 0, 1},
    {"first-of-type", KP_CSS_SIMPLE_NTH, KP_PSEUDO_NTH_OF_TYPE, 0, 1},
    {"last-of-type", KP_CSS_SIMPLE_NTH, KP_PSEUDO_NTH_LAST_OF_TYPE, 0, 1},
    {"only-child", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_ONLY_CHILD, 0, 0},
    {"only-of-type", KP_CSS_SIMPLE_PSEUDO, KP_PSEUDO_ONLY_OF_TYPE, 0, 0},
    {"defined", KP_CSS_SIMPLE_ALWAYS, 0, 0, 0},
    {"visited", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"hover", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"active", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"focus", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"focus-visible", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"focus-within", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"indeterminate", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"invalid", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"valid", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"user-invalid", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"placeholder-shown", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"autofill", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"fullscreen", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"host", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"modal", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
    {"open", KP_CSS_SIMPLE_NEVER, 0, 0, 0},
};

static bool parse_pseudo_function(parser_t *parser, const kp_css_token_t *name,
                                  kp_css_simple_t *out, uint32_t *specificity)
{
    static const struct {
        const char *name;
        uint8_t operation;
    } nth[] = {{"nth-child", KP_PSEUDO_NTH_CHILD},
               {"nth-last-child", KP_PSEUDO_NTH_LAST_CHILD},
               {"nth-of-type", KP_PSEUDO_NTH_OF_TYPE},
               {"nth-last-of-type", KP_PSEUDO_NTH_LAST_OF_TYPE}};
    bool ok = false;
    *specificity = 1u << 10;
    for (size_t i = 0; i < sizeof nth / sizeof *nth && !ok; i++) {
        if (kp_css_token_is(name, nth[i].name)) {
            out->kind = KP_CSS_SIMPLE_NTH;
            out->operation = nth[i].operation;
            if (!parse_nth(parser, out))
                return false;
            ok = true;
        }
    }
    bool is = kp_css_token_is(name, "is") || kp_css_token_is(name, "matches") ||
              kp_css_token_is(name, "-webkit-any") || kp_css_token_is(name, "any");
    bool where = kp_css_token_is(name, "where"), has = kp_css_token_is(name, "has");
    if (!ok && (is || where || has || kp_css_token_is(name, "not"))) {
        if (++parser->nesting > NESTING_MAX || (has && parser->in_has))
            return false;
        parser->in_has |= has;
        out->list = parse_list(parser, is || where, has);
        parser->in_has &= !has;
        parser->nesting--;
        out->kind = has ? KP_CSS_SIMPLE_HAS : (is || where) ? KP_CSS_SIMPLE_ANY : KP_CSS_SIMPLE_NOT;
        if (!out->list && !is && !where)
            return false;
        *specificity = 0;
        for (const kp_css_selector_t *s = out->list; s && !where; s = s->next) {
            if (s->specificity > *specificity)
                *specificity = s->specificity;
        }
        ok = true;
    }
    if (!ok && kp_css_token_is(name, "lang")) {
        skip_space(parser);
        const kp_css_token_t *token = peek(parser);
        if (token->type != KP_CSS_TOKEN_IDENT && token->type != KP_CSS_TOKEN_STRING)
            return false;
        out->kind = KP_CSS_SIMPLE_PSEUDO;
        out->operation = KP_PSEUDO_LANG;
        out->value = kp_arena_string(parser->context->arena, token->text, token->text_size);
        out->value_size = token->text_size;
        parser->at++;
        ok = out->value != NULL;
    }
    skip_space(parser);
    if (!ok || !kp_css_token_delim(peek(parser), ')'))
        return false;
    parser->at++;
    return true;
}

static bool parse_pseudo_element(parser_t *parser, const kp_css_token_t *token, uint8_t *out)
{
    if (kp_css_token_is(token, "before")) {
        *out = KP_PSEUDO_ELEMENT_BEFORE;
    } else if (kp_css_token_is(token, "after")) {
        *out = KP_PSEUDO_ELEMENT_AFTER;
    } else if (kp_css_token_is(token, "marker")) {
        *out = KP_PSEUDO_ELEMENT_MARKER;
    } else if (kp_css_token_is(token, "first-line") || kp_css_token_is(token, "first-letter") ||
               kp_css_token_is(token, "selection") || kp_css_token_is(token, "placeholder") ||
               kp_css_token_is(token, "backdrop") ||
               kp_css_token_is(token, "file-selector-button") ||
               (token->text_size > 8 && memcmp(token->text, "-webkit-", 8) == 0)) {
        *out = KP_PSEUDO_ELEMENT_OTHER;
    } else {
        return false;
    }
    parser->at++;
    return true;
}

static bool parse_simple(parser_t *parser, kp_css_simple_t *out, uint32_t *specificity,
                         uint8_t *pseudo_element)
{
    const kp_css_token_t *token = peek(parser);
    *out = (kp_css_simple_t){0};
    *specificity = 1u << 10;
    if (token->type == KP_CSS_TOKEN_HASH) {
        out->kind = KP_CSS_SIMPLE_ID;
        out->name = atom_of(parser, token, false);
        *specificity = 1u << 20;
        parser->at++;
        return out->name && token->is_id;
    }
    if (kp_css_token_delim(token, '.')) {
        token = &parser->tokens[++parser->at];
        if (parser->at >= parser->count || token->type != KP_CSS_TOKEN_IDENT)
            return false;
        out->kind = KP_CSS_SIMPLE_CLASS;
        out->name = atom_of(parser, token, false);
        parser->at++;
        return out->name != NULL;
    }
    if (kp_css_token_delim(token, '[')) {
        parser->at++;
        return parse_attribute(parser, out);
    }
    parser->at++; /* ":" */
    bool element = kp_css_token_delim(peek(parser), ':');
    parser->at += element;
    token = peek(parser);
    if (token->type == KP_CSS_TOKEN_IDENT) {
        bool legacy = kp_css_token_is(token, "before") || kp_css_token_is(token, "after") ||
                      kp_css_token_is(token, "first-line") ||
                      kp_css_token_is(token, "first-letter");
        if (element || legacy) {
            *specificity = 1;
            out->kind = KP_CSS_SIMPLE_ALWAYS;
            return parse_pseudo_element(parser, token, pseudo_element);
        }
        for (size_t i = 0; i < sizeof pseudo_names / sizeof *pseudo_names; i++) {
            const struct pseudo_name *name = &pseudo_names[i];
            if (kp_css_token_is(token, name->name)) {
                *out = (kp_css_simple_t){
                    .kind = name->kind, .operation = name->operation, .a = name->a, .b = name->b};
                parser->at++;
                return true;
            }
        }
        return false;
    }
    if (token->type != KP_CSS_TOKEN_FUNCTION || element)
        return false;
    parser->at++;
    return parse_pseudo_function(parser, token, out, specificity);
}

static bool starts_simple(const kp_css_token_t *token)
{
    return token->type == KP_CSS_TOKEN_HASH ||
           (token->type == KP_CSS_TOKEN_DELIM &&
            (token->delim == '.' || token->delim == '[' || token->delim == ':'));
}

static bool parse_compound(parser_t *parser, kp_css_compound_t *out, uint32_t *specificity,
                           uint8_t *pseudo_element)
{
    kp_css_simple_t simples[SIMPLES_MAX];
    size_t count = 0;
    bool any = false;
    const kp_css_token_t *token = peek(parser);
    if (kp_css_token_delim(token, '|')) {
        parser->at++; /* "|a": no namespace */
        token = peek(parser);
    }
    for (int round = 0; round < 2; round++) {
        if (kp_css_token_delim(token, '*')) {
            any = true;
        } else if (token->type == KP_CSS_TOKEN_IDENT) {
            simples[0] = (kp_css_simple_t){.kind = KP_CSS_SIMPLE_TAG};
            simples[0].name = atom_of(parser, token, true);
            if (!simples[0].name)
                return false;
            simples[0].tag = simples[0].name->tag;
            any = true;
            count = 1;
        } else {
            break;
        }
        parser->at++;
        if (!kp_css_token_delim(peek(parser), '|'))
            break;
        /* A namespace prefix: "*|a" and "svg|a" lose it. DEVIATION: namespaces are not compared. */
        parser->at++;
        token = peek(parser);
        count = 0;
        any = false;
    }
    *specificity += (uint32_t)count;
    while (starts_simple(peek(parser))) {
        uint32_t more = 0;
        uint8_t before = *pseudo_element;
        if (count == SIMPLES_MAX || !parse_simple(parser, &simples[count], &more, pseudo_element))
            return false;
        /* Only states (:hover) may follow a pseudo-element, and there is none inside of :is. */
        if ((before && simples[count].kind != KP_CSS_SIMPLE_NEVER) ||
            (*pseudo_element && parser->nesting))
            return false;
        count++;
        *specificity += more;
        any = true;
    }
    if (!any)
        return false;
    kp_css_simple_t *copy = kp_arena_array(parser->context->arena, count, sizeof *copy);
    if (!copy)
        return false;
    memcpy(copy, simples, count * sizeof *copy);
    out->simples = copy;
    out->count = (uint16_t)count;
    return true;
}

static bool at_end(const parser_t *parser)
{
    const kp_css_token_t *token = peek(parser);
    return token->type == KP_CSS_TOKEN_END || kp_css_token_delim(token, ',') ||
           (parser->nesting && kp_css_token_delim(token, ')'));
}

/* One complex selector. A relative one (:has) may begin with a combinator. */
static kp_css_selector_t *parse_complex(parser_t *parser, bool relative)
{
    kp_css_compound_t compounds[COMPOUNDS_MAX];
    size_t count = 0;
    uint32_t specificity = 0;
    uint8_t pseudo_element = 0;
    char combinator = 0;
    skip_space(parser);
    if (relative) {
        const kp_css_token_t *token = peek(parser);
        combinator = ' ';
        if (token->type == KP_CSS_TOKEN_DELIM && token->delim && strchr(">+~", token->delim)) {
            combinator = token->delim;
            parser->at++;
            skip_space(parser);
        }
    }
    for (;;) {
        if (count == COMPOUNDS_MAX || pseudo_element ||
            !parse_compound(parser, &compounds[count], &specificity, &pseudo_element))
            return NULL;
        compounds[count++].combinator = combinator;
        bool space = skip_space(parser);
        if (at_end(parser))
            break;
        const kp_css_token_t *token = peek(parser);
        if (token->type == KP_CSS_TOKEN_DELIM && token->delim && strchr(">+~", token->delim)) {
            combinator = token->delim;
            parser->at++;
            skip_space(parser);
        } else if (space) {
            combinator = ' ';
        } else {
            return NULL;
        }
    }
    kp_css_selector_t *selector = kp_arena_alloc(parser->context->arena, sizeof *selector);
    kp_css_compound_t *copy = kp_arena_array(parser->context->arena, count, sizeof *copy);
    if (!selector || !copy)
        return NULL;
    for (size_t i = 0; i < count; i++)
        copy[i] = compounds[count - 1 - i];
    *selector = (kp_css_selector_t){.compounds = copy,
                                    .count = (uint16_t)count,
                                    .pseudo_element = pseudo_element,
                                    .specificity = specificity};
    return selector;
}

static void skip_selector(parser_t *parser)
{
    int depth = 0;
    for (; peek(parser)->type != KP_CSS_TOKEN_END; parser->at++) {
        const kp_css_token_t *token = peek(parser);
        if (depth == 0 && at_end(parser))
            return;
        if (token->type == KP_CSS_TOKEN_FUNCTION || kp_css_token_delim(token, '('))
            depth++;
        else if (kp_css_token_delim(token, ')'))
            depth--;
    }
}

static const kp_css_selector_t *parse_list(parser_t *parser, bool forgiving, bool relative)
{
    kp_css_selector_t *first = NULL, **last = &first;
    int nesting = parser->nesting;
    bool in_has = parser->in_has;
    for (;;) {
        size_t start = parser->at;
        kp_css_selector_t *selector = parse_complex(parser, relative);
        if (selector) {
            *last = selector;
            last = (kp_css_selector_t **)&selector->next;
        } else if (forgiving) {
            parser->at = start;
            parser->nesting = nesting;
            parser->in_has = in_has;
            skip_selector(parser);
        } else {
            return NULL;
        }
        if (!kp_css_token_delim(peek(parser), ','))
            return first;
        parser->at++;
    }
}

/* Gives the atoms of HTML's tag names their numbers, so that tag selectors compare numbers. */
static void know_tags(kp_css_atoms_t *atoms)
{
    if (atoms->tags_known)
        return;
    atoms->tags_known = 1;
    for (lxb_tag_id_t id = LXB_TAG_A; id < LXB_TAG__LAST_ENTRY; id++) {
        const lxb_tag_data_t *tag = lxb_tag_data_by_id(id);
        if (!tag)
            continue;
        const lexbor_hash_entry_t *entry = &tag->entry;
        const kp_css_atom_t *atom =
            kp_css_atom(atoms, (const char *)lexbor_hash_entry_str(entry), entry->length);
        if (atom)
            ((kp_css_atom_t *)(uintptr_t)atom)->tag = (uint32_t)id;
    }
}

const kp_css_selector_t *kp_css_parse_selectors(const kp_css_context_t *context, const char *source,
                                                const kp_css_token_t *tokens, size_t count)
{
    know_tags(context->atoms);
    parser_t parser = {.context = context, .source = source, .tokens = tokens, .count = count};
    const kp_css_selector_t *list = parse_list(&parser, false, false);
    return peek(&parser)->type == KP_CSS_TOKEN_END ? list : NULL;
}
