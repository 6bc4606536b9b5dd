/* What programs with threads need beside runtime.c: exceptions by thread, memory that grows under others. */
#include "runtime/image/threads.h"

#include "runtime/image/internal.h"

void kp_image_exception_load(kp_image_state_t *state, wasm_rt_tag_t tag, uint32_t size,
                             const void *values)
{
    if (size > sizeof(state->exception))
        kp_image_trap(KP_TRAP_UNREACHABLE, 0);
    state->exception_tag = tag;
    state->exception_size = size;
    if (size > 0)
        memcpy(state->exception, values, size);
}

_Noreturn void kp_image_exception_throw(kp_image_state_t *state)
{
    if (!state->unwind_target)
        kp_image_trap(KP_TRAP_UNCAUGHT_EXCEPTION, 0);
    kp_image_longjmp(state->unwind_target->buffer, 1);
}

/* Sizes only grow: whoever comes late with a smaller one leaves it. */
static void at_least(uint64_t *place, uint64_t value)
{
    uint64_t now = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (now < value && !__atomic_compare_exchange_n(place, &now, value, false, __ATOMIC_SEQ_CST,
                                                       __ATOMIC_RELAXED)) {
    }
}

uint64_t kp_image_memory_grow(wasm_rt_memory_t *memory, uint64_t delta)
{
    if (delta > memory->max_pages)
        return (uint64_t)-1;
    uint64_t arguments[6] = {delta};
    int64_t old = kp_image_call(KP_CALL_memory_grow, arguments);
    if (old < 0)
        return (uint64_t)-1;
    at_least(&memory->size, ((uint64_t)old + delta) * KP_WASM_PAGE_SIZE);
    at_least(&memory->pages, (uint64_t)old + delta);
    return (uint64_t)old;
}

_Noreturn void kp_image_further(const uint8_t *memory, uint64_t pages, kp_image_call_fn call,
                                uint64_t is_further, uint64_t entry, uint64_t argument);
/* The first C function of a further thread: the image is relocated, and its module instantiated. */
_Noreturn void kp_image_further(const uint8_t *memory, uint64_t pages, kp_image_call_fn call,
                                uint64_t is_further, uint64_t entry, uint64_t argument)
{
    (void)memory;
    (void)pages;
    (void)call; /* as the first thread got it */
    (void)is_further;
    kp_image_module_further(entry, argument);
    uint64_t arguments[6] = {0};
    kp_image_call(KP_CALL_thread_exit, arguments);
    __builtin_trap();
}
