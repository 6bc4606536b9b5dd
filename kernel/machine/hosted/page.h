/* The call page: memory shared by the kernel and one KPIO process through which all its system
   calls pass, and who may touch what when. `state` says whose turn it is; the side whose turn it is
   not only waits. The kernel trusts nothing in it: it copies what it needs once.

     RUN    the process runs (or has its result); the kernel waits
     CALL   number and arguments stand; the kernel works, the process waits
     ACTION the process must change its own mappings as `action` says, then answers ACTED
     FAULT  the process faulted and will do nothing more
     ENDED  written by the kernel to wake its own thread: the process is dead or being killed

   A side that goes to sleep sets the bit SLEEPING; whoever changes the state then wakes it. */
#ifndef KP_HOSTED_PAGE_H
#define KP_HOSTED_PAGE_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum {
    KP_PAGE_RUN = 0,
    KP_PAGE_CALL = 1,
    KP_PAGE_ACTION = 2,
    KP_PAGE_ACTED = 3,
    KP_PAGE_FAULT = 4,
    KP_PAGE_ENDED = 5,
};
#define KP_PAGE_SLEEPING 0x80000000u

enum {
    KP_PAGE_ACTION_MEMORY = 1, /* map linear memory's own pages again */
    KP_PAGE_ACTION_FILE = 2,   /* map the file that comes over the control socket */
};

#define KP_PAGE_BACKTRACE_MAX 24u

typedef struct kp_call_page {
    _Atomic uint32_t state; /* futex */
    uint32_t number;
    uint64_t arguments[6];
    int64_t result;

    uint32_t action; /* KP_PAGE_ACTION_* */
    uint32_t action_address;
    uint32_t action_length;
    uint32_t action_is_writable;
    uint64_t action_offset;
    int32_t action_result; /* written by the process: 0 or a kp_status_t */

    uint32_t fault_reason; /* written by the process: KP_EXIT_TRAP, KP_EXIT_FAULT; 0: none */
    int32_t fault_code;
    uint64_t fault_address;
    uint64_t fault_instruction; /* offset in the image, or an address outside it */

    uint32_t backtrace_count;                  /* written by the process at a fault or trap */
    uint64_t backtrace[KP_PAGE_BACKTRACE_MAX]; /* return addresses as fault_instruction, innermost
                                                  first */

    uint64_t memory_bytes; /* size of linear memory; written by the kernel */
    int64_t boot_ns;       /* CLOCK_MONOTONIC at the system's time 0; written by the kernel */
} kp_call_page_t;

/* A system call without errno: the process side may not even rely on libc. */
static inline long kp_raw_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static inline uint32_t kp_page_state(kp_call_page_t *page)
{
    return atomic_load_explicit(&page->state, memory_order_acquire) & ~KP_PAGE_SLEEPING;
}

/* Gives the turn to the other side. */
static inline void kp_page_publish(kp_call_page_t *page, uint32_t state)
{
    uint32_t old = atomic_exchange_explicit(&page->state, state, memory_order_acq_rel);
    if (old & KP_PAGE_SLEEPING)
        kp_raw_syscall(SYS_futex, (long)&page->state, FUTEX_WAKE, 1, 0, 0, 0);
}

/* Waits until the state is another than mine and than also_mine, or one of the flags (may be NULL)
   is set by somebody who then changes the state; may return early. */
static inline void kp_page_wait(kp_call_page_t *page, uint32_t mine, uint32_t also_mine,
                                atomic_bool *flag, atomic_bool *other_flag)
{
    /* No spinning first: measured on two processors, it made a round trip between two processes
       slower (105 us against 76), for the other side needs the processor that would spin. */
    uint32_t state = atomic_load_explicit(&page->state, memory_order_acquire);
    uint32_t plain = state & ~KP_PAGE_SLEEPING;
    if (plain != mine && plain != also_mine)
        return;
    if (!(state & KP_PAGE_SLEEPING) &&
        !atomic_compare_exchange_strong_explicit(&page->state, &state, plain | KP_PAGE_SLEEPING,
                                                 memory_order_acq_rel, memory_order_acquire))
        return;
    /* Only now: a flag set earlier is seen here, one set later changes the futex's value. */
    if ((flag && atomic_load(flag)) || (other_flag && atomic_load(other_flag)))
        return;
    kp_raw_syscall(SYS_futex, (long)&page->state, FUTEX_WAIT, (long)(plain | KP_PAGE_SLEEPING), 0,
                   0, 0);
}

#endif
