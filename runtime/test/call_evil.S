/* call_hosted.S with holes, for the test of the sandbox: call 1000 is a raw system call of the host, call
   1001 calls the address that it is given, 1002 writes a byte there. */
        .text
        .globl  kp_image_call
        .hidden kp_image_call
        .type   kp_image_call, @function
kp_image_call:
        cmpl    $1000, %edi
        je      1f
        cmpl    $1001, %edi
        je      2f
        cmpl    $1002, %edi
        je      3f
        jmpq    *kp_image_call_hosted(%rip)
2:      jmpq    *(%rsi)
3:      movq    (%rsi), %rax
        movb    $0, (%rax)
        ret
1:      movq    %rsi, %r11
        movq    (%r11), %rax
        movq    8(%r11), %rdi
        movq    16(%r11), %rsi
        movq    24(%r11), %rdx
        movq    32(%r11), %r10
        movq    40(%r11), %r8
        xorl    %r9d, %r9d
        syscall
        ret
        .size   kp_image_call, . - kp_image_call

        .section .note.GNU-stack, "", @progbits
