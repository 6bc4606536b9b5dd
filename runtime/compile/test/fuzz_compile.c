/* Any bytes: decoded, and if that works compiled in both forms. Nothing is run. */
#include <stdlib.h>

#include "runtime/compile/compile.h"
#include "runtime/wasm/heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module;
    if (kp_wasm_module_decode(data, size, &options, &module, NULL) != KP_OK)
        return 0;
    static const uint32_t flags[2] = {KP_WASM_COMPILE_GUARDED,
                                      KP_WASM_COMPILE_FUEL | KP_WASM_COMPILE_INTERRUPT};
    for (int form = 0; form < 2; form++) {
        kp_wasm_compile_options_t compile = kp_wasm_compile_options_init(kp_wasm_heap);
        compile.flags = flags[form];
        compile.cpu = form ? 0 : 15;
        compile.code_maximum = 32 << 20;
        kp_wasm_artefact_t artefact;
        kp_wasm_error_t error = {0};
        kp_status_t status = kp_wasm_compile(module, &compile, &artefact, &error);
        if (status == KP_ERR_BAD_STATE || status == KP_ERR_NOT_SUPPORTED) {
            /* The compiler's own doubts: a valid module must not raise them. An instruction of a
               feature that is off does not get here. */
            if (error.kind == KP_WASM_ERROR_SINK)
                abort();
        }
        kp_wasm_artefact_free(&artefact);
    }
    kp_wasm_module_destroy(module);
    return 0;
}
