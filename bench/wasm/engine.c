/* Our tiers on a kernel: engine TIER MODULE ROUNDS REPEATS prints "CHECKSUM NANOSECONDS", the fastest
   repeat. engine compile MODULE REPEATS prints "BYTES CODE-SECTION CODE-BYTES NANOSECONDS PEAK-BYTES" of
   the compiler alone (decoding not counted: it is done once for all tiers). Tiers: compiled, checked
   (explicit bounds), interpreted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/compile/compile.h"
#include "runtime/interpret/interpret.h"

/* Counts what is allocated at a time; sizes are given, so no header is needed. */
static size_t allocated, peak;

static void *resize(void *context, void *old, size_t old_size, size_t size)
{
    (void)context;
    allocated += size - old_size;
    if (allocated > peak)
        peak = allocated;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

static const kp_wasm_allocator_t allocator = {resize, NULL};

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint8_t *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    *size = end > 0 ? (size_t)end : 0;
    uint8_t *bytes = *size && fseek(file, 0, SEEK_SET) == 0 ? malloc(*size) : NULL;
    if (bytes && fread(bytes, 1, *size, file) != *size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(file);
    return bytes;
}

static int fail(const char *what, kp_status_t status, const kp_wasm_error_t *error)
{
    char text[256] = "";
    if (error && error->kind)
        kp_wasm_error_print(error, text, sizeof text);
    fprintf(stderr, "%s: %s %s\n", what, kp_status_text(status), text);
    return 1;
}

static int bench_compile(const kp_wasm_module_t *module, int repeats)
{
    uint64_t best = UINT64_MAX;
    size_t code = 0, most = 0;
    for (int i = 0; i < repeats; i++) {
        kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
        kp_wasm_artefact_t artefact;
        kp_wasm_error_t error = {0};
        size_t before = peak = allocated;
        uint64_t start = now();
        kp_status_t status = kp_wasm_compile(module, &options, &artefact, &error);
        uint64_t took = now() - start;
        if (status != KP_OK)
            return fail("compile", status, &error);
        best = took < best ? took : best;
        most = peak - before;
        code = ((const kp_wasm_code_header_t *)artefact.bytes)->code_size;
        kp_wasm_artefact_free(&artefact);
    }
    printf("%u %u %zu %llu %zu\n", module->size, module->code.size, code, (unsigned long long)best,
           most);
    return 0;
}

/* The compiled code, made ready; or the interpreter's, which is made at the first call. */
static kp_status_t prepare(const kp_wasm_module_t *module, bool checked,
                           kp_wasm_artefact_t *artefact, kp_wasm_code_t **code,
                           kp_wasm_error_t *error)
{
    kp_wasm_compile_options_t options = kp_wasm_compile_options_init(allocator);
    if (checked)
        options.flags = 0;
    kp_status_t status = kp_wasm_compile(module, &options, artefact, error);
    if (status == KP_OK)
        status = kp_wasm_code_load(artefact->bytes, artefact->size, module, allocator, code);
    return status;
}

static int bench_run(const kp_wasm_module_t *module, const char *tier, uint32_t rounds, int repeats)
{
    kp_wasm_store_options_t store_options = kp_wasm_store_options_init(allocator);
    bool interpreted = strcmp(tier, "interpreted") == 0, checked = strcmp(tier, "checked") == 0;
    store_options.guard_pages = !checked;
    kp_wasm_artefact_t artefact = {0};
    kp_wasm_error_t error = {0};
    kp_wasm_code_t *code = NULL;
    kp_wasm_interpreted_t *interpreter = NULL;
    kp_wasm_store_t *store;
    kp_wasm_instance_t *instance;
    kp_wasm_extern_t run;
    kp_status_t status = interpreted ? kp_wasm_module_validate(module, &error)
                                     : prepare(module, checked, &artefact, &code, &error);
    if (status == KP_OK && interpreted)
        status = kp_wasm_interpreted_create(module, allocator, &interpreter);
    if (status == KP_OK)
        status = kp_wasm_store_create(&store_options, &store);
    if (status == KP_OK)
        status = kp_wasm_instance_create(
            store, module, interpreted ? &kp_wasm_interpreted_tier : &kp_wasm_compiled_tier,
            interpreted ? (void *)interpreter : (void *)code, NULL, 0, true, &instance, NULL);
    if (status != KP_OK)
        return fail("instantiate", status, &error);
    if (!kp_wasm_instance_find(instance, "run", 3, &run))
        return fail("run", KP_ERR_NOT_FOUND, NULL);
    uint64_t best = UINT64_MAX;
    kp_wasm_value_t values[1] = {{0}};
    for (int i = 0; i < repeats; i++) {
        values[0].u64 = rounds;
        uint64_t start = now();
        status = kp_wasm_call(store, run.function, values);
        uint64_t took = now() - start;
        if (status != KP_OK) {
            char text[1024];
            kp_wasm_trap_print(&store->trap, text, sizeof text);
            fprintf(stderr, "%s\n", text);
            return 1;
        }
        best = took < best ? took : best;
    }
    printf("%u %llu\n", values[0].u32, (unsigned long long)best);
    kp_wasm_store_destroy(store);
    kp_wasm_interpreted_destroy(interpreter);
    if (!interpreted) {
        kp_wasm_code_unload(code);
        kp_wasm_artefact_free(&artefact);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: engine compiled|checked|interpreted MODULE ROUNDS REPEATS\n"
                        "       engine compile MODULE REPEATS\n");
        return 2;
    }
    size_t size;
    uint8_t *bytes = read_all(argv[2], &size);
    if (!bytes)
        return fail(argv[2], KP_ERR_NOT_FOUND, NULL);
    kp_wasm_options_t options = kp_wasm_options_init(allocator);
    kp_wasm_module_t *module;
    kp_wasm_error_t error = {0};
    kp_status_t status = kp_wasm_module_decode(bytes, size, &options, &module, &error);
    if (status != KP_OK) {
        free(bytes);
        return fail("decode", status, &error);
    }
    int result;
    if (strcmp(argv[1], "compile") == 0)
        result = bench_compile(module, atoi(argv[3]));
    else
        result = bench_run(module, argv[1], (uint32_t)atoi(argv[3]), argc > 4 ? atoi(argv[4]) : 3);
    kp_wasm_module_destroy(module);
    free(bytes);
    return result;
}
