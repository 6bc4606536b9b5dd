/* The entry of a native program (contract: runtime/image/image.h). */
        .section .text.kp_image_start, "ax", @progbits
        .globl  kp_image_start
        .hidden kp_image_start
        .type   kp_image_start, @function
kp_image_start:
        xorl    %ebp, %ebp              /* the outermost frame, for backtraces */
        leaq    kp_native_stack_end(%rip), %rax
        movq    (%rax), %rax
        leaq    (%rdi, %rax), %rsp      /* into linear memory, where calls can see it */
        call    kp_native_start         /* base, pages, call: as they came */
        ud2
        .size   kp_image_start, . - kp_image_start

        .section .note.GNU-stack, "", @progbits
