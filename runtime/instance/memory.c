/* Memories: making, growing, and the bulk instructions on them. */
#include "runtime/instance/internal.h"

enum { MAXIMUM_PAGES_32 = 65536 };

/* 32-bit index + 32-bit offset + the widest access. */
static const uint64_t guarded_reservation = ((uint64_t)8 << 30) + KP_WASM_PAGE;

static kp_status_t hold(kp_wasm_store_t *store, kp_wasm_meminst_t *memory)
{
    void *block;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_memory_hold_t), &block);
    if (status != KP_OK)
        return status;
    kp_wasm_memory_hold_t *entry = block;
    entry->memory = memory;
    entry->next = store->memories;
    store->memories = entry;
    memory->references++;
    return KP_OK;
}

static kp_status_t memory_new(kp_wasm_store_t *store, const kp_wasm_size_range_t *type,
                              kp_wasm_meminst_t **result)
{
    kp_wasm_allocator_t allocator = store->options.allocator;
    uint64_t limit = type->is_64 ? UINT64_MAX / KP_WASM_PAGE : MAXIMUM_PAGES_32;
    if (type->minimum > limit)
        return KP_ERR_QUOTA;
    kp_wasm_meminst_t *memory = allocator.resize(allocator.context, NULL, 0, sizeof *memory);
    if (!memory)
        return KP_ERR_NO_MEMORY;
    memset(memory, 0, sizeof *memory);
    memory->allocator = allocator;
    memory->type = *type;
    memory->kind = KP_WASM_MEMORY_CHECKED;
    memory->page_maximum = type->has_maximum && type->maximum < limit ? type->maximum : limit;
    *result = memory;
    return KP_OK;
}

static void memory_free(kp_wasm_meminst_t *memory)
{
    if (memory->reserved)
        kp_wasm_platform_release(memory->base, memory->reserved);
    memory->allocator.resize(memory->allocator.context, memory, sizeof *memory, 0);
}

kp_status_t kp_wasm_meminst_create(kp_wasm_store_t *store, const kp_wasm_size_range_t *type,
                                   kp_wasm_meminst_t **result)
{
    kp_wasm_meminst_t *memory;
    kp_status_t status = memory_new(store, type, &memory);
    if (status != KP_OK)
        return status;
    uint64_t budget = store->options.memory_maximum - store->memory_used;
    if (type->minimum > budget / KP_WASM_PAGE) {
        memory_free(memory);
        return KP_ERR_QUOTA;
    }
    uint64_t reserve = guarded_reservation;
    if (!type->is_64 && store->options.guard_pages)
        memory->base = kp_wasm_platform_reserve_guarded(reserve, type->shared);
    if (memory->base) {
        memory->kind = KP_WASM_MEMORY_GUARDED;
    } else {
        /* It never moves, so all that it can become is reserved now; where address space is short, less. */
        if (budget > store->options.memory_unguarded)
            budget = store->options.memory_unguarded;
        if (memory->page_maximum > budget / KP_WASM_PAGE)
            memory->page_maximum = budget / KP_WASM_PAGE;
        if (memory->page_maximum < type->minimum)
            memory->page_maximum = type->minimum;
        for (;;) {
            reserve = memory->page_maximum * KP_WASM_PAGE + KP_WASM_PAGE;
            memory->base = kp_wasm_platform_reserve(reserve);
            if (memory->base || memory->page_maximum == type->minimum)
                break;
            memory->page_maximum /= 2;
            if (memory->page_maximum < type->minimum)
                memory->page_maximum = type->minimum;
        }
    }
    if (!memory->base) {
        memory_free(memory);
        return KP_ERR_NO_MEMORY;
    }
    memory->reserved = reserve;
    uint64_t size = type->minimum * KP_WASM_PAGE;
    status = size ? kp_wasm_platform_commit(memory->base, 0, size) : KP_OK;
    if (status == KP_OK)
        status = hold(store, memory);
    if (status != KP_OK) {
        memory_free(memory);
        return status;
    }
    memory->size = size;
    store->memory_used += size;
    *result = memory;
    return KP_OK;
}

kp_status_t kp_wasm_meminst_create_window(kp_wasm_store_t *store, const kp_wasm_size_range_t *type,
                                          uint8_t *base, kp_wasm_window_grow_fn grow, void *context,
                                          kp_wasm_meminst_t **result)
{
    if (type->shared)
        return KP_ERR_INVALID_ARGUMENT;
    kp_wasm_meminst_t *memory;
    kp_status_t status = memory_new(store, type, &memory);
    if (status != KP_OK)
        return status;
    memory->base = base;
    memory->size = type->minimum * KP_WASM_PAGE;
    memory->grow = grow;
    memory->grow_context = context;
    status = hold(store, memory);
    if (status != KP_OK) {
        memory_free(memory);
        return status;
    }
    *result = memory;
    return KP_OK;
}

kp_status_t kp_wasm_store_share(kp_wasm_store_t *store, kp_wasm_meminst_t *memory)
{
    /* The count is touched by two threads only here and at the end of stores. */
    void *block;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_memory_hold_t), &block);
    if (status != KP_OK)
        return status;
    __atomic_add_fetch(&memory->references, 1, __ATOMIC_ACQ_REL);
    kp_wasm_memory_hold_t *entry = block;
    entry->memory = memory;
    entry->next = store->memories;
    store->memories = entry;
    return KP_OK;
}

uint64_t kp_wasm_meminst_size(const kp_wasm_meminst_t *memory)
{
    return kp_wasm_memory_bytes(memory);
}

static kp_status_t grow_locked(kp_wasm_store_t *store, kp_wasm_meminst_t *memory, uint64_t old,
                               uint64_t size)
{
    if (size - old > store->options.memory_maximum - store->memory_used)
        return KP_ERR_QUOTA;
    kp_status_t status;
    if (memory->reserved)
        status = kp_wasm_platform_commit(memory->base, old, size);
    else if (memory->grow)
        status = memory->grow(memory->grow_context, &memory->base, old, size);
    else
        status = KP_ERR_NOT_SUPPORTED;
    if (status != KP_OK)
        return status;
    store->memory_used += size - old;
    __atomic_store_n(&memory->size, size, __ATOMIC_RELEASE);
    return KP_OK;
}

uint64_t kp_wasm_meminst_grow(kp_wasm_store_t *store, kp_wasm_meminst_t *memory, uint64_t pages)
{
    while (__atomic_exchange_n(&memory->growing, 1, __ATOMIC_ACQUIRE))
        ;
    uint64_t old = memory->size / KP_WASM_PAGE, result = UINT64_MAX;
    if (pages == 0)
        result = old;
    else if (pages <= memory->page_maximum && old <= memory->page_maximum - pages &&
             grow_locked(store, memory, memory->size, (old + pages) * KP_WASM_PAGE) == KP_OK)
        result = old;
    __atomic_store_n(&memory->growing, 0, __ATOMIC_RELEASE);
    return result;
}

/* ---- instructions ---- */

uint64_t kp_wasm_memory_grow(kp_wasm_instance_t *instance, uint32_t index, uint64_t pages)
{
    return kp_wasm_meminst_grow(instance->store, kp_wasm_instance_memory(instance, index), pages);
}

static bool inside(uint64_t at, uint64_t size, uint64_t limit)
{
    return size <= limit && at <= limit - size;
}

kp_wasm_trap_code_t kp_wasm_memory_copy(kp_wasm_instance_t *instance, uint32_t to, uint32_t from,
                                        uint64_t to_at, uint64_t from_at, uint64_t size)
{
    kp_wasm_meminst_t *target = kp_wasm_instance_memory(instance, to);
    kp_wasm_meminst_t *source = kp_wasm_instance_memory(instance, from);
    if (!inside(to_at, size, kp_wasm_memory_bytes(target)) ||
        !inside(from_at, size, kp_wasm_memory_bytes(source)))
        return KP_WASM_TRAP_MEMORY_BOUNDS;
    if (size)
        memmove(target->base + to_at, source->base + from_at, size);
    return KP_WASM_TRAP_NONE;
}

kp_wasm_trap_code_t kp_wasm_memory_fill(kp_wasm_instance_t *instance, uint32_t index, uint64_t at,
                                        uint32_t byte, uint64_t size)
{
    kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, index);
    if (!inside(at, size, kp_wasm_memory_bytes(memory)))
        return KP_WASM_TRAP_MEMORY_BOUNDS;
    if (size)
        memset(memory->base + at, (int)(byte & 0xff), size);
    return KP_WASM_TRAP_NONE;
}

kp_wasm_trap_code_t kp_wasm_memory_init(kp_wasm_instance_t *instance, uint32_t index,
                                        uint32_t segment, uint64_t to, uint64_t from, uint64_t size)
{
    kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, index);
    const kp_wasm_datainst_t *data = &instance->data[segment];
    if (!inside(from, size, data->size) || !inside(to, size, kp_wasm_memory_bytes(memory)))
        return KP_WASM_TRAP_MEMORY_BOUNDS;
    if (size >= KP_WASM_PAGE)
        kp_wasm_platform_populate(memory->base + to, size);
    if (size)
        memcpy(memory->base + to, data->bytes + from, size);
    return KP_WASM_TRAP_NONE;
}

void kp_wasm_data_drop(kp_wasm_instance_t *instance, uint32_t segment)
{
    instance->data[segment].size = 0;
}

/* ---- atomics: the waiting ones ---- */

static uint64_t trapped(kp_wasm_trap_code_t code)
{
    return (uint64_t)code << 32;
}

uint64_t kp_wasm_atomic_notify(kp_wasm_instance_t *instance, uint32_t index, uint64_t address,
                               uint32_t count)
{
    const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, index);
    if (address & 3)
        return trapped(KP_WASM_TRAP_UNALIGNED_ATOMIC);
    if (!inside(address, 4, kp_wasm_memory_bytes(memory)))
        return trapped(KP_WASM_TRAP_MEMORY_BOUNDS);
    return memory->type.shared ? kp_wasm_platform_notify(memory->base + address, count) : 0;
}

static uint64_t atomic_wait(kp_wasm_instance_t *instance, uint32_t index, uint64_t address,
                            uint64_t expected, unsigned width, int64_t timeout_ns)
{
    const kp_wasm_meminst_t *memory = kp_wasm_instance_memory(instance, index);
    if (address & (width - 1))
        return trapped(KP_WASM_TRAP_UNALIGNED_ATOMIC);
    if (!inside(address, width, kp_wasm_memory_bytes(memory)))
        return trapped(KP_WASM_TRAP_MEMORY_BOUNDS);
    if (!memory->type.shared)
        return trapped(KP_WASM_TRAP_NOT_SHARED);
    return kp_wasm_platform_wait(memory->base + address, expected, width, timeout_ns);
}

uint64_t kp_wasm_atomic_wait32(kp_wasm_instance_t *instance, uint32_t index, uint64_t address,
                               uint32_t expected, int64_t timeout_ns)
{
    return atomic_wait(instance, index, address, expected, 4, timeout_ns);
}

uint64_t kp_wasm_atomic_wait64(kp_wasm_instance_t *instance, uint32_t index, uint64_t address,
                               uint64_t expected, int64_t timeout_ns)
{
    return atomic_wait(instance, index, address, expected, 8, timeout_ns);
}
