/* Any bytes: decode, validate, instantiate without imports but functions, and call every exported function
   with little fuel, memory and stack. The first byte is skipped, so that the validator's seeds serve. */
#include <stdlib.h>

#include "runtime/interpret/interpret.h"
#include "runtime/wasm/heap.h"
static kp_status_t answer(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    const kp_wasm_functype_t *type = context;
    (void)caller;
    for (uint32_t i = 0; i < type->result_count; i++)
        values[i] = (kp_wasm_value_t){.v128 = {0, 0}};
    return KP_OK;
}

/* What the module asks for, made to measure. */
static kp_status_t import(kp_wasm_store_t *store, const kp_wasm_module_t *module,
                          const kp_wasm_import_t *wanted, kp_wasm_extern_t *given)
{
    given->kind = wanted->kind;
    switch (wanted->kind) {
    case KP_WASM_EXTERNAL_FUNCTION: {
        const kp_wasm_functype_t *type = kp_wasm_module_function_type(module, wanted->index);
        return kp_wasm_funcinst_create(store, type, answer, (void *)(uintptr_t)type,
                                       &given->function);
    }
    case KP_WASM_EXTERNAL_TABLE:
        return kp_wasm_tableinst_create(store, module->tables[wanted->index].type,
                                        &module->tables[wanted->index].size, NULL, &given->table);
    case KP_WASM_EXTERNAL_MEMORY:
        return kp_wasm_meminst_create(store, &module->memories[wanted->index].size, &given->memory);
    case KP_WASM_EXTERNAL_GLOBAL:
        return kp_wasm_globalinst_create(store, module->globals[wanted->index].type,
                                         module->globals[wanted->index].mutable,
                                         (kp_wasm_value_t){.v128 = {0, 0}}, &given->global);
    default:
        return kp_wasm_taginst_create(store, &module->types[module->tags[wanted->index].type],
                                      &given->tag);
    }
}

static void run(kp_wasm_store_t *store, kp_wasm_instance_t *instance)
{
    static kp_wasm_value_t values[2048];
    const kp_wasm_module_t *module = instance->module;
    for (uint32_t i = 0; i < module->export_count && i < 16; i++) {
        kp_wasm_extern_t what = kp_wasm_instance_export(instance, i);
        if (what.kind != KP_WASM_EXTERNAL_FUNCTION ||
            what.function->signature->parameter_count > 2048 ||
            what.function->signature->result_count > 2048)
            continue;
        for (uint32_t k = 0; k < what.function->signature->parameter_count; k++)
            values[k] = (kp_wasm_value_t){.v128 = {0, 0}};
        store->head.fuel = 5000;
        (void)kp_wasm_call(store, what.function, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module;
    if (size == 0)
        return 0;
    bytes++;
    size--;
    if (kp_wasm_module_decode(bytes, size, &options, &module, NULL) != KP_OK)
        return 0;
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(kp_wasm_heap);
    limits.memory_maximum = 4 << 20;
    limits.table_maximum = 10000;
    limits.object_maximum = 16 << 20;
    limits.stack_bytes = 64 << 10;
    limits.depth_maximum = 200;
    limits.fuel = 5000;
    limits.guard_pages = false;
    kp_wasm_store_t *store = NULL;
    kp_wasm_interpreted_t *interpreted = NULL;
    kp_wasm_extern_t imports[16];
    kp_status_t status = kp_wasm_module_validate(module, NULL);
    if (status == KP_OK)
        status = kp_wasm_interpreted_create(module, kp_wasm_heap, &interpreted);
    if (status == KP_OK)
        status =
            module->import_count > 16 ? KP_ERR_TOO_LARGE : kp_wasm_store_create(&limits, &store);
    for (uint32_t i = 0; status == KP_OK && i < module->import_count; i++)
        status = import(store, module, &module->imports[i], &imports[i]);
    kp_wasm_instance_t *instance;
    if (status == KP_OK)
        status = kp_wasm_instance_create(store, module, &kp_wasm_interpreted_tier, interpreted,
                                         imports, module->import_count, true, &instance, NULL);
    if (status == KP_OK)
        run(store, instance);
    kp_wasm_store_destroy(store);
    kp_wasm_interpreted_destroy(interpreted);
    kp_wasm_module_destroy(module);
    return 0;
}
