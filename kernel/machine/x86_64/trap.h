/* Traps, interrupts and system calls: what entry.S and C say to each other; user address layout. */
#ifndef KP_X86_TRAP_H
#define KP_X86_TRAP_H

#include "kernel/machine/x86_64/cpu.h"
#include "runtime/image/image.h"

/* Ring 3's layout, the same in every process; the image's base is random. Linear memory's base is
   also the base of GS while ring 3 runs, which ring 3 cannot change (FSGSBASE is off). All but guest
   memories lies in the first 512 GiB, and the stack in the GiB where linear memory begins: so a small process has
   seven page tables. Between stack and linear memory 2 MiB are never mapped. */
#define KP_X86_USER_STACK_TOP 0x0000001000600000ull /* the first thread's; others' below */
#define KP_X86_USER_STACK_STRIDE 0x800000ull
#define KP_X86_USER_MEMORY 0x0000001000800000ull
#define KP_X86_USER_IMAGE_MIN 0x0000002000000000ull
/* Code made at run time: behind any image, still in the first 512 GiB (space_code.c). */
#define KP_X86_USER_CODE_MIN 0x0000006800000000ull
#define KP_X86_USER_CODE_END 0x0000008000000000ull
/* Guest memories: at a random GiB (space_guest.c). */
#define KP_X86_USER_GUEST_MIN 0x0000010000000000ull
#define KP_X86_USER_GUEST_END 0x0000600000000000ull
#define KP_X86_USER_END 0x0000800000000000ull

enum {
    KP_X86_VECTOR_PAGE_FAULT = 14,
    KP_X86_VECTOR_DRIVER_FIRST = 0x30,
    KP_X86_VECTOR_DRIVER_LAST = 0xdf,
    KP_X86_VECTOR_TIMER = 0xe0,
    KP_X86_VECTOR_KICK = 0xe1,    /* from another CPU: the queue has changed */
    KP_X86_VECTOR_REQUEST = 0xe2, /* from another CPU, which waits for an answer */
    KP_X86_VECTOR_SPURIOUS = 0xff,
    KP_X86_VECTOR_SYSCALL = 0x100, /* in frame->vector only */
};

/* Which stack an address belongs to, and whether it lies in its guard or below. */
static inline bool kp_x86_user_stack_find(uint64_t address, uint32_t *slot, uint64_t *below_top)
{
    uint64_t below = KP_X86_USER_STACK_TOP - 1 - address;
    *slot = (uint32_t)(below / KP_X86_USER_STACK_STRIDE);
    *below_top = below % KP_X86_USER_STACK_STRIDE;
    return below < KP_PROCESS_THREADS_MAX * KP_X86_USER_STACK_STRIDE &&
           *below_top < KP_IMAGE_STACK_SIZE + KP_IMAGE_STACK_GUARD;
}

/* As entry.S leaves it on the kernel stack; that of a system call is at the stack's top
   (kp_machine_space_freeze takes all registers from there). */
typedef struct kp_x86_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, flags, rsp, ss;
} kp_x86_frame_t;

/* entry.S */
extern const uint64_t kp_x86_trap_entries[256];
void kp_x86_syscall_entry(void);
/* Saves the callee's registers, stores the stack pointer in *from, continues on `to`. */
void kp_x86_switch(uint64_t *from, uint64_t to);
/* Where a new thread's first switch arrives: calls kp_x86_thread_begin. */
void kp_x86_thread_entry(void);
/* To ring 3: rip, rsp, rdi, rsi; every other register zero. */
_Noreturn void kp_x86_user_enter(uint64_t rip, uint64_t rsp, uint64_t rdi, uint64_t rsi);

/* To ring 3 with all registers of the frame. */
_Noreturn void kp_x86_user_resume(const kp_x86_frame_t *frame);
/* snapshot.c: to the image's entry, or to where the space's snapshot was made. */
_Noreturn void kp_x86_user_begin(const kp_machine_thread_t *thread);
/* Flags that ring 3 may have its own values of, and those that are always set there. */
#define KP_X86_FLAGS_USER 0xcd5ull
#define KP_X86_FLAGS_USER_SET 0x202ull

/* Called by entry.S. */
void kp_x86_trap(kp_x86_frame_t *frame);
void kp_x86_syscall(kp_x86_frame_t *frame);
/* Interrupts off, about to return to ring 3: switches if another should run, leaves if killed. */
void kp_x86_user_return(void);
_Noreturn void kp_x86_thread_begin(void);

/* Makes the IDT, loads it on the boot CPU, quiets the old interrupt controllers. */
void kp_x86_trap_init(void);
/* Loads it on another CPU. */
void kp_x86_trap_load(void);
/* Adapts entry code to the CPU's features; while text is still writable (boot page tables). */
void kp_x86_trap_patch(void);

/* One plain line on the console, then the machine stops. For causes that are the user's to mend. */
_Noreturn void kp_x86_console_stop(const char *text, const char *detail, const char *tail);
/* A panic with the registers of the frame. */
_Noreturn void kp_x86_panic_frame(const kp_x86_frame_t *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
