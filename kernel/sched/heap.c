#include "kernel/sched/heap.h"

static kp_heap_node_t *meld(kp_heap_node_t *a, kp_heap_node_t *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->key < a->key) {
        kp_heap_node_t *swap = a;
        a = b;
        b = swap;
    }
    b->previous = a;
    b->sibling = a->child;
    if (b->sibling)
        b->sibling->previous = b;
    a->child = b;
    return a;
}

/* Joins the children of a node that leaves: in pairs from the left, then all from the right. */
static kp_heap_node_t *meld_children(kp_heap_node_t *first)
{
    kp_heap_node_t *pairs = NULL;
    while (first) {
        kp_heap_node_t *second = first->sibling;
        kp_heap_node_t *rest = second ? second->sibling : NULL;
        first->sibling = first->previous = NULL;
        if (second)
            second->sibling = second->previous = NULL;
        kp_heap_node_t *pair = meld(first, second);
        pair->sibling = pairs;
        pairs = pair;
        first = rest;
    }
    kp_heap_node_t *heap = NULL;
    while (pairs) {
        kp_heap_node_t *next = pairs->sibling;
        pairs->sibling = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

void kp_heap_add(kp_heap_t *heap, kp_heap_node_t *node, int64_t key)
{
    node->key = key;
    node->child = node->sibling = node->previous = NULL;
    heap->root = meld(heap->root, node);
}

void kp_heap_remove(kp_heap_t *heap, kp_heap_node_t *node)
{
    kp_heap_node_t *children = meld_children(node->child);
    node->child = NULL;
    if (heap->root == node) {
        heap->root = children;
        return;
    }
    if (node->previous->child == node)
        node->previous->child = node->sibling;
    else
        node->previous->sibling = node->sibling;
    if (node->sibling)
        node->sibling->previous = node->previous;
    node->sibling = node->previous = NULL;
    heap->root = meld(heap->root, children);
}
