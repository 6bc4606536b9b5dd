/* What the suites do not test: fuel, interruption, depth, backtraces, calls in and out, want of memory. */
#include "runtime/interpret/interpret.h"

#include <stdlib.h>

#include "runtime/test/differential/generator.h"
#include "tests/kp_test.h"

/* f: loop br 0.  g: calls itself.  h (i32): counts down in a loop.  k: calls the import "e" "m". */
static const uint8_t module_bytes[] = {
    0x00, 0x61, 0x73, 0x6d, 1,    0, 0,    0,             /* magic, version */
    1,    8,    2,    0x60, 0,    0, 0x60, 1,    0x7f, 0, /* types */
    2,    7,    1,    1,    'e',  1, 'm',  0,    0,       /* import */
    3,    5,    4,    0,    0,    1, 0,                   /* functions */
    7,    17,   4,    1,    'f',  0, 1,    1,    'g',  0,    2, 1,    'h', 0,    3,
    1,    'k',  0,    4,                                                               /* exports */
    10,   34,   4,                                                                     /* code */
    7,    0,    3,    0x40, 0x0c, 0, 0x0b, 0x0b,                                       /* f */
    4,    0,    0x10, 2,    0x0b,                                                      /* g */
    14,   0,    3,    0x40, 0x20, 0, 0x41, 1,    0x6b, 0x22, 0, 0x0d, 0,   0x0b, 0x0b, /* h */
    4,    0,    0x10, 0,    0x0b,                                                      /* k */
};

typedef struct failing {
    uint64_t left; /* allocations until one fails */
    size_t used;
} failing_t;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    failing_t *failing = context;
    if (size > old_size && failing && failing->left-- == 0) {
        failing->left = 0;
        return NULL;
    }
    if (failing)
        failing->used += size - old_size;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

typedef struct world {
    kp_wasm_module_t *module;
    kp_wasm_interpreted_t *interpreted;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    uint32_t host_calls, depth;
} world_t;

/* The host function calls back until it is refused. */
static kp_status_t host(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    world_t *world = context;
    kp_wasm_extern_t k;
    (void)values;
    world->host_calls++;
    if (world->host_calls >= world->depth)
        return KP_OK;
    kp_wasm_value_t none[1] = {{0}};
    return kp_wasm_instance_find(caller, "k", 1, &k) ? kp_wasm_call(world->store, k.function, none)
                                                     : KP_ERR_NOT_FOUND;
}

static void world_open(world_t *world, int64_t fuel)
{
    kp_wasm_allocator_t allocator = {resize, NULL};
    kp_wasm_options_t options = kp_wasm_options_init(allocator);
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(allocator);
    limits.fuel = fuel;
    kp_wasm_extern_t import = {.kind = KP_WASM_EXTERNAL_FUNCTION};
    static const kp_wasm_functype_t nothing = {NULL, 0, 0, 0};
    *world = (world_t){.depth = 1};
    KP_EXPECT(kp_wasm_module_decode(module_bytes, sizeof module_bytes, &options, &world->module,
                                    NULL) == KP_OK);
    KP_EXPECT(kp_wasm_module_validate(world->module, NULL) == KP_OK);
    KP_EXPECT(kp_wasm_interpreted_create(world->module, allocator, &world->interpreted) == KP_OK);
    KP_EXPECT(kp_wasm_store_create(&limits, &world->store) == KP_OK);
    KP_EXPECT(kp_wasm_funcinst_create(world->store, &nothing, host, world, &import.function) ==
              KP_OK);
    KP_EXPECT(kp_wasm_instance_create(world->store, world->module, &kp_wasm_interpreted_tier,
                                      world->interpreted, &import, 1, true, &world->instance,
                                      NULL) == KP_OK);
}

static void world_close(world_t *world)
{
    kp_wasm_store_destroy(world->store);
    kp_wasm_interpreted_destroy(world->interpreted);
    kp_wasm_module_destroy(world->module);
}

static kp_status_t call(world_t *world, const char *name, uint64_t argument)
{
    kp_wasm_extern_t what;
    kp_wasm_value_t values[1] = {{.v128 = {argument, 0}}};
    KP_EXPECT(kp_wasm_instance_find(world->instance, name, 1, &what));
    return kp_wasm_call(world->store, what.function, values);
}

KP_TEST(fuel)
{
    world_t world;
    world_open(&world, 5000);
    KP_EXPECT(call(&world, "f", 0) == KP_ERR_TRAP);
    KP_EXPECT(world.store->trap.code == KP_WASM_TRAP_FUEL);
    KP_EXPECT(world.store->head.fuel < 0);
    /* One for the entry and one for each of the 100 times that the loop's head is passed. */
    world.store->head.fuel = 101;
    KP_EXPECT(call(&world, "h", 100) == KP_OK);
    KP_EXPECT(world.store->head.fuel == 0);
    world.store->head.fuel = 100;
    KP_EXPECT(call(&world, "h", 100) == KP_ERR_TRAP);
    KP_EXPECT(world.store->trap.code == KP_WASM_TRAP_FUEL);
    /* What the host's calls burn counts too. */
    world.store->head.fuel = 4000;
    world.depth = 10;
    KP_EXPECT(call(&world, "k", 0) == KP_OK);
    KP_EXPECT(world.host_calls == 10 && world.store->head.fuel == 3990);
    world_close(&world);
}

static kp_status_t interrupted(void *context, kp_wasm_store_t *store)
{
    uint32_t *left = context;
    if (--*left == 0)
        return KP_ERR_CANCELLED;
    kp_wasm_store_interrupt(store);
    return KP_OK;
}

KP_TEST(interruption)
{
    world_t world;
    uint32_t left = 100;
    world_open(&world, INT64_MAX);
    kp_wasm_store_interrupt(world.store);
    KP_EXPECT(call(&world, "f", 0) == KP_ERR_TRAP);
    KP_EXPECT(world.store->trap.code == KP_WASM_TRAP_INTERRUPTED);
    KP_EXPECT(world.store->trap.frame_count == 1 && world.store->trap.frames[0].function == 1);
    KP_EXPECT(call(&world, "h", 10) == KP_OK);
    world.store->options.interrupted = interrupted;
    world.store->options.interrupted_context = &left;
    kp_wasm_store_interrupt(world.store);
    KP_EXPECT(call(&world, "f", 0) == KP_ERR_TRAP);
    KP_EXPECT(left == 0 && world.store->trap.code == KP_WASM_TRAP_INTERRUPTED);
    world_close(&world);
}

KP_TEST(depth)
{
    world_t world;
    world_open(&world, INT64_MAX);
    KP_EXPECT(call(&world, "g", 0) == KP_ERR_TRAP);
    KP_EXPECT(world.store->trap.code == KP_WASM_TRAP_STACK_EXHAUSTED);
    KP_EXPECT(world.store->trap.frame_total >= world.store->options.depth_maximum);
    KP_EXPECT(world.store->trap.frame_count == KP_WASM_BACKTRACE_FRAMES);
    KP_EXPECT(world.store->trap.frames[0].function == 2);
    KP_EXPECT(module_bytes[world.store->trap.frames[5].offset] == 0x10);
    /* Through the host the native stack is the limit. */
    world.depth = UINT32_MAX;
    KP_EXPECT(call(&world, "k", 0) == KP_ERR_TRAP);
    KP_EXPECT(world.store->trap.code == KP_WASM_TRAP_STACK_EXHAUSTED);
    KP_EXPECT(world.host_calls > 10);
    KP_EXPECT(call(&world, "h", 3) == KP_OK);
    world_close(&world);
}

/* Runs a generated module with the n-th allocation failing. True: there was no failure. */
static bool run_failing(const uint8_t *bytes, size_t size, uint64_t n)
{
    failing_t failing = {n, 0};
    kp_wasm_allocator_t allocator = {resize, &failing};
    kp_wasm_options_t options = kp_wasm_options_init(allocator);
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(allocator);
    kp_wasm_module_t *module;
    kp_wasm_interpreted_t *interpreted = NULL;
    kp_wasm_store_t *store = NULL;
    kp_wasm_instance_t *instance;
    kp_status_t status = kp_wasm_module_decode(bytes, size, &options, &module, NULL);
    if (status == KP_OK)
        status = kp_wasm_interpreted_create(module, allocator, &interpreted);
    if (status == KP_OK)
        status = kp_wasm_store_create(&limits, &store);
    if (status == KP_OK)
        status = kp_wasm_instance_create(store, module, &kp_wasm_interpreted_tier, interpreted,
                                         NULL, 0, true, &instance, NULL);
    bool out = status != KP_OK;
    if (out)
        KP_EXPECT(status == KP_ERR_NO_MEMORY);
    for (uint32_t i = 0; status == KP_OK && i < module->export_count; i++) {
        kp_wasm_extern_t what = kp_wasm_instance_export(instance, i);
        kp_wasm_value_t values[64] = {{0}};
        if (what.kind != KP_WASM_EXTERNAL_FUNCTION ||
            what.function->signature->parameter_count > 64 ||
            what.function->signature->result_count > 64)
            continue;
        store->head.fuel = 5000;
        if (kp_wasm_call(store, what.function, values) == KP_ERR_TRAP &&
            store->trap.code == KP_WASM_TRAP_OUT_OF_MEMORY)
            out = true;
    }
    kp_wasm_store_destroy(store);
    kp_wasm_interpreted_destroy(interpreted);
    kp_wasm_module_destroy(module);
    KP_EXPECT(failing.used == 0);
    return !out && failing.left > 0;
}

KP_TEST(memory)
{
    for (uint64_t seed = 0; seed < 3; seed++) {
        uint8_t *bytes;
        size_t size = kp_generate(seed, KP_WASM_FEATURES_ALL, &bytes);
        KP_EXPECT(size > 0);
        uint64_t n = 0;
        while (n < 2000 && !run_failing(bytes, size, n))
            n++;
        KP_EXPECT(n > 20 && n < 2000);
        free(bytes);
    }
}

KP_TEST_MAIN()
