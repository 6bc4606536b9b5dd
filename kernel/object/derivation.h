/* Derivation: which capability was duplicated from which, so that revoking one takes back all that came
   from it, wherever they are by then: in a handle table, in a queued message, on their way.

   A capability without relatives has no node. The first duplication makes one for both, and then the
   node, not the capability, owns the object's reference; to revoke is to take it out of the node, so
   nobody needs to know where the capability is. The place in a node only serves to end waits.

   Nodes of a tree name the same object. A node whose capability is closed stays while it has two
   children or more (its ancestors must still reach them), else its only child takes its place: so
   there are fewer such nodes than capabilities, and closing is O(1).

   Revoking takes the subtree down from above in small batches, without recursion, with no lock held
   between them. Nobody waits for it: what is below a node that is being revoked from can be used, closed
   and revoked from until its turn comes, but not duplicated, so the work has an end.

   Locks: the tree's guards its shape; a node's guards object and place. After a table's lock, in this
   order; before object locks. */
#ifndef KP_KERNEL_DERIVATION_H
#define KP_KERNEL_DERIVATION_H

#include "kernel/object/object.h"

typedef struct kp_handle_table kp_handle_table_t;

/* A node for a capability that has none: its reference and capability count move here. NULL: no memory
   (and they have not moved). */
kp_derivation_t *kp_derivation_create(kp_object_t *object);
/* A node below parent, with a reference and capability count of its own. ERR_REVOKED: it is, or is about to
   be. ERR_NO_MEMORY. */
kp_status_t kp_derivation_derive(kp_derivation_t *parent, kp_derivation_t **child);

/* Its object, referenced; NULL: it was revoked. Any lock that comes before may be held. */
kp_object_t *kp_derivation_object(kp_derivation_t *node);
bool kp_derivation_is_revoked(kp_derivation_t *node);
/* Where waits by the capability may be; table NULL: nowhere. */
void kp_derivation_place(kp_derivation_t *node, const kp_handle_table_t *table, kp_handle_t handle);

/* The node's capability is gone. Thread context, no locks held. */
void kp_derivation_close(kp_derivation_t *node);
/* Revokes all below node. When it returns KP_OK none of them can be used any more, their waits have been
   ended with ERR_REVOKED and their references are given up (calls in progress keep their own; so does,
   for a moment, another revocation that was taking part of them already). ERR_REVOKED: the node itself
   was revoked meanwhile. The caller holds the node; thread context, no locks held. */
kp_status_t kp_derivation_revoke(kp_derivation_t *node);

/* Keeps the memory of a node. */
kp_derivation_t *kp_derivation_acquire(kp_derivation_t *node);
void kp_derivation_release(kp_derivation_t *node);

#endif
