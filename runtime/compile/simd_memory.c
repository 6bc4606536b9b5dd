/* SIMD loads and stores. */
#include "runtime/compile/simd.h"

static void drop_taken(kp_compiler_t *c, unsigned taken)
{
    if (taken != NO_REG)
        kp_gpr_drop(c, taken);
}

/* pinsr and pextr, by log2 of the lane's width. */
static const uint32_t inserts[] = {S3A(0x20u), S66(0xc4u), S3A(0x22u), S3A(0x22u) | W};
static const uint32_t extracts[] = {S3A(0x14u), S3A(0x15u), S3A(0x16u), S3A(0x16u) | W};

static void load_emit(kp_compiler_t *c, kp_wasm_opcode_t opcode, unsigned to, kp_mem_t mem)
{
    static const uint32_t extends[] = {S38(0x20u), S38(0x30u), S38(0x23u),
                                       S38(0x33u), S38(0x25u), S38(0x35u)};
    switch (opcode) {
    case KP_WASM_OP_V128_LOAD:
        kp_sse_rm(c, OP_MOVUPS_LOAD, to, mem);
        break;
    case KP_WASM_OP_V128_LOAD8_SPLAT:
        kp_asm_rm(&c->code, 0xb6u | MAP_0F, REG_SCRATCH, mem);
        kp_sse_rr(c, OP_MOVD_TO, to, REG_SCRATCH);
        kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
        kp_sse_rrr(c, OP_PSHUFB, to, to, X_SCRATCH);
        break;
    case KP_WASM_OP_V128_LOAD16_SPLAT:
        kp_asm_rm(&c->code, OP_MOVZX16, REG_SCRATCH, mem);
        kp_sse_rr(c, OP_MOVD_TO, to, REG_SCRATCH);
        kp_vec_unary_imm(c, 0x70u | MAP_0F | PF2, to, to, 0);
        kp_sse_rrr(c, OP_PUNPCKLQDQ, to, to, to);
        break;
    case KP_WASM_OP_V128_LOAD32_SPLAT:
        kp_sse_rm(c, OP_MOVSS_LOAD, to, mem);
        kp_vec_unary_imm(c, OP_PSHUFD, to, to, 0);
        break;
    case KP_WASM_OP_V128_LOAD64_SPLAT:
        kp_sse_rm(c, 0x12u | MAP_0F | PF2, to, mem); /* movddup */
        break;
    case KP_WASM_OP_V128_LOAD32_ZERO:
        kp_sse_rm(c, OP_MOVSS_LOAD, to, mem);
        break;
    case KP_WASM_OP_V128_LOAD64_ZERO:
        kp_sse_rm(c, OP_MOVSD_LOAD, to, mem);
        break;
    default:
        kp_sse_rm(c, extends[opcode - KP_WASM_OP_V128_LOAD8X8_S], to, mem);
    }
}

static void op_load_lane(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    unsigned log = kp_wasm_opcode_info[instruction->opcode].argument, taken;
    kp_value_t vector = kp_stack_pop(c), index = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &vector);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, &vector);
    kp_mem_t mem = kp_memory_address(c, instruction, &index, 1u << log, &taken);
    kp_sse_rrm(c, inserts[log], to, from, mem);
    kp_asm_u8(&c->code, instruction->lane);
    drop_taken(c, taken);
    kp_value_release(c, &index);
    kp_stack_push_result(c, KP_WASM_TYPE_V128, to, &vector, NULL);
}

static void op_store(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, bool lane)
{
    unsigned log = kp_wasm_opcode_info[instruction->opcode].argument, taken;
    kp_value_t vector = kp_stack_pop(c), index = kp_stack_pop(c);
    unsigned from = kp_value_xmm(c, &vector);
    kp_mem_t mem = kp_memory_address(c, instruction, &index, 1u << log, &taken);
    kp_sse_rm(c, lane ? extracts[log] : OP_MOVUPS_STORE, from, mem);
    if (lane)
        kp_asm_u8(&c->code, instruction->lane);
    drop_taken(c, taken);
    kp_value_release(c, &index);
    kp_value_release(c, &vector);
}

void kp_op_simd_memory(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    if (opcode == KP_WASM_OP_V128_STORE ||
        (opcode >= KP_WASM_OP_V128_STORE8_LANE && opcode <= KP_WASM_OP_V128_STORE64_LANE)) {
        op_store(c, instruction, opcode != KP_WASM_OP_V128_STORE);
        return;
    }
    if (opcode >= KP_WASM_OP_V128_LOAD8_LANE && opcode <= KP_WASM_OP_V128_LOAD64_LANE) {
        op_load_lane(c, instruction);
        return;
    }
    unsigned log = kp_wasm_opcode_info[opcode].argument, taken;
    kp_value_t index = kp_stack_pop(c);
    unsigned to = kp_result_place(c, instruction, KP_WASM_TYPE_V128, NULL);
    kp_mem_t mem = kp_memory_address(c, instruction, &index, 1u << log, &taken);
    load_emit(c, opcode, to, mem);
    drop_taken(c, taken);
    kp_value_release(c, &index);
    kp_stack_push_reg(c, KP_WASM_TYPE_V128, to);
}
