#include <stdlib.h>

#include "tests/kp_test.h"
#include "tools/kpio/ppm.h"

static kp_status_t decode(const char *text, size_t size, uint8_t **pixels, uint32_t *width,
                          uint32_t *height)
{
    uint8_t *copy = malloc(size ? size : 1); /* exact, so that ASan sees an overrun */
    memcpy(copy, text, size);
    kp_status_t status = kp_ppm_decode(copy, size, pixels, width, height);
    free(copy);
    return status;
}

KP_TEST(ppm_decodes)
{
    static const char picture[] = "P6\n# made by hand\n2 1\n255\n\x01\x02\x03\xff\x80\x00";
    uint8_t *pixels = NULL;
    uint32_t width, height;
    KP_REQUIRE(decode(picture, sizeof picture - 1, &pixels, &width, &height) == KP_OK);
    KP_EXPECT_INT(width, 2);
    KP_EXPECT_INT(height, 1);
    KP_EXPECT(memcmp(pixels, "\x03\x02\x01\x00\x00\x80\xff\x00", 8) == 0);
    free(pixels);
}

KP_TEST(ppm_refuses)
{
    static const char *const bad[] = {"",
                                      "P6",
                                      "P5\n1 1\n255\nabc",
                                      "P6\n1 1\n65535\nabcdef",
                                      "P6\n0 1\n255\n",
                                      "P6\n1 1\n255\nab",
                                      "P6\n-1 1\n255\nabc",
                                      "P6\n# no end",
                                      "P6\n1x1\n255\nabc",
                                      "P6\n9999999 1\n255\nabc"};
    uint8_t *pixels;
    uint32_t width, height;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        KP_EXPECT_INT(decode(bad[i], strlen(bad[i]), &pixels, &width, &height), KP_ERR_BAD_FORMAT);
    KP_EXPECT_INT(decode("P6\n20000 1\n255\n", 15, &pixels, &width, &height), KP_ERR_TOO_LARGE);
}

KP_TEST_MAIN()
