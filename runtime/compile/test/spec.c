/* The compiled tier in the specification suites; -DSPEC_CHECKED: with checked memories and all checks. */
#include "runtime/compile/compile.h"
#include "runtime/instance/test/spec_store.h"

static kp_status_t prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           void **tier_module, kp_wasm_error_t *error)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
#ifdef SPEC_CHECKED
    options.flags = KP_WASM_COMPILE_FUEL | KP_WASM_COMPILE_INTERRUPT;
    options.cpu = 0;
#endif
    kp_wasm_artefact_t artefact;
    kp_status_t status = kp_wasm_compile(module, &options, &artefact, error);
    if (status != KP_OK)
        return status;
    kp_wasm_code_t *code;
    status = kp_wasm_code_load(artefact.bytes, artefact.size, module, allocator, &code);
    kp_wasm_artefact_free(&artefact);
    *tier_module = code;
    return status;
}

static void discard(void *tier_module)
{
    kp_wasm_code_unload(tier_module);
}

int main(int argc, char **argv)
{
    static const kp_spec_tier_t tier = {
        .name = "compile",
        .tier = &kp_wasm_compiled_tier,
        .prepare = prepare,
        .discard = discard,
#ifndef SPEC_CHECKED
        .guard_pages = true,
#endif
    };
    return kp_spec_store_main(argc, argv, &tier);
}
