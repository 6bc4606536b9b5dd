#include "services/compiler/worker.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/compile/compile.h"
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"
#include "services/compiler/parallel.h"
#include "runtime/wasm/heap.h"

/* What one module may make us allocate beside its code. */
#define METADATA_BYTES_MAX ((size_t)192 << 20)
/* No program can ask the processor: who wants the code says what it will run on. */
uint32_t kp_wasm_cpu_features(void)
{
    return 0;
}

static kp_status_t decode(const void *bytes, const kp_compiler_request_t *request,
                          kp_wasm_module_t **module, kp_wasm_error_t *error)
{
    kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
    decode.limits.module_bytes = KP_COMPILER_MODULE_BYTES_MAX;
    decode.limits.metadata_bytes = METADATA_BYTES_MAX;
    return kp_wasm_module_decode(bytes, request->module_size, &decode, module, error);
}

static kp_wasm_compile_options_t options_of(const kp_compiler_request_t *request)
{
    return (kp_wasm_compile_options_t){
        .allocator = kp_wasm_heap,
        .flags = request->flags,
        .cpu = request->cpu,
        .code_maximum = KP_COMPILER_CODE_BYTES_MAX,
    };
}

/* Into a VMO of its own, by the kernel's copy: a mapping that could write it must not exist. */
static kp_status_t publish(const kp_wasm_artefact_t *artefact, kp_handle_t *out)
{
    int64_t vmo = kp_vmo_create(artefact->size);
    if (vmo < 0)
        return (kp_status_t)vmo;
    kp_status_t status = kp_vmo_write((kp_handle_t)vmo, 0, artefact->bytes, artefact->size);
    if (status == KP_OK)
        *out = (kp_handle_t)vmo;
    else
        (void)kp_handle_close((kp_handle_t)vmo);
    return status;
}

/* The artefact counts when the status is OK, the error else. False: nobody is there. */
static bool answer(kp_handle_t control, kp_compiler_reply_t *reply,
                   const kp_wasm_artefact_t *artefact, const kp_wasm_error_t *error)
{
    kp_handle_t code = KP_HANDLE_NONE;
    if (reply->status == KP_OK) {
        reply->artefact_size = (uint32_t)artefact->size;
        reply->status = publish(artefact, &code);
    } else if (error->kind != KP_WASM_ERROR_NONE) {
        reply->offset = error->offset;
        reply->function = error->function;
        reply->text_size = (uint32_t)kp_wasm_error_print(error, reply->text, sizeof(reply->text));
    }
    kp_status_t status = kp_message_send_with(control, reply, sizeof(*reply), NULL, 0, &code,
                                              code != KP_HANDLE_NONE);
    if (status != KP_OK && code != KP_HANDLE_NONE)
        (void)kp_handle_close(code);
    return status == KP_OK;
}

/* The whole module. */
static void compile(kp_handle_t control, const kp_compiler_request_t *request, const void *bytes)
{
    kp_compiler_reply_t reply = {.function = KP_WASM_NO_FUNCTION};
    const kp_wasm_compile_options_t options = options_of(request);
    kp_wasm_error_t error = {.function = KP_WASM_NO_FUNCTION};
    kp_wasm_artefact_t artefact;
    kp_wasm_module_t *module;
    kp_time_t start = kp_now();
    reply.status = decode(bytes, request, &module, &error);
    if (reply.status == KP_OK)
        reply.status = kp_compiler_parallel(module, &options, &artefact, &error);
    reply.compile_ns = (uint64_t)(kp_now() - start);
    (void)answer(control, &reply, &artefact, &error); /* the process ends: nothing need be freed */
}

/* Functions, as they are asked for, until nobody is there to ask. */
static void serve(kp_handle_t control, const kp_compiler_request_t *request, const void *bytes,
                  kp_message_t *message)
{
    kp_wasm_compile_options_t options = options_of(request);
    kp_wasm_error_t wrong = {.function = KP_WASM_NO_FUNCTION};
    kp_wasm_artefact_t artefact = {0};
    kp_wasm_module_t *module;
    options.flags |= KP_WASM_COMPILE_LAZY;
    const kp_status_t decoded = decode(bytes, request, &module, &wrong);
    bool goes_on = true;
    while (goes_on && kp_message_receive_wait(control, message, KP_TIME_INFINITE) == KP_OK) {
        const kp_compiler_functions_t *sent = kp_message_as(message, sizeof(*sent));
        if (!sent)
            return;
        kp_time_t start = kp_now();
        kp_compiler_reply_t reply = {.status = decoded, .function = KP_WASM_NO_FUNCTION};
        kp_wasm_error_t error = wrong;
        if (decoded == KP_OK)
            reply.status = kp_wasm_compile_range(module, &options, sent->first, sent->count,
                                                 &artefact, &error);
        reply.compile_ns = (uint64_t)(kp_now() - start);
        goes_on = answer(control, &reply, &artefact, &error);
        kp_wasm_artefact_free(&artefact);
    }
}

int kp_compiler_worker_run(void)
{
    static kp_message_t message;
    kp_handle_t control = kp_startup_take("control");
    if (control == KP_HANDLE_NONE ||
        kp_message_receive_wait(control, &message, KP_TIME_INFINITE) != KP_OK)
        return 1;
    const kp_compiler_request_t *sent = kp_message_as(&message, sizeof(*sent));
    kp_handle_t vmo = kp_message_take(&message, 0);
    kp_vmo_buffer_t module;
    if (!sent || vmo == KP_HANDLE_NONE)
        return 1;
    const kp_compiler_request_t request = *sent;
    kp_status_t status = kp_vmo_buffer_map(&module, vmo, request.module_size, false);
    if (status != KP_OK) {
        kp_compiler_reply_t reply = {.status = status, .function = KP_WASM_NO_FUNCTION};
        const kp_wasm_error_t error = {.kind = KP_WASM_ERROR_NONE};
        (void)answer(control, &reply, NULL, &error);
    } else if (request.ordinal == KP_COMPILER_OPEN) {
        serve(control, &request, module.bytes, &message);
    } else {
        compile(control, &request, module.bytes);
    }
    return 0;
}
