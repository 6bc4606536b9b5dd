/* The contract between a program image (NAME.kpi) and the machine that starts it. Machines, the
   loader and runtime/image include this; programs do not.

   An image is a static position-independent x86-64 ELF (ET_DYN) of at most three kinds of PT_LOAD
   segments: r--, r-x, rw-; page-aligned, never w and x. The machine maps them at any page-aligned
   base with their offsets kept (text and read-only pages may be shared between processes), and
   nothing more: the image applies its own R_X86_64_RELATIVE relocations, which all lie in the rw-
   segment, before anything else. What memory the program wants is in the metadata of abi/image.h.

   Entry: the ELF entry point, kp_image_start, on each thread of the process, with
     rdi  base of linear memory: KP_IMAGE_MEMORY_RESERVE bytes of address space of which the first
          rsi * 64 KiB are readable and writable and zero, the rest faults
     rsi  current size of linear memory in 64 KiB pages (the metadata's initial_pages)
     rdx  0 on x86_64; hosted: the address of a kp_image_call_fn that makes system calls of whatever
          thread calls it (the image itself uses neither fs nor gs)
     rcx  0 on the process's first thread; on further ones (call thread_create) 1, and then
     r8   thread_create's entry, r9 its argument
     rsp  16-byte aligned, top of a stack of KP_IMAGE_STACK_SIZE with an unmapped guard below of
          KP_IMAGE_STACK_GUARD bytes or more (a fault there is KP_TRAP_STACK_OVERFLOW)
     DF clear, MXCSR 0x1f80, x87 control word 0x37f; other registers unspecified.
   The entry never returns: the program ends by process_exit or process_trap.

   System calls, x86_64: the `syscall` instruction; rax number, arguments rdi rsi rdx r10 r8 r9,
   result in rax. The kernel keeps rbx rbp rsp r12..r15, the SSE state that the C calling convention
   keeps (MXCSR, x87 control word) and may destroy everything else.

   Faults: a page fault inside the linear-memory reservation is KP_TRAP_OUT_OF_BOUNDS with the
   offset; #DE (which the code never causes: it checks) and every other fault is KP_EXIT_FAULT. */
#ifndef KP_RUNTIME_IMAGE_IMAGE_H
#define KP_RUNTIME_IMAGE_IMAGE_H

#include <stdint.h>

/* Address space of linear memory: 32-bit index + 32-bit offset of an instruction + its width. */
#define KP_IMAGE_MEMORY_RESERVE ((uint64_t)0x200000000 + 65536)
/* Committed on demand. Deep recursion ends as KP_TRAP_STACK_OVERFLOW. */
#define KP_IMAGE_STACK_SIZE ((uint64_t)4 << 20)
/* Larger than any frame that the generated code can have, so that none steps over it. */
#define KP_IMAGE_STACK_GUARD ((uint64_t)1 << 20)

/* hosted: makes a system call for the calling thread. */
typedef int64_t (*kp_image_call_fn)(uint32_t number, const uint64_t arguments[6]);

#endif
