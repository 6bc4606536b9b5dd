/* Shared by the files of runtime/instance only. */
#ifndef KP_RUNTIME_INSTANCE_INTERNAL_H
#define KP_RUNTIME_INSTANCE_INTERNAL_H

#include "runtime/instance/code.h"
#include "runtime/instance/platform.h"
#include "runtime/instance/store.h"

#include <string.h>

enum { KP_WASM_PAGE = 65536 };

/* Of the store's own memory; freed with the store. */
typedef struct kp_wasm_block {
    struct kp_wasm_block *next;
    size_t size;
} kp_wasm_block_t;

typedef struct kp_wasm_memory_hold {
    struct kp_wasm_memory_hold *next;
    kp_wasm_meminst_t *memory;
} kp_wasm_memory_hold_t;

/* Zeroed, charged to the budget, freed with the store. KP_ERR_QUOTA or KP_ERR_NO_MEMORY. */
kp_status_t kp_wasm_store_allocate(kp_wasm_store_t *store, size_t size, void **memory);
/* Charges `size` bytes of objects. */
kp_status_t kp_wasm_store_charge(kp_wasm_store_t *store, size_t size);

/* Clears some of the stack below, for what earlier calls left there to keep no exception alive. */
void kp_wasm_stack_clear(void);

/* The size of a memory that other threads may be growing. */
static inline uint64_t kp_wasm_memory_bytes(const kp_wasm_meminst_t *memory)
{
    return __atomic_load_n(&memory->size, __ATOMIC_ACQUIRE);
}

#endif
