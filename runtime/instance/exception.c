/* Exceptions: made, freed where they are caught by value, collected where references to them were made.

   A collection marks what can still be reached and frees the rest. Roots are exact where types are known
   (globals, tables, element segments, values of other exceptions, the pending one, those that the host
   holds) and conservative where compiled code and the interpreter keep values: each word of the native
   stack since the outermost call, and of the interpreter's stack, may be a reference. Nothing moves, so a
   number that looks like one costs memory, not correctness. It happens when a new exception is made, at the
   latest when as much was made as was left the last time, so its cost is in proportion. */
#include "runtime/instance/internal.h"

enum {
    COLLECT_LEAST = 256 << 10, /* bytes of new exceptions between two collections */
    /* Below the stack limit, host functions and helpers run. */
    STACK_RESERVE = 128 << 10,
};

/* What a collection works with: the set of all exceptions, open addressing, and those of them that are
   marked but not yet looked through. */
typedef struct collection {
    kp_wasm_store_t *store;
    kp_wasm_exninst_t **set, **gray;
    size_t set_size, gray_count;
    uintptr_t least, most;
    uint64_t scanned; /* words of roots */
} collection_t;

static size_t set_place(const collection_t *collection, uintptr_t word)
{
    return (size_t)((word >> 4) * 0x9e3779b97f4a7c15u >> 20) & (collection->set_size - 1);
}

static void mark(collection_t *collection, const void *reference)
{
    uintptr_t word = (uintptr_t)reference;
    if (word < collection->least || word > collection->most)
        return;
    for (size_t at = set_place(collection, word); collection->set[at];
         at = (at + 1) & (collection->set_size - 1)) {
        kp_wasm_exninst_t *exception = collection->set[at];
        if ((uintptr_t)exception != word)
            continue;
        if (!exception->marked) {
            exception->marked = true;
            collection->gray[collection->gray_count++] = exception;
        }
        return;
    }
}

static void mark_row(collection_t *collection, void *const *references, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        mark(collection, references[i]);
    collection->scanned += count;
}

/* Of the live stack: other functions' frames, what sanitizers put between their variables. */
__attribute__((no_sanitize("address"), noinline)) static void
mark_stack(collection_t *collection, const void *begin, const void *end)
{
    uintptr_t at = ((uintptr_t)begin + 7) & ~(uintptr_t)7;
    collection->scanned += ((uintptr_t)end - at) / 8;
    for (; at + 8 <= (uintptr_t)end; at += 8)
        mark(collection, *(void *const volatile *)at);
}

static void mark_instance(collection_t *collection, const kp_wasm_instance_t *instance)
{
    const kp_wasm_module_t *module = instance->module;
    for (uint32_t i = 0; i < module->global_count; i++) {
        const kp_wasm_globalinst_t *global = kp_wasm_instance_global(instance, i);
        if (global->type == KP_WASM_TYPE_EXNREF)
            mark(collection, global->cell->reference);
    }
    for (uint32_t i = 0; i < module->element_count; i++)
        if (module->elements[i].type == KP_WASM_TYPE_EXNREF)
            mark_row(collection, instance->elements[i].references, instance->elements[i].count);
    collection->scanned += module->global_count + module->element_count;
}

static void mark_roots(collection_t *collection, const void *stack)
{
    kp_wasm_store_t *store = collection->store;
    for (kp_wasm_exninst_t *exception = store->exceptions; exception; exception = exception->next)
        if (exception->held)
            mark(collection, exception);
    mark(collection, store->pending);
    for (const kp_wasm_instance_t *instance = store->instances; instance; instance = instance->next)
        mark_instance(collection, instance);
    for (const kp_wasm_tableinst_t *table = store->tables; table; table = table->next)
        if (table->type == KP_WASM_TYPE_EXNREF)
            mark_row(collection, table->elements, table->size);
    if (store->slots_top)
        mark_stack(collection, store->slots, *store->slots_top);
    mark_stack(collection, stack, (const void *)(uintptr_t)store->stack_base);
}

static void mark_values(collection_t *collection)
{
    while (collection->gray_count > 0) {
        const kp_wasm_exninst_t *exception = collection->gray[--collection->gray_count];
        const kp_wasm_functype_t *type = exception->tag->signature;
        for (uint32_t i = 0; i < type->parameter_count; i++)
            if (type->types[i] == KP_WASM_TYPE_EXNREF)
                mark(collection, exception->values[i].reference);
    }
}

static void release(kp_wasm_store_t *store, kp_wasm_exninst_t *exception)
{
    size_t size = exception->allocated;
    store->object_used -= size;
    store->exception_bytes -= size;
    store->exception_count--;
    store->options.allocator.resize(store->options.allocator.context, exception, size, 0);
}

static void sweep(kp_wasm_store_t *store)
{
    kp_wasm_exninst_t **link = &store->exceptions;
    for (kp_wasm_exninst_t *exception = *link, *next; exception; exception = next) {
        next = exception->next;
        if (exception->marked) {
            exception->marked = false;
            link = &exception->next;
        } else {
            *link = next;
            release(store, exception);
        }
    }
}

/* Nothing happens without memory for it, or on another stack than that of the outermost call. noinline:
   its frame is below those of all who keep references, their registers saved in it. */
__attribute__((noinline)) static void collect(kp_wasm_store_t *store)
{
    __builtin_unwind_init();
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    collection_t collection = {.store = store, .set_size = 64, .least = UINTPTR_MAX};
    kp_wasm_allocator_t *allocator = &store->options.allocator;
    if (store->calls == 0 || here > store->stack_base || here + STACK_RESERVE < store->stack_limit)
        return;
    while (collection.set_size < store->exception_count * 2)
        collection.set_size *= 2;
    size_t bytes = (collection.set_size + store->exception_count) * sizeof(void *);
    collection.set = allocator->resize(allocator->context, NULL, 0, bytes);
    if (!collection.set)
        return;
    memset(collection.set, 0, bytes);
    collection.gray = collection.set + collection.set_size;
    for (kp_wasm_exninst_t *exception = store->exceptions; exception; exception = exception->next) {
        uintptr_t word = (uintptr_t)exception;
        size_t at = set_place(&collection, word);
        while (collection.set[at])
            at = (at + 1) & (collection.set_size - 1);
        collection.set[at] = exception;
        collection.least = word < collection.least ? word : collection.least;
        collection.most = word > collection.most ? word : collection.most;
    }
    /* From this function's own variables on: the saved registers are among them. */
    mark_roots(&collection, __builtin_alloca(16));
    mark_values(&collection);
    allocator->resize(allocator->context, collection.set, bytes, 0);
    sweep(store);
    uint64_t least = COLLECT_LEAST > collection.scanned ? COLLECT_LEAST : collection.scanned;
    store->exception_room = store->exception_bytes > least ? store->exception_bytes : least;
    store->exception_fresh = 0;
}

__attribute__((noinline)) void kp_wasm_stack_clear(void)
{
    enum { CLEARED = 4096 };
    char area[CLEARED];
    memset(area, 0, sizeof area);
    __asm__ volatile("" : : "r"(area) : "memory"); /* it is wanted */
}

kp_wasm_exninst_t *kp_wasm_exception_new(kp_wasm_instance_t *instance, uint32_t index,
                                         const kp_wasm_value_t *values)
{
    kp_wasm_store_t *store = instance->store;
    const kp_wasm_taginst_t *tag = kp_wasm_instance_tag(instance, index);
    size_t count = tag->signature->parameter_count;
    size_t size = sizeof(kp_wasm_exninst_t) + count * sizeof(kp_wasm_value_t);
    kp_wasm_allocator_t *allocator = &store->options.allocator;
    uint64_t room = store->exception_room ? store->exception_room : COLLECT_LEAST;
    kp_wasm_exninst_t *exception = NULL;
    if (store->exception_fresh > room)
        collect(store);
    for (int tries = 0; !exception; tries++) {
        if (kp_wasm_store_charge(store, size) == KP_OK) {
            exception = allocator->resize(allocator->context, NULL, 0, size);
            if (!exception)
                store->object_used -= size;
        }
        if (exception)
            break;
        /* Once in an outermost call, else if it is likely to help: a store that is full must not collect
           at each throw. */
        if (tries > 0 || (store->exception_tried && store->exception_fresh < room / 16))
            return NULL;
        store->exception_tried = true;
        collect(store);
    }
    *exception =
        (kp_wasm_exninst_t){.tag = tag, .next = store->exceptions, .allocated = (uint32_t)size};
    for (size_t i = 0; i < count; i++) {
        kp_wasm_type_t type = tag->signature->types[i];
        exception->values[i] = values[i];
        /* Code fills only what a value needs of its place in the row. */
        if (type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32)
            exception->values[i].u64 = values[i].u32;
    }
    store->exceptions = exception;
    store->exception_bytes += size;
    store->exception_fresh += size;
    store->exception_count++;
    return exception;
}

void kp_wasm_exception_free(kp_wasm_instance_t *instance, kp_wasm_exninst_t *exception)
{
    kp_wasm_store_t *store = instance->store;
    /* One that was caught without making a reference is nearly always the newest; others are collected. */
    if (exception->escaped || exception->held || store->exceptions != exception)
        return;
    store->exceptions = exception->next;
    store->exception_fresh -= exception->allocated < store->exception_fresh
                                  ? exception->allocated
                                  : store->exception_fresh;
    release(store, exception);
}

void kp_wasm_exception_hold(kp_wasm_exninst_t *exception)
{
    exception->held++;
}

void kp_wasm_exception_release(kp_wasm_exninst_t *exception)
{
    exception->held--;
}

kp_status_t kp_wasm_store_throw(kp_wasm_store_t *store, kp_wasm_exninst_t *exception)
{
    store->pending = exception;
    return KP_ERR_EXCEPTION;
}
