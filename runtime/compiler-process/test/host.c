/* The host against a compiler process that lies (liar.c, which this program carries in the compiler's place): an error
   each time, never code, never a wait without end. */
#include <stdlib.h>
#include <unistd.h>

#include "runtime/compiler-process/client.h"
#include "tests/kp_test.h"
#include "runtime/wasm/heap.h"
static kp_status_t lie(char how, kp_compile_failure_t *failure)
{
    char bytes[] = "\0asm\1\0\0\0?";
    bytes[8] = how;
    int file = kp_compiler_module_file(bytes, 9);
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(kp_wasm_heap);
    const kp_compiler_limits_t limits = {.clock_seconds = 2};
    kp_compiler_process_t *process;
    kp_compiled_t compiled = {0};
    kp_status_t status = kp_compiler_process_start(&options, KP_WASM_FEATURES_ALL, &limits, 1, file,
                                                   9, &process, failure);
    close(file);
    if (status != KP_OK)
        return status;
    if (how == '2')
        KP_EXPECT_INT(kp_compiler_process_validate(process, failure), KP_OK);
    status = kp_compiler_process_compile(process, 0, UINT32_MAX, &compiled, failure);
    if (status == KP_OK) { /* the loader has the last word */
        kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
        kp_wasm_module_t *module;
        kp_wasm_code_t *code;
        KP_EXPECT(kp_wasm_module_decode(bytes, 8, &decode, &module, NULL) == KP_OK);
        status = kp_wasm_code_adopt(compiled.bytes, compiled.size, compiled.bytes + 4096, module,
                                    kp_wasm_heap, &code);
        kp_wasm_module_destroy(module);
    }
    kp_compiled_unmap(&compiled);
    kp_compiler_process_end(process);
    return status;
}

KP_TEST(lies)
{
    static const struct {
        char how;
        kp_status_t status;
    } lies[] = {
        {'b', KP_ERR_PROTOCOL},      {'s', KP_ERR_PROTOCOL},     {'m', KP_ERR_NO_MEMORY},
        {'g', KP_ERR_NOT_SUPPORTED}, {'t', KP_ERR_BAD_FORMAT},   {'k', KP_ERR_BAD_FORMAT},
        {'1', KP_ERR_PROTOCOL},      {'c', KP_ERR_PROCESS_DEAD}, {'2', KP_ERR_PROTOCOL},
        {'o', KP_ERR_PROTOCOL},      {'n', KP_ERR_PROTOCOL},     {'u', KP_ERR_NOT_SUPPORTED},
        {'x', KP_ERR_NOT_SUPPORTED}};
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        kp_compile_failure_t failure = {""};
        kp_status_t status = lie(lies[i].how, &failure);
        if (status != lies[i].status)
            KP_FAIL("%c: %s (%s)", lies[i].how, kp_status_text(status), failure.text);
        for (const char *at = failure.text; *at; at++)
            KP_EXPECT(*at >= ' ' && *at <= '~');
        KP_EXPECT(failure.text[0] || lies[i].how == 'g');
        if (lies[i].how == 'u' || lies[i].how == 'x')
            KP_EXPECT(strstr(failure.text, "this Linux does not"));
    }
}

KP_TEST_MAIN()
