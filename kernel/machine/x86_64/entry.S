/* Every way into and out of the kernel, and the switch between threads. */
#define VECTOR_SYSCALL 0x100
#define USER_CODE 0x23
#define USER_DATA 0x1b
#define CPU_KERNEL_STACK 8
#define CPU_USER_STACK 16
#define CPU_CURRENT 24
#define CPU_RESCHEDULE 50
#define THREAD_ATTENTION 0
#define THREAD_IN_CALL 4
#define LEAN_CALL_LAST 16 /* KP_CALL_channel_reply_receive: trap.c checks it */

    .macro PUSH_REGISTERS
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro POP_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    .endm

    .text
/* 256 entries; those where the CPU pushes an error code: 8, 10 to 14, 17, 21, 29, 30. #DF (8), NMI (2)
   and #MC (18) arrive on their own stacks with GS unknown. */
    .altmacro
    .macro ENTRY number
    .balign 16
trap_\number:
    .if (\number == 8) || (\number >= 10 && \number <= 14) || (\number == 17) || (\number == 21) || (\number == 29) || (\number == 30)
    .else
    pushq $0
    .endif
    pushq $\number
    .if (\number == 2) || (\number == 8) || (\number == 18)
    jmp trap_paranoid
    .else
    jmp trap_common
    .endif
    .endm
    .set number, 0
    .rept 256
    ENTRY %number
    .set number, number + 1
    .endr

trap_common:
    testb $3, 24(%rsp)
    jz 1f
    swapgs
1:  lfence /* not with the wrong GS, whichever way the branch was guessed */
    PUSH_REGISTERS
    cld
    .global kp_x86_clac_site
kp_x86_clac_site:
    .byte 0x0f, 0x1f, 0x00 /* becomes clac where the CPU has SMAP */
    movq %rsp, %rdi
    xorl %ebp, %ebp
    testb $3, 24 + 15 * 8(%rsp)
    jnz 2f
    movq 8 * 8(%rsp), %rbp /* a trap in the kernel: backtraces go on into it */
2:  call kp_x86_trap
    cli
    testb $3, 24 + 15 * 8(%rsp)
    jz 3f
    call kp_x86_user_return
    POP_REGISTERS
    addq $16, %rsp
kp_x86_verw_0:
    swapgs
    iretq
3:  POP_REGISTERS
    addq $16, %rsp
    iretq

/* These never return: C panics. The CPU's address lies right above the frame that the CPU pushed
   (ss, rsp, flags, cs, rip: 40 bytes, error, vector). */
trap_paranoid:
    PUSH_REGISTERS
    cld
    movq (15 + 7) * 8(%rsp), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $0xc0000101, %ecx
    wrmsr
    movq %rsp, %rdi
    movq 8 * 8(%rsp), %rbp
    call kp_x86_trap
    ud2

/* rax number; rdi rsi rdx r10 r8 r9 arguments; rcx return address, r11 flags. */
    .global kp_x86_syscall_entry
    .balign 16
kp_x86_syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_STACK
    movq %gs:CPU_KERNEL_STACK, %rsp
    cmpl $LEAN_CALL_LAST, %eax
    ja syscall_full
    /* The short way, for calls that never look at the program's registers: C keeps those that it owes to
       its caller; the others come back as they were, so that none shows what the kernel did. */
    pushq %gs:CPU_USER_STACK
    pushq %r11
    pushq %rcx
    pushq %rbp
    pushq %r9 /* from here down: the arguments as an array */
    pushq %r8
    pushq %r10
    pushq %rdx
    pushq %rsi
    pushq %rdi
    movl %eax, %edi
    movq %rsp, %rsi
    xorl %ebp, %ebp
    movq %gs:CPU_CURRENT, %rax
    movb $1, THREAD_IN_CALL(%rax)
    call kp_syscall_dispatch /* interrupts are off until it wants them */
    cli
    movq %gs:CPU_CURRENT, %rdx
    cmpl $0, THREAD_ATTENTION(%rdx)
    jne syscall_lean_attention
    cmpb $0, %gs:CPU_RESCHEDULE
    jne syscall_lean_attention
syscall_lean_return:
    movb $0, THREAD_IN_CALL(%rdx)
    popq %rdi
    popq %rsi
    popq %rdx
    popq %r10
    popq %r8
    popq %r9
    popq %rbp
    popq %rcx
    popq %r11
    btq $47, %rcx
    jc 4f
    andl $0xcd5, %r11d
    orl $0x202, %r11d
    popq %rsp
kp_x86_verw_1:
    swapgs
    sysretq

syscall_lean_attention:
    pushq %rax
    subq $8, %rsp
    call kp_x86_user_return
    addq $8, %rsp
    popq %rax
    movq %gs:CPU_CURRENT, %rdx
    jmp syscall_lean_return

syscall_full:
    pushq $USER_DATA
    pushq %gs:CPU_USER_STACK
    pushq %r11
    pushq $USER_CODE
    pushq %rcx
    pushq $0
    pushq $VECTOR_SYSCALL
    PUSH_REGISTERS
    xorl %ebp, %ebp
    sti
    movq %rsp, %rdi
    call kp_x86_syscall
    cli
    call kp_x86_user_return
    POP_REGISTERS
    addq $16, %rsp
    /* sysret with a non-canonical rcx faults in ring 0 on some CPUs: the last page of the lower half is
       never mapped, but make sure. */
    movq (%rsp), %rcx
    btq $47, %rcx
    jc 4f
    movq 16(%rsp), %r11
    andl $0xcd5, %r11d /* arithmetic flags, trap bit off, DF as it was */
    orl $0x202, %r11d
    movq 24(%rsp), %rsp
kp_x86_verw_2:
    swapgs
    sysretq
4:  ud2

    .global kp_x86_switch
    .balign 16
kp_x86_switch: /* also hand_off.h: a thread goes on at the address at its stack pointer */
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    leaq 1f(%rip), %rax
    pushq %rax
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ret
1:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

    .global kp_x86_thread_entry
kp_x86_thread_entry:
    xorl %ebp, %ebp
    call kp_x86_thread_begin
    ud2

    .global kp_x86_user_enter
kp_x86_user_enter:
    cli
    pushq $USER_DATA
    pushq %rsi
    pushq $0x202
    pushq $USER_CODE
    pushq %rdi
    movq %rdx, %rdi
    movq %rcx, %rsi
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
kp_x86_verw_3:
    swapgs
    iretq

    .global kp_x86_user_resume
kp_x86_user_resume:
    cli
    movq %rdi, %rsp
    POP_REGISTERS
    addq $16, %rsp
kp_x86_verw_4:
    swapgs
    iretq

/* Indirect branches of C code: a return whose guess is caught in a loop. kp_x86_speculation_init makes
   plain jumps of them where that is not needed. */
    .macro THUNK register
    .balign 32
    .global __x86_indirect_thunk_\register
__x86_indirect_thunk_\register:
    call 2f
1:  pause
    lfence
    jmp 1b
2:  movq %\register, (%rsp)
    ret
    .endm
    .balign 32
    .global kp_x86_thunks
kp_x86_thunks:
    .irp register, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    THUNK \register
    .endr
    .balign 32

/* The last instructions before ring 3 where buffers in the CPU must not keep what is the kernel's:
   kp_x86_speculation_init makes jumps to here of the two instructions that they replace. */
    .global kp_x86_exit_sysret, kp_x86_exit_iret
kp_x86_exit_sysret:
    verw kp_x86_verw_selector(%rip)
    swapgs
    sysretq
kp_x86_exit_iret:
    verw kp_x86_verw_selector(%rip)
    swapgs
    iretq

/* Fills the return stack buffer with places that lead nowhere. */
    .global kp_x86_rsb_fill
kp_x86_rsb_fill:
    movl $16, %eax
1:  call 3f
2:  pause
    lfence
    jmp 2b
3:  call 5f
4:  pause
    lfence
    jmp 4b
5:  decl %eax
    jnz 1b
    addq $32 * 8, %rsp
    ret

    .section .rodata
    .balign 8
    .global kp_x86_verw_sites
kp_x86_verw_sites:
    .quad kp_x86_verw_0
    .quad kp_x86_verw_1
    .quad kp_x86_verw_2
    .quad kp_x86_verw_3
    .quad kp_x86_verw_4
    .quad 0
kp_x86_verw_selector:
    .word 0x10
    .balign 8
    .global kp_x86_trap_entries
kp_x86_trap_entries:
    .set number, 0
    .macro ADDRESS number
    .quad trap_\number
    .endm
    .rept 256
    ADDRESS %number
    .set number, number + 1
    .endr

    .section .note.GNU-stack, "", @progbits
