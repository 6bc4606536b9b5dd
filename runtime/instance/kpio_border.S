/* Where the kernel has a thread go on after a fault of compiled code in a guest memory (abi/calls.def,
   guest_handler): rdi = the address, rsi = the instruction, the other general registers as they were.
   Compiled code is never resumed, so its registers are ours, but for those that the trap reads. */
        .text
        .globl  kp_wasm_kpio_fault
        .hidden kp_wasm_kpio_fault
        .type   kp_wasm_kpio_fault, @function
kp_wasm_kpio_fault:
        movq    %rsi, %rbx
        movq    %r14, %rdx
        andq    $-16, %rsp
        call    kp_wasm_kpio_fault_check
        movl    %eax, %edi              /* the trap */
        leaq    1(%rbx), %rsi
        jmp     kp_wasm_x86_fault
        .size   kp_wasm_kpio_fault, . - kp_wasm_kpio_fault

        .section .note.GNU-stack, "", @progbits
