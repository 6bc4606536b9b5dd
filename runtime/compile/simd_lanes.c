/* SIMD: constants, shuffles, lanes, tests, shifts. */
#include "runtime/compile/simd.h"

static uint64_t word(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void op_constant(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    uint64_t low = word(instruction->bytes), high = word(instruction->bytes + 8);
    if (low == 0 && high == 0) {
        kp_stack_push_constant(c, KP_WASM_TYPE_V128, 0);
        return;
    }
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, NULL);
    kp_vec_constant(c, to, low, high);
    kp_stack_push_reg(c, KP_WASM_TYPE_V128, to);
}

/* Lanes below 16 are a's, the others b's: each is shuffled with zeros for the other's. */
static void op_shuffle(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    uint8_t masks[2][16];
    bool used[2] = {false, false};
    for (unsigned i = 0; i < 16; i++) {
        unsigned lane = instruction->bytes[i], side = lane >> 4 & 1;
        masks[side][i] = lane & 15;
        masks[!side][i] = 0x80;
        used[side] = true;
    }
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned right = kp_value_xmm(c, &b), left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    const uint8_t *mask = masks[!used[0]];
    bool dwords = used[0] != used[1];
    unsigned order = 0;
    for (unsigned i = 0; i < 16; i++) {
        dwords = dwords && (mask[i] & 3) == (i & 3) && mask[i] >> 2 == mask[i & 12] >> 2;
        if ((i & 3) == 0)
            order |= (unsigned)(mask[i] >> 2 & 3) << (i / 4 * 2);
    }
    if (dwords) {
        kp_vec_unary_imm(c, OP_PSHUFD, to, used[0] ? left : right, order);
    } else if (used[0] != used[1]) {
        kp_vec_constant(c, X_SCRATCH, word(mask), word(mask + 8));
        kp_vec(c, OP_PSHUFB, to, used[0] ? left : right, X_SCRATCH);
    } else {
        kp_vec_constant(c, X_SCRATCH, word(masks[1]), word(masks[1] + 8));
        kp_sse_rrr(c, OP_PSHUFB, X_SCRATCH2, right, X_SCRATCH);
        kp_vec_constant(c, X_SCRATCH, word(masks[0]), word(masks[0] + 8));
        kp_sse_rrr(c, OP_PSHUFB, to, left, X_SCRATCH);
        kp_sse_rrr(c, OP_POR, to, to, X_SCRATCH2);
    }
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
}

/* Indices above 15 give 0: with 0x70 added they have the bit that pshufb looks at. */
static void op_swizzle(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned right = kp_value_xmm(c, &b), left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    kp_vec_splat(c, X_SCRATCH, 0x7070707070707070u);
    kp_sse_rrr(c, S66(0xdcu), X_SCRATCH, X_SCRATCH, right);
    kp_vec(c, OP_PSHUFB, to, left, X_SCRATCH);
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
}

static void op_splat(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    kp_value_t a = kp_stack_pop(c);
    unsigned to;
    if (opcode == KP_WASM_OP_F32X4_SPLAT || opcode == KP_WASM_OP_F64X2_SPLAT) {
        unsigned from = kp_value_xmm(c, &a);
        to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
        if (opcode == KP_WASM_OP_F32X4_SPLAT)
            kp_vec_unary_imm(c, OP_PSHUFD, to, from, 0);
        else
            kp_vec_unary(c, 0x12u | MAP_0F | PF2, to, from);
        kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, NULL);
        return;
    }
    unsigned from = kp_value_gpr(c, &a);
    to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, NULL);
    kp_sse_rr(c, OP_MOVD_TO | (opcode == KP_WASM_OP_I64X2_SPLAT ? W : 0), to, from);
    switch (opcode) {
    case KP_WASM_OP_I8X16_SPLAT:
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        kp_sse_rrr(c, OP_PSHUFB, to, to, X_SCRATCH);
        break;
    case KP_WASM_OP_I16X8_SPLAT:
        kp_vec_unary_imm(c, 0x70u | MAP_0F | PF2, to, to, 0);
        kp_sse_rrr(c, OP_PUNPCKLQDQ, to, to, to);
        break;
    case KP_WASM_OP_I32X4_SPLAT:
        kp_vec_unary_imm(c, OP_PSHUFD, to, to, 0);
        break;
    default:
        kp_sse_rrr(c, OP_PUNPCKLQDQ, to, to, to);
    }
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, NULL);
}

static void op_extract(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    kp_wasm_type_t type = kp_wasm_opcode_info[opcode].push;
    unsigned lane = instruction->lane;
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    switch (opcode) {
    case KP_WASM_OP_I8X16_EXTRACT_LANE_S:
    case KP_WASM_OP_I8X16_EXTRACT_LANE_U:
        kp_vec_unary_imm(c, S3A(0x14u), from, to, lane);
        if (opcode == KP_WASM_OP_I8X16_EXTRACT_LANE_S)
            kp_asm_rr(&c->code, OP_MOVSX8, to, to);
        break;
    case KP_WASM_OP_I16X8_EXTRACT_LANE_S:
    case KP_WASM_OP_I16X8_EXTRACT_LANE_U:
        kp_vec_unary_imm(c, S66(0xc5u), to, from, lane);
        if (opcode == KP_WASM_OP_I16X8_EXTRACT_LANE_S)
            kp_asm_rr(&c->code, OP_MOVSX16, to, to);
        break;
    case KP_WASM_OP_I32X4_EXTRACT_LANE:
        kp_vec_unary_imm(c, S3A(0x16u), from, to, lane);
        break;
    case KP_WASM_OP_I64X2_EXTRACT_LANE:
        kp_vec_unary_imm(c, S3A(0x16u) | W, from, to, lane);
        break;
    case KP_WASM_OP_F32X4_EXTRACT_LANE:
        if (lane)
            kp_vec_unary_imm(c, OP_PSHUFD, to, from, lane);
        else
            kp_vec_move(c, to, from);
        break;
    default:
        if (lane)
            kp_vec_unary_imm(c, OP_PSHUFD, to, from, 0xee);
        else
            kp_vec_move(c, to, from);
    }
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_replace(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    unsigned lane = instruction->lane;
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    bool xmm = kp_type_is_xmm(b.type);
    unsigned right = xmm ? kp_value_xmm(c, &b) : kp_value_gpr(c, &b);
    unsigned left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    switch (opcode) {
    case KP_WASM_OP_I8X16_REPLACE_LANE:
        kp_sse_rrr(c, S3A(0x20u), to, left, right);
        kp_asm_u8(&c->code, lane);
        break;
    case KP_WASM_OP_I16X8_REPLACE_LANE:
        kp_sse_rrr(c, S66(0xc4u), to, left, right);
        kp_asm_u8(&c->code, lane);
        break;
    case KP_WASM_OP_I32X4_REPLACE_LANE:
    case KP_WASM_OP_I64X2_REPLACE_LANE:
        kp_sse_rrr(c, OP_PINSRD | (opcode == KP_WASM_OP_I64X2_REPLACE_LANE ? W : 0), to, left,
                   right);
        kp_asm_u8(&c->code, lane);
        break;
    case KP_WASM_OP_F32X4_REPLACE_LANE:
        kp_vec_imm(c, S3A(0x21u), to, left, right, lane << 4);
        break;
    default: /* movsd, unpcklpd */
        kp_vec(c, lane ? S66(0x14u) : OP_MOVSD_LOAD, to, left, right);
    }
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
}

static void op_bitselect(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t mask = kp_stack_pop(c), b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned bits = kp_value_xmm(c, &mask);
    unsigned right = kp_value_xmm(c, &b), left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    kp_sse_rrr(c, OP_PAND, X_SCRATCH, bits, left);
    kp_sse_rrr(c, OP_PANDN, X_SCRATCH2, bits, right);
    kp_sse_rrr(c, OP_POR, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_vec_move(c, to, X_SCRATCH);
    kp_value_release(c, &mask);
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
}

/* any_true and all_true leave their answer in the flags. */
static void op_test(kp_compiler_t *c, kp_wasm_opcode_t opcode)
{
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    uint32_t equal = opcode == KP_WASM_OP_I8X16_ALL_TRUE   ? OP_PCMPEQB
                     : opcode == KP_WASM_OP_I16X8_ALL_TRUE ? OP_PCMPEQW
                     : opcode == KP_WASM_OP_I32X4_ALL_TRUE ? OP_PCMPEQD
                                                           : OP_PCMPEQQ;
    if (opcode == KP_WASM_OP_V128_ANY_TRUE) {
        kp_vec_unary(c, OP_PTEST, from, from);
    } else {
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        kp_sse_rrr(c, equal, X_SCRATCH, X_SCRATCH, from);
        kp_vec_unary(c, OP_PTEST, X_SCRATCH, X_SCRATCH);
    }
    kp_value_release(c, &a);
    kp_stack_push_flags(c, opcode == KP_WASM_OP_V128_ANY_TRUE ? CC_NE : CC_E);
}

static void op_bitmask(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_I32, NULL);
    switch (instruction->opcode) {
    case KP_WASM_OP_I8X16_BITMASK:
        kp_vec_unary(c, S66(0xd7u), to, from);
        break;
    case KP_WASM_OP_I16X8_BITMASK:
        kp_sse_rrr(c, S66(0x63u), X_SCRATCH, from, from);
        kp_vec_unary(c, S66(0xd7u), to, X_SCRATCH);
        kp_asm_rr(&c->code, OP_MOVZX8, to, to);
        break;
    case KP_WASM_OP_I32X4_BITMASK:
        kp_vec_unary(c, S0F(0x50u), to, from);
        break;
    default:
        kp_vec_unary(c, S66(0x50u), to, from);
    }
    kp_stack_push_result(c, KP_WASM_TYPE_I32, to, &a, NULL);
}

bool kp_simd_lanes(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    if (opcode >= KP_WASM_OP_I8X16_SPLAT && opcode <= KP_WASM_OP_F64X2_SPLAT) {
        op_splat(c, instruction);
        return true;
    }
    switch (opcode) {
    case KP_WASM_OP_V128_CONST:
        op_constant(c, instruction);
        return true;
    case KP_WASM_OP_I8X16_SHUFFLE:
        op_shuffle(c, instruction);
        return true;
    case KP_WASM_OP_I8X16_SWIZZLE:
        op_swizzle(c, instruction);
        return true;
    case KP_WASM_OP_I8X16_EXTRACT_LANE_S:
    case KP_WASM_OP_I8X16_EXTRACT_LANE_U:
    case KP_WASM_OP_I16X8_EXTRACT_LANE_S:
    case KP_WASM_OP_I16X8_EXTRACT_LANE_U:
    case KP_WASM_OP_I32X4_EXTRACT_LANE:
    case KP_WASM_OP_I64X2_EXTRACT_LANE:
    case KP_WASM_OP_F32X4_EXTRACT_LANE:
    case KP_WASM_OP_F64X2_EXTRACT_LANE:
        op_extract(c, instruction);
        return true;
    case KP_WASM_OP_I8X16_REPLACE_LANE:
    case KP_WASM_OP_I16X8_REPLACE_LANE:
    case KP_WASM_OP_I32X4_REPLACE_LANE:
    case KP_WASM_OP_I64X2_REPLACE_LANE:
    case KP_WASM_OP_F32X4_REPLACE_LANE:
    case KP_WASM_OP_F64X2_REPLACE_LANE:
        op_replace(c, instruction);
        return true;
    case KP_WASM_OP_V128_BITSELECT:
        op_bitselect(c, instruction);
        return true;
    case KP_WASM_OP_V128_ANY_TRUE:
    case KP_WASM_OP_I8X16_ALL_TRUE:
    case KP_WASM_OP_I16X8_ALL_TRUE:
    case KP_WASM_OP_I32X4_ALL_TRUE:
    case KP_WASM_OP_I64X2_ALL_TRUE:
        op_test(c, opcode);
        return true;
    case KP_WASM_OP_I8X16_BITMASK:
    case KP_WASM_OP_I16X8_BITMASK:
    case KP_WASM_OP_I32X4_BITMASK:
    case KP_WASM_OP_I64X2_BITMASK:
        op_bitmask(c, instruction);
        return true;
    default:
        return false;
    }
}
