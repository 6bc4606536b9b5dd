/* A decoded module: everything of a WebAssembly binary but the instructions of function bodies.

   kp_wasm_module_decode checks the whole binary format and every validation rule outside bodies;
   bodies are checked by body.h, one function at a time (so that tiers can compile lazily and in
   parallel), or all at once by kp_wasm_module_validate. A module whose bodies were not all validated
   must not be instantiated unless each is validated before its first call.

   The module BORROWS its bytes: they must stay, unchanged, until kp_wasm_module_destroy. Bytes that
   another process can still write must be copied first: offsets checked once are trusted later.

   A module is immutable once decoded: any number of threads may read it and visit its bodies.
   All memory is allocated through the given allocator and bounded by limits.metadata_bytes.

   In every index space imports come first, as in the specification. */
#ifndef KP_RUNTIME_WASM_MODULE_H
#define KP_RUNTIME_WASM_MODULE_H

#include "runtime/wasm/types.h"

/* Kinds of imports and exports, as in the binary format. */
typedef enum kp_wasm_external {
    KP_WASM_EXTERNAL_FUNCTION = 0,
    KP_WASM_EXTERNAL_TABLE = 1,
    KP_WASM_EXTERNAL_MEMORY = 2,
    KP_WASM_EXTERNAL_GLOBAL = 3,
    KP_WASM_EXTERNAL_TAG = 4,
} kp_wasm_external_t;

typedef struct kp_wasm_import {
    kp_wasm_span_t module; /* UTF-8, checked; may hold NUL bytes */
    kp_wasm_span_t name;
    uint32_t index; /* in the index space of its kind */
    uint8_t kind;   /* kp_wasm_external_t */
} kp_wasm_import_t;

typedef struct kp_wasm_export {
    kp_wasm_span_t name;
    uint32_t index;
    uint8_t kind;
} kp_wasm_export_t;

typedef struct kp_wasm_function {
    uint32_t type;       /* index into types */
    kp_wasm_span_t body; /* local declarations and code; size 0 for an import */
} kp_wasm_function_t;

/* Limits of tables (elements) and memories (pages of 64 KiB). */
typedef struct kp_wasm_size_range {
    uint64_t minimum;
    uint64_t maximum; /* UINT64_MAX when has_maximum is false */
    bool has_maximum;
    bool is_64; /* indices are i64 */
    bool shared;
} kp_wasm_size_range_t;

typedef struct kp_wasm_table {
    kp_wasm_type_t type;
    kp_wasm_size_range_t size;
} kp_wasm_table_t;

typedef struct kp_wasm_memory {
    kp_wasm_size_range_t size;
} kp_wasm_memory_t;

static inline kp_wasm_type_t kp_wasm_size_index_type(const kp_wasm_size_range_t *size)
{
    return size->is_64 ? KP_WASM_TYPE_I64 : KP_WASM_TYPE_I32;
}

typedef struct kp_wasm_global {
    kp_wasm_type_t type;
    bool mutable;
    kp_wasm_span_t initial; /* constant expression, `end` included (constant.h); size 0: import */
} kp_wasm_global_t;

typedef struct kp_wasm_tag {
    uint32_t type; /* index; it has no results */
} kp_wasm_tag_t;

typedef enum kp_wasm_segment_mode {
    KP_WASM_SEGMENT_ACTIVE,
    KP_WASM_SEGMENT_PASSIVE,
    KP_WASM_SEGMENT_DECLARATIVE, /* elements only */
} kp_wasm_segment_mode_t;

typedef struct kp_wasm_element {
    uint8_t mode; /* kp_wasm_segment_mode_t */
    kp_wasm_type_t type;
    bool expressions; /* items are constant expressions; false: function indices */
    uint32_t table;   /* active only */
    uint32_t count;
    kp_wasm_span_t offset; /* constant expression of the table's index type; active only */
    kp_wasm_span_t items;  /* read them with constant.h's kp_wasm_items_t */
} kp_wasm_element_t;

typedef struct kp_wasm_data {
    uint8_t mode;
    uint32_t memory; /* active only */
    kp_wasm_span_t offset;
    kp_wasm_span_t bytes;
} kp_wasm_data_t;

typedef struct kp_wasm_custom {
    kp_wasm_span_t name;
    kp_wasm_span_t content;
} kp_wasm_custom_t;

typedef struct kp_wasm_module {
    const uint8_t *bytes; /* borrowed */
    uint32_t size;
    kp_wasm_features_t features; /* that were allowed */
    kp_wasm_limits_t limits;
    kp_wasm_allocator_t allocator;
    size_t allocated; /* bytes now, all of the module's */

    kp_wasm_functype_t *types;
    kp_wasm_import_t *imports;
    kp_wasm_function_t *functions;
    kp_wasm_table_t *tables;
    kp_wasm_memory_t *memories;
    kp_wasm_global_t *globals;
    kp_wasm_tag_t *tags;
    kp_wasm_export_t *exports;
    kp_wasm_element_t *elements;
    kp_wasm_data_t *data;
    kp_wasm_custom_t *customs;
    uint32_t type_count;
    uint32_t import_count;
    uint32_t function_count, imported_function_count;
    uint32_t table_count, imported_table_count;
    uint32_t memory_count, imported_memory_count;
    uint32_t global_count, imported_global_count;
    uint32_t tag_count, imported_tag_count;
    uint32_t export_count;
    uint32_t element_count;
    uint32_t data_count;
    uint32_t custom_count;
    uint32_t start;      /* function, or KP_WASM_NO_INDEX */
    kp_wasm_span_t code; /* content of the code section; {0, 0} without one */
    bool has_data_count;

    kp_wasm_type_t *type_bytes; /* what types[].types point into */
    uint32_t type_byte_count;
    uint32_t *export_order;      /* exports sorted by name length, then bytes */
    uint32_t *function_names;    /* per function: offset of its name (LEB length first); 0 none.
                                    NULL without a usable "name" section */
    kp_wasm_span_t module_name;  /* from the name section; size 0 without */
    uint8_t *declared_functions; /* bit set of functions that ref.func may name */
} kp_wasm_module_t;

typedef struct kp_wasm_options {
    kp_wasm_features_t features;
    kp_wasm_limits_t limits;
    kp_wasm_allocator_t allocator;
} kp_wasm_options_t;

/* All features, default limits, the given allocator. */
kp_wasm_options_t kp_wasm_options_init(kp_wasm_allocator_t allocator);

/* Decodes and checks all but the bodies. On success *module is the caller's, who destroys it. On an
   error *module is NULL, nothing stays allocated and *error (may be NULL) says why. The time is
   O(size log size) whatever the bytes are. Errors: those of kp_wasm_error_kind_t. */
kp_status_t kp_wasm_module_decode(const void *bytes, size_t size, const kp_wasm_options_t *options,
                                  kp_wasm_module_t **module, kp_wasm_error_t *error);

/* Validates every body, in order; stops at the first error. */
kp_status_t kp_wasm_module_validate(const kp_wasm_module_t *module, kp_wasm_error_t *error);

/* NULL is allowed. */
void kp_wasm_module_destroy(kp_wasm_module_t *module);

/* The export of that name, or NULL. O(log exports). */
const kp_wasm_export_t *kp_wasm_module_find_export(const kp_wasm_module_t *module, const char *name,
                                                   size_t length);

/* The function's name in the name section (UTF-8, checked): size 0 when it has none. */
kp_wasm_span_t kp_wasm_module_function_name(const kp_wasm_module_t *module, uint32_t function);

static inline const kp_wasm_functype_t *kp_wasm_module_function_type(const kp_wasm_module_t *module,
                                                                     uint32_t function)
{
    return &module->types[module->functions[function].type];
}

static inline const uint8_t *kp_wasm_module_at(const kp_wasm_module_t *module, kp_wasm_span_t span)
{
    return module->bytes + span.offset;
}

static inline bool kp_wasm_module_may_refer(const kp_wasm_module_t *module, uint32_t function)
{
    return module->declared_functions[function / 8] >> (function % 8) & 1;
}

/* Does an import of range `wanted` accept something of actual range `given`? given.minimum is the
   current size. Specification: "External Subtyping". */
bool kp_wasm_size_matches(const kp_wasm_size_range_t *given, const kp_wasm_size_range_t *wanted);

#endif
