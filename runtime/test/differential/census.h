/* What is in generated modules, counted. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_CENSUS_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_CENSUS_H

#include "runtime/wasm/module.h"
#include "runtime/wasm/opcode.h"

#define KP_CENSUS_FEATURES 24

typedef struct kp_census {
    uint64_t bytes, functions;
    uint64_t modules[KP_CENSUS_FEATURES];   /* that have the feature */
    uint64_t opcodes[KP_WASM_OPCODE_COUNT]; /* instructions */
} kp_census_t;

/* "loop", "call_indirect", ...; NULL behind the last. */
const char *kp_census_feature_name(unsigned feature);

/* Adds a module of which kp_generate_counted has counted the instructions. */
void kp_census_add(kp_census_t *census, const kp_wasm_module_t *module, const uint32_t *opcodes);

#endif
