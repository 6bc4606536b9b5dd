/* Runs generated modules in several engines and compares what they do. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_DIFFERENTIAL_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_DIFFERENTIAL_H

#include "runtime/test/spec/spec_engine.h"

/* The whole program:
     PROGRAM [--features N] [--trace] [--keep DIRECTORY] FIRST COUNT
   For each module number: instantiates it in every engine, calls every function with the same arguments
   and compares outcome, trap text, results and checksum. A difference prints a "# differ" line (and
   with --keep leaves DIRECTORY/NUMBER.wasm). The last line is "ok ..." or "not ok ...". --trace prints
   what the first engine does, a line a call, in the form of trace-v8. */
typedef struct kp_differential_options {
    bool (*known)(const uint8_t *bytes,
                  size_t size);                  /* others are left out and counted; NULL: all */
    const char *(*trap_class)(const char *text); /* of which the text must agree; NULL: of itself */
} kp_differential_options_t;

int kp_differential_main_with(int argc, char **argv, const kp_spec_engine_t *const *engines,
                              unsigned engine_count, const kp_differential_options_t *options);
int kp_differential_main(int argc, char **argv, const kp_spec_engine_t *const *engines,
                         unsigned engine_count);

#endif
