/* Between a shared object of modules that wasm2c translated (wasm2c_runtime.c and what wasm2c-glue writes) and
   the program that runs them (wasm2c_engine.c). */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_BATCH_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_BATCH_H

#include <stdint.h>

/* A number's bits, a vector's two words; a reference: 0 for null. */
typedef struct kp_wasm2c_value {
    uint64_t bits[2];
} kp_wasm2c_value_t;

typedef struct kp_wasm2c_function {
    const char *name; /* NULL ends the list */
    void (*call)(void *instance, const kp_wasm2c_value_t *arguments, kp_wasm2c_value_t *results);
    uint32_t result_count;
    uint8_t results[40]; /* kp_wasm_type_t */
} kp_wasm2c_function_t;

typedef struct kp_wasm2c_module {
    uint64_t hash; /* kp_wasm2c_hash of its bytes */
    void *(*open)(void);
    void (*close)(void *instance);
    const kp_wasm2c_function_t *functions;
} kp_wasm2c_module_t;

/* Exported by the object as kp_wasm2c_batch. The functions return what trapped ("out of bounds", "exception"
   for one that was not caught), NULL when nothing did. */
typedef struct kp_wasm2c_batch {
    const kp_wasm2c_module_t *modules;
    uint64_t count;
    const char *(*open)(const kp_wasm2c_module_t *module, void **instance);
    const char *(*call)(const kp_wasm2c_function_t *function, void *instance,
                        const kp_wasm2c_value_t *arguments, kp_wasm2c_value_t *results);
} kp_wasm2c_batch_t;

/* Its two functions (wasm2c_runtime.c). */
const char *kp_wasm2c_open(const kp_wasm2c_module_t *module, void **instance);
const char *kp_wasm2c_call(const kp_wasm2c_function_t *function, void *instance,
                           const kp_wasm2c_value_t *arguments, kp_wasm2c_value_t *results);

static inline uint64_t kp_wasm2c_hash(const uint8_t *bytes, uint64_t size)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (uint64_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

#endif
