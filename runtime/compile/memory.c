/* Loads and stores.

   Guarded memories: base + index + offset, nothing checked; the reservation holds all that a 32-bit
   index and offset can name. Checked ones (windows in another module's memory, 64-bit indices): the
   access's end is compared with the size, and the access made relative to that end, unless the address is
   constant and inside the least size, or relative to a local that was checked that far before.

   Spectre: the compare can be speculated past, so a checked access may transiently read outside its
   window. What lies there belongs to the same process: the tab that the page's module runs in, which is
   its security boundary (docs/security.md); so no masking is done. br_table indices are clamped by a
   conditional move, which is not speculated. */
#include "runtime/compile/internal.h"

enum { CHECKS = 4 };

void kp_memory_forget(kp_compiler_t *c, uint32_t local)
{
    for (uint32_t i = 0; i < CHECKS && i < c->check_count; i++)
        if (c->checks[i].local == local)
            c->checks[i].local = KP_WASM_NO_INDEX;
}

/* Has an access relative to the local reached that far? */
static bool was_checked(const kp_compiler_t *c, uint32_t memory, uint32_t local, uint64_t end)
{
    for (uint32_t i = 0; i < CHECKS && i < c->check_count; i++)
        if (c->checks[i].local == local && c->checks[i].memory == memory && c->checks[i].end >= end)
            return true;
    return false;
}

static void checked(kp_compiler_t *c, uint32_t memory, uint32_t local, uint64_t end)
{
    uint32_t i = c->check_count++ % CHECKS;
    c->checks[i].local = local;
    c->checks[i].memory = memory;
    c->checks[i].end = (uint32_t)end;
}

/* The base of a checked memory for an access that needs no check. */
static unsigned base_unchecked(kp_compiler_t *c, uint32_t memory, kp_mem_t meminst, unsigned *taken)
{
    if (memory == 0)
        return REG_MEMORY;
    *taken = kp_gpr_take(c);
    kp_asm_load(&c->code, W, *taken, meminst);
    kp_asm_load(&c->code, W, *taken, kp_mem(*taken, 0));
    return *taken;
}

kp_mem_t kp_memory_address(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                           kp_value_t *index, unsigned width, unsigned *taken)
{
    uint32_t memory = instruction->index;
    uint64_t offset = instruction->value;
    bool is_64 = c->module->memories[memory].size.is_64;
    bool guarded = (c->options.flags & KP_WASM_COMPILE_GUARDED) && !is_64;
    unsigned base = REG_MEMORY;
    kp_mem_t meminst = kp_mem(REG_INSTANCE, (int32_t)(c->layout.memories + 8 * memory));
    *taken = NO_REG;
    if (guarded) {
        if (memory != 0) {
            base = *taken = kp_gpr_take(c);
            kp_asm_load(&c->code, W, base, meminst);
            kp_asm_load(&c->code, W, base, kp_mem(base, 0));
        }
        if (index->place == PLACE_CONSTANT) {
            uint64_t at = (uint32_t)index->bits + offset;
            if (at <= INT32_MAX)
                return kp_mem(base, (int32_t)at);
            kp_asm_mov_imm(&c->code, REG_SCRATCH, at);
            return kp_mem_index(base, REG_SCRATCH, 0, 0);
        }
        unsigned reg = kp_value_gpr(c, index);
        if (offset <= INT32_MAX)
            return kp_mem_index(base, reg, 0, (int32_t)offset);
        kp_asm_mov_imm(&c->code, REG_SCRATCH, offset);
        kp_asm_alu(&c->code, W, ALU_ADD, REG_SCRATCH, reg);
        return kp_mem_index(base, REG_SCRATCH, 0, 0);
    }
    uint64_t end = offset + width;
    uint32_t local = KP_WASM_NO_INDEX;
    if (!is_64 && end <= INT32_MAX) {
        uint64_t least = c->module->memories[memory].size.minimum * 65536;
        if (index->place == PLACE_CONSTANT && (uint32_t)index->bits + end <= least &&
            (uint32_t)index->bits + end <= INT32_MAX) {
            int32_t at = (int32_t)((uint32_t)index->bits + offset);
            return kp_mem(base_unchecked(c, memory, meminst, taken), at);
        }
        if (index->place == PLACE_LOCAL) {
            local = index->local;
            if (was_checked(c, memory, local, end)) {
                unsigned reg = kp_value_gpr(c, index);
                return kp_mem_index(base_unchecked(c, memory, meminst, taken), reg, 0,
                                    (int32_t)offset);
            }
        }
    }
    unsigned reg = kp_value_gpr(c, index);
    unsigned pointer = *taken = kp_gpr_take(c);
    if (end < offset) {
        kp_asm_alu_imm(&c->code, W, ALU_CMP, reg, 0);
        kp_trap_if(c, CC_AE, KP_WASM_TRAP_MEMORY_BOUNDS);
        end = width;
    }
    if (!is_64 && end <= INT32_MAX) {
        kp_asm_rm(&c->code, OP_LEA | W, REG_SCRATCH, kp_mem(reg, (int32_t)end));
    } else {
        kp_asm_mov_imm(&c->code, REG_SCRATCH, end);
        kp_asm_alu(&c->code, W, ALU_ADD, REG_SCRATCH, reg);
        if (is_64)
            kp_trap_if(c, CC_B, KP_WASM_TRAP_MEMORY_BOUNDS);
    }
    kp_asm_load(&c->code, W, pointer, meminst);
    kp_asm_alu_mem(&c->code, W, ALU_CMP, REG_SCRATCH, kp_mem(pointer, 8));
    kp_trap_if(c, CC_A, KP_WASM_TRAP_MEMORY_BOUNDS);
    if (local != KP_WASM_NO_INDEX)
        checked(c, memory, local, end);
    if (memory != 0) {
        base = pointer;
        kp_asm_load(&c->code, W, base, kp_mem(pointer, 0));
    } else {
        kp_gpr_drop(c, pointer);
        *taken = NO_REG;
    }
    /* The index is in the scratch register's sum now. */
    kp_value_release(c, index);
    index->place = PLACE_CONSTANT;
    return kp_mem_index(base, REG_SCRATCH, 0, -(int32_t)width);
}

static void drop_taken(kp_compiler_t *c, unsigned taken)
{
    if (taken != NO_REG)
        kp_gpr_drop(c, taken);
}

static void op_load(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    static const uint32_t ops[] = {
        OP_MOV_LOAD, OP_MOV_LOAD | W, 0,
        0,           OP_MOVSX8,       OP_MOVZX8,
        OP_MOVSX16,  OP_MOVZX16,      OP_MOVSX8 | W,
        OP_MOVZX8,   OP_MOVSX16 | W,  OP_MOVZX16,
        OP_MOVSXD,   OP_MOV_LOAD,
    };
    const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[instruction->opcode];
    kp_wasm_type_t type = info->push;
    unsigned taken;
    kp_value_t index = kp_stack_pop(c);
    kp_mem_t mem = kp_memory_address(c, instruction, &index, 1u << info->argument, &taken);
    unsigned to = kp_result_place(c, instruction, type, &index);
    if (kp_type_is_xmm(type))
        kp_sse_rm(c, type == KP_WASM_TYPE_F64 ? OP_MOVSD_LOAD : OP_MOVSS_LOAD, to, mem);
    else /* without R8L: the register is the result, not a byte */
        kp_asm_rm(&c->code, ops[instruction->opcode - KP_WASM_OP_I32_LOAD] & ~(uint32_t)R8L, to,
                  mem);
    drop_taken(c, taken);
    kp_stack_push_result(c, type, to, &index, NULL);
}

static void op_store(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    unsigned log = kp_wasm_opcode_info[instruction->opcode].argument, taken;
    kp_value_t value = kp_stack_pop(c), index = kp_stack_pop(c);
    bool xmm = kp_type_is_xmm(value.type);
    bool constant = value.place == PLACE_CONSTANT &&
                    (xmm ? log == 2 || value.bits == 0 : log < 3 || kp_value_is_imm(&value));
    if (!constant && xmm && value.place == PLACE_CONSTANT) {
        /* As an integer. */
        value.type = log == 3 ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32;
        xmm = false;
    }
    if (!constant && xmm)
        kp_value_xmm(c, &value);
    else if (!constant)
        kp_value_gpr(c, &value);
    kp_mem_t mem = kp_memory_address(c, instruction, &index, 1u << log, &taken);
    if (constant) {
        if (log == 1)
            kp_asm_u8(&c->code, 0x66);
        kp_asm_rm(&c->code, (log == 0 ? 0xc6u : 0xc7u) | (log == 3 ? W : 0), 0, mem);
        if (log == 0)
            kp_asm_u8(&c->code, (uint8_t)value.bits);
        else if (log == 1) {
            kp_asm_u8(&c->code, (uint8_t)value.bits);
            kp_asm_u8(&c->code, (uint8_t)(value.bits >> 8));
        } else {
            kp_asm_u32(&c->code, (uint32_t)value.bits);
        }
    } else if (xmm) {
        kp_sse_rm(c, log == 3 ? OP_MOVSD_STORE : OP_MOVSS_STORE, kp_value_xmm(c, &value), mem);
    } else {
        uint32_t op = log == 0   ? 0x88u | R8L
                      : log == 1 ? 0x89u | P66
                      : log == 2 ? 0x89u
                                 : 0x89u | W;
        kp_asm_rm(&c->code, op, kp_value_gpr(c, &value), mem);
    }
    drop_taken(c, taken);
    kp_value_release(c, &value);
    kp_value_release(c, &index);
}

void kp_op_memory(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    if (instruction->opcode < KP_WASM_OP_I32_STORE)
        op_load(c, instruction);
    else
        op_store(c, instruction);
}
