/* Small ring 3 programs for the self-test: one image with a text page and a data page; each test sets the
   image's entry to one of them. rdi: linear memory, rsi: its size in 64 KiB pages. Calls: see stand_in.c. */
#define CALL_EXIT 1
#define CALL_SUM 2
#define CALL_PARK 3

    .section .rodata.user, "a"
    .balign 4096
    .global kp_test_image, kp_test_image_data, kp_test_image_end
kp_test_image:

    .macro PROGRAM name
    .global kp_test_\name
kp_test_\name:
    .endm

    .macro EXIT
    movl $CALL_EXIT, %eax
    syscall
    ud2
    .endm

/* Sums six arguments in the kernel; the call must keep callee-saved registers and the stack, and must
   clear the direction flag for the kernel only. Exits with the sum, or 1 to 4 for what was broken. */
PROGRAM calls
    movl $0x1111, %ebx
    movl $0x2222, %r12d
    movl $0x3333, %r15d
    movq %rsp, %rbp
    movl $CALL_SUM, %eax
    movl $100, %edi
    movl $20, %esi
    movl $3, %edx
    movl $1000, %r10d
    movl $4000, %r8d
    movl $50000, %r9d
    std
    syscall
    cld
    movq %rax, %rdi
    cmpl $0x1111, %ebx
    movl $1, %ecx
    cmovnel %ecx, %edi
    cmpl $0x2222, %r12d
    movl $2, %ecx
    cmovnel %ecx, %edi
    cmpl $0x3333, %r15d
    movl $3, %ecx
    cmovnel %ecx, %edi
    cmpq %rbp, %rsp
    movl $4, %ecx
    cmovnel %ecx, %edi
    EXIT

/* Every page of linear memory is zero, then writable; exits with the number of pages (4 KiB) seen. */
PROGRAM memory
    xorl %eax, %eax
    movq %rsi, %rcx
    shlq $4, %rcx
1:  cmpq $0, 4088(%rdi)
    jne 2f
    movq %rcx, 8(%rdi)
    incl %eax
    addq $4096, %rdi
    loop 1b
2:  movl %eax, %edi
    EXIT

/* GS is linear memory. Exits with the first word of it. */
PROGRAM segment
    movl %gs:0, %edi
    EXIT

/* Reads a word of the data page, adds one to it, exits with it. */
PROGRAM data
    movq kp_test_image_data(%rip), %rdi
    incq %rdi
    movq %rdi, kp_test_image_data(%rip)
    EXIT

PROGRAM out_of_bounds
    movq %rsi, %rax
    shlq $16, %rax
    movl $1, 123(%rdi, %rax)
    EXIT

PROGRAM far_out_of_bounds
    movl $0xffffffff, %eax
    leaq (%rdi, %rax), %rdi
    movl 0x7ffffff0(%rdi), %eax
    EXIT

/* Writes to the mapping at 64 KiB. */
PROGRAM write_mapping
    movl $0x5a5a5a5a, 65536(%rdi)
    movl $7, %edi
    EXIT

/* Exits with the word at 64 KiB. */
PROGRAM read_mapping
    movl 65536(%rdi), %edi
    EXIT

/* Memory begins with two words: an address to call, and one to write to, or 0. Exits with what the call
   returns. */
PROGRAM run_code
    movq %rdi, %rbx
    movq 8(%rbx), %rax
    testq %rax, %rax
    jz 1f
    movl $1, (%rax)
1:  call *(%rbx)
    movl %eax, %edi
    EXIT

/* Calls the code at the address in the first word of linear memory, again and again, with an address that
   goes round the 8 MiB behind the one in the fourth; exits with 42 when the third is not 0. */
PROGRAM guest_loop
    movq %rdi, %rbx
    xorl %r12d, %r12d
1:  cmpq $0, 16(%rbx)
    jne 2f
    movq 24(%rbx), %rdi
    addq %r12, %rdi
    movq %rdi, %r13
    call *(%rbx)
    addq $0x3000, %r12
    andq $0x7fffff, %r12
    jmp 1b
2:  movl $42, %edi
    EXIT

/* Where faults of that code go: counted in the second word; 43 if the kernel hands over something else. */
PROGRAM guest_handler
    cmpq %rdi, %r13
    jne 1f
    cmpq %rsi, (%rbx)
    jne 1f
    incq 8(%rbx)
    ret
1:  movl $43, %edi
    EXIT

PROGRAM stack_overflow
    subq $4096, %rsp
    pushq $0
    jmp kp_test_stack_overflow

PROGRAM write_text
    movl $1, kp_test_write_text(%rip)
    EXIT

PROGRAM execute_data
    leaq kp_test_image_data(%rip), %rax
    jmp *%rax

PROGRAM execute_memory
    movl $0xc3c3c3c3, (%rdi)
    jmp *%rdi

PROGRAM read_kernel
    movabsq $0xffffffff80100000, %rax
    movl (%rax), %edi
    EXIT

PROGRAM null
    xorl %eax, %eax
    movl (%rax), %edi
    EXIT

PROGRAM non_canonical
    movabsq $0x1234567812345678, %rax
    movl (%rax), %edi
    EXIT

PROGRAM invalid
    ud2

PROGRAM divide
    xorl %ecx, %ecx
    movl $1, %eax
    xorl %edx, %edx
    divl %ecx

PROGRAM privileged
    hlt

PROGRAM port
    xorl %eax, %eax
    outb %al, $0x80

PROGRAM breakpoint
    int3

PROGRAM forged_interrupt
    int $0xe0

/* Loads a selector into GS, which zeroes its base for this process; must not hurt the next. */
PROGRAM spoil_segment
    movl $0x1b, %eax
    movl %eax, %gs
    movl %eax, %ds
    movl %eax, %es
    movl $11, %edi
    EXIT

PROGRAM spin
    jmp kp_test_spin

PROGRAM park
    movl $CALL_PARK, %eax
    syscall
    ud2

/* Keeps a pattern made from its linear memory's first word in SSE registers and MXCSR while it counts
   a while; exits with 1 if all is still there. */
PROGRAM vectors
    movq (%rdi), %rax
    movq %rax, %xmm0
    movq %rax, %xmm15
    punpcklqdq %xmm0, %xmm0
    pushq $0x1f80
    orl $0x6000, (%rsp) /* round towards zero */
    ldmxcsr (%rsp)
    movl $30000000, %ecx
1:  decl %ecx
    jnz 1b
    stmxcsr (%rsp)
    cmpl $0x7f80, (%rsp)
    jne 2f
    movq %xmm15, %rdx
    cmpq %rax, %rdx
    jne 2f
    psrldq $8, %xmm0
    movq %xmm0, %rdx
    cmpq %rax, %rdx
    jne 2f
    movl $CALL_PARK, %eax /* control words survive a blocking call */
    movl $1, %edi
    syscall
    stmxcsr (%rsp)
    cmpl $0x7f80, (%rsp)
    jne 2f
    movl $1, %edi
    EXIT
2:  xorl %edi, %edi
    EXIT

/* Looks at a mapping without a break until it reads zero; exits with 0, or 9 when something else came. */
PROGRAM wait_for_zero
1:  movl 65536(%rdi), %eax
    cmpl $0x1234, %eax
    je 1b
    xorl %edi, %edi
    testl %eax, %eax
    jz 2f
    movl $9, %edi
2:  EXIT

/* Counts in its memory for ever. */
PROGRAM count
    incl (%rdi)
    jmp kp_test_count

/* For the benchmark: 100000 empty calls. */
PROGRAM many_calls
    movl $100000, %ebx
1:  movl $CALL_SUM, %eax
    syscall
    decl %ebx
    jnz 1b
    xorl %edi, %edi
    EXIT

    .balign 4096
kp_test_image_data:
    .quad 41
    .balign 4096
kp_test_image_end:

    .section .note.GNU-stack, "", @progbits
