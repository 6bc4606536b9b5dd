/* Handle tables: what a process can name. O(1) lookups; values are scrambled with secrets of the
   table and carry a generation, so that neither a guess nor a stale value finds another object.

   A slot is free, reserved or open. Calls that move several handles first reserve slots (may fail)
   and then fill them (cannot fail): decode, then perform. */
#ifndef KP_KERNEL_HANDLE_H
#define KP_KERNEL_HANDLE_H

#include "kernel/object/object.h"
#include "kernel/object/quota.h"

#define KP_HANDLE_INDEX_BITS 18u
#define KP_HANDLE_CHUNK 64u /* slots allocated at a time */

typedef struct kp_handle_slot kp_handle_slot_t;

typedef struct kp_handle_table {
    kp_spinlock_t lock; /* guards everything here; object locks may not be held when taking it */
    kp_handle_slot_t **chunks;
    uint32_t chunk_count;
    uint32_t chunk_capacity; /* pointers that `chunks` has room for */
    uint32_t free_first;     /* free slots, first in first out, to delay reuse; UINT32_MAX: none */
    uint32_t free_last;
    uint32_t open_count; /* open and reserved slots */
    uint32_t multiplier; /* odd secret, and its inverse modulo 2^30 */
    uint32_t inverse;
    uint32_t mask;     /* secret */
    bool closed;       /* after kp_handle_table_clear: nothing can be added */
    kp_quota_t *quota; /* borrowed from the process; charged per slot in use */
} kp_handle_table_t;

void kp_handle_table_init(kp_handle_table_t *table, kp_quota_t *quota);
/* Closes every handle and refuses new ones (a dying process). Frees all memory. */
void kp_handle_table_clear(kp_handle_table_t *table);

/* Finds an open handle: *object gets a reference (release it), *rights its rights. */
kp_status_t kp_handle_lookup(kp_handle_table_t *table, kp_handle_t handle, kp_object_t **object,
                             kp_rights_t *rights);
/* The same with type (0: any) and rights checked: ERR_WRONG_TYPE, ERR_ACCESS_DENIED. */
kp_status_t kp_handle_lookup_typed(kp_handle_table_t *table, kp_handle_t handle, uint32_t type,
                                   kp_rights_t need, kp_object_t **object);

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

/* Closes: waits on this handle end with ERR_CANCELLED. */
kp_status_t kp_handle_close(kp_handle_table_t *table, kp_handle_t handle);

/* Lifts capabilities out of their slots (each must have the rights `need`, no handle twice); the
   slots stay reserved, to be settled (nothing happened) or unreserved (the handles are gone). Waits
   by these handles are the caller's to cancel (kp_wait_cancel) once the move is certain. All or
   none. */
kp_status_t kp_handle_lift(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                           kp_rights_t need, kp_capability_t *capabilities);
/* Undoes a lift: the same handles name the same capabilities again (taken). When the table was
   cleared meanwhile the capabilities are closed. */
void kp_handle_settle(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                      kp_capability_t *capabilities);

#endif
