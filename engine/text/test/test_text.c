/* Fonts, matching, metrics, shaping, breaks and rasters on DejaVu and Liberation. */
#include <math.h>
#include <stdlib.h>

#include "engine/text/internal.h"
#include "tests/kp_test.h"

static const char *const files[] = {
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSansCondensed.ttf",
    "DejaVuSans-ExtraLight.ttf",
    "LiberationSans-Regular.ttf",
    "LiberationSans-Bold.ttf",
    "LiberationMono-Regular.ttf",
    "LiberationSerif-Regular.ttf",
};
#define FILE_COUNT (sizeof files / sizeof files[0])

typedef struct kp_fixture {
    kp_text_t *text;
    uint8_t *bytes[FILE_COUNT];
    uint8_t *atlases[8];
    uint32_t atlas_sizes[8];
    unsigned atlas_count;
    bool atlas_fails;
} kp_fixture_t;

static uint8_t *read_font(const char *name, size_t *size)
{
    char path[512];
    snprintf(path, sizeof path, KP_FONT_DIR "/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size);
    if (fread(bytes, 1, *size, file) != *size)
        *size = 0;
    fclose(file);
    return bytes;
}

static kp_status_t new_atlas(void *context, uint32_t width, uint32_t height, uint32_t stride,
                             uint8_t **pixels)
{
    kp_fixture_t *fixture = context;
    (void)width;
    if (fixture->atlas_fails || fixture->atlas_count == 8)
        return KP_ERR_NO_MEMORY;
    *pixels = fixture->atlases[fixture->atlas_count] = calloc(height, stride);
    fixture->atlas_sizes[fixture->atlas_count++] = stride;
    return *pixels ? KP_OK : KP_ERR_NO_MEMORY;
}

static bool fixture_open(kp_fixture_t *fixture)
{
    *fixture = (kp_fixture_t){0};
    if (kp_text_create(&fixture->text) != KP_OK)
        return false;
    for (size_t i = 0; i < FILE_COUNT; i++) {
        size_t size = 0;
        fixture->bytes[i] = read_font(files[i], &size);
        if (!fixture->bytes[i] ||
            kp_text_add_face(fixture->text, NULL, 0, 0, fixture->bytes[i], size) != KP_OK)
            return false;
    }
    kp_text_atlas_host_t host = {fixture, new_atlas};
    kp_text_set_atlas_host(fixture->text, &host);
    return true;
}

static void fixture_close(kp_fixture_t *fixture)
{
    kp_text_destroy(fixture->text);
    for (size_t i = 0; i < FILE_COUNT; i++)
        free(fixture->bytes[i]);
    for (unsigned i = 0; i < fixture->atlas_count; i++)
        free(fixture->atlases[i]);
}

static kp_text_style_t style_of(const char *const *families, size_t count, float size, int weight,
                                bool italic)
{
    return (kp_text_style_t){.families = families,
                             .family_count = count,
                             .size = size,
                             .weight = weight,
                             .italic = italic};
}

static kp_text_font_t *select_one(kp_fixture_t *fixture, const char *family, float size, int weight,
                                  bool italic)
{
    kp_text_style_t style = style_of(&family, 1, size, weight, italic);
    kp_text_font_t *font = NULL;
    return kp_text_select(fixture->text, &style, &font) == KP_OK ? font : NULL;
}

static float width_of(kp_fixture_t *fixture, const char *family, float size, const char *bytes)
{
    kp_text_style_t style = style_of(&family, 1, size, 400, false);
    float width = -1;
    kp_text_measure(fixture->text, &style, bytes, strlen(bytes), &width);
    return width;
}

static bool near(float a, float b)
{
    return fabsf(a - b) < 0.01f;
}

KP_TEST(text_names_come_from_the_font)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_face_t **faces = fixture.text->faces;
    KP_EXPECT_STRING(faces[0]->family, "dejavu sans");
    KP_EXPECT_INT(faces[1]->weight, 700);
    KP_EXPECT(faces[2]->italic && !faces[0]->italic);
    KP_EXPECT_STRING(faces[5]->family, "dejavu sans");
    KP_EXPECT_STRING(faces[5]->legacy_family, "dejavu sans condensed");
    KP_EXPECT_INT(faces[5]->width, 4);
    KP_EXPECT_INT(faces[6]->weight, 200);
    /* Adding opened nothing. */
    for (uint32_t i = 0; i < fixture.text->face_count; i++)
        KP_EXPECT(!faces[i]->ft && !faces[i]->hb);
    fixture_close(&fixture);
}

KP_TEST(text_matching_follows_css_fonts)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_face_t **faces = fixture.text->faces;
    KP_EXPECT(select_one(&fixture, "system-ui", 16, 400, false)->face == faces[0]);
    KP_EXPECT(select_one(&fixture, "sans-serif", 16, 400, false)->face == faces[7]);
    KP_EXPECT(select_one(&fixture, "DejaVu SANS", 16, 700, false)->face == faces[1]);
    KP_EXPECT(select_one(&fixture, "DejaVu Sans", 16, 600, false)->face == faces[1]);
    KP_EXPECT(select_one(&fixture, "DejaVu Sans", 16, 500, false)->face == faces[0]);
    KP_EXPECT(select_one(&fixture, "DejaVu Sans", 16, 300, false)->face == faces[6]);
    KP_EXPECT(select_one(&fixture, "DejaVu Sans", 16, 400, true)->face == faces[2]);
    KP_EXPECT(select_one(&fixture, "DejaVu Sans Condensed", 16, 400, false)->face == faces[5]);
    KP_EXPECT(select_one(&fixture, "Helvetica", 16, 400, false)->face == faces[7]);
    KP_EXPECT(select_one(&fixture, "Courier New", 16, 400, false)->face == faces[9]);
    KP_EXPECT(select_one(&fixture, "Verdana", 16, 400, false)->face == faces[10]); /* serif */
    const char *list[] = {"Lucida Grande", "Arial", "sans-serif"};
    kp_text_style_t style = style_of(list, 3, 16, 400, false);
    kp_text_font_t *font = NULL;
    KP_EXPECT_INT(kp_text_select(fixture.text, &style, &font), KP_OK);
    KP_EXPECT(font->face == faces[7]);
    /* Liberation Mono has no bold here: synthesised. */
    kp_text_font_t *bold = select_one(&fixture, "Courier New", 16, 700, true);
    KP_EXPECT(bold->synthetic_bold && bold->synthetic_italic);
    fixture_close(&fixture);
}

KP_TEST(text_metrics_are_those_of_browsers)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_metrics_t m;
    kp_text_font_metrics(select_one(&fixture, "DejaVu Sans", 16, 400, false), &m);
    KP_EXPECT(m.ascent == 15 && m.descent == 4 && m.line_gap == 0);
    KP_EXPECT(near(m.zero_width, 1303.0f / 2048 * 16));
    KP_EXPECT(near(m.x_height, 1120.0f / 2048 * 16));
    kp_text_font_metrics(select_one(&fixture, "Arial", 16, 400, false), &m);
    KP_EXPECT(m.ascent + m.descent + m.line_gap == 18);
    /* As in the reference pages: one pixel, one pixel below the baseline. */
    KP_EXPECT(m.underline_thickness == 1 && m.underline_offset == 1.5f);
    fixture_close(&fixture);
}

KP_TEST(text_widths_are_unhinted)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    /* Advances of DejaVu Sans in units of 1/2048 em: H 1540, e 1260, l 569, o 1253. */
    float hello = (1540 + 1260 + 569 + 569 + 1253) / 2048.0f * 16;
    KP_EXPECT(near(width_of(&fixture, "DejaVu Sans", 16, "Hello"), hello));
    KP_EXPECT(
        near(width_of(&fixture, "DejaVu Sans", 16, "Hello Hello"), 2 * hello + 651.0f / 2048 * 16));
    /* Kerning: A and V come closer. */
    float pair = width_of(&fixture, "DejaVu Sans", 100, "AV");
    float apart =
        width_of(&fixture, "DejaVu Sans", 100, "A") + width_of(&fixture, "DejaVu Sans", 100, "V");
    KP_EXPECT(pair < apart - 1);
    KP_EXPECT(near(width_of(&fixture, "monospace", 10, "\t\xc2\xa0x"), 3 * 1233.0f / 2048 * 10));
    fixture_close(&fixture);
}

/* Liberation Serif brings W closer to a space before it: 37 of 2048 units, and Y both ways. The
   width is that of Chromium in the reference page bash-ref. */
KP_TEST(text_kerns_with_spaces)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    float words = width_of(&fixture, "serif", 16, "3.2.1") + width_of(&fixture, "serif", 16, " ") +
                  width_of(&fixture, "serif", 16, "Reserved") +
                  width_of(&fixture, "serif", 16, " ") + width_of(&fixture, "serif", 16, "Words");
    float whole = width_of(&fixture, "serif", 16, "3.2.1 Reserved Words");
    KP_EXPECT(near(whole, words - 37.0f / 2048 * 16));
    KP_EXPECT(near(whole, 140.62f));
    const char *family = "serif";
    kp_text_style_t style = style_of(&family, 1, 16, 400, false);
    kp_text_run_t run;
    KP_REQUIRE(kp_text_shape(fixture.text, &style, "3.2.1 Reserved Words", 20, false, &run) ==
               KP_OK);
    KP_EXPECT(near(run.width, whole));
    kp_text_run_clear(&run);
    fixture_close(&fixture);
}

KP_TEST(text_words_are_cached)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    float first = width_of(&fixture, "serif", 16, "one two one two one");
    uint64_t misses = fixture.text->words.misses;
    KP_EXPECT_INT(misses, 3); /* one, space, two */
    KP_EXPECT(width_of(&fixture, "serif", 16, "one two one two one") == first);
    KP_EXPECT_INT(fixture.text->words.misses, misses);
    width_of(&fixture, "serif", 17, "one");
    KP_EXPECT_INT(fixture.text->words.misses, misses + 1);
    /* The cache is bounded: far more words than it holds still measure right. */
    for (int i = 0; i < 20000; i++) {
        char word[16];
        snprintf(word, sizeof word, "w%d", i);
        width_of(&fixture, "serif", 16, word);
    }
    KP_EXPECT(fixture.text->words.count <= 8192);
    KP_EXPECT(width_of(&fixture, "serif", 16, "one two one two one") == first);
    fixture_close(&fixture);
}

KP_TEST(text_spacing_applies_to_characters_and_spaces)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    const char *family = "DejaVu Sans";
    kp_text_style_t style = style_of(&family, 1, 16, 400, false);
    float plain = 0, spaced = 0;
    kp_text_measure(fixture.text, &style, "ab cd", 5, &plain);
    style.letter_spacing = 2;
    style.word_spacing = 10;
    kp_text_measure(fixture.text, &style, "ab cd", 5, &spaced);
    KP_EXPECT(near(spaced, plain + 5 * 2 + 10));
    kp_text_run_t run;
    KP_EXPECT_INT(kp_text_shape(fixture.text, &style, "ab cd", 5, false, &run), KP_OK);
    KP_EXPECT(near(run.width, spaced));
    KP_EXPECT_INT(run.glyph_count, 5);
    KP_EXPECT_INT(run.glyphs[4].cluster, 4);
    kp_text_run_clear(&run);
    fixture_close(&fixture);
}

KP_TEST(text_falls_back_per_character)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    const char *family = "Arial";
    kp_text_style_t style = style_of(&family, 1, 16, 400, false);
    kp_text_run_t run;
    const char *bytes = "a\xe2\x98\x83z"; /* snowman: DejaVu Sans has it, Liberation not */
    KP_REQUIRE(kp_text_shape(fixture.text, &style, bytes, strlen(bytes), false, &run) == KP_OK);
    KP_REQUIRE(run.glyph_count == 3);
    KP_EXPECT(run.glyphs[0].font->face == fixture.text->faces[7]);
    KP_EXPECT(run.glyphs[1].font->face == fixture.text->faces[0]);
    KP_EXPECT(run.glyphs[1].glyph != 0);
    KP_EXPECT_INT(run.glyphs[2].cluster, 4);
    kp_text_run_clear(&run);
    /* Nobody has this one: the primary font's box. */
    bytes = "\xf0\x9f\xa6\x84";
    KP_REQUIRE(kp_text_shape(fixture.text, &style, bytes, 4, false, &run) == KP_OK);
    KP_EXPECT(run.glyph_count == 1 && run.glyphs[0].glyph == 0 && run.width > 0);
    kp_text_run_clear(&run);
    KP_EXPECT(fixture.text->missing[0x1f984 / KP_TEXT_MISSING_BLOCK] != NULL);
    KP_EXPECT(fixture.text->missing[0x2603 / KP_TEXT_MISSING_BLOCK] == NULL);
    /* A combining accent stays in the base's font (composed by the shaper). */
    bytes = "e\xcc\x81";
    KP_REQUIRE(kp_text_shape(fixture.text, &style, bytes, 3, false, &run) == KP_OK);
    KP_EXPECT_INT(run.glyph_count, 1);
    KP_EXPECT(run.glyphs[0].font->face == fixture.text->faces[7] && run.glyphs[0].glyph != 0);
    kp_text_run_clear(&run);
    fixture_close(&fixture);
}

KP_TEST(text_right_to_left_is_in_visual_order)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    const char *family = "DejaVu Sans";
    kp_text_style_t style = style_of(&family, 1, 16, 400, false);
    kp_text_run_t run;
    const char *bytes = "\xd7\xa9\xd7\x9c \xd7\x9d"; /* shin lamed space mem */
    KP_REQUIRE(kp_text_shape(fixture.text, &style, bytes, 7, true, &run) == KP_OK);
    KP_REQUIRE(run.glyph_count == 4);
    uint32_t clusters[] = {5, 4, 2, 0};
    for (int i = 0; i < 4; i++)
        KP_EXPECT_INT(run.glyphs[i].cluster, clusters[i]);
    kp_text_run_clear(&run);
    fixture_close(&fixture);
}

static void expect_breaks(const char *bytes, const char *expected)
{
    uint8_t breaks[256];
    size_t size = strlen(bytes);
    kp_text_line_breaks(bytes, size, NULL, breaks);
    char shown[257];
    for (size_t i = 0; i < size; i++)
        shown[i] = ".|!"[breaks[i]];
    shown[size] = 0;
    KP_EXPECT_STRING(shown, expected);
}

KP_TEST(text_breaks_like_chromium)
{
    expect_breaks("one two", "...|...");
    expect_breaks("a  b", "..|.");
    expect_breaks("a ", ".|");
    expect_breaks("ab-cd", "..|..");
    expect_breaks("a -1 b-1", ".|..|.|.");
    expect_breaks("a/b/c", ".....");
    expect_breaks("a.(b)", ".|...");
    expect_breaks("x\ny", ".!.");
    expect_breaks("\xe4\xb8\xad\xe6\x96\x87", "..|..."); /* between ideographs */
    expect_breaks("a\xc2\xa0"
                  "b",
                  "...."); /* no-break space */
    expect_breaks("a\xe2\x80\x94"
                  "b",
                  "|..|."); /* em dash: both sides */
    expect_breaks("\xff\xfe", "..");
}

KP_TEST(text_rasters_go_to_atlases)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_font_t *font = select_one(&fixture, "DejaVu Sans", 16, 400, false);
    uint32_t glyph = kp_text_face_glyph(font->face, 'l');
    kp_text_bitmap_t bitmap, again;
    KP_REQUIRE(kp_text_rasterize(fixture.text, font, glyph, 1, 0, &bitmap) == KP_OK);
    /* DejaVu Sans l: a stem from 193 to 377 of 2048 and up to 1556: 1.51..2.95 px, 12.16 px,
     * rounded to 1/64. */
    KP_EXPECT_INT(bitmap.left, 1);
    KP_EXPECT_INT(bitmap.width, 2);
    KP_EXPECT_INT(bitmap.height, 12); /* hinted: whole pixels */
    KP_EXPECT_INT(bitmap.top, 12);
    uint32_t stride = fixture.atlas_sizes[0];
    const uint8_t *row = fixture.atlases[0] + (bitmap.y + 6u) * stride + bitmap.x;
    KP_EXPECT_INT(row[0], 124);
    KP_EXPECT_INT(row[1], 244);
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, glyph, 1, 0, &again), KP_OK);
    KP_EXPECT(again.x == bitmap.x && again.y == bitmap.y);
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, glyph, 1, 2, &again), KP_OK);
    KP_EXPECT_INT(again.left, 2); /* half a pixel on: 2.01..3.45 */
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, glyph, 2, 0, &again), KP_OK);
    KP_EXPECT_INT(again.height, 24);
    glyph = kp_text_face_glyph(font->face, ' ');
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, glyph, 1, 0, &again), KP_OK);
    KP_EXPECT_INT(again.width, 0);
    fixture_close(&fixture);
}

KP_TEST(text_atlas_rectangles_never_overlap)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_font_t *font = select_one(&fixture, "serif", 30, 400, false);
    static kp_text_bitmap_t placed[600];
    for (uint32_t glyph = 0; glyph < 600; glyph++) {
        KP_REQUIRE(kp_text_rasterize(fixture.text, font, glyph, 1, 0, &placed[glyph]) == KP_OK);
        kp_text_bitmap_t *a = &placed[glyph];
        for (uint32_t i = 0; i < glyph && a->width; i++) {
            kp_text_bitmap_t *b = &placed[i];
            bool apart = !b->width || a->atlas != b->atlas || a->x + a->width <= b->x ||
                         b->x + b->width <= a->x || a->y + a->height <= b->y ||
                         b->y + b->height <= a->y;
            KP_EXPECT(apart);
        }
    }
    KP_EXPECT(fixture.atlas_count >= 2);
    fixture_close(&fixture);
}

KP_TEST(text_errors_are_statuses)
{
    kp_fixture_t fixture;
    KP_REQUIRE(fixture_open(&fixture));
    kp_text_font_t *font = select_one(&fixture, "DejaVu Sans", 16, 400, false);
    kp_text_bitmap_t bitmap;
    fixture.atlas_fails = true;
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, 40, 1, 0, &bitmap), KP_ERR_NO_MEMORY);
    fixture.atlas_fails = false;
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, 40, 1, 0, &bitmap), KP_OK);
    KP_EXPECT_INT(kp_text_rasterize(fixture.text, font, 0xffffffff, 1, 0, &bitmap), KP_OK);
    KP_EXPECT_INT(bitmap.width, 0);
    static const uint8_t junk[64] = {0, 1, 0, 0, 0, 9};
    KP_EXPECT_INT(kp_text_add_face(fixture.text, NULL, 0, 0, junk, sizeof junk), KP_ERR_BAD_FORMAT);
    const char *family = "DejaVu Sans";
    kp_text_style_t style = style_of(&family, 1, NAN, 400, false);
    KP_EXPECT_INT(kp_text_select(fixture.text, &style, &font), KP_ERR_INVALID_ARGUMENT);
    kp_text_t *empty = NULL;
    KP_REQUIRE(kp_text_create(&empty) == KP_OK);
    style.size = 16;
    KP_EXPECT_INT(kp_text_select(empty, &style, &font), KP_ERR_NOT_FOUND);
    kp_text_destroy(empty);
    fixture_close(&fixture);
}

/* A font cut off anywhere must neither crash nor be accepted beyond what its tables give. */
KP_TEST(text_survives_truncated_fonts)
{
    size_t size = 0;
    uint8_t *bytes = read_font("LiberationMono-Regular.ttf", &size);
    KP_REQUIRE(bytes);
    for (size_t cut = 0; cut < size; cut += size / 23 + 1) {
        uint8_t *copy = malloc(cut ? cut : 1);
        memcpy(copy, bytes, cut);
        kp_text_t *text = NULL;
        KP_REQUIRE(kp_text_create(&text) == KP_OK);
        if (kp_text_add_face(text, "x", 400, 0, copy, cut) == KP_OK) {
            const char *family = "x";
            kp_text_style_t style = style_of(&family, 1, 16, 400, false);
            kp_text_font_t *font = NULL;
            kp_text_run_t run;
            if (kp_text_select(text, &style, &font) == KP_OK &&
                kp_text_shape(text, &style, "Hello", 5, false, &run) == KP_OK)
                kp_text_run_clear(&run);
        }
        kp_text_destroy(text);
        free(copy);
    }
    free(bytes);
}

KP_TEST_MAIN()
