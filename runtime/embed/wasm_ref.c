/* wasm.h: handles, values, traps, foreign objects. */
#include "runtime/embed/internal.h"

#include <stdlib.h>

wasm_ref_t *kp_embed_ref_new(wasm_store_t *store, kp_embed_ref_kind_t kind, void *object)
{
    wasm_ref_t *ref = calloc(1, sizeof *ref);
    if (!ref)
        return NULL;
    ref->kind = (uint8_t)kind;
    ref->references = 1;
    ref->store = store;
    ref->object = object;
    return ref;
}

static void free_frames(wasm_ref_t *trap)
{
    for (size_t i = 0; i < trap->frame_count; i++)
        wasm_ref_delete(trap->frames[i].instance);
    free(trap->frames);
    trap->frames = NULL;
    trap->frame_count = 0;
}

void wasm_ref_delete(wasm_ref_t *ref)
{
    if (!ref || --ref->references != 0)
        return;
    if (ref->finalizer)
        ref->finalizer(ref->information);
    if (ref->kind == KP_EMBED_MODULE)
        kp_embed_module_release(ref->module);
    if (ref->kind == KP_EMBED_TRAP) {
        wasm_byte_vec_delete(&ref->message);
        free_frames(ref);
    }
    free(ref);
}

wasm_ref_t *wasm_ref_copy(const wasm_ref_t *ref)
{
    wasm_ref_t *copy = KP_EMBED_REF(ref);
    if (copy)
        copy->references++;
    return copy;
}

bool wasm_ref_same(const wasm_ref_t *a, const wasm_ref_t *b)
{
    return a == b || (a && b && a->kind == b->kind && a->object && a->object == b->object);
}

void *wasm_ref_get_host_info(const wasm_ref_t *ref)
{
    return ref->information;
}

void wasm_ref_set_host_info_with_finalizer(wasm_ref_t *ref, void *information,
                                           void (*finalizer)(void *))
{
    if (ref->finalizer)
        ref->finalizer(ref->information);
    ref->information = information;
    ref->finalizer = finalizer;
}

void wasm_ref_set_host_info(wasm_ref_t *ref, void *information)
{
    wasm_ref_set_host_info_with_finalizer(ref, information, NULL);
}

#define REF_BASE(name)                                                                          \
    void wasm_##name##_delete(wasm_##name##_t *handle)                                          \
    {                                                                                           \
        wasm_ref_delete(KP_EMBED_REF(handle));                                                  \
    }                                                                                           \
    wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *handle)                          \
    {                                                                                           \
        return (wasm_##name##_t *)(void *)wasm_ref_copy(KP_EMBED_REF(handle));                  \
    }                                                                                           \
    bool wasm_##name##_same(const wasm_##name##_t *a, const wasm_##name##_t *b)                 \
    {                                                                                           \
        return wasm_ref_same(KP_EMBED_REF(a), KP_EMBED_REF(b));                                 \
    }                                                                                           \
    void *wasm_##name##_get_host_info(const wasm_##name##_t *handle)                            \
    {                                                                                           \
        return wasm_ref_get_host_info(KP_EMBED_REF(handle));                                    \
    }                                                                                           \
    void wasm_##name##_set_host_info(wasm_##name##_t *handle, void *information)                \
    {                                                                                           \
        wasm_ref_set_host_info(KP_EMBED_REF(handle), information);                              \
    }                                                                                           \
    void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *handle, void *information, \
                                                    void (*finalizer)(void *))                  \
    {                                                                                           \
        wasm_ref_set_host_info_with_finalizer(KP_EMBED_REF(handle), information, finalizer);    \
    }
#define REF(name, is)                                                           \
    REF_BASE(name)                                                              \
    wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *handle)                   \
    {                                                                           \
        return KP_EMBED_REF(handle);                                            \
    }                                                                           \
    const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *handle) \
    {                                                                           \
        return KP_EMBED_REF(handle);                                            \
    }                                                                           \
    wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *ref)                        \
    {                                                                           \
        return ref && (is) ? (wasm_##name##_t *)(void *)ref : NULL;             \
    }                                                                           \
    const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *ref)    \
    {                                                                           \
        return ref && (is) ? (const wasm_##name##_t *)(const void *)ref : NULL; \
    }
REF(trap, ref->kind == KP_EMBED_TRAP)
REF(foreign, ref->kind == KP_EMBED_FOREIGN)
REF(module, ref->kind == KP_EMBED_MODULE)
REF(func, ref->kind == KP_EMBED_FUNC)
REF(global, ref->kind == KP_EMBED_GLOBAL)
REF(table, ref->kind == KP_EMBED_TABLE)
REF(memory, ref->kind == KP_EMBED_MEMORY)
REF(extern, ref->kind <= KP_EMBED_TAG)
REF(instance, ref->kind == KP_EMBED_INSTANCE)

wasm_foreign_t *wasm_foreign_new(wasm_store_t *store)
{
    return (wasm_foreign_t *)(void *)kp_embed_ref_new(store, KP_EMBED_FOREIGN, NULL);
}

/* ---- values ---- */

/* A vector lies on the heap behind of.ref: the standard's structure keeps its size. */
void wasm_val_delete(wasm_val_t *value)
{
    if (value->kind == WASM_V128)
        free(value->of.ref);
    else if (wasm_valkind_is_ref(value->kind))
        wasm_ref_delete(value->of.ref);
    value->of.ref = NULL;
}

void wasm_val_copy(wasm_val_t *out, const wasm_val_t *value)
{
    *out = *value;
    if (value->kind == WASM_V128) {
        out->of.ref = NULL;
        if (value->of.ref)
            kpwasm_val_new_v128(out, (const uint8_t *)value->of.ref);
    } else if (wasm_valkind_is_ref(value->kind)) {
        out->of.ref = wasm_ref_copy(value->of.ref);
    }
}

bool kpwasm_val_new_v128(wasm_val_t *out, const uint8_t bytes[16])
{
    void *vector = malloc(16);
    out->kind = WASM_V128;
    out->of.ref = vector;
    if (vector)
        memcpy(vector, bytes, 16);
    return vector != NULL;
}

bool kpwasm_val_v128(const wasm_val_t *value, uint8_t bytes[16])
{
    if (value->kind != WASM_V128 || !value->of.ref)
        return false;
    memcpy(bytes, value->of.ref, 16);
    return true;
}

bool kp_embed_reference_out(wasm_store_t *store, kp_wasm_type_t type, void *reference,
                            wasm_ref_t **out)
{
    *out = NULL;
    if (!reference)
        return true;
    if (type == KP_WASM_TYPE_EXNREF)
        return false; /* the standard has no handle for it */
    *out = type == KP_WASM_TYPE_FUNCREF ? kp_embed_ref_new(store, KP_EMBED_FUNC, reference)
                                        : wasm_ref_copy(reference);
    return *out != NULL;
}

/* Whoever WebAssembly gives it to, the handle must be there: the store holds it. */
void *kp_embed_reference_in(kp_wasm_type_t type, wasm_ref_t *ref)
{
    if (!ref)
        return NULL;
    if (type == KP_WASM_TYPE_FUNCREF)
        return ref->kind == KP_EMBED_FUNC ? ref->function : NULL;
    if (type == KP_WASM_TYPE_EXNREF)
        return NULL;
    if (!ref->is_held && ref->store) {
        ref->is_held = true;
        ref->references++;
        ref->next_held = ref->store->held;
        ref->store->held = ref;
    }
    return ref;
}

bool kp_embed_value_out(wasm_store_t *store, kp_wasm_type_t type, const kp_wasm_value_t *value,
                        wasm_val_t *out)
{
    memset(out, 0, sizeof *out);
    out->kind = kp_embed_kind(type);
    if (kp_wasm_type_is_reference(type))
        return kp_embed_reference_out(store, type, value->reference, &out->of.ref);
    if (type == KP_WASM_TYPE_V128)
        return kpwasm_val_new_v128(out, value->bytes);
    memcpy(&out->of, value, 8);
    return true;
}

bool kp_embed_value_in(kp_wasm_type_t type, const wasm_val_t *value, kp_wasm_value_t *out)
{
    memset(out, 0, sizeof *out);
    /* A null reference may say any kind of reference. */
    bool null = kp_wasm_type_is_reference(type) && wasm_valkind_is_ref(value->kind);
    if (value->kind != kp_embed_kind(type) && !null)
        return false;
    if (kp_wasm_type_is_reference(type)) {
        out->reference = kp_embed_reference_in(type, value->of.ref);
        return out->reference || !value->of.ref;
    }
    if (type == KP_WASM_TYPE_V128)
        return kpwasm_val_v128(value, out->bytes);
    memcpy(out, &value->of, type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32 ? 4 : 8);
    return true;
}

/* ---- traps ---- */

wasm_trap_t *wasm_trap_new(wasm_store_t *store, const wasm_message_t *message)
{
    wasm_ref_t *trap = kp_embed_ref_new(store, KP_EMBED_TRAP, NULL);
    if (trap)
        wasm_byte_vec_copy(&trap->message, message);
    return (wasm_trap_t *)(void *)trap;
}

/* A trap that a callback passes on keeps the frames of the call where it came from, before those around. */
static void take_frames(wasm_ref_t *ref, const kp_wasm_trap_t *trap)
{
    wasm_frame_t *frames =
        realloc(ref->frames, (ref->frame_count + trap->frame_count + 1) * sizeof *frames);
    if (!frames)
        return;
    ref->frames = frames;
    for (uint32_t i = 0; i < trap->frame_count; i++) {
        const kp_wasm_backtrace_frame_t *from = &trap->frames[i];
        wasm_frame_t *frame = &ref->frames[ref->frame_count++];
        *frame = (wasm_frame_t){.function = from->function};
        if (from->instance)
            frame->instance = kp_embed_ref_new(ref->store, KP_EMBED_INSTANCE, from->instance);
        frame->module_offset = frame->function_offset = SIZE_MAX;
        if (from->module && from->offset != KP_WASM_OFFSET_UNKNOWN) {
            frame->module_offset = from->offset;
            frame->function_offset =
                from->offset - from->module->functions[from->function].body.offset;
        }
    }
}

wasm_trap_t *kp_embed_trap(wasm_store_t *store, kp_status_t status)
{
    const kp_wasm_trap_t *trap = &store->store->trap;
    wasm_trap_t *result = store->host_trap;
    store->host_trap = NULL;
    if (!result) {
        const char *text = status == KP_ERR_EXCEPTION ? "uncaught exception"
                           : status == KP_ERR_TRAP    ? kp_wasm_trap_text(trap->code)
                                                      : kp_status_text(status);
        wasm_message_t message;
        wasm_name_new_from_string_nt(&message, text);
        result = wasm_trap_new(store, &message);
        wasm_byte_vec_delete(&message);
    }
    if (result && status == KP_ERR_TRAP)
        take_frames(KP_EMBED_REF(result), trap);
    return result;
}

void wasm_trap_message(const wasm_trap_t *trap, wasm_message_t *out)
{
    wasm_byte_vec_copy(out, &KP_EMBED_REF(trap)->message);
}

wasm_frame_t *wasm_trap_origin(const wasm_trap_t *trap)
{
    const wasm_ref_t *ref = KP_EMBED_REF(trap);
    return ref->frame_count ? wasm_frame_copy(&ref->frames[0]) : NULL;
}

void wasm_trap_trace(const wasm_trap_t *trap, wasm_frame_vec_t *out)
{
    const wasm_ref_t *ref = KP_EMBED_REF(trap);
    wasm_frame_vec_new_uninitialized(out, ref->frame_count);
    for (size_t i = 0; i < out->size; i++)
        out->data[i] = wasm_frame_copy(&ref->frames[i]);
}

wasm_frame_t *wasm_frame_copy(const wasm_frame_t *frame)
{
    wasm_frame_t *copy = malloc(sizeof *copy);
    if (copy) {
        *copy = *frame;
        wasm_ref_copy(copy->instance);
    }
    return copy;
}

void wasm_frame_delete(wasm_frame_t *frame)
{
    if (!frame)
        return;
    wasm_ref_delete(frame->instance);
    free(frame);
}

wasm_instance_t *wasm_frame_instance(const wasm_frame_t *frame)
{
    return (wasm_instance_t *)(void *)frame->instance;
}

uint32_t wasm_frame_func_index(const wasm_frame_t *frame)
{
    return frame->function;
}

size_t wasm_frame_func_offset(const wasm_frame_t *frame)
{
    return frame->function_offset;
}

size_t wasm_frame_module_offset(const wasm_frame_t *frame)
{
    return frame->module_offset;
}
