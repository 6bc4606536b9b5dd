/* Builds WebAssembly binaries in tests: bytes, LEB128 numbers, sections. */
#ifndef KP_RUNTIME_WASM_TEST_BUILDER_H
#define KP_RUNTIME_WASM_TEST_BUILDER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/wasm/module.h"

typedef struct builder {
    uint8_t *bytes;
    size_t size, capacity;
} builder_t;

static inline void put_bytes(builder_t *builder, const void *bytes, size_t size)
{
    if (builder->size + size > builder->capacity) {
        builder->capacity = (builder->size + size) * 2 + 64;
        builder->bytes = realloc(builder->bytes, builder->capacity);
        if (!builder->bytes)
            abort();
    }
    if (size > 0)
        memcpy(builder->bytes + builder->size, bytes, size);
    builder->size += size;
}

static inline void put_byte(builder_t *builder, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    put_bytes(builder, &one, 1);
}

/* put(&b, 0x41, 0x00, 0x0b): bytes. */
#define put(builder, ...) \
    put_bytes(builder, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void put_u(builder_t *builder, uint64_t value)
{
    while (value >= 0x80) {
        put_byte(builder, (unsigned)(value & 0x7f) | 0x80);
        value >>= 7;
    }
    put_byte(builder, (unsigned)value);
}

static inline void put_name(builder_t *builder, const char *name)
{
    put_u(builder, strlen(name));
    put_bytes(builder, name, strlen(name));
}

/* Moves a part's bytes behind its size into the whole, and frees it. */
static inline void put_sized(builder_t *whole, builder_t *part)
{
    put_u(whole, part->size);
    put_bytes(whole, part->bytes, part->size);
    free(part->bytes);
    *part = (builder_t){0};
}

static inline void put_section(builder_t *module, unsigned id, builder_t *content)
{
    put_byte(module, id);
    put_sized(module, content);
}

static inline builder_t new_module(void)
{
    builder_t module = {0};
    put(&module, 0, 'a', 's', 'm', 1, 0, 0, 0);
    return module;
}

static inline void clear(builder_t *builder)
{
    free(builder->bytes);
    *builder = (builder_t){0};
}

/* A module with one function of type [] -> [] and this body (local declarations and code). */
static inline builder_t module_of_body(builder_t *body)
{
    builder_t module = new_module();
    put(&module, 1, 4, 1, 0x60, 0, 0);
    put(&module, 3, 2, 1, 0);
    builder_t code = {0};
    put_u(&code, 1);
    put_sized(&code, body);
    put_section(&module, 10, &code);
    return module;
}

/* ---- memory that can fail and is counted ---- */

typedef struct test_memory {
    long fail_at; /* the number of the call that fails; negative: none */
    long calls;
    size_t live, peak;
} test_memory_t;

static inline void *test_resize(void *context, void *old, size_t old_size, size_t size)
{
    test_memory_t *memory = context;
    if (size == 0) {
        memory->live -= old_size;
        free(old);
        return NULL;
    }
    if (memory->calls++ == memory->fail_at)
        return NULL;
    /* Always moves, so that a stale pointer is seen. */
    void *block = malloc(size);
    if (!block)
        abort();
    if (old_size > 0)
        memcpy(block, old, old_size < size ? old_size : size);
    free(old);
    memory->live += size - old_size;
    if (memory->live > memory->peak)
        memory->peak = memory->live;
    return block;
}

static inline kp_wasm_options_t test_options(test_memory_t *memory)
{
    return kp_wasm_options_init((kp_wasm_allocator_t){test_resize, memory});
}

/* Decodes and validates a copy in memory of exactly that size; the status. */
static inline kp_status_t check_bytes(const uint8_t *bytes, size_t size,
                                      const kp_wasm_options_t *options, kp_wasm_error_t *error)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    kp_wasm_module_t *module;
    memset(error, 0, sizeof(*error));
    kp_status_t status = kp_wasm_module_decode(copy, size, options, &module, error);
    if (status == KP_OK)
        status = kp_wasm_module_validate(module, error);
    kp_wasm_module_destroy(module);
    free(copy);
    return status;
}

/* A module that uses every section and proposal (everything.c). */
builder_t everything_module(void);

#endif
