/* Media queries (Media Queries 4, the features that layouts ask for). */
#include <string.h>

#include "engine/css/sheet.h"

typedef struct query {
    kp_css_lexer_t lexer;
    kp_css_token_t token;
    const kp_css_viewport_t *viewport;
} query_t;

static void next(query_t *query)
{
    do {
        kp_css_lexer_next(&query->lexer, &query->token);
    } while (query->token.type == KP_CSS_TOKEN_SPACE);
}

static bool is_ident(const query_t *query, const char *text)
{
    return query->token.type == KP_CSS_TOKEN_IDENT && kp_css_token_is(&query->token, text);
}

/* em and rem in media queries are of the initial font size. */
static bool to_px(const kp_css_token_t *token, float *out)
{
    static const struct {
        const char *unit;
        float factor;
    } units[] = {{"px", 1},           {"em", 16},         {"rem", 16},        {"pt", 4.f / 3},
                 {"in", 96},          {"cm", 96 / 2.54f}, {"mm", 96 / 25.4f}, {"ex", 8},
                 {"ch", 8},           {"dppx", 1},        {"x", 1},           {"dpi", 1.f / 96},
                 {"dpcm", 2.54f / 96}};
    *out = token->number;
    if (token->type == KP_CSS_TOKEN_NUMBER)
        return true;
    for (size_t i = 0; token->type == KP_CSS_TOKEN_DIMENSION && i < sizeof units / sizeof *units;
         i++) {
        if (kp_css_token_is(token, units[i].unit)) {
            *out *= units[i].factor;
            return true;
        }
    }
    return false;
}

static bool feature_number(const query_t *query, const char *name, float *out)
{
    const kp_css_viewport_t *v = query->viewport;
    if (strcmp(name, "width") == 0 || strcmp(name, "device-width") == 0)
        *out = v->width;
    else if (strcmp(name, "height") == 0 || strcmp(name, "device-height") == 0)
        *out = v->height;
    else if (strcmp(name, "resolution") == 0 || strcmp(name, "device-pixel-ratio") == 0)
        *out = v->scale;
    else if (strcmp(name, "aspect-ratio") == 0 || strcmp(name, "device-aspect-ratio") == 0)
        *out = v->height > 0 ? v->width / v->height : 0;
    else if (strcmp(name, "color") == 0)
        *out = 8;
    else if (strcmp(name, "monochrome") == 0 || strcmp(name, "grid") == 0)
        *out = 0;
    else
        return false;
    return true;
}

static bool feature_keyword(const query_t *query, const char *name)
{
    static const struct {
        const char *name, *value;
    } have[] = {{"prefers-color-scheme", "light"},
                {"prefers-reduced-motion", "no-preference"},
                {"prefers-contrast", "no-preference"},
                {"hover", "hover"},
                {"any-hover", "hover"},
                {"pointer", "fine"},
                {"any-pointer", "fine"},
                {"scripting", "none"},
                {"display-mode", "browser"},
                {"forced-colors", "none"},
                {"update", "fast"}};
    if (strcmp(name, "orientation") == 0)
        return is_ident(query, query->viewport->width > query->viewport->height ? "landscape"
                                                                                : "portrait");
    for (size_t i = 0; i < sizeof have / sizeof *have; i++) {
        if (strcmp(name, have[i].name) == 0)
            return is_ident(query, have[i].value);
    }
    return false;
}

/* -1 less, 0 equal or about, 1 greater: the comparison operators of range features. */
static bool compare(float left, char operation, bool or_equal, float right)
{
    if (operation == '<')
        return or_equal ? left <= right : left < right;
    if (operation == '>')
        return or_equal ? left >= right : left > right;
    return left == right;
}

static bool take_operator(query_t *query, char *operation, bool *or_equal)
{
    *or_equal = false;
    if (query->token.type != KP_CSS_TOKEN_DELIM ||
        (query->token.delim != '<' && query->token.delim != '>' && query->token.delim != '='))
        return false;
    *operation = query->token.delim;
    next(query);
    if (kp_css_token_delim(&query->token, '=')) {
        *or_equal = true;
        next(query);
    }
    return true;
}

static bool take_value(query_t *query, float *out)
{
    if (!to_px(&query->token, out))
        return false;
    next(query);
    if (kp_css_token_delim(&query->token, '/')) {
        float below;
        next(query);
        if (!to_px(&query->token, &below) || below == 0)
            return false;
        *out /= below;
        next(query);
    }
    return true;
}

/* Inside "(": name, "name: value", or a range "400px <= width < 800px". */
static bool parse_feature(query_t *query)
{
    float bound, have = 0;
    char operation, name[40];
    bool or_equal, result = true;
    bool leading = query->token.type != KP_CSS_TOKEN_IDENT;
    char lead_operation = 0;
    bool lead_equal = false;
    float lead = 0;
    if (leading &&
        (!take_value(query, &lead) || !take_operator(query, &lead_operation, &lead_equal)))
        return false;
    if (query->token.type != KP_CSS_TOKEN_IDENT || query->token.text_size >= sizeof name)
        return false;
    for (size_t i = 0; i < query->token.text_size; i++) {
        char c = query->token.text[i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    name[query->token.text_size] = 0;
    next(query);
    const char *base = strncmp(name, "-webkit-", 8) == 0 ? name + 8 : name;
    int direction = strncmp(base, "min-", 4) == 0 ? 1 : strncmp(base, "max-", 4) == 0 ? -1 : 0;
    if (direction)
        base += 4;
    bool numeric = feature_number(query, base, &have);
    if (leading) {
        result = numeric && compare(lead, lead_operation, lead_equal, have);
        if (take_operator(query, &operation, &or_equal))
            result =
                take_value(query, &bound) && compare(have, operation, or_equal, bound) && result;
        return result;
    }
    if (take_operator(query, &operation, &or_equal))
        return numeric && take_value(query, &bound) && compare(have, operation, or_equal, bound);
    if (!kp_css_token_delim(&query->token, ':')) {
        /* (color): true when not zero; (hover): when not none. */
        return numeric ? have != 0 : strcmp(base, "hover") == 0 || strcmp(base, "pointer") == 0;
    }
    next(query);
    if (!numeric) {
        result = feature_keyword(query, base);
        next(query);
        return result;
    }
    if (!take_value(query, &bound))
        return false;
    return direction > 0 ? have >= bound : direction < 0 ? have <= bound : have == bound;
}

static bool parse_condition(query_t *query, int depth);

static bool parse_parenthesis(query_t *query, int depth)
{
    bool result;
    if (query->token.type == KP_CSS_TOKEN_FUNCTION || !kp_css_token_delim(&query->token, '(')) {
        while (query->token.type != KP_CSS_TOKEN_END && query->token.delim != ')' &&
               query->token.delim != ',')
            next(query);
        result = false;
    } else {
        next(query);
        if (depth < 16 && (kp_css_token_delim(&query->token, '(') || is_ident(query, "not")))
            result = parse_condition(query, depth + 1);
        else
            result = parse_feature(query);
    }
    int open = 0;
    while (query->token.type != KP_CSS_TOKEN_END) {
        bool closes = query->token.delim == ')';
        if (query->token.delim == '(' || query->token.type == KP_CSS_TOKEN_FUNCTION)
            open++;
        next(query);
        if (closes && open-- == 0)
            break;
    }
    return result;
}

static bool parse_condition(query_t *query, int depth)
{
    if (is_ident(query, "not")) {
        next(query);
        return !parse_parenthesis(query, depth);
    }
    bool result = parse_parenthesis(query, depth);
    for (;;) {
        if (is_ident(query, "and")) {
            next(query);
            bool right = parse_parenthesis(query, depth);
            result = result && right;
        } else if (is_ident(query, "or")) {
            next(query);
            bool right = parse_parenthesis(query, depth);
            result = result || right;
        } else {
            return result;
        }
    }
}

static bool parse_query(query_t *query)
{
    bool negate = false;
    if (is_ident(query, "not") || is_ident(query, "only")) {
        kp_css_lexer_t saved = query->lexer;
        kp_css_token_t token = query->token;
        negate = is_ident(query, "not");
        next(query);
        if (query->token.type != KP_CSS_TOKEN_IDENT) {
            query->lexer = saved; /* "not (feature)": a condition */
            query->token = token;
            return parse_condition(query, 0);
        }
    }
    if (query->token.type != KP_CSS_TOKEN_IDENT)
        return parse_condition(query, 0);
    bool result = is_ident(query, "screen") || is_ident(query, "all");
    next(query);
    while (is_ident(query, "and")) {
        next(query);
        bool right = is_ident(query, "not") ? (next(query), !parse_parenthesis(query, 0))
                                            : parse_parenthesis(query, 0);
        result = result && right;
    }
    return result != negate;
}

bool kp_css_media_matches(const char *text, size_t size, const kp_css_viewport_t *viewport)
{
    query_t query = {.lexer = kp_css_lexer_init(text, size, NULL), .viewport = viewport};
    next(&query);
    if (query.token.type == KP_CSS_TOKEN_END)
        return true;
    bool any = false;
    while (query.token.type != KP_CSS_TOKEN_END) {
        bool one = parse_query(&query);
        while (query.token.type != KP_CSS_TOKEN_END && !kp_css_token_delim(&query.token, ',')) {
            one = false; /* a query with anything left over is "not all" */
            next(&query);
        }
        any = any || one;
        if (query.token.type != KP_CSS_TOKEN_END)
            next(&query);
    }
    return any;
}

bool kp_css_sheet_media_matches(const kp_css_sheet_t *sheet, uint32_t media,
                                const kp_css_viewport_t *viewport)
{
    for (; media; media = sheet->media[media].parent) {
        if (!kp_css_media_matches(sheet->media[media].text, sheet->media[media].size, viewport))
            return false;
    }
    return true;
}
