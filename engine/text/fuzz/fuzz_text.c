/* A font from the network: names, matching, shaping, metrics, rasters. The first byte chooses size
   and style, the rest is the font. */
#include <stdlib.h>

#include "engine/text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct kp_fuzz_atlases {
    uint8_t *pixels[64];
    unsigned count;
} kp_fuzz_atlases_t;

static kp_status_t new_atlas(void *context, uint32_t width, uint32_t height, uint32_t stride,
                             uint8_t **pixels)
{
    kp_fuzz_atlases_t *atlases = context;
    (void)width;
    if (atlases->count == 64)
        return KP_ERR_QUOTA;
    *pixels = calloc(height, stride);
    if (!*pixels)
        return KP_ERR_NO_MEMORY;
    atlases->pixels[atlases->count++] = *pixels;
    return KP_OK;
}

static void draw(kp_text_t *text, const kp_text_style_t *style, const char *bytes, size_t size,
                 bool right_to_left)
{
    kp_text_run_t run;
    if (kp_text_shape(text, style, bytes, size, right_to_left, &run) != KP_OK)
        return;
    for (size_t i = 0; i < run.glyph_count && i < 16; i++) {
        kp_text_bitmap_t bitmap;
        (void)kp_text_rasterize(text, run.glyphs[i].font, run.glyphs[i].glyph, 1, (unsigned)i & 3,
                                &bitmap);
    }
    kp_text_run_clear(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sample[] = "AB BA\xcc\x81 \xd7\x90\xd8\xa8 \xe0\xa4\x95\xe0\xa5\x8d fi";
    kp_fuzz_atlases_t atlases = {.count = 0};
    kp_text_t *text = NULL;
    if (size < 1 || kp_text_create(&text) != KP_OK)
        return 0;
    kp_text_set_atlas_host(text, &(kp_text_atlas_host_t){&atlases, new_atlas});
    const char *families[] = {"seed"};
    kp_text_style_t style = {.families = families,
                             .family_count = 1,
                             .size = (float)(8 + data[0] % 64),
                             .weight = data[0] & 64 ? 700 : 400,
                             .italic = (data[0] & 128) != 0};
    kp_text_font_t *font = NULL;
    if (kp_text_add_face(text, data[0] & 1 ? "seed" : NULL, 0, 0, data + 1, size - 1) == KP_OK &&
        kp_text_select(text, &style, &font) == KP_OK) {
        draw(text, &style, sample, sizeof sample - 1, false);
        draw(text, &style, sample, sizeof sample - 1, true);
    }
    kp_text_destroy(text);
    for (unsigned i = 0; i < atlases.count; i++)
        free(atlases.pixels[i]);
    return 0;
}
