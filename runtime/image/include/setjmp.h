/* Stands before the system's <setjmp.h> when the output of wasm2c is compiled: a jmp_buf of what
   the C calling convention keeps and nothing else (no signal mask), for setjmp.S. */
#ifndef KP_IMAGE_SETJMP_H
#define KP_IMAGE_SETJMP_H

#include <stdint.h>

typedef uint64_t jmp_buf[8]; /* rbx rbp r12 r13 r14 r15 rsp rip */

int kp_image_setjmp(jmp_buf state) __attribute__((returns_twice));
_Noreturn void kp_image_longjmp(jmp_buf state, int value);

#define sigsetjmp(state, save_mask) kp_image_setjmp(state)
#define siglongjmp(state, value) kp_image_longjmp(state, value)

#endif
