/* int64_t kp_image_call(uint32_t number, const uint64_t arguments[6]) by the machine's function. */
        .text
        .globl  kp_image_call
        .hidden kp_image_call
        .type   kp_image_call, @function
kp_image_call:
        jmpq    *kp_image_call_hosted(%rip)
        .size   kp_image_call, . - kp_image_call

        .section .note.GNU-stack, "", @progbits
