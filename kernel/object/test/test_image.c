#include "kernel/test/machine.h"
#include "tests/kp_test.h"

static uint8_t file[KP_TEST_IMAGE_SIZE];

static kp_status_t parse(size_t size, kp_image_t *image)
{
    return kp_image_parse(image, "test", file, size, KP_IMAGE_MACHINE_HOSTED);
}

KP_TEST(a_valid_image_is_understood)
{
    kp_image_t image;
    size_t size = kp_test_image_build(file, 3, 100);
    KP_REQUIRE(parse(size, &image) == KP_OK);
    KP_EXPECT_INT(image.segment_count, 3);
    KP_EXPECT_INT(image.segments[0].flags, 0);
    KP_EXPECT_INT(image.segments[1].flags, KP_IMAGE_SEGMENT_EXECUTE);
    KP_EXPECT_INT(image.segments[1].address, 0x1000);
    KP_EXPECT_INT(image.segments[1].size, 0x1000);
    KP_EXPECT_INT(image.segments[2].flags, KP_IMAGE_SEGMENT_WRITE);
    KP_EXPECT_INT(image.segments[2].address, 0x3000);
    KP_EXPECT_INT(image.segments[2].file_offset, 0x2000);
    KP_EXPECT_INT(image.segments[2].file_size, 0x110);
    KP_EXPECT_INT(image.segments[2].size, 0x3000);
    KP_EXPECT_INT(image.span, 0x6000);
    KP_EXPECT_INT(image.entry, 0x1010);
    KP_EXPECT_INT(image.info.initial_pages, 3);
    KP_EXPECT_INT(image.info.maximum_pages, 100);
    KP_EXPECT_STRING(image.name, "test");
}

KP_TEST(truncated_images_are_refused)
{
    kp_image_t image;
    size_t size = kp_test_image_build(file, 3, 100);
    /* The data segment's file bytes end at 0x2110: everything before is needed. */
    for (size_t cut = 0; cut < 0x2110; cut++) {
        if (parse(cut, &image) == KP_OK)
            KP_FAIL("accepted with %zu bytes", cut);
    }
    KP_EXPECT_INT(parse(size, &image), KP_OK);
}

typedef struct damage {
    const char *what;
    size_t at;
    unsigned width;
    uint64_t value;
    kp_status_t expected;
} damage_t;

#define HEADER(index, field) (64 + 56 * (index) + (field))
#define NOTE (0x180)

static const damage_t damages[] = {
    {"magic", 0, 1, 0x7e, KP_ERR_BAD_FORMAT},
    {"class 32", 4, 1, 1, KP_ERR_BAD_FORMAT},
    {"big-endian", 5, 1, 2, KP_ERR_BAD_FORMAT},
    {"executable, not ET_DYN", 16, 2, 2, KP_ERR_BAD_FORMAT},
    {"another processor", 18, 2, 40, KP_ERR_BAD_FORMAT},
    {"entry in data", 24, 8, 0x3010, KP_ERR_BAD_FORMAT},
    {"entry after the code", 24, 8, 0x1100, KP_ERR_BAD_FORMAT},
    {"entry huge", 24, 8, UINT64_MAX, KP_ERR_BAD_FORMAT},
    {"header table beyond the file", 32, 8, 0x100000, KP_ERR_BAD_FORMAT},
    {"header table wraps", 32, 8, UINT64_MAX - 8, KP_ERR_BAD_FORMAT},
    {"header size", 54, 2, 32, KP_ERR_BAD_FORMAT},
    {"too many headers", 56, 2, 17, KP_ERR_BAD_FORMAT},
    {"no note", 56, 2, 3, KP_ERR_BAD_FORMAT},
    {"W and X", HEADER(1, 4), 4, 7, KP_ERR_BAD_FORMAT},
    {"not readable", HEADER(1, 4), 4, 1, KP_ERR_BAD_FORMAT},
    {"file offset beyond", HEADER(2, 8), 8, 0x100010, KP_ERR_BAD_FORMAT},
    {"file offset wraps", HEADER(2, 8), 8, UINT64_MAX - 0xfef, KP_ERR_BAD_FORMAT},
    {"offset not congruent", HEADER(2, 8), 8, 0x2020, KP_ERR_BAD_FORMAT},
    {"address wraps", HEADER(2, 16), 8, UINT64_MAX - 0xfef, KP_ERR_BAD_FORMAT},
    {"address far away", HEADER(2, 16), 8, 0x40000010, KP_ERR_BAD_FORMAT},
    {"shares a page", HEADER(2, 16), 8, 0x1010, KP_ERR_BAD_FORMAT},
    {"file size beyond", HEADER(2, 32), 8, 0x2000000, KP_ERR_BAD_FORMAT},
    {"file size over memory size", HEADER(2, 40), 8, 0xff, KP_ERR_BAD_FORMAT},
    {"memory size wraps", HEADER(2, 40), 8, UINT64_MAX - 0x10, KP_ERR_BAD_FORMAT},
    {"memory size huge", HEADER(2, 40), 8, 0x40000000, KP_ERR_BAD_FORMAT},
    {"zeroes in read-only memory", HEADER(1, 40), 8, 0x800, KP_ERR_BAD_FORMAT},
    {"interpreter", HEADER(3, 0), 4, 3, KP_ERR_BAD_FORMAT},
    {"note beyond the file", HEADER(3, 8), 8, 0x100000, KP_ERR_BAD_FORMAT},
    {"note cut", HEADER(3, 32), 8, 30, KP_ERR_BAD_FORMAT},
    {"note name size", NOTE, 4, UINT32_MAX, KP_ERR_BAD_FORMAT},
    {"note description size", NOTE + 4, 4, UINT32_MAX, KP_ERR_BAD_FORMAT},
    {"note description short", NOTE + 4, 4, 12, KP_ERR_BAD_FORMAT},
    {"another note's type", NOTE + 8, 4, 2, KP_ERR_BAD_FORMAT},
    {"another note's owner", NOTE + 12, 1, 'X', KP_ERR_BAD_FORMAT},
    {"version", NOTE + 20, 4, 2, KP_ERR_NOT_SUPPORTED},
    {"other machine", NOTE + 24, 4, KP_IMAGE_MACHINE_X86_64, KP_ERR_NOT_SUPPORTED},
    {"initial over maximum", NOTE + 28, 4, 101, KP_ERR_BAD_FORMAT},
    {"maximum over the limit", NOTE + 32, 4, KP_IMAGE_PAGES_LIMIT + 1, KP_ERR_BAD_FORMAT},
};

KP_TEST(damaged_images_are_refused)
{
    for (size_t i = 0; i < KP_ARRAY_COUNT(damages); i++) {
        kp_image_t image;
        size_t size = kp_test_image_build(file, 3, 100);
        for (unsigned k = 0; k < damages[i].width; k++)
            file[damages[i].at + k] = (uint8_t)(damages[i].value >> (8 * k));
        kp_status_t status = parse(size, &image);
        if (status != damages[i].expected)
            KP_FAIL("%s: %s", damages[i].what, kp_status_name(status));
    }
}

KP_TEST_MAIN()
