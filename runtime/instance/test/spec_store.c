#include "runtime/instance/test/spec_store.h"
#include "runtime/wasm/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef struct loaded {
    struct loaded *next;
    kp_wasm_module_t *module;
    void *tier_module;
} loaded_t;

typedef struct name {
    struct name *next;
    kp_wasm_instance_t *instance;
    size_t length;
    char text[];
} name_t;

/* The host's module "spectest". */
typedef struct host {
    const char *field;
    kp_wasm_extern_t what;
} host_t;

typedef struct state {
    const kp_spec_tier_t *tier;
    kp_wasm_options_t options;
    kp_wasm_store_t *store;
    loaded_t *loaded;
    name_t *names;
    host_t hosts[24];
    unsigned host_count;
} state_t;

static kp_status_t print_nothing(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    (void)context;
    (void)caller;
    (void)values;
    return KP_OK;
}

static bool add_host(state_t *state, const char *field, kp_wasm_extern_t what, kp_status_t status)
{
    if (status != KP_OK || state->host_count == 24)
        return false;
    state->hosts[state->host_count++] = (host_t){field, what};
    return true;
}

static bool add_print(state_t *state, const char *field, const char *parameters)
{
    kp_wasm_type_t types[4];
    uint32_t count = (uint32_t)strlen(parameters);
    for (uint32_t i = 0; i < count; i++)
        types[i] = (kp_wasm_type_t)(parameters[i] == 'i'   ? KP_WASM_TYPE_I32
                                    : parameters[i] == 'I' ? KP_WASM_TYPE_I64
                                    : parameters[i] == 'f' ? KP_WASM_TYPE_F32
                                                           : KP_WASM_TYPE_F64);
    kp_wasm_functype_t type = {types, count, 0, 0};
    kp_wasm_extern_t what = {.kind = KP_WASM_EXTERNAL_FUNCTION};
    kp_status_t status =
        kp_wasm_funcinst_create(state->store, &type, print_nothing, NULL, &what.function);
    return add_host(state, field, what, status);
}

static bool add_global(state_t *state, const char *field, kp_wasm_type_t type, uint64_t bits)
{
    kp_wasm_extern_t what = {.kind = KP_WASM_EXTERNAL_GLOBAL};
    kp_status_t status = kp_wasm_globalinst_create(
        state->store, type, false, (kp_wasm_value_t){.v128 = {bits, 0}}, &what.global);
    return add_host(state, field, what, status);
}

static bool add_memories(state_t *state)
{
    kp_wasm_size_range_t table = {.minimum = 10, .maximum = 20, .has_maximum = true};
    kp_wasm_size_range_t memory = {.minimum = 1, .maximum = 2, .has_maximum = true};
    kp_wasm_extern_t what = {.kind = KP_WASM_EXTERNAL_TABLE};
    bool good = true;
    for (int is_64 = 0; is_64 < 2; is_64++) {
        table.is_64 = is_64;
        kp_status_t status =
            kp_wasm_tableinst_create(state->store, KP_WASM_TYPE_FUNCREF, &table, NULL, &what.table);
        good = good && add_host(state, is_64 ? "table64" : "table", what, status);
    }
    what.kind = KP_WASM_EXTERNAL_MEMORY;
    for (int shared = 0; shared < 2; shared++) {
        memory.shared = shared;
        kp_status_t status = kp_wasm_meminst_create(state->store, &memory, &what.memory);
        good = good && add_host(state, shared ? "shared_memory" : "memory", what, status);
    }
    return good;
}

static void close_store(void *opaque)
{
    state_t *state = opaque;
    kp_wasm_store_destroy(state->store);
    for (loaded_t *loaded = state->loaded, *next; loaded; loaded = next) {
        next = loaded->next;
        state->tier->discard(loaded->tier_module);
        kp_wasm_module_destroy(loaded->module);
        free(loaded);
    }
    for (name_t *name = state->names, *next; name; name = next) {
        next = name->next;
        free(name);
    }
    free(state);
}

void *kp_spec_store_open(const kp_spec_tier_t *tier, kp_wasm_features_t features)
{
    state_t *state = calloc(1, sizeof *state);
    if (!state)
        return NULL;
    state->tier = tier;
    state->options = kp_wasm_options_init(kp_wasm_heap);
    state->options.features = features;
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_wasm_heap);
    options.guard_pages = tier->guard_pages;
#ifdef KP_NATIVE
    /* All memories of a file lie in one linear memory, each with room for all of this. */
    options.memory_maximum = (uint64_t)64 << 20;
#else
    /* Some modules want memories and tables of the greatest size there is, empty. */
    options.memory_maximum = (uint64_t)64 << 30;
#endif
    options.table_maximum = 100 * 1000 * 1000;
    if (kp_wasm_store_create(&options, &state->store) == KP_OK && add_print(state, "print", "") &&
        add_print(state, "print_i32", "i") && add_print(state, "print_i64", "I") &&
        add_print(state, "print_f32", "f") && add_print(state, "print_f64", "F") &&
        add_print(state, "print_i32_f32", "if") && add_print(state, "print_f64_f64", "FF") &&
        add_global(state, "global_i32", KP_WASM_TYPE_I32, 666) &&
        add_global(state, "global_i64", KP_WASM_TYPE_I64, 666) &&
        add_global(state, "global_f32", KP_WASM_TYPE_F32, 0x4426a666) &&
        add_global(state, "global_f64", KP_WASM_TYPE_F64, 0x4084d4cccccccccd) &&
        add_memories(state))
        return state;
    close_store(state);
    return NULL;
}

static kp_spec_outcome_t outcome_of(const kp_wasm_error_t *error, kp_spec_message_t *message)
{
    kp_wasm_error_print(error, message->text, sizeof message->text);
    switch (error->kind) {
    case KP_WASM_ERROR_MALFORMED:
    case KP_WASM_ERROR_LIMIT:
        return KP_SPEC_MALFORMED;
    case KP_WASM_ERROR_INVALID:
        return KP_SPEC_INVALID;
    case KP_WASM_ERROR_UNSUPPORTED:
        return KP_SPEC_UNSUPPORTED;
    default:
        return KP_SPEC_ERROR;
    }
}

static kp_spec_outcome_t load(state_t *state, const uint8_t *bytes, size_t size, loaded_t **result,
                              kp_spec_message_t *message)
{
    kp_wasm_error_t error = {0};
    loaded_t *loaded = calloc(1, sizeof *loaded);
    if (!loaded)
        return KP_SPEC_ERROR;
    kp_status_t status =
        kp_wasm_module_decode(bytes, size, &state->options, &loaded->module, &error);
    if (status == KP_OK)
        status = state->tier->prepare(loaded->module, kp_wasm_heap, &loaded->tier_module, &error);
    if (status != KP_OK) {
        kp_wasm_module_destroy(loaded->module);
        free(loaded);
        return outcome_of(&error, message);
    }
    loaded->next = state->loaded;
    state->loaded = loaded;
    *result = loaded;
    return KP_SPEC_OK;
}

static kp_spec_outcome_t check(void *opaque, const uint8_t *bytes, size_t size,
                               kp_spec_message_t *message)
{
    loaded_t *loaded;
    return load(opaque, bytes, size, &loaded, message);
}

static kp_spec_outcome_t failed(state_t *state, kp_status_t status, kp_spec_message_t *message)
{
    if (status == KP_ERR_EXCEPTION)
        return KP_SPEC_EXCEPTION;
    if (status != KP_ERR_TRAP) {
        snprintf(message->text, sizeof message->text, "%s", kp_status_text(status));
        return KP_SPEC_ERROR;
    }
    snprintf(message->text, sizeof message->text, "%s", kp_wasm_trap_text(state->store->trap.code));
    return state->store->trap.code == KP_WASM_TRAP_STACK_EXHAUSTED ? KP_SPEC_EXHAUSTION
                                                                   : KP_SPEC_TRAP;
}

static bool same(const kp_wasm_module_t *module, kp_wasm_span_t span, const char *text, size_t size)
{
    return span.size == size && memcmp(kp_wasm_module_at(module, span), text, size) == 0;
}

static bool resolve(state_t *state, const kp_wasm_module_t *module, const kp_wasm_import_t *import,
                    kp_wasm_extern_t *found)
{
    if (same(module, import->module, "spectest", 8))
        for (unsigned i = 0; i < state->host_count; i++)
            if (same(module, import->name, state->hosts[i].field, strlen(state->hosts[i].field))) {
                *found = state->hosts[i].what;
                return true;
            }
    for (const name_t *name = state->names; name; name = name->next)
        if (same(module, import->module, name->text, name->length))
            return kp_wasm_instance_find(name->instance,
                                         (const char *)kp_wasm_module_at(module, import->name),
                                         import->name.size, found);
    return false;
}

static kp_spec_outcome_t instantiate(void *opaque, const uint8_t *bytes, size_t size,
                                     void **instance, kp_spec_message_t *message)
{
    state_t *state = opaque;
    loaded_t *loaded;
    kp_spec_outcome_t outcome = load(state, bytes, size, &loaded, message);
    if (outcome != KP_SPEC_OK)
        return outcome;
    const kp_wasm_module_t *module = loaded->module;
    kp_wasm_extern_t *imports = calloc(module->import_count + 1, sizeof *imports);
    if (!imports)
        return KP_SPEC_ERROR;
    for (uint32_t i = 0; i < module->import_count; i++)
        if (!resolve(state, module, &module->imports[i], &imports[i])) {
            free(imports);
            snprintf(message->text, sizeof message->text, "unknown import");
            return KP_SPEC_UNLINKABLE;
        }
    kp_wasm_instance_t *made;
    uint32_t bad = UINT32_MAX;
    kp_status_t status =
        kp_wasm_instance_create(state->store, module, state->tier->tier, loaded->tier_module,
                                imports, module->import_count, true, &made, &bad);
    free(imports);
    if (bad != UINT32_MAX) {
        snprintf(message->text, sizeof message->text, "incompatible import type");
        return KP_SPEC_UNLINKABLE;
    }
    if (status != KP_OK)
        return failed(state, status, message);
    *instance = made;
    return KP_SPEC_OK;
}

static bool bind(void *opaque, void *instance, const char *text, size_t length)
{
    state_t *state = opaque;
    name_t *name = malloc(sizeof *name + length);
    if (!name)
        return false;
    name->instance = instance;
    name->length = length;
    memcpy(name->text, text, length);
    name->next = state->names;
    state->names = name;
    return true;
}

/* Externrefs are pointers that are never NULL: the suite's numbers plus one. */
static kp_wasm_value_t value_in(const kp_spec_value_t *value)
{
    kp_wasm_value_t result = {.v128 = {value->bits[0], 0}};
    if (value->type == KP_WASM_TYPE_V128)
        result.v128[1] = value->bits[1];
    else if (kp_wasm_type_is_reference(value->type))
        result.v128[0] = value->bits[0] == KP_SPEC_NULL ? 0 : value->bits[0] + 1;
    return result;
}

static kp_spec_value_t value_out(kp_wasm_type_t type, const kp_wasm_value_t *value)
{
    kp_spec_value_t result = {type, {value->u64, 0}};
    if (type == KP_WASM_TYPE_V128)
        result.bits[1] = value->v128[1];
    else if (kp_wasm_type_is_reference(type))
        result.bits[0] = value->reference ? value->u64 - 1 : KP_SPEC_NULL;
    return result;
}

static kp_spec_outcome_t invoke(void *opaque, void *instance, const char *field, size_t length,
                                const kp_spec_value_t *arguments, size_t argument_count,
                                kp_spec_value_t *results, size_t *result_count,
                                kp_spec_message_t *message)
{
    static kp_wasm_value_t values[KP_SPEC_VALUES];
    state_t *state = opaque;
    kp_wasm_extern_t found;
    if (!kp_wasm_instance_find(instance, field, length, &found) ||
        found.kind != KP_WASM_EXTERNAL_FUNCTION ||
        found.function->signature->parameter_count != argument_count)
        return KP_SPEC_ERROR;
    for (size_t i = 0; i < argument_count; i++)
        values[i] = value_in(&arguments[i]);
    kp_status_t status = kp_wasm_call(state->store, found.function, values);
    if (status != KP_OK)
        return failed(state, status, message);
    const kp_wasm_functype_t *type = found.function->signature;
    *result_count = type->result_count;
    for (uint32_t i = 0; i < type->result_count; i++)
        results[i] = value_out(kp_wasm_functype_results(type)[i], &values[i]);
    return KP_SPEC_OK;
}

static kp_spec_outcome_t get(void *opaque, void *instance, const char *field, size_t length,
                             kp_spec_value_t *result, kp_spec_message_t *message)
{
    kp_wasm_extern_t found;
    (void)opaque;
    (void)message;
    if (!kp_wasm_instance_find(instance, field, length, &found) ||
        found.kind != KP_WASM_EXTERNAL_GLOBAL)
        return KP_SPEC_ERROR;
    *result = value_out(found.global->type, found.global->cell);
    return KP_SPEC_OK;
}

kp_spec_engine_t kp_spec_store_engine(const char *name, void *(*open)(kp_wasm_features_t features))
{
    return (kp_spec_engine_t){
        .name = name,
        .open = open,
        .close = close_store,
        .check = check,
        .instantiate = instantiate,
        .bind = bind,
        .invoke = invoke,
        .get = get,
    };
}
