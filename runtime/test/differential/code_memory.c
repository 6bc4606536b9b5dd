/* Memory and table instructions of a generated module. */
#include "runtime/test/differential/internal.h"

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
        generate_op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
        put_s(generator->code, (int64_t)at);
        return true;
    }
    if (!address_local(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, &local))
        return false;
    if (!one_in(generator, 3)) {
        generate_op_u(generator, KP_WASM_OP_LOCAL_GET, local);
        return true;
    }
    generate_value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    generate_op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, one_in(generator, 8) ? 0x1ffff : 0xfff);
    generate_op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
    generate_op_u(generator, KP_WASM_OP_LOCAL_TEE, local);
    return true;
}

/* An address; mostly one of the first 4 KiB, aligned where it must be. */
static void address(generator_t *generator, unsigned memory, bool aligned, unsigned depth)
{
    bool wide = generator->memory_64[memory];
    if (generator->more && !aligned && !one_in(generator, 3) &&
        plain_address(generator, memory, depth))
        return;
    generate_value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    if (one_in(generator, 32))
        return;
    generate_op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, aligned ? 0xff8 : 0xfff);
    generate_op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
}

static void memarg(generator_t *generator, const kp_wasm_opcode_info_t *info, unsigned memory)
{
    bool atomic = info->feature == KP_WASM_FEATURE_THREADS;
    unsigned align = atomic ? info->argument : below(generator, info->argument + 1u);
    put_u(generator->code, align | (memory ? 0x40 : 0));
    if (memory)
        put_u(generator->code, memory);
    uint64_t offset =
        one_in(generator, 64) ? (uint32_t)generate_edge(generator, 32) : below(generator, 8) * 8;
    put_u(generator->code, offset);
    if (info->immediate == KP_WASM_IMMEDIATE_MEMARG_LANE)
        put_byte(generator->code, below(generator, 16u >> info->argument));
}

/* A memory instruction with that result; NIL: a store. False: none was found. */
bool generate_access(generator_t *generator, kp_wasm_type_t result, unsigned depth)
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
            generate_value(generator, info->operand[i], depth);
        generate_op(generator, opcode);
        memarg(generator, info, memory);
        return true;
    }
    return false;
}

/* Does not wait: what it expects is mostly not there, and else the time is over at once. */
void generate_atomic_wait(generator_t *generator, unsigned depth)
{
    bool wide = one_in(generator, 2);
    unsigned opcode = wide ? KP_WASM_OP_MEMORY_ATOMIC_WAIT64 : KP_WASM_OP_MEMORY_ATOMIC_WAIT32;
    unsigned memory = below(generator, generator->memory_count);
    address(generator, memory, true, depth);
    generate_value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    generate_op(generator, KP_WASM_OP_I64_CONST);
    put_s(generator->code, 0);
    generate_op(generator, opcode);
    memarg(generator, &kp_wasm_opcode_info[opcode], memory);
    generate_op(generator, KP_WASM_OP_DROP);
}

/* A number below 64, of the index type of a memory (or i32). */
static void small(generator_t *generator, bool wide, unsigned depth)
{
    generate_value(generator, wide ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32, depth);
    generate_op(generator, wide ? KP_WASM_OP_I64_CONST : KP_WASM_OP_I32_CONST);
    put_s(generator->code, 63);
    generate_op(generator, wide ? KP_WASM_OP_I64_AND : KP_WASM_OP_I32_AND);
}

void generate_bulk_memory(generator_t *generator, unsigned depth)
{
    unsigned to = below(generator, generator->memory_count);
    unsigned from = below(generator, generator->memory_count);
    bool wide_to = generator->memory_64[to], wide_from = generator->memory_64[from];
    address(generator, to, false, depth);
    switch (below(generator, 4)) {
    case 0:
        generate_value(generator, KP_WASM_TYPE_I32, depth);
        small(generator, wide_to, depth);
        generate_op_u(generator, KP_WASM_OP_MEMORY_FILL, to);
        break;
    case 1:
        address(generator, from, false, depth);
        small(generator, wide_to && wide_from, depth);
        generate_op_u(generator, KP_WASM_OP_MEMORY_COPY, to);
        put_u(generator->code, from);
        break;
    case 2:
        generate_i32_const(generator, (int32_t)below(generator, 20));
        generate_i32_const(generator, (int32_t)below(generator, 32));
        generate_op_u(generator, KP_WASM_OP_MEMORY_INIT, below(generator, DATA_SEGMENTS));
        put_u(generator->code, to);
        break;
    default:
        generate_op(generator, KP_WASM_OP_DROP);
        generate_op_u(generator, KP_WASM_OP_DATA_DROP, below(generator, DATA_SEGMENTS));
        break;
    }
}

/* ---- tables ---- */

void generate_table_index(generator_t *generator, unsigned depth)
{
    generate_value(generator, KP_WASM_TYPE_I32, depth);
    if (one_in(generator, 32))
        return;
    generate_i32_const(generator, TABLE_SIZE - 1);
    generate_op(generator, KP_WASM_OP_I32_AND);
}

void generate_table_statement(generator_t *generator, unsigned depth)
{
    unsigned table = below(generator, 2);
    kp_wasm_type_t type = table ? KP_WASM_TYPE_EXTERNREF : KP_WASM_TYPE_FUNCREF;
    bool bulk = has(generator, KP_WASM_FEATURE_BULK_MEMORY);
    switch (below(generator, bulk ? 6 : 3)) {
    case 0:
        generate_table_index(generator, depth);
        generate_value(generator, type, depth);
        generate_op_u(generator, KP_WASM_OP_TABLE_SET, table);
        break;
    case 1:
        generate_value(generator, type, depth);
        generate_i32_const(generator, (int32_t)below(generator, 4));
        generate_op_u(generator, KP_WASM_OP_TABLE_GROW, table);
        generate_op(generator, KP_WASM_OP_DROP);
        break;
    case 2:
        generate_table_index(generator, depth);
        generate_value(generator, type, depth);
        generate_i32_const(generator, (int32_t)below(generator, 4));
        generate_op_u(generator, KP_WASM_OP_TABLE_FILL, table);
        break;
    case 3:
        generate_table_index(generator, depth);
        generate_table_index(generator, depth);
        generate_i32_const(generator, (int32_t)below(generator, 4));
        generate_op_u(generator, KP_WASM_OP_TABLE_COPY, table);
        put_u(generator->code, table);
        break;
    case 4:
        generate_table_index(generator, depth);
        generate_i32_const(generator, (int32_t)below(generator, 5));
        generate_i32_const(generator, (int32_t)below(generator, 3));
        generate_op_u(generator, KP_WASM_OP_TABLE_INIT, below(generator, ELEMENT_SEGMENTS));
        put_u(generator->code, 0);
        break;
    default:
        generate_op_u(generator, KP_WASM_OP_ELEM_DROP, below(generator, ELEMENT_SEGMENTS));
        break;
    }
}
