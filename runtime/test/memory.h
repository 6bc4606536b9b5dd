/* Between the files of the program memory_test. */
#ifndef KP_TEST_MEMORY_H
#define KP_TEST_MEMORY_H

#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"
#include "tests/kp_check.h"

#define DO(call)            \
    do {                    \
        int line_ = (call); \
        if (line_)          \
            return line_;   \
    } while (0)

/* ---- memory_spawn.c ---- */
typedef struct child {
    kp_handle_t process;
    kp_handle_t channel; /* to it */
} child_t;

/* What a child tells on its channel. */
typedef struct report {
    uint32_t value, touched;
    char text[24];
} report_t;

/* All return 0, or the line of the check that failed. */
int take_authority(void);
int make_child(child_t *child, const char *what, kp_handle_t snapshot);
int hear(const child_t *child, report_t *report);
int finish(child_t *child, uint32_t reason, int32_t exit_code);
/* A process that is frozen when this returns. */
int make_snapshot(child_t *template);

/* ---- The cases, and what the processes do that they make ---- */
int test_spawn(void);
int test_snapshot(void);
int test_kill(void);
int test_scale(void);
int test_ring(void);
int run_ring_reader(kp_handle_t control);
int run_child(const char *what);

#endif
