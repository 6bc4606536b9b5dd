#include "kernel/object/quota.h"

kp_quota_t *kp_quota_create(const uint64_t limits[KP_QUOTA_KINDS])
{
    kp_quota_t *quota = kp_kalloc(sizeof(*quota));
    if (!quota)
        return NULL;
    atomic_init(&quota->references, 1);
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
        quota->limits[kind] = limits[kind];
    return quota;
}

kp_quota_t *kp_quota_acquire(kp_quota_t *quota)
{
    if (quota)
        atomic_fetch_add_explicit(&quota->references, 1, memory_order_relaxed);
    return quota;
}

void kp_quota_release(kp_quota_t *quota)
{
    if (!quota)
        return;
    if (atomic_fetch_sub_explicit(&quota->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
        KP_ASSERT(atomic_load(&quota->used[kind]) == 0);
    kp_kfree(quota);
}

kp_status_t kp_quota_charge(kp_quota_t *quota, int kind, uint64_t amount)
{
    if (!quota)
        return KP_OK;
    uint64_t limit = quota->limits[kind];
    uint64_t used = atomic_load_explicit(&quota->used[kind], memory_order_relaxed);
    do {
        if (amount > limit || used > limit - amount)
            return KP_ERR_QUOTA;
    } while (!atomic_compare_exchange_weak_explicit(&quota->used[kind], &used, used + amount,
                                                    memory_order_relaxed, memory_order_relaxed));
    return KP_OK;
}

void kp_quota_refund(kp_quota_t *quota, int kind, uint64_t amount)
{
    if (!quota)
        return;
    uint64_t before = atomic_fetch_sub_explicit(&quota->used[kind], amount, memory_order_relaxed);
    KP_ASSERT(before >= amount);
}
