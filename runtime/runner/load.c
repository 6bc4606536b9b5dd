/* A module from its file: mapped, decoded, then validated for the interpreter or compiled by the service. */
#include "runtime/runner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/instance/kpio.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"

/* A compiler that is silent for so long is as good as none; while it compiles, it says so every few seconds. */
#define PATIENCE (120 * (kp_time_t)1000000000)
/* For the longest module, on the slowest machine. */
#define SETTLING (600 * (kp_time_t)1000000000)
/* Modules from this size on are compiled function by function, in groups of about that many bytes (README.md has
   the measurement). */
#define LAZY_FROM (512u << 10)
#define LAZY_BYTES (8u << 10)

static kp_status_t say(const kp_runner_options_t *options, kp_status_t status,
                       const kp_wasm_error_t *error)
{
    char text[512];
    if (error->kind != KP_WASM_ERROR_NONE) {
        kp_wasm_error_print(error, text, sizeof text);
        printf("%s: %s\n", options->arguments[0], text);
    } else {
        printf("%s: %s\n", options->arguments[0], kp_status_text(status));
    }
    return status;
}

/* The handle of the module's file, and its size. */
static kp_handle_t file_take(const char *module, uint64_t *size)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "file:%s", module);
    const char *name;
    for (size_t i = 0; (name = kp_startup_name(i)) != NULL; i++)
        if (strcmp(name, wanted) == 0 && kp_startup_file_size(i, size) == KP_OK)
            return kp_startup_take(wanted);
    return KP_HANDLE_NONE;
}

static kp_status_t map(kp_handle_t file, uint64_t size, kp_runner_code_t *code)
{
    if (size > UINT32_MAX - KP_PAGE_SIZE)
        return KP_ERR_TOO_LARGE;
    size_t length = (size + KP_PAGE_SIZE - 1) & ~(uint64_t)(KP_PAGE_SIZE - 1);
    code->size = size;
    code->bytes = aligned_alloc(KP_PAGE_SIZE, length ? length : KP_PAGE_SIZE);
    if (!code->bytes)
        return KP_ERR_NO_MEMORY;
    return length ? kp_vmo_map(file, 0, code->bytes, length, 0) : KP_OK;
}

/* Are guard pages any use to it? A memory that threads share has none, and then the module's code checks all. */
static bool may_guard(const kp_wasm_module_t *module)
{
    bool may = false;
    for (uint32_t i = 0; i < module->memory_count; i++) {
        if (module->memories[i].size.shared)
            return false;
        may = may || !module->memories[i].size.is_64;
    }
    return may;
}

/* ERR_PEER_CLOSED: there is no compiler. Other errors are of the module, and said. */
static kp_status_t compile(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                           kp_runner_code_t *code)
{
    kp_compiler_reply_t reply = {.text_size = 0};
    kp_wasm_error_t error;
    bool is_lazy = options->compile == KP_RUNNER_COMPILE_LAZY ||
                   (options->compile == KP_RUNNER_COMPILE_ANY && code->size >= LAZY_FROM);
    const kp_compiler_options_t wanted = {
        .allocator = allocator,
        .flags = (options->metered ? KP_WASM_COMPILE_FUEL : 0) |
                 (code->is_guarded ? KP_WASM_COMPILE_GUARDED : 0),
        .cpu = kp_wasm_cpu_features(),
        .patience = PATIENCE,
        .lazy_bytes = is_lazy ? LAZY_BYTES : 0,
    };
    kp_status_t status = kp_compiler_obtain(&code->compiled, &wanted, &code->compiler, code->file,
                                            code->module, &reply, &error);
    if (status == KP_OK || status == KP_ERR_PEER_CLOSED)
        return status;
    if (error.kind != KP_WASM_ERROR_NONE)
        return say(options, status, &error);
    printf("%s: %s\n", options->arguments[0],
           reply.text_size ? reply.text : kp_status_text(status));
    return status;
}

/* ERR_NOT_FOUND besides: there is no compiler. */
static kp_status_t compile_first(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                                 kp_runner_code_t *code)
{
    kp_handle_t service = kp_startup_take("svc:compiler"), authority;
    if (service == KP_HANDLE_NONE || kp_compiler_connect(&code->compiler, service) != KP_OK)
        return KP_ERR_NOT_FOUND;
    code->compiler.patience = PATIENCE;
    if (!options->checked_memory && may_guard(code->module) &&
        kp_compiler_authority(&code->compiler, kp_now() + PATIENCE, &authority) == KP_OK) {
        kp_wasm_kpio_authority(authority);
        code->is_guarded = true;
    }
    return compile(options, allocator, code);
}

void kp_runner_settle(const kp_runner_options_t *options, kp_runner_code_t *code)
{
    /* What was there already is kept already. */
    if (options->settles && code->compiled.tier && !code->compiled.is_cached)
        (void)kp_compiler_settle(&code->compiler,
                                 kp_now() + SETTLING); /* else the next start is slower */
}

kp_status_t kp_runner_compile_checked(const kp_runner_options_t *options,
                                      kp_wasm_allocator_t allocator, kp_runner_code_t *code)
{
    kp_compiler_discard(&code->compiled);
    code->is_guarded = false;
    kp_status_t status = compile(options, allocator, code);
    if (status == KP_ERR_PEER_CLOSED)
        printf("%s: there is no compiler\n", options->arguments[0]);
    return status;
}

static kp_status_t prepare(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                           kp_runner_code_t *code)
{
    kp_wasm_error_t error = {0};
    const kp_wasm_options_t decoding = kp_wasm_options_init(allocator);
    kp_status_t status =
        kp_wasm_module_decode(code->bytes, code->size, &decoding, &code->module, &error);
    if (status != KP_OK)
        return say(options, status, &error);
    if (options->tier != KP_RUNNER_TIER_INTERPRET) {
        status = compile_first(options, allocator, code);
        bool absent = status == KP_ERR_NOT_FOUND || status == KP_ERR_PEER_CLOSED;
        if (absent && options->tier == KP_RUNNER_TIER_COMPILE)
            printf("%s: there is no compiler\n", options->arguments[0]);
        if (!absent || options->tier == KP_RUNNER_TIER_COMPILE)
            return status;
    }
    status = kp_wasm_module_validate(code->module, &error);
    if (status == KP_OK)
        status = kp_wasm_interpreted_create(code->module, allocator, &code->interpreted);
    return status == KP_OK ? KP_OK : say(options, status, &error);
}

kp_status_t kp_runner_load(const kp_runner_options_t *options, kp_wasm_allocator_t allocator,
                           kp_runner_code_t *code)
{
    uint64_t size = 0;
    *code = (kp_runner_code_t){.bytes = NULL};
    kp_handle_t file = file_take(options->module, &size);
    if (file == KP_HANDLE_NONE) {
        printf("wasm-runner: there is no file %s\n", options->module);
        return KP_ERR_NOT_FOUND;
    }
    code->file = file;
    kp_status_t status = map(file, size, code);
    if (status == KP_OK)
        status = prepare(options, allocator, code);
    else
        say(options, status, &(kp_wasm_error_t){0});
    if (status != KP_OK || !code->compiled.tier) /* the mapping holds the VMO */
        (void)kp_handle_close(file);
    return status;
}
