/* Values with a grammar of their own: pairs, positions, images, families, generated content. */
#include <string.h>

#include "engine/base/url.h"
#include "engine/css/value.h"

#define LENGTH_PERCENT (KP_CSS_ACCEPT_LENGTH | KP_CSS_ACCEPT_PERCENT)

static bool set_pointer(kp_css_value_t *out, const void *pointer)
{
    *out = (kp_css_value_t){.type = KP_CSS_VALUE_POINTER, .as.pointer = pointer};
    return pointer != NULL;
}

static bool set_keyword(kp_css_value_t *out, uint16_t keyword)
{
    *out = (kp_css_value_t){.type = KP_CSS_VALUE_KEYWORD, .keyword = keyword};
    return true;
}

static kp_css_value_t number(float value, kp_css_unit_t unit)
{
    return (kp_css_value_t){.type = KP_CSS_VALUE_NUMBER, .unit = (uint8_t)unit, .as.number = value};
}

static const char *copy_text(kp_css_cursor_t *cursor, const kp_css_token_t *token)
{
    return kp_arena_string(cursor->context->arena, token->text, token->text_size);
}

static uint16_t peek_keyword(kp_css_cursor_t *cursor)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    return token->type == KP_CSS_TOKEN_IDENT
               ? (uint16_t)kp_css_keyword_find(token->text, token->text_size)
               : KP_KW_NOTHING;
}

static bool parse_pair(kp_css_cursor_t *cursor, uint32_t accept, bool autos, kp_css_value_t *out)
{
    kp_css_value_pair_t *pair = kp_arena_alloc(cursor->context->arena, sizeof *pair);
    if (!pair)
        return false;
    kp_css_value_t *part[2] = {&pair->first, &pair->second};
    for (int i = 0; i < 2; i++) {
        if (autos && peek_keyword(cursor) == KP_KW_AUTO) {
            kp_css_cursor_take(cursor);
            set_keyword(part[i], KP_KW_AUTO);
        } else if (!kp_css_parse_number_value(cursor, accept, part[i])) {
            if (i == 0)
                return false;
            if (autos)
                set_keyword(part[1], KP_KW_AUTO);
            else
                pair->second = pair->first;
        }
    }
    return set_pointer(out, pair);
}

/* ---- background-position: one to four components (CSS Backgrounds 3, section 2.6) ---- */

static bool position_edge(uint16_t keyword, bool *horizontal, float *percent)
{
    *horizontal = keyword == KP_KW_LEFT || keyword == KP_KW_RIGHT;
    *percent = keyword == KP_KW_RIGHT || keyword == KP_KW_BOTTOM ? 100
               : keyword == KP_KW_CENTER                         ? 50
                                                                 : 0;
    return *horizontal || keyword == KP_KW_TOP || keyword == KP_KW_BOTTOM ||
           keyword == KP_KW_CENTER;
}

/* An offset from the far edge: 100% - offset. */
static bool from_far_edge(kp_css_cursor_t *cursor, kp_css_value_t *value)
{
    if (value->type != KP_CSS_VALUE_NUMBER)
        return false;
    kp_css_calc_t *calc = kp_arena_alloc(cursor->context->arena, sizeof *calc);
    if (!calc)
        return false;
    calc->factor[KP_UNIT_PERCENT] = 100;
    calc->factor[value->unit] -= value->as.number;
    *value = (kp_css_value_t){.type = KP_CSS_VALUE_CALC, .as.pointer = calc};
    return true;
}

bool kp_css_parse_position(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    kp_css_value_t value[2]; /* x, y */
    bool given[2] = {false, false}, centered = false;
    int count = 0;
    while (count < 2) {
        uint16_t keyword = peek_keyword(cursor);
        bool horizontal;
        float percent;
        kp_css_value_t plain;
        if (keyword && position_edge(keyword, &horizontal, &percent)) {
            kp_css_cursor_take(cursor);
            kp_css_value_t at = number(percent, KP_UNIT_PERCENT), offset;
            if (keyword == KP_KW_CENTER) {
                /* Which axis it means shows only when both components are known. */
                if (count == 0)
                    centered = true;
                int axis = count == 0 ? 0 : !given[1] ? 1 : 0;
                value[axis] = at;
                given[axis] = true;
                count++;
                continue;
            }
            int axis = horizontal ? 0 : 1;
            size_t before = cursor->at;
            /* "left 10px top 5px"; but "left 10px" alone means x left, y 10px. */
            if (kp_css_parse_number_value(cursor, LENGTH_PERCENT, &offset)) {
                uint16_t next = peek_keyword(cursor);
                bool next_horizontal;
                float ignored;
                bool more = next && position_edge(next, &next_horizontal, &ignored);
                if (more || count == 1) {
                    if (percent == 100 && !from_far_edge(cursor, &offset))
                        return false;
                    at = offset;
                } else {
                    cursor->at = before;
                }
            }
            if (given[axis]) {
                if (!centered || axis != 0)
                    return false;
                value[1] = value[0]; /* "center left" */
                given[1] = true;
            }
            value[axis] = at;
            given[axis] = true;
            count++;
        } else if (kp_css_parse_number_value(cursor, LENGTH_PERCENT, &plain)) {
            int axis = count == 0 ? 0 : given[1] ? 0 : 1;
            value[axis] = plain;
            given[axis] = true;
            count++;
        } else {
            break;
        }
    }
    if (count == 0)
        return false;
    kp_css_value_pair_t *pair = kp_arena_alloc(cursor->context->arena, sizeof *pair);
    if (!pair)
        return false;
    pair->first = given[0] ? value[0] : number(50, KP_UNIT_PERCENT);
    pair->second = given[1] ? value[1] : number(50, KP_UNIT_PERCENT);
    return set_pointer(out, pair);
}

/* ---- images ---- */

static bool parse_angle(kp_css_cursor_t *cursor, float *degrees)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (token->type == KP_CSS_TOKEN_NUMBER && token->number == 0)
        *degrees = 0;
    else if (token->type != KP_CSS_TOKEN_DIMENSION)
        return false;
    else if (kp_css_token_is(token, "deg"))
        *degrees = token->number;
    else if (kp_css_token_is(token, "rad"))
        *degrees = token->number * 57.29578f;
    else if (kp_css_token_is(token, "grad"))
        *degrees = token->number * .9f;
    else if (kp_css_token_is(token, "turn"))
        *degrees = token->number * 360;
    else
        return false;
    kp_css_cursor_take(cursor);
    return true;
}

static uint8_t side_bit(uint16_t keyword)
{
    return keyword == KP_KW_TOP      ? 1
           : keyword == KP_KW_RIGHT  ? 2
           : keyword == KP_KW_BOTTOM ? 4
           : keyword == KP_KW_LEFT   ? 8
                                     : 0;
}

#define STOPS_MAX 64

static bool parse_gradient(kp_css_cursor_t *cursor, bool repeating, kp_css_value_t *out)
{
    kp_css_image_value_t *image = kp_arena_alloc(cursor->context->arena, sizeof *image);
    kp_css_stop_value_t stops[STOPS_MAX];
    size_t count = 0;
    if (!image)
        return false;
    image->image.angle = 180;
    image->image.repeating = repeating;
    if (peek_keyword(cursor) == KP_KW_TO) {
        kp_css_cursor_take(cursor);
        uint8_t bit;
        while ((bit = side_bit(peek_keyword(cursor)))) {
            kp_css_cursor_take(cursor);
            image->image.corner |= bit;
        }
        if (!image->image.corner || !kp_css_cursor_delim(cursor, ','))
            return false;
        static const float angles[] = {[1] = 0, [2] = 90, [4] = 180, [8] = 270};
        uint8_t corner = image->image.corner;
        if (corner == 1 || corner == 2 || corner == 4 || corner == 8) {
            image->image.angle = angles[corner];
            image->image.corner = 0;
        }
    } else if (parse_angle(cursor, &image->image.angle)) {
        if (!kp_css_cursor_delim(cursor, ','))
            return false;
    }
    do {
        kp_css_stop_value_t stop = {0};
        if (count + 1 >= STOPS_MAX || !kp_css_parse_color(cursor, &stop.color))
            return false;
        kp_css_parse_number_value(cursor, LENGTH_PERCENT, &stop.position);
        stops[count++] = stop;
        kp_css_value_t second;
        if (kp_css_parse_number_value(cursor, LENGTH_PERCENT, &second)) {
            stop.position = second;
            stops[count++] = stop;
        }
    } while (kp_css_cursor_delim(cursor, ','));
    if (count < 2 || !kp_css_cursor_delim(cursor, ')'))
        return false;
    kp_css_stop_value_t *copy = kp_arena_array(cursor->context->arena, count, sizeof *copy);
    if (!copy)
        return false;
    for (size_t i = 0; i < count; i++) {
        copy[i] = stops[i];
        if (copy[i].position.type == KP_CSS_VALUE_NUMBER && i < count &&
            stops[i].position.type == KP_CSS_VALUE_NONE)
            copy[i].position.type = KP_CSS_VALUE_NONE;
    }
    image->stops = copy;
    image->image.stop_count = count;
    return set_pointer(out, image);
}

bool kp_css_parse_image(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    size_t start = cursor->at;
    const kp_css_token_t *token = kp_css_cursor_take(cursor);
    const kp_css_token_t *address = NULL;
    if (token->type == KP_CSS_TOKEN_URL) {
        address = token;
    } else if (token->type == KP_CSS_TOKEN_FUNCTION && kp_css_token_is(token, "url")) {
        address = kp_css_cursor_take(cursor);
        if (address->type != KP_CSS_TOKEN_STRING || !kp_css_cursor_delim(cursor, ')'))
            address = NULL;
    } else if (token->type == KP_CSS_TOKEN_FUNCTION &&
               (kp_css_token_is(token, "linear-gradient") ||
                kp_css_token_is(token, "repeating-linear-gradient"))) {
        if (parse_gradient(cursor, token->text_size > 16, out))
            return true;
    }
    if (address) {
        kp_css_image_value_t *image = kp_arena_alloc(cursor->context->arena, sizeof *image);
        char *url = kp_url_resolve(cursor->context->base_url, address->text, address->text_size);
        if (image && url) {
            image->image.url = kp_arena_string(cursor->context->arena, url, strlen(url));
            kp_url_free(url);
            if (image->image.url)
                return set_pointer(out, image);
        } else {
            kp_url_free(url);
        }
    }
    cursor->at = start;
    return false;
}

/* ---- lists ---- */

static bool parse_family(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    const char *names[32];
    size_t count = 0;
    do {
        const kp_css_token_t *token = kp_css_cursor_take(cursor);
        const char *name = NULL;
        if (token->type == KP_CSS_TOKEN_STRING) {
            name = copy_text(cursor, token);
        } else if (token->type == KP_CSS_TOKEN_IDENT) {
            const kp_css_token_t *last = token;
            const kp_css_token_t *first = token;
            while (kp_css_cursor_peek(cursor)->type == KP_CSS_TOKEN_IDENT)
                last = kp_css_cursor_take(cursor);
            /* Several identifiers are one name joined by single spaces. */
            size_t size = 0;
            for (const kp_css_token_t *t = first; t <= last; t++)
                size += t->type == KP_CSS_TOKEN_SPACE ? 1 : t->text_size;
            char *joined = kp_arena_alloc(cursor->context->arena, size + 1);
            char *at = joined;
            for (const kp_css_token_t *t = first; joined && t <= last; t++) {
                if (t->type == KP_CSS_TOKEN_SPACE) {
                    *at++ = ' ';
                } else {
                    memcpy(at, t->text, t->text_size);
                    at += t->text_size;
                }
            }
            name = joined;
        }
        if (!name)
            return false;
        if (count < sizeof names / sizeof *names)
            names[count++] = name;
    } while (kp_css_cursor_delim(cursor, ','));
    kp_css_family_list_t *list = kp_arena_alloc(cursor->context->arena, sizeof *list);
    const char **copy = kp_arena_array(cursor->context->arena, count, sizeof *copy);
    if (!list || !copy)
        return false;
    memcpy(copy, names, count * sizeof *copy);
    *list = (kp_css_family_list_t){.count = count, .names = copy};
    return set_pointer(out, list);
}

static bool parse_content_function(kp_css_cursor_t *cursor, const kp_css_token_t *name,
                                   kp_css_content_item_t *item)
{
    const kp_css_token_t *argument = kp_css_cursor_take(cursor);
    if (argument->type != KP_CSS_TOKEN_IDENT)
        return false;
    item->text = copy_text(cursor, argument);
    if (kp_css_token_is(name, "attr")) {
        item->kind = KP_CSS_CONTENT_ATTRIBUTE;
    } else if (kp_css_token_is(name, "counter") || kp_css_token_is(name, "counters")) {
        item->kind = KP_CSS_CONTENT_COUNTER;
        item->keyword = KP_KW_DECIMAL;
        if (kp_css_token_is(name, "counters")) {
            if (!kp_css_cursor_delim(cursor, ','))
                return false;
            const kp_css_token_t *separator = kp_css_cursor_take(cursor);
            if (separator->type != KP_CSS_TOKEN_STRING)
                return false;
            item->separator = copy_text(cursor, separator);
        }
        if (kp_css_cursor_delim(cursor, ',')) {
            uint16_t style = peek_keyword(cursor);
            kp_css_cursor_take(cursor);
            item->keyword = style ? style : KP_KW_DECIMAL;
        }
    } else {
        return false;
    }
    return item->text && kp_css_cursor_delim(cursor, ')');
}

static bool parse_content(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    kp_css_content_item_t items[32];
    size_t count = 0;
    while (!kp_css_cursor_end(cursor) && count < sizeof items / sizeof *items) {
        kp_css_content_item_t *item = &items[count];
        kp_css_value_t image;
        uint16_t keyword = peek_keyword(cursor);
        *item = (kp_css_content_item_t){0};
        if (kp_css_parse_image(cursor, &image)) {
            item->kind = KP_CSS_CONTENT_IMAGE;
            item->text = ((const kp_css_image_value_t *)image.as.pointer)->image.url;
            count++;
            continue;
        }
        const kp_css_token_t *token = kp_css_cursor_take(cursor);
        if (token->type == KP_CSS_TOKEN_STRING) {
            item->kind = KP_CSS_CONTENT_STRING;
            item->text = copy_text(cursor, token);
            if (!item->text)
                return false;
        } else if (keyword == KP_KW_OPEN_QUOTE || keyword == KP_KW_CLOSE_QUOTE ||
                   keyword == KP_KW_NO_OPEN_QUOTE || keyword == KP_KW_NO_CLOSE_QUOTE) {
            item->kind = KP_CSS_CONTENT_QUOTE;
            item->keyword = keyword;
        } else if (kp_css_token_delim(token, '/')) {
            /* The alternative text for readers that speak: skipped. */
            while (!kp_css_cursor_end(cursor))
                kp_css_cursor_take(cursor);
            break;
        } else if (token->type != KP_CSS_TOKEN_FUNCTION ||
                   !parse_content_function(cursor, token, item)) {
            return false;
        }
        count++;
    }
    kp_css_content_t *content = kp_arena_alloc(cursor->context->arena, sizeof *content);
    kp_css_content_item_t *copy = kp_arena_array(cursor->context->arena, count, sizeof *copy);
    if (!content || !copy || !count)
        return false;
    memcpy(copy, items, count * sizeof *copy);
    *content = (kp_css_content_t){.count = count, .items = copy};
    return set_pointer(out, content);
}

static bool parse_counters(kp_css_cursor_t *cursor, int32_t initial, kp_css_value_t *out)
{
    kp_css_counter_t items[16];
    size_t count = 0;
    while (kp_css_cursor_peek(cursor)->type == KP_CSS_TOKEN_IDENT &&
           count < sizeof items / sizeof *items) {
        const kp_css_token_t *name = kp_css_cursor_take(cursor);
        const kp_css_token_t *value = kp_css_cursor_peek(cursor);
        items[count] = (kp_css_counter_t){.name = copy_text(cursor, name), .value = initial};
        if (!items[count].name)
            return false;
        if (value->type == KP_CSS_TOKEN_NUMBER && value->integer) {
            float clamped = value->number > 1e9f    ? 1e9f
                            : value->number < -1e9f ? -1e9f
                                                    : value->number;
            items[count].value = (int32_t)clamped;
            kp_css_cursor_take(cursor);
        }
        count++;
    }
    kp_css_counters_t *counters = kp_arena_alloc(cursor->context->arena, sizeof *counters);
    kp_css_counter_t *copy = kp_arena_array(cursor->context->arena, count, sizeof *copy);
    if (!counters || !copy || !count)
        return false;
    memcpy(copy, items, count * sizeof *copy);
    *counters = (kp_css_counters_t){.count = count, .items = copy};
    return set_pointer(out, counters);
}

static bool parse_quotes(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    const char *pairs[16];
    size_t count = 0;
    while (kp_css_cursor_peek(cursor)->type == KP_CSS_TOKEN_STRING && count < 16)
        pairs[count++] = copy_text(cursor, kp_css_cursor_take(cursor));
    kp_css_quotes_t *quotes = kp_arena_alloc(cursor->context->arena, sizeof *quotes);
    const char **copy = kp_arena_array(cursor->context->arena, count, sizeof *copy);
    if (!quotes || !copy || !count || count % 2)
        return false;
    memcpy(copy, pairs, count * sizeof *copy);
    *quotes = (kp_css_quotes_t){.count = count / 2, .pairs = copy};
    return set_pointer(out, quotes);
}

static bool parse_repeat(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    uint16_t keyword[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        uint16_t k = peek_keyword(cursor);
        if (k == KP_KW_REPEAT_X || k == KP_KW_REPEAT_Y) {
            if (i)
                return false;
            keyword[0] = k == KP_KW_REPEAT_X ? KP_KW_REPEAT : KP_KW_NO_REPEAT;
            keyword[1] = k == KP_KW_REPEAT_X ? KP_KW_NO_REPEAT : KP_KW_REPEAT;
            kp_css_cursor_take(cursor);
            break;
        }
        if (k != KP_KW_REPEAT && k != KP_KW_NO_REPEAT && k != KP_KW_SPACE && k != KP_KW_ROUND) {
            if (i == 0)
                return false;
            keyword[1] = keyword[0];
            break;
        }
        keyword[i] = k;
        kp_css_cursor_take(cursor);
    }
    kp_css_value_pair_t *pair = kp_arena_alloc(cursor->context->arena, sizeof *pair);
    if (!pair)
        return false;
    set_keyword(&pair->first, keyword[0]);
    set_keyword(&pair->second, keyword[1]);
    return set_pointer(out, pair);
}

/* clip: rect(...). Only whether nothing is left matters to us (the usual way to hide text). */
static bool parse_clip(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    const kp_css_token_t *token = kp_css_cursor_take(cursor);
    float edge[4] = {0, 1e9f, 1e9f, 0};
    if (token->type != KP_CSS_TOKEN_FUNCTION || !kp_css_token_is(token, "rect"))
        return false;
    for (int i = 0; i < 4; i++) {
        kp_css_value_t value;
        if (peek_keyword(cursor) == KP_KW_AUTO)
            kp_css_cursor_take(cursor);
        else if (kp_css_parse_number_value(cursor, KP_CSS_ACCEPT_LENGTH, &value))
            edge[i] = value.type == KP_CSS_VALUE_NUMBER ? value.as.number : 0;
        else
            return false;
        kp_css_cursor_delim(cursor, ',');
    }
    if (!kp_css_cursor_delim(cursor, ')'))
        return false;
    bool hides = edge[2] - edge[0] <= 1 || edge[1] - edge[3] <= 1;
    return set_keyword(out, hides ? KP_KW_HIDDEN : KP_KW_AUTO);
}

static bool parse_decoration(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    int bits = 0, bit;
    do {
        uint16_t keyword = peek_keyword(cursor);
        bit = keyword == KP_KW_UNDERLINE      ? KP_DECORATION_UNDERLINE
              : keyword == KP_KW_OVERLINE     ? KP_DECORATION_OVERLINE
              : keyword == KP_KW_LINE_THROUGH ? KP_DECORATION_LINE_THROUGH
                                              : 0;
        if (bit || keyword == KP_KW_BLINK) {
            kp_css_cursor_take(cursor);
            bits |= bit;
        }
    } while (bit);
    *out = number((float)bits, KP_UNIT_NUMBER);
    return bits != 0;
}

static bool parse_ratio(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    kp_css_value_t width, height = number(1, KP_UNIT_NUMBER);
    uint32_t accept = KP_CSS_ACCEPT_NUMBER | KP_CSS_ACCEPT_NOT_NEGATIVE;
    if (!kp_css_parse_number_value(cursor, accept, &width) || width.type != KP_CSS_VALUE_NUMBER)
        return false;
    if (kp_css_cursor_delim(cursor, '/') &&
        (!kp_css_parse_number_value(cursor, accept, &height) || height.type != KP_CSS_VALUE_NUMBER))
        return false;
    *out = number(height.as.number > 0 ? width.as.number / height.as.number : 0, KP_UNIT_NUMBER);
    return true;
}

/* The first of a comma-separated list of layers counts; the others are parsed and dropped.
   DEVIATION: one background layer. */
static bool skip_layers(kp_css_cursor_t *cursor)
{
    if (!kp_css_token_delim(kp_css_cursor_peek(cursor), ','))
        return true;
    cursor->at = cursor->count;
    return true;
}

static bool parse_box_keyword(kp_css_cursor_t *cursor, int property, kp_css_value_t *out)
{
    return kp_css_parse_keyword(cursor, property, out) && skip_layers(cursor);
}

bool kp_css_parse_special(kp_css_cursor_t *cursor, int property, kp_css_value_t *out)
{
    uint32_t positive = LENGTH_PERCENT | KP_CSS_ACCEPT_NOT_NEGATIVE;
    switch (property) {
    case KP_CSS_ASPECT_RATIO:
        return parse_ratio(cursor, out);
    case KP_CSS_BACKGROUND_IMAGE:
        return kp_css_parse_image(cursor, out) && skip_layers(cursor);
    case KP_CSS_BACKGROUND_POSITION:
        return kp_css_parse_position(cursor, out) && skip_layers(cursor);
    case KP_CSS_BACKGROUND_SIZE: {
        uint16_t keyword = peek_keyword(cursor);
        if (keyword == KP_KW_COVER || keyword == KP_KW_CONTAIN) {
            kp_css_value_pair_t *pair = kp_arena_alloc(cursor->context->arena, sizeof *pair);
            kp_css_cursor_take(cursor);
            if (!pair)
                return false;
            set_keyword(&pair->first, keyword);
            set_keyword(&pair->second, KP_KW_AUTO);
            return set_pointer(out, pair) && skip_layers(cursor);
        }
        return parse_pair(cursor, positive, true, out) && skip_layers(cursor);
    }
    case KP_CSS_BACKGROUND_REPEAT:
        return parse_repeat(cursor, out) && skip_layers(cursor);
    case KP_CSS_BACKGROUND_ATTACHMENT:
    case KP_CSS_BACKGROUND_CLIP:
    case KP_CSS_BACKGROUND_ORIGIN:
        return parse_box_keyword(cursor, property, out);
    case KP_CSS_BORDER_TOP_LEFT_RADIUS:
    case KP_CSS_BORDER_TOP_RIGHT_RADIUS:
    case KP_CSS_BORDER_BOTTOM_LEFT_RADIUS:
    case KP_CSS_BORDER_BOTTOM_RIGHT_RADIUS:
        return parse_pair(cursor, positive, false, out);
    case KP_CSS_BORDER_SPACING:
        return parse_pair(cursor, KP_CSS_ACCEPT_LENGTH | KP_CSS_ACCEPT_NOT_NEGATIVE, false, out);
    case KP_CSS_CLIP:
        return parse_clip(cursor, out);
    case KP_CSS_CONTENT:
        return parse_content(cursor, out);
    case KP_CSS_COUNTER_INCREMENT:
        return parse_counters(cursor, 1, out);
    case KP_CSS_COUNTER_RESET:
        return parse_counters(cursor, 0, out);
    case KP_CSS_FONT_FAMILY:
        return parse_family(cursor, out);
    case KP_CSS_LIST_STYLE_TYPE: {
        const kp_css_token_t *token = kp_css_cursor_take(cursor);
        if (token->type == KP_CSS_TOKEN_STRING)
            return set_pointer(out, copy_text(cursor, token));
        /* A counter style that we do not know (hebrew, georgian, ...) counts in decimal. */
        return token->type == KP_CSS_TOKEN_IDENT && !kp_css_token_is(token, "outside") &&
               !kp_css_token_is(token, "inside") && set_keyword(out, KP_KW_DECIMAL);
    }
    case KP_CSS_QUOTES:
        return parse_quotes(cursor, out);
    case KP_CSS_TEXT_DECORATION_LINE:
        return parse_decoration(cursor, out);
    default:
        return false;
    }
}
