/* A batch of modules that wasm2c translated, as an engine. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_ENGINE_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_ENGINE_H

#include "runtime/test/differential/wasm2c_batch.h"
#include "runtime/test/spec/spec_engine.h"

extern const kp_spec_engine_t kp_wasm2c_engine;

/* The batch that it runs; borrowed. */
void kp_wasm2c_engine_use(const kp_wasm2c_batch_t *batch);

/* Is it in the batch? */
bool kp_wasm2c_known(const uint8_t *bytes, size_t size);

/* wasm2c tells fewer traps apart: the class that a trap's text belongs to. */
const char *kp_wasm2c_trap_class(const char *text);

#endif
