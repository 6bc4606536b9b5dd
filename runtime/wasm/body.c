/* The visitor's loop: decodes, validates and delivers. The common instructions are checked here, by
   table; body_rules.c has the rules of the others, body_state.c the operand stack. */
#include "runtime/wasm/body.h"

#include "runtime/wasm/body_state.h"

#define INLINE static inline __attribute__((always_inline))

/* What the rules and the sink see of the loop's registers, and back. */
#define STORE()                 \
    do {                        \
        state->begin = begin;   \
        state->opcode = opcode; \
        state->at = at;         \
        state->top = top;       \
    } while (0)
#define LOAD()            \
    do {                  \
        at = state->at;   \
        top = state->top; \
    } while (0)

static bool fail_opcode(kp_wasm_state_t *state)
{
    const char *proposal = kp_wasm_opcode_proposal(state->opcode);
    if (state->opcode < KP_WASM_OPCODE_COUNT && kp_wasm_opcode_info[state->opcode].valid) {
        kp_wasm_state_fail(state, KP_WASM_ERROR_UNSUPPORTED, state->begin, "illegal opcode");
        kp_wasm_detail(state->error, kp_wasm_opcode_name((uint16_t)state->opcode));
        kp_wasm_detail(state->error, " belongs to a feature that is off");
        return false;
    }
    if (!proposal)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->begin, "illegal opcode");
    kp_wasm_state_fail(state, KP_WASM_ERROR_UNSUPPORTED, state->begin, "illegal opcode");
    kp_wasm_detail(state->error, proposal);
    kp_wasm_detail(state->error, ": not supported");
    return false;
}

/* A LEB that is longer than one byte or not there. */
static bool read_leb(kp_wasm_state_t *state, unsigned bits, bool is_signed, uint64_t *value)
{
    const char *reason = kp_wasm_leb_read(&state->at, state->end, bits, is_signed, value);
    return !reason || kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, reason);
}

static bool pop_operands(kp_wasm_state_t *state, const kp_wasm_opcode_info_t *info)
{
    kp_wasm_type_t found;
    for (unsigned i = info->pop_count; i-- > 0;) {
        kp_wasm_type_t type = info->operand[i];
        if (!kp_wasm_state_pop(state, type == KP_WASM_TYPE_ADDR ? KP_WASM_TYPE_I32 : type, &found))
            return false;
    }
    return true;
}

static bool sink_fail(kp_wasm_state_t *state, const uint8_t *at, kp_status_t status)
{
    const char *reason = status == KP_ERR_TOO_LARGE   ? "the function's translation is too large"
                         : status == KP_ERR_NO_MEMORY ? "no memory for the function's translation"
                                                      : "translation failed";
    kp_wasm_state_fail(state, KP_WASM_ERROR_SINK, at, reason);
    state->status = state->error->status = status;
    return false;
}

static bool call_sink(kp_wasm_state_t *state, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    kp_status_t status = visitor->sink->instruction(visitor->context, visitor, instruction);
    return KP_WASM_LIKELY(status == KP_OK) || sink_fail(state, state->begin, status);
}

/* Reads one unsigned LEB of 32 bits into `value`. */
#define READ_INDEX(value)                             \
    do {                                              \
        if (KP_WASM_LIKELY(at < end && *at < 0x80)) { \
            (value) = *at++;                          \
        } else {                                      \
            uint64_t wide;                            \
            STORE();                                  \
            if (!read_leb(state, 32, false, &wide))   \
                return false;                         \
            at = state->at;                           \
            (value) = (uint32_t)wide;                 \
        }                                             \
    } while (0)

/* Compiled twice: with a sink and without. */
INLINE bool run(kp_wasm_state_t *state, const bool deliver)
{
    kp_wasm_visitor_t *const visitor = state->visitor;
    const kp_wasm_module_t *const module = state->module;
    const kp_wasm_features_t missing = ~module->features;
    const uint8_t *const end = state->end;
    const bool deliver_dead = deliver && visitor->sink->dead_code;
    const uint8_t *at = state->at;
    kp_wasm_type_t *top = state->top;
    kp_wasm_instruction_t instruction;

    for (;;) {
        const uint8_t *const begin = at;
        uint32_t opcode;
        if (KP_WASM_UNLIKELY(at >= end))
            return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, at,
                                      "unexpected end of section or function");
        opcode = *at++;
        if (KP_WASM_UNLIKELY(opcode >= 0xfc)) {
            at = begin;
            const char *reason = kp_wasm_read_opcode(&at, end, &opcode);
            if (reason)
                return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, at, reason);
            if (opcode >= KP_WASM_OPCODE_COUNT) {
                STORE();
                return fail_opcode(state);
            }
        }
        const kp_wasm_opcode_info_t *const info = &kp_wasm_opcode_info[opcode];
        if (KP_WASM_UNLIKELY(info->feature & missing)) {
            STORE();
            return fail_opcode(state);
        }
        if (KP_WASM_UNLIKELY(top >= state->limit)) {
            STORE();
            if (!kp_wasm_state_reserve(state, 1))
                return false;
            LOAD();
        }
        bool live = false;
        if (deliver) {
            live = kp_wasm_state_live(state);
            instruction.opcode = (kp_wasm_opcode_t)opcode;
            instruction.reachable = live;
            instruction.offset = (uint32_t)(begin - module->bytes);
            instruction.before = (uint32_t)(top - state->stack);
        }

        switch (info->immediate) {
        case KP_WASM_IMMEDIATE_LOCAL: {
            uint32_t index;
            READ_INDEX(index);
            if (KP_WASM_UNLIKELY(index >= visitor->local_count)) {
                STORE();
                return kp_wasm_state_unknown(state, "unknown local", index);
            }
            kp_wasm_type_t type = visitor->locals[index];
            instruction.index = index;
            instruction.type = type;
            if (opcode == KP_WASM_OP_LOCAL_GET) {
                *top++ = type;
                break;
            }
            if (KP_WASM_UNLIKELY(top == state->base || top[-1] != type)) {
                kp_wasm_type_t found;
                STORE();
                if (!kp_wasm_state_pop(state, type, &found))
                    return false;
                top = state->top;
                *top++ = type;
            }
            top -= opcode == KP_WASM_OP_LOCAL_SET;
            break;
        }
        case KP_WASM_IMMEDIATE_I32:
            if (KP_WASM_LIKELY(at < end && *at < 0x80)) {
                instruction.value = (uint64_t)((int64_t)((uint64_t)*at++ << 57) >> 57);
            } else {
                STORE();
                if (!read_leb(state, 32, true, &instruction.value))
                    return false;
                at = state->at;
            }
            *top++ = KP_WASM_TYPE_I32;
            break;
        case KP_WASM_IMMEDIATE_I64:
            if (KP_WASM_LIKELY(at < end && *at < 0x80)) {
                instruction.value = (uint64_t)((int64_t)((uint64_t)*at++ << 57) >> 57);
            } else {
                STORE();
                if (!read_leb(state, 64, true, &instruction.value))
                    return false;
                at = state->at;
            }
            *top++ = KP_WASM_TYPE_I64;
            break;
        case KP_WASM_IMMEDIATE_MEMARG:
            /* Alignment within the natural one, one byte of offset, the first memory, i32. */
            if (KP_WASM_LIKELY(end - at >= 2 && at[0] <= info->argument && at[1] < 0x80 &&
                               module->memory_count > 0 && !module->memories[0].size.is_64 &&
                               opcode < 0x300)) {
                instruction.index = 0;
                instruction.align = at[0];
                instruction.value = at[1];
                at += 2;
                goto table_rule;
            }
            STORE();
            if (!kp_wasm_state_memarg(state, info, &instruction))
                return false;
            LOAD();
            break;
        case KP_WASM_IMMEDIATE_LABEL: {
            READ_INDEX(instruction.index);
            if (opcode == KP_WASM_OP_BR_IF) {
                if (KP_WASM_LIKELY(top > state->base && top[-1] == KP_WASM_TYPE_I32)) {
                    top--;
                } else {
                    kp_wasm_type_t found;
                    STORE();
                    if (!kp_wasm_state_pop(state, KP_WASM_TYPE_I32, &found))
                        return false;
                    top = state->top;
                }
            }
            STORE();
            if (!kp_wasm_state_branch(state, instruction.index, &instruction))
                return false;
            if (opcode == KP_WASM_OP_BR)
                kp_wasm_state_kill(state);
            LOAD();
            break;
        }
        case KP_WASM_IMMEDIATE_BLOCK:
        case KP_WASM_IMMEDIATE_FUNCTION:
        case KP_WASM_IMMEDIATE_INDIRECT:
        case KP_WASM_IMMEDIATE_BR_TABLE:
        control_rule:
            STORE();
            if (!kp_wasm_state_control(state, &instruction))
                return false;
            LOAD();
            break;
        case KP_WASM_IMMEDIATE_NONE:
            if (KP_WASM_LIKELY(info->simple)) {
            table_rule:;
                uint32_t word = top[-4] | (uint32_t)top[-3] << 8 | (uint32_t)top[-2] << 16 |
                                (uint32_t)top[-1] << 24;
                if (KP_WASM_LIKELY((word & info->operand_mask) == info->operand_bytes &&
                                   top - state->base >= info->pop_count)) {
                    top -= info->pop_count;
                } else {
                    STORE();
                    if (!pop_operands(state, info))
                        return false;
                    top = state->top;
                }
                *top = info->push;
                top += info->push != KP_WASM_TYPE_NIL;
                break;
            }
            if (opcode == KP_WASM_OP_END)
                goto control_rule;
            if (KP_WASM_UNLIKELY(!info->valid)) {
                STORE();
                return fail_opcode(state);
            }
            /* fall through */
        default:
            STORE();
            if (!kp_wasm_state_rule(state, info, &instruction))
                return false;
            LOAD();
            break;
        }

        if (deliver) {
            visitor->height = (uint32_t)(top - state->stack);
            if (visitor->height > visitor->height_maximum)
                visitor->height_maximum = visitor->height;
            bool wanted = live | deliver_dead;
            if (opcode == KP_WASM_OP_END || opcode == KP_WASM_OP_ELSE)
                wanted = !instruction.frame->dead_before | deliver_dead;
            if (wanted) {
                instruction.next = (uint32_t)(at - module->bytes);
                STORE();
                if (!call_sink(state, &instruction))
                    return false;
            }
        }
        if (KP_WASM_UNLIKELY(visitor->depth == 0)) {
            if (at != end)
                return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, at,
                                          "END opcode expected");
            return true;
        }
    }
}

static __attribute__((noinline)) bool run_alone(kp_wasm_state_t *state)
{
    return run(state, false);
}

static __attribute__((noinline)) bool run_sink(kp_wasm_state_t *state)
{
    return run(state, true);
}

/* ---- locals ---- */

static bool reserve_locals(kp_wasm_state_t *state, uint32_t count)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    if (count <= visitor->local_capacity)
        return true;
    uint32_t capacity = visitor->local_capacity < 64 ? 64 : visitor->local_capacity * 2;
    if (capacity < count)
        capacity = count;
    uint8_t *grown = visitor->allocator.resize(visitor->allocator.context, visitor->local_memory,
                                               visitor->local_capacity, capacity);
    if (!grown)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MEMORY, state->at, "out of memory");
    visitor->local_memory = grown;
    visitor->local_capacity = capacity;
    visitor->locals = grown;
    return true;
}

static bool decode_locals(kp_wasm_state_t *state)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    const kp_wasm_functype_t *type = visitor->signature;
    uint32_t most = state->module->limits.locals, total = type->parameter_count, groups;
    if (total > most)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, state->at, "too many locals");
    if (!reserve_locals(state, total ? total : 1))
        return false;
    memcpy(visitor->local_memory, type->types, total);
    if (!kp_wasm_state_read_u32(state, &groups))
        return false;
    for (uint32_t i = 0; i < groups; i++) {
        const uint8_t *begin = state->at;
        uint32_t count;
        kp_wasm_type_t local;
        if (!kp_wasm_state_read_u32(state, &count) || !kp_wasm_state_read_type(state, &local))
            return false;
        if (count > most - total)
            return kp_wasm_state_fail(state, KP_WASM_ERROR_LIMIT, begin, "too many locals");
        if (!reserve_locals(state, total + count))
            return false;
        memset(visitor->local_memory + total, local, count);
        total += count;
    }
    visitor->locals = visitor->local_memory;
    visitor->local_count = total;
    return true;
}

/* ---- the public functions ---- */

void kp_wasm_visitor_init(kp_wasm_visitor_t *visitor, const kp_wasm_module_t *module,
                          kp_wasm_allocator_t allocator)
{
    *visitor = (kp_wasm_visitor_t){.module = module, .allocator = allocator};
}

void kp_wasm_visitor_clear(kp_wasm_visitor_t *visitor)
{
    const kp_wasm_allocator_t *allocator = &visitor->allocator;
    if (visitor->operand_memory)
        allocator->resize(allocator->context, visitor->operand_memory,
                          visitor->operand_capacity + 2 * KP_WASM_OPERAND_PADDING, 0);
    if (visitor->local_memory)
        allocator->resize(allocator->context, visitor->local_memory, visitor->local_capacity, 0);
    if (visitor->frames)
        allocator->resize(allocator->context, visitor->frames,
                          visitor->frame_capacity * sizeof(*visitor->frames), 0);
    kp_wasm_visitor_init(visitor, visitor->module, visitor->allocator);
}

static bool notify(kp_wasm_state_t *state, kp_status_t (*hook)(void *, kp_wasm_visitor_t *))
{
    kp_status_t status = hook ? hook(state->visitor->context, state->visitor) : KP_OK;
    return status == KP_OK || sink_fail(state, state->at, status);
}

static bool visit(kp_wasm_state_t *state)
{
    kp_wasm_visitor_t *visitor = state->visitor;
    const kp_wasm_sink_t *sink = visitor->sink;
    if (!decode_locals(state) || !kp_wasm_state_open_function(state))
        return false;
    visitor->code_offset = (uint32_t)(state->at - state->module->bytes);
    visitor->code_end = (uint32_t)(state->end - state->module->bytes);
    if (!sink)
        return run_alone(state);
    return notify(state, sink->begin) && run_sink(state) && notify(state, sink->end);
}

kp_status_t kp_wasm_body_visit(kp_wasm_visitor_t *visitor, uint32_t function,
                               const kp_wasm_sink_t *sink, void *context, kp_wasm_error_t *error)
{
    const kp_wasm_module_t *module = visitor->module;
    kp_wasm_error_t unwanted;
    if (!error)
        error = &unwanted;
    if (function >= module->function_count || function < module->imported_function_count) {
        kp_wasm_fail(error, KP_WASM_ERROR_INVALID, 0, "unknown function");
        return error->status = KP_ERR_INVALID_ARGUMENT;
    }
    kp_wasm_span_t body = module->functions[function].body;
    kp_wasm_state_t state = {
        .visitor = visitor,
        .module = module,
        .at = module->bytes + body.offset,
        .end = module->bytes + body.offset + body.size,
        .error = error,
    };
    visitor->function = function;
    visitor->signature = kp_wasm_module_function_type(module, function);
    visitor->sink = sink;
    visitor->context = context;
    visitor->depth = 0;
    visitor->height = 0;
    visitor->height_maximum = 0;
    visitor->local_count = 0;
    if (visit(&state))
        return KP_OK;
    error->function = function;
    return state.status;
}
