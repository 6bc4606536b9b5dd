/* Words shared by every part of the WebAssembly runtime: value types, proposals, limits, memory,
   errors. Freestanding C17: needs memcpy, memset, memcmp, memmove and nothing else of libc.
   Source: WebAssembly 3.0 specification, "Binary Format" and "Validation". */
#ifndef KP_RUNTIME_WASM_TYPES_H
#define KP_RUNTIME_WASM_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/status.h"

/* A value type is one byte, the byte of the binary format. All reference types are nullable. */
typedef uint8_t kp_wasm_type_t;
enum {
    KP_WASM_TYPE_NIL = 0x00, /* none */
    KP_WASM_TYPE_I32 = 0x7f,
    KP_WASM_TYPE_I64 = 0x7e,
    KP_WASM_TYPE_F32 = 0x7d,
    KP_WASM_TYPE_F64 = 0x7c,
    KP_WASM_TYPE_V128 = 0x7b,
    KP_WASM_TYPE_FUNCREF = 0x70,
    KP_WASM_TYPE_EXTERNREF = 0x6f,
    KP_WASM_TYPE_EXNREF = 0x69,
    /* Only in dead code, while it is validated: a value of any type. No sink ever sees it unless it
       asked for dead code. */
    KP_WASM_TYPE_BOTTOM = 0x01,
    /* Only in opcode.def. */
    KP_WASM_TYPE_ADDR = 0x02, /* i32 or i64, as the memory is indexed */
    KP_WASM_TYPE_VAR = 0x03,  /* the instruction has a rule of its own */
};

static inline bool kp_wasm_type_is_number(kp_wasm_type_t type)
{
    return type >= KP_WASM_TYPE_F64 && type <= KP_WASM_TYPE_I32;
}

static inline bool kp_wasm_type_is_reference(kp_wasm_type_t type)
{
    return type == KP_WASM_TYPE_FUNCREF || type == KP_WASM_TYPE_EXTERNREF ||
           type == KP_WASM_TYPE_EXNREF;
}

/* "i32", ..., "(none)", "(any)": for messages. */
const char *kp_wasm_type_name(kp_wasm_type_t type);

/* Proposals, as bits. What a module uses without its bit is an error of kind UNSUPPORTED. */
typedef uint32_t kp_wasm_features_t;
enum {
    KP_WASM_FEATURE_MVP = 0,
    KP_WASM_FEATURE_SIGN_EXTENSION = 1u << 0,
    KP_WASM_FEATURE_SAT_FLOAT = 1u << 1,
    KP_WASM_FEATURE_MULTI_VALUE = 1u << 2,
    KP_WASM_FEATURE_BULK_MEMORY = 1u << 3,
    KP_WASM_FEATURE_REFERENCE_TYPES = 1u << 4,
    KP_WASM_FEATURE_SIMD = 1u << 5,
    KP_WASM_FEATURE_TAIL_CALL = 1u << 6,
    KP_WASM_FEATURE_EXTENDED_CONST = 1u << 7, /* also: global.get of any earlier const global */
    KP_WASM_FEATURE_MULTI_MEMORY = 1u << 8,
    KP_WASM_FEATURE_MEMORY64 = 1u << 9, /* memories and tables */
    KP_WASM_FEATURE_EXCEPTIONS = 1u << 10,
    KP_WASM_FEATURE_THREADS = 1u << 11,
    /* WebAssembly 2.0, what the 2022-11 specification suite tests. */
    KP_WASM_FEATURES_2 = (1u << 6) - 1,
    KP_WASM_FEATURES_ALL = (1u << 12) - 1,
};

/* Memory is asked for through this one function (realloc's shape): size 0 frees and returns NULL;
   old is NULL exactly when old_size is 0; NULL for a size above 0 means exhausted, and then the old
   block lives on. Blocks are aligned to 16 bytes. */
typedef struct kp_wasm_allocator {
    void *(*resize)(void *context, void *old, size_t old_size, size_t size);
    void *context;
} kp_wasm_allocator_t;

/* Limits on what one module may ask of us. They are ours, not the specification's ("Implementation
   Limitations"); the numbers are those of the JavaScript interface where it names one. Going over one
   is an error of kind LIMIT. */
typedef struct kp_wasm_limits {
    uint32_t module_bytes;
    uint32_t types;
    uint32_t parameters; /* of one type; results likewise */
    uint32_t results;
    uint32_t imports;
    uint32_t functions; /* imported ones count, here and below */
    uint32_t tables;
    uint32_t memories;
    uint32_t globals;
    uint32_t tags;
    uint32_t exports;
    uint32_t elements;      /* segments */
    uint32_t element_items; /* of one segment */
    uint32_t data;          /* segments */
    uint32_t body_bytes;    /* of one function */
    uint32_t locals;        /* of one function, parameters included */
    uint32_t block_depth;
    uint32_t operands;       /* height of the operand stack */
    uint32_t br_table;       /* targets of one br_table */
    uint32_t constant_depth; /* operand stack of a constant expression, at most 64 */
    size_t metadata_bytes;   /* everything the decoded module allocates */
} kp_wasm_limits_t;
extern const kp_wasm_limits_t kp_wasm_limits_default;

typedef enum kp_wasm_error_kind {
    KP_WASM_ERROR_NONE,
    KP_WASM_ERROR_MALFORMED,   /* not the binary format           KP_ERR_BAD_FORMAT */
    KP_WASM_ERROR_INVALID,     /* breaks a validation rule        KP_ERR_BAD_FORMAT */
    KP_WASM_ERROR_UNSUPPORTED, /* of a proposal that is off       KP_ERR_NOT_SUPPORTED */
    KP_WASM_ERROR_LIMIT,       /* above a limit of kp_wasm_limits KP_ERR_TOO_LARGE */
    KP_WASM_ERROR_MEMORY,      /* no memory                       KP_ERR_NO_MEMORY */
    KP_WASM_ERROR_SINK,        /* the sink of a body gave up: its status */
} kp_wasm_error_kind_t;

#define KP_WASM_NO_FUNCTION UINT32_MAX
#define KP_WASM_NO_INDEX UINT32_MAX

/* What is wrong and where. Filled only when a call fails. */
typedef struct kp_wasm_error {
    kp_status_t status;
    kp_wasm_error_kind_t kind;
    uint32_t offset;    /* in the module's bytes */
    uint32_t function;  /* index, KP_WASM_NO_FUNCTION outside bodies */
    const char *reason; /* constant text; begins as the specification tests expect */
    char detail[80];    /* more, or empty: "local.get 7: expected i32, found f64" */
} kp_wasm_error_t;

/* Writes "REASON (DETAIL) at offset 0x123 in function 7" and a NUL; returns the length written. */
size_t kp_wasm_error_print(const kp_wasm_error_t *error, char *text, size_t size);

/* A part of the module's bytes. */
typedef struct kp_wasm_span {
    uint32_t offset;
    uint32_t size;
} kp_wasm_span_t;

/* A function type. The types lie in one row, parameters then results. */
typedef struct kp_wasm_functype {
    const kp_wasm_type_t *types;
    uint32_t parameter_count;
    uint32_t result_count;
    /* The lowest index of an equal type in the same module: within one module two types are equal
       exactly when these are (the check of call_indirect). */
    uint32_t canonical;
} kp_wasm_functype_t;

static inline const kp_wasm_type_t *kp_wasm_functype_parameters(const kp_wasm_functype_t *type)
{
    return type->types;
}

static inline const kp_wasm_type_t *kp_wasm_functype_results(const kp_wasm_functype_t *type)
{
    return type->types + type->parameter_count;
}

/* Also right for types of two modules. */
bool kp_wasm_functype_equal(const kp_wasm_functype_t *a, const kp_wasm_functype_t *b);

#endif
