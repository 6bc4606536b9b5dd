/* Glyph outlines to A8 coverage: lightly hinted (only vertically: advances stay linear), grey
   antialiasing, the pen at quarter pixels. The same as Chromium's text in the reference pages. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/internal.h"

#include <freetype/ftoutln.h>

#define BITMAP_SIDE_MAX 4096 /* px; a larger glyph is not drawn */

static uint32_t slot_hash(const kp_text_glyph_slot_t *key)
{
    uint64_t hash = kp_text_hash(0xcbf29ce484222325u, &key->font_plus_1, sizeof key->font_plus_1);
    hash = kp_text_hash(hash, &key->glyph, sizeof key->glyph);
    hash = kp_text_hash(hash, &key->scale, sizeof key->scale);
    hash = kp_text_hash(hash, &key->subpixel, sizeof key->subpixel);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The key's slot, or the empty one where it belongs. */
static kp_text_glyph_slot_t *find_slot(kp_text_glyph_slot_t *slots, uint32_t capacity,
                                       const kp_text_glyph_slot_t *key)
{
    for (uint32_t i = slot_hash(key);; i++) {
        kp_text_glyph_slot_t *slot = &slots[i & (capacity - 1)];
        if (!slot->font_plus_1 ||
            (slot->font_plus_1 == key->font_plus_1 && slot->glyph == key->glyph &&
             slot->scale == key->scale && slot->subpixel == key->subpixel))
            return slot;
    }
}

static kp_status_t grow_slots(kp_text_t *text)
{
    if (text->glyph_count * 2 < text->glyph_capacity)
        return KP_OK;
    uint32_t capacity = text->glyph_capacity ? text->glyph_capacity * 2 : 256;
    kp_text_glyph_slot_t *slots = calloc(capacity, sizeof *slots);
    if (!slots)
        return KP_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < text->glyph_capacity; i++) {
        if (text->glyphs[i].font_plus_1)
            *find_slot(slots, capacity, &text->glyphs[i]) = text->glyphs[i];
    }
    free(text->glyphs);
    text->glyphs = slots;
    text->glyph_capacity = capacity;
    return KP_OK;
}

/* What Skia adds to a synthetic bold outline: 1/24 em at 9 px, falling to 1/32 at 36 px. */
static FT_Pos bold_strength(float size)
{
    float t = size <= 9 ? 0 : size >= 36 ? 1 : (size - 9) / 27;
    return (FT_Pos)(size * 64 * (1.0f / 24 + t * (1.0f / 32 - 1.0f / 24)));
}

static kp_status_t load_outline(kp_text_t *text, kp_text_font_t *font, uint32_t glyph, float scale,
                                unsigned subpixel)
{
    kp_text_face_t *face = font->face;
    kp_status_t status = kp_text_face_open_raster(text, face);
    if (status != KP_OK)
        return status;
    float size = font->size * scale;
    if (face->ft_size != size) {
        if (FT_Set_Char_Size(face->ft, (FT_F26Dot6)(size * 64), 0, 72, 72))
            return KP_ERR_BAD_FORMAT;
        face->ft_size = size;
    }
    FT_Error error = FT_Load_Glyph(face->ft, glyph, FT_LOAD_TARGET_LIGHT | FT_LOAD_NO_BITMAP);
    if (error)
        return error == FT_Err_Out_Of_Memory ? KP_ERR_NO_MEMORY : KP_ERR_BAD_FORMAT;
    if (face->ft->glyph->format != FT_GLYPH_FORMAT_OUTLINE)
        return KP_ERR_NOT_SUPPORTED;
    FT_Outline *outline = &face->ft->glyph->outline;
    if (font->synthetic_bold && FT_Outline_Embolden(outline, bold_strength(size)))
        return KP_ERR_BAD_FORMAT;
    if (font->synthetic_italic) {
        FT_Matrix skew = {0x10000, 0x4000, 0, 0x10000}; /* a quarter to the right, as Skia does */
        FT_Outline_Transform(outline, &skew);
    }
    FT_Outline_Translate(outline, (FT_Pos)subpixel * 16, 0);
    return KP_OK;
}

static kp_status_t draw(kp_text_t *text, kp_text_font_t *font, uint32_t glyph, float scale,
                        unsigned subpixel, kp_text_bitmap_t *out)
{
    kp_status_t status = load_outline(text, font, glyph, scale, subpixel);
    if (status != KP_OK)
        return status;
    FT_Outline *outline = &font->face->ft->glyph->outline;
    FT_BBox box;
    FT_Outline_Get_CBox(outline, &box);
    FT_Pos left = box.xMin >> 6, bottom = box.yMin >> 6;
    FT_Pos width = ((box.xMax + 63) >> 6) - left, height = ((box.yMax + 63) >> 6) - bottom;
    if (outline->n_contours <= 0 || width <= 0 || height <= 0)
        return KP_OK;
    if (width > BITMAP_SIDE_MAX || height > BITMAP_SIDE_MAX || labs(left) > (1 << 20) ||
        labs(bottom) > (1 << 20))
        return KP_ERR_TOO_LARGE;
    uint16_t x = 0, y = 0;
    status = kp_text_atlas_allocate(text, (uint32_t)width, (uint32_t)height, &x, &y);
    if (status != KP_OK)
        return status;
    FT_Bitmap bitmap = {
        .rows = (unsigned)height,
        .width = (unsigned)width,
        .pitch = (int)text->atlas.stride,
        .buffer = text->atlas.pixels + (size_t)y * text->atlas.stride + x,
        .num_grays = 256,
        .pixel_mode = FT_PIXEL_MODE_GRAY,
    };
    FT_Outline_Translate(outline, -left * 64, -bottom * 64);
    FT_Error error = FT_Outline_Get_Bitmap(text->ft, outline, &bitmap);
    if (error)
        return error == FT_Err_Out_Of_Memory ? KP_ERR_NO_MEMORY : KP_ERR_BAD_FORMAT;
    *out = (kp_text_bitmap_t){
        .atlas = text->atlas.number,
        .x = x,
        .y = y,
        .width = (uint16_t)width,
        .height = (uint16_t)height,
        .left = (int32_t)left,
        .top = (int32_t)(bottom + height),
    };
    return KP_OK;
}

kp_status_t kp_text_rasterize(kp_text_t *text, kp_text_font_t *font, uint32_t glyph, float scale,
                              unsigned subpixel, kp_text_bitmap_t *out)
{
    kp_status_t status = grow_slots(text);
    if (status != KP_OK)
        return status;
    kp_text_glyph_slot_t key = {
        .font_plus_1 = font->index + 1, .glyph = glyph, .scale = scale, .subpixel = subpixel & 3};
    kp_text_glyph_slot_t *slot = find_slot(text->glyphs, text->glyph_capacity, &key);
    if (!slot->font_plus_1) {
        status = draw(text, font, glyph, scale, subpixel & 3, &key.bitmap);
        /* A glyph that cannot be drawn is remembered as blank; want of memory may pass. */
        if (status != KP_OK && status != KP_ERR_BAD_FORMAT && status != KP_ERR_TOO_LARGE &&
            status != KP_ERR_NOT_SUPPORTED)
            return status;
        *slot = key;
        text->glyph_count++;
    }
    *out = slot->bitmap;
    return KP_OK;
}
