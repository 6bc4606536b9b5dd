/* Text to glyphs. A text is cut at spaces into words; each word is itemised by font and script,
   shaped by HarfBuzz once, and remembered. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/internal.h"

#define WORD_CACHED_MAX 256u /* bytes; longer ones are shaped anew each time */
#define CLUSTER_MAX 16u      /* characters of one cluster that decide about its font */

typedef struct kp_text_item {
    size_t start, end; /* bytes of the word */
    kp_text_font_t *font;
    hb_script_t script;
} kp_text_item_t;

/* A word being shaped: grows glyphs; always leaves room for the word's text behind them. */
typedef struct kp_text_shaper {
    kp_text_t *text;
    kp_text_fontset_t *set;
    const char *bytes;
    size_t size;
    uint32_t flags;
    kp_text_glyph_t *glyphs;
    size_t glyph_count, glyph_capacity;
} kp_text_shaper_t;

/* Marks, joiners and variation selectors stay with the character before them. */
static bool extends_cluster(uint32_t codepoint)
{
    if (codepoint < 0x300)
        return false;
    hb_unicode_general_category_t category =
        hb_unicode_general_category(hb_unicode_funcs_get_default(), codepoint);
    return category == HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK ||
           category == HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK ||
           category == HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK || codepoint == 0x200d ||
           codepoint == 0x200c;
}

/* Characters that HarfBuzz makes invisible: they need no glyph in the font. */
static bool is_ignorable(uint32_t c)
{
    return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
           (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

static hb_script_t script_of(uint32_t codepoint)
{
    if (codepoint < 0x80)
        return (codepoint | 32) >= 'a' && (codepoint | 32) <= 'z' ? HB_SCRIPT_LATIN
                                                                  : HB_SCRIPT_COMMON;
    hb_script_t script = hb_unicode_script(hb_unicode_funcs_get_default(), codepoint);
    return script == HB_SCRIPT_INHERITED || script == HB_SCRIPT_UNKNOWN ? HB_SCRIPT_COMMON : script;
}

/* Reads one cluster at *at; gives its font and script (COMMON: that of its surroundings). */
static kp_text_item_t next_cluster(kp_text_shaper_t *shaper, size_t *at, kp_text_font_t *previous)
{
    uint32_t codepoints[CLUSTER_MAX];
    size_t count = 0;
    kp_text_item_t item = {.start = *at};
    uint32_t first = kp_text_utf8_next(shaper->bytes, shaper->size, at);
    codepoints[count++] = first;
    while (*at < shaper->size) {
        size_t next = *at;
        uint32_t codepoint = kp_text_utf8_next(shaper->bytes, shaper->size, &next);
        if (!extends_cluster(codepoint))
            break;
        if (count < CLUSTER_MAX && !is_ignorable(codepoint))
            codepoints[count++] = codepoint;
        *at = next;
    }
    item.end = *at;
    item.script = script_of(first);
    if (is_ignorable(first) && count == 1)
        item.font = previous ? previous : shaper->set->fonts[0];
    else
        item.font = kp_text_fontset_pick(shaper->text, shaper->set, codepoints, count);
    return item;
}

static kp_status_t reserve_glyphs(kp_text_shaper_t *shaper, size_t more)
{
    if (shaper->glyph_count + more <= shaper->glyph_capacity)
        return KP_OK;
    size_t capacity = shaper->glyph_count + more;
    if (shaper->glyph_count)
        capacity += capacity / 2;
    kp_text_glyph_t *glyphs = realloc(shaper->glyphs, capacity * sizeof *glyphs + shaper->size + 1);
    if (!glyphs)
        return KP_ERR_NO_MEMORY;
    shaper->glyphs = glyphs;
    shaper->glyph_capacity = capacity;
    return KP_OK;
}

static kp_status_t shape_item(kp_text_shaper_t *shaper, const kp_text_item_t *item)
{
    hb_buffer_t *buffer = shaper->text->buffer;
    kp_status_t status = kp_text_font_open_shaping(item->font);
    if (status != KP_OK)
        return status == KP_ERR_NO_MEMORY ? status : KP_OK; /* broken font: no glyphs */
    hb_buffer_clear_contents(buffer);
    hb_buffer_add_utf8(buffer, shaper->bytes, (int)shaper->size, (unsigned)item->start,
                       (int)(item->end - item->start));
    hb_buffer_set_direction(buffer,
                            shaper->flags & KP_TEXT_WORD_RTL ? HB_DIRECTION_RTL : HB_DIRECTION_LTR);
    hb_buffer_set_script(buffer, item->script);
    hb_buffer_set_cluster_level(buffer, HB_BUFFER_CLUSTER_LEVEL_MONOTONE_GRAPHEMES);
    static const hb_feature_t no_ligatures[] = {
        {HB_TAG('l', 'i', 'g', 'a'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
        {HB_TAG('c', 'l', 'i', 'g'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
        {HB_TAG('c', 'a', 'l', 't'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
    };
    hb_shape(item->font->hb, buffer, no_ligatures,
             shaper->flags & KP_TEXT_WORD_NO_LIGATURES ? 3 : 0);
    if (!hb_buffer_allocation_successful(buffer))
        return KP_ERR_NO_MEMORY;
    unsigned count = 0;
    const hb_glyph_info_t *infos = hb_buffer_get_glyph_infos(buffer, &count);
    const hb_glyph_position_t *positions = hb_buffer_get_glyph_positions(buffer, &count);
    status = reserve_glyphs(shaper, count);
    if (status != KP_OK)
        return status;
    for (unsigned i = 0; i < count; i++) {
        shaper->glyphs[shaper->glyph_count++] = (kp_text_glyph_t){
            .font = item->font,
            .glyph = infos[i].codepoint,
            .cluster = infos[i].cluster,
            .advance = (float)positions[i].x_advance / 65536.0f,
            .x_offset = (float)positions[i].x_offset / 65536.0f,
            .y_offset = (float)positions[i].y_offset / 65536.0f,
        };
    }
    return KP_OK;
}

/* Cuts the word where font or script change. *items is the caller's to free. */
static kp_status_t itemize(kp_text_shaper_t *shaper, kp_text_item_t **items, size_t *count)
{
    size_t capacity = 0, at = 0;
    *items = NULL;
    *count = 0;
    while (at < shaper->size) {
        kp_text_item_t *last = *count ? &(*items)[*count - 1] : NULL;
        kp_text_item_t next = next_cluster(shaper, &at, last ? last->font : NULL);
        if (last && last->font == next.font &&
            (next.script == last->script || next.script == HB_SCRIPT_COMMON ||
             last->script == HB_SCRIPT_COMMON)) {
            last->end = next.end;
            if (last->script == HB_SCRIPT_COMMON)
                last->script = next.script;
            continue;
        }
        if (last && next.script == HB_SCRIPT_COMMON)
            next.script = last->script;
        if (*count == capacity) {
            capacity = capacity ? capacity * 2 : 4;
            kp_text_item_t *grown = realloc(*items, capacity * sizeof *grown);
            if (!grown) {
                free(*items);
                *items = NULL;
                return KP_ERR_NO_MEMORY;
            }
            *items = grown;
        }
        (*items)[(*count)++] = next;
    }
    return KP_OK;
}

static kp_status_t shape_word(kp_text_shaper_t *shaper)
{
    kp_text_item_t *items = NULL;
    size_t count = 0;
    kp_status_t status = reserve_glyphs(shaper, shaper->size);
    if (status == KP_OK)
        status = itemize(shaper, &items, &count);
    bool rtl = shaper->flags & KP_TEXT_WORD_RTL;
    for (size_t i = 0; i < count && status == KP_OK; i++)
        status = shape_item(shaper, &items[rtl ? count - 1 - i : i]);
    free(items);
    return status;
}

static void finish_word(kp_text_word_t *word)
{
    word->width = 0;
    word->cluster_count = 0;
    for (uint32_t i = 0; i < word->glyph_count; i++) {
        const kp_text_glyph_t *glyph = &word->glyphs[i];
        word->width += glyph->advance;
        if ((i + 1 == word->glyph_count || glyph[1].cluster != glyph->cluster) &&
            glyph->advance > 0)
            word->cluster_count++;
    }
}

/* The shaped word: in the cache, or (not cached) in *own, whose glyphs the caller frees. */
static kp_status_t get_word(kp_text_t *text, uint32_t fontset, uint32_t flags, const char *bytes,
                            size_t size, kp_text_word_t *own, const kp_text_word_t **out)
{
    uint64_t hash = kp_text_hash(0xcbf29ce484222325u + (uint64_t)fontset * 4 + flags, bytes, size);
    hash = hash ? hash : 1;
    own->glyphs = NULL;
    if (size <= WORD_CACHED_MAX) {
        *out = kp_text_word_cache_find(&text->words, hash, fontset, flags, bytes, size);
        if (*out)
            return KP_OK;
    }
    kp_text_shaper_t shaper = {
        .text = text, .set = text->fontsets[fontset], .bytes = bytes, .size = size, .flags = flags};
    kp_status_t status = shape_word(&shaper);
    if (status != KP_OK) {
        free(shaper.glyphs);
        return status;
    }
    *own = (kp_text_word_t){.hash = hash,
                            .fontset = fontset,
                            .flags = flags,
                            .size = (uint32_t)size,
                            .glyph_count = (uint32_t)shaper.glyph_count,
                            .glyphs = shaper.glyphs};
    finish_word(own);
    *out = NULL;
    if (size <= WORD_CACHED_MAX) {
        size_t bytes_used = shaper.glyph_count * sizeof *shaper.glyphs + size;
        void *fitted = realloc(own->glyphs, bytes_used ? bytes_used : 1);
        if (fitted)
            own->glyphs = fitted;
        memcpy((char *)(own->glyphs + own->glyph_count), bytes, size);
        *out = kp_text_word_cache_add(&text->words, own);
        if (*out)
            own->glyphs = NULL;
    }
    if (!*out)
        *out = own;
    return KP_OK;
}

typedef enum kp_text_segment_kind {
    SEGMENT_WORD,
    SEGMENT_SPACE,   /* one space, tab or newline: shaped as U+0020 */
    SEGMENT_NBSP,    /* U+00A0: takes word-spacing too */
    SEGMENT_CONTROL, /* one control character: nothing */
} kp_text_segment_kind_t;

/* Longer words are shaped in pieces: HarfBuzz's kerning takes the square of the number of marks and
   invisible characters in a row. */
#define SEGMENT_BYTES_MAX 2048u

/* Where to cut bytes[start, end): before a character that extends no other, if one is near. */
static size_t cut_word(const char *bytes, size_t start, size_t end)
{
    size_t cut = 0;
    for (size_t i = start + SEGMENT_BYTES_MAX; i > start + SEGMENT_BYTES_MAX / 2; i--) {
        if (((uint8_t)bytes[i] & 0xc0) == 0x80)
            continue;
        size_t next = i;
        cut = cut ? cut : i;
        if (!extends_cluster(kp_text_utf8_next(bytes, end, &next)))
            return i;
    }
    return cut ? cut : start + SEGMENT_BYTES_MAX;
}

static kp_text_segment_kind_t segment_at(const char *bytes, size_t size, size_t start, size_t *end)
{
    const uint8_t *at = (const uint8_t *)bytes;
    size_t i = start;
    while (i < size && at[i] > 0x20 && at[i] != 0x7f &&
           !(at[i] == 0xc2 && i + 1 < size && at[i + 1] == 0xa0))
        i++;
    if (i > start) {
        *end = i - start > SEGMENT_BYTES_MAX ? cut_word(bytes, start, i) : i;
        return SEGMENT_WORD;
    }
    *end = start + (at[start] == 0xc2 ? 2 : 1);
    if (at[start] == 0xc2)
        return SEGMENT_NBSP;
    bool space = at[start] == ' ' || (at[start] >= '\t' && at[start] <= '\r');
    return space ? SEGMENT_SPACE : SEGMENT_CONTROL;
}

static float segment_spacing(kp_text_segment_kind_t kind, const kp_text_style_t *style)
{
    return kind == SEGMENT_WORD ? 0 : style->word_spacing;
}

static kp_status_t run_append(kp_text_run_t *run, size_t *capacity, const kp_text_word_t *word,
                              const kp_text_style_t *style, kp_text_segment_kind_t kind,
                              size_t offset)
{
    if (run->glyph_count + word->glyph_count > *capacity) {
        size_t wanted = (run->glyph_count + word->glyph_count) * 2;
        kp_text_glyph_t *glyphs = realloc(run->glyphs, wanted * sizeof *glyphs);
        if (!glyphs)
            return KP_ERR_NO_MEMORY;
        run->glyphs = glyphs;
        *capacity = wanted;
    }
    for (uint32_t i = 0; i < word->glyph_count; i++) {
        kp_text_glyph_t glyph = word->glyphs[i];
        bool last = i + 1 == word->glyph_count || word->glyphs[i + 1].cluster != glyph.cluster;
        if (last && glyph.advance > 0)
            glyph.advance += style->letter_spacing;
        if (last && i + 1 == word->glyph_count)
            glyph.advance += segment_spacing(kind, style);
        glyph.cluster += (uint32_t)offset;
        run->width += glyph.advance;
        run->glyphs[run->glyph_count++] = glyph;
    }
    return KP_OK;
}

/* Moves the glyphs of an RTL run's segments, which were appended in logical order, to visual order.
 */
static void reverse_glyphs(kp_text_glyph_t *glyphs, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        kp_text_glyph_t glyph = glyphs[i];
        glyphs[i] = glyphs[count - 1 - i];
        glyphs[count - 1 - i] = glyph;
    }
}

/* The first or last character of a segment. */
static uint32_t edge_character(const char *bytes, size_t size, bool last)
{
    size_t at = last ? size - 1 : 0;
    while (at > 0 && last && ((uint8_t)bytes[at] & 0xc0) == 0x80)
        at--;
    return kp_text_utf8_next(bytes, size, &at);
}

/* What lies to the left of the segment that is being added. */
typedef struct kp_text_neighbour {
    bool is_space;
    uint32_t character;
    kp_text_font_t *font; /* NULL: nothing that kerns */
} kp_text_neighbour_t;

/* Kerning between a word and a space of the same font; goes to the advance of the left one. Moves
   the neighbour on to this segment. */
static float kern_with(kp_text_t *text, kp_text_neighbour_t *left, const kp_text_word_t *word,
                       kp_text_segment_kind_t kind, const char *bytes, size_t size)
{
    float kern = 0;
    bool is_space = kind == SEGMENT_SPACE;
    if (kind == SEGMENT_NBSP || word->glyph_count == 0) {
        left->font = NULL;
        return 0;
    }
    if (left->font && left->font == word->glyphs[0].font && left->is_space != is_space)
        kern = kp_text_space_kern(text, left->font, left->character,
                                  is_space ? ' ' : edge_character(bytes, size, false));
    left->is_space = is_space;
    left->font = word->glyphs[word->glyph_count - 1].font;
    left->character = is_space ? ' ' : edge_character(bytes, size, true);
    return kern;
}

static kp_status_t for_text(kp_text_t *text, const kp_text_style_t *style, const char *bytes,
                            size_t size, bool rtl, kp_text_run_t *run, float *width)
{
    if (size > UINT32_MAX / 64)
        return KP_ERR_TOO_LARGE;
    uint32_t fontset = 0;
    kp_status_t status = kp_text_fontset_get(text, style, &fontset);
    uint32_t flags = (rtl ? KP_TEXT_WORD_RTL : 0u) |
                     (style->letter_spacing != 0 ? KP_TEXT_WORD_NO_LIGATURES : 0u);
    size_t at = 0, capacity = 0, end = 0;
    kp_text_neighbour_t left = {0};
    while (at < size && status == KP_OK) {
        kp_text_segment_kind_t kind = segment_at(bytes, size, at, &end);
        if (kind != SEGMENT_CONTROL) {
            kp_text_word_t own;
            const kp_text_word_t *word = NULL;
            const char *word_bytes = kind == SEGMENT_SPACE ? " " : bytes + at;
            status = get_word(text, fontset, flags, word_bytes, end - at, &own, &word);
            float kern = 0;
            if (status == KP_OK && !rtl)
                kern = kern_with(text, &left, word, kind, bytes + at, end - at);
            if (status == KP_OK && run) {
                size_t first = run->glyph_count;
                if (kern != 0) { /* there is a glyph to the left */
                    run->glyphs[first - 1].advance += kern;
                    run->width += kern;
                }
                status = run_append(run, &capacity, word, style, kind, at);
                if (rtl)
                    reverse_glyphs(run->glyphs + first, run->glyph_count - first);
            } else if (status == KP_OK) {
                *width += kern + word->width + (float)word->cluster_count * style->letter_spacing +
                          (word->glyph_count ? segment_spacing(kind, style) : 0);
            }
            free(own.glyphs);
        }
        at = end;
    }
    if (status == KP_OK && run && rtl)
        reverse_glyphs(run->glyphs, run->glyph_count);
    return status;
}

kp_status_t kp_text_shape(kp_text_t *text, const kp_text_style_t *style, const char *bytes,
                          size_t size, bool right_to_left, kp_text_run_t *out)
{
    *out = (kp_text_run_t){0};
    kp_status_t status = for_text(text, style, bytes, size, right_to_left, out, NULL);
    if (status != KP_OK)
        kp_text_run_clear(out);
    return status;
}

void kp_text_run_clear(kp_text_run_t *run)
{
    free(run->glyphs);
    *run = (kp_text_run_t){0};
}

kp_status_t kp_text_measure(kp_text_t *text, const kp_text_style_t *style, const char *bytes,
                            size_t size, float *width)
{
    *width = 0;
    return for_text(text, style, bytes, size, false, NULL, width);
}
