/* What the files of engine/text share. Private to this folder. */
#ifndef KP_ENGINE_TEXT_INTERNAL_H
#define KP_ENGINE_TEXT_INTERNAL_H

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>

#include "engine/text/text.h"

#define KP_TEXT_NAME_MAX 64u     /* bytes of a family name that count, with the NUL */
#define KP_TEXT_FAMILIES_MAX 16u /* families of one style that are looked at */
#define KP_TEXT_FACES_MAX 256u

/* One font file. Opened in two steps: names at once (face_names.c), tables when a text needs them.
 */
typedef struct kp_text_face {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    char family[KP_TEXT_NAME_MAX];        /* lower case */
    char legacy_family[KP_TEXT_NAME_MAX]; /* name 1 where it differs ("DejaVu Sans Condensed") */
    uint16_t weight;
    uint8_t width; /* OS/2 usWidthClass, 5 is normal */
    bool italic;
    bool broken; /* opening failed: never tried again */
    hb_face_t *hb;
    hb_font_t *hb_unscaled; /* coverage questions only */
    FT_Face ft;
    float ft_size; /* pixel size that ft is set to */
    /* Kerning with the space in font units, by the other character; NULL until asked for. */
    struct kp_text_space_kerning *space_kerning;
} kp_text_face_t;

#define KP_TEXT_KERNED_CHARACTERS 0x180u /* beyond, kerning with the space is left out */
#define KP_TEXT_KERNING_UNKNOWN INT16_MIN
typedef struct kp_text_space_kerning {
    int16_t before[KP_TEXT_KERNED_CHARACTERS]; /* character, space */
    int16_t after[KP_TEXT_KERNED_CHARACTERS];  /* space, character */
} kp_text_space_kerning_t;

struct kp_text_font {
    kp_text_face_t *face;
    float size;
    bool synthetic_bold;
    bool synthetic_italic;
    bool has_metrics;
    uint32_t index; /* in kp_text_t.fonts */
    hb_font_t *hb;  /* scaled to size, 16.16 px; made when first shaped with */
    kp_text_metrics_t metrics;
};

/* A style resolved to fonts: shaping works with these. */
typedef struct kp_text_fontset {
    uint64_t hash;
    uint32_t family_count; /* as asked for, at most KP_TEXT_FAMILIES_MAX */
    float size;
    int weight;
    bool italic;
    uint32_t font_count;
    kp_text_font_t *fonts[KP_TEXT_FAMILIES_MAX + 1]; /* CSS order, at least one */
    kp_text_face_t **candidates;                     /* for fallback; NULL until the first */
    uint32_t candidate_count;
    /* Which font a character fell back to: direct-mapped, NULL font is an empty place. */
    struct {
        uint32_t codepoint;
        kp_text_font_t *font;
    } fallback[64];
    char families[]; /* the names as they were asked for, each with its NUL */
} kp_text_fontset_t;

typedef struct kp_text_word {
    uint64_t hash; /* 0: empty slot */
    uint32_t fontset;
    uint32_t flags;
    uint32_t size; /* bytes of text, which lie behind the glyphs */
    uint32_t glyph_count;
    uint32_t cluster_count; /* how often letter-spacing applies */
    float width;
    kp_text_glyph_t *glyphs; /* own block: glyphs, then the text */
} kp_text_word_t;

enum {
    KP_TEXT_WORD_RTL = 1u << 0,
    KP_TEXT_WORD_NO_LIGATURES = 1u << 1, /* letter-spacing is not 0 */
};

/* Words shaped so far; emptied when it outgrows its limits. */
typedef struct kp_text_word_cache {
    kp_text_word_t *slots; /* a power of two, open addressing */
    uint32_t capacity;
    uint32_t count;
    size_t bytes;
    uint64_t hits, misses;
} kp_text_word_cache_t;

typedef struct kp_text_glyph_slot {
    uint32_t font_plus_1; /* 0: empty */
    uint32_t glyph;
    float scale;
    uint32_t subpixel;
    kp_text_bitmap_t bitmap;
} kp_text_glyph_slot_t;

typedef struct kp_text_shelf {
    uint16_t y, height, x; /* x: first free column */
} kp_text_shelf_t;

#define KP_TEXT_SHELVES_MAX 128u

/* The atlas that is being filled; full ones are only referred to by number. */
typedef struct kp_text_atlas {
    uint8_t *pixels; /* the host's */
    uint32_t number;
    uint32_t width, height, stride;
    uint32_t used_height;
    uint32_t shelf_count;
    kp_text_shelf_t shelves[KP_TEXT_SHELVES_MAX];
} kp_text_atlas_t;

struct kp_text {
    FT_Library ft;
    kp_text_face_t *faces[KP_TEXT_FACES_MAX];
    uint32_t face_count;
    kp_text_font_t **fonts;
    uint32_t font_count, font_capacity;
    kp_text_fontset_t **fontsets;
    uint32_t fontset_count, fontset_capacity;
    kp_text_word_cache_t words;
    hb_buffer_t *buffer; /* reused by every shaping */
    kp_text_atlas_host_t host;
    bool has_host;
    uint32_t atlas_count;
    kp_text_atlas_t atlas;
    kp_text_glyph_slot_t *glyphs; /* a power of two, open addressing */
    uint32_t glyph_count, glyph_capacity;
#define KP_TEXT_MISSING_BLOCK 2048u
    uint8_t *missing[0x110000 / KP_TEXT_MISSING_BLOCK]; /* bits: characters that no face has */
};

/* face_names.c: fills family, legacy_family, weight, width, italic from the tables. ERR_BAD_FORMAT.
 */
kp_status_t kp_text_face_read_names(kp_text_face_t *face);

/* face.c */
kp_status_t kp_text_face_open_shaping(kp_text_face_t *face);
kp_status_t kp_text_face_open_raster(kp_text_t *text, kp_text_face_t *face);
void kp_text_face_close(kp_text_face_t *face);
/* The glyph of a character, 0 when the font lacks it (or cannot be opened). */
uint32_t kp_text_face_glyph(kp_text_face_t *face, uint32_t codepoint);

/* space_kerning.c: by how much the first of the two comes closer to the second (negative) or
   farther, px at the font's size. One of them is U+0020; 0 for what is not known. */
float kp_text_space_kern(kp_text_t *text, kp_text_font_t *font, uint32_t first, uint32_t second);

/* match.c: best face of one family (lower case, generic names allowed); NULL: no such family. */
kp_text_face_t *kp_text_match_family(kp_text_t *text, const char *family, int weight, bool italic);
void kp_text_name_lower(char *out, size_t capacity, const char *name, size_t size);

/* font.c */
kp_status_t kp_text_font_get(kp_text_t *text, kp_text_face_t *face, float size, int weight,
                             bool italic, kp_text_font_t **out);
kp_status_t kp_text_font_open_shaping(kp_text_font_t *font);
void kp_text_font_load_metrics(kp_text_t *text, kp_text_font_t *font);

/* fontset.c */
kp_status_t kp_text_fontset_get(kp_text_t *text, const kp_text_style_t *style, uint32_t *out);
/* The font for a character with marks (codepoints[0] is the base); never NULL. */
kp_text_font_t *kp_text_fontset_pick(kp_text_t *text, kp_text_fontset_t *set,
                                     const uint32_t *codepoints, size_t count);

void kp_text_forget_missing(kp_text_t *text);

/* word_cache.c: keys are (fontset, flags, text). */
uint64_t kp_text_hash(uint64_t hash, const void *bytes, size_t size);
const kp_text_word_t *kp_text_word_cache_find(kp_text_word_cache_t *cache, uint64_t hash,
                                              uint32_t fontset, uint32_t flags, const char *text,
                                              size_t size);
/* Takes glyphs (a block of its own with room for the text behind). NULL when memory is short: the
   word is then simply not cached and glyphs stay the caller's. */
const kp_text_word_t *kp_text_word_cache_add(kp_text_word_cache_t *cache,
                                             const kp_text_word_t *word);
void kp_text_word_cache_clear(kp_text_word_cache_t *cache);

/* atlas.c: room for width x height, in a new atlas when the last one is full. */
kp_status_t kp_text_atlas_allocate(kp_text_t *text, uint32_t width, uint32_t height, uint16_t *x,
                                   uint16_t *y);

/* utf8.c: decodes one character at *position (< size) and moves on; U+FFFD for bad bytes. */
uint32_t kp_text_utf8_next(const char *bytes, size_t size, size_t *position);

#endif
