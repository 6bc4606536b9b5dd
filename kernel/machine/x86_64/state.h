/* Sizes and fields of the machine state that kernel objects embed (x86_64). Only this machine looks
   inside; the core treats every field as private. A zeroed struct is a valid "not started" state.
 */
#ifndef KP_X86_STATE_H
#define KP_X86_STATE_H

#include "kernel/base/base.h"
#include "kernel/sched/queue.h"

/* Interrupts are off on this CPU while any is held (nesting is counted per CPU). Who waits answers the
   other CPUs' shootdowns meanwhile. No queue of tickets: in a virtual machine with more CPUs than the host
   gives it, the next in the queue is often not running, and everybody would wait for it. */
typedef struct kp_spinlock {
    _Atomic uint32_t owner; /* CPU + 1 of the holder; 0: free */
} kp_spinlock_t;

typedef struct kp_machine_space kp_machine_space_t;
typedef struct kp_x86_code kp_x86_code_t;     /* space_code.c */
typedef struct kp_x86_guests kp_x86_guests_t; /* space_guest.c */

/* "The lock" is that of the CPU which the thread belongs to. */
typedef struct kp_machine_thread {
    _Atomic uint32_t attention; /* KP_X86_ATTENTION_*: what to do before it returns to ring 3 */
    bool in_call;               /* user thread inside a system call: its SSE registers are dead */
    uint64_t
        stack_pointer;  /* while not running: where its registers are saved; guarded by: the lock */
    uint64_t stack_top; /* kernel stack; 0: none (idle threads run on their CPU's own) */
    kp_sched_entity_t entity;  /* guarded by: the lock */
    kp_heap_node_t timer;      /* deadline of park; guarded by: the lock */
    kp_list_t dead_link;       /* guarded by: the list of the dead's lock */
    kp_machine_space_t *space; /* user threads only */
    struct kp_process *process;
    void (*function)(void *);
    void *argument;
    uint32_t stack_slot; /* a further thread of a process: its slot; 0: any other */
    uint64_t words[2];   /* and what it begins with */
    void *fpu;           /* saved SSE and AVX state of a user thread, 64-byte aligned */
    void *fpu_memory;    /* what to free for it */
    uint32_t mxcsr;      /* kept over system calls, when other SSE state is not */
    uint16_t x87_control;
    bool token;              /* unpark came; guarded by: the lock */
    bool timer_armed;        /* in its CPU's heap of deadlines; guarded by: the lock */
    bool timed_out;          /* guarded by: the lock */
    uint8_t state;           /* see thread.c; guarded by: the lock */
    bool fpu_valid;          /* fpu holds its state; otherwise it starts from the initial state */
    uint16_t deadline_share; /* admitted on its CPU; guarded by: the admission's lock */
    uint32_t fpu_cpu;        /* CPU + 1 whose registers held its state last */
    _Atomic uint32_t cpu;    /* which it belongs to; changes only under that CPU's lock */
} kp_machine_thread_t;

enum {
    KP_X86_ATTENTION_KILLED = 1,  /* leave as soon as possible */
    KP_X86_ATTENTION_SUSPEND = 2, /* stop until resumed */
};

struct kp_machine_space {
    kp_spinlock_t lock;
    uint64_t root;         /* physical address of the top page table; 0: none */
    _Atomic uint32_t cpus; /* bit: CPU whose CR3 has the root */
    const struct kp_image *image;
    uint64_t base;           /* where the image is loaded */
    kp_list_t mappings;      /* kp_x86_mapping_t.link; guarded by lock */
    kp_x86_code_t *codes;    /* code made at run time, by address; guarded by lock */
    uint64_t code_base;      /* the lowest place for it; 0: not chosen yet; guarded by lock */
    kp_x86_guests_t *guests; /* guest memories; NULL: never had any; guarded by lock */
    uint64_t guest_handler;  /* where their faults go; 0: nowhere; guarded by lock */
    uint64_t memory_bytes;   /* size of linear memory now; guarded by lock */
    uint64_t grown_from;     /* its size at first; constant */
    uint64_t promised;       /* pages that it grew by and has not got yet; guarded by lock */
    uint64_t private_pages;  /* guarded by lock */
    uint64_t shared_pages;   /* guarded by lock */
    uint64_t fault_next;  /* address after the pages that the last fault brought; guarded by lock */
    uint32_t fault_run;   /* how many it brought; guarded by lock */
    uint64_t table_pages; /* guarded by lock */
    uint64_t stacks; /* bit: slot of a further thread, whose stack may be used; guarded by lock */
    /* A clone: whose pages it shows until it writes (snapshot.c); constant. */
    struct kp_machine_snapshot *snapshot;
    _Atomic uint64_t faults;
    bool is_frozen; /* everything belongs to a snapshot */
};

/* What a frozen process was; constant. */
typedef struct kp_machine_snapshot {
    uint64_t root; /* physical address of the top page table; 0: none */
    uint64_t base;
    uint64_t memory_bytes;
    uint64_t private_pages, shared_pages, table_pages;
    uint64_t rbx, rbp, r12, r13, r14, r15, rip, rsp, flags; /* as process_freeze returns */
    uint32_t mxcsr;
    uint16_t x87_control;
} kp_machine_snapshot_t;

typedef struct kp_machine_vmo {
    kp_spinlock_t lock; /* guards everything here; see vmo.h */
    uint64_t size;
    const uint8_t *base; /* kernel memory that shows where there is no page (static VMOs, clones) */
    uint64_t base_size;
    /* In place of base: writes such a page when it is first looked at (kp_vmo_fill_fn). */
    void (*fill)(const void *context, uint64_t offset, void *page);
    const void *fill_context;
    uint64_t fill_offset; /* a clone: where it begins in what is filled */
    void ***chunks;       /* per 2 MiB an array of 512 page pointers; NULL: static, base is all */
    uint64_t chunk_count;
    uint64_t committed; /* pages */
    bool is_filled;     /* kp_machine_vmo_init_filled made it: its pages never change */
    bool is_pinned;     /* pages were lent to a driver: they stay where they are */
    bool is_sealed;     /* nobody can write any more: all pages stay as they are */
    kp_list_t mappings; /* kp_x86_mapping_t.vmo_link */
} kp_machine_vmo_t;

#endif
