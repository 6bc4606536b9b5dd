/* The registry of compiled code, and what is looked up in it: traps' backtraces, exceptions' handlers. */
#include "runtime/instance/code.h"
#include "runtime/instance/internal.h"

/* Held for a few instructions, never across code that can fault: a fault handler that runs because of
   compiled code finds it free or held by another thread. */
static uint32_t lock;
static kp_wasm_code_range_t *ranges;

static void registry_lock(void)
{
    while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
        ;
}

static void registry_unlock(void)
{
    __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

void kp_wasm_code_register(kp_wasm_code_range_t *range)
{
    registry_lock();
    range->next = ranges;
    ranges = range;
    registry_unlock();
}

void kp_wasm_code_withdraw(kp_wasm_code_range_t *range)
{
    registry_lock();
    for (kp_wasm_code_range_t **link = &ranges; *link; link = &(*link)->next) {
        if (*link == range) {
            *link = range->next;
            break;
        }
    }
    registry_unlock();
}

const kp_wasm_code_range_t *kp_wasm_code_find(const void *pc)
{
    registry_lock();
    const kp_wasm_code_range_t *range = ranges;
    while (range && (uintptr_t)pc - (uintptr_t)range->base >= range->size)
        range = range->next;
    registry_unlock();
    return range;
}

uint32_t kp_wasm_code_function(const kp_wasm_code_range_t *range, const void *pc)
{
    uint32_t offset = (uint32_t)((const uint8_t *)pc - range->base);
    uint32_t low = 0, high = range->function_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (range->offsets[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low + range->first_function + range->module->imported_function_count;
}
