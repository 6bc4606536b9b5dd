/* The tiers that ask the compiler service, for kpio.c: whole modules, and each function when it is first called. */
#ifndef KP_RUNTIME_TEST_SPEC_KPIO_COMPILE_H
#define KP_RUNTIME_TEST_SPEC_KPIO_COMPILE_H

#include "runtime/instance/test/spec_store.h"

/* First of all: memories get guard pages where the tier wants them. */
kp_status_t kp_spec_kpio_guard(void);
/* Instances of the tier `compile` that had others. */
unsigned kp_spec_kpio_checked(void);

extern const kp_spec_tier_t kp_spec_kpio_compiled;
extern const kp_spec_tier_t kp_spec_kpio_lazy;

/* The number of the module that the service is told to die for, when it is open; 0: none. */
extern unsigned kp_spec_kpio_mark;

#endif
