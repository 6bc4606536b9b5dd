/* compile-digest MODULE...: what the compiler makes of each module on this machine, for all processor features
   and guarded memories: "MODULE bytes N code N digest HEX best_ns N". */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/cache/hash.h"
#include "runtime/compile/compile.h"
#include "runtime/wasm/heap.h"

enum { ROUNDS = 10 };

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *file_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    void *bytes = NULL;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (long)(*size = (size_t)ftell(file)) >= 0) {
        rewind(file);
        bytes = malloc(*size + 1);
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

static int digest(const char *path)
{
    const kp_wasm_compile_options_t options = {.allocator = kp_wasm_heap,
                                               .flags = KP_WASM_COMPILE_GUARDED,
                                               .cpu = KP_WASM_CPU_AVX | KP_WASM_CPU_BMI2 |
                                                      KP_WASM_CPU_LZCNT | KP_WASM_CPU_TZCNT,
                                               .code_maximum = 256 << 20};
    uint8_t hash[KP_SHA256_SIZE];
    size_t size, code = 0;
    void *bytes = file_read(path, &size);
    uint64_t best = UINT64_MAX;
    for (int i = 0; bytes && i < ROUNDS; i++) {
        kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
        kp_wasm_module_t *module;
        kp_wasm_artefact_t artefact;
        uint64_t start = now();
        kp_status_t status = kp_wasm_module_decode(bytes, size, &decode, &module, NULL);
        if (status == KP_OK) {
            status = kp_wasm_compile(module, &options, &artefact, NULL);
            kp_wasm_module_destroy(module);
        }
        uint64_t end = now();
        if (status != KP_OK) {
            fprintf(stderr, "%s: %s\n", path, kp_status_text(status));
            free(bytes);
            return 1;
        }
        best = end - start < best ? end - start : best;
        code = artefact.size;
        kp_sha256(artefact.bytes, artefact.size, hash);
        kp_wasm_artefact_free(&artefact);
    }
    if (!bytes) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return 1;
    }
    free(bytes);
    printf("%s bytes %zu code %zu digest ", path, size, code);
    for (unsigned i = 0; i < sizeof(hash); i++)
        printf("%02x", hash[i]);
    printf(" best_ns %llu\n", (unsigned long long)best);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= digest(argv[i]);
    return failed;
}
