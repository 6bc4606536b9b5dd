/* Words are shaped alone, so the kerning of their ends with the space between them is asked for
   separately: by shaping the two characters together once per face. */
#include <stdlib.h>

#include "engine/text/internal.h"

static int32_t shaped_advance(kp_text_t *text, kp_text_face_t *face, const uint32_t *characters,
                              int count)
{
    hb_buffer_clear_contents(text->buffer);
    hb_buffer_add_utf32(text->buffer, characters, count, 0, count);
    hb_buffer_set_direction(text->buffer, HB_DIRECTION_LTR);
    hb_buffer_set_script(text->buffer, HB_SCRIPT_LATIN);
    hb_shape(face->hb_unscaled, text->buffer, NULL, 0);
    unsigned glyphs = 0;
    const hb_glyph_position_t *positions = hb_buffer_get_glyph_positions(text->buffer, &glyphs);
    int32_t sum = 0;
    for (unsigned i = 0; i < glyphs; i++)
        sum += positions[i].x_advance;
    return sum;
}

static int16_t measure(kp_text_t *text, kp_text_face_t *face, uint32_t first, uint32_t second)
{
    uint32_t both[2] = {first, second};
    int32_t kern = shaped_advance(text, face, both, 2) - shaped_advance(text, face, &first, 1) -
                   shaped_advance(text, face, &second, 1);
    return kern > INT16_MIN && kern <= INT16_MAX ? (int16_t)kern : 0;
}

static kp_text_space_kerning_t *table_of(kp_text_face_t *face)
{
    if (!face->space_kerning) {
        face->space_kerning = malloc(sizeof *face->space_kerning);
        for (uint32_t i = 0; face->space_kerning && i < KP_TEXT_KERNED_CHARACTERS; i++)
            face->space_kerning->before[i] = face->space_kerning->after[i] =
                KP_TEXT_KERNING_UNKNOWN;
    }
    return face->space_kerning;
}

float kp_text_space_kern(kp_text_t *text, kp_text_font_t *font, uint32_t first, uint32_t second)
{
    uint32_t other = first == ' ' ? second : first;
    kp_text_face_t *face = font->face;
    if (other == ' ' || other >= KP_TEXT_KERNED_CHARACTERS ||
        kp_text_face_open_shaping(face) != KP_OK)
        return 0;
    kp_text_space_kerning_t *table = table_of(face);
    if (!table)
        return 0;
    int16_t *entry = first == ' ' ? &table->after[other] : &table->before[other];
    if (*entry == KP_TEXT_KERNING_UNKNOWN)
        *entry = measure(text, face, first, second);
    return (float)*entry * font->size / (float)hb_face_get_upem(face->hb);
}
