/* Native programs: C of ours (the WebAssembly runtime, not users' code) compiled straight to machine code, in
   an image like any other's (runtime/image/image.h). The process is confined as every process is: address
   space, handles, job. Inside it nothing is checked as WebAssembly would be; so only what runs other code safely
   itself belongs here.

   What differs from a program that came through wasm2c:
   - Pointers are machine addresses; system calls want offsets into linear memory. kp_mem() subtracts the base and
     ends the process (KP_TRAP_ABORT, with a line in the log) when the pointer is not in linear memory. Stack and
     heap are; static data and string literals are not. The stubs of runtime/program/kp.h therefore pass those by
     a copy on the heap; a structure's own pointers (kp_channel_message_t.bytes) must come from stack or heap.
   - Linear memory, from offset 0: 64 KiB that cannot be written (a stack that overflows ends the process there,
     KP_TRAP_OUT_OF_BOUNDS), the stack, the heap, and what kp_native_pages_* hands out, for which the memory
     grows on demand. Pages that were never touched cost nothing but the job's quota.
   - One thread. */
#ifndef KP_RUNTIME_NATIVE_NATIVE_H
#define KP_RUNTIME_NATIVE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/types.h"

/* Base of linear memory, and one more than the largest offset a pointer to it can have. */
extern uint8_t *kp_native_memory;
#define KP_NATIVE_MEMORY_MAX ((uint64_t)1 << 32)

static inline bool kp_native_is_memory(const void *pointer)
{
    return (uint64_t)((const uint8_t *)pointer - kp_native_memory) < KP_NATIVE_MEMORY_MAX;
}

/* The kernel reads and writes what the pointer names, which the compiler cannot see from an offset. */
static inline void kp_native_escape(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

/* Says what and ends the process. */
_Noreturn void kp_native_pointer_wrong(const void *pointer);

static inline uint64_t kp_mem(const void *pointer)
{
    if (!pointer)
        return 0;
    if (!kp_native_is_memory(pointer))
        kp_native_pointer_wrong(pointer);
    kp_native_escape(pointer);
    return (uint64_t)((const uint8_t *)pointer - kp_native_memory);
}

/* ---- for the stubs of kp.h ---- */

typedef struct kp_native_copy {
    void *original;
    void *copy;
    size_t size;
    bool out;
} kp_native_copy_t;

typedef struct kp_native_copies {
    uint32_t count;
    kp_native_copy_t items[6];
} kp_native_copies_t;

/* The offset of a copy; UINT64_MAX, which every call refuses, when there is no memory for one. */
uint64_t kp_native_copy_make(kp_native_copies_t *copies, uintptr_t pointer, size_t size, bool in,
                             bool out);
/* Writes results back and frees. */
void kp_native_copies_end(kp_native_copies_t *copies);

static inline uint64_t kp_native_pass(kp_native_copies_t *copies, const void *pointer, size_t size,
                                      bool in, bool out)
{
    if (!pointer || size == 0)
        return 0;
    kp_native_escape(pointer);
    if (kp_native_is_memory(pointer))
        return (uint64_t)((const uint8_t *)pointer - kp_native_memory);
    return kp_native_copy_make(copies, (uintptr_t)pointer, size, in, out);
}

/* ---- address space above the heap ---- Sizes are rounded up to 64 KiB. */

/* Without access yet; NULL: exhausted. */
void *kp_native_pages_reserve(uint64_t size);
/* [at, at + size) of a reservation becomes zeroed memory; again for the same range changes nothing.
   ERR_QUOTA: the job's limit. ERR_NO_MEMORY. */
kp_status_t kp_native_pages_commit(void *at, uint64_t size);
/* Gives a whole reservation back; its pages cost nothing any more. */
void kp_native_pages_release(void *at, uint64_t size);

/* ---- output ---- */

/* Where printf goes from now on: a console device (kept), or KP_HANDLE_NONE for the log, as at first. */
void kp_native_output_set(kp_handle_t console);
/* Standard output's bytes as they come. */
void kp_native_output(const char *bytes, size_t count);

/* ---- between the files here ---- */

extern const uint64_t kp_native_stack_end; /* offset; the stack begins here and grows down */
extern const uint64_t kp_native_heap_end;  /* offset; the heap lies from there to here */
void kp_native_pages_start(uint64_t used);

#endif
