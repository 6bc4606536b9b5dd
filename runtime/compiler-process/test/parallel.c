/* Parallel compilation gives the same bytes; its errors are those of the first bad body; parts that do not fit
   together are refused; exhausted memory is an error. */
#include <stdlib.h>

#include "runtime/compiler-process/parallel.h"
#include "runtime/compiler-process/test/generate.h"
#include "tests/kp_test.h"

static long allocations_left = -1; /* atomic; negative: no limit */

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    (void)context;
    if (size == 0) {
        free(old);
        return NULL;
    }
    if (size > old_size && __atomic_load_n(&allocations_left, __ATOMIC_RELAXED) >= 0 &&
        __atomic_fetch_sub(&allocations_left, 1, __ATOMIC_RELAXED) <= 0) {
        __atomic_store_n(&allocations_left, 0, __ATOMIC_RELAXED);
        return NULL;
    }
    return realloc(old, size);
}

static const kp_wasm_allocator_t allocator = {resize, NULL};

static kp_wasm_module_t *decode(const kp_bytes_t *bytes)
{
    kp_wasm_options_t options = kp_wasm_options_init(allocator);
    kp_wasm_module_t *module = NULL;
    kp_wasm_error_t error = {0};
    if (kp_wasm_module_decode(bytes->at, bytes->size, &options, &module, &error) != KP_OK)
        KP_FAIL("%s at %u", error.reason, error.offset);
    return module;
}

static void expect_same(const kp_wasm_artefact_t *a, const kp_wasm_artefact_t *b)
{
    KP_EXPECT_INT(a->size, b->size);
    size_t at = 0;
    while (at < a->size && at < b->size && ((uint8_t *)a->bytes)[at] == ((uint8_t *)b->bytes)[at])
        at++;
    if (at < a->size)
        KP_FAIL("differs at %zu of %zu", at, a->size);
}

KP_TEST(parallel_is_serial)
{
    kp_bytes_t bytes = kp_generate(3000);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    for (unsigned flags = 0; flags < 8; flags++) {
        kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
        options.flags = flags;
        options.cpu = flags & 1 ? options.cpu : 0;
        kp_wasm_artefact_t serial, parallel;
        KP_REQUIRE(kp_wasm_compile(module, &options, &serial, NULL) == KP_OK);
        static const unsigned jobs[] = {0, 1, 2, 3, 5, 64, 1000};
        for (unsigned i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
            KP_REQUIRE(kp_wasm_compile_parallel(module, &options, jobs[i], &parallel, NULL) ==
                       KP_OK);
            expect_same(&serial, &parallel);
            kp_wasm_artefact_free(&parallel);
        }
        kp_wasm_artefact_free(&serial);
    }
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* Parts of every size, joined; the wrong ones are refused. */
KP_TEST(parts)
{
    enum { COUNT = 60 };
    kp_bytes_t bytes = kp_generate(COUNT);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    kp_wasm_artefact_t whole, joined;
    KP_REQUIRE(kp_wasm_compile(module, &options, &whole, NULL) == KP_OK);
    for (uint32_t size = 1; size <= COUNT; size++) {
        kp_wasm_part_t *parts[COUNT];
        uint32_t count = 0;
        for (uint32_t first = 0; first < COUNT; first += size) {
            uint32_t functions = COUNT - first < size ? COUNT - first : size;
            KP_REQUIRE(kp_wasm_part_compile(module, &options, first, functions, &parts[count++],
                                            NULL) == KP_OK);
        }
        KP_REQUIRE(kp_wasm_parts_join(parts, count, &joined) == KP_OK);
        expect_same(&whole, &joined);
        kp_wasm_artefact_free(&joined);
        if (count > 1) {
            KP_EXPECT_INT(kp_wasm_parts_join(parts, count - 1, &joined), KP_ERR_INVALID_ARGUMENT);
            KP_EXPECT_INT(kp_wasm_parts_join(parts + 1, count - 1, &joined),
                          KP_ERR_INVALID_ARGUMENT);
        }
        for (uint32_t i = 0; i < count; i++)
            kp_wasm_part_free(parts[i]);
    }
    kp_wasm_part_t *part;
    KP_EXPECT_INT(kp_wasm_part_compile(module, &options, 1, COUNT, &part, NULL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_wasm_compile_range(module, &options, 0, 1, &joined, NULL),
                  KP_ERR_INVALID_ARGUMENT); /* ranges are lazy */
    kp_wasm_artefact_free(&whole);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* The first of two bad bodies is the one that is told of, whoever finds it. */
KP_TEST(first_error)
{
    kp_bytes_t bytes = kp_generate(3000);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    bytes.at[module->functions[1234].body.offset + 3] = 0xff;
    bytes.at[module->functions[2900].body.offset + 3] = 0xff;
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    for (unsigned jobs = 1; jobs < 10; jobs++) {
        kp_wasm_error_t error = {0};
        kp_wasm_artefact_t artefact;
        KP_EXPECT_INT(kp_wasm_compile_parallel(module, &options, jobs, &artefact, &error),
                      KP_ERR_BAD_FORMAT);
        KP_EXPECT_INT(error.function, 1234);
        KP_EXPECT_INT(kp_wasm_validate_parallel(module, allocator, jobs, &error),
                      KP_ERR_BAD_FORMAT);
        KP_EXPECT_INT(error.function, 1234);
    }
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

KP_TEST(out_of_memory)
{
    kp_bytes_t bytes = kp_generate(1500);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    kp_status_t status = KP_ERR_NO_MEMORY;
    for (long left = 0; status != KP_OK && left < 10000; left++) {
        kp_wasm_artefact_t artefact;
        allocations_left = left;
        status = kp_wasm_compile_parallel(module, &options, 4, &artefact, NULL);
        allocations_left = -1;
        if (status == KP_OK)
            kp_wasm_artefact_free(&artefact);
        else
            KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
    }
    KP_EXPECT_INT(status, KP_OK);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

KP_TEST_MAIN()
