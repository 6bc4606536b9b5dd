/* wasm2c-glue [--features N] FIRST COUNT DIRECTORY: writes generated modules as DIRECTORY/NUMBER.wasm and, for each,
   DIRECTORY/NUMBER.glue: C that calls what wasm2c makes of it (with -n mNUMBER) through wasm2c_batch.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/test/differential/generator.h"
#include "runtime/test/differential/wasm2c_glue.h"
#include "runtime/wasm/heap.h"

static bool write_module(const char *directory, uint64_t number, kp_wasm_features_t features)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module = NULL;
    char path[4096];
    uint8_t *bytes;
    options.features = features & KP_WASM_FEATURES_ALL;
    size_t size = kp_generate(number, features, &bytes);
    bool good = size && kp_wasm_module_decode(bytes, size, &options, &module, NULL) == KP_OK;
    for (int glue = 0; glue < 2 && good; glue++) {
        snprintf(path, sizeof path, "%s/%" PRIu64 ".%s", directory, number, glue ? "glue" : "wasm");
        FILE *file = fopen(path, "wb");
        good = file && (glue ? kp_wasm2c_glue_write(file, number, module)
                             : fwrite(bytes, 1, size, file) == size);
        if (file && fclose(file) != 0)
            good = false;
    }
    kp_wasm_module_destroy(module);
    free(bytes);
    return good;
}

int main(int argc, char **argv)
{
    kp_wasm_features_t features = KP_WASM_FEATURES_ALL;
    if (argc > 2 && strcmp(argv[1], "--features") == 0) {
        features = (kp_wasm_features_t)strtoul(argv[2], NULL, 0);
        argc -= 2;
        argv += 2;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: wasm2c-glue [--features N] FIRST COUNT DIRECTORY\n");
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    for (uint64_t i = first; i < first + count; i++) {
        if (!write_module(argv[3], i, features)) {
            fprintf(stderr, "cannot write module %" PRIu64 "\n", i);
            return 1;
        }
    }
    return 0;
}
