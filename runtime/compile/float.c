/* Floating-point arithmetic and comparisons, f32 and f64. */
#include "runtime/compile/internal.h"

#define OP_ADD 0x58u
#define OP_MUL 0x59u
#define OP_SUB 0x5cu
#define OP_MIN 0x5du
#define OP_DIV 0x5eu
#define OP_MAX 0x5fu
#define OP_SQRT 0x51u
#define OP_ANDPS (0x54u | MAP_0F)
#define OP_ANDNPS (0x55u | MAP_0F)
#define OP_ORPS (0x56u | MAP_0F)

/* The scalar form of an operation for the type. */
static uint32_t scalar(uint32_t op, bool is_64)
{
    return op | MAP_0F | (is_64 ? PF2 : PF3);
}

static void swap(kp_value_t *a, kp_value_t *b)
{
    kp_value_t value = *a;
    *a = *b;
    *b = value;
}

static void op_binary(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                      kp_wasm_type_t type, uint32_t op, bool commutes)
{
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (commutes && b.place == PLACE_REGISTER && a.place != PLACE_REGISTER)
        swap(&a, &b);
    bool memory = kp_value_in_memory(c, &b);
    if (!memory)
        kp_value_xmm(c, &b);
    if (c->avx) {
        unsigned left = kp_value_xmm(c, &a);
        unsigned to = kp_result_place(c, instruction, type, &a);
        if (memory)
            kp_asm_vex_rm(&c->code, op, to, left, kp_value_memory(c, &b));
        else
            kp_asm_vex_rr(&c->code, op, to, left, kp_value_xmm(c, &b));
        kp_stack_push_result(c, type, to, &a, &b);
        return;
    }
    unsigned to = kp_result_place(c, instruction, type, &a);
    unsigned right = memory ? NO_REG : kp_value_xmm(c, &b);
    if (right == to && kp_value_register(c, &a) != to) {
        kp_asm_rr(&c->code, OP_MOVAPS, X_SCRATCH, right);
        right = X_SCRATCH;
    }
    kp_value_move_xmm(c, &a, to);
    if (memory)
        kp_asm_rm(&c->code, op, to, kp_value_memory(c, &b));
    else
        kp_asm_rr(&c->code, op, to, right);
    kp_stack_push_result(c, type, to, &a, &b);
}

/* a op itself, in the scalar form: sqrt, round. */
static void op_unary(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                     kp_wasm_type_t type, uint32_t op, int immediate)
{
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    if (c->avx)
        kp_asm_vex_rr(&c->code, op, to, from, from);
    else
        kp_asm_rr(&c->code, op, to, from);
    if (immediate >= 0)
        kp_asm_u8(&c->code, (unsigned)immediate);
    kp_stack_push_result(c, type, to, &a, NULL);
}

/* X_SCRATCH = all sign bits (or all but them) of 32 or 64-bit lanes. */
void kp_float_mask(kp_compiler_t *c, unsigned reg, bool is_64, bool sign)
{
    uint32_t ones = 0x76u | MAP_0F | P66; /* pcmpeqd */
    uint32_t shift = (is_64 ? 0x73u : 0x72u) | MAP_0F | P66;
    kp_sse_rrr(c, ones, reg, reg, reg);
    if (c->avx)
        kp_asm_vex_rr(&c->code, shift, sign ? 6 : 2, reg, reg);
    else
        kp_asm_rr(&c->code, shift, sign ? 6 : 2, reg);
    kp_asm_u8(&c->code, sign ? (is_64 ? 63 : 31) : 1);
}

static void op_sign(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, kp_wasm_type_t type,
                    bool negate)
{
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    kp_float_mask(c, X_SCRATCH, type == KP_WASM_TYPE_F64, negate);
    kp_sse_rrr(c, negate ? OP_XORPS : OP_ANDPS, to, from, X_SCRATCH);
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_copysign(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                        kp_wasm_type_t type)
{
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned sign = kp_value_xmm(c, &b), from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    kp_float_mask(c, X_SCRATCH, type == KP_WASM_TYPE_F64, true);
    kp_sse_rrr(c, OP_ANDPS, X_SCRATCH2, X_SCRATCH, sign);
    kp_sse_rrr(c, OP_ANDNPS, X_SCRATCH, X_SCRATCH, from);
    kp_sse_rrr(c, OP_ORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH2);
    kp_sse_rr(c, OP_MOVAPS, to, X_SCRATCH);
    kp_stack_push_result(c, type, to, &a, &b);
}

/* The instructions' own rule for NaN and zeros is not WebAssembly's. */
static void op_min_max(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                       kp_wasm_type_t type, bool maximum)
{
    bool is_64 = type == KP_WASM_TYPE_F64;
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    unsigned right = kp_value_xmm(c, &b);
    kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    if (right == to && kp_value_register(c, &a) != to) {
        kp_sse_rr(c, OP_MOVAPS, X_SCRATCH, right);
        right = X_SCRATCH;
    }
    kp_value_move_xmm(c, &a, to);
    kp_sse_rr(c, is_64 ? OP_UCOMISD : OP_UCOMISS, to, right);
    uint32_t differ = kp_asm_jcc_short(&c->code, CC_NE);
    uint32_t nan = kp_asm_jcc_short(&c->code, CC_P);
    kp_sse_rrr(c, maximum ? OP_ANDPS : OP_ORPS, to, to, right); /* -0 and 0 */
    uint32_t done = kp_asm_jmp_short(&c->code);
    kp_asm_bind_short(&c->code, nan);
    kp_sse_rrr(c, scalar(OP_ADD, is_64), to, to, right);
    uint32_t done2 = kp_asm_jmp_short(&c->code);
    kp_asm_bind_short(&c->code, differ);
    kp_sse_rrr(c, scalar(maximum ? OP_MAX : OP_MIN, is_64), to, to, right);
    kp_asm_bind_short(&c->code, done);
    kp_asm_bind_short(&c->code, done2);
    kp_stack_push_result(c, type, to, &a, &b);
}

/* a < b is asked as b > a: "above" is false for NaN, "below" is not. */
static void op_compare(kp_compiler_t *c, kp_wasm_type_t type, unsigned which)
{
    static const uint8_t conditions[] = {CC_FLOAT_E, CC_FLOAT_NE, CC_A, CC_A, CC_AE, CC_AE};
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (which == 2 || which == 4) /* lt, le */
        swap(&a, &b);
    uint32_t op = type == KP_WASM_TYPE_F64 ? OP_UCOMISD : OP_UCOMISS;
    if (!kp_value_in_memory(c, &b))
        kp_value_xmm(c, &b);
    unsigned left = kp_value_xmm(c, &a);
    if (kp_value_in_memory(c, &b))
        kp_sse_rm(c, op, left, kp_value_memory(c, &b));
    else
        kp_sse_rr(c, op, left, kp_value_xmm(c, &b));
    kp_value_release(c, &a);
    kp_value_release(c, &b);
    kp_stack_push_flags(c, conditions[which]);
}

void kp_op_float(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    if (opcode <= KP_WASM_OP_F32_GE) {
        op_compare(c, KP_WASM_TYPE_F32, opcode - KP_WASM_OP_F32_EQ);
        return;
    }
    if (opcode <= KP_WASM_OP_F64_GE) {
        op_compare(c, KP_WASM_TYPE_F64, opcode - KP_WASM_OP_F64_EQ);
        return;
    }
    bool is_64 = opcode >= KP_WASM_OP_F64_ABS;
    kp_wasm_type_t type = is_64 ? KP_WASM_TYPE_F64 : KP_WASM_TYPE_F32;
    if (is_64)
        opcode -= KP_WASM_OP_F64_ABS - KP_WASM_OP_F32_ABS;
    uint32_t round = (is_64 ? 0x0bu : 0x0au) | MAP_3A | P66;
    switch (opcode) {
    case KP_WASM_OP_F32_ABS:
        op_sign(c, instruction, type, false);
        break;
    case KP_WASM_OP_F32_NEG:
        op_sign(c, instruction, type, true);
        break;
    case KP_WASM_OP_F32_CEIL:
        op_unary(c, instruction, type, round, 8 | 2);
        break;
    case KP_WASM_OP_F32_FLOOR:
        op_unary(c, instruction, type, round, 8 | 1);
        break;
    case KP_WASM_OP_F32_TRUNC:
        op_unary(c, instruction, type, round, 8 | 3);
        break;
    case KP_WASM_OP_F32_NEAREST:
        op_unary(c, instruction, type, round, 8 | 0);
        break;
    case KP_WASM_OP_F32_SQRT:
        op_unary(c, instruction, type, scalar(OP_SQRT, is_64), -1);
        break;
    case KP_WASM_OP_F32_ADD:
        op_binary(c, instruction, type, scalar(OP_ADD, is_64), true);
        break;
    case KP_WASM_OP_F32_SUB:
        op_binary(c, instruction, type, scalar(OP_SUB, is_64), false);
        break;
    case KP_WASM_OP_F32_MUL:
        op_binary(c, instruction, type, scalar(OP_MUL, is_64), true);
        break;
    case KP_WASM_OP_F32_DIV:
        op_binary(c, instruction, type, scalar(OP_DIV, is_64), false);
        break;
    case KP_WASM_OP_F32_MIN:
        op_min_max(c, instruction, type, false);
        break;
    case KP_WASM_OP_F32_MAX:
        op_min_max(c, instruction, type, true);
        break;
    case KP_WASM_OP_F32_COPYSIGN:
        op_copysign(c, instruction, type);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
    }
}
