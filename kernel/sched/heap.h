/* An intrusive pairing heap: least key first. Not locked; the owner of the heap does that. */
#ifndef KP_SCHED_HEAP_H
#define KP_SCHED_HEAP_H

#include "kernel/base/base.h"

typedef struct kp_heap_node {
    /* A node's children form a list by sibling; previous is the left sibling, or the parent for
       the first child, or NULL for the root. */
    struct kp_heap_node *child, *sibling, *previous;
    int64_t key;
} kp_heap_node_t;

/* Zeroed: empty. */
typedef struct kp_heap {
    kp_heap_node_t *root;
} kp_heap_t;

/* O(1). The node must not be in a heap. */
void kp_heap_add(kp_heap_t *heap, kp_heap_node_t *node, int64_t key);
/* O(log n) amortised. The node must be in this heap. */
void kp_heap_remove(kp_heap_t *heap, kp_heap_node_t *node);

static inline kp_heap_node_t *kp_heap_first(const kp_heap_t *heap)
{
    return heap->root;
}

#endif
