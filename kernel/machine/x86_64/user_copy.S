/* Copies between the kernel and the memory of the running thread's process, straight through the
   process's own page tables. A page that is not there, or not writable, ends the copy: the trap
   handler continues at kp_x86_user_copy_fault, so nothing here may use the stack. The result is the carry
   flag: set, the copy failed. user_copy.h has the C functions and says what callers must know. */
    .text
    .global kp_x86_user_copy_begin
kp_x86_user_copy_begin:

/* kp_x86_user_deliver(void *to, const void *from, size_t count, kp_channel_message_t *message,
   kp_transaction_t transaction): says in message what came, then copies it */
    .global kp_x86_user_deliver
    .balign 16
kp_x86_user_deliver:
    .global kp_x86_stac_site_3
kp_x86_stac_site_3:
    .byte 0x0f, 0x1f, 0x00
    movl %edx, 4(%rcx)  /* byte_count */
    movl $0, 12(%rcx)   /* handle_count */
    movl %r8d, 16(%rcx) /* transaction */
    jmp 1f

/* kp_x86_user_copy(void *to, const void *from, size_t count) */
    .global kp_x86_user_copy
    .balign 16
kp_x86_user_copy:
    .global kp_x86_stac_site_0
kp_x86_stac_site_0:
    .byte 0x0f, 0x1f, 0x00 /* becomes stac where the CPU has SMAP */
1:  cmpq $64, %rdx
    ja 8f
    cmpl $32, %edx
    jb 2f
    /* 32 to 64: the first and the last half, which may overlap. */
    movups (%rsi), %xmm0
    movups 16(%rsi), %xmm1
    movups -32(%rsi, %rdx), %xmm2
    movups -16(%rsi, %rdx), %xmm3
    movups %xmm0, (%rdi)
    movups %xmm1, 16(%rdi)
    movups %xmm2, -32(%rdi, %rdx)
    movups %xmm3, -16(%rdi, %rdx)
    .global kp_x86_clac_site_5
kp_x86_clac_site_5:
    .byte 0x0f, 0x1f, 0x00
    ret /* the comparison left no carry */
8:  subq $64, %rdx
1:  movups (%rsi), %xmm0
    movups 16(%rsi), %xmm1
    movups 32(%rsi), %xmm2
    movups 48(%rsi), %xmm3
    movups %xmm0, (%rdi)
    movups %xmm1, 16(%rdi)
    movups %xmm2, 32(%rdi)
    movups %xmm3, 48(%rdi)
    addq $64, %rsi
    addq $64, %rdi
    subq $64, %rdx
    jae 1b
    addl $64, %edx
    jz 9f
    /* The last 64 bytes, some of them again. */
    movups -64(%rsi, %rdx), %xmm0
    movups -48(%rsi, %rdx), %xmm1
    movups -32(%rsi, %rdx), %xmm2
    movups -16(%rsi, %rdx), %xmm3
    movups %xmm0, -64(%rdi, %rdx)
    movups %xmm1, -48(%rdi, %rdx)
    movups %xmm2, -32(%rdi, %rdx)
    movups %xmm3, -16(%rdi, %rdx)
    jmp 9f
2:  cmpl $16, %edx
    jb 3f
    movups (%rsi), %xmm0
    movups -16(%rsi, %rdx), %xmm1
    movups %xmm0, (%rdi)
    movups %xmm1, -16(%rdi, %rdx)
    jmp 9f
3:  cmpl $4, %edx
    jb 5f
    cmpl $8, %edx
    jb 4f
    movq (%rsi), %rax
    movq -8(%rsi, %rdx), %rsi
    movq %rax, (%rdi)
    movq %rsi, -8(%rdi, %rdx)
    jmp 9f
4:  movl (%rsi), %eax
    movl -4(%rsi, %rdx), %esi
    movl %eax, (%rdi)
    movl %esi, -4(%rdi, %rdx)
    jmp 9f
5:  subl $1, %edx
    jb 9f
    movb (%rsi, %rdx), %al
    movb %al, (%rdi, %rdx)
    jmp 5b
9:  clc
    .global kp_x86_clac_site_1
kp_x86_clac_site_1:
    .byte 0x0f, 0x1f, 0x00
    ret

/* (kp_channel_message_t to[2], const void *first, const void *second) */
    .global kp_x86_user_copy_messages
    .balign 16
kp_x86_user_copy_messages:
    .global kp_x86_stac_site_1
kp_x86_stac_site_1:
    .byte 0x0f, 0x1f, 0x00
    movups (%rsi), %xmm0
    movl 16(%rsi), %eax
    movups (%rdx), %xmm1
    movl 16(%rdx), %ecx
    movups %xmm0, (%rdi)
    movl %eax, 16(%rdi)
    movups %xmm1, 20(%rdi)
    movl %ecx, 36(%rdi)
    clc
    .global kp_x86_clac_site_2
kp_x86_clac_site_2:
    .byte 0x0f, 0x1f, 0x00
    ret

/* (kp_channel_call_t *to, const void *from) */
    .global kp_x86_user_copy_40
    .balign 16
kp_x86_user_copy_40:
    .global kp_x86_stac_site_2
kp_x86_stac_site_2:
    .byte 0x0f, 0x1f, 0x00
    movups (%rsi), %xmm0
    movups 16(%rsi), %xmm1
    movq 32(%rsi), %rax
    movups %xmm0, (%rdi)
    movups %xmm1, 16(%rdi)
    movq %rax, 32(%rdi)
    clc
    .global kp_x86_clac_site_3
kp_x86_clac_site_3:
    .byte 0x0f, 0x1f, 0x00
    ret

    .global kp_x86_user_copy_end
kp_x86_user_copy_end:

    .global kp_x86_user_copy_fault
kp_x86_user_copy_fault:
    stc
    .global kp_x86_clac_site_4
kp_x86_clac_site_4:
    .byte 0x0f, 0x1f, 0x00
    ret

    .section .note.GNU-stack, "", @progbits
