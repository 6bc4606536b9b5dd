/* wasm.h: configuration, engines, stores, modules, instances; kpwasm.h. */
#include "runtime/embed/internal.h"
#include "runtime/embed/wasi_link.h"
#include "runtime/wasm/heap.h"

#include <stdio.h>
#include <stdlib.h>

const kp_wasm_allocator_t kp_embed_allocator = {kp_wasm_heap_resize, NULL};

/* ---- configuration, engine, store ---- */

wasm_config_t *wasm_config_new(void)
{
    wasm_config_t *config = calloc(1, sizeof *config);
    if (config)
        config->features = KP_WASM_FEATURES_ALL;
    return config;
}

void wasm_config_delete(wasm_config_t *config)
{
    free(config);
}

void kpwasm_config_set_tier(wasm_config_t *config, kpwasm_tier_t tier)
{
    config->tier = tier;
}

void kpwasm_config_set_features(wasm_config_t *config, uint32_t features)
{
    config->features = features & KP_WASM_FEATURES_ALL;
}

void kpwasm_config_set_fuel(wasm_config_t *config, bool counted)
{
    config->fuel = counted;
}

void kpwasm_config_set_limits(wasm_config_t *config, const kpwasm_limits_t *limits)
{
    config->limits = *limits;
}

void kpwasm_config_set_compiler(wasm_config_t *config, kpwasm_compiler_t compiler)
{
    config->compiler = compiler;
}

void kpwasm_config_set_jobs(wasm_config_t *config, unsigned jobs)
{
    config->jobs = jobs;
}

void kpwasm_config_set_lazy(wasm_config_t *config, bool lazy)
{
    config->lazy = lazy;
}

bool kpwasm_config_set_cache(wasm_config_t *config, const char *folder, uint64_t bytes)
{
    size_t length = folder ? strlen(folder) : 0;
    if (length >= sizeof config->cache)
        return false;
    memcpy(config->cache, folder ? folder : "", length + 1);
    config->cache_bytes = bytes;
    return true;
}

wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *config)
{
    wasm_engine_t *engine = config ? malloc(sizeof *engine) : NULL;
    if (engine)
        engine->config = *config;
    wasm_config_delete(config);
    if (engine && !kp_embed_has_compiler)
        engine->config.tier = KPWASM_TIER_INTERPRET;
    return engine;
}

wasm_engine_t *wasm_engine_new(void)
{
    return wasm_engine_new_with_config(wasm_config_new());
}

void wasm_engine_delete(wasm_engine_t *engine)
{
    free(engine);
}

wasm_store_t *wasm_store_new(wasm_engine_t *engine)
{
    const kpwasm_limits_t *limits = &engine->config.limits;
    kp_wasm_store_options_t options = kp_wasm_store_options_init(kp_embed_allocator);
    if (limits->memory_bytes)
        options.memory_maximum = limits->memory_bytes;
    if (limits->object_bytes)
        options.object_maximum = limits->object_bytes;
    if (limits->table_elements)
        options.table_maximum = limits->table_elements;
    if (limits->stack_bytes)
        options.stack_bytes = limits->stack_bytes;
    wasm_store_t *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->config = engine->config;
    if (kp_wasm_store_create(&options, &store->store) != KP_OK) {
        free(store);
        return NULL;
    }
    const wasm_config_t *config = &store->config;
    if (config->cache[0] && config->tier == KPWASM_TIER_COMPILE &&
        kp_code_cache_open(config->cache, config->cache_bytes, &store->cache) != KP_OK)
        store->cache = NULL;
    return store;
}

void wasm_store_delete(wasm_store_t *store)
{
    if (!store)
        return;
    kp_wasm_store_destroy(store->store);
    for (wasm_ref_t *ref = store->held, *next; ref; ref = next) {
        next = ref->next_held;
        ref->is_held = false;
        ref->store = NULL;
        wasm_ref_delete(ref);
    }
    for (kp_embed_module_hold_t *hold = store->modules, *next; hold; hold = next) {
        next = hold->next;
        kp_embed_module_release(hold->module);
        free(hold);
    }
    for (kp_embed_callback_t *callback = store->callbacks, *next; callback; callback = next) {
        next = callback->next;
        if (callback->finalizer)
            callback->finalizer(callback->environment);
        free(callback);
    }
    wasm_trap_delete(store->host_trap);
    kp_code_cache_close(store->cache);
    free(store);
}

void kpwasm_store_set_fuel(wasm_store_t *store, int64_t fuel)
{
    store->store->head.fuel = fuel;
}

int64_t kpwasm_store_fuel(const wasm_store_t *store)
{
    return store->store->head.fuel > 0 ? store->store->head.fuel : 0;
}

void kpwasm_store_interrupt(wasm_store_t *store)
{
    kp_wasm_store_interrupt(store->store);
}

const char *kpwasm_store_error(const wasm_store_t *store)
{
    return store->error;
}

/* ---- modules ---- */

void kp_embed_module_release(kp_embed_module_t *module)
{
    if (!module || __atomic_sub_fetch(&module->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    kp_code_discard(&module->code);
    kp_wasm_interpreted_destroy(module->interpreted);
    kp_wasm_module_destroy(module->module);
    free(module->bytes);
    free(module);
}

static kp_embed_module_t *module_retain(kp_embed_module_t *module)
{
    __atomic_add_fetch(&module->references, 1, __ATOMIC_RELAXED);
    return module;
}

static void set_error(wasm_store_t *store, kp_status_t status, const kp_wasm_error_t *error)
{
    store->error[0] = '\0';
    if (status != KP_OK && error && error->kind != KP_WASM_ERROR_NONE)
        kp_wasm_error_print(error, store->error, sizeof store->error);
    else if (status != KP_OK)
        snprintf(store->error, sizeof store->error, "%s", kp_status_text(status));
}

/* On an error from the compiler *failure says why. */
static kp_status_t make_code(wasm_store_t *store, kp_embed_module_t *module, kp_wasm_error_t *error,
                             kp_compile_failure_t *failure)
{
    const wasm_config_t *config = &store->config;
    if (config->tier == KPWASM_TIER_INTERPRET) {
        kp_status_t status = kp_wasm_module_validate(module->module, error);
        return status == KP_OK ? kp_wasm_interpreted_create(module->module, kp_embed_allocator,
                                                            &module->interpreted)
                               : status;
    }
    const kp_code_options_t options = {
        .allocator = kp_embed_allocator,
        .flags = KP_WASM_COMPILE_GUARDED | KP_WASM_COMPILE_INTERRUPT |
                 (config->fuel ? KP_WASM_COMPILE_FUEL : 0),
        .own_process = config->compiler == KPWASM_COMPILER_PROCESS,
        .lazy = config->lazy,
        .jobs = config->jobs,
        .cache = store->cache,
    };
    return kp_code_obtain(&options, module->module, &module->code, failure);
}

static kp_embed_module_t *load(wasm_store_t *store, const char *bytes, size_t size, bool with_code)
{
    kp_wasm_error_t error = {0};
    kp_compile_failure_t failure = {""};
    kp_status_t status = KP_ERR_NO_MEMORY;
    kp_wasm_options_t options = kp_wasm_options_init(kp_embed_allocator);
    options.features = store->config.features;
    kp_embed_module_t *module = calloc(1, sizeof *module);
    if (module) {
        module->references = 1;
        module->size = size;
        module->bytes = malloc(size ? size : 1);
    }
    if (module && module->bytes) {
        if (size)
            memcpy(module->bytes, bytes, size);
        status = kp_wasm_module_decode(module->bytes, size, &options, &module->module, &error);
        if (status == KP_OK)
            status = with_code ? make_code(store, module, &error, &failure)
                               : kp_wasm_module_validate(module->module, &error);
    }
    set_error(store, status, &error);
    if (status != KP_OK && failure.text[0])
        snprintf(store->error, sizeof store->error, "%s", failure.text);
    if (status == KP_OK)
        return module;
    kp_embed_module_release(module);
    return NULL;
}

static wasm_module_t *module_handle(wasm_store_t *store, kp_embed_module_t *module)
{
    wasm_ref_t *ref = module ? kp_embed_ref_new(store, KP_EMBED_MODULE, module) : NULL;
    if (!ref)
        kp_embed_module_release(module);
    return (wasm_module_t *)(void *)ref;
}

wasm_module_t *wasm_module_new(wasm_store_t *store, const wasm_byte_vec_t *binary)
{
    return module_handle(store, load(store, binary->data, binary->size, true));
}

bool wasm_module_validate(wasm_store_t *store, const wasm_byte_vec_t *binary)
{
    kp_embed_module_t *module = load(store, binary->data, binary->size, false);
    kp_embed_module_release(module);
    return module != NULL;
}

static wasm_externtype_t *type_of(const kp_wasm_module_t *module, uint8_t kind, uint32_t index)
{
    switch (kind) {
    case KP_WASM_EXTERNAL_FUNCTION:
        return kp_embed_functype(kp_wasm_module_function_type(module, index));
    case KP_WASM_EXTERNAL_TABLE:
        return kp_embed_tabletype(module->tables[index].type, &module->tables[index].size);
    case KP_WASM_EXTERNAL_MEMORY:
        return kp_embed_memorytype(&module->memories[index].size);
    case KP_WASM_EXTERNAL_GLOBAL:
        return kp_embed_globaltype(module->globals[index].type, module->globals[index].mutable);
    default:
        return kp_embed_tagtype();
    }
}

static bool name_of(const kp_wasm_module_t *module, kp_wasm_span_t span, wasm_name_t *out)
{
    wasm_name_new(out, span.size, (const char *)kp_wasm_module_at(module, span));
    return out->size == span.size;
}

void wasm_module_imports(const wasm_module_t *handle, wasm_importtype_vec_t *out)
{
    const kp_wasm_module_t *module = KP_EMBED_REF(handle)->module->module;
    bool good = true;
    wasm_importtype_vec_new_uninitialized(out, module->import_count);
    for (size_t i = 0; i < out->size; i++) {
        const kp_wasm_import_t *import = &module->imports[i];
        wasm_name_t from, name;
        good = name_of(module, import->module, &from) && good;
        good = name_of(module, import->name, &name) && good;
        out->data[i] =
            wasm_importtype_new(&from, &name, type_of(module, import->kind, import->index));
        good = good && out->data[i];
    }
    if (!good)
        wasm_importtype_vec_delete(out);
}

void wasm_module_exports(const wasm_module_t *handle, wasm_exporttype_vec_t *out)
{
    const kp_wasm_module_t *module = KP_EMBED_REF(handle)->module->module;
    bool good = true;
    wasm_exporttype_vec_new_uninitialized(out, module->export_count);
    for (size_t i = 0; i < out->size; i++) {
        const kp_wasm_export_t *export = &module->exports[i];
        wasm_name_t name;
        good = name_of(module, export->name, &name) && good;
        out->data[i] = wasm_exporttype_new(&name, type_of(module, export->kind, export->index));
        good = good && out->data[i];
    }
    if (!good)
        wasm_exporttype_vec_delete(out);
}

bool kpwasm_module_is_cached(const wasm_module_t *handle)
{
    return KP_EMBED_REF(handle)->module->code.is_cached;
}

static const char serial_magic[8] = "KPWASM\0\1";

void wasm_module_serialize(const wasm_module_t *handle, wasm_byte_vec_t *out)
{
    const kp_embed_module_t *module = KP_EMBED_REF(handle)->module;
    wasm_byte_vec_new_uninitialized(out, module->size + sizeof serial_magic);
    if (!out->size)
        return;
    memcpy(out->data, serial_magic, sizeof serial_magic);
    memcpy(out->data + sizeof serial_magic, module->bytes, module->size);
}

wasm_module_t *wasm_module_deserialize(wasm_store_t *store, const wasm_byte_vec_t *from)
{
    if (from->size < sizeof serial_magic ||
        memcmp(from->data, serial_magic, sizeof serial_magic) != 0) {
        set_error(store, KP_ERR_BAD_FORMAT, NULL);
        return NULL;
    }
    return module_handle(store, load(store, from->data + sizeof serial_magic,
                                     from->size - sizeof serial_magic, true));
}

wasm_shared_module_t *wasm_module_share(const wasm_module_t *handle)
{
    return (wasm_shared_module_t *)(void *)module_retain(KP_EMBED_REF(handle)->module);
}

wasm_module_t *wasm_module_obtain(wasm_store_t *store, const wasm_shared_module_t *shared)
{
    kp_embed_module_t *module = (kp_embed_module_t *)(void *)(uintptr_t)shared;
    return module_handle(store, module_retain(module));
}

void wasm_shared_module_delete(wasm_shared_module_t *shared)
{
    kp_embed_module_release((kp_embed_module_t *)(void *)shared);
}

/* ---- instances ---- */

static kp_wasm_extern_t extern_in(const wasm_extern_t *handle)
{
    static const uint8_t kinds[] = {
        [KP_EMBED_FUNC] = KP_WASM_EXTERNAL_FUNCTION, [KP_EMBED_TABLE] = KP_WASM_EXTERNAL_TABLE,
        [KP_EMBED_MEMORY] = KP_WASM_EXTERNAL_MEMORY, [KP_EMBED_GLOBAL] = KP_WASM_EXTERNAL_GLOBAL,
        [KP_EMBED_TAG] = KP_WASM_EXTERNAL_TAG,
    };
    kp_wasm_extern_t result = {.kind = KP_WASM_EXTERNAL_FUNCTION};
    const wasm_ref_t *ref = KP_EMBED_REF(handle);
    if (ref && ref->kind <= KP_EMBED_TAG) {
        result.kind = kinds[ref->kind];
        result.function = ref->object;
    }
    return result;
}

/* The store keeps the module for as long as its instances live. */
static bool hold(wasm_store_t *store, kp_embed_module_t *module)
{
    for (kp_embed_module_hold_t *hold = store->modules; hold; hold = hold->next)
        if (hold->module == module)
            return true;
    kp_embed_module_hold_t *added = malloc(sizeof *added);
    if (!added)
        return false;
    *added = (kp_embed_module_hold_t){store->modules, module_retain(module)};
    store->modules = added;
    return true;
}

wasm_instance_t *wasm_instance_new(wasm_store_t *store, const wasm_module_t *handle,
                                   const wasm_extern_vec_t *imports, wasm_trap_t **trap)
{
    kp_embed_module_t *module = KP_EMBED_REF(handle)->module;
    uint32_t count = module->module->import_count, bad = UINT32_MAX;
    kp_wasm_extern_t *given = calloc(count + 1u, sizeof *given);
    kp_wasm_instance_t *instance = NULL;
    kp_status_t status = given && hold(store, module) ? KP_OK : KP_ERR_NO_MEMORY;
    if (trap)
        *trap = NULL;
    for (uint32_t i = 0; status == KP_OK && i < count && imports && i < imports->size; i++)
        if (imports->data[i])
            given[i] = extern_in(imports->data[i]);
    if (status == KP_OK)
        status = kp_wasm_instance_create(
            store->store, module->module,
            module->code.tier ? module->code.tier : &kp_wasm_interpreted_tier,
            module->code.tier ? module->code.tier_module : (void *)module->interpreted, given,
            count, true, &instance, &bad);
    set_error(store, status, NULL);
    if (bad != UINT32_MAX) /* "missing" is the same to the specification */
        kp_wasm_import_print(module->module, bad, &given[bad], store->error, sizeof store->error);
    free(given);
    if (status == KP_OK)
        return (wasm_instance_t *)(void *)kp_embed_ref_new(store, KP_EMBED_INSTANCE, instance);
    if (trap && (status == KP_ERR_TRAP || status == KP_ERR_EXCEPTION))
        *trap = kp_embed_trap(store, status);
    return NULL;
}

void wasm_instance_exports(const wasm_instance_t *handle, wasm_extern_vec_t *out)
{
    const wasm_ref_t *ref = KP_EMBED_REF(handle);
    bool good = true;
    wasm_extern_vec_new_uninitialized(out, ref->instance->module->export_count);
    for (size_t i = 0; i < out->size; i++) {
        kp_wasm_extern_t what = kp_wasm_instance_export(ref->instance, (uint32_t)i);
        out->data[i] = kp_embed_extern(ref->store, &what);
        good = good && out->data[i];
    }
    if (!good)
        wasm_extern_vec_delete(out);
}

bool kpwasm_wasi_imports(wasm_store_t *store, struct kp_wasi *wasi, const wasm_module_t *handle,
                         wasm_extern_vec_t *out)
{
    const kp_wasm_module_t *module = KP_EMBED_REF(handle)->module->module;
    wasm_extern_vec_new_uninitialized(out, module->import_count);
    bool good = out->size == module->import_count;
    for (size_t i = 0; good && i < out->size; i++) {
        const kp_wasm_import_t *import = &module->imports[i];
        kp_wasm_extern_t what = {.kind = KP_WASM_EXTERNAL_FUNCTION};
        if (import->kind != KP_WASM_EXTERNAL_FUNCTION ||
            !kp_wasm_wasi_is_module((const char *)kp_wasm_module_at(module, import->module),
                                    import->module.size))
            continue;
        good = kp_wasm_wasi_function(store->store, wasi,
                                     (const char *)kp_wasm_module_at(module, import->name),
                                     import->name.size, &what.function) == KP_OK;
        if (good && what.function)
            good = (out->data[i] = kp_embed_extern(store, &what)) != NULL;
    }
    if (!good)
        wasm_extern_vec_delete(out);
    return good;
}
