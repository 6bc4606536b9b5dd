#include "kernel/base/tree.h"

void kp_tree_init(kp_tree_t *tree, uint64_t seed)
{
    tree->root = NULL;
    tree->random = seed ? seed : 1;
}

static void minimum_update(kp_tree_node_t *node)
{
    uint64_t least = node->value;
    for (int side = 0; side < 2; side++) {
        if (node->child[side] && node->child[side]->minimum < least)
            least = node->child[side]->minimum;
    }
    node->minimum = least;
}

/* Where the pointer to the node is kept. */
static kp_tree_node_t **place_of(kp_tree_t *tree, kp_tree_node_t *node)
{
    kp_tree_node_t *parent = node->parent;
    return parent ? &parent->child[parent->child[1] == node] : &tree->root;
}

/* The node takes its parent's place, the parent becomes its child. */
static void rotate_up(kp_tree_t *tree, kp_tree_node_t *node)
{
    kp_tree_node_t *parent = node->parent;
    int side = parent->child[1] == node;
    kp_tree_node_t *inner = node->child[!side];
    *place_of(tree, parent) = node;
    node->parent = parent->parent;
    node->child[!side] = parent;
    parent->parent = node;
    parent->child[side] = inner;
    if (inner)
        inner->parent = parent;
    minimum_update(parent);
    minimum_update(node);
}

void kp_tree_insert(kp_tree_t *tree, kp_tree_node_t *node)
{
    KP_ASSERT(!node->is_linked);
    tree->random ^= tree->random << 13;
    tree->random ^= tree->random >> 7;
    tree->random ^= tree->random << 17;
    node->priority = (uint32_t)(tree->random >> 32);
    node->child[0] = node->child[1] = node->parent = NULL;
    node->minimum = node->value;
    node->is_linked = true;
    kp_tree_node_t **place = &tree->root;
    while (*place) {
        node->parent = *place;
        if (node->value < node->parent->minimum)
            node->parent->minimum = node->value;
        place = &node->parent->child[node->key >= node->parent->key];
    }
    *place = node;
    while (node->parent && node->parent->priority < node->priority)
        rotate_up(tree, node);
}

void kp_tree_remove(kp_tree_t *tree, kp_tree_node_t *node)
{
    if (!node->is_linked)
        return;
    while (node->child[0] || node->child[1]) {
        int side = !node->child[0] ||
                   (node->child[1] && node->child[1]->priority > node->child[0]->priority);
        rotate_up(tree, node->child[side]);
    }
    *place_of(tree, node) = NULL;
    for (kp_tree_node_t *above = node->parent; above; above = above->parent)
        minimum_update(above);
    node->parent = NULL;
    node->is_linked = false;
}

kp_tree_node_t *kp_tree_find(const kp_tree_t *tree, uint64_t key)
{
    kp_tree_node_t *node = tree->root;
    while (node && node->key != key)
        node = node->child[key > node->key];
    return node;
}

kp_tree_node_t *kp_tree_first(const kp_tree_t *tree)
{
    kp_tree_node_t *node = tree->root;
    while (node && node->child[0])
        node = node->child[0];
    return node;
}
