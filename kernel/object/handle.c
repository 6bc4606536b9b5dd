#include "kernel/object/handle.h"

#include "kernel/object/wait.h"

#define VALUE_BITS 30u
#define VALUE_MASK ((1u << VALUE_BITS) - 1)
#define INDEX_MASK ((1u << KP_HANDLE_INDEX_BITS) - 1)
#define GENERATION_MASK ((1u << (VALUE_BITS - KP_HANDLE_INDEX_BITS)) - 1)
#define NO_SLOT UINT32_MAX

enum { SLOT_FREE = 0, SLOT_RESERVED = 1, SLOT_OPEN = 2 };

struct kp_handle_slot {
    kp_object_t *object; /* OPEN only: one reference, one capability */
    kp_rights_t rights;
    uint32_t next_free; /* FREE only */
    uint16_t generation;
    uint8_t state;
};

/* ---- Values: generation and index, multiplied by an odd secret modulo 2^30 (a bijection), masked
   by another secret, and made odd so that no handle is 0. ---- */

static kp_handle_t value_encode(const kp_handle_table_t *table, uint32_t index, uint32_t generation)
{
    uint32_t plain = (generation << KP_HANDLE_INDEX_BITS | index) & VALUE_MASK;
    uint32_t mixed = ((plain * table->multiplier) & VALUE_MASK) ^ table->mask;
    return mixed << 1 | 1;
}

static kp_handle_slot_t *slot_at(kp_handle_table_t *table, uint32_t index)
{
    return &table->chunks[index / KP_HANDLE_CHUNK][index % KP_HANDLE_CHUNK];
}

/* The slot in the given state that the value names, or NULL. Lock held. */
static kp_handle_slot_t *slot_find(kp_handle_table_t *table, kp_handle_t handle, int state,
                                   uint32_t *index_out)
{
    if (!(handle & 1) || handle >> (VALUE_BITS + 1))
        return NULL;
    uint32_t plain = (((handle >> 1) ^ table->mask) * table->inverse) & VALUE_MASK;
    uint32_t index = plain & INDEX_MASK;
    if (index >= table->chunk_count * KP_HANDLE_CHUNK)
        return NULL;
    kp_handle_slot_t *slot = slot_at(table, index);
    if (slot->state != state || slot->generation != plain >> KP_HANDLE_INDEX_BITS)
        return NULL;
    if (index_out)
        *index_out = index;
    return slot;
}

static void slot_free(kp_handle_table_t *table, kp_handle_slot_t *slot, uint32_t index)
{
    slot->object = NULL;
    slot->rights = 0;
    slot->state = SLOT_FREE;
    slot->generation = (slot->generation + 1) & GENERATION_MASK;
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
    if ((table->chunk_count + 1) * KP_HANDLE_CHUNK > INDEX_MASK + 1)
        return KP_ERR_QUOTA;
    if (table->chunk_count == table->chunk_capacity) {
        uint32_t capacity = KP_MAX(4u, table->chunk_capacity * 2);
        kp_handle_slot_t **chunks = kp_kalloc(capacity * sizeof(*chunks));
        if (!chunks)
            return KP_ERR_NO_MEMORY;
        if (table->chunk_count)
            memcpy(chunks, table->chunks, table->chunk_count * sizeof(*chunks));
        kp_kfree(table->chunks);
        table->chunks = chunks;
        table->chunk_capacity = capacity;
    }
    kp_handle_slot_t *chunk = kp_kalloc(KP_HANDLE_CHUNK * sizeof(*chunk));
    if (!chunk)
        return KP_ERR_NO_MEMORY;
    uint32_t first = table->chunk_count * KP_HANDLE_CHUNK;
    table->chunks[table->chunk_count++] = chunk;
    for (uint32_t i = 0; i < KP_HANDLE_CHUNK; i++)
        chunk[i].next_free = i + 1 < KP_HANDLE_CHUNK ? first + i + 1 : NO_SLOT;
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
    table->multiplier = (secrets[0] & VALUE_MASK) | 1;
    table->mask = secrets[1] & VALUE_MASK;
    /* Newton's iteration doubles the correct low bits each time: 3, 6, 12, 24, 48. */
    uint32_t inverse = table->multiplier;
    for (int i = 0; i < 4; i++)
        inverse *= 2 - table->multiplier * inverse;
    table->inverse = inverse & VALUE_MASK;
}

void kp_handle_table_clear(kp_handle_table_t *table)
{
    kp_spin_lock(&table->lock);
    table->closed = true;
    for (uint32_t index = 0; index < table->chunk_count * KP_HANDLE_CHUNK; index++) {
        kp_handle_slot_t *slot = slot_at(table, index);
        if (slot->state != SLOT_OPEN)
            continue;
        kp_capability_t capability = {slot->object, slot->rights};
        kp_handle_t handle = value_encode(table, index, slot->generation);
        slot_free(table, slot, index);
        kp_spin_unlock(&table->lock);
        kp_wait_cancel(capability.object, table, handle);
        kp_capability_close(&capability);
        kp_spin_lock(&table->lock);
    }
    kp_handle_slot_t **chunks = table->chunks;
    uint32_t chunk_count = table->chunk_count;
    /* Slots that a call still has reserved: fill, drop and unreserve see `closed`. */
    kp_quota_refund(table->quota, KP_QUOTA_HANDLES, table->open_count);
    table->open_count = 0;
    table->chunks = NULL;
    table->chunk_count = table->chunk_capacity = 0;
    table->free_first = table->free_last = NO_SLOT;
    kp_spin_unlock(&table->lock);
    for (uint32_t i = 0; i < chunk_count; i++)
        kp_kfree(chunks[i]);
    kp_kfree(chunks);
}

kp_status_t kp_handle_lookup(kp_handle_table_t *table, kp_handle_t handle, kp_object_t **object,
                             kp_rights_t *rights)
{
    kp_spin_lock(&table->lock);
    kp_handle_slot_t *slot = slot_find(table, handle, SLOT_OPEN, NULL);
    if (slot) {
        *object = kp_object_acquire(slot->object);
        *rights = slot->rights;
    }
    kp_spin_unlock(&table->lock);
    return slot ? KP_OK : KP_ERR_BAD_HANDLE;
}

kp_status_t kp_handle_lookup_typed(kp_handle_table_t *table, kp_handle_t handle, uint32_t type,
                                   kp_rights_t need, kp_object_t **object)
{
    kp_status_t status = KP_ERR_BAD_HANDLE;
    kp_spin_lock(&table->lock);
    kp_handle_slot_t *slot = slot_find(table, handle, SLOT_OPEN, NULL);
    if (slot) {
        if (type && slot->object->type != type)
            status = KP_ERR_WRONG_TYPE;
        else if ((slot->rights & need) != need)
            status = KP_ERR_ACCESS_DENIED;
        else
            status = KP_OK;
        if (status == KP_OK)
            *object = kp_object_acquire(slot->object);
    }
    kp_spin_unlock(&table->lock);
    return status;
}

static void unreserve_locked(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index;
        kp_handle_slot_t *slot = slot_find(table, handles[i], SLOT_RESERVED, &index);
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
        slot->state = SLOT_RESERVED;
        table->open_count++;
        handles[taken++] = value_encode(table, index, slot->generation);
    }
    if (status != KP_OK)
        unreserve_locked(table, taken, handles);
    kp_spin_unlock(&table->lock);
    return status;
}

void kp_handle_fill(kp_handle_table_t *table, kp_handle_t handle, kp_capability_t capability)
{
    kp_spin_lock(&table->lock);
    bool closed = table->closed;
    if (!closed) {
        kp_handle_slot_t *slot = slot_find(table, handle, SLOT_RESERVED, NULL);
        KP_CHECK(slot && capability.object);
        slot->object = capability.object;
        slot->rights = capability.rights;
        slot->state = SLOT_OPEN;
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
    kp_handle_slot_t *slot = slot_find(table, handle, SLOT_OPEN, &index);
    if (slot) {
        capability = (kp_capability_t){slot->object, slot->rights};
        slot_free(table, slot, index);
    }
    kp_spin_unlock(&table->lock);
    if (!slot)
        return KP_ERR_BAD_HANDLE;
    kp_wait_cancel(capability.object, table, handle);
    kp_capability_close(&capability);
    return KP_OK;
}

kp_status_t kp_handle_lift(kp_handle_table_t *table, uint32_t count, const kp_handle_t *handles,
                           kp_rights_t need, kp_capability_t *capabilities)
{
    kp_status_t status = KP_OK;
    uint32_t lifted = 0;
    kp_spin_lock(&table->lock);
    for (; lifted < count; lifted++) {
        /* A handle named twice is RESERVED the second time: BAD_HANDLE. */
        kp_handle_slot_t *slot = slot_find(table, handles[lifted], SLOT_OPEN, NULL);
        if (!slot)
            status = KP_ERR_BAD_HANDLE;
        else if ((slot->rights & need) != need)
            status = KP_ERR_ACCESS_DENIED;
        if (status != KP_OK)
            break;
        capabilities[lifted] = (kp_capability_t){slot->object, slot->rights};
        slot->object = NULL;
        slot->state = SLOT_RESERVED;
    }
    if (status != KP_OK) {
        while (lifted > 0) {
            kp_capability_t back = kp_capability_take(&capabilities[--lifted]);
            kp_handle_slot_t *slot = slot_find(table, handles[lifted], SLOT_RESERVED, NULL);
            slot->object = back.object;
            slot->state = SLOT_OPEN;
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
