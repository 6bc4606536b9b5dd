#include "kernel/machine/x86_64/smp.h"

#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"

enum {
    FLUSH_ALL_ABOVE = 32, /* pages: reloading CR3 is cheaper */
    WARP_ROUNDS = 400,
};
#define INIT_WAIT (10 * KP_NS_PER_MS)
#define START_WAIT_S 10u /* a guest's CPU is a thread of a host, which may be busy */
#define START_WAIT (START_WAIT_S * KP_NS_PER_S)

/* What CPUs are asked to do; one request at a time. Whoever waits for the lock answers meanwhile. */
static struct {
    kp_spinlock_t lock;
    kp_machine_space_t *space; /* NULL: the kernel's; guarded by: lock, until answered */
    uint64_t start, end;
    _Atomic uint32_t pending; /* bit: CPU that has not answered */
} request;

static _Atomic uint32_t stopping; /* CPU + 1 of the one that panics */

/* ---- Kicks ---- */

void kp_x86_smp_kick(kp_x86_cpu_t *cpu)
{
    if (!atomic_exchange(&cpu->kicked, true))
        kp_x86_lapic_send(cpu->apic, KP_X86_VECTOR_KICK);
}

void kp_x86_smp_kicked(void)
{
    atomic_store(&kp_x86_cpu()->kicked, false);
    kp_x86_thread_tick(false);
}

/* ---- Requests ---- */

/* The calling CPU has the space loaded: it forgets what it knows of the addresses. */
static void flush(kp_x86_cpu_t *cpu, kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    if (cpu->current->space != space) {
        /* Left over from a thread before: not worth another interrupt. */
        cpu->space = NULL;
        kp_x86_root_write(kp_x86_paging_root());
        atomic_fetch_and(&space->cpus, ~(1u << cpu->number));
    } else if ((end - start) / KP_PAGE_SIZE > FLUSH_ALL_ABOVE) {
        kp_x86_root_write(space->root);
    } else {
        for (uint64_t at = start; at < end; at += KP_PAGE_SIZE)
            kp_x86_tlb_flush(at);
    }
}

/* The same of kernel addresses, which every space has. */
static void forget(uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += KP_PAGE_SIZE)
        kp_x86_tlb_flush(at);
}

void kp_x86_smp_poll(void)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    uint32_t bit = 1u << cpu->number;
    if (!(atomic_load_explicit(&request.pending, memory_order_acquire) & bit))
        return;
    if (!request.space)
        forget(request.start, request.end);
    else if (cpu->space == request.space)
        flush(cpu, request.space, request.start, request.end);
    atomic_fetch_and(&request.pending, ~bit);
}

/* Others than the caller's own, and interrupts are off, so that it stays the caller's. */
static void ask(uint32_t cpus, kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    KP_ASSERT(!(cpus >> kp_x86_cpu()->number & 1));
    kp_spin_lock(&request.lock);
    request.space = space;
    request.start = start;
    request.end = end;
    atomic_store_explicit(&request.pending, cpus, memory_order_release);
    for (uint32_t i = 0; cpus >> i; i++)
        if (cpus >> i & 1)
            kp_x86_lapic_send(kp_x86_cpus[i]->apic, KP_X86_VECTOR_REQUEST);
    while (atomic_load_explicit(&request.pending, memory_order_acquire))
        __asm__ volatile("pause");
    kp_spin_unlock(&request.lock);
}

void kp_x86_smp_shootdown(kp_machine_space_t *space, uint64_t start, uint64_t end)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    kp_x86_cpu_t *cpu = kp_x86_cpu();
    if (cpu->space == space)
        flush(cpu, space, start, end);
    /* The tables were written before; a CPU that loads them from now on says so first. */
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t others = atomic_load(&space->cpus) & ~(1u << cpu->number);
    if (others)
        ask(others, space, start, end);
    if (interrupts)
        kp_x86_interrupts_on();
}

void kp_x86_smp_forget(uint64_t start, uint64_t end)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    forget(start, end);
    uint32_t others = (uint32_t)((1ull << kp_x86_view.count) - 1) & ~(1u << kp_x86_cpu()->number);
    if (others)
        ask(others, NULL, start, end);
    if (interrupts)
        kp_x86_interrupts_on();
}

void kp_x86_smp_barrier(uint32_t number)
{
    bool interrupts = kp_x86_flags() & KP_X86_FLAG_INTERRUPT;
    kp_x86_interrupts_off();
    /* The caller may have been moved to that CPU since: then whoever ran there has left it. */
    if (number != kp_x86_cpu()->number)
        ask(1u << number, NULL, 0, 0);
    if (interrupts)
        kp_x86_interrupts_on();
}

/* ---- Panic ---- */

bool kp_x86_smp_stop_others(void)
{
    uint32_t self = kp_x86_cpu()->number + 1, nobody = 0;
    if (!atomic_compare_exchange_strong(&stopping, &nobody, self))
        return nobody == self;
    if (kp_x86_view.count > 1)
        kp_x86_lapic_send_nmi_to_others();
    return true;
}

bool kp_x86_smp_is_stopping(void)
{
    uint32_t by = atomic_load(&stopping);
    return by && by != kp_x86_cpu()->number + 1;
}

/* ---- Starting ---- */

/* boot.S */
extern uint8_t kp_x86_trampoline[], kp_x86_trampoline_end[];
extern uint32_t kp_x86_trampoline_gdt, kp_x86_trampoline_jump, kp_x86_trampoline_root;
extern uint64_t kp_x86_trampoline_entry;
extern uint8_t kp_x86_boot_root[];
void kp_x86_ap_entry(void);
_Noreturn void kp_x86_ap_start(kp_x86_cpu_t *cpu);
/* What kp_x86_ap_entry loads. */
uint64_t kp_x86_ap_root, kp_x86_ap_stack;
kp_x86_cpu_t *kp_x86_ap_cpu;

static _Atomic uint32_t arrived; /* CPU + 1 that came up last */

/* Two CPUs take turns with the counter: does it ever go back? */
static struct {
    atomic_flag lock;
    uint64_t last, warp; /* guarded by: lock */
    _Atomic uint32_t inside;
} warp_check;

static void warp_run(void)
{
    atomic_fetch_add(&warp_check.inside, 1);
    uint64_t begin = kp_x86_tsc();
    while (atomic_load(&warp_check.inside) < 2 &&
           kp_x86_tsc() - begin < START_WAIT_S * kp_x86_tsc_frequency())
        __asm__ volatile("pause");
    for (unsigned i = 0; i < WARP_ROUNDS; i++) {
        while (atomic_flag_test_and_set_explicit(&warp_check.lock, memory_order_acquire))
            __asm__ volatile("pause");
        __asm__ volatile("lfence" : : : "memory");
        uint64_t now = kp_x86_tsc();
        if (now < warp_check.last)
            warp_check.warp = KP_MAX(warp_check.warp, warp_check.last - now);
        warp_check.last = now;
        atomic_flag_clear_explicit(&warp_check.lock, memory_order_release);
    }
}

__attribute__((no_stack_protector)) void kp_x86_ap_start(kp_x86_cpu_t *cpu)
{
    kp_x86_cpu_load(cpu);
    kp_x86_trap_load();
    kp_x86_cpu_protect();
    kp_x86_lapic_init_cpu();
    cpu->apic = kp_x86_lapic_id();
    warp_run();
    kp_x86_thread_init();
    atomic_store(&arrived, cpu->number + 1);
    /* The boot CPU makes it visible to the others; then there are threads for it. */
    while (__atomic_load_n(&kp_x86_view.count, __ATOMIC_ACQUIRE) <= cpu->number)
        __asm__ volatile("pause");
    kp_x86_thread_idle();
}

static void trampoline_prepare(uint64_t page)
{
    uint8_t *at = kp_x86_direct(page);
    size_t size = (size_t)(kp_x86_trampoline_end - kp_x86_trampoline);
    kp_x86_trampoline_gdt += (uint32_t)page;
    kp_x86_trampoline_jump += (uint32_t)page;
    kp_x86_trampoline_root = (uint32_t)kp_x86_physical(kp_x86_boot_root);
    kp_x86_trampoline_entry = (uint64_t)kp_x86_ap_entry;
    memcpy(at, kp_x86_trampoline, size);
    kp_x86_ap_root = kp_x86_paging_root();
}

static bool has_arrived(uint32_t number)
{
    kp_time_t limit = kp_machine_now() + START_WAIT;
    while (atomic_load(&arrived) != number + 1) {
        if (kp_machine_now() > limit)
            return false;
        __asm__ volatile("pause");
    }
    return true;
}

static bool start_one(uint32_t number, uint32_t apic, uint64_t page)
{
    kp_x86_cpu_t *cpu = kp_x86_cpu_create(number, apic);
    if (!cpu) {
        kp_log("smp", KP_LOG_ERROR, "no memory for CPU %u", number);
        return false;
    }
    kp_x86_ap_cpu = cpu;
    kp_x86_ap_stack = cpu->kernel_stack;
    atomic_store(&warp_check.inside, 0);
    atomic_thread_fence(memory_order_seq_cst);
    kp_x86_lapic_send_start(apic, (uint8_t)(page / KP_PAGE_SIZE));
    /* A second start is for CPUs that missed the first, as old ones may. */
    kp_time_t limit = kp_machine_now() + KP_NS_PER_MS;
    while (!atomic_load(&warp_check.inside) && kp_machine_now() < limit)
        __asm__ volatile("pause");
    if (!atomic_load(&warp_check.inside))
        kp_x86_lapic_send_start(apic, (uint8_t)(page / KP_PAGE_SIZE));
    warp_run();
    if (!has_arrived(number)) {
        /* Should it come up later, it waits for ever: its number is never counted. */
        kp_log("smp", KP_LOG_ERROR, "the CPU with APIC id %u does not start", apic);
        return false;
    }
    return true;
}

void kp_x86_smp_start(void *argument)
{
    const kp_x86_boot_t *boot = &kp_x86_boot;
    (void)argument;
    if (boot->cpu_count < 2)
        return;
    if (!boot->trampoline) {
        kp_log("smp", KP_LOG_WARN, "no free page below 640 KiB: one CPU only");
        return;
    }
    trampoline_prepare(boot->trampoline);
    for (uint32_t i = 0; i < boot->cpu_count; i++)
        if (boot->cpus[i] != kp_x86_cpus[0]->apic)
            kp_x86_lapic_send_init(boot->cpus[i]);
    kp_time_t start = kp_machine_now() + INIT_WAIT;
    while (kp_machine_thread_park(start)) {
    }
    for (uint32_t i = 0; i < boot->cpu_count; i++) {
        uint32_t number = kp_x86_view.count;
        if (boot->cpus[i] == kp_x86_cpus[0]->apic || number == KP_X86_CPUS_MAX)
            continue;
        if (!start_one(number, boot->cpus[i], boot->trampoline))
            break; /* the shared start-up data may still be read: no other may change it */
        if (warp_check.warp)
            kp_x86_clock_set_unsynchronised(warp_check.warp);
        atomic_fetch_or(&kp_x86_view.idle, 1u << number);
        __atomic_store_n(&kp_x86_view.count, number + 1, __ATOMIC_SEQ_CST);
    }
    memset(kp_x86_direct(boot->trampoline), 0, KP_PAGE_SIZE);
    kp_log("smp", KP_LOG_INFO, "%u CPUs", kp_x86_view.count);
}

uint32_t kp_machine_cpu_count(void)
{
    return KP_MIN(KP_MAX(kp_x86_boot.cpu_count, 1u), (uint32_t)KP_X86_CPUS_MAX);
}
