/* The crossings between C and compiled x86-64 code (x86_64.h has the convention, x86_64.c the
   structures). Compiled code never returns into C frames by a jump over them: every trap leaves through
   the innermost kp_wasm_x86_enter, and every C function in between has returned by then. */
#if defined(__x86_64__)
    .text

/* Offsets of kp_wasm_registers_t. */
#define REG_FUNCTION 48
#define REG_RESULTS 56
#define REG_XMM 64
#define REG_STACK 192
#define REG_STACK_COUNT 200
#define REG_RAX 208
#define STORE_ENTRY 16

/* kp_status_t kp_wasm_x86_enter(kp_wasm_registers_t *registers, kp_wasm_store_t *store)
   The entry it leaves in store->head.entry is its own stack pointer: rbp - 64 (ENTRY_TO_FRAME). */
    .globl kp_wasm_x86_enter
    .type kp_wasm_x86_enter, @function
kp_wasm_x86_enter:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi               /* -48 registers */
    push %rsi               /* -56 store */
    push STORE_ENTRY(%rsi)  /* -64 the entry outside */
    mov %rsp, STORE_ENTRY(%rsi)
    mov %rdi, %r11
    mov REG_STACK_COUNT(%r11), %rcx
    shl $4, %rcx
    sub %rcx, %rsp
    shr $3, %rcx
    mov REG_STACK(%r11), %rsi
    mov %rsp, %rdi
    rep movsq
    mov REG_FUNCTION(%r11), %rax
    mov REG_RESULTS(%r11), %r10
    mov 8(%rax), %r14       /* its instance, */
    mov 16(%r14), %r15      /* memory0, */
    mov (%r15), %r15        /* and base */
    movups REG_XMM(%r11), %xmm0
    movups REG_XMM+16(%r11), %xmm1
    movups REG_XMM+32(%r11), %xmm2
    movups REG_XMM+48(%r11), %xmm3
    movups REG_XMM+64(%r11), %xmm4
    movups REG_XMM+80(%r11), %xmm5
    movups REG_XMM+96(%r11), %xmm6
    movups REG_XMM+112(%r11), %xmm7
    mov 0(%r11), %rdi
    mov 8(%r11), %rsi
    mov 16(%r11), %rdx
    mov 24(%r11), %rcx
    mov 32(%r11), %r8
    mov 40(%r11), %r9
    call *(%rax)
    mov -48(%rbp), %rdi
    mov %rax, REG_RAX(%rdi)
    movups %xmm0, REG_XMM(%rdi)
    xor %eax, %eax
leave_entry:
    mov -56(%rbp), %rsi
    mov -64(%rbp), %rcx
    mov %rcx, STORE_ENTRY(%rsi)
    lea -40(%rbp), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret
    .size kp_wasm_x86_enter, . - kp_wasm_x86_enter

/* Ends the innermost entry with status edi; r14: an instance of the store. */
leave_with:
    mov (%r14), %rsi
    mov STORE_ENTRY(%rsi), %rbp
    add $64, %rbp
    mov %edi, %eax
    jmp leave_entry

/* Everything that a call carries in registers, as the beginning of a kp_wasm_registers_t at rsp. */
.macro save_arguments
    mov %rdi, 0(%rsp)
    mov %rsi, 8(%rsp)
    mov %rdx, 16(%rsp)
    mov %rcx, 24(%rsp)
    mov %r8, 32(%rsp)
    mov %r9, 40(%rsp)
    mov %rax, REG_FUNCTION(%rsp)
    mov %r10, REG_RESULTS(%rsp)
    movups %xmm0, REG_XMM(%rsp)
    movups %xmm1, REG_XMM+16(%rsp)
    movups %xmm2, REG_XMM+32(%rsp)
    movups %xmm3, REG_XMM+48(%rsp)
    movups %xmm4, REG_XMM+64(%rsp)
    movups %xmm5, REG_XMM+80(%rsp)
    movups %xmm6, REG_XMM+96(%rsp)
    movups %xmm7, REG_XMM+112(%rsp)
.endm

/* `code` of functions without compiled code: rax is the funcinst. */
    .globl kp_wasm_x86_thunk
    .type kp_wasm_x86_thunk, @function
kp_wasm_x86_thunk:
    push %rbp
    mov %rsp, %rbp
    sub $224, %rsp
    save_arguments
    lea 16(%rbp), %rcx
    mov %rcx, REG_STACK(%rsp)
    mov %rsp, %rdi
    mov (%rbp), %rsi
    mov -8(%rsi), %rsi      /* the caller's instance */
    call kp_wasm_x86_thunk_call
    test %eax, %eax
    jnz thunk_failed
    mov REG_STACK_COUNT(%rsp), %rcx
    mov REG_RAX(%rsp), %rax
    movups REG_XMM(%rsp), %xmm0
    mov %rbp, %rsp
    pop %rbp
    test %rcx, %rcx
    jnz 1f
    ret
1:  pop %rdx
    add %rcx, %rsp
    jmp *%rdx
thunk_failed:
    cmp $-32, %eax          /* KP_ERR_EXCEPTION: on, from the caller */
    je 2f
    mov %eax, %ebx
    mov (%r14), %rdi
    mov 8(%rbp), %rsi
    mov (%rbp), %rdx
    call kp_wasm_x86_trap_walk
    mov %ebx, %edi
    jmp leave_with
2:  mov (%r14), %rcx
    mov 8(%rbp), %rsi
    mov (%rbp), %rdx
    mov kp_wasm_store_pending_offset(%rip), %eax
    mov (%rcx,%rax), %rdi
    jmp unwind
    .size kp_wasm_x86_thunk, . - kp_wasm_x86_thunk

/* `code` of functions that are compiled at their first call: rax is the funcinst, all arguments live. */
    .globl kp_wasm_x86_lazy
    .type kp_wasm_x86_lazy, @function
kp_wasm_x86_lazy:
    push %rbp
    mov %rsp, %rbp
    sub $192, %rsp
    save_arguments
    mov %rax, %rdi
    call kp_wasm_x86_resolve
    test %eax, %eax
    jnz thunk_failed
    mov 0(%rsp), %rdi
    mov 8(%rsp), %rsi
    mov 16(%rsp), %rdx
    mov 24(%rsp), %rcx
    mov 32(%rsp), %r8
    mov 40(%rsp), %r9
    mov 48(%rsp), %rax
    mov 56(%rsp), %r10
    movups 64(%rsp), %xmm0
    movups 80(%rsp), %xmm1
    movups 96(%rsp), %xmm2
    movups 112(%rsp), %xmm3
    movups 128(%rsp), %xmm4
    movups 144(%rsp), %xmm5
    movups 160(%rsp), %xmm6
    movups 176(%rsp), %xmm7
    mov %rbp, %rsp
    pop %rbp
    jmp *(%rax)
    .size kp_wasm_x86_lazy, . - kp_wasm_x86_lazy

/* Called by compiled code with edi = the trap's code. */
    .globl kp_wasm_x86_trap
    .type kp_wasm_x86_trap, @function
kp_wasm_x86_trap:
    mov (%rsp), %rsi
/* Here the fault handler makes code go on: edi = code, rsi = pc, rbp and r14 as they were. */
    .globl kp_wasm_x86_fault
kp_wasm_x86_fault:
    mov %rbp, %rdx
trap_at:
    mov %r14, %rcx
    and $-16, %rsp
    call kp_wasm_x86_trap_record
    mov $-31, %edi          /* KP_ERR_TRAP */
    jmp leave_with
    .size kp_wasm_x86_trap, . - kp_wasm_x86_trap

    .globl kp_wasm_x86_fuel
    .type kp_wasm_x86_fuel, @function
kp_wasm_x86_fuel:
    mov $15, %edi
    jmp kp_wasm_x86_trap
    .size kp_wasm_x86_fuel, . - kp_wasm_x86_fuel

/* Called with the stack pointer below the limit; all registers live. */
    .globl kp_wasm_x86_check
    .type kp_wasm_x86_check, @function
kp_wasm_x86_check:
    push %rbp
    mov %rsp, %rbp
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    sub $264, %rsp
    and $-16, %rsp
    movups %xmm0, (%rsp)
    movups %xmm1, 16(%rsp)
    movups %xmm2, 32(%rsp)
    movups %xmm3, 48(%rsp)
    movups %xmm4, 64(%rsp)
    movups %xmm5, 80(%rsp)
    movups %xmm6, 96(%rsp)
    movups %xmm7, 112(%rsp)
    movups %xmm8, 128(%rsp)
    movups %xmm9, 144(%rsp)
    movups %xmm10, 160(%rsp)
    movups %xmm11, 176(%rsp)
    movups %xmm12, 192(%rsp)
    movups %xmm13, 208(%rsp)
    movups %xmm14, 224(%rsp)
    movups %xmm15, 240(%rsp)
    mov %r14, %rdi
    call kp_wasm_x86_check_stack
    test %eax, %eax
    jnz 1f
    movups (%rsp), %xmm0
    movups 16(%rsp), %xmm1
    movups 32(%rsp), %xmm2
    movups 48(%rsp), %xmm3
    movups 64(%rsp), %xmm4
    movups 80(%rsp), %xmm5
    movups 96(%rsp), %xmm6
    movups 112(%rsp), %xmm7
    movups 128(%rsp), %xmm8
    movups 144(%rsp), %xmm9
    movups 160(%rsp), %xmm10
    movups 176(%rsp), %xmm11
    movups 192(%rsp), %xmm12
    movups 208(%rsp), %xmm13
    movups 224(%rsp), %xmm14
    movups 240(%rsp), %xmm15
    lea -72(%rbp), %rsp
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    pop %rbp
    ret
1:  mov %eax, %edi
    mov 8(%rbp), %rsi
    mov (%rbp), %rdx
    jmp trap_at
    .size kp_wasm_x86_check, . - kp_wasm_x86_check

/* Called by compiled code with rdi = the exninst. */
    .globl kp_wasm_x86_throw
    .type kp_wasm_x86_throw, @function
kp_wasm_x86_throw:
    mov (%rsp), %rsi
    mov %rbp, %rdx
    mov (%r14), %rcx
unwind:                     /* rdi exninst, rsi pc, rdx frame, rcx store */
    sub $32, %rsp
    and $-16, %rsp
    mov %rsp, %r8
    call kp_wasm_x86_unwind
    test %eax, %eax
    jnz 1f
    mov (%rsp), %rcx
    mov 8(%rsp), %rbp
    mov 16(%rsp), %rax
    jmp *%rcx
1:  mov %eax, %edi
    jmp leave_with
    .size kp_wasm_x86_throw, . - kp_wasm_x86_throw

    .section .note.GNU-stack, "", @progbits
#endif
