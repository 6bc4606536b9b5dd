/* The process's memory: libc's malloc reads files of the system when threads give memory back, which the sandbox
   does not let pass. Any thread may call it. */
#ifndef KP_RUNTIME_COMPILER_PROCESS_MEMORY_H
#define KP_RUNTIME_COMPILER_PROCESS_MEMORY_H

#include "runtime/wasm/types.h"

/* Large blocks are mappings of their own, which grow by being moved; small ones have powers of two and are
   kept for the next of their size. */
extern const kp_wasm_allocator_t kp_process_allocator;

#endif
