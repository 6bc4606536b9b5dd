#include "runtime/test/differential/differential.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/test/differential/generator.h"
#include "runtime/wasm/heap.h"
#include "runtime/wasm/module.h"

typedef struct call_result {
    kp_spec_outcome_t outcome;
    kp_spec_value_t values[KP_SPEC_VALUES];
    size_t count;
    kp_spec_message_t message;
    uint64_t checksum;
} call_result_t;

/* The argument for a parameter: the same in trace-v8. */
static kp_spec_value_t argument(uint64_t number, uint32_t function, uint32_t parameter,
                                kp_wasm_type_t type)
{
    uint64_t z = (number * 64 + function) * 16 + parameter + 1;
    z *= 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z ^= z >> 27;
    kp_spec_value_t value = {.type = type};
    int16_t small = (int16_t)z;
    switch (type) {
    case KP_WASM_TYPE_I32:
        value.bits[0] = z & 0x100000000 ? (uint32_t)z & 0xff : (uint32_t)z;
        break;
    case KP_WASM_TYPE_I64:
        value.bits[0] = z;
        break;
    case KP_WASM_TYPE_F32: {
        float real = (float)small / 16;
        memcpy(&value.bits[0], &real, sizeof(real));
        break;
    }
    case KP_WASM_TYPE_F64: {
        double real = (double)small / 16;
        memcpy(&value.bits[0], &real, sizeof(real));
        break;
    }
    case KP_WASM_TYPE_V128:
        value.bits[0] = z;
        value.bits[1] = ~z * 3;
        break;
    default:
        value.bits[0] = KP_SPEC_NULL;
        break;
    }
    return value;
}

static void invoke(kp_differential_t *state, unsigned engine, const char *name,
                   const kp_spec_value_t *arguments, size_t count, call_result_t *result)
{
    result->count = 0;
    result->message.text[0] = '\0';
    result->outcome = state->engines[engine]->invoke(
        state->stores[engine], state->instances[engine], name, strlen(name), arguments, count,
        result->values, &result->count, &result->message);
}

/* reset, the function, checksum */
static void run_call(kp_differential_t *state, unsigned engine, const char *name,
                     const kp_spec_value_t *arguments, size_t count, call_result_t *result)
{
    static call_result_t other;
    invoke(state, engine, "reset", NULL, 0, &other);
    invoke(state, engine, name, arguments, count, result);
    invoke(state, engine, "checksum", NULL, 0, &other);
    result->checksum =
        other.outcome == KP_SPEC_OK && other.count == 1 ? other.values[0].bits[0] : UINT64_MAX;
}

static bool same_value(const kp_spec_value_t *a, const kp_spec_value_t *b)
{
    if (a->type != b->type)
        return false;
    if (kp_wasm_type_is_reference(a->type))
        return (a->bits[0] == KP_SPEC_NULL) == (b->bits[0] == KP_SPEC_NULL);
    return a->bits[0] == b->bits[0] && (a->type != KP_WASM_TYPE_V128 || a->bits[1] == b->bits[1]);
}

static bool same_trap(const kp_differential_t *state, const char *a, const char *b)
{
    const char *(*of)(const char *text) = state->options.trap_class;
    return strcmp(of ? of(a) : a, of ? of(b) : b) == 0;
}

static const char *difference(const kp_differential_t *state, const call_result_t *a,
                              const call_result_t *b)
{
    if (a->outcome != b->outcome)
        return "outcome";
    if (a->outcome == KP_SPEC_TRAP && !same_trap(state, a->message.text, b->message.text))
        return "trap";
    if (a->count != b->count)
        return "number of results";
    for (size_t i = 0; a->outcome == KP_SPEC_OK && i < a->count; i++) {
        if (!same_value(&a->values[i], &b->values[i]))
            return "result";
    }
    return a->checksum != b->checksum ? "checksum" : NULL;
}

static void print_value(const kp_spec_value_t *value)
{
    uint64_t bits = value->bits[0];
    bool nan = (value->type == KP_WASM_TYPE_F32 && (bits & 0x7fffffff) > 0x7f800000) ||
               (value->type == KP_WASM_TYPE_F64 && (bits & INT64_MAX) > 0x7ff0000000000000);
    if (nan)
        printf(" nan");
    else if (kp_wasm_type_is_reference(value->type))
        printf(" %s", bits == KP_SPEC_NULL ? "null" : "ref");
    else
        printf(" %" PRIx64, bits);
}

static void print_trace(const kp_differential_t *state, const char *name,
                        const call_result_t *result)
{
    printf("%" PRIu64 " %s %s", state->number, name,
           result->outcome == KP_SPEC_OK          ? "ok"
           : result->outcome == KP_SPEC_EXCEPTION ? "exception"
           : result->outcome == KP_SPEC_TRAP      ? "trap"
                                                  : result->message.text);
    for (size_t i = 0; result->outcome == KP_SPEC_OK && i < result->count; i++)
        print_value(&result->values[i]);
    printf(" = %" PRIx64 "\n", result->checksum);
}

static void print_outcome(const kp_differential_t *state, unsigned engine,
                          const call_result_t *result)
{
    printf("#   %s: outcome %d %s, checksum %" PRIx64 ", results", state->engines[engine]->name,
           (int)result->outcome, result->message.text, result->checksum);
    for (size_t i = 0; i < result->count; i++)
        print_value(&result->values[i]);
    printf("\n");
}

static bool has_vector(const kp_wasm_functype_t *type)
{
    for (uint32_t i = 0; i < type->parameter_count + type->result_count; i++) {
        if (type->types[i] == KP_WASM_TYPE_V128)
            return true;
    }
    return false;
}

static void count_call(kp_differential_counts_t *counts, const call_result_t *result)
{
    counts->calls++;
    counts->returned += result->outcome == KP_SPEC_OK;
    counts->exceptions += result->outcome == KP_SPEC_EXCEPTION;
    if (result->outcome == KP_SPEC_OK || result->outcome == KP_SPEC_EXCEPTION)
        return;
    unsigned i = 0;
    size_t most = sizeof(counts->traps[0].text) - 1;
    while (i < KP_DIFFERENTIAL_TRAPS - 1 && counts->traps[i].count &&
           strncmp(counts->traps[i].text, result->message.text, most) != 0)
        i++;
    if (counts->traps[i].count++ == 0)
        snprintf(counts->traps[i].text, most + 1, "%.*s", (int)most, result->message.text);
}

/* False: they differ, which has been said. */
static bool compare_function(kp_differential_t *state, const kp_wasm_module_t *module,
                             uint32_t function)
{
    static call_result_t results[KP_DIFFERENTIAL_ENGINES];
    const kp_wasm_functype_t *type = kp_wasm_module_function_type(module, function);
    kp_spec_value_t arguments[64];
    char name[16];
    if (state->trace && has_vector(type))
        return true;
    snprintf(name, sizeof(name), "f%" PRIu32, function);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        arguments[i] = argument(state->number, function, i, type->types[i]);
    for (unsigned i = 0; i < state->engine_count; i++)
        run_call(state, i, name, arguments, type->parameter_count, &results[i]);
    count_call(&state->counts, &results[0]);
    if (state->trace)
        print_trace(state, name, &results[0]);
    for (unsigned i = 1; i < state->engine_count; i++) {
        const char *what = difference(state, &results[0], &results[i]);
        if (!what)
            continue;
        printf("# differ: module %" PRIu64 " function %s: %s\n", state->number, name, what);
        print_outcome(state, 0, &results[0]);
        print_outcome(state, i, &results[i]);
        return false;
    }
    return true;
}

/* What the module imports. */
static bool link_library(const kp_differential_t *state, unsigned engine, const uint8_t *bytes,
                         size_t size)
{
    kp_spec_message_t message = {""};
    void *instance;
    return state->engines[engine]->instantiate(state->stores[engine], bytes, size, &instance,
                                               &message) == KP_SPEC_OK &&
           state->engines[engine]->bind(state->stores[engine], instance, "lib", 3);
}

/* The module's functions f0, f1, ... come first; the last two are reset and checksum. */
static bool compare_module(kp_differential_t *state, const uint8_t *bytes, size_t size)
{
    kp_wasm_options_t options = kp_wasm_options_init(kp_wasm_heap);
    options.features = state->features & KP_WASM_FEATURES_ALL;
    kp_wasm_module_t *module;
    kp_wasm_error_t error;
    if (kp_wasm_module_decode(bytes, size, &options, &module, &error) != KP_OK) {
        printf("# module %" PRIu64 " is invalid: %s\n", state->number, error.reason);
        return false;
    }
    uint8_t *library = NULL;
    size_t library_size = 0;
    bool good = true;
    if (state->features & KP_GENERATOR_LINKED) {
        library_size = kp_generate_library(state->number, state->features, &library);
        good = library_size > 0;
    }
    for (unsigned i = 0; i < state->engine_count && good; i++) {
        kp_spec_message_t message = {""};
        state->stores[i] = state->engines[i]->open(state->features & KP_WASM_FEATURES_ALL);
        good = state->stores[i] && (!library || link_library(state, i, library, library_size));
        if (!good) {
            printf("# module %" PRIu64 ": %s does not instantiate its library\n", state->number,
                   state->engines[i]->name);
            break;
        }
        good = state->engines[i]->instantiate(state->stores[i], bytes, size, &state->instances[i],
                                              &message) == KP_SPEC_OK;
        if (!good)
            printf("# module %" PRIu64 ": %s does not instantiate it: %s\n", state->number,
                   state->engines[i]->name, message.text);
    }
    for (uint32_t i = 0; i + 2 < module->function_count && good; i++)
        good = compare_function(state, module, i);
    for (unsigned i = 0; i < state->engine_count; i++) {
        if (state->stores[i])
            state->engines[i]->close(state->stores[i]);
        state->stores[i] = NULL;
    }
    free(library);
    kp_wasm_module_destroy(module);
    return good;
}

bool kp_differential_module(kp_differential_t *state, uint64_t number, const uint8_t *bytes,
                            size_t size)
{
    state->number = number;
    if (state->options.known && !state->options.known(bytes, size)) {
        state->counts.left_out++;
        return true;
    }
    state->counts.modules++;
    bool good = compare_module(state, bytes, size);
    state->counts.differ += !good;
    return good;
}

static void keep_module(const char *directory, uint64_t number, const uint8_t *bytes, size_t size)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%" PRIu64 ".wasm", directory, number);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        good = false;
    printf("#   %s %s\n", good ? "kept as" : "cannot write", path);
}

static int usage(const char *program)
{
    fprintf(stderr, "usage: %s [--features N] [--trace] [--keep DIRECTORY] FIRST COUNT\n", program);
    return 2;
}

int kp_differential_main(int argc, char **argv, const kp_spec_engine_t *const *engines,
                         unsigned engine_count)
{
    const kp_differential_options_t options = {0};
    return kp_differential_main_with(argc, argv, engines, engine_count, &options);
}

int kp_differential_main_with(int argc, char **argv, const kp_spec_engine_t *const *engines,
                              unsigned engine_count, const kp_differential_options_t *options)
{
    const char *keep = NULL;
    kp_differential_t state = {
        .engines = engines,
        .engine_count =
            engine_count < KP_DIFFERENTIAL_ENGINES ? engine_count : KP_DIFFERENTIAL_ENGINES,
        .features = KP_WASM_FEATURES_ALL,
        .options = *options,
    };
    uint64_t numbers[2] = {0, 0};
    unsigned given = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0)
            state.trace = true;
        else if (strcmp(argv[i], "--features") == 0 && i + 1 < argc)
            state.features = (kp_wasm_features_t)strtoul(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
            keep = argv[++i];
        else if (argv[i][0] != '-' && given < 2)
            numbers[given++] = strtoull(argv[i], NULL, 10);
        else
            return usage(argv[0]);
    }
    if (given != 2)
        return usage(argv[0]);
    for (uint64_t i = 0; i < numbers[1]; i++) {
        uint8_t *bytes;
        size_t size = kp_generate(numbers[0] + i, state.features, &bytes);
        if (size == 0) {
            fprintf(stderr, "out of memory\n");
            return 1;
        }
        if (!kp_differential_module(&state, numbers[0] + i, bytes, size) && keep)
            keep_module(keep, numbers[0] + i, bytes, size);
        free(bytes);
    }
    if (!state.trace)
        printf("%s %" PRIu64 " generated modules from number %" PRIu64 ": %" PRIu64
               " calls, %" PRIu64 " returned, %" PRIu64 " modules differ\n",
               state.counts.differ ? "not ok" : "ok", state.counts.modules, numbers[0],
               state.counts.calls, state.counts.returned, state.counts.differ);
    if (state.counts.left_out)
        printf("# %" PRIu64 " modules left out\n", state.counts.left_out);
    return state.counts.differ != 0;
}
