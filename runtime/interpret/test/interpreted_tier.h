/* The interpreter for test programs. */
#ifndef KP_RUNTIME_INTERPRET_TEST_INTERPRETED_TIER_H
#define KP_RUNTIME_INTERPRET_TEST_INTERPRETED_TIER_H

#include "runtime/instance/test/spec_store.h"

extern const kp_spec_tier_t kp_spec_interpreted;

#endif
