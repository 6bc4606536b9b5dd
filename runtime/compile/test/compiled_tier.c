/* The compiled tier for test programs, in its two forms. */
#include "runtime/compile/test/compiled_tier.h"

#include "runtime/compile/compile.h"

static kp_status_t build(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                         const kp_wasm_compile_options_t *options, void **tier_module,
                         kp_wasm_error_t *error)
{
    kp_wasm_artefact_t artefact;
    kp_status_t status = kp_wasm_compile(module, options, &artefact, error);
    if (status != KP_OK)
        return status;
    kp_wasm_code_t *code;
    status = kp_wasm_code_load(artefact.bytes, artefact.size, module, allocator, &code);
    kp_wasm_artefact_free(&artefact);
    *tier_module = code;
    return status;
}

static kp_status_t prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           void **tier_module, kp_wasm_error_t *error)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    return build(module, allocator, &options, tier_module, error);
}

static kp_status_t prepare_checked(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                   void **tier_module, kp_wasm_error_t *error)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    options.flags = KP_WASM_COMPILE_FUEL | KP_WASM_COMPILE_INTERRUPT;
    options.cpu = 0;
    return build(module, allocator, &options, tier_module, error);
}

static void discard(void *tier_module)
{
    kp_wasm_code_unload(tier_module);
}

const kp_spec_tier_t kp_spec_compiled = {
    .name = "compile",
    .tier = &kp_wasm_compiled_tier,
    .prepare = prepare,
    .discard = discard,
    .guard_pages = true,
};

const kp_spec_tier_t kp_spec_compiled_checked = {
    .name = "compile",
    .tier = &kp_wasm_compiled_tier,
    .prepare = prepare_checked,
    .discard = discard,
};
