/* A queue of deadlines with slack: portable, O(log n), without ticks. Each entry may be served anywhere
   between its deadline and deadline + slack. The queue says when it must be woken at the latest so that
   nobody is late; whoever is woken then serves all whose deadline has come, so entries whose spans
   overlap share a wake-up. No locks: the owner's. */
#ifndef KP_KERNEL_DEADLINE_H
#define KP_KERNEL_DEADLINE_H

#include "kernel/base/tree.h"

typedef struct kp_deadline {
    kp_tree_node_t node; /* key: deadline; value: deadline + slack */
} kp_deadline_t;

typedef struct kp_deadline_queue {
    kp_tree_t tree;
} kp_deadline_queue_t;

static inline void kp_deadline_queue_init(kp_deadline_queue_t *queue, uint64_t seed)
{
    kp_tree_init(&queue->tree, seed);
}

/* The entry must not be queued. A deadline before 0 counts as 0. */
void kp_deadline_add(kp_deadline_queue_t *queue, kp_deadline_t *entry, kp_time_t deadline,
                     uint64_t slack);
/* Harmless for one that is not queued. */
void kp_deadline_remove(kp_deadline_queue_t *queue, kp_deadline_t *entry);
static inline bool kp_deadline_is_queued(const kp_deadline_t *entry)
{
    return entry->node.is_linked;
}

/* When the queue has to be served next; KP_TIME_INFINITE: never. */
kp_time_t kp_deadline_next(const kp_deadline_queue_t *queue);
/* Takes out the earliest entry whose deadline has come, or NULL. */
kp_deadline_t *kp_deadline_pop(kp_deadline_queue_t *queue, kp_time_t now);

#endif
