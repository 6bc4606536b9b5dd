/* What every kernel object has: type, reference count, capability count, signals, waiters.

   Two counts: `references` keeps the memory (calls in progress, waits, mappings); `capabilities`
   counts those who can name the object: handles in processes, handles inside queued messages, and
   kernel holders (kp_capability_t). When the last capability goes, ops->abandoned runs (a channel
   end closes then); when the last reference goes, ops->destroy runs.

   Locks: `lock` guards signals and waiters. It is a pointer because the two ends of a channel share
   one lock. Order: the transit lock (kernel/ipc/channel.c), the lock of the timers' queue and that of
   the tree of jobs; then the lock of one object; then that of one port (a port cannot be bound to a port,
   so this ends there). unpark is called under them, nothing that blocks. */
#ifndef KP_KERNEL_OBJECT_H
#define KP_KERNEL_OBJECT_H

#include "kernel/machine/machine.h"

typedef struct kp_object kp_object_t;
typedef struct kp_derivation kp_derivation_t; /* kernel/object/derivation.h */
typedef struct kp_quota kp_quota_t;           /* kernel/object/quota.h */

typedef struct kp_object_ops {
    void (*abandoned)(kp_object_t *object); /* optional: the last capability is gone */
    void (*destroy)(kp_object_t *object);   /* frees the memory; no lock held */
    /* Optional: it becomes what a process that has not begun will find at its start, and gets a rank above all before
       (rank 0); or it is that no more (its rank). No lock held. */
    uint64_t (*startup)(kp_object_t *object, uint64_t rank);
} kp_object_ops_t;

struct kp_object {
    atomic_uint references;
    atomic_uint capabilities;
    uint32_t type;     /* KP_TYPE_* */
    uint32_t bindings; /* of ports, among the waiters; guarded by: lock */
    uint64_t koid;
    const kp_object_ops_t *ops;
    kp_spinlock_t *lock; /* own_lock unless the type says otherwise */
    kp_spinlock_t own_lock;
    _Atomic kp_signals_t signals; /* written under lock; read without it as a hint */
    kp_list_t waiters;            /* kp_waiter_t.link; guarded by: lock */
    kp_quota_t *quota; /* charged with the object by kp_object_charge; NULL: the kernel's own */
    kp_object_t *abandon_next;  /* in a thread's list of objects to abandon */
    atomic_bool abandon_queued; /* it is in one */
};

/* Starts with one reference and no capability. Counted per type until kp_object_fini. */
void kp_object_init(kp_object_t *object, uint32_t type, const kp_object_ops_t *ops);
/* Counts the new object against its maker's quota until kp_object_fini (KP_QUOTA_OBJECTS). Once, and
   before others know the object. ERR_QUOTA: nothing changed. */
kp_status_t kp_object_charge(kp_object_t *object, kp_quota_t *quota);
/* Called by each type's destroy before it frees. */
void kp_object_fini(kp_object_t *object);

static inline kp_object_t *kp_object_acquire(kp_object_t *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
    return object;
}

/* NULL is allowed. Thread context, no locks held. */
void kp_object_release(kp_object_t *object);

/* What it does when that was the last one. */
void kp_object_released(kp_object_t *object);
/* The same inline, for where others usually hold it too. */
static inline void kp_object_release_shared(kp_object_t *object)
{
    if (__builtin_expect(
            atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1, 0))
        kp_object_released(object);
}

/* Clears, then sets bits and wakes whom they concern. Any context that may take the lock. */
void kp_object_signal(kp_object_t *object, kp_signals_t clear, kp_signals_t set);
void kp_object_signal_locked(kp_object_t *object, kp_signals_t clear, kp_signals_t set);

/* How many objects of a type exist now; KP_TYPE_NONE: all. For leak tests and statistics. */
uint64_t kp_object_count(uint32_t type);
#define KP_OBJECT_TYPE_LIMIT 16u

/* ---- Capabilities: an object with rights, owned by a handle, a message or kernel code ----
   One that was duplicated, or is a duplicate, has a node in a tree of derivations, and the node has the
   object: it may be revoked at any moment. Others have the object themselves. */
typedef struct kp_capability {
    kp_object_t
        *object; /* one reference and one capability count; NULL: none, or the node has them */
    kp_rights_t rights;
    kp_derivation_t *derivation; /* NULL: it has no relatives */
} kp_capability_t;

static inline bool kp_capability_is_empty(const kp_capability_t *capability)
{
    return !capability->object && !capability->derivation;
}

/* A new capability to the object (adds to both counts), without relatives. */
kp_capability_t kp_capability_create(kp_object_t *object, kp_rights_t rights);
/* Its object, with a reference for the caller; NULL: empty, or revoked. Kernel code that is sent
   capabilities by programs must ask here, for they may have relatives. */
kp_object_t *kp_capability_acquire(const kp_capability_t *capability);
/* Gives the capability up. Empty ones are ignored. Thread context, no locks held. Inside an `abandoned`
   that another close has called, the objects that this one abandons wait until that returns: no chain
   of objects that hold each other is too long for the stack. */
void kp_capability_close(kp_capability_t *capability);
/* Takes the object out for a call that consumes: the source becomes empty. */
static inline kp_capability_t kp_capability_take(kp_capability_t *capability)
{
    kp_capability_t taken = *capability;
    *capability = (kp_capability_t){0};
    return taken;
}

/* Rights that a new handle of the type gets; 0 for types that no call creates. */
kp_rights_t kp_object_default_rights(uint32_t type);

#endif
