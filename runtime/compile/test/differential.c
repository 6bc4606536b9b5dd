/* The compiled tier's two forms on generated modules. */
#include "runtime/compile/test/compiled_tier.h"
#include "runtime/test/differential/differential.h"

static void *open_guarded(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled, features);
}

static void *open_checked(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled_checked, features);
}

int main(int argc, char **argv)
{
    const kp_spec_engine_t guarded = kp_spec_store_engine("guarded", open_guarded);
    const kp_spec_engine_t checked = kp_spec_store_engine("checked", open_checked);
    const kp_spec_engine_t *const engines[] = {&guarded, &checked};
    return kp_differential_main(argc, argv, engines, 2);
}
