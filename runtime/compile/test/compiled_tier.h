/* The compiled tier for test programs. Guarded memories and all of this processor, or checked memories,
   fuel, interruption and nothing above the baseline. */
#ifndef KP_RUNTIME_COMPILE_TEST_COMPILED_TIER_H
#define KP_RUNTIME_COMPILE_TEST_COMPILED_TIER_H

#include "runtime/instance/test/spec_store.h"

extern const kp_spec_tier_t kp_spec_compiled, kp_spec_compiled_checked;

#endif
