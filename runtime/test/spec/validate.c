/* The suites' module-level assertions against the decoder and validator alone. */
#include <stdlib.h>

#include "runtime/test/spec/spec_engine.h"
#include "runtime/wasm/module.h"
#include "runtime/wasm/heap.h"

static void *open_store(kp_wasm_features_t features)
{
    kp_wasm_options_t *options = malloc(sizeof(*options));
    if (options) {
        *options = kp_wasm_options_init(kp_wasm_heap);
        options->features = features;
    }
    return options;
}

static kp_spec_outcome_t check(void *store, const uint8_t *bytes, size_t size,
                               kp_spec_message_t *message)
{
    kp_wasm_module_t *module;
    kp_wasm_error_t error;
    kp_status_t status = kp_wasm_module_decode(bytes, size, store, &module, &error);
    if (status == KP_OK)
        status = kp_wasm_module_validate(module, &error);
    kp_wasm_module_destroy(module);
    if (status == KP_OK)
        return KP_SPEC_OK;
    kp_wasm_error_print(&error, message->text, sizeof(message->text));
    switch (error.kind) {
    case KP_WASM_ERROR_MALFORMED:
        return KP_SPEC_MALFORMED;
    case KP_WASM_ERROR_INVALID:
        return KP_SPEC_INVALID;
    case KP_WASM_ERROR_UNSUPPORTED:
        return KP_SPEC_UNSUPPORTED;
    case KP_WASM_ERROR_LIMIT:
        return KP_SPEC_MALFORMED;
    default:
        return KP_SPEC_ERROR;
    }
}

int main(int argc, char **argv)
{
    static const kp_spec_engine_t engine = {
        .name = "validate",
        .open = open_store,
        .close = free,
        .check = check,
    };
    return kp_spec_main(argc, argv, &engine);
}
