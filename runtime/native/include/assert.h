/* Of native programs (runtime/native/README.md). */
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) \
    ((condition) ? (void)0 : __assert_fail(#condition, __FILE__, __LINE__, __func__))
#endif

#ifndef KP_NATIVE_ASSERT_H
#define KP_NATIVE_ASSERT_H
_Noreturn void __assert_fail(const char *expression, const char *file, int line,
                             const char *function);
#endif
