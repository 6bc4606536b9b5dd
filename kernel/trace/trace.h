/* Kernel events in a ring per processor. Off, a trace point costs a load and a branch; on, a record of
   40 bytes and no lock. The newest records stay; the names of threads are kept apart from them.

   kp_trace may be called from any context, interrupts and held locks included. */
#ifndef KP_KERNEL_TRACE_H
#define KP_KERNEL_TRACE_H

#include "abi/trace.h"
#include "kernel/base/base.h"

#define KP_TRACE_CPUS_MAX 16u
#define KP_TRACE_NAMES_MAX 2048u

extern atomic_bool kp_trace_is_on;

/* Makes rings of `records` (rounded up to a power of two, at least 64) for each processor and begins.
   Once; ERR_BAD_STATE later, ERR_NO_MEMORY. */
kp_status_t kp_trace_start(uint32_t cpu_count, uint32_t records);

/* Ends the recording and hands it to write in parts (abi/trace.h); stops at its first error. Thread
   context. Once. ERR_BAD_STATE when nothing was begun. */
kp_status_t kp_trace_finish(kp_status_t (*write)(void *context, const void *bytes, size_t count),
                            void *context);

void kp_trace_record(uint16_t event, uint64_t a, uint64_t b, uint32_t c);
void kp_trace_switch_record(uint64_t from, uint64_t to);
void kp_trace_mark(const char *name);
/* A thread's name, for the time line. */
void kp_trace_thread(uint64_t thread, uint64_t process, const char *name);

static inline void kp_trace(uint16_t event, uint64_t a, uint64_t b, uint32_t c)
{
    if (__builtin_expect(atomic_load_explicit(&kp_trace_is_on, memory_order_relaxed), 0))
        kp_trace_record(event, a, b, c);
}

/* The processor goes from one thread to another; koids, 0: idle. */
static inline void kp_trace_switch(uint64_t from, uint64_t to)
{
    if (__builtin_expect(atomic_load_explicit(&kp_trace_is_on, memory_order_relaxed), 0))
        kp_trace_switch_record(from, to);
}

#endif
