/* Function bodies of a generated module: typed expressions and statements, valid by construction. */
#include <string.h>

#include "runtime/test/differential/internal.h"

/* ---- calls ---- */

/* The slot of table 0 for a call of that type: mostly one that held such a function at first. */
static void callee_slot(generator_t *generator, unsigned type, unsigned depth)
{
    for (unsigned i = 0; i < 5 && !one_in(generator, 6); i++) {
        if (generator->functions[generator->slots[i]] == type) {
            generate_i32_const(generator, (int32_t)i + 1);
            return;
        }
    }
    generate_table_index(generator, depth);
}

/* Calls something of which the results are `row`, or anything when row is NULL (*found tells what is
   on the stack then). False: there is nothing such. */
static bool call(generator_t *generator, const row_t *row, row_t *found, unsigned depth)
{
    unsigned start = below(generator, generator->function_count);
    for (unsigned i = 0; i < generator->function_count; i++) {
        unsigned function = (start + i) % generator->function_count;
        const signature_t *type = &generator->types[generator->functions[function]];
        if (row && !generate_same_row(&type->results, row))
            continue;
        generate_values(generator, &type->parameters, depth);
        if (one_in(generator, 3)) {
            callee_slot(generator, generator->functions[function], depth);
            generate_op_u(generator, KP_WASM_OP_CALL_INDIRECT, generator->functions[function]);
            put_u(generator->code, 0);
        } else {
            generate_op_u(generator, KP_WASM_OP_CALL, function);
        }
        if (found)
            *found = type->results;
        return true;
    }
    return false;
}

static void tail_call(generator_t *generator, unsigned depth)
{
    for (unsigned i = 0; i < generator->function_count; i++) {
        const signature_t *type = &generator->types[generator->functions[i]];
        if (!generate_same_row(&type->results, &generator->own->results))
            continue;
        generate_values(generator, &type->parameters, depth);
        if (one_in(generator, 3)) {
            callee_slot(generator, generator->functions[i], depth);
            generate_op_u(generator, KP_WASM_OP_RETURN_CALL_INDIRECT, generator->functions[i]);
            put_u(generator->code, 0);
        } else {
            generate_op_u(generator, KP_WASM_OP_RETURN_CALL, i);
        }
        return;
    }
}

/* ---- blocks ---- */

static bool push_label(generator_t *generator, const row_t *row)
{
    if (generator->label_count == MOST_LABELS)
        return false;
    generator->labels[generator->label_count++] = *row;
    return true;
}

/* A block type: 0x40, one type, or type `index` for longer rows. */
static void block_type(generator_t *generator, const row_t *results, unsigned index)
{
    if (results->count == 0)
        put_byte(generator->code, 0x40);
    else if (results->count == 1)
        put_byte(generator->code, results->types[0]);
    else
        put_s(generator->code, index);
}

/* block, loop or if with these results (at most one, or those of type `index`, which has no
   parameters). The label was found free. */
static void block(generator_t *generator, const row_t *results, unsigned index, unsigned depth)
{
    static const row_t nothing = {0};
    unsigned kind = below(generator, 3);
    if (kind == 2)
        generate_condition(generator, depth - 1);
    generate_op(generator, kind == 0   ? KP_WASM_OP_BLOCK
                           : kind == 1 ? KP_WASM_OP_LOOP
                                       : KP_WASM_OP_IF);
    block_type(generator, results, index);
    push_label(generator, kind == 1 ? &nothing : results);
    if (kind == 1)
        generate_burn(generator);
    generate_statements(generator, 3, depth - 1);
    if (kind == 1) {
        generate_condition(generator, depth - 1);
        generate_op_u(generator, KP_WASM_OP_BR_IF, 0);
    }
    generate_values(generator, results, depth - 1);
    if (kind == 2 && (results->count > 0 || one_in(generator, 2))) {
        generate_op(generator, KP_WASM_OP_ELSE);
        generate_statements(generator, 2, depth - 1);
        generate_values(generator, results, depth - 1);
    }
    generate_op(generator, KP_WASM_OP_END);
    generator->label_count--;
}

/* A block or loop with a type's parameters and results; the results are dropped. */
static void wide_block(generator_t *generator, unsigned depth)
{
    unsigned index = below(generator, generator->type_count);
    const signature_t *type = &generator->types[index];
    bool loop = one_in(generator, 2);
    generate_values(generator, &type->parameters, depth - 1);
    generate_op(generator, loop ? KP_WASM_OP_LOOP : KP_WASM_OP_BLOCK);
    put_s(generator->code, index);
    push_label(generator, loop ? &type->parameters : &type->results);
    if (loop)
        generate_burn(generator);
    if (one_in(generator, 2)) {
        generate_drops(generator, type->parameters.count);
        generate_statements(generator, 2, depth - 1);
        generate_values(generator, &type->results, depth - 1);
    } else {
        /* The parameters stay below what comes. */
        generate_statements(generator, 2, depth - 1);
        generate_drops(generator, type->parameters.count);
        generate_values(generator, &type->results, depth - 1);
    }
    generate_op(generator, KP_WASM_OP_END);
    generator->label_count--;
    generate_drops(generator, type->results.count);
}

/* block (result T): block (tag's values): try_table ... end, br past the handler: end, handler: end */
static void try_block(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    unsigned tag = below(generator, generator->tag_count);
    bool all = one_in(generator, 3), reference = one_in(generator, 3);
    row_t result = {{type}, type != KP_WASM_TYPE_NIL};
    row_t caught = {0};
    if (!all)
        caught = generator->types[generator->tags[tag]].parameters;
    /* A reference with values needs a type of its own: only alone. */
    if (reference && caught.count > 0)
        reference = false;
    row_t label = caught;
    if (reference)
        label = (row_t){{KP_WASM_TYPE_EXNREF}, 1};
    generate_op(generator, KP_WASM_OP_BLOCK);
    block_type(generator, &result, 0);
    push_label(generator, &result);
    generate_op(generator, KP_WASM_OP_BLOCK);
    block_type(generator, &label, 3);
    push_label(generator, &label);
    generate_op(generator, KP_WASM_OP_TRY_TABLE);
    block_type(generator, &result, 0);
    put_byte(generator->code, 1);
    put_byte(generator->code, (all ? 2u : 0) + reference);
    if (!all)
        put_u(generator->code, tag);
    put_u(generator->code, 0);
    push_label(generator, &result);
    generate_statements(generator, 3, depth - 1);
    generate_values(generator, &result, depth - 1);
    generate_op(generator, KP_WASM_OP_END);
    generator->label_count--;
    generate_op_u(generator, KP_WASM_OP_BR, 1);
    generate_op(generator, KP_WASM_OP_END);
    generator->label_count--;
    if (reference && one_in(generator, 3))
        generate_op(generator, KP_WASM_OP_THROW_REF);
    else
        generate_drops(generator, label.count);
    generate_statements(generator, 2, depth - 1);
    generate_values(generator, &result, depth - 1);
    generate_op(generator, KP_WASM_OP_END);
    generator->label_count--;
}

/* ---- branches ---- */

/* Leaves for good; what follows is dead code. */
static void leave(generator_t *generator, unsigned depth)
{
    unsigned target = below(generator, generator->label_count);
    const row_t row = generator->labels[generator->label_count - 1 - target];
    switch (below(generator, 5)) {
    case 0:
        generate_values(generator, &generator->own->results, depth - 1);
        generate_op(generator, KP_WASM_OP_RETURN);
        break;
    case 1: {
        generate_values(generator, &row, depth - 1);
        generate_value(generator, KP_WASM_TYPE_I32, depth - 1);
        generate_op(generator, KP_WASM_OP_BR_TABLE);
        unsigned count = below(generator, generator->more && one_in(generator, 4) ? 40 : 5);
        put_u(generator->code, count);
        for (unsigned i = 0; i <= count; i++) {
            unsigned other = below(generator, generator->label_count);
            bool fits =
                generate_same_row(&generator->labels[generator->label_count - 1 - other], &row);
            put_u(generator->code, fits ? other : target);
        }
        break;
    }
    case 2:
        if (has(generator, KP_WASM_FEATURE_TAIL_CALL)) {
            tail_call(generator, depth - 1);
            break;
        }
        /* fall through */
    case 3:
        if (generator->tag_count > 0) {
            unsigned tag = below(generator, generator->tag_count);
            generate_values(generator, &generator->types[generator->tags[tag]].parameters,
                            depth - 1);
            generate_op_u(generator, KP_WASM_OP_THROW, tag);
            break;
        }
        /* fall through */
    default:
        generate_values(generator, &row, depth - 1);
        generate_op_u(generator, KP_WASM_OP_BR, target);
        break;
    }
}

/* A value that a conditional branch may take away: br_if to a label of just that type. */
static bool branch_value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    for (unsigned i = 0; i < generator->label_count; i++) {
        const row_t *row = &generator->labels[generator->label_count - 1 - i];
        if (row->count != 1 || row->types[0] != type)
            continue;
        generate_value(generator, type, depth - 1);
        generate_condition(generator, depth - 1);
        generate_op_u(generator, KP_WASM_OP_BR_IF, i);
        return true;
    }
    return false;
}

/* ---- values ---- */

static bool reference_value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    if (!has(generator, KP_WASM_FEATURE_REFERENCE_TYPES))
        return false;
    unsigned table = type == KP_WASM_TYPE_EXTERNREF;
    if (kp_wasm_type_is_reference(type)) {
        generate_table_index(generator, depth - 1);
        generate_op_u(generator, KP_WASM_OP_TABLE_GET, table);
        return true;
    }
    if (type != KP_WASM_TYPE_I32)
        return false;
    if (one_in(generator, 2)) {
        generate_op_u(generator, KP_WASM_OP_TABLE_SIZE, below(generator, 2));
    } else {
        generate_value(generator,
                       one_in(generator, 2) ? KP_WASM_TYPE_FUNCREF : KP_WASM_TYPE_EXTERNREF,
                       depth - 1);
        generate_op(generator, KP_WASM_OP_REF_IS_NULL);
    }
    return true;
}

static bool memory_size(generator_t *generator, kp_wasm_type_t type)
{
    unsigned memory = below(generator, generator->memory_count);
    if (type != (generator->memory_64[memory] ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32))
        return false;
    if (one_in(generator, 2)) {
        generate_op_u(generator, KP_WASM_OP_MEMORY_SIZE, memory);
        return true;
    }
    generate_op(generator, type == KP_WASM_TYPE_I64 ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, below(generator, 3));
    generate_op_u(generator, KP_WASM_OP_MEMORY_GROW, memory);
    return true;
}

static void select_value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    generate_value(generator, type, depth - 1);
    generate_value(generator, type, depth - 1);
    generate_condition(generator, depth - 1);
    if (!kp_wasm_type_is_reference(type) &&
        (!has(generator, KP_WASM_FEATURE_REFERENCE_TYPES) || one_in(generator, 2))) {
        generate_op(generator, KP_WASM_OP_SELECT);
        return;
    }
    generate_op(generator, KP_WASM_OP_SELECT_TYPED);
    put_byte(generator->code, 1);
    put_byte(generator->code, type);
}

/* Puts one value of that type on the stack. */
void generate_value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    unsigned opcode, index;
    row_t row = {{type}, 1};
    if (depth == 0 || generator->budget <= 0 || type == KP_WASM_TYPE_EXNREF) {
        generate_leaf(generator, type);
        return;
    }
    bool room = generator->label_count + 3 < MOST_LABELS;
    switch (below(generator, 24)) {
    case 0:
    case 1:
    case 2:
        generate_leaf(generator, type);
        return;
    case 3:
    case 4:
        if (generate_access(generator, type, depth - 1))
            return;
        break;
    case 5:
        select_value(generator, type, depth);
        return;
    case 6:
    case 7:
        if (room) {
            block(generator, &row, 0, depth);
            return;
        }
        break;
    case 8:
        if (call(generator, &row, NULL, depth - 1))
            return;
        break;
    case 9:
        if (generate_variable(generator, type, &opcode, &index) && opcode == KP_WASM_OP_LOCAL_GET) {
            generate_value(generator, type, depth - 1);
            generate_op_u(generator, KP_WASM_OP_LOCAL_TEE, index);
            return;
        }
        break;
    case 10:
        if (branch_value(generator, type, depth))
            return;
        break;
    case 11:
        if (reference_value(generator, type, depth))
            return;
        break;
    case 12:
        if (memory_size(generator, type))
            return;
        break;
    case 13:
        if (one_in(generator, 4)) {
            leave(generator, depth);
            return;
        }
        break;
    case 14:
        if (generator->tag_count > 0 && room) {
            try_block(generator, type, depth);
            return;
        }
        break;
    default:
        break;
    }
    generate_plain(generator, type, depth);
}

/* ---- statements ---- */

static void assign(generator_t *generator, unsigned depth)
{
    unsigned opcode, index;
    kp_wasm_type_t type = generate_type(generator, true);
    generate_value(generator, type, depth - 1);
    if (generate_variable(generator, type, &opcode, &index))
        generate_op_u(generator, opcode + 1, index); /* set is get + 1 */
    else
        generate_op(generator, KP_WASM_OP_DROP);
}

/* Changes the state, and nothing on the stack. */
static void statement(generator_t *generator, unsigned depth)
{
    row_t row = {0};
    bool room = generator->label_count + 3 < MOST_LABELS;
    switch (below(generator, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        assign(generator, depth);
        return;
    case 4:
    case 5:
    case 6:
        if (generate_access(generator, KP_WASM_TYPE_NIL, depth - 1))
            return;
        break;
    case 7:
        if (call(generator, NULL, &row, depth - 1)) {
            generate_drops(generator, row.count);
            return;
        }
        break;
    case 8:
    case 9:
        if (room) {
            block(generator, &row, 0, depth);
            return;
        }
        break;
    case 10:
        if (room && has(generator, KP_WASM_FEATURE_MULTI_VALUE)) {
            wide_block(generator, depth);
            return;
        }
        break;
    case 11:
        if (has(generator, KP_WASM_FEATURE_BULK_MEMORY)) {
            generate_bulk_memory(generator, depth - 1);
            return;
        }
        break;
    case 12:
        if (has(generator, KP_WASM_FEATURE_REFERENCE_TYPES)) {
            generate_table_statement(generator, depth - 1);
            return;
        }
        break;
    case 13:
        if (generator->tag_count > 0 && room) {
            try_block(generator, KP_WASM_TYPE_NIL, depth);
            return;
        }
        break;
    case 14:
        if (one_in(generator, 3)) {
            /* Only inside a block of its own, or the rest of the function would be dead. */
            if (!room)
                break;
            generate_op(generator, KP_WASM_OP_BLOCK);
            put_byte(generator->code, 0x40);
            push_label(generator, &row);
            generate_condition(generator, depth - 1);
            generate_op_u(generator, KP_WASM_OP_BR_IF, 0);
            leave(generator, depth);
            generate_op(generator, KP_WASM_OP_END);
            generator->label_count--;
            return;
        }
        break;
    default:
        break;
    }
    if (generator->more && one_in(generator, 8))
        generate_op(generator, KP_WASM_OP_NOP);
    if (generator->more && has(generator, KP_WASM_FEATURE_THREADS) && !generator->wasm2c_atomics &&
        one_in(generator, 4)) {
        generate_atomic_wait(generator, depth - 1);
        return;
    }
    if (has(generator, KP_WASM_FEATURE_THREADS) && one_in(generator, 8)) {
        generate_op_u(generator, KP_WASM_OP_ATOMIC_FENCE, 0);
        return;
    }
    generate_value(generator, generate_type(generator, true), depth - 1);
    generate_op(generator, KP_WASM_OP_DROP);
}

void generate_statements(generator_t *generator, unsigned most, unsigned depth)
{
    for (unsigned i = below(generator, most + 1); i > 0 && depth > 0 && generator->budget > 0; i--)
        statement(generator, depth);
}

/* ---- bodies ---- */

void generate_body(generator_t *generator, unsigned index, bytes_t *body)
{
    const signature_t *own = &generator->types[generator->functions[index]];
    generator->own = own;
    generator->code = body;
    generator->budget = (int)(20 + below(generator, generator->most_budget));
    generator->local_count = own->parameters.count;
    memcpy(generator->locals, own->parameters.types, own->parameters.count);
    unsigned extra = below(generator, MOST_LOCALS - MOST_VALUES - 3);
    if (generator->more && one_in(generator, 4))
        extra += below(generator, 40);
    bool simd = has(generator, KP_WASM_FEATURE_SIMD);
    put_u(body, extra + 2 + simd);
    for (unsigned i = 0; i < extra; i++) {
        kp_wasm_type_t type = generate_type(generator, one_in(generator, 4));
        generator->locals[generator->local_count++] = type;
        put_data(body, (const uint8_t[]){1, type}, 2);
    }
    /* The scratch locals are not among those that are chosen. */
    for (unsigned i = 0; i < 2u + simd; i++) {
        static const kp_wasm_type_t types[] = {KP_WASM_TYPE_F32, KP_WASM_TYPE_F64,
                                               KP_WASM_TYPE_V128};
        generator->scratch[i] = generator->local_count + i;
        put_data(body, (const uint8_t[]){1, types[i]}, 2);
    }
    generator->label_count = 0;
    push_label(generator, &own->results);
    generate_burn(generator);
    do
        generate_statements(generator, 6, 5);
    while (generator->budget > 60);
    generate_values(generator, &own->results, 4);
    generate_op(generator, KP_WASM_OP_END);
}
