/* Handle tables: what a process can name. O(1) lookups; values are scrambled with secrets of the
   table and carry a generation, so that neither a guess nor a stale value finds another object.

   What a queued message carries takes part in revocation: a handle that was revoked on its way arrives as
   one that says ERR_REVOKED.

   A slot is free, reserved or open. Calls that move several handles first reserve slots (may fail)
   and then fill them (cannot fail): decode, then perform. */
#ifndef KP_KERNEL_HANDLE_H
#define KP_KERNEL_HANDLE_H

#include "kernel/base/nospec.h"
#include "kernel/object/object.h"
#include "kernel/object/quota.h"

/* A value is a generation and an index, multiplied by an odd secret modulo 2^30 (a bijection), masked by
   another secret, and made odd so that none is 0. */
#define KP_HANDLE_VALUE_BITS 30u
#define KP_HANDLE_VALUE_MASK ((1u << KP_HANDLE_VALUE_BITS) - 1)
#define KP_HANDLE_INDEX_BITS 18u
#define KP_HANDLE_INDEX_MASK ((1u << KP_HANDLE_INDEX_BITS) - 1)
#define KP_HANDLE_CHUNK 64u /* slots allocated at a time */

/* Words of a slot's tag: generation << 2 | state. */
enum {
    KP_HANDLE_FREE = 0,
    KP_HANDLE_RESERVED = 1,
    KP_HANDLE_OPEN = 2,
    KP_HANDLE_DERIVED = 3, /* open, and the capability has relatives */
};

typedef struct kp_handle_slot {
    union {
        kp_object_t *object;         /* OPEN: one reference, one capability */
        kp_derivation_t *derivation; /* DERIVED */
        uint32_t next_free;          /* FREE */
    };
    kp_rights_t rights;
    uint32_t tag;
} kp_handle_slot_t;

typedef struct kp_handle_table {
    kp_spinlock_t lock; /* guards everything here; object locks may not be held when taking it */
    /* More than one thread of the process makes calls, or someone else closes its handles. */
    bool shared;
    bool closed; /* after kp_handle_table_clear: nothing can be added */
    kp_handle_slot_t **chunks;
    uint32_t slot_count; /* in all chunks */
    uint32_t multiplier; /* odd secret, and its inverse modulo 2^30 */
    uint32_t inverse;
    uint32_t mask;           /* secret */
    uint32_t chunk_capacity; /* pointers that `chunks` has room for */
    uint32_t free_first;     /* free slots, first in first out, to delay reuse; UINT32_MAX: none */
    uint32_t free_last;
    uint32_t open_count; /* open and reserved slots */
    kp_quota_t *quota;   /* borrowed from the process; charged per slot in use */
} kp_handle_table_t;

void kp_handle_table_init(kp_handle_table_t *table, kp_quota_t *quota);
/* Closes every handle and refuses new ones (a dying process). Frees all memory. */
void kp_handle_table_clear(kp_handle_table_t *table);

/* Before a second thread of the process runs, or another than its own closes handles: from now on
   every kp_handle_use takes a reference. */
void kp_handle_table_share(kp_handle_table_t *table);

/* ---- For the length of a call ---- */

/* A handle in use by one call of the table's process. */
typedef struct kp_handle_use {
    kp_object_t *object;
    kp_rights_t rights;
    bool held; /* with a reference of its own */
} kp_handle_use_t;

kp_status_t kp_handle_use_held(kp_handle_table_t *table, kp_handle_t handle, kp_handle_use_t *use);

/* Finds a handle for the calling thread's own call; kp_handle_unuse ends it. ERR_BAD_HANDLE,
   ERR_REVOKED.

   While the process has one thread nobody closes its handles behind its back: capabilities without
   relatives cannot be revoked, and a dying process's table is cleared when its thread has left. So then
   the slot's own reference serves, without lock or atomic operation. Calls that close or move the
   handle they work on do not use the object afterwards.

   kp_handle_slot_unshared is this part of it: the slot, or NULL when kp_handle_use_held must look. handle
   may be any number. */
static inline const kp_handle_slot_t *kp_handle_slot_unshared(const kp_handle_table_t *table,
                                                              uint64_t handle)
{
    uint32_t plain =
        ((((uint32_t)handle >> 1) ^ table->mask) * table->inverse) & KP_HANDLE_VALUE_MASK;
    uint32_t index = plain & KP_HANDLE_INDEX_MASK;
    if (__builtin_expect(
            table->shared || index >= table->slot_count || (handle & 0xffffffff80000001u) != 1, 0))
        return NULL;
    index = (uint32_t)kp_index_nospec(index, table->slot_count);
    const kp_handle_slot_t *slot = &table->chunks[index / KP_HANDLE_CHUNK][index % KP_HANDLE_CHUNK];
    uint32_t tag = plain >> KP_HANDLE_INDEX_BITS << 2 | KP_HANDLE_OPEN;
    return __builtin_expect(slot->tag == tag, 1) ? slot : NULL;
}

static inline kp_status_t kp_handle_use(kp_handle_table_t *table, kp_handle_t handle,
                                        kp_handle_use_t *use)
{
    const kp_handle_slot_t *slot = kp_handle_slot_unshared(table, handle);
    if (__builtin_expect(!slot, 0))
        return kp_handle_use_held(table, handle, use);
    use->object = slot->object;
    use->rights = slot->rights;
    use->held = false;
    return KP_OK;
}

static inline void kp_handle_unuse(const kp_handle_use_t *use)
{
    if (__builtin_expect(use->held, 0))
        kp_object_release(use->object);
}

/* ---- With a reference ---- */

/* No slot is open or reserved. */
bool kp_handle_table_is_empty(kp_handle_table_t *table);

/* Finds an open handle: *object gets a reference (release it), *rights its rights. ERR_BAD_HANDLE,
   ERR_REVOKED. */
kp_status_t kp_handle_lookup(kp_handle_table_t *table, kp_handle_t handle, kp_object_t **object,
                             kp_rights_t *rights);
/* The same with type (0: any) and rights checked: ERR_WRONG_TYPE, ERR_ACCESS_DENIED. */
kp_status_t kp_handle_lookup_typed(kp_handle_table_t *table, kp_handle_t handle, uint32_t type,
                                   kp_rights_t need, kp_object_t **object);

/* ---- Derivation (kernel/object/derivation.h) ---- */

/* A new handle, derived from this one, with a subset of its rights (or KP_RIGHTS_SAME).
   ERR_ACCESS_DENIED, ERR_INVALID_ARGUMENT, ERR_QUOTA, ERR_NO_MEMORY. Thread context. */
kp_status_t kp_handle_duplicate(kp_handle_table_t *table, kp_handle_t handle, uint64_t rights,
                                kp_handle_t *duplicate);
/* Revokes all that was derived from the handle. Thread context. */
kp_status_t kp_handle_revoke(kp_handle_table_t *table, kp_handle_t handle);

/* ---- Adding, closing, moving ---- */

/* Takes count free slots: ERR_QUOTA, ERR_NO_MEMORY, ERR_PROCESS_DEAD; all or none. */
kp_status_t kp_handle_reserve(kp_handle_table_t *table, uint32_t count, kp_handle_t *handles);
/* Opens a reserved slot with the capability (taken). When the table was cleared meanwhile the
   capability is closed. */
void kp_handle_fill(kp_handle_table_t *table, kp_handle_t handle, kp_capability_t capability);
/* Gives reserved slots back. */
void kp_handle_unreserve(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles);
/* Reserve and fill one. On error the capability stays the caller's. */
kp_status_t kp_handle_add(kp_handle_table_t *table, kp_capability_t capability,
                          kp_handle_t *handle);

/* Closes, also a revoked one: waits by this handle end with ERR_CANCELLED. */
kp_status_t kp_handle_close(kp_handle_table_t *table, kp_handle_t handle);

/* Lifts capabilities out of their slots (each must have the rights `need`, none revoked, no handle
   twice); the slots stay reserved, to be settled (nothing happened) or unreserved (the handles are gone). Waits
   by these handles are the caller's to cancel (kp_wait_cancel) once the move is certain. All or
   none. */
kp_status_t kp_handle_lift(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                           kp_rights_t need, kp_capability_t *capabilities);
/* Undoes a lift: the same handles name the same capabilities again (taken). When the table was
   cleared meanwhile the capabilities are closed. */
void kp_handle_settle(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                      kp_capability_t *capabilities);

#endif
