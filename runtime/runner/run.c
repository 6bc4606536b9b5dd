#include "runtime/runner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/embed/wasi_link.h"
#include "runtime/program/kp.h"

enum {
    STACK_BYTES = 6 << 20, /* of 8 MiB; host functions and start-up have the rest */
    DEPTH_MAXIMUM = 50000,
};

/* Of linear memories that are not guarded, all together. */
#define MEMORY_OWN_MAXIMUM ((uint64_t)2 << 30)
/* Of several such: they lie behind each other, and the runner's job is charged for the room in front of the last. */
#define MEMORY_SEVERAL_MAXIMUM ((uint64_t)768 << 20)

static uint32_t trap_of(kp_wasm_trap_code_t code)
{
    static const uint8_t traps[KP_WASM_TRAP_COUNT] = {
        [KP_WASM_TRAP_UNREACHABLE] = KP_TRAP_UNREACHABLE,
        [KP_WASM_TRAP_MEMORY_BOUNDS] = KP_TRAP_OUT_OF_BOUNDS,
        [KP_WASM_TRAP_TABLE_BOUNDS] = KP_TRAP_OUT_OF_BOUNDS,
        [KP_WASM_TRAP_DIVIDE_BY_ZERO] = KP_TRAP_DIVIDE_BY_ZERO,
        [KP_WASM_TRAP_INTEGER_OVERFLOW] = KP_TRAP_INTEGER_OVERFLOW,
        [KP_WASM_TRAP_INVALID_CONVERSION] = KP_TRAP_INVALID_CONVERSION,
        [KP_WASM_TRAP_UNDEFINED_ELEMENT] = KP_TRAP_CALL_INDIRECT,
        [KP_WASM_TRAP_UNINITIALIZED_ELEMENT] = KP_TRAP_CALL_INDIRECT,
        [KP_WASM_TRAP_INDIRECT_CALL_TYPE] = KP_TRAP_CALL_INDIRECT,
        [KP_WASM_TRAP_STACK_EXHAUSTED] = KP_TRAP_STACK_OVERFLOW,
        [KP_WASM_TRAP_UNALIGNED_ATOMIC] = KP_TRAP_OUT_OF_BOUNDS,
        [KP_WASM_TRAP_UNCAUGHT_EXCEPTION] = KP_TRAP_UNCAUGHT_EXCEPTION,
        [KP_WASM_TRAP_FUEL] = KP_TRAP_LIMIT,
        [KP_WASM_TRAP_OUT_OF_MEMORY] = KP_TRAP_LIMIT,
    };
    return traps[code] ? traps[code] : KP_TRAP_ABORT;
}

/* Ends the process as the call ended. */
_Noreturn static void finish(const kp_runner_options_t *options, kp_runner_code_t *loaded,
                             const kp_wasm_store_t *store, kp_wasi_t *wasi, kp_status_t status)
{
    uint32_t code, trap = KP_TRAP_NONE;
    bool exited = kp_wasi_has_exited(wasi, &code);
    const char *name = options->arguments[0];
    kp_wasi_destroy(wasi); /* what its streams hold back comes out */
    kp_runner_settle(options, loaded);
    if (exited)
        exit((int)code);
    if (status == KP_OK)
        exit(0);
    if (status == KP_ERR_TRAP) {
        static char text[8192];
        kp_wasm_trap_print(&store->trap, text, sizeof text);
        printf("%s: trap: %s\n", name, text);
        trap = trap_of(store->trap.code);
    } else if (status == KP_ERR_EXCEPTION) {
        printf("%s: uncaught exception\n", name);
        trap = KP_TRAP_UNCAUGHT_EXCEPTION;
    } else {
        printf("%s: %s\n", name, kp_status_text(status));
        exit(KP_RUNNER_FAILED);
    }
    fflush(stdout);
    kp_process_trap(trap, 0);
}

/* The module's imports: WASI's functions, and nothing else is there. */
static kp_wasm_extern_t *resolve(const kp_runner_options_t *options, kp_wasm_store_t *store,
                                 const kp_wasm_module_t *module, kp_wasi_t *wasi)
{
    kp_wasm_extern_t *imports = calloc(module->import_count + 1u, sizeof *imports);
    for (uint32_t i = 0; imports && i < module->import_count; i++) {
        const kp_wasm_import_t *import = &module->imports[i];
        const char *from = (const char *)kp_wasm_module_at(module, import->module);
        const char *name = (const char *)kp_wasm_module_at(module, import->name);
        imports[i].kind = KP_WASM_EXTERNAL_FUNCTION;
        kp_status_t status = KP_OK;
        if (import->kind == KP_WASM_EXTERNAL_FUNCTION &&
            kp_wasm_wasi_is_module(from, import->module.size))
            status =
                kp_wasm_wasi_function(store, wasi, name, import->name.size, &imports[i].function);
        if (status != KP_OK || !imports[i].function) {
            static char what[2048];
            kp_wasm_import_print(module, i, NULL, what, sizeof what);
            printf("%s: %s: %s\n", options->arguments[0], what,
                   status == KP_OK ? "nobody has it" : kp_status_text(status));
            free(imports);
            return NULL;
        }
    }
    return imports;
}

/* For each memory without guard pages where there are several: an equal part. */
static uint64_t memory_part(const kp_wasm_module_t *module, bool is_guarded, uint64_t maximum)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const kp_wasm_size_range_t *size = &module->memories[i].size;
        count += !is_guarded || size->is_64 || size->shared;
    }
    if (count < 2)
        return maximum;
    return (maximum < MEMORY_SEVERAL_MAXIMUM ? maximum : MEMORY_SEVERAL_MAXIMUM) / count;
}

/* A store with an instance in it, start function and all. Ends the process when there can be no store. */
static kp_status_t instantiate(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                               const kp_runner_code_t *code, kp_wasi_t *wasi,
                               kp_wasm_store_t **store, kp_wasm_instance_t **instance)
{
    kp_wasm_store_options_t limits = kp_wasm_store_options_init(allocator);
    limits.memory_maximum = options->memory_maximum;
    limits.stack_bytes = STACK_BYTES;
    limits.depth_maximum = DEPTH_MAXIMUM;
    limits.guard_pages = code->is_guarded;
    /* Others have their place in the runner's own memory. */
    if (!code->is_guarded && limits.memory_maximum > MEMORY_OWN_MAXIMUM)
        limits.memory_maximum = MEMORY_OWN_MAXIMUM;
    limits.memory_unguarded = memory_part(code->module, code->is_guarded, limits.memory_maximum);
    if (options->metered)
        limits.fuel = options->fuel;
    kp_status_t status = kp_wasm_store_create(&limits, store);
    if (status != KP_OK) {
        printf("%s: %s\n", options->arguments[0], kp_status_text(status));
        exit(KP_RUNNER_FAILED);
    }
    kp_wasm_extern_t *imports = resolve(options, *store, code->module, wasi);
    if (!imports)
        exit(KP_RUNNER_FAILED);
    uint32_t bad = UINT32_MAX;
    status = kp_wasm_instance_create(
        *store, code->module, code->compiled.tier ? code->compiled.tier : &kp_wasm_interpreted_tier,
        code->compiled.tier ? code->compiled.tier_module : (void *)code->interpreted, imports,
        code->module->import_count, true, instance, &bad);
    if (bad != UINT32_MAX) {
        static char what[2048];
        kp_wasm_import_print(code->module, bad, &imports[bad], what, sizeof what);
        printf("%s: incompatible import type: %s\n", options->arguments[0], what);
        exit(KP_RUNNER_FAILED);
    }
    free(imports);
    return status;
}

void kp_runner_run(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                   kp_runner_code_t *code, kp_wasi_t *wasi)
{
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    kp_wasm_extern_t found;
    kp_status_t status = instantiate(options, allocator, code, wasi, &store, &instance);
    bool lacks_space = status == KP_ERR_BAD_STATE || status == KP_ERR_NO_MEMORY;
    if (lacks_space && code->is_guarded) {
        /* One of its memories got no guard pages. */
        kp_wasm_store_destroy(store);
        if (kp_runner_compile_checked(options, allocator, code) != KP_OK)
            exit(KP_RUNNER_FAILED);
        status = instantiate(options, allocator, code, wasi, &store, &instance);
    }
    if (status != KP_OK)
        finish(options, code, store, wasi, status);
    if (!kp_wasm_instance_find(instance, "_start", 6, &found) ||
        found.kind != KP_WASM_EXTERNAL_FUNCTION || found.function->signature->parameter_count ||
        found.function->signature->result_count) {
        printf("%s: no function \"_start\" is exported\n", options->arguments[0]);
        exit(KP_RUNNER_FAILED);
    }
    kp_wasm_value_t none[1] = {{.u64 = 0}};
    finish(options, code, store, wasi, kp_wasm_call(store, found.function, none));
}
