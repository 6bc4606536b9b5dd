/* Blocks, branches, calls, exceptions. */
#include "runtime/interpret/translator.h"

/* How a condition was made: by a comparison that the branch takes over, or as a value in a slot. */
typedef struct kp_condition {
    bool fused;
    kp_interpret_insn_t compare;
    uint32_t slot;
} kp_condition_t;

static uint32_t distance(uint32_t from, uint32_t to)
{
    return (to - from) * (uint32_t)sizeof(kp_interpret_insn_t);
}

static void bind(kp_translator_t *t, uint32_t branch)
{
    if (t->status == KP_OK)
        t->insns[branch].a = distance(branch, t->count);
    t->barrier = t->count;
}

static void bind_chain(kp_translator_t *t, uint32_t *chain)
{
    while (*chain != KP_NO_INSN && t->status == KP_OK) {
        uint32_t next = t->insns[*chain].a;
        bind(t, *chain);
        *chain = next;
    }
    t->barrier = t->count;
}

static kp_condition_t condition_pop(kp_translator_t *t)
{
    kp_condition_t condition = {0};
    kp_operand_t operand = kp_translate_pop(t);
    kp_interpret_insn_t *last = kp_translate_emit_last(t);
    if (operand.kind == KP_OPERAND_HOME && last && kp_interpret_op_inverted[last->op] &&
        last->a == operand.home) {
        condition.fused = true;
        condition.compare = *last;
        t->count--;
    } else {
        condition.slot = kp_translate_slot(t, &operand);
    }
    return condition;
}

/* Emits the branch when the condition is `sense`; returns its index, for bind or a label. */
static uint32_t condition_branch(kp_translator_t *t, const kp_condition_t *condition, bool sense)
{
    uint32_t at = t->count;
    if (condition->fused) {
        /* op.def: NAME_RR NAME_RI IF_RR IF_RI UNLESS_RR UNLESS_RI */
        uint64_t op = condition->compare.op + (sense ? 2 : 4);
        kp_translate_emit_imm(t, (kp_interpret_op_t)op, 0, condition->compare.b,
                              condition->compare.imm);
    } else {
        kp_translate_emit(t, sense ? KP_OP_JUMP_IF : KP_OP_JUMP_UNLESS, 0, condition->slot, 0, 0);
    }
    return at;
}

/* ---- labels ---- */

/* Lets the branch at `at` go to the frame's label. */
static void branch_to(kp_translator_t *t, uint32_t at, const kp_wasm_frame_t *frame)
{
    kp_block_t *block = kp_block_of(t, frame);
    if (t->status != KP_OK)
        return;
    if (frame->kind == KP_WASM_FRAME_LOOP) {
        t->insns[at].a = distance(at, block->head);
    } else {
        t->insns[at].a = block->fixups;
        block->fixups = at;
    }
}

static void jump_to(kp_translator_t *t, const kp_wasm_frame_t *frame)
{
    kp_translate_emit(t, KP_OP_JUMP, 0, 0, 0, 0);
    branch_to(t, t->count - 1, frame);
}

/* Puts what a branch to the frame carries where its label expects it. */
static void label_values(kp_translator_t *t, const kp_wasm_frame_t *frame, bool last_use)
{
    uint32_t arity = kp_wasm_frame_label_arity(frame), home = kp_block_of(t, frame)->home;
    if (arity == 0 || t->height < arity)
        return;
    if (arity == 1) {
        const kp_operand_t operand = t->operands[t->height - 1];
        if (last_use)
            kp_translate_store_to(t, home, &operand);
        else
            kp_translate_copy_to(t, home, &operand);
        return;
    }
    uint32_t from = kp_translate_settle(t, arity);
    if (from != home)
        kp_translate_emit(t, KP_OP_MOVE_BLOCK, home, from, t->next_home - from, 0);
}

static bool label_in_place(kp_translator_t *t, const kp_wasm_frame_t *frame)
{
    uint32_t arity = kp_wasm_frame_label_arity(frame), home = kp_block_of(t, frame)->home;
    if (arity == 0 || t->height < arity)
        return true;
    const kp_operand_t *first = &t->operands[t->height - arity];
    return first->home == home && (arity > 1 || first->kind == KP_OPERAND_HOME);
}

static void return_values(kp_translator_t *t)
{
    const kp_wasm_functype_t *type = t->visitor.signature;
    uint32_t count = type->result_count;
    if (count == 0 || t->height < count) {
        kp_translate_emit(t, KP_OP_RETURN, 0, 0, 0, 0);
        return;
    }
    const kp_operand_t *top = &t->operands[t->height - 1];
    if (count == 1 && top->type != KP_WASM_TYPE_V128) {
        if (top->kind == KP_OPERAND_CONST)
            kp_translate_emit_imm(t, KP_OP_RETURN_CONST, 0, 0, top->bits);
        else
            kp_translate_emit(t, KP_OP_RETURN_MOVE, 0, kp_translate_slot(t, top), 0, 0);
        return;
    }
    uint32_t from = kp_translate_settle(t, count);
    kp_translate_emit(t, KP_OP_RETURN_BLOCK, 0, from, t->next_home - from, 0);
}

/* ---- blocks ---- */

static void push_row(kp_translator_t *t, const kp_wasm_type_t *types, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        kp_translate_push(t, types[i]);
}

static void try_clauses(kp_translator_t *t, const kp_wasm_instruction_t *instruction,
                        kp_block_t *block)
{
    kp_wasm_targets_t targets = instruction->targets;
    kp_wasm_catch_t clause;
    block->clauses = t->open_count;
    if (targets.left > 0) {
        uint32_t over = t->count;
        kp_translate_emit(t, KP_OP_JUMP, 0, 0, 0, 0);
        while (kp_wasm_catches_next(&targets, &clause)) {
            const kp_wasm_frame_t *frame = kp_wasm_visitor_label(&t->visitor, clause.depth + 1);
            if (!kp_translator_reserve(t, (void **)&t->open_clauses, &t->open_capacity,
                                       t->open_count + 1, sizeof *t->open_clauses))
                return;
            t->open_clauses[t->open_count++] =
                (kp_interpret_clause_t){.tag = clause.tag, .landing = t->count};
            kp_translate_emit(t, KP_OP_LAND, 0, kp_block_of(t, frame)->home, clause.kind, 0);
            branch_to(t, t->count - 1, frame);
        }
        bind(t, over);
    }
    block->clause_count = t->open_count - block->clauses;
    block->begin = t->count;
}

static void try_end(kp_translator_t *t, kp_block_t *block)
{
    if (!kp_translator_reserve(t, (void **)&t->clauses, &t->clause_capacity,
                               t->clause_count + block->clause_count, sizeof *t->clauses))
        return;
    for (uint32_t i = 0; i < block->clause_count; i++) {
        kp_interpret_clause_t *clause = &t->clauses[t->clause_count++];
        *clause = t->open_clauses[block->clauses + i];
        clause->begin = block->begin;
        clause->end = t->count;
    }
    t->open_count = block->clauses;
    /* What follows must not change an instruction inside, which the clauses count on. */
    t->barrier = t->count;
}

static void block_begin(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_frame_t *frame = instruction->frame;
    uint32_t index = (uint32_t)(frame - t->visitor.frames);
    if (!kp_translator_reserve(t, (void **)&t->blocks, &t->block_capacity, index + 1,
                               sizeof *t->blocks))
        return;
    kp_condition_t condition = {0};
    if (instruction->opcode == KP_WASM_OP_IF)
        condition = condition_pop(t);
    kp_translate_settle_locals(t);
    if (instruction->opcode == KP_WASM_OP_IF || instruction->opcode == KP_WASM_OP_LOOP)
        kp_translate_settle(t, frame->parameter_count);
    uint32_t first = t->height - frame->parameter_count;
    kp_block_t *block = &t->blocks[index];
    *block = (kp_block_t){
        .home = frame->parameter_count && t->height >= frame->parameter_count
                    ? t->operands[first].home
                    : t->next_home,
        .fixups = KP_NO_INSN,
        .otherwise = KP_NO_INSN,
    };
    switch (instruction->opcode) {
    case KP_WASM_OP_IF:
        block->otherwise = condition_branch(t, &condition, false);
        break;
    case KP_WASM_OP_LOOP:
        kp_translate_emit(t, KP_OP_LOOP, 0, 0, 0, 0);
        block->head = t->barrier = t->count;
        break;
    case KP_WASM_OP_TRY_TABLE:
        try_clauses(t, instruction, block);
        break;
    default:
        break;
    }
}

static void block_else(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_frame_t *frame = instruction->frame;
    kp_block_t *block = kp_block_of(t, frame);
    if (instruction->reachable) {
        kp_translate_settle(t, frame->result_count);
        kp_translate_emit(t, KP_OP_JUMP, block->fixups, 0, 0, 0);
        block->fixups = t->count - 1;
    }
    bind(t, block->otherwise);
    block->otherwise = KP_NO_INSN;
    kp_translate_drop_to(t, frame->height);
    push_row(t, frame->parameters, frame->parameter_count);
}

static void block_end(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_frame_t *frame = instruction->frame;
    kp_block_t *block = kp_block_of(t, frame);
    bool joined = block->fixups != KP_NO_INSN || block->otherwise != KP_NO_INSN;
    if (frame->kind == KP_WASM_FRAME_FUNCTION && !joined) {
        if (instruction->reachable)
            return_values(t);
        return;
    }
    if (instruction->reachable && joined)
        kp_translate_settle(t, frame->result_count);
    if (!instruction->reachable) {
        kp_translate_drop_to(t, frame->height);
        push_row(t, frame->results, frame->result_count);
    }
    if (frame->kind == KP_WASM_FRAME_TRY_TABLE)
        try_end(t, block);
    if (joined) {
        if (block->otherwise != KP_NO_INSN)
            bind(t, block->otherwise);
        bind_chain(t, &block->fixups);
    }
    if (frame->kind == KP_WASM_FRAME_FUNCTION)
        return_values(t);
}

/* ---- branches ---- */

static void branch(kp_translator_t *t, const kp_wasm_frame_t *frame)
{
    if (frame->kind == KP_WASM_FRAME_FUNCTION) {
        return_values(t);
        return;
    }
    label_values(t, frame, true);
    jump_to(t, frame);
}

static void branch_if(kp_translator_t *t, const kp_wasm_frame_t *frame)
{
    kp_condition_t condition = condition_pop(t);
    if (kp_wasm_frame_label_arity(frame) > 1)
        kp_translate_settle(t, kp_wasm_frame_label_arity(frame));
    if (label_in_place(t, frame)) {
        branch_to(t, condition_branch(t, &condition, true), frame);
        return;
    }
    uint32_t over = condition_branch(t, &condition, false);
    t->barrier = t->count;
    label_values(t, frame, false);
    jump_to(t, frame);
    bind(t, over);
}

static void branch_table(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_targets_t targets = instruction->targets;
    uint32_t slot = kp_translate_pop_slot(t), depth, count = targets.left;
    const kp_wasm_frame_t *frame = NULL;
    if (kp_wasm_targets_next(&targets, &depth))
        frame = kp_wasm_visitor_label(&t->visitor, depth);
    if (frame && kp_wasm_frame_label_arity(frame) > 1)
        kp_translate_settle(t, kp_wasm_frame_label_arity(frame));
    kp_translate_emit(t, KP_OP_JUMP_TABLE, 0, slot, count - 1, 0);
    uint32_t cell = t->count;
    for (uint32_t i = 0; i < count && t->status == KP_OK; i++)
        kp_translate_emit(t, KP_OP_JUMP, 0, 0, 0, 0);
    t->barrier = t->count;
    targets = instruction->targets;
    for (; kp_wasm_targets_next(&targets, &depth) && t->status == KP_OK; cell++) {
        frame = kp_wasm_visitor_label(&t->visitor, depth);
        if (label_in_place(t, frame)) {
            branch_to(t, cell, frame);
        } else {
            bind(t, cell);
            label_values(t, frame, false);
            jump_to(t, frame);
        }
    }
    t->barrier = t->count;
}

/* ---- calls ---- */

static void call(kp_translator_t *t, const kp_wasm_instruction_t *instruction, bool indirect)
{
    const kp_wasm_module_t *module = t->visitor.module;
    const kp_wasm_functype_t *type = instruction->signature;
    uint32_t slot = indirect ? kp_translate_pop_slot(t) : 0;
    uint32_t from = kp_translate_settle(t, type->parameter_count);
    kp_translate_drop_to(t, t->height - type->parameter_count);
    push_row(t, kp_wasm_functype_results(type), type->result_count);
    if (indirect)
        kp_translate_emit(t, KP_OP_CALL_INDIRECT, from, slot, instruction->index,
                          instruction->index2);
    else if (instruction->index < module->imported_function_count)
        kp_translate_emit(t, KP_OP_CALL_IMPORT, from, instruction->index, 0, 0);
    else
        /* The function itself is put there when the code is published. */
        kp_translate_emit_imm(t, KP_OP_CALL, from, 0,
                              instruction->index - module->imported_function_count);
}

static void tail_call(kp_translator_t *t, const kp_wasm_instruction_t *instruction, bool indirect)
{
    const kp_wasm_module_t *module = t->visitor.module;
    const kp_wasm_functype_t *type = instruction->signature;
    uint32_t slot = indirect ? kp_translate_pop_slot(t) : 0;
    uint32_t from = kp_translate_settle(t, type->parameter_count);
    uint32_t bytes = kp_translate_row_bytes(type->types, type->parameter_count);
    uint32_t results = kp_translate_row_bytes(kp_wasm_functype_results(type), type->result_count);
    if (from + results > t->most_home)
        t->most_home = from + results;
    if (indirect) {
        kp_translate_emit(t, KP_OP_TAIL_CALL_INDIRECT, from, slot, bytes, results);
        kp_translate_emit_data(t, instruction->index | (uint64_t)instruction->index2 << 32, 0);
    } else if (instruction->index < module->imported_function_count) {
        kp_translate_emit(t, KP_OP_TAIL_CALL_IMPORT, from, instruction->index, bytes, results);
    } else {
        kp_translate_emit_imm(t, KP_OP_TAIL_CALL, from, bytes,
                              instruction->index - module->imported_function_count);
    }
}

bool kp_translate_is_control(kp_wasm_opcode_t opcode)
{
    return opcode <= KP_WASM_OP_RETURN_CALL_INDIRECT || opcode == KP_WASM_OP_TRY_TABLE;
}

void kp_translate_control(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    switch (instruction->opcode) {
    case KP_WASM_OP_UNREACHABLE:
        kp_translate_emit(t, KP_OP_UNREACHABLE, 0, 0, 0, 0);
        break;
    case KP_WASM_OP_BLOCK:
    case KP_WASM_OP_LOOP:
    case KP_WASM_OP_IF:
    case KP_WASM_OP_TRY_TABLE:
        block_begin(t, instruction);
        break;
    case KP_WASM_OP_ELSE:
        block_else(t, instruction);
        break;
    case KP_WASM_OP_END:
        block_end(t, instruction);
        break;
    case KP_WASM_OP_BR:
        branch(t, instruction->frame);
        break;
    case KP_WASM_OP_BR_IF:
        branch_if(t, instruction->frame);
        break;
    case KP_WASM_OP_BR_TABLE:
        branch_table(t, instruction);
        break;
    case KP_WASM_OP_RETURN:
        return_values(t);
        break;
    case KP_WASM_OP_CALL:
    case KP_WASM_OP_CALL_INDIRECT:
        call(t, instruction, instruction->opcode == KP_WASM_OP_CALL_INDIRECT);
        break;
    case KP_WASM_OP_RETURN_CALL:
    case KP_WASM_OP_RETURN_CALL_INDIRECT:
        tail_call(t, instruction, instruction->opcode == KP_WASM_OP_RETURN_CALL_INDIRECT);
        break;
    case KP_WASM_OP_THROW: {
        uint32_t count = instruction->signature->parameter_count;
        uint32_t from = kp_translate_settle(t, count);
        kp_translate_emit(t, KP_OP_THROW, from, instruction->index, 0, 0);
        break;
    }
    case KP_WASM_OP_THROW_REF:
        kp_translate_emit(t, KP_OP_THROW_REF, kp_translate_pop_slot(t), 0, 0, 0);
        break;
    default: /* nop */
        break;
    }
}
