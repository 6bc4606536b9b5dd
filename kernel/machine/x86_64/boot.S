/* Entry from PVH (QEMU -kernel) and from multiboot2 (GRUB): both in 32-bit protected mode, paging off.
   Builds first page tables (4 GiB identity, the same 4 GiB in the direct map, 1 GiB at -2 GiB; all
   replaced by paging.c), enters long mode and calls kp_x86_start(kind, boot information). */

#define KERNEL_BASE 0xffffffff80000000
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)
#define COM1 0x3f8

/* Xen's PVH entry point: note type 18, read by QEMU. */
    .section .note.xen, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long PHYSICAL(kp_x86_entry_pvh)

    .section .multiboot, "a"
    .balign 8
multiboot_header:
    .long 0xe85250d6, 0, multiboot_end - multiboot_header
    .long -(0xe85250d6 + (multiboot_end - multiboot_header))
    /* Information request: command line, module, memory map, framebuffer, old and new RSDP. */
    .balign 8
    .short 1, 0
    .long 8 + 4 * 3
    .long 1, 3, 6
    .balign 8
    .short 1, 1
    .long 8 + 4 * 3
    .long 8, 14, 15
    /* Entry address. */
    .balign 8
    .short 3, 0
    .long 12
    .long PHYSICAL(kp_x86_entry_multiboot)
    /* Framebuffer: 1280 x 800 x 32 preferred, optional. */
    .balign 8
    .short 5, 1
    .long 20
    .long 1280, 800, 32
    /* Modules page-aligned. */
    .balign 8
    .short 6, 0
    .long 8
    .balign 8
    .short 0, 0
    .long 8
multiboot_end:

    .section .text.boot, "ax"
    .code32
    .global kp_x86_entry_pvh, kp_x86_entry_multiboot
kp_x86_entry_pvh:
    xorl %edi, %edi
    jmp common
kp_x86_entry_multiboot:
    movl $PHYSICAL(text_loader), %ebp
    cmpl $0x36d76289, %eax
    jne fail
    movl $1, %edi
common:
    cli
    cld
    movl %ebx, %esi
    movl $PHYSICAL(kp_x86_boot_stack_top), %esp

    movl $PHYSICAL(text_long_mode), %ebp
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb fail
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc fail
    movl $PHYSICAL(text_nx), %ebp
    btl $20, %edx
    jnc fail

    /* 2048 large pages: 4 GiB. */
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, PHYSICAL(boot_directories)(, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jb 1b
    movl $PHYSICAL(boot_directories) + 0x0003, PHYSICAL(kp_x86_boot_low)
    movl $PHYSICAL(boot_directories) + 0x1003, PHYSICAL(kp_x86_boot_low) + 8
    movl $PHYSICAL(boot_directories) + 0x2003, PHYSICAL(kp_x86_boot_low) + 16
    movl $PHYSICAL(boot_directories) + 0x3003, PHYSICAL(kp_x86_boot_low) + 24
    movl $PHYSICAL(boot_directories) + 0x0003, PHYSICAL(kp_x86_boot_high) + 510 * 8
    movl $PHYSICAL(kp_x86_boot_low) + 3, PHYSICAL(kp_x86_boot_root)
    movl $PHYSICAL(kp_x86_boot_high) + 3, PHYSICAL(kp_x86_boot_root) + 511 * 8

    movl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $PHYSICAL(kp_x86_boot_root), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER: SCE, LME, NXE */
    rdmsr
    orl $0x901, %eax
    wrmsr
    movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
    movl %eax, %cr0
    lgdt PHYSICAL(boot_gdt_pointer)
    ljmp $8, $PHYSICAL(long_mode)

/* ebp: the reason. One plain line on the serial port, then nothing more can be done. */
fail:
    movl $PHYSICAL(text_kpio), %esi
    call print
    movl %ebp, %esi
    call print
    movw $0xf4, %dx /* QEMU's exit device, where it is */
    movl $1, %eax
    outl %eax, %dx
2:  cli
    hlt
    jmp 2b
print:
    lodsb
    testb %al, %al
    jz 4f
    movb %al, %ah
    movl $100000, %ecx /* do not hang where there is no serial port */
3:  movw $COM1 + 5, %dx
    inb %dx, %al
    testb $0x20, %al
    loopz 3b
    movb %ah, %al
    movw $COM1, %dx
    outb %al, %dx
    jmp print
4:  ret

    .code64
long_mode:
    movabsq $5f, %rax
    jmp *%rax
5:  xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movq $kp_x86_boot_stack_top, %rsp
    xorl %ebp, %ebp
    movl %edi, %edi
    movl %esi, %esi
    pushq %rdi
    pushq %rsi
    call kp_x86_kaslr
    popq %rsi
    popq %rdi
    /* From here on at the image's new place. */
    addq %rax, %rsp
    pushq $0 /* ends backtraces; keeps the stack aligned for the call */
    pushq $0
    leaq kp_x86_start(%rip), %rcx
    addq %rax, %rcx
    call *%rcx
    ud2

/* Where another CPU arrives from the trampoline, still on the boot tables. */
    .global kp_x86_ap_entry
kp_x86_ap_entry:
    movq kp_x86_ap_root(%rip), %rax
    movq %rax, %cr3
    movq kp_x86_ap_stack(%rip), %rsp
    movq kp_x86_ap_cpu(%rip), %rdi
    xorl %ebp, %ebp
    pushq $0
    pushq $0
    call kp_x86_ap_start
    ud2

/* The first instructions of another CPU, in real mode; smp.c fills the fields in and copies it to a page
   below 640 KiB. Straight into long mode: paging and protection are switched on together. */
#define TRAMPOLINE(symbol) ((symbol) - kp_x86_trampoline)
    .section .data.trampoline, "aw"
    .balign 16
    .global kp_x86_trampoline, kp_x86_trampoline_end
    .global kp_x86_trampoline_gdt, kp_x86_trampoline_jump, kp_x86_trampoline_root
    .global kp_x86_trampoline_entry
    .code16
kp_x86_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl TRAMPOLINE(trampoline_gdt_pointer)
    movl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl TRAMPOLINE(kp_x86_trampoline_root), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER: SCE, LME, NXE */
    rdmsr
    orl $0x901, %eax
    wrmsr
    movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE */
    movl %eax, %cr0
    ljmpl *TRAMPOLINE(kp_x86_trampoline_jump)
    .code64
trampoline_long_mode:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    jmp *kp_x86_trampoline_entry(%rip)
    .balign 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff
kp_x86_trampoline_entry:
    .quad 0
kp_x86_trampoline_jump:
    .long TRAMPOLINE(trampoline_long_mode)
    .word 8
trampoline_gdt_pointer:
    .word 15
kp_x86_trampoline_gdt:
    .long TRAMPOLINE(trampoline_gdt)
kp_x86_trampoline_root:
    .long 0
kp_x86_trampoline_end:

    .section .rodata.boot, "a"
text_kpio:
    .asciz "\r\nKPIO cannot start: "
text_loader:
    .asciz "the boot loader does not speak multiboot2\r\n"
text_long_mode:
    .asciz "this CPU has no 64-bit mode\r\n"
text_nx:
    .asciz "this CPU (or its firmware setting) has no NX bit\r\n"
    .balign 8
boot_gdt:
    .quad 0, 0x00af9b000000ffff
boot_gdt_pointer:
    .short 15
    .long PHYSICAL(boot_gdt)

    .section .bss.page, "aw", @nobits
    .balign 4096
    .global kp_x86_boot_root, kp_x86_boot_low, kp_x86_boot_high
    .global kp_x86_boot_slid, kp_x86_boot_slid_tables, kp_x86_boot_direct
kp_x86_boot_root:
    .skip 4096
kp_x86_boot_low:
    .skip 4096
kp_x86_boot_high:
    .skip 4096
kp_x86_boot_slid:
    .skip 4096
kp_x86_boot_slid_tables:
    .skip 4 * 4096
kp_x86_boot_direct:
    .skip 4096
boot_directories:
    .skip 4 * 4096
    /* The boot CPU's first stack, later its idle thread's; paging.c leaves the guard out. */
    .global kp_x86_boot_stack_guard, kp_x86_boot_stack_top
kp_x86_boot_stack_guard:
    .skip 4096
    .skip 16384
kp_x86_boot_stack_top:

    .section .note.GNU-stack, "", @progbits
