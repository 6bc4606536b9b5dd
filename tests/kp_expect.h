/* For tests that are native programs and print "ok NAME" lines: a failed check is printed and counted, and the
   test goes on. */
#ifndef KP_EXPECT_H
#define KP_EXPECT_H

#include <stdio.h>

static unsigned failures;

#define EXPECT(condition)                                            \
    do {                                                             \
        if (!(condition)) {                                          \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                              \
        }                                                            \
    } while (0)

/* Of what was expected since the last result. */
static inline void kp_expect_result(const char *program, const char *name)
{
    static unsigned before;
    printf("%s %s-%s\n", failures == before ? "ok" : "not ok", program, name);
    before = failures;
}

#endif
