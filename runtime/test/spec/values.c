#include "runtime/test/spec/values.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static kp_wasm_type_t type_of(const char *name)
{
    static const struct {
        const char *name;
        kp_wasm_type_t type;
    } types[] = {
        {"i32", KP_WASM_TYPE_I32},
        {"i64", KP_WASM_TYPE_I64},
        {"f32", KP_WASM_TYPE_F32},
        {"f64", KP_WASM_TYPE_F64},
        {"v128", KP_WASM_TYPE_V128},
        {"funcref", KP_WASM_TYPE_FUNCREF},
        {"externref", KP_WASM_TYPE_EXTERNREF},
        {"exnref", KP_WASM_TYPE_EXNREF},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i].name, name) == 0)
            return types[i].type;
    }
    return KP_WASM_TYPE_NIL;
}

/* A number as the suites write it: unsigned or signed decimal. */
static bool read_number(const char *text, uint64_t *value)
{
    char *end;
    *value = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
    return text[0] != '\0' && *end == '\0';
}

static unsigned lane_bits(const char *type)
{
    return (unsigned)strtoul(type + (type[0] != '\0'), NULL, 10);
}

static uint64_t mask_of(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

static bool read_vector(const kp_json_t *json, kp_spec_value_t *value)
{
    unsigned bits = lane_bits(kp_json_text(json, "lane_type")), at = 0;
    const kp_json_t *lanes = kp_json_member(json, "value");
    if (!lanes || (bits != 8 && bits != 16 && bits != 32 && bits != 64))
        return false;
    for (const kp_json_t *lane = lanes->child; lane; lane = lane->next, at += bits) {
        uint64_t number;
        if (at >= 128 || !lane->text || !read_number(lane->text, &number))
            return false;
        value->bits[at / 64] |= (number & mask_of(bits)) << (at % 64);
    }
    return at == 128;
}

bool kp_spec_value_read(const kp_json_t *json, kp_spec_value_t *value)
{
    *value = (kp_spec_value_t){.type = type_of(kp_json_text(json, "type"))};
    if (value->type == KP_WASM_TYPE_V128)
        return read_vector(json, value);
    const char *text = kp_json_text(json, "value");
    if (kp_wasm_type_is_reference(value->type) && strcmp(text, "null") == 0) {
        value->bits[0] = KP_SPEC_NULL;
        return true;
    }
    if (value->type == KP_WASM_TYPE_NIL || !read_number(text, &value->bits[0]))
        return false;
    if (value->type == KP_WASM_TYPE_I32 || value->type == KP_WASM_TYPE_F32)
        value->bits[0] &= UINT32_MAX;
    return true;
}

/* One number or lane of `bits` bits against the text of the suite. */
static bool number_matches(const char *wanted, uint64_t actual, unsigned bits)
{
    uint64_t quiet = bits == 32 ? 0x7fc00000u : UINT64_C(0x7ff8000000000000);
    uint64_t sign = (uint64_t)1 << (bits - 1), number;
    if (strcmp(wanted, "nan:canonical") == 0)
        return (actual & ~sign) == quiet;
    if (strcmp(wanted, "nan:arithmetic") == 0)
        return (actual & quiet) == quiet;
    return read_number(wanted, &number) && (number & mask_of(bits)) == actual;
}

static bool vector_matches(const kp_json_t *wanted, const kp_spec_value_t *actual)
{
    unsigned bits = lane_bits(kp_json_text(wanted, "lane_type")), at = 0;
    const kp_json_t *lanes = kp_json_member(wanted, "value");
    if (!lanes || (bits != 8 && bits != 16 && bits != 32 && bits != 64))
        return false;
    for (const kp_json_t *lane = lanes->child; lane; lane = lane->next, at += bits) {
        uint64_t found = at < 128 ? actual->bits[at / 64] >> (at % 64) & mask_of(bits) : 0;
        if (at >= 128 || !lane->text || !number_matches(lane->text, found, bits))
            return false;
    }
    return at == 128;
}

static bool reference_matches(const kp_json_t *wanted, const kp_spec_value_t *actual)
{
    const kp_json_t *value = kp_json_member(wanted, "value");
    bool is_null = actual->bits[0] == KP_SPEC_NULL;
    uint64_t number;
    if (!value || !value->text)
        return !is_null;
    if (strcmp(value->text, "null") == 0)
        return is_null;
    return !is_null && read_number(value->text, &number) &&
           (actual->type != KP_WASM_TYPE_EXTERNREF || actual->bits[0] == number);
}

bool kp_spec_value_matches(const kp_json_t *wanted, const kp_spec_value_t *actual)
{
    const char *type = kp_json_text(wanted, "type");
    if (strcmp(type, "either") == 0) {
        const kp_json_t *values = kp_json_member(wanted, "values");
        for (const kp_json_t *each = values ? values->child : NULL; each; each = each->next) {
            if (kp_spec_value_matches(each, actual))
                return true;
        }
        return false;
    }
    if (type_of(type) == KP_WASM_TYPE_NIL || type_of(type) != actual->type)
        return false;
    if (actual->type == KP_WASM_TYPE_V128)
        return vector_matches(wanted, actual);
    if (kp_wasm_type_is_reference(actual->type))
        return reference_matches(wanted, actual);
    bool narrow = actual->type == KP_WASM_TYPE_I32 || actual->type == KP_WASM_TYPE_F32;
    return number_matches(kp_json_text(wanted, "value"), actual->bits[0], narrow ? 32 : 64);
}

void kp_spec_value_print(const kp_spec_value_t *value, char *text, size_t size)
{
    const char *type = kp_wasm_type_name(value->type);
    if (value->type == KP_WASM_TYPE_V128)
        snprintf(text, size, "%s:0x%016" PRIx64 "%016" PRIx64, type, value->bits[1],
                 value->bits[0]);
    else if (kp_wasm_type_is_reference(value->type) && value->bits[0] == KP_SPEC_NULL)
        snprintf(text, size, "%s:null", type);
    else
        snprintf(text, size, "%s:%" PRIu64, type, value->bits[0]);
}
