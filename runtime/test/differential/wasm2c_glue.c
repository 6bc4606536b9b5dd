#include "runtime/test/differential/wasm2c_glue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/test/differential/wasm2c_batch.h"

typedef struct kind {
    char letter; /* of the members of wasm2c's structures */
    const char *type;
} kind_t;

static kind_t kind_of(kp_wasm_type_t type)
{
    switch (type) {
    case KP_WASM_TYPE_I32:
        return (kind_t){'i', "u32"};
    case KP_WASM_TYPE_I64:
        return (kind_t){'j', "u64"};
    case KP_WASM_TYPE_F32:
        return (kind_t){'f', "f32"};
    case KP_WASM_TYPE_F64:
        return (kind_t){'d', "f64"};
    case KP_WASM_TYPE_V128:
        return (kind_t){'o', "v128"};
    case KP_WASM_TYPE_FUNCREF:
        return (kind_t){'r', "wasm_rt_funcref_t"};
    default:
        return (kind_t){'e', "wasm_rt_externref_t"};
    }
}

/* References that go in are null; of those that come out it counts whether they are. */
static void write_parameter(FILE *file, kp_wasm_type_t type, uint32_t index)
{
    if (kp_wasm_type_is_reference(type))
        fprintf(file, ", wasm_rt_%s_null_value",
                type == KP_WASM_TYPE_FUNCREF ? "funcref" : "externref");
    else if (type == KP_WASM_TYPE_V128)
        fprintf(file, ", simde_wasm_v128_load(&arguments[%" PRIu32 "])", index);
    else
        fprintf(file, ", *(%s *)&arguments[%" PRIu32 "]", kind_of(type).type, index);
}

static void write_result(FILE *file, kp_wasm_type_t type, uint32_t index, const char *from)
{
    if (type == KP_WASM_TYPE_FUNCREF)
        fprintf(file, "results[%" PRIu32 "].bits[0] = %s.func != NULL;\n", index, from);
    else if (type == KP_WASM_TYPE_EXTERNREF)
        fprintf(file, "results[%" PRIu32 "].bits[0] = %s != NULL;\n", index, from);
    else if (type == KP_WASM_TYPE_V128)
        fprintf(file, "memcpy(&results[%" PRIu32 "], &%s, sizeof %s);\n", index, from, from);
    else
        fprintf(file, "*(%s *)&results[%" PRIu32 "] = %s;\n", kind_of(type).type, index, from);
}

static void write_call(FILE *file, uint64_t number, const char *name, uint32_t index,
                       const kp_wasm_functype_t *type)
{
    fprintf(file,
            "static void m%" PRIu64 "_call%" PRIu32
            "(void *instance, const kp_wasm2c_value_t *arguments, kp_wasm2c_value_t *results)\n{\n",
            number, index);
    if (type->result_count == 1) {
        fprintf(file, "%s r = ", kind_of(kp_wasm_functype_results(type)[0]).type);
    } else if (type->result_count > 1) {
        fprintf(file, "struct wasm_multi_");
        for (uint32_t i = 0; i < type->result_count; i++)
            fputc(kind_of(kp_wasm_functype_results(type)[i]).letter, file);
        fprintf(file, " r = ");
    }
    fprintf(file, "w2c_m%" PRIu64 "_%s(instance", number, name);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        write_parameter(file, type->types[i], i);
    fprintf(file, ");\n");
    for (uint32_t i = 0; i < type->result_count; i++) {
        kp_wasm_type_t result = kp_wasm_functype_results(type)[i];
        char from[32] = "r";
        if (type->result_count > 1)
            snprintf(from, sizeof from, "r.%c%" PRIu32, kind_of(result).letter, i);
        write_result(file, result, i, from);
    }
    fprintf(file, "}\n");
}

/* As the generator exports them. */
static const char *name_of(const kp_wasm_module_t *module, uint32_t function)
{
    static char name[16];
    if (function + 2 == module->function_count)
        return "reset";
    if (function + 1 == module->function_count)
        return "checksum";
    snprintf(name, sizeof name, "f%" PRIu32, function);
    return name;
}

bool kp_wasm2c_glue_write(FILE *file, uint64_t number, const kp_wasm_module_t *module)
{
    for (uint32_t i = 0; i < module->function_count; i++)
        write_call(file, number, name_of(module, i), i, kp_wasm_module_function_type(module, i));
    fprintf(file, "static const kp_wasm2c_function_t m%" PRIu64 "_functions[] = {\n", number);
    for (uint32_t i = 0; i < module->function_count; i++) {
        const kp_wasm_functype_t *type = kp_wasm_module_function_type(module, i);
        fprintf(file, "    {\"%s\", m%" PRIu64 "_call%" PRIu32 ", %" PRIu32 ", {",
                name_of(module, i), number, i, type->result_count);
        for (uint32_t result = 0; result < type->result_count; result++)
            fprintf(file, "0x%x, ", kp_wasm_functype_results(type)[result]);
        fprintf(file, "}},\n");
    }
    fprintf(file, "    {NULL, NULL, 0, {0}},\n};\n");
    fprintf(file,
            "static void *m%" PRIu64 "_open(void)\n{\n    w2c_m%" PRIu64
            " *instance = calloc(1, sizeof *instance);\n    if (!instance)\n        abort();\n"
            "    wasm2c_m%" PRIu64 "_instantiate(instance);\n    return instance;\n}\n",
            number, number, number);
    fprintf(file,
            "static void m%" PRIu64 "_close(void *instance)\n{\n    wasm2c_m%" PRIu64
            "_free(instance);\n    free(instance);\n}\n",
            number, number);
    return fprintf(file,
                   "/* entry: {UINT64_C(%" PRIu64 "), m%" PRIu64 "_open, m%" PRIu64
                   "_close, m%" PRIu64 "_functions}, */\n",
                   kp_wasm2c_hash(kp_wasm_module_at(module, (kp_wasm_span_t){0, module->size}),
                                  module->size),
                   number, number, number) > 0;
}
