/* What a process (later: a job) may use. Counted, shared by everything it caused: a message or a
   VMO that outlives its process keeps the quota until it goes. */
#ifndef KP_KERNEL_QUOTA_H
#define KP_KERNEL_QUOTA_H

#include "kernel/base/base.h"

enum {
    KP_QUOTA_HANDLES = 0,      /* open handles, and those in messages sent and not yet read */
    KP_QUOTA_QUEUED_BYTES = 1, /* bytes of messages sent and not yet read */
    KP_QUOTA_PAGES = 2,        /* 4 KiB pages of linear memory and VMOs, committed or not */
    KP_QUOTA_KINDS = 3,
};

typedef struct kp_quota {
    atomic_uint references;
    uint64_t limits[KP_QUOTA_KINDS];
    _Atomic uint64_t used[KP_QUOTA_KINDS];
} kp_quota_t;

/* One reference; NULL: no memory. */
kp_quota_t *kp_quota_create(const uint64_t limits[KP_QUOTA_KINDS]);
kp_quota_t *kp_quota_acquire(kp_quota_t *quota);
void kp_quota_release(kp_quota_t *quota);

/* A NULL quota is the kernel's own and never refuses. ERR_QUOTA. References are separate. */
kp_status_t kp_quota_charge(kp_quota_t *quota, int kind, uint64_t amount);
void kp_quota_refund(kp_quota_t *quota, int kind, uint64_t amount);

#endif
