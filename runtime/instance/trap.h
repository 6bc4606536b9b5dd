/* Traps as values. A trap ends the running call, never the process: it unwinds to the C function that
   entered WebAssembly, which returns KP_ERR_TRAP; the store then says which trap it was.

   Source: WebAssembly specification, "Execution"; the texts are those that its tests expect. */
#ifndef KP_RUNTIME_INSTANCE_TRAP_H
#define KP_RUNTIME_INSTANCE_TRAP_H

#include "runtime/wasm/module.h"

struct kp_wasm_instance;

/* KP_WASM_TRAP(name, number, text). Compiled code holds the numbers: never reuse one. */
#define KP_WASM_TRAPS(X)                                           \
    X(NONE, 0, "no trap")                                          \
    X(UNREACHABLE, 1, "unreachable")                               \
    X(MEMORY_BOUNDS, 2, "out of bounds memory access")             \
    X(TABLE_BOUNDS, 3, "out of bounds table access")               \
    X(DIVIDE_BY_ZERO, 4, "integer divide by zero")                 \
    X(INTEGER_OVERFLOW, 5, "integer overflow")                     \
    X(INVALID_CONVERSION, 6, "invalid conversion to integer")      \
    X(UNDEFINED_ELEMENT, 7, "undefined element")                   \
    X(UNINITIALIZED_ELEMENT, 8, "uninitialized element")           \
    X(INDIRECT_CALL_TYPE, 9, "indirect call type mismatch")        \
    X(STACK_EXHAUSTED, 10, "call stack exhausted")                 \
    X(UNALIGNED_ATOMIC, 11, "unaligned atomic")                    \
    X(NOT_SHARED, 12, "expected shared memory")                    \
    X(NULL_EXCEPTION, 13, "null exception reference")              \
    X(UNCAUGHT_EXCEPTION, 14, "uncaught exception")                \
    X(FUEL, 15, "all fuel consumed")                               \
    X(INTERRUPTED, 16, "interrupted")                              \
    X(HOST, 17, "host function failed")                            \
    X(OUT_OF_MEMORY, 18, "the store's memory budget is exhausted") \
    X(EXIT, 19, "the program ended itself")

typedef enum kp_wasm_trap_code {
#define KP_WASM_TRAP_ENUM(name, number, text) KP_WASM_TRAP_##name = (number),
    KP_WASM_TRAPS(KP_WASM_TRAP_ENUM)
#undef KP_WASM_TRAP_ENUM
        KP_WASM_TRAP_COUNT
} kp_wasm_trap_code_t;

/* "integer divide by zero"; "(unknown trap)" for a number that is none. */
const char *kp_wasm_trap_text(kp_wasm_trap_code_t code);

#define KP_WASM_OFFSET_UNKNOWN UINT32_MAX

/* One frame of a backtrace. */
typedef struct kp_wasm_backtrace_frame {
    const kp_wasm_module_t *module; /* NULL: a host function */
    uint32_t function;              /* index in the module */
    uint32_t offset; /* of the instruction in the module, or KP_WASM_OFFSET_UNKNOWN */
    struct kp_wasm_instance *instance; /* whose function it is; NULL: not known */
} kp_wasm_backtrace_frame_t;

enum { KP_WASM_BACKTRACE_FRAMES = 64 };

typedef struct kp_wasm_trap {
    kp_wasm_trap_code_t code;
    kp_status_t status;   /* HOST: what the host function returned. Else KP_ERR_TRAP */
    uint32_t frame_count; /* filled in frames[], the innermost first */
    uint64_t frame_total; /* may be more than frames[] holds */
    kp_wasm_backtrace_frame_t frames[KP_WASM_BACKTRACE_FRAMES];
} kp_wasm_trap_t;

/* Writes "integer divide by zero\n  at NAME (function 7, offset 0x123)\n ..." and a NUL, cut at size;
   returns the length written. Three equal frames or more in a row, a recursion's, are folded. Names come from the modules' name sections: the modules must live. */
size_t kp_wasm_trap_print(const kp_wasm_trap_t *trap, char *text, size_t size);

#endif
