/* Words of a test program that is several tests: only=NAME, as often as wanted. */
#ifndef KP_ONLY_H
#define KP_ONLY_H

#include <stdbool.h>
#include <string.h>

#include "runtime/program/startup.h"

/* Is the test of that name to run? All are where no word says which. */
static inline bool kp_only_wanted(const char *name)
{
    const char *argument;
    bool any = false;
    for (size_t i = 1; (argument = kp_startup_argument(i)) != NULL; i++) {
        if (strncmp(argument, "only=", 5) != 0)
            continue;
        any = true;
        if (strcmp(argument + 5, name) == 0)
            return true;
    }
    return !any;
}

#endif
