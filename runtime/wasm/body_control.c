/* The validation rules of blocks, branches and calls. Specification: "Validation / Instructions /
   Control Instructions". */
#include "runtime/wasm/body_state.h"

typedef kp_wasm_state_t state_t;
typedef kp_wasm_instruction_t instruction_t;

static bool pop(state_t *state, kp_wasm_type_t expected)
{
    kp_wasm_type_t found;
    return kp_wasm_state_pop(state, expected, &found);
}

/* ---- blocks ---- */

/* A row of one type, for block types that name their result: row[t] == t. */
#define ROW4(n) (n), (n) + 1, (n) + 2, (n) + 3
#define ROW16(n) ROW4(n), ROW4((n) + 4), ROW4((n) + 8), ROW4((n) + 12)
static const kp_wasm_type_t single_types[] = {
    ROW16(0x00), ROW16(0x10), ROW16(0x20), ROW16(0x30),
    ROW16(0x40), ROW16(0x50), ROW16(0x60), ROW16(0x70),
};

/* Reads a block type into the frame. */
static bool read_block_type(state_t *state, kp_wasm_frame_t *frame)
{
    const uint8_t *begin = state->at;
    frame->parameter_count = frame->result_count = 0;
    frame->parameters = frame->results = single_types;
    if (state->at < state->end && *state->at == 0x40) {
        state->at++;
        return true;
    }
    if (state->at < state->end && (*state->at & 0xc0) == 0x40) {
        kp_wasm_type_t type;
        if (!kp_wasm_state_read_type(state, &type))
            return false;
        frame->result_count = 1;
        frame->results = &single_types[type];
        return true;
    }
    uint64_t index;
    const char *reason = kp_wasm_leb_read(&state->at, state->end, 33, true, &index);
    if (reason)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, begin, reason);
    if (!(state->module->features & KP_WASM_FEATURE_MULTI_VALUE))
        return kp_wasm_state_fail(state, KP_WASM_ERROR_UNSUPPORTED, begin, "malformed block type");
    if ((int64_t)index < 0)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, begin, "malformed block type");
    if (index >= state->module->type_count)
        return kp_wasm_state_unknown(state, "unknown type", (uint32_t)index);
    const kp_wasm_functype_t *type = &state->module->types[index];
    frame->parameter_count = type->parameter_count;
    frame->parameters = kp_wasm_functype_parameters(type);
    frame->result_count = type->result_count;
    frame->results = kp_wasm_functype_results(type);
    return true;
}

/* A new innermost frame, filled with *model, on top of the operands now. */
static bool open_frame(state_t *state, const kp_wasm_frame_t *model)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    if (visitor->depth > state->module->limits.block_depth)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, state->begin,
                                  "blocks are nested too deeply");
    if (visitor->depth == visitor->frame_capacity) {
        uint32_t capacity = visitor->frame_capacity < 32 ? 32 : visitor->frame_capacity * 2;
        kp_wasm_frame_t *grown = visitor->allocator.resize(
            visitor->allocator.context, visitor->frames, visitor->frame_capacity * sizeof(*grown),
            capacity * sizeof(*grown));
        if (!grown)
            return kp_wasm_state_fail(state, KP_WASM_ERROR_MEMORY, state->begin, "out of memory");
        visitor->frames = grown;
        visitor->frame_capacity = capacity;
    }
    kp_wasm_frame_t *frame = &visitor->frames[visitor->depth++];
    *frame = *model;
    frame->height = (uint32_t)(state->top - state->stack);
    state->frame = frame;
    state->base = state->top;
    return true;
}

bool kp_wasm_state_open_function(state_t *state)
{
    const kp_wasm_functype_t *type = state->visitor->signature;
    state->begin = state->at;
    if (state->visitor->operand_memory) {
        state->stack = state->base = state->top =
            state->visitor->operand_memory + KP_WASM_OPERAND_PADDING;
    }
    kp_wasm_frame_t model = {
        .kind = KP_WASM_FRAME_FUNCTION,
        .offset = state->visitor->module->functions[state->visitor->function].body.offset,
        .parameters = single_types,
        .result_count = type->result_count,
        .results = kp_wasm_functype_results(type),
    };
    return kp_wasm_state_reserve(state, 1) && open_frame(state, &model);
}

/* Catch clauses of a try_table: their labels are those around it. */
static bool check_catches(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    uint32_t count;
    if (!kp_wasm_state_read_u32(state, &count))
        return false;
    if (count > state->module->limits.br_table)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, state->begin,
                                  "too many catch clauses");
    instruction->targets = (kp_wasm_targets_t){state->at, count};
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind = 0;
        uint32_t tag = 0, depth;
        if (!kp_wasm_state_read_u8(state, &kind))
            return false;
        if (kind > 3)
            return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at - 1,
                                      "malformed catch clause");
        if (kind < 2 && !kp_wasm_state_read_u32(state, &tag))
            return false;
        if (kind < 2 && tag >= module->tag_count)
            return kp_wasm_state_unknown(state, "unknown tag", tag);
        if (!kp_wasm_state_read_u32(state, &depth))
            return false;
        if (depth >= state->visitor->depth)
            return kp_wasm_state_unknown(state, "unknown label", depth);
        kp_wasm_frame_t *target = kp_wasm_visitor_label(state->visitor, depth);
        const kp_wasm_type_t *label = kp_wasm_frame_label_types(target);
        const kp_wasm_functype_t *type = kind < 2 ? &module->types[module->tags[tag].type] : NULL;
        uint32_t values = type ? type->parameter_count : 0, reference = kind & 1;
        if (kp_wasm_frame_label_arity(target) != values + reference ||
            (type && memcmp(label, type->types, values) != 0) ||
            (reference && label[values] != KP_WASM_TYPE_EXNREF))
            return kp_wasm_state_invalid(state, "type mismatch");
        target->branched |= kp_wasm_state_live(state);
    }
    return true;
}

static bool rule_block(state_t *state, instruction_t *instruction)
{
    kp_wasm_frame_t model = {
        .dead_before = !kp_wasm_state_live(state),
        .offset = (uint32_t)(state->begin - state->module->bytes),
    };
    if (!read_block_type(state, &model))
        return false;
    switch (state->opcode) {
    case KP_WASM_OP_BLOCK:
        model.kind = KP_WASM_FRAME_BLOCK;
        break;
    case KP_WASM_OP_LOOP:
        model.kind = KP_WASM_FRAME_LOOP;
        break;
    case KP_WASM_OP_IF:
        model.kind = KP_WASM_FRAME_IF;
        if (!pop(state, KP_WASM_TYPE_I32))
            return false;
        break;
    default:
        model.kind = KP_WASM_FRAME_TRY_TABLE;
        if (!check_catches(state, instruction))
            return false;
        break;
    }
    if (!kp_wasm_state_pop_row(state, model.parameters, model.parameter_count) ||
        !open_frame(state, &model) ||
        !kp_wasm_state_push_row(state, model.parameters, model.parameter_count))
        return false;
    instruction->frame = state->frame;
    return true;
}

/* The operands at the end of a block are its results and nothing else; takes them. */
static bool take_results(state_t *state)
{
    const kp_wasm_frame_t *frame = state->frame;
    if (!kp_wasm_state_pop_row(state, frame->results, frame->result_count))
        return false;
    if (state->top == state->base)
        return true;
    kp_wasm_state_invalid(state, "type mismatch");
    kp_wasm_detail(state->error, ": operands remain at the end of the block");
    return false;
}

static bool rule_else(state_t *state, instruction_t *instruction)
{
    kp_wasm_frame_t *frame = state->frame;
    if (frame->kind != KP_WASM_FRAME_IF)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->begin, "else without if");
    if (!take_results(state))
        return false;
    frame->kind = KP_WASM_FRAME_ELSE;
    frame->dead = false;
    instruction->frame = frame;
    return kp_wasm_state_push_row(state, frame->parameters, frame->parameter_count);
}

static bool rule_end(state_t *state, instruction_t *instruction)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    kp_wasm_frame_t *frame = state->frame;
    if (!take_results(state))
        return false;
    if (frame->kind == KP_WASM_FRAME_IF &&
        (frame->parameter_count != frame->result_count ||
         memcmp(frame->parameters, frame->results, frame->result_count) != 0)) {
        kp_wasm_state_invalid(state, "type mismatch");
        kp_wasm_detail(state->error, ": if without else must not change types");
        return false;
    }
    visitor->depth--;
    instruction->frame = frame;
    if (visitor->depth > 0) {
        state->frame = frame - 1;
        state->base = state->stack + state->frame->height;
    }
    return kp_wasm_state_push_row(state, frame->results, frame->result_count);
}

/* ---- branches ---- */

bool kp_wasm_state_branch(state_t *state, uint32_t depth, instruction_t *instruction)
{
    if (depth >= state->visitor->depth)
        return kp_wasm_state_unknown(state, "unknown label", depth);
    kp_wasm_frame_t *target = kp_wasm_visitor_label(state->visitor, depth);
    target->branched |= kp_wasm_state_live(state);
    instruction->frame = target;
    uint32_t arity = kp_wasm_frame_label_arity(target);
    if (arity == 0)
        return true;
    const kp_wasm_type_t *types = kp_wasm_frame_label_types(target);
    if (state->top - state->base >= (ptrdiff_t)arity &&
        memcmp(state->top - arity, types, arity) == 0)
        return true;
    return kp_wasm_state_pop_row(state, types, arity) &&
           kp_wasm_state_push_row(state, types, arity);
}

/* Are the operands good for a label? They stay, unknown ones stay unknown. */
static bool check_label(state_t *state, const kp_wasm_frame_t *target)
{
    const kp_wasm_type_t *types = kp_wasm_frame_label_types(target);
    uint32_t arity = kp_wasm_frame_label_arity(target);
    size_t there = (size_t)(state->top - state->base), checked = arity;
    if (there < arity) {
        if (!state->frame->dead)
            return kp_wasm_state_mismatch(state, types[arity - 1 - there], KP_WASM_TYPE_NIL);
        checked = there;
    }
    const kp_wasm_type_t *operands = state->top - checked;
    types += arity - checked;
    if (memcmp(operands, types, checked) == 0)
        return true;
    for (size_t i = checked; i-- > 0;) {
        if (operands[i] != types[i] && operands[i] != KP_WASM_TYPE_BOTTOM)
            return kp_wasm_state_mismatch(state, types[i], operands[i]);
    }
    return true;
}

static bool rule_br_table(state_t *state, instruction_t *instruction)
{
    uint32_t count, arity = 0;
    if (!kp_wasm_state_read_u32(state, &count))
        return false;
    if (count >= state->module->limits.br_table)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, state->begin,
                                  "br_table is too large");
    if (count >= (size_t)(state->end - state->at))
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at,
                                  "unexpected end of section or function");
    if (!pop(state, KP_WASM_TYPE_I32))
        return false;
    instruction->targets = (kp_wasm_targets_t){state->at, count + 1};
    bool live = kp_wasm_state_live(state);
    const kp_wasm_frame_t *last = NULL;
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t depth;
        if (!kp_wasm_state_read_u32(state, &depth))
            return false;
        if (depth >= state->visitor->depth)
            return kp_wasm_state_unknown(state, "unknown label", depth);
        kp_wasm_frame_t *target = kp_wasm_visitor_label(state->visitor, depth);
        if (target == last)
            continue;
        if (!last)
            arity = kp_wasm_frame_label_arity(target);
        if (kp_wasm_frame_label_arity(target) != arity)
            return kp_wasm_state_invalid(state, "type mismatch");
        if (!check_label(state, target))
            return false;
        target->branched |= live;
        last = target;
    }
    kp_wasm_state_kill(state);
    return true;
}

/* ---- calls ---- */

static bool call(state_t *state, const kp_wasm_functype_t *type)
{
    return kp_wasm_state_pop_row(state, type->types, type->parameter_count) &&
           kp_wasm_state_push_row(state, kp_wasm_functype_results(type), type->result_count);
}

static bool tail_call(state_t *state, const kp_wasm_functype_t *type)
{
    const kp_wasm_functype_t *own = state->visitor->signature;
    if (!kp_wasm_state_pop_row(state, type->types, type->parameter_count))
        return false;
    if (type->result_count != own->result_count ||
        memcmp(kp_wasm_functype_results(type), kp_wasm_functype_results(own), own->result_count) !=
            0)
        return kp_wasm_state_invalid(state, "type mismatch");
    kp_wasm_state_kill(state);
    return true;
}

static bool rule_call(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, &instruction->index))
        return false;
    if (instruction->index >= module->function_count)
        return kp_wasm_state_unknown(state, "unknown function", instruction->index);
    instruction->signature = kp_wasm_module_function_type(module, instruction->index);
    return state->opcode == KP_WASM_OP_CALL ? call(state, instruction->signature)
                                            : tail_call(state, instruction->signature);
}

static bool rule_call_indirect(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, &instruction->index) ||
        !kp_wasm_state_read_table(state, &instruction->index2))
        return false;
    if (instruction->index >= module->type_count)
        return kp_wasm_state_unknown(state, "unknown type", instruction->index);
    const kp_wasm_table_t *table = &module->tables[instruction->index2];
    if (table->type != KP_WASM_TYPE_FUNCREF)
        return kp_wasm_state_mismatch(state, KP_WASM_TYPE_FUNCREF, table->type);
    instruction->signature = &module->types[instruction->index];
    if (!pop(state, kp_wasm_size_index_type(&table->size)))
        return false;
    return state->opcode == KP_WASM_OP_CALL_INDIRECT ? call(state, instruction->signature)
                                                     : tail_call(state, instruction->signature);
}

static bool rule_throw(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, &instruction->index))
        return false;
    if (instruction->index >= module->tag_count)
        return kp_wasm_state_unknown(state, "unknown tag", instruction->index);
    instruction->signature = &module->types[module->tags[instruction->index].type];
    if (!kp_wasm_state_pop_row(state, instruction->signature->types,
                               instruction->signature->parameter_count))
        return false;
    kp_wasm_state_kill(state);
    return true;
}

static bool rule_return(state_t *state, instruction_t *instruction)
{
    const kp_wasm_frame_t *function = state->visitor->frames;
    instruction->frame = state->visitor->frames;
    if (!kp_wasm_state_pop_row(state, function->results, function->result_count))
        return false;
    kp_wasm_state_kill(state);
    return true;
}

static bool rule_throw_ref(state_t *state)
{
    if (!pop(state, KP_WASM_TYPE_EXNREF))
        return false;
    kp_wasm_state_kill(state);
    return true;
}

bool kp_wasm_state_control(state_t *state, instruction_t *instruction)
{
    switch (state->opcode) {
    case KP_WASM_OP_UNREACHABLE:
        kp_wasm_state_kill(state);
        return true;
    case KP_WASM_OP_BLOCK:
    case KP_WASM_OP_LOOP:
    case KP_WASM_OP_IF:
    case KP_WASM_OP_TRY_TABLE:
        return rule_block(state, instruction);
    case KP_WASM_OP_ELSE:
        return rule_else(state, instruction);
    case KP_WASM_OP_END:
        return rule_end(state, instruction);
    case KP_WASM_OP_BR_TABLE:
        return rule_br_table(state, instruction);
    case KP_WASM_OP_RETURN:
        return rule_return(state, instruction);
    case KP_WASM_OP_CALL:
    case KP_WASM_OP_RETURN_CALL:
        return rule_call(state, instruction);
    case KP_WASM_OP_CALL_INDIRECT:
    case KP_WASM_OP_RETURN_CALL_INDIRECT:
        return rule_call_indirect(state, instruction);
    case KP_WASM_OP_THROW:
        return rule_throw(state, instruction);
    default: /* throw_ref */
        return rule_throw_ref(state);
    }
}
