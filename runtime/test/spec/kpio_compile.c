/* The compiled tier of the suites on KPIO: each module is compiled by the compiler service, whole and for memories
   with guard pages (again for checked ones, when it gets others), or function by function and for checked ones. What the features of the suite do not allow is refused here, since the service knows all features. */
#include <stdlib.h>
#include <string.h>

#include "runtime/instance/kpio.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/test/spec/kpio_compile.h"
#include "services/compiler/obtain.h"

#define PATIENCE (600 * (kp_time_t)1000000000)

/* A module that is open has a connection of its own, which closes it; a job has only so many of these, so that files with
   more modules have the others compiled whole. */
enum { OPEN_MAX = 48 };

#define FLAGS ((uint32_t)(KP_WASM_COMPILE_FUEL | KP_WASM_COMPILE_INTERRUPT))

typedef struct made {
    struct made *next;
    kp_compiler_client_t compiler;
    bool is_open;
    kp_handle_t file;
    kp_compiler_module_t module;
    kp_compiler_module_t checked; /* in its place, for an instance whose memories are not guarded */
} made_t;

static kp_handle_t service;
static kp_compiler_client_t common;
static unsigned open_count;
static made_t *all;
static unsigned checked_count; /* instances of `compile` with memories that are not guarded */

static void made_free(made_t *made)
{
    kp_compiler_discard(&made->module);
    kp_compiler_discard(&made->checked);
    if (made->is_open)
        open_count--;
    kp_compiler_disconnect(&made->compiler);
    if (made->file != KP_HANDLE_NONE)
        (void)kp_handle_close(made->file);
    free(made);
}

static kp_status_t file_make(const kp_wasm_module_t *module, kp_handle_t *file)
{
    int64_t vmo = kp_vmo_create(module->size ? module->size : 1);
    if (vmo < 0)
        return (kp_status_t)vmo;
    *file = (kp_handle_t)vmo;
    return module->size ? kp_vmo_write(*file, 0, module->bytes, module->size) : KP_OK;
}

static kp_status_t connect(void)
{
    if (service != KP_HANDLE_NONE)
        return KP_OK;
    service = kp_startup_take("svc:compiler");
    return service != KP_HANDLE_NONE ? kp_compiler_connect(&common, service) : KP_ERR_NOT_FOUND;
}

static kp_status_t prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           uint32_t lazy_bytes, void **tier_module, kp_wasm_error_t *error)
{
    const kp_compiler_options_t options = {
        .allocator = allocator,
        .flags = FLAGS | (lazy_bytes ? 0 : (uint32_t)KP_WASM_COMPILE_GUARDED),
        .cpu = kp_wasm_cpu_features(),
        .patience = PATIENCE,
        .lazy_bytes = open_count < OPEN_MAX ? lazy_bytes : 0,
    };
    *tier_module = NULL;
    kp_status_t status = kp_wasm_module_validate(module, error);
    if (status != KP_OK)
        return status;
    made_t *made = calloc(1, sizeof *made);
    if (!made)
        return KP_ERR_NO_MEMORY;
    kp_compiler_reply_t reply;
    kp_wasm_error_t ignored;
    status = connect();
    if (status == KP_OK && options.lazy_bytes) {
        status = kp_compiler_connect(&made->compiler, service);
        made->is_open = true;
        open_count++;
    }
    if (status == KP_OK)
        status = file_make(module, &made->file);
    if (status == KP_OK)
        status =
            kp_compiler_obtain(&made->module, &options, made->is_open ? &made->compiler : &common,
                               made->file, module, &reply, &ignored);
    if (status != KP_OK) {
        error->reason = kp_status_text(status);
        made_free(made);
        return status;
    }
    made->next = all;
    all = made;
    *tier_module = made->module.tier_module;
    return KP_OK;
}

static kp_status_t prepare_whole(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                 void **tier_module, kp_wasm_error_t *error)
{
    return prepare(module, allocator, 0, tier_module, error);
}

unsigned kp_spec_kpio_mark;

static kp_status_t prepare_lazy(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                                void **tier_module, kp_wasm_error_t *error)
{
    static unsigned count;
    kp_status_t status = prepare(module, allocator, 1, tier_module, error);
    if (status == KP_OK && ++count == kp_spec_kpio_mark)
        (void)kp_boot_mark_text("spec");
    return status;
}

static void discard(void *tier_module)
{
    for (made_t **link = &all; *link; link = &(*link)->next) {
        made_t *made = *link;
        if (made->module.tier_module != tier_module)
            continue;
        *link = made->next;
        made_free(made);
        return;
    }
}

static made_t *made_of(const void *tier_module)
{
    made_t *made = all;
    while (made && made->module.tier_module != tier_module)
        made = made->next;
    return made;
}

/* Modules of which all is there already are not lazy. */
static kp_status_t attach_any(kp_wasm_instance_t *instance, void *tier_module)
{
    const made_t *made = made_of(tier_module);
    return made ? made->module.tier->attach(instance, tier_module) : KP_ERR_INVALID_ARGUMENT;
}

/* Shared memories, and those for which there was no address space, are checked. */
static kp_status_t attach_guarded(kp_wasm_instance_t *instance, void *tier_module)
{
    made_t *made = made_of(tier_module);
    if (!made)
        return KP_ERR_INVALID_ARGUMENT;
    kp_status_t status = made->module.tier->attach(instance, tier_module);
    if (status != KP_ERR_BAD_STATE)
        return status;
    kp_compiler_reply_t reply;
    kp_wasm_error_t ignored;
    kp_compiler_options_t options = made->module.options;
    options.flags = FLAGS;
    status = made->checked.tier ? KP_OK
                                : kp_compiler_obtain(&made->checked, &options, &common, made->file,
                                                     made->module.module, &reply, &ignored);
    checked_count++;
    return status == KP_OK ? made->checked.tier->attach(instance, made->checked.tier_module)
                           : status;
}

static kp_status_t resolve_any(kp_wasm_funcinst_t *function)
{
    return kp_wasm_lazy_tier.resolve(function);
}

static const kp_wasm_tier_t any = {.name = "lazy", .attach = attach_any, .resolve = resolve_any};
static const kp_wasm_tier_t guarded = {.name = "compiled", .attach = attach_guarded};

kp_status_t kp_spec_kpio_guard(void)
{
    kp_handle_t authority;
    kp_status_t status = connect();
    if (status == KP_OK)
        status = kp_compiler_authority(&common, kp_now() + PATIENCE, &authority);
    if (status == KP_OK)
        kp_wasm_kpio_authority(authority);
    return status;
}

unsigned kp_spec_kpio_checked(void)
{
    return checked_count;
}

const kp_spec_tier_t kp_spec_kpio_compiled = {
    .name = "compile",
    .tier = &guarded,
    .prepare = prepare_whole,
    .discard = discard,
    .guard_pages = true,
};

const kp_spec_tier_t kp_spec_kpio_lazy = {
    .name = "lazy",
    .tier = &any,
    .prepare = prepare_lazy,
    .discard = discard,
};
