/* The embedding API, used as programs use it, in both tiers, and by each way to compile. */
#include "runtime/embed/kpwasm.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kp_test.h"

/* Imports "" twice (i32 -> i32), swap (i32 i64 -> i64 i32), g (mut i64). Exports table (2..10 funcref, add
   in it), memory (1..3 pages, "hello" at 16), count (mut i32 = 7), add, callback (twice), multi (swap), boom
   (unreachable), load (a byte), g_add, r_set and r_get (an externref), f_get (from the table), spin. */
static const unsigned char everything[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x27, 0x08, 0x60, 0x01, 0x7f, 0x01, 0x7f,
    0x60, 0x02, 0x7f, 0x7e, 0x02, 0x7e, 0x7f, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f, 0x60, 0x00, 0x00,
    0x60, 0x01, 0x7e, 0x00, 0x60, 0x01, 0x6f, 0x00, 0x60, 0x00, 0x01, 0x6f, 0x60, 0x01, 0x7f, 0x01,
    0x70, 0x02, 0x18, 0x03, 0x00, 0x05, 0x74, 0x77, 0x69, 0x63, 0x65, 0x00, 0x00, 0x00, 0x04, 0x73,
    0x77, 0x61, 0x70, 0x00, 0x01, 0x00, 0x01, 0x67, 0x03, 0x7e, 0x01, 0x03, 0x0b, 0x0a, 0x02, 0x00,
    0x01, 0x03, 0x00, 0x04, 0x05, 0x06, 0x07, 0x03, 0x04, 0x05, 0x01, 0x70, 0x01, 0x02, 0x0a, 0x05,
    0x04, 0x01, 0x01, 0x01, 0x03, 0x06, 0x0b, 0x02, 0x7f, 0x01, 0x41, 0x07, 0x0b, 0x6f, 0x01, 0xd0,
    0x6f, 0x0b, 0x07, 0x68, 0x0d, 0x05, 0x74, 0x61, 0x62, 0x6c, 0x65, 0x01, 0x00, 0x06, 0x6d, 0x65,
    0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, 0x05, 0x63, 0x6f, 0x75, 0x6e, 0x74, 0x03, 0x01, 0x03, 0x61,
    0x64, 0x64, 0x00, 0x02, 0x08, 0x63, 0x61, 0x6c, 0x6c, 0x62, 0x61, 0x63, 0x6b, 0x00, 0x03, 0x05,
    0x6d, 0x75, 0x6c, 0x74, 0x69, 0x00, 0x04, 0x04, 0x62, 0x6f, 0x6f, 0x6d, 0x00, 0x05, 0x04, 0x6c,
    0x6f, 0x61, 0x64, 0x00, 0x06, 0x05, 0x67, 0x5f, 0x61, 0x64, 0x64, 0x00, 0x07, 0x05, 0x72, 0x5f,
    0x73, 0x65, 0x74, 0x00, 0x08, 0x05, 0x72, 0x5f, 0x67, 0x65, 0x74, 0x00, 0x09, 0x05, 0x66, 0x5f,
    0x67, 0x65, 0x74, 0x00, 0x0a, 0x04, 0x73, 0x70, 0x69, 0x6e, 0x00, 0x0b, 0x09, 0x07, 0x01, 0x00,
    0x41, 0x00, 0x0b, 0x01, 0x02, 0x0a, 0x4a, 0x0a, 0x07, 0x00, 0x20, 0x00, 0x20, 0x01, 0x6a, 0x0b,
    0x06, 0x00, 0x20, 0x00, 0x10, 0x00, 0x0b, 0x08, 0x00, 0x20, 0x00, 0x20, 0x01, 0x10, 0x01, 0x0b,
    0x03, 0x00, 0x00, 0x0b, 0x07, 0x00, 0x20, 0x00, 0x2d, 0x00, 0x00, 0x0b, 0x09, 0x00, 0x23, 0x00,
    0x20, 0x00, 0x7c, 0x24, 0x00, 0x0b, 0x06, 0x00, 0x20, 0x00, 0x24, 0x02, 0x0b, 0x04, 0x00, 0x23,
    0x02, 0x0b, 0x06, 0x00, 0x20, 0x00, 0x25, 0x00, 0x0b, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b,
    0x0b, 0x0b, 0x0b, 0x01, 0x00, 0x41, 0x10, 0x0b, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f,
};
/* The start function traps. */
static const unsigned char starts[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x02, 0x01, 0x00, 0x08, 0x01, 0x00, 0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b,
};

typedef struct world {
    wasm_engine_t *engine;
    wasm_store_t *store;
    wasm_module_t *module;
    wasm_instance_t *instance;
    wasm_global_t *global;
    wasm_extern_vec_t exports;
} world_t;

enum {
    TABLE,
    MEMORY,
    COUNT,
    ADD,
    CALLBACK,
    MULTI,
    BOOM,
    LOAD,
    G_ADD,
    R_SET,
    R_GET,
    F_GET,
    SPIN,
    EXPORTS
};

static int environments_ended;

static void end_environment(void *environment)
{
    environments_ended += *(int *)environment == 2;
}

static wasm_trap_t *twice(void *environment, const wasm_val_vec_t *arguments,
                          wasm_val_vec_t *results)
{
    results->data[0].of.i32 = *(int *)environment * arguments->data[0].of.i32;
    return NULL;
}

static wasm_store_t *trap_store;
static wasm_trap_t *swap(const wasm_val_vec_t *arguments, wasm_val_vec_t *results)
{
    if (arguments->data[0].of.i32 < 0) {
        wasm_message_t message;
        wasm_name_new_from_string_nt(&message, "negative");
        wasm_trap_t *trap = wasm_trap_new(trap_store, &message);
        wasm_name_delete(&message);
        return trap;
    }
    results->data[0] = arguments->data[1];
    results->data[1] = arguments->data[0];
    return NULL;
}

static wasm_module_t *load(wasm_store_t *store, const unsigned char *bytes, size_t size)
{
    wasm_byte_vec_t binary;
    wasm_byte_vec_new(&binary, size, (const char *)bytes);
    wasm_module_t *module = wasm_module_new(store, &binary);
    wasm_byte_vec_delete(&binary);
    return module;
}

static void link_world(world_t *world)
{
    static int environment = 2;
    wasm_functype_t *one = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
    wasm_functype_t *two = wasm_functype_new_2_2(wasm_valtype_new_i32(), wasm_valtype_new_i64(),
                                                 wasm_valtype_new_i64(), wasm_valtype_new_i32());
    wasm_globaltype_t *number = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
    wasm_val_t initial = WASM_I64_VAL(40);
    world->global = wasm_global_new(world->store, number, &initial);
    wasm_func_t *first =
        wasm_func_new_with_env(world->store, one, twice, &environment, end_environment);
    wasm_func_t *second = wasm_func_new(world->store, two, swap);
    wasm_extern_t *given[] = {wasm_func_as_extern(first), wasm_func_as_extern(second),
                              wasm_global_as_extern(world->global)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(given);
    wasm_trap_t *trap = NULL;
    world->instance = wasm_instance_new(world->store, world->module, &imports, &trap);
    KP_EXPECT(world->instance && !trap);
    wasm_func_delete(first);
    wasm_func_delete(second);
    wasm_functype_delete(one);
    wasm_functype_delete(two);
    wasm_globaltype_delete(number);
}

/* How code is made, for world_open. */
typedef struct way {
    kpwasm_tier_t tier;
    kpwasm_compiler_t compiler;
    bool lazy;
    unsigned jobs;
    const char *cache;
} way_t;

static void world_open(world_t *world, const way_t *way)
{
    wasm_config_t *config = wasm_config_new();
    kpwasm_config_set_tier(config, way->tier);
    kpwasm_config_set_compiler(config, way->compiler);
    kpwasm_config_set_lazy(config, way->lazy);
    kpwasm_config_set_jobs(config, way->jobs);
    KP_EXPECT(kpwasm_config_set_cache(config, way->cache, 0));
    kpwasm_config_set_fuel(config, true);
    world->engine = wasm_engine_new_with_config(config);
    world->store = trap_store = wasm_store_new(world->engine);
    world->module = load(world->store, everything, sizeof everything);
    KP_EXPECT(world->module != NULL);
    link_world(world);
    wasm_instance_exports(world->instance, &world->exports);
    KP_EXPECT_INT(world->exports.size, EXPORTS);
}

static void world_close(world_t *world)
{
    wasm_extern_vec_delete(&world->exports);
    wasm_instance_delete(world->instance);
    wasm_global_delete(world->global);
    wasm_module_delete(world->module);
    wasm_store_delete(world->store);
    wasm_engine_delete(world->engine);
}

static wasm_trap_t *call(world_t *world, unsigned which, wasm_val_t *arguments, size_t count,
                         wasm_val_t *results, size_t result_count)
{
    wasm_val_vec_t in = {count, arguments}, out = {result_count, results};
    return wasm_func_call(wasm_extern_as_func(world->exports.data[which]), &in, &out);
}

static void expect_trap(wasm_trap_t *trap, const char *text)
{
    wasm_message_t message = WASM_EMPTY_VEC;
    KP_EXPECT(trap != NULL);
    if (!trap)
        return;
    wasm_trap_message(trap, &message);
    KP_EXPECT_STRING(message.data, text);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
}

static void check_calls(world_t *world)
{
    wasm_val_t two[2] = {WASM_I32_VAL(30), WASM_I32_VAL(12)}, out[2] = {WASM_INIT_VAL};
    KP_EXPECT(!call(world, ADD, two, 2, out, 1));
    KP_EXPECT(out[0].kind == WASM_I32 && out[0].of.i32 == 42);
    KP_EXPECT(!call(world, CALLBACK, two, 1, out, 1));
    KP_EXPECT_INT(out[0].of.i32, 60);
    wasm_val_t mixed[2] = {WASM_I32_VAL(5), WASM_I64_VAL(1ll << 40)};
    KP_EXPECT(!call(world, MULTI, mixed, 2, out, 2));
    KP_EXPECT(out[0].kind == WASM_I64 && out[0].of.i64 == 1ll << 40 && out[1].of.i32 == 5);
    mixed[0].of.i32 = -1;
    expect_trap(call(world, MULTI, mixed, 2, out, 2), "negative");
    expect_trap(call(world, ADD, mixed, 2, out, 1), "argument of the wrong type");
    expect_trap(call(world, ADD, mixed, 1, out, 1), "wrong number of arguments or results");
}

static void check_trap(world_t *world)
{
    wasm_trap_t *trap = call(world, BOOM, NULL, 0, NULL, 0);
    wasm_frame_vec_t trace;
    KP_EXPECT(trap != NULL);
    wasm_frame_t *origin = wasm_trap_origin(trap);
    wasm_trap_trace(trap, &trace);
    /* Two functions are imported; boom is the fourth of its own. */
    KP_EXPECT(origin && wasm_frame_func_index(origin) == 5);
    KP_EXPECT_INT(trace.size, 1);
    wasm_frame_delete(origin);
    wasm_frame_vec_delete(&trace);
    expect_trap(trap, "unreachable");
    wasm_val_t far = WASM_I32_VAL(65536), out = WASM_INIT_VAL;
    expect_trap(call(world, LOAD, &far, 1, &out, 1), "out of bounds memory access");
    kpwasm_store_set_fuel(world->store, 1000);
    expect_trap(call(world, SPIN, NULL, 0, NULL, 0), "all fuel consumed");
    KP_EXPECT_INT(kpwasm_store_fuel(world->store), 0);
    kpwasm_store_set_fuel(world->store, INT64_MAX);
    kpwasm_store_interrupt(world->store);
    expect_trap(call(world, SPIN, NULL, 0, NULL, 0), "interrupted");
}

static void check_objects(world_t *world)
{
    wasm_memory_t *memory = wasm_extern_as_memory(world->exports.data[MEMORY]);
    KP_EXPECT(wasm_memory_size(memory) == 1 && wasm_memory_data_size(memory) == MEMORY_PAGE_SIZE);
    KP_EXPECT(memcmp(wasm_memory_data(memory) + 16, "hello", 5) == 0);
    KP_EXPECT(!wasm_memory_grow(memory, 3) && wasm_memory_grow(memory, 2));
    KP_EXPECT_INT(wasm_memory_size(memory), 3);
    wasm_global_t *count = wasm_extern_as_global(world->exports.data[COUNT]);
    wasm_val_t value, add = WASM_I64_VAL(2);
    wasm_global_get(count, &value);
    KP_EXPECT(value.kind == WASM_I32 && value.of.i32 == 7);
    KP_EXPECT(!call(world, G_ADD, &add, 1, NULL, 0));
    wasm_global_get(world->global, &value);
    KP_EXPECT(value.kind == WASM_I64 && value.of.i64 == 42);
    wasm_table_t *table = wasm_extern_as_table(world->exports.data[TABLE]);
    wasm_ref_t *first = wasm_table_get(table, 0);
    KP_EXPECT(first && wasm_ref_same(first, wasm_extern_as_ref(world->exports.data[ADD])));
    KP_EXPECT(!wasm_table_get(table, 1) && !wasm_table_get(table, 2));
    KP_EXPECT(wasm_table_set(table, 1, first) && !wasm_table_set(table, 2, first));
    KP_EXPECT(wasm_table_grow(table, 8, NULL) && !wasm_table_grow(table, 1, NULL));
    KP_EXPECT_INT(wasm_table_size(table), 10);
    wasm_val_t index = WASM_I32_VAL(1), out = WASM_INIT_VAL;
    KP_EXPECT(!call(world, F_GET, &index, 1, &out, 1));
    KP_EXPECT(out.kind == WASM_FUNCREF && wasm_ref_same(out.of.ref, first));
    wasm_val_delete(&out);
    wasm_ref_delete(first);
}

static void check_references(world_t *world)
{
    wasm_foreign_t *foreign = wasm_foreign_new(world->store);
    int information = 5;
    wasm_foreign_set_host_info(foreign, &information);
    wasm_val_t in = WASM_REF_VAL(wasm_foreign_as_ref(foreign)), out = WASM_INIT_VAL;
    KP_EXPECT(!call(world, R_SET, &in, 1, NULL, 0));
    KP_EXPECT(!call(world, R_GET, NULL, 0, &out, 1));
    KP_EXPECT(wasm_ref_same(out.of.ref, in.of.ref));
    KP_EXPECT(out.of.ref && wasm_ref_get_host_info(out.of.ref) == &information);
    wasm_val_delete(&out);
    wasm_foreign_delete(foreign);
    KP_EXPECT(!call(world, R_GET, NULL, 0, &out, 1));
    KP_EXPECT(out.of.ref && wasm_ref_as_foreign(out.of.ref));
    wasm_val_delete(&out);
    wasm_val_t null = WASM_INIT_VAL;
    KP_EXPECT(!call(world, R_SET, &null, 1, NULL, 0));
    KP_EXPECT(!call(world, R_GET, NULL, 0, &out, 1) && !out.of.ref);
}

static void check_reflection(world_t *world)
{
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports, copy;
    wasm_module_imports(world->module, &imports);
    wasm_module_exports(world->module, &exports);
    wasm_exporttype_vec_copy(&copy, &exports);
    KP_EXPECT(imports.size == 3 && exports.size == EXPORTS && copy.size == EXPORTS);
    KP_EXPECT(wasm_externtype_kind(wasm_importtype_type(imports.data[2])) == WASM_EXTERN_GLOBAL);
    KP_EXPECT(wasm_importtype_name(imports.data[1])->size == 4);
    const wasm_tabletype_t *table =
        wasm_externtype_as_tabletype_const(wasm_exporttype_type(copy.data[TABLE]));
    KP_EXPECT(table && wasm_tabletype_limits(table)->min == 2 &&
              wasm_tabletype_limits(table)->max == 10 &&
              wasm_valtype_kind(wasm_tabletype_element(table)) == WASM_FUNCREF);
    for (size_t i = 0; i < exports.size; i++) {
        wasm_externtype_t *type = wasm_extern_type(world->exports.data[i]);
        KP_EXPECT(wasm_externtype_kind(type) ==
                  wasm_externtype_kind(wasm_exporttype_type(exports.data[i])));
        wasm_externtype_delete(type);
    }
    wasm_functype_t *type = wasm_func_type(wasm_extern_as_func(world->exports.data[MULTI]));
    KP_EXPECT(wasm_functype_params(type)->size == 2 && wasm_functype_results(type)->size == 2);
    wasm_functype_delete(type);
    wasm_importtype_vec_delete(&imports);
    wasm_exporttype_vec_delete(&exports);
    wasm_exporttype_vec_delete(&copy);
}

static void check_modules(world_t *world)
{
    wasm_byte_vec_t bytes, bad;
    wasm_trap_t *trap = NULL;
    wasm_module_t *module = load(world->store, starts, sizeof starts);
    wasm_extern_vec_t none = WASM_EMPTY_VEC;
    KP_EXPECT(module && !wasm_instance_new(world->store, module, &none, &trap));
    expect_trap(trap, "unreachable");
    wasm_module_delete(module);
    KP_EXPECT(!wasm_instance_new(world->store, world->module, &none, &trap) && !trap);
    KP_EXPECT(kpwasm_store_error(world->store)[0] != '\0');
    KP_EXPECT(!load(world->store, everything, sizeof everything - 3));
    KP_EXPECT(kpwasm_store_error(world->store)[0] != '\0');

    wasm_module_serialize(world->module, &bytes);
    module = wasm_module_deserialize(world->store, &bytes);
    KP_EXPECT(module != NULL);
    wasm_module_delete(module);
    /* A forged form is validated like any module. */
    bytes.data[8 + 8] ^= 0x7f; /* the first section's number */
    KP_EXPECT(!wasm_module_deserialize(world->store, &bytes));
    wasm_byte_vec_delete(&bytes);
    wasm_byte_vec_new(&bad, sizeof everything, (const char *)everything);
    KP_EXPECT(!wasm_module_deserialize(world->store, &bad));
    KP_EXPECT(wasm_module_validate(world->store, &bad));
    wasm_byte_vec_delete(&bad);

    wasm_shared_module_t *shared = wasm_module_share(world->module);
    wasm_store_t *other = wasm_store_new(world->engine);
    module = wasm_module_obtain(other, shared);
    KP_EXPECT(module != NULL);
    wasm_shared_module_delete(shared);
    wasm_module_delete(module);
    wasm_store_delete(other);
}

static bool everything_in(way_t way)
{
    world_t world;
    int before = environments_ended;
    world_open(&world, &way);
    bool is_cached = kpwasm_module_is_cached(world.module);
    check_calls(&world);
    check_trap(&world);
    check_objects(&world);
    check_references(&world);
    check_reflection(&world);
    check_modules(&world);
    world_close(&world);
    KP_EXPECT_INT(environments_ended, before + 1);
    return is_cached;
}

KP_TEST(embed_interpreted)
{
    everything_in((way_t){.tier = KPWASM_TIER_INTERPRET});
}

KP_TEST(embed_compiled)
{
    everything_in((way_t){.tier = KPWASM_TIER_COMPILE, .jobs = 2});
}

KP_TEST(embed_compiled_lazily)
{
    everything_in((way_t){.lazy = true});
}

KP_TEST(embed_compiled_by_a_process)
{
    everything_in((way_t){.compiler = KPWASM_COMPILER_PROCESS, .jobs = 2});
    everything_in((way_t){.compiler = KPWASM_COMPILER_PROCESS, .lazy = true});
}

KP_TEST(embed_cached)
{
    char folder[32] = "/tmp/kpio-embed-XXXXXX", path[64], command[100], *long_path = NULL;
    KP_REQUIRE(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/cache", folder);
    way_t way = {.compiler = KPWASM_COMPILER_PROCESS, .cache = path};
    KP_EXPECT(!everything_in(way));
    KP_EXPECT(everything_in(way));
    way.lazy = true;
    way.compiler = KPWASM_COMPILER_IN_PROCESS;
    KP_EXPECT(everything_in(way));
    /* A folder that cannot be: without a cache. */
    snprintf(path, sizeof path, "%s/none/none", folder);
    KP_EXPECT(!everything_in(way));
    wasm_config_t *config = wasm_config_new();
    long_path = calloc(1, 5000);
    memset(long_path, 'a', 4999);
    KP_EXPECT(!kpwasm_config_set_cache(config, long_path, 0));
    free(long_path);
    wasm_config_delete(config);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    KP_EXPECT_INT(system(command), 0);
}

/* Where Linux refuses that memory becomes executable which was not. For the rest of this program, so it is
   asked for in a process of its own. */
KP_TEST(embed_without_gain_of_execution)
{
    pid_t child = fork();
    if (child == 0) {
        if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) != 0)
            _exit(77); /* before Linux 6.3 */
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        bool refused = mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
        everything_in((way_t){.jobs = 2});
        everything_in((way_t){.lazy = true});
        everything_in((way_t){.compiler = KPWASM_COMPILER_PROCESS});
        everything_in((way_t){.compiler = KPWASM_COMPILER_PROCESS, .lazy = true});
        _exit(refused && kp_test_failures == 0 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    KP_EXPECT(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
}

/* What is wrong with a module is told with its place, wherever it is compiled. */
KP_TEST(embed_errors)
{
    unsigned char bad[sizeof starts];
    memcpy(bad, starts, sizeof starts);
    bad[sizeof starts - 2] = 0x1a; /* drop of nothing */
    for (unsigned i = 0; i < 4; i++) {
        wasm_config_t *config = wasm_config_new();
        kpwasm_config_set_compiler(config,
                                   i & 1 ? KPWASM_COMPILER_PROCESS : KPWASM_COMPILER_IN_PROCESS);
        kpwasm_config_set_lazy(config, i & 2);
        wasm_engine_t *engine = wasm_engine_new_with_config(config);
        wasm_store_t *store = wasm_store_new(engine);
        KP_EXPECT(load(store, bad, sizeof bad) == NULL);
        KP_EXPECT(strstr(kpwasm_store_error(store), "type mismatch"));
        KP_EXPECT(strstr(kpwasm_store_error(store), "at offset 0x1a in function 0"));
        wasm_store_delete(store);
        wasm_engine_delete(engine);
    }
}

KP_TEST(embed_conveniences)
{
    int here = 0;
    wasm_val_t value;
    wasm_val_init_ptr(&value, &here);
    KP_EXPECT(value.kind == WASM_I64 && wasm_val_ptr(&value) == &here);
    wasm_functype_t *type = wasm_functype_new_3_2(
        wasm_valtype_new_i32(), wasm_valtype_new_externref(), wasm_valtype_new_f32(),
        wasm_valtype_new_funcref(), wasm_valtype_new_f64());
    KP_EXPECT_INT(wasm_functype_params(type)->size, 3);
    KP_EXPECT_INT(wasm_functype_results(type)->size, 2);
    KP_EXPECT_INT(wasm_valtype_kind(wasm_functype_params(type)->data[1]), WASM_EXTERNREF);
    KP_EXPECT_INT(wasm_valtype_kind(wasm_functype_results(type)->data[0]), WASM_FUNCREF);
    wasm_functype_delete(type);
}

KP_TEST_MAIN()
