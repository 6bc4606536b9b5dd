#include "services/compiler/request.h"

#include <string.h>

enum {
    FLAGS = KP_WASM_COMPILE_GUARDED | KP_WASM_COMPILE_INTERRUPT | KP_WASM_COMPILE_FUEL,
    CPU = KP_WASM_CPU_AVX | KP_WASM_CPU_BMI2 | KP_WASM_CPU_LZCNT | KP_WASM_CPU_TZCNT,
};

kp_status_t kp_compiler_request_parse(const void *bytes, size_t size, size_t handle_count,
                                      kp_compiler_request_t *out)
{
    *out = (kp_compiler_request_t){0};
    if (size != sizeof(*out))
        return KP_ERR_PROTOCOL;
    memcpy(out, bytes, sizeof(*out));
    if (out->ordinal == KP_COMPILER_INFO || out->ordinal == KP_COMPILER_FUNCTIONS ||
        out->ordinal == KP_COMPILER_SETTLE || out->ordinal == KP_COMPILER_WAIT)
        return handle_count ? KP_ERR_PROTOCOL : KP_OK;
    if ((out->ordinal != KP_COMPILER_COMPILE && out->ordinal != KP_COMPILER_OPEN) ||
        handle_count != 1)
        return KP_ERR_PROTOCOL;
    if (out->flags & ~(uint32_t)FLAGS || out->cpu & ~(uint32_t)CPU)
        return KP_ERR_INVALID_ARGUMENT;
    return out->module_size > KP_COMPILER_MODULE_BYTES_MAX ? KP_ERR_TOO_LARGE : KP_OK;
}

bool kp_compiler_artefact_check(const kp_wasm_code_header_t *header, uint32_t size,
                                const kp_compiler_request_t *request,
                                const kp_compiler_functions_t *functions)
{
    uint32_t flags = request->flags | (functions ? KP_WASM_COMPILE_LAZY : 0);
    if (header->first_function != (functions ? functions->first : 0) ||
        (functions && header->function_count != functions->count))
        return false;
    return memcmp(header->magic, KP_WASM_CODE_MAGIC, sizeof(header->magic)) == 0 &&
           header->version ==
               ((uint32_t)KP_WASM_CODE_VERSION << 16 | (uint32_t)KP_WASM_LAYOUT_VERSION) &&
           (header->cpu & ~request->cpu) == 0 && header->flags == flags && header->size == size &&
           header->module_size == request->module_size && header->code == KP_WASM_CODE_PAGE &&
           header->code <= size && header->code_size <= size - header->code;
}

void kp_compiler_reply_clean(kp_compiler_reply_t *reply)
{
    static const kp_status_t known[] = {KP_OK,
                                        KP_ERR_BAD_FORMAT,
                                        KP_ERR_NOT_SUPPORTED,
                                        KP_ERR_TOO_LARGE,
                                        KP_ERR_NO_MEMORY,
                                        KP_ERR_QUOTA,
                                        KP_ERR_INVALID_ARGUMENT};
    bool is_known = false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        is_known |= reply->status == known[i];
    if (!is_known)
        reply->status = KP_ERR_PROCESS_DEAD;
    if (reply->text_size >= sizeof(reply->text))
        reply->text_size = sizeof(reply->text) - 1;
    for (uint32_t i = 0; i < sizeof(reply->text); i++) {
        char c = reply->text[i];
        reply->text[i] = i >= reply->text_size ? 0 : c >= ' ' && c < 127 ? c : '?';
    }
    reply->is_cached = 0;
    reply->module = 0;
    reply->reserved = 0;
}
