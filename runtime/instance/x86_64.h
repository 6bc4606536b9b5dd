/* The border between C and compiled x86-64 code; x86_64_border.S has the crossing itself.

   The register convention of compiled code (both sides of every call through a funcinst, and of direct
   calls within a module):
     i32, i64, references   rdi rsi rdx rcx r8 r9, in order, i32 zero-extended
     f32, f64, v128         xmm0..xmm7, in order
     others                 on the stack, 16 bytes each, first lowest; the callee removes them (so that
                            tail calls may have more arguments than the caller)
     one result             rax or xmm0
     several results        all in a row of 16-byte values at r10, which the caller gives
     rax                    the funcinst, for calls through one; direct calls need not set it
     r14, r15               the callee's instance and the base of its memory 0; the callee keeps them
     rbx rbp r12 r13 rsp    kept by the callee; all else is lost
   Every compiled function has the frame rbp -> {caller's rbp, return address}; one that calls through
   funcincts keeps its instance at rbp - 8. */
#ifndef KP_RUNTIME_INSTANCE_X86_64_H
#define KP_RUNTIME_INSTANCE_X86_64_H

#include "runtime/instance/instance.h"

enum { KP_WASM_X86_GPR_ARGUMENTS = 6, KP_WASM_X86_XMM_ARGUMENTS = 8 };

/* kp_wasm_funcinst_t.call of compiled functions. */
kp_status_t kp_wasm_x86_call(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                             kp_wasm_value_t *values);

/* True when the fault is compiled code's on a guarded memory of its instance (in r14). In fault handlers. */
bool kp_wasm_x86_is_trap(const void *pc, const kp_wasm_instance_t *r14, const void *address);
/* Where a thread goes on then: edi = the trap's code, rsi = pc + 1, rbp, rsp and r14 as they were. Not C. */
void kp_wasm_x86_fault(void);

#endif
