/* What the store needs of the machine below: address space, executable mappings, waiting. One
   implementation per platform (linux.c, kpio.c). */
#ifndef KP_RUNTIME_INSTANCE_PLATFORM_H
#define KP_RUNTIME_INSTANCE_PLATFORM_H

#include "runtime/instance/instance.h"

/* Address space without access, page-aligned; NULL: exhausted. */
void *kp_wasm_platform_reserve(uint64_t size);
/* The same for a GUARDED memory. shared: threads may wait for its words. NULL: exhausted, or this platform has
   none for such a memory; then it may still be had as a CHECKED one. */
void *kp_wasm_platform_reserve_guarded(uint64_t size, bool shared);
/* Makes [at + old, at + size) of the reservation `at` readable and writable, zero-filled. Pages of 64 KiB. */
kp_status_t kp_wasm_platform_commit(void *at, uint64_t old, uint64_t size);
/* Committed bytes are about to be written: gives them their pages in one step, where that is cheaper than a fault for
   each. A hint; no effect but time. */
void kp_wasm_platform_populate(void *at, uint64_t size);
void kp_wasm_platform_release(void *at, uint64_t size);
/* Makes faults of registered code (code.h) on GUARDED memories of its instance traps; false: this
   platform cannot. Idempotent. */
bool kp_wasm_platform_guard(void);

/* A read-execute mapping of a copy of `code`; never writable again. NULL: exhausted. */
void *kp_wasm_platform_code_map(const void *code, size_t size);
void kp_wasm_platform_code_unmap(void *code, size_t size);
#if defined(__linux__)
/* A new memory file with these bytes, which nothing can change any more; flags: of memfd_create, beside those that
   it needs. -1: exhausted (errno). */
int kp_wasm_platform_sealed_file(const char *name, unsigned flags, const void *bytes, size_t size);
/* Seals a memory file (memfd_create with MFD_ALLOW_SEALING) against any change and maps a part of it
   read-execute; offset on a page boundary. NULL: exhausted, or it can still be written through a
   mapping. */
void *kp_wasm_platform_code_seal(int file, uint64_t offset, size_t size);
#endif

/* memory.atomic.wait and notify on an address: 0 woken, 1 not equal, 2 timed out; width 4 or 8. */
uint32_t kp_wasm_platform_wait(const void *address, uint64_t expected, unsigned width,
                               int64_t timeout_ns);
uint32_t kp_wasm_platform_notify(const void *address, uint32_t count);

#endif
