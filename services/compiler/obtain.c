#include "services/compiler/obtain.h"

#include <string.h>

#include "runtime/program/kp.h"

/* A process maps so many codes (KP_CODE_MAPPINGS_MAX), and others than ours too. */
#define GROUPS_MAX (KP_CODE_MAPPINGS_MAX / 2)

typedef struct kp_compiler_group {
    kp_compiler_code_t artefact;
    struct kp_compiler_group *next;
} kp_compiler_group_t;

static void *allocate(const kp_compiler_module_t *compiled, size_t size)
{
    const kp_wasm_allocator_t *allocator = &compiled->options.allocator;
    return allocator->resize(allocator->context, NULL, 0, size);
}

static void discard(const kp_compiler_module_t *compiled, void *memory, size_t size)
{
    const kp_wasm_allocator_t *allocator = &compiled->options.allocator;
    allocator->resize(allocator->context, memory, size, 0);
}

/* The artefact, kept until the end, as code that runs. */
static kp_status_t adopt(kp_compiler_module_t *compiled, kp_compiler_code_t *artefact,
                         kp_wasm_code_t **code)
{
    const uint8_t *bytes = (const uint8_t *)artefact->address;
    kp_compiler_group_t *group = allocate(compiled, sizeof *group);
    kp_status_t status =
        group ? kp_wasm_code_adopt(bytes, artefact->size, bytes + KP_WASM_CODE_PAGE,
                                   compiled->module, compiled->options.allocator, code)
              : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        if (group)
            discard(compiled, group, sizeof *group);
        kp_compiler_code_release(artefact);
        return status;
    }
    (void)kp_handle_close(artefact->code); /* the mapping holds it */
    artefact->code = KP_HANDLE_NONE;
    group->artefact = *artefact;
    group->next = compiled->groups;
    compiled->groups = group;
    return KP_OK;
}

static kp_status_t request(kp_compiler_module_t *compiled, kp_compiler_code_t *artefact,
                           kp_compiler_reply_t *reply)
{
    const kp_compiler_options_t *options = &compiled->options;
    uint32_t size = (uint32_t)compiled->module->size;
    kp_time_t deadline = kp_now() + options->patience;
    compiled->number = 0;
    return options->lazy_bytes
               ? kp_compiler_open_vmo(compiled->compiler, compiled->file, size, options->flags,
                                      options->cpu, deadline, &compiled->number, artefact, reply)
               : kp_compiler_compile_vmo(compiled->compiler, compiled->file, size, options->flags,
                                         options->cpu, deadline, artefact, reply);
}

static bool is_whole(const kp_wasm_module_t *module, const kp_wasm_code_t *code)
{
    return kp_wasm_code_first(code) == 0 &&
           kp_wasm_code_count(code) == module->function_count - module->imported_function_count;
}

/* ---- function by function ---- */

static kp_status_t ask(kp_compiler_module_t *compiled, uint32_t first, uint32_t count,
                       kp_compiler_code_t *artefact)
{
    kp_compiler_reply_t reply;
    *artefact = (kp_compiler_code_t){0};
    if (compiled->number == 0) { /* an earlier service's */
        kp_status_t status = request(compiled, artefact, &reply);
        if (status != KP_OK || compiled->number == 0)
            return status;
    }
    kp_status_t status =
        kp_compiler_functions(compiled->compiler, &compiled->number, first, count,
                              kp_now() + compiled->options.patience, artefact, &reply);
    if (status == KP_ERR_PEER_CLOSED)
        compiled->number = 0;
    return status;
}

static kp_status_t compile(void *context, uint32_t first, uint32_t count, kp_wasm_code_t **code)
{
    kp_compiler_module_t *compiled = context;
    kp_compiler_code_t artefact;
    kp_status_t status = ask(compiled, first, count, &artefact);
    if (status == KP_ERR_PEER_CLOSED) /* it died and lives again */
        status = ask(compiled, first, count, &artefact);
    if (status == KP_OK)
        status = adopt(compiled, &artefact, code);
    if (status != KP_OK)
        return status;
    if (is_whole(compiled->module, *code) ||
        (kp_wasm_code_first(*code) == first && kp_wasm_code_count(*code) == count))
        return KP_OK;
    kp_wasm_code_unload(*code); /* the mapping goes at the end */
    return KP_ERR_PROTOCOL;
}

static kp_status_t lazy_create(kp_compiler_module_t *compiled, kp_wasm_error_t *error)
{
    const kp_wasm_module_t *module = compiled->module;
    uint32_t bytes = compiled->options.lazy_bytes, least = module->code.size / GROUPS_MAX + 1;
    kp_status_t status = kp_wasm_module_validate(module, error);
    if (status == KP_OK)
        status = kp_wasm_lazy_create(
            module, compiled->options.allocator, bytes > least ? bytes : least,
            compiled->options.flags & KP_WASM_COMPILE_GUARDED, compile, compiled, &compiled->lazy);
    return status;
}

/* ---- the interface ---- */

kp_status_t kp_compiler_obtain(kp_compiler_module_t *compiled, const kp_compiler_options_t *options,
                               kp_compiler_client_t *compiler, kp_handle_t file,
                               const kp_wasm_module_t *module, kp_compiler_reply_t *reply,
                               kp_wasm_error_t *error)
{
    kp_compiler_code_t artefact = {0};
    *error = (kp_wasm_error_t){0};
    compiler->patience = options->patience;
    *compiled = (kp_compiler_module_t){
        .options = *options, .compiler = compiler, .file = file, .module = module};
    kp_status_t status = request(compiled, &artefact, reply);
    if (status == KP_ERR_PEER_CLOSED) /* it died and lives again */
        status = request(compiled, &artefact, reply);
    if (status == KP_OK && compiled->number != 0) {
        status = lazy_create(compiled, error);
    } else if (status == KP_OK) {
        compiled->is_cached = artefact.is_cached;
        status = adopt(compiled, &artefact, &compiled->code);
        if (status == KP_OK && !is_whole(module, compiled->code))
            status = KP_ERR_PROTOCOL;
    }
    if (status != KP_OK) {
        kp_compiler_discard(compiled);
        return status;
    }
    compiled->tier = compiled->lazy ? &kp_wasm_lazy_tier : &kp_wasm_compiled_tier;
    compiled->tier_module = compiled->lazy ? (void *)compiled->lazy : (void *)compiled->code;
    return KP_OK;
}

void kp_compiler_discard(kp_compiler_module_t *compiled)
{
    kp_wasm_lazy_destroy(compiled->lazy);
    kp_wasm_code_unload(compiled->code);
    for (kp_compiler_group_t *group; (group = compiled->groups);) {
        compiled->groups = group->next;
        kp_compiler_code_release(&group->artefact);
        discard(compiled, group, sizeof *group);
    }
    *compiled = (kp_compiler_module_t){0};
}
