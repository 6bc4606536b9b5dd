/* The clock's reading, inlined where every instruction counts. */
#ifndef KP_X86_CLOCK_H
#define KP_X86_CLOCK_H

#include "kernel/machine/x86_64/cpu.h"

/* Time is base_ns + (counter - base_tsc) * scale. Bit 0 of the sequence is set while these change, bit 1
   when the CPUs' counters differ; it counts by 4. Readers that see it change read again. */
enum { KP_X86_CLOCK_CHANGES = 1, KP_X86_CLOCK_UNSYNCHRONISED = 2, KP_X86_CLOCK_STEP = 4 };
typedef struct kp_x86_clock {
    _Atomic uint32_t sequence;
    uint64_t base_tsc; /* at first kp_x86_clock_begin: time 0 */
    uint64_t base_ns;
    uint64_t scale; /* nanoseconds per count, 32 fractional bits */
} kp_x86_clock_t;
extern kp_x86_clock_t kp_x86_clock;

static inline kp_time_t kp_x86_clock_at(uint64_t tsc)
{
    uint64_t low, high;
    __asm__("mulq %3"
            : "=a"(low), "=d"(high)
            : "a"(tsc - kp_x86_clock.base_tsc), "r"(kp_x86_clock.scale)
            : "cc");
    return (kp_time_t)(kp_x86_clock.base_ns + (high << 32 | low >> 32));
}

static inline kp_time_t kp_x86_clock_now(void)
{
    uint32_t before = atomic_load_explicit(&kp_x86_clock.sequence, memory_order_acquire);
    kp_time_t now = kp_x86_clock_at(kp_x86_tsc());
    atomic_thread_fence(memory_order_acquire);
    if (__builtin_expect(!(before & (KP_X86_CLOCK_CHANGES | KP_X86_CLOCK_UNSYNCHRONISED)) &&
                             atomic_load_explicit(&kp_x86_clock.sequence, memory_order_relaxed) ==
                                 before,
                         1))
        return now;
    return kp_machine_now();
}

#endif
