#include "runtime/interpret/test/interpreted_tier.h"

#include "runtime/interpret/interpret.h"

static kp_status_t prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           void **tier_module, kp_wasm_error_t *error)
{
    kp_status_t status = kp_wasm_module_validate(module, error);
    kp_wasm_interpreted_t *interpreted = NULL;
    if (status == KP_OK)
        status = kp_wasm_interpreted_create(module, allocator, &interpreted);
    *tier_module = interpreted;
    return status;
}

static void discard(void *tier_module)
{
    kp_wasm_interpreted_destroy(tier_module);
}

const kp_spec_tier_t kp_spec_interpreted = {
    .name = "interpret",
    .tier = &kp_wasm_interpreted_tier,
    .prepare = prepare,
    .discard = discard,
};
