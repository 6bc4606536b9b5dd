/* Constant expressions: checked while the module is decoded, evaluated when it is instantiated.
   Specification: "Validation / Instructions / Constant Expressions". */
#include "runtime/wasm/constant.h"

#include "runtime/wasm/internal.h"

#define KP_WASM_CONSTANT_STACK 64 /* limits.constant_depth is at most this */

typedef struct check {
    kp_wasm_decoder_t *decoder;
    uint32_t globals;
    uint32_t height;
    kp_wasm_type_t types[KP_WASM_CONSTANT_STACK];
} check_t;

static bool push(check_t *check, const uint8_t *at, kp_wasm_type_t type)
{
    uint32_t limit = check->decoder->module->limits.constant_depth;
    if (check->height >= limit || check->height >= KP_WASM_CONSTANT_STACK)
        return kp_wasm_decode_fail(check->decoder, KP_WASM_ERROR_LIMIT, at,
                                   "constant expression is too deep");
    check->types[check->height++] = type;
    return true;
}

static bool mismatch(check_t *check, const uint8_t *at)
{
    return kp_wasm_decode_fail(check->decoder, KP_WASM_ERROR_INVALID, at, "type mismatch");
}

static bool check_global(check_t *check, const uint8_t *begin)
{
    kp_wasm_decoder_t *decoder = check->decoder;
    const kp_wasm_module_t *module = decoder->module;
    uint32_t index;
    if (!kp_wasm_decode_u32(decoder, &index))
        return false;
    bool any = module->features & KP_WASM_FEATURE_EXTENDED_CONST;
    uint32_t known = any ? check->globals : module->imported_global_count;
    if (index >= known)
        return kp_wasm_decode_unknown(decoder, begin, "unknown global", index);
    if (module->globals[index].mutable)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin,
                                   "constant expression required");
    return push(check, begin, module->globals[index].type);
}

static bool check_function(check_t *check, const uint8_t *begin)
{
    kp_wasm_decoder_t *decoder = check->decoder;
    uint32_t index;
    if (!kp_wasm_decode_u32(decoder, &index))
        return false;
    if (index >= decoder->module->function_count)
        return kp_wasm_decode_unknown(decoder, begin, "unknown function", index);
    return kp_wasm_decode_declare(decoder, index) && push(check, begin, KP_WASM_TYPE_FUNCREF);
}

static bool check_number(check_t *check, const uint8_t *begin, uint32_t opcode)
{
    kp_wasm_decoder_t *decoder = check->decoder;
    size_t bytes = 0;
    switch (opcode) {
    case KP_WASM_OP_I32_CONST:
    case KP_WASM_OP_I64_CONST: {
        uint64_t value;
        const char *reason = kp_wasm_leb_read(
            &decoder->at, decoder->end, opcode == KP_WASM_OP_I32_CONST ? 32 : 64, true, &value);
        if (reason)
            return kp_wasm_decode_malformed(decoder, reason);
        break;
    }
    case KP_WASM_OP_F32_CONST:
        bytes = 4;
        break;
    case KP_WASM_OP_F64_CONST:
        bytes = 8;
        break;
    default:
        bytes = 16;
        break;
    }
    if (bytes > (size_t)(decoder->end - decoder->at))
        return kp_wasm_decode_malformed(decoder, "unexpected end");
    decoder->at += bytes;
    return push(check, begin, kp_wasm_opcode_info[opcode].push);
}

static bool check_arithmetic(check_t *check, const uint8_t *begin, uint32_t opcode)
{
    kp_wasm_type_t type = kp_wasm_opcode_info[opcode].push;
    if (check->height < 2 || check->types[check->height - 1] != type ||
        check->types[check->height - 2] != type)
        return mismatch(check, begin);
    check->height--;
    return true;
}

/* Not a constant instruction: says so if it is one at all. */
static bool not_constant(check_t *check, const uint8_t *begin, uint32_t opcode)
{
    kp_wasm_decoder_t *decoder = check->decoder;
    const char *proposal = kp_wasm_opcode_proposal(opcode);
    if (proposal) {
        kp_wasm_decode_fail(decoder, KP_WASM_ERROR_UNSUPPORTED, begin, "unsupported instruction");
        kp_wasm_detail(decoder->error, proposal);
        return false;
    }
    if (opcode >= KP_WASM_OPCODE_COUNT || !kp_wasm_opcode_info[opcode].valid)
        return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_MALFORMED, begin, "illegal opcode");
    return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_INVALID, begin,
                               "constant expression required");
}

bool kp_wasm_decode_constant(kp_wasm_decoder_t *decoder, kp_wasm_type_t type, uint32_t globals,
                             kp_wasm_span_t *span)
{
    check_t check = {.decoder = decoder, .globals = globals};
    span->offset = kp_wasm_decode_offset(decoder);
    for (bool more = true; more;) {
        const uint8_t *begin = decoder->at;
        uint32_t opcode;
        const char *reason = kp_wasm_read_opcode(&decoder->at, decoder->end, &opcode);
        if (reason)
            return kp_wasm_decode_malformed(decoder, reason);
        bool good = true;
        if (opcode < KP_WASM_OPCODE_COUNT &&
            (kp_wasm_opcode_info[opcode].feature & ~decoder->module->features))
            return kp_wasm_decode_fail(decoder, KP_WASM_ERROR_UNSUPPORTED, begin, "illegal opcode");
        switch (opcode) {
        case KP_WASM_OP_END:
            more = false;
            break;
        case KP_WASM_OP_I32_CONST:
        case KP_WASM_OP_I64_CONST:
        case KP_WASM_OP_F32_CONST:
        case KP_WASM_OP_F64_CONST:
        case KP_WASM_OP_V128_CONST:
            good = check_number(&check, begin, opcode);
            break;
        case KP_WASM_OP_REF_NULL: {
            kp_wasm_type_t null;
            good = kp_wasm_decode_reference_type(decoder, &null) && push(&check, begin, null);
            break;
        }
        case KP_WASM_OP_REF_FUNC:
            good = check_function(&check, begin);
            break;
        case KP_WASM_OP_GLOBAL_GET:
            good = check_global(&check, begin);
            break;
        case KP_WASM_OP_I32_ADD:
        case KP_WASM_OP_I32_SUB:
        case KP_WASM_OP_I32_MUL:
        case KP_WASM_OP_I64_ADD:
        case KP_WASM_OP_I64_SUB:
        case KP_WASM_OP_I64_MUL:
            good = decoder->module->features & KP_WASM_FEATURE_EXTENDED_CONST
                       ? check_arithmetic(&check, begin, opcode)
                       : not_constant(&check, begin, opcode);
            break;
        default:
            return not_constant(&check, begin, opcode);
        }
        if (!good)
            return false;
    }
    if (check.height != 1 || check.types[0] != type) {
        mismatch(&check, decoder->at);
        kp_wasm_detail(decoder->error, "constant expression of type ");
        kp_wasm_detail(decoder->error, kp_wasm_type_name(type));
        return false;
    }
    span->size = kp_wasm_decode_offset(decoder) - span->offset;
    return true;
}

/* ---- evaluation: the bytes are known to be good ---- */

static uint64_t leb_signed_trusted(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (byte & 0x40) && shift < 64 ? value | ~(uint64_t)0 << shift : value;
}

static uint64_t arithmetic(uint32_t opcode, uint64_t a, uint64_t b)
{
    switch (opcode) {
    case KP_WASM_OP_I32_ADD:
        return (uint32_t)(a + b);
    case KP_WASM_OP_I32_SUB:
        return (uint32_t)(a - b);
    case KP_WASM_OP_I32_MUL:
        return (uint32_t)(a * b);
    case KP_WASM_OP_I64_ADD:
        return a + b;
    case KP_WASM_OP_I64_SUB:
        return a - b;
    default:
        return a * b;
    }
}

/* Reads one instruction that pushes; moves *at. */
static kp_wasm_constant_t leaf(const kp_wasm_module_t *module, uint32_t opcode, const uint8_t **at,
                               kp_wasm_global_read_fn read, void *context)
{
    kp_wasm_constant_t value = {.type = kp_wasm_opcode_info[opcode].push};
    switch (opcode) {
    case KP_WASM_OP_I32_CONST:
        value.bits[0] = (uint32_t)leb_signed_trusted(at);
        break;
    case KP_WASM_OP_I64_CONST:
        value.bits[0] = leb_signed_trusted(at);
        break;
    case KP_WASM_OP_F32_CONST:
        value.bits[0] = kp_wasm_load_u32(*at);
        *at += 4;
        break;
    case KP_WASM_OP_F64_CONST:
        value.bits[0] = kp_wasm_load_u64(*at);
        *at += 8;
        break;
    case KP_WASM_OP_V128_CONST:
        value.bits[0] = kp_wasm_load_u64(*at);
        value.bits[1] = kp_wasm_load_u64(*at + 8);
        *at += 16;
        break;
    case KP_WASM_OP_REF_NULL:
        value.kind = KP_WASM_CONSTANT_NULL;
        value.type = *(*at)++;
        break;
    case KP_WASM_OP_REF_FUNC:
        value.kind = KP_WASM_CONSTANT_FUNCTION;
        value.index = kp_wasm_leb_u32_trusted(at);
        break;
    default: /* global.get */
        value.index = kp_wasm_leb_u32_trusted(at);
        value.type = module->globals[value.index].type;
        if (kp_wasm_type_is_reference(value.type))
            value.kind = KP_WASM_CONSTANT_GLOBAL;
        else if (read)
            read(context, value.index, value.bits);
        break;
    }
    return value;
}

static kp_wasm_constant_t evaluate(const kp_wasm_module_t *module, const uint8_t **at,
                                   kp_wasm_global_read_fn read, void *context)
{
    uint64_t numbers[KP_WASM_CONSTANT_STACK] = {0}; /* below the top; only arithmetic needs them */
    uint32_t height = 0;
    kp_wasm_constant_t top = {0};
    for (;;) {
        uint32_t opcode = *(*at)++;
        if (opcode == 0xfd) {
            kp_wasm_leb_u32_trusted(at);
            opcode = KP_WASM_OP_V128_CONST;
        }
        switch (opcode) {
        case KP_WASM_OP_END:
            return top;
        case KP_WASM_OP_I32_ADD:
        case KP_WASM_OP_I32_SUB:
        case KP_WASM_OP_I32_MUL:
        case KP_WASM_OP_I64_ADD:
        case KP_WASM_OP_I64_SUB:
        case KP_WASM_OP_I64_MUL:
            top.bits[0] = arithmetic(opcode, numbers[--height], top.bits[0]);
            break;
        default:
            /* The first leaf pushes a number that nothing pops: one slot less than the check's. */
            numbers[height++] = top.bits[0];
            top = leaf(module, opcode, at, read, context);
            break;
        }
    }
}

kp_wasm_constant_t kp_wasm_constant_evaluate(const kp_wasm_module_t *module,
                                             kp_wasm_span_t expression, kp_wasm_global_read_fn read,
                                             void *context)
{
    const uint8_t *at = kp_wasm_module_at(module, expression);
    return evaluate(module, &at, read, context);
}

kp_wasm_items_t kp_wasm_items_begin(const kp_wasm_module_t *module, uint32_t element)
{
    const kp_wasm_element_t *segment = &module->elements[element];
    return (kp_wasm_items_t){
        .module = module,
        .at = segment->items.offset,
        .left = segment->count,
        .type = segment->type,
        .expressions = segment->expressions,
    };
}

bool kp_wasm_items_next(kp_wasm_items_t *items, kp_wasm_constant_t *item)
{
    if (items->left == 0)
        return false;
    items->left--;
    const uint8_t *at = items->module->bytes + items->at;
    if (items->expressions) {
        *item = evaluate(items->module, &at, NULL, NULL);
    } else {
        *item = (kp_wasm_constant_t){
            .kind = KP_WASM_CONSTANT_FUNCTION,
            .type = KP_WASM_TYPE_FUNCREF,
            .index = kp_wasm_leb_u32_trusted(&at),
        };
    }
    items->at = (uint32_t)(at - items->module->bytes);
    return true;
}
