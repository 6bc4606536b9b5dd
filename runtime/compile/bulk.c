/* Instructions that a helper carries out: memory and table ones on many elements, growth. */
#include "runtime/compile/internal.h"

/* The result of a helper, in rax. */
static void push_rax(kp_compiler_t *c, kp_wasm_type_t type)
{
    kp_gpr_claim(c, RAX, NULL, NULL);
    if (type == KP_WASM_TYPE_I32)
        kp_asm_mov(&c->code, 0, RAX, RAX);
    kp_stack_push_reg(c, type, RAX);
}

static void op_memory_size(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_type_t type = kp_wasm_size_index_type(&c->module->memories[instruction->index].size);
    unsigned to = kp_result_place(c, instruction, type, NULL);
    kp_asm_load(&c->code, W, to,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.memories + 8 * instruction->index)));
    kp_asm_load(&c->code, W, to, kp_mem(to, 8));
    kp_asm_shift_imm(&c->code, W, SHIFT_SHR, to, 16);
    kp_stack_push_reg(c, type, to);
}

static void op_table_size(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_type_t type = kp_wasm_size_index_type(&c->module->tables[instruction->index].size);
    unsigned to = kp_result_place(c, instruction, type, NULL);
    kp_asm_load(&c->code, W, to,
                kp_mem(REG_INSTANCE, (int32_t)(c->layout.tables + 8 * instruction->index)));
    kp_asm_load(&c->code, W, to, kp_mem(to, 8));
    kp_stack_push_reg(c, type, to);
}

void kp_op_bulk(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    uint64_t extra[2] = {instruction->index, instruction->index2};
    uint64_t swapped[2] = {instruction->index2, instruction->index};
    switch (instruction->opcode) {
    case KP_WASM_OP_MEMORY_SIZE:
        op_memory_size(c, instruction);
        return;
    case KP_WASM_OP_TABLE_SIZE:
        op_table_size(c, instruction);
        return;
    case KP_WASM_OP_MEMORY_GROW:
        kp_call_helper(c, KP_WASM_HELPER_MEMORY_GROW, extra, 1, 1);
        push_rax(c, kp_wasm_size_index_type(&c->module->memories[instruction->index].size));
        return;
    case KP_WASM_OP_TABLE_GROW:
        kp_call_helper(c, KP_WASM_HELPER_TABLE_GROW, extra, 1, 2);
        push_rax(c, kp_wasm_size_index_type(&c->module->tables[instruction->index].size));
        return;
    case KP_WASM_OP_DATA_DROP:
        kp_call_helper(c, KP_WASM_HELPER_DATA_DROP, extra, 1, 0);
        return;
    case KP_WASM_OP_ELEM_DROP:
        kp_call_helper(c, KP_WASM_HELPER_ELEMENT_DROP, extra, 1, 0);
        return;
    /* The helpers take memory or table first, then the segment. */
    case KP_WASM_OP_MEMORY_INIT:
        kp_call_helper(c, KP_WASM_HELPER_MEMORY_INIT, swapped, 2, 3);
        break;
    case KP_WASM_OP_TABLE_INIT:
        kp_call_helper(c, KP_WASM_HELPER_TABLE_INIT, swapped, 2, 3);
        break;
    case KP_WASM_OP_MEMORY_COPY:
        kp_call_helper(c, KP_WASM_HELPER_MEMORY_COPY, extra, 2, 3);
        break;
    case KP_WASM_OP_TABLE_COPY:
        kp_call_helper(c, KP_WASM_HELPER_TABLE_COPY, extra, 2, 3);
        break;
    case KP_WASM_OP_MEMORY_FILL:
        kp_call_helper(c, KP_WASM_HELPER_MEMORY_FILL, extra, 1, 3);
        break;
    case KP_WASM_OP_TABLE_FILL:
        kp_call_helper(c, KP_WASM_HELPER_TABLE_FILL, extra, 1, 3);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
        return;
    }
    kp_call_trap_if_eax(c);
}
