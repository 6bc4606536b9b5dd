/* Decoder: format, index spaces, names, constants, damage, memory. */
#include "tests/kp_test.h"

#include "runtime/wasm/constant.h"
#include "runtime/wasm/internal.h"
#include "runtime/wasm/test/builder.h"

static kp_wasm_module_t *decode(const builder_t *bytes, test_memory_t *memory)
{
    kp_wasm_options_t options = test_options(memory);
    kp_wasm_error_t error = {0};
    kp_wasm_module_t *module;
    if (kp_wasm_module_decode(bytes->bytes, bytes->size, &options, &module, &error) != KP_OK) {
        char text[200];
        kp_wasm_error_print(&error, text, sizeof(text));
        KP_FAIL("%s", text);
    }
    return module;
}

KP_TEST(leb_is_strict)
{
    static const struct {
        uint8_t bytes[11];
        uint8_t size, bits;
        bool is_signed;
        const char *reason; /* NULL: good */
        uint64_t value;
    } cases[] = {
        {{0x7f}, 1, 32, false, NULL, 127},
        {{0x7f}, 1, 32, true, NULL, UINT64_MAX},
        {{0x80, 0x00}, 2, 32, false, NULL, 0},
        {{0x80, 0x80, 0x80, 0x80, 0x00}, 5, 32, false, NULL, 0},
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, 32, false, NULL, UINT32_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0x1f}, 5, 32, false, "integer too large", 0},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0}, 6, 32, false, "integer representation too long", 0},
        {{0x80}, 1, 32, false, "unexpected end", 0},
        {{0}, 0, 32, false, "unexpected end", 0},
        {{0x80, 0x80, 0x80, 0x80, 0x78}, 5, 32, true, NULL, (uint64_t)INT32_MIN},
        {{0xff, 0xff, 0xff, 0xff, 0x07}, 5, 32, true, NULL, INT32_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, 32, true, "integer too large", 0},
        {{0x80, 0x80, 0x80, 0x80, 0x70}, 5, 32, true, "integer too large", 0},
        {{0xff, 0xff, 0xff, 0xff, 0x0f}, 5, 33, true, NULL, UINT32_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0x1f}, 5, 33, true, "integer too large", 0},
        {{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f},
         10,
         64,
         true,
         NULL,
         (uint64_t)INT64_MIN},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00},
         10,
         64,
         true,
         NULL,
         INT64_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
         10,
         64,
         true,
         "integer too large",
         0},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
         10,
         64,
         false,
         NULL,
         UINT64_MAX},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
         10,
         64,
         false,
         "integer too large",
         0},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0},
         11,
         64,
         false,
         "integer representation too long",
         0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const uint8_t *at = cases[i].bytes;
        uint64_t value = 0;
        const char *reason =
            kp_wasm_leb_read(&at, at + cases[i].size, cases[i].bits, cases[i].is_signed, &value);
        if (cases[i].reason) {
            KP_EXPECT_STRING(reason, cases[i].reason);
            KP_EXPECT(at == cases[i].bytes);
        } else {
            KP_EXPECT(!reason);
            KP_EXPECT_INT(value, cases[i].value);
            KP_EXPECT(at == cases[i].bytes + cases[i].size);
        }
    }
}

KP_TEST(utf8_is_strict)
{
#define GOOD(text) KP_EXPECT(kp_wasm_utf8_valid((const uint8_t *)(text), sizeof(text) - 1))
#define BAD(text) KP_EXPECT(!kp_wasm_utf8_valid((const uint8_t *)(text), sizeof(text) - 1))
    GOOD("");
    GOOD("plain\0text");
    GOOD("\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    BAD("\x80");
    BAD("\xc1\x80");
    BAD("\xc2");
    BAD("\xe0\x9f\x80");
    BAD("\xed\xa0\x80");
    BAD("\xf0\x8f\x80\x80");
    BAD("\xf4\x90\x80\x80");
    BAD("\xf5\x80\x80\x80");
    BAD("\xe2\x82");
    /* Long ASCII, which goes by words: a byte that is none is found wherever it stands. */
    for (size_t size = 1; size < 100; size++) {
        uint8_t *name = malloc(size); /* its end is watched */
        for (size_t at = 0; name && at <= size; at++) {
            memset(name, 'a', size);
            if (at < size)
                name[at] = 0xff;
            KP_EXPECT(kp_wasm_utf8_valid(name, size) == (at == size));
            if (at + 1 < size) {
                name[at] = 0xc2;
                name[at + 1] = 0x80;
                KP_EXPECT(kp_wasm_utf8_valid(name, size));
            }
        }
        free(name);
    }
}

KP_TEST(everything_decodes)
{
    test_memory_t memory = {.fail_at = -1};
    builder_t bytes = everything_module();
    kp_wasm_module_t *module = decode(&bytes, &memory);
    KP_REQUIRE(module);
    kp_wasm_error_t error = {0};
    kp_status_t status = kp_wasm_module_validate(module, &error);
    char text[200];
    kp_wasm_error_print(&error, text, sizeof(text));
    if (status != KP_OK)
        KP_FAIL("%s", text);
    KP_EXPECT_INT(module->type_count, 6);
    KP_EXPECT_INT(module->types[4].canonical, 1);
    KP_EXPECT_INT(module->types[1].canonical, 1);
    KP_EXPECT_INT(module->types[5].canonical, 5);
    KP_EXPECT_INT(module->import_count, 6);
    KP_EXPECT_INT(module->imports[5].kind, KP_WASM_EXTERNAL_GLOBAL);
    KP_EXPECT_INT(module->imports[5].index, 1);
    KP_EXPECT_INT(module->function_count, 6);
    KP_EXPECT_INT(module->imported_function_count, 1);
    KP_EXPECT_INT(module->functions[0].body.size, 0);
    KP_EXPECT_INT(module->table_count, 3);
    KP_EXPECT(module->tables[2].size.is_64 && module->tables[2].size.maximum == 8);
    KP_EXPECT(!module->tables[1].size.has_maximum && module->tables[1].size.maximum == UINT64_MAX);
    KP_EXPECT_INT(module->memory_count, 3);
    KP_EXPECT(module->memories[0].size.shared && module->memories[2].size.is_64);
    KP_EXPECT_INT(module->global_count, 7);
    KP_EXPECT_INT(module->tag_count, 2);
    KP_EXPECT_INT(module->export_count, 5);
    KP_EXPECT_INT(module->element_count, 8);
    KP_EXPECT_INT(module->data_count, 3);
    KP_EXPECT_INT(module->custom_count, 2);
    KP_EXPECT_INT(module->start, 1);
    KP_EXPECT(kp_wasm_module_may_refer(module, 1) && !kp_wasm_module_may_refer(module, 0));
    KP_EXPECT_INT(module->module_name.size, 3);
    kp_wasm_span_t name = kp_wasm_module_function_name(module, 1);
    KP_EXPECT(name.size == 4 && memcmp(kp_wasm_module_at(module, name), "main", 4) == 0);
    KP_EXPECT_INT(kp_wasm_module_function_name(module, 2).size, 0);
    KP_EXPECT_INT(kp_wasm_module_function_name(module, 99).size, 0);
    kp_wasm_module_destroy(module);
    KP_EXPECT_INT(memory.live, 0);
    clear(&bytes);
}

KP_TEST(exports_are_found)
{
    test_memory_t memory = {.fail_at = -1};
    builder_t bytes = everything_module();
    kp_wasm_module_t *module = decode(&bytes, &memory);
    KP_REQUIRE(module);
    const char *names[] = {"run", "table", "memory", "global", "tag"};
    for (unsigned i = 0; i < 5; i++) {
        const kp_wasm_export_t *found =
            kp_wasm_module_find_export(module, names[i], strlen(names[i]));
        KP_EXPECT(found && found->kind == i);
    }
    KP_EXPECT(!kp_wasm_module_find_export(module, "ru", 2));
    KP_EXPECT(!kp_wasm_module_find_export(module, "", 0));
    KP_EXPECT(!kp_wasm_module_find_export(module, "memorz", 6));
    kp_wasm_module_destroy(module);
    clear(&bytes);
}

static void read_global(void *context, uint32_t global, uint64_t bits[2])
{
    (void)context;
    bits[0] = global == 0 ? 0xfffffff0u : 0;
    bits[1] = 0;
}

KP_TEST(constants_are_evaluated)
{
    test_memory_t memory = {.fail_at = -1};
    builder_t bytes = everything_module();
    kp_wasm_module_t *module = decode(&bytes, &memory);
    KP_REQUIRE(module);
    kp_wasm_constant_t value =
        kp_wasm_constant_evaluate(module, module->globals[2].initial, read_global, NULL);
    KP_EXPECT_INT(value.kind, KP_WASM_CONSTANT_BITS);
    KP_EXPECT_INT(value.bits[0], (uint32_t)(-9 * 3));
    value = kp_wasm_constant_evaluate(module, module->globals[3].initial, NULL, NULL);
    KP_EXPECT_INT(value.type, KP_WASM_TYPE_V128);
    KP_EXPECT_INT(value.bits[1], 0x100f0e0d0c0b0a09);
    value = kp_wasm_constant_evaluate(module, module->globals[4].initial, NULL, NULL);
    KP_EXPECT(value.kind == KP_WASM_CONSTANT_FUNCTION && value.index == 1);
    value = kp_wasm_constant_evaluate(module, module->globals[5].initial, NULL, NULL);
    KP_EXPECT(value.kind == KP_WASM_CONSTANT_NULL && value.type == KP_WASM_TYPE_EXTERNREF);
    value = kp_wasm_constant_evaluate(module, module->globals[6].initial, NULL, NULL);
    KP_EXPECT_INT(value.bits[0], 0x3ff0000000000000);

    kp_wasm_items_t items = kp_wasm_items_begin(module, 0);
    kp_wasm_constant_t item;
    KP_EXPECT(kp_wasm_items_next(&items, &item) && item.index == 1);
    KP_EXPECT(kp_wasm_items_next(&items, &item) && item.index == 2);
    KP_EXPECT(!kp_wasm_items_next(&items, &item));
    items = kp_wasm_items_begin(module, 5);
    KP_EXPECT(kp_wasm_items_next(&items, &item) && item.kind == KP_WASM_CONSTANT_GLOBAL &&
              item.index == 1);
    KP_EXPECT(kp_wasm_items_next(&items, &item) && item.kind == KP_WASM_CONSTANT_FUNCTION &&
              item.index == 5);
    KP_EXPECT(!kp_wasm_items_next(&items, &item));
    kp_wasm_module_destroy(module);
    clear(&bytes);
}

/* Where sections end, a prefix is a module too; there the end of names or data is all that may lack. */
KP_TEST(every_truncation)
{
    test_memory_t memory = {.fail_at = -1};
    kp_wasm_options_t options = test_options(&memory);
    builder_t bytes = everything_module();
    unsigned accepted = 0;
    for (size_t size = 0; size < bytes.size; size++) {
        kp_wasm_error_t error;
        kp_status_t status = check_bytes(bytes.bytes, size, &options, &error);
        accepted += status == KP_OK;
        KP_EXPECT(status == KP_OK || (status == KP_ERR_BAD_FORMAT && error.reason));
        KP_EXPECT(error.offset <= size);
    }
    /* After the header, the custom, type, import section (then functions lack bodies), data. */
    KP_EXPECT_INT(accepted, 5);
    KP_EXPECT_INT(memory.live, 0);
    clear(&bytes);
}

KP_TEST(every_byte_damaged)
{
    test_memory_t memory = {.fail_at = -1};
    kp_wasm_options_t options = test_options(&memory);
    builder_t bytes = everything_module();
    static const uint8_t values[] = {0x00, 0x01, 0x0b, 0x40, 0x7f, 0x80, 0xfc, 0xff};
    unsigned rejected = 0;
    for (size_t at = 0; at < bytes.size; at++) {
        uint8_t good = bytes.bytes[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            kp_wasm_error_t error;
            bytes.bytes[at] = values[i];
            kp_status_t status = check_bytes(bytes.bytes, bytes.size, &options, &error);
            rejected += status != KP_OK;
            KP_EXPECT(status == KP_OK || (error.status == status && error.reason));
            KP_EXPECT(error.offset <= bytes.size);
        }
        bytes.bytes[at] = good;
    }
    KP_EXPECT(rejected > bytes.size * 4);
    KP_EXPECT_INT(memory.live, 0);
    clear(&bytes);
}

KP_TEST(every_allocation_fails_once)
{
    builder_t bytes = everything_module();
    long fail_at = 0;
    for (;; fail_at++) {
        test_memory_t memory = {.fail_at = fail_at};
        kp_wasm_options_t options = test_options(&memory);
        kp_wasm_error_t error;
        kp_status_t status = check_bytes(bytes.bytes, bytes.size, &options, &error);
        KP_EXPECT_INT(memory.live, 0);
        if (memory.calls <= fail_at) {
            KP_EXPECT_INT(status, KP_OK);
            break;
        }
        KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
        KP_EXPECT_INT(error.kind, KP_WASM_ERROR_MEMORY);
    }
    KP_EXPECT(fail_at > 15);
    clear(&bytes);
}

/* Each damage to the name section: the module stays good. */
KP_TEST(name_section_faults_are_ignored)
{
    static const struct {
        uint8_t bytes[12];
        uint8_t size;
        bool named; /* function 0 keeps its name */
    } cases[] = {
        {{1, 4, 1, 0, 1, 'f'}, 6, true},
        {{1, 5, 1, 0, 1, 'f'}, 6, false},  /* subsection longer than the section */
        {{1, 4, 2, 0, 1, 'f'}, 6, true},   /* second name is missing */
        {{1, 4, 1, 0, 2, 'f'}, 6, false},  /* name longer than the subsection */
        {{1, 4, 1, 0, 1, 0x80}, 6, false}, /* not UTF-8 */
        {{1, 4, 1, 9, 1, 'f'}, 6, false},  /* unknown function */
        {{0x80}, 1, false},
        {{7, 0, 1, 4, 1, 0, 1, 'f'}, 8, true}, /* unknown subsection first */
        {{1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f}, 7, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        builder_t body = {0}, part = {0};
        put(&body, 0, 0x0b);
        builder_t bytes = module_of_body(&body);
        put_name(&part, "name");
        put_bytes(&part, cases[i].bytes, cases[i].size);
        put_section(&bytes, 0, &part);
        test_memory_t memory = {.fail_at = -1};
        kp_wasm_module_t *module = decode(&bytes, &memory);
        if (module)
            KP_EXPECT_INT(kp_wasm_module_function_name(module, 0).size, cases[i].named);
        kp_wasm_module_destroy(module);
        clear(&bytes);
    }
}

KP_TEST(many_exports)
{
    enum { COUNT = 30000 };
    for (int duplicate = 0; duplicate < 2; duplicate++) {
        builder_t body = {0}, part = {0};
        put(&body, 0, 0x0b);
        builder_t bytes = new_module();
        put(&bytes, 1, 4, 1, 0x60, 0, 0);
        put(&bytes, 3, 2, 1, 0);
        put_u(&part, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            char name[32];
            /* Equal lengths and beginnings: the worst for comparing. */
            snprintf(name, sizeof(name), "export-number-%06u",
                     duplicate && i == COUNT - 1 ? 5 : COUNT - i);
            put_name(&part, name);
            put(&part, 0, 0);
        }
        put_section(&bytes, 7, &part);
        put_u(&part, 1);
        put_sized(&part, &body);
        put_section(&bytes, 10, &part);
        test_memory_t memory = {.fail_at = -1};
        kp_wasm_options_t options = test_options(&memory);
        kp_wasm_error_t error;
        kp_status_t status = check_bytes(bytes.bytes, bytes.size, &options, &error);
        KP_EXPECT_INT(status, duplicate ? KP_ERR_BAD_FORMAT : KP_OK);
        if (duplicate)
            KP_EXPECT_STRING(error.reason, "duplicate export name");
        clear(&bytes);
    }
}

KP_TEST(errors_are_printed)
{
    kp_wasm_error_t error = {
        .reason = "unknown function",
        .detail = "7",
        .offset = 0x1f,
        .function = 3,
    };
    char text[64];
    kp_wasm_error_print(&error, text, sizeof(text));
    KP_EXPECT_STRING(text, "unknown function 7 at offset 0x1f in function 3");
    strcpy(error.detail, "local.get");
    error.function = KP_WASM_NO_FUNCTION;
    KP_EXPECT_INT(kp_wasm_error_print(&error, text, sizeof(text)), strlen(text));
    KP_EXPECT_STRING(text, "unknown function (local.get) at offset 0x1f");
    KP_EXPECT_INT(kp_wasm_error_print(&error, text, 8), 7);
    KP_EXPECT_STRING(text, "unknown");
}

KP_TEST(size_ranges_match_as_imports)
{
    kp_wasm_size_range_t given = {.minimum = 2, .maximum = 5, .has_maximum = true};
    kp_wasm_size_range_t wanted = {.minimum = 1, .maximum = UINT64_MAX};
    KP_EXPECT(kp_wasm_size_matches(&given, &wanted));
    wanted = (kp_wasm_size_range_t){.minimum = 2, .maximum = 5, .has_maximum = true};
    KP_EXPECT(kp_wasm_size_matches(&given, &wanted));
    wanted.maximum = 4;
    KP_EXPECT(!kp_wasm_size_matches(&given, &wanted));
    wanted.maximum = 9;
    wanted.minimum = 3;
    KP_EXPECT(!kp_wasm_size_matches(&given, &wanted));
    wanted.minimum = 0;
    given.has_maximum = false;
    KP_EXPECT(!kp_wasm_size_matches(&given, &wanted));
    given.has_maximum = true;
    given.is_64 = true;
    KP_EXPECT(!kp_wasm_size_matches(&given, &wanted));
    given.is_64 = false;
    given.shared = true;
    KP_EXPECT(!kp_wasm_size_matches(&given, &wanted));
}

KP_TEST_MAIN()
