/* Between wasi.c and wasi_path.c: wasi-libc's imports as calls of runtime/wasi. The program calls from within its own
   memory, so addresses are pointers. */
#ifndef KP_RUNTIME_PROGRAM_WASI_H
#define KP_RUNTIME_PROGRAM_WASI_H

#include "abi/types.h"
#include "runtime/wasi/internal.h"

/* Makes the program's kp_wasi_t at its first use and calls the function. */
int32_t kp_program_wasi_call(kp_wasi_fn function, const uint64_t *arguments);

/* Set at start-up if the program has any function of wasi_path.c: gives it directories. Programs without do not
   carry the code. */
extern kp_status_t (*kp_program_wasi_directories)(kp_wasi_t *wasi);
/* The same with wasi_read.c: standard input; else there is a 0 that nobody reads from. */
extern kp_wasi_file_t *(*kp_program_wasi_input)(kp_handle_t handle);

/* wasi-libc calls these by their import's symbol: SHIM(name, count, types...) of functions.def defines one.
   SHIM_AFTER does something first. */
#define SHIM(name, count, ...) SHIM_AFTER((void)0, name, count, __VA_ARGS__)
#define SHIM_AFTER(first, name, count, ...)                                                 \
    int32_t __imported_wasi_snapshot_preview1_##name(SHIM_PARAMETERS_##count(__VA_ARGS__)); \
    int32_t __imported_wasi_snapshot_preview1_##name(SHIM_PARAMETERS_##count(__VA_ARGS__))  \
    {                                                                                       \
        first;                                                                              \
        return kp_program_wasi_call(kp_wasi_fn_##name,                                      \
                                    (const uint64_t[]){SHIM_VALUES_##count(__VA_ARGS__)});  \
    }
#define SHIM_TYPE_i int32_t
#define SHIM_TYPE_I int64_t
#define SHIM_VALUE_i(value) (uint32_t)(value)
#define SHIM_VALUE_I(value) (uint64_t)(value)
#define SHIM_PARAMETERS_0(...) void
#define SHIM_PARAMETERS_1(t) SHIM_TYPE_##t a1
#define SHIM_PARAMETERS_2(t, ...) SHIM_TYPE_##t a2, SHIM_PARAMETERS_1(__VA_ARGS__)
#define SHIM_PARAMETERS_3(t, ...) SHIM_TYPE_##t a3, SHIM_PARAMETERS_2(__VA_ARGS__)
#define SHIM_PARAMETERS_4(t, ...) SHIM_TYPE_##t a4, SHIM_PARAMETERS_3(__VA_ARGS__)
#define SHIM_PARAMETERS_5(t, ...) SHIM_TYPE_##t a5, SHIM_PARAMETERS_4(__VA_ARGS__)
#define SHIM_PARAMETERS_6(t, ...) SHIM_TYPE_##t a6, SHIM_PARAMETERS_5(__VA_ARGS__)
#define SHIM_PARAMETERS_7(t, ...) SHIM_TYPE_##t a7, SHIM_PARAMETERS_6(__VA_ARGS__)
#define SHIM_PARAMETERS_8(t, ...) SHIM_TYPE_##t a8, SHIM_PARAMETERS_7(__VA_ARGS__)
#define SHIM_PARAMETERS_9(t, ...) SHIM_TYPE_##t a9, SHIM_PARAMETERS_8(__VA_ARGS__)
#define SHIM_VALUES_0(...) 0
#define SHIM_VALUES_1(t) SHIM_VALUE_##t(a1)
#define SHIM_VALUES_2(t, ...) SHIM_VALUE_##t(a2), SHIM_VALUES_1(__VA_ARGS__)
#define SHIM_VALUES_3(t, ...) SHIM_VALUE_##t(a3), SHIM_VALUES_2(__VA_ARGS__)
#define SHIM_VALUES_4(t, ...) SHIM_VALUE_##t(a4), SHIM_VALUES_3(__VA_ARGS__)
#define SHIM_VALUES_5(t, ...) SHIM_VALUE_##t(a5), SHIM_VALUES_4(__VA_ARGS__)
#define SHIM_VALUES_6(t, ...) SHIM_VALUE_##t(a6), SHIM_VALUES_5(__VA_ARGS__)
#define SHIM_VALUES_7(t, ...) SHIM_VALUE_##t(a7), SHIM_VALUES_6(__VA_ARGS__)
#define SHIM_VALUES_8(t, ...) SHIM_VALUE_##t(a8), SHIM_VALUES_7(__VA_ARGS__)
#define SHIM_VALUES_9(t, ...) SHIM_VALUE_##t(a9), SHIM_VALUES_8(__VA_ARGS__)

#endif
