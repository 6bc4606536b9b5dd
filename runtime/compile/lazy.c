#include "runtime/compile/lazy.h"

#include <string.h>

#include "runtime/instance/platform.h"
#include "runtime/instance/x86_64.h"

struct kp_wasm_lazy {
    const kp_wasm_module_t *module;
    kp_wasm_allocator_t allocator;
    bool guarded;
    kp_lazy_compile_fn compile;
    void *context;
    uint32_t lock; /* of codes, whole and compile; 0 free, 1 held, 2 held and perhaps waited for */
    uint32_t group_count, compiled;
    uint32_t *first;        /* group_count + 1 */
    kp_wasm_code_t **codes; /* NULL: not yet */
    kp_wasm_code_t *whole;  /* of all functions */
};

static void lock(kp_wasm_lazy_t *lazy)
{
    uint32_t free = 0;
    if (__atomic_compare_exchange_n(&lazy->lock, &free, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lazy->lock, 2, __ATOMIC_ACQUIRE) != 0)
        (void)kp_wasm_platform_wait(&lazy->lock, 2, 4, -1);
}

static void unlock(kp_wasm_lazy_t *lazy)
{
    if (__atomic_exchange_n(&lazy->lock, 0, __ATOMIC_RELEASE) == 2)
        (void)kp_wasm_platform_notify(&lazy->lock, 1);
}

static uint32_t own_count(const kp_wasm_module_t *module)
{
    return module->function_count - module->imported_function_count;
}

static void *allocate(const kp_wasm_lazy_t *lazy, size_t size)
{
    return lazy->allocator.resize(lazy->allocator.context, NULL, 0, size);
}

static void discard(const kp_wasm_lazy_t *lazy, void *memory, size_t size)
{
    if (memory)
        lazy->allocator.resize(lazy->allocator.context, memory, size, 0);
}

static size_t first_size(const kp_wasm_lazy_t *lazy)
{
    return ((size_t)lazy->group_count + 1) * sizeof *lazy->first;
}

static size_t codes_size(const kp_wasm_lazy_t *lazy)
{
    return ((size_t)lazy->group_count + 1) * sizeof(kp_wasm_code_t *);
}

kp_status_t kp_wasm_lazy_create(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                uint32_t group_bytes, bool guarded, kp_lazy_compile_fn compile,
                                void *context, kp_wasm_lazy_t **result)
{
    *result = NULL;
    kp_wasm_lazy_t *lazy = allocator.resize(allocator.context, NULL, 0, sizeof *lazy);
    if (!lazy)
        return KP_ERR_NO_MEMORY;
    memset(lazy, 0, sizeof *lazy);
    lazy->module = module;
    lazy->allocator = allocator;
    lazy->guarded = guarded;
    lazy->compile = compile;
    lazy->context = context;
    uint32_t count;
    for (uint32_t at = 0; (count = kp_wasm_compile_split(module, at, group_bytes)) > 0; at += count)
        lazy->group_count++;
    lazy->first = allocate(lazy, first_size(lazy));
    lazy->codes = allocate(lazy, codes_size(lazy));
    if (!lazy->first || !lazy->codes) {
        kp_wasm_lazy_destroy(lazy);
        return KP_ERR_NO_MEMORY;
    }
    memset(lazy->codes, 0, codes_size(lazy));
    lazy->first[0] = 0;
    for (uint32_t i = 0; i < lazy->group_count; i++)
        lazy->first[i + 1] =
            lazy->first[i] + kp_wasm_compile_split(module, lazy->first[i], group_bytes);
    *result = lazy;
    return KP_OK;
}

void kp_wasm_lazy_destroy(kp_wasm_lazy_t *lazy)
{
    if (!lazy)
        return;
    for (uint32_t i = 0; lazy->codes && i < lazy->group_count; i++)
        kp_wasm_code_unload(lazy->codes[i]);
    kp_wasm_code_unload(lazy->whole);
    discard(lazy, lazy->first, first_size(lazy));
    discard(lazy, lazy->codes, codes_size(lazy));
    discard(lazy, lazy, sizeof *lazy);
}

uint32_t kp_wasm_lazy_groups(const kp_wasm_lazy_t *lazy, uint32_t *compiled)
{
    *compiled = __atomic_load_n(&lazy->compiled, __ATOMIC_RELAXED);
    return lazy->group_count;
}

/* ---- the tier ---- */

static kp_status_t attach(kp_wasm_instance_t *instance, void *tier_module)
{
    kp_wasm_lazy_t *lazy = tier_module;
    const kp_wasm_module_t *module = instance->module;
    if (lazy->module != module || !kp_wasm_lazy_code())
        return KP_ERR_INVALID_ARGUMENT;
    if (lazy->guarded)
        for (uint32_t i = 0; i < module->memory_count; i++)
            if (!module->memories[i].size.is_64 &&
                kp_wasm_instance_memory(instance, i)->kind != KP_WASM_MEMORY_GUARDED)
                return KP_ERR_BAD_STATE;
    for (uint32_t i = 0; i < own_count(module); i++) {
        kp_wasm_funcinst_t *function = &instance->functions[i];
        function->code = kp_wasm_lazy_code();
        function->call = kp_wasm_x86_call;
        function->context = lazy;
    }
    return KP_OK;
}

static uint32_t group_of(const kp_wasm_lazy_t *lazy, uint32_t own)
{
    uint32_t low = 0, high = lazy->group_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lazy->first[middle] <= own)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Code for the group, by the lock's holder. */
static kp_status_t compile_group(kp_wasm_lazy_t *lazy, uint32_t group)
{
    uint32_t first = lazy->first[group], count = lazy->first[group + 1] - first;
    kp_wasm_code_t *code = NULL;
    kp_status_t status = lazy->compile(lazy->context, first, count, &code);
    if (status != KP_OK)
        return status;
    if (kp_wasm_code_first(code) == first && kp_wasm_code_count(code) == count)
        lazy->codes[group] = code;
    else
        lazy->whole = code;
    __atomic_add_fetch(&lazy->compiled, 1, __ATOMIC_RELAXED);
    return KP_OK;
}

static kp_status_t resolve(kp_wasm_funcinst_t *function)
{
    kp_wasm_lazy_t *lazy = function->context;
    uint32_t group = group_of(lazy, function->index - lazy->module->imported_function_count);
    kp_status_t status = KP_OK;
    lock(lazy);
    if (!lazy->codes[group] && !lazy->whole)
        status = compile_group(lazy, group);
    const kp_wasm_code_t *code = lazy->whole ? lazy->whole : lazy->codes[group];
    unlock(lazy);
    return status == KP_OK ? kp_wasm_code_attach(code, function->instance) : status;
}

const kp_wasm_tier_t kp_wasm_lazy_tier = {
    .name = "lazy",
    .attach = attach,
    .resolve = resolve,
};
