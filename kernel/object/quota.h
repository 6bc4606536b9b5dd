/* What a job may use: a tree of accounts. A job has one, and every process has one below its job's.
   What an account uses counts in all accounts above it, and none exceeds its limits. Counted by
   cause: a message or a VMO that outlives its process keeps what it took until it goes.

   A charge does not walk the tree. Each account holds credit that it has drawn from the account above
   in batches; a charge takes from the credit of the process's own account, one atomic operation.
   Only when that is used up does it draw more (O(depth), without locks), and only when a limit refuses
   is unused credit of other accounts below that limit called in (O(their number)). So a limit is
   exact: nothing is refused for credit that others hold unused (charges of the very same moment aside).

   Locks: `lock` guards the list of children; an account's before its children's. Leaves otherwise. */
#ifndef KP_KERNEL_QUOTA_H
#define KP_KERNEL_QUOTA_H

#include "abi/job.h"
#include "kernel/machine/machine.h"

enum {                       /* in the order of kp_job_limits_t */
       KP_QUOTA_HANDLES = 0, /* open handles, and those in messages sent and not yet read */
       KP_QUOTA_QUEUED_BYTES =
           1,              /* bytes of messages (and packets of ports) sent and not yet read */
       KP_QUOTA_PAGES = 2, /* 4 KiB pages of linear memory and VMOs, committed or not */
       KP_QUOTA_PROCESSES = 3,
       KP_QUOTA_OBJECTS = 4, /* kernel objects and bindings of ports */
       KP_QUOTA_KINDS = 5,
};

#define KP_QUOTA_DEPTH_MAX 34u /* accounts on the way from a process's to the root's */
#define KP_QUOTA_UNLIMITED (UINT64_MAX >> 1)

typedef struct kp_quota kp_quota_t;

struct kp_quota {
    atomic_uint references;
    atomic_bool closed; /* its process has ended: it keeps no credit */
    uint32_t depth;     /* 0: has no parent */
    kp_quota_t *parent; /* referenced */
    struct {
        uint64_t limit;
        _Atomic uint64_t drawn;  /* taken from above for everything below: used + credit */
        _Atomic uint64_t credit; /* drawn and not used */
    } kinds[KP_QUOTA_KINDS];
    kp_spinlock_t lock;
    kp_list_t children; /* guarded by: lock */
    kp_list_t link;     /* in parent->children; guarded by: parent->lock */
};

/* One reference; NULL: no memory, or deeper than KP_QUOTA_DEPTH_MAX. parent NULL: a tree of its own;
   limits NULL: only those above. */
kp_quota_t *kp_quota_create(kp_quota_t *parent, const kp_job_limits_t *limits);
/* For one that is not allocated: the root's. */
void kp_quota_init(kp_quota_t *quota, kp_quota_t *parent, const kp_job_limits_t *limits);
kp_quota_t *kp_quota_acquire(kp_quota_t *quota);
void kp_quota_release(kp_quota_t *quota);

/* A NULL quota is the kernel's own and never refuses. ERR_QUOTA. References are separate. Any context
   without spin locks that come after this one's (object locks may be held). */
kp_status_t kp_quota_charge(kp_quota_t *quota, int kind, uint64_t amount);
void kp_quota_refund(kp_quota_t *quota, int kind, uint64_t amount);

/* Unused credit goes back, now and from now on: the process has ended. */
void kp_quota_close(kp_quota_t *quota);

/* What the account and all below use, exactly; calls in unused credit for that. */
void kp_quota_used(kp_quota_t *quota, kp_job_limits_t *used);
void kp_quota_limits(const kp_quota_t *quota, kp_job_limits_t *limits);

#endif
