/* The cache's promises: what is found, who loses what, what cannot be evicted; requests and answers. */
#include "services/compiler/cache.h"

#include <stdlib.h>
#include <string.h>

#include "services/compiler/request.h"
#include "tests/kp_test.h"

static bool held[4096];
static unsigned dropped;

static bool is_held(void *context, kp_compiler_entry_t *entry)
{
    (void)context;
    return held[entry->code];
}

static void drop(void *context, kp_compiler_entry_t *entry)
{
    (void)context;
    (void)entry;
    dropped++;
}

static kp_compiler_cache_t cache_of(uint64_t bytes, uint32_t count)
{
    memset(held, 0, sizeof(held));
    dropped = 0;
    return (kp_compiler_cache_t){
        .bytes_max = bytes, .count_max = count, .is_held = is_held, .drop = drop};
}

static kp_compiler_key_t key_of(uint32_t number)
{
    kp_compiler_key_t key = {.version = 1};
    key.module[0] = (uint8_t)number; /* buckets are shared by many */
    memcpy(key.module + 4, &number, sizeof(number));
    return key;
}

static kp_status_t add(kp_compiler_cache_t *cache, uint32_t number, uint64_t bytes,
                       kp_compiler_account_t *account)
{
    kp_compiler_key_t key = key_of(number);
    kp_status_t status = kp_compiler_cache_reserve(cache, bytes);
    if (status == KP_OK)
        KP_EXPECT(kp_compiler_cache_add(cache, &key, number, (uint32_t)bytes, bytes, account));
    return status;
}

static bool has(kp_compiler_cache_t *cache, uint32_t number)
{
    kp_compiler_key_t key = key_of(number);
    kp_compiler_entry_t *entry = kp_compiler_cache_find(cache, &key);
    return entry && entry->code == number;
}

KP_TEST(found_by_the_whole_key)
{
    kp_compiler_cache_t cache = cache_of(1000, 100);
    kp_compiler_account_t account = {0};
    KP_EXPECT_INT(add(&cache, 7, 10, &account), KP_OK);
    kp_compiler_key_t key = key_of(7);
    KP_EXPECT(kp_compiler_cache_find(&cache, &key));
    key.flags = 1;
    KP_EXPECT(!kp_compiler_cache_find(&cache, &key));
    key = key_of(7);
    key.cpu = 2;
    KP_EXPECT(!kp_compiler_cache_find(&cache, &key));
    key = key_of(7);
    key.version = 2;
    KP_EXPECT(!kp_compiler_cache_find(&cache, &key));
    key = key_of(7);
    key.module[31] = 1;
    KP_EXPECT(!kp_compiler_cache_find(&cache, &key));
    kp_compiler_cache_clear(&cache);
    KP_EXPECT(dropped == 1 && cache.bytes == 0 && cache.count == 0 && account.bytes == 0);
}

KP_TEST(the_least_recently_used_goes_first)
{
    kp_compiler_cache_t cache = cache_of(100, 100);
    kp_compiler_account_t account = {0};
    for (uint32_t i = 1; i <= 10; i++)
        KP_EXPECT_INT(add(&cache, i, 10, &account), KP_OK);
    KP_EXPECT(has(&cache, 1)); /* used again */
    KP_EXPECT_INT(add(&cache, 11, 15, &account), KP_OK);
    KP_EXPECT(has(&cache, 1) && !has(&cache, 2) && !has(&cache, 3) && has(&cache, 4));
    KP_EXPECT_INT(cache.bytes, 95);
    KP_EXPECT_INT(add(&cache, 12, 101, &account), KP_ERR_QUOTA); /* nothing is lost for it */
    KP_EXPECT_INT(cache.count, 9);
    kp_compiler_cache_clear(&cache);
}

KP_TEST(a_flood_evicts_its_own)
{
    kp_compiler_cache_t cache = cache_of(1000, 1000);
    kp_compiler_account_t quiet = {0}, flood = {0};
    for (uint32_t i = 1; i <= 10; i++)
        KP_EXPECT_INT(add(&cache, i, 10, &quiet), KP_OK);
    for (uint32_t i = 100; i < 1100; i++)
        KP_EXPECT_INT(add(&cache, i, 10, &flood), KP_OK);
    for (uint32_t i = 1; i <= 10; i++)
        KP_EXPECT(has(&cache, i));
    KP_EXPECT(has(&cache, 1099) && !has(&cache, 100));
    /* Under another name it is the same; and what left is everybody's. */
    kp_compiler_cache_leave(&cache, &flood);
    KP_EXPECT(flood.bytes == 0 && cache.common.bytes == 900);
    for (uint32_t i = 2000; i < 2030; i++)
        KP_EXPECT_INT(add(&cache, i, 10, &flood), KP_OK);
    for (uint32_t i = 1; i <= 10; i++)
        KP_EXPECT(has(&cache, i));
    KP_EXPECT_INT(cache.common.bytes, 600);
    kp_compiler_cache_clear(&cache);
    KP_EXPECT(quiet.bytes == 0 && flood.bytes == 0 && cache.common.bytes == 0);
}

KP_TEST(what_is_held_stays)
{
    kp_compiler_cache_t cache = cache_of(100, 5);
    kp_compiler_account_t account = {0}, other = {0};
    for (uint32_t i = 1; i <= 5; i++)
        KP_EXPECT_INT(add(&cache, i, 10, &account), KP_OK);
    for (uint32_t i = 1; i <= 4; i++)
        held[i] = true;
    KP_EXPECT_INT(add(&cache, 6, 10, &other), KP_OK); /* number: five */
    KP_EXPECT(!has(&cache, 5) && has(&cache, 1));
    held[6] = true;
    KP_EXPECT_INT(add(&cache, 7, 10, &other), KP_ERR_QUOTA);
    held[3] = false;
    KP_EXPECT_INT(add(&cache, 7, 60, &other), KP_OK);
    KP_EXPECT(!has(&cache, 3) && cache.count == 5 && cache.bytes == 100);
    kp_compiler_cache_clear(&cache);
}

KP_TEST(artefacts_and_answers_are_checked)
{
    const kp_compiler_request_t request = {KP_COMPILER_COMPILE, 1, 3, 100};
    kp_wasm_code_header_t right = {.magic = KP_WASM_CODE_MAGIC,
                                   .version = (uint32_t)KP_WASM_CODE_VERSION << 16 |
                                              (uint32_t)KP_WASM_LAYOUT_VERSION,
                                   .cpu = 1,
                                   .flags = 1,
                                   .code = KP_WASM_CODE_PAGE,
                                   .code_size = 50,
                                   .size = 5000,
                                   .module_size = 100};
    KP_EXPECT(kp_compiler_artefact_check(&right, 5000, &request, NULL));
    kp_wasm_code_header_t wrong = right;
    wrong.cpu = 4;
    KP_EXPECT(!kp_compiler_artefact_check(&wrong, 5000, &request, NULL));
    wrong = right;
    wrong.flags = 0;
    KP_EXPECT(!kp_compiler_artefact_check(&wrong, 5000, &request, NULL));
    wrong = right;
    wrong.code_size = 905;
    KP_EXPECT(!kp_compiler_artefact_check(&wrong, 5000, &request, NULL));
    wrong = right;
    wrong.version++;
    KP_EXPECT(!kp_compiler_artefact_check(&wrong, 5000, &request, NULL));
    KP_EXPECT(!kp_compiler_artefact_check(&right, 5001, &request, NULL));
    KP_EXPECT(!kp_compiler_artefact_check(&right, 4095, &request, NULL));
    /* Of some functions, and no others. */
    const kp_compiler_functions_t functions = {KP_COMPILER_FUNCTIONS, 1, 5, 3};
    KP_EXPECT(!kp_compiler_artefact_check(&right, 5000, &request, &functions));
    kp_wasm_code_header_t part = right;
    part.flags = 1 | KP_WASM_COMPILE_LAZY;
    part.first_function = 5;
    part.function_count = 3;
    KP_EXPECT(kp_compiler_artefact_check(&part, 5000, &request, &functions));
    KP_EXPECT(!kp_compiler_artefact_check(&part, 5000, &request, NULL));
    part.function_count = 2;
    KP_EXPECT(!kp_compiler_artefact_check(&part, 5000, &request, &functions));
    part.function_count = 3;
    part.first_function = 4;
    KP_EXPECT(!kp_compiler_artefact_check(&part, 5000, &request, &functions));

    kp_compiler_reply_t reply = {.status = 77, .text_size = UINT32_MAX, .is_cached = 1};
    memset(reply.text, '\n', sizeof(reply.text));
    kp_compiler_reply_clean(&reply);
    KP_EXPECT(reply.status == KP_ERR_PROCESS_DEAD && reply.is_cached == 0 &&
              reply.text_size == sizeof(reply.text) - 1 && reply.text[0] == '?' &&
              reply.text[sizeof(reply.text) - 1] == 0);
}

KP_TEST_MAIN()
