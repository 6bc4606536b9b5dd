/* The interpreter against the compiler, on generated modules. */
#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/test/differential/differential.h"

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
    const kp_spec_engine_t interpreted = kp_spec_store_engine("interpret", open_interpreted);
    const kp_spec_engine_t compiled = kp_spec_store_engine("compile", open_compiled);
    const kp_spec_engine_t *const engines[] = {&interpreted, &compiled};
    return kp_differential_main(argc, argv, engines, 2);
}
