/* The start of start.c's module inside a running program: from wasm_engine_new to the first instruction, through
   the embedding API with a cache.
     warm_embed TIMES MODULE CACHE     prints the least and the median, in ns */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/embed/kpwasm.h"

static int64_t started;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

/* All imports: the first that is called is the clock. */
static wasm_trap_t *import(void *environment, const wasm_val_vec_t *arguments,
                           wasm_val_vec_t *results)
{
    (void)environment;
    (void)arguments;
    if (started == 0)
        started = now();
    if (results->size)
        results->data[0] = (wasm_val_t){.kind = WASM_I32, .of = {.i32 = 8}};
    return NULL;
}

/* Nanoseconds, or -1. *cached: did the code come from the cache? */
static int64_t once(const wasm_byte_vec_t *binary, const char *cache, bool *cached)
{
    started = 0;
    int64_t before = now();
    wasm_config_t *config = wasm_config_new();
    kpwasm_config_set_compiler(config, KPWASM_COMPILER_PROCESS);
    kpwasm_config_set_cache(config, cache, 0);
    wasm_engine_t *engine = wasm_engine_new_with_config(config);
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = wasm_module_new(store, binary);
    if (!module) {
        fprintf(stderr, "warm_embed: %s\n", kpwasm_store_error(store));
        return -1;
    }
    *cached = kpwasm_module_is_cached(module);
    wasm_importtype_vec_t types;
    wasm_extern_vec_t imports, exports;
    wasm_module_imports(module, &types);
    wasm_extern_vec_new_uninitialized(&imports, types.size);
    for (size_t i = 0; i < types.size; i++) {
        const wasm_functype_t *type =
            wasm_externtype_as_functype_const(wasm_importtype_type(types.data[i]));
        imports.data[i] =
            wasm_func_as_extern(wasm_func_new_with_env(store, type, import, NULL, NULL));
    }
    wasm_instance_t *instance = wasm_instance_new(store, module, &imports, NULL);
    wasm_instance_exports(instance, &exports);
    wasm_val_vec_t none = {0, NULL};
    for (size_t i = 0; i < exports.size; i++) {
        wasm_func_t *function = wasm_extern_as_func(exports.data[i]);
        if (function)
            wasm_trap_delete(wasm_func_call(function, &none, &none));
    }
    wasm_extern_vec_delete(&exports);
    wasm_extern_vec_delete(&imports);
    wasm_importtype_vec_delete(&types);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return started ? started - before : -1;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

int main(int argc, char **argv)
{
    int times = argc == 4 ? atoi(argv[1]) : 0;
    FILE *file = times > 0 ? fopen(argv[2], "rb") : NULL;
    int64_t *took = file ? calloc((size_t)times, sizeof *took) : NULL;
    static char bytes[8 << 20];
    if (!took) {
        if (file)
            fclose(file);
        return 2;
    }
    wasm_byte_vec_t binary;
    wasm_byte_vec_new(&binary, fread(bytes, 1, sizeof bytes, file), bytes);
    fclose(file);
    bool cached = false, good = once(&binary, argv[3], &cached) >= 0;
    for (int i = 0; good && i < times; i++) {
        took[i] = once(&binary, argv[3], &cached);
        good = took[i] >= 0 && cached;
    }
    wasm_byte_vec_delete(&binary);
    qsort(took, (size_t)times, sizeof *took, compare);
    if (good)
        printf("%lld %lld\n", (long long)took[0], (long long)took[times / 2]);
    free(took);
    return !good;
}
