/* Our PNG writer against libpng's reader. */
#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/kp_test.h"
#include "tools/kpio/file.h"
#include "tools/kpio/png.h"

static uint32_t random_state = 12345;

static uint32_t random_next(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Encodes, decodes with libpng, compares every pixel; returns the file's size, 0 on failure. */
static size_t round_trip(const uint32_t *pixels, uint32_t width, uint32_t height, size_t stride)
{
    uint8_t *bytes = NULL;
    size_t size = 0, wrong = 0;
    if (kp_png_encode((const uint8_t *)pixels, width, height, stride, &bytes, &size) != KP_OK) {
        KP_FAIL("%ux%u does not encode", width, height);
        return 0;
    }
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, bytes, size)) {
        KP_FAIL("libpng: %s", image.message);
        free(bytes);
        return 0;
    }
    KP_EXPECT_INT(image.width, width);
    KP_EXPECT_INT(image.height, height);
    image.format = PNG_FORMAT_BGRA;
    uint32_t *decoded = malloc(PNG_IMAGE_SIZE(image));
    if (!png_image_finish_read(&image, NULL, decoded, 0, NULL))
        KP_FAIL("libpng: %s", image.message);
    for (uint32_t y = 0; y < height; y++) {
        const uint32_t *row = (const uint32_t *)((const uint8_t *)pixels + y * stride);
        for (uint32_t x = 0; x < width; x++)
            wrong += decoded[(size_t)y * width + x] != (row[x] | 0xff000000u);
    }
    KP_EXPECT_INT(wrong, 0);
    free(decoded);
    free(bytes);
    return wrong ? 0 : size;
}

KP_TEST(png_flat_is_small)
{
    uint32_t *pixels = malloc((size_t)1280 * 800 * 4);
    for (size_t i = 0; i < (size_t)1280 * 800; i++)
        pixels[i] = 0x00ffffff;
    size_t size = round_trip(pixels, 1280, 800, (size_t)1280 * 4);
    KP_EXPECT(size > 0 && size < 20000);
    free(pixels);
}

KP_TEST(png_noise)
{
    uint32_t *pixels = malloc((size_t)300 * 301 * 4);
    for (size_t i = 0; i < (size_t)300 * 301; i++)
        pixels[i] = random_next() | random_next() << 16;
    size_t size = round_trip(pixels, 300, 301, (size_t)300 * 4);
    KP_EXPECT(size > 0 && size < 300 * 301 * 3 + 4000); /* stored, not blown up */
    free(pixels);
}

/* Rows like text: runs of background with irregular marks, repeated here and there. */
KP_TEST(png_text_like)
{
    uint32_t width = 1000, height = 700;
    uint32_t *pixels = malloc((size_t)width * height * 4);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            bool ink = y % 20 < 12 && (x * 7 + y / 20 * 13) % 11 < 4 && random_next() % 8 > 2;
            pixels[y * width + x] = ink ? random_next() % 4 * 0x404040 : 0xf8f8f8;
        }
    }
    size_t size = round_trip(pixels, width, height, (size_t)width * 4);
    KP_EXPECT(size > 0 && size < (size_t)width * height);
    free(pixels);
}

KP_TEST(png_gradient_with_stride)
{
    uint32_t width = 257, height = 130, row = 300;
    uint32_t *pixels = calloc((size_t)row * height, 4);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++)
            pixels[y * row + x] = x << 16 | y << 8 | (x + y) % 256;
    }
    size_t size = round_trip(pixels, width, height, (size_t)row * 4);
    KP_EXPECT(size > 0 && size < 20000);
    free(pixels);
}

KP_TEST(png_every_small_size)
{
    uint32_t pixels[20 * 20];
    for (uint32_t i = 0; i < 400; i++)
        pixels[i] = random_next() % 3 ? 0x112233 : random_next();
    for (uint32_t width = 1; width <= 20; width++) {
        for (uint32_t height = 1; height <= 20; height += 3)
            KP_EXPECT(round_trip(pixels, width, height, 80) > 0);
    }
}

KP_TEST(png_skewed_counts) /* code lengths beyond 15 without the cut */
{
    uint32_t width = 512, height = 512, at = 0;
    uint32_t *pixels = calloc((size_t)width * height, 4);
    for (uint32_t value = 1, count = 1; value < 25; value++, count += count / 2 + 1) {
        for (uint32_t i = 0; i < count && at < width * height; i++, at++)
            pixels[at * 7919 % (width * height)] = value * 0x010307;
    }
    KP_EXPECT(round_trip(pixels, width, height, (size_t)width * 4) > 0);
    free(pixels);
}

KP_TEST(png_refuses_nonsense)
{
    uint32_t pixel = 0;
    uint8_t *bytes;
    size_t size;
    KP_EXPECT_INT(kp_png_encode((uint8_t *)&pixel, 0, 1, 4, &bytes, &size),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_png_encode((uint8_t *)&pixel, 1, 0, 4, &bytes, &size),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_png_encode((uint8_t *)&pixel, 2, 1, 4, &bytes, &size),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_png_encode((uint8_t *)&pixel, 1u << 20, 1u << 20, 4u << 20, &bytes, &size),
                  KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(kp_png_write("/no/such/folder/x.png", (uint8_t *)&pixel, 1, 1, 4), KP_ERR_IO);
}

KP_TEST(png_write_replaces_the_file)
{
    char path[] = "/tmp/kp-png-XXXXXX";
    uint32_t pixel = 0x00123456;
    int file = mkstemp(path);
    KP_REQUIRE(file >= 0);
    close(file);
    KP_EXPECT_INT(kp_png_write(path, (uint8_t *)&pixel, 1, 1, 4), KP_OK);
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *bytes = NULL;
    size_t size = 0;
    KP_EXPECT_INT(kp_file_read(path, 1 << 20, &bytes, &size), KP_OK);
    KP_EXPECT(bytes && png_image_begin_read_from_memory(&image, bytes, size));
    png_image_free(&image);
    free(bytes);
    unlink(path);
}

KP_TEST_MAIN()
