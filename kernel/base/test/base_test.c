#include <limits.h>

#include "kernel/base/nospec.h"
#include "kernel/base/base.h"
#include "kernel/base/random.h"
#include "tests/kp_test.h"

/* What libc's printf gives is right. */
#define SAME(...)                                                     \
    do {                                                              \
        char ours[128], theirs[128];                                  \
        KP_EXPECT_INT(kp_snprintf(ours, sizeof(ours), __VA_ARGS__),   \
                      snprintf(theirs, sizeof(theirs), __VA_ARGS__)); \
        KP_EXPECT_STRING(ours, theirs);                               \
    } while (0)

KP_TEST(snprintf_numbers)
{
    SAME("%d %d %d", 0, INT_MIN, INT_MAX);
    SAME("%lld %lld", LLONG_MIN, LLONG_MAX);
    SAME("%u %x %X %lu", UINT_MAX, 0xdeadbeefu, 0xbeefu, ULONG_MAX);
    SAME("%llx %zu %zx", ULLONG_MAX, (size_t)SIZE_MAX, (size_t)0);
    SAME("[%5d] [%-5d] [%05d] [%+d] [% d]", -42, -42, -42, 42, 42);
    SAME("[%8x] [%-8x] [%08x]", 0x1234u, 0x1234u, 0x1234u);
    SAME("[%*d] [%*d]", 6, 7, -6, 7);
    SAME("[%.3d] [%8.3d] [%.0d]", 7, 7, 0);
    SAME("[%hhu] [%hu] [%hhd]", (unsigned char)200, (unsigned short)65535, (signed char)-1);
    SAME("%p", (void *)0x1234abcd);
}

KP_TEST(snprintf_text)
{
    SAME("%s %c %%", "text", 'x');
    SAME("[%10s] [%-10s] [%.2s] [%10.2s] [%.*s]", "text", "text", "text", "text", 3, "text");
    SAME("no format at all");
}

KP_TEST(snprintf_bounds)
{
    char small[8];
    memset(small, 'z', sizeof(small));
    KP_EXPECT_INT(kp_snprintf(small, 5, "%s", "123456789"), 9);
    KP_EXPECT_STRING(small, "1234");
    KP_EXPECT_INT(small[5], 'z');
    KP_EXPECT_INT(kp_snprintf(small, 1, "abc"), 3);
    KP_EXPECT_STRING(small, "");
    KP_EXPECT_INT(kp_snprintf(NULL, 0, "%d", 12345), 5);
}

/* RFC 8439, section 2.3.2. */
KP_TEST(chacha20_block)
{
    uint32_t key[8];
    for (unsigned i = 0; i < 8; i++)
        key[i] = (4 * i) | (4 * i + 1) << 8 | (4 * i + 2) << 16 | (4 * i + 3) << 24;
    const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
    static const uint8_t expected[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
    uint8_t block[64];
    kp_chacha20_block(key, 1, nonce, block);
    KP_EXPECT_INT(memcmp(block, expected, sizeof(block)), 0);
}

KP_TEST(random_differs)
{
    kp_random_t a = {{0}}, b = {{0}};
    uint8_t x[100], y[100];
    kp_random_add(&a, "seed", 4);
    kp_random_add(&b, "seed", 4);
    kp_random_bytes(&a, x, sizeof(x));
    kp_random_bytes(&b, y, sizeof(y));
    KP_EXPECT_INT(memcmp(x, y, sizeof(x)), 0);
    kp_random_bytes(&b, y, sizeof(y));
    KP_EXPECT(memcmp(x, y, sizeof(x)) != 0);
    /* Trailing zeroes count. */
    kp_random_t c = {{0}}, d = {{0}};
    kp_random_add(&c, "seed\0", 5);
    kp_random_add(&d, "seed", 4);
    KP_EXPECT(memcmp(&c, &d, sizeof(c)) != 0);
}

KP_TEST(index_nospec)
{
    static const size_t sizes[] = {1, 2, 7, 4096, (size_t)1 << 62};
    for (size_t i = 0; i < 5; i++) {
        size_t size = sizes[i];
        KP_EXPECT(kp_index_nospec(0, size) == 0);
        KP_EXPECT(kp_index_nospec(size - 1, size) == size - 1);
        KP_EXPECT(kp_index_nospec(size / 2, size) == size / 2);
        KP_EXPECT(kp_index_nospec(size, size) == 0);
        KP_EXPECT(kp_index_nospec(size + 1, size) == 0);
        KP_EXPECT(kp_index_nospec(SIZE_MAX, size) == 0);
        KP_EXPECT(kp_index_nospec(SIZE_MAX / 2 + 1, size) == 0);
    }
    KP_EXPECT(kp_index_nospec(0, 0) == 0);
}

KP_TEST_MAIN()
