/* Instructions without control flow: numbers, variables, memories, tables, vectors. */
#include "runtime/interpret/translator.h"

typedef enum kp_numeric_kind {
    KP_NUMERIC_NONE,
    KP_NUMERIC_UNARY,
    KP_NUMERIC_BINARY, /* op, op + 1: _RR, _RI */
    KP_NUMERIC_LOAD,
    KP_NUMERIC_STORE,
} kp_numeric_kind_t;

typedef struct kp_numeric {
    uint8_t kind;
    uint16_t op;
    uint16_t exchanged; /* BINARY: the _RI form with the operands exchanged; 0: there is none */
} kp_numeric_t;

static const kp_numeric_t numerics[KP_WASM_OPCODE_COUNT] = {
#define KP_BINARY(name, in, out, commutative, expression) \
    [KP_WASM_OP_##                                        \
        name] = {KP_NUMERIC_BINARY, KP_OP_##name##_RR, (commutative) ? KP_OP_##name##_RI : 0},
#define KP_COMPARE(name, swapped, inverted, in, expression) \
    [KP_WASM_OP_##name] = {KP_NUMERIC_BINARY, KP_OP_##name##_RR, KP_OP_##swapped##_RI},
#define KP_UNARY(name, in, out, expression) \
    [KP_WASM_OP_##name] = {KP_NUMERIC_UNARY, KP_OP_##name, 0},
#define KP_TRAPPING2(name, in, out) [KP_WASM_OP_##name] = {KP_NUMERIC_BINARY, KP_OP_##name##_RR, 0},
#define KP_TRAPPING1(name, in, out) [KP_WASM_OP_##name] = {KP_NUMERIC_UNARY, KP_OP_##name, 0},
#include "runtime/interpret/numeric.def"
#undef KP_BINARY
#undef KP_COMPARE
#undef KP_UNARY
#undef KP_TRAPPING2
#undef KP_TRAPPING1
#define KP_LOAD(name, in, out) [KP_WASM_OP_##name] = {KP_NUMERIC_LOAD, KP_OP_##name, 0},
#define KP_STORE(name, in) [KP_WASM_OP_##name] = {KP_NUMERIC_STORE, KP_OP_##name##_RR, 0},
#include "runtime/interpret/memory.def"
#undef KP_LOAD
#undef KP_STORE
};

static kp_wasm_type_t pushed(const kp_wasm_instruction_t *instruction)
{
    return kp_wasm_opcode_info[instruction->opcode].push;
}

static void binary(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_numeric_t *numeric = &numerics[instruction->opcode];
    kp_operand_t y = kp_translate_pop(t), x = kp_translate_pop(t);
    uint32_t op = numeric->op;
    if (y.kind != KP_OPERAND_CONST && x.kind == KP_OPERAND_CONST && numeric->exchanged) {
        const kp_operand_t other = x;
        x = y;
        y = other;
        op = numeric->exchanged - 1u;
    }
    /* The lower home is the result's; when the operands were exchanged x lies in the higher. */
    if (y.kind == KP_OPERAND_CONST) {
        uint32_t b = kp_translate_slot(t, &x);
        kp_translate_emit_imm(t, (kp_interpret_op_t)(op + 1),
                              kp_translate_push(t, pushed(instruction)), b, y.bits);
        return;
    }
    uint32_t b = kp_translate_slot(t, &x), c = kp_translate_slot(t, &y);
    kp_translate_emit(t, (kp_interpret_op_t)op, kp_translate_push(t, pushed(instruction)), b, c, 0);
}

/* x == 0 of a whole number; of a comparison's outcome it turns the comparison round. */
static void equal_zero(kp_translator_t *t, kp_interpret_op_t op)
{
    kp_operand_t x = kp_translate_pop(t);
    kp_interpret_insn_t *last = kp_translate_emit_last(t);
    if (x.kind == KP_OPERAND_HOME && last && last->a == x.home &&
        kp_interpret_op_inverted[last->op] && kp_interpret_op_inverted[last->op] != last->op &&
        op == KP_OP_I32_EQ_RI) {
        last->op = kp_interpret_op_inverted[last->op];
        kp_translate_push(t, KP_WASM_TYPE_I32);
        return;
    }
    uint32_t b = kp_translate_slot(t, &x);
    kp_translate_emit_imm(t, op, kp_translate_push(t, KP_WASM_TYPE_I32), b, 0);
}

/* ---- memory ---- */

typedef struct kp_address {
    uint32_t slot, offset;
    bool window;
} kp_address_t;

/* The address of an access of 2^width bytes, popped. Between it and address_end comes the access alone. */
static kp_address_t address_pop(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_memory_t *memory = &t->visitor.module->memories[instruction->index];
    unsigned width = kp_wasm_opcode_info[instruction->opcode].argument;
    kp_operand_t operand = kp_translate_pop(t);
    kp_address_t address = {0, (uint32_t)instruction->value, false};
    if (instruction->index != 0 || memory->size.is_64) {
        kp_translate_emit(t, KP_OP_WINDOW, width, kp_translate_slot(t, &operand),
                          instruction->index, 0);
        kp_translate_emit_data(t, 0, instruction->value);
        address = (kp_address_t){t->zero, 0, true};
        t->zero_used = true;
    } else if (operand.kind == KP_OPERAND_CONST &&
               (uint64_t)(uint32_t)operand.bits + instruction->value <= UINT32_MAX) {
        address.slot = t->zero;
        address.offset += (uint32_t)operand.bits;
        t->zero_used = true;
    } else {
        address.slot = kp_translate_slot(t, &operand);
    }
    return address;
}

static void address_end(kp_translator_t *t, const kp_address_t *address)
{
    if (address->window) {
        kp_translate_emit(t, KP_OP_WINDOW_END, 0, 0, 0, 0);
        t->barrier = t->count;
    }
}

static void load(kp_translator_t *t, const kp_wasm_instruction_t *instruction, kp_interpret_op_t op)
{
    kp_address_t address = address_pop(t, instruction);
    kp_translate_emit(t, op, kp_translate_push(t, pushed(instruction)), address.slot,
                      address.offset, 0);
    address_end(t, &address);
}

static void store(kp_translator_t *t, const kp_wasm_instruction_t *instruction,
                  kp_interpret_op_t op)
{
    kp_operand_t value = kp_translate_pop(t);
    bool wide = value.type == KP_WASM_TYPE_I64 || value.type == KP_WASM_TYPE_F64;
    bool immediate = value.kind == KP_OPERAND_CONST &&
                     (!wide || (int64_t)value.bits == (int64_t)(int32_t)value.bits);
    uint32_t b = immediate ? (uint32_t)value.bits : kp_translate_slot(t, &value);
    kp_address_t address = address_pop(t, instruction);
    kp_translate_emit(t, (kp_interpret_op_t)(op + immediate), address.slot, b, address.offset, 0);
    address_end(t, &address);
}

/* ---- vectors ---- */

static void vector(kp_translator_t *t, uint32_t opcode, uint32_t to, uint32_t x, uint32_t y,
                   uint32_t lane)
{
    kp_translate_emit(t, KP_OP_VECTOR, to, x, y, (opcode - 0x200) | lane << 16);
}

/* Loads that do more than fill all 16 bytes: a scalar load, then a vector instruction. */
static void vector_load(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    static const struct {
        uint16_t load, then;
    } parts[] = {
        {KP_OP_I64_LOAD, KP_WASM_OP_I16X8_EXTEND_LOW_I8X16_S},
        {KP_OP_I64_LOAD, KP_WASM_OP_I16X8_EXTEND_LOW_I8X16_U},
        {KP_OP_I64_LOAD, KP_WASM_OP_I32X4_EXTEND_LOW_I16X8_S},
        {KP_OP_I64_LOAD, KP_WASM_OP_I32X4_EXTEND_LOW_I16X8_U},
        {KP_OP_I64_LOAD, KP_WASM_OP_I64X2_EXTEND_LOW_I32X4_S},
        {KP_OP_I64_LOAD, KP_WASM_OP_I64X2_EXTEND_LOW_I32X4_U},
        {KP_OP_I32_LOAD8_U, KP_WASM_OP_I8X16_SPLAT},
        {KP_OP_I32_LOAD16_U, KP_WASM_OP_I16X8_SPLAT},
        {KP_OP_I32_LOAD, KP_WASM_OP_I32X4_SPLAT},
        {KP_OP_I64_LOAD, KP_WASM_OP_I64X2_SPLAT},
    };
    uint32_t which = instruction->opcode - KP_WASM_OP_V128_LOAD8X8_S;
    load(t, instruction, (kp_interpret_op_t)parts[which].load);
    uint32_t at = t->operands[t->height - 1].home;
    vector(t, parts[which].then, at, at, at, 0);
}

static void vector_load_zero(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    load(t, instruction,
         instruction->opcode == KP_WASM_OP_V128_LOAD32_ZERO ? KP_OP_I32_LOAD : KP_OP_I64_LOAD);
    kp_translate_emit_imm(t, KP_OP_CONST, t->operands[t->height - 1].home + 8, 0, 0);
}

static void vector_lane_memory(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    static const struct {
        uint16_t load, replace, extract, store;
    } parts[] = {
        {KP_OP_I32_LOAD8_U, KP_WASM_OP_I8X16_REPLACE_LANE, KP_WASM_OP_I8X16_EXTRACT_LANE_U,
         KP_OP_I32_STORE8_RR},
        {KP_OP_I32_LOAD16_U, KP_WASM_OP_I16X8_REPLACE_LANE, KP_WASM_OP_I16X8_EXTRACT_LANE_U,
         KP_OP_I32_STORE16_RR},
        {KP_OP_I32_LOAD, KP_WASM_OP_I32X4_REPLACE_LANE, KP_WASM_OP_I32X4_EXTRACT_LANE,
         KP_OP_I32_STORE_RR},
        {KP_OP_I64_LOAD, KP_WASM_OP_I64X2_REPLACE_LANE, KP_WASM_OP_I64X2_EXTRACT_LANE,
         KP_OP_I64_STORE_RR},
    };
    uint32_t which = (instruction->opcode - KP_WASM_OP_V128_LOAD8_LANE) & 3;
    uint32_t from = kp_translate_pop_slot(t);
    if (instruction->opcode < KP_WASM_OP_V128_STORE8_LANE) {
        kp_address_t address = address_pop(t, instruction);
        kp_translate_emit(t, (kp_interpret_op_t)parts[which].load, t->scratch, address.slot,
                          address.offset, 0);
        address_end(t, &address);
        vector(t, parts[which].replace, kp_translate_push(t, KP_WASM_TYPE_V128), from, t->scratch,
               instruction->lane);
    } else {
        vector(t, parts[which].extract, t->scratch, from, from, instruction->lane);
        kp_address_t address = address_pop(t, instruction);
        kp_translate_emit(t, (kp_interpret_op_t)parts[which].store, address.slot, t->scratch,
                          address.offset, 0);
        address_end(t, &address);
    }
}

static void vector_operator(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[instruction->opcode];
    uint32_t y = 0, x = 0;
    if (info->pop_count > 1)
        y = kp_translate_pop_slot(t);
    x = kp_translate_pop_slot(t);
    uint32_t to = kp_translate_push(t, info->push);
    vector(t, instruction->opcode, to, x, y,
           info->immediate == KP_WASM_IMMEDIATE_LANE ? instruction->lane : 0);
}

static void vector_other(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    uint64_t words[2];
    switch (instruction->opcode) {
    case KP_WASM_OP_V128_LOAD:
        load(t, instruction, KP_OP_LOAD128);
        break;
    case KP_WASM_OP_V128_STORE: {
        uint32_t from = kp_translate_pop_slot(t);
        kp_address_t address = address_pop(t, instruction);
        kp_translate_emit(t, KP_OP_STORE128, address.slot, from, address.offset, 0);
        address_end(t, &address);
        break;
    }
    case KP_WASM_OP_V128_LOAD32_ZERO:
    case KP_WASM_OP_V128_LOAD64_ZERO:
        vector_load_zero(t, instruction);
        break;
    case KP_WASM_OP_V128_CONST:
        memcpy(words, instruction->bytes, 16);
        kp_translate_emit(t, KP_OP_CONST128, kp_translate_push(t, KP_WASM_TYPE_V128), 0, 0, 0);
        kp_translate_emit_data(t, words[0], words[1]);
        break;
    case KP_WASM_OP_I8X16_SHUFFLE: {
        uint32_t y = kp_translate_pop_slot(t), x = kp_translate_pop_slot(t);
        memcpy(words, instruction->bytes, 16);
        kp_translate_emit(t, KP_OP_SHUFFLE, kp_translate_push(t, KP_WASM_TYPE_V128), x, y, 0);
        kp_translate_emit_data(t, words[0], words[1]);
        break;
    }
    case KP_WASM_OP_V128_BITSELECT: {
        uint32_t mask = kp_translate_pop_slot(t), y = kp_translate_pop_slot(t),
                 x = kp_translate_pop_slot(t);
        kp_translate_emit(t, KP_OP_BITSELECT, kp_translate_push(t, KP_WASM_TYPE_V128), x, y, mask);
        break;
    }
    default:
        if (instruction->opcode <= KP_WASM_OP_V128_LOAD64_SPLAT)
            vector_load(t, instruction);
        else if (instruction->opcode >= KP_WASM_OP_V128_LOAD8_LANE &&
                 instruction->opcode <= KP_WASM_OP_V128_STORE64_LANE)
            vector_lane_memory(t, instruction);
        else
            vector_operator(t, instruction);
    }
}

/* ---- variables ---- */

static void local_set(kp_translator_t *t, uint32_t local, bool tee)
{
    kp_operand_t value = kp_translate_pop(t);
    if (value.kind != KP_OPERAND_LOCAL || value.local != local) {
        kp_translate_settle_local(t, local);
        kp_translate_store_to(t, t->slots[local], &value);
    }
    if (!tee)
        return;
    if (value.kind == KP_OPERAND_CONST)
        kp_translate_push_const(t, value.type, value.bits);
    else
        kp_translate_push_local(t, value.kind == KP_OPERAND_LOCAL ? value.local : local,
                                value.type);
}

static void global(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_module_t *module = t->visitor.module;
    kp_wasm_instance_layout_t layout = kp_wasm_instance_layout(module);
    uint32_t index = instruction->index, op;
    bool wide = instruction->type == KP_WASM_TYPE_V128, imported;
    imported = index < module->imported_global_count;
    uint32_t at = imported ? layout.imported_cells + index * (uint32_t)sizeof(void *)
                           : layout.cells + 16 * (index - module->imported_global_count);
    if (instruction->opcode == KP_WASM_OP_GLOBAL_GET) {
        op = imported ? KP_OP_GLOBAL_GET_IMPORT : KP_OP_GLOBAL_GET;
        kp_translate_emit(t, (kp_interpret_op_t)(op + wide),
                          kp_translate_push(t, instruction->type), at, 0, 0);
    } else {
        op = imported ? KP_OP_GLOBAL_SET_IMPORT : KP_OP_GLOBAL_SET;
        kp_translate_emit(t, (kp_interpret_op_t)(op + wide), kp_translate_pop_slot(t), at, 0, 0);
    }
}

/* Operands in a row of home slots, one result (NIL: none) in the first of them. */
static void row(kp_translator_t *t, kp_interpret_op_t op, uint32_t count, kp_wasm_type_t result,
                uint32_t b, uint32_t c)
{
    uint32_t from = kp_translate_settle(t, count);
    kp_translate_drop_to(t, t->height - count);
    kp_translate_emit(t, op, from, b, c, 0);
    if (result != KP_WASM_TYPE_NIL)
        kp_translate_push(t, result);
}

static void table(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_module_t *module = t->visitor.module;
    uint32_t index = instruction->index;
    switch (instruction->opcode) {
    case KP_WASM_OP_TABLE_GET: {
        uint32_t at = kp_translate_pop_slot(t);
        kp_translate_emit(t, KP_OP_TABLE_GET, kp_translate_push(t, instruction->type), at, index,
                          0);
        break;
    }
    case KP_WASM_OP_TABLE_SET: {
        uint32_t value = kp_translate_pop_slot(t), at = kp_translate_pop_slot(t);
        kp_translate_emit(t, KP_OP_TABLE_SET, index, at, value, 0);
        break;
    }
    case KP_WASM_OP_TABLE_SIZE:
        kp_translate_emit(
            t, KP_OP_TABLE_SIZE,
            kp_translate_push(t, kp_wasm_size_index_type(&module->tables[index].size)), index, 0,
            0);
        break;
    case KP_WASM_OP_TABLE_GROW:
        row(t, KP_OP_TABLE_GROW, 2, kp_wasm_size_index_type(&module->tables[index].size), index,
            module->tables[index].size.is_64);
        break;
    case KP_WASM_OP_TABLE_FILL:
        row(t, KP_OP_TABLE_FILL, 3, KP_WASM_TYPE_NIL, index, 0);
        break;
    case KP_WASM_OP_TABLE_COPY:
        row(t, KP_OP_TABLE_COPY, 3, KP_WASM_TYPE_NIL, index, instruction->index2);
        break;
    case KP_WASM_OP_TABLE_INIT:
        row(t, KP_OP_TABLE_INIT, 3, KP_WASM_TYPE_NIL, index, instruction->index2);
        break;
    default:
        kp_translate_emit(t, KP_OP_ELEM_DROP, index, 0, 0, 0);
    }
}

static void memory(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_wasm_module_t *module = t->visitor.module;
    uint32_t index = instruction->index;
    switch (instruction->opcode) {
    case KP_WASM_OP_MEMORY_SIZE:
        kp_translate_emit(
            t, KP_OP_MEMORY_SIZE,
            kp_translate_push(t, kp_wasm_size_index_type(&module->memories[index].size)), index, 0,
            0);
        break;
    case KP_WASM_OP_MEMORY_GROW: {
        uint32_t pages = kp_translate_pop_slot(t);
        kp_wasm_type_t type = kp_wasm_size_index_type(&module->memories[index].size);
        kp_translate_emit(t, KP_OP_MEMORY_GROW, kp_translate_push(t, type), pages, index,
                          module->memories[index].size.is_64);
        break;
    }
    case KP_WASM_OP_MEMORY_COPY:
        row(t, KP_OP_MEMORY_COPY, 3, KP_WASM_TYPE_NIL, index, instruction->index2);
        break;
    case KP_WASM_OP_MEMORY_FILL:
        row(t, KP_OP_MEMORY_FILL, 3, KP_WASM_TYPE_NIL, index, 0);
        break;
    case KP_WASM_OP_MEMORY_INIT:
        row(t, KP_OP_MEMORY_INIT, 3, KP_WASM_TYPE_NIL, index, instruction->index2);
        break;
    default:
        kp_translate_emit(t, KP_OP_DATA_DROP, index, 0, 0, 0);
    }
}

static void select_one(kp_translator_t *t)
{
    uint32_t condition = kp_translate_pop_slot(t);
    kp_operand_t y = kp_translate_pop(t), x = kp_translate_pop(t);
    uint32_t b = kp_translate_slot(t, &x), c = kp_translate_slot(t, &y);
    bool wide = x.type == KP_WASM_TYPE_V128;
    kp_translate_emit(t, wide ? KP_OP_SELECT128 : KP_OP_SELECT, kp_translate_push(t, x.type), b, c,
                      condition);
}

static void constant(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    kp_wasm_type_t type = pushed(instruction);
    bool narrow = type == KP_WASM_TYPE_I32 || type == KP_WASM_TYPE_F32;
    kp_translate_push_const(t, type, narrow ? (uint32_t)instruction->value : instruction->value);
}

/* Instructions that change nothing but the type of a slot. */
static void retype(kp_translator_t *t, kp_wasm_type_t type)
{
    kp_operand_t operand = kp_translate_pop(t);
    if (operand.kind == KP_OPERAND_CONST)
        kp_translate_push_const(t, type, operand.bits);
    else if (operand.kind == KP_OPERAND_LOCAL)
        kp_translate_push_local(t, operand.local, type);
    else
        kp_translate_push(t, type);
}

static void other(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    switch (instruction->opcode) {
    case KP_WASM_OP_DROP:
        kp_translate_pop(t);
        break;
    case KP_WASM_OP_SELECT:
    case KP_WASM_OP_SELECT_TYPED:
        select_one(t);
        break;
    case KP_WASM_OP_I32_EQZ:
        equal_zero(t, KP_OP_I32_EQ_RI);
        break;
    case KP_WASM_OP_I64_EQZ:
    case KP_WASM_OP_REF_IS_NULL:
        equal_zero(t, KP_OP_I64_EQ_RI);
        break;
    case KP_WASM_OP_I32_REINTERPRET_F32:
    case KP_WASM_OP_I64_REINTERPRET_F64:
    case KP_WASM_OP_F32_REINTERPRET_I32:
    case KP_WASM_OP_F64_REINTERPRET_I64:
    case KP_WASM_OP_I64_EXTEND_I32_U:
        retype(t, pushed(instruction));
        break;
    case KP_WASM_OP_REF_NULL:
        kp_translate_push_const(t, instruction->type, 0);
        break;
    case KP_WASM_OP_REF_FUNC:
        kp_translate_emit(t, KP_OP_REF_FUNC, kp_translate_push(t, KP_WASM_TYPE_FUNCREF),
                          instruction->index, 0, 0);
        break;
    case KP_WASM_OP_ATOMIC_FENCE:
        kp_translate_emit(t, KP_OP_FENCE, 0, 0, 0, 0);
        break;
    default: { /* atomics */
        uint32_t count = kp_wasm_opcode_info[instruction->opcode].pop_count;
        row(t, KP_OP_ATOMIC, count, KP_WASM_TYPE_NIL, instruction->opcode, instruction->index);
        kp_translate_emit_data(t, 0, instruction->value);
        if (pushed(instruction) != KP_WASM_TYPE_NIL)
            kp_translate_push(t, pushed(instruction));
    }
    }
}

void kp_translate_operator(kp_translator_t *t, const kp_wasm_instruction_t *instruction)
{
    const kp_numeric_t *numeric = &numerics[instruction->opcode];
    switch (numeric->kind) {
    case KP_NUMERIC_BINARY:
        binary(t, instruction);
        return;
    case KP_NUMERIC_UNARY: {
        uint32_t b = kp_translate_pop_slot(t);
        kp_translate_emit(t, (kp_interpret_op_t)numeric->op,
                          kp_translate_push(t, pushed(instruction)), b, 0, 0);
        return;
    }
    case KP_NUMERIC_LOAD:
        load(t, instruction, (kp_interpret_op_t)numeric->op);
        return;
    case KP_NUMERIC_STORE:
        store(t, instruction, (kp_interpret_op_t)numeric->op);
        return;
    default:
        break;
    }
    switch (kp_wasm_opcode_info[instruction->opcode].immediate) {
    case KP_WASM_IMMEDIATE_LOCAL:
        if (instruction->opcode == KP_WASM_OP_LOCAL_GET)
            kp_translate_push_local(t, instruction->index, instruction->type);
        else
            local_set(t, instruction->index, instruction->opcode == KP_WASM_OP_LOCAL_TEE);
        break;
    case KP_WASM_IMMEDIATE_GLOBAL:
        global(t, instruction);
        break;
    case KP_WASM_IMMEDIATE_TABLE:
    case KP_WASM_IMMEDIATE_TABLE_TABLE:
    case KP_WASM_IMMEDIATE_ELEMENT:
    case KP_WASM_IMMEDIATE_ELEMENT_TABLE:
        table(t, instruction);
        break;
    case KP_WASM_IMMEDIATE_MEMORY:
    case KP_WASM_IMMEDIATE_MEMORY_MEMORY:
    case KP_WASM_IMMEDIATE_DATA:
    case KP_WASM_IMMEDIATE_DATA_MEMORY:
        memory(t, instruction);
        break;
    case KP_WASM_IMMEDIATE_I32:
    case KP_WASM_IMMEDIATE_I64:
    case KP_WASM_IMMEDIATE_F32:
    case KP_WASM_IMMEDIATE_F64:
        constant(t, instruction);
        break;
    default:
        if (instruction->opcode >= 0x200 && instruction->opcode < 0x300)
            vector_other(t, instruction);
        else
            other(t, instruction);
    }
}
