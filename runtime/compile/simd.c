/* SIMD: instructions that are one or two of SSE's, by table. */
#include "runtime/compile/simd.h"

typedef enum kp_simd_kind {
    SIMD_NONE,
    SIMD_BINARY,  /* to = a op b */
    SIMD_SWAPPED, /* to = b op a */
    SIMD_NOT,     /* to = ~(a op b) */
    SIMD_NOT_SWAPPED,
    SIMD_SAME, /* to = (a op b) == a, compared as `second` says */
    SIMD_NOT_SAME,
    SIMD_COMPARE, /* cmpps, cmppd with a predicate */
    SIMD_COMPARE_SWAPPED,
    SIMD_UNARY,
    SIMD_ROUND,
} kp_simd_kind_t;

typedef struct kp_simd_rule {
    uint8_t kind;
    uint8_t immediate;
    uint32_t op, second;
} kp_simd_rule_t;

#define AT(name) [KP_WASM_OP_##name - 0x200]
#define BINARY(name, op) AT(name) = {SIMD_BINARY, 0, op, 0}
#define SWAPPED(name, op) AT(name) = {SIMD_SWAPPED, 0, op, 0}
#define UNARY(name, op) AT(name) = {SIMD_UNARY, 0, op, 0}
/* The ten comparisons of integer lanes: eq, gt, and the extremes of both signs. */
#define COMPARISONS(lane, eq, gt, maxs, mins, maxu, minu)                                        \
    BINARY(lane##_EQ, eq),                                                                       \
        AT(lane##_NE) = {SIMD_NOT, 0, eq, 0}, BINARY(lane##_GT_S, gt), SWAPPED(lane##_LT_S, gt), \
        AT(lane##_GE_S) = {SIMD_SAME, 0, maxs, eq}, AT(lane##_LE_S) = {SIMD_SAME, 0, mins, eq},  \
        AT(lane##_GE_U) = {SIMD_SAME, 0, maxu, eq}, AT(lane##_LE_U) = {SIMD_SAME, 0, minu, eq},  \
        AT(lane##_GT_U) = {SIMD_NOT_SAME, 0, minu, eq},                                          \
        AT(lane##_LT_U) = {SIMD_NOT_SAME, 0, maxu, eq}
#define FLOATS(lane, prefix)                                                                      \
    AT(lane##_EQ) = {SIMD_COMPARE, 0, (0xc2u | MAP_0F | (prefix)), 0},                            \
    AT(lane##_NE) = {SIMD_COMPARE, 4, (0xc2u | MAP_0F | (prefix)), 0},                            \
    AT(lane##_LT) = {SIMD_COMPARE, 1, (0xc2u | MAP_0F | (prefix)), 0},                            \
    AT(lane##_LE) = {SIMD_COMPARE, 2, (0xc2u | MAP_0F | (prefix)), 0},                            \
    AT(lane##_GT) = {SIMD_COMPARE_SWAPPED, 1, (0xc2u | MAP_0F | (prefix)), 0},                    \
    AT(lane##_GE) = {SIMD_COMPARE_SWAPPED, 2, (0xc2u | MAP_0F | (prefix)), 0},                    \
    BINARY(lane##_ADD, 0x58u | MAP_0F | (prefix)), BINARY(lane##_SUB, 0x5cu | MAP_0F | (prefix)), \
    BINARY(lane##_MUL, 0x59u | MAP_0F | (prefix)), BINARY(lane##_DIV, 0x5eu | MAP_0F | (prefix)), \
    SWAPPED(lane##_PMIN, 0x5du | MAP_0F | (prefix)),                                              \
    SWAPPED(lane##_PMAX, 0x5fu | MAP_0F | (prefix)), UNARY(lane##_SQRT, 0x51u | MAP_0F | (prefix))
#define ROUND(name, op, mode) AT(name) = {SIMD_ROUND, 8 | (mode), op, 0}

static const kp_simd_rule_t rules[0x100] = {
    COMPARISONS(I8X16, OP_PCMPEQB, S66(0x64u), S38(0x3cu), S38(0x38u), S66(0xdeu), S66(0xdau)),
    COMPARISONS(I16X8, OP_PCMPEQW, S66(0x65u), S66(0xeeu), S66(0xeau), S38(0x3eu), S38(0x3au)),
    COMPARISONS(I32X4, OP_PCMPEQD, S66(0x66u), S38(0x3du), S38(0x39u), S38(0x3fu), S38(0x3bu)),
    BINARY(I64X2_EQ, OP_PCMPEQQ),
    AT(I64X2_NE) = {SIMD_NOT, 0, OP_PCMPEQQ, 0},
    BINARY(I64X2_GT_S, S38(0x37u)),
    SWAPPED(I64X2_LT_S, S38(0x37u)),
    AT(I64X2_LE_S) = {SIMD_NOT, 0, S38(0x37u), 0},
    AT(I64X2_GE_S) = {SIMD_NOT_SWAPPED, 0, S38(0x37u), 0},
    FLOATS(F32X4, 0),
    FLOATS(F64X2, P66),
    BINARY(V128_AND, OP_PAND),
    SWAPPED(V128_ANDNOT, OP_PANDN),
    BINARY(V128_OR, OP_POR),
    BINARY(V128_XOR, OP_PXOR),
    BINARY(I8X16_NARROW_I16X8_S, S66(0x63u)),
    BINARY(I8X16_NARROW_I16X8_U, S66(0x67u)),
    BINARY(I16X8_NARROW_I32X4_S, S66(0x6bu)),
    BINARY(I16X8_NARROW_I32X4_U, S38(0x2bu)),
    BINARY(I8X16_ADD, S66(0xfcu)),
    BINARY(I16X8_ADD, S66(0xfdu)),
    BINARY(I32X4_ADD, OP_PADDD),
    BINARY(I64X2_ADD, OP_PADDQ),
    BINARY(I8X16_SUB, S66(0xf8u)),
    BINARY(I16X8_SUB, S66(0xf9u)),
    BINARY(I32X4_SUB, S66(0xfau)),
    BINARY(I64X2_SUB, OP_PSUBQ),
    BINARY(I8X16_ADD_SAT_S, S66(0xecu)),
    BINARY(I8X16_ADD_SAT_U, S66(0xdcu)),
    BINARY(I16X8_ADD_SAT_S, S66(0xedu)),
    BINARY(I16X8_ADD_SAT_U, S66(0xddu)),
    BINARY(I8X16_SUB_SAT_S, S66(0xe8u)),
    BINARY(I8X16_SUB_SAT_U, S66(0xd8u)),
    BINARY(I16X8_SUB_SAT_S, S66(0xe9u)),
    BINARY(I16X8_SUB_SAT_U, S66(0xd9u)),
    BINARY(I16X8_MUL, S66(0xd5u)),
    BINARY(I32X4_MUL, S38(0x40u)),
    BINARY(I8X16_MIN_S, S38(0x38u)),
    BINARY(I8X16_MIN_U, S66(0xdau)),
    BINARY(I8X16_MAX_S, S38(0x3cu)),
    BINARY(I8X16_MAX_U, S66(0xdeu)),
    BINARY(I16X8_MIN_S, S66(0xeau)),
    BINARY(I16X8_MIN_U, S38(0x3au)),
    BINARY(I16X8_MAX_S, S66(0xeeu)),
    BINARY(I16X8_MAX_U, S38(0x3eu)),
    BINARY(I32X4_MIN_S, S38(0x39u)),
    BINARY(I32X4_MIN_U, S38(0x3bu)),
    BINARY(I32X4_MAX_S, S38(0x3du)),
    BINARY(I32X4_MAX_U, S38(0x3fu)),
    BINARY(I8X16_AVGR_U, S66(0xe0u)),
    BINARY(I16X8_AVGR_U, S66(0xe3u)),
    BINARY(I32X4_DOT_I16X8_S, S66(0xf5u)),
    UNARY(I8X16_ABS, S38(0x1cu)),
    UNARY(I16X8_ABS, S38(0x1du)),
    UNARY(I32X4_ABS, S38(0x1eu)),
    UNARY(I16X8_EXTEND_LOW_I8X16_S, S38(0x20u)),
    UNARY(I16X8_EXTEND_LOW_I8X16_U, S38(0x30u)),
    UNARY(I32X4_EXTEND_LOW_I16X8_S, S38(0x23u)),
    UNARY(I32X4_EXTEND_LOW_I16X8_U, S38(0x33u)),
    UNARY(I64X2_EXTEND_LOW_I32X4_S, S38(0x25u)),
    UNARY(I64X2_EXTEND_LOW_I32X4_U, S38(0x35u)),
    UNARY(F32X4_CONVERT_I32X4_S, S0F(0x5bu)),
    UNARY(F64X2_CONVERT_LOW_I32X4_S, 0xe6u | MAP_0F | PF3),
    UNARY(F32X4_DEMOTE_F64X2_ZERO, S66(0x5au)),
    UNARY(F64X2_PROMOTE_LOW_F32X4, S0F(0x5au)),
    ROUND(F32X4_CEIL, S3A(0x08u), 2),
    ROUND(F32X4_FLOOR, S3A(0x08u), 1),
    ROUND(F32X4_TRUNC, S3A(0x08u), 3),
    ROUND(F32X4_NEAREST, S3A(0x08u), 0),
    ROUND(F64X2_CEIL, S3A(0x09u), 2),
    ROUND(F64X2_FLOOR, S3A(0x09u), 1),
    ROUND(F64X2_TRUNC, S3A(0x09u), 3),
    ROUND(F64X2_NEAREST, S3A(0x09u), 0),
};

void kp_vec_constant(kp_compiler_t *c, unsigned reg, uint64_t low, uint64_t high)
{
    if (low == 0 && high == 0) {
        kp_sse_rrr(c, OP_XORPS, reg, reg, reg);
        return;
    }
    if (low == UINT64_MAX && high == UINT64_MAX) {
        kp_sse_rrr(c, OP_PCMPEQD, reg, reg, reg);
        return;
    }
    kp_asm_mov_imm(&c->code, REG_SCRATCH, low);
    kp_sse_rr(c, OP_MOVD_TO | W, reg, REG_SCRATCH);
    if (low == high) {
        kp_sse_rrr(c, OP_PUNPCKLQDQ, reg, reg, reg);
        return;
    }
    if (high) {
        kp_asm_mov_imm(&c->code, REG_SCRATCH, high);
        kp_sse_rrr(c, OP_PINSRD | W, reg, reg, REG_SCRATCH);
        kp_asm_u8(&c->code, 1);
    }
}

static void invert(kp_compiler_t *c, unsigned reg)
{
    kp_sse_rrr(c, OP_PCMPEQD, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, OP_PXOR, reg, reg, X_SCRATCH);
}

static void op_rule(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                    const kp_simd_rule_t *rule)
{
    if (rule->kind == SIMD_UNARY || rule->kind == SIMD_ROUND) {
        kp_value_t a = kp_stack_pop(c);
        unsigned from = kp_value_xmm(c, &a);
        unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
        kp_vec_unary(c, rule->op, to, from);
        if (rule->kind == SIMD_ROUND)
            kp_asm_u8(&c->code, rule->immediate);
        kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, NULL);
        return;
    }
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned right = kp_value_xmm(c, &b), left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    switch (rule->kind) {
    case SIMD_BINARY:
    case SIMD_NOT:
        kp_vec(c, rule->op, to, left, right);
        break;
    case SIMD_SWAPPED:
    case SIMD_NOT_SWAPPED:
        kp_vec(c, rule->op, to, right, left);
        break;
    case SIMD_SAME:
    case SIMD_NOT_SAME:
        kp_vec(c, rule->op, X_SCRATCH, left, right);
        kp_vec(c, rule->second, to, left, X_SCRATCH);
        break;
    case SIMD_COMPARE:
        kp_vec_imm(c, rule->op, to, left, right, rule->immediate);
        break;
    default:
        kp_vec_imm(c, rule->op, to, right, left, rule->immediate);
    }
    if (rule->kind == SIMD_NOT || rule->kind == SIMD_NOT_SWAPPED || rule->kind == SIMD_NOT_SAME)
        invert(c, to);
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
}

void kp_op_simd(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    const kp_simd_rule_t *rule = &rules[opcode - 0x200];
    if (rule->kind != SIMD_NONE)
        op_rule(c, instruction, rule);
    else if (kp_wasm_opcode_info[opcode].immediate == KP_WASM_IMMEDIATE_MEMARG ||
             kp_wasm_opcode_info[opcode].immediate == KP_WASM_IMMEDIATE_MEMARG_LANE)
        kp_op_simd_memory(c, instruction);
    else if (!kp_simd_lanes(c, instruction) && !kp_simd_shift(c, instruction) &&
             !kp_simd_convert(c, instruction))
        c->status = KP_ERR_NOT_SUPPORTED;
}
