/* The compiled tier in the specification suites; -DSPEC_CHECKED: its other form. */
#include "runtime/compile/test/compiled_tier.h"

int main(int argc, char **argv)
{
#ifdef SPEC_CHECKED
    return kp_spec_store_main(argc, argv, &kp_spec_compiled_checked);
#else
    return kp_spec_store_main(argc, argv, &kp_spec_compiled);
#endif
}
