#include "runtime/embed/wasi_link.h"

#include <string.h>

static const char module_name[] = "wasi_snapshot_preview1";

/* What a host function's context must name: which function of which program. */
typedef struct kp_wasi_binding {
    kp_wasi_t *wasi;
    kp_wasi_function_t function;
} kp_wasi_binding_t;

bool kp_wasm_wasi_is_module(const char *name, size_t length)
{
    return length == sizeof module_name - 1 && memcmp(name, module_name, length) == 0;
}

static kp_wasi_memory_t memory_of(kp_wasm_instance_t *caller)
{
    kp_wasm_extern_t found;
    const kp_wasm_meminst_t *memory = NULL;
    if (caller && kp_wasm_instance_find(caller, "memory", 6, &found) &&
        found.kind == KP_WASM_EXTERNAL_MEMORY)
        memory = found.memory;
    else if (caller && caller->module->memory_count)
        memory = caller->memory0;
    return memory ? (kp_wasi_memory_t){memory->base, kp_wasm_meminst_size(memory)}
                  : (kp_wasi_memory_t){NULL, 0};
}

static kp_status_t call(void *context, kp_wasm_instance_t *caller, kp_wasm_value_t *values)
{
    const kp_wasi_binding_t *binding = context;
    uint64_t arguments[16];
    size_t count = strlen(kp_wasi_signatures[binding->function].parameters);
    for (size_t i = 0; i < count; i++)
        arguments[i] = kp_wasi_signatures[binding->function].parameters[i] == 'i' ? values[i].u32
                                                                                  : values[i].u64;
    kp_wasi_errno_t error =
        kp_wasi_call(binding->wasi, memory_of(caller), binding->function, arguments);
    uint32_t code;
    if (kp_wasi_has_exited(binding->wasi, &code)) {
        /* A function that ends the program runs only inside a call, so the caller is there. */
        kp_wasm_store_t *store = caller ? caller->store : NULL;
        return store ? kp_wasm_store_trap(store, KP_WASM_TRAP_EXIT) : KP_ERR_CANCELLED;
    }
    values[0] = (kp_wasm_value_t){.v128 = {(uint64_t)error, 0}};
    return KP_OK;
}

/* Memory of the store's own budget that lives as long as it: in a global's cell, which the store keeps. */
static kp_status_t binding_create(kp_wasm_store_t *store, kp_wasi_t *wasi,
                                  kp_wasi_function_t function, kp_wasi_binding_t **result)
{
    _Static_assert(sizeof(kp_wasi_binding_t) <= sizeof(kp_wasm_value_t), "a binding fits a cell");
    kp_wasm_globalinst_t *global;
    const kp_wasi_binding_t binding = {wasi, function};
    kp_wasm_value_t value = {.v128 = {0, 0}};
    memcpy(&value, &binding, sizeof binding);
    kp_status_t status = kp_wasm_globalinst_create(store, KP_WASM_TYPE_V128, false, value, &global);
    if (status == KP_OK)
        *result = (kp_wasi_binding_t *)(void *)global->cell;
    return status;
}

kp_status_t kp_wasm_wasi_function(kp_wasm_store_t *store, kp_wasi_t *wasi, const char *name,
                                  size_t length, kp_wasm_funcinst_t **result)
{
    *result = NULL;
    for (unsigned i = 0; i < KP_WASI_FUNCTIONS; i++) {
        const kp_wasi_signature_t *signature = &kp_wasi_signatures[i];
        if (strlen(signature->name) != length || memcmp(signature->name, name, length) != 0)
            continue;
        kp_wasm_type_t types[17];
        uint32_t count = 0;
        for (const char *letter = signature->parameters; *letter; letter++)
            types[count++] = *letter == 'i' ? KP_WASM_TYPE_I32 : KP_WASM_TYPE_I64;
        types[count] = KP_WASM_TYPE_I32;
        const kp_wasm_functype_t type = {types, count, (kp_wasi_function_t)i != KP_WASI_proc_exit,
                                         0};
        kp_wasi_binding_t *binding;
        kp_status_t status = binding_create(store, wasi, (kp_wasi_function_t)i, &binding);
        return status == KP_OK ? kp_wasm_funcinst_create(store, &type, call, binding, result)
                               : status;
    }
    return KP_OK;
}
