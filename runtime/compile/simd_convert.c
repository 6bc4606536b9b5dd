/* SIMD: shifts, and arithmetic and conversions that take a sequence. Several sequences are those every
   x86-64 engine uses; each says what it rests on. */
#include "runtime/compile/simd.h"

enum { LEFT, RIGHT_S, RIGHT_U };

/* ---- shifts ---- */

/* Bytes have no shifts: words are shifted, and bits that crossed masked away, or for the arithmetic one
   bytes are widened to the upper halves of words. The count is in the scratch register, below 8. */
static void shift_bytes(kp_compiler_t *c, unsigned direction, unsigned to, unsigned from)
{
    if (direction == RIGHT_S) {
        kp_asm_alu_imm(&c->code, 0, ALU_ADD, REG_SCRATCH, 8);
        kp_sse_rrr(c, S66(0x68u), X_SCRATCH, from, from); /* punpckhbw */
        kp_sse_rr(c, OP_MOVD_TO, X_SCRATCH2, REG_SCRATCH);
        kp_sse_rrr(c, S66(0xe1u), X_SCRATCH, X_SCRATCH, X_SCRATCH2);
        kp_sse_rrr(c, S66(0x60u), to, from, from); /* punpcklbw */
        kp_sse_rrr(c, S66(0xe1u), to, to, X_SCRATCH2);
        kp_sse_rrr(c, S66(0x63u), to, to, X_SCRATCH); /* packsswb */
        return;
    }
    /* X_SCRATCH = bytes of 0xff >> count */
    kp_sse_rr(c, OP_MOVD_TO, X_SCRATCH2, REG_SCRATCH);
    kp_asm_alu_imm(&c->code, 0, ALU_ADD, REG_SCRATCH, 8);
    kp_vec_move(c, to, from);
    if (direction == RIGHT_U)
        kp_sse_rrr(c, S66(0xd1u), to, to, X_SCRATCH2);
    kp_sse_rr(c, OP_MOVD_TO, X_SCRATCH2, REG_SCRATCH);
    kp_sse_rrr(c, OP_PCMPEQD, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, S66(0xd1u), X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_sse_rrr(c, S66(0x67u), X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, OP_PAND, to, to, X_SCRATCH);
    if (direction == LEFT) {
        kp_asm_alu_imm(&c->code, 0, ALU_SUB, REG_SCRATCH, 8);
        kp_sse_rr(c, OP_MOVD_TO, X_SCRATCH2, REG_SCRATCH);
        kp_sse_rrr(c, S66(0xf1u), to, to, X_SCRATCH2);
    }
}

static void op_shift(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, unsigned log,
                     unsigned direction)
{
    static const uint32_t by_register[3][3] = {
        {S66(0xf1u), S66(0xe1u), S66(0xd1u)},
        {S66(0xf2u), S66(0xe2u), S66(0xd2u)},
        {S66(0xf3u), 0, S66(0xd3u)},
    };
    static const uint8_t digits[] = {6, 4, 2};
    unsigned bits = 8u << log;
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    bool sequence = log == 0 || (log == 3 && direction == RIGHT_S);
    if (b.place == PLACE_CONSTANT && !sequence) {
        unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
        kp_vec_shift(c, 0x70 + log, digits[direction], to, from, (unsigned)b.bits & (bits - 1));
        kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
        return;
    }
    kp_value_move_gpr(c, &b, REG_SCRATCH);
    kp_asm_alu_imm(&c->code, 0, ALU_AND, REG_SCRATCH, (int32_t)bits - 1);
    kp_value_release(c, &b);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    if (log == 0) {
        shift_bytes(c, direction, to, from);
    } else {
        kp_sse_rr(c, OP_MOVD_TO, X_SCRATCH, REG_SCRATCH);
        if (log == 3 && direction == RIGHT_S) {
            /* The shifted sign bit, flipped and taken away, fills with ones. */
            kp_float_mask(c, X_SCRATCH2, true, true);
            kp_sse_rrr(c, S66(0xd3u), X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
            kp_sse_rrr(c, S66(0xd3u), to, from, X_SCRATCH);
            kp_sse_rrr(c, OP_PXOR, to, to, X_SCRATCH2);
            kp_sse_rrr(c, OP_PSUBQ, to, to, X_SCRATCH2);
        } else {
            kp_sse_rrr(c, by_register[log - 1][direction], to, from, X_SCRATCH);
        }
    }
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, NULL);
}

bool kp_simd_shift(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    static const kp_wasm_opcode_t first[] = {KP_WASM_OP_I8X16_SHL, KP_WASM_OP_I16X8_SHL,
                                             KP_WASM_OP_I32X4_SHL, KP_WASM_OP_I64X2_SHL};
    for (unsigned log = 0; log < 4; log++)
        if (instruction->opcode >= first[log] && instruction->opcode < first[log] + 3) {
            op_shift(c, instruction, log, instruction->opcode - first[log]);
            return true;
        }
    return false;
}

/* ---- one operand: X_SCRATCH and X_SCRATCH2 to the result `to`, from `from` ---- */

static void negate(kp_compiler_t *c, uint32_t subtract, unsigned to, unsigned from)
{
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, subtract, X_SCRATCH, X_SCRATCH, from);
    kp_vec_move(c, to, X_SCRATCH);
}

static void abs_64(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, S38(0x37u), X_SCRATCH, X_SCRATCH, from); /* 0 > a: all ones */
    kp_sse_rrr(c, OP_PXOR, to, from, X_SCRATCH);
    kp_sse_rrr(c, OP_PSUBQ, to, to, X_SCRATCH);
}

/* Counts of both halves of each byte, from a table of 16. */
static void popcnt(kp_compiler_t *c, unsigned to, unsigned from)
{
    unsigned high = kp_xmm_take(c);
    kp_vec_splat(c, X_SCRATCH, 0x0f0f0f0f0f0f0f0fu);
    kp_sse_rrr(c, OP_PAND, X_SCRATCH2, X_SCRATCH, from);
    kp_vec_shift(c, 0x71, 2, high, from, 4);
    kp_sse_rrr(c, OP_PAND, high, high, X_SCRATCH);
    kp_vec_constant(c, X_SCRATCH, 0x0302020102010100u, 0x0403030203020201u);
    kp_vec_move(c, to, X_SCRATCH);
    kp_sse_rrr(c, OP_PSHUFB, to, to, X_SCRATCH2);
    kp_sse_rrr(c, OP_PSHUFB, X_SCRATCH, X_SCRATCH, high);
    kp_sse_rrr(c, S66(0xfcu), to, to, X_SCRATCH);
    kp_xmm_drop(c, high);
}

static void extend_high(kp_compiler_t *c, uint32_t op, unsigned to, unsigned from)
{
    kp_vec_unary_imm(c, OP_PSHUFD, to, from, 0xee);
    kp_vec_unary(c, op, to, to);
}

static void pairwise(kp_compiler_t *c, kp_wasm_opcode_t opcode, unsigned to, unsigned from)
{
    switch (opcode) {
    case KP_WASM_OP_I16X8_EXTADD_PAIRWISE_I8X16_S: /* pmaddubsw: unsigned times signed */
        kp_vec_splat(c, X_SCRATCH, 0x0101010101010101u);
        kp_sse_rrr(c, S38(0x04u), X_SCRATCH, X_SCRATCH, from);
        kp_vec_move(c, to, X_SCRATCH);
        break;
    case KP_WASM_OP_I16X8_EXTADD_PAIRWISE_I8X16_U:
        kp_vec_splat(c, X_SCRATCH, 0x0101010101010101u);
        kp_sse_rrr(c, S38(0x04u), to, from, X_SCRATCH);
        break;
    case KP_WASM_OP_I32X4_EXTADD_PAIRWISE_I16X8_S:
        kp_vec_splat(c, X_SCRATCH, 0x0001000100010001u);
        kp_sse_rrr(c, S66(0xf5u), to, from, X_SCRATCH);
        break;
    default:
        kp_vec_shift(c, 0x72, 2, X_SCRATCH, from, 16);
        kp_vec_shift(c, 0x72, 6, to, from, 16);
        kp_vec_shift(c, 0x72, 2, to, to, 16);
        kp_sse_rrr(c, OP_PADDD, to, to, X_SCRATCH);
    }
}

/* Low halves are exact; high halves are halved, converted (exactly) and doubled. */
static void convert_u32_f32(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_vec_shift(c, 0x72, 6, X_SCRATCH, from, 16);
    kp_vec_shift(c, 0x72, 2, X_SCRATCH, X_SCRATCH, 16);
    kp_sse_rrr(c, S66(0xfau), to, from, X_SCRATCH);
    kp_vec_unary(c, S0F(0x5bu), X_SCRATCH, X_SCRATCH);
    kp_vec_shift(c, 0x72, 2, to, to, 1);
    kp_vec_unary(c, S0F(0x5bu), to, to);
    kp_sse_rrr(c, S0F(0x58u), to, to, to);
    kp_sse_rrr(c, S0F(0x58u), to, to, X_SCRATCH);
}

/* Out of range becomes 0x80000000, which all ones turn into 0x7fffffff where the value was positive. */
static void truncate_f32_s32(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_vec_move(c, X_SCRATCH, from);
    kp_sse_rrr(c, S0F(0xc2u), X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_asm_u8(&c->code, 0); /* equal to itself: not NaN */
    kp_sse_rrr(c, OP_PAND, to, from, X_SCRATCH);
    kp_sse_rrr(c, OP_PXOR, X_SCRATCH, X_SCRATCH, to);
    kp_vec_unary(c, 0x5bu | MAP_0F | PF3, to, to); /* cvttps2dq */
    kp_sse_rrr(c, OP_PAND, X_SCRATCH, X_SCRATCH, to);
    kp_vec_shift(c, 0x72, 4, X_SCRATCH, X_SCRATCH, 31);
    kp_sse_rrr(c, OP_PXOR, to, to, X_SCRATCH);
}

/* The value's part up to 2^31 and the part above, converted one by one and added. */
static void truncate_f32_u32(kp_compiler_t *c, unsigned to, unsigned from)
{
    uint32_t truncate = 0x5bu | MAP_0F | PF3;
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, S0F(0x5fu), to, from, X_SCRATCH); /* negative and NaN: 0 */
    kp_sse_rrr(c, OP_PCMPEQD, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_vec_shift(c, 0x72, 2, X_SCRATCH, X_SCRATCH, 1);
    kp_vec_unary(c, S0F(0x5bu), X_SCRATCH, X_SCRATCH); /* 2^31 */
    kp_sse_rrr(c, S0F(0x5cu), X_SCRATCH2, to, X_SCRATCH);
    kp_sse_rrr(c, S0F(0xc2u), X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_asm_u8(&c->code, 2); /* above 2^32: all ones */
    kp_vec_unary(c, truncate, X_SCRATCH2, X_SCRATCH2);
    kp_sse_rrr(c, OP_PXOR, X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, S38(0x3du), X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
    kp_vec_unary(c, truncate, to, to);
    kp_sse_rrr(c, OP_PADDD, to, to, X_SCRATCH2);
}

static void truncate_f64_s32(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_vec_splat(c, X_SCRATCH2, 0x41dfffffffc00000u); /* 2147483647.0 */
    kp_vec_move(c, X_SCRATCH, from);
    kp_sse_rrr(c, S66(0xc2u), X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_asm_u8(&c->code, 0);
    kp_sse_rrr(c, OP_PAND, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_sse_rrr(c, S66(0x5du), to, from, X_SCRATCH); /* NaN: 0 */
    kp_vec_unary(c, S66(0xe6u), to, to);
}

/* In range and whole, plus 2^52 the integer is the low half of the bits. */
static void truncate_f64_u32(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    kp_sse_rrr(c, S66(0x5fu), to, from, X_SCRATCH);
    kp_vec_splat(c, X_SCRATCH2, 0x41efffffffe00000u); /* 4294967295.0 */
    kp_sse_rrr(c, S66(0x5du), to, to, X_SCRATCH2);
    kp_vec_unary_imm(c, S3A(0x09u), to, to, 8 | 3);
    kp_vec_splat(c, X_SCRATCH2, 0x4330000000000000u);
    kp_sse_rrr(c, S66(0x58u), to, to, X_SCRATCH2);
    kp_sse_rrr(c, S0F(0xc6u), to, to, X_SCRATCH);
    kp_asm_u8(&c->code, 0x88);
}

static void convert_u32_f64(kp_compiler_t *c, unsigned to, unsigned from)
{
    kp_vec_splat(c, X_SCRATCH, 0x4330000043300000u);
    kp_sse_rrr(c, S66(0x62u), to, from, X_SCRATCH); /* punpckldq: 2^52 + a */
    kp_vec_splat(c, X_SCRATCH, 0x4330000000000000u);
    kp_sse_rrr(c, S66(0x5cu), to, to, X_SCRATCH);
}

static bool unary(kp_compiler_t *c, kp_wasm_opcode_t opcode, unsigned to, unsigned from)
{
    switch (opcode) {
    case KP_WASM_OP_V128_NOT:
        kp_sse_rrr(c, OP_PCMPEQD, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        kp_sse_rrr(c, OP_PXOR, to, from, X_SCRATCH);
        return true;
    case KP_WASM_OP_I8X16_NEG:
        negate(c, S66(0xf8u), to, from);
        return true;
    case KP_WASM_OP_I16X8_NEG:
        negate(c, S66(0xf9u), to, from);
        return true;
    case KP_WASM_OP_I32X4_NEG:
        negate(c, S66(0xfau), to, from);
        return true;
    case KP_WASM_OP_I64X2_NEG:
        negate(c, OP_PSUBQ, to, from);
        return true;
    case KP_WASM_OP_I64X2_ABS:
        abs_64(c, to, from);
        return true;
    case KP_WASM_OP_I8X16_POPCNT:
        popcnt(c, to, from);
        return true;
    case KP_WASM_OP_F32X4_ABS:
    case KP_WASM_OP_F32X4_NEG:
    case KP_WASM_OP_F64X2_ABS:
    case KP_WASM_OP_F64X2_NEG: {
        bool sign = opcode == KP_WASM_OP_F32X4_NEG || opcode == KP_WASM_OP_F64X2_NEG;
        kp_float_mask(c, X_SCRATCH, opcode >= KP_WASM_OP_F64X2_ABS, sign);
        kp_sse_rrr(c, sign ? OP_PXOR : OP_PAND, to, from, X_SCRATCH);
        return true;
    }
    case KP_WASM_OP_I16X8_EXTEND_HIGH_I8X16_S:
        extend_high(c, S38(0x20u), to, from);
        return true;
    case KP_WASM_OP_I16X8_EXTEND_HIGH_I8X16_U:
        extend_high(c, S38(0x30u), to, from);
        return true;
    case KP_WASM_OP_I32X4_EXTEND_HIGH_I16X8_S:
        extend_high(c, S38(0x23u), to, from);
        return true;
    case KP_WASM_OP_I32X4_EXTEND_HIGH_I16X8_U:
        extend_high(c, S38(0x33u), to, from);
        return true;
    case KP_WASM_OP_I64X2_EXTEND_HIGH_I32X4_S:
        extend_high(c, S38(0x25u), to, from);
        return true;
    case KP_WASM_OP_I64X2_EXTEND_HIGH_I32X4_U:
        extend_high(c, S38(0x35u), to, from);
        return true;
    case KP_WASM_OP_I16X8_EXTADD_PAIRWISE_I8X16_S:
    case KP_WASM_OP_I16X8_EXTADD_PAIRWISE_I8X16_U:
    case KP_WASM_OP_I32X4_EXTADD_PAIRWISE_I16X8_S:
    case KP_WASM_OP_I32X4_EXTADD_PAIRWISE_I16X8_U:
        pairwise(c, opcode, to, from);
        return true;
    case KP_WASM_OP_F32X4_CONVERT_I32X4_U:
        convert_u32_f32(c, to, from);
        return true;
    case KP_WASM_OP_I32X4_TRUNC_SAT_F32X4_S:
        truncate_f32_s32(c, to, from);
        return true;
    case KP_WASM_OP_I32X4_TRUNC_SAT_F32X4_U:
        truncate_f32_u32(c, to, from);
        return true;
    case KP_WASM_OP_I32X4_TRUNC_SAT_F64X2_S_ZERO:
        truncate_f64_s32(c, to, from);
        return true;
    case KP_WASM_OP_I32X4_TRUNC_SAT_F64X2_U_ZERO:
        truncate_f64_u32(c, to, from);
        return true;
    case KP_WASM_OP_F64X2_CONVERT_LOW_I32X4_U:
        convert_u32_f64(c, to, from);
        return true;
    default:
        return false;
    }
}

/* ---- two operands: the result is made in X_SCRATCH ---- */

static void mul_64(kp_compiler_t *c, unsigned a, unsigned b)
{
    kp_vec_shift(c, 0x73, 2, X_SCRATCH, a, 32);
    kp_sse_rrr(c, OP_PMULUDQ, X_SCRATCH, X_SCRATCH, b);
    kp_vec_shift(c, 0x73, 2, X_SCRATCH2, b, 32);
    kp_sse_rrr(c, OP_PMULUDQ, X_SCRATCH2, X_SCRATCH2, a);
    kp_sse_rrr(c, OP_PADDQ, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_vec_shift(c, 0x73, 6, X_SCRATCH, X_SCRATCH, 32);
    kp_sse_rrr(c, OP_PMULUDQ, X_SCRATCH2, a, b);
    kp_sse_rrr(c, OP_PADDQ, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
}

/* -1 times -1 would be 1: the one product that is out of range. */
static void q15(kp_compiler_t *c, unsigned a, unsigned b)
{
    kp_sse_rrr(c, S38(0x0bu), X_SCRATCH, a, b);
    kp_vec_splat(c, X_SCRATCH2, 0x8000800080008000u);
    kp_sse_rrr(c, OP_PCMPEQW, X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
    kp_sse_rrr(c, OP_PXOR, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
}

/* Both orders of minps agree except on zeros and NaN; or-ing (for max: xor and subtract) makes -0 win
   and NaN stay, whose payload is then cut to a quiet one. */
static void min_max(kp_compiler_t *c, bool is_64, bool maximum, unsigned a, unsigned b)
{
    uint32_t prefix = is_64 ? P66 : 0;
    uint32_t op = (maximum ? 0x5fu : 0x5du) | MAP_0F | prefix;
    kp_sse_rrr(c, op, X_SCRATCH, a, b);
    kp_sse_rrr(c, op, X_SCRATCH2, b, a);
    if (maximum) {
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
        kp_sse_rrr(c, OP_POR, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
        kp_sse_rrr(c, 0x5cu | MAP_0F | prefix, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    } else {
        kp_sse_rrr(c, OP_POR, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    }
    kp_sse_rrr(c, 0xc2u | MAP_0F | prefix, X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
    kp_asm_u8(&c->code, 3); /* unordered */
    if (!maximum)
        kp_sse_rrr(c, OP_POR, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_vec_shift(c, is_64 ? 0x73 : 0x72, 2, X_SCRATCH2, X_SCRATCH2, is_64 ? 13 : 10);
    kp_sse_rrr(c, OP_PANDN, X_SCRATCH2, X_SCRATCH2, X_SCRATCH);
    kp_sse_rr(c, OP_MOVAPS, X_SCRATCH, X_SCRATCH2);
}

static void extmul(kp_compiler_t *c, uint32_t extend, uint32_t multiply, bool high, unsigned a,
                   unsigned b)
{
    if (high) {
        kp_vec_unary_imm(c, OP_PSHUFD, X_SCRATCH, a, 0xee);
        kp_vec_unary_imm(c, OP_PSHUFD, X_SCRATCH2, b, 0xee);
        a = X_SCRATCH;
        b = X_SCRATCH2;
    }
    kp_vec_unary(c, extend, X_SCRATCH, a);
    kp_vec_unary(c, extend, X_SCRATCH2, b);
    kp_sse_rrr(c, multiply, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
}

static bool binary(kp_compiler_t *c, kp_wasm_opcode_t opcode, unsigned a, unsigned b)
{
    switch (opcode) {
    case KP_WASM_OP_I64X2_MUL:
        mul_64(c, a, b);
        return true;
    case KP_WASM_OP_I16X8_Q15MULR_SAT_S:
        q15(c, a, b);
        return true;
    case KP_WASM_OP_F32X4_MIN:
    case KP_WASM_OP_F32X4_MAX:
        min_max(c, false, opcode == KP_WASM_OP_F32X4_MAX, a, b);
        return true;
    case KP_WASM_OP_F64X2_MIN:
    case KP_WASM_OP_F64X2_MAX:
        min_max(c, true, opcode == KP_WASM_OP_F64X2_MAX, a, b);
        return true;
    default:
        break;
    }
    /* low s, high s, low u, high u */
    static const kp_wasm_opcode_t first[] = {KP_WASM_OP_I16X8_EXTMUL_LOW_I8X16_S,
                                             KP_WASM_OP_I32X4_EXTMUL_LOW_I16X8_S,
                                             KP_WASM_OP_I64X2_EXTMUL_LOW_I32X4_S};
    static const uint32_t extends[3][2] = {
        {S38(0x20u), S38(0x30u)}, {S38(0x23u), S38(0x33u)}, {S38(0x25u), S38(0x35u)}};
    static const uint32_t multiplies[3][2] = {
        {S66(0xd5u), S66(0xd5u)}, {S38(0x40u), S38(0x40u)}, {S38(0x28u), OP_PMULUDQ}};
    for (unsigned i = 0; i < 3; i++)
        if (opcode >= first[i] && opcode < first[i] + 4) {
            unsigned which = opcode - first[i];
            extmul(c, extends[i][which >> 1], multiplies[i][which >> 1], which & 1, a, b);
            return true;
        }
    return false;
}

bool kp_simd_convert(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    if (kp_wasm_opcode_info[opcode].pop_count == 1) {
        kp_value_t a = kp_stack_pop(c);
        unsigned from = kp_value_xmm(c, &a);
        unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
        bool known = unary(c, opcode, to, from);
        kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, NULL);
        return known;
    }
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned right = kp_value_xmm(c, &b), left = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &a);
    bool known = binary(c, opcode, left, right);
    kp_vec_move(c, to, X_SCRATCH);
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &a, &b);
    return known;
}
