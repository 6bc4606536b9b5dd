/* Compiled code in memory, known by address: what backtraces, the fault handler and the unwinder look
   up. The compiler's loader (compile/code.h) registers what it maps.

   The registry is one per process and may be read from a signal handler: entries are published and
   withdrawn atomically. A code may be withdrawn only when no thread runs in it. */
#ifndef KP_RUNTIME_INSTANCE_CODE_H
#define KP_RUNTIME_INSTANCE_CODE_H

#include "runtime/instance/instance.h"

/* A range of code in which a try_table's clause is in force. Ranges of one function stand innermost
   first; clauses of one try_table in their order. */
typedef struct kp_wasm_code_clause {
    uint32_t begin, end; /* code offsets: begin <= return address - 1 < end */
    uint32_t landing;    /* code offset to go on at, with rax = the exninst, rbp = the frame */
    uint32_t tag;        /* index in the module, KP_WASM_NO_INDEX: all */
} kp_wasm_code_clause_t;

typedef struct kp_wasm_code_range {
    const uint8_t *base;
    size_t size;
    const kp_wasm_module_t *module;
    uint32_t first_function, function_count; /* among the module's own */
    const uint32_t *offsets;                 /* of these, ascending; function_count + 1 */
    const kp_wasm_code_clause_t *clauses;    /* by function, in its order */
    const uint32_t *clause_first;            /* function_count + 1; NULL without clauses */
    struct kp_wasm_code_range *next;
} kp_wasm_code_range_t;

void kp_wasm_code_register(kp_wasm_code_range_t *range);
void kp_wasm_code_withdraw(kp_wasm_code_range_t *range);
/* The range that holds pc, or NULL. Lock-free, async-signal-safe. */
const kp_wasm_code_range_t *kp_wasm_code_find(const void *pc);
/* Index (among all functions of the module) of the function that holds pc; range holds pc. */
uint32_t kp_wasm_code_function(const kp_wasm_code_range_t *range, const void *pc);

#endif
