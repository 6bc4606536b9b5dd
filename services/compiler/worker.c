#include "services/compiler/worker.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/compile/compile.h"
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"
#include "runtime/wasm/heap.h"

/* What one module may make us allocate beside its code. */
#define METADATA_BYTES_MAX ((size_t)192 << 20)
/* No program can ask the processor: who wants the code says what it will run on. */
uint32_t kp_wasm_cpu_features(void)
{
    return 0;
}

static void reply_error(kp_compiler_reply_t *reply, const kp_wasm_error_t *error)
{
    if (error->kind == KP_WASM_ERROR_NONE)
        return;
    reply->offset = error->offset;
    reply->function = error->function;
    reply->text_size = (uint32_t)kp_wasm_error_print(error, reply->text, sizeof(reply->text));
}

static kp_status_t compile(const void *bytes, const kp_compiler_request_t *request,
                           kp_compiler_reply_t *reply, kp_wasm_artefact_t *artefact)
{
    kp_wasm_error_t error = {.function = KP_WASM_NO_FUNCTION};
    kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
    decode.limits.module_bytes = KP_COMPILER_MODULE_BYTES_MAX;
    decode.limits.metadata_bytes = METADATA_BYTES_MAX;
    kp_wasm_module_t *module;
    kp_status_t status =
        kp_wasm_module_decode(bytes, request->module_size, &decode, &module, &error);
    if (status == KP_OK) {
        const kp_wasm_compile_options_t options = {
            .allocator = kp_wasm_heap,
            .flags = request->flags,
            .cpu = request->cpu,
            .code_maximum = KP_COMPILER_CODE_BYTES_MAX,
        };
        status = kp_wasm_compile(module, &options, artefact, &error);
        kp_wasm_module_destroy(module);
    }
    if (status != KP_OK)
        reply_error(reply, &error);
    return status;
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

static kp_status_t work(kp_message_t *message, kp_compiler_reply_t *reply, kp_handle_t *code)
{
    const kp_compiler_request_t *sent = kp_message_as(message, sizeof(*sent));
    kp_handle_t vmo = kp_message_take(message, 0);
    if (!sent || vmo == KP_HANDLE_NONE)
        return KP_ERR_PROTOCOL;
    const kp_compiler_request_t request = *sent;
    kp_vmo_buffer_t module;
    kp_status_t status = kp_vmo_buffer_map(&module, vmo, request.module_size, false);
    if (status != KP_OK)
        return status;
    kp_time_t start = kp_now();
    kp_wasm_artefact_t artefact;
    status = compile(module.bytes, &request, reply, &artefact);
    reply->compile_ns = (uint64_t)(kp_now() - start);
    if (status != KP_OK)
        return status;
    reply->artefact_size = (uint32_t)artefact.size;
    return publish(&artefact, code); /* the process ends: nothing need be freed */
}

int kp_compiler_worker_run(void)
{
    static kp_message_t message;
    kp_handle_t control = kp_startup_take("control");
    if (control == KP_HANDLE_NONE ||
        kp_message_receive_wait(control, &message, KP_TIME_INFINITE) != KP_OK)
        return 1;
    kp_compiler_reply_t reply = {.function = KP_WASM_NO_FUNCTION};
    kp_handle_t code = KP_HANDLE_NONE;
    reply.status = work(&message, &reply, &code);
    return kp_message_send_with(control, &reply, sizeof(reply), NULL, 0, &code,
                                code != KP_HANDLE_NONE) == KP_OK
               ? 0
               : 1;
}
