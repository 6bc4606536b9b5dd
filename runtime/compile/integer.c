/* Integer arithmetic and comparisons, i32 and i64. */
#include "runtime/compile/internal.h"

static void swap(kp_value_t *a, kp_value_t *b)
{
    kp_value_t value = *a;
    *a = *b;
    *b = value;
}

/* ---- add, sub, and, or, xor, mul ---- */

static void alu_operand(kp_compiler_t *c, uint32_t wide, unsigned alu, unsigned to, kp_value_t *b)
{
    if (kp_value_is_imm(b))
        kp_asm_alu_imm(&c->code, wide, alu, to, (int32_t)b->bits);
    else if (kp_value_in_memory(c, b))
        kp_asm_alu_mem(&c->code, wide, alu, to, kp_value_memory(c, b));
    else
        kp_asm_alu(&c->code, wide, alu, to, kp_value_gpr(c, b));
}

static void op_alu(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, kp_wasm_type_t type,
                   unsigned alu)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    bool commutes = alu != ALU_SUB;
    if (commutes &&
        (a.place == PLACE_CONSTANT || (b.place == PLACE_REGISTER && a.place != PLACE_REGISTER)))
        swap(&a, &b);
    unsigned to = kp_result_place(c, instruction, type, &a);
    if (commutes && kp_value_register(c, &b) == to && kp_value_register(c, &a) != to)
        swap(&a, &b);
    /* Constants beyond 32 bits and stale locals get registers first. */
    if (!kp_value_is_imm(&b) && !kp_value_in_memory(c, &b))
        kp_value_gpr(c, &b);
    if (kp_value_register(c, &a) != NO_REG)
        kp_value_gpr(c, &a);
    if (kp_value_register(c, &a) == to) {
        alu_operand(c, wide, alu, to, &b);
    } else if (alu == ALU_ADD && kp_value_register(c, &a) != NO_REG && kp_value_is_imm(&b)) {
        kp_asm_rm(&c->code, OP_LEA | wide, to, kp_mem(kp_value_register(c, &a), (int32_t)b.bits));
    } else if (alu == ALU_ADD && kp_value_register(c, &a) != NO_REG &&
               kp_value_register(c, &b) != NO_REG) {
        kp_asm_rm(&c->code, OP_LEA | wide, to,
                  kp_mem_index(kp_value_register(c, &a), kp_value_register(c, &b), 0, 0));
    } else {
        if (kp_value_register(c, &b) == to) {
            kp_asm_mov(&c->code, wide, REG_SCRATCH, to);
            kp_value_move_gpr(c, &a, to);
            kp_asm_alu(&c->code, wide, alu, to, REG_SCRATCH);
        } else {
            kp_value_move_gpr(c, &a, to);
            alu_operand(c, wide, alu, to, &b);
        }
    }
    kp_stack_push_result(c, type, to, &a, &b);
}

static void op_mul(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, kp_wasm_type_t type)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (a.place == PLACE_CONSTANT || (b.place == PLACE_REGISTER && a.place != PLACE_REGISTER))
        swap(&a, &b);
    unsigned to = kp_result_place(c, instruction, type, &a);
    if (kp_value_is_imm(&b)) {
        int32_t value = (int32_t)b.bits;
        if (value > 0 && (value & (value - 1)) == 0) {
            kp_value_move_gpr(c, &a, to);
            if (value > 1)
                kp_asm_shift_imm(&c->code, wide, SHIFT_SHL, to,
                                 (unsigned)__builtin_ctz((unsigned)value));
        } else if ((value == 3 || value == 5 || value == 9) && kp_value_register(c, &a) != NO_REG) {
            unsigned reg = kp_value_gpr(c, &a);
            kp_asm_rm(&c->code, OP_LEA | wide, to,
                      kp_mem_index(reg, reg,
                                   value == 3   ? 1
                                   : value == 5 ? 2
                                                : 3,
                                   0));
        } else {
            bool byte = value == (int8_t)value;
            uint32_t op = (byte ? 0x6bu : 0x69u) | wide;
            if (kp_value_in_memory(c, &a))
                kp_asm_rm(&c->code, op, to, kp_value_memory(c, &a));
            else
                kp_asm_rr(&c->code, op, to, kp_value_gpr(c, &a));
            if (byte)
                kp_asm_u8(&c->code, (uint8_t)value);
            else
                kp_asm_u32(&c->code, (uint32_t)value);
        }
        kp_stack_push_result(c, type, to, &a, &b);
        return;
    }
    if (!kp_value_in_memory(c, &b))
        kp_value_gpr(c, &b);
    if (kp_value_register(c, &b) == to && kp_value_register(c, &a) != to)
        swap(&a, &b);
    kp_value_move_gpr(c, &a, to);
    if (kp_value_in_memory(c, &b))
        kp_asm_rm(&c->code, OP_IMUL | wide, to, kp_value_memory(c, &b));
    else
        kp_asm_rr(&c->code, OP_IMUL | wide, to, kp_value_gpr(c, &b));
    kp_stack_push_result(c, type, to, &a, &b);
}

/* ---- division ---- */

/* Leaves quotient in rax, remainder in rdx. */
static void op_divide(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                      kp_wasm_type_t type, bool is_signed, bool remainder)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (!is_signed && b.place == PLACE_CONSTANT && b.bits && (b.bits & (b.bits - 1)) == 0 &&
        (wide || (uint32_t)b.bits) && b.bits - 1 <= INT32_MAX) {
        unsigned to = kp_result_place(c, instruction, type, &a);
        kp_value_move_gpr(c, &a, to);
        if (remainder)
            kp_asm_alu_imm(&c->code, wide, ALU_AND, to, (int32_t)(b.bits - 1));
        else if (b.bits > 1)
            kp_asm_shift_imm(&c->code, wide, SHIFT_SHR, to, (unsigned)__builtin_ctzll(b.bits));
        kp_stack_push_result(c, type, to, &a, &b);
        return;
    }
    bool check_zero = b.place != PLACE_CONSTANT || b.bits == 0;
    bool check_minus =
        is_signed && (b.place != PLACE_CONSTANT ||
                      (wide ? b.bits == UINT64_MAX : (uint32_t)b.bits == UINT32_MAX));
    /* The divisor somewhere else than rax and rdx, the dividend in rax. */
    bool in_place = a.place == PLACE_REGISTER && a.reg == RAX;
    if (!in_place)
        kp_gpr_claim(c, RAX, &a, &b);
    kp_gpr_claim(c, RDX, &a, &b);
    unsigned divisor = kp_value_gpr(c, &b);
    if (!in_place) {
        kp_value_move_gpr(c, &a, RAX);
        kp_value_release(c, &a);
    }
    if (check_zero) {
        kp_asm_rr(&c->code, OP_TEST | wide, divisor, divisor);
        kp_trap_if(c, CC_E, KP_WASM_TRAP_DIVIDE_BY_ZERO);
    }
    uint32_t over = 0;
    if (check_minus && remainder) {
        /* MINIMUM % -1 is 0, but the instruction would fault. */
        kp_asm_alu_imm(&c->code, wide, ALU_CMP, divisor, -1);
        uint32_t normal = kp_asm_jcc_short(&c->code, CC_NE);
        kp_asm_alu(&c->code, 0, ALU_XOR, RDX, RDX);
        over = kp_asm_jmp_short(&c->code);
        kp_asm_bind_short(&c->code, normal);
    } else if (check_minus) {
        kp_asm_alu_imm(&c->code, wide, ALU_CMP, divisor, -1);
        uint32_t normal = kp_asm_jcc_short(&c->code, CC_NE);
        if (wide) {
            kp_asm_mov_imm(&c->code, REG_SCRATCH, (uint64_t)1 << 63);
            kp_asm_alu(&c->code, W, ALU_CMP, RAX, REG_SCRATCH);
        } else {
            kp_asm_alu_imm(&c->code, 0, ALU_CMP, RAX, INT32_MIN);
        }
        kp_trap_if(c, CC_E, KP_WASM_TRAP_INTEGER_OVERFLOW);
        kp_asm_bind_short(&c->code, normal);
    }
    if (is_signed) {
        if (wide)
            kp_asm_u8(&c->code, 0x48);
        kp_asm_u8(&c->code, 0x99); /* cdq, cqo */
    } else {
        kp_asm_alu(&c->code, 0, ALU_XOR, RDX, RDX);
    }
    kp_asm_rr(&c->code, 0xf7 | wide, is_signed ? 7 : 6, divisor);
    if (over)
        kp_asm_bind_short(&c->code, over);
    kp_value_release(c, &b);
    kp_gpr_drop(c, remainder ? RAX : RDX);
    kp_stack_push_reg(c, type, remainder ? RDX : RAX);
}

/* ---- shifts ---- */

static void op_shift(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                     kp_wasm_type_t type, unsigned shift)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (b.place == PLACE_CONSTANT) {
        unsigned to = kp_result_place(c, instruction, type, &a);
        unsigned count = (unsigned)b.bits & (wide ? 63 : 31);
        if (c->bmi2 && (shift == SHIFT_ROL || shift == SHIFT_ROR) &&
            kp_value_register(c, &a) != to) {
            /* rorx */
            unsigned bits = wide ? 64 : 32;
            unsigned right = shift == SHIFT_ROR ? count : (bits - count) & (bits - 1);
            kp_asm_vex_rr(&c->code, 0xf0u | MAP_3A | PF2 | wide, to, 0, kp_value_gpr(c, &a));
            kp_asm_u8(&c->code, right);
        } else {
            kp_value_move_gpr(c, &a, to);
            if (count)
                kp_asm_shift_imm(&c->code, wide, shift, to, count);
        }
        kp_stack_push_result(c, type, to, &a, &b);
        return;
    }
    if (c->bmi2 && shift >= SHIFT_SHL) {
        /* shlx, shrx, sarx */
        unsigned count = kp_value_gpr(c, &b), from = kp_value_gpr(c, &a);
        unsigned to = kp_result_place(c, instruction, type, &a);
        uint32_t prefix = shift == SHIFT_SHL ? P66 : shift == SHIFT_SHR ? PF2 : PF3;
        kp_asm_vex_rr(&c->code, 0xf7u | MAP_38 | prefix | wide, to, count, from);
        kp_stack_push_result(c, type, to, &a, &b);
        return;
    }
    kp_gpr_claim(c, RCX, &a, &b);
    kp_value_move_gpr(c, &b, RCX);
    kp_value_release(c, &b);
    b.place = PLACE_CONSTANT;
    unsigned to = kp_result_place(c, instruction, type, &a);
    kp_value_move_gpr(c, &a, to);
    kp_asm_rr(&c->code, 0xd3 | wide, shift, to);
    kp_stack_push_result(c, type, to, &a, &b);
    kp_gpr_drop(c, RCX);
}

/* ---- one operand ---- */

static void op_count(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                     kp_wasm_type_t type, uint32_t op)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t a = kp_stack_pop(c);
    unsigned from = kp_value_gpr(c, &a);
    unsigned to = kp_result_place(c, instruction, type, &a);
    if ((op == OP_LZCNT && !c->lzcnt) || (op == OP_TZCNT && !c->tzcnt)) {
        /* bsr and bsf leave the target undefined for 0. */
        int32_t bits = wide ? 64 : 32;
        bool leading = op == OP_LZCNT;
        kp_asm_rr(&c->code, (leading ? OP_BSR : OP_BSF) | wide, to, from);
        kp_asm_mov_imm(&c->code, REG_SCRATCH, (uint64_t)(leading ? 2 * bits - 1 : bits));
        kp_asm_rr(&c->code, OP_CMOV(CC_E) | wide, to, REG_SCRATCH);
        if (leading)
            kp_asm_alu_imm(&c->code, wide, ALU_XOR, to, bits - 1);
    } else {
        kp_asm_rr(&c->code, op | wide, to, from);
    }
    kp_stack_push_result(c, type, to, &a, NULL);
}

/* ---- comparisons ---- */

static unsigned swapped(unsigned cc)
{
    switch (cc) {
    case CC_L:
        return CC_G;
    case CC_G:
        return CC_L;
    case CC_LE:
        return CC_GE;
    case CC_GE:
        return CC_LE;
    case CC_B:
        return CC_A;
    case CC_A:
        return CC_B;
    case CC_BE:
        return CC_AE;
    case CC_AE:
        return CC_BE;
    default:
        return cc;
    }
}

static void op_compare(kp_compiler_t *c, kp_wasm_type_t type, unsigned cc)
{
    uint32_t wide = kp_type_wide(type);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    if (a.place == PLACE_CONSTANT && b.place != PLACE_CONSTANT) {
        swap(&a, &b);
        cc = swapped(cc);
    }
    if (kp_value_is_imm(&b) && kp_value_in_memory(c, &a)) {
        kp_asm_alu_mem_imm(&c->code, wide, ALU_CMP, kp_value_memory(c, &a), (int32_t)b.bits);
    } else {
        unsigned left = kp_value_gpr(c, &a);
        if (kp_value_is_imm(&b) && (int32_t)b.bits == 0 && (cc == CC_E || cc == CC_NE))
            kp_asm_rr(&c->code, OP_TEST | wide, left, left);
        else
            alu_operand(c, wide, ALU_CMP, left, &b);
    }
    kp_value_release(c, &a);
    kp_value_release(c, &b);
    kp_stack_push_flags(c, cc);
}

static void op_eqz(kp_compiler_t *c, kp_wasm_type_t type)
{
    kp_value_t a = kp_stack_pop(c);
    if (a.place == PLACE_FLAGS) {
        kp_stack_push_flags(c, a.reg ^ 1u);
        return;
    }
    uint32_t wide = kp_type_wide(type);
    if (kp_value_in_memory(c, &a)) {
        kp_asm_alu_mem_imm(&c->code, wide, ALU_CMP, kp_value_memory(c, &a), 0);
    } else {
        unsigned reg = kp_value_gpr(c, &a);
        kp_asm_rr(&c->code, OP_TEST | wide, reg, reg);
    }
    kp_value_release(c, &a);
    kp_stack_push_flags(c, CC_E);
}

/* ---- by opcode ---- */

void kp_op_integer(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    static const uint8_t conditions[] = {CC_E, CC_NE, CC_L,  CC_B,  CC_G,
                                         CC_A, CC_LE, CC_BE, CC_GE, CC_AE};
    if (opcode == KP_WASM_OP_I32_EQZ || opcode == KP_WASM_OP_I64_EQZ) {
        op_eqz(c, opcode == KP_WASM_OP_I32_EQZ ? KP_WASM_TYPE_I32 : KP_WASM_TYPE_I64);
        return;
    }
    if (opcode <= KP_WASM_OP_I32_GE_U) {
        op_compare(c, KP_WASM_TYPE_I32, conditions[opcode - KP_WASM_OP_I32_EQ]);
        return;
    }
    if (opcode <= KP_WASM_OP_I64_GE_U) {
        op_compare(c, KP_WASM_TYPE_I64, conditions[opcode - KP_WASM_OP_I64_EQ]);
        return;
    }
    kp_wasm_type_t type = KP_WASM_TYPE_I32;
    if (opcode >= KP_WASM_OP_I64_CLZ) {
        type = KP_WASM_TYPE_I64;
        opcode -= KP_WASM_OP_I64_CLZ - KP_WASM_OP_I32_CLZ;
    }
    switch (opcode) {
    case KP_WASM_OP_I32_CLZ:
        op_count(c, instruction, type, OP_LZCNT);
        break;
    case KP_WASM_OP_I32_CTZ:
        op_count(c, instruction, type, OP_TZCNT);
        break;
    case KP_WASM_OP_I32_POPCNT:
        op_count(c, instruction, type, OP_POPCNT);
        break;
    case KP_WASM_OP_I32_ADD:
        op_alu(c, instruction, type, ALU_ADD);
        break;
    case KP_WASM_OP_I32_SUB:
        op_alu(c, instruction, type, ALU_SUB);
        break;
    case KP_WASM_OP_I32_MUL:
        op_mul(c, instruction, type);
        break;
    case KP_WASM_OP_I32_DIV_S:
    case KP_WASM_OP_I32_DIV_U:
    case KP_WASM_OP_I32_REM_S:
    case KP_WASM_OP_I32_REM_U:
        op_divide(c, instruction, type,
                  opcode == KP_WASM_OP_I32_DIV_S || opcode == KP_WASM_OP_I32_REM_S,
                  opcode >= KP_WASM_OP_I32_REM_S);
        break;
    case KP_WASM_OP_I32_AND:
        op_alu(c, instruction, type, ALU_AND);
        break;
    case KP_WASM_OP_I32_OR:
        op_alu(c, instruction, type, ALU_OR);
        break;
    case KP_WASM_OP_I32_XOR:
        op_alu(c, instruction, type, ALU_XOR);
        break;
    case KP_WASM_OP_I32_SHL:
        op_shift(c, instruction, type, SHIFT_SHL);
        break;
    case KP_WASM_OP_I32_SHR_S:
        op_shift(c, instruction, type, SHIFT_SAR);
        break;
    case KP_WASM_OP_I32_SHR_U:
        op_shift(c, instruction, type, SHIFT_SHR);
        break;
    case KP_WASM_OP_I32_ROTL:
        op_shift(c, instruction, type, SHIFT_ROL);
        break;
    case KP_WASM_OP_I32_ROTR:
        op_shift(c, instruction, type, SHIFT_ROR);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
    }
}
