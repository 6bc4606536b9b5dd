/* Modules by another generator (wasm-opt --translate-to-fuzz --denan, see the script binaryen) in interpreter and
   compiler: binaryen-compare FILE... instantiates each with imports that record what they get, calls every
   exported function with zeros, and compares outcomes, traps, results, what was recorded, memories and
   globals. Modules that need what we do not have are left out and counted. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/wasm/heap.h"

enum { TIERS = 2, FUEL = 20000000 };

static const kp_spec_tier_t *const tiers[TIERS] = {&kp_spec_interpreted, &kp_spec_compiled};

typedef struct world {
    uint64_t recorded; /* hash of what imports got */
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    void *tier_module;
} world_t;

typedef enum verdict { SAME, DIFFERS, LEFT_OUT } verdict_t;

static uint64_t calls, returned;

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

/* References differ by address: only whether they are null counts. */
static uint64_t mix_value(uint64_t hash, kp_wasm_type_t type, const kp_wasm_value_t *value)
{
    uint64_t bits[2] = {value->u64, type == KP_WASM_TYPE_V128 ? value->v128[1] : 0};
    if (type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32)
        bits[0] = value->u32;
    else if (kp_wasm_type_is_reference(type))
        bits[0] = value->reference != NULL;
    return mix(hash, bits, sizeof bits);
}

typedef struct host {
    world_t *world;
    const kp_wasm_functype_t *type;
    uint32_t import;
} host_t;

static kp_status_t record(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    host_t *host = context;
    uint64_t hash = mix(host->world->recorded, &host->import, sizeof host->import);
    (void)caller;
    for (uint32_t i = 0; i < host->type->parameter_count; i++)
        hash = mix_value(hash, host->type->types[i], &values[i]);
    host->world->recorded = hash;
    for (uint32_t i = 0; i < host->type->result_count; i++)
        values[i] = (kp_wasm_value_t){.v128 = {0, 0}};
    return KP_OK;
}

static kp_status_t give(world_t *world, const kp_wasm_module_t *module, uint32_t index,
                        kp_wasm_extern_t *given, host_t *host)
{
    static char object;
    const kp_wasm_import_t *import = &module->imports[index];
    given->kind = import->kind;
    switch (import->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        *host = (host_t){world, kp_wasm_module_function_type(module, import->index), index};
        return kp_wasm_funcinst_create(world->store, host->type, record, host, &given->function);
    case KP_WASM_EXTERNAL_GLOBAL: {
        kp_wasm_type_t type = module->globals[import->index].type;
        kp_wasm_value_t value = {.v128 = {0, 0}};
        if (type == KP_WASM_TYPE_EXTERNREF)
            value.reference = &object;
        return kp_wasm_globalinst_create(world->store, type, module->globals[import->index].mutable,
                                         value, &given->global);
    }
    case KP_WASM_EXTERNAL_MEMORY:
        return kp_wasm_meminst_create(world->store, &module->memories[import->index].size,
                                      &given->memory);
    case KP_WASM_EXTERNAL_TABLE:
        return kp_wasm_tableinst_create(world->store, module->tables[import->index].type,
                                        &module->tables[import->index].size, NULL, &given->table);
    default:
        return kp_wasm_taginst_create(
            world->store, &module->types[module->tags[import->index].type], &given->tag);
    }
}

static kp_status_t open_world(world_t *world, const kp_spec_tier_t *tier,
                              const kp_wasm_module_t *module, host_t *hosts)
{
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_wasm_heap);
    kp_wasm_extern_t *given = calloc(module->import_count + 1u, sizeof *given);
    options.guard_pages = tier->guard_pages;
    options.memory_maximum = 64 << 20;
    options.fuel = FUEL;
    world->recorded = 0xcbf29ce484222325;
    kp_status_t status = given ? kp_wasm_store_create(&options, &world->store) : KP_ERR_NO_MEMORY;
    for (uint32_t i = 0; status == KP_OK && i < module->import_count; i++)
        status = give(world, module, i, &given[i], &hosts[i]);
    if (status == KP_OK)
        status = kp_wasm_instance_create(world->store, module, tier->tier, world->tier_module,
                                         given, module->import_count, true, &world->instance, NULL);
    free(given);
    return status;
}

static uint64_t state_of(const world_t *world)
{
    const kp_wasm_module_t *module = world->instance->module;
    uint64_t hash = world->recorded;
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(world->instance, i);
        uint64_t size = kp_wasm_meminst_size(memory), words = 0;
        for (uint64_t at = 0; at < size; at += 8) {
            uint64_t word;
            memcpy(&word, memory->base + at, 8);
            words = (words ^ word) * 0x9e3779b97f4a7c15 + (words >> 29);
        }
        hash = mix(mix(hash, &size, sizeof size), &words, sizeof words);
    }
    for (uint32_t i = 0; i < module->global_count; i++) {
        const kp_wasm_globalinst_t *global = kp_wasm_instance_global(world->instance, i);
        hash = mix_value(hash, global->type, global->cell);
    }
    return hash;
}

/* Out of fuel or stack the tiers may be at different places. */
static bool exhausted(const world_t *world, kp_status_t status)
{
    return status == KP_ERR_TRAP && (world->store->trap.code == KP_WASM_TRAP_FUEL ||
                                     world->store->trap.code == KP_WASM_TRAP_STACK_EXHAUSTED);
}

static verdict_t compare_call(world_t worlds[TIERS], const kp_wasm_module_t *module,
                              uint32_t export, const char **what)
{
    kp_status_t status[TIERS];
    uint64_t result[TIERS] = {0};
    static kp_wasm_value_t values[KP_SPEC_VALUES];
    for (int i = 0; i < TIERS; i++) {
        kp_wasm_funcinst_t *function = kp_wasm_instance_export(worlds[i].instance, export).function;
        const kp_wasm_functype_t *type = function->signature;
        if (type->parameter_count > KP_SPEC_VALUES || type->result_count > KP_SPEC_VALUES)
            return LEFT_OUT;
        memset(values, 0, sizeof values[0] * (type->parameter_count + 1));
        status[i] = kp_wasm_call(worlds[i].store, function, values);
        for (uint32_t j = 0; status[i] == KP_OK && j < type->result_count; j++)
            result[i] = mix_value(result[i], kp_wasm_functype_results(type)[j], &values[j]);
        worlds[i].store->head.fuel = FUEL;
    }
    (void)module;
    if (exhausted(&worlds[0], status[0]) || exhausted(&worlds[1], status[1]))
        return LEFT_OUT;
    calls++;
    returned += status[0] == KP_OK;
    *what = status[0] != status[1] ? "outcome"
            : status[0] == KP_ERR_TRAP && worlds[0].store->trap.code != worlds[1].store->trap.code
                ? "trap"
            : result[0] != result[1]                   ? "results"
            : worlds[0].recorded != worlds[1].recorded ? "what imports got"
                                                       : NULL;
    return *what ? DIFFERS : SAME;
}

static verdict_t compare_worlds(world_t worlds[TIERS], const kp_wasm_module_t *module,
                                const char *path)
{
    for (uint32_t i = 0; i < module->export_count; i++) {
        const char *what = NULL;
        if (module->exports[i].kind != KP_WASM_EXTERNAL_FUNCTION)
            continue;
        verdict_t verdict = compare_call(worlds, module, i, &what);
        if (verdict == LEFT_OUT)
            return SAME; /* so far */
        if (verdict == DIFFERS) {
            printf("# differ: %s export %" PRIu32 ": %s\n", path, i, what);
            return DIFFERS;
        }
    }
    if (state_of(&worlds[0]) == state_of(&worlds[1]))
        return SAME;
    printf("# differ: %s: memories or globals at the end\n", path);
    return DIFFERS;
}

static verdict_t compare_module(const uint8_t *bytes, size_t size, const char *path)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module = NULL;
    kp_wasm_error_t error = {0};
    world_t worlds[TIERS] = {{0}};
    kp_status_t status[TIERS];
    verdict_t verdict = LEFT_OUT;
    bool good = kp_wasm_module_decode(bytes, size, &options, &module, &error) == KP_OK;
    host_t *hosts = good ? calloc(module->import_count * TIERS + 1u, sizeof *hosts) : NULL;
    for (int i = 0; good && i < TIERS; i++)
        good = tiers[i]->prepare(module, kp_wasm_heap, &worlds[i].tier_module, &error) == KP_OK;
    if (good && hosts) {
        for (int i = 0; i < TIERS; i++)
            status[i] =
                open_world(&worlds[i], tiers[i], module, hosts + (size_t)i * module->import_count);
        if (status[0] != status[1]) {
            printf("# differ: %s: instantiation\n", path);
            verdict = DIFFERS;
        } else {
            verdict = status[0] == KP_OK ? compare_worlds(worlds, module, path) : SAME;
        }
    } else if (error.kind && error.kind != KP_WASM_ERROR_UNSUPPORTED &&
               error.kind != KP_WASM_ERROR_LIMIT) {
        char text[256];
        kp_wasm_error_print(&error, text, sizeof text);
        printf("# refused: %s: %s\n", path, text);
    }
    for (int i = 0; i < TIERS; i++) {
        kp_wasm_store_destroy(worlds[i].store);
        if (worlds[i].tier_module)
            tiers[i]->discard(worlds[i].tier_module);
    }
    free(hosts);
    kp_wasm_module_destroy(module);
    return verdict;
}

int main(int argc, char **argv)
{
    uint64_t counts[3] = {0};
    static uint8_t bytes[1 << 22];
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        if (file)
            fclose(file);
        counts[size ? compare_module(bytes, size, argv[i]) : LEFT_OUT]++;
    }
    printf("%s %" PRIu64 " modules: %" PRIu64 " calls, %" PRIu64 " returned, %" PRIu64
           " modules differ, %" PRIu64 " left out\n",
           counts[DIFFERS] ? "not ok" : "ok", counts[SAME] + counts[DIFFERS], calls, returned,
           counts[DIFFERS], counts[LEFT_OUT]);
    return counts[DIFFERS] != 0;
}
