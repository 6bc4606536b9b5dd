/* Shared by generator.c (sections), code.c, code_memory.c and code_control.c (instructions). */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_INTERNAL_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_INTERNAL_H

#include "runtime/test/differential/generator.h"
#include "runtime/wasm/opcode.h"

enum {
    MOST_TYPES = 12,
    MOST_FUNCTIONS = 8,
    MOST_GLOBALS = 10,
    MOST_MEMORIES = 2,
    MOST_TAGS = 3,
    MOST_LOCALS = 16,
    MOST_VALUES = 4, /* parameters or results of a type */
    MANY_VALUES = 40,
    MANY_LOCALS = 128,
    MOST_LABELS = 24,
    TABLE_SIZE = 8,
    DATA_SEGMENTS = 2,
    ELEMENT_SEGMENTS = 2,
    /* Two tables: 0 of funcref, 1 of externref. */
    FUEL_GLOBAL = 0,
};

typedef struct row {
    kp_wasm_type_t types[MANY_VALUES];
    unsigned count;
} row_t;

typedef struct signature {
    row_t parameters, results;
} signature_t;

typedef struct bytes {
    uint8_t *data;
    size_t size, capacity;
    bool failed; /* no memory */
} bytes_t;

typedef struct generator {
    uint64_t random;
    kp_wasm_features_t features;
    uint32_t *counts; /* by instruction; NULL: nobody asks */
    signature_t types[MOST_TYPES];
    unsigned type_count;
    unsigned functions[MOST_FUNCTIONS]; /* type indices */
    unsigned function_count;
    unsigned imported_count; /* of them, the first; with everything else of the library */
    bool library;
    kp_wasm_type_t globals[MOST_GLOBALS];
    unsigned global_count;
    bool memory_64[MOST_MEMORIES];
    bool memory_shared[MOST_MEMORIES];
    unsigned memory_least[MOST_MEMORIES], memory_most[MOST_MEMORIES]; /* pages */
    unsigned memory_count;
    unsigned slots[5];        /* functions that table 0 holds at first, from slot 1 on */
    unsigned tags[MOST_TAGS]; /* type indices */
    unsigned tag_count;

    /* The function being written. */
    bytes_t *code;
    const signature_t *own;
    kp_wasm_type_t locals[MANY_LOCALS];
    unsigned local_count;
    unsigned scratch[3];       /* locals of f32, f64, v128: for canonical NaNs */
    row_t labels[MOST_LABELS]; /* what a branch to each carries, outermost first */
    unsigned label_count;
    int budget; /* instructions left, roughly */
    unsigned most_budget;
    bool wasm2c_atomics, more; /* kinds of modules: generator.h */
    /* Instructions that are plain rows of operands, by their result: I32 I64 F32 F64 V128. */
    uint16_t plain[5][256];
    unsigned plain_count[5];
} generator_t;

uint64_t generate_random(generator_t *generator);
static inline unsigned below(generator_t *generator, unsigned limit)
{
    return (unsigned)(generate_random(generator) % limit);
}
/* True once in n. */
static inline bool one_in(generator_t *generator, unsigned n)
{
    return below(generator, n) == 0;
}

void put_data(bytes_t *bytes, const void *data, size_t size);
void put_byte(bytes_t *bytes, unsigned byte);
void put_u(bytes_t *bytes, uint64_t value);
void put_s(bytes_t *bytes, int64_t value);
void put_name(bytes_t *bytes, const char *name);
/* The part behind its size; empties the part. */
void put_sized(bytes_t *bytes, bytes_t *part);

static inline bool has(const generator_t *generator, kp_wasm_features_t feature)
{
    return (generator->features & feature) == feature;
}

/* A type that the features allow; numbers only, or references too. */
kp_wasm_type_t generate_type(generator_t *generator, bool references);

/* Fills plain. */
void generate_tables(generator_t *generator);

/* ---- code: every part appends to generator->code, and spends generator->budget ---- */

/* code.c */
void generate_op(generator_t *generator, unsigned opcode);
void generate_op_u(generator_t *generator, unsigned opcode, uint64_t immediate);
void generate_i32_const(generator_t *generator, int32_t number);
void generate_values(generator_t *generator, const row_t *row, unsigned depth);
void generate_drops(generator_t *generator, unsigned count);
bool generate_same_row(const row_t *a, const row_t *b);
void generate_burn(generator_t *generator); /* a unit of fuel; traps when there is none */
void generate_condition(generator_t *generator, unsigned depth);
uint64_t generate_edge(generator_t *generator, unsigned bits); /* a number, often at an edge */
/* A local or global of that type: the instruction that gets it and its index. False: there is none. */
bool generate_variable(generator_t *generator, kp_wasm_type_t type, unsigned *opcode_base,
                       unsigned *index);
/* One value, by one instruction, and by one of the plain ones with its operands. */
void generate_leaf(generator_t *generator, kp_wasm_type_t type);
void generate_plain(generator_t *generator, kp_wasm_type_t type, unsigned depth);

/* code_memory.c */
/* A memory instruction with that result; NIL: a store. False: none was found. */
bool generate_access(generator_t *generator, kp_wasm_type_t result, unsigned depth);
void generate_bulk_memory(generator_t *generator, unsigned depth);
void generate_atomic_wait(generator_t *generator, unsigned depth);
void generate_table_index(generator_t *generator, unsigned depth);
void generate_table_statement(generator_t *generator, unsigned depth);

/* code_control.c */
void generate_value(generator_t *generator, kp_wasm_type_t type, unsigned depth); /* any one */
void generate_statements(generator_t *generator, unsigned most, unsigned depth);

/* The body of function `index` (local declarations and code), without its size. */
void generate_body(generator_t *generator, unsigned index, bytes_t *body);

#endif
