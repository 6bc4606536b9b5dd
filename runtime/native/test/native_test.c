/* The native flavour, on both machines: calls with pointers of every kind, heap, reservations, formatting.
   Runs as a system's shell; argument `stack`, `pointer`: the ways to end that the runtime promises. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "tests/kp_expect.h"

static void result(const char *name)
{
    kp_expect_result("native", name);
}

/* Static data and the stack, in and out. */
static void test_calls(void)
{
    static const uint8_t written[5000] = {1, 2, 3, [4999] = 9};
    static uint8_t read[5000];
    static kp_handle_t ends[2];
    static uint32_t actual[2];
    int64_t vmo = kp_vmo_create(8192);
    EXPECT(vmo > 0);
    EXPECT(kp_vmo_write((kp_handle_t)vmo, 100, written, sizeof written) == KP_OK);
    EXPECT(kp_vmo_read((kp_handle_t)vmo, 100, read, sizeof read) == KP_OK);
    EXPECT(memcmp(written, read, sizeof read) == 0);
    EXPECT(kp_channel_create(ends) == KP_OK && ends[0] > 0 && ends[1] > 0);
    static const char text[] = "of the image";
    EXPECT(kp_channel_write(ends[0], text, sizeof text, NULL, 0) == KP_OK);
    char local[32];
    EXPECT(kp_channel_read(ends[1], local, sizeof local, NULL, 0, actual) == KP_OK);
    EXPECT(actual[0] == sizeof text && strcmp(local, text) == 0);
    EXPECT(kp_boot_mark_text("native") == KP_OK);
    EXPECT(kp_now() > 0);
    EXPECT(kp_vmo_read((kp_handle_t)vmo, 8190, read, 3) == KP_ERR_OUT_OF_RANGE);
    (void)kp_handle_close((kp_handle_t)vmo);
    result("calls");
}

static uint32_t random_state = 1;
static uint32_t random_next(void)
{
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static void test_heap(void)
{
    enum { COUNT = 400 };
    static uint8_t *blocks[COUNT];
    static size_t sizes[COUNT];
    for (unsigned round = 0; round < 40000; round++) {
        unsigned i = random_next() % COUNT;
        bool right = true;
        for (size_t at = 0; at < sizes[i]; at += 61)
            right = right && blocks[i][at] == (uint8_t)(i + at);
        EXPECT(right);
        size_t size = random_next() % (random_next() % 64 ? 300 : 60000);
        switch (random_next() % 4) {
        case 0: {
            uint8_t *grown = realloc(blocks[i], size + 1);
            EXPECT(grown != NULL);
            for (size_t at = 0; grown && at < (size < sizes[i] ? size : sizes[i]); at += 61)
                right = right && grown[at] == (uint8_t)(i + at);
            EXPECT(right);
            blocks[i] = grown ? grown : blocks[i];
            break;
        }
        case 1: {
            size_t alignment = (size_t)16 << random_next() % 9;
            free(blocks[i]);
            blocks[i] = aligned_alloc(alignment, size + 1);
            EXPECT(blocks[i] && (uintptr_t)blocks[i] % alignment == 0);
            break;
        }
        default:
            free(blocks[i]);
            blocks[i] = malloc(size + 1);
            EXPECT(blocks[i] && (uintptr_t)blocks[i] % 16 == 0);
        }
        if (!blocks[i])
            size = 0;
        sizes[i] = size;
        for (size_t at = 0; at < size; at += 61)
            blocks[i][at] = (uint8_t)(i + at);
        if (failures > 10)
            break;
    }
    for (unsigned i = 0; i < COUNT; i++)
        free(blocks[i]);
    /* All of it is one block again. */
    void *most = malloc((8 << 20) - 4096);
    EXPECT(most != NULL);
    EXPECT(malloc(1 << 20) == NULL);
    free(most);
    EXPECT(calloc(SIZE_MAX / 2, 3) == NULL);
    EXPECT(malloc(SIZE_MAX) == NULL && malloc(UINT32_MAX) == NULL);
    EXPECT(aligned_alloc((size_t)1 << 40, 16) == NULL);
    result("heap");
}

static void test_pages(void)
{
    uint8_t *first = kp_native_pages_reserve(100 << 20);
    uint8_t *second = kp_native_pages_reserve((1 << 20) + 1);
    EXPECT(first && second && second - first == 100 << 20);
    EXPECT(kp_native_pages_reserve((uint64_t)5 << 30) == NULL);
    EXPECT(kp_native_pages_commit(first, 2 << 20) == KP_OK);
    EXPECT(first[0] == 0 && first[(2 << 20) - 1] == 0);
    memset(first, 7, 2 << 20);
    kp_native_pages_release(first, 100 << 20);
    first = kp_native_pages_reserve(50 << 20);
    EXPECT(first && kp_native_pages_commit(first, 1 << 20) == KP_OK);
    EXPECT(first && first[0] == 0 && first[(1 << 20) - 1] == 0);
    /* The shell's job has 256 MiB. */
    uint8_t *large = kp_native_pages_reserve(500 << 20);
    EXPECT(large && kp_native_pages_commit(large, 500 << 20) == KP_ERR_QUOTA);
    result("pages");
}

static int compare(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void test_library(void)
{
    char text[64], *end;
    snprintf(text, sizeof text, "%5d|%-4s|%08" PRIx64 "|%.2s|%zu", -42, "ab", (uint64_t)0xbeef,
             "xyz", (size_t)7);
    EXPECT(strcmp(text, "  -42|ab  |0000beef|xy|7") == 0);
    EXPECT(snprintf(text, 3, "%s", "longer") == 6 && strcmp(text, "lo") == 0);
    EXPECT(strtol("  -12x", &end, 10) == -12 && *end == 'x');
    EXPECT(strtoull("18446744073709551615", NULL, 10) == UINT64_MAX);
    errno = 0;
    EXPECT(strtoull("18446744073709551616", NULL, 10) == UINT64_MAX && errno == ERANGE);
    EXPECT(strtoll("-9223372036854775808", NULL, 10) == INT64_MIN);
    EXPECT(strtoul("0xff", NULL, 0) == 255 && strtoul("0755", NULL, 0) == 0755);
    int numbers[500];
    for (int i = 0; i < 500; i++)
        numbers[i] = (int)(random_next() % 1000);
    qsort(numbers, 500, sizeof numbers[0], compare);
    bool sorted = true;
    for (int i = 1; i < 500; i++)
        sorted = sorted && numbers[i - 1] <= numbers[i];
    EXPECT(sorted);
    EXPECT(bsearch(&numbers[77], numbers, 500, sizeof numbers[0], compare) != NULL);
    int absent = 1000;
    EXPECT(bsearch(&absent, numbers, 500, sizeof numbers[0], compare) == NULL);
    EXPECT(strcmp(strrchr("a/b/c", '/'), "/c") == 0 && strstr("haystack", "sta") != NULL &&
           strcspn("abc,d", ",") == 3);
    result("library");
}

/* As deep as the stack is, many times; volatile, so that no compiler makes a loop of it. */
static unsigned recurse(volatile unsigned depth)
{
    volatile char frame[30000];
    frame[depth % sizeof frame] = (char)depth;
    return depth == 1000000 ? 1 : recurse(depth + 1) + (unsigned)frame[0];
}

int main(int argc, char **argv)
{
    kp_native_output_set(kp_startup_take("dev:console0"));
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "stack") == 0)
            return (int)recurse(0);
        if (strcmp(argv[i], "pointer") == 0)
            return (int)kp_mem("a literal");
    }
    EXPECT(argc >= 1 && strcmp(argv[0], "shell") == 0);
    test_calls();
    test_heap();
    test_pages();
    test_library();
    return failures ? 1 : 0;
}
