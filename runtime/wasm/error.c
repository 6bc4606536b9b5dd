#include "runtime/wasm/internal.h"

const char *kp_wasm_type_name(kp_wasm_type_t type)
{
    switch (type) {
    case KP_WASM_TYPE_I32:
        return "i32";
    case KP_WASM_TYPE_I64:
        return "i64";
    case KP_WASM_TYPE_F32:
        return "f32";
    case KP_WASM_TYPE_F64:
        return "f64";
    case KP_WASM_TYPE_V128:
        return "v128";
    case KP_WASM_TYPE_FUNCREF:
        return "funcref";
    case KP_WASM_TYPE_EXTERNREF:
        return "externref";
    case KP_WASM_TYPE_EXNREF:
        return "exnref";
    case KP_WASM_TYPE_BOTTOM:
        return "(any)";
    default:
        return "(none)";
    }
}

static kp_status_t status_of(kp_wasm_error_kind_t kind)
{
    switch (kind) {
    case KP_WASM_ERROR_NONE:
        return KP_OK;
    case KP_WASM_ERROR_UNSUPPORTED:
        return KP_ERR_NOT_SUPPORTED;
    case KP_WASM_ERROR_LIMIT:
        return KP_ERR_TOO_LARGE;
    case KP_WASM_ERROR_MEMORY:
        return KP_ERR_NO_MEMORY;
    default:
        return KP_ERR_BAD_FORMAT;
    }
}

kp_status_t kp_wasm_fail(kp_wasm_error_t *error, kp_wasm_error_kind_t kind, uint32_t offset,
                         const char *reason)
{
    *error = (kp_wasm_error_t){
        .status = status_of(kind),
        .kind = kind,
        .offset = offset,
        .function = KP_WASM_NO_FUNCTION,
        .reason = reason,
    };
    return error->status;
}

/* A text that is cut at its end and always ends with NUL. */
typedef struct text {
    char *at;
    size_t size, length;
} text_t;

static void append(text_t *text, const char *more)
{
    while (*more && text->length + 1 < text->size)
        text->at[text->length++] = *more++;
    if (text->size > 0)
        text->at[text->length] = '\0';
}

static void append_number(text_t *text, uint64_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);
    digits[--at] = '\0';
    do
        digits[--at] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    append(text, digits + at);
}

static text_t detail_of(kp_wasm_error_t *error)
{
    return (text_t){error->detail, sizeof(error->detail), strlen(error->detail)};
}

void kp_wasm_detail(kp_wasm_error_t *error, const char *more)
{
    text_t text = detail_of(error);
    append(&text, more);
}

void kp_wasm_detail_number(kp_wasm_error_t *error, uint64_t number)
{
    text_t text = detail_of(error);
    append_number(&text, number, 10);
}

size_t kp_wasm_error_print(const kp_wasm_error_t *error, char *buffer, size_t size)
{
    text_t text = {buffer, size, 0};
    append(&text, error->reason ? error->reason : "no error");
    /* An index belongs to the reason: "unknown function 7". */
    bool index = error->detail[0] >= '0' && error->detail[0] <= '9';
    if (error->detail[0]) {
        append(&text, index ? " " : " (");
        append(&text, error->detail);
        append(&text, index ? "" : ")");
    }
    append(&text, " at offset 0x");
    append_number(&text, error->offset, 16);
    if (error->function != KP_WASM_NO_FUNCTION) {
        append(&text, " in function ");
        append_number(&text, error->function, 10);
    }
    return text.length;
}
