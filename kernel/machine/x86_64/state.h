/* Sizes and fields of the machine state that kernel objects embed (x86_64). Only this machine looks
   inside; the core treats every field as private. A zeroed struct is a valid "not started" state.
 */
#ifndef KP_X86_STATE_H
#define KP_X86_STATE_H

#include "kernel/base/base.h"

/* A ticket lock. Interrupts are off on this CPU while any is held (nesting is counted per CPU). */
typedef struct kp_spinlock {
    _Atomic uint32_t next;
    _Atomic uint32_t serving;
} kp_spinlock_t;

typedef struct kp_machine_space kp_machine_space_t;

typedef struct kp_machine_thread {
    uint64_t stack_pointer; /* while not running: where its registers are saved */
    uint64_t stack_top;     /* kernel stack; 0: none (boot and idle run on their CPU's own) */
    kp_list_t run_link;     /* run queue or list of the dead; guarded by the scheduler's lock */
    /* Pairing heap of deadlines; guarded by the scheduler's lock. */
    struct kp_machine_thread *timer_child, *timer_sibling, *timer_previous;
    kp_time_t deadline;
    kp_time_t slice_start;  /* when it was switched to */
    kp_time_t window_start; /* CPU time used since then decides whether waking gives precedence */
    kp_time_t window_used;
    kp_machine_space_t *space; /* user threads only */
    struct kp_process *process;
    void (*function)(void *);
    void *argument;
    void *fpu;        /* saved SSE and AVX state of a user thread, 64-byte aligned */
    void *fpu_memory; /* what to free for it */
    uint32_t mxcsr;   /* kept over system calls, when other SSE state is not */
    uint16_t x87_control;
    uint8_t state;    /* see thread.c */
    uint8_t band;     /* priority band, higher runs first */
    bool token;       /* unpark came */
    bool timer_armed; /* in the heap of deadlines */
    bool timed_out;
    bool in_call;        /* user thread inside a system call: its SSE registers are dead */
    bool fpu_valid;      /* fpu holds its state; otherwise it starts from the initial state */
    _Atomic bool killed; /* leaves as soon as it can */
} kp_machine_thread_t;

struct kp_machine_space {
    kp_spinlock_t lock;
    uint64_t root; /* physical address of the top page table; 0: none */
    const struct kp_image *image;
    uint64_t base;          /* where the image is loaded */
    kp_list_t mappings;     /* of VMOs, by address; guarded by lock */
    uint64_t memory_bytes;  /* size of linear memory now; guarded by lock */
    uint64_t private_pages; /* guarded by lock */
    uint64_t shared_pages;  /* guarded by lock */
    uint64_t fault_next;  /* address after the pages that the last fault brought; guarded by lock */
    uint32_t fault_run;   /* how many it brought; guarded by lock */
    uint64_t table_pages; /* guarded by lock */
};

typedef struct kp_machine_vmo {
    kp_spinlock_t lock;
    uint64_t size;
    const uint8_t *fixed; /* static VMO: its bytes in kernel memory */
    void ***chunks;       /* else: per 2 MiB an array of 512 page pointers; guarded by lock */
    uint64_t chunk_count;
    uint64_t committed; /* bytes; guarded by lock */
} kp_machine_vmo_t;

#endif
