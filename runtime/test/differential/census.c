#include "runtime/test/differential/census.h"

enum {
    LOOP,
    BR_TABLE,
    CALL,
    CALL_INDIRECT,
    TAIL_CALL,
    MULTI_VALUE,
    SIGN_EXTENSION,
    SATURATION,
    MEMORY_GROW,
    BULK_MEMORY,
    REFERENCES,
    TABLES,
    BULK_TABLES,
    TRY_TABLE,
    THROW,
    THROW_REF,
    MULTI_MEMORY,
    MEMORY64,
    SHARED_MEMORY,
    ATOMICS,
    EXTENDED_CONSTANTS,
    SIMD,
};

static const char *const names[KP_CENSUS_FEATURES] = {
    [LOOP] = "loop",
    [BR_TABLE] = "br_table",
    [CALL] = "call",
    [CALL_INDIRECT] = "call_indirect",
    [TAIL_CALL] = "tail call",
    [MULTI_VALUE] = "multi-value",
    [SIGN_EXTENSION] = "sign extension",
    [SATURATION] = "saturating conversion",
    [MEMORY_GROW] = "memory.grow",
    [BULK_MEMORY] = "bulk memory",
    [REFERENCES] = "reference types",
    [TABLES] = "table.get, set, size, grow",
    [BULK_TABLES] = "table.fill, copy, init, elem.drop",
    [TRY_TABLE] = "try_table",
    [THROW] = "throw",
    [THROW_REF] = "throw_ref",
    [MULTI_MEMORY] = "multi-memory",
    [MEMORY64] = "memory64",
    [SHARED_MEMORY] = "shared memory",
    [ATOMICS] = "atomics",
    [EXTENDED_CONSTANTS] = "extended constants",
    [SIMD] = "SIMD",
};

const char *kp_census_feature_name(unsigned feature)
{
    return feature < KP_CENSUS_FEATURES ? names[feature] : NULL;
}

/* The feature that an instruction shows, KP_CENSUS_FEATURES for none. */
static unsigned feature_of(unsigned opcode)
{
    switch (opcode) {
    case KP_WASM_OP_LOOP:
        return LOOP;
    case KP_WASM_OP_BR_TABLE:
        return BR_TABLE;
    case KP_WASM_OP_CALL:
        return CALL;
    case KP_WASM_OP_CALL_INDIRECT:
        return CALL_INDIRECT;
    case KP_WASM_OP_RETURN_CALL:
    case KP_WASM_OP_RETURN_CALL_INDIRECT:
        return TAIL_CALL;
    case KP_WASM_OP_MEMORY_GROW:
        return MEMORY_GROW;
    case KP_WASM_OP_MEMORY_FILL:
    case KP_WASM_OP_MEMORY_COPY:
    case KP_WASM_OP_MEMORY_INIT:
    case KP_WASM_OP_DATA_DROP:
        return BULK_MEMORY;
    case KP_WASM_OP_REF_NULL:
    case KP_WASM_OP_REF_FUNC:
    case KP_WASM_OP_REF_IS_NULL:
    case KP_WASM_OP_SELECT_TYPED:
        return REFERENCES;
    case KP_WASM_OP_TABLE_GET:
    case KP_WASM_OP_TABLE_SET:
    case KP_WASM_OP_TABLE_SIZE:
    case KP_WASM_OP_TABLE_GROW:
        return TABLES;
    case KP_WASM_OP_TABLE_FILL:
    case KP_WASM_OP_TABLE_COPY:
    case KP_WASM_OP_TABLE_INIT:
    case KP_WASM_OP_ELEM_DROP:
        return BULK_TABLES;
    case KP_WASM_OP_TRY_TABLE:
        return TRY_TABLE;
    case KP_WASM_OP_THROW:
        return THROW;
    case KP_WASM_OP_THROW_REF:
        return THROW_REF;
    default:
        break;
    }
    switch (kp_wasm_opcode_info[opcode].feature) {
    case KP_WASM_FEATURE_SIGN_EXTENSION:
        return SIGN_EXTENSION;
    case KP_WASM_FEATURE_SAT_FLOAT:
        return SATURATION;
    case KP_WASM_FEATURE_THREADS:
        return ATOMICS;
    case KP_WASM_FEATURE_SIMD:
        return SIMD;
    default:
        return KP_CENSUS_FEATURES;
    }
}

/* Is there more than one instruction before the end? Of what the generator makes: constants come first. */
static bool is_extended(const kp_wasm_module_t *module, kp_wasm_span_t expression)
{
    const uint8_t *bytes = kp_wasm_module_at(module, expression);
    uint32_t at = 1;
    if (expression.size < 2 || (bytes[0] != 0x41 && bytes[0] != 0x42))
        return false;
    while (at < expression.size && bytes[at] & 0x80)
        at++;
    return at + 2 < expression.size;
}

static bool has_extended(const kp_wasm_module_t *module)
{
    for (uint32_t i = 0; i < module->global_count; i++)
        if (is_extended(module, module->globals[i].initial))
            return true;
    for (uint32_t i = 0; i < module->data_count; i++)
        if (module->data[i].mode == KP_WASM_SEGMENT_ACTIVE &&
            is_extended(module, module->data[i].offset))
            return true;
    for (uint32_t i = 0; i < module->element_count; i++)
        if (module->elements[i].mode == KP_WASM_SEGMENT_ACTIVE &&
            is_extended(module, module->elements[i].offset))
            return true;
    return false;
}

void kp_census_add(kp_census_t *census, const kp_wasm_module_t *module, const uint32_t *opcodes)
{
    bool has[KP_CENSUS_FEATURES + 1] = {false};
    for (unsigned i = 0; i < KP_WASM_OPCODE_COUNT; i++) {
        census->opcodes[i] += opcodes[i];
        if (opcodes[i])
            has[feature_of(i)] = true;
    }
    for (uint32_t i = 0; i < module->function_count; i++)
        has[MULTI_VALUE] |= kp_wasm_module_function_type(module, i)->result_count > 1;
    has[MULTI_MEMORY] = module->memory_count > 1;
    for (uint32_t i = 0; i < module->memory_count; i++) {
        has[MEMORY64] |= module->memories[i].size.is_64;
        has[SHARED_MEMORY] |= module->memories[i].size.shared;
    }
    has[EXTENDED_CONSTANTS] = has_extended(module);
    for (unsigned i = 0; i < KP_CENSUS_FEATURES; i++)
        census->modules[i] += has[i];
    census->bytes += module->size;
    census->functions += module->function_count;
}
