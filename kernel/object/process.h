/* A process: address space, handle table, quota, threads, and how it ended.

   Threads are in process->threads by slot, from before they begin until they have left the machine; slot
   0 is the first's alone. Whatever happens to a process (end, suspension, policy) happens to each of
   them, found under the lock one by one; a thread that comes meanwhile looks at what the process is
   (process_threads.c). Calls of several threads run at once: what they share is guarded by
   locks or taken in turns (`turn`), and what they read of their memory they read once. */
#ifndef KP_KERNEL_PROCESS_H
#define KP_KERNEL_PROCESS_H

#include "kernel/object/handle.h"
#include "kernel/object/image.h"
#include "kernel/object/job.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"
#include "kernel/object/thread.h"
#include "kernel/object/turn.h"
#include "kernel/object/vmo.h"
#include "runtime/image/image.h"

typedef struct kp_snapshot kp_snapshot_t;         /* kernel/object/snapshot.h */
typedef struct kp_code_mapping kp_code_mapping_t; /* kernel/object/code.h */

struct kp_process {
    kp_object_t object;
    kp_machine_space_t space; /* valid from kp_machine_space_create to kp_machine_space_destroy */
    const kp_image_t *image;  /* stays for ever */
    char name[32];
    kp_quota_t *quota; /* its own account, below its job's */
    kp_handle_table_t handles;

    kp_job_t *job; /* referenced; never changes */
    kp_job_membership_t membership;

    _Atomic uint32_t memory_pages; /* linear memory now, 64 KiB pages; only ever grows */
    uint32_t memory_maximum;
    kp_turn_t turn; /* who changes linear memory: mappings, memory_pages, the machine's space */
    kp_mapping_t *mappings; /* sorted by address; guarded by: turn */

    kp_code_mapping_t *code_mappings; /* guarded by: lock */
    uint32_t code_mapping_count;      /* those being made or undone too; guarded by: lock */

    struct kp_guests *guests; /* kernel/object/guest.h; guarded by: turn */

    kp_snapshot_t *origin;   /* a clone: whose pages it may show; until its space is gone */
    kp_snapshot_t *snapshot; /* what it was when it froze; guarded by: lock */

    uint32_t state;     /* KP_PROCESS_*; guarded by: lock */
    uint32_t suspended; /* how many resumes it needs; guarded by: lock */
    bool is_telling;    /* somebody tells the machine; guarded by: lock */
    bool has_threads;   /* its program may make further ones; never changes */
    /* By slot, each with a reference until it has ended; how many; and how many of those have not called
       thread_exit. Guarded by: lock. */
    kp_thread_t *threads[KP_PROCESS_THREADS_MAX];
    uint32_t thread_count;
    uint32_t thread_running;
    kp_capability_t startup; /* startup channel until the program takes it; guarded by: lock */
    /* In queues below the startup channel of one that has not begun lie only those of lower rank
       (kernel/ipc/channel.h). 0: it has none; never changes. */
    uint64_t startup_rank;
    atomic_bool has_begun;      /* or never will */
    bool has_space;             /* guarded by: lock (statistics against destruction) */
    uint32_t exit_reason;       /* KP_EXIT_*; first writer wins; guarded by: lock */
    int32_t exit_code;          /* guarded by: lock */
    uint64_t fault_address;     /* guarded by: lock */
    uint64_t fault_instruction; /* offset in the image; guarded by: lock */
    char fault_function[KP_PROCESS_FUNCTION_MAX]; /* guarded by: lock */
    uint32_t inspectors; /* statistics calls in progress, which delay the space's destruction */
    bool threads_gone;   /* the last has left the machine; guarded by: lock */
    bool wants_start;    /* started while suspended; guarded by: lock */
    bool is_closed;      /* its handles are closed; only its end looks */

    void (*ended)(kp_process_t *process); /* of the options */

    kp_time_t log_until;   /* debug_log's account; guarded by: lock */
    uint32_t log_left_out; /* guarded by: lock */

    _Atomic uint64_t messages_sent;
    _Atomic uint64_t calls;
    _Atomic uint64_t cpu_time_ns; /* of threads that have ended */
    _Atomic uint64_t faults;      /* as last seen; once the space is gone, all */
    kp_list_t link;               /* list of all processes; guarded by its lock (process.c) */
};

typedef struct kp_process_options {
    const char *name;        /* cut to 31 bytes */
    const kp_image_t *image; /* or NULL, and: */
    kp_snapshot_t *snapshot; /* it continues from there; borrowed */
    kp_job_t *job;           /* that it is a member of */
    kp_capability_t startup; /* the process's end of its bootstrap channel; taken on success */
    /* Optional: called once when everything of the process is freed, just before
       KP_SIGNAL_TERMINATED; thread context, no locks held; must not block. */
    void (*ended)(kp_process_t *process);
} kp_process_options_t;

/* Makes a process that does not run yet. The caller gets one reference and must start or end it. On
   error nothing stays and options->startup is still the caller's. ERR_NO_MEMORY, ERR_QUOTA,
   ERR_BAD_STATE: the job was killed. */
kp_status_t kp_process_make(kp_process_options_t *options, kp_process_t **out);
/* ERR_BAD_STATE: it was started before. ERR_PROCESS_DEAD: it has ended. ERR_NO_MEMORY: it can be
   tried again. */
kp_status_t kp_process_start(kp_process_t *process);

/* Its startup channel, once; empty: it had none, or it was taken. */
kp_capability_t kp_process_startup_take(kp_process_t *process);

/* Makes and starts a process. The caller gets one reference. On error nothing stays and
   options->startup is still the caller's. ERR_NO_MEMORY, ERR_QUOTA, ERR_BAD_STATE (the job was
   killed). */
kp_status_t kp_process_create(kp_process_options_t *options, kp_process_t **out);

/* Ends the process: the first reason given stays. Returns at once; KP_SIGNAL_TERMINATED tells when
   its threads have left and everything it held is freed. */
void kp_process_end(kp_process_t *process, uint32_t exit_reason, int32_t code, uint64_t address);

/* ---- Further threads (process_threads.c) ---- */

/* What each costs its job beside the object: pages of its stack and of what the kernel needs for it. */
#define KP_THREAD_PAGES (KP_IMAGE_STACK_SIZE / KP_PAGE_SIZE + 8)

/* Another thread of the process of the calling thread, at the image's entry with these words; *out gets a
   reference. ERR_NOT_SUPPORTED: the image has none. ERR_QUOTA, ERR_NO_MEMORY; ERR_PROCESS_DEAD. */
kp_status_t kp_process_thread_create(kp_process_t *process, uint64_t entry, uint64_t argument,
                                     kp_thread_t **out);
/* Ends the calling thread as soon as its call ends, and the process with its last. */
void kp_process_thread_exit(void);
/* Is it one of the process's that has not ended? */
bool kp_process_has_thread(kp_process_t *process, const kp_thread_t *thread);

/* Where in its image the calling thread, one of the process's, is about to be ended by a fault or trap:
   for machines, before kp_process_fault or process_trap's own end. places: offsets in the image, innermost first; the first
   that lies in a function of the program's own counts, by name (which writes a NUL-terminated name, or
   "" when it does not know). */
void kp_process_fault_place(kp_process_t *process, const uint64_t *places, size_t count,
                            void (*name)(const kp_image_t *image, uint64_t offset, char *text,
                                         size_t size));

/* No instruction of its own from the return on, until as many resumes. Nested. ERR_BAD_STATE: it is
   frozen or has ended; resume: it is not suspended. ERR_QUOTA: nested 2^31 deep. */
kp_status_t kp_process_suspend(kp_process_t *process);
kp_status_t kp_process_resume(kp_process_t *process);

void kp_process_info(kp_process_t *process, kp_process_info_t *out);

/* Calls fn for every living process, without locks held (each referenced meanwhile). */
void kp_process_each(void (*fn)(kp_process_t *process, void *context), void *context);

/* Linear memory in bytes, now. */
static inline uint64_t kp_process_memory_size(kp_process_t *process)
{
    return (uint64_t)atomic_load_explicit(&process->memory_pages, memory_order_acquire) *
           KP_WASM_PAGE_SIZE;
}

static inline kp_process_t *kp_process_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_PROCESS);
    return KP_CONTAINER_OF(object, kp_process_t, object);
}

#endif
