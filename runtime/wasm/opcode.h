/* Instructions by number. One 16-bit number for all prefixes, dense enough for tables:
     0x000..0x0ff  one byte        0x100..0x11f  0xfc n
     0x200..0x2ff  0xfd n          0x300..0x37f  0xfe n */
#ifndef KP_RUNTIME_WASM_OPCODE_H
#define KP_RUNTIME_WASM_OPCODE_H

#include "runtime/wasm/types.h"

#define KP_WASM_OPCODE_NUMBER(prefix, code)          \
    ((uint16_t)((code) + ((prefix) == 0xfc   ? 0x100 \
                          : (prefix) == 0xfd ? 0x200 \
                          : (prefix) == 0xfe ? 0x300 \
                                             : 0)))

typedef uint16_t kp_wasm_opcode_t;
enum {
#define KP_WASM_OP(name, prefix, code, ...) KP_WASM_OP_##name = KP_WASM_OPCODE_NUMBER(prefix, code),
#include "runtime/wasm/opcode.def"
#undef KP_WASM_OP
    KP_WASM_OPCODE_COUNT = 0x380, /* the size of a table over all of them */
};

/* What follows the opcode, and where body.h's kp_wasm_instruction_t has it. */
typedef enum kp_wasm_immediate {
    KP_WASM_IMMEDIATE_NONE,
    KP_WASM_IMMEDIATE_BLOCK,         /* frame */
    KP_WASM_IMMEDIATE_TRY_TABLE,     /* frame, targets (the catches) */
    KP_WASM_IMMEDIATE_LABEL,         /* index: depth; frame: the target */
    KP_WASM_IMMEDIATE_BR_TABLE,      /* targets */
    KP_WASM_IMMEDIATE_FUNCTION,      /* index, signature */
    KP_WASM_IMMEDIATE_INDIRECT,      /* index: type, index2: table; signature */
    KP_WASM_IMMEDIATE_TAG,           /* index, signature */
    KP_WASM_IMMEDIATE_SELECT,        /* type */
    KP_WASM_IMMEDIATE_LOCAL,         /* index, type */
    KP_WASM_IMMEDIATE_GLOBAL,        /* index, type */
    KP_WASM_IMMEDIATE_TABLE,         /* index, type */
    KP_WASM_IMMEDIATE_TABLE_TABLE,   /* index: destination, index2: source; type */
    KP_WASM_IMMEDIATE_ELEMENT,       /* index: segment */
    KP_WASM_IMMEDIATE_ELEMENT_TABLE, /* index: segment, index2: table; type */
    KP_WASM_IMMEDIATE_MEMORY,        /* index */
    KP_WASM_IMMEDIATE_MEMORY_MEMORY, /* index: destination, index2: source */
    KP_WASM_IMMEDIATE_DATA,          /* index: segment */
    KP_WASM_IMMEDIATE_DATA_MEMORY,   /* index: segment, index2: memory */
    KP_WASM_IMMEDIATE_MEMARG,        /* index: memory; value: offset; align */
    KP_WASM_IMMEDIATE_MEMARG_LANE,   /* the same and lane */
    KP_WASM_IMMEDIATE_LANE,          /* lane */
    KP_WASM_IMMEDIATE_I32,           /* value, sign-extended */
    KP_WASM_IMMEDIATE_I64,           /* value */
    KP_WASM_IMMEDIATE_F32,           /* value: the bits */
    KP_WASM_IMMEDIATE_F64,           /* value: the bits */
    KP_WASM_IMMEDIATE_V128,          /* bytes: 16 */
    KP_WASM_IMMEDIATE_SHUFFLE,       /* bytes: 16 lane numbers below 32 */
    KP_WASM_IMMEDIATE_HEAP_TYPE,     /* type: of the null reference */
    KP_WASM_IMMEDIATE_REF_FUNC,      /* index */
    KP_WASM_IMMEDIATE_FENCE,         /* nothing: a zero byte */
} kp_wasm_immediate_t;

/* What opcode.def says of one instruction, packed for the validator's loop. */
typedef struct kp_wasm_opcode_info {
    uint32_t
        operand_bytes; /* simple ones: the last pop_count types as they lie on the type stack, */
    uint32_t operand_mask; /* read as one little-endian word whose last byte is the top */
    uint8_t pop_count;
    kp_wasm_type_t push;       /* NIL: none */
    uint8_t immediate;         /* kp_wasm_immediate_t */
    uint8_t argument;          /* log2 of the access width, or the number of lanes */
    uint8_t valid;             /* 0: no such instruction */
    uint8_t simple;            /* no VAR and no ADDR: the words above are the whole rule */
    kp_wasm_type_t operand[3]; /* deepest first; ADDR and VAR as in opcode.def */
    kp_wasm_features_t feature;
} kp_wasm_opcode_info_t;
extern const kp_wasm_opcode_info_t kp_wasm_opcode_info[KP_WASM_OPCODE_COUNT];

/* "i32.add"; "(unknown)" for a number that is none. */
const char *kp_wasm_opcode_name(kp_wasm_opcode_t opcode);

#endif
