/* Runs generated modules in several engines and compares what they do. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_DIFFERENTIAL_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_DIFFERENTIAL_H

#include "runtime/test/spec/spec_engine.h"

#define KP_DIFFERENTIAL_ENGINES 4
#define KP_DIFFERENTIAL_TRAPS 24

typedef struct kp_differential_options {
    bool (*known)(const uint8_t *bytes,
                  size_t size);                  /* others are left out and counted; NULL: all */
    const char *(*trap_class)(const char *text); /* of which the text must agree; NULL: of itself */
} kp_differential_options_t;

/* Of the first engine; a call is compared in all of them. */
typedef struct kp_differential_counts {
    uint64_t modules, left_out, differ, calls, returned, exceptions;
    struct {
        char text[48]; /* "" ends the list; the last place is for all that found none */
        uint64_t count;
    } traps[KP_DIFFERENTIAL_TRAPS];
} kp_differential_counts_t;

/* Set the first five members, the rest is zero at first. */
typedef struct kp_differential {
    const kp_spec_engine_t *const *engines;
    unsigned engine_count;
    kp_wasm_features_t features;
    bool trace;
    kp_differential_options_t options;
    kp_differential_counts_t counts;
    /* Private: the current module. */
    uint64_t number;
    void *stores[KP_DIFFERENTIAL_ENGINES];
    void *instances[KP_DIFFERENTIAL_ENGINES];
} kp_differential_t;

/* Module `number` in all engines. False: they differ (or one cannot run it), which has been printed. */
bool kp_differential_module(kp_differential_t *state, uint64_t number, const uint8_t *bytes,
                            size_t size);

/* The whole program:
     PROGRAM [--features N] [--trace] [--keep DIRECTORY] FIRST COUNT
   For each module number: instantiates it in every engine, calls every function with the same arguments
   and compares outcome, trap text, results and checksum. A difference prints a "# differ" line (and
   with --keep leaves DIRECTORY/NUMBER.wasm). The last line is "ok ..." or "not ok ...". --trace prints
   what the first engine does, a line a call, in the form of trace-v8. */
int kp_differential_main_with(int argc, char **argv, const kp_spec_engine_t *const *engines,
                              unsigned engine_count, const kp_differential_options_t *options);
int kp_differential_main(int argc, char **argv, const kp_spec_engine_t *const *engines,
                         unsigned engine_count);

#endif
