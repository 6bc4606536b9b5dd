#include "kernel/object/futex.h"

#define BUCKET_BITS 8u
/* How many are woken or moved with a lock held: then others get their turn. */
#define AT_ONCE 16u

typedef struct futex_bucket {
    kp_spinlock_t lock;
    kp_list_t waiters; /* futex_waiter_t.link, longest waiting first; next NULL: never used */
} futex_bucket_t;

/* In the waiting thread's frame; guarded by the lock of its bucket. The thread leaves only after it has
   held that lock once more, so whoever finds the record under it may use it until unlocking. */
typedef struct futex_waiter {
    kp_list_t link;
    futex_bucket_t *_Atomic bucket; /* changes (requeue) with both buckets' locks held */
    kp_process_t *process;
    uint32_t address;
    kp_thread_t *thread;
    kp_donation_t *donation; /* the same for all that wait for this word and take part; or NULL */
    uint32_t lent;           /* to the thread, by the caller that it works for; 0: nothing */
    atomic_bool woken;       /* and out of the list */
} futex_waiter_t;

static futex_bucket_t buckets[1u << BUCKET_BITS];
static _Atomic uint64_t secret; /* odd; 0: not made yet */

static futex_bucket_t *bucket_of(const kp_process_t *process, uint32_t address)
{
    uint64_t factor = atomic_load_explicit(&secret, memory_order_relaxed);
    if (!factor) {
        uint64_t expected = 0;
        (void)kp_machine_random(&factor, sizeof(factor));
        if (!atomic_compare_exchange_strong(&secret, &expected, factor | 1))
            factor = expected;
        factor |= 1;
    }
    uint64_t key = process->object.koid << 32 ^ address;
    key = (key ^ key >> 29) * factor;
    return &buckets[(key ^ key >> 32) * factor >> (64 - BUCKET_BITS)];
}

static void bucket_lock(futex_bucket_t *bucket)
{
    kp_spin_lock(&bucket->lock);
    if (!bucket->waiters.next)
        kp_list_init(&bucket->waiters);
}

/* ---- With the bucket's lock held ---- */

/* The first waiter for the word from `link` on, or NULL. */
static futex_waiter_t *waiter_from(const futex_bucket_t *bucket, kp_list_t *link,
                                   const kp_process_t *process, uint32_t address)
{
    for (; link != &bucket->waiters; link = link->next) {
        futex_waiter_t *waiter = KP_CONTAINER_OF(link, futex_waiter_t, link);
        if (waiter->process == process && waiter->address == address)
            return waiter;
    }
    return NULL;
}

static kp_donation_t *donation_of(const futex_bucket_t *bucket, const kp_process_t *process,
                                  uint32_t address)
{
    futex_waiter_t *waiter = waiter_from(bucket, bucket->waiters.next, process, address);
    while (waiter && !waiter->donation)
        waiter = waiter_from(bucket, waiter->link.next, process, address);
    return waiter ? waiter->donation : NULL;
}

/* The waiter takes no part any more; the donation when it is to be freed. */
static kp_donation_t *waiter_leave(futex_waiter_t *waiter)
{
    if (!waiter->donation)
        return NULL;
    waiter->donation = NULL;
    return kp_donation_leave(waiter->thread);
}

/* Wakes at most `count`; *unused gets a donation without donors: all of a word share one. */
static uint32_t wake_some(futex_bucket_t *bucket, const kp_process_t *process, uint32_t address,
                          uint32_t count, kp_donation_t **unused)
{
    uint32_t woken = 0;
    kp_list_t *link = bucket->waiters.next;
    futex_waiter_t *waiter;
    while (woken < count && (waiter = waiter_from(bucket, link, process, address)) != NULL) {
        link = waiter->link.next;
        kp_list_remove(&waiter->link);
        kp_donation_t *last = waiter_leave(waiter);
        if (last)
            *unused = last;
        atomic_store_explicit(&waiter->woken, true, memory_order_release);
        kp_machine_thread_unpark(waiter->thread);
        woken++;
    }
    return woken;
}

/* The owner of those who still wait. What to release afterwards. */
static kp_thread_t *owner_change(const futex_bucket_t *bucket, const kp_process_t *process,
                                 uint32_t address, kp_thread_t *owner)
{
    kp_donation_t *donation = donation_of(bucket, process, address);
    if (!donation)
        return NULL;
    if (owner)
        kp_object_acquire(&owner->object);
    return kp_donation_set_owner(donation, owner);
}

static void thread_release(kp_thread_t *thread)
{
    if (thread)
        kp_object_release(&thread->object);
}

/* ---- Waiting ---- */

static kp_status_t word_compare(kp_process_t *process, uint32_t address, uint64_t expected,
                                uint32_t size)
{
    if (kp_process_memory_size(process) < (uint64_t)address + size)
        return KP_ERR_BAD_ADDRESS;
    uint64_t word = 0; /* little-endian */
    kp_status_t status = kp_machine_space_copy_in(&process->space, &word, address, size);
    if (status == KP_OK && word != expected)
        status = KP_ERR_BAD_STATE;
    return status;
}

static void waiter_enter(futex_waiter_t *waiter, kp_thread_t *owner)
{
    futex_bucket_t *bucket = bucket_of(waiter->process, waiter->address);
    /* Without memory for it the wait is as good, only nobody is helped. */
    kp_donation_t *spare = owner ? kp_donation_create() : NULL;
    kp_thread_t *old = NULL;
    atomic_init(&waiter->bucket, bucket);
    bucket_lock(bucket);
    if (owner) {
        kp_donation_t *donation = donation_of(bucket, waiter->process, waiter->address);
        if (!donation) {
            donation = spare;
            spare = NULL;
        }
        waiter->donation = donation;
        if (donation) {
            kp_donation_join(donation, waiter->thread, waiter->lent);
            kp_object_acquire(&owner->object);
            old = kp_donation_set_owner(donation, owner);
        }
    }
    kp_list_append(&bucket->waiters, &waiter->link);
    kp_spin_unlock(&bucket->lock);
    kp_donation_free(spare);
    thread_release(old);
}

/* True: it was woken. */
static bool waiter_exit(futex_waiter_t *waiter)
{
    futex_bucket_t *bucket;
    for (;;) {
        bucket = atomic_load_explicit(&waiter->bucket, memory_order_acquire);
        bucket_lock(bucket);
        if (atomic_load_explicit(&waiter->bucket, memory_order_relaxed) == bucket)
            break;
        kp_spin_unlock(&bucket->lock);
    }
    bool woken = atomic_load_explicit(&waiter->woken, memory_order_relaxed);
    kp_donation_t *unused = NULL;
    if (!woken) {
        kp_list_remove(&waiter->link);
        unused = waiter_leave(waiter);
    }
    kp_spin_unlock(&bucket->lock);
    kp_donation_free(unused);
    return woken;
}

kp_status_t kp_futex_wait(kp_process_t *process, uint32_t address, uint64_t expected, uint32_t size,
                          kp_thread_t *owner, kp_time_t deadline)
{
    futex_waiter_t waiter = {
        .process = process, .address = address, .thread = kp_machine_thread_current()};
    kp_list_init(&waiter.link);
    /* Who answers a call and needs a lock for it goes on in the caller's band when it gets it; and until then the
       owner runs in that band. */
    waiter.lent = owner ? kp_machine_thread_lent() : 0;
    if (waiter.lent)
        kp_machine_thread_lent_keep(true);
    waiter_enter(&waiter, owner);
    kp_status_t status = word_compare(process, address, expected, size);
    for (bool in_time = deadline > KP_TIME_POLL; status == KP_OK;) {
        if (atomic_load_explicit(&waiter.woken, memory_order_acquire))
            break;
        if (kp_thread_is_dying(waiter.thread))
            status = KP_ERR_CANCELLED;
        else if (!in_time)
            status = KP_ERR_TIMED_OUT;
        else
            in_time = kp_machine_thread_park(deadline);
    }
    if (waiter.lent)
        kp_machine_thread_lent_keep(false);
    /* Whoever woke it has counted it, whatever else happened. */
    return waiter_exit(&waiter) ? KP_OK : status;
}

/* ---- Waking ---- */

uint32_t kp_futex_wake(kp_process_t *process, uint32_t address, uint32_t count, kp_thread_t *owner)
{
    futex_bucket_t *bucket = bucket_of(process, address);
    uint32_t woken = 0;
    for (;;) {
        uint32_t part = KP_MIN(count - woken, AT_ONCE);
        kp_donation_t *unused = NULL;
        kp_thread_t *old = NULL;
        bucket_lock(bucket);
        uint32_t now = wake_some(bucket, process, address, part, &unused);
        woken += now;
        bool more = now == AT_ONCE && woken < count;
        if (!more)
            old = owner_change(bucket, process, address, owner);
        kp_spin_unlock(&bucket->lock);
        kp_donation_free(unused);
        thread_release(old);
        if (!more)
            return woken;
    }
}

/* Two different buckets in one order for all. */
static void buckets_lock(futex_bucket_t *a, futex_bucket_t *b)
{
    bucket_lock(a < b ? a : b);
    if (a != b)
        bucket_lock(a < b ? b : a);
}

static void buckets_unlock(futex_bucket_t *a, futex_bucket_t *b)
{
    kp_spin_unlock(&a->lock);
    if (a != b)
        kp_spin_unlock(&b->lock);
}

/* Both locks are held. *spare is used up when the word `other` needs a donation; *unused as in
   wake_some. */
static uint32_t move_some(futex_bucket_t *from, kp_process_t *process, uint32_t address,
                          futex_bucket_t *to, uint32_t other, uint32_t count, kp_donation_t **spare,
                          kp_donation_t **unused)
{
    kp_donation_t *donation = donation_of(to, process, other);
    uint32_t moved = 0;
    futex_waiter_t *waiter;
    while (moved < count &&
           (waiter = waiter_from(from, from->waiters.next, process, address)) != NULL) {
        kp_list_remove(&waiter->link);
        kp_donation_t *last = waiter_leave(waiter);
        if (last)
            *unused = last;
        if (!donation) {
            donation = *spare;
            *spare = NULL;
        }
        if (donation)
            kp_donation_join(donation, waiter->thread, waiter->lent);
        waiter->donation = donation;
        waiter->address = other;
        kp_list_append(&to->waiters, &waiter->link);
        atomic_store_explicit(&waiter->bucket, to, memory_order_release);
        moved++;
    }
    return moved;
}

kp_status_t kp_futex_requeue(kp_process_t *process, uint32_t address, uint32_t expected,
                             uint32_t wake_count, uint32_t other, uint32_t requeue_count,
                             kp_thread_t *owner, uint32_t *woken)
{
    kp_status_t status = word_compare(process, address, expected, sizeof(expected));
    if (status != KP_OK)
        return status;
    *woken = 0;
    futex_bucket_t *from = bucket_of(process, address), *to = bucket_of(process, other);
    bool more = true;
    while (more && *woken < wake_count) {
        uint32_t part = KP_MIN(wake_count - *woken, AT_ONCE);
        kp_donation_t *unused = NULL;
        bucket_lock(from);
        uint32_t now = wake_some(from, process, address, part, &unused);
        kp_spin_unlock(&from->lock);
        kp_donation_free(unused);
        *woken += now;
        more = now == part;
    }
    for (more = address != other; more && requeue_count > 0;) {
        uint32_t part = KP_MIN(requeue_count, AT_ONCE);
        kp_donation_t *spare = owner ? kp_donation_create() : NULL, *unused = NULL;
        kp_thread_t *old = NULL;
        buckets_lock(from, to);
        uint32_t now = move_some(from, process, address, to, other, part, &spare, &unused);
        if (now > 0 && owner)
            old = owner_change(to, process, other, owner);
        buckets_unlock(from, to);
        kp_donation_free(spare);
        kp_donation_free(unused);
        thread_release(old);
        requeue_count -= now;
        more = now == part;
    }
    return KP_OK;
}

uint32_t kp_futex_waiters(kp_process_t *process, uint32_t address)
{
    futex_bucket_t *bucket = bucket_of(process, address);
    uint32_t count = 0;
    bucket_lock(bucket);
    futex_waiter_t *waiter = waiter_from(bucket, bucket->waiters.next, process, address);
    for (; waiter; waiter = waiter_from(bucket, waiter->link.next, process, address))
        count++;
    kp_spin_unlock(&bucket->lock);
    return count;
}
