/* The compiled tier in the specification suites as parallel and lazy compilation make it. The program's name says how:
     spec_parts    each function is a part of its own; the parts, joined, must be what one pass makes
     spec_lazy     each function is compiled at its first call
     spec_process  the same, each module by a compiler process */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/compiler-process/obtain.h"
#include "runtime/instance/test/spec_store.h"

/* ---- parts ---- */

static kp_status_t parts_prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                 void **tier_module, kp_wasm_error_t *error)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    uint32_t count = module->function_count - module->imported_function_count, made = 0;
    kp_wasm_artefact_t whole = {0}, joined = {0};
    kp_wasm_part_t **parts = calloc(count + 1u, sizeof *parts);
    kp_status_t status = parts ? KP_OK : KP_ERR_NO_MEMORY;
    do /* one, empty, for a module without functions */
        status = kp_wasm_part_compile(module, &options, made, count ? 1 : 0, &parts[made], error);
    while (status == KP_OK && ++made < count);
    if (status == KP_OK)
        status = kp_wasm_parts_join(parts, made, &joined);
    for (uint32_t i = 0; i < made; i++)
        kp_wasm_part_free(parts[i]);
    free(parts);
    if (status == KP_OK)
        status = kp_wasm_compile(module, &options, &whole, error);
    if (status == KP_OK &&
        (whole.size != joined.size || memcmp(whole.bytes, joined.bytes, whole.size) != 0)) {
        printf("not ok joined parts differ from the whole\n");
        status = KP_ERR_PROTOCOL;
    }
    kp_wasm_code_t *code = NULL;
    if (status == KP_OK)
        status = kp_wasm_code_load(joined.bytes, joined.size, module, allocator, &code);
    kp_wasm_artefact_free(&whole);
    kp_wasm_artefact_free(&joined);
    *tier_module = code;
    return status;
}

static void parts_discard(void *tier_module)
{
    kp_wasm_code_unload(tier_module);
}

/* ---- lazily ---- */

static bool own_process;

/* tier_module is the kp_wasm_lazy_t, so what belongs to it is found by it. */
typedef struct made {
    struct made *next;
    kp_code_source_t source;
} made_t;

static made_t *all;

static kp_status_t lazy_prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                void **tier_module, kp_wasm_error_t *error)
{
    const kp_code_options_t options = {
        .allocator = allocator,
        .flags = KP_WASM_COMPILE_GUARDED,
        .lazy = true,
        .lazy_bytes = 1,
        .own_process = own_process,
    };
    /* The suites want the reason in its own words: from here, whatever the process says. */
    kp_status_t status = kp_wasm_module_validate(module, error);
    kp_compile_failure_t failure;
    made_t *made = calloc(1, sizeof *made);
    if (!made)
        return KP_ERR_NO_MEMORY;
    kp_status_t obtained = kp_code_obtain(&options, module, &made->source, &failure);
    if (obtained != status)
        printf("not ok validation says %d, obtaining %d: %s\n", status, obtained, failure.text);
    if (obtained != KP_OK) {
        free(made);
        return obtained;
    }
    made->next = all;
    all = made;
    *tier_module = made->source.tier_module;
    return KP_OK;
}

static void lazy_discard(void *tier_module)
{
    for (made_t **link = &all; *link; link = &(*link)->next) {
        made_t *made = *link;
        if (made->source.tier_module != tier_module)
            continue;
        *link = made->next;
        kp_code_discard(&made->source);
        free(made);
        return;
    }
}

static const kp_spec_tier_t parts_tier = {
    .name = "compile",
    .tier = &kp_wasm_compiled_tier,
    .prepare = parts_prepare,
    .discard = parts_discard,
    .guard_pages = true,
};

static const kp_spec_tier_t lazy_tier = {
    .name = "compile",
    .tier = &kp_wasm_lazy_tier,
    .prepare = lazy_prepare,
    .discard = lazy_discard,
    .guard_pages = true,
};

int main(int argc, char **argv)
{
    own_process = strstr(argv[0], "spec_process") != NULL;
    return kp_spec_store_main(argc, argv, strstr(argv[0], "spec_parts") ? &parts_tier : &lazy_tier);
}
