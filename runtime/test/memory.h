/* Between the files of the program memory_test. */
#ifndef KP_TEST_MEMORY_H
#define KP_TEST_MEMORY_H

#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"

#define CHECK(condition)                                                  \
    do {                                                                  \
        if (!(condition)) {                                               \
            kp_log("%s:%d: expected %s", __FILE__, __LINE__, #condition); \
            return __LINE__;                                              \
        }                                                                 \
    } while (0)

/* memory_spawn.c. The cases, and what the processes do that they make. */
int test_spawn(void);
int test_snapshot(void);
int run_child(const char *what);

#endif
