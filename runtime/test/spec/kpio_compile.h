/* The tier that asks the compiler service, for kpio.c. */
#ifndef KP_RUNTIME_TEST_SPEC_KPIO_COMPILE_H
#define KP_RUNTIME_TEST_SPEC_KPIO_COMPILE_H

#include "runtime/instance/test/spec_store.h"

extern const kp_spec_tier_t kp_spec_kpio_compiled;

#endif
