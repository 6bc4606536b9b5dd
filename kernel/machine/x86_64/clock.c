/* Time: the time stamp counter, its rate from CPUID or measured against the PIT while boot does
   other work; wall-clock time from the CMOS clock, read when it is first asked for. */
#include "kernel/machine/x86_64/clock.h"
#include "kernel/machine/x86_64/io.h"
#include "kernel/machine/x86_64/lapic.h"

enum {
    PIT_RATE = 1193182,
    PIT_CHANNEL2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_GATE = 0x61,
    PIT_MEASURE = PIT_RATE / 500, /* 2 ms: an error of 1 count is 0.04 % */
    PIT_REFINE_MS = 45,           /* of the 55 that the channel can count */
    REFINE_TRIES = 20,
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,
};

static uint64_t frequency;
static const char *source = "none";

kp_x86_clock_t kp_x86_clock;
static kp_spinlock_t base_lock; /* for writers */

static _Atomic kp_time_t latest; /* what kp_machine_now said last; only when unsynchronised */

static kp_spinlock_t realtime_lock;
static uint64_t realtime_offset; /* ns between boot and 1970; 0: not read yet; guarded by: lock */

/* Returns the time stamp at which it began. */
static uint64_t pit_start(void)
{
    /* Channel 2, not connected to an interrupt, counts down once from 65535 (55 ms). */
    kp_x86_out8(PIT_GATE, (kp_x86_in8(PIT_GATE) & 0xfc) | 1);
    kp_x86_out8(PIT_COMMAND, 0xb0);
    kp_x86_out8(PIT_CHANNEL2, 0xff);
    kp_x86_out8(PIT_CHANNEL2, 0xff);
    return kp_x86_tsc();
}

void kp_x86_clock_begin(void)
{
    kp_x86_clock.base_tsc = pit_start();
}

/* Counts since the channel was started; -1: it ran through. */
static int32_t pit_elapsed(void)
{
    kp_x86_out8(PIT_COMMAND, 0x80);
    uint32_t low = kp_x86_in8(PIT_CHANNEL2);
    uint32_t count = kp_x86_in8(PIT_CHANNEL2) << 8 | low;
    return kp_x86_in8(PIT_GATE) & 0x20 ? -1 : (int32_t)(0xffff - count);
}

static uint64_t frequency_from_cpuid(void)
{
    uint32_t last = kp_x86_cpuid(0, 0).a;
    if (last >= 0x15) {
        kp_x86_cpuid_t r = kp_x86_cpuid(0x15, 0);
        if (r.a && r.b && r.c) {
            source = "CPUID 15h";
            return (uint64_t)r.c * r.b / r.a;
        }
    }
    if (kp_x86_features.hypervisor && kp_x86_cpuid(0x40000000, 0).a >= 0x40000010) {
        uint32_t khz = kp_x86_cpuid(0x40000010, 0).a;
        if (khz) {
            source = "hypervisor";
            return khz * 1000ull;
        }
    }
    return 0;
}

static uint64_t frequency_from_pit(void)
{
    source = "PIT";
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        uint64_t start = attempt ? pit_start() : kp_x86_clock.base_tsc;
        /* A PIT that does not count must not hang the boot: 2^31 cycles are plenty for 2 ms. */
        for (uint64_t tsc = start; tsc - start < 1ull << 31;) {
            int32_t counts = pit_elapsed();
            tsc = kp_x86_tsc();
            if (counts < 0)
                break;
            if (counts >= PIT_MEASURE)
                return kp_x86_multiply_divide(tsc - start, PIT_RATE, (uint32_t)counts);
        }
    }
    source = "guess";
    return 1000000000;
}

void kp_x86_clock_calibrate(void)
{
    uint64_t rate = frequency_from_cpuid();
    if (!rate)
        rate = frequency_from_pit();
    frequency = rate;
    kp_x86_clock.scale = kp_x86_multiply_divide(1000000000, 1ull << 32, rate);
    kp_x86_lapic_calibrate();
}

uint64_t kp_x86_tsc_frequency(void)
{
    return frequency;
}

const char *kp_x86_clock_source(void)
{
    return source;
}

/* The CPUs' counters differ: never before what any CPU has said. */
static kp_time_t not_before(kp_time_t now)
{
    kp_time_t last = atomic_load_explicit(&latest, memory_order_relaxed);
    while (now > last)
        if (atomic_compare_exchange_weak_explicit(&latest, &last, now, memory_order_relaxed,
                                                  memory_order_relaxed))
            return now;
    return last;
}

kp_time_t kp_machine_now(void)
{
    for (;;) {
        uint32_t before = atomic_load_explicit(&kp_x86_clock.sequence, memory_order_acquire);
        kp_time_t now = kp_x86_clock_at(kp_x86_tsc());
        atomic_thread_fence(memory_order_acquire);
        if (!(before & KP_X86_CLOCK_CHANGES) &&
            atomic_load_explicit(&kp_x86_clock.sequence, memory_order_relaxed) == before)
            return before & KP_X86_CLOCK_UNSYNCHRONISED ? not_before(now) : now;
    }
}

void kp_x86_clock_set_unsynchronised(uint64_t counts)
{
    kp_spin_lock(&base_lock);
    uint32_t old = atomic_fetch_or(&kp_x86_clock.sequence, (uint32_t)KP_X86_CLOCK_UNSYNCHRONISED);
    kp_spin_unlock(&base_lock);
    if (!(old & KP_X86_CLOCK_UNSYNCHRONISED))
        kp_log("clock", KP_LOG_WARN, "the CPUs' time stamp counters differ by %llu counts",
               (unsigned long long)counts);
}

/* From here on the counter counts `rate` a second; time goes on without a step. */
static void rate_change(uint64_t rate)
{
    kp_spin_lock(&base_lock);
    uint64_t tsc = kp_x86_tsc();
    kp_time_t now = kp_x86_clock_at(tsc);
    atomic_fetch_add_explicit(&kp_x86_clock.sequence, KP_X86_CLOCK_CHANGES, memory_order_acq_rel);
    kp_x86_clock.base_tsc = tsc;
    kp_x86_clock.base_ns = (uint64_t)now;
    kp_x86_clock.scale = kp_x86_multiply_divide(1000000000, 1ull << 32, rate);
    frequency = rate;
    atomic_fetch_add_explicit(&kp_x86_clock.sequence, KP_X86_CLOCK_STEP - KP_X86_CLOCK_CHANGES,
                              memory_order_acq_rel);
    kp_spin_unlock(&base_lock);
}

void kp_x86_clock_refine(void *argument)
{
    (void)argument;
    if (strcmp(source, "PIT") != 0)
        return;
    /* A measurement is lost when this thread comes back late: the channel has run through. */
    for (unsigned i = 0; i < REFINE_TRIES; i++) {
        uint64_t start = pit_start();
        while (kp_machine_thread_park(kp_machine_now() + PIT_REFINE_MS * KP_NS_PER_MS)) {
        }
        int32_t counts = pit_elapsed();
        uint64_t tsc = kp_x86_tsc();
        if (counts < 0)
            continue;
        uint64_t rate = kp_x86_multiply_divide(tsc - start, PIT_RATE, (uint32_t)counts);
        int64_t change = (int64_t)(rate - frequency);
        kp_log("clock", KP_LOG_DEBUG, "TSC %llu Hz, corrected by %lld ppm",
               (unsigned long long)rate, (long long)(change * 1000000 / (int64_t)frequency));
        rate_change(rate);
        return;
    }
    kp_log("clock", KP_LOG_WARN, "the TSC's rate could not be measured well: time may drift");
}

static uint8_t cmos(uint8_t index)
{
    kp_x86_out8(CMOS_INDEX, index);
    return kp_x86_in8(CMOS_DATA);
}

static unsigned bcd(unsigned value, bool binary)
{
    return binary ? value : (value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar: years count from March, so that the
   leap day is the last day of its year. */
static uint64_t days_from_date(unsigned year, unsigned month, unsigned day)
{
    if (month <= 2)
        year--;
    uint64_t era = year / 400, of_era = year % 400;
    uint64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Seconds since 1970 by the CMOS clock, which must be in UTC. */
static uint64_t cmos_seconds(void)
{
    static const uint8_t indexes[] = {0, 2, 4, 7, 8, 9}; /* s, min, h, day, month, year */
    uint8_t now[6], again[6];
    /* Two equal readings with no update between; the bound covers a clock that is missing. */
    for (unsigned tries = 0; tries < 100000; tries++) {
        if (cmos(10) & 0x80)
            continue;
        for (unsigned i = 0; i < 6; i++)
            now[i] = cmos(indexes[i]);
        for (unsigned i = 0; i < 6; i++)
            again[i] = cmos(indexes[i]);
        if (memcmp(now, again, sizeof(now)) == 0)
            break;
    }
    uint8_t format = cmos(11);
    bool binary = format & 4;
    unsigned hour = bcd(now[2] & 0x7f, binary);
    if (!(format & 2)) /* 12-hour clock: bit 7 is PM */
        hour = hour % 12 + (now[2] & 0x80 ? 12 : 0);
    unsigned month = bcd(now[4], binary), day = bcd(now[3], binary);
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return 0;
    uint64_t days = days_from_date(2000 + bcd(now[5], binary), month, day);
    return ((days * 24 + hour) * 60 + bcd(now[1], binary)) * 60 + bcd(now[0], binary);
}

uint64_t kp_machine_realtime(void)
{
    kp_spin_lock(&realtime_lock);
    if (!realtime_offset)
        realtime_offset = cmos_seconds() * 1000000000ull - (uint64_t)kp_machine_now();
    uint64_t offset = realtime_offset;
    kp_spin_unlock(&realtime_lock);
    return offset + (uint64_t)kp_machine_now();
}
