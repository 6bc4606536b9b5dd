#include "kernel/time/deadline.h"

void kp_deadline_add(kp_deadline_queue_t *queue, kp_deadline_t *entry, kp_time_t deadline,
                     uint64_t slack)
{
    entry->node.key = (uint64_t)KP_MAX(deadline, 0);
    uint64_t room = (uint64_t)KP_TIME_INFINITE - entry->node.key;
    entry->node.value = entry->node.key + KP_MIN(slack, room);
    kp_tree_insert(&queue->tree, &entry->node);
}

void kp_deadline_remove(kp_deadline_queue_t *queue, kp_deadline_t *entry)
{
    kp_tree_remove(&queue->tree, &entry->node);
}

kp_time_t kp_deadline_next(const kp_deadline_queue_t *queue)
{
    return (kp_time_t)KP_MIN(kp_tree_minimum(&queue->tree), (uint64_t)KP_TIME_INFINITE);
}

kp_deadline_t *kp_deadline_pop(kp_deadline_queue_t *queue, kp_time_t now)
{
    kp_tree_node_t *node = kp_tree_first(&queue->tree);
    if (!node || node->key > (uint64_t)KP_MAX(now, 0))
        return NULL;
    kp_tree_remove(&queue->tree, node);
    return KP_CONTAINER_OF(node, kp_deadline_t, node);
}
