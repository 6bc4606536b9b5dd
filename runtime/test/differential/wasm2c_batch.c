/* What makes a shared object out of translated modules; the script wasm2c compiles it. */
#include "runtime/test/differential/wasm2c_batch.h"

extern const kp_wasm2c_module_t kp_wasm2c_modules[];
extern const uint64_t kp_wasm2c_module_count;
extern kp_wasm2c_batch_t kp_wasm2c_batch;
kp_wasm2c_batch_t kp_wasm2c_batch = {kp_wasm2c_modules, 0, kp_wasm2c_open, kp_wasm2c_call};

__attribute__((constructor)) static void count(void)
{
    kp_wasm2c_batch.count = kp_wasm2c_module_count;
}
