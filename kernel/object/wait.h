/* Waiting for signals. A waiter is a record that is linked to the object: one in a waiting thread's frame,
   or in a binding of a port (kernel/object/port.h). To signal needs neither memory nor more than one
   further lock, so that interrupts may signal too. */
#ifndef KP_KERNEL_WAIT_H
#define KP_KERNEL_WAIT_H

#include "kernel/object/object.h"

typedef struct kp_handle_table kp_handle_table_t;

/* One wait of a thread for several objects, in its frame. */
typedef struct kp_wait {
    atomic_bool satisfied;         /* one of its waiters has seen a signal it wants */
    _Atomic kp_status_t cancelled; /* not KP_OK: one of the handles is gone, for this reason */
} kp_wait_t;

typedef struct kp_waiter {
    kp_list_t link;       /* in object->waiters; guarded by: object->lock */
    kp_object_t *object;  /* referenced by whoever waits */
    kp_thread_t *thread;  /* whom to wake; NULL: a port's binding */
    kp_wait_t *wait;      /* what it is part of; NULL: its thread looks at the object itself */
    kp_signals_t signals; /* wanted */
    kp_signals_t
        observed; /* the object's signals when it was satisfied; guarded by: object->lock */
    _Atomic kp_status_t cancelled; /* not KP_OK: the handle it waits by is gone, for this reason */
    kp_handle_t handle; /* the handle it waits by, in table; KP_HANDLE_NONE: kernel code */
    const kp_handle_table_t *table;
} kp_waiter_t;

/* For kernel code. The caller keeps a reference to the object meanwhile. Returns when one of signals is
   (or has been, since the call) set; ERR_TIMED_OUT, ERR_CANCELLED (the calling thread is dying). observed
   may be NULL. */
kp_status_t kp_wait_one(kp_object_t *object, kp_signals_t signals, kp_time_t deadline,
                        kp_signals_t *observed);
/* waiters: object and signals set, all else zero; observed is filled. count 0 is a sleep. O(count), however
   often it is woken. */
kp_status_t kp_wait_many(kp_waiter_t *waiters, size_t count, kp_time_t deadline);

/* Ends waits by this handle with the reason (ERR_CANCELLED: closed or moved; ERR_REVOKED), and bindings of
   ports by it: the handle is gone. The caller keeps a reference to the object. Thread context. */
void kp_wait_end(kp_object_t *object, const kp_handle_table_t *table, kp_handle_t handle,
                 kp_status_t reason);
static inline void kp_wait_cancel(kp_object_t *object, const kp_handle_table_t *table,
                                  kp_handle_t handle)
{
    kp_wait_end(object, table, handle, KP_ERR_CANCELLED);
}

/* For kp_object_signal_locked: the object has `now`, one of which this waiter wants and which has risen.
   object->lock is held. */
void kp_waiter_notify(kp_waiter_t *waiter, kp_signals_t now);

#endif
