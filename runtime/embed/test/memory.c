/* The embedding API without memory: the same things are done again and again, and each time another allocation
   fails, once or from then on. Nothing may crash or leak; what fails says so. */
#include <stdlib.h>

#include "runtime/embed/kpwasm.h"
#include "runtime/embed/test/module.h"
#include "tests/kp_test.h"

/* The linker puts these in place of the C library's (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static uint64_t allocations, failing = UINT64_MAX;
static bool from_then_on;

static bool refused(void)
{
    allocations++;
    return allocations == failing || (from_then_on && allocations > failing);
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refused() ? NULL : __real_realloc(old, size);
}

static wasm_trap_t *call_back(void *environment, const wasm_val_vec_t *arguments,
                              wasm_val_vec_t *results)
{
    (void)environment;
    if (results->size)
        wasm_val_copy(&results->data[0], &arguments->data[0]);
    return NULL;
}

static wasm_functype_t *functype(wasm_valkind_t parameter, bool result)
{
    wasm_valtype_t *in = wasm_valtype_new(parameter);
    wasm_valtype_vec_t params, results = WASM_EMPTY_VEC;
    if (!in)
        return NULL;
    wasm_valtype_vec_new(&params, 1, &in);
    if (params.size == 0) {
        wasm_valtype_delete(in);
        return NULL;
    }
    if (result)
        wasm_valtype_vec_copy(&results, &params);
    if (result && (results.size == 0 || !results.data[0])) {
        wasm_valtype_vec_delete(&params);
        wasm_valtype_vec_delete(&results);
        return NULL;
    }
    return wasm_functype_new(&params, &results);
}

typedef struct world {
    wasm_engine_t *engine;
    wasm_store_t *store;
    wasm_module_t *module;
    wasm_instance_t *instance;
    wasm_func_t *callbacks[4];
    wasm_extern_vec_t exports;
} world_t;

static bool open_engine(world_t *world, kpwasm_tier_t tier)
{
    wasm_config_t *config = wasm_config_new();
    if (!config)
        return false;
    kpwasm_config_set_tier(config, tier);
    world->engine = wasm_engine_new_with_config(config);
    world->store = world->engine ? wasm_store_new(world->engine) : NULL;
    return world->store != NULL;
}

static bool open_module(world_t *world)
{
    wasm_byte_vec_t bytes;
    wasm_byte_vec_new(&bytes, sizeof binary, (const char *)binary);
    world->module = wasm_module_new(world->store, &bytes);
    wasm_byte_vec_delete(&bytes);
    return world->module != NULL;
}

static bool open_instance(world_t *world)
{
    wasm_functype_t *types[4] = {wasm_functype_new_0_0(), functype(WASM_V128, true),
                                 functype(WASM_ANYREF, true), functype(WASM_I32, false)};
    wasm_extern_t *given[4] = {NULL};
    bool good = true;
    for (int i = 0; i < 4; i++) {
        if (types[i])
            world->callbacks[i] =
                wasm_func_new_with_env(world->store, types[i], call_back, world, NULL);
        if (world->callbacks[i])
            given[i] = wasm_func_as_extern(world->callbacks[i]);
        good = good && given[i];
        wasm_functype_delete(types[i]);
    }
    if (!good)
        return false;
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(given);
    wasm_trap_t *trap;
    world->instance = wasm_instance_new(world->store, world->module, &imports, &trap);
    wasm_trap_delete(trap);
    if (!world->instance)
        return false;
    wasm_instance_exports(world->instance, &world->exports);
    for (size_t i = 0; i < world->exports.size; i++)
        good = good && world->exports.data[i];
    return good && world->exports.size == EXPORTS;
}

static bool call(world_t *world, unsigned which, wasm_val_t *in, wasm_val_t *out)
{
    wasm_val_vec_t arguments = {in != NULL, in}, results = {out != NULL, out};
    wasm_trap_t *trap =
        wasm_func_call(wasm_extern_as_func(world->exports.data[which]), &arguments, &results);
    if (!trap)
        return true;
    wasm_frame_vec_t frames;
    wasm_message_t message;
    wasm_trap_message(trap, &message);
    wasm_trap_trace(trap, &frames);
    wasm_frame_t *origin = wasm_trap_origin(trap);
    if (origin)
        (void)wasm_frame_instance(origin);
    wasm_frame_delete(origin);
    wasm_frame_vec_delete(&frames);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
    return false;
}

/* Each returns whether all went well; what it made is gone either way. */
static bool use_values(world_t *world)
{
    wasm_global_t *global = wasm_extern_as_global(world->exports.data[V]);
    wasm_val_t value = WASM_INIT_VAL, out = WASM_INIT_VAL, copy = WASM_INIT_VAL;
    uint8_t bytes[16];
    wasm_global_get(global, &value);
    bool good = kpwasm_val_v128(&value, bytes) && call(world, TWICE, &value, &out);
    wasm_val_copy(&copy, &value);
    good = good && kpwasm_val_v128(&copy, bytes);
    wasm_global_set(global, &copy);
    wasm_val_delete(&value);
    wasm_val_delete(&copy);
    wasm_val_delete(&out);
    wasm_val_t one = WASM_I32_VAL(1);
    bool trapped = !call(world, THROUGH, &one, NULL);
    return good && trapped && call(world, RUN, NULL, NULL);
}

static bool use_references(world_t *world)
{
    wasm_foreign_t *foreign = wasm_foreign_new(world->store);
    wasm_table_t *table = wasm_extern_as_table(world->exports.data[T]);
    if (!foreign)
        return false;
    wasm_val_t in = WASM_REF_VAL(wasm_foreign_as_ref(foreign)), out = WASM_INIT_VAL;
    bool good = call(world, PASS, &in, &out) && wasm_ref_same(in.of.ref, out.of.ref);
    wasm_val_delete(&out);
    good = wasm_table_set(table, 0, in.of.ref) && good;
    good = wasm_table_grow(table, 100, in.of.ref) && good;
    wasm_ref_t *got = wasm_table_get(table, 50);
    good = good && got;
    wasm_ref_delete(got);
    wasm_foreign_delete(foreign);
    return good;
}

static bool use_types(world_t *world)
{
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports, copy;
    wasm_module_imports(world->module, &imports);
    wasm_module_exports(world->module, &exports);
    wasm_exporttype_vec_copy(&copy, &exports);
    bool good = imports.size == 4 && exports.size == EXPORTS && copy.size == EXPORTS;
    for (size_t i = 0; i < imports.size; i++)
        good = good && imports.data[i];
    for (size_t i = 0; i < copy.size; i++)
        good = good && copy.data[i];
    wasm_importtype_vec_delete(&imports);
    wasm_exporttype_vec_delete(&exports);
    wasm_exporttype_vec_delete(&copy);
    for (size_t i = 0; i < EXPORTS; i++) {
        wasm_externtype_t *type = wasm_extern_type(world->exports.data[i]);
        good = good && type;
        wasm_externtype_delete(type);
    }
    return good;
}

static bool use_modules(world_t *world)
{
    wasm_byte_vec_t bytes;
    wasm_module_serialize(world->module, &bytes);
    wasm_module_t *again = wasm_module_deserialize(world->store, &bytes);
    wasm_shared_module_t *shared = wasm_module_share(world->module);
    wasm_module_t *obtained = shared ? wasm_module_obtain(world->store, shared) : NULL;
    bool good = again && obtained;
    wasm_byte_vec_delete(&bytes);
    wasm_module_delete(again);
    wasm_module_delete(obtained);
    wasm_shared_module_delete(shared);
    return good;
}

static bool use_objects(world_t *world)
{
    wasm_limits_t limits = {1, 3};
    wasm_memorytype_t *type = wasm_memorytype_new(&limits);
    wasm_memory_t *memory = type ? wasm_memory_new(world->store, type) : NULL;
    bool good = memory && wasm_memory_grow(memory, 2);
    wasm_memory_delete(memory);
    wasm_memorytype_delete(type);
    wasm_valtype_t *element = wasm_valtype_new(WASM_FUNCREF);
    wasm_tabletype_t *table_type = element ? wasm_tabletype_new(element, &limits) : NULL;
    wasm_table_t *table = table_type ? wasm_table_new(world->store, table_type, NULL) : NULL;
    good = good && table;
    wasm_table_delete(table);
    if (!table_type && element)
        good = false; /* the type took the element all the same */
    wasm_tabletype_delete(table_type);
    return good;
}

static bool everything(kpwasm_tier_t tier)
{
    world_t world = {0};
    bool good = open_engine(&world, tier) && open_module(&world) && open_instance(&world);
    if (good) {
        good = use_values(&world);
        good = use_references(&world) && good;
        good = use_types(&world) && good;
        good = use_modules(&world) && good;
        good = use_objects(&world) && good;
    }
    wasm_extern_vec_delete(&world.exports);
    for (int i = 0; i < 4; i++)
        wasm_func_delete(world.callbacks[i]);
    wasm_instance_delete(world.instance);
    wasm_module_delete(world.module);
    wasm_store_delete(world.store);
    wasm_engine_delete(world.engine);
    return good;
}

static void each_allocation(kpwasm_tier_t tier)
{
    failing = UINT64_MAX;
    allocations = 0;
    KP_EXPECT(everything(tier));
    uint64_t all = allocations, silent = 0;
    KP_EXPECT(all > 100);
    for (int on = 0; on < 2; on++) {
        from_then_on = on;
        for (uint64_t at = 1; at <= all; at++) {
            failing = at;
            allocations = 0;
            silent += everything(tier);
        }
    }
    from_then_on = false;
    failing = UINT64_MAX;
    printf("# %llu allocations\n", (unsigned long long)all);
    /* Some are only wished for: the frames of a trap and its text. */
    KP_EXPECT(silent * 10 < all);
    KP_EXPECT(everything(tier));
}

KP_TEST(memory_interpreted)
{
    each_allocation(KPWASM_TIER_INTERPRET);
}

KP_TEST(memory_compiled)
{
    each_allocation(KPWASM_TIER_COMPILE);
}

KP_TEST_MAIN()
