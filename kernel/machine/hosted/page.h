/* The call page: memory shared by the kernel and one thread of a KPIO process through which all its
   system calls pass, and who may touch what when. `state` says whose turn it is; the side whose turn it
   is not only waits. The kernel trusts nothing in it: it copies what it needs once.

     RUN    the thread runs (or has its result); the kernel waits
     CALL   number and arguments stand; the kernel works, the thread waits
     ACTION the thread must do what `action` says, then answers ACTED
     FAULT  the process faulted and will do nothing more
     ENDED  written by the kernel to wake its own thread: the process is dead or being killed
     LEAVE  the thread must end: it makes no further call of the host but exit

     LANE   as RUN; besides, the process's receive stands: it may go on by the lane `lane_slot`
            (lane.h), and the kernel waits for the rest of what would end it

   A side that goes to sleep sets the bit SLEEPING; whoever changes the state then wakes it. The bits
   POKE are a count that changes to have the kernel look around while the turn stays where it is. */
#ifndef KP_HOSTED_PAGE_H
#define KP_HOSTED_PAGE_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "abi/calls.h"
#include "abi/types.h"

enum {
    KP_PAGE_RUN = 0,
    KP_PAGE_CALL = 1,
    KP_PAGE_ACTION = 2,
    KP_PAGE_ACTED = 3,
    KP_PAGE_FAULT = 4,
    KP_PAGE_ENDED = 5,
    KP_PAGE_LANE = 6,
    KP_PAGE_LEAVE = 7,
};
#define KP_PAGE_STATE 0xfu
#define KP_PAGE_POKE 0x10u
#define KP_PAGE_POKES 0x7ffffff0u
#define KP_PAGE_SLEEPING 0x80000000u

/* Numbers beyond those of abi/calls.def, of calls that only the sandbox makes. */
enum {
    KP_PAGE_CALL_ADOPT = 0x10000, /* channel_call whose request went by a lane; argument 3: the
                                     transaction */
};

enum {
    KP_PAGE_ACTION_LANE = 1, /* lane number action_address was mapped, and from now on serves calls
                                  by the handle action_length */
    KP_PAGE_ACTION_FREEZE = 2, /* write what the process is to where its state file was mapped */
};

#define KP_LANE_SLOTS 16u /* lanes of one process */

/* What the kernel and its process tell each other about lanes (lane.h). Of the process's words the
   kernel believes none about others. */
typedef struct kp_lane_control {
    _Atomic uint32_t attention; /* kernel: the receive that stands must be made again */
    _Atomic uint32_t withdrawn; /* kernel: bit per slot */
    _Atomic uint32_t waiting;   /* process: 1 + the slot of the lane it sleeps in, or 0 */
    _Atomic int64_t deadline;   /* process: until when; host's CLOCK_MONOTONIC in ns */
    _Atomic int64_t alarm;      /* kernel: when it will look at that; INT64_MAX: not */
    _Atomic uint64_t messages;  /* process: sent by lanes, for its own statistics */
} kp_lane_control_t;

#define KP_PAGE_BACKTRACE_MAX 24u

typedef struct kp_call_page {
    _Atomic uint32_t state; /* futex */
    uint32_t number;
    uint64_t arguments[6];
    int64_t result;
    _Atomic uint32_t process_processor; /* where each side ran when it last gave the turn: worth */
    _Atomic uint32_t kernel_processor;  /* spinning for? */

    uint32_t action; /* KP_PAGE_ACTION_* */
    uint32_t action_address;
    uint32_t action_length;
    uint32_t action_is_server;
    int32_t action_result; /* written by the process: 0 or a kp_status_t */

    uint32_t fault_reason; /* written by the process: KP_EXIT_TRAP, KP_EXIT_FAULT; 0: none */
    int32_t fault_code;
    uint64_t fault_address;
    uint64_t fault_instruction; /* offset in the image, or an address outside it */

    uint32_t backtrace_count;                  /* written by the process at a fault or trap */
    uint64_t backtrace[KP_PAGE_BACKTRACE_MAX]; /* return addresses as fault_instruction, innermost
                                                  first */

    uint32_t lane_slot; /* of the receive that stands; written by the kernel */
    kp_lane_control_t lane;

    _Atomic uint32_t host_thread; /* a further thread's number; Linux clears it, and wakes who waits
                                     here, when the thread has gone */
} kp_call_page_t;

/* ---- The area: what the kernel shares with a process beside its memory, one file mapped at one place.
   The process can write the call pages (one for each thread->slot) and the agent's room, and cannot
   write what follows: orders and what it is told. ---- */

/* A system call of the host. */
typedef struct kp_order_call {
    uint64_t number;
    uint64_t arguments[6];
} kp_order_call_t;
#define KP_ORDER_CALLS 4u

/* What the agent does next (sandbox_agent.c). Written by the kernel while the agent waits for word over
   the control socket. */
typedef struct kp_orders {
    uint64_t call_count;
    kp_order_call_t calls[KP_ORDER_CALLS]; /* until one fails */
    uint64_t closes_file; /* then the file that came with the word, if any, is closed */

    /* For the process to know. */
    uint64_t memory_bytes;                   /* size of linear memory */
    uint64_t read_only_first, read_only_end; /* a range with all read-only mappings */
    int64_t boot_ns;                         /* CLOCK_MONOTONIC at the system's time 0 */

    /* For faults in guest memories (sandbox_guest.c). Zero until the first of them is made. */
    uint64_t guest_base;            /* of the slots */
    uint64_t guest_handler;         /* where the program handles them; 0: nowhere */
    uint64_t code_first, code_size; /* where code made at run time is mapped, and nothing else */
    uint64_t guests[KP_GUESTS_MAX]; /* bytes reserved in each slot */
} kp_orders_t;

/* How a further thread begins: what it does to itself, and then its registers. Constant while it lives. */
typedef struct kp_birth {
    kp_order_call_t calls[KP_ORDER_CALLS]; /* any that does not return 0 ends the process */
    uint64_t call_count;
    uint64_t rip, rdi, rsi, rdx, rcx, r8, r9;
    uint32_t mxcsr;
    uint16_t x87_control;
    uint64_t data[16]; /* for the calls to point to */
} kp_birth_t;
#define KP_BIRTH_SIZE ((size_t)512)
_Static_assert(sizeof(kp_birth_t) <= KP_BIRTH_SIZE, "births are this far apart");

#define KP_AREA_PAGE ((size_t)4096)
#define KP_AREA_AGENT_ROOM 3072u                               /* in the first thread's page */
#define KP_AREA_ORDERS (KP_PROCESS_THREADS_MAX * KP_AREA_PAGE) /* from here on read-only */
#define KP_AREA_BIRTHS (KP_AREA_ORDERS + KP_AREA_PAGE)
#define KP_AREA_SIZE (KP_AREA_BIRTHS + KP_PROCESS_THREADS_MAX * KP_BIRTH_SIZE)

static inline kp_call_page_t *kp_area_page(uint8_t *area, uint32_t slot)
{
    return (kp_call_page_t *)(void *)(area + (size_t)slot * KP_AREA_PAGE);
}
static inline kp_orders_t *kp_area_orders(uint8_t *area)
{
    return (kp_orders_t *)(void *)(area + KP_AREA_ORDERS);
}
static inline kp_birth_t *kp_area_birth(uint8_t *area, uint32_t slot)
{
    return (kp_birth_t *)(void *)(area + KP_AREA_BIRTHS + (size_t)slot * KP_BIRTH_SIZE);
}
_Static_assert(sizeof(kp_call_page_t) <= KP_AREA_AGENT_ROOM && sizeof(kp_orders_t) <= KP_AREA_PAGE,
               "pages");

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

/* Linux 6.7 has system calls for waiting and for waking alone. A filter can let them through whatever
   their arguments are, and then Linux need not run it: 0.1 us less for a call and its reply. */
enum { KP_HOST_FUTEX_WAKE = 454, KP_HOST_FUTEX_WAIT = 455 };
enum { KP_HOST_FUTEX_32_BITS = 2 };
extern bool kp_futex_is_split; /* this Linux has them; constant (lane_side.c) */

static inline void kp_futex_wake(_Atomic uint32_t *word, int count)
{
    if (kp_futex_is_split)
        kp_raw_syscall(KP_HOST_FUTEX_WAKE, (long)word, FUTEX_BITSET_MATCH_ANY, count,
                       KP_HOST_FUTEX_32_BITS, 0, 0);
    else
        kp_raw_syscall(SYS_futex, (long)word, FUTEX_WAKE, count, 0, 0, 0);
}

/* Sleeps if the word is `seen`; may return early. */
static inline void kp_futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    if (kp_futex_is_split)
        kp_raw_syscall(KP_HOST_FUTEX_WAIT, (long)word, (long)seen, FUTEX_BITSET_MATCH_ANY,
                       KP_HOST_FUTEX_32_BITS, 0, 0);
    else
        kp_raw_syscall(SYS_futex, (long)word, FUTEX_WAIT, (long)seen, 0, 0, 0);
}

static inline uint32_t kp_page_state(kp_call_page_t *page)
{
    return atomic_load_explicit(&page->state, memory_order_acquire) & KP_PAGE_STATE;
}

/* Gives the turn to the other side. */
static inline void kp_page_publish(kp_call_page_t *page, uint32_t state)
{
    uint32_t old = atomic_exchange_explicit(&page->state, state, memory_order_acq_rel);
    if (old & KP_PAGE_SLEEPING)
        kp_futex_wake(&page->state, 1);
}

/* Has the other side look around, whoever's turn it is. */
static inline void kp_page_poke(kp_call_page_t *page)
{
    uint32_t old = atomic_load(&page->state);
    while (!atomic_compare_exchange_weak(
        &page->state, &old, (old & ~KP_PAGE_POKES) | ((old + KP_PAGE_POKE) & KP_PAGE_POKES)))
        ;
    if (old & KP_PAGE_SLEEPING)
        kp_futex_wake(&page->state, 1);
}

/* Waits until the word is another than `seen`, at most until the host's CLOCK_MONOTONIC reaches
   `until` (NULL: without end); may return early. The caller has loaded `seen` first and then looked
   at everything else that it is woken for. */
static inline void kp_page_sleep(kp_call_page_t *page, uint32_t seen, const struct timespec *until)
{
    uint32_t asleep = seen | KP_PAGE_SLEEPING;
    if (seen != asleep && !atomic_compare_exchange_strong(&page->state, &seen, asleep))
        return;
    if (until)
        kp_raw_syscall(SYS_futex, (long)&page->state, FUTEX_WAIT_BITSET, (long)asleep, (long)until,
                       0, (long)FUTEX_BITSET_MATCH_ANY);
    else
        kp_futex_wait(&page->state, asleep);
}

/* Waits until the state is another than mine and than also_mine, or one of the flags (may be NULL)
   is set by somebody who then changes the word; may return early. */
static inline void kp_page_wait(kp_call_page_t *page, uint32_t mine, uint32_t also_mine,
                                atomic_bool *flag, atomic_bool *other_flag)
{
    uint32_t seen = atomic_load(&page->state), state = seen & KP_PAGE_STATE;
    if (state != mine && state != also_mine)
        return;
    /* A flag set earlier is seen here, one set later changes the word. */
    if ((flag && atomic_load(flag)) || (other_flag && atomic_load(other_flag)))
        return;
    kp_page_sleep(page, seen, NULL);
}

#endif
