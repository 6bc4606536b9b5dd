#include <stdlib.h>
#include <unistd.h>

#include "tests/kp_test.h"
#include "tools/bundle/pack.h"

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
    kp_bundle_input_t inputs[] = {{"z/small", in_folder("small")},
                                  {"a/big", in_folder("big")},
                                  {"m/empty", in_folder("empty")}};
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

KP_TEST(bundle_pack_errors_keep_the_old_archive)
{
    char error[256];
    size_t size = 0;
    put("old", "old", 3);
    put("x", "x", 1);
    kp_bundle_input_t twice[] = {{"a", in_folder("x")}, {"a", in_folder("x")}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("old"), twice, 2, error, sizeof error),
                  KP_ERR_ALREADY_EXISTS);
    kp_bundle_input_t missing[] = {{"a", in_folder("nothing-here")}};
    KP_EXPECT_INT(kp_bundle_pack(in_folder("old"), missing, 1, error, sizeof error),
                  KP_ERR_NOT_FOUND);
    KP_EXPECT(strstr(error, "nothing-here") != NULL);
    kp_bundle_input_t is_folder[] = {{"a", folder}};
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
    static const char *names[] = {"big", "empty", "small", "out", "old", "x", "none"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(in_folder(names[i]));
    rmdir(folder);
}

KP_TEST_MAIN()
