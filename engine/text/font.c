/* A face at a size: metrics as Chromium on Linux computes them (rounded ascent and descent). */
#include <math.h>
#include <stdlib.h>

#include "engine/text/internal.h"

#include <freetype/tttables.h>

kp_status_t kp_text_font_get(kp_text_t *text, kp_text_face_t *face, float size, int weight,
                             bool italic, kp_text_font_t **out)
{
    /* 600 is where browsers begin to call a weight bold. */
    bool bold = weight >= 600 && face->weight < 600, slant = italic && !face->italic;
    for (uint32_t i = 0; i < text->font_count; i++) {
        kp_text_font_t *font = text->fonts[i];
        if (font->face == face && font->size == size && font->synthetic_bold == bold &&
            font->synthetic_italic == slant) {
            *out = font;
            return KP_OK;
        }
    }
    if (text->font_count == text->font_capacity) {
        uint32_t capacity = text->font_capacity ? text->font_capacity * 2 : 16;
        kp_text_font_t **fonts = realloc(text->fonts, capacity * sizeof *fonts);
        if (!fonts)
            return KP_ERR_NO_MEMORY;
        text->fonts = fonts;
        text->font_capacity = capacity;
    }
    kp_text_font_t *font = calloc(1, sizeof *font);
    if (!font)
        return KP_ERR_NO_MEMORY;
    font->face = face;
    font->size = size;
    font->synthetic_bold = bold;
    font->synthetic_italic = slant;
    font->index = text->font_count;
    text->fonts[text->font_count++] = font;
    *out = font;
    return KP_OK;
}

kp_status_t kp_text_font_open_shaping(kp_text_font_t *font)
{
    if (font->hb)
        return KP_OK;
    kp_status_t status = kp_text_face_open_shaping(font->face);
    if (status != KP_OK)
        return status;
    hb_font_t *hb = hb_font_create(font->face->hb);
    if (hb == hb_font_get_empty())
        return KP_ERR_NO_MEMORY;
    int scale = (int)(font->size * 64.0f) * 1024; /* Chromium cuts sizes to 1/64 px */
    hb_font_set_scale(hb, scale, scale);
    font->hb = hb;
    return KP_OK;
}

static float glyph_advance(kp_text_font_t *font, uint32_t codepoint)
{
    hb_codepoint_t glyph = 0;
    if (kp_text_font_open_shaping(font) != KP_OK ||
        !hb_font_get_nominal_glyph(font->hb, codepoint, &glyph))
        return 0;
    return (float)hb_font_get_glyph_h_advance(font->hb, glyph) / 65536.0f;
}

static float x_height(kp_text_font_t *font, const TT_OS2 *os2, float per_unit)
{
    if (os2 && os2->version >= 2 && os2->version != 0xffff && os2->sxHeight > 0)
        return (float)os2->sxHeight * per_unit;
    hb_codepoint_t glyph = 0;
    hb_glyph_extents_t extents;
    if (kp_text_font_open_shaping(font) == KP_OK &&
        hb_font_get_nominal_glyph(font->hb, 'x', &glyph) &&
        hb_font_get_glyph_extents(font->hb, glyph, &extents) && extents.y_bearing > 0)
        return (float)extents.y_bearing / 65536.0f;
    return font->size * 0.56f;
}

void kp_text_font_load_metrics(kp_text_t *text, kp_text_font_t *font)
{
    if (font->has_metrics)
        return;
    kp_text_metrics_t *m = &font->metrics;
    font->has_metrics = true;
    float thickness = floorf(font->size / 10);
    m->underline_thickness = thickness < 1 ? 1 : thickness;
    /* Browsers put the line's upper edge half a thickness, at least 1 px, below the baseline. */
    float gap = ceilf(fmaxf(1, font->size / 10) / 2);
    m->underline_offset = (gap < 1 ? 1 : gap) + m->underline_thickness / 2;
    if (kp_text_face_open_raster(text, font->face) != KP_OK) {
        m->ascent = roundf(font->size * 0.8f);
        m->descent = roundf(font->size * 0.2f);
        m->x_height = font->size * 0.5f;
        m->zero_width = font->size * 0.5f;
        return;
    }
    FT_Face ft = font->face->ft;
    const TT_OS2 *os2 = FT_Get_Sfnt_Table(ft, FT_SFNT_OS2);
    float per_unit = font->size / (float)(ft->units_per_EM ? ft->units_per_EM : 1000);
    float ascent = ft->ascender, descent = -ft->descender;
    float gap_units = (float)ft->height - (ascent + descent);
    if (os2 && os2->version != 0xffff && (os2->fsSelection & (1u << 7))) { /* USE_TYPO_METRICS */
        ascent = os2->sTypoAscender;
        descent = -os2->sTypoDescender;
        gap_units = os2->sTypoLineGap;
    }
    m->ascent = roundf(ascent * per_unit);
    m->descent = roundf(descent * per_unit);
    m->line_gap = gap_units > 0 ? roundf(gap_units * per_unit) : 0;
    m->x_height = x_height(font, os2, per_unit);
    m->zero_width = glyph_advance(font, '0');
    if (m->zero_width <= 0)
        m->zero_width = font->size * 0.5f;
}

void kp_text_font_metrics(const kp_text_font_t *font, kp_text_metrics_t *out)
{
    *out = font->metrics;
}
