/* The local APIC and its timer: TSC deadline where the CPU has it, else one-shot. */
#include "kernel/machine/x86_64/lapic.h"

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/trap.h"

enum {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
    BASE_X2APIC = 1 << 10,
    BASE_ENABLE = 1 << 11,
    /* Register numbers: offset / 16 in MMIO, MSR_X2APIC + number. */
    REGISTER_ID = 0x02,
    REGISTER_TASK_PRIORITY = 0x08,
    REGISTER_EOI = 0x0b,
    REGISTER_SPURIOUS = 0x0f,
    REGISTER_COMMAND = 0x30, /* and 0x31; one of 64 bits in x2APIC */
    REGISTER_TIMER = 0x32,
    REGISTER_LINT0 = 0x35,
    REGISTER_LINT1 = 0x36,
    REGISTER_ERROR = 0x37,
    REGISTER_INITIAL = 0x38,
    REGISTER_CURRENT = 0x39,
    REGISTER_DIVIDE = 0x3e,
    SPURIOUS_ENABLE = 0x100,
    COMMAND_NMI = 4 << 8,
    COMMAND_INIT = 5 << 8,
    COMMAND_START = 6 << 8,
    COMMAND_PENDING = 1 << 12,
    COMMAND_ASSERT = 1 << 14,
    COMMAND_OTHERS = 3 << 18,
    MASKED = 1 << 16,
    TIMER_DEADLINE = 2 << 17,
    DIVIDE_BY_1 = 0x0b,
};

static volatile uint32_t *registers; /* NULL: x2APIC */
static uint64_t measure_tsc;
static uint64_t timer_rate; /* counts per second of the one-shot timer */

static uint32_t read(size_t number)
{
    return registers ? registers[number * 4]
                     : (uint32_t)kp_x86_msr_read(MSR_X2APIC + (uint32_t)number);
}

static void write(size_t number, uint32_t value)
{
    if (registers)
        registers[number * 4] = value;
    else
        kp_x86_msr_write(MSR_X2APIC + (uint32_t)number, value);
}

/* Switches the calling CPU's on and sets all but the timer. */
static uint64_t enable(void)
{
    uint64_t base = kp_x86_msr_read(MSR_APIC_BASE) | BASE_ENABLE;
    kp_x86_msr_write(MSR_APIC_BASE, base);
    if (kp_x86_features.x2apic)
        kp_x86_msr_write(MSR_APIC_BASE, base | BASE_X2APIC);
    return base & 0xfffff000;
}

static void set_up(void)
{
    write(REGISTER_TASK_PRIORITY, 0);
    write(REGISTER_LINT0, MASKED);
    write(REGISTER_LINT1, MASKED);
    write(REGISTER_ERROR, MASKED);
    write(REGISTER_SPURIOUS, SPURIOUS_ENABLE | KP_X86_VECTOR_SPURIOUS);
    if (kp_x86_features.tsc_deadline) {
        write(REGISTER_TIMER, TIMER_DEADLINE | KP_X86_VECTOR_TIMER);
        __asm__ volatile("mfence" : : : "memory"); /* before the first deadline, says the manual */
        return;
    }
    write(REGISTER_DIVIDE, DIVIDE_BY_1);
}

void kp_x86_lapic_init(void)
{
    uint64_t base = enable();
    if (!kp_x86_features.x2apic) {
        registers = kp_x86_map_mmio(base, KP_PAGE_SIZE);
        if (!registers)
            kp_panic("cannot map the local APIC");
    }
    set_up();
    kp_x86_cpu()->apic = kp_x86_lapic_id();
    if (kp_x86_features.tsc_deadline)
        return;
    write(REGISTER_TIMER, MASKED | KP_X86_VECTOR_TIMER);
    measure_tsc = kp_x86_tsc();
    write(REGISTER_INITIAL, UINT32_MAX);
}

void kp_x86_lapic_init_cpu(void)
{
    enable();
    set_up();
    if (!kp_x86_features.tsc_deadline)
        write(REGISTER_TIMER, KP_X86_VECTOR_TIMER);
}

static void command(uint32_t id, uint32_t low)
{
    /* An interrupt between the two halves could send one of its own. */
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    if (registers) {
        while (read(REGISTER_COMMAND) & COMMAND_PENDING)
            __asm__ volatile("pause");
        write(REGISTER_COMMAND + 1, id << 24);
        write(REGISTER_COMMAND, low);
    } else {
        __asm__ volatile("mfence; lfence" : : : "memory"); /* what was written is seen first */
        kp_x86_msr_write(MSR_X2APIC + REGISTER_COMMAND, (uint64_t)id << 32 | low);
    }
    if (interrupts)
        kp_x86_interrupts_on();
}

void kp_x86_lapic_send(uint32_t id, uint8_t vector)
{
    command(id, COMMAND_ASSERT | vector);
}

void kp_x86_lapic_send_init(uint32_t id)
{
    command(id, COMMAND_ASSERT | COMMAND_INIT);
}

void kp_x86_lapic_send_start(uint32_t id, uint8_t page)
{
    command(id, COMMAND_ASSERT | COMMAND_START | page);
}

void kp_x86_lapic_send_nmi_to_others(void)
{
    command(0, COMMAND_ASSERT | COMMAND_NMI | COMMAND_OTHERS);
}

void kp_x86_lapic_calibrate(void)
{
    if (kp_x86_features.tsc_deadline)
        return;
    uint64_t frequency = kp_x86_tsc_frequency(), tsc;
    uint32_t counted;
    /* 200 us are enough: a timer that is a little off fires early or late by as little. */
    do {
        tsc = kp_x86_tsc() - measure_tsc;
        counted = UINT32_MAX - read(REGISTER_CURRENT);
    } while (tsc < frequency / 5000);
    timer_rate = kp_x86_multiply_divide(counted, frequency, tsc);
    if (timer_rate == 0)
        kp_panic("the local APIC's timer does not count");
    write(REGISTER_INITIAL, 0);
    write(REGISTER_TIMER, KP_X86_VECTOR_TIMER);
}

uint32_t kp_x86_lapic_id(void)
{
    return registers ? read(REGISTER_ID) >> 24 : read(REGISTER_ID);
}

void kp_x86_lapic_acknowledge(void)
{
    write(REGISTER_EOI, 0);
}

void kp_x86_timer_arm(kp_time_t deadline)
{
    kp_x86_cpu()->timer_armed = deadline;
    if (deadline == KP_TIME_INFINITE) {
        if (kp_x86_features.tsc_deadline)
            kp_x86_msr_write(MSR_TSC_DEADLINE, 0);
        else
            write(REGISTER_INITIAL, 0);
        return;
    }
    /* At most a day, so that no multiplication overflows; one-shot as long as its 32 bits last. The
       receiver arms it again. */
    kp_time_t wait = deadline - kp_machine_now();
    uint64_t ns = (uint64_t)KP_MIN(KP_MAX(wait, 0), 86400 * KP_NS_PER_S);
    if (kp_x86_features.tsc_deadline) {
        uint64_t counts = kp_x86_multiply_divide(ns, kp_x86_tsc_frequency(), 1000000000);
        kp_x86_msr_write(MSR_TSC_DEADLINE, kp_x86_tsc() + KP_MAX(counts, 1));
    } else {
        uint64_t counts = kp_x86_multiply_divide(ns, timer_rate, 1000000000);
        write(REGISTER_INITIAL, (uint32_t)KP_MIN(KP_MAX(counts, 1), UINT32_MAX));
    }
}
