/* Random numbers: RDSEED or RDRAND and timing jitter feed the kernel's generator. */
#include "kernel/base/random.h"
#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/entropy.h"
#include "kernel/machine/x86_64/interrupt.h"
#include "kernel/machine/x86_64/io.h"

enum { SEED_WORDS = 8, TRIES = 32, JITTER_SAMPLES = 64 };

static kp_spinlock_t lock;
static kp_random_t generator; /* guarded by: lock */

static bool hardware_word(uint64_t *word)
{
    bool carry = false;
    for (unsigned i = 0; i < TRIES && !carry; i++) {
        if (kp_x86_features.rdseed)
            __asm__ volatile("rdseed %0" : "=r"(*word), "=@ccc"(carry));
        if (!carry && kp_x86_features.rdrand)
            __asm__ volatile("rdrand %0" : "=r"(*word), "=@ccc"(carry));
    }
    return carry;
}

/* Port reads take a time that depends on the bus or on the host's scheduling. */
static void jitter(uint64_t *words, unsigned count)
{
    uint64_t previous = kp_x86_tsc();
    for (unsigned i = 0; i < count; i++) {
        (void)kp_x86_in8(0x61);
        uint64_t now = kp_x86_tsc();
        words[i % SEED_WORDS] = (words[i % SEED_WORDS] << 7 | words[i % SEED_WORDS] >> 57) ^
                                (now - previous) ^ now << 32;
        previous = now;
    }
}

void kp_x86_entropy_init(void)
{
    uint64_t words[SEED_WORDS] = {0};
    for (unsigned i = 0; i < SEED_WORDS; i++) {
        uint64_t word = 0;
        if (hardware_word(&word))
            words[i] ^= word;
    }
    kp_x86_entropy_add(words, sizeof(words));
    memset(words, 0, sizeof(words));
    /* Without a hardware generator jitter is all there is until virtio-rng answers: take more. */
    unsigned rounds = kp_x86_features.rdrand || kp_x86_features.rdseed ? 1 : 8;
    for (unsigned i = 0; i < rounds; i++) {
        jitter(words, JITTER_SAMPLES);
        kp_x86_entropy_add(words, sizeof(words));
    }
}

void kp_x86_entropy_add(const void *bytes, size_t count)
{
    kp_spin_lock(&lock);
    kp_random_add(&generator, bytes, count);
    kp_spin_unlock(&lock);
}

kp_status_t kp_machine_random(void *bytes, size_t count)
{
    /* The lock is held for a key only, and the bytes come from that: processors that want many at once do
       not wait for each other. Fresh time guards against a state that a snapshot of the machine repeats. */
    kp_random_t own;
    uint64_t now = kp_x86_tsc();
    kp_spin_lock(&lock);
    kp_random_add(&generator, &now, sizeof(now));
    kp_random_bytes(&generator, own.key, sizeof(own.key));
    kp_spin_unlock(&lock);
    for (char *out = bytes; count > 0;) {
        size_t part = KP_MIN(count, (size_t)KP_RANDOM_PART);
        kp_random_bytes(&own, out, part);
        out += part;
        count -= part;
    }
    memset(&own, 0, sizeof(own));
    __asm__ volatile("" : : "r"(&own) : "memory"); /* the key must really be gone */
    return KP_OK;
}
