/* A pairing heap. A node's children form a list by timer_sibling; timer_previous is the left
   sibling, or the parent for the first child, or NULL for the root. */
#include "kernel/machine/x86_64/timer.h"

static kp_machine_thread_t *meld(kp_machine_thread_t *a, kp_machine_thread_t *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline < a->deadline) {
        kp_machine_thread_t *swap = a;
        a = b;
        b = swap;
    }
    b->timer_previous = a;
    b->timer_sibling = a->timer_child;
    if (b->timer_sibling)
        b->timer_sibling->timer_previous = b;
    a->timer_child = b;
    return a;
}

/* Joins the children of a node that leaves: in pairs from the left, then all from the right. */
static kp_machine_thread_t *meld_children(kp_machine_thread_t *first)
{
    kp_machine_thread_t *pairs = NULL;
    while (first) {
        kp_machine_thread_t *second = first->timer_sibling;
        kp_machine_thread_t *rest = second ? second->timer_sibling : NULL;
        first->timer_sibling = first->timer_previous = NULL;
        if (second)
            second->timer_sibling = second->timer_previous = NULL;
        kp_machine_thread_t *pair = meld(first, second);
        pair->timer_sibling = pairs;
        pairs = pair;
        first = rest;
    }
    kp_machine_thread_t *heap = NULL;
    while (pairs) {
        kp_machine_thread_t *next = pairs->timer_sibling;
        pairs->timer_sibling = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

void kp_x86_timers_add(kp_x86_timers_t *timers, kp_machine_thread_t *thread, kp_time_t deadline)
{
    thread->deadline = deadline;
    thread->timer_child = thread->timer_sibling = thread->timer_previous = NULL;
    thread->timer_armed = true;
    timers->root = meld(timers->root, thread);
}

void kp_x86_timers_remove(kp_x86_timers_t *timers, kp_machine_thread_t *thread)
{
    if (!thread->timer_armed)
        return;
    thread->timer_armed = false;
    kp_machine_thread_t *children = meld_children(thread->timer_child);
    thread->timer_child = NULL;
    if (timers->root == thread) {
        timers->root = children;
        return;
    }
    if (thread->timer_previous->timer_child == thread)
        thread->timer_previous->timer_child = thread->timer_sibling;
    else
        thread->timer_previous->timer_sibling = thread->timer_sibling;
    if (thread->timer_sibling)
        thread->timer_sibling->timer_previous = thread->timer_previous;
    thread->timer_sibling = thread->timer_previous = NULL;
    timers->root = meld(timers->root, children);
}

kp_time_t kp_x86_timers_first(const kp_x86_timers_t *timers)
{
    return timers->root ? timers->root->deadline : KP_TIME_INFINITE;
}

kp_machine_thread_t *kp_x86_timers_pop(kp_x86_timers_t *timers, kp_time_t now)
{
    kp_machine_thread_t *first = timers->root;
    if (!first || first->deadline > now)
        return NULL;
    kp_x86_timers_remove(timers, first);
    return first;
}
