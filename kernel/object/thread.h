/* A thread of the core: the kernel half of a thread of a process, or a kernel thread. */
#ifndef KP_KERNEL_THREAD_H
#define KP_KERNEL_THREAD_H

#include "kernel/object/object.h"
#include "kernel/object/priority.h"

struct kp_thread {
    kp_object_t object;
    kp_machine_thread_t machine;
    kp_process_t *process; /* holds a reference until it has ended; NULL: a kernel thread */
    uint64_t process_id;   /* its koid, for ever; 0: a kernel thread */
    char name[32];
    uint32_t slot; /* below KP_PROCESS_THREADS_MAX; no two living threads of a process share it */
    bool is_suspended; /* the machine has been told; guarded by: the process's lock */
    bool is_exiting;   /* it has called thread_exit; guarded by: the process's lock */
    atomic_bool dying;
    bool is_abandoning; /* objects, further ones wait in the list; only the thread itself looks */
    kp_object_t *to_abandon;
    bool is_serving; /* a message that it sent itself (kernel/ipc/channel.h); only it looks */
    kp_priority_t priority;     /* guarded by its own lock */
    uint64_t fault_instruction; /* where it faulted or trapped: offset in the image; its own */
    char fault_function[KP_PROCESS_FUNCTION_MAX]; /* the same */
    _Atomic uint64_t cpu_time_ns; /* the machine adds to it (x86_64: when it switches away; hosted:
                                     when it is asked, from the host's thread clock) */
};

/* A kernel thread that runs fn(argument) and ends. The thread frees itself; *out (may be NULL) gets
   a reference of its own, to wait for KP_SIGNAL_TERMINATED. ERR_NO_MEMORY. */
kp_status_t kp_thread_create(const char *name, void (*fn)(void *), void *argument,
                             kp_thread_t **out);

/* For machines: makes a kp_thread_t for code that already runs (the first kernel thread, a host
   thread that attaches). The machine sets thread->machine itself. Ends with kp_thread_ended. */
kp_thread_t *kp_thread_adopt(const char *name);

/* kp_thread_ended (machine.h): thread context of any other or the ending thread, no locks held. It
   may free the thread, and when it was its process's last, ends the process: closes its handles
   and calls kp_machine_space_destroy. The machine must not touch the thread afterwards. A thread that ends
   unasked takes its process along (KP_EXIT_KILLED). */

static inline kp_thread_t *kp_thread_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_THREAD);
    return KP_CONTAINER_OF(object, kp_thread_t, object);
}

#endif
