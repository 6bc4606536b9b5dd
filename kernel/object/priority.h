/* Whose band a thread runs in: its job's, or that of a thread that waits for it to give up a lock. (The scheduler lends
   besides: to who answers a call, kernel/sched/queue.h. What such a thread is lent it passes on here.)

   A donation is what the threads that wait for one lock give to its owner: the highest of their bands (but
   never KP_BAND_DEADLINE, whose time is budgeted). Who receives one passes it on through the lock
   that it waits for itself. A thread waits for at most one lock, so this is a chain.

   Locks: one lock for all donations and bands (priority.c), after futex and process locks, before the
   machine's. It is held for a few steps, and only where a lock with a known owner is contended. */
#ifndef KP_KERNEL_PRIORITY_H
#define KP_KERNEL_PRIORITY_H

#include "kernel/machine/machine.h"

typedef struct kp_donation {
    uint32_t donors;            /* how many threads are in it */
    uint32_t waiting[KP_BANDS]; /* of them, by the band they wait in */
    kp_thread_t *owner;         /* referenced; NULL: nobody known */
    int32_t given;              /* the band that owner's `received` counts for this one; -1: none */
} kp_donation_t;

/* In kp_thread_t; everything guarded by the lock. */
typedef struct kp_priority {
    kp_job_policy_t policy; /* its job's */
    uint32_t band;          /* that it runs in */
    uint32_t lent;          /* while it waits: the band of the caller that it works for; 0: none */
    uint32_t received[KP_BANDS]; /* donations to it, by band */
    kp_donation_t *donates;      /* what it takes part in while it waits */
} kp_priority_t;

/* The thread's policy from now on, by its job. */
void kp_priority_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy);

/* Without donors and owner; NULL: no memory. */
kp_donation_t *kp_donation_create(void);
/* The thread waits from now on, in its own band or the one that it was lent (0: none), whichever is higher. It must not
   be in any. */
void kp_donation_join(kp_donation_t *donation, kp_thread_t *thread, uint32_t lent);
/* It does not wait any more. Harmless when it is in none. Returns the donation when that was its last
   donor: kp_donation_free it, without locks. */
kp_donation_t *kp_donation_leave(kp_thread_t *thread);
/* The lock has another owner (takes the reference; may be NULL). The old one's reference is the caller's to
   release, without locks. */
kp_thread_t *kp_donation_set_owner(kp_donation_t *donation, kp_thread_t *owner);
/* NULL is allowed. */
void kp_donation_free(kp_donation_t *donation);

#endif
