#include <stdlib.h>
#include <string.h>

#include <hb-ot.h>

#include "engine/text/internal.h"

kp_status_t kp_text_face_open_shaping(kp_text_face_t *face)
{
    if (face->hb)
        return KP_OK;
    if (face->broken)
        return KP_ERR_BAD_FORMAT;
    if (face->size > UINT32_MAX)
        return KP_ERR_TOO_LARGE;
    hb_blob_t *blob = hb_blob_create((const char *)face->bytes, (unsigned)face->size,
                                     HB_MEMORY_MODE_READONLY, NULL, NULL);
    hb_face_t *hb = hb_face_create(blob, 0);
    hb_blob_destroy(blob);
    if (hb == hb_face_get_empty() || hb_face_get_glyph_count(hb) == 0) {
        face->broken = true;
        hb_face_destroy(hb);
        return KP_ERR_BAD_FORMAT;
    }
    hb_font_t *font = hb_font_create(hb);
    if (font == hb_font_get_empty()) {
        hb_face_destroy(hb);
        return KP_ERR_NO_MEMORY;
    }
    face->hb = hb;
    face->hb_unscaled = font;
    return KP_OK;
}

kp_status_t kp_text_face_open_raster(kp_text_t *text, kp_text_face_t *face)
{
    if (face->ft)
        return KP_OK;
    if (face->broken)
        return KP_ERR_BAD_FORMAT;
    if (face->size > INT32_MAX)
        return KP_ERR_TOO_LARGE;
    FT_Error error = FT_New_Memory_Face(text->ft, face->bytes, (FT_Long)face->size, 0, &face->ft);
    if (error == FT_Err_Out_Of_Memory)
        return KP_ERR_NO_MEMORY;
    if (!error && !FT_IS_SCALABLE(face->ft)) {
        FT_Done_Face(face->ft);
        error = FT_Err_Unknown_File_Format;
    }
    if (error) {
        face->ft = NULL;
        face->broken = true;
        return KP_ERR_BAD_FORMAT;
    }
    return KP_OK;
}

void kp_text_face_close(kp_text_face_t *face)
{
    if (face->ft)
        FT_Done_Face(face->ft);
    hb_font_destroy(face->hb_unscaled);
    hb_face_destroy(face->hb);
    free(face->space_kerning);
    free(face);
}

uint32_t kp_text_face_glyph(kp_text_face_t *face, uint32_t codepoint)
{
    hb_codepoint_t glyph = 0;
    if (kp_text_face_open_shaping(face) != KP_OK ||
        !hb_font_get_nominal_glyph(face->hb_unscaled, codepoint, &glyph))
        return 0;
    return glyph;
}

kp_status_t kp_text_create(kp_text_t **out)
{
    kp_text_t *text = calloc(1, sizeof *text);
    if (!text)
        return KP_ERR_NO_MEMORY;
    text->buffer = hb_buffer_create();
    if (!hb_buffer_allocation_successful(text->buffer) || FT_Init_FreeType(&text->ft)) {
        hb_buffer_destroy(text->buffer);
        free(text);
        return KP_ERR_NO_MEMORY;
    }
    *out = text;
    return KP_OK;
}

void kp_text_destroy(kp_text_t *text)
{
    if (!text)
        return;
    kp_text_word_cache_clear(&text->words);
    free(text->glyphs);
    for (uint32_t i = 0; i < text->fontset_count; i++) {
        free(text->fontsets[i]->candidates);
        free(text->fontsets[i]);
    }
    kp_text_forget_missing(text);
    free(text->fontsets);
    for (uint32_t i = 0; i < text->font_count; i++) {
        hb_font_destroy(text->fonts[i]->hb);
        free(text->fonts[i]);
    }
    free(text->fonts);
    for (uint32_t i = 0; i < text->face_count; i++)
        kp_text_face_close(text->faces[i]);
    hb_buffer_destroy(text->buffer);
    FT_Done_FreeType(text->ft);
    free(text);
}

kp_status_t kp_text_add_face(kp_text_t *text, const char *family, int weight, int italic,
                             const uint8_t *bytes, size_t size)
{
    if (text->face_count == KP_TEXT_FACES_MAX)
        return KP_ERR_QUOTA;
    kp_text_face_t *face = calloc(1, sizeof *face);
    if (!face)
        return KP_ERR_NO_MEMORY;
    face->bytes = bytes;
    face->size = size;
    kp_status_t status = kp_text_face_read_names(face);
    if (status != KP_OK || (!family && !face->family[0])) {
        free(face);
        return status != KP_OK ? status : KP_ERR_BAD_FORMAT;
    }
    if (family) {
        kp_text_name_lower(face->family, sizeof face->family, family, strlen(family));
        face->legacy_family[0] = 0;
        face->width = 5;
    }
    if (weight) {
        face->weight = (uint16_t)(weight < 1 ? 1 : weight > 1000 ? 1000 : weight);
        face->italic = italic != 0;
    }
    text->faces[text->face_count++] = face;
    kp_text_forget_missing(text);
    /* A style resolved before may resolve otherwise now. The fonts of the old sets live on, since
       glyph runs refer to them; the sets are found by hash, so stale ones only need other hashes.
     */
    for (uint32_t i = 0; i < text->fontset_count; i++)
        text->fontsets[i]->hash = 0;
    return KP_OK;
}
