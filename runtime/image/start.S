/* The image's entry (contract: image.h) and setjmp for WebAssembly exceptions. */
        .section .text.kp_image_start, "ax", @progbits
        .globl  kp_image_start
        .hidden kp_image_start
        .type   kp_image_start, @function
kp_image_start:
        xorl    %ebp, %ebp              /* the outermost frame, for backtraces */
        call    kp_image_main           /* base, pages, call: as they came */
        ud2
        .size   kp_image_start, . - kp_image_start

        .text
        .globl  kp_image_setjmp
        .hidden kp_image_setjmp
        .type   kp_image_setjmp, @function
kp_image_setjmp:
        movq    %rbx, (%rdi)
        movq    %rbp, 8(%rdi)
        movq    %r12, 16(%rdi)
        movq    %r13, 24(%rdi)
        movq    %r14, 32(%rdi)
        movq    %r15, 40(%rdi)
        leaq    8(%rsp), %rax           /* as it is after our return */
        movq    %rax, 48(%rdi)
        movq    (%rsp), %rax
        movq    %rax, 56(%rdi)
        xorl    %eax, %eax
        ret
        .size   kp_image_setjmp, . - kp_image_setjmp

        .globl  kp_image_longjmp
        .hidden kp_image_longjmp
        .type   kp_image_longjmp, @function
kp_image_longjmp:
        movl    %esi, %eax
        testl   %eax, %eax
        jnz     1f
        incl    %eax                    /* setjmp never returns 0 twice */
1:      movq    (%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    48(%rdi), %rsp
        jmpq    *56(%rdi)
        .size   kp_image_longjmp, . - kp_image_longjmp

        .section .note.GNU-stack, "", @progbits
