/* The platform: KPIO, for the runtime linked into a native program (runtime/native). Guarded memories are guest
   memories (guest_create), outside the process's own linear memory; the kernel sends their faults here.
   All others lie inside linear memory and are checked: also those that threads wait on, for a futex is a word of
   linear memory. Compiled code is mapped by the system call code_map from what the compiler service made
   (compile/code.h's adopt), never made here. */
#include "runtime/instance/kpio.h"

#include "runtime/instance/internal.h"
#include "runtime/instance/x86_64.h"
#include "runtime/program/kp.h"

static kp_handle_t authority;

void kp_wasm_kpio_authority(kp_handle_t code)
{
    authority = code;
}

void *kp_wasm_platform_reserve(uint64_t size)
{
    return kp_native_pages_reserve(size);
}

void *kp_wasm_platform_reserve_guarded(uint64_t size, bool shared)
{
    if (shared || authority == KP_HANDLE_NONE)
        return NULL;
    int64_t address = kp_guest_create(authority, size);
    return address > 0 ? (void *)(uintptr_t)address : NULL;
}

kp_status_t kp_wasm_platform_commit(void *at, uint64_t old, uint64_t size)
{
    if (kp_native_is_memory(at))
        return kp_native_pages_commit((char *)at + old, size - old);
    int64_t before = kp_guest_grow((uintptr_t)at, (size - old) / KP_WASM_PAGE);
    return before < 0 ? (kp_status_t)before : KP_OK;
}

void kp_wasm_platform_populate(void *at, uint64_t size)
{
    (void)at;
    (void)size;
}

void kp_wasm_platform_release(void *at, uint64_t size)
{
    if (kp_native_is_memory(at))
        kp_native_pages_release(at, size);
    else
        (void)kp_guest_destroy((uintptr_t)at); /* what cannot go now goes with the process */
}

/* kpio_border.S */
void kp_wasm_kpio_fault(void);
uint32_t kp_wasm_kpio_fault_check(const void *address, const void *pc,
                                  const kp_wasm_instance_t *instance);

/* Which trap the fault is. One that compiled code cannot have made as it is meant to ends the process. */
uint32_t kp_wasm_kpio_fault_check(const void *address, const void *pc,
                                  const kp_wasm_instance_t *instance)
{
    if (kp_wasm_x86_is_trap(pc, instance, address))
        return KP_WASM_TRAP_MEMORY_BOUNDS;
    kp_process_trap(KP_TRAP_ABORT, (uint64_t)(uintptr_t)pc);
}

bool kp_wasm_platform_guard(void)
{
    return kp_guest_handler((uintptr_t)kp_wasm_kpio_fault) == KP_OK;
}

void *kp_wasm_platform_code_map(const void *code, size_t size)
{
    (void)code;
    (void)size;
    return NULL;
}

void kp_wasm_platform_code_unmap(void *code, size_t size)
{
    (void)code;
    (void)size;
}

uint32_t kp_wasm_platform_wait(const void *address, uint64_t expected, unsigned width,
                               int64_t timeout_ns)
{
    kp_time_t deadline = KP_TIME_INFINITE, now = kp_now();
    if (timeout_ns >= 0 && timeout_ns < KP_TIME_INFINITE - now)
        deadline = now + timeout_ns;
    kp_status_t status = kp_futex_wait(address, expected, width, KP_HANDLE_NONE, deadline);
    return status == KP_OK ? 0 : status == KP_ERR_BAD_STATE ? 1 : 2;
}

uint32_t kp_wasm_platform_notify(const void *address, uint32_t count)
{
    int64_t woken = kp_futex_wake(address, count, KP_HANDLE_NONE);
    return woken > 0 ? (uint32_t)woken : 0;
}
