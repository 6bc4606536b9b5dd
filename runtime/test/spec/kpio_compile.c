/* The compiled tier of the suites on KPIO: each module is compiled by the compiler service. What the features of the
   suite do not allow is refused here, since the service knows all features. */
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/code.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/test/spec/kpio_compile.h"
#include "services/compiler/client.h"

#define PATIENCE (120 * (kp_time_t)1000000000)

typedef struct made {
    struct made *next;
    kp_wasm_code_t *code;
    kp_compiler_code_t artefact;
} made_t;

static kp_compiler_client_t compiler;
static made_t *all;

static bool connect(void)
{
    if (compiler.service != KP_HANDLE_NONE)
        return true;
    kp_handle_t service = kp_startup_take("svc:compiler");
    return service != KP_HANDLE_NONE && kp_compiler_connect(&compiler, service) == KP_OK;
}

static kp_status_t prepare(const kp_wasm_module_t *module, kp_wasm_allocator_t allocator,
                           void **tier_module, kp_wasm_error_t *error)
{
    *tier_module = NULL;
    kp_status_t status = kp_wasm_module_validate(module, error);
    if (status != KP_OK)
        return status;
    made_t *made = calloc(1, sizeof *made);
    if (!made || !connect()) {
        free(made);
        error->reason = "no compiler";
        return KP_ERR_NO_MEMORY;
    }
    kp_compiler_reply_t reply;
    status =
        kp_compiler_compile(&compiler, module->bytes, (uint32_t)module->size,
                            KP_WASM_COMPILE_FUEL | KP_WASM_COMPILE_INTERRUPT,
                            kp_wasm_cpu_features(), kp_now() + PATIENCE, &made->artefact, &reply);
    if (status == KP_OK) {
        const uint8_t *artefact = (const uint8_t *)made->artefact.address;
        status = kp_wasm_code_adopt(artefact, made->artefact.size, artefact + KP_WASM_CODE_PAGE,
                                    module, allocator, &made->code);
    }
    if (status != KP_OK) {
        error->reason = kp_status_text(status);
        kp_compiler_code_release(&made->artefact);
        free(made);
        return status;
    }
    made->next = all;
    all = made;
    *tier_module = made->code;
    return KP_OK;
}

static void discard(void *tier_module)
{
    for (made_t **link = &all; *link; link = &(*link)->next) {
        made_t *made = *link;
        if (made->code != tier_module)
            continue;
        *link = made->next;
        kp_wasm_code_unload(made->code);
        kp_compiler_code_release(&made->artefact);
        free(made);
        return;
    }
}

const kp_spec_tier_t kp_spec_kpio_compiled = {
    .name = "compile",
    .tier = &kp_wasm_compiled_tier,
    .prepare = prepare,
    .discard = discard,
};
