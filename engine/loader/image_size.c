/* Sizes of images that are not decoded yet, so that they keep their place: GIF, WebP, SVG. */
#include <string.h>

#include "engine/loader/internal.h"

static uint32_t little(const uint8_t *bytes, int count)
{
    uint32_t value = 0;
    while (count--)
        value = value << 8 | bytes[count];
    return value;
}

static bool webp(const uint8_t *bytes, size_t size, kp_image_info_t *out)
{
    if (size < 30)
        return false;
    if (memcmp(bytes + 12, "VP8X", 4) == 0) {
        out->width = little(bytes + 24, 3) + 1;
        out->height = little(bytes + 27, 3) + 1;
    } else if (memcmp(bytes + 12, "VP8L", 4) == 0) {
        uint32_t bits = little(bytes + 21, 4);
        out->width = (bits & 0x3fff) + 1;
        out->height = (bits >> 14 & 0x3fff) + 1;
    } else if (memcmp(bytes + 12, "VP8 ", 4) == 0) {
        out->width = little(bytes + 26, 2) & 0x3fff;
        out->height = little(bytes + 28, 2) & 0x3fff;
    } else {
        return false;
    }
    return true;
}

/* A number behind name=" inside the first tag; false when it is absent or a percentage. */
static bool number(const char *tag, size_t size, const char *name, float *out, int count)
{
    size_t length = strlen(name);
    for (size_t i = 1; i + length + 2 < size; i++) {
        bool here = memcmp(tag + i, name, length) == 0 && tag[i + length] == '=' &&
                    strchr(" \t\n\r", tag[i - 1]) &&
                    (tag[i + length + 1] == '"' || tag[i + length + 1] == '\'');
        if (!here)
            continue;
        kp_css_lexer_t lexer = kp_css_lexer_init(tag + i + length + 2, size - i - length - 2, NULL);
        kp_css_token_t token;
        int found = 0;
        while (found < count) {
            kp_css_lexer_next(&lexer, &token);
            if (token.type == KP_CSS_TOKEN_SPACE || kp_css_token_delim(&token, ','))
                continue;
            if (token.type != KP_CSS_TOKEN_NUMBER && token.type != KP_CSS_TOKEN_DIMENSION)
                return false;
            if (kp_css_token_is(&token, "pt"))
                token.number *= 4.f / 3;
            else if (kp_css_token_is(&token, "em"))
                token.number *= 16;
            out[found++] = token.number;
        }
        return true;
    }
    return false;
}

static bool svg(const char *text, size_t size, kp_image_info_t *out)
{
    size_t start = 0;
    if (size > 4096)
        size = 4096;
    while (start + 4 < size && memcmp(text + start, "<svg", 4) != 0)
        start++;
    if (start + 4 >= size)
        return false;
    const char *end = memchr(text + start, '>', size - start);
    size_t length = end ? (size_t)(end - text) - start : size - start;
    float width = 0, height = 0, box[4] = {0};
    bool has_width = number(text + start, length, "width", &width, 1);
    bool has_height = number(text + start, length, "height", &height, 1);
    bool has_box = number(text + start, length, "viewBox", box, 4) && box[2] > 0 && box[3] > 0;
    if (!has_width)
        width = has_box ? (has_height ? height * box[2] / box[3] : box[2]) : 300;
    if (!has_height)
        height = has_box ? width * box[3] / box[2] : 150;
    if (!(width > 0 && width < 16384 && height > 0 && height < 16384))
        return false;
    out->width = (uint32_t)(width + .5f);
    out->height = (uint32_t)(height + .5f);
    return out->width && out->height;
}

bool kp_image_size_other(const uint8_t *bytes, size_t size, kp_image_info_t *out)
{
    if (size >= 10 && (memcmp(bytes, "GIF87a", 6) == 0 || memcmp(bytes, "GIF89a", 6) == 0)) {
        out->width = little(bytes + 6, 2);
        out->height = little(bytes + 8, 2);
        return out->width && out->height;
    }
    if (size >= 16 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return webp(bytes, size, out);
    bool binary = size > 4 && (bytes[0] == 0x89 || bytes[0] == 0xff);
    return !binary && size && svg((const char *)bytes, size, out);
}
