/* Faults of code made at run time in a guest memory: the program's own to handle (abi/calls.def,
   guest_handler). Inside a KPIO process.

   It goes on without returning from the signal, for which the program's filter has no call: the mask is as
   it was (SA_NODEFER), and Linux tells by the stack pointer that the signal stack is free again. No
   stack is touched on the way, so that the program may have any. */
#include <signal.h>
#include <ucontext.h>

#include "kernel/machine/hosted/guest.h"
#include "kernel/machine/hosted/sandbox.h"

_Static_assert(offsetof(kp_sandbox_thread_t, go_on) == 16, "the code below");

#define LOAD(name, number) "movq " #number "*8(%%rax), %%" name "\n\t"
_Static_assert(REG_R8 == 0 && REG_R9 == 1 && REG_R10 == 2 && REG_R11 == 3 && REG_R12 == 4 &&
                   REG_R13 == 5 && REG_R14 == 6 && REG_R15 == 7 && REG_RDI == 8 && REG_RSI == 9 &&
                   REG_RBP == 10 && REG_RBX == 11 && REG_RDX == 12 && REG_RAX == 13 &&
                   REG_RCX == 14 && REG_RSP == 15,
               "the code below");

_Noreturn static void go_on(const greg_t *registers)
{
    __asm__ volatile("cld\n\t" LOAD("r8", 0) LOAD("r9", 1) LOAD("r10", 2) LOAD("r11", 3)
                         LOAD("r12", 4) LOAD("r13", 5) LOAD("r14", 6) LOAD("r15", 7) LOAD("rdi", 8)
                             LOAD("rsi", 9) LOAD("rbp", 10) LOAD("rbx", 11) LOAD("rdx", 12)
                                 LOAD("rcx", 14) LOAD("rsp", 15) LOAD("rax", 13) "jmpq *%%gs:16"
                     :
                     : "a"(registers)
                     : "memory");
    __builtin_unreachable();
}

/* Frames that are left behind must not look to ASan as if they were still there. */
__attribute__((no_sanitize("address"))) void kp_sandbox_guest_fault(const kp_orders_t *orders,
                                                                    uint64_t address, void *context)
{
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    greg_t *registers = machine->gregs;
    uint64_t pc = (uint64_t)registers[REG_RIP], offset = address - orders->guest_base;
    /* Data was touched, so the instruction could be fetched: it is in a mapping of code. */
    if (pc - orders->code_first >= orders->code_size || offset >= KP_HOSTED_GUESTS_SIZE ||
        offset % KP_HOSTED_GUEST_STRIDE >= orders->guests[offset / KP_HOSTED_GUEST_STRIDE] ||
        !orders->guest_handler)
        return;
    kp_sandbox_self()->go_on = orders->guest_handler;
    registers[REG_RDI] = (greg_t)address;
    registers[REG_RSI] = (greg_t)pc;
    if (machine->fpregs) { /* Linux gave the handler fresh ones */
        __asm__ volatile("ldmxcsr %0" : : "m"(machine->fpregs->mxcsr));
        __asm__ volatile("fldcw %0" : : "m"(machine->fpregs->cwd));
    }
    go_on(registers);
}
