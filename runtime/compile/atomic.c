/* Atomic accesses. x86's ordinary loads and stores of natural alignment are atomic, and its loads and
   locked instructions are sequentially consistent already; a store needs the fence that xchg is. */
#include "runtime/compile/internal.h"

/* The address. First of all it must be a multiple of `width`: an address that is not traps so wherever it
   lies. */
static kp_mem_t atomic_address(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                               kp_value_t *index, unsigned width, unsigned *taken)
{
    if (width > 1) {
        unsigned reg = kp_value_gpr(c, index), low = (unsigned)instruction->value & (width - 1);
        if (low) {
            kp_asm_rm(&c->code, OP_LEA, REG_SCRATCH, kp_mem(reg, (int32_t)low));
            reg = REG_SCRATCH;
        }
        kp_asm_rr(&c->code, 0xf6u | R8L, 0, reg);
        kp_asm_u8(&c->code, width - 1);
        kp_trap_if(c, CC_NE, KP_WASM_TRAP_UNALIGNED_ATOMIC);
    }
    return kp_memory_address(c, instruction, index, width, taken);
}

/* `op` with the prefix and width of the access; byte operations have the opcode below. */
static void access_emit(kp_compiler_t *c, bool lock, uint32_t op, unsigned log, unsigned reg,
                        kp_mem_t mem)
{
    if (lock)
        kp_asm_u8(&c->code, 0xf0);
    if (log == 0)
        op = (op - 1) | R8L;
    else if (log == 1)
        op |= P66;
    else if (log == 3)
        op |= W;
    kp_asm_rm(&c->code, op, reg, mem);
}

/* What the narrow instruction left in the register, zero-extended. */
static void narrow(kp_compiler_t *c, unsigned log, unsigned reg)
{
    if (log == 0)
        kp_asm_rr(&c->code, OP_MOVZX8, reg, reg);
    else if (log == 1)
        kp_asm_rr(&c->code, OP_MOVZX16, reg, reg);
    else if (log == 2)
        kp_asm_mov(&c->code, 0, reg, reg);
}

static void drop_taken(kp_compiler_t *c, unsigned taken)
{
    if (taken != NO_REG)
        kp_gpr_drop(c, taken);
}

static void op_load(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, unsigned log)
{
    unsigned taken;
    kp_value_t index = kp_stack_pop(c);
    kp_mem_t mem = atomic_address(c, instruction, &index, 1u << log, &taken);
    kp_wasm_type_t type = kp_wasm_opcode_info[instruction->opcode].push;
    unsigned to = kp_result_place(c, instruction, type, &index);
    static const uint32_t ops[] = {0xb6u | MAP_0F, OP_MOVZX16, OP_MOV_LOAD, OP_MOV_LOAD | W};
    kp_asm_rm(&c->code, ops[log], to, mem);
    drop_taken(c, taken);
    kp_stack_push_result(c, type, to, &index, NULL);
}

static void op_store(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, unsigned log)
{
    unsigned taken;
    kp_value_t value = kp_stack_pop(c), index = kp_stack_pop(c);
    unsigned reg = kp_value_own_gpr(c, &value);
    kp_mem_t mem = atomic_address(c, instruction, &index, 1u << log, &taken);
    access_emit(c, false, OP_XCHG, log, reg, mem);
    drop_taken(c, taken);
    kp_value_release(c, &value);
    kp_value_release(c, &index);
}

enum { RMW_ADD, RMW_SUB, RMW_AND, RMW_OR, RMW_XOR, RMW_XCHG };

static void op_rmw(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, unsigned log,
                   unsigned rmw)
{
    unsigned taken;
    kp_wasm_type_t type = kp_wasm_opcode_info[instruction->opcode].push;
    kp_value_t value = kp_stack_pop(c), index = kp_stack_pop(c);
    if (rmw == RMW_ADD || rmw == RMW_SUB || rmw == RMW_XCHG) {
        unsigned reg = kp_value_own_gpr(c, &value);
        kp_mem_t mem = atomic_address(c, instruction, &index, 1u << log, &taken);
        if (rmw == RMW_SUB)
            kp_asm_rr(&c->code, 0xf7u | W, 3, reg); /* neg */
        access_emit(c, rmw != RMW_XCHG, rmw == RMW_XCHG ? OP_XCHG : 0xc1u | MAP_0F, log, reg, mem);
        narrow(c, log, reg);
        drop_taken(c, taken);
        kp_value_release(c, &index);
        kp_stack_push_reg(c, type, reg);
        return;
    }
    /* A loop of compare and exchange, the old value in rax. The address moves to the scratch register,
       which leaves a temporary for the new value. */
    kp_gpr_claim(c, RAX, &value, &index);
    unsigned operand = kp_value_gpr(c, &value);
    kp_mem_t mem = atomic_address(c, instruction, &index, 1u << log, &taken);
    if (mem.index != REG_SCRATCH) { /* width 1: make it the same shape */
        if (mem.index == NO_REG)
            kp_asm_mov_imm(&c->code, REG_SCRATCH, (uint32_t)mem.disp);
        else
            kp_asm_rm(&c->code, OP_LEA | W, REG_SCRATCH, kp_mem(mem.index, mem.disp));
        mem = kp_mem_index(mem.base, REG_SCRATCH, 0, 0);
    }
    kp_value_release(c, &index);
    index.place = PLACE_CONSTANT;
    unsigned next = kp_gpr_take(c);
    static const uint32_t loads[] = {0xb6u | MAP_0F, OP_MOVZX16, OP_MOV_LOAD, OP_MOV_LOAD | W};
    kp_asm_rm(&c->code, loads[log], RAX, mem);
    uint32_t again = kp_asm_here(&c->code);
    kp_asm_mov(&c->code, W, next, RAX);
    kp_asm_alu(&c->code, W,
               rmw == RMW_AND  ? ALU_AND
               : rmw == RMW_OR ? ALU_OR
                               : ALU_XOR,
               next, operand);
    access_emit(c, true, 0xb1u | MAP_0F, log, next, mem);
    kp_asm_jcc_to(&c->code, CC_NE, again);
    narrow(c, log, RAX);
    kp_gpr_drop(c, next);
    drop_taken(c, taken);
    kp_value_release(c, &value);
    kp_stack_push_reg(c, type, RAX);
}

static void op_cmpxchg(kp_compiler_t *c, const kp_wasm_instruction_t *instruction, unsigned log)
{
    unsigned taken;
    kp_wasm_type_t type = kp_wasm_opcode_info[instruction->opcode].push;
    kp_value_t next = kp_stack_pop(c), expected = kp_stack_pop(c), index = kp_stack_pop(c);
    bool in_place = expected.place == PLACE_REGISTER && expected.reg == RAX;
    if (!in_place) {
        kp_gpr_claim(c, RAX, &next, &index);
        kp_value_move_gpr(c, &expected, RAX);
        kp_value_release(c, &expected);
    }
    unsigned reg = kp_value_gpr(c, &next);
    kp_mem_t mem = atomic_address(c, instruction, &index, 1u << log, &taken);
    /* Narrow ones compare only that much of the expectation, as the proposal's overview has it. */
    access_emit(c, true, 0xb1u | MAP_0F, log, reg, mem);
    narrow(c, log, RAX);
    drop_taken(c, taken);
    kp_value_release(c, &next);
    kp_value_release(c, &index);
    kp_stack_push_reg(c, type, RAX);
}

/* memory.atomic.notify, wait32, wait64: a helper, whose result has a trap in its upper half. */
static void op_wait(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                    kp_wasm_helper_t helper, unsigned arguments)
{
    uint64_t offset = instruction->value;
    if (offset) {
        /* Address and offset are added up here. A sum beyond 64 bits is out of bounds, but the helper looks at
           alignment first: it gets the last place with the sum's low bits. */
        kp_value_t rest[2];
        for (unsigned i = arguments - 1; i > 0; i--)
            rest[i - 1] = kp_stack_pop(c);
        kp_value_t address = kp_stack_pop(c);
        unsigned reg = kp_value_own_gpr(c, &address);
        kp_asm_mov_imm(&c->code, REG_SCRATCH, offset);
        kp_asm_alu(&c->code, W, ALU_ADD, reg, REG_SCRATCH);
        kp_asm_alu(&c->code, W, ALU_SBB, REG_SCRATCH, REG_SCRATCH);
        kp_asm_alu_imm(&c->code, W, ALU_AND, REG_SCRATCH, -8);
        kp_asm_alu(&c->code, W, ALU_OR, reg, REG_SCRATCH);
        kp_stack_push_reg(c, KP_WASM_TYPE_I64, reg);
        for (unsigned i = 0; i + 1 < arguments; i++) {
            unsigned other = kp_value_own_gpr(c, &rest[i]);
            kp_stack_push_reg(c, rest[i].type, other);
        }
    }
    uint64_t extra[1] = {instruction->index};
    kp_call_helper(c, helper, extra, 1, arguments);
    kp_asm_mov(&c->code, W, RDX, RAX);
    kp_asm_shift_imm(&c->code, W, SHIFT_SHR, RDX, 32);
    kp_asm_mov(&c->code, 0, RCX, RAX);
    kp_asm_mov(&c->code, 0, RAX, RDX);
    kp_call_trap_if_eax(c);
    kp_gpr_claim(c, RAX, NULL, NULL);
    kp_asm_mov(&c->code, 0, RAX, RCX);
    kp_stack_push_reg(c, KP_WASM_TYPE_I32, RAX);
}

void kp_op_atomic(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    unsigned log = kp_wasm_opcode_info[opcode].argument;
    switch (opcode) {
    case KP_WASM_OP_MEMORY_ATOMIC_NOTIFY:
        op_wait(c, instruction, KP_WASM_HELPER_ATOMIC_NOTIFY, 2);
        return;
    case KP_WASM_OP_MEMORY_ATOMIC_WAIT32:
        op_wait(c, instruction, KP_WASM_HELPER_ATOMIC_WAIT32, 3);
        return;
    case KP_WASM_OP_MEMORY_ATOMIC_WAIT64:
        op_wait(c, instruction, KP_WASM_HELPER_ATOMIC_WAIT64, 3);
        return;
    case KP_WASM_OP_ATOMIC_FENCE:
        kp_asm_u8(&c->code, 0x0f); /* mfence */
        kp_asm_u8(&c->code, 0xae);
        kp_asm_u8(&c->code, 0xf0);
        return;
    default:
        break;
    }
    if (opcode < KP_WASM_OP_I32_ATOMIC_STORE)
        op_load(c, instruction, log);
    else if (opcode < KP_WASM_OP_I32_ATOMIC_RMW_ADD)
        op_store(c, instruction, log);
    else if (opcode < KP_WASM_OP_I32_ATOMIC_RMW_CMPXCHG)
        op_rmw(c, instruction, log, (opcode - KP_WASM_OP_I32_ATOMIC_RMW_ADD) / 7u);
    else
        op_cmpxchg(c, instruction, log);
}
