/* The Linux process of a KPIO process, as the kernel sees it, and the zygote that makes it. */
#ifndef KP_HOSTED_CHILD_H
#define KP_HOSTED_CHILD_H

#include <sys/types.h>

#include "kernel/machine/hosted/page.h"
#include "kernel/machine/machine.h"
#include "kernel/object/image.h"
#include "runtime/image/image.h"

/* Where a process has what the kernel shares with it (page.h), its lanes and its threads' stacks, each
   with a guard below and room for signals above. */
#define KP_HOSTED_SIGNAL_STACK ((uint64_t)65536)
#define KP_HOSTED_STACK_STRIDE (KP_IMAGE_STACK_GUARD + KP_IMAGE_STACK_SIZE + KP_HOSTED_SIGNAL_STACK)
/* The stack's lowest address. */
static inline uint64_t kp_hosted_layout_stack(const kp_hosted_layout_t *layout, uint32_t slot)
{
    return layout->stack + slot * KP_HOSTED_STACK_STRIDE + KP_IMAGE_STACK_GUARD;
}
static inline uint64_t kp_hosted_layout_area(const kp_hosted_layout_t *layout)
{
    return layout->stack + KP_PROCESS_THREADS_MAX * KP_HOSTED_STACK_STRIDE;
}
static inline uint64_t kp_hosted_layout_lanes(const kp_hosted_layout_t *layout)
{
    return kp_hosted_layout_area(layout) + KP_ROUND_UP(KP_AREA_SIZE, KP_PAGE_SIZE);
}
/* Address space for code made at run time; between two mappings is a page of nothing. */
#define KP_HOSTED_CODE_SIZE ((uint64_t)64 << 30)
/* Inside the reservation of linear memory, where nothing else is ever mapped: the state file of a process
   that freezes. */
#define KP_SANDBOX_SCRATCH_OFFSET ((uint64_t)5 << 30)

typedef struct kp_hosted_child {
    atomic_uint references; /* space, user thread, list of the living */
    uint64_t id;
    kp_hosted_layout_t layout; /* constant */
    uint8_t *area;             /* page.h; constant */
    kp_call_page_t *page;      /* in it: its first thread's */
    _Atomic uint32_t slots;    /* those of its threads were below this, ever */
    uint32_t living;           /* threads of its program; guarded by: lock */
    uint32_t served;           /* kernel threads that serve them; guarded by: lock */
    uint64_t accounted_ns;     /* of those that have ended; guarded by: lock */
    atomic_bool is_threaded;   /* it had more than one, ever: it has no lanes */
    atomic_bool is_reported;   /* the log has said how it ended */
    int control_fd;            /* the kernel's end: word of orders and files go through it */
    kp_spinlock_t start_lock;  /* held while a further thread is started; before all others */
    kp_spinlock_t order_lock;  /* held while an order is carried out; before those that follow */
    bool lends_memory;         /* its first word is a file of its memory; constant */
    _Atomic int memory_file;   /* that file; -1: not asked for yet; written under order_lock */
    kp_list_t link;            /* list of the living; guarded by its lock (child.c) */
    int pid;                   /* 0: not forked yet; guarded by: lock */
    int pid_fd;                /* -1: none; guarded by: lock */
    int status;                /* as waitpid gives it, once is_dead */
    uint64_t cpu_time_ns;      /* as last read; guarded by: lock */
    uint64_t faults;           /* once is_dead; the same */
    atomic_bool is_dead;
    atomic_bool is_killed; /* we want it dead */
    uint32_t stops;        /* while above 0 we want it stopped; guarded by: lock */
    kp_spinlock_t lock;
    /* Of the thread that serves its first alone: */
    struct kp_channel_lane *lanes[KP_LANE_SLOTS]; /* referenced */
    kp_handle_t called; /* by which it made call_count channel calls one after the other */
    uint32_t call_count;
} kp_hosted_child_t;

/* ---- zygote.c ---- */
#define KP_ZYGOTE_SEGMENTS KP_IMAGE_SEGMENTS_MAX

#define KP_ZYGOTE_PROCESSES_MAX 4096u /* alive at a time */
#define KP_ZYGOTE_MAPPINGS 128u
/* The most files that come with a message. */
#define KP_ZYGOTE_FILES_MAX 40u

/* A VMO in a clone's linear memory, read-only. */
typedef struct kp_zygote_mapping {
    uint32_t address, length;
    uint64_t offset;
    uint32_t file; /* of those that come with the request */
    uint32_t reserved;
} kp_zygote_mapping_t;

/* What the zygote is asked; with it come four files: image, linear memory, call page, control; then for
   a clone its state, the snapshot's memory, and those that its mappings are of. */
typedef struct kp_zygote_request {
    uint64_t id;
    uint64_t image_offset; /* of the image in its file */
    uint64_t image_span;
    uint64_t image_entry;
    uint32_t segment_count;
    uint32_t initial_pages; /* 64 KiB */
    kp_image_segment_t segments[KP_ZYGOTE_SEGMENTS];
    kp_hosted_layout_t layout;
    uint32_t file_count;
    uint32_t is_clone;
    uint32_t mapping_count;
    kp_zygote_mapping_t mappings[KP_ZYGOTE_MAPPINGS];
    uint32_t lends_memory;
    uint32_t
        extent_count; /* parts of linear memory that it shares with its snapshot until it writes */
    kp_hosted_extent_t extents[KP_HOSTED_EXTENTS_MAX];
    char name[16];
} kp_zygote_request_t;
enum { KP_ZYGOTE_FILES = 4, KP_ZYGOTE_STATE_FILE = 4, KP_ZYGOTE_SNAPSHOT_FILE = 5 };

/* What it answers: forked (with a pid file), or died. */
typedef struct kp_zygote_notice {
    uint64_t id;
    int32_t pid; /* 0: could not be forked */
    int32_t is_dead;
    int32_t status;       /* waitpid's */
    uint64_t cpu_time_ns; /* of a dead one */
    uint64_t faults;      /* the same: page faults */
} kp_zygote_notice_t;

/* Forks the zygote; the caller has one thread yet. Returns the socket to it, or a status. */
int kp_zygote_start(int *zygote_pid);

/* One message with files over a socket; 0 files allowed. Returns bytes, or -1 with errno. */
ssize_t kp_hosted_send(int socket, const void *bytes, size_t size, const int *files,
                       size_t file_count);
/* file_count: room, then how many came. flags: of recvmsg (MSG_PEEK: the message stays, its files come). */
ssize_t kp_hosted_receive(int socket, void *bytes, size_t size, int *files, size_t *file_count,
                          int flags);

/* ---- sandbox.c: what a forked process does; runs in the child, never returns ---- */
_Noreturn void kp_sandbox_enter(const kp_zygote_request_t *request, const int *files);

/* ---- sandbox_freeze.c: a process as a file, and back ---- */
/* What the program continues with; written by the process itself, for nobody but its clones. */
typedef struct kp_sandbox_context {
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
    uint32_t mxcsr;
    uint16_t x87_control;
} kp_sandbox_context_t;
/* As setjmp: 0, and 1 in a clone. */
int kp_sandbox_context_save(kp_sandbox_context_t *context) __attribute__((returns_twice));
/* Size of the state file: context, writable segments, stack. */
uint64_t kp_sandbox_state_size(const kp_image_segment_t *segments, uint32_t count);
/* In the process that freezes: writes into the file, which is mapped at `scratch`. */
bool kp_sandbox_state_write(uint8_t *scratch, const kp_zygote_request_t *request,
                            const kp_sandbox_context_t *context);
/* In a clone, before it is locked down: maps segments and stack, and takes the context. */
bool kp_sandbox_state_map(int file, const kp_zygote_request_t *request,
                          kp_sandbox_context_t *context);
/* Never returns; not declared so, because sanitisers make system calls before such a call. */
void kp_sandbox_context_resume(const kp_sandbox_context_t *context);

/* ---- child.c ---- */
/* Starts the thread that hears the zygote's notices. */
kp_status_t kp_hosted_children_start(int zygote_socket, int zygote_pid);
/* Host process numbers of those that live now; at most `capacity`. Returns how many. */
size_t kp_hosted_children_pids(int *pids, size_t capacity);
/* Ends the zygote and with it every process; nothing else here may be called afterwards. */
void kp_hosted_children_stop(void);
/* Of what a process is to be made; all borrowed. */
typedef struct kp_hosted_birth {
    const kp_image_t *image;
    int memory_fd;
    uint64_t memory_bytes;
    kp_hosted_layout_t layout;
    const kp_machine_snapshot_t *snapshot; /* of a clone; NULL: it begins at the image's entry */
    const struct kp_mapping *mappings;     /* of a clone */
    bool lends_memory;
} kp_hosted_birth_t;
/* Asks for a process; it is running (or dead) some time later. The caller gets one reference.
   ERR_QUOTA: too many mappings. ERR_NO_MEMORY, ERR_NOT_SUPPORTED. */
kp_status_t kp_hosted_child_create(const kp_hosted_birth_t *birth, kp_hosted_child_t **out);
/* space.c: makes the Linux process of the space, if it has none yet. */
kp_status_t kp_hosted_space_start(kp_machine_space_t *space);
void kp_hosted_child_acquire(kp_hosted_child_t *child);
void kp_hosted_child_release(kp_hosted_child_t *child);
/* Kills it and wakes the thread that serves it. Any thread, also twice. */
void kp_hosted_child_kill(kp_hosted_child_t *child);
/* Waits until nothing of it runs any more. It was killed. */
void kp_hosted_child_await_death(kp_hosted_child_t *child);
/* Stops the execution of all its threads and waits until they have stopped (or are dead); lets them go on
   once it was called as often as the other. Any thread. What they wait for in their pages may still be
   answered meanwhile. */
void kp_hosted_child_stop(kp_hosted_child_t *child);
void kp_hosted_child_continue(kp_hosted_child_t *child);
/* Page faults so far, as the host counts them. */
uint64_t kp_hosted_child_faults(kp_hosted_child_t *child);
/* Its number; 0: the zygote has not told yet. */
int kp_hosted_child_pid(kp_hosted_child_t *child);
/* Processor time it used, ns. */
uint64_t kp_hosted_child_cpu_time(kp_hosted_child_t *child);

/* ---- agent.c: what the process's agent (sandbox_agent.c) does for the kernel. Any thread, no locks held;
   waits until it is done, which it is not while the process is stopped. ERR_PROCESS_DEAD, ERR_NO_MEMORY:
   nothing has changed. ---- */
/* Maps a file (fd >= 0) or the process's own memory (fd < 0) over [address, address + length) of its
   linear memory. */
kp_status_t kp_hosted_child_map(kp_hosted_child_t *child, uint32_t address, uint32_t length, int fd,
                                uint64_t offset, bool is_writable);
/* Maps a part of a file that nobody can write, to be executed, at a host address where nothing is; takes
   it away again. */
kp_status_t kp_hosted_child_map_code(kp_hosted_child_t *child, uint64_t address, uint64_t length,
                                     int fd, uint64_t offset);
kp_status_t kp_hosted_child_unmap_code(kp_hosted_child_t *child, uint64_t address, uint64_t length);
/* Zeroed memory of the process's own over a range of guest memory; and away with it. */
kp_status_t kp_hosted_child_map_zeroes(kp_hosted_child_t *child, uint64_t address, uint64_t length);
kp_status_t kp_hosted_child_unmap(kp_hosted_child_t *child, uint64_t address, uint64_t length);
/* Also before it is forked. */
void kp_hosted_orders_note_read_only(kp_orders_t *orders, uint64_t first, uint64_t length);
/* The memory of a process that lends it, at the host addresses that the process has it at, as a file for pread and pwrite,
   which give 0 once its memory is gone; borrowed. The process has begun. ERR_NO_MEMORY: no descriptor is
   left. */
kp_status_t kp_hosted_child_memory(kp_hosted_child_t *child, int *file);
/* Starts a further thread in a slot that is free, at the image's entry; takes away what is left of one that
   was told to leave, which waits until it has gone. */
kp_status_t kp_hosted_child_thread_start(kp_hosted_child_t *child, uint32_t slot, uint64_t entry,
                                         uint64_t argument);
void kp_hosted_child_thread_end(kp_hosted_child_t *child, uint32_t slot);
/* Processor time, ns, of the thread in a slot. */
uint64_t kp_hosted_child_thread_time(kp_hosted_child_t *child, uint32_t slot);
/* Only on the thread that serves the process's first, inside a call: maps a lane (lane.h), by which from
   now on the handle's calls may go; has the process write what it is into a file of
   kp_sandbox_state_size bytes. */
kp_status_t kp_hosted_child_map_lane(kp_hosted_child_t *child, uint32_t slot, kp_handle_t handle,
                                     bool is_server, int fd);
kp_status_t kp_hosted_child_freeze(kp_hosted_child_t *child, int fd);

/* ---- lane.c; all on the thread that serves the process ---- */
/* After a channel_call by the handle: gives the channel a lane if it is worth one. */
void kp_hosted_lane_offer(kp_hosted_child_t *child, kp_process_t *process, kp_handle_t handle);
/* Could a receive by the handle stand? A look; kp_hosted_lane_stand decides. */
bool kp_hosted_lane_may_stand(kp_process_t *process, kp_handle_t handle);
/* Nothing is there to receive: answers the process by KP_PAGE_LANE and stands by until it calls or
   must call again; true. False: nothing happened. */
bool kp_hosted_lane_stand(kp_hosted_child_t *child, kp_process_t *process, kp_handle_t handle,
                          kp_time_t deadline);
/* Kicks the process out of a lane where it must not sleep any more. Returns when (CLOCK_MONOTONIC
   in ns) to look again; INT64_MAX: when poked. */
int64_t kp_hosted_lanes_tend(kp_hosted_child_t *child);
/* The kernel's view of a lane: one page, with the state. The lane must be referenced. */
struct kp_lane *kp_hosted_lane_memory(struct kp_channel_lane *lane);
/* The process is about to have more threads than one: takes away the lanes it has. */
void kp_hosted_lanes_withdraw(kp_hosted_child_t *child, kp_process_t *process);
/* The process has ended. */
void kp_hosted_lanes_clear(kp_hosted_child_t *child);

/* base.c: CLOCK_MONOTONIC in ns at the system's time 0. */
int64_t kp_hosted_boot_ns(void);

#endif
