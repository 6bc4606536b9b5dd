/* An engine of the specification suites over the store, for any tier: the tier's own program gives the
   two functions and calls kp_spec_store_main. */
#ifndef KP_RUNTIME_INSTANCE_TEST_SPEC_STORE_H
#define KP_RUNTIME_INSTANCE_TEST_SPEC_STORE_H

#include "runtime/instance/store.h"
#include "runtime/test/spec/spec_engine.h"

typedef struct kp_spec_tier {
    const char *name;
    const kp_wasm_tier_t *tier;
    /* What kp_wasm_tier_t.attach gets, from a decoded module; validates the bodies. */
    kp_status_t (*prepare)(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           void **tier_module, kp_wasm_error_t *error);
    void (*discard)(void *tier_module);
    bool guard_pages;
} kp_spec_tier_t;

/* Several tiers in one program: each engine's `open` is a function that calls this with its tier. */
void *kp_spec_store_open(const kp_spec_tier_t *tier, kp_wasm_features_t features);
kp_spec_engine_t kp_spec_store_engine(const char *name, void *(*open)(kp_wasm_features_t features));

/* The program of one tier; here, so that programs without the runner need not link it. */
static const kp_spec_tier_t *kp_spec_store_only;

static inline void *kp_spec_store_open_only(kp_wasm_features_t features)
{
    return kp_spec_store_open(kp_spec_store_only, features);
}

static inline int kp_spec_store_main(int argc, char **argv, const kp_spec_tier_t *tier)
{
    kp_spec_store_only = tier;
    const kp_spec_engine_t engine = kp_spec_store_engine(tier->name, kp_spec_store_open_only);
    return kp_spec_main(argc, argv, &engine);
}

#endif
