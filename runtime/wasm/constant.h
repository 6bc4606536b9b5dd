/* Constant expressions (initial values of globals, offsets of segments, element items) of a decoded
   module: already validated, here they are evaluated. */
#ifndef KP_RUNTIME_WASM_CONSTANT_H
#define KP_RUNTIME_WASM_CONSTANT_H

#include "runtime/wasm/module.h"

typedef enum kp_wasm_constant_kind {
    KP_WASM_CONSTANT_BITS,     /* a number or vector: bits */
    KP_WASM_CONSTANT_NULL,     /* a null reference */
    KP_WASM_CONSTANT_FUNCTION, /* a reference to function `index` */
    KP_WASM_CONSTANT_GLOBAL,   /* the reference that global `index` holds */
} kp_wasm_constant_kind_t;

typedef struct kp_wasm_constant {
    kp_wasm_constant_kind_t kind;
    kp_wasm_type_t type;
    uint32_t index;
    uint64_t bits[2]; /* little end first; an i32 or f32 is zero-extended */
} kp_wasm_constant_t;

/* Reads a global that holds a number or vector. */
typedef void (*kp_wasm_global_read_fn)(void *context, uint32_t global, uint64_t bits[2]);

/* Evaluates one expression; cannot fail, since it was validated. read may be NULL when the
   expression names no number global. */
kp_wasm_constant_t kp_wasm_constant_evaluate(const kp_wasm_module_t *module,
                                             kp_wasm_span_t expression, kp_wasm_global_read_fn read,
                                             void *context);

/* Walks the items of an element segment: item kinds are NULL, FUNCTION or GLOBAL. */
typedef struct kp_wasm_items {
    const kp_wasm_module_t *module;
    uint32_t at; /* module offset of the next item */
    uint32_t left;
    kp_wasm_type_t type;
    bool expressions;
} kp_wasm_items_t;

kp_wasm_items_t kp_wasm_items_begin(const kp_wasm_module_t *module, uint32_t element);
/* False at the end. */
bool kp_wasm_items_next(kp_wasm_items_t *items, kp_wasm_constant_t *item);

#endif
