/* Embedding API in C for the WebAssembly runtime, in the shape that engines share: an engine makes stores
   and modules; a store holds instances, functions, globals, tables and memories. The names and signatures
   are those that programs written for the common WebAssembly C API use; the implementation is wasm_*.c,
   what the API lacks stands in kpwasm.h.

   Ownership. `own` marks what the caller of a function gets to own, or gives away. An owned object ends by
   its _delete, an owned vector by its _vec_delete; _copy makes another owner of the same object. Objects of a
   store must be deleted before it, or need not be deleted: wasm_store_delete frees what remains reachable
   only by it; their handles are then dead. Vectors are arrays of `size` elements; of pointers they own what
   the pointers name.

   Errors. A constructor returns NULL: invalid bytes, mismatched imports, or memory exhausted. A call returns
   a trap, owned by the caller, or NULL.

   Threads. An engine and modules may be used by several threads; a store and all in it by one at a time.

   Source: WebAssembly specification, "Embedding"; the common C API's function list. */
#ifndef KP_RUNTIME_EMBED_WASM_H
#define KP_RUNTIME_EMBED_WASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef WASM_API_EXTERN
#define WASM_API_EXTERN
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define own

typedef char byte_t;
typedef float float32_t;
typedef double float64_t;

/* ---- vectors ---- */

#define WASM_DECLARE_OWN(name)                      \
    typedef struct wasm_##name##_t wasm_##name##_t; \
    WASM_API_EXTERN void wasm_##name##_delete(own wasm_##name##_t *);

/* star: `*` for vectors of pointers, nothing for values. */
#define WASM_DECLARE_VEC(name, star)                                                       \
    typedef struct wasm_##name##_vec_t {                                                   \
        size_t size;                                                                       \
        wasm_##name##_t star *data;                                                        \
    } wasm_##name##_vec_t;                                                                 \
    WASM_API_EXTERN void wasm_##name##_vec_new_empty(own wasm_##name##_vec_t *out);        \
    WASM_API_EXTERN void wasm_##name##_vec_new_uninitialized(own wasm_##name##_vec_t *out, \
                                                             size_t);                      \
    WASM_API_EXTERN void wasm_##name##_vec_new(own wasm_##name##_vec_t *out, size_t,       \
                                               own wasm_##name##_t star const[]);          \
    WASM_API_EXTERN void wasm_##name##_vec_copy(own wasm_##name##_vec_t *out,              \
                                                const wasm_##name##_vec_t *);              \
    WASM_API_EXTERN void wasm_##name##_vec_delete(own wasm_##name##_vec_t *);

typedef byte_t wasm_byte_t;
WASM_DECLARE_VEC(byte, )

typedef wasm_byte_vec_t wasm_name_t;
#define wasm_name wasm_byte_vec
#define wasm_name_new wasm_byte_vec_new
#define wasm_name_new_empty wasm_byte_vec_new_empty
#define wasm_name_new_new_uninitialized wasm_byte_vec_new_uninitialized
#define wasm_name_copy wasm_byte_vec_copy
#define wasm_name_delete wasm_byte_vec_delete

static inline void wasm_name_new_from_string(own wasm_name_t *out, const char *text)
{
    wasm_name_new(out, strlen(text), text);
}

static inline void wasm_name_new_from_string_nt(own wasm_name_t *out, const char *text)
{
    wasm_name_new(out, strlen(text) + 1, text);
}

/* ---- engine and store ---- */

WASM_DECLARE_OWN(config)
WASM_API_EXTERN own wasm_config_t *wasm_config_new(void);

WASM_DECLARE_OWN(engine)
WASM_API_EXTERN own wasm_engine_t *wasm_engine_new(void);
WASM_API_EXTERN own wasm_engine_t *wasm_engine_new_with_config(own wasm_config_t *);

WASM_DECLARE_OWN(store)
WASM_API_EXTERN own wasm_store_t *wasm_store_new(wasm_engine_t *);

/* ---- types ---- */

#define WASM_DECLARE_TYPE(name) \
    WASM_DECLARE_OWN(name)      \
    WASM_DECLARE_VEC(name, *)   \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);

typedef uint8_t wasm_mutability_t;
enum wasm_mutability_enum { WASM_CONST, WASM_VAR };

typedef struct wasm_limits_t {
    uint32_t min;
    uint32_t max;
} wasm_limits_t;
static const uint32_t wasm_limits_max_default = 0xffffffff;

WASM_DECLARE_TYPE(valtype)
typedef uint8_t wasm_valkind_t;
enum wasm_valkind_enum {
    WASM_I32,
    WASM_I64,
    WASM_F32,
    WASM_F64,
    WASM_V128 = 64, /* ours: kpwasm.h */
    WASM_ANYREF = 128,
    WASM_FUNCREF,
};
#define WASM_EXTERNREF WASM_ANYREF
WASM_API_EXTERN own wasm_valtype_t *wasm_valtype_new(wasm_valkind_t);
WASM_API_EXTERN wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *);

static inline bool wasm_valkind_is_num(wasm_valkind_t kind)
{
    return kind < WASM_ANYREF;
}
static inline bool wasm_valkind_is_ref(wasm_valkind_t kind)
{
    return kind >= WASM_ANYREF;
}
static inline bool wasm_valtype_is_num(const wasm_valtype_t *type)
{
    return wasm_valkind_is_num(wasm_valtype_kind(type));
}
static inline bool wasm_valtype_is_ref(const wasm_valtype_t *type)
{
    return wasm_valkind_is_ref(wasm_valtype_kind(type));
}

WASM_DECLARE_TYPE(functype)
WASM_API_EXTERN own wasm_functype_t *wasm_functype_new(own wasm_valtype_vec_t *params,
                                                       own wasm_valtype_vec_t *results);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *);

WASM_DECLARE_TYPE(globaltype)
WASM_API_EXTERN own wasm_globaltype_t *wasm_globaltype_new(own wasm_valtype_t *, wasm_mutability_t);
WASM_API_EXTERN const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *);
WASM_API_EXTERN wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *);

WASM_DECLARE_TYPE(tabletype)
WASM_API_EXTERN own wasm_tabletype_t *wasm_tabletype_new(own wasm_valtype_t *,
                                                         const wasm_limits_t *);
WASM_API_EXTERN const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *);

WASM_DECLARE_TYPE(memorytype)
WASM_API_EXTERN own wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *);

WASM_DECLARE_TYPE(externtype)
typedef uint8_t wasm_externkind_t;
enum wasm_externkind_enum {
    WASM_EXTERN_FUNC,
    WASM_EXTERN_GLOBAL,
    WASM_EXTERN_TABLE,
    WASM_EXTERN_MEMORY,
    WASM_EXTERN_TAG, /* ours: only as the kind of an import or export */
};
WASM_API_EXTERN wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *);

#define WASM_DECLARE_EXTERNTYPE(name)                                                          \
    WASM_API_EXTERN wasm_externtype_t *wasm_##name##type_as_externtype(wasm_##name##type_t *); \
    WASM_API_EXTERN wasm_##name##type_t *wasm_externtype_as_##name##type(wasm_externtype_t *); \
    WASM_API_EXTERN const wasm_externtype_t *wasm_##name##type_as_externtype_const(            \
        const wasm_##name##type_t *);                                                          \
    WASM_API_EXTERN const wasm_##name##type_t *wasm_externtype_as_##name##type_const(          \
        const wasm_externtype_t *);
WASM_DECLARE_EXTERNTYPE(func)
WASM_DECLARE_EXTERNTYPE(global)
WASM_DECLARE_EXTERNTYPE(table)
WASM_DECLARE_EXTERNTYPE(memory)
#undef WASM_DECLARE_EXTERNTYPE

WASM_DECLARE_TYPE(importtype)
WASM_API_EXTERN own wasm_importtype_t *
wasm_importtype_new(own wasm_name_t *module, own wasm_name_t *name, own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *);

WASM_DECLARE_TYPE(exporttype)
WASM_API_EXTERN own wasm_exporttype_t *wasm_exporttype_new(own wasm_name_t *,
                                                           own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *);

/* ---- values ---- */

struct wasm_ref_t;
typedef struct wasm_val_t {
    wasm_valkind_t kind;
    union {
        int32_t i32;
        int64_t i64;
        float32_t f32;
        float64_t f64;
        struct wasm_ref_t *ref; /* owned by the value */
    } of;
} wasm_val_t;
WASM_API_EXTERN void wasm_val_delete(own wasm_val_t *);
WASM_API_EXTERN void wasm_val_copy(own wasm_val_t *out, const wasm_val_t *);
WASM_DECLARE_VEC(val, )

/* ---- objects ---- */

#define WASM_DECLARE_REF_BASE(name)                                                            \
    WASM_DECLARE_OWN(name)                                                                     \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);          \
    WASM_API_EXTERN bool wasm_##name##_same(const wasm_##name##_t *, const wasm_##name##_t *); \
    WASM_API_EXTERN void *wasm_##name##_get_host_info(const wasm_##name##_t *);                \
    WASM_API_EXTERN void wasm_##name##_set_host_info(wasm_##name##_t *, void *);               \
    WASM_API_EXTERN void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *, void *, \
                                                                    void (*)(void *));
#define WASM_DECLARE_REF(name)                                                                    \
    WASM_DECLARE_REF_BASE(name)                                                                   \
    WASM_API_EXTERN struct wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *);                   \
    WASM_API_EXTERN wasm_##name##_t *wasm_ref_as_##name(struct wasm_ref_t *);                     \
    WASM_API_EXTERN const struct wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *); \
    WASM_API_EXTERN const wasm_##name##_t *wasm_ref_as_##name##_const(const struct wasm_ref_t *);

WASM_DECLARE_REF_BASE(ref)

WASM_DECLARE_OWN(frame)
WASM_DECLARE_VEC(frame, *)
WASM_API_EXTERN own wasm_frame_t *wasm_frame_copy(const wasm_frame_t *);
WASM_API_EXTERN struct wasm_instance_t *
wasm_frame_instance(const wasm_frame_t *); /* lives as long as the frame; NULL: not known */
WASM_API_EXTERN uint32_t wasm_frame_func_index(const wasm_frame_t *);
WASM_API_EXTERN size_t wasm_frame_func_offset(const wasm_frame_t *);   /* in the function's body */
WASM_API_EXTERN size_t wasm_frame_module_offset(const wasm_frame_t *); /* SIZE_MAX: not known */

typedef wasm_name_t wasm_message_t; /* with a NUL behind it */
WASM_DECLARE_REF(trap)
WASM_API_EXTERN own wasm_trap_t *wasm_trap_new(wasm_store_t *, const wasm_message_t *);
WASM_API_EXTERN void wasm_trap_message(const wasm_trap_t *, own wasm_message_t *out);
WASM_API_EXTERN own wasm_frame_t *wasm_trap_origin(const wasm_trap_t *); /* NULL: no WebAssembly */
WASM_API_EXTERN void wasm_trap_trace(const wasm_trap_t *, own wasm_frame_vec_t *out);

WASM_DECLARE_REF(foreign)
WASM_API_EXTERN own wasm_foreign_t *wasm_foreign_new(wasm_store_t *);

WASM_DECLARE_REF(module)
typedef struct wasm_shared_module_t wasm_shared_module_t;
WASM_API_EXTERN void wasm_shared_module_delete(own wasm_shared_module_t *);
WASM_API_EXTERN own wasm_module_t *wasm_module_new(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN bool wasm_module_validate(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN void wasm_module_imports(const wasm_module_t *, own wasm_importtype_vec_t *out);
WASM_API_EXTERN void wasm_module_exports(const wasm_module_t *, own wasm_exporttype_vec_t *out);
/* The serialised form is the module's own bytes with a header: it is validated and compiled again when it
   comes back, so that forged bytes can do no harm. */
WASM_API_EXTERN void wasm_module_serialize(const wasm_module_t *, own wasm_byte_vec_t *out);
WASM_API_EXTERN own wasm_module_t *wasm_module_deserialize(wasm_store_t *, const wasm_byte_vec_t *);
WASM_API_EXTERN own wasm_shared_module_t *wasm_module_share(const wasm_module_t *);
WASM_API_EXTERN own wasm_module_t *wasm_module_obtain(wasm_store_t *, const wasm_shared_module_t *);

WASM_DECLARE_REF(func)
typedef own wasm_trap_t *(*wasm_func_callback_t)(const wasm_val_vec_t *args,
                                                 own wasm_val_vec_t *results);
typedef own wasm_trap_t *(*wasm_func_callback_with_env_t)(void *env, const wasm_val_vec_t *args,
                                                          wasm_val_vec_t *results);
WASM_API_EXTERN own wasm_func_t *wasm_func_new(wasm_store_t *, const wasm_functype_t *,
                                               wasm_func_callback_t);
WASM_API_EXTERN own wasm_func_t *wasm_func_new_with_env(wasm_store_t *, const wasm_functype_t *,
                                                        wasm_func_callback_with_env_t, void *env,
                                                        void (*finalizer)(void *));
WASM_API_EXTERN own wasm_functype_t *wasm_func_type(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_param_arity(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_result_arity(const wasm_func_t *);
WASM_API_EXTERN own wasm_trap_t *wasm_func_call(const wasm_func_t *, const wasm_val_vec_t *args,
                                                wasm_val_vec_t *results);

WASM_DECLARE_REF(global)
WASM_API_EXTERN own wasm_global_t *wasm_global_new(wasm_store_t *, const wasm_globaltype_t *,
                                                   const wasm_val_t *);
WASM_API_EXTERN own wasm_globaltype_t *wasm_global_type(const wasm_global_t *);
WASM_API_EXTERN void wasm_global_get(const wasm_global_t *, own wasm_val_t *out);
WASM_API_EXTERN void wasm_global_set(wasm_global_t *, const wasm_val_t *);

WASM_DECLARE_REF(table)
typedef uint32_t wasm_table_size_t;
WASM_API_EXTERN own wasm_table_t *wasm_table_new(wasm_store_t *, const wasm_tabletype_t *,
                                                 struct wasm_ref_t *init);
WASM_API_EXTERN own wasm_tabletype_t *wasm_table_type(const wasm_table_t *);
WASM_API_EXTERN own struct wasm_ref_t *wasm_table_get(const wasm_table_t *, wasm_table_size_t);
WASM_API_EXTERN bool wasm_table_set(wasm_table_t *, wasm_table_size_t, struct wasm_ref_t *);
WASM_API_EXTERN wasm_table_size_t wasm_table_size(const wasm_table_t *);
WASM_API_EXTERN bool wasm_table_grow(wasm_table_t *, wasm_table_size_t delta,
                                     struct wasm_ref_t *init);

WASM_DECLARE_REF(memory)
typedef uint32_t wasm_memory_pages_t;
static const size_t MEMORY_PAGE_SIZE = 0x10000;
WASM_API_EXTERN own wasm_memory_t *wasm_memory_new(wasm_store_t *, const wasm_memorytype_t *);
WASM_API_EXTERN own wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *);
WASM_API_EXTERN byte_t *wasm_memory_data(wasm_memory_t *);
WASM_API_EXTERN size_t wasm_memory_data_size(const wasm_memory_t *);
WASM_API_EXTERN wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *);
WASM_API_EXTERN bool wasm_memory_grow(wasm_memory_t *, wasm_memory_pages_t delta);

WASM_DECLARE_REF(extern)
WASM_DECLARE_VEC(extern, *)
WASM_API_EXTERN wasm_externkind_t wasm_extern_kind(const wasm_extern_t *);
WASM_API_EXTERN own wasm_externtype_t *wasm_extern_type(const wasm_extern_t *);

#define WASM_DECLARE_EXTERN(name)                                                                \
    WASM_API_EXTERN wasm_extern_t *wasm_##name##_as_extern(wasm_##name##_t *);                   \
    WASM_API_EXTERN wasm_##name##_t *wasm_extern_as_##name(wasm_extern_t *);                     \
    WASM_API_EXTERN const wasm_extern_t *wasm_##name##_as_extern_const(const wasm_##name##_t *); \
    WASM_API_EXTERN const wasm_##name##_t *wasm_extern_as_##name##_const(const wasm_extern_t *);
WASM_DECLARE_EXTERN(func)
WASM_DECLARE_EXTERN(global)
WASM_DECLARE_EXTERN(table)
WASM_DECLARE_EXTERN(memory)
#undef WASM_DECLARE_EXTERN

WASM_DECLARE_REF(instance)
/* *trap (if trap is not NULL) is set when the start function or a segment trapped. */
WASM_API_EXTERN own wasm_instance_t *wasm_instance_new(wasm_store_t *, const wasm_module_t *,
                                                       const wasm_extern_vec_t *imports,
                                                       own wasm_trap_t **trap);
WASM_API_EXTERN void wasm_instance_exports(const wasm_instance_t *, own wasm_extern_vec_t *out);

/* ---- convenience ---- */

#define WASM_EMPTY_VEC {0, NULL}
#define WASM_ARRAY_VEC(array) {sizeof(array) / sizeof(*(array)), array}
#define WASM_I32_VAL(value)                     \
    {                                           \
        .kind = WASM_I32, .of = {.i32 = value } \
    }
#define WASM_I64_VAL(value)                     \
    {                                           \
        .kind = WASM_I64, .of = {.i64 = value } \
    }
#define WASM_F32_VAL(value)                     \
    {                                           \
        .kind = WASM_F32, .of = {.f32 = value } \
    }
#define WASM_F64_VAL(value)                     \
    {                                           \
        .kind = WASM_F64, .of = {.f64 = value } \
    }
#define WASM_REF_VAL(value)                        \
    {                                              \
        .kind = WASM_ANYREF, .of = {.ref = value } \
    }
#define WASM_INIT_VAL                             \
    {                                             \
        .kind = WASM_ANYREF, .of = {.ref = NULL } \
    }

static inline own wasm_valtype_t *wasm_valtype_new_i32(void)
{
    return wasm_valtype_new(WASM_I32);
}
static inline own wasm_valtype_t *wasm_valtype_new_i64(void)
{
    return wasm_valtype_new(WASM_I64);
}
static inline own wasm_valtype_t *wasm_valtype_new_f32(void)
{
    return wasm_valtype_new(WASM_F32);
}
static inline own wasm_valtype_t *wasm_valtype_new_f64(void)
{
    return wasm_valtype_new(WASM_F64);
}
static inline own wasm_valtype_t *wasm_valtype_new_anyref(void)
{
    return wasm_valtype_new(WASM_ANYREF);
}
static inline own wasm_valtype_t *wasm_valtype_new_externref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}
static inline own wasm_valtype_t *wasm_valtype_new_funcref(void)
{
    return wasm_valtype_new(WASM_FUNCREF);
}

#define WASM_FUNCTYPE_NEW(...)                                                         \
    wasm_valtype_t *given[] = {__VA_ARGS__};                                           \
    wasm_valtype_vec_t params, results;                                                \
    wasm_valtype_vec_new(&params, parameter_count, given);                             \
    wasm_valtype_vec_new(&results, sizeof given / sizeof *given - 1 - parameter_count, \
                         given + parameter_count);                                     \
    return wasm_functype_new(&params, &results);
static inline own wasm_functype_t *wasm_functype_new_0_0(void)
{
    const size_t parameter_count = 0;
    WASM_FUNCTYPE_NEW(NULL)
}
#define WASM_T(n) own wasm_valtype_t *t##n
static inline own wasm_functype_t *wasm_functype_new_1_0(WASM_T(1))
{
    const size_t parameter_count = 1;
    WASM_FUNCTYPE_NEW(t1, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_2_0(WASM_T(1), WASM_T(2))
{
    const size_t parameter_count = 2;
    WASM_FUNCTYPE_NEW(t1, t2, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_3_0(WASM_T(1), WASM_T(2), WASM_T(3))
{
    const size_t parameter_count = 3;
    WASM_FUNCTYPE_NEW(t1, t2, t3, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_0_1(WASM_T(1))
{
    const size_t parameter_count = 0;
    WASM_FUNCTYPE_NEW(t1, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_1_1(WASM_T(1), WASM_T(2))
{
    const size_t parameter_count = 1;
    WASM_FUNCTYPE_NEW(t1, t2, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_2_1(WASM_T(1), WASM_T(2), WASM_T(3))
{
    const size_t parameter_count = 2;
    WASM_FUNCTYPE_NEW(t1, t2, t3, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_3_1(WASM_T(1), WASM_T(2), WASM_T(3), WASM_T(4))
{
    const size_t parameter_count = 3;
    WASM_FUNCTYPE_NEW(t1, t2, t3, t4, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_0_2(WASM_T(1), WASM_T(2))
{
    const size_t parameter_count = 0;
    WASM_FUNCTYPE_NEW(t1, t2, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_1_2(WASM_T(1), WASM_T(2), WASM_T(3))
{
    const size_t parameter_count = 1;
    WASM_FUNCTYPE_NEW(t1, t2, t3, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_2_2(WASM_T(1), WASM_T(2), WASM_T(3), WASM_T(4))
{
    const size_t parameter_count = 2;
    WASM_FUNCTYPE_NEW(t1, t2, t3, t4, NULL)
}
static inline own wasm_functype_t *wasm_functype_new_3_2(WASM_T(1), WASM_T(2), WASM_T(3), WASM_T(4),
                                                         WASM_T(5))
{
    const size_t parameter_count = 3;
    WASM_FUNCTYPE_NEW(t1, t2, t3, t4, t5, NULL)
}
#undef WASM_T
#undef WASM_FUNCTYPE_NEW

/* A pointer of the host in a number of its width. */
static inline void wasm_val_init_ptr(own wasm_val_t *out, void *pointer)
{
    out->kind = sizeof(void *) == 8 ? WASM_I64 : WASM_I32;
    out->of.i64 = (int64_t)(uintptr_t)pointer;
}
static inline void *wasm_val_ptr(const wasm_val_t *value)
{
    return (void *)(uintptr_t)value->of.i64;
}

#undef own

#ifdef __cplusplus
}
#endif

#endif
