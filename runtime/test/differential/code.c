/* Pieces of a generated module's code: constants, variables, arithmetic. */
#include <string.h>

#include "runtime/test/differential/internal.h"

/* ---- small pieces ---- */

void generate_op(generator_t *generator, unsigned opcode)
{
    static const uint8_t prefixes[] = {0xfc, 0xfd, 0xfe};
    generator->budget--;
    if (generator->counts)
        generator->counts[opcode]++;
    if (opcode < 0x100) {
        put_byte(generator->code, opcode);
    } else {
        put_byte(generator->code, prefixes[(opcode >> 8) - 1]);
        put_u(generator->code, opcode & 0xff);
    }
}

void generate_op_u(generator_t *generator, unsigned opcode, uint64_t immediate)
{
    generate_op(generator, opcode);
    put_u(generator->code, immediate);
}

void generate_i32_const(generator_t *generator, int32_t number)
{
    generate_op(generator, KP_WASM_OP_I32_CONST);
    put_s(generator->code, number);
}

void generate_values(generator_t *generator, const row_t *row, unsigned depth)
{
    for (unsigned i = 0; i < row->count; i++)
        generate_value(generator, row->types[i], depth);
}

void generate_drops(generator_t *generator, unsigned count)
{
    while (count-- > 0)
        generate_op(generator, KP_WASM_OP_DROP);
}

bool generate_same_row(const row_t *a, const row_t *b)
{
    return a->count == b->count && memcmp(a->types, b->types, a->count) == 0;
}

/* Burns one unit of fuel, traps at the end of it. */
void generate_burn(generator_t *generator)
{
    generate_op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
    generate_op(generator, KP_WASM_OP_I32_EQZ);
    generate_op(generator, KP_WASM_OP_IF);
    put_byte(generator->code, 0x40);
    generate_op(generator, KP_WASM_OP_UNREACHABLE);
    generate_op(generator, KP_WASM_OP_END);
    generate_op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
    generate_i32_const(generator, 1);
    generate_op(generator, KP_WASM_OP_I32_SUB);
    generate_op_u(generator, KP_WASM_OP_GLOBAL_SET, FUEL_GLOBAL);
}

/* A condition; for loops one that comes true some rounds in a row. */
void generate_condition(generator_t *generator, unsigned depth)
{
    if (one_in(generator, 2)) {
        generate_op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
        generate_i32_const(generator, (int32_t)(2 + below(generator, 6)));
        generate_op(generator, KP_WASM_OP_I32_REM_U);
    } else {
        generate_value(generator, KP_WASM_TYPE_I32, depth);
    }
}

/* ---- leaves ---- */

/* Numbers at the edges come more often. */
uint64_t generate_edge(generator_t *generator, unsigned bits)
{
    static const uint64_t floats[] = {
        0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff4000000000001,
        0x41dfffffffc00000, 0xc1e0000000000000, 0x43e0000000000000, 0x0000000000000001,
        0x41efffffffe00000, 0x3fe0000000000000, 0x36a0000000000000, 0x47efffffe0000000,
    };
    static const uint32_t singles[] = {
        0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0xffa00001, 0x4effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x00000001, 0x3f000000,
    };
    switch (below(generator, 8)) {
    case 0:
        return (uint64_t)0 - below(generator, 3);
    case 1:
        return (uint64_t)1 << below(generator, bits);
    case 2:
        return ((uint64_t)1 << below(generator, bits)) - 1;
    case 3:
        return bits == 32 ? singles[below(generator, sizeof(singles) / sizeof(singles[0]))]
                          : floats[below(generator, sizeof(floats) / sizeof(floats[0]))];
    case 4:
    case 5:
        return below(generator, 256);
    default:
        return generate_random(generator);
    }
}

static void constant(generator_t *generator, kp_wasm_type_t type)
{
    uint64_t bits[2] = {generate_edge(generator, 64), generate_edge(generator, 64)};
    switch (type) {
    case KP_WASM_TYPE_I32:
        generate_i32_const(generator, (int32_t)generate_edge(generator, 32));
        break;
    case KP_WASM_TYPE_I64:
        generate_op(generator, KP_WASM_OP_I64_CONST);
        put_s(generator->code, (int64_t)bits[0]);
        break;
    case KP_WASM_TYPE_F32:
        bits[0] = generate_edge(generator, 32);
        generate_op(generator, KP_WASM_OP_F32_CONST);
        put_data(generator->code, bits, 4);
        break;
    case KP_WASM_TYPE_F64:
        generate_op(generator, KP_WASM_OP_F64_CONST);
        put_data(generator->code, bits, 8);
        break;
    case KP_WASM_TYPE_V128:
        generate_op(generator, KP_WASM_OP_V128_CONST);
        put_data(generator->code, bits, 16);
        break;
    case KP_WASM_TYPE_FUNCREF:
        if (one_in(generator, 2)) {
            /* Every function is exported, and so may be referred to. */
            generate_op_u(generator, KP_WASM_OP_REF_FUNC,
                          below(generator, generator->function_count));
            break;
        }
        /* fall through */
    default:
        generate_op(generator, KP_WASM_OP_REF_NULL);
        put_byte(generator->code, type);
        break;
    }
}

/* A local or global of that type, from a random start; false: there is none. */
bool generate_variable(generator_t *generator, kp_wasm_type_t type, unsigned *opcode_base,
                       unsigned *index)
{
    unsigned all = generator->local_count + generator->global_count - 1;
    unsigned start = below(generator, all);
    for (unsigned i = 0; i < all; i++) {
        unsigned at = (start + i) % all;
        bool local = at < generator->local_count;
        *index = local ? at : at - generator->local_count + 1; /* not the fuel */
        *opcode_base = local ? KP_WASM_OP_LOCAL_GET : KP_WASM_OP_GLOBAL_GET;
        if ((local ? generator->locals[*index] : generator->globals[*index]) == type)
            return true;
    }
    return false;
}

void generate_leaf(generator_t *generator, kp_wasm_type_t type)
{
    unsigned opcode, index;
    if (!one_in(generator, 4) && generate_variable(generator, type, &opcode, &index))
        generate_op_u(generator, opcode, index);
    else
        constant(generator, type);
}

/* ---- arithmetic ---- */

static bool in(unsigned opcode, unsigned first, unsigned last)
{
    return opcode >= first && opcode <= last;
}

static bool divides(unsigned opcode)
{
    return in(opcode, KP_WASM_OP_I32_DIV_S, KP_WASM_OP_I32_REM_U) ||
           in(opcode, KP_WASM_OP_I64_DIV_S, KP_WASM_OP_I64_REM_U);
}

static bool truncates(unsigned opcode)
{
    return in(opcode, KP_WASM_OP_I32_TRUNC_F32_S, KP_WASM_OP_I32_TRUNC_F64_U) ||
           in(opcode, KP_WASM_OP_I64_TRUNC_F32_S, KP_WASM_OP_I64_TRUNC_F64_U);
}

/* May the result be a NaN whose bits the specification leaves open? 32 or 64: in such lanes. */
static unsigned nan_width(unsigned opcode)
{
    if (in(opcode, KP_WASM_OP_F32_CEIL, KP_WASM_OP_F32_MAX) || opcode == KP_WASM_OP_F32_DEMOTE_F64)
        return 32;
    if (in(opcode, KP_WASM_OP_F64_CEIL, KP_WASM_OP_F64_MAX) || opcode == KP_WASM_OP_F64_PROMOTE_F32)
        return 64;
    if (in(opcode, KP_WASM_OP_F32X4_CEIL, KP_WASM_OP_F32X4_NEAREST) ||
        in(opcode, KP_WASM_OP_F32X4_SQRT, KP_WASM_OP_F32X4_MAX) ||
        opcode == KP_WASM_OP_F32X4_DEMOTE_F64X2_ZERO)
        return 32;
    if (opcode == KP_WASM_OP_F64X2_CEIL || opcode == KP_WASM_OP_F64X2_FLOOR ||
        opcode == KP_WASM_OP_F64X2_TRUNC || opcode == KP_WASM_OP_F64X2_NEAREST ||
        in(opcode, KP_WASM_OP_F64X2_SQRT, KP_WASM_OP_F64X2_MAX) ||
        opcode == KP_WASM_OP_F64X2_PROMOTE_LOW_F32X4)
        return 64;
    return 0;
}

/* Replaces NaNs in the value on top by the canonical one: v == v ? v : nan. */
static void make_canonical(generator_t *generator, kp_wasm_type_t type, unsigned width)
{
    unsigned scratch = generator->scratch[type == KP_WASM_TYPE_F32   ? 0
                                          : type == KP_WASM_TYPE_F64 ? 1
                                                                     : 2];
    uint64_t nan = width == 32 ? 0x7fc000007fc00000 : 0x7ff8000000000000;
    generate_op_u(generator, KP_WASM_OP_LOCAL_TEE, scratch);
    generate_op(generator, type == KP_WASM_TYPE_F32   ? KP_WASM_OP_F32_CONST
                           : type == KP_WASM_TYPE_F64 ? KP_WASM_OP_F64_CONST
                                                      : KP_WASM_OP_V128_CONST);
    put_data(generator->code, &nan, type == KP_WASM_TYPE_F32 ? 4 : 8);
    if (type == KP_WASM_TYPE_V128)
        put_data(generator->code, &nan, 8);
    generate_op_u(generator, KP_WASM_OP_LOCAL_GET, scratch);
    generate_op_u(generator, KP_WASM_OP_LOCAL_GET, scratch);
    if (type == KP_WASM_TYPE_V128) {
        generate_op(generator, width == 32 ? KP_WASM_OP_F32X4_EQ : KP_WASM_OP_F64X2_EQ);
        generate_op(generator, KP_WASM_OP_V128_BITSELECT);
    } else {
        generate_op(generator, width == 32 ? KP_WASM_OP_F32_EQ : KP_WASM_OP_F64_EQ);
        generate_op(generator, KP_WASM_OP_SELECT);
    }
    generator->budget += 6;
}

static int class_of(kp_wasm_type_t type)
{
    return kp_wasm_type_is_number(type) ? KP_WASM_TYPE_I32 - type
           : type == KP_WASM_TYPE_V128  ? 4
                                        : -1;
}

void generate_tables(generator_t *generator)
{
    for (unsigned opcode = 0; opcode < KP_WASM_OPCODE_COUNT; opcode++) {
        const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
        int class = class_of(info->push);
        if (!info->valid || !info->simple || info->pop_count == 0 || class < 0 ||
            (info->feature & ~generator->features))
            continue;
        generator->plain[class][generator->plain_count[class]++] = (uint16_t)opcode;
    }
}

void generate_plain(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    int class = class_of(type);
    if (class < 0 || generator->plain_count[class] == 0) {
        generate_leaf(generator, type);
        return;
    }
    unsigned opcode = generator->plain[class][below(generator, generator->plain_count[class])];
    if (truncates(opcode) && !one_in(generator, 8)) {
        generate_leaf(generator, type);
        return;
    }
    const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
    for (unsigned i = 0; i < info->pop_count; i++)
        generate_value(generator, info->operand[i], depth - 1);
    if (divides(opcode) && !one_in(generator, 8)) {
        bool wide = type == KP_WASM_TYPE_I64;
        generate_op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
        put_byte(generator->code, 1);
        generate_op(generator, wide ? KP_WASM_OP_I64_OR : KP_WASM_OP_I32_OR);
    }
    generate_op(generator, opcode);
    if (info->immediate == KP_WASM_IMMEDIATE_LANE)
        put_byte(generator->code, below(generator, info->argument));
    for (unsigned i = 0; info->immediate == KP_WASM_IMMEDIATE_SHUFFLE && i < 16; i++)
        put_byte(generator->code, below(generator, 32));
    unsigned width = nan_width(opcode);
    if (width)
        make_canonical(generator, type, width);
}
