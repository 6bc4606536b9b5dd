#include "engine/css/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const keyword_texts[] = {
    "",
#define KP_CSS_KEYWORD(name, text) text,
#include "engine/css/keywords.def"
#undef KP_CSS_KEYWORD
};

#define NAME_MAX_SIZE 40

/* Lower-cases into out (NAME_MAX_SIZE bytes); false when it is too long for any name we know. */
static bool lower_name(const char *text, size_t size, char *out)
{
    if (size >= NAME_MAX_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    out[size] = 0;
    return true;
}

kp_css_keyword_t kp_css_keyword_find(const char *text, size_t size)
{
    char name[NAME_MAX_SIZE];
    if (!lower_name(text, size, name))
        return KP_KW_NOTHING;
    int low = 1, high = KP_KW_COUNT - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strcmp(name, keyword_texts[middle]);
        if (order == 0)
            return (kp_css_keyword_t)middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return KP_KW_NOTHING;
}

const char *kp_css_keyword_text(uint16_t keyword)
{
    return keyword < KP_KW_COUNT ? keyword_texts[keyword] : "";
}

/* ---- which keywords a property takes; each list ends with 0 ---- */
#define K(name) KP_KW_##name
#define LIST(name, ...) static const uint16_t keywords_##name[] = {__VA_ARGS__, 0}
static const uint16_t keywords_nothing[] = {0};
LIST(auto, K(AUTO));
LIST(none, K(NONE));
LIST(normal, K(NORMAL));
LIST(justify, K(NORMAL), K(FLEX_START), K(FLEX_END), K(CENTER), K(SPACE_BETWEEN), K(SPACE_AROUND),
     K(SPACE_EVENLY), K(STRETCH), K(START), K(END), K(LEFT), K(RIGHT), K(BASELINE));
LIST(align, K(AUTO), K(NORMAL), K(STRETCH), K(FLEX_START), K(FLEX_END), K(CENTER), K(BASELINE),
     K(START), K(END), K(SELF_START), K(SELF_END));
LIST(attachment, K(SCROLL), K(FIXED), K(LOCAL));
LIST(box, K(BORDER_BOX), K(PADDING_BOX), K(CONTENT_BOX), K(TEXT));
LIST(border_style, K(NONE), K(HIDDEN), K(DOTTED), K(DASHED), K(SOLID), K(DOUBLE), K(GROOVE),
     K(RIDGE), K(INSET), K(OUTSET));
LIST(outline_style, K(AUTO), K(NONE), K(DOTTED), K(DASHED), K(SOLID), K(DOUBLE), K(GROOVE),
     K(RIDGE), K(INSET), K(OUTSET));
LIST(border_width, K(THIN), K(MEDIUM), K(THICK));
LIST(collapse, K(COLLAPSE), K(SEPARATE));
LIST(caption_side, K(TOP), K(BOTTOM));
LIST(clear, K(NONE), K(LEFT), K(RIGHT), K(BOTH));
LIST(content, K(NORMAL), K(NONE));
LIST(direction, K(LTR), K(RTL));
LIST(display, K(BLOCK), K(INLINE), K(INLINE_BLOCK), K(LIST_ITEM), K(TABLE), K(INLINE_TABLE),
     K(TABLE_ROW), K(TABLE_ROW_GROUP), K(TABLE_HEADER_GROUP), K(TABLE_FOOTER_GROUP),
     K(TABLE_COLUMN), K(TABLE_COLUMN_GROUP), K(TABLE_CELL), K(TABLE_CAPTION), K(FLEX),
     K(INLINE_FLEX), K(GRID), K(INLINE_GRID), K(FLOW_ROOT), K(CONTENTS), K(NONE), K(WEBKIT_BOX),
     K(WEBKIT_INLINE_BOX), K(WEBKIT_FLEX));
LIST(empty_cells, K(SHOW), K(HIDE));
LIST(flex_basis, K(AUTO), K(CONTENT), K(MIN_CONTENT), K(MAX_CONTENT), K(FIT_CONTENT));
LIST(flex_direction, K(ROW), K(ROW_REVERSE), K(COLUMN), K(COLUMN_REVERSE));
LIST(flex_wrap, K(NOWRAP), K(WRAP), K(WRAP_REVERSE));
LIST(float, K(NONE), K(LEFT), K(RIGHT));
LIST(font_size, K(XX_SMALL), K(X_SMALL), K(SMALL), K(MEDIUM), K(LARGE), K(X_LARGE), K(XX_LARGE),
     K(XXX_LARGE), K(SMALLER), K(LARGER));
LIST(font_style, K(NORMAL), K(ITALIC), K(OBLIQUE));
LIST(font_variant, K(NORMAL), K(SMALL_CAPS), K(NONE));
LIST(font_weight, K(NORMAL), K(BOLD), K(BOLDER), K(LIGHTER));
LIST(size, K(AUTO), K(MIN_CONTENT), K(MAX_CONTENT), K(FIT_CONTENT), K(STRETCH),
     K(WEBKIT_FILL_AVAILABLE), K(MOZ_AVAILABLE));
LIST(max_size, K(NONE), K(MIN_CONTENT), K(MAX_CONTENT), K(FIT_CONTENT), K(STRETCH),
     K(WEBKIT_FILL_AVAILABLE), K(MOZ_AVAILABLE));
LIST(list_position, K(INSIDE), K(OUTSIDE));
LIST(list_type, K(NONE), K(DISC), K(CIRCLE), K(SQUARE), K(DECIMAL), K(DECIMAL_LEADING_ZERO),
     K(LOWER_ROMAN), K(UPPER_ROMAN), K(LOWER_ALPHA), K(UPPER_ALPHA), K(LOWER_LATIN), K(UPPER_LATIN),
     K(LOWER_GREEK), K(DISCLOSURE_OPEN), K(DISCLOSURE_CLOSED));
LIST(object_fit, K(FILL), K(CONTAIN), K(COVER), K(NONE), K(SCALE_DOWN));
LIST(overflow_wrap, K(NORMAL), K(BREAK_WORD), K(ANYWHERE));
LIST(overflow, K(VISIBLE), K(HIDDEN), K(SCROLL), K(AUTO), K(CLIP));
LIST(position, K(STATIC), K(RELATIVE), K(ABSOLUTE), K(FIXED), K(STICKY));
LIST(quotes, K(AUTO), K(NONE));
LIST(table_layout, K(AUTO), K(FIXED));
LIST(text_align, K(LEFT), K(RIGHT), K(CENTER), K(JUSTIFY), K(START), K(END), K(WEBKIT_CENTER),
     K(WEBKIT_LEFT), K(WEBKIT_RIGHT));
LIST(decoration_style, K(SOLID), K(DOUBLE), K(DOTTED), K(DASHED), K(WAVY));
LIST(text_overflow, K(CLIP), K(ELLIPSIS));
LIST(text_transform, K(NONE), K(UPPERCASE), K(LOWERCASE), K(CAPITALIZE));
LIST(unicode_bidi, K(NORMAL), K(EMBED), K(ISOLATE), K(BIDI_OVERRIDE), K(PLAINTEXT));
LIST(vertical_align, K(BASELINE), K(SUB), K(SUPER), K(TOP), K(TEXT_TOP), K(MIDDLE), K(BOTTOM),
     K(TEXT_BOTTOM));
LIST(visibility, K(VISIBLE), K(HIDDEN), K(COLLAPSE));
LIST(white_space, K(NORMAL), K(NOWRAP), K(PRE), K(PRE_WRAP), K(PRE_LINE), K(BREAK_SPACES));
LIST(word_break, K(NORMAL), K(BREAK_ALL), K(KEEP_ALL), K(BREAK_WORD));

typedef struct property {
    const char *name;
    bool inherited;
    uint8_t accept;
    const uint16_t *keywords;
} property_t;

static const property_t properties[] = {
#define KP_CSS_PROPERTY(name, text, inherited, conversion, field, accept, keywords) \
    {text, inherited, accept, keywords_##keywords},
#include "engine/css/properties.def"
#undef KP_CSS_PROPERTY
};

int kp_css_longhand_find(const char *lower_name);
int kp_css_longhand_find(const char *lower)
{
    int low = 0, high = KP_CSS_LONGHAND_COUNT - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strcmp(lower, properties[middle].name);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

const char *kp_css_property_name(int longhand)
{
    return longhand >= 0 && longhand < KP_CSS_LONGHAND_COUNT ? properties[longhand].name : "";
}

bool kp_css_property_inherited(int longhand)
{
    return properties[longhand].inherited;
}

uint32_t kp_css_property_accepts(int longhand)
{
    return properties[longhand].accept;
}

bool kp_css_property_keyword(int property, uint16_t keyword)
{
    for (const uint16_t *k = properties[property].keywords; *k; k++) {
        if (*k == keyword)
            return true;
    }
    return false;
}

/* ---- cursor ---- */

const kp_css_token_t *kp_css_cursor_peek(kp_css_cursor_t *cursor)
{
    while (cursor->at < cursor->count && cursor->tokens[cursor->at].type == KP_CSS_TOKEN_SPACE)
        cursor->at++;
    return &cursor->tokens[cursor->at];
}

const kp_css_token_t *kp_css_cursor_take(kp_css_cursor_t *cursor)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (cursor->at < cursor->count)
        cursor->at++;
    return token;
}

bool kp_css_cursor_end(kp_css_cursor_t *cursor)
{
    return kp_css_cursor_peek(cursor)->type == KP_CSS_TOKEN_END;
}

bool kp_css_cursor_delim(kp_css_cursor_t *cursor, char c)
{
    if (!kp_css_token_delim(kp_css_cursor_peek(cursor), c))
        return false;
    cursor->at++;
    return true;
}

/* ---- numbers with units ---- */

static const struct unit {
    const char *name;
    uint8_t unit;
    float factor;
} units[] = {
    {"px", KP_UNIT_PX, 1},          {"em", KP_UNIT_EM, 1},          {"rem", KP_UNIT_REM, 1},
    {"vw", KP_UNIT_VW, 1},          {"vh", KP_UNIT_VH, 1},          {"ex", KP_UNIT_EX, 1},
    {"ch", KP_UNIT_CH, 1},          {"pt", KP_UNIT_PX, 4.f / 3},    {"pc", KP_UNIT_PX, 16},
    {"in", KP_UNIT_PX, 96},         {"cm", KP_UNIT_PX, 96 / 2.54f}, {"mm", KP_UNIT_PX, 96 / 25.4f},
    {"q", KP_UNIT_PX, 96 / 101.6f}, {"vmin", KP_UNIT_VMIN, 1},      {"vmax", KP_UNIT_VMAX, 1},
    {"dvh", KP_UNIT_VH, 1},         {"svh", KP_UNIT_VH, 1},         {"lvh", KP_UNIT_VH, 1},
    {"dvw", KP_UNIT_VW, 1},         {"svw", KP_UNIT_VW, 1},         {"lvw", KP_UNIT_VW, 1},
};

static const struct unit *find_unit(const kp_css_token_t *token)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (kp_css_token_is(token, units[i].name))
            return &units[i];
    }
    return NULL;
}

#define CALC_DEPTH_MAX 32

static bool parse_calc_sum(kp_css_cursor_t *cursor, int depth, kp_css_calc_t *out);

static bool calc_function(const kp_css_token_t *token)
{
    return token->type == KP_CSS_TOKEN_FUNCTION &&
           (kp_css_token_is(token, "calc") || kp_css_token_is(token, "-webkit-calc") ||
            kp_css_token_is(token, "min") || kp_css_token_is(token, "max") ||
            kp_css_token_is(token, "clamp"));
}

static bool calc_is_number(const kp_css_calc_t *calc)
{
    for (int i = KP_UNIT_NUMBER + 1; i < KP_UNIT_COUNT; i++) {
        if (calc->factor[i] != 0)
            return false;
    }
    return !calc->operation;
}

/* The arguments of a function whose "name(" was taken. */
static bool parse_calc_function(kp_css_cursor_t *cursor, const kp_css_token_t *name, int depth,
                                kp_css_calc_t *out)
{
    if (kp_css_token_is(name, "calc") || kp_css_token_is(name, "-webkit-calc"))
        return parse_calc_sum(cursor, depth + 1, out) && kp_css_cursor_delim(cursor, ')');
    memset(out, 0, sizeof *out);
    out->operation = kp_css_token_is(name, "min") ? 'm' : kp_css_token_is(name, "max") ? 'M' : 'c';
    do {
        kp_css_calc_t *argument = kp_arena_alloc(cursor->context->arena, sizeof *argument);
        if (!argument || out->count == 3 || !parse_calc_sum(cursor, depth + 1, argument))
            return false;
        out->arguments[out->count++] = argument;
    } while (kp_css_cursor_delim(cursor, ','));
    return kp_css_cursor_delim(cursor, ')') && (out->operation != 'c' || out->count == 3);
}

static bool parse_calc_value(kp_css_cursor_t *cursor, int depth, kp_css_calc_t *out)
{
    const kp_css_token_t *token = kp_css_cursor_take(cursor);
    if (depth > CALC_DEPTH_MAX)
        return false;
    memset(out, 0, sizeof *out);
    if (token->type == KP_CSS_TOKEN_NUMBER) {
        out->factor[KP_UNIT_NUMBER] = token->number;
    } else if (token->type == KP_CSS_TOKEN_PERCENT) {
        out->factor[KP_UNIT_PERCENT] = token->number;
    } else if (token->type == KP_CSS_TOKEN_DIMENSION) {
        const struct unit *unit = find_unit(token);
        if (!unit)
            return false;
        out->factor[unit->unit] = token->number * unit->factor;
    } else if (kp_css_token_delim(token, '(')) {
        return parse_calc_sum(cursor, depth + 1, out) && kp_css_cursor_delim(cursor, ')');
    } else if (calc_function(token)) {
        return parse_calc_function(cursor, token, depth, out);
    } else {
        return false;
    }
    return true;
}

static void calc_scale(kp_css_calc_t *calc, float factor)
{
    for (int i = 0; i < KP_UNIT_COUNT; i++)
        calc->factor[i] *= factor;
}

static bool parse_calc_product(kp_css_cursor_t *cursor, int depth, kp_css_calc_t *out)
{
    if (!parse_calc_value(cursor, depth, out))
        return false;
    for (;;) {
        bool divide = kp_css_cursor_delim(cursor, '/');
        if (!divide && !kp_css_cursor_delim(cursor, '*'))
            return true;
        kp_css_calc_t right;
        if (!parse_calc_value(cursor, depth, &right))
            return false;
        if (out->operation || right.operation)
            return false; /* DEVIATION: min() and max() cannot be scaled yet */
        if (divide) {
            if (!calc_is_number(&right) || right.factor[KP_UNIT_NUMBER] == 0)
                return false;
            calc_scale(out, 1 / right.factor[KP_UNIT_NUMBER]);
        } else if (calc_is_number(&right)) {
            calc_scale(out, right.factor[KP_UNIT_NUMBER]);
        } else if (calc_is_number(out)) {
            calc_scale(&right, out->factor[KP_UNIT_NUMBER]);
            *out = right;
        } else {
            return false;
        }
    }
}

static bool parse_calc_sum(kp_css_cursor_t *cursor, int depth, kp_css_calc_t *out)
{
    if (!parse_calc_product(cursor, depth, out))
        return false;
    for (;;) {
        bool minus = kp_css_cursor_delim(cursor, '-');
        if (!minus && !kp_css_cursor_delim(cursor, '+')) {
            /* "1px -2px" tokenises as a signed number; calc needs spaces around operators. */
            return true;
        }
        kp_css_calc_t right;
        if (!parse_calc_product(cursor, depth, &right))
            return false;
        if (out->operation || right.operation)
            return false; /* DEVIATION: as above */
        for (int i = 0; i < KP_UNIT_COUNT; i++)
            out->factor[i] += minus ? -right.factor[i] : right.factor[i];
    }
}

static bool calc_has(const kp_css_calc_t *calc, uint32_t accept)
{
    if (calc->operation) {
        for (int i = 0; i < calc->count; i++) {
            if (!calc_has(calc->arguments[i], accept))
                return false;
        }
        return true;
    }
    bool length = false;
    for (int i = KP_UNIT_NUMBER + 1; i < KP_UNIT_COUNT; i++)
        length |= i != KP_UNIT_PERCENT && calc->factor[i] != 0;
    bool percent = calc->factor[KP_UNIT_PERCENT] != 0;
    if ((length && !(accept & KP_CSS_ACCEPT_LENGTH)) ||
        (percent && !(accept & KP_CSS_ACCEPT_PERCENT)))
        return false;
    if (calc->factor[KP_UNIT_NUMBER] != 0)
        return !length && !percent && (accept & (KP_CSS_ACCEPT_NUMBER | KP_CSS_ACCEPT_INTEGER));
    return true;
}

bool kp_css_parse_number_value(kp_css_cursor_t *cursor, uint32_t accept, kp_css_value_t *out)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    size_t start = cursor->at;
    kp_css_value_t value = {.type = KP_CSS_VALUE_NUMBER, .as.number = token->number};
    if (token->type == KP_CSS_TOKEN_NUMBER) {
        if (accept & KP_CSS_ACCEPT_NUMBER || (accept & KP_CSS_ACCEPT_INTEGER && token->integer))
            value.unit = KP_UNIT_NUMBER;
        else if (accept & KP_CSS_ACCEPT_LENGTH && (token->number == 0 || cursor->context->quirks))
            value.unit = KP_UNIT_PX;
        else
            return false;
    } else if (token->type == KP_CSS_TOKEN_PERCENT && accept & KP_CSS_ACCEPT_PERCENT) {
        value.unit = KP_UNIT_PERCENT;
    } else if (token->type == KP_CSS_TOKEN_DIMENSION && accept & KP_CSS_ACCEPT_LENGTH) {
        const struct unit *unit = find_unit(token);
        if (!unit)
            return false;
        value.unit = unit->unit;
        value.as.number *= unit->factor;
    } else if (calc_function(token)) {
        kp_css_calc_t *calc = kp_arena_alloc(cursor->context->arena, sizeof *calc);
        cursor->at++;
        if (!calc || !parse_calc_function(cursor, token, 0, calc) || !calc_has(calc, accept)) {
            cursor->at = start;
            return false;
        }
        *out = (kp_css_value_t){.type = KP_CSS_VALUE_CALC, .as.pointer = calc};
        return true;
    } else {
        return false;
    }
    if (accept & KP_CSS_ACCEPT_NOT_NEGATIVE && value.as.number < 0)
        return false;
    cursor->at++;
    *out = value;
    return true;
}

bool kp_css_parse_keyword(kp_css_cursor_t *cursor, int property, kp_css_value_t *out)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (token->type != KP_CSS_TOKEN_IDENT)
        return false;
    uint16_t keyword = (uint16_t)kp_css_keyword_find(token->text, token->text_size);
    if (!keyword || !kp_css_property_keyword(property, keyword))
        return false;
    cursor->at++;
    *out = (kp_css_value_t){.type = KP_CSS_VALUE_KEYWORD, .keyword = keyword};
    return true;
}

bool kp_css_parse_longhand(kp_css_cursor_t *cursor, int property, kp_css_value_t *out)
{
    uint32_t accept = properties[property].accept;
    if (kp_css_parse_keyword(cursor, property, out))
        return true;
    if (accept & KP_CSS_ACCEPT_SPECIAL)
        return kp_css_parse_special(cursor, property, out);
    if (accept & KP_CSS_ACCEPT_COLOR)
        return kp_css_parse_color(cursor, out);
    if (accept & KP_CSS_ACCEPT_URL)
        return kp_css_parse_image(cursor, out);
    return kp_css_parse_number_value(cursor, accept, out);
}

void kp_css_declarations_add(kp_css_declarations_t *out, int property, bool important,
                             kp_css_value_t value)
{
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 16;
        kp_css_declaration_t *items = realloc(out->items, capacity * sizeof *items);
        if (!items) {
            out->failed = true;
            return;
        }
        out->items = items;
        out->capacity = capacity;
    }
    out->items[out->count++] = (kp_css_declaration_t){
        .property = (uint16_t)property, .important = important, .value = value};
}
