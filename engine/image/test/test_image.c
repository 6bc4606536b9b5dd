/* Decoders on images that the test encodes itself: every pixel format, truncated, damaged, bombs.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

#include "engine/image/image.h"
#include "tests/kp_test.h"

#define W 37
#define H 29

typedef struct kp_file {
    uint8_t bytes[1 << 16];
    size_t size;
} kp_file_t;

static kp_file_t file;
static uint8_t pixels[W * H * 4];
static kp_image_info_t info;
static bool partial;

/* ---- the picture: colours by formula ---- */
static uint8_t red(int x, int y)
{
    (void)y;
    return (uint8_t)(x * 6);
}

static uint8_t green(int x, int y)
{
    (void)x;
    return (uint8_t)(y * 8);
}

static uint8_t blue(int x, int y)
{
    return (uint8_t)(x + y);
}

static uint8_t alpha(int x, int y)
{
    return (uint8_t)(x > y ? 255 : x * 7);
}

static void png_put(png_structp png, png_bytep bytes, size_t count)
{
    kp_file_t *out = png_get_io_ptr(png);
    if (out->size + count > sizeof out->bytes)
        png_error(png, "full");
    memcpy(out->bytes + out->size, bytes, count);
    out->size += count;
}

static void png_flush_nothing(png_structp png)
{
    (void)png;
}

static size_t png_row(uint8_t *row, int y, int type, int depth)
{
    size_t at = 0;
    for (int x = 0; x < W; x++) {
        if (type == PNG_COLOR_TYPE_PALETTE) {
            row[at++] = (uint8_t)(x % 4);
            continue;
        }
        int channels[4] = {red(x, y), green(x, y), blue(x, y), alpha(x, y)};
        int first = type & PNG_COLOR_MASK_COLOR ? 0 : 2;
        for (int n = first; n < 4; n++) {
            if (n == 3 && !(type & PNG_COLOR_MASK_ALPHA))
                continue;
            row[at++] = (uint8_t)channels[n];
            if (depth == 16)
                row[at++] = (uint8_t)channels[n];
        }
    }
    return at;
}

static void make_png(int type, int depth, int interlace)
{
    file.size = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop head = png_create_info_struct(png);
    png_set_write_fn(png, &file, png_put, png_flush_nothing);
    png_set_compression_level(png, 0); /* rows spread evenly over the bytes */
    png_set_IHDR(png, head, W, H, depth, type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[4] = {{1, 2, 3}, {40, 50, 60}, {255, 0, 255}, {0, 255, 0}};
        png_byte transparent[2] = {0, 128};
        png_set_PLTE(png, head, palette, 4);
        png_set_tRNS(png, head, transparent, 2, NULL);
    }
    png_write_info(png, head);
    static uint8_t rows[H][W * 8];
    png_bytep pointers[H];
    for (int y = 0; y < H; y++) {
        png_row(rows[y], y, type, depth);
        pointers[y] = rows[y];
    }
    png_write_image(png, pointers);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &head);
}

static kp_status_t decode(size_t size)
{
    kp_status_t status = kp_image_probe(file.bytes, size, &info);
    if (status != KP_OK)
        return status;
    if (info.width != W || info.height != H)
        return KP_ERR_INVALID_ARGUMENT;
    /* Of exact size, so that ASan sees reading beyond the end. */
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, file.bytes, size);
    status = kp_image_decode(copy, size, pixels, W * 4, &partial);
    free(copy);
    return status;
}

static int premultiplied(int value, int by)
{
    return (value * by + 127) / 255;
}

static void expect_pixel(int x, int y, int r, int g, int b, int a, int tolerance)
{
    const uint8_t *p = pixels + (y * W + x) * 4;
    int expected[4] = {premultiplied(b, a), premultiplied(g, a), premultiplied(r, a), a};
    for (int n = 0; n < 4; n++) {
        if (abs(p[n] - expected[n]) > tolerance) {
            KP_FAIL("(%d, %d)[%d] is %d, expected %d", x, y, n, p[n], expected[n]);
            return;
        }
    }
}

KP_TEST(image_png_of_every_kind)
{
    static const int kinds[][3] = {
        {PNG_COLOR_TYPE_RGB, 8, 0},        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 0},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8, 1},  {PNG_COLOR_TYPE_RGB, 16, 1},
        {PNG_COLOR_TYPE_GRAY, 8, 0},       {PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, 1},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        int type = kinds[k][0];
        make_png(type, kinds[k][1], kinds[k][2]);
        KP_EXPECT_INT(decode(file.size), KP_OK);
        KP_EXPECT(!partial);
        bool color = type & PNG_COLOR_MASK_COLOR;
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++)
                expect_pixel(x, y, color ? red(x, y) : blue(x, y), color ? green(x, y) : blue(x, y),
                             blue(x, y), type & PNG_COLOR_MASK_ALPHA ? alpha(x, y) : 255, 1);
        }
    }
}

KP_TEST(image_png_palette_with_transparency)
{
    make_png(PNG_COLOR_TYPE_PALETTE, 8, 0);
    KP_REQUIRE(decode(file.size) == KP_OK);
    expect_pixel(0, 3, 1, 2, 3, 0, 0);
    expect_pixel(1, 3, 40, 50, 60, 128, 1);
    expect_pixel(2, 3, 255, 0, 255, 255, 0);
    expect_pixel(3, 3, 0, 255, 0, 255, 0);
}

KP_TEST(image_png_truncated_gives_the_rows_that_arrived)
{
    for (int interlace = 0; interlace < 2; interlace++) {
        make_png(PNG_COLOR_TYPE_RGB, 8, interlace);
        size_t full = file.size;
        int shown = 0;
        for (size_t size = 0; size < full - 12; size++) { /* 12: IEND is not missed */
            kp_status_t status = decode(size);
            KP_EXPECT(status == KP_OK || status == KP_ERR_BAD_FORMAT ||
                      status == KP_ERR_SHOULD_WAIT);
            if (status == KP_OK) {
                shown++;
                if (!interlace)
                    expect_pixel(20, 0, red(20, 0), green(20, 0), blue(20, 0), 255, 0);
            }
        }
        KP_EXPECT(shown > 50);
        KP_EXPECT_INT(decode(full / 2), KP_OK);
        KP_EXPECT(partial);
    }
}

KP_TEST(image_png_damage_is_noticed)
{
    make_png(PNG_COLOR_TYPE_RGB, 8, 0);
    file.bytes[file.size - 40] ^= 0x55;
    kp_status_t status = decode(file.size);
    KP_EXPECT(status == KP_ERR_BAD_FORMAT || (status == KP_OK && partial));
    make_png(PNG_COLOR_TYPE_RGB, 8, 0);
    file.bytes[25] = 7; /* no such colour type */
    KP_EXPECT_INT(decode(file.size), KP_ERR_BAD_FORMAT);
}

static void make_jpeg(int components, J_COLOR_SPACE space, bool progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *out = NULL;
    unsigned long size = 0;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &size);
    jpeg.image_width = W;
    jpeg.image_height = H;
    jpeg.input_components = components;
    jpeg.in_color_space = space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 97, TRUE);
    for (int i = 0; i < jpeg.num_components; i++)
        jpeg.comp_info[i].h_samp_factor = jpeg.comp_info[i].v_samp_factor = 1;
    if (progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < H; y++) {
        uint8_t row[W * 4], *rows[1] = {row};
        for (int x = 0; x < W; x++) {
            uint8_t channels[4] = {red(x, y), green(x, y), blue(x, y), 0};
            for (int n = 0; n < components; n++)
                row[x * components + n] = space == JCS_GRAYSCALE ? blue(x, y)
                                          : space == JCS_CMYK    ? (n == 3 ? 255 : channels[n])
                                                                 : channels[n];
        }
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    file.size = size < sizeof file.bytes ? size : 0;
    memcpy(file.bytes, out, file.size);
    free(out);
}

KP_TEST(image_jpeg_of_every_kind)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        make_jpeg(3, JCS_RGB, progressive);
        KP_REQUIRE(decode(file.size) == KP_OK);
        KP_EXPECT(!partial);
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++)
                expect_pixel(x, y, red(x, y), green(x, y), blue(x, y), 255, 8);
        }
    }
    make_jpeg(1, JCS_GRAYSCALE, false);
    KP_REQUIRE(decode(file.size) == KP_OK);
    expect_pixel(10, 10, 20, 20, 20, 255, 4);
    /* CMYK with Adobe's marker: inverted inks, black ink 255 is none. */
    make_jpeg(4, JCS_CMYK, false);
    KP_REQUIRE(decode(file.size) == KP_OK);
    expect_pixel(12, 20, red(12, 20), green(12, 20), blue(12, 20), 255, 8);
}

KP_TEST(image_jpeg_truncated_gives_what_arrived)
{
    for (int progressive = 0; progressive < 2; progressive++) {
        make_jpeg(3, JCS_RGB, progressive);
        size_t full = file.size;
        int shown = 0;
        for (size_t size = 0; size < full - 2; size++) {
            kp_status_t status = decode(size);
            KP_EXPECT(status == KP_OK || status == KP_ERR_BAD_FORMAT ||
                      status == KP_ERR_SHOULD_WAIT);
            if (status == KP_OK) {
                KP_EXPECT(partial);
                shown++;
            }
        }
        KP_EXPECT(shown > 100);
    }
}

KP_TEST(image_probe_waits_and_refuses)
{
    make_png(PNG_COLOR_TYPE_RGB, 8, 0);
    KP_EXPECT_INT(kp_image_probe(file.bytes, 0, &info), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_image_probe(file.bytes, 5, &info), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_image_probe(file.bytes, 24, &info), KP_OK);
    KP_EXPECT_INT(kp_image_probe((const uint8_t *)"GIF89a", 6, &info), KP_ERR_BAD_FORMAT);
    make_jpeg(3, JCS_RGB, false);
    KP_EXPECT_INT(kp_image_probe(file.bytes, 40, &info), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_image_probe(file.bytes, file.size, &info), KP_OK);
    KP_EXPECT_INT(info.width, W);
}

/* Heads that announce more than anyone has memory for, or nothing. */
KP_TEST(image_bombs_are_refused)
{
    make_png(PNG_COLOR_TYPE_RGB, 8, 0);
    memcpy(file.bytes + 16, "\0\0\xff\xff\0\0\xff\xff", 8);
    KP_EXPECT_INT(kp_image_probe(file.bytes, file.size, &info), KP_ERR_TOO_LARGE);
    memcpy(file.bytes + 16, "\xff\xff\xff\xff\0\0\0\1", 8);
    KP_EXPECT_INT(kp_image_probe(file.bytes, file.size, &info), KP_ERR_TOO_LARGE);
    memcpy(file.bytes + 16, "\0\0\0\0\0\0\0\1", 8);
    KP_EXPECT_INT(kp_image_probe(file.bytes, file.size, &info), KP_ERR_BAD_FORMAT);
    make_jpeg(3, JCS_RGB, false);
    for (size_t i = 0; i + 9 < file.size; i++) {
        if (file.bytes[i] == 0xff && file.bytes[i + 1] == 0xc0) {
            memset(file.bytes + i + 5, 0xff, 4);
            break;
        }
    }
    KP_EXPECT_INT(kp_image_probe(file.bytes, file.size, &info), KP_ERR_TOO_LARGE);
    uint8_t byte;
    KP_EXPECT_INT(kp_image_decode(file.bytes, file.size, &byte, 4, &partial), KP_ERR_TOO_LARGE);
}

KP_TEST_MAIN()
