/* The unit-test frame: KP_TEST(name) { ... KP_EXPECT(...); } and KP_TEST_MAIN() once a program.
   Prints "ok NAME" or "not ok NAME" for each test, which tests/run counts. */
#ifndef KP_TEST_H
#define KP_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct kp_test {
    const char *name;
    void (*run)(void);
    struct kp_test *next;
} kp_test_t;

static kp_test_t *kp_test_first, **kp_test_last = &kp_test_first;
static int kp_test_failures;

#define KP_TEST(test_name)                                                              \
    static void kp_test_run_##test_name(void);                                          \
    static kp_test_t kp_test_##test_name = {#test_name, kp_test_run_##test_name, NULL}; \
    __attribute__((constructor)) static void kp_test_add_##test_name(void)              \
    {                                                                                   \
        *kp_test_last = &kp_test_##test_name;                                           \
        kp_test_last = &kp_test_##test_name.next;                                       \
    }                                                                                   \
    static void kp_test_run_##test_name(void)

#define KP_FAIL(...)                             \
    do {                                         \
        kp_test_failures++;                      \
        printf("# %s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__);                     \
        printf("\n");                            \
    } while (0)
#define KP_EXPECT(condition)                    \
    do {                                        \
        if (!(condition))                       \
            KP_FAIL("expected %s", #condition); \
    } while (0)
#define KP_EXPECT_INT(actual, expected)                                                 \
    do {                                                                                \
        long long kp_actual = (long long)(actual), kp_expected = (long long)(expected); \
        if (kp_actual != kp_expected)                                                   \
            KP_FAIL("%s is %lld, expected %lld", #actual, kp_actual, kp_expected);      \
    } while (0)
#define KP_EXPECT_STRING(actual, expected)                                                      \
    do {                                                                                        \
        const char *kp_actual = (actual), *kp_expected = (expected);                            \
        if (!kp_actual || strcmp(kp_actual, kp_expected) != 0)                                  \
            KP_FAIL("%s is \"%s\", expected \"%s\"", #actual, kp_actual ? kp_actual : "(null)", \
                    kp_expected);                                                               \
    } while (0)
/* Leaves the test at once when it makes no sense to go on. */
#define KP_REQUIRE(condition)                   \
    do {                                        \
        if (!(condition)) {                     \
            KP_FAIL("required %s", #condition); \
            return;                             \
        }                                       \
    } while (0)

#define KP_TEST_MAIN()                                                         \
    int main(void)                                                             \
    {                                                                          \
        int failed = 0;                                                        \
        for (kp_test_t *test = kp_test_first; test; test = test->next) {       \
            kp_test_failures = 0;                                              \
            test->run();                                                       \
            failed += kp_test_failures != 0;                                   \
            printf("%s %s\n", kp_test_failures ? "not ok" : "ok", test->name); \
            fflush(stdout);                                                    \
        }                                                                      \
        return failed != 0;                                                    \
    }

#endif
