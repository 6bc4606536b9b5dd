#include "runtime/test/differential/wasm2c_tcc.h"

#include <libtcc.h>
#include <math.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm-rt-exceptions.h"
#include "wasm-rt.h"

#include "runtime/test/differential/wasm2c_translate.h"

/* ---- what the code calls ---- */

static int sign_bit(double x)
{
    return signbit(x) != 0;
}

static float nan_value(void)
{
    return NAN;
}

static float infinity(void)
{
    return INFINITY;
}

static float negate32(float x)
{
    return -x;
}

static double negate64(double x)
{
    return -x;
}

static int clz32(uint32_t x)
{
    return __builtin_clz(x);
}

static int clz64(uint64_t x)
{
    return __builtin_clzll(x);
}

static int ctz32(uint32_t x)
{
    return __builtin_ctz(x);
}

static int ctz64(uint64_t x)
{
    return __builtin_ctzll(x);
}

static int popcount32(uint32_t x)
{
    return __builtin_popcount(x);
}

static int popcount64(uint64_t x)
{
    return __builtin_popcountll(x);
}

/* tcc calls these for conversions. */
static float u64_to_f32(uint64_t x)
{
    return (float)x;
}

static double u64_to_f64(uint64_t x)
{
    return (double)x;
}

static uint64_t f32_to_u64(float x)
{
    return (uint64_t)x;
}

static uint64_t f64_to_u64(double x)
{
    return (uint64_t)x;
}

static int64_t f32_to_s64(float x)
{
    return (int64_t)x;
}

static int64_t f64_to_s64(double x)
{
    return (int64_t)x;
}

#define SYMBOL(name) {#name, (void (*)(void))name}

static const struct {
    const char *name;
    void (*function)(void);
} symbols[] = {
    SYMBOL(memcpy),
    SYMBOL(memmove),
    SYMBOL(memset),
    SYMBOL(memcmp),
    SYMBOL(calloc),
    SYMBOL(free),
    SYMBOL(abort),
    SYMBOL(__sigsetjmp),
    SYMBOL(floor),
    SYMBOL(ceil),
    SYMBOL(trunc),
    SYMBOL(nearbyint),
    SYMBOL(sqrt),
    SYMBOL(fabs),
    SYMBOL(copysign),
    SYMBOL(floorf),
    SYMBOL(ceilf),
    SYMBOL(truncf),
    SYMBOL(nearbyintf),
    SYMBOL(sqrtf),
    SYMBOL(fabsf),
    SYMBOL(copysignf),
    SYMBOL(wasm_rt_trap),
    SYMBOL(wasm_rt_is_initialized),
    SYMBOL(wasm_rt_allocate_memory),
    SYMBOL(wasm_rt_grow_memory),
    SYMBOL(wasm_rt_free_memory),
    SYMBOL(wasm_rt_allocate_memory_shared),
    SYMBOL(wasm_rt_grow_memory_shared),
    SYMBOL(wasm_rt_free_memory_shared),
    SYMBOL(wasm_rt_allocate_funcref_table),
    SYMBOL(wasm_rt_grow_funcref_table),
    SYMBOL(wasm_rt_free_funcref_table),
    SYMBOL(wasm_rt_allocate_externref_table),
    SYMBOL(wasm_rt_grow_externref_table),
    SYMBOL(wasm_rt_free_externref_table),
    SYMBOL(wasm_rt_load_exception),
    SYMBOL(wasm_rt_throw),
    SYMBOL(wasm_rt_get_unwind_target),
    SYMBOL(wasm_rt_set_unwind_target),
    SYMBOL(wasm_rt_exception_tag),
    SYMBOL(wasm_rt_exception_size),
    SYMBOL(wasm_rt_exception),
    {"kp_signbit", (void (*)(void))sign_bit},
    {"kp_nan", (void (*)(void))nan_value},
    {"kp_infinity", (void (*)(void))infinity},
    {"kp_negate32", (void (*)(void))negate32},
    {"kp_negate64", (void (*)(void))negate64},
    {"kp_clz32", (void (*)(void))clz32},
    {"kp_clz64", (void (*)(void))clz64},
    {"kp_ctz32", (void (*)(void))ctz32},
    {"kp_ctz64", (void (*)(void))ctz64},
    {"kp_popcount32", (void (*)(void))popcount32},
    {"kp_popcount64", (void (*)(void))popcount64},
    {"__floatundisf", (void (*)(void))u64_to_f32},
    {"__floatundidf", (void (*)(void))u64_to_f64},
    {"__fixunssfdi", (void (*)(void))f32_to_u64},
    {"__fixunsdfdi", (void (*)(void))f64_to_u64},
    {"__fixsfdi", (void (*)(void))f32_to_s64},
    {"__fixdfdi", (void (*)(void))f64_to_s64},
};

/* Both compilers must lay out what they hand each other in one way. */
#define SIZES                                                                                  \
    sizeof(jmp_buf), sizeof(wasm_rt_jmp_buf), sizeof(wasm_rt_memory_t),                        \
        sizeof(wasm_rt_shared_memory_t), sizeof(wasm_rt_funcref_t),                            \
        sizeof(wasm_rt_funcref_table_t), sizeof(wasm_rt_externref_table_t),                    \
        sizeof(kp_wasm2c_function_t), sizeof(kp_wasm2c_module_t), sizeof(kp_wasm2c_value_t),   \
        offsetof(kp_wasm2c_function_t, result_count), offsetof(kp_wasm2c_module_t, functions), \
        offsetof(wasm_rt_jmp_buf, buffer), offsetof(wasm_rt_memory_t, size),                   \
        offsetof(wasm_rt_shared_memory_t, size), offsetof(wasm_rt_funcref_t, func)
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)
static const uint64_t sizes[] = {SIZES};

char *kp_wasm2c_unit_head(const char *include, const char *head)
{
    static const char *const files[] = {"wasm-rt.h", "wasm-rt-exceptions.h"};
    char path[4096], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    char *prelude = kp_wasm2c_read("runtime/test/differential/wasm2c_tcc_prelude.h");
    char *batch = kp_wasm2c_read("runtime/test/differential/wasm2c_batch.h");
    bool good = out && prelude && batch;
    if (good)
        fputs(prelude, out);
    for (unsigned i = 0; i < 2 && good; i++) {
        snprintf(path, sizeof path, "%s/%s", include, files[i]);
        char *part = kp_wasm2c_read(path);
        good = part && fputs(part, out) >= 0;
        free(part);
    }
    if (good)
        fprintf(out, "%s\n%s\nconst uint64_t kp_wasm2c_sizes[] = {%s};\n", head, batch,
                TEXT(SIZES));
    free(prelude);
    free(batch);
    if (out && fclose(out) != 0)
        good = false;
    if (good)
        return text;
    free(text);
    return NULL;
}

/* The first error counts, the others mostly follow from it. */
static void remember(void *context, const char *text)
{
    kp_wasm2c_unit_t *unit = context;
    if (!unit->error[0])
        snprintf(unit->error, sizeof unit->error, "%s", text);
}

static bool compile(kp_wasm2c_unit_t *unit, const char *source)
{
    TCCState *state = unit->state;
    tcc_set_error_func(state, unit, remember);
    tcc_set_options(state, "-nostdlib -nostdinc -std=c11 -w");
    tcc_define_symbol(state, "NDEBUG", "1");
    tcc_define_symbol(state, "WASM_RT_USE_MMAP", "0");
    tcc_define_symbol(state, "WASM_RT_MEMCHECK_BOUNDS_CHECK", "1");
    tcc_define_symbol(state, "WASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION", "1");
    if (tcc_set_output_type(state, TCC_OUTPUT_MEMORY) != 0)
        return false;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address;
        memcpy(&address, &symbols[i].function, sizeof address);
        tcc_add_symbol(state, symbols[i].name, address);
    }
    if (tcc_compile_string(state, source) != 0 || tcc_relocate(state, TCC_RELOCATE_AUTO) != 0)
        return false;
    const uint64_t *count = tcc_get_symbol(state, "kp_wasm2c_module_count");
    const uint64_t *theirs = tcc_get_symbol(state, "kp_wasm2c_sizes");
    const kp_wasm2c_module_t *modules = tcc_get_symbol(state, "kp_wasm2c_modules");
    if (!count || !theirs || !modules || memcmp(theirs, sizes, sizeof sizes) != 0) {
        remember(unit, "tcc lays out structures in another way than the compiler of this program");
        return false;
    }
    unit->batch = (kp_wasm2c_batch_t){modules, *count, kp_wasm2c_open, kp_wasm2c_call};
    return true;
}

bool kp_wasm2c_unit_compile(kp_wasm2c_unit_t *unit, const char *source)
{
    *unit = (kp_wasm2c_unit_t){.state = tcc_new()};
    if (unit->state && compile(unit, source))
        return true;
    remember(unit, "out of memory");
    kp_wasm2c_unit_free(unit);
    return false;
}

void kp_wasm2c_unit_free(kp_wasm2c_unit_t *unit)
{
    if (unit->state)
        tcc_delete(unit->state);
    unit->state = NULL;
}
