/* Shared by the parts of the front end; not for others. */
#ifndef KP_RUNTIME_WASM_INTERNAL_H
#define KP_RUNTIME_WASM_INTERNAL_H

#include <string.h>

#include "runtime/wasm/body.h"
#include "runtime/wasm/constant.h"
#include "runtime/wasm/module.h"

#define KP_WASM_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define KP_WASM_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* ---- errors ---- */

/* Records an error (with an empty detail) and returns its status. */
kp_status_t kp_wasm_fail(kp_wasm_error_t *error, kp_wasm_error_kind_t kind, uint32_t offset,
                         const char *reason);
/* Appends to the detail, cut at its end. */
void kp_wasm_detail(kp_wasm_error_t *error, const char *text);
void kp_wasm_detail_number(kp_wasm_error_t *error, uint64_t number);

/* ---- reading ---- */

/* Every function below takes the position, moves it on success, and returns NULL or the reason why
   the bytes are malformed. Nothing at or behind `end` is read. */

/* Any LEB128 number, strictly: at most ceil(bits / 7) bytes, no bit set beyond `bits`. A signed one
   is sign-extended to 64 bits. bits: 32, 33 or 64. */
const char *kp_wasm_leb_read(const uint8_t **at, const uint8_t *end, unsigned bits, bool is_signed,
                             uint64_t *value);

static inline const char *kp_wasm_read_u32(const uint8_t **at, const uint8_t *end, uint32_t *value)
{
    if (KP_WASM_LIKELY(*at < end && **at < 0x80)) {
        *value = *(*at)++;
        return NULL;
    }
    uint64_t wide = 0;
    const char *reason = kp_wasm_leb_read(at, end, 32, false, &wide);
    *value = (uint32_t)wide;
    return reason;
}

static inline uint32_t kp_wasm_load_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t kp_wasm_load_u64(const uint8_t *at)
{
    return kp_wasm_load_u32(at) | (uint64_t)kp_wasm_load_u32(at + 4) << 32;
}

bool kp_wasm_utf8_valid(const uint8_t *bytes, size_t size);

/* The opcode at *at: its number in opcode.h's numbering. KP_WASM_OPCODE_COUNT or more for a code that
   no table can hold. */
const char *kp_wasm_read_opcode(const uint8_t **at, const uint8_t *end, uint32_t *opcode);

/* The proposal of an opcode that is not in opcode.def but that we know of, or NULL. */
const char *kp_wasm_opcode_proposal(uint32_t opcode);

/* May a value have the type of that byte? NULL, or why not and what kind of error that is. */
const char *kp_wasm_type_check(kp_wasm_features_t features, uint8_t byte,
                               kp_wasm_error_kind_t *kind);

/* ---- decoding ---- */

/* The state while a module is decoded. Functions return false after they recorded an error. */
typedef struct kp_wasm_decoder {
    kp_wasm_module_t *module;
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* of the current section */
    kp_wasm_error_t *error;
    uint32_t code_count;  /* bodies seen */
    bool seen_data;       /* a data section came */
    uint32_t data_wanted; /* what the data count section said */
    uint32_t capacity[5]; /* of the arrays that imports grow, by external kind */
    uint32_t custom_capacity;
} kp_wasm_decoder_t;

bool kp_wasm_decode_fail(kp_wasm_decoder_t *decoder, kp_wasm_error_kind_t kind, const uint8_t *at,
                         const char *reason);
static inline bool kp_wasm_decode_malformed(kp_wasm_decoder_t *decoder, const char *reason)
{
    return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, decoder->at, reason);
}
/* The same with an index behind the reason: "unknown function 7". */
bool kp_wasm_decode_unknown(kp_wasm_decoder_t *decoder, const uint8_t *at, const char *reason,
                            uint32_t index);
bool kp_wasm_decode_u8(kp_wasm_decoder_t *decoder, uint8_t *value);
bool kp_wasm_decode_u32(kp_wasm_decoder_t *decoder, uint32_t *value);
/* A vector's length: at most `limit`, and at most what the bytes left can hold. */
bool kp_wasm_decode_count(kp_wasm_decoder_t *decoder, uint32_t limit, uint32_t item_bytes,
                          const char *what, uint32_t *count);
bool kp_wasm_decode_value_type(kp_wasm_decoder_t *decoder, kp_wasm_type_t *type);
bool kp_wasm_decode_reference_type(kp_wasm_decoder_t *decoder, kp_wasm_type_t *type);
/* A constant expression of that type which may read the first `globals` globals. */
bool kp_wasm_decode_constant(kp_wasm_decoder_t *decoder, kp_wasm_type_t type, uint32_t globals,
                             kp_wasm_span_t *span);

static inline uint32_t kp_wasm_decode_offset(const kp_wasm_decoder_t *decoder)
{
    return (uint32_t)(decoder->at - decoder->module->bytes);
}

/* ref.func may name the function; false: no memory. */
bool kp_wasm_decode_declare(kp_wasm_decoder_t *decoder, uint32_t function);

/* Sections, in sections.c and segments.c; each must read decoder up to its end. */
bool kp_wasm_decode_types(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_imports(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_functions(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_tables(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_memories(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_tags(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_globals(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_exports(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_start(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_elements(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_data_count(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_code(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_data(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_custom(kp_wasm_decoder_t *decoder);
bool kp_wasm_decode_name(kp_wasm_decoder_t *decoder, kp_wasm_span_t *name);

/* After all sections: the name section, whose faults are ignored (only no memory is an error). */
bool kp_wasm_decode_names(kp_wasm_decoder_t *decoder);

/* ---- the module's memory ---- */

/* Zeroed memory for count items that lives as long as the module; NULL (error recorded) on failure.
   count 0 gives a block too. */
void *kp_wasm_module_allocate(kp_wasm_decoder_t *decoder, size_t count, size_t item);
/* Makes room for `count` items in a growing array: at least doubles. The new part is zeroed. */
bool kp_wasm_module_grow(kp_wasm_decoder_t *decoder, void **array, uint32_t *capacity,
                         uint32_t count, size_t item);
void kp_wasm_module_free(kp_wasm_module_t *module, void *block);

/* Sorts indices 0..count-1 into order, O(n log n) whatever they are; below(context, a, b) is a strict
   total order. */
void kp_wasm_sort(uint32_t *order, uint32_t count,
                  bool (*below)(const void *context, uint32_t a, uint32_t b), const void *context);

#endif
