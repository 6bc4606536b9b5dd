/* liar.c in the compiler's place. */
    .section .rodata
    .globl kp_compiler_image, kp_compiler_image_end
kp_compiler_image:
    .incbin "build/tools/wasm_liar"
kp_compiler_image_end:
    .section .note.GNU-stack, "", @progbits
