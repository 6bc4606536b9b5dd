/* The interpreter in the specification suites. */
#include "runtime/interpret/test/interpreted_tier.h"

int main(int argc, char **argv)
{
    return kp_spec_store_main(argc, argv, &kp_spec_interpreted);
}
