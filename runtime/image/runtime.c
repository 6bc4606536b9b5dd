/* What the output of wasm2c asks of its runtime (wasm-rt.h): one memory, function tables, traps,
   exceptions. Also the image's first C function, which relocates the image. */
#include <elf.h>

#include "wasm-rt-exceptions.h"
#include "wasm-rt.h"

#include "runtime/image/internal.h"

/* ---- start ---- */

static struct {
    uint8_t *memory; /* base of linear memory */
    uint32_t pages;  /* its size when the program began */
    uint32_t table_used;
    WASM_RT_UNWIND_TARGET *unwind_target; /* innermost try; NULL outside */
    wasm_rt_tag_t exception_tag;
    uint32_t exception_size;
    _Alignas(16) uint8_t exception[WASM_EXN_MAX_SIZE];
} state;

kp_image_call_fn kp_image_call_hosted;

extern const Elf64_Dyn _DYNAMIC[] __attribute__((visibility("hidden")));
extern const Elf64_Ehdr __ehdr_start __attribute__((visibility("hidden")));

/* Adds the load address to every pointer in the data. The linker was told (and the build checks)
   that nothing but R_X86_64_RELATIVE is needed. Runs before any pointer in data is used. */
static void relocate(void)
{
    uint64_t base = (uint64_t)&__ehdr_start;
    const Elf64_Rela *relocations = NULL;
    uint64_t size = 0;
    for (const Elf64_Dyn *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_RELA)
            relocations = (const Elf64_Rela *)(base + entry->d_un.d_ptr);
        else if (entry->d_tag == DT_RELASZ)
            size = entry->d_un.d_val;
    }
    for (uint64_t i = 0; relocations && i < size / sizeof(*relocations); i++)
        *(uint64_t *)(base + relocations[i].r_offset) = base + (uint64_t)relocations[i].r_addend;
}

_Noreturn void kp_image_main(uint8_t *memory, uint64_t pages, kp_image_call_fn call);
_Noreturn void kp_image_main(uint8_t *memory, uint64_t pages, kp_image_call_fn call)
{
    relocate();
    kp_image_call_hosted = call;
    state.memory = memory;
    state.pages = (uint32_t)pages;
    kp_image_module_run();
    /* _start returned without exit: libc does that when main returned 0. */
    uint64_t arguments[6] = {0};
    kp_image_call(KP_CALL_process_exit, arguments);
    __builtin_trap();
}

/* ---- traps ---- */

_Noreturn void kp_image_trap(uint32_t trap, uint64_t address)
{
    uint64_t arguments[6] = {trap, address};
    kp_image_call(KP_CALL_process_trap, arguments);
    __builtin_trap();
}

/* The address of a trap that code detected is where in the image it did. */
_Noreturn void wasm_rt_trap(wasm_rt_trap_t reason)
{
    static const uint8_t traps[] = {
        [WASM_RT_TRAP_NONE] = KP_TRAP_UNREACHABLE,
        [WASM_RT_TRAP_OOB] = KP_TRAP_OUT_OF_BOUNDS,
        [WASM_RT_TRAP_INT_OVERFLOW] = KP_TRAP_INTEGER_OVERFLOW,
        [WASM_RT_TRAP_DIV_BY_ZERO] = KP_TRAP_DIVIDE_BY_ZERO,
        [WASM_RT_TRAP_INVALID_CONVERSION] = KP_TRAP_INVALID_CONVERSION,
        [WASM_RT_TRAP_UNREACHABLE] = KP_TRAP_UNREACHABLE,
        [WASM_RT_TRAP_CALL_INDIRECT] = KP_TRAP_CALL_INDIRECT,
        [WASM_RT_TRAP_NULL_REF] = KP_TRAP_CALL_INDIRECT,
        [WASM_RT_TRAP_UNCAUGHT_EXCEPTION] = KP_TRAP_UNCAUGHT_EXCEPTION,
        [WASM_RT_TRAP_UNALIGNED] = KP_TRAP_OUT_OF_BOUNDS,
        [WASM_RT_TRAP_EXHAUSTION] = KP_TRAP_STACK_OVERFLOW,
    };
    kp_image_trap(traps[reason], (uint64_t)__builtin_return_address(0) - (uint64_t)&__ehdr_start);
}

bool wasm_rt_is_initialized(void)
{
    return true;
}

/* ---- memory ---- */

void wasm_rt_allocate_memory(wasm_rt_memory_t *memory, uint64_t initial_pages, uint64_t max_pages,
                             bool is64, uint32_t page_size)
{
    /* The machine mapped what the metadata asks for, which was made from this same module. */
    if (is64 || page_size != KP_WASM_PAGE_SIZE || initial_pages != state.pages)
        kp_image_trap(KP_TRAP_UNREACHABLE, 0);
    *memory = (wasm_rt_memory_t){
        .data = state.memory,
        .data_end = state.memory + max_pages * KP_WASM_PAGE_SIZE,
        .page_size = page_size,
        .pages = initial_pages,
        .max_pages = max_pages,
        .size = initial_pages * KP_WASM_PAGE_SIZE,
    };
}

uint64_t wasm_rt_grow_memory(wasm_rt_memory_t *memory, uint64_t delta)
{
    uint64_t old_pages = memory->pages;
    if (delta == 0)
        return old_pages;
    if (delta > memory->max_pages - old_pages)
        return (uint64_t)-1;
    uint64_t arguments[6] = {delta};
    if (kp_image_call(KP_CALL_memory_grow, arguments) < 0)
        return (uint64_t)-1;
    memory->pages += delta;
    memory->size = memory->pages * KP_WASM_PAGE_SIZE;
    return old_pages;
}

void wasm_rt_free_memory(wasm_rt_memory_t *memory)
{
    (void)memory; /* goes with the process */
}

/* ---- tables ---- */

void wasm_rt_allocate_funcref_table(wasm_rt_funcref_table_t *table, uint32_t elements,
                                    uint32_t max_elements)
{
    if (max_elements > kp_image_table_capacity - state.table_used)
        kp_image_trap(KP_TRAP_UNREACHABLE, 0); /* the capacity was made from this module */
    table->data = (wasm_rt_funcref_t *)kp_image_table_memory + state.table_used;
    table->size = elements;
    table->max_size = max_elements;
    state.table_used += max_elements;
}

void wasm_rt_free_funcref_table(wasm_rt_funcref_table_t *table)
{
    (void)table;
}

uint32_t wasm_rt_grow_funcref_table(wasm_rt_funcref_table_t *table, uint32_t delta,
                                    wasm_rt_funcref_t init)
{
    uint32_t old_size = table->size;
    if (delta > table->max_size - old_size)
        return (uint32_t)-1;
    for (uint32_t i = 0; i < delta; i++)
        table->data[old_size + i] = init;
    table->size += delta;
    return old_size;
}

/* ---- exceptions: C's setjmp and longjmp become one tag ---- */

void wasm_rt_load_exception(const wasm_rt_tag_t tag, uint32_t size, const void *values)
{
    if (size > sizeof(state.exception))
        kp_image_trap(KP_TRAP_UNREACHABLE, 0);
    state.exception_tag = tag;
    state.exception_size = size;
    if (size > 0)
        memcpy(state.exception, values, size);
}

_Noreturn void wasm_rt_throw(void)
{
    WASM_RT_UNWIND_TARGET *target = state.unwind_target;
    if (!target)
        kp_image_trap(KP_TRAP_UNCAUGHT_EXCEPTION, 0);
    kp_image_longjmp(target->buffer, 1);
}

WASM_RT_UNWIND_TARGET *wasm_rt_get_unwind_target(void)
{
    return state.unwind_target;
}

void wasm_rt_set_unwind_target(WASM_RT_UNWIND_TARGET *target)
{
    state.unwind_target = target;
}

wasm_rt_tag_t wasm_rt_exception_tag(void)
{
    return state.exception_tag;
}

uint32_t wasm_rt_exception_size(void)
{
    return state.exception_size;
}

void *wasm_rt_exception(void)
{
    return state.exception;
}
