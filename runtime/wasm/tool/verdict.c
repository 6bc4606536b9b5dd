/* wasm-verdict [2|all|NUMBER] <PACK: what the validator says of many modules, for comparing it with
   others (test/compare-v8). A pack is a row of modules, each behind its size (4 bytes, little-endian);
   NUMBER is a set of features. Prints a line a module: "ok", or "KIND reason at ...". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/wasm/module.h"
#include "runtime/wasm/heap.h"

static void judge(const uint8_t *bytes, size_t size, const kp_wasm_options_t *options)
{
    static const char *const kinds[] = {
        [KP_WASM_ERROR_NONE] = "none",       [KP_WASM_ERROR_MALFORMED] = "malformed",
        [KP_WASM_ERROR_INVALID] = "invalid", [KP_WASM_ERROR_UNSUPPORTED] = "unsupported",
        [KP_WASM_ERROR_LIMIT] = "limit",     [KP_WASM_ERROR_MEMORY] = "memory",
        [KP_WASM_ERROR_SINK] = "sink",
    };
    kp_wasm_module_t *module;
    kp_wasm_error_t error = {0};
    kp_status_t status = kp_wasm_module_decode(bytes, size, options, &module, &error);
    if (status == KP_OK)
        status = kp_wasm_module_validate(module, &error);
    kp_wasm_module_destroy(module);
    char text[256] = "";
    if (status != KP_OK)
        kp_wasm_error_print(&error, text, sizeof(text));
    printf("%s %s\n", status == KP_OK ? "ok" : kinds[error.kind], text);
}

int main(int argc, char **argv)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    if (argc > 1 && strcmp(argv[1], "2") == 0)
        options.features = KP_WASM_FEATURES_2;
    else if (argc > 1 && strcmp(argv[1], "all") != 0)
        options.features = (kp_wasm_features_t)strtoul(argv[1], NULL, 0);
    uint8_t head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        size_t size =
            head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        if (size >= 0x40000000) /* larger than any module may be */
            size = 0x40000000;
        uint8_t *bytes = malloc(size + 1);
        if (!bytes || fread(bytes, 1, size, stdin) != size) {
            fprintf(stderr, "wasm-verdict: a module is cut off, or no memory\n");
            free(bytes);
            return 1;
        }
        judge(bytes, size, &options);
        free(bytes);
    }
    return 0;
}
