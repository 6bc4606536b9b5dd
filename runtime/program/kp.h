/* System calls for programs: one function kp_NAME per call of abi/calls.def. What each call does,
   its errors and the rights it needs: abi/calls.h. Everything here passes through the module's only
   import, kpio.call. Functions that create something return a handle (> 0) or an error, so test
   with `< 0`; functions that count bytes return the count or an error.

   All of it may be called from anywhere in a program; a program has one thread. */
#ifndef KP_RUNTIME_PROGRAM_KP_H
#define KP_RUNTIME_PROGRAM_KP_H

#include <stdarg.h>
#include <stdbool.h>

#include "abi/calls.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The import. A native unit test defines this function itself to play the kernel. */
#ifdef __wasm__
__attribute__((import_module("kpio"), import_name("call")))
#endif
int64_t
kp_call(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
        uint64_t a5);

/* A pointer as calls take it: an offset into linear memory. */
static inline uint64_t kp_mem(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static inline kp_status_t kp_handle_close(kp_handle_t handle)
{
    return (kp_status_t)kp_call(KP_CALL_handle_close, handle, 0, 0, 0, 0, 0);
}

static inline int64_t kp_handle_duplicate(kp_handle_t handle, kp_rights_t rights)
{
    return kp_call(KP_CALL_handle_duplicate, handle, rights, 0, 0, 0, 0);
}

static inline int64_t kp_handle_replace(kp_handle_t handle, kp_rights_t rights)
{
    return kp_call(KP_CALL_handle_replace, handle, rights, 0, 0, 0, 0);
}

static inline kp_status_t kp_object_info(kp_handle_t handle, kp_object_info_t *info)
{
    return (kp_status_t)kp_call(KP_CALL_object_info, handle, kp_mem(info), 0, 0, 0, 0);
}

static inline kp_status_t kp_object_signal(kp_handle_t handle, kp_signals_t clear, kp_signals_t set)
{
    return (kp_status_t)kp_call(KP_CALL_object_signal, handle, clear, set, 0, 0, 0);
}

/* deadline: absolute, KP_TIME_INFINITE or KP_TIME_POLL. observed may be NULL. */
static inline kp_status_t kp_object_wait_one(kp_handle_t handle, kp_signals_t signals,
                                             kp_time_t deadline, kp_signals_t *observed)
{
    return (kp_status_t)kp_call(KP_CALL_object_wait_one, handle, signals, (uint64_t)deadline,
                                kp_mem(observed), 0, 0);
}

static inline kp_status_t kp_object_wait_many(kp_wait_item_t *items, size_t count,
                                              kp_time_t deadline)
{
    return (kp_status_t)kp_call(KP_CALL_object_wait_many, kp_mem(items), count, (uint64_t)deadline,
                                0, 0, 0);
}

static inline kp_status_t kp_channel_create(kp_handle_t out[2])
{
    return (kp_status_t)kp_call(KP_CALL_channel_create, kp_mem(out), 0, 0, 0, 0, 0);
}

static inline kp_status_t kp_channel_write(kp_handle_t channel, const void *bytes,
                                           size_t byte_count, const kp_handle_t *handles,
                                           size_t handle_count)
{
    return (kp_status_t)kp_call(KP_CALL_channel_write, channel, kp_mem(bytes), byte_count,
                                kp_mem(handles), handle_count, 0);
}

/* actual: {bytes, handles}. */
static inline kp_status_t kp_channel_read(kp_handle_t channel, void *bytes, size_t byte_capacity,
                                          kp_handle_t *handles, size_t handle_capacity,
                                          uint32_t actual[2])
{
    return (kp_status_t)kp_call(KP_CALL_channel_read, channel, kp_mem(bytes), byte_capacity,
                                kp_mem(handles), handle_capacity, kp_mem(actual));
}

static inline int64_t kp_vmo_create(uint64_t byte_size)
{
    return kp_call(KP_CALL_vmo_create, byte_size, 0, 0, 0, 0, 0);
}

static inline int64_t kp_vmo_size(kp_handle_t vmo)
{
    return kp_call(KP_CALL_vmo_size, vmo, 0, 0, 0, 0, 0);
}

static inline kp_status_t kp_vmo_read(kp_handle_t vmo, uint64_t offset, void *bytes, size_t count)
{
    return (kp_status_t)kp_call(KP_CALL_vmo_read, vmo, offset, kp_mem(bytes), count, 0, 0);
}

static inline kp_status_t kp_vmo_write(kp_handle_t vmo, uint64_t offset, const void *bytes,
                                       size_t count)
{
    return (kp_status_t)kp_call(KP_CALL_vmo_write, vmo, offset, kp_mem(bytes), count, 0, 0);
}

/* Prefer runtime/program/vmo.h, which finds the address. flags: KP_VMO_MAP_*. */
static inline kp_status_t kp_vmo_map(kp_handle_t vmo, uint64_t offset, void *address, size_t length,
                                     uint32_t flags)
{
    return (kp_status_t)kp_call(KP_CALL_vmo_map, vmo, offset, kp_mem(address), length, flags, 0);
}

static inline kp_status_t kp_vmo_unmap(void *address, size_t length)
{
    return (kp_status_t)kp_call(KP_CALL_vmo_unmap, kp_mem(address), length, 0, 0, 0, 0);
}

static inline int64_t kp_event_create(void)
{
    return kp_call(KP_CALL_event_create, 0, 0, 0, 0, 0, 0);
}

/* kp_memory_grow is not here: linear memory grows by the memory.grow instruction (malloc does). */

static inline kp_status_t kp_clock_get(uint32_t clock, uint64_t *ns)
{
    return (kp_status_t)kp_call(KP_CALL_clock_get, clock, kp_mem(ns), 0, 0, 0, 0);
}

/* Nanoseconds since boot: what deadlines are counted in. */
static inline kp_time_t kp_now(void)
{
    uint64_t ns = 0;
    (void)kp_clock_get(KP_CLOCK_MONOTONIC, &ns); /* cannot fail: the address is ours */
    return (kp_time_t)ns;
}

static inline kp_status_t kp_random_get(void *bytes, size_t count)
{
    return (kp_status_t)kp_call(KP_CALL_random_get, kp_mem(bytes), count, 0, 0, 0, 0);
}

static inline kp_status_t kp_debug_log(const char *bytes, size_t count)
{
    return (kp_status_t)kp_call(KP_CALL_debug_log, kp_mem(bytes), count, 0, 0, 0, 0);
}

/* Prefer runtime/program/startup.h, which reads the channel's message. */
static inline int64_t kp_startup_channel(void)
{
    return kp_call(KP_CALL_startup_channel, 0, 0, 0, 0, 0, 0);
}

/* Ends the process at once: no atexit functions, no flush. exit() does those first. */
_Noreturn static inline void kp_process_exit(int32_t code)
{
    kp_call(KP_CALL_process_exit, (uint64_t)(int64_t)code, 0, 0, 0, 0, 0);
    __builtin_trap();
}

/* trap: KP_TRAP_*. address: where, for KP_TRAP_OUT_OF_BOUNDS; otherwise 0. */
_Noreturn static inline void kp_process_trap(uint32_t trap, uint64_t address)
{
    kp_call(KP_CALL_process_trap, trap, address, 0, 0, 0, 0);
    __builtin_trap();
}

static inline kp_status_t kp_process_info(kp_handle_t process, kp_process_info_t *info)
{
    return (kp_status_t)kp_call(KP_CALL_process_info, process, kp_mem(info), 0, 0, 0, 0);
}

static inline kp_status_t kp_process_kill(kp_handle_t process)
{
    return (kp_status_t)kp_call(KP_CALL_process_kill, process, 0, 0, 0, 0, 0);
}

static inline int64_t kp_service_register(kp_handle_t service)
{
    return kp_call(KP_CALL_service_register, service, 0, 0, 0, 0, 0);
}

static inline int64_t kp_service_connect(kp_handle_t service)
{
    return kp_call(KP_CALL_service_connect, service, 0, 0, 0, 0, 0);
}

static inline int64_t kp_device_read(kp_handle_t device, void *bytes, size_t capacity)
{
    return kp_call(KP_CALL_device_read, device, kp_mem(bytes), capacity, 0, 0, 0);
}

static inline int64_t kp_device_write(kp_handle_t device, const void *bytes, size_t count)
{
    return kp_call(KP_CALL_device_write, device, kp_mem(bytes), count, 0, 0, 0);
}

/* op: KP_DEVICE_OP_* (abi/device.h). Returns the bytes written to out. */
static inline int64_t kp_device_control(kp_handle_t device, uint32_t op, const void *in,
                                        size_t in_count, void *out, size_t out_capacity)
{
    return kp_call(KP_CALL_device_control, device, op, kp_mem(in), in_count, kp_mem(out),
                   out_capacity);
}

static inline kp_status_t kp_tab_create(kp_handle_t coordinator, kp_tab_created_t *out)
{
    return (kp_status_t)kp_call(KP_CALL_tab_create, coordinator, kp_mem(out), 0, 0, 0, 0);
}

/* name: at most 32 bytes. Stamps a boot phase for the benchmark. */
static inline kp_status_t kp_boot_mark(const char *name)
{
    return (kp_status_t)kp_call(KP_CALL_boot_mark, kp_mem(name), __builtin_strlen(name), 0, 0, 0,
                                0);
}

/* One line to the kernel's log, as printf; cut at 1024 bytes. No newline needed. */
void kp_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kp_vlog(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

#ifdef __cplusplus
}
#endif

#endif
