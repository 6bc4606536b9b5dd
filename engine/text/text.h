/* Text: fonts, selection with fallback, shaping, line-break opportunities, glyph rasterisation.

   Used by engine/layout (measures and positions) and engine/paint (draws). Not thread-safe: one
   kp_text_t per tab. Lengths: float CSS px where a size is asked for; positions and advances
   float px at the given size. Text is UTF-8; every offset is a byte offset. Font bytes are
   untrusted (web fonts come later): errors are statuses, never asserts. */
#ifndef KP_ENGINE_TEXT_H
#define KP_ENGINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

typedef struct kp_text kp_text_t;           /* all fonts of a tab */
typedef struct kp_text_font kp_text_font_t; /* one face at one size; owned by kp_text_t, cached */

kp_status_t kp_text_create(kp_text_t **out);
void kp_text_destroy(kp_text_t *text);

/* Adds a face (TrueType/OpenType; index 0 of a collection). family, weight and style are read from
   the font itself unless given (family NULL, weight 0: read). Borrows bytes until destroy. Opening
   is lazy: a font that no text uses costs no parsing beyond its name table. */
kp_status_t kp_text_add_face(kp_text_t *text, const char *family, int weight, int italic,
                             const uint8_t *bytes, size_t size);

typedef struct kp_text_style {
    const char *const *families; /* CSS order, generic names included ("sans-serif"); borrowed */
    size_t family_count;
    float size; /* CSS px, 0..2000 */
    int weight; /* 1..1000 */
    bool italic;
    float letter_spacing; /* px */
    float word_spacing;   /* px */
} kp_text_style_t;

/* The primary font: the first available family, generic names mapped as Chromium on Debian does:
   serif, Times (New Roman) Liberation Serif; sans-serif, Arial, Helvetica Liberation Sans;
   monospace DejaVu Sans Mono; Courier (New) Liberation Mono; system-ui DejaVu Sans; serif where no
   family is known. Nearest weight and style by CSS Fonts 4 matching; bold or italic are synthesised
   where the family lacks them. ERR_NOT_FOUND only when no face was added. */
kp_status_t kp_text_select(kp_text_t *text, const kp_text_style_t *style, kp_text_font_t **out);

typedef struct kp_text_metrics {
    float ascent;   /* above the baseline, positive; rounded to whole px as browsers do */
    float descent;  /* below the baseline, positive; rounded */
    float line_gap; /* line-height: normal is ascent + descent + line_gap */
    float x_height;
    float zero_width;       /* advance of "0" (ch) */
    float underline_offset; /* from the baseline down to the middle of the line, px */
    float underline_thickness;
} kp_text_metrics_t;
void kp_text_font_metrics(const kp_text_font_t *font, kp_text_metrics_t *out);

typedef struct kp_text_glyph {
    kp_text_font_t *font; /* may differ from the primary: fallback per character */
    uint32_t glyph;
    uint32_t cluster; /* byte offset in the text that was shaped */
    float advance;
    float x_offset, y_offset; /* y up */
} kp_text_glyph_t;

typedef struct kp_text_run {
    kp_text_glyph_t *glyphs; /* visual order */
    size_t glyph_count;
    float width;
} kp_text_run_t;

/* To match Chromium: round widths of inline boxes up to 1/64 px, draw glyphs with the baseline
   rounded to a whole device px (floor(y + 0.5)) and the pen to the nearest quarter px. */
/* Shapes text[0, size) in one direction with fallback fonts. Word results are cached, so shaping
   the same word again is cheap. The run is the caller's; kp_text_run_clear frees it. */
kp_status_t kp_text_shape(kp_text_t *text, const kp_text_style_t *style, const char *bytes,
                          size_t size, bool right_to_left, kp_text_run_t *out);
void kp_text_run_clear(kp_text_run_t *run);
/* Width only, as kp_text_shape would give it (uses the same word cache). */
kp_status_t kp_text_measure(kp_text_t *text, const kp_text_style_t *style, const char *bytes,
                            size_t size, float *width);

/* breaks[i] (size bytes) says what may happen after byte i; set at the last byte of a character,
   else NONE. As Chromium breaks: its own table between ASCII characters, after (never before)
   spaces, UAX #14 beside others. The end of the text counts as if a letter followed. language may
   be NULL. */
enum { KP_TEXT_BREAK_NONE = 0, KP_TEXT_BREAK_ALLOWED = 1, KP_TEXT_BREAK_MUST = 2 };
void kp_text_line_breaks(const char *bytes, size_t size, const char *language, uint8_t *breaks);

/* ---- Rasterisation: A8 coverage into atlases that the display reads (abi/display_list.h) ----
   An atlas is memory the caller supplies (a VMO mapping): new_atlas is called when a glyph does not
   fit into the last one; glyphs never move afterwards. */
typedef struct kp_text_atlas_host {
    void *context;
    /* Gives zeroed memory of stride * height bytes, the atlas's number is its order of creation. */
    kp_status_t (*new_atlas)(void *context, uint32_t width, uint32_t height, uint32_t stride,
                             uint8_t **pixels);
} kp_text_atlas_host_t;
void kp_text_set_atlas_host(kp_text_t *text, const kp_text_atlas_host_t *host);

typedef struct kp_text_bitmap {
    uint32_t atlas;
    uint16_t x, y, width, height; /* in the atlas; width 0: nothing to draw (space) */
    int32_t left, top;            /* bitmap's top left relative to the pen: x right, y up */
} kp_text_bitmap_t;

/* The glyph at scale (device px per CSS px) with its pen at a fraction subpixel/4 px (0..3) to the
   right; cached. */
kp_status_t kp_text_rasterize(kp_text_t *text, kp_text_font_t *font, uint32_t glyph, float scale,
                              unsigned subpixel, kp_text_bitmap_t *out);

#endif
