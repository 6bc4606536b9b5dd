/* The agent: one more thread of each KPIO process, which does for the kernel what only the process can
   do to itself: it maps and unmaps, and starts the program's further threads. The program's own threads
   may do none of that.

   It shares all memory with the program, so it believes nothing that the program can write: it runs code
   that is not writable, has no stack and keeps what it needs in registers, and what it is to do stands in
   memory that the program can only read (kp_orders_t). Word of an order comes over the control socket, and
   word that it is done goes there, which the program cannot forge: it has no system call for it. It
   handles no signals, and has no rseq area and no robust list, by which Linux would change where it runs or
   write for it. The kernel writes the next order only after that word.

   What the program can write of the agent's is the msghdr of its recvmsg: it can have its own memory
   overwritten, and files not arrive, upon which the order fails. A file that arrives has always the same
   number, because each order closes it.

   A thread that it starts has the agent's filter at first. Until the program's own is on top of it, it too
   runs by registers and constant memory alone (kp_birth_t). */
#include <asm/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/base/base.h"
#include "kernel/machine/hosted/sandbox.h"

typedef struct room {
    struct msghdr message;
    struct iovec vector;
    uint64_t byte;
    uint8_t control[CMSG_SPACE(sizeof(int))];
    uint32_t host_thread;
} room_t;
_Static_assert(KP_AREA_AGENT_ROOM + sizeof(room_t) <= KP_AREA_PAGE, "it has that much room");

/* r12: orders; r13: room. In an order: r14 the call, rbp how many have been made, r15 its number. */
__asm__(
    ".text\n"
    ".type kp_sandbox_agent, @function\n"
    "kp_sandbox_agent:\n"
    "1:  movl $47, %eax\n"
    "    movl $1, %edi\n"
    /* KP_SANDBOX_CONTROL_FILE */
    "    movq %r13, %rsi\n"
    "    xorl %edx, %edx\n"
    "    movq $24, 40(%rsi)\n"
    /* message.msg_controllen */
    "    syscall\n"
    "    cmpq $-4, %rax\n"
    /* EINTR */
    "    je 1b\n"
    "    testq %rax, %rax\n"
    "    jz 8f\n"
    /* the kernel has gone, and this process is being killed */
    "    js 9f\n"
    /* the room was damaged */
    "    xorl %ebp, %ebp\n"
    "    leaq 8(%r12), %r14\n"
    "2:  cmpq %rbp, 0(%r12)\n"
    "    je 4f\n"
    "    movq 0(%r14), %r15\n"
    "    movq %r15, %rax\n"
    "    movq 8(%r14), %rdi\n"
    "    movq 16(%r14), %rsi\n"
    "    movq 24(%r14), %rdx\n"
    "    movq 32(%r14), %r10\n"
    "    movq 40(%r14), %r8\n"
    "    movq 48(%r14), %r9\n"
    "    syscall\n"
    "    cmpq $-4095, %rax\n"
    "    jae 4f\n"
    "    testq %rax, %rax\n"
    "    jnz 3f\n"
    "    cmpq $56, %r15\n"
    "    je 5f\n"
    /* this is the new thread */
    "3:  incq %rbp\n"
    "    addq $56, %r14\n"
    "    jmp 2b\n"
    "4:  cmpq $0, 232(%r12)\n"
    /* closes_file */
    "    je 41f\n"
    "    movl $3, %eax\n"
    "    movl $2, %edi\n"
    /* KP_SANDBOX_ORDER_FILE */
    "    syscall\n"
    /* How many calls were made, as one of constant bytes. */
    "41: movl $1, %eax\n"
    "    movl $1, %edi\n"
    "    leaq kp_sandbox_agent_counts(%rip), %rsi\n"
    "    addq %rbp, %rsi\n"
    "    movl $1, %edx\n"
    "    syscall\n"
    "    cmpq $1, %rax\n"
    "    je 1b\n"
    "    jmp 9f\n"
    /* r8: its birth, r12 from now on; rsp: its stack, which it does not touch yet. */
    "5:  movq %r8, %r12\n"
    "    movq %r12, %r14\n"
    "    movq 224(%r12), %rbp\n"
    /* call_count */
    "6:  testq %rbp, %rbp\n"
    "    jz 7f\n"
    "    movq 0(%r14), %rax\n"
    "    movq 8(%r14), %rdi\n"
    "    movq 16(%r14), %rsi\n"
    "    movq 24(%r14), %rdx\n"
    "    movq 32(%r14), %r10\n"
    "    movq 40(%r14), %r8\n"
    "    movq 48(%r14), %r9\n"
    "    syscall\n"
    "    testq %rax, %rax\n"
    "    jnz 9f\n"
    "    decq %rbp\n"
    "    addq $56, %r14\n"
    "    jmp 6b\n"
    "7:  ldmxcsr 288(%r12)\n"
    "    fldcw 292(%r12)\n"
    "    cld\n"
    "    movq 240(%r12), %rdi\n"
    "    movq 248(%r12), %rsi\n"
    "    movq 256(%r12), %rdx\n"
    "    movq 264(%r12), %rcx\n"
    "    movq 272(%r12), %r8\n"
    "    movq 280(%r12), %r9\n"
    "    xorl %ebp, %ebp\n"
    "    jmpq *232(%r12)\n"
    "8:  movl $60, %eax\n"
    "    xorl %edi, %edi\n"
    "    syscall\n"
    "9:  movl $231, %eax\n"
    "    movl $1, %edi\n"
    "    syscall\n"
    "    ud2\n"
    ".size kp_sandbox_agent, . - kp_sandbox_agent\n"
    ".section .rodata\n"
    "kp_sandbox_agent_counts: .byte 0, 1, 2, 3, 4\n"
    ".text\n"
    /* The program's way to make a call: a thread that must leave does so with nothing of this program on its stack. */
    ".globl kp_sandbox_call\n"
    ".type kp_sandbox_call, @function\n"
    "kp_sandbox_call:\n"
    "    pushq %rbp\n"
    "    movq %rsp, %rbp\n"
    "    call kp_sandbox_make_call\n"
    "    popq %rbp\n"
    "    cmpl $0, %gs:8\n"
    "    jne 1f\n"
    "    ret\n"
    "1:  movl $60, %eax\n"
    "    xorl %edi, %edi\n"
    "    syscall\n"
    "    jmp 1b\n"
    ".size kp_sandbox_call, . - kp_sandbox_call\n");
_Static_assert(__NR_recvmsg == 47 && __NR_clone == 56 && __NR_close == 3 && __NR_write == 1 &&
                   __NR_exit == 60 && __NR_exit_group == 231 && KP_SANDBOX_CONTROL_FILE == 1 &&
                   KP_SANDBOX_ORDER_FILE == 2,
               "the code above");
_Static_assert(offsetof(kp_orders_t, calls) == 8 && offsetof(kp_orders_t, closes_file) == 232 &&
                   sizeof(kp_order_call_t) == 56 && KP_ORDER_CALLS == 4 &&
                   offsetof(kp_birth_t, calls) == 0 && offsetof(kp_birth_t, call_count) == 224 &&
                   offsetof(kp_birth_t, rip) == 232 && offsetof(kp_birth_t, r9) == 280 &&
                   offsetof(kp_birth_t, mxcsr) == 288 && offsetof(kp_birth_t, x87_control) == 292 &&
                   offsetof(room_t, message) == 0 &&
                   offsetof(struct msghdr, msg_controllen) == 40 && CMSG_SPACE(sizeof(int)) == 24 &&
                   offsetof(kp_sandbox_thread_t, is_leaving) == 8,
               "the code above");

bool kp_sandbox_agent_start(uint8_t *area)
{
    room_t *room = (room_t *)(void *)(area + KP_AREA_AGENT_ROOM);
    *room = (room_t){.message = {.msg_iov = &room->vector,
                                 .msg_iovlen = 1,
                                 .msg_control = room->control,
                                 .msg_controllen = sizeof(room->control)},
                     .vector = {&room->byte, 1}};
    long result;
    register long word __asm__("r10") = (long)&room->host_thread;
    register kp_orders_t *orders __asm__("r12") = kp_area_orders(area);
    register room_t *its_room __asm__("r13") = room;
    /* No stack: it would be this thread's. */
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jz kp_sandbox_agent"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(KP_SANDBOX_CLONE_FLAGS), "S"(0), "d"(&room->host_thread),
                       "r"(word), "r"(orders), "r"(its_room)
                     : "rcx", "r11", "memory");
    return result > 0;
}
