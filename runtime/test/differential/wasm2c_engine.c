#include "runtime/test/differential/wasm2c_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct open_module {
    const kp_wasm2c_module_t *module;
    void *instance;
} open_module_t;

static const kp_wasm2c_batch_t *batch;

void kp_wasm2c_engine_use(const kp_wasm2c_batch_t *used)
{
    batch = used;
}

static const kp_wasm2c_module_t *find(const uint8_t *bytes, size_t size)
{
    uint64_t hash = kp_wasm2c_hash(bytes, size);
    for (uint64_t i = 0; i < batch->count; i++)
        if (batch->modules[i].hash == hash)
            return &batch->modules[i];
    return NULL;
}

bool kp_wasm2c_known(const uint8_t *bytes, size_t size)
{
    return find(bytes, size) != NULL;
}

static void *open_store(kp_wasm_features_t features)
{
    (void)features;
    return calloc(1, sizeof(open_module_t));
}

static void close_store(void *store)
{
    open_module_t *open = store;
    if (open->instance)
        open->module->close(open->instance);
    free(open);
}

static kp_spec_outcome_t outcome(const char *reason, kp_spec_message_t *message)
{
    if (!reason)
        return KP_SPEC_OK;
    if (strcmp(reason, "exception") == 0)
        return KP_SPEC_EXCEPTION;
    snprintf(message->text, sizeof message->text, "%s", reason);
    return KP_SPEC_TRAP;
}

static kp_spec_outcome_t instantiate(void *store, const uint8_t *bytes, size_t size,
                                     void **instance, kp_spec_message_t *message)
{
    open_module_t *open = store;
    open->module = find(bytes, size);
    *instance = open;
    return open->module ? outcome(batch->open(open->module, &open->instance), message)
                        : KP_SPEC_ERROR;
}

static kp_spec_outcome_t invoke(void *store, void *instance, const char *field, size_t length,
                                const kp_spec_value_t *arguments, size_t argument_count,
                                kp_spec_value_t *results, size_t *result_count,
                                kp_spec_message_t *message)
{
    open_module_t *open = store;
    kp_wasm2c_value_t in[64] = {{{0}}}, out[64] = {{{0}}};
    (void)instance;
    const kp_wasm2c_function_t *function = open->module->functions;
    while (function->name && strncmp(function->name, field, length + 1) != 0)
        function++;
    if (!function->name || argument_count > 64)
        return KP_SPEC_ERROR;
    for (size_t i = 0; i < argument_count; i++)
        if (!kp_wasm_type_is_reference(arguments[i].type))
            memcpy(in[i].bits, arguments[i].bits, sizeof in[i].bits);
    kp_spec_outcome_t result = outcome(batch->call(function, open->instance, in, out), message);
    *result_count = result == KP_SPEC_OK ? function->result_count : 0;
    for (uint32_t i = 0; result == KP_SPEC_OK && i < function->result_count; i++) {
        kp_wasm_type_t type = function->results[i];
        results[i] = (kp_spec_value_t){type, {out[i].bits[0], out[i].bits[1]}};
        if (kp_wasm_type_is_reference(type))
            results[i].bits[0] = out[i].bits[0] ? 1 : KP_SPEC_NULL;
    }
    return result;
}

const char *kp_wasm2c_trap_class(const char *text)
{
    /* Which of the two an atomic instruction looks at first is left open. */
    if (strncmp(text, "out of bounds", 13) == 0 || strcmp(text, "unaligned atomic") == 0)
        return "out of bounds";
    if (strcmp(text, "undefined element") == 0 || strcmp(text, "uninitialized element") == 0 ||
        strcmp(text, "indirect call type mismatch") == 0)
        return "indirect call";
    return text;
}

const kp_spec_engine_t kp_wasm2c_engine = {
    .name = "wasm2c",
    .open = open_store,
    .close = close_store,
    .instantiate = instantiate,
    .invoke = invoke,
};
