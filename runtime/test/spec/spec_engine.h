/* The WebAssembly specification suites, run by any engine: a tier fills a kp_spec_engine_t and calls
   kp_spec_main from its main. The runner (runner.c) owns files, JSON, expectations and counting. */
#ifndef KP_RUNTIME_TEST_SPEC_ENGINE_H
#define KP_RUNTIME_TEST_SPEC_ENGINE_H

#include "runtime/wasm/types.h"

/* How a step ended. */
typedef enum kp_spec_outcome {
    KP_SPEC_OK,
    KP_SPEC_MALFORMED,
    KP_SPEC_INVALID,
    KP_SPEC_UNSUPPORTED, /* of a proposal that we do not have */
    KP_SPEC_UNLINKABLE,
    KP_SPEC_TRAP,
    KP_SPEC_EXHAUSTION, /* call stack overflow */
    KP_SPEC_EXCEPTION,  /* a WebAssembly exception left the call */
    KP_SPEC_ERROR,      /* anything else: no such export, out of memory, ... */
} kp_spec_outcome_t;

/* Why it did not end well; the runner empties it before each step. For traps: the text that the suite
   expects ("integer divide by zero"). */
typedef struct kp_spec_message {
    char text[256];
} kp_spec_message_t;

/* Numbers: the bits, zero-extended; v128: both words, the low one first. References: bits[0] is
   KP_SPEC_NULL, or for an externref the number that the suite gave, or for others anything else. */
#define KP_SPEC_NULL UINT64_MAX
typedef struct kp_spec_value {
    kp_wasm_type_t type;
    uint64_t bits[2];
} kp_spec_value_t;

#define KP_SPEC_VALUES 1024 /* most arguments or results of a call */

typedef struct kp_spec_engine {
    const char *name; /* "validate", "interpret", "compile" */
    /* A fresh store for one file, or NULL (out of memory). It holds the host module "spectest":
       print, print_i32, print_i64, print_f32, print_f64, print_i32_f32, print_f64_f64; const globals
       global_i32 = 666, global_i64 = 666, global_f32 = 666.6, global_f64 = 666.6; table: 10..20
       funcref; table64 the same with i64 indices; memory: 1..2 pages; shared_memory the same. */
    void *(*open)(kp_wasm_features_t features);
    void (*close)(void *store);
    /* Decodes and validates, nothing else. */
    kp_spec_outcome_t (*check)(void *store, const uint8_t *bytes, size_t size,
                               kp_spec_message_t *message);
    /* The rest is NULL for an engine that only validates: then only the commands that `check`
       answers are counted. */
    /* Compiles, links against registered modules, instantiates, runs the start function. The instance
       belongs to the store. The bytes live until close. *instance is set on KP_SPEC_OK. */
    kp_spec_outcome_t (*instantiate)(void *store, const uint8_t *bytes, size_t size,
                                     void **instance, kp_spec_message_t *message);
    /* Later modules may import the instance's exports under that name. False: out of memory. */
    bool (*bind)(void *store, void *instance, const char *name, size_t length);
    /* Calls an exported function. results has room for KP_SPEC_VALUES. */
    kp_spec_outcome_t (*invoke)(void *store, void *instance, const char *field, size_t length,
                                const kp_spec_value_t *arguments, size_t argument_count,
                                kp_spec_value_t *results, size_t *result_count,
                                kp_spec_message_t *message);
    /* Reads an exported global. */
    kp_spec_outcome_t (*get)(void *store, void *instance, const char *field, size_t length,
                             kp_spec_value_t *result, kp_spec_message_t *message);
} kp_spec_engine_t;

/* The whole program:
     PROGRAM [--expect LIST] [--features 2|all] [--only FILE] [--verbose] DIRECTORY
   runs every *.json (wast2json's output) of the directory in the order of names, prints an "ok" or
   "not ok" line a file and a "# total" line, and returns the exit code. LIST: expected failures, see
   README.md. */
int kp_spec_main(int argc, char **argv, const kp_spec_engine_t *engine);

#endif
