/* Spinning before sleeping: worth it when the other side runs on another processor and answers soon. To
   wake a sleeper there costs 20 to 50 us on a virtual machine, seeing a word change 0.1 us. Measured
   figures: README.md. */
#ifndef KP_HOSTED_SPIN_H
#define KP_HOSTED_SPIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/rseq.h>

/* A round of looks, and rounds at most: together about what a wake-up costs. Who spun in vain spins half
   as long the next time; who has given it up tries again now and then. */
#define KP_SPIN_ROUND 64u
#define KP_SPIN_ROUNDS 16u
#define KP_SPIN_SKIPS 64u

typedef struct kp_spin {
    uint32_t patience; /* rounds */
    uint32_t skipped;
    bool has_no_area; /* the thread's thread pointer is another's */
} kp_spin_t;
#define KP_SPIN_START ((kp_spin_t){.patience = KP_SPIN_ROUNDS})

/* Where the caller runs, as good as it may be a moment later. Linux keeps the number in the thread's
   restartable-sequences area; without one, in a register that takes 50 ns to read. */
static inline uint32_t kp_spin_processor(const kp_spin_t *spin)
{
    if (__rseq_size > 0 && !spin->has_no_area) {
        const struct rseq *area =
            (const struct rseq *)((const char *)__builtin_thread_pointer() + __rseq_offset);
        return *(const volatile uint32_t *)&area->cpu_id;
    }
    uint32_t low, high, number;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(number));
    return number & 0xfff;
}

static inline uint32_t kp_processor(void)
{
    const kp_spin_t ordinary = KP_SPIN_START;
    return kp_spin_processor(&ordinary);
}

/* Waits a little for the word to be another than seen; false: it was not. of_peer: where the peer ran
   when it was last heard of. */
static inline bool kp_spin(kp_spin_t *spin, _Atomic uint32_t *word, uint32_t seen,
                           _Atomic uint32_t *of_peer)
{
    if (atomic_load_explicit(of_peer, memory_order_relaxed) == kp_spin_processor(spin))
        return false; /* it can run only when we do not */
    uint32_t rounds = spin->patience;
    if (rounds == 0) {
        if (++spin->skipped < KP_SPIN_SKIPS)
            return false;
        rounds = KP_SPIN_ROUNDS;
    }
    spin->skipped = 0;
    for (; rounds > 0; rounds--) {
        for (uint32_t i = 0; i < KP_SPIN_ROUND; i++) {
            if (atomic_load_explicit(word, memory_order_relaxed) != seen) {
                spin->patience = KP_SPIN_ROUNDS;
                return true;
            }
            __asm__ volatile("pause");
        }
    }
    spin->patience /= 2;
    return false;
}

#endif
