/* Private to body.c and body_rules.c: the state of one visit and the operand stack. */
#ifndef KP_RUNTIME_WASM_BODY_STATE_H
#define KP_RUNTIME_WASM_BODY_STATE_H

#include "runtime/wasm/internal.h"

/* Bytes below the first operand, so that the top four can be read as one word at any height. */
#define KP_WASM_OPERAND_PADDING ((size_t)8)

typedef struct kp_wasm_state {
    kp_wasm_visitor_t *visitor;
    const kp_wasm_module_t *module;
    const uint8_t *begin; /* of the current instruction */
    const uint8_t *at;
    const uint8_t *end;
    kp_wasm_type_t *stack; /* the first operand */
    kp_wasm_type_t *base;  /* the first operand of the innermost frame */
    kp_wasm_type_t *top;   /* behind the last operand */
    kp_wasm_type_t *limit; /* one slot before the end of the memory */
    kp_wasm_frame_t *frame;
    uint32_t opcode;
    kp_status_t status; /* of the first failure */
    kp_wasm_error_t *error;
} kp_wasm_state_t;

/* Failures; they return false. */
bool kp_wasm_state_fail(kp_wasm_state_t *state, kp_wasm_error_kind_t kind, const uint8_t *at,
                        const char *reason);
bool kp_wasm_state_invalid(kp_wasm_state_t *state, const char *reason);
bool kp_wasm_state_unknown(kp_wasm_state_t *state, const char *reason, uint32_t index);
bool kp_wasm_state_mismatch(kp_wasm_state_t *state, kp_wasm_type_t expected, kp_wasm_type_t found);

/* Room for `count` more operands (and one besides). May move the stack. */
bool kp_wasm_state_reserve(kp_wasm_state_t *state, uint32_t count);
/* Pops one operand. BOTTOM as expected: any type. *found may be BOTTOM in dead code. */
bool kp_wasm_state_pop(kp_wasm_state_t *state, kp_wasm_type_t expected, kp_wasm_type_t *found);
/* Pops a row of types, the last from the top. */
bool kp_wasm_state_pop_row(kp_wasm_state_t *state, const kp_wasm_type_t *types, uint32_t count);
bool kp_wasm_state_push_row(kp_wasm_state_t *state, const kp_wasm_type_t *types, uint32_t count);
/* The rest of the frame is unreachable. */
void kp_wasm_state_kill(kp_wasm_state_t *state);

static inline bool kp_wasm_state_live(const kp_wasm_state_t *state)
{
    return !(state->frame->dead | state->frame->dead_before);
}

static inline bool kp_wasm_state_read_u32(kp_wasm_state_t *state, uint32_t *value)
{
    const char *reason = kp_wasm_read_u32(&state->at, state->end, value);
    return !reason || kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, reason);
}

static inline bool kp_wasm_state_read_u8(kp_wasm_state_t *state, uint8_t *value)
{
    if (state->at >= state->end)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, "unexpected end");
    *value = *state->at++;
    return true;
}

bool kp_wasm_state_read_type(kp_wasm_state_t *state, kp_wasm_type_t *type);

/* Reads a table index; without reference types it is one zero byte. */
bool kp_wasm_state_read_table(kp_wasm_state_t *state, uint32_t *index);

/* Opens the function's own frame. */
bool kp_wasm_state_open_function(kp_wasm_state_t *state);

/* The rules of all instructions that body.c's loop does not do itself. begin, opcode, at and top are
   those behind the opcode; the rule reads the immediates, checks, moves them on and fills
   `instruction`. */
bool kp_wasm_state_rule(kp_wasm_state_t *state, const kp_wasm_opcode_info_t *info,
                        kp_wasm_instruction_t *instruction);
/* A branch to label `depth` from here: checks its operands (they stay); fills frame. */
bool kp_wasm_state_branch(kp_wasm_state_t *state, uint32_t depth,
                          kp_wasm_instruction_t *instruction);
/* Blocks, branches, calls (body_control.c). */
bool kp_wasm_state_control(kp_wasm_state_t *state, kp_wasm_instruction_t *instruction);
bool kp_wasm_state_memarg(kp_wasm_state_t *state, const kp_wasm_opcode_info_t *info,
                          kp_wasm_instruction_t *instruction);

#endif
