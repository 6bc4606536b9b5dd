/* A guest of a few hundred bytes that does what a kernel does much of, a fixed amount of it, and
   leaves through isa-debug-exit (0xf4): arithmetic and memory, page-table switches with TLB misses,
   changed mappings, port accesses. How long QEMU takes for it tells which accelerator to use
   (tools/kpio/accel.c). Entered by PVH: 32-bit, paging off. */
    .set TABLES, 0x200000 /* PML4, PDPT, PD; RAM that nothing else uses */
    .set DATA, 0x400000
    .set ROUNDS, 60
    .set PAGES, 256

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18 /* "Xen", a 32-bit address, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long entry

    .text
    .code32
    .globl entry
entry:
    cld
    movl $TABLES, %edi
    xorl %eax, %eax
    movl $(4 * 4096 / 4), %ecx
    rep stosl
    movl $(TABLES + 0x1000 + 3), TABLES
    movl $(TABLES + 0x2000 + 3), TABLES + 0x1000
    movl $0x83, TABLES + 0x2000                 /* 0..2 MiB: this code */
    movl $(0x200000 + 0x83), TABLES + 0x2000 + 8 /* the tables themselves */
    movl $(TABLES + 0x3000 + 3), TABLES + 0x2000 + 16 /* DATA: PAGES small pages */
    movl $(DATA + 3), %eax
    movl $(TABLES + 0x3000), %edi
    movl $PAGES, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 1b
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $TABLES, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax /* long mode */
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    movl $ROUNDS, %r12d
round:
    movl $20000, %ecx /* arithmetic with memory */
    movl $DATA, %ebx
1:  imulq $1103515245, %rax, %rax
    addq $12345, %rax
    movl %eax, %edx
    andl $0xfff8, %edx
    addq %rax, (%rbx, %rdx)
    decl %ecx
    jnz 1b

    movl $4, %r13d /* flush all, touch every page */
2:  movq %cr3, %rax
    movq %rax, %cr3
    movl $DATA, %ebx
    movl $PAGES, %ecx
3:  incl (%rbx)
    addq $4096, %rbx
    decl %ecx
    jnz 3b
    decl %r13d
    jnz 2b

    movl $64, %ecx /* take pages away and give them back, as mapping and demand paging do */
    movl $(TABLES + 0x3000), %edi
    movl $DATA, %ebx
4:  movq (%rdi), %rax
    movq $0, (%rdi)
    invlpg (%rbx)
    movq %rax, (%rdi)
    invlpg (%rbx)
    incl (%rbx)
    addq $8, %rdi
    addq $4096, %rbx
    decl %ecx
    jnz 4b

    movl $20, %ecx /* devices */
5:  outb %al, $0x80
    decl %ecx
    jnz 5b

    decl %r12d
    jnz round

    movl $0x10, %eax
    outl %eax, $0xf4 /* QEMU exits with 0x21 */
6:  hlt
    jmp 6b

    .align 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word 23
    .long gdt
