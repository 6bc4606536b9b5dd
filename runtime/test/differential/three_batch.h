/* One batch of generated modules in interpreter, compiler and wasm2c (through tcc). */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_THREE_BATCH_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_THREE_BATCH_H

#include "runtime/test/differential/census.h"
#include "runtime/test/differential/differential.h"
#include "runtime/test/differential/wasm2c_translate.h"

#define KP_THREE_LIST 256

typedef struct kp_three_list {
    uint64_t count; /* also those for which there was no room */
    uint64_t numbers[KP_THREE_LIST];
} kp_three_list_t;

typedef struct kp_three_result {
    bool finished; /* the process lived to the end */
    uint64_t refused;
    kp_differential_counts_t counts;
    kp_census_t census;           /* of what was compared */
    kp_three_list_t differ;       /* among counts.modules */
    kp_three_list_t uncompilable; /* by tcc; not among them */
} kp_three_result_t;

void kp_three_list_add(kp_three_list_t *list, uint64_t number);

/* What all batches share, to free(); NULL: a message has been printed. `include` holds wasm-rt.h. */
char *kp_three_head(kp_wasm2c_server_t *server, kp_wasm_features_t features, const char *include);

/* Modules [first, first + count). It may crash, as what it runs may be wrong: for a process of its own. */
void kp_three_batch(kp_wasm2c_server_t *server, const char *head, kp_wasm_features_t features,
                    uint64_t first, uint64_t count, kp_three_result_t *result);

#endif
