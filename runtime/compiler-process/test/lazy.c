/* The lazy tier: the same results as the eager one, shared by threads, compiled deep in the stack; what does not
   compile traps and may be tried again; a compiler process that dies is a trap. */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/compiler-process/obtain.h"
#include "runtime/compiler-process/test/generate.h"
#include "tests/kp_test.h"
#include "runtime/wasm/heap.h"
static kp_wasm_module_t *decode(const kp_bytes_t *bytes)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module = NULL;
    KP_EXPECT(kp_wasm_module_decode(bytes->at, bytes->size, &options, &module, NULL) == KP_OK);
    return module;
}

/* Runs "run" in a store of its own; the calls that were counted, or the error in *status. */
static uint32_t run(const kp_wasm_module_t *module, const kp_wasm_tier_t *tier, void *tier_module,
                    uint64_t stack_bytes, kp_status_t *status, kp_wasm_trap_t *trap)
{
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_wasm_heap);
    kp_wasm_store_t *store = NULL;
    kp_wasm_instance_t *instance = NULL;
    kp_wasm_extern_t found = {0}, count = {0};
    uint32_t calls = 0;
    options.stack_bytes = stack_bytes;
    *status = kp_wasm_store_create(&options, &store);
    if (*status == KP_OK)
        *status = kp_wasm_instance_create(store, module, tier, tier_module, NULL, 0, true,
                                          &instance, NULL);
    if (*status == KP_OK && kp_wasm_instance_find(instance, "run", 3, &found) &&
        kp_wasm_instance_find(instance, "count", 5, &count)) {
        kp_wasm_value_t none[1] = {{0}};
        *status = kp_wasm_call(store, found.function, none);
        calls = count.global->cell->u32;
    }
    if (store && trap)
        *trap = store->trap;
    kp_wasm_store_destroy(store);
    return calls;
}

KP_TEST(same_results)
{
    kp_bytes_t bytes = kp_generate(400);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    kp_code_source_t source;
    kp_status_t status;
    kp_code_options_t options = {.allocator = kp_wasm_heap, .flags = KP_WASM_COMPILE_GUARDED};
    KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
    uint32_t expected = run(module, source.tier, source.tier_module, 512 << 10, &status, NULL);
    KP_EXPECT_INT(status, KP_OK);
    KP_EXPECT_INT(expected, 1000);
    kp_code_discard(&source);
    static const uint32_t sizes[] = {1, 300, 1000, 10000, 1 << 30};
    for (unsigned i = 0; i < 10; i++) {
        options.lazy = true;
        options.lazy_bytes = sizes[i % 5];
        options.own_process = i >= 5;
        KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
        for (int twice = 0; twice < 2; twice++) {
            KP_EXPECT_INT(run(module, source.tier, source.tier_module, 512 << 10, &status, NULL),
                          expected);
            KP_EXPECT_INT(status, KP_OK);
        }
        uint32_t compiled, groups = kp_wasm_lazy_groups(source.lazy, &compiled);
        KP_EXPECT(compiled > 0 && compiled <= groups);
        if (options.lazy_bytes == 1) /* not all are called */
            KP_EXPECT(groups == 400 && compiled < groups);
        kp_code_discard(&source);
    }
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* ---- several threads, one module ---- */

typedef struct shared {
    const kp_wasm_module_t *module;
    const kp_code_source_t *source;
    uint32_t calls;
    kp_status_t status;
} shared_t;

static void *thread_run(void *context)
{
    shared_t *shared = context;
    shared->calls = run(shared->module, shared->source->tier, shared->source->tier_module,
                        512 << 10, &shared->status, NULL);
    return NULL;
}

KP_TEST(threads_share_it)
{
    enum { THREADS = 6 };
    kp_bytes_t bytes = kp_generate(400);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    kp_code_source_t source;
    kp_code_options_t options = {
        .allocator = kp_wasm_heap, .flags = KP_WASM_COMPILE_GUARDED, .lazy = true, .lazy_bytes = 1};
    KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
    pthread_t threads[THREADS];
    shared_t shared[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        shared[i] = (shared_t){.module = module, .source = &source};
        KP_REQUIRE(pthread_create(&threads[i], NULL, thread_run, &shared[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        KP_EXPECT_INT(shared[i].status, KP_OK);
        KP_EXPECT_INT(shared[i].calls, 1000);
    }
    kp_code_discard(&source);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* ---- deep in the stack ---- */

/* A chain of functions, each of which calls the next: compiled one by one, ever deeper, until the stack is
   used up, at many distances from its end. */
static kp_bytes_t chain(uint32_t count)
{
    kp_bytes_t module = {0}, part = {0};
    kp_generate_begin(&module, &part, count);
    kp_put(&part, "\1\x7f\1\x41\0\x0b", 6);
    kp_put_section(&module, 6, &part);
    kp_put(&part, "\2\3run\0\0\5count\3\0", 15);
    kp_put_section(&module, 7, &part);
    kp_put_number(&part, count);
    for (uint32_t i = 0; i < count; i++) {
        kp_bytes_t body = {0};
        kp_put(&body, "\0\x23\0\x41\1\x6a\x24\0\x10", 9); /* global 0 += 1, call */
        kp_put_number(&body, (i + 1) % count);
        kp_put_byte(&body, 0x0b);
        kp_put_number(&part, (uint32_t)body.size);
        kp_put(&part, body.at, body.size);
        free(body.at);
    }
    kp_put_section(&module, 10, &part);
    return module;
}

KP_TEST(deep_in_the_stack)
{
    kp_bytes_t bytes = chain(5000);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    for (unsigned i = 0; i < 4; i++) {
        kp_code_source_t source;
        kp_code_options_t options = {.allocator = kp_wasm_heap,
                                     .flags = KP_WASM_COMPILE_GUARDED,
                                     .lazy = true,
                                     .lazy_bytes = 1,
                                     .own_process = i & 1};
        kp_status_t status;
        kp_wasm_trap_t trap;
        KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
        uint32_t calls =
            run(module, source.tier, source.tier_module, 60000 + i * 7, &status, &trap);
        KP_EXPECT_INT(status, KP_ERR_TRAP);
        KP_EXPECT_INT(trap.code, KP_WASM_TRAP_STACK_EXHAUSTED);
        KP_EXPECT(calls > 500 && calls < 5000);
        kp_code_discard(&source);
    }
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* ---- failures ---- */

typedef struct failing {
    const kp_wasm_module_t *module;
    kp_status_t status;
    int after; /* groups that are still compiled before */
} failing_t;

static kp_status_t failing_compile(void *context, uint32_t first, uint32_t count,
                                   kp_wasm_code_t **code)
{
    failing_t *failing = context;
    if (failing->after-- <= 0)
        return failing->status;
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(kp_wasm_heap);
    options.flags |= KP_WASM_COMPILE_LAZY;
    kp_wasm_artefact_t artefact;
    kp_status_t status =
        kp_wasm_compile_range(failing->module, &options, first, count, &artefact, NULL);
    if (status == KP_OK)
        status =
            kp_wasm_code_load(artefact.bytes, artefact.size, failing->module, kp_wasm_heap, code);
    kp_wasm_artefact_free(&artefact);
    return status;
}

KP_TEST(failures_trap)
{
    kp_bytes_t bytes = kp_generate(50);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    failing_t failing = {.module = module};
    kp_wasm_lazy_t *lazy;
    kp_status_t status;
    kp_wasm_trap_t trap;
    KP_REQUIRE(kp_wasm_lazy_create(module, kp_wasm_heap, 1, true, failing_compile, &failing,
                                   &lazy) == KP_OK);
    for (int after = 0; after < 5; after++) {
        failing.after = after ? 1 : 0; /* each time one more: what was compiled stays */
        failing.status = after & 1 ? KP_ERR_NO_MEMORY : KP_ERR_PROCESS_DEAD;
        run(module, &kp_wasm_lazy_tier, lazy, 512 << 10, &status, &trap);
        KP_EXPECT_INT(status, KP_ERR_TRAP);
        KP_EXPECT_INT(trap.code, after & 1 ? KP_WASM_TRAP_OUT_OF_MEMORY : KP_WASM_TRAP_HOST);
        if (!(after & 1))
            KP_EXPECT_INT(trap.status, KP_ERR_PROCESS_DEAD);
        KP_EXPECT(after < 2 || trap.frame_count > 0);
    }
    failing.after = 1000;
    KP_EXPECT_INT(run(module, &kp_wasm_lazy_tier, lazy, 512 << 10, &status, &trap), 1000);
    KP_EXPECT_INT(status, KP_OK);
    kp_wasm_lazy_destroy(lazy);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

/* What runs lazily is compiled whole beside it and kept, if it may; giving it up is no error and leaves nothing. */
KP_TEST(the_whole_is_kept)
{
    char folder[] = "/tmp/kpio-lazy-XXXXXX", command[64];
    kp_bytes_t bytes = kp_generate(400);
    kp_wasm_module_t *module = decode(&bytes);
    kp_code_source_t source;
    kp_status_t status;
    KP_REQUIRE(module && mkdtemp(folder));
    for (int i = 0; i < 4; i++) {
        kp_code_options_t options = {.allocator = kp_wasm_heap,
                                     .flags = KP_WASM_COMPILE_GUARDED,
                                     .lazy = true,
                                     .own_process = i & 1};
        kp_compile_failure_t failure;
        KP_REQUIRE(kp_code_cache_open(folder, 0, &options.cache) == KP_OK);
        KP_REQUIRE(kp_code_obtain(&options, module, &source, &failure) == KP_OK);
        KP_EXPECT(!source.is_cached);
        KP_EXPECT_INT(kp_code_finish(&source), KP_OK); /* nothing has run */
        kp_code_discard(&source);
        KP_REQUIRE(kp_code_obtain(&options, module, &source, &failure) == KP_OK);
        KP_EXPECT(!source.is_cached);
        KP_EXPECT_INT(run(module, source.tier, source.tier_module, 512 << 10, &status, NULL), 1000);
        if (i < 2)
            KP_EXPECT_INT(kp_code_finish(&source), KP_OK);
        kp_code_discard(&source); /* or given up */
        KP_REQUIRE(kp_code_obtain(&options, module, &source, &failure) == KP_OK);
        KP_EXPECT(i >= 2 || source.is_cached);
        KP_EXPECT_INT(run(module, source.tier, source.tier_module, 512 << 10, &status, NULL), 1000);
        kp_code_discard(&source);
        kp_code_cache_close(options.cache);
        snprintf(command, sizeof command, "rm -rf %s/*", folder);
        KP_EXPECT_INT(system(command), 0);
    }
    /* A folder that has gone: said, and nothing else. */
    kp_code_options_t options = {
        .allocator = kp_wasm_heap, .flags = KP_WASM_COMPILE_GUARDED, .lazy = true};
    KP_REQUIRE(kp_code_cache_open(folder, 0, &options.cache) == KP_OK);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    KP_EXPECT_INT(system(command), 0);
    KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
    KP_EXPECT_INT(run(module, source.tier, source.tier_module, 512 << 10, &status, NULL), 1000);
    KP_EXPECT_INT(kp_code_finish(&source), KP_ERR_IO);
    kp_code_discard(&source);
    kp_code_cache_close(options.cache);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

KP_TEST(guarded_code_wants_guarded_memories)
{
    kp_bytes_t bytes = kp_generate(5);
    kp_wasm_module_t *module = decode(&bytes);
    KP_REQUIRE(module);
    kp_code_source_t source;

    kp_code_options_t options = {
        .allocator = kp_wasm_heap, .flags = KP_WASM_COMPILE_GUARDED, .lazy = true};
    KP_REQUIRE(kp_code_obtain(&options, module, &source, NULL) == KP_OK);
    kp_wasm_store_options_t store_options = kp_wasm_store_options_init(kp_wasm_heap);
    store_options.guard_pages = false;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    KP_REQUIRE(kp_wasm_store_create(&store_options, &store) == KP_OK);
    KP_EXPECT_INT(kp_wasm_instance_create(store, module, source.tier, source.tier_module, NULL, 0,
                                          true, &instance, NULL),
                  KP_ERR_BAD_STATE);
    kp_wasm_store_destroy(store);
    kp_code_discard(&source);
    kp_wasm_module_destroy(module);
    free(bytes.at);
}

KP_TEST_MAIN()
