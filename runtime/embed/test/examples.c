/* What the examples of the common C API show and embed.c does not: a plain call (hello), values of every
   kind, frames of several instances, host information and its finalizers, references that keep their
   identity, one module in many threads. In both tiers. */
#include <pthread.h>
#include <stdlib.h>

#include "runtime/embed/kpwasm.h"
#include "runtime/embed/test/module.h"
#include "tests/kp_test.h"

typedef struct world {
    wasm_store_t *store;
    wasm_instance_t *instance;
    wasm_extern_vec_t exports;
    int hellos;
    struct world *next; /* whose "through" the import "next" calls; NULL: none */
    wasm_func_t *callbacks[4];
} world_t;

static wasm_trap_t *hello(void *environment, const wasm_val_vec_t *arguments,
                          wasm_val_vec_t *results)
{
    world_t *world = environment;
    KP_EXPECT(arguments->size == 0 && results->size == 0);
    world->hellos++;
    return NULL;
}

/* Each byte plus one. */
static wasm_trap_t *vector(void *environment, const wasm_val_vec_t *arguments,
                           wasm_val_vec_t *results)
{
    uint8_t bytes[16] = {0};
    (void)environment;
    KP_EXPECT(kpwasm_val_v128(&arguments->data[0], bytes));
    for (int i = 0; i < 16; i++)
        bytes[i]++;
    KP_EXPECT(kpwasm_val_new_v128(&results->data[0], bytes));
    return NULL;
}

static wasm_trap_t *pass(void *environment, const wasm_val_vec_t *arguments,
                         wasm_val_vec_t *results)
{
    (void)environment;
    wasm_val_copy(&results->data[0], &arguments->data[0]);
    return NULL;
}

static wasm_trap_t *next(void *environment, const wasm_val_vec_t *arguments,
                         wasm_val_vec_t *results)
{
    world_t *world = environment;
    wasm_val_vec_t in = {1, arguments->data};
    (void)results;
    return world->next ? wasm_func_call(wasm_extern_as_func(world->next->exports.data[THROUGH]),
                                        &in, results)
                       : NULL;
}

static wasm_functype_t *unary(wasm_valkind_t parameter, bool result)
{
    wasm_valtype_t *in[1] = {wasm_valtype_new(parameter)}, *out[1] = {NULL};
    wasm_valtype_vec_t params, results = WASM_EMPTY_VEC;
    wasm_valtype_vec_new(&params, 1, in);
    if (result) {
        out[0] = wasm_valtype_new(parameter);
        wasm_valtype_vec_new(&results, 1, out);
    }
    return wasm_functype_new(&params, &results);
}

static void open_instance(world_t *world, wasm_store_t *store, const wasm_module_t *module)
{
    wasm_functype_t *types[4] = {wasm_functype_new_0_0(), unary(WASM_V128, true),
                                 unary(WASM_ANYREF, true), unary(WASM_I32, false)};
    wasm_func_callback_with_env_t callbacks[4] = {hello, vector, pass, next};
    wasm_extern_t *given[4];
    *world = (world_t){.store = store};
    for (int i = 0; i < 4; i++) {
        world->callbacks[i] = wasm_func_new_with_env(store, types[i], callbacks[i], world, NULL);
        given[i] = wasm_func_as_extern(world->callbacks[i]);
        wasm_functype_delete(types[i]);
    }
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(given);
    world->instance = wasm_instance_new(store, module, &imports, NULL);
    KP_EXPECT(world->instance != NULL);
    wasm_instance_exports(world->instance, &world->exports);
    KP_EXPECT_INT(world->exports.size, EXPORTS);
}

static void close_instance(world_t *world)
{
    for (int i = 0; i < 4; i++)
        wasm_func_delete(world->callbacks[i]);
    wasm_extern_vec_delete(&world->exports);
    wasm_instance_delete(world->instance);
}

static wasm_trap_t *call(world_t *world, unsigned which, wasm_val_t *in, size_t in_count,
                         wasm_val_t *out, size_t out_count)
{
    wasm_val_vec_t arguments = {in_count, in}, results = {out_count, out};
    return wasm_func_call(wasm_extern_as_func(world->exports.data[which]), &arguments, &results);
}

static wasm_engine_t *engine_of(kpwasm_tier_t tier)
{
    wasm_config_t *config = wasm_config_new();
    kpwasm_config_set_tier(config, tier);
    return wasm_engine_new_with_config(config);
}

static wasm_module_t *load(wasm_store_t *store)
{
    wasm_byte_vec_t bytes;
    wasm_byte_vec_new(&bytes, sizeof binary, (const char *)binary);
    wasm_module_t *module = wasm_module_new(store, &bytes);
    if (!module)
        KP_FAIL("%s", kpwasm_store_error(store));
    wasm_byte_vec_delete(&bytes);
    return module;
}

static void check_vectors(world_t *world)
{
    const uint32_t lanes[4] = {1, 2, 3, 4};
    uint32_t found[4] = {0};
    wasm_val_t value = WASM_INIT_VAL, copy = WASM_INIT_VAL, result = WASM_INIT_VAL;
    wasm_global_t *global = wasm_extern_as_global(world->exports.data[V]);
    wasm_global_get(global, &value);
    KP_EXPECT(kpwasm_val_v128(&value, (uint8_t *)found) && memcmp(found, lanes, 16) == 0);
    KP_EXPECT(!call(world, TWICE, &value, 1, &result, 1));
    KP_EXPECT(kpwasm_val_v128(&result, (uint8_t *)found));
    for (uint32_t i = 0; i < 4; i++)
        KP_EXPECT_INT(found[i], 2 * (i + 1) + 0x01010101);
    wasm_global_set(global, &result);
    wasm_val_copy(&copy, &result);
    wasm_val_delete(&result);
    wasm_val_delete(&value);
    wasm_global_get(global, &value);
    uint32_t again[4] = {0};
    KP_EXPECT(kpwasm_val_v128(&copy, (uint8_t *)found) &&
              kpwasm_val_v128(&value, (uint8_t *)again) && memcmp(found, again, 16) == 0);
    wasm_val_t number = WASM_I32_VAL(1);
    KP_EXPECT(!kpwasm_val_v128(&number, (uint8_t *)found));
    wasm_trap_t *refused = call(world, TWICE, &number, 1, &result, 1);
    KP_EXPECT(refused != NULL);
    wasm_trap_delete(refused);
    wasm_val_delete(&copy);
    wasm_val_delete(&value);
}

static void check_references(world_t *world)
{
    wasm_foreign_t *foreign = wasm_foreign_new(world->store);
    wasm_ref_t *references[3] = {wasm_foreign_as_ref(foreign),
                                 wasm_instance_as_ref(world->instance),
                                 wasm_func_as_ref(world->callbacks[0])};
    wasm_table_t *table = wasm_extern_as_table(world->exports.data[T]);
    for (unsigned i = 0; i < 3; i++) {
        wasm_val_t in = WASM_REF_VAL(references[i]), out = WASM_INIT_VAL;
        KP_EXPECT(!call(world, PASS, &in, 1, &out, 1));
        KP_EXPECT(out.of.ref && wasm_ref_same(out.of.ref, references[i]));
        wasm_val_delete(&out);
        KP_EXPECT(wasm_table_set(table, i, references[i]));
    }
    for (unsigned i = 0; i < 4; i++) {
        wasm_ref_t *ref = wasm_table_get(table, i);
        KP_EXPECT(i == 3 ? !ref : ref && wasm_ref_same(ref, references[i]));
        wasm_ref_delete(ref);
    }
    wasm_val_t null = WASM_INIT_VAL, out = WASM_INIT_VAL;
    KP_EXPECT(!call(world, PASS, &null, 1, &out, 1) && !out.of.ref);
    wasm_foreign_delete(foreign);
}

/* A trap in `inner` of the first, which `through` of the second called: whose each frame is. */
static void check_frames(world_t *first, world_t *second)
{
    second->next = first;
    wasm_val_t in = WASM_I32_VAL(0);
    wasm_trap_t *trap = call(second, THROUGH, &in, 1, NULL, 0);
    KP_EXPECT(trap != NULL);
    if (!trap)
        return;
    wasm_frame_vec_t frames;
    wasm_trap_trace(trap, &frames);
    KP_EXPECT_INT(frames.size, 4);
    for (size_t i = 0; i < frames.size; i++) {
        wasm_instance_t *instance = wasm_frame_instance(frames.data[i]);
        uint32_t function = wasm_frame_func_index(frames.data[i]);
        KP_EXPECT_INT(function, i % 2 ? 8 : 7);
        KP_EXPECT(instance &&
                  wasm_instance_same(instance, i < 2 ? first->instance : second->instance));
    }
    wasm_frame_vec_delete(&frames);
    wasm_frame_t *origin = wasm_trap_origin(trap);
    KP_EXPECT(origin && wasm_instance_same(wasm_frame_instance(origin), first->instance));
    wasm_frame_delete(origin);
    wasm_trap_delete(trap);
    second->next = NULL;
}

static void everything_in(kpwasm_tier_t tier)
{
    wasm_engine_t *engine = engine_of(tier);
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = load(store);
    world_t first, second;
    open_instance(&first, store, module);
    open_instance(&second, store, module);
    KP_EXPECT(!call(&first, RUN, NULL, 0, NULL, 0) && !call(&first, RUN, NULL, 0, NULL, 0));
    KP_EXPECT(first.hellos == 2 && second.hellos == 0);
    check_vectors(&first);
    check_references(&first);
    check_frames(&first, &second);
    wasm_val_t out = WASM_INIT_VAL;
    wasm_trap_t *refused = call(&first, THROWS, NULL, 0, &out, 1);
    KP_EXPECT(refused != NULL);
    wasm_trap_delete(refused);
    close_instance(&first);
    close_instance(&second);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
}

KP_TEST(examples_interpreted)
{
    everything_in(KPWASM_TIER_INTERPRET);
}

KP_TEST(examples_compiled)
{
    everything_in(KPWASM_TIER_COMPILE);
}

/* ---- finalizers ---- */

static uint32_t finalized;

static void finalize(void *information)
{
    finalized |= 1u << (int)(intptr_t)information;
}

/* Host information of any object ends once, with its last handle or with the store. */
KP_TEST(finalizers)
{
    wasm_engine_t *engine = engine_of(KPWASM_TIER_COMPILE);
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = load(store);
    world_t world;
    open_instance(&world, store, module);
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    wasm_module_set_host_info_with_finalizer(module, (void *)1, finalize);
    wasm_instance_set_host_info_with_finalizer(world.instance, (void *)2, finalize);
    wasm_func_set_host_info_with_finalizer(world.callbacks[0], (void *)3, finalize);
    wasm_foreign_set_host_info_with_finalizer(foreign, (void *)4, finalize);
    wasm_instance_t *copy = wasm_instance_copy(world.instance);
    KP_EXPECT(wasm_instance_get_host_info(copy) == (void *)2);
    /* WebAssembly has the foreign object: it lives on. */
    wasm_table_set(wasm_extern_as_table(world.exports.data[T]), 0, wasm_foreign_as_ref(foreign));
    wasm_foreign_delete(foreign);
    wasm_module_delete(module);
    close_instance(&world);
    KP_EXPECT_INT(finalized, 1 << 1 | 1 << 3);
    wasm_instance_delete(copy);
    KP_EXPECT_INT(finalized, 1 << 1 | 1 << 2 | 1 << 3);
    wasm_store_delete(store);
    KP_EXPECT_INT(finalized, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
    wasm_engine_delete(engine);
}

/* ---- threads ---- */

enum { THREADS = 6, ROUNDS = 5 };
static wasm_engine_t *common_engine;
static wasm_shared_module_t *common_module;

static void *thread(void *result)
{
    int good = 0;
    for (int round = 0; round < ROUNDS; round++) {
        wasm_store_t *store = wasm_store_new(common_engine);
        wasm_module_t *module = wasm_module_obtain(store, common_module);
        world_t world;
        open_instance(&world, store, module);
        wasm_val_t value = WASM_INIT_VAL, out = WASM_INIT_VAL;
        wasm_global_get(wasm_extern_as_global(world.exports.data[V]), &value);
        good += !call(&world, RUN, NULL, 0, NULL, 0) && world.hellos == 1 &&
                !call(&world, TWICE, &value, 1, &out, 1);
        wasm_val_delete(&value);
        wasm_val_delete(&out);
        close_instance(&world);
        wasm_module_delete(module);
        wasm_store_delete(store);
    }
    *(int *)result = good;
    return NULL;
}

KP_TEST(one_module_in_many_threads)
{
    for (int tier = 0; tier < 2; tier++) {
        pthread_t threads[THREADS];
        int results[THREADS];
        common_engine = engine_of(tier ? KPWASM_TIER_COMPILE : KPWASM_TIER_INTERPRET);
        wasm_store_t *store = wasm_store_new(common_engine);
        wasm_module_t *module = load(store);
        common_module = wasm_module_share(module);
        wasm_module_delete(module);
        wasm_store_delete(store);
        for (int i = 0; i < THREADS; i++)
            KP_EXPECT(pthread_create(&threads[i], NULL, thread, &results[i]) == 0);
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            KP_EXPECT_INT(results[i], ROUNDS);
        }
        wasm_shared_module_delete(common_module);
        wasm_engine_delete(common_engine);
    }
}

KP_TEST_MAIN()
