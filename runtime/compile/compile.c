/* The pass over a function: prologue, dispatch by class, what stands behind it. */
#include "runtime/compile/internal.h"

enum {
    FRAME_MAXIMUM = 64 << 20,
    /* Leaves with smaller frames do not check the stack: callers left that much and more. */
    FRAME_UNCHECKED = 16 << 10,
};

/* ---- traps and slow paths ---- */

void kp_trap_if(kp_compiler_t *c, unsigned cc, kp_wasm_trap_code_t code)
{
    uint32_t site = kp_asm_jcc(&c->code, cc);
    kp_asm_write(&c->code, site, c->trap_chains[code]);
    c->trap_chains[code] = site;
}

void kp_trap(kp_compiler_t *c, kp_wasm_trap_code_t code)
{
    uint32_t site = kp_asm_jmp(&c->code);
    kp_asm_write(&c->code, site, c->trap_chains[code]);
    c->trap_chains[code] = site;
}

void kp_slow_add(kp_compiler_t *c, kp_slow_kind_t kind, uint32_t site, uint32_t back)
{
    if (c->slow_count == c->slow_capacity) {
        uint32_t capacity = c->slow_capacity ? c->slow_capacity * 2 : 64;
        kp_wasm_allocator_t *allocator = &c->options.allocator;
        kp_slow_path_t *slow = allocator->resize(
            allocator->context, c->slow, c->slow_capacity * sizeof *slow, capacity * sizeof *slow);
        if (!slow) {
            c->status = KP_ERR_NO_MEMORY;
            return;
        }
        c->slow = slow;
        c->slow_capacity = capacity;
    }
    c->slow[c->slow_count++] = (kp_slow_path_t){site, back, kind};
}

static void helper_call(kp_compiler_t *c, kp_wasm_helper_t helper)
{
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 8));
    kp_asm_call_mem(&c->code, kp_mem(REG_SCRATCH, 8 * (int32_t)helper));
}

static kp_status_t slow_paths(kp_compiler_t *c)
{
    for (uint32_t code = 0; code < KP_WASM_TRAP_COUNT; code++) {
        if (!c->trap_chains[code])
            continue;
        kp_control_bind_chain(c, c->trap_chains[code]);
        c->trap_chains[code] = 0;
        if (code == KP_WASM_TRAP_NONE) /* a helper said which */
            kp_asm_mov(&c->code, 0, RDI, RAX);
        else
            kp_asm_mov_imm(&c->code, RDI, code);
        helper_call(c, KP_WASM_HELPER_TRAP);
    }
    for (uint32_t i = 0; i < c->slow_count; i++) {
        kp_status_t status = kp_asm_reserve(&c->code, KP_ROOM);
        if (status != KP_OK)
            return status;
        kp_slow_path_t *slow = &c->slow[i];
        kp_asm_patch(&c->code, slow->site, kp_asm_here(&c->code));
        switch (slow->kind) {
        case SLOW_CALL: /* r11: the other instance */
            kp_call_other(c);
            break;
        case SLOW_TAIL_CALL:
            kp_call_other(c);
            kp_control_return(c);
            continue;
        case SLOW_ENTRY: /* the frame may be too large to call from: back to before it was made */
            kp_asm_mov(&c->code, W, RSP, RBP);
            helper_call(c, KP_WASM_HELPER_CHECK);
            break;
        case SLOW_LOOP:
            helper_call(c, KP_WASM_HELPER_CHECK);
            break;
        default:
            helper_call(c, KP_WASM_HELPER_FUEL);
        }
        kp_asm_jmp_to(&c->code, slow->back);
    }
    c->slow_count = 0;
    return KP_OK;
}

/* ---- prologue ---- */

static void zero_registers(kp_compiler_t *c)
{
    for (uint32_t left = c->pinned; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctz(left);
        uint32_t local = c->local_of[bit];
        if (local < c->visitor->signature->parameter_count)
            continue;
        if (bit >= 16)
            kp_sse_rrr(c, OP_XORPS, bit & 15, bit & 15, bit & 15);
        else
            kp_asm_alu(&c->code, 0, ALU_XOR, bit, bit);
    }
}

static void zero_homes(kp_compiler_t *c)
{
    uint32_t parameters = c->visitor->signature->parameter_count, homes = 0;
    int32_t low = 0, high = INT32_MIN;
    for (uint32_t i = parameters; i < c->local_count; i++) {
        const kp_local_t *local = &c->locals[i];
        if (local->reg != NO_REG || !local->home)
            continue;
        int32_t size = local->type == KP_WASM_TYPE_V128 ? 16 : 8;
        low = local->home < low ? local->home : low;
        high = local->home + size > high ? local->home + size : high;
        homes++;
    }
    if (homes == 0)
        return;
    if (homes <= 4) {
        for (uint32_t i = parameters; i < c->local_count; i++) {
            const kp_local_t *local = &c->locals[i];
            if (local->reg != NO_REG || !local->home)
                continue;
            for (int32_t at = 0; at < (local->type == KP_WASM_TYPE_V128 ? 16 : 8); at += 8) {
                kp_asm_rm(&c->code, 0xc7 | W, 0, kp_mem(RBP, local->home + at));
                kp_asm_u32(&c->code, 0);
            }
        }
        return;
    }
    /* All at once; what lies between are homes of parameters and of pinned locals, not yet filled. An
       odd 8 bytes at the low end is an operand slot. */
    int32_t size = (high - low + 15) & ~15;
    if (c->slot_maximum < 1)
        c->slot_maximum = 1;
    kp_sse_rrr(c, OP_XORPS, X_SCRATCH, X_SCRATCH, X_SCRATCH);
    if (size <= 128) {
        for (int32_t at = 16; at <= size; at += 16)
            kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, kp_mem(RBP, high - at));
        return;
    }
    kp_asm_mov_imm(&c->code, REG_SCRATCH, (uint64_t)-(int64_t)size);
    uint32_t again = kp_asm_here(&c->code);
    kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, kp_mem_index(RBP, REG_SCRATCH, 0, high));
    kp_asm_alu_imm(&c->code, W, ALU_ADD, REG_SCRATCH, 16);
    kp_asm_jcc_to(&c->code, CC_NE, again);
}

/* Parameters from where they arrive to where they live. */
static void place_parameters(kp_compiler_t *c)
{
    static const uint8_t arrivals[] = {RDI, RSI, RDX, RCX, R8, R9};
    const kp_wasm_functype_t *type = c->visitor->signature;
    kp_move_t moves[16];
    uint32_t gpr = 0, xmm = 0, stack = 0, count = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++) {
        const kp_local_t *local = &c->locals[i];
        bool is_xmm = kp_type_is_xmm(local->type);
        kp_value_t value = {.place = PLACE_REGISTER, .type = local->type};
        if (is_xmm ? xmm < KP_WASM_X86_XMM_ARGUMENTS : gpr < KP_WASM_X86_GPR_ARGUMENTS) {
            value.reg = (uint8_t)(is_xmm ? xmm++ : arrivals[gpr++]);
            if (local->reg != NO_REG)
                moves[count++] = (kp_move_t){value, local->reg};
            else if (local->home)
                kp_value_store(c, &value, kp_mem(RBP, local->home));
            continue;
        }
        c->parameter_bytes = 16 * ++stack;
    }
    kp_moves_emit(c, moves, count);
    gpr = xmm = stack = 0;
    for (uint32_t i = 0; i < type->parameter_count; i++) {
        const kp_local_t *local = &c->locals[i];
        bool is_xmm = kp_type_is_xmm(local->type);
        if ((is_xmm ? xmm++ : gpr++) <
            (unsigned)(is_xmm ? KP_WASM_X86_XMM_ARGUMENTS : KP_WASM_X86_GPR_ARGUMENTS))
            continue;
        kp_mem_t from = kp_mem(RBP, 16 + 16 * (int32_t)stack++);
        if (local->reg == NO_REG && !local->home)
            continue;
        if (!kp_room(c, 64))
            return;
        uint32_t wide = kp_type_wide(local->type);
        if (local->type == KP_WASM_TYPE_V128) {
            unsigned reg = local->reg != NO_REG ? local->reg : X_SCRATCH;
            kp_sse_rm(c, OP_MOVUPS_LOAD, reg, from);
            if (local->reg == NO_REG)
                kp_sse_rm(c, OP_MOVUPS_STORE, reg, kp_mem(RBP, local->home));
        } else if (is_xmm && local->reg != NO_REG) {
            kp_sse_rm(c, wide ? OP_MOVSD_LOAD : OP_MOVSS_LOAD, local->reg, from);
        } else if (local->reg != NO_REG) {
            kp_asm_load(&c->code, wide, local->reg, from);
        } else {
            kp_asm_load(&c->code, wide, REG_SCRATCH, from);
            kp_asm_store(&c->code, wide, kp_mem(RBP, local->home), REG_SCRATCH);
        }
    }
}

void kp_frame_site(kp_compiler_t *c, uint32_t site)
{
    kp_asm_write(&c->code, site, c->frame_chain);
    c->frame_chain = site;
}

static kp_status_t begin(void *context, kp_wasm_visitor_t *visitor)
{
    kp_compiler_t *c = context;
    c->visitor = visitor;
    kp_status_t status = kp_locals_plan(c);
    if (status != KP_OK)
        return status;
    status = kp_asm_reserve(&c->code, KP_ROOM + 16 * (size_t)visitor->local_count);
    if (status != KP_OK)
        return status;
    while (kp_asm_here(&c->code) & (KP_FUNCTION_ALIGNMENT - 1))
        kp_asm_u8(&c->code, 0xcc);
    c->start = kp_asm_here(&c->code);
    kp_control_bind_chain(c, c->offsets[c->current - c->first]);
    c->offsets[c->current - c->first] = c->start;
    c->height = c->flushed = 0;
    c->control_count = 0;
    c->check_count = 0;
    c->flags_pending = false;
    c->frame_chain = 0;
    c->parameter_bytes = 0;
    c->status = KP_OK;

    kp_asm_push(&c->code, RBP);
    kp_asm_mov(&c->code, W, RBP, RSP);
    uint32_t again = kp_asm_here(&c->code);
    kp_asm_rr(&c->code, 0x81 | W, ALU_SUB, RSP);
    kp_asm_u32(&c->code, 0);
    kp_frame_site(c, kp_asm_here(&c->code) - 4);
    uint64_t body = visitor->code_end - visitor->code_offset;
    if (c->has_calls || c->frame_fixed + c->slot_size * body > FRAME_UNCHECKED) {
        kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 0));
        kp_asm_alu_mem(&c->code, W, ALU_CMP, RSP, kp_mem(REG_SCRATCH, 0));
        kp_slow_add(c, SLOW_ENTRY, kp_asm_jcc(&c->code, CC_BE), again);
    }
    if (c->saves_instance)
        kp_asm_store(&c->code, W, kp_mem(RBP, -8), REG_INSTANCE);
    int32_t at = -8;
    for (uint32_t left = c->saved; left; left &= left - 1)
        kp_asm_store(&c->code, W, kp_mem(RBP, at -= 8), (unsigned)__builtin_ctz(left));
    if (c->many_results)
        kp_asm_store(&c->code, W, kp_mem(RBP, c->results_home), R10);
    if (c->options.flags & KP_WASM_COMPILE_FUEL)
        kp_control_fuel(c);
    zero_homes(c);
    place_parameters(c);
    zero_registers(c);
    c->valid = c->dirty = c->pinned;
    kp_control_t *control = kp_control_push(c, &visitor->frames[0]);
    return control ? c->status : KP_ERR_NO_MEMORY;
}

static kp_status_t end(void *context, kp_wasm_visitor_t *visitor)
{
    kp_compiler_t *c = context;
    (void)visitor;
    uint64_t frame =
        ((uint64_t)c->frame_fixed + (uint64_t)c->slot_size * c->slot_maximum + 15) & ~(uint64_t)15;
    if (frame > FRAME_MAXIMUM)
        return KP_ERR_TOO_LARGE;
    for (uint32_t site = c->frame_chain; site;) {
        uint32_t next = kp_asm_read(&c->code, site);
        /* sub rsp takes it as it is, lea rsp, [rbp + ...] negated. */
        bool subtract = c->code.base[site - 2] == 0x81;
        kp_asm_write(&c->code, site, subtract ? (uint32_t)frame : (uint32_t)-(int32_t)frame);
        site = next;
    }
    kp_status_t status = kp_asm_reserve(&c->code, KP_ROOM);
    return status == KP_OK ? slow_paths(c) : status;
}

/* ---- dispatch ---- */

static void dispatch(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_opcode_t opcode = instruction->opcode;
    switch (opcode) {
    case KP_WASM_OP_LOCAL_GET:
        kp_locals_get(c, instruction->index);
        return;
    case KP_WASM_OP_LOCAL_SET:
    case KP_WASM_OP_LOCAL_TEE:
        kp_locals_set(c, instruction->index, opcode == KP_WASM_OP_LOCAL_TEE);
        return;
    case KP_WASM_OP_I32_CONST:
        kp_stack_push_constant(c, KP_WASM_TYPE_I32, (uint32_t)instruction->value);
        return;
    case KP_WASM_OP_I64_CONST:
        kp_stack_push_constant(c, KP_WASM_TYPE_I64, instruction->value);
        return;
    case KP_WASM_OP_F32_CONST:
        kp_stack_push_constant(c, KP_WASM_TYPE_F32, instruction->value);
        return;
    case KP_WASM_OP_F64_CONST:
        kp_stack_push_constant(c, KP_WASM_TYPE_F64, instruction->value);
        return;
    case KP_WASM_OP_NOP:
        return;
    case KP_WASM_OP_CALL:
    case KP_WASM_OP_CALL_INDIRECT:
    case KP_WASM_OP_RETURN_CALL:
    case KP_WASM_OP_RETURN_CALL_INDIRECT:
        kp_op_call(c, instruction);
        return;
    case KP_WASM_OP_THROW:
    case KP_WASM_OP_THROW_REF:
    case KP_WASM_OP_TRY_TABLE:
        kp_op_exception(c, instruction);
        return;
    case KP_WASM_OP_MEMORY_SIZE:
    case KP_WASM_OP_MEMORY_GROW:
        kp_op_bulk(c, instruction);
        return;
    case KP_WASM_OP_REF_NULL:
    case KP_WASM_OP_REF_IS_NULL:
    case KP_WASM_OP_REF_FUNC:
        kp_op_variable(c, instruction);
        return;
    default:
        break;
    }
    if (opcode >= 0x300)
        kp_op_atomic(c, instruction);
    else if (opcode >= 0x200)
        kp_op_simd(c, instruction);
    else if (opcode >= KP_WASM_OP_MEMORY_INIT)
        kp_op_bulk(c, instruction);
    else if (opcode >= KP_WASM_OP_I32_WRAP_I64)
        kp_op_convert(c, instruction);
    else if (opcode >= KP_WASM_OP_F32_ABS ||
             (opcode >= KP_WASM_OP_F32_EQ && opcode <= KP_WASM_OP_F64_GE))
        kp_op_float(c, instruction);
    else if (opcode >= KP_WASM_OP_I32_EQZ)
        kp_op_integer(c, instruction);
    else if (opcode >= KP_WASM_OP_I32_LOAD)
        kp_op_memory(c, instruction);
    else if (opcode >= KP_WASM_OP_DROP)
        kp_op_variable(c, instruction);
    else
        kp_op_control(c, instruction);
}

static bool takes_flags(kp_wasm_opcode_t opcode)
{
    return opcode == KP_WASM_OP_BR_IF || opcode == KP_WASM_OP_IF || opcode == KP_WASM_OP_I32_EQZ ||
           opcode == KP_WASM_OP_SELECT || opcode == KP_WASM_OP_SELECT_TYPED;
}

static kp_status_t instruction(void *context, kp_wasm_visitor_t *visitor,
                               const kp_wasm_instruction_t *instruction)
{
    kp_compiler_t *c = context;
    (void)visitor;
    kp_status_t status = kp_asm_reserve(&c->code, KP_ROOM);
    if (status != KP_OK)
        return status;
    if (c->flags_pending && !takes_flags(instruction->opcode))
        kp_stack_flags_settle(c);
    dispatch(c, instruction);
    return c->status;
}

const kp_wasm_sink_t kp_compiler_sink = {.begin = begin, .instruction = instruction, .end = end};
