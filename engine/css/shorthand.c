/* Names of properties (with aliases) and the expansion of shorthands. */
#include <string.h>

#include "engine/css/value.h"

int kp_css_longhand_find(const char *lower_name); /* value.c */

typedef enum shorthand_kind {
    KIND_SIDES,  /* one to four values: top, right, bottom, left */
    KIND_PAIR,   /* one or two values */
    KIND_ANY,    /* each longhand at most once, in any order; the others become initial */
    KIND_RADIUS, /* four corners, "/" and four more */
    KIND_BACKGROUND,
    KIND_FONT,
    KIND_FLEX,
} shorthand_kind_t;

#define P(name) KP_CSS_##name
static const struct shorthand {
    const char *name;
    shorthand_kind_t kind;
    int16_t longhands[13]; /* ends with -1 */
} shorthands[] = {
    {"background",
     KIND_BACKGROUND,
     {P(BACKGROUND_COLOR), P(BACKGROUND_IMAGE), P(BACKGROUND_POSITION), P(BACKGROUND_SIZE),
      P(BACKGROUND_REPEAT), P(BACKGROUND_ATTACHMENT), P(BACKGROUND_ORIGIN), P(BACKGROUND_CLIP),
      -1}},
    {"border",
     KIND_ANY,
     {P(BORDER_TOP_WIDTH), P(BORDER_TOP_STYLE), P(BORDER_TOP_COLOR), P(BORDER_RIGHT_WIDTH),
      P(BORDER_RIGHT_STYLE), P(BORDER_RIGHT_COLOR), P(BORDER_BOTTOM_WIDTH), P(BORDER_BOTTOM_STYLE),
      P(BORDER_BOTTOM_COLOR), P(BORDER_LEFT_WIDTH), P(BORDER_LEFT_STYLE), P(BORDER_LEFT_COLOR),
      -1}},
    {"border-bottom",
     KIND_ANY,
     {P(BORDER_BOTTOM_WIDTH), P(BORDER_BOTTOM_STYLE), P(BORDER_BOTTOM_COLOR), -1}},
    {"border-color",
     KIND_SIDES,
     {P(BORDER_TOP_COLOR), P(BORDER_RIGHT_COLOR), P(BORDER_BOTTOM_COLOR), P(BORDER_LEFT_COLOR),
      -1}},
    {"border-inline",
     KIND_ANY,
     {P(BORDER_LEFT_WIDTH), P(BORDER_LEFT_STYLE), P(BORDER_LEFT_COLOR), P(BORDER_RIGHT_WIDTH),
      P(BORDER_RIGHT_STYLE), P(BORDER_RIGHT_COLOR), -1}},
    {"border-left",
     KIND_ANY,
     {P(BORDER_LEFT_WIDTH), P(BORDER_LEFT_STYLE), P(BORDER_LEFT_COLOR), -1}},
    {"border-radius",
     KIND_RADIUS,
     {P(BORDER_TOP_LEFT_RADIUS), P(BORDER_TOP_RIGHT_RADIUS), P(BORDER_BOTTOM_RIGHT_RADIUS),
      P(BORDER_BOTTOM_LEFT_RADIUS), -1}},
    {"border-right",
     KIND_ANY,
     {P(BORDER_RIGHT_WIDTH), P(BORDER_RIGHT_STYLE), P(BORDER_RIGHT_COLOR), -1}},
    {"border-style",
     KIND_SIDES,
     {P(BORDER_TOP_STYLE), P(BORDER_RIGHT_STYLE), P(BORDER_BOTTOM_STYLE), P(BORDER_LEFT_STYLE),
      -1}},
    {"border-top", KIND_ANY, {P(BORDER_TOP_WIDTH), P(BORDER_TOP_STYLE), P(BORDER_TOP_COLOR), -1}},
    {"border-width",
     KIND_SIDES,
     {P(BORDER_TOP_WIDTH), P(BORDER_RIGHT_WIDTH), P(BORDER_BOTTOM_WIDTH), P(BORDER_LEFT_WIDTH),
      -1}},
    {"flex", KIND_FLEX, {P(FLEX_GROW), P(FLEX_SHRINK), P(FLEX_BASIS), -1}},
    {"flex-flow", KIND_ANY, {P(FLEX_DIRECTION), P(FLEX_WRAP), -1}},
    {"font",
     KIND_FONT,
     {P(FONT_STYLE), P(FONT_VARIANT), P(FONT_WEIGHT), P(FONT_SIZE), P(LINE_HEIGHT), P(FONT_FAMILY),
      -1}},
    {"gap", KIND_PAIR, {P(ROW_GAP), P(COLUMN_GAP), -1}},
    {"inset", KIND_SIDES, {P(TOP), P(RIGHT), P(BOTTOM), P(LEFT), -1}},
    {"inset-block", KIND_PAIR, {P(TOP), P(BOTTOM), -1}},
    {"inset-inline", KIND_PAIR, {P(LEFT), P(RIGHT), -1}},
    {"list-style", KIND_ANY, {P(LIST_STYLE_POSITION), P(LIST_STYLE_IMAGE), P(LIST_STYLE_TYPE), -1}},
    {"margin", KIND_SIDES, {P(MARGIN_TOP), P(MARGIN_RIGHT), P(MARGIN_BOTTOM), P(MARGIN_LEFT), -1}},
    {"margin-block", KIND_PAIR, {P(MARGIN_TOP), P(MARGIN_BOTTOM), -1}},
    {"margin-inline", KIND_PAIR, {P(MARGIN_LEFT), P(MARGIN_RIGHT), -1}},
    {"outline", KIND_ANY, {P(OUTLINE_WIDTH), P(OUTLINE_STYLE), P(OUTLINE_COLOR), -1}},
    {"overflow", KIND_PAIR, {P(OVERFLOW_X), P(OVERFLOW_Y), -1}},
    {"padding",
     KIND_SIDES,
     {P(PADDING_TOP), P(PADDING_RIGHT), P(PADDING_BOTTOM), P(PADDING_LEFT), -1}},
    {"padding-block", KIND_PAIR, {P(PADDING_TOP), P(PADDING_BOTTOM), -1}},
    {"padding-inline", KIND_PAIR, {P(PADDING_LEFT), P(PADDING_RIGHT), -1}},
    {"place-content", KIND_PAIR, {P(ALIGN_CONTENT), P(JUSTIFY_CONTENT), -1}},
    {"text-decoration",
     KIND_ANY,
     {P(TEXT_DECORATION_LINE), P(TEXT_DECORATION_STYLE), P(TEXT_DECORATION_COLOR), -1}},
};
#define SHORTHAND_COUNT (int)(sizeof shorthands / sizeof *shorthands)

/* Logical properties are the physical ones of horizontal left-to-right text.
   DEVIATION: direction: rtl does not swap them yet. */
static const struct alias {
    const char *name, *target;
} aliases[] = {
    {"-moz-box-sizing", "box-sizing"},
    {"-moz-tab-size", "tab-size"},
    {"-webkit-align-items", "align-items"},
    {"-webkit-background-size", "background-size"},
    {"-webkit-border-radius", "border-radius"},
    {"-webkit-box-sizing", "box-sizing"},
    {"-webkit-flex", "flex"},
    {"-webkit-flex-direction", "flex-direction"},
    {"-webkit-flex-wrap", "flex-wrap"},
    {"-webkit-justify-content", "justify-content"},
    {"block-size", "height"},
    {"border-block-end", "border-bottom"},
    {"border-block-start", "border-top"},
    {"border-inline-end", "border-right"},
    {"border-inline-start", "border-left"},
    {"border-inline-start-width", "border-left-width"},
    {"grid-column-gap", "column-gap"},
    {"grid-gap", "gap"},
    {"grid-row-gap", "row-gap"},
    {"inline-size", "width"},
    {"inset-block-end", "bottom"},
    {"inset-block-start", "top"},
    {"inset-inline-end", "right"},
    {"inset-inline-start", "left"},
    {"margin-block-end", "margin-bottom"},
    {"margin-block-start", "margin-top"},
    {"margin-inline-end", "margin-right"},
    {"margin-inline-start", "margin-left"},
    {"max-inline-size", "max-width"},
    {"min-inline-size", "min-width"},
    {"padding-block-end", "padding-bottom"},
    {"padding-block-start", "padding-top"},
    {"padding-inline-end", "padding-right"},
    {"padding-inline-start", "padding-left"},
    {"word-wrap", "overflow-wrap"},
};

int kp_css_property_find(const char *name, size_t size)
{
    char lower[40];
    if (size >= sizeof lower)
        return -1;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    lower[size] = 0;
    for (int round = 0; round < 2; round++) {
        int longhand = kp_css_longhand_find(lower);
        if (longhand >= 0)
            return longhand;
        int low = 0, high = SHORTHAND_COUNT - 1;
        while (low <= high) {
            int middle = (low + high) / 2, order = strcmp(lower, shorthands[middle].name);
            if (order == 0)
                return KP_CSS_SHORTHAND_FIRST + middle;
            if (order < 0)
                high = middle - 1;
            else
                low = middle + 1;
        }
        const char *target = NULL;
        low = 0;
        high = (int)(sizeof aliases / sizeof *aliases) - 1;
        while (low <= high && !target) {
            int middle = (low + high) / 2, order = strcmp(lower, aliases[middle].name);
            if (order == 0)
                target = aliases[middle].target;
            else if (order < 0)
                high = middle - 1;
            else
                low = middle + 1;
        }
        if (!target)
            return -1;
        memcpy(lower, target, strlen(target) + 1);
    }
    return -1;
}

const int16_t *kp_css_shorthand_longhands(int shorthand)
{
    return shorthands[shorthand - KP_CSS_SHORTHAND_FIRST].longhands;
}

static kp_css_value_t keyword_value(uint16_t keyword)
{
    return (kp_css_value_t){.type = KP_CSS_VALUE_KEYWORD, .keyword = keyword};
}

static kp_css_value_t number_value(float number, kp_css_unit_t unit)
{
    return (kp_css_value_t){
        .type = KP_CSS_VALUE_NUMBER, .unit = (uint8_t)unit, .as.number = number};
}

static bool expand_sides(kp_css_cursor_t *cursor, const int16_t *longhands, bool important,
                         kp_css_declarations_t *out)
{
    kp_css_value_t value[4];
    int count = 0;
    while (count < 4 && kp_css_parse_longhand(cursor, longhands[count], &value[count]))
        count++;
    if (!count || !kp_css_cursor_end(cursor))
        return false;
    if (count < 2)
        value[1] = value[0];
    if (count < 3)
        value[2] = value[0];
    if (count < 4)
        value[3] = value[1];
    for (int i = 0; i < 4; i++)
        kp_css_declarations_add(out, longhands[i], important, value[i]);
    return true;
}

static bool expand_pair(kp_css_cursor_t *cursor, const int16_t *longhands, bool important,
                        kp_css_declarations_t *out)
{
    kp_css_value_t value[2];
    if (!kp_css_parse_longhand(cursor, longhands[0], &value[0]))
        return false;
    if (!kp_css_parse_longhand(cursor, longhands[1], &value[1]))
        value[1] = value[0];
    if (!kp_css_cursor_end(cursor))
        return false;
    kp_css_declarations_add(out, longhands[0], important, value[0]);
    kp_css_declarations_add(out, longhands[1], important, value[1]);
    return true;
}

/* For border and border-inline the first three longhands stand for every side. */
static bool expand_any(kp_css_cursor_t *cursor, const struct shorthand *shorthand, bool important,
                       kp_css_declarations_t *out)
{
    kp_css_value_t value[3];
    bool given[3] = {false, false, false};
    int distinct = 0, total = 0, none_count = 0;
    while (shorthand->longhands[total] >= 0)
        total++;
    distinct = total > 3 ? 3 : total;
    while (!kp_css_cursor_end(cursor)) {
        bool found = false;
        const kp_css_token_t *token = kp_css_cursor_peek(cursor);
        if (shorthand->longhands[0] == KP_CSS_LIST_STYLE_POSITION &&
            kp_css_token_is(token, "none") && token->type == KP_CSS_TOKEN_IDENT && none_count < 2) {
            /* "none" sets the type and the image, whichever is left over. */
            kp_css_cursor_take(cursor);
            none_count++;
            continue;
        }
        for (int i = 0; i < distinct && !found; i++) {
            if (given[i])
                continue;
            size_t start = cursor->at;
            found = kp_css_parse_longhand(cursor, shorthand->longhands[i], &value[i]);
            if (found)
                given[i] = true;
            else
                cursor->at = start;
        }
        if (!found) {
            /* text-decoration takes a thickness that we do not draw. */
            kp_css_value_t ignored;
            if (shorthand->longhands[0] == KP_CSS_TEXT_DECORATION_LINE &&
                kp_css_parse_number_value(cursor, KP_CSS_ACCEPT_LENGTH | KP_CSS_ACCEPT_PERCENT,
                                          &ignored))
                continue;
            return false;
        }
    }
    if (none_count) {
        for (int i = 1; i < 3; i++) {
            if (!given[i]) {
                value[i] = keyword_value(KP_KW_NONE);
                given[i] = true;
            }
        }
        /* "none" with an image given names the type; both given leaves nothing for it. */
    }
    for (int i = 0; i < total; i++) {
        int which = i % distinct;
        kp_css_declarations_add(out, shorthand->longhands[i], important,
                                given[which] ? value[which] : keyword_value(KP_KW_INITIAL));
    }
    return true;
}

static bool expand_radius(kp_css_cursor_t *cursor, const int16_t *longhands, bool important,
                          kp_css_declarations_t *out)
{
    kp_css_value_t value[2][4];
    uint32_t accept = KP_CSS_ACCEPT_LENGTH | KP_CSS_ACCEPT_PERCENT | KP_CSS_ACCEPT_NOT_NEGATIVE;
    for (int axis = 0; axis < 2; axis++) {
        int count = 0;
        if (axis == 1 && !kp_css_cursor_delim(cursor, '/')) {
            memcpy(value[1], value[0], sizeof value[0]);
            break;
        }
        while (count < 4 && kp_css_parse_number_value(cursor, accept, &value[axis][count]))
            count++;
        if (!count)
            return false;
        if (count < 2)
            value[axis][1] = value[axis][0];
        if (count < 3)
            value[axis][2] = value[axis][0];
        if (count < 4)
            value[axis][3] = value[axis][1];
    }
    if (!kp_css_cursor_end(cursor))
        return false;
    for (int i = 0; i < 4; i++) {
        kp_css_value_pair_t *pair = kp_arena_alloc(cursor->context->arena, sizeof *pair);
        if (!pair)
            return false;
        *pair = (kp_css_value_pair_t){value[0][i], value[1][i]};
        kp_css_declarations_add(out, longhands[i], important,
                                (kp_css_value_t){.type = KP_CSS_VALUE_POINTER, .as.pointer = pair});
    }
    return true;
}

/* One layer. DEVIATION: of several layers the first one's image and the last one's colour count. */
static bool expand_background(kp_css_cursor_t *cursor, bool important, kp_css_declarations_t *out)
{
    enum { COLOR, IMAGE, POSITION, SIZE, REPEAT, ATTACHMENT, ORIGIN, CLIP, COUNT };
    static const int16_t property[COUNT] = {
        P(BACKGROUND_COLOR),  P(BACKGROUND_IMAGE),      P(BACKGROUND_POSITION), P(BACKGROUND_SIZE),
        P(BACKGROUND_REPEAT), P(BACKGROUND_ATTACHMENT), P(BACKGROUND_ORIGIN),   P(BACKGROUND_CLIP)};
    kp_css_value_t value[COUNT];
    bool given[COUNT] = {false};
    bool first_layer = true;
    while (!kp_css_cursor_end(cursor)) {
        kp_css_value_t found;
        int which = -1;
        if (kp_css_cursor_delim(cursor, ',')) {
            first_layer = false;
            continue;
        }
        if (kp_css_parse_color(cursor, &found))
            which = COLOR;
        else if (kp_css_parse_image(cursor, &found))
            which = IMAGE;
        else if (kp_css_parse_position(cursor, &found))
            which = POSITION;
        else if (kp_css_parse_keyword(cursor, P(BACKGROUND_ATTACHMENT), &found))
            which = ATTACHMENT;
        else if (kp_css_parse_keyword(cursor, P(BACKGROUND_IMAGE), &found))
            which = IMAGE;
        else if (kp_css_parse_keyword(cursor, P(BACKGROUND_ORIGIN), &found))
            which = given[ORIGIN] ? CLIP : ORIGIN;
        else {
            size_t at = cursor->at;
            kp_css_cursor_t rest = *cursor;
            if (kp_css_parse_special(&rest, P(BACKGROUND_REPEAT), &found)) {
                which = REPEAT;
                *cursor = rest;
            } else {
                cursor->at = at;
                return false;
            }
        }
        if (which == POSITION && kp_css_cursor_delim(cursor, '/')) {
            kp_css_value_t size;
            kp_css_cursor_t rest = *cursor;
            if (!kp_css_parse_special(&rest, P(BACKGROUND_SIZE), &size))
                return false;
            *cursor = rest;
            if (first_layer) {
                value[SIZE] = size;
                given[SIZE] = true;
            }
        }
        if (first_layer || which == COLOR) {
            value[which] = found;
            given[which] = true;
        }
    }
    if (given[ORIGIN] && !given[CLIP]) {
        value[CLIP] = value[ORIGIN];
        given[CLIP] = true;
    }
    for (int i = 0; i < COUNT; i++)
        kp_css_declarations_add(out, property[i], important,
                                given[i] ? value[i] : keyword_value(KP_KW_INITIAL));
    return true;
}

static bool expand_font(kp_css_cursor_t *cursor, bool important, kp_css_declarations_t *out)
{
    static const int16_t lead[] = {P(FONT_STYLE), P(FONT_VARIANT), P(FONT_WEIGHT)};
    kp_css_value_t value[3], size, height = keyword_value(KP_KW_NORMAL), family;
    for (int i = 0; i < 3; i++)
        value[i] = keyword_value(KP_KW_NORMAL);
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (token->type == KP_CSS_TOKEN_IDENT &&
        (kp_css_token_is(token, "caption") || kp_css_token_is(token, "icon") ||
         kp_css_token_is(token, "menu") || kp_css_token_is(token, "message-box") ||
         kp_css_token_is(token, "small-caption") || kp_css_token_is(token, "status-bar"))) {
        /* System fonts: 16px sans-serif, as headless Chromium has them. */
        static const char *const names[] = {"sans-serif"};
        static const kp_css_family_list_t list = {1, names};
        kp_css_cursor_take(cursor);
        size = number_value(16, KP_UNIT_PX);
        family = (kp_css_value_t){.type = KP_CSS_VALUE_POINTER, .as.pointer = &list};
    } else {
        for (int round = 0; round < 4; round++) {
            kp_css_value_t found;
            bool any = false;
            token = kp_css_cursor_peek(cursor);
            if (token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "normal")) {
                kp_css_cursor_take(cursor);
                continue;
            }
            for (int i = 0; i < 3 && !any; i++) {
                /* A plain number is a weight only when a size follows it. */
                if (kp_css_parse_longhand(cursor, lead[i], &found)) {
                    value[i] = found;
                    any = true;
                }
            }
            if (!any)
                break;
        }
        if (!kp_css_parse_longhand(cursor, P(FONT_SIZE), &size))
            return false;
        if (kp_css_cursor_delim(cursor, '/') &&
            !kp_css_parse_longhand(cursor, P(LINE_HEIGHT), &height))
            return false;
        if (!kp_css_parse_special(cursor, P(FONT_FAMILY), &family))
            return false;
    }
    if (!kp_css_cursor_end(cursor))
        return false;
    for (int i = 0; i < 3; i++)
        kp_css_declarations_add(out, lead[i], important, value[i]);
    kp_css_declarations_add(out, P(FONT_SIZE), important, size);
    kp_css_declarations_add(out, P(LINE_HEIGHT), important, height);
    kp_css_declarations_add(out, P(FONT_FAMILY), important, family);
    return true;
}

static bool expand_flex(kp_css_cursor_t *cursor, bool important, kp_css_declarations_t *out)
{
    kp_css_value_t grow = number_value(0, KP_UNIT_NUMBER), shrink = number_value(1, KP_UNIT_NUMBER);
    kp_css_value_t basis = keyword_value(KP_KW_AUTO);
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "none")) {
        kp_css_cursor_take(cursor);
        shrink.as.number = 0;
    } else {
        bool has_grow = false, has_basis = false;
        uint32_t accept = KP_CSS_ACCEPT_NUMBER | KP_CSS_ACCEPT_NOT_NEGATIVE;
        for (int round = 0; round < 2 && !kp_css_cursor_end(cursor); round++) {
            if (!has_grow && kp_css_parse_number_value(cursor, accept, &grow)) {
                has_grow = true;
                kp_css_parse_number_value(cursor, accept, &shrink);
                /* "1 1 0": the third plain number can only be a basis of 0. */
            } else if (!has_basis && kp_css_parse_longhand(cursor, P(FLEX_BASIS), &basis)) {
                has_basis = true;
            }
        }
        if (!has_grow && !has_basis)
            return false;
        if (!has_grow)
            grow.as.number = 1;
        if (!has_basis)
            basis = number_value(0, KP_UNIT_PERCENT);
    }
    if (!kp_css_cursor_end(cursor))
        return false;
    kp_css_declarations_add(out, P(FLEX_GROW), important, grow);
    kp_css_declarations_add(out, P(FLEX_SHRINK), important, shrink);
    kp_css_declarations_add(out, P(FLEX_BASIS), important, basis);
    return true;
}

bool kp_css_parse_shorthand(kp_css_cursor_t *cursor, int id, bool important,
                            kp_css_declarations_t *out)
{
    const struct shorthand *shorthand = &shorthands[id - KP_CSS_SHORTHAND_FIRST];
    switch (shorthand->kind) {
    case KIND_SIDES:
        return expand_sides(cursor, shorthand->longhands, important, out);
    case KIND_PAIR:
        return expand_pair(cursor, shorthand->longhands, important, out);
    case KIND_ANY:
        return expand_any(cursor, shorthand, important, out);
    case KIND_RADIUS:
        return expand_radius(cursor, shorthand->longhands, important, out);
    case KIND_BACKGROUND:
        return expand_background(cursor, important, out);
    case KIND_FONT:
        return expand_font(cursor, important, out);
    case KIND_FLEX:
        return expand_flex(cursor, important, out);
    }
    return false;
}
