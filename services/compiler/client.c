#include "services/compiler/client.h"

#include <string.h>

#include "runtime/program/kp.h"

kp_status_t kp_compiler_connect(kp_compiler_client_t *compiler, kp_handle_t service)
{
    int64_t channel = kp_service_connect(service);
    *compiler = (kp_compiler_client_t){.service = service};
    if (channel < 0)
        return (kp_status_t)channel;
    compiler->channel = (kp_handle_t)channel;
    return KP_OK;
}

void kp_compiler_disconnect(kp_compiler_client_t *compiler)
{
    if (compiler->channel != KP_HANDLE_NONE)
        (void)kp_handle_close(compiler->channel);
    *compiler = (kp_compiler_client_t){0};
}

/* One call; connects again after the service's end. `module` is moved on success. */
static kp_status_t ask(kp_compiler_client_t *compiler, const void *request, size_t request_size,
                       const kp_handle_t *module, void *reply, size_t reply_size,
                       kp_handle_t *result, kp_time_t deadline)
{
    const kp_time_t patience = compiler->patience;
    if (compiler->channel == KP_HANDLE_NONE) {
        kp_status_t status = kp_compiler_connect(compiler, compiler->service);
        compiler->patience = patience;
        if (status != KP_OK)
            return status;
    }
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(request),
                    .byte_count = (uint32_t)request_size,
                    .handles = module ? (uint32_t)kp_mem(module) : 0,
                    .handle_count = module ? 1 : 0},
        .reply = {.bytes = (uint32_t)kp_mem(reply),
                  .byte_count = (uint32_t)reply_size,
                  .handles = result ? (uint32_t)kp_mem(result) : 0,
                  .handle_count = result ? 1 : 0},
    };
    kp_status_t status =
        kp_channel_call(compiler->channel, &call, patience ? kp_now() + patience : deadline);
    if (status == KP_ERR_PEER_CLOSED) {
        (void)kp_handle_close(compiler->channel);
        compiler->channel = KP_HANDLE_NONE;
    }
    if (status == KP_OK && call.reply.byte_count != reply_size)
        status = KP_ERR_PROTOCOL;
    return status;
}

/* What came, mapped; code NONE without an error is none. */
static kp_status_t code_map(const kp_compiler_reply_t *answer, kp_compiler_code_t *code)
{
    if (answer->status != KP_OK) {
        kp_compiler_code_release(code);
        return answer->status;
    }
    if (code->code == KP_HANDLE_NONE)
        return KP_OK;
    int64_t address = kp_code_map(code->code);
    if (address < 0) {
        kp_compiler_code_release(code);
        return (kp_status_t)address;
    }
    code->address = (uint64_t)address;
    code->size = answer->artefact_size;
    code->is_cached = answer->is_cached;
    code->compile_ns = answer->compile_ns;
    return KP_OK;
}

static kp_status_t ask_vmo(kp_compiler_client_t *compiler, const kp_compiler_request_t *request,
                           kp_handle_t module, kp_time_t deadline, kp_compiler_code_t *code,
                           kp_compiler_reply_t *reply)
{
    *code = (kp_compiler_code_t){0};
    int64_t copy =
        kp_handle_duplicate(module, KP_RIGHT_READ | KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER);
    if (copy < 0)
        return (kp_status_t)copy;
    kp_handle_t moved = (kp_handle_t)copy, result = KP_HANDLE_NONE;
    kp_status_t status =
        ask(compiler, request, sizeof(*request), &moved, reply, sizeof(*reply), &result, deadline);
    if (status != KP_OK) {
        (void)kp_handle_close(moved); /* gone already if it was sent */
        return status;
    }
    while (reply->status == KP_ERR_SHOULD_WAIT) {
        const kp_compiler_functions_t wait = {.ordinal = KP_COMPILER_WAIT, .module = reply->module};
        status = ask(compiler, &wait, sizeof(wait), NULL, reply, sizeof(*reply), &result, deadline);
        if (status != KP_OK)
            return status;
    }
    code->code = result;
    return code_map(reply, code);
}

kp_status_t kp_compiler_compile_vmo(kp_compiler_client_t *compiler, kp_handle_t module,
                                    uint32_t size, uint32_t flags, uint32_t cpu, kp_time_t deadline,
                                    kp_compiler_code_t *code, kp_compiler_reply_t *reply)
{
    /* On the stack: native programs' calls take pointers to nothing else. */
    kp_compiler_reply_t answer = {0};
    const kp_compiler_request_t request = {
        .ordinal = KP_COMPILER_COMPILE, .flags = flags, .cpu = cpu, .module_size = size};
    kp_status_t status = ask_vmo(compiler, &request, module, deadline, code, &answer);
    if (status == KP_OK && code->code == KP_HANDLE_NONE)
        status = KP_ERR_PROTOCOL;
    if (reply)
        *reply = answer;
    return status;
}

kp_status_t kp_compiler_open_vmo(kp_compiler_client_t *compiler, kp_handle_t module, uint32_t size,
                                 uint32_t flags, uint32_t cpu, kp_time_t deadline, uint32_t *number,
                                 kp_compiler_code_t *code, kp_compiler_reply_t *reply)
{
    kp_compiler_reply_t answer = {0};
    const kp_compiler_request_t request = {
        .ordinal = KP_COMPILER_OPEN, .flags = flags, .cpu = cpu, .module_size = size};
    kp_status_t status = ask_vmo(compiler, &request, module, deadline, code, &answer);
    *number = status == KP_OK ? answer.module : 0;
    if (status == KP_OK && (*number == 0) != (code->code != KP_HANDLE_NONE)) {
        kp_compiler_code_release(code);
        status = KP_ERR_PROTOCOL;
    }
    if (reply)
        *reply = answer;
    return status;
}

kp_status_t kp_compiler_functions(kp_compiler_client_t *compiler, uint32_t *number, uint32_t first,
                                  uint32_t count, kp_time_t deadline, kp_compiler_code_t *code,
                                  kp_compiler_reply_t *reply)
{
    kp_compiler_reply_t answer = {0};
    kp_handle_t result = KP_HANDLE_NONE;
    const kp_compiler_functions_t request = {
        .ordinal = KP_COMPILER_FUNCTIONS, .module = *number, .first = first, .count = count};
    *code = (kp_compiler_code_t){0};
    /* A new service knows no number. */
    kp_status_t status;
    do
        status = compiler->channel == KP_HANDLE_NONE
                     ? KP_ERR_PEER_CLOSED
                     : ask(compiler, &request, sizeof(request), NULL, &answer, sizeof(answer),
                           &result, deadline);
    while (status == KP_OK && answer.status == KP_ERR_SHOULD_WAIT);
    if (status == KP_OK) {
        code->code = result;
        status = code_map(&answer, code);
    }
    if (status == KP_OK && code->code == KP_HANDLE_NONE)
        status = KP_ERR_PROTOCOL;
    if (status == KP_OK)
        *number = answer.module;
    if (reply)
        *reply = answer;
    return status;
}

kp_status_t kp_compiler_compile(kp_compiler_client_t *compiler, const void *module, uint32_t size,
                                uint32_t flags, uint32_t cpu, kp_time_t deadline,
                                kp_compiler_code_t *code, kp_compiler_reply_t *reply)
{
    *code = (kp_compiler_code_t){0};
    if (reply)
        memset(reply, 0, sizeof(*reply));
    int64_t vmo = kp_vmo_create(size ? size : 1);
    if (vmo < 0)
        return (kp_status_t)vmo;
    kp_status_t status = size ? kp_vmo_write((kp_handle_t)vmo, 0, module, size) : KP_OK;
    if (status == KP_OK)
        status = kp_compiler_compile_vmo(compiler, (kp_handle_t)vmo, size, flags, cpu, deadline,
                                         code, reply);
    (void)kp_handle_close((kp_handle_t)vmo);
    return status;
}

kp_status_t kp_compiler_authority(kp_compiler_client_t *compiler, kp_time_t deadline,
                                  kp_handle_t *code)
{
    static const uint8_t empty[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    kp_compiler_code_t artefact;
    kp_status_t status =
        kp_compiler_compile(compiler, empty, sizeof(empty), 0, 0, deadline, &artefact, NULL);
    if (status != KP_OK)
        return status;
    *code = artefact.code;
    return kp_code_unmap(artefact.address);
}

void kp_compiler_code_release(kp_compiler_code_t *code)
{
    if (code->address)
        (void)kp_code_unmap(code->address);
    if (code->code != KP_HANDLE_NONE)
        (void)kp_handle_close(code->code);
    *code = (kp_compiler_code_t){0};
}

static kp_status_t info_ask(kp_compiler_client_t *compiler, uint32_t ordinal, kp_time_t deadline,
                            kp_compiler_info_t *info)
{
    const kp_compiler_request_t request = {.ordinal = ordinal};
    kp_compiler_info_t answer = {0};
    kp_status_t status =
        ask(compiler, &request, sizeof(request), NULL, &answer, sizeof(answer), NULL, deadline);
    *info = answer;
    return status == KP_OK ? answer.status : status;
}

kp_status_t kp_compiler_ask_info(kp_compiler_client_t *compiler, kp_time_t deadline,
                                 kp_compiler_info_t *info)
{
    return info_ask(compiler, KP_COMPILER_INFO, deadline, info);
}

kp_status_t kp_compiler_settle(kp_compiler_client_t *compiler, kp_time_t deadline)
{
    kp_compiler_info_t info;
    return info_ask(compiler, KP_COMPILER_SETTLE, deadline, &info);
}
