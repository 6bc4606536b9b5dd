#include "kernel/object/priority.h"

#include "kernel/object/thread.h"

/* Longer chains are left as they are: a process can make them, and circles. */
#define CHAIN_MAX 32u

static kp_spinlock_t lock; /* guards every kp_priority_t and kp_donation_t */

/* Bands of `counts`, highest first; -1: none. */
static int32_t highest(const uint32_t counts[KP_BANDS])
{
    for (int32_t band = KP_BANDS - 1; band >= 0; band--) {
        if (counts[band])
            return band;
    }
    return -1;
}

/* Computes a thread's band anew and tells the machine; false: it is as before. */
static bool band_update(kp_thread_t *thread, bool policy_changed, uint32_t *before)
{
    kp_priority_t *priority = &thread->priority;
    int32_t received = highest(priority->received);
    uint32_t band = priority->policy.band;
    if (received > (int32_t)band)
        band = (uint32_t)received;
    *before = priority->band;
    if (band == priority->band && !policy_changed)
        return false;
    priority->band = band;
    kp_job_policy_t policy = priority->policy;
    policy.band = band;
    kp_machine_thread_set_policy(thread, &policy);
    return band != *before;
}

/* The band that it waits in when it would run in `band`. */
static uint32_t waiting_band(const kp_thread_t *thread, uint32_t band)
{
    return KP_MAX(band, thread->priority.lent);
}

/* Counts the thread's new band where it waits; that donation (or NULL) has to be looked at. */
static kp_donation_t *band_moved(kp_thread_t *thread, uint32_t before)
{
    kp_donation_t *donation = thread->priority.donates;
    if (donation) {
        donation->waiting[waiting_band(thread, before)]--;
        donation->waiting[waiting_band(thread, thread->priority.band)]++;
    }
    return donation;
}

/* Gives the owner another band (-1: none). The donation that this moves in turn, or NULL. */
static kp_donation_t *donation_give(kp_donation_t *donation, int32_t gives)
{
    kp_thread_t *owner = donation->owner;
    if (donation->given >= 0)
        owner->priority.received[donation->given]--;
    if (gives >= 0)
        owner->priority.received[gives]++;
    donation->given = gives;
    uint32_t before;
    return band_update(owner, false, &before) ? band_moved(owner, before) : NULL;
}

/* Who waits has changed: along the chain, as far as that makes a difference. */
static void donation_update(kp_donation_t *donation)
{
    for (unsigned steps = 0; donation && donation->owner && steps < CHAIN_MAX; steps++) {
        int32_t gives = KP_MIN(highest(donation->waiting), (int32_t)KP_BAND_SYSTEM);
        if (gives == donation->given)
            return;
        donation = donation_give(donation, gives);
    }
}

void kp_priority_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy)
{
    kp_priority_t *priority = &thread->priority;
    kp_spin_lock(&lock);
    priority->policy = *policy;
    uint32_t before;
    if (band_update(thread, true, &before))
        donation_update(band_moved(thread, before));
    kp_spin_unlock(&lock);
}

kp_donation_t *kp_donation_create(void)
{
    kp_donation_t *donation = kp_kalloc(sizeof(*donation));
    if (donation)
        donation->given = -1;
    return donation;
}

void kp_donation_join(kp_donation_t *donation, kp_thread_t *thread, uint32_t lent)
{
    kp_spin_lock(&lock);
    KP_ASSERT(!thread->priority.donates);
    thread->priority.donates = donation;
    thread->priority.lent = lent;
    donation->donors++;
    donation->waiting[waiting_band(thread, thread->priority.band)]++;
    donation_update(donation);
    kp_spin_unlock(&lock);
}

kp_donation_t *kp_donation_leave(kp_thread_t *thread)
{
    kp_spin_lock(&lock);
    kp_donation_t *donation = thread->priority.donates;
    bool last = false;
    if (donation) {
        thread->priority.donates = NULL;
        donation->waiting[waiting_band(thread, thread->priority.band)]--;
        thread->priority.lent = 0;
        last = --donation->donors == 0;
        donation_update(donation);
    }
    kp_spin_unlock(&lock);
    return last ? donation : NULL;
}

kp_thread_t *kp_donation_set_owner(kp_donation_t *donation, kp_thread_t *owner)
{
    kp_spin_lock(&lock);
    kp_thread_t *old = donation->owner;
    kp_donation_t *next = old && donation->given >= 0 ? donation_give(donation, -1) : NULL;
    donation->owner = owner;
    donation_update(next);
    donation_update(donation);
    kp_spin_unlock(&lock);
    return old;
}

void kp_donation_free(kp_donation_t *donation)
{
    if (!donation)
        return;
    KP_CHECK(donation->donors == 0 && donation->given == -1);
    if (donation->owner)
        kp_object_release(&donation->owner->object);
    kp_kfree(donation);
}
