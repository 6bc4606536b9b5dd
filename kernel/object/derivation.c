#include "kernel/object/derivation.h"

#include "kernel/object/wait.h"

#define REVOKE_BATCH 16u /* nodes moved or taken while the tree is locked */
#define WAIT_NS ((kp_time_t)20000)

typedef struct derivation_tree {
    kp_spinlock_t lock;
    atomic_uint nodes; /* whose memory exists */
    bool revoking;     /* guarded by: lock */
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
    bool attached; /* part of the tree: not revoked, and not gone with its capability */
    bool open;     /* its capability exists */
    bool pinned;   /* a revocation below it is in progress */
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

kp_status_t kp_derivation_derive(kp_derivation_t *parent, kp_derivation_t **child)
{
    derivation_tree_t *tree = parent->tree;
    kp_derivation_t *node = node_create(tree, NULL);
    if (!node)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = KP_OK;
    kp_spin_lock(&tree->lock);
    if (tree->revoking) {
        status = KP_ERR_SHOULD_WAIT;
    } else if (!parent->attached) {
        status = KP_ERR_REVOKED;
    } else {
        kp_spin_lock(&parent->lock);
        KP_ASSERT(parent->object); /* only a revocation takes it from an open capability */
        node->object = kp_capability_create(parent->object, 0).object;
        kp_spin_unlock(&parent->lock);
        node->parent = parent;
        parent->child_count++;
        kp_list_append(&parent->children, &node->link);
    }
    kp_spin_unlock(&tree->lock);
    if (status != KP_OK) {
        kp_derivation_release(node);
        kp_derivation_release(node);
        return status;
    }
    *child = node;
    return KP_OK;
}

void kp_derivation_wait(kp_derivation_t *node)
{
    derivation_tree_t *tree = node->tree;
    for (;;) {
        kp_spin_lock(&tree->lock);
        bool revoking = tree->revoking;
        kp_spin_unlock(&tree->lock);
        if (!revoking)
            return;
        (void)kp_machine_thread_park(kp_machine_now() + WAIT_NS);
    }
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
    while (node && !node->open && !node->pinned && node->child_count < 2) {
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

/* Gives up the object; waits by the capability end with reason (KP_OK: they have). */
static void node_strip(kp_derivation_t *node, kp_status_t reason)
{
    kp_spin_lock(&node->lock);
    kp_capability_t capability = {.object = node->object};
    const kp_handle_table_t *table = node->table;
    kp_handle_t handle = node->handle;
    node->object = NULL;
    node->table = NULL;
    kp_spin_unlock(&node->lock);
    if (capability.object && table && reason != KP_OK)
        kp_wait_end(capability.object, table, handle, reason);
    kp_capability_close(&capability);
}

void kp_derivation_close(kp_derivation_t *node)
{
    derivation_tree_t *tree = node->tree;
    kp_derivation_t *gone[2];
    unsigned count = 0;
    node_strip(node, KP_OK);
    kp_spin_lock(&tree->lock);
    node->open = false;
    if (node->attached)
        count = node_settle(node, gone);
    kp_spin_unlock(&tree->lock);
    while (count > 0)
        kp_derivation_release(gone[--count]);
    kp_derivation_release(node);
}

/* One batch of a revocation: moves grandchildren up, takes children without children out. True when
   nothing is left below node. Tree lock held. */
static bool revoke_batch(kp_derivation_t *node, kp_derivation_t *taken[REVOKE_BATCH],
                         unsigned *count)
{
    for (unsigned step = 0; step < REVOKE_BATCH; step++) {
        if (kp_list_is_empty(&node->children))
            return true;
        kp_derivation_t *child = KP_CONTAINER_OF(node->children.next, kp_derivation_t, link);
        if (kp_list_is_empty(&child->children)) {
            node_detach(child);
            taken[(*count)++] = child;
            continue;
        }
        kp_derivation_t *grandchild = KP_CONTAINER_OF(child->children.next, kp_derivation_t, link);
        kp_list_remove(&grandchild->link);
        child->child_count--;
        grandchild->parent = node;
        node->child_count++;
        kp_list_append(&node->children, &grandchild->link);
    }
    return kp_list_is_empty(&node->children);
}

void kp_derivation_revoke(kp_derivation_t *node)
{
    derivation_tree_t *tree = node->tree;
    kp_derivation_t *taken[REVOKE_BATCH];
    for (;;) {
        kp_spin_lock(&tree->lock);
        if (!tree->revoking)
            break;
        kp_spin_unlock(&tree->lock);
        kp_derivation_wait(node);
    }
    tree->revoking = node->pinned = true;
    bool done;
    do {
        unsigned count = 0, settled = 0;
        done = revoke_batch(node, taken, &count);
        kp_spin_unlock(&tree->lock);
        for (unsigned i = 0; i < count; i++) {
            node_strip(taken[i], KP_ERR_REVOKED);
            kp_derivation_release(taken[i]);
        }
        kp_spin_lock(&tree->lock);
        if (done) {
            tree->revoking = node->pinned = false;
            if (node->attached)
                settled = node_settle(node, taken);
            kp_spin_unlock(&tree->lock);
            while (settled > 0)
                kp_derivation_release(taken[--settled]);
        }
    } while (!done);
}
