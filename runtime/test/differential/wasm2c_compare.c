/* Interpreter, compiler and a batch of modules that wasm2c translated, on the same modules:
   wasm2c-compare BATCH.so [--features N] [--keep DIRECTORY] FIRST COUNT. Modules which are not in the batch
   (wasm2c refused them) are left out and counted. */
#include <dlfcn.h>
#include <stdio.h>

#include "runtime/compile/test/compiled_tier.h"
#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/test/differential/differential.h"
#include "runtime/test/differential/wasm2c_engine.h"

static void *open_interpreted(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_interpreted, features);
}

static void *open_compiled(kp_wasm_features_t features)
{
    return kp_spec_store_open(&kp_spec_compiled, features);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    const kp_wasm2c_batch_t *batch = library ? dlsym(library, "kp_wasm2c_batch") : NULL;
    if (!batch) {
        fprintf(stderr, "wasm2c-compare: no batch: %s\n", argc > 1 ? dlerror() : "usage");
        return 2;
    }
    kp_wasm2c_engine_use(batch);
    const kp_spec_engine_t interpreted = kp_spec_store_engine("interpret", open_interpreted);
    const kp_spec_engine_t compiled = kp_spec_store_engine("compile", open_compiled);
    const kp_spec_engine_t *const engines[] = {&interpreted, &compiled, &kp_wasm2c_engine};
    const kp_differential_options_t options = {.known = kp_wasm2c_known,
                                               .trap_class = kp_wasm2c_trap_class};
    argv[1] = argv[0];
    return kp_differential_main_with(argc - 1, argv + 1, engines, 3, &options);
}
