/* Sizes and fields of the machine state that kernel objects embed (hosted). Only this machine looks
   inside. A zeroed struct is a valid "not started" state. */
#ifndef KP_HOSTED_STATE_H
#define KP_HOSTED_STATE_H

#include "kernel/base/base.h"

/* A futex lock: 0 free, 1 held, 2 held and somebody sleeps. */
typedef struct kp_spinlock {
    _Atomic uint32_t value;
} kp_spinlock_t;

typedef struct kp_machine_thread {
    _Atomic uint32_t token;   /* futex: thread.c */
    void (*function)(void *); /* kernel threads */
    void *argument;
    struct kp_process *process;    /* user threads */
    struct kp_hosted_child *child; /* its Linux process; see child.h. NULL: kernel thread */
    struct kp_call_page *page;     /* while it has a child: its own */
    bool is_suspended;             /* guarded by: child_lock (thread.c) */
    struct kp_waiter *standing;    /* the wait for which its process's receive stands; its own */
    uint32_t calls;
} kp_machine_thread_t;

typedef struct kp_hosted_mapping {
    uint32_t address;
    uint32_t length;
    bool is_writable;
} kp_hosted_mapping_t;

/* Code outside linear memory. */
typedef struct kp_hosted_code {
    struct kp_hosted_code *next; /* in the order of addresses */
    uint64_t address;
    uint64_t length;
} kp_hosted_code_t;

/* Where the parts of a process lie, chosen by the kernel, so that a clone can have them there too. */
typedef struct kp_hosted_layout {
    uint64_t image;
    uint64_t stack; /* the lowest address of the first thread's guard; the rest: child.h */
    uint64_t code;
    uint64_t guests; /* slots of guest memories (guest.h) */
    uint64_t memory;
} kp_hosted_layout_t;

/* Pages that the clones of a snapshot share with it until they write: mapped privately from its file. */
typedef struct kp_hosted_extent {
    uint64_t address, length;
} kp_hosted_extent_t;
#define KP_HOSTED_EXTENTS_MAX 16u

typedef struct kp_machine_space {
    int memory_fd;                 /* memfd of linear memory, as large as the memory; 0: no space */
    uint8_t *window;               /* the kernel's view: 4 GiB of address space over it, without
                                      mappings and a clone's extents (clone.c) */
    struct kp_hosted_child *child; /* NULL: not started */
    const struct kp_image *image;
    kp_hosted_layout_t layout;
    _Atomic uint64_t memory_bytes;        /* size of linear memory */
    struct kp_machine_snapshot *snapshot; /* a clone's; constant */
    const struct kp_mapping *inherited;   /* a clone's mappings, until it is started */
    bool is_frozen;                       /* memory_fd belongs to a snapshot */
    bool lends_memory; /* its process does (clone.c): then the window shows no mappings; constant */
    bool is_broken;    /* the window is not what it should be; guarded by lock */
    _Atomic uint64_t faults; /* of one that has ended */
    atomic_bool is_threaded; /* others may map while a copy goes on */
    kp_spinlock_t lock;
    kp_hosted_mapping_t *mappings; /* by address; guarded by lock */
    size_t mapping_count;
    size_t mapping_capacity;
    uint64_t mapped_bytes;           /* guarded by lock */
    kp_hosted_code_t *code;          /* guarded by lock */
    struct kp_hosted_guests *guests; /* guest.c; NULL: never had any */
    uint64_t promised;               /* bytes that linear memory grew by */
} kp_machine_space_t;

/* What a frozen process was; constant. */
typedef struct kp_machine_snapshot {
    int memory_fd; /* linear memory, with holes where VMOs were mapped; 0: no snapshot */
    int state_fd;  /* registers, writable segments, stack: sandbox_freeze.c */
    uint64_t memory_bytes;
    uint64_t mapped_bytes;
    kp_hosted_layout_t layout;
    /* Ascending. None: there is no data, or clones copy it because this host does not let them share. */
    kp_hosted_extent_t extents[KP_HOSTED_EXTENTS_MAX];
    uint32_t extent_count;
} kp_machine_snapshot_t;

/* A view of a VMO that the kernel had before the VMO outgrew it; somebody may still read there. */
typedef struct kp_hosted_view {
    struct kp_hosted_view *next;
    uint8_t *bytes;
    uint64_t size;
} kp_hosted_view_t;

typedef struct kp_machine_vmo {
    int fd;           /* memfd, or the file that holds a static VMO; -1: none */
    int read_only_fd; /* the same without the right to write; -1: not asked for yet; guarded by lock
                         */
    int origin; /* of a clone that nobody has written: a file that never changes and has its bytes, opened
                   for reading, and no fd; -1: none; guarded by lock */
    uint64_t fd_offset;    /* where it begins in fd or origin */
    _Atomic uint64_t size; /* written under lock */
    uint64_t file_size;    /* of the memfd, at least size; never shrinks; guarded by lock */
    uint8_t *bytes; /* the kernel's view, of view_size; NULL: not asked for yet; guarded by lock */
    uint64_t view_size;
    kp_hosted_view_t *old_views; /* guarded by lock */
    bool is_static;
    bool is_filled; /* a packed file of the archive: never changes */
    bool is_pinned; /* guarded by lock */
    bool is_sealed; /* guarded by lock */
    kp_spinlock_t lock;
} kp_machine_vmo_t;

#endif
