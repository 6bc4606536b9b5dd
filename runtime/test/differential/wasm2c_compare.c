/* Interpreter, compiler and a batch of modules that wasm2c translated, on the same modules:
   wasm2c-compare BATCH.so [--features N] [--keep DIRECTORY] FIRST COUNT. Modules which are not in the batch
   (wasm2c refused them) are left out and counted. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/test/differential/differential.h"
#include "runtime/test/differential/wasm2c_batch.h"

typedef struct open_module {
    const kp_wasm2c_module_t *module;
    void *instance;
} open_module_t;

static const kp_wasm2c_batch_t *batch;

static const kp_wasm2c_module_t *find(const uint8_t *bytes, size_t size)
{
    uint64_t hash = kp_wasm2c_hash(bytes, size);
    for (uint64_t i = 0; i < batch->count; i++)
        if (batch->modules[i].hash == hash)
            return &batch->modules[i];
    return NULL;
}

static bool known(const uint8_t *bytes, size_t size)
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
    kp_wasm2c_value_t in[16] = {{{0}}}, out[16] = {{{0}}};
    (void)instance;
    const kp_wasm2c_function_t *function = open->module->functions;
    while (function->name && strncmp(function->name, field, length + 1) != 0)
        function++;
    if (!function->name || argument_count > 16)
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

/* wasm2c tells fewer traps apart. */
static const char *trap_class(const char *text)
{
    /* Which of the two an atomic instruction looks at first is left open. */
    if (strncmp(text, "out of bounds", 13) == 0 || strcmp(text, "unaligned atomic") == 0)
        return "out of bounds";
    if (strcmp(text, "undefined element") == 0 || strcmp(text, "uninitialized element") == 0 ||
        strcmp(text, "indirect call type mismatch") == 0)
        return "indirect call";
    return text;
}

static void *open_interpreted(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_interpreted, features);
}

static void *open_compiled(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled, features);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    batch = library ? dlsym(library, "kp_wasm2c_batch") : NULL;
    if (!batch) {
        fprintf(stderr, "wasm2c-compare: no batch: %s\n", argc > 1 ? dlerror() : "usage");
        return 2;
    }
    const kp_spec_engine_t interpreted = kp_spec_store_engine("interpret", open_interpreted);
    const kp_spec_engine_t compiled = kp_spec_store_engine("compile", open_compiled);
    const kp_spec_engine_t translated = {
        .name = "wasm2c",
        .open = open_store,
        .close = close_store,
        .instantiate = instantiate,
        .invoke = invoke,
    };
    const kp_spec_engine_t *const engines[] = {&interpreted, &compiled, &translated};
    const kp_differential_options_t options = {.known = known, .trap_class = trap_class};
    argv[1] = argv[0];
    return kp_differential_main_with(argc - 1, argv + 1, engines, 3, &options);
}
