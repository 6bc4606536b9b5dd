#include "kernel/object/derivation.h"

#include "kernel/object/wait.h"

#define REVOKE_BATCH 16u   /* nodes moved or taken while the tree is locked */
#define ANCESTORS_SEEN 64u /* how far up a duplication looks for a revocation in progress */

typedef struct derivation_tree {
    kp_spinlock_t lock;
    atomic_uint nodes; /* whose memory exists */
} derivation_tree_t;

struct kp_derivation {
    kp_spinlock_t lock;
    atomic_uint references;         /* its capability, its place in the tree, who works with it */
    kp_handle_t handle;             /* of place; guarded by: lock */
    const kp_handle_table_t *table; /* of place: compared, never followed; guarded by: lock */
    kp_object_t *object;     /* a reference and a capability count; NULL: closed or revoked; guarded
                                by: lock */
    derivation_tree_t *tree; /* never changes */
    /* The rest is guarded by: tree->lock. */
    kp_derivation_t *parent;
    kp_list_t children; /* kp_derivation_t.link */
    kp_list_t link;     /* in parent->children */
    uint32_t child_count;
    uint32_t pins; /* revocations of what is below it, in progress */
    bool attached; /* part of the tree: not revoked, and not gone with its capability */
    bool open;     /* its capability exists */
    bool doomed;   /* a revocation has begun to take its children: it is next */
};

static kp_derivation_t *node_create(derivation_tree_t *tree, kp_object_t *object)
{
    kp_derivation_t *node = kp_kalloc(sizeof(*node));
    if (!node)
        return NULL;
    kp_spin_init(&node->lock);
    atomic_init(&node->references, 2);
    node->object = object;
    node->tree = tree;
    kp_list_init(&node->children);
    kp_list_init(&node->link);
    node->attached = node->open = true;
    atomic_fetch_add_explicit(&tree->nodes, 1, memory_order_relaxed);
    return node;
}

kp_derivation_t *kp_derivation_create(kp_object_t *object)
{
    derivation_tree_t *tree = kp_kalloc(sizeof(*tree));
    if (!tree)
        return NULL;
    kp_spin_init(&tree->lock);
    kp_derivation_t *node = node_create(tree, object);
    if (!node)
        kp_kfree(tree);
    return node;
}

kp_derivation_t *kp_derivation_acquire(kp_derivation_t *node)
{
    atomic_fetch_add_explicit(&node->references, 1, memory_order_relaxed);
    return node;
}

void kp_derivation_release(kp_derivation_t *node)
{
    unsigned before = atomic_fetch_sub_explicit(&node->references, 1, memory_order_acq_rel);
    KP_CHECK(before > 0);
    if (before != 1)
        return;
    KP_CHECK(!node->object && kp_list_is_empty(&node->children));
    derivation_tree_t *tree = node->tree;
    kp_kfree(node);
    if (atomic_fetch_sub_explicit(&tree->nodes, 1, memory_order_acq_rel) == 1)
        kp_kfree(tree);
}

kp_object_t *kp_derivation_object(kp_derivation_t *node)
{
    kp_spin_lock(&node->lock);
    kp_object_t *object = node->object ? kp_object_acquire(node->object) : NULL;
    kp_spin_unlock(&node->lock);
    return object;
}

bool kp_derivation_is_revoked(kp_derivation_t *node)
{
    kp_spin_lock(&node->lock);
    bool revoked = !node->object;
    kp_spin_unlock(&node->lock);
    return revoked;
}

void kp_derivation_place(kp_derivation_t *node, const kp_handle_table_t *table, kp_handle_t handle)
{
    kp_spin_lock(&node->lock);
    node->table = table;
    node->handle = handle;
    kp_spin_unlock(&node->lock);
}

/* Is the node about to be revoked? A revocation far above is not seen; it takes what is made meanwhile
   when it comes there. Tree lock held. */
static bool node_is_doomed(const kp_derivation_t *node)
{
    if (!node->attached || node->doomed)
        return true;
    const kp_derivation_t *above = node->parent;
    for (unsigned i = 0; above && i < ANCESTORS_SEEN; i++, above = above->parent) {
        if (above->pins)
            return true;
    }
    return false;
}

kp_status_t kp_derivation_derive(kp_derivation_t *parent, kp_derivation_t **child)
{
    derivation_tree_t *tree = parent->tree;
    kp_derivation_t *node = node_create(tree, NULL);
    if (!node)
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&tree->lock);
    bool doomed = node_is_doomed(parent);
    if (!doomed) {
        kp_spin_lock(&parent->lock);
        KP_ASSERT(parent->object); /* only a revocation takes it from an open capability */
        node->object = kp_capability_create(parent->object, 0).object;
        kp_spin_unlock(&parent->lock);
        node->parent = parent;
        parent->child_count++;
        kp_list_append(&parent->children, &node->link);
    }
    kp_spin_unlock(&tree->lock);
    if (doomed) {
        kp_derivation_release(node);
        kp_derivation_release(node);
        return KP_ERR_REVOKED;
    }
    *child = node;
    return KP_OK;
}

/* Takes a node without children out of the tree: its reference there is the caller's. */
static void node_detach(kp_derivation_t *node)
{
    kp_list_remove(&node->link);
    if (node->parent)
        node->parent->child_count--;
    node->parent = NULL;
    node->attached = false;
}

/* Takes out a node whose capability is gone if no two children need it; then its parent may be in the
   same case, but that one's parent not. Detached nodes go to `gone`. Tree lock held. */
static unsigned node_settle(kp_derivation_t *node, kp_derivation_t *gone[2])
{
    unsigned count = 0;
    while (node && !node->open && !node->pins && node->child_count < 2) {
        kp_derivation_t *parent = node->parent;
        bool had_child = node->child_count == 1;
        if (had_child) {
            kp_derivation_t *child = KP_CONTAINER_OF(node->children.next, kp_derivation_t, link);
            kp_list_remove(&child->link);
            node->child_count = 0;
            child->parent = parent;
            if (parent) {
                kp_list_append(&parent->children, &child->link);
                parent->child_count++;
            }
        }
        node_detach(node);
        KP_CHECK(count < 2);
        gone[count++] = node;
        if (had_child)
            break;
        node = parent;
    }
    return count;
}

/* What a node had, after it cannot be used any more. */
typedef struct stripped {
    kp_derivation_t *node;
    kp_capability_t capability;
    const kp_handle_table_t *table;
    kp_handle_t handle;
} stripped_t;

static stripped_t node_strip(kp_derivation_t *node)
{
    kp_spin_lock(&node->lock);
    stripped_t stripped = {.node = node,
                           .capability = {.object = node->object},
                           .table = node->table,
                           .handle = node->handle};
    node->object = NULL;
    node->table = NULL;
    kp_spin_unlock(&node->lock);
    return stripped;
}

void kp_derivation_close(kp_derivation_t *node)
{
    derivation_tree_t *tree = node->tree;
    kp_derivation_t *gone[2];
    unsigned count = 0;
    stripped_t stripped =
        node_strip(node); /* its waits were ended by who took it out of its slot */
    kp_capability_close(&stripped.capability);
    kp_spin_lock(&tree->lock);
    node->open = false;
    if (node->attached)
        count = node_settle(node, gone);
    kp_spin_unlock(&tree->lock);
    while (count > 0)
        kp_derivation_release(gone[--count]);
    kp_derivation_release(node);
}

/* One batch of a revocation: moves grandchildren up; children without children are taken out, and cannot
   be used from then on. Returns how many were taken. Tree lock held. */
static unsigned revoke_batch(kp_derivation_t *node, stripped_t taken[REVOKE_BATCH])
{
    unsigned count = 0;
    for (unsigned step = 0; step < REVOKE_BATCH && !kp_list_is_empty(&node->children); step++) {
        kp_derivation_t *child = KP_CONTAINER_OF(node->children.next, kp_derivation_t, link);
        if (kp_list_is_empty(&child->children)) {
            node_detach(child);
            taken[count++] = node_strip(child);
            continue;
        }
        kp_derivation_t *grandchild = KP_CONTAINER_OF(child->children.next, kp_derivation_t, link);
        kp_list_remove(&grandchild->link);
        child->child_count--;
        child->doomed = true;
        grandchild->parent = node;
        node->child_count++;
        kp_list_append(&node->children, &grandchild->link);
    }
    return count;
}

/* Ends the waits by what was taken, and gives it up. */
static void revoke_finish(stripped_t *taken)
{
    if (taken->capability.object && taken->table)
        kp_wait_end(taken->capability.object, taken->table, taken->handle, KP_ERR_REVOKED);
    kp_capability_close(&taken->capability);
    kp_derivation_release(taken->node);
}

kp_status_t kp_derivation_revoke(kp_derivation_t *node)
{
    derivation_tree_t *tree = node->tree;
    kp_status_t status = KP_OK;
    stripped_t taken[REVOKE_BATCH];
    kp_derivation_t *gone[2];
    unsigned gone_count = 0;
    kp_spin_lock(&tree->lock);
    node->pins++;
    for (bool done = false; !done;) {
        unsigned count = revoke_batch(node, taken);
        done = kp_list_is_empty(&node->children);
        if (done) {
            node->pins--;
            if (!node->attached || node->doomed)
                status = KP_ERR_REVOKED; /* and what was below it is the other's to end */
            if (node->attached)
                gone_count = node_settle(node, gone);
        }
        kp_spin_unlock(&tree->lock);
        for (unsigned i = 0; i < count; i++)
            revoke_finish(&taken[i]);
        if (!done)
            kp_spin_lock(&tree->lock);
    }
    while (gone_count > 0)
        kp_derivation_release(gone[--gone_count]);
    return status;
}
