/* Conversions between integers and floats, widths and signs. */
#include "runtime/compile/internal.h"

#define OP_CVTTSS2SI (0x2cu | MAP_0F | PF3)
#define OP_CVTTSD2SI (0x2cu | MAP_0F | PF2)
#define OP_CVTSI2SS (0x2au | MAP_0F | PF3)
#define OP_CVTSI2SD (0x2au | MAP_0F | PF2)
#define OP_SUBSS (0x5cu | MAP_0F | PF3)
#define OP_SUBSD (0x5cu | MAP_0F | PF2)
#define OP_ADDSS (0x58u | MAP_0F | PF3)
#define OP_ADDSD (0x58u | MAP_0F | PF2)
#define OP_CVTSS2SD (0x5au | MAP_0F | PF3)
#define OP_CVTSD2SS (0x5au | MAP_0F | PF2)

/* X_SCRATCH = a constant of the float type. */
static void load_bound(kp_compiler_t *c, bool from_64, uint64_t bits_64, uint32_t bits_32)
{
    kp_asm_mov_imm(&c->code, REG_SCRATCH, from_64 ? bits_64 : bits_32);
    kp_sse_rr(c, OP_MOVD_TO | (from_64 ? W : 0), X_SCRATCH, REG_SCRATCH);
}

#define TWO_63_BITS_64 0x43e0000000000000u
#define TWO_63_BITS_32 0x5f000000u

static void compare(kp_compiler_t *c, bool from_64, unsigned a, unsigned b)
{
    kp_sse_rr(c, from_64 ? OP_UCOMISD : OP_UCOMISS, a, b);
}

/* The value was not converted: because it is NaN, or out of range. */
static void trap_not_converted(kp_compiler_t *c, bool from_64, unsigned from)
{
    compare(c, from_64, from, from);
    kp_trap_if(c, CC_P, KP_WASM_TRAP_INVALID_CONVERSION);
    kp_trap(c, KP_WASM_TRAP_INTEGER_OVERFLOW);
}

static void truncate_signed(kp_compiler_t *c, bool from_64, bool to_64, bool saturate, unsigned to,
                            unsigned from)
{
    uint32_t wide = to_64 ? W : 0;
    kp_sse_rr(c, (from_64 ? OP_CVTTSD2SI : OP_CVTTSS2SI) | wide, to, from);
    /* What cannot be converted becomes the least integer, the only one from which 1 overflows. */
    kp_asm_alu_imm(&c->code, wide, ALU_CMP, to, 1);
    uint32_t done = kp_asm_jcc_short(&c->code, CC_NO);
    if (saturate) {
        compare(c, from_64, from, from);
        uint32_t nan = kp_asm_jcc_short(&c->code, CC_P);
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        compare(c, from_64, from, X_SCRATCH);
        uint32_t negative = kp_asm_jcc_short(&c->code, CC_B);
        kp_asm_mov_imm(&c->code, to, to_64 ? (uint64_t)INT64_MAX : INT32_MAX);
        uint32_t over = kp_asm_jmp_short(&c->code);
        kp_asm_bind_short(&c->code, nan);
        kp_asm_alu(&c->code, 0, ALU_XOR, to, to);
        kp_asm_bind_short(&c->code, negative);
        kp_asm_bind_short(&c->code, over);
    } else {
        compare(c, from_64, from, from);
        kp_trap_if(c, CC_P, KP_WASM_TRAP_INVALID_CONVERSION);
        /* The least integer itself is right, and for f64 to i32 what is truncated to it. */
        bool open = from_64 && !to_64;
        load_bound(c, from_64, to_64 ? 0xc3e0000000000000u : 0xc1e0000000200000u,
                   to_64 ? 0xdf000000u : 0xcf000000u);
        compare(c, from_64, from, X_SCRATCH);
        kp_trap_if(c, open ? CC_BE : CC_B, KP_WASM_TRAP_INTEGER_OVERFLOW);
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        compare(c, from_64, from, X_SCRATCH);
        kp_trap_if(c, CC_AE, KP_WASM_TRAP_INTEGER_OVERFLOW);
    }
    kp_asm_bind_short(&c->code, done);
}

static void truncate_u32(kp_compiler_t *c, bool from_64, bool saturate, unsigned to, unsigned from)
{
    kp_sse_rr(c, (from_64 ? OP_CVTTSD2SI : OP_CVTTSS2SI) | W, to, from);
    kp_asm_mov(&c->code, W, REG_SCRATCH, to);
    kp_asm_shift_imm(&c->code, W, SHIFT_SHR, REG_SCRATCH, 32);
    uint32_t done = kp_asm_jcc_short(&c->code, CC_E);
    if (saturate) {
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        compare(c, from_64, from, X_SCRATCH);
        kp_asm_mov_imm(&c->code, to, 0); /* NaN or negative */
        uint32_t low = kp_asm_jcc_short(&c->code, CC_BE);
        kp_asm_mov_imm(&c->code, to, UINT32_MAX);
        kp_asm_bind_short(&c->code, low);
    } else {
        trap_not_converted(c, from_64, from);
    }
    kp_asm_bind_short(&c->code, done);
}

static void truncate_u64(kp_compiler_t *c, bool from_64, bool saturate, unsigned to, unsigned from)
{
    uint32_t convert = (from_64 ? OP_CVTTSD2SI : OP_CVTTSS2SI) | W;
    load_bound(c, from_64, TWO_63_BITS_64, TWO_63_BITS_32);
    compare(c, from_64, from, X_SCRATCH);
    uint32_t big = kp_asm_jcc_short(&c->code, CC_AE);
    kp_sse_rr(c, convert, to, from);
    kp_asm_rr(&c->code, OP_TEST | W, to, to);
    uint32_t done = kp_asm_jcc_short(&c->code, CC_NS), done2;
    if (saturate) {
        kp_asm_alu(&c->code, 0, ALU_XOR, to, to);
        done2 = kp_asm_jmp_short(&c->code);
    } else {
        trap_not_converted(c, from_64, from);
        done2 = 0;
    }
    kp_asm_bind_short(&c->code, big);
    kp_sse_rrr(c, from_64 ? OP_SUBSD : OP_SUBSS, X_SCRATCH2, from, X_SCRATCH);
    kp_sse_rr(c, convert, to, X_SCRATCH2);
    kp_asm_rr(&c->code, OP_TEST | W, to, to);
    uint32_t fine = 0;
    if (saturate) {
        fine = kp_asm_jcc_short(&c->code, CC_NS);
        kp_asm_mov_imm(&c->code, to, INT64_MAX);
        kp_asm_bind_short(&c->code, fine);
    } else {
        kp_trap_if(c, CC_S, KP_WASM_TRAP_INTEGER_OVERFLOW);
    }
    kp_asm_mov_imm(&c->code, REG_SCRATCH, (uint64_t)1 << 63);
    kp_asm_alu(&c->code, W, ALU_XOR, to, REG_SCRATCH);
    kp_asm_bind_short(&c->code, done);
    if (done2)
        kp_asm_bind_short(&c->code, done2);
}

static void op_truncate(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, bool from_64,
                        bool to_64, bool is_signed, bool saturate)
{
    kp_wasm_type_t type = to_64 ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32;
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, NULL);
    if (is_signed)
        truncate_signed(c, from_64, to_64, saturate, to, from);
    else if (to_64)
        truncate_u64(c, from_64, saturate, to, from);
    else
        truncate_u32(c, from_64, saturate, to, from);
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_to_float(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, bool from_64,
                        bool is_signed, bool to_64)
{
    kp_wasm_type_t type = to_64 ? KP_WASM_TYPE_F64 : KP_WASM_TYPE_F32;
    uint32_t op = to_64 ? OP_CVTSI2SD : OP_CVTSI2SS;
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_gpr(c, &a);
    unsigned to = kp_result_place(c, instruction, type, NULL);
    /* The instruction keeps the upper part of its target: cut the dependency. */
    kp_sse_rrr(c, OP_XORPS, to, to, to);
    if (is_signed || !from_64) {
        kp_sse_rrr(c, op | (from_64 || !is_signed ? W : 0), to, to, from);
        kp_stack_push_result(c, type, to, &a, NULL);
        return;
    }
    /* Before the branch: this may spill. */
    unsigned half = kp_value_own_gpr(c, &a);
    kp_asm_rr(&c->code, OP_TEST | W, half, half);
    uint32_t big = kp_asm_jcc_short(&c->code, CC_S);
    kp_sse_rrr(c, op | W, to, to, half);
    uint32_t done = kp_asm_jmp_short(&c->code);
    kp_asm_bind_short(&c->code, big);
    /* Half of it, the lost bit kept for the rounding; then twice. */
    kp_asm_mov(&c->code, W, REG_SCRATCH, half);
    kp_asm_alu_imm(&c->code, 0, ALU_AND, REG_SCRATCH, 1);
    kp_asm_shift_imm(&c->code, W, SHIFT_SHR, half, 1);
    kp_asm_alu(&c->code, W, ALU_OR, half, REG_SCRATCH);
    kp_sse_rrr(c, op | W, to, to, half);
    kp_sse_rrr(c, to_64 ? OP_ADDSD : OP_ADDSS, to, to, to);
    kp_asm_bind_short(&c->code, done);
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_between_floats(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                              kp_wasm_type_t type)
{
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    uint32_t op = type == KP_WASM_TYPE_F64 ? OP_CVTSS2SD : OP_CVTSD2SS;
    if (c->avx)
        kp_asm_vex_rr(&c->code, op, to, from, from);
    else
        kp_asm_rr(&c->code, op, to, from);
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_reinterpret(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                           kp_wasm_type_t type)
{
    kp_value_t a = kp_stack_pop(c);
    if (a.place == PLACE_CONSTANT) {
        kp_stack_push_constant(c, type, a.bits);
        return;
    }
    unsigned to = kp_result_place(c, instruction, type, NULL);
    uint32_t wide = kp_type_wide(type);
    if (kp_value_in_memory(c, &a)) {
        kp_mem_t mem = kp_value_memory(c, &a);
        if (kp_type_is_xmm(type))
            kp_sse_rm(c, wide ? OP_MOVSD_LOAD : OP_MOVSS_LOAD, to, mem);
        else
            kp_asm_load(&c->code, wide, to, mem);
    } else if (kp_type_is_xmm(type)) {
        kp_sse_rr(c, OP_MOVD_TO | wide, to, kp_value_gpr(c, &a));
    } else {
        kp_sse_rr(c, OP_MOVD_FROM | wide, kp_value_xmm(c, &a), to);
    }
    kp_stack_push_result(c, type, to, &a, NULL);
}

/* to = a with `op` from register or memory: movsx and the like. */
static void op_extend(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                      kp_wasm_type_t type, uint32_t op)
{
    kp_value_t a = kp_stack_pop(c);
    if (kp_value_in_memory(c, &a)) {
        unsigned to = kp_result_place(c, instruction, type, NULL);
        kp_asm_rm(&c->code, op, to, kp_value_memory(c, &a));
        kp_stack_push_result(c, type, to, &a, NULL);
        return;
    }
    unsigned from = kp_value_gpr(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    kp_asm_rr(&c->code, op, to, from);
    kp_stack_push_result(c, type, to, &a, NULL);
}

static void op_extend_unsigned(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    /* An i32 in a temporary is zero-extended already. */
    if (c->stack[c->height - 1].place == PLACE_REGISTER) {
        kp_value_t a = kp_stack_pop(c);
        kp_stack_push_reg(c, KP_WASM_TYPE_I64, a.reg);
        return;
    }
    op_extend(c, instruction, KP_WASM_TYPE_I64, OP_MOV_LOAD);
}

void kp_op_convert(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    if (opcode >= KP_WASM_OP_I32_TRUNC_SAT_F32_S && opcode <= KP_WASM_OP_I64_TRUNC_SAT_F64_U) {
        unsigned which = opcode - KP_WASM_OP_I32_TRUNC_SAT_F32_S;
        op_truncate(c, instruction, which & 2, which & 4, !(which & 1), true);
        return;
    }
    switch (opcode) {
    case KP_WASM_OP_I32_WRAP_I64:
        op_extend(c, instruction, KP_WASM_TYPE_I32, OP_MOV_LOAD);
        break;
    case KP_WASM_OP_I32_TRUNC_F32_S:
    case KP_WASM_OP_I32_TRUNC_F32_U:
    case KP_WASM_OP_I32_TRUNC_F64_S:
    case KP_WASM_OP_I32_TRUNC_F64_U: {
        unsigned which = opcode - KP_WASM_OP_I32_TRUNC_F32_S;
        op_truncate(c, instruction, which & 2, false, !(which & 1), false);
        break;
    }
    case KP_WASM_OP_I64_EXTEND_I32_S:
        op_extend(c, instruction, KP_WASM_TYPE_I64, OP_MOVSXD);
        break;
    case KP_WASM_OP_I64_EXTEND_I32_U:
        op_extend_unsigned(c, instruction);
        break;
    case KP_WASM_OP_I64_TRUNC_F32_S:
    case KP_WASM_OP_I64_TRUNC_F32_U:
    case KP_WASM_OP_I64_TRUNC_F64_S:
    case KP_WASM_OP_I64_TRUNC_F64_U: {
        unsigned which = opcode - KP_WASM_OP_I64_TRUNC_F32_S;
        op_truncate(c, instruction, which & 2, true, !(which & 1), false);
        break;
    }
    case KP_WASM_OP_F32_CONVERT_I32_S:
    case KP_WASM_OP_F32_CONVERT_I32_U:
    case KP_WASM_OP_F32_CONVERT_I64_S:
    case KP_WASM_OP_F32_CONVERT_I64_U: {
        unsigned which = opcode - KP_WASM_OP_F32_CONVERT_I32_S;
        op_to_float(c, instruction, which & 2, !(which & 1), false);
        break;
    }
    case KP_WASM_OP_F64_CONVERT_I32_S:
    case KP_WASM_OP_F64_CONVERT_I32_U:
    case KP_WASM_OP_F64_CONVERT_I64_S:
    case KP_WASM_OP_F64_CONVERT_I64_U: {
        unsigned which = opcode - KP_WASM_OP_F64_CONVERT_I32_S;
        op_to_float(c, instruction, which & 2, !(which & 1), true);
        break;
    }
    case KP_WASM_OP_F32_DEMOTE_F64:
        op_between_floats(c, instruction, KP_WASM_TYPE_F32);
        break;
    case KP_WASM_OP_F64_PROMOTE_F32:
        op_between_floats(c, instruction, KP_WASM_TYPE_F64);
        break;
    case KP_WASM_OP_I32_REINTERPRET_F32:
        op_reinterpret(c, instruction, KP_WASM_TYPE_I32);
        break;
    case KP_WASM_OP_I64_REINTERPRET_F64:
        op_reinterpret(c, instruction, KP_WASM_TYPE_I64);
        break;
    case KP_WASM_OP_F32_REINTERPRET_I32:
        op_reinterpret(c, instruction, KP_WASM_TYPE_F32);
        break;
    case KP_WASM_OP_F64_REINTERPRET_I64:
        op_reinterpret(c, instruction, KP_WASM_TYPE_F64);
        break;
    case KP_WASM_OP_I32_EXTEND8_S:
        op_extend(c, instruction, KP_WASM_TYPE_I32, OP_MOVSX8);
        break;
    case KP_WASM_OP_I32_EXTEND16_S:
        op_extend(c, instruction, KP_WASM_TYPE_I32, OP_MOVSX16);
        break;
    case KP_WASM_OP_I64_EXTEND8_S:
        op_extend(c, instruction, KP_WASM_TYPE_I64, OP_MOVSX8 | W);
        break;
    case KP_WASM_OP_I64_EXTEND16_S:
        op_extend(c, instruction, KP_WASM_TYPE_I64, OP_MOVSX16 | W);
        break;
    case KP_WASM_OP_I64_EXTEND32_S:
        op_extend(c, instruction, KP_WASM_TYPE_I64, OP_MOVSXD);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
    }
}
