/* The compiler's process as bytes: client.c starts it from a sealed memory file, so that no path has to be
   found and no file can be exchanged. */
    .section .rodata
    .globl kp_compiler_image, kp_compiler_image_end
    .balign 4096
kp_compiler_image:
    .incbin "build/tools/wasm_compiler"
kp_compiler_image_end:
    .section .note.GNU-stack, "", @progbits
