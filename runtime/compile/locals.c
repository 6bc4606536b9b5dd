/* Locals: which ones live in registers for the whole function, and their homes in the frame.

   A quick look over the body, before it is validated, weighs the locals by use and loop depth; the
   heaviest are pinned to registers. Registers that calls destroy are worth it only where calls weigh
   less than the uses; a call saves those whose home is stale, and they are loaded again when next
   used. */
#include "runtime/compile/internal.h"

enum {
    DEPTH_MAXIMUM = 4096, /* block nesting followed by the weights */
    WEIGHT_LOOPS = 5,     /* loop nesting that still counts more */
};

typedef struct kp_scan {
    const uint8_t *at, *end;
    uint64_t calls;     /* weight */
    bool simd, through; /* vectors are used; calls through funcinsts */
} kp_scan_t;

static bool skip_leb(kp_scan_t *scan)
{
    while (scan->at < scan->end)
        if (*scan->at++ < 0x80)
            return true;
    return false;
}

static bool skip_lebs(kp_scan_t *scan, unsigned count)
{
    while (count > 0 && skip_leb(scan))
        count--;
    return count == 0;
}

static bool read_leb(kp_scan_t *scan, uint32_t *value)
{
    uint64_t wide = 0;
    for (unsigned shift = 0; shift < 35 && scan->at < scan->end; shift += 7) {
        uint8_t byte = *scan->at++;
        wide |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (uint32_t)wide;
            return true;
        }
    }
    return false;
}

static bool skip_bytes(kp_scan_t *scan, size_t size)
{
    if ((size_t)(scan->end - scan->at) < size)
        return false;
    scan->at += size;
    return true;
}

static bool skip_memarg(kp_scan_t *scan)
{
    uint32_t flags;
    return read_leb(scan, &flags) && (!(flags & 0x40) || skip_leb(scan)) && skip_leb(scan);
}

static bool skip_targets(kp_scan_t *scan)
{
    uint32_t count;
    if (!read_leb(scan, &count))
        return false;
    for (uint64_t left = (uint64_t)count + 1; left; left--)
        if (!skip_leb(scan))
            return false;
    return true;
}

static bool skip_catches(kp_scan_t *scan)
{
    uint32_t count;
    if (!read_leb(scan, &count))
        return false;
    for (; count; count--) {
        if (scan->at >= scan->end)
            return false;
        uint8_t kind = *scan->at++;
        if ((kind < 2 && !skip_leb(scan)) || !skip_leb(scan))
            return false;
    }
    return true;
}

/* Immediates of the instructions that the loop below does not know. */
static bool skip_immediate(kp_scan_t *scan, unsigned immediate)
{
    switch (immediate) {
    case KP_WASM_IMMEDIATE_NONE:
        return true;
    case KP_WASM_IMMEDIATE_BR_TABLE:
        return skip_targets(scan);
    case KP_WASM_IMMEDIATE_SELECT: {
        uint32_t count;
        return read_leb(scan, &count) && skip_bytes(scan, count);
    }
    case KP_WASM_IMMEDIATE_INDIRECT:
    case KP_WASM_IMMEDIATE_TABLE_TABLE:
    case KP_WASM_IMMEDIATE_ELEMENT_TABLE:
    case KP_WASM_IMMEDIATE_MEMORY_MEMORY:
    case KP_WASM_IMMEDIATE_DATA_MEMORY:
        return skip_lebs(scan, 2);
    case KP_WASM_IMMEDIATE_MEMARG:
        return skip_memarg(scan);
    case KP_WASM_IMMEDIATE_MEMARG_LANE:
        return skip_memarg(scan) && skip_bytes(scan, 1);
    case KP_WASM_IMMEDIATE_LANE:
    case KP_WASM_IMMEDIATE_FENCE:
    case KP_WASM_IMMEDIATE_HEAP_TYPE:
        return skip_bytes(scan, 1);
    case KP_WASM_IMMEDIATE_F32:
        return skip_bytes(scan, 4);
    case KP_WASM_IMMEDIATE_F64:
        return skip_bytes(scan, 8);
    case KP_WASM_IMMEDIATE_V128:
    case KP_WASM_IMMEDIATE_SHUFFLE:
        return skip_bytes(scan, 16);
    default:
        return skip_leb(scan);
    }
}

/* Weighs. Stops at the first bytes it does not understand: the visitor will refuse them. */
static void scan_body(kp_compiler_t *c, kp_scan_t *scan)
{
    uint8_t loops[DEPTH_MAXIMUM / 8] = {0}; /* bit: the block is a loop */
    uint32_t depth = 0, deeper = 0, loop_depth = 0, weight = 1, index;
    uint32_t imported = c->module->imported_function_count;
    while (scan->at < scan->end) {
        uint32_t opcode = *scan->at++;
        switch (opcode) {
        case KP_WASM_OP_LOCAL_GET:
        case KP_WASM_OP_LOCAL_SET:
        case KP_WASM_OP_LOCAL_TEE:
            if (!read_leb(scan, &index) || index >= c->local_count)
                return;
            if (c->weights[index] < UINT32_MAX / 2)
                c->weights[index] += weight;
            break;
        case KP_WASM_OP_BLOCK:
        case KP_WASM_OP_LOOP:
        case KP_WASM_OP_IF:
        case KP_WASM_OP_TRY_TABLE:
            if (!skip_leb(scan))
                return;
            if (opcode == KP_WASM_OP_TRY_TABLE) {
                c->has_try = true;
                if (!skip_catches(scan))
                    return;
            }
            if (depth == DEPTH_MAXIMUM) {
                deeper++;
                break;
            }
            loops[depth / 8] &= (uint8_t)~(1 << depth % 8);
            if (opcode == KP_WASM_OP_LOOP) {
                loops[depth / 8] |= (uint8_t)(1 << depth % 8);
                if (loop_depth++ < WEIGHT_LOOPS)
                    weight *= 8;
            }
            depth++;
            break;
        case KP_WASM_OP_END:
            if (deeper) {
                deeper--;
            } else if (depth) {
                depth--;
                if (loops[depth / 8] >> depth % 8 & 1 && --loop_depth < WEIGHT_LOOPS)
                    weight /= 8;
            }
            break;
        case KP_WASM_OP_CALL:
        case KP_WASM_OP_RETURN_CALL:
            if (!read_leb(scan, &index))
                return;
            if (index < imported)
                scan->through = true;
            scan->calls += weight;
            break;
        case KP_WASM_OP_CALL_INDIRECT:
        case KP_WASM_OP_RETURN_CALL_INDIRECT:
            if (!skip_lebs(scan, 2))
                return;
            scan->through = true;
            scan->calls += weight;
            break;
        case KP_WASM_OP_THROW_REF:
            scan->calls += weight;
            break;
        case KP_WASM_OP_THROW:
        case KP_WASM_OP_MEMORY_GROW:
            if (!skip_leb(scan))
                return;
            scan->calls += weight;
            break;
        case 0xfc:
        case 0xfd:
        case 0xfe: {
            uint32_t code;
            if (!read_leb(scan, &code) || code > 0xff)
                return;
            uint32_t number = KP_WASM_OPCODE_NUMBER(opcode, code);
            if (number >= KP_WASM_OPCODE_COUNT ||
                !skip_immediate(scan, kp_wasm_opcode_info[number].immediate))
                return;
            if (opcode == 0xfd)
                scan->simd = true;
            else if ((opcode == 0xfc && code >= 8) || (opcode == 0xfe && code < 3))
                scan->calls += weight;
            break;
        }
        default:
            if (!skip_immediate(scan, kp_wasm_opcode_info[opcode].immediate))
                return;
        }
    }
}

/* ---- choosing ---- */

enum { CHOSEN_MAXIMUM = 8 };

/* The heaviest locals of one register class, heaviest first. */
static uint32_t choose(const kp_compiler_t *c, bool xmm, uint32_t room, uint32_t *chosen)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->local_count; i++) {
        uint32_t weight = c->weights[i];
        if (weight < 2 || kp_type_is_xmm(c->locals[i].type) != xmm)
            continue;
        if (count == room) {
            if (weight <= c->weights[chosen[count - 1]])
                continue;
            count--;
        }
        uint32_t at = count++;
        for (; at > 0 && c->weights[chosen[at - 1]] < weight; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = i;
    }
    return count;
}

static const uint8_t incoming[KP_WASM_X86_GPR_ARGUMENTS] = {RDI, RSI, RDX, RCX, R8, R9};

/* The register in which parameter `local` arrives, or NO_REG. */
static unsigned arrives_in(const kp_compiler_t *c, uint32_t local, bool xmm)
{
    const kp_wasm_functype_t *type = c->visitor->signature;
    unsigned count = 0;
    if (local >= type->parameter_count)
        return NO_REG;
    for (uint32_t i = 0; i < local; i++)
        count += kp_type_is_xmm(type->types[i]) == xmm;
    if (xmm)
        return count < KP_WASM_X86_XMM_ARGUMENTS ? count : NO_REG;
    return count < KP_WASM_X86_GPR_ARGUMENTS ? incoming[count] : NO_REG;
}

static void pin(kp_compiler_t *c, uint32_t local, unsigned reg, bool xmm)
{
    uint32_t bit = xmm ? XMM_BIT(reg) : GPR_BIT(reg);
    c->locals[local].reg = (uint8_t)reg;
    c->local_of[xmm ? reg + 16 : reg] = local;
    c->pinned |= bit;
}

static void assign(kp_compiler_t *c, uint64_t calls)
{
    uint32_t chosen[CHOSEN_MAXIMUM];
    uint32_t count = choose(c, false, 7, chosen);
    uint32_t saved = c->has_try ? 0 : GPR_CALLEE_SAVED;
    uint32_t lost = GPR_PINNABLE & ~GPR_CALLEE_SAVED;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t local = chosen[i];
        uint64_t weight = c->weights[local];
        bool worth_lost = weight > 2 * calls;
        unsigned arrival = arrives_in(c, local, false);
        unsigned reg = NO_REG;
        if (calls == 0 && arrival != NO_REG && (lost & GPR_BIT(arrival)))
            reg = arrival;
        else if (calls && saved && weight >= 3)
            reg = (unsigned)__builtin_ctz(saved);
        else if (worth_lost && lost)
            reg = 31u - (unsigned)__builtin_clz(lost);
        else if (saved && weight >= 3)
            reg = (unsigned)__builtin_ctz(saved);
        if (reg == NO_REG)
            continue;
        saved &= ~GPR_BIT(reg);
        lost &= ~GPR_BIT(reg);
        pin(c, local, reg, false);
    }
    count = choose(c, true, XMM_PINNED_LAST - XMM_PINNED_FIRST + 1, chosen);
    for (uint32_t i = 0, reg = XMM_PINNED_FIRST; i < count; i++)
        if (c->weights[chosen[i]] > 2 * calls)
            pin(c, chosen[i], reg++, true);
    c->saved = c->has_try ? GPR_CALLEE_SAVED : c->pinned & GPR_CALLEE_SAVED;
    c->pinned_volatile = c->pinned & ~(uint32_t)GPR_CALLEE_SAVED;
}

kp_status_t kp_locals_plan(kp_compiler_t *c)
{
    const kp_wasm_visitor_t *visitor = c->visitor;
    const kp_wasm_functype_t *type = visitor->signature;
    uint32_t count = visitor->local_count;
    if (count > c->local_capacity || !c->locals) {
        kp_wasm_allocator_t *allocator = &c->options.allocator;
        uint32_t capacity = count + count / 2 + 64;
        kp_local_t *locals =
            allocator->resize(allocator->context, c->locals, c->local_capacity * sizeof *locals,
                              capacity * sizeof *locals);
        if (!locals)
            return KP_ERR_NO_MEMORY;
        c->locals = locals;
        uint32_t *weights =
            allocator->resize(allocator->context, c->weights, c->local_capacity * sizeof *weights,
                              capacity * sizeof *weights);
        if (!weights) {
            /* Both arrays are freed with the old capacity. */
            kp_local_t *back =
                allocator->resize(allocator->context, locals, capacity * sizeof *locals,
                                  c->local_capacity * sizeof *locals);
            c->locals = back;
            return KP_ERR_NO_MEMORY;
        }
        c->weights = weights;
        c->local_capacity = capacity;
    }
    c->local_count = count;
    memset(c->weights, 0, count * sizeof *c->weights);
    for (uint32_t i = 0; i < count; i++)
        c->locals[i] = (kp_local_t){.reg = NO_REG, .type = visitor->locals[i]};
    c->has_try = false;
    kp_scan_t scan = {.at = c->module->bytes + visitor->code_offset,
                      .end = c->module->bytes + visitor->code_end};
    scan_body(c, &scan);
    /* A landing pad finds every local in its home, even one that nothing can reach. */
    c->has_calls = scan.calls != 0 || c->has_try;
    c->saves_instance = scan.through || c->has_try;
    c->many_results = type->result_count > 1;
    c->slot_size = scan.simd || c->module_simd ? 16 : 8;
    c->pinned = 0;
    assign(c, scan.calls);

    /* The frame: instance, saved registers, the row of results, homes of locals, operand slots. */
    uint32_t frame = 8 + 8 * (uint32_t)__builtin_popcount(c->saved);
    if (c->many_results) {
        frame += 8;
        c->results_home = -(int32_t)frame;
    }
    for (uint32_t i = 0; i < count; i++) {
        kp_local_t *local = &c->locals[i];
        if (!c->weights[i])
            continue;
        /* One that calls never threaten has no home. */
        if (local->reg != NO_REG &&
            (!c->has_calls || !(kp_reg_bit(local->type, local->reg) & c->pinned_volatile)))
            continue;
        if (local->type == KP_WASM_TYPE_V128)
            frame = (frame + 16 + 15) & ~15u;
        else
            frame += 8;
        local->home = -(int32_t)frame;
    }
    c->frame_fixed = c->slot_size == 16 ? (frame + 15) & ~15u : frame;
    c->slot_maximum = 0;
    c->temporaries =
        (GPR_USABLE & ~(uint32_t)GPR_CALLEE_SAVED & ~c->pinned) | (0x3fff0000u & ~c->pinned);
    c->free = c->temporaries;
    return KP_OK;
}

/* ---- the instructions ---- */

void kp_locals_reload(kp_compiler_t *c, uint32_t mask)
{
    for (uint32_t left = mask & c->pinned & ~c->valid; left; left &= left - 1)
        kp_locals_load(c, c->local_of[__builtin_ctz(left)]);
}

void kp_locals_load(kp_compiler_t *c, uint32_t index)
{
    const kp_local_t *local = &c->locals[index];
    uint32_t bit = kp_reg_bit(local->type, local->reg);
    if (c->valid & bit)
        return;
    kp_mem_t home = kp_mem(RBP, local->home);
    if (!kp_type_is_xmm(local->type))
        kp_asm_load(&c->code, kp_type_wide(local->type), local->reg, home);
    else
        kp_sse_rm(c,
                  local->type == KP_WASM_TYPE_F32   ? OP_MOVSS_LOAD
                  : local->type == KP_WASM_TYPE_F64 ? OP_MOVSD_LOAD
                                                    : OP_MOVUPS_LOAD,
                  local->reg, home);
    c->valid |= bit;
    c->dirty &= ~bit;
}

void kp_locals_save(kp_compiler_t *c, uint32_t mask)
{
    for (uint32_t left = mask & c->dirty & c->valid; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctz(left);
        const kp_local_t *local = &c->locals[c->local_of[bit]];
        if (!local->home) { /* scan_body does not know this call: a fault of ours */
            c->status = KP_ERR_BAD_STATE;
            return;
        }
        kp_value_t value = {.place = PLACE_REGISTER, .type = local->type, .reg = local->reg};
        kp_value_store(c, &value, kp_mem(RBP, local->home));
    }
    c->dirty &= ~mask;
}

void kp_locals_get(kp_compiler_t *c, uint32_t index)
{
    kp_stack_push_local(c, index);
}

/* Values on the stack that still are the local's old one get places of their own. */
static void aliases_settle(kp_compiler_t *c, kp_local_t *local)
{
    uint32_t at = local->aliases;
    while (at && kp_room(c, 64)) {
        kp_value_t *value = &c->stack[at - 1];
        uint32_t below = value->previous;
        if (below &&
            (c->stack[below - 1].place != PLACE_LOCAL || c->stack[below - 1].local != value->local))
            below = 0;
        uint32_t class = kp_type_is_xmm(value->type) ? 0xffff0000 : 0xffff;
        if (c->free & class) {
            unsigned reg = kp_reg_take(c, value->type);
            if (kp_type_is_xmm(value->type))
                kp_value_move_xmm(c, value, reg);
            else
                kp_value_move_gpr(c, value, reg);
            value->place = PLACE_REGISTER;
            value->reg = (uint8_t)reg;
            c->owner[reg + (kp_type_is_xmm(value->type) ? 16 : 0)] = at - 1;
        } else {
            kp_value_store(c, value, kp_slot(c, at - 1));
            value->place = PLACE_SLOT;
        }
        at = below;
    }
    local->aliases = 0;
    kp_room(c, KP_ROOM);
}

void kp_locals_set(kp_compiler_t *c, uint32_t index, bool tee)
{
    kp_local_t *local = &c->locals[index];
    kp_value_t value = kp_stack_pop(c);
    if (c->check_count)
        kp_memory_forget(c, index);
    if (value.place == PLACE_LOCAL && value.local == index) {
        if (tee)
            kp_stack_push_local(c, index);
        return;
    }
    if (local->aliases)
        aliases_settle(c, local);
    if (local->reg == NO_REG) {
        if (tee && (value.place == PLACE_SLOT || value.place == PLACE_LOCAL)) {
            if (kp_type_is_xmm(value.type))
                kp_value_xmm(c, &value);
            else
                kp_value_gpr(c, &value);
        }
        kp_value_store(c, &value, kp_mem(RBP, local->home));
        /* The register is nearer than the home. */
        if (tee && value.place == PLACE_REGISTER) {
            kp_stack_push_reg(c, value.type, value.reg);
            return;
        }
        if (tee && value.place == PLACE_CONSTANT) {
            kp_stack_push_constant(c, value.type, value.bits);
            return;
        }
    } else {
        if (kp_type_is_xmm(local->type))
            kp_value_move_xmm(c, &value, local->reg);
        else
            kp_value_move_gpr(c, &value, local->reg);
        uint32_t bit = kp_reg_bit(local->type, local->reg);
        c->valid |= bit;
        c->dirty |= bit;
    }
    kp_value_release(c, &value);
    if (tee)
        kp_stack_push_local(c, index);
}
