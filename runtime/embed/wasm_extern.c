/* wasm.h: functions, globals, tables, memories. */
#include "runtime/embed/internal.h"

#include <stdlib.h>

/* ---- functions ---- */

static kp_status_t results_in(const kp_wasm_functype_t *type, wasm_val_vec_t *results,
                              kp_wasm_value_t *values)
{
    for (uint32_t i = 0; i < type->result_count; i++)
        if (!kp_embed_value_in(kp_wasm_functype_results(type)[i], &results->data[i], &values[i]))
            return KP_ERR_INVALID_ARGUMENT;
    return KP_OK;
}

static kp_status_t call_back(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    kp_embed_callback_t *callback = context;
    const kp_wasm_functype_t *type = callback->signature;
    wasm_val_vec_t arguments, results;
    (void)caller;
    wasm_val_vec_new_uninitialized(&arguments, type->parameter_count);
    wasm_val_vec_new_uninitialized(&results, type->result_count);
    bool good = arguments.size == type->parameter_count && results.size == type->result_count;
    for (uint32_t i = 0; i < arguments.size; i++)
        good = good &&
               kp_embed_value_out(callback->store, type->types[i], &values[i], &arguments.data[i]);
    for (uint32_t i = 0; i < results.size; i++)
        results.data[i].kind = kp_embed_kind(kp_wasm_functype_results(type)[i]);
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (good) {
        wasm_trap_t *trap = callback->plain ? callback->plain(&arguments, &results)
                                            : callback->with_environment(callback->environment,
                                                                         &arguments, &results);
        if (trap) {
            wasm_trap_delete(callback->store->host_trap);
            callback->store->host_trap = trap;
            status = kp_wasm_store_trap(callback->store->store, KP_WASM_TRAP_HOST);
        } else {
            status = results_in(type, &results, values);
        }
    }
    wasm_val_vec_delete(&arguments);
    wasm_val_vec_delete(&results);
    return status;
}

static void row(kp_wasm_type_t *out, const wasm_valtype_vec_t *types)
{
    for (size_t i = 0; i < types->size; i++)
        out[i] = kp_embed_type(types->data[i]->kind);
}

static wasm_func_t *func_new(wasm_store_t *store, const wasm_functype_t *type,
                             const kp_embed_callback_t *from)
{
    size_t params = type->params.size, results = type->results.size;
    kp_wasm_type_t types[2000];
    if (params > 1000 || results > 1000)
        return NULL;
    row(types, &type->params);
    row(types + params, &type->results);
    const kp_wasm_functype_t signature = {types, (uint32_t)params, (uint32_t)results, 0};
    kp_embed_callback_t *callback = malloc(sizeof *callback);
    if (!callback)
        return NULL;
    *callback = *from;
    callback->store = store;
    kp_wasm_funcinst_t *function;
    if (kp_wasm_funcinst_create(store->store, &signature, call_back, callback, &function) !=
        KP_OK) {
        free(callback);
        return NULL;
    }
    callback->signature = function->signature;
    callback->next = store->callbacks;
    store->callbacks = callback;
    return (wasm_func_t *)(void *)kp_embed_ref_new(store, KP_EMBED_FUNC, function);
}

wasm_func_t *wasm_func_new(wasm_store_t *store, const wasm_functype_t *type,
                           wasm_func_callback_t callback)
{
    return func_new(store, type, &(kp_embed_callback_t){.plain = callback});
}

wasm_func_t *wasm_func_new_with_env(wasm_store_t *store, const wasm_functype_t *type,
                                    wasm_func_callback_with_env_t callback, void *environment,
                                    void (*finalizer)(void *))
{
    return func_new(store, type,
                    &(kp_embed_callback_t){.with_environment = callback,
                                           .environment = environment,
                                           .finalizer = finalizer});
}

wasm_functype_t *wasm_func_type(const wasm_func_t *func)
{
    return wasm_externtype_as_functype(kp_embed_functype(KP_EMBED_REF(func)->function->signature));
}

size_t wasm_func_param_arity(const wasm_func_t *func)
{
    return KP_EMBED_REF(func)->function->signature->parameter_count;
}

size_t wasm_func_result_arity(const wasm_func_t *func)
{
    return KP_EMBED_REF(func)->function->signature->result_count;
}

static wasm_trap_t *refuse(wasm_store_t *store, const char *text)
{
    wasm_message_t message;
    wasm_name_new_from_string_nt(&message, text);
    wasm_trap_t *trap = wasm_trap_new(store, &message);
    wasm_byte_vec_delete(&message);
    return trap;
}

wasm_trap_t *wasm_func_call(const wasm_func_t *func, const wasm_val_vec_t *arguments,
                            wasm_val_vec_t *results)
{
    wasm_ref_t *ref = KP_EMBED_REF(func);
    const kp_wasm_functype_t *type = ref->function->signature;
    uint32_t room =
        type->parameter_count > type->result_count ? type->parameter_count : type->result_count;
    if ((type->parameter_count && (!arguments || arguments->size != type->parameter_count)) ||
        (type->result_count && (!results || results->size < type->result_count)))
        return refuse(ref->store, "wrong number of arguments or results");
    kp_wasm_value_t values[room ? room : 1];
    for (uint32_t i = 0; i < type->result_count; i++)
        if (kp_wasm_functype_results(type)[i] == KP_WASM_TYPE_EXNREF)
            return refuse(ref->store, "exception references do not cross the interface");
    for (uint32_t i = 0; i < type->parameter_count; i++)
        if (!kp_embed_value_in(type->types[i], &arguments->data[i], &values[i]))
            return refuse(ref->store, "argument of the wrong type");
    kp_status_t status = kp_wasm_call(ref->store->store, ref->function, values);
    if (status != KP_OK)
        return kp_embed_trap(ref->store, status);
    for (uint32_t i = 0; i < type->result_count; i++)
        if (!kp_embed_value_out(ref->store, kp_wasm_functype_results(type)[i], &values[i],
                                &results->data[i]))
            return refuse(ref->store, "out of memory");
    return NULL;
}

/* ---- globals ---- */

wasm_global_t *wasm_global_new(wasm_store_t *store, const wasm_globaltype_t *type,
                               const wasm_val_t *value)
{
    kp_wasm_value_t initial;
    kp_wasm_globalinst_t *global;
    kp_wasm_type_t content = kp_embed_type(type->content->kind);
    if (!kp_embed_value_in(content, value, &initial) ||
        kp_wasm_globalinst_create(store->store, content, type->mutability == WASM_VAR, initial,
                                  &global) != KP_OK)
        return NULL;
    return (wasm_global_t *)(void *)kp_embed_ref_new(store, KP_EMBED_GLOBAL, global);
}

wasm_globaltype_t *wasm_global_type(const wasm_global_t *global)
{
    const kp_wasm_globalinst_t *object = KP_EMBED_REF(global)->global;
    return wasm_externtype_as_globaltype(kp_embed_globaltype(object->type, object->mutable));
}

void wasm_global_get(const wasm_global_t *global, wasm_val_t *out)
{
    const wasm_ref_t *ref = KP_EMBED_REF(global);
    (void)kp_embed_value_out(ref->store, ref->global->type, ref->global->cell, out);
}

void wasm_global_set(wasm_global_t *global, const wasm_val_t *value)
{
    const wasm_ref_t *ref = KP_EMBED_REF(global);
    kp_wasm_value_t cell;
    if (ref->global->mutable && kp_embed_value_in(ref->global->type, value, &cell))
        *ref->global->cell = cell;
}

/* ---- tables ---- */

wasm_table_t *wasm_table_new(wasm_store_t *store, const wasm_tabletype_t *type, wasm_ref_t *initial)
{
    kp_wasm_size_range_t range = kp_embed_range(&type->limits);
    kp_wasm_type_t element = kp_embed_type(type->element->kind);
    kp_wasm_tableinst_t *table;
    if (range.minimum > (range.has_maximum ? range.maximum : UINT32_MAX) ||
        kp_wasm_tableinst_create(store->store, element, &range,
                                 kp_embed_reference_in(element, initial), &table) != KP_OK)
        return NULL;
    return (wasm_table_t *)(void *)kp_embed_ref_new(store, KP_EMBED_TABLE, table);
}

wasm_tabletype_t *wasm_table_type(const wasm_table_t *table)
{
    const kp_wasm_tableinst_t *object = KP_EMBED_REF(table)->table;
    return wasm_externtype_as_tabletype(kp_embed_tabletype(object->type, &object->range));
}

wasm_ref_t *wasm_table_get(const wasm_table_t *table, wasm_table_size_t index)
{
    const wasm_ref_t *ref = KP_EMBED_REF(table);
    wasm_ref_t *result = NULL;
    if (index < ref->table->size)
        (void)kp_embed_reference_out(ref->store, ref->table->type, ref->table->elements[index],
                                     &result);
    return result;
}

bool wasm_table_set(wasm_table_t *table, wasm_table_size_t index, wasm_ref_t *value)
{
    kp_wasm_tableinst_t *object = KP_EMBED_REF(table)->table;
    void *reference = kp_embed_reference_in(object->type, value);
    if (index >= object->size || (value && !reference))
        return false;
    object->elements[index] = reference;
    return true;
}

wasm_table_size_t wasm_table_size(const wasm_table_t *table)
{
    return (wasm_table_size_t)KP_EMBED_REF(table)->table->size;
}

bool wasm_table_grow(wasm_table_t *table, wasm_table_size_t delta, wasm_ref_t *initial)
{
    const wasm_ref_t *ref = KP_EMBED_REF(table);
    void *reference = kp_embed_reference_in(ref->table->type, initial);
    return (!initial || reference) &&
           kp_wasm_tableinst_grow(ref->store->store, ref->table, reference, delta) != UINT64_MAX;
}

/* ---- memories ---- */

wasm_memory_t *wasm_memory_new(wasm_store_t *store, const wasm_memorytype_t *type)
{
    kp_wasm_size_range_t range = kp_embed_range(&type->limits);
    kp_wasm_meminst_t *memory;
    if (range.minimum > (range.has_maximum ? range.maximum : 65536) ||
        kp_wasm_meminst_create(store->store, &range, &memory) != KP_OK)
        return NULL;
    return (wasm_memory_t *)(void *)kp_embed_ref_new(store, KP_EMBED_MEMORY, memory);
}

wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *memory)
{
    return wasm_externtype_as_memorytype(kp_embed_memorytype(&KP_EMBED_REF(memory)->memory->type));
}

byte_t *wasm_memory_data(wasm_memory_t *memory)
{
    return (byte_t *)KP_EMBED_REF(memory)->memory->base;
}

size_t wasm_memory_data_size(const wasm_memory_t *memory)
{
    return (size_t)kp_wasm_meminst_size(KP_EMBED_REF(memory)->memory);
}

wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *memory)
{
    return (wasm_memory_pages_t)(wasm_memory_data_size(memory) / MEMORY_PAGE_SIZE);
}

bool wasm_memory_grow(wasm_memory_t *memory, wasm_memory_pages_t delta)
{
    const wasm_ref_t *ref = KP_EMBED_REF(memory);
    return kp_wasm_meminst_grow(ref->store->store, ref->memory, delta) != UINT64_MAX;
}

/* ---- externs ---- */

wasm_externkind_t wasm_extern_kind(const wasm_extern_t *handle)
{
    return KP_EMBED_REF(handle)->kind;
}

wasm_externtype_t *wasm_extern_type(const wasm_extern_t *handle)
{
    const wasm_ref_t *ref = KP_EMBED_REF(handle);
    switch (ref->kind) {
    case KP_EMBED_FUNC:
        return kp_embed_functype(ref->function->signature);
    case KP_EMBED_GLOBAL:
        return kp_embed_globaltype(ref->global->type, ref->global->mutable);
    case KP_EMBED_TABLE:
        return kp_embed_tabletype(ref->table->type, &ref->table->range);
    case KP_EMBED_MEMORY:
        return kp_embed_memorytype(&ref->memory->type);
    default:
        return kp_embed_tagtype();
    }
}

wasm_extern_t *kp_embed_extern(wasm_store_t *store, const kp_wasm_extern_t *what)
{
    static const uint8_t kinds[] = {
        [KP_WASM_EXTERNAL_FUNCTION] = KP_EMBED_FUNC, [KP_WASM_EXTERNAL_TABLE] = KP_EMBED_TABLE,
        [KP_WASM_EXTERNAL_MEMORY] = KP_EMBED_MEMORY, [KP_WASM_EXTERNAL_GLOBAL] = KP_EMBED_GLOBAL,
        [KP_WASM_EXTERNAL_TAG] = KP_EMBED_TAG,
    };
    return (wasm_extern_t *)(void *)kp_embed_ref_new(store, (kp_embed_ref_kind_t)kinds[what->kind],
                                                     what->function);
}

#define EXTERN(name, number)                                                          \
    wasm_extern_t *wasm_##name##_as_extern(wasm_##name##_t *handle)                   \
    {                                                                                 \
        return (wasm_extern_t *)(void *)handle;                                       \
    }                                                                                 \
    const wasm_extern_t *wasm_##name##_as_extern_const(const wasm_##name##_t *handle) \
    {                                                                                 \
        return (const wasm_extern_t *)(const void *)handle;                           \
    }                                                                                 \
    wasm_##name##_t *wasm_extern_as_##name(wasm_extern_t *handle)                     \
    {                                                                                 \
        return handle && KP_EMBED_REF(handle)->kind == (number)                       \
                   ? (wasm_##name##_t *)(void *)handle                                \
                   : NULL;                                                            \
    }                                                                                 \
    const wasm_##name##_t *wasm_extern_as_##name##_const(const wasm_extern_t *handle) \
    {                                                                                 \
        return handle && KP_EMBED_REF(handle)->kind == (number)                       \
                   ? (const wasm_##name##_t *)(const void *)handle                    \
                   : NULL;                                                            \
    }
EXTERN(func, KP_EMBED_FUNC)
EXTERN(global, KP_EMBED_GLOBAL)
EXTERN(table, KP_EMBED_TABLE)
EXTERN(memory, KP_EMBED_MEMORY)
