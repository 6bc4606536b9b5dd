#include <stdlib.h>
#include <unistd.h>

#include "kernel/init/unpack.h"
#include "tests/kp_test.h"
#include "tools/bundle/pack.h"
#include "tools/bundle/squeeze.h"

enum { FILE_MAX = 1 << 20 };

static char folder[64];

static const char *in_folder(const char *name)
{
    static char paths[8][160];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(in_folder(name), "wb");
    if (!file)
        abort();
    if (size)
        fwrite(bytes, size, 1, file);
    fclose(file);
}

static uint8_t *get(const char *name, size_t *size)
{
    FILE *file = fopen(in_folder(name), "rb");
    if (!file)
        return NULL;
    uint8_t *bytes = malloc(FILE_MAX);
    *size = bytes ? fread(bytes, 1, FILE_MAX, file) : 0;
    fclose(file);
    return bytes;
}

KP_TEST(bundle_input_parse)
{
    kp_bundle_input_t input;
    char good[] = "fonts/a.ttf=/x/y=z", empty[] = "=x", none[] = "abc",
         no_path[] = "a=", absolute[] = "/a=b", doubled[] = "a//b=c";
    KP_EXPECT(kp_bundle_input_parse(good, &input));
    KP_EXPECT_STRING(input.name, "fonts/a.ttf");
    KP_EXPECT_STRING(input.path, "/x/y=z");
    KP_EXPECT(!kp_bundle_input_parse(empty, &input));
    KP_EXPECT(!kp_bundle_input_parse(none, &input));
    KP_EXPECT(!kp_bundle_input_parse(no_path, &input));
    KP_EXPECT(!kp_bundle_input_parse(absolute, &input));
    KP_EXPECT(!kp_bundle_input_parse(doubled, &input));
    char longest[KP_BUNDLE_NAME_MAX + 8];
    memset(longest, 'n', sizeof longest);
    memcpy(longest + KP_BUNDLE_NAME_MAX - 1, "=p", 3);
    KP_EXPECT(kp_bundle_input_parse(longest, &input));
    memset(longest, 'n', sizeof longest);
    memcpy(longest + KP_BUNDLE_NAME_MAX, "=p", 3);
    KP_EXPECT(!kp_bundle_input_parse(longest, &input));
}

KP_TEST(bundle_pack_layout)
{
    char error[256];
    uint8_t big[5000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 7 + 1);
    put("big", big, sizeof big);
    put("empty", "", 0);
    put("small", "hello", 5);
    kp_bundle_input_t inputs[] = {{"z/small", in_folder("small"), 0},
                                  {"a/big", in_folder("big"), 0},
                                  {"m/empty", in_folder("empty"), 0}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("out"), inputs, 3, error, sizeof error), KP_OK);
    size_t size = 0;
    uint8_t *bytes = get("out", &size);
    KP_REQUIRE(bytes && size >= sizeof(kp_bundle_header_t) + 3 * sizeof(kp_bundle_entry_t));
    kp_bundle_header_t header;
    kp_bundle_entry_t entries[3];
    memcpy(&header, bytes, sizeof header);
    memcpy(entries, bytes + sizeof header, sizeof entries);
    KP_EXPECT(header.magic == KP_BUNDLE_MAGIC);
    KP_EXPECT(memcmp(bytes, "KPBNDL01", 8) == 0);
    KP_EXPECT_INT(header.entry_count, 3);
    KP_EXPECT_INT(header.total_size, size);
    KP_EXPECT_INT(size % KP_PAGE_SIZE, 0);
    KP_EXPECT_STRING(entries[0].name, "a/big");
    KP_EXPECT_STRING(entries[1].name, "m/empty");
    KP_EXPECT_STRING(entries[2].name, "z/small");
    KP_EXPECT_INT(entries[0].offset, KP_PAGE_SIZE);
    KP_EXPECT_INT(entries[0].size, sizeof big);
    KP_EXPECT_INT(entries[1].size, 0);
    KP_EXPECT_INT(entries[2].offset, (size_t)3 * KP_PAGE_SIZE);
    KP_REQUIRE(size == (size_t)4 * KP_PAGE_SIZE);
    KP_EXPECT(memcmp(bytes + entries[0].offset, big, sizeof big) == 0);
    KP_EXPECT(memcmp(bytes + entries[2].offset, "hello", 5) == 0);
    for (size_t i = (size_t)entries[2].offset + 5; i < size; i++)
        KP_EXPECT(bytes[i] == 0);
    free(bytes);
}

enum { KINDS = 7 };

/* Bytes that pack well, badly, by long repetitions, by short ones. */
static void make_bytes(uint8_t *bytes, size_t size, unsigned kind)
{
    uint32_t random = 12345 + kind;
    for (size_t i = 0; i < size; i++) {
        random = random * 1664525 + 1013904223;
        uint8_t noise = (uint8_t)(random >> 24);
        switch (kind) {
        case 0: /* nothing repeats */
            bytes[i] = noise;
            break;
        case 1:
            bytes[i] = 0;
            break;
        case 2: /* literals in runs of every length, then the same three bytes */
            bytes[i] = i % 61 < i % 59 ? noise : (uint8_t)"abc"[i % 3];
            break;
        case 3:
            bytes[i] = i < 18 ? noise : bytes[i - 18];
            break;
        case 4:
            bytes[i] = i < 4095 ? noise : bytes[i - 4095];
            break;
        case 5: /* more than 255 literals, then a long repetition */
            bytes[i] = i % 1024 < 700 ? noise : bytes[i - 700];
            break;
        default:
            bytes[i] = (uint8_t)(noise & 3);
            break;
        }
    }
}

KP_TEST(bundle_packed_pages_unpack)
{
    static const size_t sizes[] = {0,   1,   2,   3,   4,    17,   18,   19,
                                   272, 273, 274, 275, 4095, 4096, 4097, 20000};
    static uint8_t bytes[20000];
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            size_t size = sizes[i], packed_size = 0;
            make_bytes(bytes, size, kind);
            uint8_t *packed = kp_bundle_squeeze(bytes, size, &packed_size);
            KP_REQUIRE(packed);
            size_t pages = (size + KP_PAGE_SIZE - 1) / KP_PAGE_SIZE;
            KP_EXPECT(packed_size <= size + 4 * pages);
            if (kind == 1 && size > 1000)
                KP_EXPECT(packed_size < size / 50 + 8 * pages);
            for (size_t page = 0; page < pages; page++) {
                uint8_t out[KP_PAGE_SIZE];
                size_t count = size - page * KP_PAGE_SIZE;
                count = count < KP_PAGE_SIZE ? count : KP_PAGE_SIZE;
                memset(out, 0xee, sizeof out);
                KP_EXPECT(kp_bundle_unpack(packed, packed_size, size, page, out));
                KP_EXPECT(memcmp(out, bytes + page * KP_PAGE_SIZE, count) == 0);
                for (size_t k = count; k < KP_PAGE_SIZE; k++)
                    KP_EXPECT(out[k] == 0);
            }
            uint8_t none[KP_PAGE_SIZE];
            KP_EXPECT(!kp_bundle_unpack(packed, packed_size, size, pages, none));
            free(packed);
        }
    }
}

/* Cut short and with every bit wrong once: never outside the bytes (the sanitizer looks), a whole page
   comes in any case. */
KP_TEST(bundle_damaged_pages_do_no_harm)
{
    uint8_t bytes[2 * KP_PAGE_SIZE], page[KP_PAGE_SIZE];
    make_bytes(bytes, sizeof bytes, 2);
    size_t size = 0;
    uint8_t *packed = kp_bundle_squeeze(bytes, sizeof bytes, &size);
    KP_REQUIRE(packed);
    size_t refused = 0;
    for (size_t cut = 0; cut < size; cut += 7) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, packed, cut);
        refused += !kp_bundle_unpack(copy, cut, sizeof bytes, 1, page);
        free(copy);
    }
    KP_EXPECT(refused >= size / 7); /* the last page ends where the bytes do */
    for (size_t bit = 0; bit < size * 8; bit += 3) {
        uint8_t *copy = malloc(size);
        memcpy(copy, packed, size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        for (size_t i = 0; i < 2; i++) {
            memset(page, 0xee, sizeof page);
            if (!kp_bundle_unpack(copy, size, sizeof bytes, i, page))
                KP_EXPECT(page[0] == 0 && page[KP_PAGE_SIZE - 1] == 0);
        }
        free(copy);
    }
    free(packed);
}

KP_TEST(bundle_packed_entries)
{
    char error[256];
    static uint8_t bytes[9000];
    make_bytes(bytes, sizeof bytes, 6);
    put("font", bytes, sizeof bytes);
    put("empty", "", 0);
    kp_bundle_input_t inputs[] = {{"f/font", in_folder("font"), 1},
                                  {"f/none", in_folder("empty"), 1},
                                  {"g", in_folder("font"), 0}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("out"), inputs, 3, error, sizeof error), KP_OK);
    size_t size = 0;
    uint8_t *out = get("out", &size), page[KP_PAGE_SIZE];
    kp_bundle_entry_t entries[3];
    KP_REQUIRE(out && size > sizeof(kp_bundle_header_t) + sizeof entries);
    memcpy(entries, out + sizeof(kp_bundle_header_t), sizeof entries);
    KP_EXPECT(entries[0].packed_size > 0 && entries[0].packed_size < sizeof bytes / 2);
    KP_EXPECT_INT(entries[0].size, sizeof bytes);
    KP_EXPECT(entries[1].packed_size == 0 && entries[1].size == 0);
    KP_EXPECT(entries[2].packed_size == 0 && entries[2].size == sizeof bytes);
    KP_EXPECT(kp_bundle_unpack(out + entries[0].offset, entries[0].packed_size, entries[0].size, 2,
                               page));
    KP_EXPECT(memcmp(page, bytes + 8192, sizeof bytes - 8192) == 0);
    KP_EXPECT(memcmp(out + entries[2].offset, bytes, sizeof bytes) == 0);
    free(out);
}

KP_TEST(bundle_pack_errors_keep_the_old_archive)
{
    char error[256];
    size_t size = 0;
    put("old", "old", 3);
    put("x", "x", 1);
    kp_bundle_input_t twice[] = {{"a", in_folder("x"), 0}, {"a", in_folder("x"), 0}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("old"), twice, 2, error, sizeof error),
                  KP_ERR_ALREADY_EXISTS);
    kp_bundle_input_t missing[] = {{"a", in_folder("nothing-here"), 0}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("old"), missing, 1, error, sizeof error),
                  KP_ERR_NOT_FOUND);
    KP_EXPECT(strstr(error, "nothing-here") != NULL);
    kp_bundle_input_t is_folder[] = {{"a", folder, 0}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("old"), is_folder, 1, error, sizeof error),
                  KP_ERR_NOT_FOUND);
    uint8_t *bytes = get("old", &size);
    KP_EXPECT(bytes && size == 3 && memcmp(bytes, "old", 3) == 0);
    free(bytes);
    KP_EXPECT_INT(kp_bundle_pack(in_folder("no/such/folder"), NULL, 0, error, sizeof error),
                  KP_ERR_IO);
    KP_EXPECT_INT(kp_bundle_pack(in_folder("none"), NULL, 0, error, sizeof error), KP_OK);
    bytes = get("none", &size);
    KP_EXPECT_INT(size, KP_PAGE_SIZE);
    free(bytes);
}

__attribute__((constructor)) static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/kp-bundle-XXXXXX");
    if (!mkdtemp(folder))
        abort();
}

__attribute__((destructor)) static void remove_folder(void)
{
    static const char *names[] = {"big", "empty", "font", "small", "out", "old", "x", "none"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    if (rmdir(folder) != 0)
        perror(folder);
}

KP_TEST_MAIN()
