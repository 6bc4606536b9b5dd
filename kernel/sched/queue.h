/* The policy of one CPU's run queue: which thread runs next, for how long, and who pays. Portable and
   without locks: the machine holds the CPU's lock around every call and passes the time in.

   Ranks: the bands of abi/job.h, and above them the kernel's own threads. A thread of a higher rank
   always runs before those of lower ones. Inside a rank processor time is shared by weight: each
   thread has a virtual time that advances by what it used over its weight, the least one runs. One
   that slept gets at most a small credit, so it answers soon but cannot save up time.

   KP_BAND_DEADLINE is earliest deadline first; each thread has a budget out of a period (a constant
   bandwidth server). One that has used its budget up goes on beside the foreground tab until its next
   period. Admission (kp_sched_admit) keeps the sum of the budgets of a CPU below 80 %, so that none is
   missed.

   Donation: a thread that is handed the CPU (kp_sched_hand_off) works for the one that did: on its
   slice, in at least its rank (but never above KP_BAND_SYSTEM), and when it hands the CPU back the
   time it used is charged to that one. If it parks otherwise, it pays itself; unless it must wait for somebody
   else to be able to answer (keeps_donor): then it wakes in the donor's rank, too. */
#ifndef KP_SCHED_QUEUE_H
#define KP_SCHED_QUEUE_H

#include "abi/job.h"
#include "kernel/sched/cap.h"
#include "kernel/sched/heap.h"

enum {
    KP_SCHED_KERNEL = KP_BANDS, /* kernel threads */
    KP_SCHED_RANKS = KP_BANDS + 1,
};

enum {
    KP_SCHED_OUT = 0, /* parked, or not started */
    KP_SCHED_READY,
    KP_SCHED_RUNNING,
    KP_SCHED_THROTTLED, /* could run, but a cap says not before its release */
};

typedef struct kp_sched_queue kp_sched_queue_t;

/* A thread, as the policy sees it. Guarded by the lock of the CPU it belongs to. */
typedef struct kp_sched_entity {
    kp_heap_node_t ready;   /* key: virtual time or deadline */
    kp_heap_node_t release; /* key: when the cap or the budget is renewed */
    int64_t vtime;          /* ns over weight, on the clock of its queue and rank */
    int64_t reference;      /* that clock, when it left the queue */
    kp_time_t left;         /* when that was */
    int64_t used;           /* ns of processor time, ever */
    int64_t debt;           /* ns used for the donor that are not charged to anybody yet */
    const struct kp_sched_entity *donor; /* compared, never followed */
    kp_sched_cap_t *cap;                 /* NULL: none */
    kp_time_t period, budget, deadline;  /* KP_BAND_DEADLINE */
    int64_t remaining;                   /* of the budget, until the deadline */
    const kp_sched_queue_t *queue;       /* where vtime counts; compared, never followed */
    uint32_t inverse_weight;             /* 100 / weight, 16 fractional bits */
    uint8_t state;
    uint8_t band;  /* its own: a rank */
    uint8_t floor; /* the donor's rank; 0: none */
    uint8_t rank;  /* in effect: the heap it is or was in */
    bool exhausted;
    bool release_armed;
    bool
        keeps_donor; /* it parks without having answered, and goes on working for the donor afterwards */
} kp_sched_entity_t;

struct kp_sched_queue {
    kp_heap_t ready[KP_SCHED_RANKS];
    kp_heap_t releases;
    int64_t clock[KP_SCHED_RANKS]; /* least virtual time, never goes back */
    uint32_t counts[KP_SCHED_RANKS];
    uint32_t count;             /* ready threads */
    uint32_t occupied;          /* bit: the rank's heap is not empty */
    kp_sched_entity_t *current; /* NULL: idle */
    kp_time_t charged;          /* current has paid up to here */
    kp_time_t slice_end;
};

/* A zeroed queue is empty and idle. A new thread of a rank, weight 100. */
void kp_sched_entity_init(kp_sched_entity_t *entity, uint8_t rank);

/* Band, weight, budget and period from a policy that the core has checked; out of range values are
   brought into range. The entity may be in any state; queue: its CPU's. The cap is not touched. */
void kp_sched_set_policy(kp_sched_queue_t *queue, kp_sched_entity_t *entity,
                         const kp_job_policy_t *policy, kp_time_t now);

/* An entity that was OUT becomes ready. True: it should run before the current one. */
bool kp_sched_wake(kp_sched_queue_t *queue, kp_sched_entity_t *entity, kp_time_t now);
/* The current one leaves: it parks or ends. */
void kp_sched_block(kp_sched_queue_t *queue, kp_time_t now);
/* The current one goes back into the queue (or waits for its cap). */
void kp_sched_put(kp_sched_queue_t *queue, kp_time_t now);
/* Takes the next one to run and makes it current; NULL: idle. */
kp_sched_entity_t *kp_sched_pick(kp_sched_queue_t *queue, kp_time_t now);
/* Charges the current one for the time up to now. */
void kp_sched_charge(kp_sched_queue_t *queue, kp_time_t now);
/* After an interrupt of the timer: charges, renews caps and budgets. True: pick again. */
bool kp_sched_tick(kp_sched_queue_t *queue, kp_time_t now);
/* When the timer must interrupt next; KP_TIME_INFINITE: never. */
kp_time_t kp_sched_next(const kp_sched_queue_t *queue, kp_time_t now);

/* May the current thread hand the CPU to one that is OUT, past the queue? */
bool kp_sched_may_hand_off(const kp_sched_queue_t *queue, const kp_sched_entity_t *to,
                           kp_time_t now);
/* The current one parks and `to` is current at once. */
void kp_sched_hand_off(kp_sched_queue_t *queue, kp_sched_entity_t *to, kp_time_t now);

/* The same lending, where the CPU cannot be handed over: from who is about to park until `entity` answers. Nothing
   happens when that has its rank anyway, works for another, or is the one that is answered. The entity may be in
   any state; queue: its CPU's. lent: the donor's rank. True: it should perhaps run at once. */
bool kp_sched_lend(kp_sched_queue_t *queue, kp_sched_entity_t *entity,
                   const kp_sched_entity_t *donor, uint8_t lent, kp_time_t now);

/* A ready thread that another CPU may take, already removed; NULL: none. Deadline threads stay where
   they were admitted. above: only of ranks above this one (-1: all). */
kp_sched_entity_t *kp_sched_steal(kp_sched_queue_t *queue, int above, kp_time_t now);

/* Admission: share of a CPU in 1/1024 that the policy asks for. */
uint32_t kp_sched_share(const kp_job_policy_t *policy);
enum { KP_SCHED_SHARE_MAX = 819 }; /* 80 % */

/* What the CPUs are doing, for placement; read without locks, so only a hint. */
enum { KP_SCHED_CPUS_MAX = 32 };
typedef struct kp_sched_view {
    uint32_t count;                           /* CPUs that run threads */
    _Atomic uint32_t idle;                    /* bit: CPU */
    _Atomic uint8_t rank[KP_SCHED_CPUS_MAX];  /* of the running thread, plus 1; 0: idle */
    _Atomic uint32_t load[KP_SCHED_CPUS_MAX]; /* ready and running threads */
} kp_sched_view_t;

/* The CPU for a thread that wakes: where it was if that is idle or runs something lower, else an idle
   one, else the one that runs the lowest. */
unsigned kp_sched_place(const kp_sched_view_t *view, unsigned previous, uint8_t rank);
/* A CPU with at least `difference` more threads than CPU `self`; -1: none. */
int kp_sched_busiest(const kp_sched_view_t *view, unsigned self, uint32_t difference);

#endif
