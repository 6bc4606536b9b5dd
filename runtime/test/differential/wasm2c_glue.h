/* C that calls what wasm2c makes of a generated module (with -n mNUMBER), in the form of wasm2c_batch.h. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_GLUE_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_GLUE_H

#include <stdio.h>

#include "runtime/wasm/module.h"

/* The last line, a comment, holds the module's entry in kp_wasm2c_modules. False: the stream failed. */
bool kp_wasm2c_glue_write(FILE *file, uint64_t number, const kp_wasm_module_t *module);

#endif
