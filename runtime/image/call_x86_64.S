/* int64_t kp_image_call(uint32_t number, const uint64_t arguments[6]) by the syscall instruction. */
        .text
        .globl  kp_image_call
        .hidden kp_image_call
        .type   kp_image_call, @function
kp_image_call:
        movl    %edi, %eax
        movq    %rsi, %r11              /* destroyed by syscall, free until then */
        movq    (%r11), %rdi
        movq    8(%r11), %rsi
        movq    16(%r11), %rdx
        movq    24(%r11), %r10
        movq    32(%r11), %r8
        movq    40(%r11), %r9
        syscall
        ret
        .size   kp_image_call, . - kp_image_call

        .section .note.GNU-stack, "", @progbits
