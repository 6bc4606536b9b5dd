/* The platform: KPIO, for the runtime linked into a native program (runtime/native). Guests' memories lie inside
   the process's own linear memory and are always checked: no faults become traps here. Compiled code is
   mapped by the system call code_map from what the compiler service made (compile/code.h's adopt), never
   made here. */
#include "runtime/instance/internal.h"

#include "runtime/instance/platform.h"
#include "runtime/program/kp.h"

void *kp_wasm_platform_reserve(uint64_t size)
{
    return kp_native_pages_reserve(size);
}

kp_status_t kp_wasm_platform_commit(void *at, uint64_t size)
{
    return kp_native_pages_commit(at, size);
}

void kp_wasm_platform_release(void *at, uint64_t size)
{
    kp_native_pages_release(at, size);
}

bool kp_wasm_platform_guard(void)
{
    return false;
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
