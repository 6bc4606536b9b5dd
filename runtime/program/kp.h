/* System calls for programs: one function kp_NAME for each call of abi/calls.def, made from its line
   there. Prototypes, what each does, its errors and the rights it needs: docs/calls.md. Everything
   here passes through the module's only import, kpio.call. Functions that create something return a
   handle (> 0) or an error as int64_t, so test with `< 0`; functions that count return the count or
   an error as int64_t; the rest return a kp_status_t.

   All of it may be called from anywhere in a program, by any thread (thread.h). Native programs
   (runtime/native) are compiled with KP_NATIVE: there kp_mem() checks, and the stubs pass what does not lie
   in linear memory by a copy. */
#ifndef KP_RUNTIME_PROGRAM_KP_H
#define KP_RUNTIME_PROGRAM_KP_H

#include <stdarg.h>
#include <stdbool.h>

#include "abi/call_macros.h"
#include "abi/calls.h"
#include "abi/ipc.h"
#include "abi/job.h"
#include "abi/port.h"
#ifdef KP_NATIVE
#include "runtime/native/native.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The import. A native unit test defines this function itself to play the kernel. */
#ifdef __wasm__
__attribute__((import_module("kpio"), import_name("call")))
#endif
int64_t
kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
        uint64_t a5);

#ifdef KP_NATIVE
#define KP_STUB_BEGIN kp_native_copies_t kp_copies = {.count = 0}
#define KP_STUB_END           \
    if (kp_copies.count != 0) \
    kp_native_copies_end(&kp_copies)
#define KP_STUB_PASS(pointer, size, in, out) kp_native_pass(&kp_copies, pointer, size, in, out)
#else
#define KP_STUB_BEGIN (void)0
#define KP_STUB_END (void)0
#define KP_STUB_PASS(pointer, size, in, out) kp_mem(pointer)

/* A pointer as calls take it: an offset into linear memory. */
static inline uint64_t kp_mem(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}
#endif

/* ---- One function per call ---- */
/* Of each kind of argument: the parameter, and how its value is passed. */
#define KP_STUB_PARAMETER(argument) KP_STUB_PARAMETER_OF argument
#define KP_STUB_PARAMETER_OF(kind, ...) KP_STUB_PARAMETER_##kind(__VA_ARGS__)
#define KP_STUB_PARAMETER_VOID(...) void
#define KP_STUB_PARAMETER_HANDLE(name, ...) kp_handle_t name
#define KP_STUB_PARAMETER_HANDLE_OR_NONE(name, ...) kp_handle_t name
#define KP_STUB_PARAMETER_HANDLE_TO_CLOSE(name) kp_handle_t name
#define KP_STUB_PARAMETER_IN_BYTES(name, ...) const void *name
#define KP_STUB_PARAMETER_OUT_BYTES(name, ...) void *name
#define KP_STUB_PARAMETER_IN(name, type, ...) const type *name
#define KP_STUB_PARAMETER_OUT(name, type, ...) type *name
#define KP_STUB_PARAMETER_INOUT(name, type, ...) type *name
#define KP_STUB_PARAMETER_OUT_OR_NONE(name, type) type *name
#define KP_STUB_PARAMETER_IN_HANDLES(name, ...) const kp_handle_t *name
#define KP_STUB_PARAMETER_OUT_HANDLES(name, ...) kp_handle_t *name
#define KP_STUB_PARAMETER_COUNT(name, ...) size_t name
#define KP_STUB_PARAMETER_NUMBER(name, type, ...) type name
#define KP_STUB_PARAMETER_FLAGS(name, type, ...) type name
#define KP_STUB_PARAMETER_PAGE_OFFSET(name) uint64_t name
#define KP_STUB_PARAMETER_PAGE_LENGTH(name) uint64_t name
#define KP_STUB_PARAMETER_PAGE_ADDRESS(name) void *name
#define KP_STUB_PARAMETER_WORD(name) const void *name
#define KP_STUB_PARAMETER_DEADLINE(name) kp_time_t name

#define KP_STUB_VALUE(argument) KP_STUB_VALUE_OF argument
#define KP_STUB_VALUE_OF(kind, ...) KP_STUB_VALUE_##kind(__VA_ARGS__)
#define KP_STUB_VALUE_VOID(...) 0
#define KP_STUB_VALUE_HANDLE(name, ...) name
#define KP_STUB_VALUE_HANDLE_OR_NONE(name, ...) name
#define KP_STUB_VALUE_HANDLE_TO_CLOSE(name) name
#define KP_STUB_VALUE_IN_BYTES(name, count) KP_STUB_PASS(name, count, true, false)
#define KP_STUB_VALUE_OUT_BYTES(name, count) KP_STUB_PASS(name, count, false, true)
#define KP_STUB_VALUE_IN(name, type, count) KP_STUB_PASS(name, sizeof(type) * (count), true, false)
#define KP_STUB_VALUE_OUT(name, type, count) KP_STUB_PASS(name, sizeof(type) * (count), false, true)
#define KP_STUB_VALUE_INOUT(name, type, count) \
    KP_STUB_PASS(name, sizeof(type) * (count), true, true)
#define KP_STUB_VALUE_OUT_OR_NONE(name, type) KP_STUB_PASS(name, sizeof(type), false, true)
#define KP_STUB_VALUE_IN_HANDLES(name, count, ...) \
    KP_STUB_PASS(name, sizeof(kp_handle_t) * (count), true, false)
#define KP_STUB_VALUE_OUT_HANDLES(name, count) \
    KP_STUB_PASS(name, sizeof(kp_handle_t) * (count), false, true)
#define KP_STUB_VALUE_COUNT(name, ...) name
#define KP_STUB_VALUE_NUMBER(name, ...) (uint64_t)(name)
#define KP_STUB_VALUE_FLAGS(name, ...) name
#define KP_STUB_VALUE_PAGE_OFFSET(name) name
#define KP_STUB_VALUE_PAGE_LENGTH(name) name
#define KP_STUB_VALUE_PAGE_ADDRESS(name) kp_mem(name)
#define KP_STUB_VALUE_WORD(name) kp_mem(name)
#define KP_STUB_VALUE_DEADLINE(name) (uint64_t)(name)

#define KP_STUB_TYPE_STATUS static inline kp_status_t
#define KP_STUB_TYPE_HANDLE static inline int64_t
#define KP_STUB_TYPE_VALUE static inline int64_t
#define KP_STUB_TYPE_NEVER __attribute__((noreturn)) static inline void
#define KP_STUB_RETURN_STATUS(call) return (kp_status_t)(call)
#define KP_STUB_RETURN_HANDLE(call) return (call)
#define KP_STUB_RETURN_VALUE(call) return (call)
#define KP_STUB_RETURN_NEVER(call) \
    (void)(call);                  \
    __builtin_trap()

#define KP_STUB_CALL(...) KP_STUB_CALL_6(__VA_ARGS__, 0, 0, 0, 0, 0)
#define KP_STUB_CALL_6(number, a0, a1, a2, a3, a4, a5, ...) kp_call(number, a0, a1, a2, a3, a4, a5)

#define KP_CALL(number, name, result, documentation, ...)                           \
    KP_STUB_TYPE_##result kp_##name(KP_CALL_LIST(KP_STUB_PARAMETER, __VA_ARGS__))   \
    {                                                                               \
        KP_STUB_BEGIN;                                                              \
        int64_t kp_result =                                                         \
            KP_STUB_CALL(KP_CALL_##name, KP_CALL_LIST(KP_STUB_VALUE, __VA_ARGS__)); \
        KP_STUB_END;                                                                \
        KP_STUB_RETURN_##result(kp_result);                                         \
    }
#include "abi/calls.def"
#undef KP_CALL

/* ---- For convenience ---- */
/* Nanoseconds since boot: what deadlines are counted in. */
static inline kp_time_t kp_now(void)
{
    uint64_t ns = 0;
    (void)kp_clock_get(KP_CLOCK_MONOTONIC, &ns); /* cannot fail: the address is ours */
    return (kp_time_t)ns;
}

/* boot_mark of a string of at most 32 bytes. */
static inline kp_status_t kp_boot_mark_text(const char *name)
{
    return kp_boot_mark(name, __builtin_strlen(name));
}

/* One line to the kernel's log, as printf; cut at 1024 bytes. No newline needed. */
void kp_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kp_vlog(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#ifdef __cplusplus
}
#endif

#endif
