/* Tables: making, growing, and the bulk instructions on them. */
#include "runtime/instance/internal.h"

static kp_status_t table_resize(kp_wasm_store_t *store, kp_wasm_tableinst_t *table, uint64_t size,
                                void *fill)
{
    if (size - table->size > store->options.table_maximum - store->table_used)
        return KP_ERR_QUOTA;
    if (size > table->capacity) {
        /* Twice the old, so that growing by ones stays linear; what is asked for at first. */
        uint64_t capacity = table->capacity * 2 > size ? table->capacity * 2 : size;
        kp_wasm_allocator_t *allocator = &store->options.allocator;
        void **elements =
            allocator->resize(allocator->context, table->elements, table->capacity * sizeof(void *),
                              capacity * sizeof(void *));
        if (!elements)
            return KP_ERR_NO_MEMORY;
        table->elements = elements;
        table->capacity = capacity;
    }
    for (uint64_t i = table->size; i < size; i++)
        table->elements[i] = fill;
    store->table_used += size - table->size;
    table->size = size;
    return KP_OK;
}

kp_status_t kp_wasm_tableinst_create(kp_wasm_store_t *store, kp_wasm_type_t type,
                                     const kp_wasm_size_range_t *range, void *initial,
                                     kp_wasm_tableinst_t **result)
{
    void *memory;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_tableinst_t), &memory);
    if (status != KP_OK)
        return status;
    kp_wasm_tableinst_t *table = memory;
    table->type = type;
    table->range = *range;
    table->maximum = range->is_64 ? UINT64_MAX : UINT32_MAX;
    if (range->has_maximum && range->maximum < table->maximum)
        table->maximum = range->maximum;
    table->next = store->tables;
    store->tables = table;
    *result = table;
    return table_resize(store, table, range->minimum, initial);
}

uint64_t kp_wasm_tableinst_grow(kp_wasm_store_t *store, kp_wasm_tableinst_t *table, void *reference,
                                uint64_t count)
{
    uint64_t old = table->size;
    if (count > table->maximum || old > table->maximum - count ||
        table_resize(store, table, old + count, reference) != KP_OK)
        return UINT64_MAX;
    return old;
}

uint64_t kp_wasm_table_grow(kp_wasm_instance_t *instance, uint32_t table, void *reference,
                            uint64_t count)
{
    return kp_wasm_tableinst_grow(instance->store, kp_wasm_instance_table(instance, table),
                                  reference, count);
}

static bool inside(uint64_t at, uint64_t size, uint64_t limit)
{
    return size <= limit && at <= limit - size;
}

kp_wasm_trap_code_t kp_wasm_table_copy(kp_wasm_instance_t *instance, uint32_t to, uint32_t from,
                                       uint64_t to_at, uint64_t from_at, uint64_t size)
{
    kp_wasm_tableinst_t *target = kp_wasm_instance_table(instance, to);
    kp_wasm_tableinst_t *source = kp_wasm_instance_table(instance, from);
    if (!inside(to_at, size, target->size) || !inside(from_at, size, source->size))
        return KP_WASM_TRAP_TABLE_BOUNDS;
    if (size)
        memmove(target->elements + to_at, source->elements + from_at, size * sizeof(void *));
    return KP_WASM_TRAP_NONE;
}

kp_wasm_trap_code_t kp_wasm_table_fill(kp_wasm_instance_t *instance, uint32_t index, uint64_t at,
                                       void *reference, uint64_t size)
{
    kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, index);
    if (!inside(at, size, table->size))
        return KP_WASM_TRAP_TABLE_BOUNDS;
    for (uint64_t i = 0; i < size; i++)
        table->elements[at + i] = reference;
    return KP_WASM_TRAP_NONE;
}

kp_wasm_trap_code_t kp_wasm_table_init(kp_wasm_instance_t *instance, uint32_t index,
                                       uint32_t segment, uint64_t to, uint64_t from, uint64_t size)
{
    kp_wasm_tableinst_t *table = kp_wasm_instance_table(instance, index);
    const kp_wasm_eleminst_t *element = &instance->elements[segment];
    if (!inside(from, size, element->count) || !inside(to, size, table->size))
        return KP_WASM_TRAP_TABLE_BOUNDS;
    if (size)
        memcpy(table->elements + to, element->references + from, size * sizeof(void *));
    return KP_WASM_TRAP_NONE;
}

void kp_wasm_element_drop(kp_wasm_instance_t *instance, uint32_t segment)
{
    instance->elements[segment].count = 0;
}
