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

int kp_spec_store_main(int argc, char **argv, const kp_spec_tier_t *tier);

#endif
