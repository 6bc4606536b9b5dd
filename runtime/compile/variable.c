/* drop, select, globals, tables' elements, references. */
#include "runtime/compile/internal.h"

static void op_select(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t condition = kp_stack_pop(c);
    kp_value_t b = kp_stack_pop(c), a = kp_stack_pop(c);
    kp_wasm_type_t type = a.type;
    /* Everything in its register first: only moves, which keep the flags. */
    if (condition.place != PLACE_FLAGS)
        kp_value_gpr(c, &condition);
    unsigned to, other = NO_REG;
    bool xmm = kp_type_is_xmm(type);
    if (xmm) {
        other = kp_value_xmm(c, &b);
        to = kp_value_own_xmm(c, &a);
    } else {
        if (!kp_value_in_memory(c, &b))
            other = kp_value_gpr(c, &b);
        to = kp_value_own_gpr(c, &a);
    }
    unsigned cc = condition.reg;
    if (condition.place != PLACE_FLAGS) {
        unsigned reg = kp_value_gpr(c, &condition);
        kp_asm_rr(&c->code, OP_TEST, reg, reg);
        kp_value_release(c, &condition);
        cc = CC_NE;
    }
    (void)instruction;
    uint32_t wide = kp_type_wide(type);
    if (xmm) {
        /* Over the move when the condition holds. */
        uint32_t over = 0, over2 = 0, take = 0;
        if (cc == CC_FLOAT_E) {
            take = kp_asm_jcc_short(&c->code, CC_P);
            over = kp_asm_jcc_short(&c->code, CC_E);
            kp_asm_bind_short(&c->code, take);
        } else if (cc == CC_FLOAT_NE) {
            over = kp_asm_jcc_short(&c->code, CC_NE);
            over2 = kp_asm_jcc_short(&c->code, CC_P);
        } else {
            over = kp_asm_jcc_short(&c->code, cc);
        }
        kp_sse_rr(c, OP_MOVAPS, to, other);
        kp_asm_bind_short(&c->code, over);
        if (over2)
            kp_asm_bind_short(&c->code, over2);
    } else {
        /* b when the condition does not hold. Float equality holds unless "not equal" or "unordered",
           each of which takes b; its inverse does not unless both say so: then a branch. */
        unsigned conditions[2] = {cc ^ 1u, cc ^ 1u}, count = 1;
        uint32_t over = 0;
        if (cc == CC_FLOAT_E) {
            conditions[0] = CC_NE;
            conditions[1] = CC_P;
            count = 2;
        } else if (cc == CC_FLOAT_NE) {
            over = kp_asm_jcc_short(&c->code, CC_P);
            conditions[0] = CC_E;
        }
        for (unsigned i = 0; i < count; i++) {
            if (other == NO_REG)
                kp_asm_rm(&c->code, OP_CMOV(conditions[i]) | wide, to, kp_value_memory(c, &b));
            else
                kp_asm_rr(&c->code, OP_CMOV(conditions[i]) | wide, to, other);
        }
        if (over)
            kp_asm_bind_short(&c->code, over);
    }
    kp_value_release(c, &b);
    kp_stack_push_reg(c, type, to);
}

/* ---- globals ---- */

/* The cell; of an imported one its address is loaded to the scratch register. */
static kp_mem_t global_cell(kp_compiler_t *c, uint32_t index)
{
    uint32_t imported = c->module->imported_global_count;
    if (index >= imported)
        return kp_mem(REG_INSTANCE, (int32_t)(c->layout.cells + 16 * (index - imported)));
    kp_asm_load(&c->code, W, REG_SCRATCH,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.imported_cells + 8 * index)));
    return kp_mem(REG_SCRATCH, 0);
}

static void op_global_get(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_type_t type = instruction->type;
    unsigned to = kp_result_place(c, instruction, type, NULL);
    kp_mem_t cell = global_cell(c, instruction->index);
    if (!kp_type_is_xmm(type))
        kp_asm_load(&c->code, kp_type_wide(type), to, cell);
    else
        kp_sse_rm(c,
                  type == KP_WASM_TYPE_F32   ? OP_MOVSS_LOAD
                  : type == KP_WASM_TYPE_F64 ? OP_MOVSD_LOAD
                                             : OP_MOVUPS_LOAD,
                  to, cell);
    kp_stack_push_reg(c, type, to);
}

static void op_global_set(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t value = kp_stack_pop(c);
    bool constant = kp_value_is_imm(&value) && !kp_type_is_xmm(value.type);
    if (kp_type_is_xmm(value.type))
        kp_value_xmm(c, &value);
    else if (!constant)
        kp_value_gpr(c, &value);
    kp_value_store(c, &value, global_cell(c, instruction->index));
    kp_value_release(c, &value);
}

/* ---- tables ---- */

/* Leaves the elements' address in the scratch register; the index, in a register, is in bounds. */
static unsigned table_check(kp_compiler_t *c, uint32_t table, kp_value_t *index)
{
    unsigned reg = kp_value_gpr(c, index);
    kp_asm_load(&c->code, W, REG_SCRATCH,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.tables + 8 * table)));
    kp_asm_alu_mem(&c->code, W, ALU_CMP, reg, kp_mem(REG_SCRATCH, 8));
    kp_trap_if(c, CC_AE, KP_WASM_TRAP_TABLE_BOUNDS);
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_SCRATCH, 0));
    return reg;
}

static void op_table_get(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t index = kp_stack_pop(c);
    unsigned reg = table_check(c, instruction->index, &index);
    unsigned to = kp_result_place(c, instruction, instruction->type, &index);
    kp_asm_load(&c->code, W, to, kp_mem_index(REG_SCRATCH, reg, 3, 0));
    kp_stack_push_result(c, instruction->type, to, &index, NULL);
}

static void op_table_set(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_value_t value = kp_stack_pop(c), index = kp_stack_pop(c);
    unsigned from = kp_value_gpr(c, &value);
    unsigned reg = table_check(c, instruction->index, &index);
    kp_asm_store(&c->code, W, kp_mem_index(REG_SCRATCH, reg, 3, 0), from);
    kp_value_release(c, &value);
    kp_value_release(c, &index);
}

/* ---- references ---- */

static void op_ref_func(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    uint32_t imported = c->module->imported_function_count;
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_FUNCREF, NULL);
    if (instruction->index < imported) {
        kp_asm_load(
            &c->code, W, to,
            kp_mem(REG_INSTANCE, (int32_t)(c->layout.imported_functions + 8 * instruction->index)));
    } else {
        uint32_t own = instruction->index - imported;
        kp_asm_load(&c->code, W, to, kp_mem(REG_INSTANCE, 32));
        if (own)
            kp_asm_alu_imm(&c->code, W, ALU_ADD, to, (int32_t)(own * KP_WASM_FUNCINST_SIZE));
    }
    kp_stack_push_reg(c, KP_WASM_TYPE_FUNCREF, to);
}

void kp_op_variable(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    switch (instruction->opcode) {
    case KP_WASM_OP_DROP: {
        kp_value_t value = kp_stack_pop(c);
        kp_value_release(c, &value);
        break;
    }
    case KP_WASM_OP_SELECT:
    case KP_WASM_OP_SELECT_TYPED:
        op_select(c, instruction);
        break;
    case KP_WASM_OP_GLOBAL_GET:
        op_global_get(c, instruction);
        break;
    case KP_WASM_OP_GLOBAL_SET:
        op_global_set(c, instruction);
        break;
    case KP_WASM_OP_TABLE_GET:
        op_table_get(c, instruction);
        break;
    case KP_WASM_OP_TABLE_SET:
        op_table_set(c, instruction);
        break;
    case KP_WASM_OP_REF_NULL:
        kp_stack_push_constant(c, instruction->type, 0);
        break;
    case KP_WASM_OP_REF_IS_NULL: {
        kp_value_t value = kp_stack_pop(c);
        unsigned reg = kp_value_gpr(c, &value);
        kp_asm_rr(&c->code, OP_TEST | W, reg, reg);
        kp_value_release(c, &value);
        kp_stack_push_flags(c, CC_E);
        break;
    }
    case KP_WASM_OP_REF_FUNC:
        op_ref_func(c, instruction);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
    }
}
