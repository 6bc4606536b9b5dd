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
int kp_differential_main(int argc, char **argv, const kp_spec_engine_t *const *engines,
                         unsigned engine_count);

#endif
