#include "kernel/object/quota.h"

KP_STATIC_ASSERT(sizeof(kp_job_limits_t) == KP_QUOTA_KINDS * sizeof(uint64_t), "same kinds");

/* How much credit an account draws beyond its need, and keeps at most twice. */
static const uint64_t batches[KP_QUOTA_KINDS] = {
    [KP_QUOTA_HANDLES] = 64, [KP_QUOTA_QUEUED_BYTES] = 128u << 10,
    [KP_QUOTA_PAGES] = 64,   [KP_QUOTA_PROCESSES] = 0,
    [KP_QUOTA_OBJECTS] = 32,
};

void kp_quota_init(kp_quota_t *quota, kp_quota_t *parent, const kp_job_limits_t *limits)
{
    uint64_t each[KP_QUOTA_KINDS];
    if (limits)
        memcpy(each, limits, sizeof(each));
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
        quota->kinds[kind].limit =
            limits ? KP_MIN(each[kind], KP_QUOTA_UNLIMITED) : KP_QUOTA_UNLIMITED;
    atomic_init(&quota->references, 1);
    kp_spin_init(&quota->lock);
    kp_list_init(&quota->children);
    kp_list_init(&quota->link);
    if (!parent)
        return;
    quota->parent = kp_quota_acquire(parent);
    quota->depth = parent->depth + 1;
    kp_spin_lock(&parent->lock);
    kp_list_append(&parent->children, &quota->link);
    kp_spin_unlock(&parent->lock);
}

kp_quota_t *kp_quota_create(kp_quota_t *parent, const kp_job_limits_t *limits)
{
    if (parent && parent->depth + 1 >= KP_QUOTA_DEPTH_MAX)
        return NULL;
    kp_quota_t *quota = kp_kalloc(sizeof(*quota));
    if (quota)
        kp_quota_init(quota, parent, limits);
    return quota;
}

kp_quota_t *kp_quota_acquire(kp_quota_t *quota)
{
    if (quota)
        atomic_fetch_add_explicit(&quota->references, 1, memory_order_relaxed);
    return quota;
}

/* ---- Credit ---- */

/* Takes at most `amount`; returns what it took. */
static uint64_t credit_take(kp_quota_t *quota, int kind, uint64_t amount)
{
    _Atomic uint64_t *credit = &quota->kinds[kind].credit;
    uint64_t have = atomic_load_explicit(credit, memory_order_relaxed);
    uint64_t taken;
    do {
        taken = KP_MIN(have, amount);
        if (taken == 0)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(credit, &have, have - taken,
                                                    memory_order_relaxed, memory_order_relaxed));
    return taken;
}

static bool drawn_raise(kp_quota_t *quota, int kind, uint64_t amount)
{
    uint64_t limit = quota->kinds[kind].limit;
    _Atomic uint64_t *drawn = &quota->kinds[kind].drawn;
    uint64_t now = atomic_load_explicit(drawn, memory_order_relaxed);
    do {
        if (amount > limit || now > limit - amount)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(drawn, &now, now + amount, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

/* Gives credit to an account; what it should not keep goes up. */
static void credit_give(kp_quota_t *quota, int kind, uint64_t amount)
{
    while (amount > 0) {
        uint64_t now =
            atomic_fetch_add_explicit(&quota->kinds[kind].credit, amount, memory_order_relaxed) +
            amount;
        bool closed = atomic_load_explicit(&quota->closed, memory_order_relaxed);
        uint64_t batch = closed ? 0 : batches[kind];
        if (now <= 2 * batch)
            return;
        amount = credit_take(quota, kind, now - batch);
        atomic_fetch_sub_explicit(&quota->kinds[kind].drawn, amount, memory_order_relaxed);
        quota = quota->parent;
        if (!quota)
            return;
    }
}

/* Finds `amount` in the account's credit and those above it, within all limits on the way. NULL: done;
   else the account that refused, and nothing has changed. */
static kp_quota_t *draw(kp_quota_t *quota, int kind, uint64_t amount)
{
    kp_quota_t *level[KP_QUOTA_DEPTH_MAX];
    uint64_t taken[KP_QUOTA_DEPTH_MAX];
    uint64_t need[KP_QUOTA_DEPTH_MAX]; /* raised at that level: what its own credit lacked */
    uint32_t count = 0;
    kp_quota_t *refused = NULL;
    for (uint64_t left = amount; quota; quota = quota->parent) {
        uint64_t took = credit_take(quota, kind, left);
        left -= took;
        level[count] = quota;
        taken[count] = took;
        need[count++] = left;
        if (left == 0)
            return NULL;
        if (!drawn_raise(quota, kind, left)) {
            need[count - 1] = 0;
            refused = quota;
            break;
        }
    }
    while (refused && count > 0) {
        count--;
        atomic_fetch_sub_explicit(&level[count]->kinds[kind].drawn, need[count],
                                  memory_order_relaxed);
        credit_give(level[count], kind, taken[count]);
    }
    return refused;
}

/* Calls in what no account below uses: it becomes this account's credit. Recursion is bounded by
   KP_QUOTA_DEPTH_MAX. */
static void credit_gather(kp_quota_t *quota, int kind)
{
    kp_spin_lock(&quota->lock);
    for (kp_list_t *link = quota->children.next; link != &quota->children; link = link->next) {
        kp_quota_t *child = KP_CONTAINER_OF(link, kp_quota_t, link);
        credit_gather(child, kind);
        uint64_t taken = credit_take(child, kind, UINT64_MAX);
        atomic_fetch_sub_explicit(&child->kinds[kind].drawn, taken, memory_order_relaxed);
        atomic_fetch_add_explicit(&quota->kinds[kind].credit, taken, memory_order_relaxed);
    }
    kp_spin_unlock(&quota->lock);
}

/* ---- Charges ---- */

static kp_status_t charge_slowly(kp_quota_t *quota, int kind, uint64_t amount)
{
    if (amount > KP_QUOTA_UNLIMITED)
        return KP_ERR_QUOTA;
    uint64_t more = batches[kind];
    if (more && !draw(quota, kind, amount + more)) {
        credit_give(quota, kind, more);
        return KP_OK;
    }
    /* With the unused credit below it called in, an account refuses for good; one above may be next. */
    uint32_t depth = KP_QUOTA_DEPTH_MAX;
    kp_quota_t *refused;
    while ((refused = draw(quota, kind, amount)) != NULL && refused->depth < depth) {
        depth = refused->depth;
        credit_gather(refused, kind);
    }
    return refused ? KP_ERR_QUOTA : KP_OK;
}

kp_status_t kp_quota_charge(kp_quota_t *quota, int kind, uint64_t amount)
{
    if (!quota || amount == 0)
        return KP_OK;
    _Atomic uint64_t *credit = &quota->kinds[kind].credit;
    uint64_t have = atomic_load_explicit(credit, memory_order_relaxed);
    while (have >= amount) {
        if (atomic_compare_exchange_weak_explicit(credit, &have, have - amount,
                                                  memory_order_relaxed, memory_order_relaxed))
            return KP_OK;
    }
    return charge_slowly(quota, kind, amount);
}

void kp_quota_refund(kp_quota_t *quota, int kind, uint64_t amount)
{
    if (quota)
        credit_give(quota, kind, amount);
}

void kp_quota_close(kp_quota_t *quota)
{
    atomic_store_explicit(&quota->closed, true, memory_order_relaxed);
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
        credit_give(quota, kind, credit_take(quota, kind, UINT64_MAX));
}

void kp_quota_release(kp_quota_t *quota)
{
    while (quota) {
        if (atomic_fetch_sub_explicit(&quota->references, 1, memory_order_acq_rel) != 1)
            return;
        kp_quota_t *parent = quota->parent;
        /* From now on nobody gathers here, so what is left can be counted. */
        if (parent) {
            kp_spin_lock(&parent->lock);
            kp_list_remove(&quota->link);
            kp_spin_unlock(&parent->lock);
        }
        KP_CHECK(kp_list_is_empty(&quota->children));
        for (int kind = 0; kind < KP_QUOTA_KINDS; kind++) {
            uint64_t credit = atomic_load(&quota->kinds[kind].credit);
            KP_ASSERT(atomic_load(&quota->kinds[kind].drawn) == credit);
            if (parent)
                credit_give(parent, kind, credit);
        }
        kp_kfree(quota);
        quota = parent;
    }
}

void kp_quota_used(kp_quota_t *quota, kp_job_limits_t *used)
{
    uint64_t each[KP_QUOTA_KINDS];
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++) {
        credit_gather(quota, kind);
        uint64_t credit = atomic_load(&quota->kinds[kind].credit);
        uint64_t drawn = atomic_load(&quota->kinds[kind].drawn);
        each[kind] = drawn > credit ? drawn - credit : 0; /* two looks: not one moment */
    }
    memcpy(used, each, sizeof(*used));
}

void kp_quota_limits(const kp_quota_t *quota, kp_job_limits_t *limits)
{
    uint64_t each[KP_QUOTA_KINDS];
    for (int kind = 0; kind < KP_QUOTA_KINDS; kind++)
        each[kind] = quota->kinds[kind].limit;
    memcpy(limits, each, sizeof(*limits));
}
