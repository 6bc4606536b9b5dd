/* Waiting for signals. A waiter is a record in the waiting thread's frame, linked to the object. */
#ifndef KP_KERNEL_WAIT_H
#define KP_KERNEL_WAIT_H

#include "kernel/object/object.h"

typedef struct kp_handle_table kp_handle_table_t;

typedef struct kp_waiter {
    kp_list_t link;        /* in object->waiters; guarded by: object->lock */
    kp_object_t *object;   /* referenced by the waiting thread */
    kp_thread_t *thread;   /* whom to wake */
    kp_signals_t signals;  /* wanted */
    kp_signals_t observed; /* the object's signals when it was woken or looked at last */
    atomic_bool cancelled; /* the handle it waits by was closed */
    kp_handle_t handle;    /* the handle it waits by, in table; KP_HANDLE_NONE: kernel code */
    const kp_handle_table_t *table;
} kp_waiter_t;

/* For kernel code. The caller keeps a reference to the object meanwhile. Returns when one of
   signals is set; ERR_TIMED_OUT, ERR_CANCELLED (the calling thread is dying). observed may be NULL.
 */
kp_status_t kp_wait_one(kp_object_t *object, kp_signals_t signals, kp_time_t deadline,
                        kp_signals_t *observed);
/* waiters: object and signals set, all else zero; observed is filled. count 0 is a sleep. */
kp_status_t kp_wait_many(kp_waiter_t *waiters, size_t count, kp_time_t deadline);

/* Wakes waits by this handle with ERR_CANCELLED: the handle is gone. */
void kp_wait_cancel(kp_object_t *object, const kp_handle_table_t *table, kp_handle_t handle);

#endif
