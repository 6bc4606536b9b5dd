/* The list of expected failures. It may only shrink: an entry whose assertion passes is a failure too. */
#ifndef KP_RUNTIME_TEST_SPEC_EXPECT_H
#define KP_RUNTIME_TEST_SPEC_EXPECT_H

#include <stdbool.h>
#include <stddef.h>

/* One line of the list: "NAME:LINE reason" (one command of NAME.wast) or "NAME:* reason" (any of
   them). '#' begins a comment line. */
typedef struct kp_spec_expectation {
    char name[96];
    long line; /* -1: any */
    unsigned failed;
} kp_spec_expectation_t;

typedef struct kp_spec_expectations {
    kp_spec_expectation_t *items;
    size_t count;
} kp_spec_expectations_t;

/* path may be NULL: an empty list. False (and a message on standard error): unreadable. */
bool kp_spec_expectations_read(kp_spec_expectations_t *list, const char *path);
void kp_spec_expectations_clear(kp_spec_expectations_t *list);

/* Is a failure there expected? Counts it. */
bool kp_spec_expectations_failed(kp_spec_expectations_t *list, const char *name, long line);

#endif
