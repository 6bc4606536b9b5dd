/* wasm.h: vectors and types. */
#include "runtime/embed/internal.h"

#include <stdlib.h>

#define VEC_COMMON(name, star)                                                      \
    void wasm_##name##_vec_new_empty(wasm_##name##_vec_t *out)                      \
    {                                                                               \
        out->size = 0;                                                              \
        out->data = NULL;                                                           \
    }                                                                               \
    void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t *out, size_t size) \
    {                                                                               \
        out->data = size ? calloc(size, sizeof *out->data) : NULL;                  \
        out->size = out->data ? size : 0;                                           \
    }                                                                               \
    void wasm_##name##_vec_new(wasm_##name##_vec_t *out, size_t size,               \
                               wasm_##name##_t star const data[])                   \
    {                                                                               \
        wasm_##name##_vec_new_uninitialized(out, size);                             \
        if (out->size)                                                              \
            memcpy(out->data, data, size * sizeof *out->data);                      \
    }

#define VEC_POINTERS(name)                                                                 \
    VEC_COMMON(name, *)                                                                    \
    void wasm_##name##_vec_copy(wasm_##name##_vec_t *out, const wasm_##name##_vec_t *from) \
    {                                                                                      \
        bool good = true;                                                                  \
        wasm_##name##_vec_new_uninitialized(out, from->size);                              \
        for (size_t i = 0; i < out->size; i++) {                                           \
            out->data[i] = from->data[i] ? wasm_##name##_copy(from->data[i]) : NULL;       \
            good = good && (out->data[i] || !from->data[i]);                               \
        }                                                                                  \
        if (!good)                                                                         \
            wasm_##name##_vec_delete(out);                                                 \
    }                                                                                      \
    void wasm_##name##_vec_delete(wasm_##name##_vec_t *vec)                                \
    {                                                                                      \
        for (size_t i = 0; i < vec->size; i++)                                             \
            if (vec->data[i])                                                              \
                wasm_##name##_delete(vec->data[i]);                                        \
        free(vec->data);                                                                   \
        wasm_##name##_vec_new_empty(vec);                                                  \
    }

VEC_COMMON(byte, )
void wasm_byte_vec_copy(wasm_byte_vec_t *out, const wasm_byte_vec_t *from)
{
    wasm_byte_vec_new(out, from->size, from->data);
}
void wasm_byte_vec_delete(wasm_byte_vec_t *vec)
{
    free(vec->data);
    wasm_byte_vec_new_empty(vec);
}

VEC_COMMON(val, )
void wasm_val_vec_copy(wasm_val_vec_t *out, const wasm_val_vec_t *from)
{
    wasm_val_vec_new_uninitialized(out, from->size);
    for (size_t i = 0; i < out->size; i++)
        wasm_val_copy(&out->data[i], &from->data[i]);
}
void wasm_val_vec_delete(wasm_val_vec_t *vec)
{
    for (size_t i = 0; i < vec->size; i++)
        wasm_val_delete(&vec->data[i]);
    free(vec->data);
    wasm_val_vec_new_empty(vec);
}

VEC_POINTERS(valtype)
VEC_POINTERS(functype)
VEC_POINTERS(globaltype)
VEC_POINTERS(tabletype)
VEC_POINTERS(memorytype)
VEC_POINTERS(externtype)
VEC_POINTERS(importtype)
VEC_POINTERS(exporttype)
VEC_POINTERS(frame)
VEC_POINTERS(extern)

/* ---- value types ---- */

wasm_valtype_t *wasm_valtype_new(wasm_valkind_t kind)
{
    wasm_valtype_t *type = malloc(sizeof *type);
    if (type)
        type->kind = kind;
    return type;
}

void wasm_valtype_delete(wasm_valtype_t *type)
{
    free(type);
}

wasm_valtype_t *wasm_valtype_copy(const wasm_valtype_t *type)
{
    return wasm_valtype_new(type->kind);
}

wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *type)
{
    return type->kind;
}

kp_wasm_type_t kp_embed_type(wasm_valkind_t kind)
{
    switch (kind) {
    case WASM_I32:
        return KP_WASM_TYPE_I32;
    case WASM_I64:
        return KP_WASM_TYPE_I64;
    case WASM_F32:
        return KP_WASM_TYPE_F32;
    case WASM_F64:
        return KP_WASM_TYPE_F64;
    case WASM_V128:
        return KP_WASM_TYPE_V128;
    case WASM_FUNCREF:
        return KP_WASM_TYPE_FUNCREF;
    default:
        return KP_WASM_TYPE_EXTERNREF;
    }
}

wasm_valkind_t kp_embed_kind(kp_wasm_type_t type)
{
    switch (type) {
    case KP_WASM_TYPE_I32:
        return WASM_I32;
    case KP_WASM_TYPE_I64:
        return WASM_I64;
    case KP_WASM_TYPE_F32:
        return WASM_F32;
    case KP_WASM_TYPE_F64:
        return WASM_F64;
    case KP_WASM_TYPE_V128:
        return WASM_V128;
    case KP_WASM_TYPE_FUNCREF:
        return WASM_FUNCREF;
    default:
        return WASM_ANYREF;
    }
}

/* ---- types of externs ---- */

static bool whole(const wasm_valtype_vec_t *types)
{
    for (size_t i = 0; i < types->size; i++)
        if (!types->data[i])
            return false;
    return true;
}

wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params, wasm_valtype_vec_t *results)
{
    wasm_functype_t *type = whole(params) && whole(results) ? malloc(sizeof *type) : NULL;
    if (!type) {
        wasm_valtype_vec_delete(params);
        wasm_valtype_vec_delete(results);
        return NULL;
    }
    *type = (wasm_functype_t){{WASM_EXTERN_FUNC}, *params, *results};
    wasm_valtype_vec_new_empty(params);
    wasm_valtype_vec_new_empty(results);
    return type;
}

void wasm_functype_delete(wasm_functype_t *type)
{
    if (!type)
        return;
    wasm_valtype_vec_delete(&type->params);
    wasm_valtype_vec_delete(&type->results);
    free(type);
}

/* NULL unless the vectors have got as long as they should be. */
static wasm_functype_t *functype_of(wasm_valtype_vec_t *params, size_t param_count,
                                    wasm_valtype_vec_t *results, size_t result_count)
{
    if (params->size == param_count && results->size == result_count)
        return wasm_functype_new(params, results);
    wasm_valtype_vec_delete(params);
    wasm_valtype_vec_delete(results);
    return NULL;
}

wasm_functype_t *wasm_functype_copy(const wasm_functype_t *type)
{
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_copy(&params, &type->params);
    wasm_valtype_vec_copy(&results, &type->results);
    return functype_of(&params, type->params.size, &results, type->results.size);
}

const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *type)
{
    return &type->params;
}

const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *type)
{
    return &type->results;
}

wasm_globaltype_t *wasm_globaltype_new(wasm_valtype_t *content, wasm_mutability_t mutability)
{
    wasm_globaltype_t *type = content ? malloc(sizeof *type) : NULL;
    if (type)
        *type = (wasm_globaltype_t){{WASM_EXTERN_GLOBAL}, content, mutability};
    else
        wasm_valtype_delete(content);
    return type;
}

void wasm_globaltype_delete(wasm_globaltype_t *type)
{
    if (type)
        wasm_valtype_delete(type->content);
    free(type);
}

wasm_globaltype_t *wasm_globaltype_copy(const wasm_globaltype_t *type)
{
    return wasm_globaltype_new(wasm_valtype_copy(type->content), type->mutability);
}

const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *type)
{
    return type->content;
}

wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *type)
{
    return type->mutability;
}

wasm_tabletype_t *wasm_tabletype_new(wasm_valtype_t *element, const wasm_limits_t *limits)
{
    wasm_tabletype_t *type = element ? malloc(sizeof *type) : NULL;
    if (type)
        *type = (wasm_tabletype_t){{WASM_EXTERN_TABLE}, element, *limits};
    else
        wasm_valtype_delete(element);
    return type;
}

void wasm_tabletype_delete(wasm_tabletype_t *type)
{
    if (type)
        wasm_valtype_delete(type->element);
    free(type);
}

wasm_tabletype_t *wasm_tabletype_copy(const wasm_tabletype_t *type)
{
    return wasm_tabletype_new(wasm_valtype_copy(type->element), &type->limits);
}

const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *type)
{
    return type->element;
}

const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *type)
{
    return &type->limits;
}

wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *limits)
{
    wasm_memorytype_t *type = malloc(sizeof *type);
    if (type)
        *type = (wasm_memorytype_t){{WASM_EXTERN_MEMORY}, *limits};
    return type;
}

void wasm_memorytype_delete(wasm_memorytype_t *type)
{
    free(type);
}

wasm_memorytype_t *wasm_memorytype_copy(const wasm_memorytype_t *type)
{
    return wasm_memorytype_new(&type->limits);
}

const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *type)
{
    return &type->limits;
}

wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *type)
{
    return type->kind;
}

#define EXTERNTYPE(name, number)                                                  \
    wasm_externtype_t *wasm_##name##type_as_externtype(wasm_##name##type_t *type) \
    {                                                                             \
        return &type->base;                                                       \
    }                                                                             \
    wasm_##name##type_t *wasm_externtype_as_##name##type(wasm_externtype_t *type) \
    {                                                                             \
        return type->kind == (number) ? (wasm_##name##type_t *)type : NULL;       \
    }                                                                             \
    const wasm_externtype_t *wasm_##name##type_as_externtype_const(               \
        const wasm_##name##type_t *type)                                          \
    {                                                                             \
        return &type->base;                                                       \
    }                                                                             \
    const wasm_##name##type_t *wasm_externtype_as_##name##type_const(             \
        const wasm_externtype_t *type)                                            \
    {                                                                             \
        return type->kind == (number) ? (const wasm_##name##type_t *)type : NULL; \
    }
EXTERNTYPE(func, WASM_EXTERN_FUNC)
EXTERNTYPE(global, WASM_EXTERN_GLOBAL)
EXTERNTYPE(table, WASM_EXTERN_TABLE)
EXTERNTYPE(memory, WASM_EXTERN_MEMORY)

void wasm_externtype_delete(wasm_externtype_t *type)
{
    if (!type)
        return;
    switch (type->kind) {
    case WASM_EXTERN_FUNC:
        wasm_functype_delete(wasm_externtype_as_functype(type));
        break;
    case WASM_EXTERN_GLOBAL:
        wasm_globaltype_delete(wasm_externtype_as_globaltype(type));
        break;
    case WASM_EXTERN_TABLE:
        wasm_tabletype_delete(wasm_externtype_as_tabletype(type));
        break;
    default:
        free(type);
    }
}

wasm_externtype_t *wasm_externtype_copy(const wasm_externtype_t *type)
{
    switch (type->kind) {
    case WASM_EXTERN_FUNC:
        return (wasm_externtype_t *)wasm_functype_copy(wasm_externtype_as_functype_const(type));
    case WASM_EXTERN_GLOBAL:
        return (wasm_externtype_t *)wasm_globaltype_copy(wasm_externtype_as_globaltype_const(type));
    case WASM_EXTERN_TABLE:
        return (wasm_externtype_t *)wasm_tabletype_copy(wasm_externtype_as_tabletype_const(type));
    case WASM_EXTERN_MEMORY:
        return (wasm_externtype_t *)wasm_memorytype_copy(wasm_externtype_as_memorytype_const(type));
    default:
        return kp_embed_tagtype();
    }
}

/* ---- from and to the runtime's ---- */

static void row(wasm_valtype_vec_t *out, const kp_wasm_type_t *types, uint32_t count)
{
    wasm_valtype_vec_new_uninitialized(out, count);
    for (size_t i = 0; i < out->size; i++)
        out->data[i] = wasm_valtype_new(kp_embed_kind(types[i]));
}

wasm_externtype_t *kp_embed_functype(const kp_wasm_functype_t *type)
{
    wasm_valtype_vec_t params, results;
    row(&params, type->types, type->parameter_count);
    row(&results, kp_wasm_functype_results(type), type->result_count);
    return (wasm_externtype_t *)functype_of(&params, type->parameter_count, &results,
                                            type->result_count);
}

static wasm_limits_t limits_of(const kp_wasm_size_range_t *range)
{
    wasm_limits_t limits = {
        range->minimum < UINT32_MAX ? (uint32_t)range->minimum : UINT32_MAX,
        range->has_maximum && range->maximum < UINT32_MAX ? (uint32_t)range->maximum
                                                          : wasm_limits_max_default,
    };
    return limits;
}

kp_wasm_size_range_t kp_embed_range(const wasm_limits_t *limits)
{
    bool limited = limits->max != wasm_limits_max_default;
    return (kp_wasm_size_range_t){.minimum = limits->min,
                                  .maximum = limited ? limits->max : UINT64_MAX,
                                  .has_maximum = limited};
}

wasm_externtype_t *kp_embed_globaltype(kp_wasm_type_t type, bool mutable)
{
    return (wasm_externtype_t *)wasm_globaltype_new(wasm_valtype_new(kp_embed_kind(type)),
                                                    mutable ? WASM_VAR : WASM_CONST);
}

wasm_externtype_t *kp_embed_tabletype(kp_wasm_type_t type, const kp_wasm_size_range_t *range)
{
    wasm_limits_t limits = limits_of(range);
    return (wasm_externtype_t *)wasm_tabletype_new(wasm_valtype_new(kp_embed_kind(type)), &limits);
}

wasm_externtype_t *kp_embed_memorytype(const kp_wasm_size_range_t *range)
{
    wasm_limits_t limits = limits_of(range);
    return (wasm_externtype_t *)wasm_memorytype_new(&limits);
}

wasm_externtype_t *kp_embed_tagtype(void)
{
    wasm_externtype_t *type = malloc(sizeof *type);
    if (type)
        type->kind = WASM_EXTERN_TAG;
    return type;
}

/* ---- imports and exports ---- */

wasm_importtype_t *wasm_importtype_new(wasm_name_t *module, wasm_name_t *name,
                                       wasm_externtype_t *extern_type)
{
    wasm_importtype_t *type = extern_type ? malloc(sizeof *type) : NULL;
    if (!type) {
        wasm_name_delete(module);
        wasm_name_delete(name);
        wasm_externtype_delete(extern_type);
        return NULL;
    }
    *type = (wasm_importtype_t){*module, *name, extern_type};
    wasm_name_new_empty(module);
    wasm_name_new_empty(name);
    return type;
}

void wasm_importtype_delete(wasm_importtype_t *type)
{
    if (!type)
        return;
    wasm_name_delete(&type->module);
    wasm_name_delete(&type->name);
    wasm_externtype_delete(type->type);
    free(type);
}

wasm_importtype_t *wasm_importtype_copy(const wasm_importtype_t *type)
{
    wasm_name_t module, name;
    wasm_name_copy(&module, &type->module);
    wasm_name_copy(&name, &type->name);
    bool good = module.size == type->module.size && name.size == type->name.size;
    return wasm_importtype_new(&module, &name, good ? wasm_externtype_copy(type->type) : NULL);
}

const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *type)
{
    return &type->module;
}

const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *type)
{
    return &type->name;
}

const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *type)
{
    return type->type;
}

wasm_exporttype_t *wasm_exporttype_new(wasm_name_t *name, wasm_externtype_t *extern_type)
{
    wasm_exporttype_t *type = extern_type ? malloc(sizeof *type) : NULL;
    if (!type) {
        wasm_name_delete(name);
        wasm_externtype_delete(extern_type);
        return NULL;
    }
    *type = (wasm_exporttype_t){*name, extern_type};
    wasm_name_new_empty(name);
    return type;
}

void wasm_exporttype_delete(wasm_exporttype_t *type)
{
    if (!type)
        return;
    wasm_name_delete(&type->name);
    wasm_externtype_delete(type->type);
    free(type);
}

wasm_exporttype_t *wasm_exporttype_copy(const wasm_exporttype_t *type)
{
    wasm_name_t name;
    wasm_name_copy(&name, &type->name);
    bool good = name.size == type->name.size;
    return wasm_exporttype_new(&name, good ? wasm_externtype_copy(type->type) : NULL);
}

const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *type)
{
    return &type->name;
}

const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *type)
{
    return type->type;
}
