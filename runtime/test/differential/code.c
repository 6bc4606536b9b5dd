/* Function bodies of a generated module: typed expressions and statements, valid by construction. */
#include <string.h>

#include "runtime/test/differential/internal.h"

static void value(generator_t *generator, kp_wasm_type_t type, unsigned depth);
static void statements(generator_t *generator, unsigned most, unsigned depth);

/* ---- small pieces ---- */

static void op(generator_t *generator, unsigned opcode)
{
    static const uint8_t prefixes[] = {0xfc, 0xfd, 0xfe};
    generator->budget--;
    if (generator->counts)
        generator->counts[opcode]++;
    if (opcode < 0x100) {
        put_byte(generator->code, opcode);
    } else {
        put_byte(generator->code, prefixes[(opcode >> 8) - 1]);
        put_u(generator->code, opcode & 0xff);
    }
}

static void op_u(generator_t *generator, unsigned opcode, uint64_t immediate)
{
    op(generator, opcode);
    put_u(generator->code, immediate);
}

static void i32_const(generator_t *generator, int32_t number)
{
    op(generator, KP_WASM_OP_I32_CONST);
    put_s(generator->code, number);
}

static void values(generator_t *generator, const row_t *row, unsigned depth)
{
    for (unsigned i = 0; i < row->count; i++)
        value(generator, row->types[i], depth);
}

static void drops(generator_t *generator, unsigned count)
{
    while (count-- > 0)
        op(generator, KP_WASM_OP_DROP);
}

static bool same_row(const row_t *a, const row_t *b)
{
    return a->count == b->count && memcmp(a->types, b->types, a->count) == 0;
}

/* Burns one unit of fuel, traps at the end of it. */
static void burn(generator_t *generator)
{
    op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
    op(generator, KP_WASM_OP_I32_EQZ);
    op(generator, KP_WASM_OP_IF);
    put_byte(generator->code, 0x40);
    op(generator, KP_WASM_OP_UNREACHABLE);
    op(generator, KP_WASM_OP_END);
    op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
    i32_const(generator, 1);
    op(generator, KP_WASM_OP_I32_SUB);
    op_u(generator, KP_WASM_OP_GLOBAL_SET, FUEL_GLOBAL);
}

/* A condition; for loops one that comes true some rounds in a row. */
static void condition(generator_t *generator, unsigned depth)
{
    if (one_in(generator, 2)) {
        op_u(generator, KP_WASM_OP_GLOBAL_GET, FUEL_GLOBAL);
        i32_const(generator, (int32_t)(2 + below(generator, 6)));
        op(generator, KP_WASM_OP_I32_REM_U);
    } else {
        value(generator, KP_WASM_TYPE_I32, depth);
    }
}

/* ---- leaves ---- */

/* Numbers at the edges come more often. */
static uint64_t edge(generator_t *generator, unsigned bits)
{
    static const uint64_t floats[] = {
        0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0xfff4000000000001,
        0x41dfffffffc00000, 0xc1e0000000000000, 0x43e0000000000000, 0x0000000000000001,
        0x41efffffffe00000, 0x3fe0000000000000, 0x36a0000000000000, 0x47efffffe0000000,
    };
    static const uint32_t singles[] = {
        0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000,
        0xffa00001, 0x4effffff, 0x4f000000, 0xcf000000, 0x5f000000, 0x00000001, 0x3f000000,
    };
    switch (below(generator, 8)) {
    case 0:
        return (uint64_t)0 - below(generator, 3);
    case 1:
        return (uint64_t)1 << below(generator, bits);
    case 2:
        return ((uint64_t)1 << below(generator, bits)) - 1;
    case 3:
        return bits == 32 ? singles[below(generator, sizeof(singles) / sizeof(singles[0]))]
                          : floats[below(generator, sizeof(floats) / sizeof(floats[0]))];
    case 4:
    case 5:
        return below(generator, 256);
    default:
        return generate_random(generator);
    }
}

static void constant(generator_t *generator, kp_wasm_type_t type)
{
    uint64_t bits[2] = {edge(generator, 64), edge(generator, 64)};
    switch (type) {
    case KP_WASM_TYPE_I32:
        i32_const(generator, (int32_t)edge(generator, 32));
        break;
    case KP_WASM_TYPE_I64:
        op(generator, KP_WASM_OP_I64_CONST);
        put_s(generator->code, (int64_t)bits[0]);
        break;
    case KP_WASM_TYPE_F32:
        bits[0] = edge(generator, 32);
        op(generator, KP_WASM_OP_F32_CONST);
        put_data(generator->code, bits, 4);
        break;
    case KP_WASM_TYPE_F64:
        op(generator, KP_WASM_OP_F64_CONST);
        put_data(generator->code, bits, 8);
        break;
    case KP_WASM_TYPE_V128:
        op(generator, KP_WASM_OP_V128_CONST);
        put_data(generator->code, bits, 16);
        break;
    case KP_WASM_TYPE_FUNCREF:
        if (one_in(generator, 2)) {
            /* Every function is exported, and so may be referred to. */
            op_u(generator, KP_WASM_OP_REF_FUNC, below(generator, generator->function_count));
            break;
        }
        /* fall through */
    default:
        op(generator, KP_WASM_OP_REF_NULL);
        put_byte(generator->code, type);
        break;
    }
}

/* A local or global of that type, from a random start; false: there is none. */
static bool variable(generator_t *generator, kp_wasm_type_t type, unsigned *opcode_base,
                     unsigned *index)
{
    unsigned all = generator->local_count + generator->global_count - 1;
    unsigned start = below(generator, all);
    for (unsigned i = 0; i < all; i++) {
        unsigned at = (start + i) % all;
        bool local = at < generator->local_count;
        *index = local ? at : at - generator->local_count + 1; /* not the fuel */
        *opcode_base = local ? KP_WASM_OP_LOCAL_GET : KP_WASM_OP_GLOBAL_GET;
        if ((local ? generator->locals[*index] : generator->globals[*index]) == type)
            return true;
    }
    return false;
}

static void leaf(generator_t *generator, kp_wasm_type_t type)
{
    unsigned opcode, index;
    if (!one_in(generator, 4) && variable(generator, type, &opcode, &index))
        op_u(generator, opcode, index);
    else
        constant(generator, type);
}

/* ---- arithmetic ---- */

static bool in(unsigned opcode, unsigned first, unsigned last)
{
    return opcode >= first && opcode <= last;
}

static bool divides(unsigned opcode)
{
    return in(opcode, KP_WASM_OP_I32_DIV_S, KP_WASM_OP_I32_REM_U) ||
           in(opcode, KP_WASM_OP_I64_DIV_S, KP_WASM_OP_I64_REM_U);
}

static bool truncates(unsigned opcode)
{
    return in(opcode, KP_WASM_OP_I32_TRUNC_F32_S, KP_WASM_OP_I32_TRUNC_F64_U) ||
           in(opcode, KP_WASM_OP_I64_TRUNC_F32_S, KP_WASM_OP_I64_TRUNC_F64_U);
}

/* May the result be a NaN whose bits the specification leaves open? 32 or 64: in such lanes. */
static unsigned nan_width(unsigned opcode)
{
    if (in(opcode, KP_WASM_OP_F32_CEIL, KP_WASM_OP_F32_MAX) || opcode == KP_WASM_OP_F32_DEMOTE_F64)
        return 32;
    if (in(opcode, KP_WASM_OP_F64_CEIL, KP_WASM_OP_F64_MAX) || opcode == KP_WASM_OP_F64_PROMOTE_F32)
        return 64;
    if (in(opcode, KP_WASM_OP_F32X4_CEIL, KP_WASM_OP_F32X4_NEAREST) ||
        in(opcode, KP_WASM_OP_F32X4_SQRT, KP_WASM_OP_F32X4_MAX) ||
        opcode == KP_WASM_OP_F32X4_DEMOTE_F64X2_ZERO)
        return 32;
    if (opcode == KP_WASM_OP_F64X2_CEIL || opcode == KP_WASM_OP_F64X2_FLOOR ||
        opcode == KP_WASM_OP_F64X2_TRUNC || opcode == KP_WASM_OP_F64X2_NEAREST ||
        in(opcode, KP_WASM_OP_F64X2_SQRT, KP_WASM_OP_F64X2_MAX) ||
        opcode == KP_WASM_OP_F64X2_PROMOTE_LOW_F32X4)
        return 64;
    return 0;
}

/* Replaces NaNs in the value on top by the canonical one: v == v ? v : nan. */
static void make_canonical(generator_t *generator, kp_wasm_type_t type, unsigned width)
{
    unsigned scratch = generator->scratch[type == KP_WASM_TYPE_F32   ? 0
                                          : type == KP_WASM_TYPE_F64 ? 1
                                                                     : 2];
    uint64_t nan = width == 32 ? 0x7fc000007fc00000 : 0x7ff8000000000000;
    op_u(generator, KP_WASM_OP_LOCAL_TEE, scratch);
    op(generator, type == KP_WASM_TYPE_F32   ? KP_WASM_OP_F32_CONST
                  : type == KP_WASM_TYPE_F64 ? KP_WASM_OP_F64_CONST
                                             : KP_WASM_OP_V128_CONST);
    put_data(generator->code, &nan, type == KP_WASM_TYPE_F32 ? 4 : 8);
    if (type == KP_WASM_TYPE_V128)
        put_data(generator->code, &nan, 8);
    op_u(generator, KP_WASM_OP_LOCAL_GET, scratch);
    op_u(generator, KP_WASM_OP_LOCAL_GET, scratch);
    if (type == KP_WASM_TYPE_V128) {
        op(generator, width == 32 ? KP_WASM_OP_F32X4_EQ : KP_WASM_OP_F64X2_EQ);
        op(generator, KP_WASM_OP_V128_BITSELECT);
    } else {
        op(generator, width == 32 ? KP_WASM_OP_F32_EQ : KP_WASM_OP_F64_EQ);
        op(generator, KP_WASM_OP_SELECT);
    }
    generator->budget += 6;
}

static int class_of(kp_wasm_type_t type)
{
    return kp_wasm_type_is_number(type) ? KP_WASM_TYPE_I32 - type
           : type == KP_WASM_TYPE_V128  ? 4
                                        : -1;
}

void generate_tables(generator_t *generator)
{
    for (unsigned opcode = 0; opcode < KP_WASM_OPCODE_COUNT; opcode++) {
        const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
        int class = class_of(info->push);
        if (!info->valid || !info->simple || info->pop_count == 0 || class < 0 ||
            (info->feature & ~generator->features))
            continue;
        generator->plain[class][generator->plain_count[class]++] = (uint16_t)opcode;
    }
}

static void plain(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    int class = class_of(type);
    if (class < 0 || generator->plain_count[class] == 0) {
        leaf(generator, type);
        return;
    }
    unsigned opcode = generator->plain[class][below(generator, generator->plain_count[class])];
    if (truncates(opcode) && !one_in(generator, 8)) {
        leaf(generator, type);
        return;
    }
    const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
    for (unsigned i = 0; i < info->pop_count; i++)
        value(generator, info->operand[i], depth - 1);
    if (divides(opcode) && !one_in(generator, 8)) {
        bool wide = type == KP_WASM_TYPE_I64;
        op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
        put_byte(generator->code, 1);
        op(generator, wide ? KP_WASM_OP_I64_OR : KP_WASM_OP_I32_OR);
    }
    op(generator, opcode);
    if (info->immediate == KP_WASM_IMMEDIATE_LANE)
        put_byte(generator->code, below(generator, info->argument));
    for (unsigned i = 0; info->immediate == KP_WASM_IMMEDIATE_SHUFFLE && i < 16; i++)
        put_byte(generator->code, below(generator, 32));
    unsigned width = nan_width(opcode);
    if (width)
        make_canonical(generator, type, width);
}

/* ---- memory ---- */

/* A local for addresses; false: there is none. */
static bool address_local(generator_t *generator, kp_wasm_type_t type, unsigned *index)
{
    for (unsigned i = 0; i < generator->local_count; i++) {
        *index = generator->local_count - 1 - i;
        if (generator->locals[*index] == type && one_in(generator, 2))
            return true;
    }
    return false;
}

/* Addresses that one instruction after another takes from the same local, and constant ones: what a compiler that
   leaves out bounds checks looks for. Locals are mostly small: zero at first, or set here. */
static bool plain_address(generator_t *generator, unsigned memory, unsigned depth)
{
    bool wide = generator->memory_64[memory];
    unsigned local;
    if (one_in(generator, 6)) {
        /* Around the end of one page or two, sometimes. */
        uint64_t at = one_in(generator, 4)
                          ? 65536 * (1 + below(generator, 2)) - below(generator, 20)
                          : below(generator, 4096);
        op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
        put_s(generator->code, (int64_t)at);
        return true;
    }
    if (!address_local(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, &local))
        return false;
    if (!one_in(generator, 3)) {
        op_u(generator, KP_WASM_OP_LOCAL_GET, local);
        return true;
    }
    value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, one_in(generator, 8) ? 0x1ffff : 0xfff);
    op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
    op_u(generator, KP_WASM_OP_LOCAL_TEE, local);
    return true;
}

/* An address; mostly one of the first 4 KiB, aligned where it must be. */
static void address(generator_t *generator, unsigned memory, bool aligned, unsigned depth)
{
    bool wide = generator->memory_64[memory];
    if (generator->more && !aligned && !one_in(generator, 3) &&
        plain_address(generator, memory, depth))
        return;
    value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    if (one_in(generator, 32))
        return;
    op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, aligned ? 0xff8 : 0xfff);
    op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
}

static void memarg(generator_t *generator, const kp_wasm_opcode_info_t *info, unsigned memory)
{
    bool atomic = info->feature == KP_WASM_FEATURE_THREADS;
    unsigned align = atomic ? info->argument : below(generator, info->argument + 1u);
    put_u(generator->code, align | (memory ? 0x40 : 0));
    if (memory)
        put_u(generator->code, memory);
    uint64_t offset =
        one_in(generator, 64) ? (uint32_t)edge(generator, 32) : below(generator, 8) * 8;
    put_u(generator->code, offset);
    if (info->immediate == KP_WASM_IMMEDIATE_MEMARG_LANE)
        put_byte(generator->code, below(generator, 16u >> info->argument));
}

/* A memory instruction with that result; NIL: a store. False: none was found. */
static bool access(generator_t *generator, kp_wasm_type_t result, unsigned depth)
{
    for (unsigned tries = 0; tries < 400; tries++) {
        unsigned opcode = below(generator, KP_WASM_OPCODE_COUNT);
        const kp_wasm_opcode_info_t *info = &kp_wasm_opcode_info[opcode];
        if (!info->valid || info->operand[0] != KP_WASM_TYPE_ADDR || info->push != result ||
            (info->feature & ~generator->features) || opcode == KP_WASM_OP_MEMORY_ATOMIC_WAIT32 ||
            opcode == KP_WASM_OP_MEMORY_ATOMIC_WAIT64)
            continue;
        unsigned memory = below(generator, generator->memory_count);
        if (info->feature == KP_WASM_FEATURE_THREADS && generator->wasm2c_atomics &&
            (!generator->memory_shared[memory] || opcode == KP_WASM_OP_MEMORY_ATOMIC_NOTIFY))
            continue;
        address(generator, memory, info->feature == KP_WASM_FEATURE_THREADS, depth);
        for (unsigned i = 1; i < info->pop_count; i++)
            value(generator, info->operand[i], depth);
        op(generator, opcode);
        memarg(generator, info, memory);
        return true;
    }
    return false;
}

/* Does not wait: what it expects is mostly not there, and else the time is over at once. */
static void atomic_wait(generator_t *generator, unsigned depth)
{
    bool wide = one_in(generator, 2);
    unsigned opcode = wide ? KP_WASM_OP_MEMORY_ATOMIC_WAIT64 : KP_WASM_OP_MEMORY_ATOMIC_WAIT32;
    unsigned memory = below(generator, generator->memory_count);
    address(generator, memory, true, depth);
    value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    op(generator, KP_WASM_OP_I64_CONST);
    put_s(generator->code, 0);
    op(generator, opcode);
    memarg(generator, &kp_wasm_opcode_info[opcode], memory);
    op(generator, KP_WASM_OP_DROP);
}

/* A number below 64, of the index type of a memory (or i32). */
static void small(generator_t *generator, bool wide, unsigned depth)
{
    value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, 63);
    op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
}

static void bulk_memory(generator_t *generator, unsigned depth)
{
    unsigned to = below(generator, generator->memory_count);
    unsigned from = below(generator, generator->memory_count);
    bool wide_to = generator->memory_64[to], wide_from = generator->memory_64[from];
    address(generator, to, false, depth);
    switch (below(generator, 4)) {
    case 0:
        value(generator, KP_WASM_TYPE_I32, depth);
        small(generator, wide_to, depth);
        op_u(generator, KP_WASM_OP_MEMORY_FILL, to);
        break;
    case 1:
        address(generator, from, false, depth);
        small(generator, wide_to && wide_from, depth);
        op_u(generator, KP_WASM_OP_MEMORY_COPY, to);
        put_u(generator->code, from);
        break;
    case 2:
        i32_const(generator, (int32_t)below(generator, 20));
        i32_const(generator, (int32_t)below(generator, 32));
        op_u(generator, KP_WASM_OP_MEMORY_INIT, below(generator, DATA_SEGMENTS));
        put_u(generator->code, to);
        break;
    default:
        op(generator, KP_WASM_OP_DROP);
        op_u(generator, KP_WASM_OP_DATA_DROP, below(generator, DATA_SEGMENTS));
        break;
    }
}

/* ---- tables ---- */

static void table_index(generator_t *generator, unsigned depth)
{
    value(generator, KP_WASM_TYPE_I32, depth);
    if (one_in(generator, 32))
        return;
    i32_const(generator, TABLE_SIZE - 1);
    op(generator, KP_WASM_OP_I32_AND);
}

static void table_statement(generator_t *generator, unsigned depth)
{
    unsigned table = below(generator, 2);
    kp_wasm_type_t type = table ? KP_WASM_TYPE_EXTERNREF : KP_WASM_TYPE_FUNCREF;
    bool bulk = has(generator, KP_WASM_FEATURE_BULK_MEMORY);
    switch (below(generator, bulk ? 6 : 3)) {
    case 0:
        table_index(generator, depth);
        value(generator, type, depth);
        op_u(generator, KP_WASM_OP_TABLE_SET, table);
        break;
    case 1:
        value(generator, type, depth);
        i32_const(generator, (int32_t)below(generator, 4));
        op_u(generator, KP_WASM_OP_TABLE_GROW, table);
        op(generator, KP_WASM_OP_DROP);
        break;
    case 2:
        table_index(generator, depth);
        value(generator, type, depth);
        i32_const(generator, (int32_t)below(generator, 4));
        op_u(generator, KP_WASM_OP_TABLE_FILL, table);
        break;
    case 3:
        table_index(generator, depth);
        table_index(generator, depth);
        i32_const(generator, (int32_t)below(generator, 4));
        op_u(generator, KP_WASM_OP_TABLE_COPY, table);
        put_u(generator->code, table);
        break;
    case 4:
        table_index(generator, depth);
        i32_const(generator, (int32_t)below(generator, 5));
        i32_const(generator, (int32_t)below(generator, 3));
        op_u(generator, KP_WASM_OP_TABLE_INIT, below(generator, ELEMENT_SEGMENTS));
        put_u(generator->code, 0);
        break;
    default:
        op_u(generator, KP_WASM_OP_ELEM_DROP, below(generator, ELEMENT_SEGMENTS));
        break;
    }
}

/* ---- calls ---- */

/* The slot of table 0 for a call of that type: mostly one that held such a function at first. */
static void callee_slot(generator_t *generator, unsigned type, unsigned depth)
{
    for (unsigned i = 0; i < 5 && !one_in(generator, 6); i++) {
        if (generator->functions[generator->slots[i]] == type) {
            i32_const(generator, (int32_t)i + 1);
            return;
        }
    }
    table_index(generator, depth);
}

/* Calls something of which the results are `row`, or anything when row is NULL (*found tells what is
   on the stack then). False: there is nothing such. */
static bool call(generator_t *generator, const row_t *row, row_t *found, unsigned depth)
{
    unsigned start = below(generator, generator->function_count);
    for (unsigned i = 0; i < generator->function_count; i++) {
        unsigned function = (start + i) % generator->function_count;
        const signature_t *type = &generator->types[generator->functions[function]];
        if (row && !same_row(&type->results, row))
            continue;
        values(generator, &type->parameters, depth);
        if (one_in(generator, 3)) {
            callee_slot(generator, generator->functions[function], depth);
            op_u(generator, KP_WASM_OP_CALL_INDIRECT, generator->functions[function]);
            put_u(generator->code, 0);
        } else {
            op_u(generator, KP_WASM_OP_CALL, function);
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
        if (!same_row(&type->results, &generator->own->results))
            continue;
        values(generator, &type->parameters, depth);
        if (one_in(generator, 3)) {
            callee_slot(generator, generator->functions[i], depth);
            op_u(generator, KP_WASM_OP_RETURN_CALL_INDIRECT, generator->functions[i]);
            put_u(generator->code, 0);
        } else {
            op_u(generator, KP_WASM_OP_RETURN_CALL, i);
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
        condition(generator, depth - 1);
    op(generator, kind == 0 ? KP_WASM_OP_BLOCK : kind == 1 ? KP_WASM_OP_LOOP : KP_WASM_OP_IF);
    block_type(generator, results, index);
    push_label(generator, kind == 1 ? &nothing : results);
    if (kind == 1)
        burn(generator);
    statements(generator, 3, depth - 1);
    if (kind == 1) {
        condition(generator, depth - 1);
        op_u(generator, KP_WASM_OP_BR_IF, 0);
    }
    values(generator, results, depth - 1);
    if (kind == 2 && (results->count > 0 || one_in(generator, 2))) {
        op(generator, KP_WASM_OP_ELSE);
        statements(generator, 2, depth - 1);
        values(generator, results, depth - 1);
    }
    op(generator, KP_WASM_OP_END);
    generator->label_count--;
}

/* A block or loop with a type's parameters and results; the results are dropped. */
static void wide_block(generator_t *generator, unsigned depth)
{
    unsigned index = below(generator, generator->type_count);
    const signature_t *type = &generator->types[index];
    bool loop = one_in(generator, 2);
    values(generator, &type->parameters, depth - 1);
    op(generator, loop ? KP_WASM_OP_LOOP : KP_WASM_OP_BLOCK);
    put_s(generator->code, index);
    push_label(generator, loop ? &type->parameters : &type->results);
    if (loop)
        burn(generator);
    if (one_in(generator, 2)) {
        drops(generator, type->parameters.count);
        statements(generator, 2, depth - 1);
        values(generator, &type->results, depth - 1);
    } else {
        /* The parameters stay below what comes. */
        statements(generator, 2, depth - 1);
        drops(generator, type->parameters.count);
        values(generator, &type->results, depth - 1);
    }
    op(generator, KP_WASM_OP_END);
    generator->label_count--;
    drops(generator, type->results.count);
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
    op(generator, KP_WASM_OP_BLOCK);
    block_type(generator, &result, 0);
    push_label(generator, &result);
    op(generator, KP_WASM_OP_BLOCK);
    block_type(generator, &label, 3);
    push_label(generator, &label);
    op(generator, KP_WASM_OP_TRY_TABLE);
    block_type(generator, &result, 0);
    put_byte(generator->code, 1);
    put_byte(generator->code, (all ? 2u : 0) + reference);
    if (!all)
        put_u(generator->code, tag);
    put_u(generator->code, 0);
    push_label(generator, &result);
    statements(generator, 3, depth - 1);
    values(generator, &result, depth - 1);
    op(generator, KP_WASM_OP_END);
    generator->label_count--;
    op_u(generator, KP_WASM_OP_BR, 1);
    op(generator, KP_WASM_OP_END);
    generator->label_count--;
    if (reference && one_in(generator, 3))
        op(generator, KP_WASM_OP_THROW_REF);
    else
        drops(generator, label.count);
    statements(generator, 2, depth - 1);
    values(generator, &result, depth - 1);
    op(generator, KP_WASM_OP_END);
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
        values(generator, &generator->own->results, depth - 1);
        op(generator, KP_WASM_OP_RETURN);
        break;
    case 1: {
        values(generator, &row, depth - 1);
        value(generator, KP_WASM_TYPE_I32, depth - 1);
        op(generator, KP_WASM_OP_BR_TABLE);
        unsigned count = below(generator, generator->more && one_in(generator, 4) ? 40 : 5);
        put_u(generator->code, count);
        for (unsigned i = 0; i <= count; i++) {
            unsigned other = below(generator, generator->label_count);
            bool fits = same_row(&generator->labels[generator->label_count - 1 - other], &row);
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
            values(generator, &generator->types[generator->tags[tag]].parameters, depth - 1);
            op_u(generator, KP_WASM_OP_THROW, tag);
            break;
        }
        /* fall through */
    default:
        values(generator, &row, depth - 1);
        op_u(generator, KP_WASM_OP_BR, target);
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
        value(generator, type, depth - 1);
        condition(generator, depth - 1);
        op_u(generator, KP_WASM_OP_BR_IF, i);
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
        table_index(generator, depth - 1);
        op_u(generator, KP_WASM_OP_TABLE_GET, table);
        return true;
    }
    if (type != KP_WASM_TYPE_I32)
        return false;
    if (one_in(generator, 2)) {
        op_u(generator, KP_WASM_OP_TABLE_SIZE, below(generator, 2));
    } else {
        value(generator, one_in(generator, 2) ? KP_WASM_TYPE_FUNCREF : KP_WASM_TYPE_EXTERNREF,
              depth - 1);
        op(generator, KP_WASM_OP_REF_IS_NULL);
    }
    return true;
}

static bool memory_size(generator_t *generator, kp_wasm_type_t type)
{
    unsigned memory = below(generator, generator->memory_count);
    if (type != (generator->memory_64[memory] ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32))
        return false;
    if (one_in(generator, 2)) {
        op_u(generator, KP_WASM_OP_MEMORY_SIZE, memory);
        return true;
    }
    op(generator, type == KP_WASM_TYPE_I64 ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, below(generator, 3));
    op_u(generator, KP_WASM_OP_MEMORY_GROW, memory);
    return true;
}

static void select_value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    value(generator, type, depth - 1);
    value(generator, type, depth - 1);
    condition(generator, depth - 1);
    if (!kp_wasm_type_is_reference(type) &&
        (!has(generator, KP_WASM_FEATURE_REFERENCE_TYPES) || one_in(generator, 2))) {
        op(generator, KP_WASM_OP_SELECT);
        return;
    }
    op(generator, KP_WASM_OP_SELECT_TYPED);
    put_byte(generator->code, 1);
    put_byte(generator->code, type);
}

/* Puts one value of that type on the stack. */
static void value(generator_t *generator, kp_wasm_type_t type, unsigned depth)
{
    unsigned opcode, index;
    row_t row = {{type}, 1};
    if (depth == 0 || generator->budget <= 0 || type == KP_WASM_TYPE_EXNREF) {
        leaf(generator, type);
        return;
    }
    bool room = generator->label_count + 3 < MOST_LABELS;
    switch (below(generator, 24)) {
    case 0:
    case 1:
    case 2:
        leaf(generator, type);
        return;
    case 3:
    case 4:
        if (access(generator, type, depth - 1))
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
        if (variable(generator, type, &opcode, &index) && opcode == KP_WASM_OP_LOCAL_GET) {
            value(generator, type, depth - 1);
            op_u(generator, KP_WASM_OP_LOCAL_TEE, index);
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
    plain(generator, type, depth);
}

/* ---- statements ---- */

static void assign(generator_t *generator, unsigned depth)
{
    unsigned opcode, index;
    kp_wasm_type_t type = generate_type(generator, true);
    value(generator, type, depth - 1);
    if (variable(generator, type, &opcode, &index))
        op_u(generator, opcode + 1, index); /* set is get + 1 */
    else
        op(generator, KP_WASM_OP_DROP);
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
        if (access(generator, KP_WASM_TYPE_NIL, depth - 1))
            return;
        break;
    case 7:
        if (call(generator, NULL, &row, depth - 1)) {
            drops(generator, row.count);
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
            bulk_memory(generator, depth - 1);
            return;
        }
        break;
    case 12:
        if (has(generator, KP_WASM_FEATURE_REFERENCE_TYPES)) {
            table_statement(generator, depth - 1);
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
            op(generator, KP_WASM_OP_BLOCK);
            put_byte(generator->code, 0x40);
            push_label(generator, &row);
            condition(generator, depth - 1);
            op_u(generator, KP_WASM_OP_BR_IF, 0);
            leave(generator, depth);
            op(generator, KP_WASM_OP_END);
            generator->label_count--;
            return;
        }
        break;
    default:
        break;
    }
    if (generator->more && one_in(generator, 8))
        op(generator, KP_WASM_OP_NOP);
    if (generator->more && has(generator, KP_WASM_FEATURE_THREADS) && !generator->wasm2c_atomics &&
        one_in(generator, 4)) {
        atomic_wait(generator, depth - 1);
        return;
    }
    if (has(generator, KP_WASM_FEATURE_THREADS) && one_in(generator, 8)) {
        op_u(generator, KP_WASM_OP_ATOMIC_FENCE, 0);
        return;
    }
    value(generator, generate_type(generator, true), depth - 1);
    op(generator, KP_WASM_OP_DROP);
}

static void statements(generator_t *generator, unsigned most, unsigned depth)
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
    burn(generator);
    do
        statements(generator, 6, 5);
    while (generator->budget > 60);
    values(generator, &own->results, 4);
    op(generator, KP_WASM_OP_END);
}
