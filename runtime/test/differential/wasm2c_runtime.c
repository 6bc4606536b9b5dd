/* What the output of wasm2c asks for (wasm-rt.h, wasm-rt-exceptions.h), with memories and tables on the heap and
   traps as values. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "wasm-rt-exceptions.h"
#include "wasm-rt.h"

#include "runtime/test/differential/wasm2c_batch.h"

static struct {
    sigjmp_buf trap;
    WASM_RT_UNWIND_TARGET *target; /* innermost try; NULL outside */
    wasm_rt_tag_t tag;
    uint32_t size;
    _Alignas(16) uint8_t exception[WASM_EXN_MAX_SIZE];
} state;

void wasm_rt_trap(wasm_rt_trap_t reason)
{
    siglongjmp(state.trap, (int)reason);
}

bool wasm_rt_is_initialized(void)
{
    return true;
}

/* ---- memories ---- */

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t pages, uint64_t most, bool is64,
                             uint32_t page_size)
{
    uint8_t *data = calloc(most, page_size);
    if (!data)
        abort();
    *memory = (wasm_rt_memory_t){
        .data = data,
        .data_end = data + most * page_size,
        .page_size = page_size,
        .pages = pages,
        .max_pages = most,
        .size = pages * page_size,
        .is64 = is64,
    };
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t delta)
{
    uint64_t old = memory->pages;
    if (delta > memory->max_pages - old)
        return (uint64_t)-1;
    memory->pages += delta;
    memory->size = memory->pages * memory->page_size;
    return old;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory)
{
    free(memory->data);
}

void wasm_rt_allocate_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t pages, uint64_t most,
                                    bool is64, uint32_t page_size)
{
    wasm_rt_memory_t own;
    wasm_rt_allocate_memory(&own, pages, most, is64, page_size);
    *memory = (wasm_rt_shared_memory_t){
        .data = (_Atomic volatile uint8_t *)own.data,
        .data_end = (_Atomic volatile uint8_t *)own.data_end,
        .page_size = page_size,
        .pages = pages,
        .max_pages = most,
        .size = own.size,
        .is64 = is64,
    };
}

uint64_t wasm_rt_grow_memory_shared(wasm_rt_shared_memory_t *memory, uint64_t delta)
{
    uint64_t old = memory->pages;
    if (delta > memory->max_pages - old)
        return (uint64_t)-1;
    memory->pages += delta;
    memory->size = memory->pages * memory->page_size;
    return old;
}

void wasm_rt_free_memory_shared(wasm_rt_shared_memory_t *memory)
{
    free((void *)memory->data);
}

/* ---- tables: their greatest size at once, which the generator keeps small ---- */

#define TABLE(kind)                                                                          \
    void wasm_rt_allocate_##kind##_table(wasm_rt_##kind##_table_t *table, uint32_t elements, \
                                         uint32_t most)                                      \
    {                                                                                        \
        table->data = calloc(most, sizeof *table->data);                                     \
        if (!table->data)                                                                    \
            abort();                                                                         \
        table->size = elements;                                                              \
        table->max_size = most;                                                              \
    }                                                                                        \
    void wasm_rt_free_##kind##_table(wasm_rt_##kind##_table_t *table)                        \
    {                                                                                        \
        free(table->data);                                                                   \
    }                                                                                        \
    uint32_t wasm_rt_grow_##kind##_table(wasm_rt_##kind##_table_t *table, uint32_t delta,    \
                                         wasm_rt_##kind##_t initial)                         \
    {                                                                                        \
        uint32_t old = table->size;                                                          \
        if (delta > table->max_size - old)                                                   \
            return UINT32_MAX;                                                               \
        for (uint32_t i = 0; i < delta; i++)                                                 \
            table->data[old + i] = initial;                                                  \
        table->size += delta;                                                                \
        return old;                                                                          \
    }
TABLE(funcref)
TABLE(externref)
TABLE(exnref)

/* ---- exceptions ---- */

void wasm_rt_load_exception(const wasm_rt_tag_t tag, uint32_t size, const void *values)
{
    state.tag = tag;
    state.size = size;
    if (size)
        memcpy(state.exception, values, size);
}

void wasm_rt_throw(void)
{
    if (!state.target)
        wasm_rt_trap(WASM_RT_TRAP_UNCAUGHT_EXCEPTION);
    WASM_RT_LONGJMP(*state.target, 1);
}

WASM_RT_UNWIND_TARGET *wasm_rt_get_unwind_target(void)
{
    return state.target;
}

void wasm_rt_set_unwind_target(WASM_RT_UNWIND_TARGET *target)
{
    state.target = target;
}

wasm_rt_tag_t wasm_rt_exception_tag(void)
{
    return state.tag;
}

uint32_t wasm_rt_exception_size(void)
{
    return state.size;
}

void *wasm_rt_exception(void)
{
    return state.exception;
}

/* ---- the batch ---- */

static const char *reason(int trap)
{
    static const char *const texts[] = {
        [WASM_RT_TRAP_OOB] = "out of bounds",
        [WASM_RT_TRAP_INT_OVERFLOW] = "integer overflow",
        [WASM_RT_TRAP_DIV_BY_ZERO] = "integer divide by zero",
        [WASM_RT_TRAP_INVALID_CONVERSION] = "invalid conversion to integer",
        [WASM_RT_TRAP_UNREACHABLE] = "unreachable",
        [WASM_RT_TRAP_CALL_INDIRECT] = "indirect call",
        [WASM_RT_TRAP_NULL_REF] = "null exception reference",
        [WASM_RT_TRAP_UNCAUGHT_EXCEPTION] = "exception",
        [WASM_RT_TRAP_UNALIGNED] = "unaligned atomic",
        [WASM_RT_TRAP_EXHAUSTION] = "call stack exhausted",
    };
    return texts[trap] ? texts[trap] : "?";
}

const char *kp_wasm2c_open(const kp_wasm2c_module_t *module, void **instance)
{
    int trap = sigsetjmp(state.trap, 0);
    state.target = NULL;
    if (trap)
        return reason(trap);
    *instance = module->open();
    return NULL;
}

const char *kp_wasm2c_call(const kp_wasm2c_function_t *function, void *instance,
                           const kp_wasm2c_value_t *arguments, kp_wasm2c_value_t *results)
{
    int trap = sigsetjmp(state.trap, 0);
    state.target = NULL;
    if (trap)
        return reason(trap);
    function->call(instance, arguments, results);
    return NULL;
}
