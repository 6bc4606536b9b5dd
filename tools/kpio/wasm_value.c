#include "tools/kpio/wasm_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool kp_wasm_value_parse(kp_wasm_type_t type, const char *text, kp_wasm_value_t *value)
{
    char *end;
    *value = (kp_wasm_value_t){.v128 = {0, 0}};
    errno = 0;
    if (type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_I64) {
        value->u64 =
            text[0] == '-' ? (uint64_t)strtoll(text, &end, 0) : (uint64_t)strtoull(text, &end, 0);
        if (type == KP_WASM_TYPE_I32)
            value->u64 = value->u32;
    } else if (type == KP_WASM_TYPE_F32) {
        float number32 = strtof(text, &end);
        memcpy(value, &number32, sizeof number32);
    } else if (type == KP_WASM_TYPE_F64) {
        double number64 = strtod(text, &end);
        memcpy(value, &number64, sizeof number64);
    } else {
        return false;
    }
    return end != text && *end == '\0' && errno == 0;
}

void kp_wasm_value_print(kp_wasm_type_t type, const kp_wasm_value_t *value)
{
    float number32;
    double number64;
    switch (type) {
    case KP_WASM_TYPE_I32:
        printf("%" PRId32 "\n", (int32_t)value->u32);
        break;
    case KP_WASM_TYPE_I64:
        printf("%" PRId64 "\n", (int64_t)value->u64);
        break;
    case KP_WASM_TYPE_F32:
        memcpy(&number32, value, sizeof number32);
        printf("%.9g\n", (double)number32);
        break;
    case KP_WASM_TYPE_F64:
        memcpy(&number64, value, sizeof number64);
        printf("%.17g\n", number64);
        break;
    case KP_WASM_TYPE_V128:
        printf("0x%016" PRIx64 "%016" PRIx64 "\n", value->v128[1], value->v128[0]);
        break;
    default:
        printf("%s\n", value->reference ? "reference" : "null");
    }
}
