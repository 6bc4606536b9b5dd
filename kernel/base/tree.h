/* An ordered tree whose nodes lie in their owners' structs: no memory of its own, O(log n) expected for
   every operation, whatever keys an adversary chooses (a treap with secret priorities). Each node
   carries a value besides its key, and the tree knows the least of all values. No locks: the owner's. */
#ifndef KP_KERNEL_TREE_H
#define KP_KERNEL_TREE_H

#include "kernel/base/base.h"

typedef struct kp_tree_node {
    struct kp_tree_node *child[2], *parent;
    uint64_t key;     /* set before insertion, then constant */
    uint64_t value;   /* likewise */
    uint64_t minimum; /* the tree's: least value of the subtree */
    uint32_t priority;
    bool is_linked;
} kp_tree_node_t;

typedef struct kp_tree {
    kp_tree_node_t *root;
    uint64_t random; /* state of the priorities' generator */
} kp_tree_t;

/* seed: secret where keys come from a process; any number else. */
void kp_tree_init(kp_tree_t *tree, uint64_t seed);
/* key and value are set, the rest is zero. Equal keys are allowed; they stay in order of insertion. */
void kp_tree_insert(kp_tree_t *tree, kp_tree_node_t *node);
/* Harmless for a node that is not linked. */
void kp_tree_remove(kp_tree_t *tree, kp_tree_node_t *node);
/* One with this key, or NULL. */
kp_tree_node_t *kp_tree_find(const kp_tree_t *tree, uint64_t key);
/* The one with the least key, or NULL. */
kp_tree_node_t *kp_tree_first(const kp_tree_t *tree);
/* The least value; UINT64_MAX in an empty tree. */
static inline uint64_t kp_tree_minimum(const kp_tree_t *tree)
{
    return tree->root ? tree->root->minimum : UINT64_MAX;
}

#endif
