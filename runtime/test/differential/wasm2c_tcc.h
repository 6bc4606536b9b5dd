/* The C that wasm2c makes, many modules at once, compiled in this process by libtcc: 20 times as fast as a compiler of
   clang's kind, and of what SIMD needs nothing. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_TCC_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_TCC_H

#include <stdbool.h>

#include "runtime/test/differential/wasm2c_batch.h"

typedef struct kp_wasm2c_unit {
    kp_wasm2c_batch_t batch;
    void *state; /* of libtcc, to which the batch belongs */
    char error[512];
} kp_wasm2c_unit_t;

/* `source` as kp_wasm2c_batch.c wants it. False: error says why, and nothing is left. */
bool kp_wasm2c_unit_compile(kp_wasm2c_unit_t *unit, const char *source);
void kp_wasm2c_unit_free(kp_wasm2c_unit_t *unit);

/* The beginning of each source, to free(): include is the directory of wasm-rt.h, head what the modules share. NULL: a
   file cannot be read. */
char *kp_wasm2c_unit_head(const char *include, const char *head);

#endif
