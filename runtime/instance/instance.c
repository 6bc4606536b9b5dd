/* Linking and instantiation. Specification: "Modules", "Instantiation", "External Typing". */
#include "runtime/instance/internal.h"
#include "runtime/wasm/constant.h"

static bool import_matches(const kp_wasm_instance_t *instance, const kp_wasm_import_t *import,
                           const kp_wasm_extern_t *given)
{
    const kp_wasm_module_t *module = instance->module;
    if (import->kind != given->kind || !given->function)
        return false;
    switch (import->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        return given->function->instance->store == instance->store &&
               given->function->type ==
                   instance->type_numbers[module->functions[import->index].type];
    case KP_WASM_EXTERNAL_TABLE: {
        const kp_wasm_table_t *wanted = &module->tables[import->index];
        kp_wasm_size_range_t range = given->table->range;
        range.minimum = given->table->size;
        return given->table->type == wanted->type && kp_wasm_size_matches(&range, &wanted->size);
    }
    case KP_WASM_EXTERNAL_MEMORY: {
        kp_wasm_size_range_t range = given->memory->type;
        range.minimum = kp_wasm_memory_bytes(given->memory) / KP_WASM_PAGE;
        return kp_wasm_size_matches(&range, &module->memories[import->index].size);
    }
    case KP_WASM_EXTERNAL_GLOBAL: {
        const kp_wasm_global_t *wanted = &module->globals[import->index];
        return given->global->type == wanted->type && given->global->mutable == wanted->mutable;
    }
    default:
        return given->tag->type == instance->type_numbers[module->tags[import->index].type];
    }
}

static void import_bind(kp_wasm_instance_t *instance, const kp_wasm_instance_layout_t *layout,
                        const kp_wasm_import_t *import, const kp_wasm_extern_t *given)
{
    switch (import->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        KP_WASM_INSTANCE_AT(instance, layout->imported_functions, kp_wasm_funcinst_t *)
        [import->index] = given->function;
        break;
    case KP_WASM_EXTERNAL_TABLE:
        KP_WASM_INSTANCE_AT(instance, layout->tables, kp_wasm_tableinst_t *)
        [import->index] = given->table;
        break;
    case KP_WASM_EXTERNAL_MEMORY:
        KP_WASM_INSTANCE_AT(instance, layout->memories, kp_wasm_meminst_t *)
        [import->index] = given->memory;
        break;
    case KP_WASM_EXTERNAL_GLOBAL:
        KP_WASM_INSTANCE_AT(instance, layout->imported_cells, kp_wasm_value_t *)
        [import->index] = given->global->cell;
        instance->imported_globals[import->index] = given->global;
        break;
    default:
        KP_WASM_INSTANCE_AT(instance, layout->tags, kp_wasm_taginst_t *)
        [import->index] = given->tag;
    }
}

static void global_read(void *context, uint32_t index, uint64_t bits[2])
{
    memcpy(bits, kp_wasm_instance_global(context, index)->cell->v128, 16);
}

static void *reference_of(kp_wasm_instance_t *instance, const kp_wasm_constant_t *constant)
{
    switch (constant->kind) {
    case KP_WASM_CONSTANT_FUNCTION:
        return kp_wasm_instance_function(instance, constant->index);
    case KP_WASM_CONSTANT_GLOBAL:
        return kp_wasm_instance_global(instance, constant->index)->cell->reference;
    default:
        return NULL;
    }
}

static kp_wasm_value_t evaluate(kp_wasm_instance_t *instance, kp_wasm_span_t expression)
{
    kp_wasm_constant_t constant =
        kp_wasm_constant_evaluate(instance->module, expression, global_read, instance);
    kp_wasm_value_t value = {.v128 = {constant.bits[0], constant.bits[1]}};
    if (constant.kind != KP_WASM_CONSTANT_BITS)
        value = (kp_wasm_value_t){.v128 = {(uintptr_t)reference_of(instance, &constant), 0}};
    return value;
}

/* The instance with room for everything but what its segments hold. */
static kp_status_t instance_allocate(kp_wasm_store_t *store, const kp_wasm_module_t *module,
                                     const kp_wasm_instance_layout_t *layout,
                                     kp_wasm_instance_t **result)
{
    uint32_t functions = module->function_count - module->imported_function_count;
    uint32_t globals = module->global_count - module->imported_global_count;
    static kp_wasm_meminst_t empty;
    void *memory, *numbers, *own_functions, *own_globals, *imported, *elements, *data;
    kp_status_t status = kp_wasm_store_allocate(store, layout->size, &memory);
    if (status == KP_OK)
        status = kp_wasm_store_allocate(store, sizeof(uint32_t) * module->type_count, &numbers);
    if (status == KP_OK)
        status =
            kp_wasm_store_allocate(store, sizeof(kp_wasm_funcinst_t) * functions, &own_functions);
    if (status == KP_OK)
        status =
            kp_wasm_store_allocate(store, sizeof(kp_wasm_globalinst_t) * globals, &own_globals);
    if (status == KP_OK)
        status = kp_wasm_store_allocate(store, sizeof(void *) * module->imported_global_count,
                                        &imported);
    if (status == KP_OK)
        status = kp_wasm_store_allocate(store, sizeof(kp_wasm_eleminst_t) * module->element_count,
                                        &elements);
    if (status == KP_OK)
        status =
            kp_wasm_store_allocate(store, sizeof(kp_wasm_datainst_t) * module->data_count, &data);
    if (status != KP_OK)
        return status;
    kp_wasm_instance_t *instance = memory;
    uint32_t *type_numbers = numbers;
    instance->store = store;
    instance->helpers = kp_wasm_helpers;
    instance->memory0 = &empty;
    instance->type_numbers = numbers;
    instance->functions = own_functions;
    instance->module = module;
    instance->globals = own_globals;
    instance->imported_globals = imported;
    instance->elements = elements;
    instance->data = data;
    *result = instance;
    for (uint32_t i = 0; i < module->type_count; i++) {
        status = kp_wasm_store_type(store, &module->types[i], &type_numbers[i]);
        if (status != KP_OK)
            return status;
    }
    for (uint32_t i = 0; i < functions; i++) {
        kp_wasm_funcinst_t *function = &instance->functions[i];
        function->code = kp_wasm_thunk_code();
        function->instance = instance;
        function->index = i + module->imported_function_count;
        function->type = type_numbers[module->functions[function->index].type];
        function->signature = &module->types[module->functions[function->index].type];
    }
    return KP_OK;
}

static kp_status_t instance_define(kp_wasm_instance_t *instance,
                                   const kp_wasm_instance_layout_t *layout)
{
    kp_wasm_store_t *store = instance->store;
    const kp_wasm_module_t *module = instance->module;
    kp_status_t status = KP_OK;
    kp_wasm_meminst_t **memories =
        KP_WASM_INSTANCE_AT(instance, layout->memories, kp_wasm_meminst_t *);
    for (uint32_t i = module->imported_memory_count; i < module->memory_count; i++) {
        status = kp_wasm_meminst_create(store, &module->memories[i].size, &memories[i]);
        if (status != KP_OK)
            return status;
    }
    if (module->memory_count)
        instance->memory0 = memories[0];
    kp_wasm_tableinst_t **tables =
        KP_WASM_INSTANCE_AT(instance, layout->tables, kp_wasm_tableinst_t *);
    for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
        status = kp_wasm_tableinst_create(store, module->tables[i].type, &module->tables[i].size,
                                          NULL, &tables[i]);
        if (status != KP_OK)
            return status;
    }
    kp_wasm_taginst_t **tags = KP_WASM_INSTANCE_AT(instance, layout->tags, kp_wasm_taginst_t *);
    for (uint32_t i = module->imported_tag_count; i < module->tag_count; i++) {
        status = kp_wasm_taginst_create(store, &module->types[module->tags[i].type], &tags[i]);
        if (status != KP_OK)
            return status;
    }
    kp_wasm_value_t *cells = KP_WASM_INSTANCE_AT(instance, layout->cells, kp_wasm_value_t);
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        kp_wasm_globalinst_t *global = kp_wasm_instance_global(instance, i);
        global->cell = &cells[i - module->imported_global_count];
        global->type = module->globals[i].type;
        global->mutable = module->globals[i].mutable;
        *global->cell = evaluate(instance, module->globals[i].initial);
    }
    for (uint32_t i = 0; i < module->element_count; i++) {
        kp_wasm_eleminst_t *element = &instance->elements[i];
        void *references;
        status = kp_wasm_store_allocate(store, sizeof(void *) * (size_t)module->elements[i].count,
                                        &references);
        if (status != KP_OK)
            return status;
        element->references = references;
        kp_wasm_items_t items = kp_wasm_items_begin(module, i);
        kp_wasm_constant_t item;
        while (kp_wasm_items_next(&items, &item))
            element->references[element->count++] = reference_of(instance, &item);
    }
    for (uint32_t i = 0; i < module->data_count; i++)
        instance->data[i] = (kp_wasm_datainst_t){kp_wasm_module_at(module, module->data[i].bytes),
                                                 module->data[i].bytes.size};
    return KP_OK;
}

/* Active segments, in order; then each counts as dropped. */
static kp_wasm_trap_code_t segments_apply(kp_wasm_instance_t *instance)
{
    const kp_wasm_module_t *module = instance->module;
    for (uint32_t i = 0; i < module->element_count; i++) {
        const kp_wasm_element_t *element = &module->elements[i];
        if (element->mode == KP_WASM_SEGMENT_PASSIVE)
            continue;
        if (element->mode == KP_WASM_SEGMENT_ACTIVE) {
            kp_wasm_trap_code_t trap =
                kp_wasm_table_init(instance, element->table, i,
                                   evaluate(instance, element->offset).u64, 0, element->count);
            if (trap)
                return trap;
        }
        kp_wasm_element_drop(instance, i);
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        const kp_wasm_data_t *data = &module->data[i];
        if (data->mode != KP_WASM_SEGMENT_ACTIVE)
            continue;
        kp_wasm_trap_code_t trap = kp_wasm_memory_init(
            instance, data->memory, i, evaluate(instance, data->offset).u64, 0, data->bytes.size);
        if (trap)
            return trap;
        kp_wasm_data_drop(instance, i);
    }
    return KP_WASM_TRAP_NONE;
}

kp_status_t kp_wasm_instance_create(kp_wasm_store_t *store, const kp_wasm_module_t *module,
                                    const kp_wasm_tier_t *tier, void *tier_module,
                                    const kp_wasm_extern_t *imports, uint32_t import_count,
                                    bool start, kp_wasm_instance_t **result, uint32_t *bad_import)
{
    kp_wasm_instance_layout_t layout = kp_wasm_instance_layout(module);
    kp_wasm_instance_t *instance = NULL;
    *result = NULL;
    kp_status_t status = instance_allocate(store, module, &layout, &instance);
    if (status != KP_OK)
        return status;
    for (uint32_t i = 0; i < module->import_count; i++) {
        if (i >= import_count || !import_matches(instance, &module->imports[i], &imports[i])) {
            if (bad_import)
                *bad_import = i;
            return KP_ERR_INVALID_ARGUMENT;
        }
        import_bind(instance, &layout, &module->imports[i], &imports[i]);
    }
    status = instance_define(instance, &layout);
    if (status == KP_OK)
        status = tier->attach(instance, tier_module);
    if (status != KP_OK)
        return status;
    instance->tier = tier;
    instance->next = store->instances;
    store->instances = instance;
    *result = instance;

    kp_wasm_trap_code_t trap = segments_apply(instance);
    if (trap)
        return kp_wasm_store_trap(store, trap);
    if (!start || module->start == KP_WASM_NO_INDEX)
        return KP_OK;
    kp_wasm_value_t none[1] = {{0}};
    return kp_wasm_call(store, kp_wasm_instance_function(instance, module->start), none);
}

kp_wasm_extern_t kp_wasm_instance_export(kp_wasm_instance_t *instance, uint32_t index)
{
    const kp_wasm_export_t *export = &instance->module->exports[index];
    kp_wasm_extern_t result = {.kind = export->kind};
    switch (export->kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        result.function = kp_wasm_instance_function(instance, export->index);
        break;
    case KP_WASM_EXTERNAL_TABLE:
        result.table = kp_wasm_instance_table(instance, export->index);
        break;
    case KP_WASM_EXTERNAL_MEMORY:
        result.memory = kp_wasm_instance_memory(instance, export->index);
        break;
    case KP_WASM_EXTERNAL_GLOBAL:
        result.global = kp_wasm_instance_global(instance, export->index);
        break;
    default:
        result.tag = kp_wasm_instance_tag(instance, export->index);
    }
    return result;
}

bool kp_wasm_instance_find(kp_wasm_instance_t *instance, const char *name, size_t length,
                           kp_wasm_extern_t *found)
{
    const kp_wasm_export_t *export = kp_wasm_module_find_export(instance->module, name, length);
    if (!export)
        return false;
    *found = kp_wasm_instance_export(instance, (uint32_t)(export - instance->module->exports));
    return true;
}
