/* wasm-generate [--features N] FIRST COUNT [DIRECTORY]: writes generated modules number FIRST and up as
   DIRECTORY/NUMBER.wasm; without a directory checks that each is valid, and says how fast. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/test/differential/generator.h"
#include "runtime/wasm/heap.h"
#include "runtime/wasm/module.h"

static bool check(uint64_t number, const uint8_t *bytes, size_t size, kp_wasm_features_t features)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    options.features = features & KP_WASM_FEATURES_ALL;
    kp_wasm_module_t *module;
    kp_wasm_error_t error = {0};
    kp_status_t status = kp_wasm_module_decode(bytes, size, &options, &module, &error);
    if (status == KP_OK)
        status = kp_wasm_module_validate(module, &error);
    kp_wasm_module_destroy(module);
    if (status == KP_OK)
        return true;
    char text[256];
    kp_wasm_error_print(&error, text, sizeof(text));
    printf("not ok generated module %llu: %s\n", (unsigned long long)number, text);
    return false;
}

static bool write_file(const char *directory, uint64_t number, const uint8_t *bytes, size_t size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%llu.wasm", directory, (unsigned long long)number);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        fprintf(stderr, "cannot write %s\n", path);
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
    if (argc < 3) {
        fprintf(stderr, "usage: wasm-generate [--features N] FIRST COUNT [DIRECTORY]\n");
        return 2;
    }
    uint64_t first = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10), total = 0;
    bool good = true;
    for (uint64_t i = first; i < first + count; i++) {
        uint8_t *bytes;
        size_t size = kp_generate(i, features, &bytes);
        if (size == 0) {
            fprintf(stderr, "out of memory\n");
            return 1;
        }
        total += size;
        if (argc > 3)
            good = write_file(argv[3], i, bytes, size) && good;
        else
            good = check(i, bytes, size, features) && good;
        free(bytes);
    }
    printf("%s generated %llu modules of %llu bytes on average%s\n", good ? "ok" : "not ok",
           (unsigned long long)count, (unsigned long long)(total / (count ? count : 1)),
           argc > 3 ? "" : ", all valid");
    return !good;
}
