/* The store: its life, its memory, its types, objects that the host makes. */
#include "runtime/instance/internal.h"

const char *kp_wasm_trap_text(kp_wasm_trap_code_t code)
{
    static const char *const texts[] = {
#define KP_WASM_TRAP_TEXT(name, number, text) [number] = (text),
        KP_WASM_TRAPS(KP_WASM_TRAP_TEXT)
#undef KP_WASM_TRAP_TEXT
    };
    return (unsigned)code < sizeof texts / sizeof *texts ? texts[code] : "(unknown trap)";
}

kp_wasm_store_options_t kp_wasm_store_options_init(kp_wasm_allocator_t allocator)
{
    return (kp_wasm_store_options_t){
        .allocator = allocator,
        .memory_maximum = (uint64_t)4 << 30,
        .memory_unguarded = UINT64_MAX,
        .table_maximum = 10000000,
        .object_maximum = (uint64_t)1 << 30,
        .stack_bytes = 512 << 10,
        .depth_maximum = 10000,
        .guard_pages = true,
        .fuel = INT64_MAX,
    };
}

kp_status_t kp_wasm_store_charge(kp_wasm_store_t *store, size_t size)
{
    if (size > store->options.object_maximum - store->object_used)
        return KP_ERR_QUOTA;
    store->object_used += size;
    return KP_OK;
}

kp_status_t kp_wasm_store_allocate(kp_wasm_store_t *store, size_t size, void **memory)
{
    size_t whole = sizeof(kp_wasm_block_t) + size;
    kp_status_t status = kp_wasm_store_charge(store, whole);
    if (status != KP_OK)
        return status;
    kp_wasm_allocator_t *allocator = &store->options.allocator;
    kp_wasm_block_t *block = allocator->resize(allocator->context, NULL, 0, whole);
    if (!block) {
        store->object_used -= whole;
        return KP_ERR_NO_MEMORY;
    }
    memset(block, 0, whole);
    block->size = whole;
    block->next = store->blocks;
    store->blocks = block;
    *memory = block + 1;
    return KP_OK;
}

kp_status_t kp_wasm_store_create(const kp_wasm_store_options_t *options, kp_wasm_store_t **result)
{
    const kp_wasm_allocator_t *allocator = &options->allocator;
    *result = NULL;
    kp_wasm_store_t *store = allocator->resize(allocator->context, NULL, 0, sizeof *store);
    if (!store)
        return KP_ERR_NO_MEMORY;
    memset(store, 0, sizeof *store);
    store->options = *options;
    store->head.fuel = options->fuel;
    if (options->guard_pages && !kp_wasm_platform_guard())
        store->options.guard_pages = false;

    /* What host functions run in: an instance of nothing, so that code may load its fields. */
    static const kp_wasm_module_t nothing = {.start = KP_WASM_NO_INDEX};
    static kp_wasm_meminst_t empty;
    void *memory;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_instance_t) + 16, &memory);
    if (status != KP_OK) {
        kp_wasm_store_destroy(store);
        return status;
    }
    store->host_instance = memory;
    store->host_instance->store = store;
    store->host_instance->module = &nothing;
    store->host_instance->memory0 = &empty;
    store->host_instance->helpers = kp_wasm_helpers;
    *result = store;
    return KP_OK;
}

static void memory_release(kp_wasm_meminst_t *memory)
{
    if (__atomic_sub_fetch(&memory->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (memory->reserved)
        kp_wasm_platform_release(memory->base, memory->reserved);
    memory->allocator.resize(memory->allocator.context, memory, sizeof *memory, 0);
}

void kp_wasm_store_destroy(kp_wasm_store_t *store)
{
    if (!store)
        return;
    kp_wasm_allocator_t allocator = store->options.allocator;
    for (kp_wasm_instance_t *instance = store->instances; instance; instance = instance->next)
        if (instance->tier && instance->tier->detach)
            instance->tier->detach(instance);
    for (kp_wasm_memory_hold_t *hold = store->memories; hold; hold = hold->next)
        memory_release(hold->memory);
    for (kp_wasm_tableinst_t *table = store->tables; table; table = table->next)
        allocator.resize(allocator.context, table->elements, table->capacity * sizeof(void *), 0);
    for (kp_wasm_exninst_t *exception = store->exceptions, *next; exception; exception = next) {
        next = exception->next;
        allocator.resize(allocator.context, exception, exception->allocated, 0);
    }
    for (kp_wasm_block_t *block = store->blocks, *next; block; block = next) {
        next = block->next;
        allocator.resize(allocator.context, block, block->size, 0);
    }
    if (store->types)
        allocator.resize(allocator.context, store->types,
                         store->type_capacity * sizeof *store->types, 0);
    if (store->type_hash)
        allocator.resize(allocator.context, store->type_hash,
                         store->type_hash_size * sizeof *store->type_hash, 0);
    allocator.resize(allocator.context, store, sizeof *store, 0);
}

void kp_wasm_store_interrupt(kp_wasm_store_t *store)
{
    __atomic_store_n(&store->interrupt, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&store->head.stack_limit, UINT64_MAX, __ATOMIC_SEQ_CST);
}

/* ---- types ---- */

static uint32_t type_hash(const kp_wasm_functype_t *type)
{
    uint32_t hash = 2166136261u ^ type->parameter_count * 31u ^ type->result_count;
    for (uint32_t i = 0; i < type->parameter_count + type->result_count; i++)
        hash = (hash ^ type->types[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static kp_status_t types_grow(kp_wasm_store_t *store)
{
    kp_wasm_allocator_t *allocator = &store->options.allocator;
    uint32_t capacity = store->type_capacity ? store->type_capacity * 2 : 64;
    if (capacity > 1u << 28)
        return KP_ERR_QUOTA;
    kp_status_t status =
        kp_wasm_store_charge(store, (capacity - store->type_capacity) * (sizeof *store->types + 8));
    if (status != KP_OK)
        return status;
    uint32_t *hash = allocator->resize(allocator->context, NULL, 0, sizeof *hash * 2 * capacity);
    if (!hash)
        return KP_ERR_NO_MEMORY;
    kp_wasm_functype_t *types =
        allocator->resize(allocator->context, store->types, store->type_capacity * sizeof *types,
                          capacity * sizeof *types);
    if (!types) {
        allocator->resize(allocator->context, hash, sizeof *hash * 2 * capacity, 0);
        return KP_ERR_NO_MEMORY;
    }
    if (store->type_hash)
        allocator->resize(allocator->context, store->type_hash,
                          store->type_hash_size * sizeof *hash, 0);
    store->types = types;
    store->type_capacity = capacity;
    store->type_hash = hash;
    store->type_hash_size = capacity * 2;
    memset(hash, 0xff, store->type_hash_size * sizeof *hash);
    for (uint32_t i = 0; i < store->type_count; i++) {
        uint32_t at = type_hash(&types[i]) & (store->type_hash_size - 1);
        while (hash[at] != UINT32_MAX)
            at = (at + 1) & (store->type_hash_size - 1);
        hash[at] = i;
    }
    return KP_OK;
}

kp_status_t kp_wasm_store_type(kp_wasm_store_t *store, const kp_wasm_functype_t *type,
                               uint32_t *number)
{
    if (store->type_count == store->type_capacity) {
        kp_status_t status = types_grow(store);
        if (status != KP_OK)
            return status;
    }
    size_t size = (size_t)type->parameter_count + type->result_count;
    uint32_t at = type_hash(type) & (store->type_hash_size - 1);
    for (; store->type_hash[at] != UINT32_MAX; at = (at + 1) & (store->type_hash_size - 1)) {
        const kp_wasm_functype_t *other = &store->types[store->type_hash[at]];
        if (other->parameter_count == type->parameter_count &&
            other->result_count == type->result_count &&
            (size == 0 || memcmp(other->types, type->types, size) == 0)) {
            *number = store->type_hash[at];
            return KP_OK;
        }
    }
    void *copy;
    kp_status_t status = kp_wasm_store_allocate(store, size + 1, &copy);
    if (status != KP_OK)
        return status;
    if (size)
        memcpy(copy, type->types, size);
    *number = store->type_count;
    store->types[store->type_count] =
        (kp_wasm_functype_t){copy, type->parameter_count, type->result_count, store->type_count};
    store->type_hash[at] = store->type_count++;
    return KP_OK;
}

/* A signature of the store's own that lives as long as it: types[] itself may move. */
static kp_status_t signature_copy(kp_wasm_store_t *store, const kp_wasm_functype_t *type,
                                  uint32_t *number, const kp_wasm_functype_t **copy)
{
    void *memory;
    kp_status_t status = kp_wasm_store_type(store, type, number);
    if (status == KP_OK)
        status = kp_wasm_store_allocate(store, sizeof(kp_wasm_functype_t), &memory);
    if (status != KP_OK)
        return status;
    *(kp_wasm_functype_t *)memory = store->types[*number];
    *copy = memory;
    return KP_OK;
}

/* ---- objects of the host ---- */

static kp_status_t host_call(kp_wasm_funcinst_t *function, kp_wasm_instance_t *caller,
                             kp_wasm_value_t *values)
{
    kp_wasm_store_t *store = function->instance->store;
    kp_status_t status = function->host(function->context, caller, values);
    if (status == KP_OK || status == KP_ERR_EXCEPTION)
        return status;
    if (status != KP_ERR_TRAP || store->trap.code == KP_WASM_TRAP_NONE) {
        kp_wasm_store_trap(store, KP_WASM_TRAP_HOST);
        store->trap.status = status;
    }
    return KP_ERR_TRAP;
}

kp_status_t kp_wasm_funcinst_create(kp_wasm_store_t *store, const kp_wasm_functype_t *signature,
                                    kp_wasm_host_fn host, void *context,
                                    kp_wasm_funcinst_t **result)
{
    void *memory;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_funcinst_t), &memory);
    if (status != KP_OK)
        return status;
    kp_wasm_funcinst_t *function = memory;
    status = signature_copy(store, signature, &function->type, &function->signature);
    if (status != KP_OK)
        return status;
    function->code = kp_wasm_thunk_code();
    function->instance = store->host_instance;
    function->index = KP_WASM_NO_INDEX;
    function->call = host_call;
    function->host = host;
    function->context = context;
    *result = function;
    return KP_OK;
}

kp_status_t kp_wasm_globalinst_create(kp_wasm_store_t *store, kp_wasm_type_t type, bool mutable,
                                      kp_wasm_value_t value, kp_wasm_globalinst_t **result)
{
    void *memory;
    size_t head = (sizeof(kp_wasm_globalinst_t) + 15) & ~(size_t)15;
    kp_status_t status = kp_wasm_store_allocate(store, head + sizeof value, &memory);
    if (status != KP_OK)
        return status;
    kp_wasm_globalinst_t *global = memory;
    global->type = type;
    global->mutable = mutable;
    global->cell = (kp_wasm_value_t *)((char *)memory + head);
    *global->cell = value;
    *result = global;
    return KP_OK;
}

kp_status_t kp_wasm_taginst_create(kp_wasm_store_t *store, const kp_wasm_functype_t *signature,
                                   kp_wasm_taginst_t **result)
{
    void *memory;
    kp_status_t status = kp_wasm_store_allocate(store, sizeof(kp_wasm_taginst_t), &memory);
    if (status != KP_OK)
        return status;
    kp_wasm_taginst_t *tag = memory;
    *result = tag;
    return signature_copy(store, signature, &tag->type, &tag->signature);
}
