/* wasm-validate-bench MODULE...: how fast modules are decoded and validated, on one core. Prints, per
   module, the best of several rounds: megabytes (10^6 bytes) per second, of the module and of its
   code section, for validation alone and with a sink that only counts instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/wasm/body.h"
#include "runtime/wasm/heap.h"

#define ROUNDS 15

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    uint8_t *bytes = NULL;
    long end = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (end > 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)end);
    if (bytes) {
        *size = (size_t)end;
        if (fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

static kp_status_t count(void *context, kp_wasm_visitor_t *visitor,
                         const kp_wasm_instruction_t *instruction)
{
    (void)visitor;
    (void)instruction;
    ++*(uint64_t *)context;
    return KP_OK;
}

/* Decodes and visits all; false after printing an error. *seconds: [0] decoding, [1] bodies. */
static bool round_trip(const uint8_t *bytes, size_t size, const kp_wasm_sink_t *sink,
                       uint64_t *instructions, double seconds[2], size_t *metadata, uint32_t *code)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_error_t error;
    kp_wasm_module_t *module;
    double begin = now();
    kp_status_t status = kp_wasm_module_decode(bytes, size, &options, &module, &error);
    double middle = now();
    if (status == KP_OK) {
        kp_wasm_visitor_t visitor;
        kp_wasm_visitor_init(&visitor, module, options.allocator);
        for (uint32_t i = module->imported_function_count; i < module->function_count && !status;
             i++)
            status = kp_wasm_body_visit(&visitor, i, sink, instructions, &error);
        kp_wasm_visitor_clear(&visitor);
        *metadata = module->allocated;
        *code = module->code.size;
    }
    seconds[0] = middle - begin;
    seconds[1] = now() - middle;
    kp_wasm_module_destroy(module);
    if (status == KP_OK)
        return true;
    char text[256];
    kp_wasm_error_print(&error, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
    return false;
}

static bool measure(const char *path)
{
    size_t size = 0, metadata = 0;
    uint32_t code = 0;
    uint8_t *bytes = read_file(path, &size);
    if (!bytes) {
        fprintf(stderr, "cannot read %s\n", path);
        return false;
    }
    static const kp_wasm_sink_t sink = {.instruction = count};
    double best[3] = {1e9, 1e9, 1e9};
    uint64_t instructions = 0;
    bool good = true;
    for (int i = 0; i < ROUNDS && good; i++) {
        double seconds[2];
        good = round_trip(bytes, size, NULL, NULL, seconds, &metadata, &code);
        if (good && seconds[0] < best[0])
            best[0] = seconds[0];
        if (good && seconds[1] < best[1])
            best[1] = seconds[1];
        instructions = 0;
        good = good && round_trip(bytes, size, &sink, &instructions, seconds, &metadata, &code);
        if (good && seconds[1] < best[2])
            best[2] = seconds[1];
    }
    free(bytes);
    if (!good)
        return false;
    double megabytes = (double)size / 1e6;
    double code_megabytes = (double)code / 1e6;
    printf("%s: %.2f MB, code %.2f MB, %llu instructions, metadata %zu KB\n", path, megabytes,
           code_megabytes, (unsigned long long)instructions, metadata / 1000);
    printf("  decode      %7.2f ms\n", best[0] * 1e3);
    static const char *const names[] = {"validate", "with a sink"};
    for (int i = 0; i < 2; i++)
        printf("  %-11s %7.2f ms  %6.1f MB/s of the module  %6.1f MB/s of its code  %5.1f ns an "
               "instruction\n",
               names[i], best[1 + i] * 1e3, megabytes / (best[0] + best[1 + i]),
               code_megabytes / best[1 + i], best[1 + i] * 1e9 / (double)instructions);
    return true;
}

int main(int argc, char **argv)
{
    bool good = argc > 1;
    for (int i = 1; i < argc; i++)
        good = measure(argv[i]) && good;
    return !good;
}
