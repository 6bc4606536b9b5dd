/* The operand stack of types, control frames' memory, failures. Specification: appendix "Validation
   Algorithm". */
#include "runtime/wasm/body_state.h"

bool kp_wasm_state_fail(kp_wasm_state_t *state, kp_wasm_error_kind_t kind, const uint8_t *at,
                        const char *reason)
{
    uint32_t offset = (uint32_t)(at - state->module->bytes);
    state->status = kp_wasm_fail(state->error, kind, offset, reason);
    return false;
}

bool kp_wasm_state_invalid(kp_wasm_state_t *state, const char *reason)
{
    kp_wasm_state_fail(state, KP_WASM_ERROR_INVALID, state->begin, reason);
    kp_wasm_detail(state->error, kp_wasm_opcode_name((kp_wasm_opcode_t)state->opcode));
    return false;
}

bool kp_wasm_state_unknown(kp_wasm_state_t *state, const char *reason, uint32_t index)
{
    kp_wasm_state_fail(state, KP_WASM_ERROR_INVALID, state->begin, reason);
    kp_wasm_detail_number(state->error, index);
    return false;
}

bool kp_wasm_state_mismatch(kp_wasm_state_t *state, kp_wasm_type_t expected, kp_wasm_type_t found)
{
    kp_wasm_state_invalid(state, "type mismatch");
    kp_wasm_detail(state->error, ": expected ");
    kp_wasm_detail(state->error, kp_wasm_type_name(expected));
    kp_wasm_detail(state->error, ", found ");
    kp_wasm_detail(state->error, kp_wasm_type_name(found));
    return false;
}

bool kp_wasm_state_reserve(kp_wasm_state_t *state, uint32_t count)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    uint32_t height = (uint32_t)(state->top - state->stack);
    uint32_t base = (uint32_t)(state->base - state->stack);
    uint32_t most = state->module->limits.operands;
    if (height > most || count > most - height)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, state->begin, "too many operands");
    if (height + count > visitor->operand_capacity || !visitor->operand_memory) {
        uint64_t capacity = (uint64_t)visitor->operand_capacity * 2;
        if (capacity < 256)
            capacity = 256;
        if (capacity < (uint64_t)height + count)
            capacity = (uint64_t)height + count;
        if (capacity > most)
            capacity = most;
        uint8_t *grown = visitor->allocator.resize(
            visitor->allocator.context, visitor->operand_memory,
            visitor->operand_memory ? visitor->operand_capacity + 2 * KP_WASM_OPERAND_PADDING : 0,
            (size_t)capacity + 2 * KP_WASM_OPERAND_PADDING);
        if (!grown)
            return kp_wasm_state_fail(state, KP_WASM_ERROR_MEMORY, state->begin, "out of memory");
        visitor->operand_memory = grown;
        visitor->operand_capacity = (uint32_t)capacity;
        memset(grown, KP_WASM_TYPE_NIL, KP_WASM_OPERAND_PADDING);
    }
    state->stack = visitor->operand_memory + KP_WASM_OPERAND_PADDING;
    state->base = state->stack + base;
    state->top = state->stack + height;
    state->limit = state->stack + visitor->operand_capacity;
    visitor->operands = state->stack;
    return true;
}

bool kp_wasm_state_pop(kp_wasm_state_t *state, kp_wasm_type_t expected, kp_wasm_type_t *found)
{
    if (state->top == state->base) {
        *found = state->frame->dead ? KP_WASM_TYPE_BOTTOM : KP_WASM_TYPE_NIL;
        return state->frame->dead || kp_wasm_state_mismatch(state, expected, KP_WASM_TYPE_NIL);
    }
    *found = *--state->top;
    if (*found == expected || *found == KP_WASM_TYPE_BOTTOM || expected == KP_WASM_TYPE_BOTTOM)
        return true;
    return kp_wasm_state_mismatch(state, expected, *found);
}

bool kp_wasm_state_pop_row(kp_wasm_state_t *state, const kp_wasm_type_t *types, uint32_t count)
{
    if (KP_WASM_LIKELY(state->top - state->base >= (ptrdiff_t)count &&
                       memcmp(state->top - count, types, count) == 0)) {
        state->top -= count;
        return true;
    }
    kp_wasm_type_t found;
    while (count-- > 0) {
        /* Nothing but unknown values is left. */
        if (state->top == state->base && state->frame->dead)
            return true;
        if (!kp_wasm_state_pop(state, types[count], &found))
            return false;
    }
    return true;
}

bool kp_wasm_state_push_row(kp_wasm_state_t *state, const kp_wasm_type_t *types, uint32_t count)
{
    if (count > (size_t)(state->limit - state->top) && !kp_wasm_state_reserve(state, count))
        return false;
    memcpy(state->top, types, count);
    state->top += count;
    return true;
}

void kp_wasm_state_kill(kp_wasm_state_t *state)
{
    state->top = state->base;
    state->frame->dead = true;
}

bool kp_wasm_state_read_type(kp_wasm_state_t *state, kp_wasm_type_t *type)
{
    if (!kp_wasm_state_read_u8(state, type))
        return false;
    kp_wasm_error_kind_t kind;
    const char *reason = kp_wasm_type_check(state->module->features, *type, &kind);
    return !reason || kp_wasm_state_fail(state, kind, state->at - 1, reason);
}
