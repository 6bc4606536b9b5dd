/* For tests that are programs (parts of one, functions that return 0 or the line of the check that failed):
   a failed check is logged, and ends its function. */
#ifndef KP_CHECK_H
#define KP_CHECK_H

#include "runtime/program/kp.h"

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            kp_log("%s:%d: expected %s", __FILE__, __LINE__, #condition); \
            return __LINE__;                                              \
        }                                                                 \
    } while (0)

#endif
