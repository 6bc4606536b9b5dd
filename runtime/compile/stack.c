/* The operand stack at compile time: where each value is, and which register belongs to whom. Nothing is
   moved before it must be: constants and locals stay what they are, results stay in registers. */
#include "runtime/compile/internal.h"

kp_mem_t kp_slot(kp_compiler_t *c, uint32_t index)
{
    if (index >= c->slot_maximum)
        c->slot_maximum = index + 1;
    return kp_mem(RBP, -(int32_t)(c->frame_fixed + c->slot_size * (index + 1)));
}

/* ---- registers ---- */

/* Stores the stack value that owns the register of `bit` to its slot. */
static void owner_spill(kp_compiler_t *c, unsigned bit)
{
    kp_value_t *value = &c->stack[c->owner[bit]];
    kp_value_store(c, value, kp_slot(c, value->slot));
    value->place = PLACE_SLOT;
    c->free |= 1u << bit;
}

static unsigned take(kp_compiler_t *c, uint32_t class)
{
    uint32_t free = c->free & class;
    if (!free) {
        /* The deepest value is needed last. */
        unsigned best = 0;
        uint32_t deepest = OWNER_NONE;
        for (uint32_t left = c->temporaries & class; left; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctz(left);
            if (c->owner[bit] < deepest) {
                deepest = c->owner[bit];
                best = bit;
            }
        }
        if (deepest == OWNER_NONE) {
            /* An instruction that wants more than there are: a fault of ours, never the input's. */
            c->status = KP_ERR_BAD_STATE;
            return (unsigned)__builtin_ctz(c->temporaries & class) & 15;
        }
        owner_spill(c, best);
        free = 1u << best;
    }
    unsigned bit = (unsigned)__builtin_ctz(free);
    c->free &= ~(1u << bit);
    c->owner[bit] = OWNER_NONE;
    return bit & 15;
}

unsigned kp_gpr_take(kp_compiler_t *c)
{
    return take(c, 0xffff);
}

unsigned kp_xmm_take(kp_compiler_t *c)
{
    return take(c, 0xffff0000);
}

unsigned kp_reg_take(kp_compiler_t *c, kp_wasm_type_t type)
{
    return kp_type_is_xmm(type) ? kp_xmm_take(c) : kp_gpr_take(c);
}

void kp_gpr_drop(kp_compiler_t *c, unsigned reg)
{
    c->free |= GPR_BIT(reg) & c->temporaries;
}

void kp_xmm_drop(kp_compiler_t *c, unsigned reg)
{
    c->free |= XMM_BIT(reg) & c->temporaries;
}

void kp_value_release(kp_compiler_t *c, const kp_value_t *value)
{
    if (value->place == PLACE_REGISTER)
        c->free |= kp_reg_bit(value->type, value->reg) & c->temporaries;
}

/* Makes the temporary of `bit` free for the caller. */
static void claim(kp_compiler_t *c, unsigned bit, kp_value_t *a, kp_value_t *b)
{
    uint32_t mask = 1u << bit;
    if (!(c->free & mask)) {
        uint32_t class = bit < 16 ? 0xffff : 0xffff0000;
        kp_value_t *value = NULL;
        if (c->owner[bit] != OWNER_NONE)
            value = &c->stack[c->owner[bit]];
        else if (a && a->place == PLACE_REGISTER && kp_reg_bit(a->type, a->reg) == mask)
            value = a;
        else if (b && b->place == PLACE_REGISTER && kp_reg_bit(b->type, b->reg) == mask)
            value = b;
        if (!value) {
            c->status = KP_ERR_BAD_STATE;
            return;
        }
        if (!(c->free & class) && c->owner[bit] != OWNER_NONE) {
            owner_spill(c, bit);
        } else {
            uint32_t owner = c->owner[bit];
            unsigned to = take(c, class);
            if (bit < 16) {
                kp_asm_mov(&c->code, W, to, bit);
                c->owner[to] = owner;
            } else {
                kp_sse_rr(c, OP_MOVAPS, to, bit & 15);
                c->owner[to + 16] = owner;
            }
            value->reg = (uint8_t)to;
        }
    }
    c->free &= ~mask;
    c->owner[bit] = OWNER_NONE;
}

void kp_gpr_claim(kp_compiler_t *c, unsigned reg, kp_value_t *a, kp_value_t *b)
{
    claim(c, reg, a, b);
}

void kp_xmm_claim(kp_compiler_t *c, unsigned reg)
{
    claim(c, reg + 16, NULL, NULL);
}

/* ---- pushing and popping ---- */

static kp_value_t *push(kp_compiler_t *c, kp_place_t place, kp_wasm_type_t type)
{
    if (c->height == c->stack_capacity) {
        uint32_t capacity = c->stack_capacity ? c->stack_capacity * 2 : 256;
        kp_wasm_allocator_t *allocator = &c->options.allocator;
        kp_value_t *stack =
            allocator->resize(allocator->context, c->stack, c->stack_capacity * sizeof *stack,
                              capacity * sizeof *stack);
        if (!stack) {
            /* The instruction is lost; the visit ends after it, nothing looks at the stack again. */
            c->status = KP_ERR_NO_MEMORY;
            c->height--;
        } else {
            c->stack = stack;
            c->stack_capacity = capacity;
        }
    }
    kp_value_t *value = &c->stack[c->height];
    *value = (kp_value_t){.place = (uint8_t)place, .type = type, .slot = c->height++};
    return value;
}

void kp_stack_push_reg(kp_compiler_t *c, kp_wasm_type_t type, unsigned reg)
{
    push(c, PLACE_REGISTER, type)->reg = (uint8_t)reg;
    c->owner[reg + (kp_type_is_xmm(type) ? 16 : 0)] = c->height - 1;
}

void kp_stack_push_constant(kp_compiler_t *c, kp_wasm_type_t type, uint64_t bits)
{
    push(c, PLACE_CONSTANT, type)->bits = bits;
}

void kp_stack_push_local(kp_compiler_t *c, uint32_t local)
{
    kp_local_t *from = &c->locals[local];
    kp_value_t *value = push(c, PLACE_LOCAL, from->type);
    value->local = local;
    value->previous = from->aliases;
    from->aliases = c->height;
}

void kp_stack_push_slot(kp_compiler_t *c, kp_wasm_type_t type)
{
    push(c, PLACE_SLOT, type);
    kp_slot(c, c->height - 1);
}

void kp_stack_push_flags(kp_compiler_t *c, unsigned cc)
{
    push(c, PLACE_FLAGS, KP_WASM_TYPE_I32)->reg = (uint8_t)cc;
    c->flags_pending = true;
}

/* The next alias of the local below this one; those that became slots end the chain. */
static uint32_t alias_below(const kp_compiler_t *c, const kp_value_t *value)
{
    if (value->previous == 0)
        return 0;
    const kp_value_t *below = &c->stack[value->previous - 1];
    return below->place == PLACE_LOCAL && below->local == value->local ? value->previous : 0;
}

kp_value_t kp_stack_pop(kp_compiler_t *c)
{
    kp_value_t value = c->stack[--c->height];
    if (c->flushed > c->height)
        c->flushed = c->height;
    if (value.place == PLACE_LOCAL)
        c->locals[value.local].aliases = alias_below(c, &value);
    else if (value.place == PLACE_REGISTER)
        c->owner[value.reg + (kp_type_is_xmm(value.type) ? 16 : 0)] = OWNER_NONE;
    else if (value.place == PLACE_FLAGS)
        c->flags_pending = false;
    return value;
}

void kp_stack_truncate(kp_compiler_t *c, uint32_t height)
{
    while (c->height > height) {
        /* Slots and constants own nothing. */
        if (c->stack[c->height - 1].place <= PLACE_CONSTANT) {
            c->height--;
            continue;
        }
        kp_value_t value = kp_stack_pop(c);
        kp_value_release(c, &value);
    }
    if (c->flushed > c->height)
        c->flushed = c->height;
}

/* ---- values ---- */

bool kp_value_in_memory(const kp_compiler_t *c, const kp_value_t *value)
{
    return value->place == PLACE_SLOT ||
           (value->place == PLACE_LOCAL && c->locals[value->local].reg == NO_REG);
}

kp_mem_t kp_value_memory(const kp_compiler_t *c, const kp_value_t *value)
{
    if (value->place == PLACE_LOCAL)
        return kp_mem(RBP, c->locals[value->local].home);
    return kp_mem(RBP, -(int32_t)(c->frame_fixed + c->slot_size * (value->slot + 1)));
}

bool kp_value_is_imm(const kp_value_t *value)
{
    return value->place == PLACE_CONSTANT &&
           (value->type == KP_WASM_TYPE_I32 || (int64_t)value->bits == (int32_t)value->bits);
}

static void load_xmm(kp_compiler_t *c, kp_wasm_type_t type, unsigned reg, kp_mem_t mem)
{
    kp_sse_rm(c,
              type == KP_WASM_TYPE_F32   ? OP_MOVSS_LOAD
              : type == KP_WASM_TYPE_F64 ? OP_MOVSD_LOAD
                                         : OP_MOVUPS_LOAD,
              reg, mem);
}

void kp_value_move_gpr(kp_compiler_t *c, const kp_value_t *value, unsigned reg)
{
    uint32_t wide = kp_type_wide(value->type);
    switch (value->place) {
    case PLACE_CONSTANT:
        kp_asm_mov_imm(&c->code, reg, wide ? value->bits : (uint32_t)value->bits);
        break;
    case PLACE_REGISTER:
        if (value->reg != reg)
            kp_asm_mov(&c->code, wide, reg, value->reg);
        break;
    case PLACE_LOCAL:
        if (c->locals[value->local].reg != NO_REG) {
            kp_locals_load(c, value->local);
            if (c->locals[value->local].reg != reg)
                kp_asm_mov(&c->code, wide, reg, c->locals[value->local].reg);
            break;
        }
        /* fall through */
    default:
        kp_asm_load(&c->code, wide, reg, kp_value_memory(c, value));
    }
}

void kp_value_move_xmm(kp_compiler_t *c, const kp_value_t *value, unsigned reg)
{
    switch (value->place) {
    case PLACE_CONSTANT:
        if (value->bits == 0) {
            kp_sse_rrr(c, OP_XORPS, reg, reg, reg);
        } else {
            kp_asm_mov_imm(&c->code, REG_SCRATCH, value->bits);
            kp_sse_rr(c, OP_MOVD_TO | kp_type_wide(value->type), reg, REG_SCRATCH);
        }
        break;
    case PLACE_REGISTER:
        if (value->reg != reg)
            kp_sse_rr(c, OP_MOVAPS, reg, value->reg);
        break;
    case PLACE_LOCAL:
        if (c->locals[value->local].reg != NO_REG) {
            kp_locals_load(c, value->local);
            if (c->locals[value->local].reg != reg)
                kp_sse_rr(c, OP_MOVAPS, reg, c->locals[value->local].reg);
            break;
        }
        /* fall through */
    default:
        load_xmm(c, value->type, reg, kp_value_memory(c, value));
    }
}

unsigned kp_value_own_gpr(kp_compiler_t *c, kp_value_t *value)
{
    if (value->place == PLACE_REGISTER && (c->temporaries & GPR_BIT(value->reg)))
        return value->reg;
    unsigned reg = kp_gpr_take(c);
    kp_value_move_gpr(c, value, reg);
    value->place = PLACE_REGISTER;
    value->reg = (uint8_t)reg;
    return reg;
}

unsigned kp_value_own_xmm(kp_compiler_t *c, kp_value_t *value)
{
    if (value->place == PLACE_REGISTER && (c->temporaries & XMM_BIT(value->reg)))
        return value->reg;
    unsigned reg = kp_xmm_take(c);
    kp_value_move_xmm(c, value, reg);
    value->place = PLACE_REGISTER;
    value->reg = (uint8_t)reg;
    return reg;
}

unsigned kp_value_gpr(kp_compiler_t *c, kp_value_t *value)
{
    if (value->place == PLACE_LOCAL && c->locals[value->local].reg != NO_REG) {
        kp_locals_load(c, value->local);
        return c->locals[value->local].reg;
    }
    return kp_value_own_gpr(c, value);
}

unsigned kp_value_xmm(kp_compiler_t *c, kp_value_t *value)
{
    if (value->place == PLACE_LOCAL && c->locals[value->local].reg != NO_REG) {
        kp_locals_load(c, value->local);
        return c->locals[value->local].reg;
    }
    return kp_value_own_xmm(c, value);
}

void kp_value_store(kp_compiler_t *c, const kp_value_t *value, kp_mem_t mem)
{
    uint32_t wide = kp_type_wide(value->type);
    unsigned reg = value->reg;
    switch (value->place) {
    case PLACE_CONSTANT:
        if (value->type != KP_WASM_TYPE_V128 &&
            (!wide || (int64_t)value->bits == (int32_t)value->bits)) {
            kp_asm_rm(&c->code, 0xc7 | wide, 0, mem);
            kp_asm_u32(&c->code, (uint32_t)value->bits);
        } else if (value->type != KP_WASM_TYPE_V128) {
            kp_asm_mov_imm(&c->code, REG_SCRATCH, value->bits);
            kp_asm_store(&c->code, W, mem, REG_SCRATCH);
        } else { /* the only vector constant kept as such is zero */
            kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
            kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, mem);
        }
        return;
    case PLACE_LOCAL:
        if (c->locals[value->local].reg != NO_REG) {
            kp_locals_load(c, value->local);
            reg = c->locals[value->local].reg;
            break;
        }
        /* fall through */
    case PLACE_SLOT:
        if (value->type == KP_WASM_TYPE_V128) {
            kp_sse_rm(c, OP_MOVUPS_LOAD, X_SCRATCH, kp_value_memory(c, value));
            kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, mem);
        } else {
            kp_asm_load(&c->code, wide, REG_SCRATCH, kp_value_memory(c, value));
            kp_asm_store(&c->code, wide, mem, REG_SCRATCH);
        }
        return;
    default:
        break;
    }
    if (!kp_type_is_xmm(value->type))
        kp_asm_store(&c->code, wide, mem, reg);
    else
        kp_sse_rm(c,
                  value->type == KP_WASM_TYPE_F32   ? OP_MOVSS_STORE
                  : value->type == KP_WASM_TYPE_F64 ? OP_MOVSD_STORE
                                                    : OP_MOVUPS_STORE,
                  reg, mem);
}

/* ---- hints ---- */

unsigned kp_stack_hint(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                       kp_wasm_type_t type)
{
    /* The bytes ahead are not validated yet: nothing may be believed but what is checked here. */
    uint32_t left = c->visitor->code_end - instruction->next;
    const uint8_t *at = c->module->bytes + instruction->next;
    if (left < 2 || (at[0] != KP_WASM_OP_LOCAL_SET && at[0] != KP_WASM_OP_LOCAL_TEE))
        return NO_REG;
    uint32_t index = at[1] & 0x7f;
    if (at[1] & 0x80) {
        if (left < 3 || at[2] & 0x80)
            return NO_REG;
        index |= (uint32_t)at[2] << 7;
    }
    if (index >= c->local_count)
        return NO_REG;
    const kp_local_t *local = &c->locals[index];
    return local->type == type && local->aliases == 0 ? local->reg : NO_REG;
}

unsigned kp_result_place(kp_compiler_t *c, const kp_wasm_instruction_t *instruction,
                         kp_wasm_type_t type, const kp_value_t *a)
{
    unsigned hint = kp_stack_hint(c, instruction, type);
    if (hint != NO_REG)
        return hint;
    if (a && a->place == PLACE_REGISTER && kp_type_is_xmm(a->type) == kp_type_is_xmm(type) &&
        (c->temporaries & kp_reg_bit(type, a->reg)))
        return a->reg;
    return kp_reg_take(c, type);
}

static void release_unless(kp_compiler_t *c, const kp_value_t *value, uint32_t bit)
{
    if (value && !(value->place == PLACE_REGISTER && kp_reg_bit(value->type, value->reg) == bit))
        kp_value_release(c, value);
}

void kp_stack_push_result(kp_compiler_t *c, kp_wasm_type_t type, unsigned to, const kp_value_t *a,
                          const kp_value_t *b)
{
    release_unless(c, a, kp_reg_bit(type, to));
    release_unless(c, b, kp_reg_bit(type, to));
    kp_stack_push_reg(c, type, to);
}

/* ---- flags ---- */

void kp_stack_flags_settle(kp_compiler_t *c)
{
    if (!c->flags_pending)
        return;
    kp_value_t value = kp_stack_pop(c);
    unsigned reg = kp_gpr_take(c);
    unsigned cc = value.reg;
    if (cc == CC_FLOAT_E || cc == CC_FLOAT_NE) {
        kp_asm_rr(&c->code, OP_SETCC(cc == CC_FLOAT_E ? CC_NP : CC_P), 0, reg);
        kp_asm_rr(&c->code, OP_SETCC(cc == CC_FLOAT_E ? CC_E : CC_NE), 0, REG_SCRATCH);
        kp_asm_rr(&c->code, (cc == CC_FLOAT_E ? 0x22u : 0x0au) | R8L, reg, REG_SCRATCH);
    } else {
        kp_asm_rr(&c->code, OP_SETCC(cc), 0, reg);
    }
    kp_asm_rr(&c->code, OP_MOVZX8, reg, reg);
    kp_stack_push_reg(c, KP_WASM_TYPE_I32, reg);
}

/* ---- many at once ---- */

/* Gives value `index` its slot. Its chain of aliases is left broken at it. */
static void to_slot(kp_compiler_t *c, uint32_t index)
{
    kp_value_t *value = &c->stack[index];
    if (value->place == PLACE_SLOT)
        return;
    kp_value_store(c, value, kp_slot(c, index));
    kp_value_release(c, value);
    if (value->place == PLACE_LOCAL && c->locals[value->local].aliases == index + 1)
        c->locals[value->local].aliases = 0;
    value->place = PLACE_SLOT;
}

void kp_stack_flush(kp_compiler_t *c, uint32_t height)
{
    for (; c->flushed < height && kp_room(c, 64); c->flushed++)
        if (c->stack[c->flushed].place != PLACE_CONSTANT)
            to_slot(c, c->flushed);
    kp_room(c, KP_ROOM);
}

void kp_stack_slot_run(kp_compiler_t *c, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        if (c->stack[i].place != PLACE_SLOT && kp_room(c, 64))
            to_slot(c, i);
    kp_room(c, KP_ROOM);
}

void kp_stack_to_slots(kp_compiler_t *c, uint32_t from)
{
    kp_stack_flush(c, from);
    kp_stack_slot_run(c, from, c->height - from);
}

void kp_stack_spill_all(kp_compiler_t *c)
{
    for (uint32_t left = c->temporaries & ~c->free; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctz(left);
        if (c->owner[bit] != OWNER_NONE)
            owner_spill(c, bit);
    }
}
