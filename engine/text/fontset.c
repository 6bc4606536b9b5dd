/* A style resolved to a list of fonts, and the fallback of characters that none of them has. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/text/internal.h"

/* Asked for every text: so only the names' beginnings go into the hash, which the comparison below
   makes up for. */
static uint64_t style_hash(const kp_text_style_t *style, size_t families)
{
    uint32_t size, beginnings = (uint32_t)families;
    memcpy(&size, &style->size, sizeof size);
    for (size_t i = 0; i < families; i++)
        beginnings = beginnings * 31 + (uint8_t)style->families[i][0];
    uint64_t hash = ((uint64_t)size << 32 | beginnings) * 0x9e3779b97f4a7c15u;
    hash ^= ((uint64_t)(uint32_t)style->weight << 1 | style->italic) * 0xc2b2ae3d27d4eb4fu;
    return hash ? hash : 1;
}

static bool same_style(const kp_text_fontset_t *set, const kp_text_style_t *style, size_t families)
{
    if (set->size != style->size || set->weight != style->weight || set->italic != style->italic ||
        set->family_count != families)
        return false;
    const char *name = set->families;
    for (size_t i = 0; i < families; i++) {
        if (strcmp(name, style->families[i]) != 0)
            return false;
        name += strlen(name) + 1;
    }
    return true;
}

static kp_status_t add_font(kp_text_t *text, kp_text_fontset_t *set, kp_text_face_t *face)
{
    if (!face || set->font_count == sizeof set->fonts / sizeof set->fonts[0])
        return KP_OK;
    kp_text_font_t *font = NULL;
    kp_status_t status = kp_text_font_get(text, face, set->size, set->weight, set->italic, &font);
    if (status != KP_OK)
        return status;
    for (uint32_t i = 0; i < set->font_count; i++) {
        if (set->fonts[i] == font)
            return KP_OK;
    }
    set->fonts[set->font_count++] = font;
    return KP_OK;
}

static kp_status_t fontset_fill(kp_text_t *text, kp_text_fontset_t *set,
                                const kp_text_style_t *style, size_t families)
{
    set->size = style->size;
    set->weight = style->weight;
    set->italic = style->italic;
    set->family_count = (uint32_t)families;
    kp_status_t status = KP_OK;
    char *copy = set->families;
    for (size_t i = 0; i < families && status == KP_OK; i++) {
        char name[KP_TEXT_NAME_MAX];
        size_t length = strlen(style->families[i]);
        memcpy(copy, style->families[i], length + 1);
        copy += length + 1;
        kp_text_name_lower(name, sizeof name, style->families[i], length);
        status =
            add_font(text, set, kp_text_match_family(text, name, style->weight, style->italic));
    }
    if (status == KP_OK && set->font_count == 0)
        status =
            add_font(text, set, kp_text_match_family(text, "serif", style->weight, style->italic));
    for (uint32_t i = 0; i < text->face_count && set->font_count == 0 && status == KP_OK; i++)
        status = add_font(text, set, text->faces[i]);
    if (status == KP_OK && set->font_count == 0)
        status = KP_ERR_NOT_FOUND;
    return status;
}

kp_status_t kp_text_fontset_get(kp_text_t *text, const kp_text_style_t *style, uint32_t *out)
{
    if (!(style->size >= 0 && style->size <= 2000))
        return KP_ERR_INVALID_ARGUMENT;
    size_t families =
        style->family_count < KP_TEXT_FAMILIES_MAX ? style->family_count : KP_TEXT_FAMILIES_MAX;
    uint64_t hash = style_hash(style, families);
    for (uint32_t i = text->fontset_count; i-- > 0;) {
        if (text->fontsets[i]->hash == hash && same_style(text->fontsets[i], style, families)) {
            *out = i;
            return KP_OK;
        }
    }
    if (text->fontset_count == text->fontset_capacity) {
        uint32_t capacity = text->fontset_capacity ? text->fontset_capacity * 2 : 16;
        kp_text_fontset_t **sets = realloc(text->fontsets, capacity * sizeof(*sets));
        if (!sets)
            return KP_ERR_NO_MEMORY;
        text->fontsets = sets;
        text->fontset_capacity = capacity;
    }
    size_t names = 0;
    for (size_t i = 0; i < families; i++)
        names += strlen(style->families[i]) + 1;
    kp_text_fontset_t *set = calloc(1, sizeof *set + names);
    if (!set)
        return KP_ERR_NO_MEMORY;
    set->hash = hash;
    kp_status_t status = fontset_fill(text, set, style, families);
    if (status != KP_OK) {
        free(set);
        return status;
    }
    *out = text->fontset_count;
    text->fontsets[text->fontset_count++] = set;
    return KP_OK;
}

kp_status_t kp_text_select(kp_text_t *text, const kp_text_style_t *style, kp_text_font_t **out)
{
    uint32_t index = 0;
    kp_status_t status = kp_text_fontset_get(text, style, &index);
    if (status != KP_OK)
        return status;
    *out = text->fontsets[index]->fonts[0];
    kp_text_font_load_metrics(text, *out);
    return KP_OK;
}

/* Whether the face can show the character, by itself or by a stand-in that HarfBuzz knows. */
static bool covers(kp_text_face_t *face, uint32_t codepoint)
{
    if (kp_text_face_glyph(face, codepoint))
        return true;
    if (codepoint == 0xa0)
        return kp_text_face_glyph(face, ' ') != 0;
    if (codepoint == 0x2011)
        return kp_text_face_glyph(face, 0x2010) != 0;
    return false;
}

static bool covers_cluster(kp_text_face_t *face, const uint32_t *codepoints, size_t count)
{
    if (!covers(face, codepoints[0]))
        return false;
    uint32_t base = codepoints[0];
    for (size_t i = 1; i < count; i++) {
        hb_codepoint_t composed = 0;
        if (hb_unicode_compose(hb_unicode_funcs_get_default(), base, codepoints[i], &composed) &&
            kp_text_face_glyph(face, composed))
            base = composed;
        else if (!kp_text_face_glyph(face, codepoints[i]))
            return false;
    }
    return true;
}

/* The faces to fall back to, one of each family: DejaVu Sans first, which has most (and which
   fontconfig prefers). None when memory is short: then the character is shown as a box. */
static void list_candidates(kp_text_t *text, kp_text_fontset_t *set)
{
    set->candidates = calloc(text->face_count + 1, sizeof(*set->candidates));
    for (uint32_t i = 0; set->candidates && i <= text->face_count; i++) {
        const char *family = i == 0 ? "dejavu sans" : text->faces[i - 1]->family;
        kp_text_face_t *face = kp_text_match_family(text, family, set->weight, set->italic);
        bool seen = !face;
        for (uint32_t k = 0; k < set->candidate_count && !seen; k++)
            seen = set->candidates[k] == face;
        if (!seen)
            set->candidates[set->candidate_count++] = face;
    }
}

static kp_text_font_t *system_fallback(kp_text_t *text, kp_text_fontset_t *set,
                                       const uint32_t *codepoints, size_t count)
{
    if (!set->candidates)
        list_candidates(text, set);
    for (uint32_t i = 0; i < set->candidate_count; i++) {
        kp_text_face_t *face = set->candidates[i];
        kp_text_font_t *font = NULL;
        if (covers_cluster(face, codepoints, count) &&
            kp_text_font_get(text, face, set->size, set->weight, set->italic, &font) == KP_OK)
            return font;
    }
    return NULL;
}

/* Characters that no face has are remembered for all styles: a page in a script without a font asks
   for thousands of them. */
static bool is_missing(const kp_text_t *text, uint32_t codepoint)
{
    const uint8_t *block = text->missing[codepoint / KP_TEXT_MISSING_BLOCK];
    uint32_t bit = codepoint % KP_TEXT_MISSING_BLOCK;
    return block && (block[bit / 8] & 1u << bit % 8);
}

static void set_missing(kp_text_t *text, uint32_t codepoint)
{
    uint8_t **block = &text->missing[codepoint / KP_TEXT_MISSING_BLOCK];
    uint32_t bit = codepoint % KP_TEXT_MISSING_BLOCK;
    if (!*block)
        *block = calloc(1, KP_TEXT_MISSING_BLOCK / 8);
    if (*block)
        (*block)[bit / 8] |= (uint8_t)(1u << bit % 8);
}

void kp_text_forget_missing(kp_text_t *text)
{
    for (size_t i = 0; i < sizeof text->missing / sizeof text->missing[0]; i++) {
        free(text->missing[i]);
        text->missing[i] = NULL;
    }
}

kp_text_font_t *kp_text_fontset_pick(kp_text_t *text, kp_text_fontset_t *set,
                                     const uint32_t *codepoints, size_t count)
{
    if (is_missing(text, codepoints[0]))
        return set->fonts[0];
    for (uint32_t i = 0; i < set->font_count; i++) {
        if (covers_cluster(set->fonts[i]->face, codepoints, count))
            return set->fonts[i];
    }
    uint32_t slot = codepoints[0] % (sizeof set->fallback / sizeof set->fallback[0]);
    if (count == 1 && set->fallback[slot].font && set->fallback[slot].codepoint == codepoints[0])
        return set->fallback[slot].font;
    kp_text_font_t *font = system_fallback(text, set, codepoints, count);
    if (!font && count > 1) /* nobody has all marks: keep the base at least */
        return kp_text_fontset_pick(text, set, codepoints, 1);
    if (count == 1 && font) {
        set->fallback[slot].codepoint = codepoints[0];
        set->fallback[slot].font = font;
    } else if (!font && set->candidates) {
        set_missing(text, codepoints[0]);
    }
    return font ? font : set->fonts[0];
}
