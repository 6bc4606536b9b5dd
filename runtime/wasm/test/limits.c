/* Each limit at its edge, and hostile modules: bounded time and memory. */
#include "tests/kp_test.h"

#include "runtime/wasm/body.h"
#include "runtime/wasm/test/builder.h"

static kp_wasm_options_t options;
static test_memory_t memory;
static kp_wasm_error_t error;

static void start(void)
{
    memory = (test_memory_t){.fail_at = -1};
    options = test_options(&memory);
}

/* Decodes and validates; frees the module. */
static kp_status_t check(builder_t *module)
{
    kp_status_t status = check_bytes(module->bytes, module->size, &options, &error);
    KP_EXPECT_INT(memory.live, 0);
    clear(module);
    return status;
}

/* The module is good with the limit at `fits` and above the limit at one less. */
#define EXPECT_LIMIT(build, field, fits, text)            \
    do {                                                  \
        start();                                          \
        builder_t module_ = build;                        \
        options.limits.field = fits;                      \
        KP_EXPECT_INT(check(&module_), KP_OK);            \
        start();                                          \
        module_ = build;                                  \
        options.limits.field = (fits) - 1;                \
        KP_EXPECT_INT(check(&module_), KP_ERR_TOO_LARGE); \
        KP_EXPECT_INT(error.kind, KP_WASM_ERROR_LIMIT);   \
        KP_EXPECT_STRING(error.reason, text);             \
    } while (0)

KP_TEST(limits_of_the_module)
{
    EXPECT_LIMIT(everything_module(), types, 6, "too many types");
    EXPECT_LIMIT(everything_module(), parameters, 2, "too many parameters");
    EXPECT_LIMIT(everything_module(), results, 2, "too many results");
    EXPECT_LIMIT(everything_module(), imports, 6, "too many imports");
    EXPECT_LIMIT(everything_module(), functions, 6, "too many functions");
    EXPECT_LIMIT(everything_module(), tables, 3, "too many tables");
    EXPECT_LIMIT(everything_module(), memories, 3, "too many memories");
    EXPECT_LIMIT(everything_module(), globals, 7, "too many globals");
    EXPECT_LIMIT(everything_module(), tags, 2, "too many tags");
    EXPECT_LIMIT(everything_module(), exports, 5, "too many exports");
    EXPECT_LIMIT(everything_module(), elements, 8, "too many element segments");
    EXPECT_LIMIT(everything_module(), element_items, 2, "too many element items");
    EXPECT_LIMIT(everything_module(), data, 3, "too many data segments");
    EXPECT_LIMIT(everything_module(), constant_depth, 2, "constant expression is too deep");
    EXPECT_LIMIT(everything_module(), br_table, 3, "br_table is too large");
    builder_t module = everything_module();
    uint32_t size = (uint32_t)module.size;
    clear(&module);
    EXPECT_LIMIT(everything_module(), module_bytes, size, "module is too large");
}

KP_TEST(limit_of_metadata)
{
    start();
    builder_t module = everything_module();
    kp_wasm_module_t *decoded;
    KP_REQUIRE(kp_wasm_module_decode(module.bytes, module.size, &options, &decoded, &error) ==
               KP_OK);
    size_t bytes = decoded->allocated;
    kp_wasm_module_destroy(decoded);
    clear(&module);
    KP_EXPECT(bytes > 500);
    for (size_t limit = 1; limit < bytes; limit += 61) {
        start();
        module = everything_module();
        options.limits.metadata_bytes = limit;
        KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
        KP_EXPECT_STRING(error.reason, "module needs too much memory");
        KP_EXPECT(memory.peak <= limit + sizeof(kp_wasm_module_t));
    }
}

/* count nops (or blocks) and an end */
static builder_t body_with(unsigned byte, unsigned second, uint32_t count, bool close)
{
    builder_t body = {0};
    put(&body, 0);
    for (uint32_t i = 0; i < count; i++) {
        put_byte(&body, byte);
        if (second)
            put_byte(&body, second);
    }
    for (uint32_t i = 0; close && i < count; i++)
        put_byte(&body, 0x0b);
    return body;
}

static builder_t nops(uint32_t count)
{
    builder_t body = body_with(0x01, 0, count, false);
    put(&body, 0x0b);
    return module_of_body(&body);
}

static builder_t blocks(uint32_t count)
{
    builder_t body = body_with(0x02, 0x40, count, true);
    put(&body, 0x0b);
    return module_of_body(&body);
}

static builder_t constants(uint32_t count)
{
    builder_t body = body_with(0x41, 0x01, count, false);
    put(&body, 0x00, 0x0b);
    return module_of_body(&body);
}

static builder_t locals(uint32_t groups, uint32_t count)
{
    builder_t body = {0};
    put_u(&body, groups);
    for (uint32_t i = 0; i < groups; i++) {
        put_u(&body, count);
        put(&body, 0x7f);
    }
    put(&body, 0x0b);
    return module_of_body(&body);
}

KP_TEST(limits_of_a_body)
{
    EXPECT_LIMIT(nops(100), body_bytes, 102, "function body is too large");
    EXPECT_LIMIT(locals(3, 7), locals, 21, "too many locals");
    EXPECT_LIMIT(blocks(40), block_depth, 40, "blocks are nested too deeply");
}

KP_TEST(limit_of_operands)
{
    start();
    builder_t module = constants(1000);
    options.limits.operands = 1001;
    KP_EXPECT_INT(check(&module), KP_OK);
    start();
    module = constants(1000);
    options.limits.operands = 900;
    KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
    KP_EXPECT_STRING(error.reason, "too many operands");
    KP_EXPECT(memory.peak < 16384);
}

KP_TEST(locals_bombs)
{
    /* 10 million, and 2^32 - 1 in each of many groups: no memory is asked for them. */
    static const struct {
        uint32_t groups, count;
    } bombs[] = {{1, 10000000}, {1, UINT32_MAX}, {1000, UINT32_MAX}, {2, 0x80000000u}};
    for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
        start();
        builder_t module = locals(bombs[i].groups, bombs[i].count);
        KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
        KP_EXPECT_STRING(error.reason, "too many locals");
        KP_EXPECT(memory.peak < 65536);
    }
    start();
    builder_t module = locals(1, 50000);
    KP_EXPECT_INT(check(&module), KP_OK);
    start();
    module = locals(1, 50001);
    KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
}

KP_TEST(deep_blocks)
{
    start();
    builder_t module = blocks(50000);
    KP_EXPECT_INT(check(&module), KP_OK);
    KP_EXPECT(memory.peak < (size_t)8 << 20);
    start();
    module = blocks(50001);
    KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
    KP_EXPECT_STRING(error.reason, "blocks are nested too deeply");
}

KP_TEST(counts_without_bytes)
{
    /* Every section that begins with a count: a huge one without items is refused unallocated. */
    static const uint8_t sections[] = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13};
    for (size_t i = 0; i < sizeof(sections); i++) {
        for (int huge = 0; huge < 2; huge++) {
            start();
            builder_t module = new_module(), part = {0};
            put_u(&part, huge ? UINT32_MAX : 90000);
            put_section(&module, sections[i], &part);
            kp_status_t status = check(&module);
            KP_EXPECT(status == KP_ERR_TOO_LARGE || status == KP_ERR_BAD_FORMAT);
            KP_EXPECT(memory.peak < 4096);
        }
    }
}

KP_TEST(br_table_bombs)
{
    /* More targets than bytes. */
    start();
    builder_t body = {0};
    put(&body, 0, 0x41, 0, 0x0e);
    put_u(&body, 60000);
    put(&body, 0, 0x0b);
    builder_t module = module_of_body(&body);
    KP_EXPECT_INT(check(&module), KP_ERR_BAD_FORMAT);
    start();
    put(&body, 0, 0x41, 0, 0x0e);
    put_u(&body, UINT32_MAX);
    put(&body, 0, 0x0b);
    module = module_of_body(&body);
    KP_EXPECT_INT(check(&module), KP_ERR_TOO_LARGE);
    /* The largest, over two labels in turn. */
    start();
    put(&body, 0, 0x02, 0x40, 0x41, 0, 0x0e);
    put_u(&body, 65519);
    for (int i = 0; i < 65520; i++)
        put_byte(&body, i & 1);
    put(&body, 0x0b, 0x0b);
    module = module_of_body(&body);
    KP_EXPECT_INT(check(&module), KP_OK);
    KP_EXPECT(memory.peak < 65536);
}

/* Calls with 1,000 parameters and results, live and dead. */
KP_TEST(wide_calls)
{
    for (int dead = 0; dead < 2; dead++) {
        start();
        builder_t module = new_module(), part = {0}, body = {0};
        put(&part, 2, 0x60, 0, 0, 0x60);
        for (int row = 0; row < 2; row++) {
            put_u(&part, 1000);
            for (int i = 0; i < 1000; i++)
                put(&part, 0x7f);
        }
        put_section(&module, 1, &part);
        put(&part, 2, 0, 1);
        put_section(&module, 3, &part);
        put(&body, 0);
        for (int i = 0; !dead && i < 1000; i++)
            put(&body, 0x41, 0);
        if (dead)
            put(&body, 0x00);
        for (int i = 0; i < 3000; i++)
            put(&body, 0x10, 1);
        put(&body, 0x00, 0x0b);
        put_u(&part, 2);
        put_sized(&part, &body);
        put(&body, 0, 0x00, 0x0b);
        put_sized(&part, &body);
        put_section(&module, 10, &part);
        KP_EXPECT_INT(check(&module), KP_OK);
        KP_EXPECT(memory.peak < 65536);
    }
}

/* A visit that runs out of memory at any point leaves a visitor that works. */
KP_TEST(allocations_of_a_visit_fail)
{
    builder_t body = body_with(0x02, 0x40, 100, false);
    for (int i = 0; i < 600; i++)
        put(&body, 0x41, 0);
    for (int i = 0; i < 600; i++)
        put(&body, 0x1a);
    for (int i = 0; i < 101; i++)
        put(&body, 0x0b);
    builder_t module = module_of_body(&body);
    start();
    kp_wasm_module_t *decoded;
    KP_REQUIRE(kp_wasm_module_decode(module.bytes, module.size, &options, &decoded, &error) ==
               KP_OK);
    test_memory_t scratch = {0};
    kp_wasm_visitor_t visitor;
    kp_wasm_visitor_init(&visitor, decoded, (kp_wasm_allocator_t){test_resize, &scratch});
    unsigned failures = 0;
    for (; failures < 50; failures++) {
        scratch.fail_at = scratch.calls;
        if (kp_wasm_body_visit(&visitor, 0, NULL, NULL, &error) == KP_OK)
            break;
        KP_EXPECT_INT(error.kind, KP_WASM_ERROR_MEMORY);
        KP_EXPECT_INT(error.function, 0);
        /* What it has grown it keeps: the next visit goes further by one. */
        scratch.fail_at = scratch.calls + 1;
        kp_wasm_body_visit(&visitor, 0, NULL, NULL, &error);
    }
    KP_EXPECT(failures >= 2 && failures < 50);
    kp_wasm_visitor_clear(&visitor);
    KP_EXPECT_INT(scratch.live, 0);
    kp_wasm_module_destroy(decoded);
    clear(&module);
}

KP_TEST_MAIN()
