/* Colours: CSS Color 4's hexadecimal, named, rgb(), hsl(), hwb() forms, and HTML's legacy form. */
#include <math.h>
#include <string.h>

#include "engine/css/value.h"

static const struct named_color {
    const char *name;
    uint32_t rgb;
} named[] = {
#define KP_CSS_COLOR(name, rgb) {name, rgb},
#include "engine/css/colors.def"
#undef KP_CSS_COLOR
};

bool kp_css_color_named(const char *name, size_t size, uint32_t *out)
{
    char lower[24];
    if (size >= sizeof lower)
        return false;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    lower[size] = 0;
    int low = 0, high = (int)(sizeof named / sizeof *named) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strcmp(lower, named[middle].name);
        if (order == 0) {
            *out = 0xff000000u | named[middle].rgb;
            return true;
        }
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return false;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Alpha 0 is stored as 0 whatever the colour: other values with alpha 0 are reserved. */
static uint32_t make(int r, int g, int b, int a)
{
    return a ? (uint32_t)a << 24 | (uint32_t)r << 16 | (uint32_t)g << 8 | (uint32_t)b : 0;
}

static bool parse_hex(const char *text, size_t size, uint32_t *out)
{
    int digit[8];
    if (size != 3 && size != 4 && size != 6 && size != 8)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((digit[i] = hex(text[i])) < 0)
            return false;
    }
    if (size <= 4)
        *out = make(digit[0] * 17, digit[1] * 17, digit[2] * 17, size == 4 ? digit[3] * 17 : 255);
    else
        *out = make(digit[0] * 16 + digit[1], digit[2] * 16 + digit[3], digit[4] * 16 + digit[5],
                    size == 8 ? digit[6] * 16 + digit[7] : 255);
    return true;
}

static int to_byte(float value)
{
    return value <= 0 ? 0 : value >= 255 ? 255 : (int)lroundf(value);
}

static float hue_channel(float p, float q, float hue)
{
    hue -= floorf(hue);
    if (hue < 1.f / 6)
        return p + (q - p) * 6 * hue;
    if (hue < .5f)
        return q;
    if (hue < 2.f / 3)
        return p + (q - p) * (2.f / 3 - hue) * 6;
    return p;
}

static void hsl(float hue, float saturation, float lightness, float *rgb)
{
    float q = lightness < .5f ? lightness * (1 + saturation)
                              : lightness + saturation - lightness * saturation;
    float p = 2 * lightness - q;
    rgb[0] = hue_channel(p, q, hue + 1.f / 3);
    rgb[1] = hue_channel(p, q, hue);
    rgb[2] = hue_channel(p, q, hue - 1.f / 3);
}

static float clamp1(float value)
{
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

/* One argument as a token; angles become turns in *turn. */
static bool take_component(kp_css_cursor_t *cursor, const kp_css_token_t **out)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    if (token->type != KP_CSS_TOKEN_NUMBER && token->type != KP_CSS_TOKEN_PERCENT &&
        token->type != KP_CSS_TOKEN_DIMENSION &&
        !(token->type == KP_CSS_TOKEN_IDENT && kp_css_token_is(token, "none")))
        return false;
    *out = kp_css_cursor_take(cursor);
    return true;
}

static float turns(const kp_css_token_t *token)
{
    if (kp_css_token_is(token, "rad"))
        return token->number / 6.2831853f;
    if (kp_css_token_is(token, "grad"))
        return token->number / 400;
    if (kp_css_token_is(token, "turn"))
        return token->number;
    return token->number / 360;
}

static float unit_fraction(const kp_css_token_t *token)
{
    return clamp1(token->number / 100);
}

static bool parse_function(kp_css_cursor_t *cursor, const kp_css_token_t *name, uint32_t *out)
{
    const kp_css_token_t *part[4];
    int count = 0;
    bool rgb = kp_css_token_is(name, "rgb") || kp_css_token_is(name, "rgba");
    bool is_hsl = kp_css_token_is(name, "hsl") || kp_css_token_is(name, "hsla");
    if (!rgb && !is_hsl && !kp_css_token_is(name, "hwb"))
        return false;
    while (count < 3 && take_component(cursor, &part[count])) {
        count++;
        kp_css_cursor_delim(cursor, ',');
    }
    if (count != 3)
        return false;
    kp_css_cursor_delim(cursor, '/');
    if (take_component(cursor, &part[3]))
        count++;
    if (!kp_css_cursor_delim(cursor, ')'))
        return false;
    for (int i = rgb ? 0 : 1; i < count; i++) {
        if (part[i]->type == KP_CSS_TOKEN_DIMENSION)
            return false; /* only a hue has a unit */
    }
    float alpha = 1, channel[3];
    if (count == 4)
        alpha = part[3]->type == KP_CSS_TOKEN_PERCENT ? unit_fraction(part[3])
                                                      : clamp1(part[3]->number);
    if (rgb) {
        for (int i = 0; i < 3; i++)
            channel[i] = part[i]->type == KP_CSS_TOKEN_PERCENT ? part[i]->number / 100
                                                               : part[i]->number / 255;
    } else if (is_hsl) {
        hsl(turns(part[0]), unit_fraction(part[1]), unit_fraction(part[2]), channel);
    } else {
        float white = unit_fraction(part[1]), black = unit_fraction(part[2]);
        hsl(turns(part[0]), 1, .5f, channel);
        for (int i = 0; i < 3; i++)
            channel[i] = white + black >= 1 ? white / (white + black)
                                            : channel[i] * (1 - white - black) + white;
    }
    *out = make(to_byte(channel[0] * 255), to_byte(channel[1] * 255), to_byte(channel[2] * 255),
                to_byte(alpha * 255));
    return true;
}

bool kp_css_parse_color(kp_css_cursor_t *cursor, kp_css_value_t *out)
{
    const kp_css_token_t *token = kp_css_cursor_peek(cursor);
    size_t start = cursor->at;
    *out = (kp_css_value_t){.type = KP_CSS_VALUE_COLOR};
    cursor->at += cursor->at < cursor->count;
    if (token->type == KP_CSS_TOKEN_HASH &&
        parse_hex(token->text, token->text_size, &out->as.color))
        return true;
    if (token->type == KP_CSS_TOKEN_FUNCTION && parse_function(cursor, token, &out->as.color))
        return true;
    if (token->type == KP_CSS_TOKEN_IDENT) {
        if (kp_css_color_named(token->text, token->text_size, &out->as.color))
            return true;
        if (kp_css_token_is(token, "transparent"))
            return true;
        if (kp_css_token_is(token, "currentcolor")) {
            out->as.color = KP_COLOR_CURRENT;
            return true;
        }
    }
    cursor->at = start;
    return false;
}

bool kp_css_color_legacy(const char *text, size_t size, uint32_t *out)
{
    char padded[131];
    size_t count = 0;
    while (size && strchr(" \t\n\f\r", *text) && *text)
        text++, size--;
    while (size && text[size - 1] && strchr(" \t\n\f\r", text[size - 1]))
        size--;
    if (size == 0 || kp_css_text_is(text, size, "transparent"))
        return false;
    if (kp_css_color_named(text, size, out))
        return true;
    if (size == 4 && text[0] == '#' && parse_hex(text + 1, 3, out))
        return true;
    if (text[0] == '#')
        text++, size--;
    for (size_t i = 0; i < size && count < 128; i++)
        padded[count++] = hex(text[i]) >= 0 ? text[i] : '0';
    while (count == 0 || count % 3)
        padded[count++] = '0';
    /* Three parts of equal length; long ones lose their head, then common leading zeros. */
    size_t length = count / 3, skip = length > 8 ? length - 8 : 0;
    while (length - skip > 2 && padded[skip] == '0' && padded[length + skip] == '0' &&
           padded[2 * length + skip] == '0')
        skip++;
    int rgb[3];
    for (size_t i = 0; i < 3; i++) {
        const char *part = padded + i * length + skip;
        rgb[i] = length - skip == 1 ? hex(part[0]) : hex(part[0]) * 16 + hex(part[1]);
    }
    *out = make(rgb[0], rgb[1], rgb[2], 255);
    return true;
}
