/* The validation rules of references, tables, bulk memory, and of memory accesses that
   are not the plainest. Specification: "Validation / Instructions". */
#include "runtime/wasm/body_state.h"

typedef kp_wasm_state_t state_t;
typedef kp_wasm_instruction_t instruction_t;

static bool pop(state_t *state, kp_wasm_type_t expected)
{
    kp_wasm_type_t found;
    return kp_wasm_state_pop(state, expected, &found);
}

static bool pop_two(state_t *state, kp_wasm_type_t expected)
{
    if (!pop(state, expected))
        return false;
    return pop(state, expected);
}

static bool push(state_t *state, kp_wasm_type_t type)
{
    return kp_wasm_state_push_row(state, &type, 1);
}

/* ---- values ---- */

static bool rule_select(state_t *state, instruction_t *instruction)
{
    kp_wasm_type_t first, second;
    if (!pop(state, KP_WASM_TYPE_I32) || !kp_wasm_state_pop(state, KP_WASM_TYPE_BOTTOM, &second) ||
        !kp_wasm_state_pop(state, KP_WASM_TYPE_BOTTOM, &first))
        return false;
    kp_wasm_type_t type = first == KP_WASM_TYPE_BOTTOM ? second : first;
    if (first != second && first != KP_WASM_TYPE_BOTTOM && second != KP_WASM_TYPE_BOTTOM)
        return kp_wasm_state_mismatch(state, first, second);
    if (kp_wasm_type_is_reference(type))
        return kp_wasm_state_invalid(state, "type mismatch");
    instruction->type = type;
    return push(state, type);
}

static bool rule_select_typed(state_t *state, instruction_t *instruction)
{
    uint32_t count;
    if (!kp_wasm_state_read_u32(state, &count))
        return false;
    if (count != 1)
        return kp_wasm_state_invalid(state, "invalid result arity");
    return kp_wasm_state_read_type(state, &instruction->type) && pop(state, KP_WASM_TYPE_I32) &&
           pop_two(state, instruction->type) && push(state, instruction->type);
}

static bool rule_global(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, &instruction->index))
        return false;
    if (instruction->index >= module->global_count)
        return kp_wasm_state_unknown(state, "unknown global", instruction->index);
    const kp_wasm_global_t *global = &module->globals[instruction->index];
    instruction->type = global->type;
    if (state->opcode == KP_WASM_OP_GLOBAL_GET)
        return push(state, global->type);
    if (!global->mutable)
        return kp_wasm_state_invalid(state, "global is immutable");
    return pop(state, global->type);
}

/* The instructions without immediates that are no plain rows of operands. */
static bool rule_plain(state_t *state, instruction_t *instruction)
{
    kp_wasm_type_t type;
    switch (state->opcode) {
    case KP_WASM_OP_DROP:
        return kp_wasm_state_pop(state, KP_WASM_TYPE_BOTTOM, &instruction->type);
    case KP_WASM_OP_SELECT:
        return rule_select(state, instruction);
    case KP_WASM_OP_REF_IS_NULL:
        if (!kp_wasm_state_pop(state, KP_WASM_TYPE_BOTTOM, &type))
            return false;
        if (!kp_wasm_type_is_reference(type) && type != KP_WASM_TYPE_BOTTOM)
            return kp_wasm_state_mismatch(state, KP_WASM_TYPE_EXTERNREF, type);
        instruction->type = type;
        return push(state, KP_WASM_TYPE_I32);
    default:
        return kp_wasm_state_control(state, instruction);
    }
}

static bool rule_ref_func(state_t *state, instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, &instruction->index))
        return false;
    if (instruction->index >= module->function_count)
        return kp_wasm_state_unknown(state, "unknown function", instruction->index);
    if (!module->declared_functions || !kp_wasm_module_may_refer(module, instruction->index))
        return kp_wasm_state_invalid(state, "undeclared function reference");
    return push(state, KP_WASM_TYPE_FUNCREF);
}

/* Bytes of a constant that lie in the code as they are. */
static bool rule_bytes(state_t *state, const kp_wasm_opcode_info_t *info,
                       instruction_t *instruction)
{
    size_t size = info->immediate == KP_WASM_IMMEDIATE_F32   ? 4
                  : info->immediate == KP_WASM_IMMEDIATE_F64 ? 8
                                                             : 16;
    if (size > (size_t)(state->end - state->at))
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at,
                                  "unexpected end of section or function");
    instruction->bytes = state->at;
    if (size == 4)
        instruction->value = kp_wasm_load_u32(state->at);
    else if (size == 8)
        instruction->value = kp_wasm_load_u64(state->at);
    state->at += size;
    if (info->immediate == KP_WASM_IMMEDIATE_SHUFFLE) {
        for (unsigned i = 0; i < 16; i++) {
            if (instruction->bytes[i] >= 32)
                return kp_wasm_state_invalid(state, "invalid lane index");
        }
        if (!pop_two(state, KP_WASM_TYPE_V128))
            return false;
    }
    return push(state, info->push);
}

static bool read_lane(state_t *state, unsigned lanes, instruction_t *instruction)
{
    if (!kp_wasm_state_read_u8(state, &instruction->lane))
        return false;
    return instruction->lane < lanes || kp_wasm_state_invalid(state, "invalid lane index");
}

/* Pops and pushes what the table says, ADDR being `address`. */
static bool table_operands(state_t *state, const kp_wasm_opcode_info_t *info,
                           kp_wasm_type_t address)
{
    for (unsigned i = info->pop_count; i-- > 0;) {
        kp_wasm_type_t type = info->operand[i];
        if (!pop(state, type == KP_WASM_TYPE_ADDR ? address : type))
            return false;
    }
    return info->push == KP_WASM_TYPE_NIL || push(state, info->push);
}

/* ---- memory ---- */

/* Reads a memory index; without multi-memory it is one zero byte. */
static bool read_memory(state_t *state, uint32_t *index)
{
    bool any = state->module->features & KP_WASM_FEATURE_MULTI_MEMORY;
    if (!any && state->at < state->end && *state->at != 0)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, "zero byte expected");
    if (!kp_wasm_state_read_u32(state, index))
        return false;
    return *index < state->module->memory_count ||
           kp_wasm_state_unknown(state, "unknown memory", *index);
}

static kp_wasm_type_t memory_type(const state_t *state, uint32_t index)
{
    return kp_wasm_size_index_type(&state->module->memories[index].size);
}

static kp_wasm_type_t table_type(const state_t *state, uint32_t index)
{
    return kp_wasm_size_index_type(&state->module->tables[index].size);
}

/* The length of a copy between two: the narrower index type. */
static kp_wasm_type_t narrower(kp_wasm_type_t a, kp_wasm_type_t b)
{
    return a == KP_WASM_TYPE_I64 ? b : a;
}

bool kp_wasm_state_memarg(state_t *state, const kp_wasm_opcode_info_t *info,
                          instruction_t *instruction)
{
    const kp_wasm_module_t *module = state->module;
    const uint8_t *begin = state->at;
    uint32_t flags;
    if (!kp_wasm_state_read_u32(state, &flags))
        return false;
    instruction->index = 0;
    if ((module->features & KP_WASM_FEATURE_MULTI_MEMORY) && (flags & 0x40)) {
        flags &= ~0x40u;
        if (!kp_wasm_state_read_u32(state, &instruction->index))
            return false;
    }
    if (flags >= 32)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, begin, "malformed memop flags");
    bool wide = module->features & KP_WASM_FEATURE_MEMORY64;
    const char *reason =
        kp_wasm_leb_read(&state->at, state->end, wide ? 64 : 32, false, &instruction->value);
    if (reason)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, reason);
    if (instruction->index >= module->memory_count)
        return kp_wasm_state_unknown(state, "unknown memory", instruction->index);
    if (flags > info->argument)
        return kp_wasm_state_invalid(state, "alignment must not be larger than natural");
    if (flags != info->argument && info->feature == KP_WASM_FEATURE_THREADS)
        return kp_wasm_state_invalid(state, "atomic alignment must be natural");
    if (instruction->value > UINT32_MAX && !module->memories[instruction->index].size.is_64)
        return kp_wasm_state_invalid(state, "offset out of range");
    instruction->align = (uint8_t)flags;
    if (info->immediate == KP_WASM_IMMEDIATE_MEMARG_LANE &&
        !read_lane(state, 16u >> info->argument, instruction))
        return false;
    return table_operands(state, info, memory_type(state, instruction->index));
}

static bool rule_memory(state_t *state, instruction_t *instruction)
{
    if (!read_memory(state, &instruction->index))
        return false;
    kp_wasm_type_t address = memory_type(state, instruction->index);
    if (state->opcode == KP_WASM_OP_MEMORY_SIZE)
        return push(state, address);
    if (state->opcode == KP_WASM_OP_MEMORY_GROW)
        return pop(state, address) && push(state, address);
    return pop(state, address) && pop(state, KP_WASM_TYPE_I32) && pop(state, address);
}

static bool rule_memory_copy(state_t *state, instruction_t *instruction)
{
    if (!read_memory(state, &instruction->index) || !read_memory(state, &instruction->index2))
        return false;
    kp_wasm_type_t destination = memory_type(state, instruction->index);
    kp_wasm_type_t source = memory_type(state, instruction->index2);
    return pop(state, narrower(destination, source)) && pop(state, source) &&
           pop(state, destination);
}

static bool read_data(state_t *state, uint32_t *index)
{
    const kp_wasm_module_t *module = state->module;
    if (!kp_wasm_state_read_u32(state, index))
        return false;
    if (!module->has_data_count)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->begin,
                                  "data count section required");
    return *index < module->data_count ||
           kp_wasm_state_unknown(state, "unknown data segment", *index);
}

static bool rule_memory_init(state_t *state, instruction_t *instruction)
{
    return read_data(state, &instruction->index) && read_memory(state, &instruction->index2) &&
           pop_two(state, KP_WASM_TYPE_I32) && pop(state, memory_type(state, instruction->index2));
}

/* ---- tables ---- */

/* Reads a table index; without reference types it is one zero byte. */
bool kp_wasm_state_read_table(state_t *state, uint32_t *index)
{
    bool any = state->module->features & KP_WASM_FEATURE_REFERENCE_TYPES;
    if (!any && state->at < state->end && *state->at != 0)
        return kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at, "zero byte expected");
    if (!kp_wasm_state_read_u32(state, index))
        return false;
    return *index < state->module->table_count ||
           kp_wasm_state_unknown(state, "unknown table", *index);
}

static bool read_element(state_t *state, uint32_t *index)
{
    if (!kp_wasm_state_read_u32(state, index))
        return false;
    return *index < state->module->element_count ||
           kp_wasm_state_unknown(state, "unknown elem segment", *index);
}

static bool rule_table(state_t *state, instruction_t *instruction)
{
    if (!kp_wasm_state_read_table(state, &instruction->index))
        return false;
    kp_wasm_type_t type = state->module->tables[instruction->index].type;
    kp_wasm_type_t address = table_type(state, instruction->index);
    instruction->type = type;
    switch (state->opcode) {
    case KP_WASM_OP_TABLE_GET:
        return pop(state, address) && push(state, type);
    case KP_WASM_OP_TABLE_SET:
        return pop(state, type) && pop(state, address);
    case KP_WASM_OP_TABLE_SIZE:
        return push(state, address);
    case KP_WASM_OP_TABLE_GROW:
        return pop(state, address) && pop(state, type) && push(state, address);
    default: /* table.fill */
        return pop(state, address) && pop(state, type) && pop(state, address);
    }
}

static bool rule_table_copy(state_t *state, instruction_t *instruction)
{
    if (!kp_wasm_state_read_table(state, &instruction->index) ||
        !kp_wasm_state_read_table(state, &instruction->index2))
        return false;
    const kp_wasm_table_t *tables = state->module->tables;
    kp_wasm_type_t type = tables[instruction->index].type;
    kp_wasm_type_t source_type = tables[instruction->index2].type;
    if (type != source_type)
        return kp_wasm_state_mismatch(state, type, source_type);
    instruction->type = type;
    kp_wasm_type_t destination = table_type(state, instruction->index);
    kp_wasm_type_t source = table_type(state, instruction->index2);
    return pop(state, narrower(destination, source)) && pop(state, source) &&
           pop(state, destination);
}

static bool rule_table_init(state_t *state, instruction_t *instruction)
{
    if (!read_element(state, &instruction->index) ||
        !kp_wasm_state_read_table(state, &instruction->index2))
        return false;
    kp_wasm_type_t type = state->module->tables[instruction->index2].type;
    kp_wasm_type_t segment = state->module->elements[instruction->index].type;
    if (type != segment)
        return kp_wasm_state_mismatch(state, type, segment);
    instruction->type = type;
    return pop_two(state, KP_WASM_TYPE_I32) && pop(state, table_type(state, instruction->index2));
}

/* ---- all together ---- */

static bool rule_null(state_t *state, instruction_t *instruction)
{
    return kp_wasm_state_read_type(state, &instruction->type) &&
           (kp_wasm_type_is_reference(instruction->type) ||
            kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at - 1,
                               "malformed reference type")) &&
           push(state, instruction->type);
}

bool kp_wasm_state_rule(state_t *state, const kp_wasm_opcode_info_t *info,
                        instruction_t *instruction)
{
    uint8_t zero = 0;
    switch ((kp_wasm_immediate_t)info->immediate) {
    case KP_WASM_IMMEDIATE_NONE:
        return rule_plain(state, instruction);
    case KP_WASM_IMMEDIATE_TRY_TABLE:
    case KP_WASM_IMMEDIATE_TAG:
        return kp_wasm_state_control(state, instruction);
    case KP_WASM_IMMEDIATE_SELECT:
        return rule_select_typed(state, instruction);
    case KP_WASM_IMMEDIATE_GLOBAL:
        return rule_global(state, instruction);
    case KP_WASM_IMMEDIATE_TABLE:
        return rule_table(state, instruction);
    case KP_WASM_IMMEDIATE_TABLE_TABLE:
        return rule_table_copy(state, instruction);
    case KP_WASM_IMMEDIATE_ELEMENT:
        return read_element(state, &instruction->index);
    case KP_WASM_IMMEDIATE_ELEMENT_TABLE:
        return rule_table_init(state, instruction);
    case KP_WASM_IMMEDIATE_MEMORY:
        return rule_memory(state, instruction);
    case KP_WASM_IMMEDIATE_MEMORY_MEMORY:
        return rule_memory_copy(state, instruction);
    case KP_WASM_IMMEDIATE_DATA:
        return read_data(state, &instruction->index);
    case KP_WASM_IMMEDIATE_DATA_MEMORY:
        return rule_memory_init(state, instruction);
    case KP_WASM_IMMEDIATE_MEMARG_LANE:
        return kp_wasm_state_memarg(state, info, instruction);
    case KP_WASM_IMMEDIATE_LANE:
        return read_lane(state, info->argument, instruction) &&
               table_operands(state, info, KP_WASM_TYPE_NIL);
    case KP_WASM_IMMEDIATE_F32:
    case KP_WASM_IMMEDIATE_F64:
    case KP_WASM_IMMEDIATE_V128:
    case KP_WASM_IMMEDIATE_SHUFFLE:
        return rule_bytes(state, info, instruction);
    case KP_WASM_IMMEDIATE_HEAP_TYPE:
        return rule_null(state, instruction);
    case KP_WASM_IMMEDIATE_REF_FUNC:
        return rule_ref_func(state, instruction);
    case KP_WASM_IMMEDIATE_FENCE:
        if (!kp_wasm_state_read_u8(state, &zero))
            return false;
        return zero == 0 || kp_wasm_state_fail(state, KP_WASM_ERROR_MALFORMED, state->at - 1,
                                               "zero byte expected");
    case KP_WASM_IMMEDIATE_BLOCK:
    case KP_WASM_IMMEDIATE_BR_TABLE:
    case KP_WASM_IMMEDIATE_FUNCTION:
    case KP_WASM_IMMEDIATE_INDIRECT:
    case KP_WASM_IMMEDIATE_LABEL:
    case KP_WASM_IMMEDIATE_LOCAL:
    case KP_WASM_IMMEDIATE_MEMARG:
    case KP_WASM_IMMEDIATE_I32:
    case KP_WASM_IMMEDIATE_I64:
        break; /* body.c's loop has them */
    }
    return kp_wasm_state_invalid(state, "illegal opcode");
}
