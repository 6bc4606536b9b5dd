/* Blocks, branches, function ends.

   At a label the state is this: values below the block's are slots or constants (they were flushed when
   it began); the label's own are in rax or xmm0 if there is one and the label is no loop's, else in
   their slots; pinned registers hold their locals as the first branch to the label found them
   (control->valid), all of them at a loop. What a branch has to do to get there is only moves, which
   keep the flags, so a comparison and its branch stay fused. */
#include "runtime/compile/internal.h"

/* Loop heads: short loops that straddle lines of the decoded-instruction cache ran at half speed. */
enum { LOOP_ALIGNMENT = KP_FUNCTION_ALIGNMENT };

kp_control_t *kp_control_push(kp_compiler_t *c, kp_wasm_frame_t *frame)
{
    if (c->control_count == c->control_capacity) {
        uint32_t capacity = c->control_capacity ? c->control_capacity * 2 : 64;
        kp_wasm_allocator_t *allocator = &c->options.allocator;
        kp_control_t *controls =
            allocator->resize(allocator->context, c->controls,
                              c->control_capacity * sizeof *controls, capacity * sizeof *controls);
        if (!controls) {
            c->status = KP_ERR_NO_MEMORY;
            return NULL;
        }
        c->controls = controls;
        c->control_capacity = capacity;
    }
    kp_control_t *control = &c->controls[c->control_count++];
    *control = (kp_control_t){.height = frame->height};
    frame->user = c->control_count;
    return control;
}

void kp_control_bind_chain(kp_compiler_t *c, uint32_t chain)
{
    uint32_t here = kp_asm_here(&c->code);
    while (chain) {
        uint32_t next = kp_asm_read(&c->code, chain);
        kp_asm_patch(&c->code, chain, here);
        chain = next;
    }
}

static void control_bind(kp_compiler_t *c, kp_control_t *control)
{
    kp_control_bind_chain(c, control->chain);
    uint32_t here = kp_asm_here(&c->code);
    for (uint32_t site = control->table_chain; site;) {
        uint32_t next = kp_asm_read(&c->code, site);
        kp_asm_write(&c->code, site, here - c->start);
        site = next;
    }
    control->chain = control->table_chain = 0;
}

static void chain_add(kp_compiler_t *c, uint32_t *chain, uint32_t site)
{
    kp_asm_write(&c->code, site, *chain);
    *chain = site;
}

void kp_control_jump(kp_compiler_t *c, kp_control_t *control)
{
    if (control->target)
        kp_asm_jmp_to(&c->code, control->target);
    else
        chain_add(c, &control->chain, kp_asm_jmp(&c->code));
}

/* A jump to `*chain`, or `target` if that is not 0, when the condition holds. */
static void jump_if(kp_compiler_t *c, unsigned cc, uint32_t *chain, uint32_t target)
{
    uint32_t over = 0;
    unsigned first = cc, second = 0;
    bool two = false;
    if (cc == CC_FLOAT_E) {
        over = kp_asm_jcc_short(&c->code, CC_P);
        first = CC_E;
    } else if (cc == CC_FLOAT_NE) {
        first = CC_NE;
        second = CC_P;
        two = true;
    }
    for (;;) {
        if (target)
            kp_asm_jcc_to(&c->code, first, target);
        else
            chain_add(c, chain, kp_asm_jcc(&c->code, first));
        if (!two)
            break;
        two = false;
        first = second;
    }
    if (over)
        kp_asm_bind_short(&c->code, over);
}

static unsigned inverse(unsigned cc)
{
    return cc ^ 1; /* CC_FLOAT_E and CC_FLOAT_NE are a pair, too */
}

/* ---- getting to a label's state ---- */

/* The registers of locals as the label has them. */
static void masks_meet(kp_compiler_t *c, kp_control_t *control)
{
    if (!control->reached) {
        control->reached = true;
        control->valid = c->valid;
        control->dirty = c->dirty;
        return;
    }
    kp_locals_save(c, c->pinned & ~control->valid);
    kp_locals_reload(c, control->valid);
    control->dirty |= c->dirty;
}

static bool in_register(const kp_wasm_frame_t *frame)
{
    return frame->kind != KP_WASM_FRAME_LOOP && frame->result_count == 1;
}

/* Moves the top value to rax or xmm0. `held`: a popped value to be kept. */
static void top_to_result(kp_compiler_t *c, kp_value_t *held)
{
    kp_value_t value = kp_stack_pop(c);
    bool xmm = kp_type_is_xmm(value.type);
    if (!(value.place == PLACE_REGISTER && value.reg == 0)) {
        if (xmm) {
            kp_xmm_claim(c, 0);
            kp_value_move_xmm(c, &value, 0);
        } else {
            kp_gpr_claim(c, RAX, held, &value);
            kp_value_move_gpr(c, &value, RAX);
        }
        kp_value_release(c, &value);
    }
    kp_stack_push_reg(c, value.type, 0);
}

/* Puts the label's values where a branch from here can leave them; true if they then still have to be
   copied down to the label's slots (copy_down). */
static bool arrange(kp_compiler_t *c, const kp_wasm_frame_t *frame, kp_value_t *held)
{
    uint32_t arity = kp_wasm_frame_label_arity(frame);
    if (arity == 0)
        return false;
    if (in_register(frame)) {
        top_to_result(c, held);
        return false;
    }
    kp_stack_to_slots(c, c->height - arity);
    return c->height - arity != frame->height;
}

/* Copies the top `count` slots down to those from `to` on. Uses the scratch registers, and for many
   rcx and rdx, which nothing may own. */
static void copy_down(kp_compiler_t *c, uint32_t to, uint32_t count)
{
    uint32_t from = c->height - count;
    kp_slot(c, to + count - 1);
    if (count <= 8) {
        for (uint32_t i = 0; i < count; i++) {
            if (c->slot_size == 16) {
                kp_sse_rm(c, OP_MOVUPS_LOAD, X_SCRATCH, kp_slot(c, from + i));
                kp_sse_rm(c, OP_MOVUPS_STORE, X_SCRATCH, kp_slot(c, to + i));
            } else {
                kp_asm_load(&c->code, W, REG_SCRATCH, kp_slot(c, from + i));
                kp_asm_store(&c->code, W, kp_slot(c, to + i), REG_SCRATCH);
            }
        }
        return;
    }
    /* Slots lie downwards, sources below targets: from the highest address on nothing is lost. */
    uint32_t words = count * c->slot_size / 8;
    kp_mem_t source = kp_slot(c, from + count - 1), target = kp_slot(c, to + count - 1);
    kp_asm_push(&c->code, RCX);
    kp_asm_mov_imm(&c->code, RCX, words);
    uint32_t again = kp_asm_here(&c->code);
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem_index(RBP, RCX, 3, source.disp - 8));
    kp_asm_store(&c->code, W, kp_mem_index(RBP, RCX, 3, target.disp - 8), REG_SCRATCH);
    kp_asm_alu_imm(&c->code, 0, ALU_SUB, RCX, 1);
    kp_asm_jcc_to(&c->code, CC_NE, again);
    kp_asm_pop(&c->code, RCX);
}

/* ---- fuel and interruption ---- */

void kp_control_fuel(kp_compiler_t *c)
{
    kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 0));
    kp_asm_alu_mem_imm(&c->code, W, ALU_SUB, kp_mem(REG_SCRATCH, 8), 1);
    uint32_t site = kp_asm_jcc(&c->code, CC_S);
    kp_slow_add(c, SLOW_FUEL, site, kp_asm_here(&c->code));
}

static void loop_checks(kp_compiler_t *c)
{
    if (c->options.flags & KP_WASM_COMPILE_FUEL)
        kp_control_fuel(c);
    if (c->options.flags & KP_WASM_COMPILE_INTERRUPT) {
        kp_asm_load(&c->code, W, REG_SCRATCH, kp_mem(REG_INSTANCE, 0));
        kp_asm_alu_mem(&c->code, W, ALU_CMP, RSP, kp_mem(REG_SCRATCH, 0));
        uint32_t site = kp_asm_jcc(&c->code, CC_BE);
        kp_slow_add(c, SLOW_LOOP, site, kp_asm_here(&c->code));
    }
}

/* ---- conditions ---- */

/* Pops the condition. If it is not in the flags yet, it stays held in a register until
   condition_test. */
static kp_value_t condition_pop(kp_compiler_t *c)
{
    kp_value_t value = kp_stack_pop(c);
    if (value.place != PLACE_FLAGS)
        kp_value_gpr(c, &value);
    return value;
}

static unsigned condition_test(kp_compiler_t *c, kp_value_t *value)
{
    if (value->place == PLACE_FLAGS)
        return value->reg;
    unsigned reg = kp_value_gpr(c, value);
    kp_asm_rr(&c->code, OP_TEST, reg, reg);
    kp_value_release(c, value);
    return CC_NE;
}

/* ---- blocks ---- */

static void begin_if(kp_compiler_t *c, kp_wasm_frame_t *frame)
{
    kp_value_t condition = condition_pop(c);
    kp_stack_to_slots(c, frame->height);
    unsigned cc = condition_test(c, &condition);
    kp_control_t *control = kp_control_push(c, frame);
    if (!control)
        return;
    jump_if(c, inverse(cc), &control->else_chain, 0);
    control->else_valid = c->valid;
    control->else_dirty = c->dirty;
}

static void begin_loop(kp_compiler_t *c, kp_wasm_frame_t *frame)
{
    kp_stack_to_slots(c, frame->height);
    kp_locals_reload(c, c->pinned);
    c->dirty = c->pinned;
    kp_control_t *control = kp_control_push(c, frame);
    if (!control)
        return;
    control->reached = true;
    control->valid = c->pinned;
    control->dirty = c->pinned;
    kp_asm_align(&c->code, LOOP_ALIGNMENT);
    control->target = kp_asm_here(&c->code);
    loop_checks(c);
}

/* The values of the label of a block that ended, as a branch leaves them. */
static void push_results(kp_compiler_t *c, uint32_t count, const kp_wasm_type_t *types, bool slots)
{
    if (count == 1 && !slots) {
        if (kp_type_is_xmm(types[0]))
            kp_xmm_claim(c, 0);
        else
            kp_gpr_claim(c, RAX, NULL, NULL);
        kp_stack_push_reg(c, types[0], 0);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        kp_stack_push_slot(c, types[i]);
}

/* The branch of an if that was not taken begins here: nothing but its parameters, in slots. */
static void else_bind(kp_compiler_t *c, const kp_wasm_frame_t *frame, kp_control_t *control)
{
    kp_stack_truncate(c, frame->height);
    push_results(c, frame->parameter_count, frame->parameters, true);
    kp_control_bind_chain(c, control->else_chain);
    control->else_chain = 0;
    c->valid = control->else_valid;
    c->dirty = control->else_dirty;
}

static void op_else(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_frame_t *frame = instruction->frame;
    kp_control_t *control = kp_control_of(c, frame);
    if (instruction->reachable) {
        arrange(c, frame, NULL);
        masks_meet(c, control);
        kp_control_jump(c, control);
    }
    else_bind(c, frame, control);
}

static void function_end(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    if (c->many_results) {
        /* Everything is in slots: all temporaries are free. */
        kp_asm_load(&c->code, W, RAX, kp_mem(RBP, c->results_home));
        if (frame->result_count > KP_ROW_UNROLLED)
            kp_row_copy(c, true, RAX, 0, 0, frame->result_count);
        else
            for (uint32_t i = 0; i < frame->result_count; i++)
                kp_slot_move(c, frame->results[i], kp_mem(RAX, 16 * (int32_t)i), kp_slot(c, i));
    }
    kp_control_return(c);
}

void kp_control_return(kp_compiler_t *c)
{
    kp_control_epilogue(c);
    if (c->parameter_bytes == 0) {
        kp_asm_u8(&c->code, 0xc3);
        return;
    }
    /* ret imm16: limits.parameters keeps it in range, below 4096 parameters. */
    kp_asm_u8(&c->code, 0xc2);
    kp_asm_u8(&c->code, c->parameter_bytes & 0xff);
    kp_asm_u8(&c->code, c->parameter_bytes >> 8);
}

void kp_control_epilogue(kp_compiler_t *c)
{
    int32_t at = -8;
    for (uint32_t left = c->saved; left; left &= left - 1)
        kp_asm_load(&c->code, W, (unsigned)__builtin_ctz(left), kp_mem(RBP, at -= 8));
    kp_asm_u8(&c->code, 0xc9); /* leave */
}

/* Nothing gets behind this block, but the validator takes what follows for alive: any state will do. */
static void end_unreached(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    kp_stack_truncate(c, frame->height);
    push_results(c, frame->result_count, frame->results, frame->result_count > 1);
}

static void op_end(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_frame_t *frame = instruction->frame;
    kp_control_t *control = kp_control_of(c, frame);
    bool reachable = instruction->reachable;
    if (frame->kind == KP_WASM_FRAME_TRY_TABLE) {
        kp_exception_end(c, frame, control, &reachable);
        control = kp_control_of(c, frame);
    }
    if (frame->kind == KP_WASM_FRAME_LOOP) {
        if (!reachable)
            end_unreached(c, frame);
        c->control_count = (uint32_t)(frame->user - 1);
        return;
    }
    if (frame->kind == KP_WASM_FRAME_IF) {
        /* The else that is not there: only jumps past, or hands its parameters on. */
        if (frame->result_count == 0 &&
            !(control->reached && control->valid & ~control->else_valid)) {
            if (!control->reached) {
                control->reached = true;
                control->valid = control->else_valid;
                control->dirty = 0;
            }
            control->dirty |= control->else_dirty;
            /* A register stale in its home there but not held at the label cannot be: valid covers
               what the condition's branch had, or less after kp_locals_save below. */
            if (control->else_valid & ~control->valid & control->else_dirty) {
                if (reachable) {
                    masks_meet(c, control);
                    kp_control_jump(c, control);
                }
                else_bind(c, frame, control);
                reachable = true;
            } else {
                if (reachable) {
                    masks_meet(c, control);
                    c->valid = control->valid;
                    c->dirty = control->dirty;
                } else {
                    kp_stack_truncate(c, frame->height);
                }
                kp_control_bind_chain(c, control->else_chain);
                control->else_chain = 0;
            }
        } else {
            if (reachable) {
                arrange(c, frame, NULL);
                masks_meet(c, control);
                kp_control_jump(c, control);
            }
            else_bind(c, frame, control);
            reachable = true;
        }
    }
    bool is_function = frame->user == 1;
    if (reachable && (control->reached || is_function)) {
        arrange(c, frame, NULL);
        masks_meet(c, control);
        c->valid = control->valid;
        c->dirty = control->dirty;
        control_bind(c, control);
    } else if (control->reached) {
        kp_stack_truncate(c, frame->height);
        control_bind(c, control);
        push_results(c, frame->result_count, frame->results, frame->result_count > 1);
        c->valid = control->valid;
        c->dirty = control->dirty;
    } else if (!reachable) {
        end_unreached(c, frame);
    }
    bool alive = reachable || control->reached;
    c->control_count = (uint32_t)(frame->user - 1);
    if (is_function && alive)
        function_end(c, frame);
}

/* ---- branches ---- */

void kp_control_branch(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    kp_control_t *control = kp_control_of(c, frame);
    if (arrange(c, frame, NULL))
        copy_down(c, frame->height, kp_wasm_frame_label_arity(frame));
    masks_meet(c, control);
    kp_control_jump(c, control);
}

static void branch_if(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    kp_value_t condition = condition_pop(c);
    bool copy = arrange(c, frame, &condition);
    kp_control_t *control = kp_control_of(c, frame);
    masks_meet(c, control);
    unsigned cc = condition_test(c, &condition);
    if (!copy) {
        jump_if(c, cc, &control->chain, control->target);
        return;
    }
    uint32_t chain = 0;
    jump_if(c, inverse(cc), &chain, 0);
    copy_down(c, frame->height, kp_wasm_frame_label_arity(frame));
    kp_control_jump(c, control);
    kp_control_bind_chain(c, chain);
}

/* Does a jump to this label need code of its own? */
static bool needs_stub(kp_compiler_t *c, const kp_wasm_frame_t *frame)
{
    uint32_t arity = kp_wasm_frame_label_arity(frame);
    return arity > 0 && !in_register(frame) && (arity == 1 || c->height - arity != frame->height);
}

static void branch_table(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_visitor_t *visitor = c->visitor;
    kp_value_t index = kp_stack_pop(c);
    kp_value_own_gpr(c, &index);
    kp_wasm_targets_t targets = instruction->targets;
    uint32_t count = targets.left - 1, depth;

    /* All labels want the same number of values: one is in rax or xmm0 for blocks, and stubs store it
       for loops; several are in slots. */
    const kp_wasm_frame_t *some = NULL;
    uint32_t keep = c->pinned;
    while (kp_wasm_targets_next(&targets, &depth)) {
        some = kp_wasm_visitor_label(visitor, depth);
        kp_control_t *control = kp_control_of(c, some);
        if (!control->reached)
            continue;
        keep &= control->valid;
        kp_locals_reload(c, control->valid);
    }
    kp_locals_save(c, c->pinned & ~keep);
    uint32_t arity = kp_wasm_frame_label_arity(some);
    if (arity == 1)
        top_to_result(c, &index);
    else if (arity)
        kp_stack_to_slots(c, c->height - arity);

    if (!kp_room(c, 256 + 4 * ((size_t)count + 1)))
        return;
    kp_asm_mov_imm(&c->code, REG_SCRATCH, count);
    kp_asm_alu(&c->code, 0, ALU_CMP, index.reg, REG_SCRATCH);
    kp_asm_rr(&c->code, OP_CMOV(CC_A), index.reg, REG_SCRATCH);
    kp_asm_rm(&c->code, OP_LEA | W, REG_SCRATCH, kp_mem(NO_REG, 0));
    kp_asm_patch(&c->code, kp_asm_here(&c->code) - 4, c->start);
    kp_asm_load(&c->code, 0, index.reg, kp_mem_index(REG_SCRATCH, index.reg, 2, INT32_MAX));
    uint32_t site = kp_asm_here(&c->code) - 4;
    kp_asm_alu(&c->code, W, ALU_ADD, REG_SCRATCH, index.reg);
    kp_asm_rr(&c->code, 0xff, 4, REG_SCRATCH);
    while (kp_asm_here(&c->code) & 3)
        kp_asm_u8(&c->code, 0xcc);
    uint32_t table = kp_asm_here(&c->code);
    kp_asm_write(&c->code, site, table - c->start);
    kp_value_release(c, &index);
    c->code.at += 4 * ((size_t)count + 1);

    c->visits++;
    targets = instruction->targets;
    for (uint32_t entry = table; kp_wasm_targets_next(&targets, &depth); entry += 4) {
        const kp_wasm_frame_t *frame = kp_wasm_visitor_label(visitor, depth);
        kp_control_t *control = kp_control_of(c, frame);
        bool stub = needs_stub(c, frame);
        if (control->visit != c->visits) {
            control->visit = c->visits;
            masks_meet(c, control);
            if (stub) {
                if (!kp_room(c, 512))
                    return;
                control->stub = kp_asm_here(&c->code);
                if (arity == 1)
                    kp_value_store(c, &c->stack[c->height - 1], kp_slot(c, frame->height));
                else
                    copy_down(c, frame->height, arity);
                kp_control_jump(c, control);
            }
        }
        if (stub)
            kp_asm_write(&c->code, entry, control->stub - c->start);
        else if (control->target)
            kp_asm_write(&c->code, entry, control->target - c->start);
        else
            chain_add(c, &control->table_chain, entry);
    }
}

void kp_op_control(kp_compiler_t *c, const kp_wasm_instruction_t *instruction)
{
    switch (instruction->opcode) {
    case KP_WASM_OP_UNREACHABLE:
        kp_trap(c, KP_WASM_TRAP_UNREACHABLE);
        break;
    case KP_WASM_OP_BLOCK:
        kp_stack_flush(c, instruction->frame->height);
        kp_control_push(c, instruction->frame);
        break;
    case KP_WASM_OP_LOOP:
        c->check_count = 0;
        begin_loop(c, instruction->frame);
        break;
    case KP_WASM_OP_IF:
        begin_if(c, instruction->frame);
        break;
    case KP_WASM_OP_ELSE:
        c->check_count = 0;
        op_else(c, instruction);
        break;
    case KP_WASM_OP_END:
        c->check_count = 0;
        op_end(c, instruction);
        break;
    case KP_WASM_OP_BR:
        kp_control_branch(c, instruction->frame);
        break;
    case KP_WASM_OP_BR_IF:
        branch_if(c, instruction->frame);
        break;
    case KP_WASM_OP_BR_TABLE:
        branch_table(c, instruction);
        break;
    case KP_WASM_OP_RETURN:
        kp_control_branch(c, instruction->frame);
        break;
    default:
        c->status = KP_ERR_NOT_SUPPORTED;
    }
}
