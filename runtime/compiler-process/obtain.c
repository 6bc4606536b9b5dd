#include "runtime/compiler-process/obtain.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/compiler-process/keep.h"
#include "runtime/compiler-process/parallel.h"

/* What a lazy module compiles with, later. */
typedef struct kp_lazy_source {
    const kp_wasm_module_t *module;
    kp_wasm_compile_options_t options;
    kp_compiler_process_t *process; /* NULL: here */
    kp_compiled_t *compiled;        /* of the process; unmapped at the end */
    uint32_t compiled_count, compiled_capacity;
    kp_code_options_t whole; /* for the keeper, */
    kp_code_key_t key;       /* if there is a cache */
    kp_code_keeper_t *keeper;
    bool was_started; /* or could not be */
} kp_lazy_source_t;

static kp_status_t say(kp_compile_failure_t *failure, kp_status_t status,
                       const kp_wasm_error_t *error)
{
    if (!failure)
        return status;
    if (!error || error->kind == KP_WASM_ERROR_NONE ||
        kp_wasm_error_print(error, failure->text, sizeof failure->text) == 0)
        snprintf(failure->text, sizeof failure->text, "%s", kp_status_text(status));
    return status;
}

static kp_wasm_compile_options_t compile_options(const kp_code_options_t *options)
{
    kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(options->allocator);
    compile.flags = options->flags & ~(uint32_t)KP_WASM_COMPILE_LAZY;
    return compile;
}

/* ---- the cache ---- */

static kp_code_key_t key_of(const kp_code_options_t *options, const kp_wasm_module_t *module)
{
    kp_wasm_compile_options_t compile = compile_options(options);
    kp_code_key_t key = {
        .compiler_version = (uint32_t)KP_WASM_CODE_VERSION << 16 | KP_WASM_LAYOUT_VERSION,
        .compile_flags = compile.flags,
        .features = module->features,
        .processor_features = compile.cpu,
    };
    kp_sha256(module->bytes, module->size, key.module);
    return key;
}

static bool cache_find(const kp_code_options_t *options, const kp_wasm_module_t *module,
                       const kp_code_key_t *key, kp_code_source_t *source)
{
    if (kp_code_cache_find(options->cache, key, &source->entry) != KP_OK)
        return false;
    const kp_code_entry_t *entry = &source->entry;
    kp_status_t status =
        entry->is_executable && entry->size > KP_WASM_CODE_PAGE
            ? kp_wasm_code_adopt(entry->bytes, entry->size, entry->bytes + KP_WASM_CODE_PAGE,
                                 module, options->allocator, &source->code)
            : kp_wasm_code_load(entry->bytes, entry->size, module, options->allocator,
                                &source->code);
    if (status != KP_OK || kp_wasm_code_first(source->code) != 0 ||
        kp_wasm_code_count(source->code) !=
            module->function_count - module->imported_function_count) {
        kp_wasm_code_unload(source->code);
        source->code = NULL;
        kp_code_entry_release(&source->entry);
        return false;
    }
    source->is_cached = true;
    return true;
}

/* ---- compiling ---- */

static kp_status_t process_start(const kp_code_options_t *options,
                                 const kp_wasm_compile_options_t *compile,
                                 const kp_wasm_module_t *module, kp_compiler_process_t **process,
                                 kp_compile_failure_t *failure)
{
    int file = kp_compiler_module_file(module->bytes, module->size);
    if (file < 0)
        return say(failure, KP_ERR_NO_MEMORY, NULL);
    kp_status_t status =
        kp_compiler_process_start(compile, module->features, &options->limits, options->jobs, file,
                                  module->size, process, failure);
    close(file);
    return status;
}

static kp_status_t whole_by_process(const kp_code_options_t *options,
                                    const kp_wasm_module_t *module, kp_code_source_t *source,
                                    const void **bytes, size_t *size, kp_compile_failure_t *failure)
{
    kp_wasm_compile_options_t compile = compile_options(options);
    kp_compiler_process_t *process = NULL;
    kp_status_t status = process_start(options, &compile, module, &process, failure);
    if (status != KP_OK)
        return status;
    status = kp_compiler_process_compile(process, 0, UINT32_MAX, &source->compiled, failure);
    kp_compiler_process_end(process);
    *bytes = source->compiled.bytes;
    *size = source->compiled.size;
    return status;
}

/* The artefact of all; *artefact holds it when it was made here, source->compiled when it was not. */
static kp_status_t whole(const kp_code_options_t *options, const kp_wasm_module_t *module,
                         kp_code_source_t *source, kp_wasm_artefact_t *artefact, const void **bytes,
                         size_t *size, kp_compile_failure_t *failure)
{
    *artefact = (kp_wasm_artefact_t){0};
    if (options->own_process)
        return whole_by_process(options, module, source, bytes, size, failure);
    kp_wasm_compile_options_t compile = compile_options(options);
    kp_wasm_error_t error = {0};
    kp_status_t status =
        kp_wasm_compile_parallel(module, &compile, options->jobs, artefact, &error);
    *bytes = artefact->bytes;
    *size = artefact->size;
    return status == KP_OK ? KP_OK : say(failure, status, &error);
}

static kp_status_t obtain_whole(const kp_code_options_t *options, const kp_wasm_module_t *module,
                                const kp_code_key_t *key, kp_code_source_t *source,
                                kp_compile_failure_t *failure)
{
    kp_wasm_artefact_t artefact;
    const void *bytes;
    size_t size;
    kp_status_t status = whole(options, module, source, &artefact, &bytes, &size, failure);
    if (status != KP_OK)
        return status;
    status = options->own_process && size > KP_WASM_CODE_PAGE
                 ? kp_wasm_code_adopt(bytes, size, (const uint8_t *)bytes + KP_WASM_CODE_PAGE,
                                      module, options->allocator, &source->code)
                 : kp_wasm_code_load(bytes, size, module, options->allocator, &source->code);
    if (status == KP_OK && options->cache)
        source->stored = kp_code_cache_store(options->cache, key, bytes, size);
    kp_wasm_artefact_free(&artefact);
    return status == KP_OK ? KP_OK : say(failure, status, NULL);
}

/* ---- lazily ---- */

static kp_status_t lazy_by_process(kp_lazy_source_t *source, uint32_t first, uint32_t count,
                                   kp_wasm_code_t **code)
{
    kp_wasm_allocator_t allocator = source->options.allocator;
    if (source->compiled_count == source->compiled_capacity) {
        uint32_t capacity = source->compiled_capacity * 2 + 16;
        kp_compiled_t *compiled = allocator.resize(allocator.context, source->compiled,
                                                   source->compiled_capacity * sizeof *compiled,
                                                   capacity * sizeof *compiled);
        if (!compiled)
            return KP_ERR_NO_MEMORY;
        source->compiled = compiled;
        source->compiled_capacity = capacity;
    }
    kp_compiled_t compiled;
    kp_status_t status =
        kp_compiler_process_compile(source->process, first, count, &compiled, NULL);
    if (status != KP_OK)
        return status;
    source->compiled[source->compiled_count++] = compiled;
    if (compiled.size <= KP_WASM_CODE_PAGE)
        return KP_ERR_PROTOCOL;
    return kp_wasm_code_adopt(compiled.bytes, compiled.size, compiled.bytes + KP_WASM_CODE_PAGE,
                              source->module, allocator, code);
}

static kp_status_t lazy_compile(void *context, uint32_t first, uint32_t count,
                                kp_wasm_code_t **code)
{
    kp_lazy_source_t *source = context;
    kp_wasm_artefact_t artefact;
    kp_status_t status;
    if (source->whole.cache && !source->was_started) { /* lazy.h: one call at a time */
        source->was_started = true;
        source->keeper = kp_code_keeper_start(&source->whole, source->module, &source->key);
    }
    if (source->process) {
        status = lazy_by_process(source, first, count, code);
    } else {
        status =
            kp_wasm_compile_range(source->module, &source->options, first, count, &artefact, NULL);
        if (status == KP_OK)
            status = kp_wasm_code_load(artefact.bytes, artefact.size, source->module,
                                       source->options.allocator, code);
        kp_wasm_artefact_free(&artefact);
    }
    if (status == KP_OK &&
        (kp_wasm_code_first(*code) != first || kp_wasm_code_count(*code) != count)) {
        kp_wasm_code_unload(*code);
        *code = NULL;
        status = KP_ERR_PROTOCOL;
    }
    return status;
}

static kp_status_t obtain_lazy(const kp_code_options_t *options, const kp_wasm_module_t *module,
                               const kp_code_key_t *key, kp_code_source_t *source,
                               kp_compile_failure_t *failure)
{
    kp_wasm_allocator_t allocator = options->allocator;
    kp_lazy_source_t *lazy = allocator.resize(allocator.context, NULL, 0, sizeof *lazy);
    if (!lazy)
        return say(failure, KP_ERR_NO_MEMORY, NULL);
    memset(lazy, 0, sizeof *lazy);
    source->lazy_source = lazy;
    lazy->module = module;
    lazy->options = compile_options(options);
    lazy->options.flags |= KP_WASM_COMPILE_LAZY;
    lazy->whole = *options;
    if (options->cache)
        lazy->key = *key;
    kp_status_t status;
    kp_wasm_error_t error = {0};
    if (options->own_process) {
        status = process_start(options, &lazy->options, module, &lazy->process, failure);
        if (status == KP_OK)
            status = kp_compiler_process_validate(lazy->process, failure);
        if (status != KP_OK)
            return status;
    } else {
        status = kp_wasm_validate_parallel(module, allocator, options->jobs, &error);
    }
    if (status == KP_OK)
        status = kp_wasm_lazy_create(
            module, allocator, options->lazy_bytes ? options->lazy_bytes : KP_WASM_LAZY_BYTES,
            options->flags & KP_WASM_COMPILE_GUARDED, lazy_compile, lazy, &source->lazy);
    return status == KP_OK ? KP_OK : say(failure, status, &error);
}

/* ---- the interface ---- */

kp_status_t kp_code_obtain(const kp_code_options_t *options, const kp_wasm_module_t *module,
                           kp_code_source_t *source, kp_compile_failure_t *failure)
{
    kp_code_key_t key;
    kp_status_t status = KP_OK;
    *source = (kp_code_source_t){0};
    if (failure)
        failure->text[0] = '\0';
    if (options->cache)
        key = key_of(options, module);
    if (!options->cache || !cache_find(options, module, &key, source))
        status = options->lazy ? obtain_lazy(options, module, &key, source, failure)
                               : obtain_whole(options, module, &key, source, failure);
    if (status != KP_OK) {
        kp_code_discard(source);
        return status;
    }
    source->tier = source->lazy ? &kp_wasm_lazy_tier : &kp_wasm_compiled_tier;
    source->tier_module = source->lazy ? (void *)source->lazy : (void *)source->code;
    return KP_OK;
}

kp_status_t kp_code_compile(const kp_code_options_t *options, const kp_wasm_module_t *module,
                            kp_code_source_t *source, const void **bytes, size_t *size,
                            kp_compile_failure_t *failure)
{
    *source = (kp_code_source_t){0};
    if (failure)
        failure->text[0] = '\0';
    kp_status_t status = whole(options, module, source, &source->artefact, bytes, size, failure);
    if (status != KP_OK) {
        kp_code_discard(source);
        return status;
    }
    if (options->cache) {
        kp_code_key_t key = key_of(options, module);
        source->stored = kp_code_cache_store(options->cache, &key, *bytes, *size);
    }
    return KP_OK;
}

kp_status_t kp_code_finish(kp_code_source_t *source)
{
    kp_lazy_source_t *lazy = source->lazy_source;
    if (!lazy || !lazy->was_started)
        return KP_OK;
    return lazy->keeper ? kp_code_keeper_finish(lazy->keeper) : KP_ERR_NO_MEMORY;
}

void kp_code_discard(kp_code_source_t *source)
{
    kp_lazy_source_t *lazy = source->lazy_source;
    kp_wasm_lazy_destroy(source->lazy);
    if (lazy) {
        kp_code_keeper_end(lazy->keeper);
        kp_wasm_allocator_t allocator = lazy->options.allocator;
        kp_compiler_process_end(lazy->process);
        for (uint32_t i = 0; i < lazy->compiled_count; i++)
            kp_compiled_unmap(&lazy->compiled[i]);
        if (lazy->compiled)
            allocator.resize(allocator.context, lazy->compiled,
                             lazy->compiled_capacity * sizeof *lazy->compiled, 0);
        allocator.resize(allocator.context, lazy, sizeof *lazy, 0);
    }
    kp_wasm_code_unload(source->code);
    kp_code_entry_release(&source->entry);
    kp_compiled_unmap(&source->compiled);
    kp_wasm_artefact_free(&source->artefact);
    *source = (kp_code_source_t){0};
}
