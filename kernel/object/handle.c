#include "kernel/object/handle.h"

#include "kernel/base/nospec.h"
#include "kernel/object/derivation.h"
#include "kernel/object/wait.h"

#define GENERATION_MASK ((1u << (KP_HANDLE_VALUE_BITS - KP_HANDLE_INDEX_BITS)) - 1)
#define NO_SLOT UINT32_MAX
#define STATE_MASK 3u

static kp_handle_t value_encode(const kp_handle_table_t *table, uint32_t index, uint32_t tag)
{
    uint32_t plain = ((tag >> 2) << KP_HANDLE_INDEX_BITS | index) & KP_HANDLE_VALUE_MASK;
    uint32_t mixed = ((plain * table->multiplier) & KP_HANDLE_VALUE_MASK) ^ table->mask;
    return mixed << 1 | 1;
}

static kp_handle_slot_t *slot_at(kp_handle_table_t *table, uint32_t index)
{
    return &table->chunks[index / KP_HANDLE_CHUNK][index % KP_HANDLE_CHUNK];
}

static uint32_t slot_state(const kp_handle_slot_t *slot)
{
    return slot->tag & STATE_MASK;
}

static void slot_set_state(kp_handle_slot_t *slot, uint32_t state)
{
    slot->tag = (slot->tag & ~STATE_MASK) | state;
}

/* The slot that the value names, in whatever state; NULL: none, or another generation. Lock held. */
static kp_handle_slot_t *slot_find(kp_handle_table_t *table, kp_handle_t handle,
                                   uint32_t *index_out)
{
    if (!(handle & 1) || handle >> (KP_HANDLE_VALUE_BITS + 1))
        return NULL;
    uint32_t plain = (((handle >> 1) ^ table->mask) * table->inverse) & KP_HANDLE_VALUE_MASK;
    uint32_t index = plain & KP_HANDLE_INDEX_MASK;
    if (index >= table->slot_count)
        return NULL;
    index = (uint32_t)kp_index_nospec(index, table->slot_count);
    kp_handle_slot_t *slot = slot_at(table, index);
    if (slot->tag >> 2 != plain >> KP_HANDLE_INDEX_BITS)
        return NULL;
    if (index_out)
        *index_out = index;
    return slot;
}

static kp_handle_slot_t *slot_find_open(kp_handle_table_t *table, kp_handle_t handle,
                                        uint32_t *index_out)
{
    kp_handle_slot_t *slot = slot_find(table, handle, index_out);
    return slot && slot_state(slot) >= KP_HANDLE_OPEN ? slot : NULL;
}

static kp_handle_slot_t *slot_find_reserved(kp_handle_table_t *table, kp_handle_t handle,
                                            uint32_t *index_out)
{
    kp_handle_slot_t *slot = slot_find(table, handle, index_out);
    return slot && slot_state(slot) == KP_HANDLE_RESERVED ? slot : NULL;
}

/* The object of an open slot, referenced; NULL: revoked. */
static kp_object_t *slot_acquire(const kp_handle_slot_t *slot)
{
    if (slot_state(slot) == KP_HANDLE_DERIVED)
        return kp_derivation_object(slot->derivation);
    return kp_object_acquire(slot->object);
}

/* What is in an open slot, which is RESERVED then. */
static kp_capability_t slot_take(kp_handle_slot_t *slot)
{
    kp_capability_t capability = {.rights = slot->rights};
    if (slot_state(slot) == KP_HANDLE_DERIVED)
        capability.derivation = slot->derivation;
    else
        capability.object = slot->object;
    slot->object = NULL;
    slot_set_state(slot, KP_HANDLE_RESERVED);
    return capability;
}

/* Opens a RESERVED slot. */
static void slot_put(kp_handle_slot_t *slot, kp_capability_t capability)
{
    slot->rights = capability.rights;
    if (capability.derivation) {
        slot->derivation = capability.derivation;
        slot_set_state(slot, KP_HANDLE_DERIVED);
    } else {
        slot->object = capability.object;
        slot_set_state(slot, KP_HANDLE_OPEN);
    }
}

static void slot_free(kp_handle_table_t *table, kp_handle_slot_t *slot, uint32_t index)
{
    slot->object = NULL;
    slot->rights = 0;
    slot->tag = (((slot->tag >> 2) + 1) & GENERATION_MASK) << 2 | KP_HANDLE_FREE;
    slot->next_free = NO_SLOT;
    if (table->free_last == NO_SLOT)
        table->free_first = index;
    else
        slot_at(table, table->free_last)->next_free = index;
    table->free_last = index;
    table->open_count--;
    kp_quota_refund(table->quota, KP_QUOTA_HANDLES, 1);
}

/* Adds a chunk of free slots. Lock held (kp_kalloc does not block). */
static kp_status_t table_grow(kp_handle_table_t *table)
{
    uint32_t first = table->slot_count, chunk_count = first / KP_HANDLE_CHUNK;
    if (first + KP_HANDLE_CHUNK > KP_HANDLE_INDEX_MASK + 1)
        return KP_ERR_QUOTA;
    if (chunk_count == table->chunk_capacity) {
        uint32_t capacity = KP_MAX(4u, table->chunk_capacity * 2);
        kp_handle_slot_t **chunks = kp_kalloc(capacity * sizeof(*chunks));
        if (!chunks)
            return KP_ERR_NO_MEMORY;
        if (chunk_count)
            memcpy(chunks, table->chunks, chunk_count * sizeof(*chunks));
        kp_kfree(table->chunks);
        table->chunks = chunks;
        table->chunk_capacity = capacity;
    }
    kp_handle_slot_t *chunk = kp_kalloc(KP_HANDLE_CHUNK * sizeof(*chunk));
    if (!chunk)
        return KP_ERR_NO_MEMORY;
    for (uint32_t i = 0; i < KP_HANDLE_CHUNK; i++)
        chunk[i].next_free = i + 1 < KP_HANDLE_CHUNK ? first + i + 1 : NO_SLOT;
    table->chunks[chunk_count] = chunk;
    table->slot_count = first + KP_HANDLE_CHUNK;
    if (table->free_last == NO_SLOT)
        table->free_first = first;
    else
        slot_at(table, table->free_last)->next_free = first;
    table->free_last = first + KP_HANDLE_CHUNK - 1;
    return KP_OK;
}

void kp_handle_table_init(kp_handle_table_t *table, kp_quota_t *quota)
{
    memset(table, 0, sizeof(*table));
    kp_spin_init(&table->lock);
    table->free_first = table->free_last = NO_SLOT;
    table->quota = quota;
    uint32_t secrets[2] = {0};
    /* Without entropy handles are guessable, not unsafe: each process has its own table. */
    (void)kp_machine_random(secrets, sizeof(secrets));
    table->multiplier = (secrets[0] & KP_HANDLE_VALUE_MASK) | 1;
    table->mask = secrets[1] & KP_HANDLE_VALUE_MASK;
    /* Newton's iteration doubles the correct low bits each time: 3, 6, 12, 24, 48. */
    uint32_t inverse = table->multiplier;
    for (int i = 0; i < 4; i++)
        inverse *= 2 - table->multiplier * inverse;
    table->inverse = inverse & KP_HANDLE_VALUE_MASK;
}

void kp_handle_table_share(kp_handle_table_t *table)
{
    kp_spin_lock(&table->lock);
    table->shared = true;
    kp_spin_unlock(&table->lock);
}

/* Ends the waits by a capability that has left its slot, and closes it. */
static void capability_drop(const kp_handle_table_t *table, kp_handle_t handle,
                            kp_capability_t capability)
{
    kp_object_t *object = kp_capability_acquire(&capability);
    if (object)
        kp_wait_cancel(object, table, handle);
    kp_object_release(object);
    kp_capability_close(&capability);
}

void kp_handle_table_clear(kp_handle_table_t *table)
{
    kp_spin_lock(&table->lock);
    table->closed = true;
    for (uint32_t index = 0; index < table->slot_count; index++) {
        if (index % KP_HANDLE_CHUNK == 0) { /* interrupts must not wait for a large table */
            kp_spin_unlock(&table->lock);
            kp_spin_lock(&table->lock);
        }
        kp_handle_slot_t *slot = slot_at(table, index);
        if (slot_state(slot) < KP_HANDLE_OPEN)
            continue;
        kp_handle_t handle = value_encode(table, index, slot->tag);
        kp_capability_t capability = slot_take(slot);
        slot_free(table, slot, index);
        kp_spin_unlock(&table->lock);
        capability_drop(table, handle, capability);
        kp_spin_lock(&table->lock);
    }
    kp_handle_slot_t **chunks = table->chunks;
    uint32_t chunk_count = table->slot_count / KP_HANDLE_CHUNK;
    /* Slots that a call still has reserved: fill, drop and unreserve see `closed`. */
    kp_quota_refund(table->quota, KP_QUOTA_HANDLES, table->open_count);
    table->open_count = 0;
    table->chunks = NULL;
    table->slot_count = table->chunk_capacity = 0;
    table->free_first = table->free_last = NO_SLOT;
    kp_spin_unlock(&table->lock);
    for (uint32_t i = 0; i < chunk_count; i++)
        kp_kfree(chunks[i]);
    kp_kfree(chunks);
}

bool kp_handle_table_is_empty(kp_handle_table_t *table)
{
    kp_spin_lock(&table->lock);
    bool is_empty = table->open_count == 0;
    kp_spin_unlock(&table->lock);
    return is_empty;
}

/* ---- Finding ---- */

kp_status_t kp_handle_use_held(kp_handle_table_t *table, kp_handle_t handle, kp_handle_use_t *use)
{
    use->held = true;
    return kp_handle_lookup(table, handle, &use->object, &use->rights);
}

kp_status_t kp_handle_lookup(kp_handle_table_t *table, kp_handle_t handle, kp_object_t **object,
                             kp_rights_t *rights)
{
    kp_status_t status = KP_ERR_BAD_HANDLE;
    kp_spin_lock(&table->lock);
    const kp_handle_slot_t *slot = slot_find_open(table, handle, NULL);
    if (slot) {
        *object = slot_acquire(slot);
        *rights = slot->rights;
        status = *object ? KP_OK : KP_ERR_REVOKED;
    }
    kp_spin_unlock(&table->lock);
    return status;
}

kp_status_t kp_handle_lookup_typed(kp_handle_table_t *table, kp_handle_t handle, uint32_t type,
                                   kp_rights_t need, kp_object_t **object)
{
    kp_object_t *found;
    kp_rights_t rights;
    kp_status_t status = kp_handle_lookup(table, handle, &found, &rights);
    if (status != KP_OK)
        return status;
    if (type && found->type != type)
        status = KP_ERR_WRONG_TYPE;
    else if ((rights & need) != need)
        status = KP_ERR_ACCESS_DENIED;
    if (status == KP_OK)
        *object = found;
    else
        kp_object_release(found);
    return status;
}

/* ---- Derivation ---- */

/* The capability of an open slot has a node from now on. Lock held. */
static kp_status_t slot_make_derived(const kp_handle_table_t *table, kp_handle_slot_t *slot,
                                     kp_handle_t handle)
{
    if (slot_state(slot) == KP_HANDLE_DERIVED)
        return KP_OK;
    kp_derivation_t *node = kp_derivation_create(slot->object);
    if (!node)
        return KP_ERR_NO_MEMORY;
    kp_derivation_place(node, table, handle);
    slot->derivation = node;
    slot_set_state(slot, KP_HANDLE_DERIVED);
    return KP_OK;
}

static kp_status_t duplicate_locked(kp_handle_table_t *table, kp_handle_t handle, uint64_t asked,
                                    kp_capability_t *capability)
{
    kp_handle_slot_t *slot = slot_find_open(table, handle, NULL);
    if (!slot)
        return KP_ERR_BAD_HANDLE;
    /* Every end of a channel has one holder: see kernel/ipc/channel.h. */
    if (!(slot->rights & KP_RIGHT_DUPLICATE) ||
        (slot_state(slot) == KP_HANDLE_OPEN && slot->object->type == KP_TYPE_CHANNEL))
        return KP_ERR_ACCESS_DENIED;
    if (asked == KP_RIGHTS_SAME)
        asked = slot->rights;
    if (asked & ~(uint64_t)slot->rights)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = slot_make_derived(table, slot, handle);
    if (status == KP_OK)
        status = kp_derivation_derive(slot->derivation, &capability->derivation);
    capability->rights = (kp_rights_t)asked;
    return status;
}

kp_status_t kp_handle_duplicate(kp_handle_table_t *table, kp_handle_t handle, uint64_t rights,
                                kp_handle_t *duplicate)
{
    kp_status_t status = kp_handle_reserve(table, 1, duplicate);
    if (status != KP_OK)
        return status;
    kp_capability_t capability = {0};
    kp_spin_lock(&table->lock);
    status = duplicate_locked(table, handle, rights, &capability);
    kp_spin_unlock(&table->lock);
    if (status == KP_OK)
        kp_handle_fill(table, *duplicate, capability);
    else
        kp_handle_unreserve(table, 1, duplicate);
    return status;
}

kp_status_t kp_handle_revoke(kp_handle_table_t *table, kp_handle_t handle)
{
    kp_derivation_t *node = NULL;
    kp_spin_lock(&table->lock);
    const kp_handle_slot_t *slot = slot_find_open(table, handle, NULL);
    if (slot && slot_state(slot) == KP_HANDLE_DERIVED)
        node = kp_derivation_acquire(slot->derivation);
    kp_spin_unlock(&table->lock);
    if (!slot)
        return KP_ERR_BAD_HANDLE;
    if (!node)
        return KP_OK; /* nothing was derived from it */
    kp_status_t status = kp_derivation_revoke(node);
    kp_derivation_release(node);
    return status;
}

/* ---- Adding and closing ---- */

static void unreserve_locked(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index;
        kp_handle_slot_t *slot = slot_find_reserved(table, handles[i], &index);
        KP_CHECK(slot);
        slot_free(table, slot, index);
    }
}

kp_status_t kp_handle_reserve(kp_handle_table_t *table, uint32_t count, kp_handle_t *handles)
{
    kp_status_t status = KP_OK;
    uint32_t taken = 0;
    kp_spin_lock(&table->lock);
    if (table->closed)
        status = KP_ERR_PROCESS_DEAD;
    while (status == KP_OK && taken < count) {
        status = kp_quota_charge(table->quota, KP_QUOTA_HANDLES, 1);
        if (status != KP_OK)
            break;
        if (table->free_first == NO_SLOT)
            status = table_grow(table);
        if (status != KP_OK) {
            kp_quota_refund(table->quota, KP_QUOTA_HANDLES, 1);
            break;
        }
        uint32_t index = table->free_first;
        kp_handle_slot_t *slot = slot_at(table, index);
        table->free_first = slot->next_free;
        if (table->free_first == NO_SLOT)
            table->free_last = NO_SLOT;
        slot->object = NULL;
        slot_set_state(slot, KP_HANDLE_RESERVED);
        table->open_count++;
        handles[taken++] = value_encode(table, index, slot->tag);
    }
    if (status != KP_OK)
        unreserve_locked(table, taken, handles);
    kp_spin_unlock(&table->lock);
    return status;
}

void kp_handle_fill(kp_handle_table_t *table, kp_handle_t handle, kp_capability_t capability)
{
    KP_CHECK(!kp_capability_is_empty(&capability));
    kp_spin_lock(&table->lock);
    bool closed = table->closed;
    if (!closed) {
        kp_handle_slot_t *slot = slot_find_reserved(table, handle, NULL);
        KP_CHECK(slot);
        slot_put(slot, capability);
        if (capability.derivation)
            kp_derivation_place(capability.derivation, table, handle);
    }
    kp_spin_unlock(&table->lock);
    if (closed)
        kp_capability_close(&capability);
}

void kp_handle_unreserve(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles)
{
    kp_spin_lock(&table->lock);
    if (!table->closed)
        unreserve_locked(table, count, handles);
    kp_spin_unlock(&table->lock);
}

kp_status_t kp_handle_add(kp_handle_table_t *table, kp_capability_t capability, kp_handle_t *handle)
{
    kp_status_t status = kp_handle_reserve(table, 1, handle);
    if (status == KP_OK)
        kp_handle_fill(table, *handle, capability);
    return status;
}

kp_status_t kp_handle_close(kp_handle_table_t *table, kp_handle_t handle)
{
    kp_capability_t capability = {0};
    kp_spin_lock(&table->lock);
    uint32_t index;
    kp_handle_slot_t *slot = slot_find_open(table, handle, &index);
    if (slot) {
        capability = slot_take(slot);
        slot_free(table, slot, index);
    }
    kp_spin_unlock(&table->lock);
    if (!slot)
        return KP_ERR_BAD_HANDLE;
    capability_drop(table, handle, capability);
    return KP_OK;
}

/* ---- Moving ---- */

/* May the capability in this slot leave it? A handle named twice is RESERVED the second time. */
static kp_status_t lift_check(const kp_handle_slot_t *slot, kp_rights_t need)
{
    if (!slot)
        return KP_ERR_BAD_HANDLE;
    if (slot_state(slot) == KP_HANDLE_DERIVED && kp_derivation_is_revoked(slot->derivation))
        return KP_ERR_REVOKED;
    return (slot->rights & need) == need ? KP_OK : KP_ERR_ACCESS_DENIED;
}

kp_status_t kp_handle_lift(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                           kp_rights_t need, kp_capability_t *capabilities)
{
    kp_status_t status = KP_OK;
    uint32_t lifted = 0;
    kp_spin_lock(&table->lock);
    for (; lifted < count; lifted++) {
        kp_handle_slot_t *slot = slot_find_open(table, handles[lifted], NULL);
        status = lift_check(slot, need);
        if (status != KP_OK)
            break;
        capabilities[lifted] = slot_take(slot);
    }
    if (status != KP_OK) {
        while (lifted > 0) {
            kp_capability_t back = kp_capability_take(&capabilities[--lifted]);
            slot_put(slot_find_reserved(table, handles[lifted], NULL), back);
        }
    }
    kp_spin_unlock(&table->lock);
    return status;
}

void kp_handle_settle(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                      kp_capability_t *capabilities)
{
    for (uint32_t i = 0; i < count; i++)
        kp_handle_fill(table, handles[i], kp_capability_take(&capabilities[i]));
}
